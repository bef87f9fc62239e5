"""What differs from the run that a scan is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.policy.baseline import KINDS, CapChange, Comparison, DependencyChange, SignalChange
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.report.model import Report
    from nerq_cli.report.terminal.layout import Page

#: Rows without ``--all``.
MAX_CHANGES: Final = 20
#: Signals that a row names.
_MAX_SIGNALS: Final = 3
_STYLES: Final = {"added": "strong", "removed": "dim", "upgraded": "good", "downgraded": "doubt"}


def add_comparison(page: Page, report: Report, *, limit: int | None) -> None:
    """Add the counts, a row for each change, and what became of the findings; nothing without a comparison."""
    comparison = report.comparison
    if comparison is None:
        return
    counts = [f"{count:,} {kind}" for kind in KINDS if (count := comparison.count(kind))]
    summary = ", ".join([*counts, f"{comparison.unchanged:,} unchanged"])
    page.add_paragraph(page.safe_text(f"compared with {comparison.label}: {summary}"), "strong")
    for change in comparison.changes[:limit]:
        _add_change(page, report, change)
    if limit is not None and len(comparison.changes) > limit:
        page.add_line((f"    +{len(comparison.changes) - limit:,} more (--all)", "dim"))
    findings = list(describe_findings(report, comparison))
    if findings:
        page.add_paragraph(page.safe_text(f"findings: {', '.join(findings)}"))
    page.add_gap()


def describe_findings(report: Report, comparison: Comparison) -> Iterator[str]:
    """Yield the number of findings by what became of them."""
    changes = Counter(finding.change for finding in report.findings)
    for count, text in (
        (changes["new"], "new"),
        (changes["worse"], "worse"),
        (changes["unchanged"], "known, as before"),
        (comparison.resolved, "resolved"),
        (comparison.unchecked, "not resolved for certain: could not be checked"),
    ):
        if count:
            yield f"{count:,} {text}"


def _add_change(page: Page, report: Report, change: DependencyChange) -> None:
    sign = getattr(page.glyphs, change.kind)
    style = _STYLES.get(change.kind, "")
    projects = [project or "." for project in change.projects]
    place = "" if projects == ["."] else projects[0] if len(projects) == 1 else format_count(len(projects), "project")
    name = f"{get_ecosystem(change.ecosystem).purl_type}:{change.name} {_describe_versions(change)}"
    score = _describe_score(change)
    text = "  ".join(filter(None, (page.safe_text(name), page.safe_text(score))))
    page.add_wrapped((f"  {sign} ", style), (text, style), (page.safe_text(place), "dim"))
    if causes := list(describe_causes(report, change)):
        page.add_paragraph(page.safe_text(f"because {', '.join(causes)}"), "dim", indent=6)


def _describe_versions(change: DependencyChange) -> str:
    before, after = change.version_before, change.version_after
    if change.kind in ("added", "rescored"):
        return after or "(version not known)"
    if change.kind == "removed":
        return before or "(version not known)"
    return f"{before or '(not known)'} → {after or '(not known)'}"


def _describe_score(change: DependencyChange) -> str:
    before = _format_score(change.score_before, change.state_before)
    after = _format_score(change.score_after, change.state_after)
    if change.kind == "added":
        return after
    if change.kind == "removed":
        return before
    return f"score {before} → {after}" if before != after else ""


def _format_score(score: float | None, state: str | None) -> str:
    return f"{score:.1f}" if score is not None else state or "no score"


def describe_causes(report: Report, change: DependencyChange) -> Iterator[str]:
    """Yield what moved a score most, caps first: ``known vulnerabilities 20 → 100 (+15.2)``."""
    if change.score_before == change.score_after and change.kind != "rescored":
        return
    yield from map(_describe_cap, change.caps)
    for signal in change.signals[:_MAX_SIGNALS]:
        yield _describe_signal(report, signal)
    if len(change.signals) > _MAX_SIGNALS:
        yield format_count(len(change.signals) - _MAX_SIGNALS, "further signal")


def _describe_cap(cap: CapChange) -> str:
    before, after = (f"{limit:g}" if limit is not None else "none" for limit in (cap.limit_before, cap.limit_after))
    return f"cap {cap.id} {before} → {after}"


def _describe_signal(report: Report, signal: SignalChange) -> str:
    spec = report.methodology.signals.get(signal.id)
    name = signal.id if spec is None else spec.name
    before, after = (
        f"{value:g}" if value is not None else "not known" for value in (signal.value_before, signal.value_after)
    )
    values = f" {before} → {after}" if before != after else f" {after}"
    return f"{name}{values} ({signal.points:+.1f})"
