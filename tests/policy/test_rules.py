"""What is wrong beside scores."""

from __future__ import annotations

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import RULES, RuleInput, describe_counts, find_findings, group_by_rule


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
    findings = find_findings(RuleInput(assessments=assessments, dependency_files=()))
    return tuple(finding for finding in findings if finding.id == "not-on-index")


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
    assert describe_counts([]) == []
    assert describe_counts([one]) == ["1 name in no public index"]
    assert describe_counts([one, other]) == ["2 names in no public index"]
    assert {rule.id: group for rule, group in group_by_rule([one, other]).items()} == {"not-on-index": [one, other]}
    assert group_by_rule([]) == {}


def test_every_rule_has_an_id_of_its_own_and_words_for_one_and_for_several() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(len(set(rule.headings)) == 2 and rule.hint for rule in RULES)
    assert all(rule.summary.endswith(".") and rule.explanation.endswith(".") for rule in RULES)
