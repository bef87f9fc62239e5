"""What is wrong beside scores."""

from __future__ import annotations

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.errors import ExitStatus
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.policy import decide_exit
from nerq_cli.policy.findings import KINDS, describe_counts, find_unregistered, group_by_kind


def lost(name: str, *lines: int, version: str = "1.0", ecosystem: EcosystemId = PYPI) -> Dependency:
    return Dependency(
        package=Package(ecosystem=ecosystem, name=name),
        requirement=f"=={version}",
        version=version,
        resolution="pinned",
        direct=True,
        groups=(),
        locations=tuple(Location(path="a.txt", line=line) for line in lines),
    )


def test_a_name_is_found_once_with_every_place_that_writes_it() -> None:
    found = list(find_unregistered([lost("x", 1, 2), lost("y", 3, ecosystem=NPM), lost("x", 2, 4, version="2.0")]))
    assert [(one.name, one.purl, [place.line for place in one.locations]) for one in found] == [
        ("x", "pkg:pypi/x", [1, 2, 4]),
        ("y", "pkg:npm/y", [3]),
    ]
    assert [one.text for one in found] == [
        "PyPI has no package of this name",
        "the npm registry has no package of this name",
    ]


def test_findings_are_counted_kind_by_kind_in_words() -> None:
    one, other = find_unregistered([lost("x", 1), lost("y", 2)])
    assert describe_counts([]) == []
    assert describe_counts([one]) == ["1 name no public index knows"]
    assert describe_counts([one, other]) == ["2 names no public index knows"]
    assert group_by_kind([one, other]) == {"not-in-registry": [one, other]}
    assert group_by_kind([]) == {}


def test_every_kind_has_words_for_one_and_for_several() -> None:
    assert all(len(set(kind.headings)) == len(set(kind.count_phrases)) == 2 and kind.hint for kind in KINDS.values())


def test_a_finding_keeps_a_run_from_passing_and_is_named_beside_what_is_below() -> None:
    said = ["1 name no public index knows"]
    assert decide_exit(["ok"], threshold=70, findings=said) == (ExitStatus.BELOW, said[0])
    assert decide_exit(["unknown"], threshold=70, findings=said, strict=True) == (ExitStatus.BELOW, said[0])
    assert decide_exit(["below"], threshold=70, findings=said) == (ExitStatus.BELOW, f"1 below 70, {said[0]}")
    assert decide_exit(["ok"], threshold=70, findings=said, problem_count=1)[0] is ExitStatus.USAGE
