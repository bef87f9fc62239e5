"""What a badge shows: the score of one target, or the result of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerq_cli.application.absence import describe_absence
from nerq_cli.application.snapshots import summarise_report
from nerq_cli.errors import UsageError
from nerq_cli.report.badge import Badge
from nerq_cli.report.wording import shorten_version

if TYPE_CHECKING:
    from nerq_cli.application.check import CheckResult
    from nerq_cli.report.model import Assessment, Report


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
    return describe_assessment(assessment, report.as_of)


def describe_assessment(assessment: Assessment, as_of: int) -> Badge:
    """Return the badge of a target that was checked at a moment (epoch seconds UTC). Without a grade it is grey."""
    dependency, score = assessment.dependency, assessment.score
    subject = f"{dependency.package.name} {shorten_version(dependency.version or '')}".strip()
    if score is None or score.value is None or score.grade is None:
        number = "" if score is None or score.value is None else f", provisionally {score.value:.1f}"
        return Badge(subject=subject, result=f"unknown{number}", grade=None, as_of=as_of)
    return Badge(subject=subject, result=f"{score.value:.1f} {score.grade}", grade=score.grade, as_of=as_of)


def describe_project(report: Report, name: str) -> Badge:
    """Return the badge of a scan. It has the colour of the lowest score, and is grey if not everything was checked."""
    summary = summarise_report(report)
    if not summary.dependencies:
        return Badge(subject=name, result="unknown: nothing to scan", grade=None, as_of=report.as_of)
    counted = f"{summary.below} of {summary.dependencies} below {summary.threshold:g}"
    if not report.complete or summary.lowest is None:
        return Badge(subject=name, result=f"unknown: not all checked, {counted}", grade=None, as_of=report.as_of)
    grade = report.methodology.find_grade(summary.lowest)
    result = f"lowest {summary.lowest:.1f} {grade}, {counted}"
    return Badge(subject=name, result=result, grade=grade, as_of=report.as_of)
