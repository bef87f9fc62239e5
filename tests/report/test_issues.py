from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from nerq_cli.errors import ExitStatus
from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Location
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.rules import RULES
from nerq_cli.report.gaps import is_fully_checked, list_gaps
from nerq_cli.report.issues import RULE_SEVERITIES, Issue, find_rules, list_issues
from nerq_cli.report.model import Assessment, Report, SourceStatus

Assess = Callable[..., Assessment]
Make = Callable[..., Report]


def issues_of(report: Report, rule: str) -> list[Issue]:
    return [issue for issue in list_issues(report) if issue.rule == rule]


def test_what_counts_comes_before_what_is_waived_or_as_before(calm: Report) -> None:
    waiver = AppliedWaiver(reason="x")
    findings = (
        Finding(id="malicious", text="waived", waiver=waiver),
        Finding(id="malicious", text="as before", change="unchanged"),
        Finding(id="lock-drift", text="counts"),
    )
    issues = list_issues(replace(calm, findings=findings))
    assert issues[0].text == "counts"
    assert [issue.is_open for issue in issues] == [True, False, False]
    assert {issue.remark for issue in issues} == {"", "waived: x", "as before"}


def test_a_dependency_below_the_threshold_has_its_points_and_reasons(findings: Report) -> None:
    [issue] = [issue for issue in issues_of(findings, "score-below-threshold") if issue.name == "pillow"]
    assert issue.text.startswith("65.0 of 70 points: 2 known advisories (1 high, 1 medium)")
    assert issue.level == "error"
    assert issue.fix == "10.0.1"


def test_what_is_unknown_is_a_warning(doubtful: Report) -> None:
    issues = issues_of(doubtful, "score-unknown")
    assert len(issues) == len(doubtful.dependencies)
    assert {issue.level for issue in issues} == {"warning"}


def test_what_is_not_judged_is_a_warning(assess: Assess, report_of: Make) -> None:
    one = assess("x", None, skip="git: https://git.example/x @ 1a2b3c")
    [issue] = list_issues(report_of([replace(one, state="not-judged")]))
    assert (issue.rule, issue.level) == ("not-judged", "warning")
    assert issue.text == "git: https://git.example/x @ 1a2b3c"


def test_an_advisory_without_a_finding_is_a_note(assess: Assess, report_of: Make) -> None:
    one = assess("x", advisories=(AffectingAdvisory(id="GHSA-1", severity="low", exploited=True, summary="a hole"),))
    report = replace(report_of([one]), findings=())
    [issue] = issues_of(report, "vulnerability")
    assert issue.level == "note"
    assert issue.text == "GHSA-1, low, exploited in the wild, no fixed version named: a hole"
    assert issue.security_severity == 2.0


def test_an_alias_of_a_finding_is_not_reported_again(assess: Assess, report_of: Make) -> None:
    one = assess("x", advisories=(AffectingAdvisory(id="GHSA-1", aliases=("CVE-1",)),))
    finding = Finding(id="vulnerability", text="x", purl=one.dependency.purl, advisory="CVE-1", severity="high")
    assert len(issues_of(replace(report_of([one]), findings=(finding,)), "vulnerability")) == 1


def test_a_record_of_malware_is_no_vulnerability(assess: Assess, report_of: Make) -> None:
    one = assess("x", advisories=(AffectingAdvisory(id="MAL-2026-1", malware=True),))
    report = report_of([one])
    assert not issues_of(report, "vulnerability")
    assert any("MAL-2026-1" in issue.text for issue in issues_of(report, "malicious"))


def test_every_rule_with_issues_has_words(attack: Report) -> None:
    issues = list_issues(attack)
    rules = find_rules(issues)
    assert rules.keys() == {issue.rule for issue in issues}
    assert all(rule.summary for rule in rules.values())


def test_security_severities_are_on_the_scale_of_cvss() -> None:
    assert all(0 < severity <= 10 for severity in RULE_SEVERITIES.values())
    assert RULE_SEVERITIES.keys() <= {rule.id for rule in RULES}


def test_two_versions_of_a_package_in_one_file_have_two_fingerprints(calm: Report) -> None:
    findings = tuple(
        Finding(id="malicious", text="x", name="a", purl=f"pkg:npm/a@{version}", version=version, locations=(place,))
        for place in (Location(path="package-lock.json", line=1),)
        for version in ("1", "2")
    )
    first, second = list_issues(replace(calm, findings=findings))
    assert first.fingerprint != second.fingerprint
    [alone] = list_issues(replace(calm, findings=findings[1:]))
    assert alone.fingerprint == first.fingerprint


# --- what was not checked


def test_a_complete_run_has_no_gap(calm: Report) -> None:
    assert list_gaps(calm) == []
    assert is_fully_checked(calm)


@pytest.mark.parametrize("status", [ExitStatus.USAGE, ExitStatus.INCOMPLETE, ExitStatus.EMPTY])
def test_a_run_that_ended_early_is_an_error(calm: Report, status: ExitStatus) -> None:
    report = replace(calm, exit=status, exit_reason="why")
    assert [(gap.level, gap.text) for gap in list_gaps(report)] == [("error", "why")]
    assert not is_fully_checked(report)


def test_a_source_that_decides_no_state_is_a_note(calm: Report) -> None:
    source = SourceStatus(
        name="GitHub", state="partial", subjects=3, answered_subjects=1, required=False, reason="limit"
    )
    report = replace(calm, complete=False, sources=(source,), exit_reason="passed, but")
    assert {gap.level for gap in list_gaps(report)} == {"note"}
    assert is_fully_checked(report)
    assert "GitHub: 1 of 3 answered: limit" in [gap.text for gap in list_gaps(report)]


def test_a_source_with_a_fallback_is_no_gap(calm: Report) -> None:
    source = SourceStatus(name="OSV", state="unavailable", subjects=3, fallback="local database")
    assert list_gaps(replace(calm, sources=(source,))) == []


def test_a_failed_run_that_is_incomplete_for_another_reason_has_a_gap(calm: Report) -> None:
    report = replace(calm, exit=ExitStatus.BELOW, strict=False, complete=False)
    assert [gap.text for gap in list_gaps(report)] == ["not everything could be checked"]


def test_packages_that_are_not_judged_are_counted(assess: Assess, report_of: Make) -> None:
    one = replace(assess("x", None, skip="git: x"), state="not-judged")
    assert "1 package not judged" in [gap.text for gap in list_gaps(report_of([one]))]
