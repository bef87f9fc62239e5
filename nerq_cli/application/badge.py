"""What a badge shows: the score of one target, or the result of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerq_cli.application.absence import describe_absence
from nerq_cli.application.snapshots import summarise_report
from nerq_cli.errors import UsageError
from nerq_cli.policy.rules.scores import SCORE_BELOW_THRESHOLD
from nerq_cli.report.badge import Badge
from nerq_cli.report.wording import shorten_version

if TYPE_CHECKING:
    from nerq_cli.application.check import CheckResult
    from nerq_cli.inventory import Dependency
    from nerq_cli.report.model import Assessment, Report

#: Grade whose colour a badge has if rules fail the run.
_FAILING: Final = "F"


def describe_target(result: CheckResult) -> Badge:
    """Return the badge of a check of one target. Without a grade it is grey.

    Raises:
        UsageError: the name may be several packages, or the target does not exist.
    """
    report = result.report
    if result.servers:
        from nerq_cli.application.server_badge import describe_server

        return describe_server(result.servers[0], report)
    if result.ambiguous:
        packages = [assessment.dependency.package for assessment in result.ambiguous[0]]
        commands = "   ".join(f"nerq badge {package.ecosystem.lower()}:{package.name}" for package in packages)
        ecosystems = " and ".join(package.ecosystem for package in packages)
        raise UsageError(f"{packages[0].name} may be the package on {ecosystems}", hint=f"name one: {commands}")
    if len(report.dependencies) != 1:
        raise UsageError("a badge is about one package", hint="name one of those that nerq check shows")
    [assessment] = report.dependencies
    absence = describe_absence(assessment)
    if absence:
        raise UsageError(absence, hint=assessment.fix)
    return describe_assessment(assessment, report)


def describe_assessment(assessment: Assessment, report: Report) -> Badge:
    """Return the badge of a target of a report. Without a grade it is grey; if rules fail it, it is red."""
    as_of = report.as_of
    failing = _count_failing(report, assessment.dependency)
    dependency, score = assessment.dependency, assessment.score
    subject = f"{dependency.package.name} {shorten_version(dependency.version or '')}".strip()
    if score is None or score.value is None or score.grade is None:
        number = "" if score is None or score.value is None else f", provisionally {score.value:.1f}"
        result, grade = f"unknown{number}", None
    else:
        result, grade = f"{score.value:.1f} {score.grade}", score.grade
    if failing:
        result, grade = f"{_describe_failing(failing)}, {result}", _FAILING
    return Badge(subject=subject, result=result, grade=grade, as_of=as_of)


def _count_failing(report: Report, dependency: Dependency | None = None) -> int:
    """Return the number of rules that fail a run, beside the one about scores; of one dependency if it is given."""
    purls = None if dependency is None else (dependency.purl, dependency.package.purl)
    return len(
        {
            finding.id
            for finding in report.findings
            if finding.fails and finding.id != SCORE_BELOW_THRESHOLD.id and (purls is None or finding.purl in purls)
        }
    )


def _describe_failing(count: int) -> str:
    return f"fails {count} {'rule' if count == 1 else 'rules'}"


def describe_project(report: Report, name: str) -> Badge:
    """Return the badge of a scan.

    It has the colour of the lowest score, and is grey if not everything was checked. If other rules than the one about
    scores fail the run, it is red.
    """
    summary = summarise_report(report)
    if not summary.dependencies:
        return Badge(subject=name, result="unknown: nothing to scan", grade=None, as_of=report.as_of)
    counted = f"{summary.below} of {summary.dependencies} below {summary.threshold:g}"
    failing = _count_failing(report)
    grade: str | None
    if not report.complete or summary.lowest is None:
        result, grade = f"not all checked, {counted}", None
        result = result if failing else f"unknown: {result}"
    else:
        grade = report.methodology.find_grade(summary.lowest)
        result = f"lowest {summary.lowest:.1f} {grade}, {counted}"
    if failing:
        result, grade = f"{_describe_failing(failing)}, {result}", _FAILING
    return Badge(subject=name, result=result, grade=grade, as_of=report.as_of)
