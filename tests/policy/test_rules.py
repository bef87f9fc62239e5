"""What is wrong beside scores."""

from __future__ import annotations

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.errors import ExitStatus
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.policy import decide_exit
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import RULES, RuleInput, describe_counts, find_problems, group_by_rule


def lost(name: str, *lines: int, version: str = "1.0", ecosystem: EcosystemId = PYPI) -> Assessment:
    dependency = Dependency(
        package=Package(ecosystem=ecosystem, name=name),
        requirement=f"=={version}",
        version=version,
        resolution="pinned",
        direct=True,
        groups=(),
        locations=tuple(Location(path="a.txt", line=line) for line in lines),
    )
    return Assessment(dependency=dependency, state="unknown", in_registry=False)


def check(*assessments: Assessment) -> tuple[Finding, ...]:
    return find_problems(RuleInput(assessments=assessments, dependency_files=()))


def test_a_name_is_found_once_with_every_place_that_writes_it() -> None:
    found = check(lost("x", 1, 2), lost("y", 3, ecosystem=NPM), lost("x", 2, 4, version="2.0"))
    assert [(one.name, one.purl, [place.line for place in one.locations]) for one in found] == [
        ("x", "pkg:pypi/x", [1, 2, 4]),
        ("y", "pkg:npm/y", [3]),
    ]
    assert [one.text for one in found] == [
        "PyPI has no package of this name",
        "the npm registry has no package of this name",
    ]


def test_findings_are_counted_rule_by_rule_in_words() -> None:
    one, other = check(lost("x", 1), lost("y", 2))
    assert describe_counts([], "fail") == describe_counts([one], "incomplete") == []
    assert describe_counts([one], "fail") == ["1 name in no public index"]
    assert describe_counts([one, other], "fail") == ["2 names in no public index"]
    assert {rule.id: group for rule, group in group_by_rule([one, other]).items()} == {"not-in-registry": [one, other]}
    assert group_by_rule([]) == {}


def test_every_rule_has_an_id_of_its_own_and_words_for_one_and_for_several() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(len(set(rule.headings)) == len(set(rule.count_phrases)) == 2 and rule.hint for rule in RULES)


def test_a_finding_keeps_a_run_from_passing_and_is_named_beside_what_is_below() -> None:
    said = ["1 name in no public index"]
    assert decide_exit(["ok"], threshold=70, findings=said) == (ExitStatus.BELOW, said[0])
    assert decide_exit(["unknown"], threshold=70, findings=said, strict=True) == (ExitStatus.BELOW, said[0])
    assert decide_exit(["below"], threshold=70, findings=said) == (ExitStatus.BELOW, f"1 below 70, {said[0]}")
    assert decide_exit(["ok"], threshold=70, findings=said, problem_count=1)[0] is ExitStatus.USAGE
