"""What differs from the run that a scan is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerq_cli.ecosystems import get_prefix
from nerq_cli.report.changes import (
    describe_causes,
    describe_findings,
    describe_score,
    describe_summary,
    describe_versions,
)
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.policy.baseline import DependencyChange
    from nerq_cli.report.model import Report
    from nerq_cli.report.terminal.layout import Page

#: Rows without ``--all``.
MAX_CHANGES: Final = 20
_STYLES: Final = {"added": "strong", "removed": "dim", "upgraded": "good", "downgraded": "doubt"}


def add_comparison(page: Page, report: Report, *, limit: int | None) -> None:
    """Add the counts, a row for each change, and what became of the findings; nothing without a comparison."""
    comparison = report.comparison
    if comparison is None:
        return
    page.add_paragraph(page.safe_text(f"compared with {comparison.label}: {describe_summary(comparison)}"), "strong")
    for change in comparison.changes[:limit]:
        _add_change(page, report, change)
    if limit is not None and len(comparison.changes) > limit:
        page.add_line((f"    +{len(comparison.changes) - limit:,} more (--all)", "dim"))
    findings = list(describe_findings(report, comparison))
    if findings:
        page.add_paragraph(page.safe_text(f"findings: {', '.join(findings)}"))
    page.add_gap()


def _add_change(page: Page, report: Report, change: DependencyChange) -> None:
    sign = getattr(page.glyphs, change.kind)
    style = _STYLES.get(change.kind, "")
    projects = [project or "." for project in change.projects]
    place = "" if projects == ["."] else projects[0] if len(projects) == 1 else format_count(len(projects), "project")
    name = f"{get_prefix(change.ecosystem)}:{change.name} {describe_versions(change)}"
    score = describe_score(change)
    text = "  ".join(filter(None, (page.safe_text(name), page.safe_text(score))))
    page.add_wrapped((f"  {sign} ", style), (text, style), (page.safe_text(place), "dim"))
    if causes := list(describe_causes(report, change)):
        page.add_paragraph(page.safe_text(f"because {', '.join(causes)}"), "dim", indent=6)
