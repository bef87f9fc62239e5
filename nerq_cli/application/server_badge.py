"""The badge of an MCP server that was named as the MCP registry has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerq_cli.application.registered_servers import describe_status, label_server
from nerq_cli.policy.rules.scores import SCORE_BELOW_THRESHOLD
from nerq_cli.report.badge import Badge
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.facts import McpRegistration
    from nerq_cli.report.model import Assessment, Report

#: Grade whose colour a badge has if the server was deleted, or if rules fail.
_FAILING: Final = "F"


def describe_server(server: McpRegistration, report: Report) -> Badge:
    """Return the badge of a server, by its status and the lowest score of its packages.

    It is grey if the status is not active, or if a package has no score; red if the server was deleted, or if a rule
    about something else than a score fails.

    Args:
        server: What the registry has of it.
        report: About its packages, with the findings.
    """
    subject = label_server(server)
    if server.status == "deleted":
        result = "deleted from the MCP registry"
        return Badge(subject=subject, result=result, grade=_FAILING, as_of=report.as_of)
    result, grade = _describe_scores(report.dependencies, len(server.packages))
    status = describe_status(server)
    if status:
        result, grade = f"{status}, {result}", None
    failing = {item.id for item in report.findings if item.fails} - {SCORE_BELOW_THRESHOLD.id}
    if failing:
        result, grade = f"fails {format_count(len(failing), 'rule')}, {result}", _FAILING
    return Badge(subject=subject, result=result, grade=grade, as_of=report.as_of)


def _describe_scores(assessments: tuple[Assessment, ...], count: int) -> tuple[str, str | None]:
    """Return what the scores of the packages come to, and the lowest grade; None if one of them is not settled."""
    scores = [item.score for item in assessments if item.score is not None]
    known = [(score.value, score.grade) for score in scores if score.value is not None]
    if not known:
        return "unknown: no package of it is scored", None
    value, grade = min(known)
    number = f"{value:.1f}" if len(known) == 1 else f"lowest {value:.1f}"
    graded = sum(grade is not None for _, grade in known)
    if graded < max(count, len(scores)):
        return f"unknown: {graded} of {format_count(max(count, len(scores)), 'package')} scored, {number}", None
    return f"{number} {grade}", grade
