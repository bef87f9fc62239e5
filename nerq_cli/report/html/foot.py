"""What a report is made from: an earlier run, projects, sources, dependency files, notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nerq_cli.ecosystems import get_prefix
from nerq_cli.policy import STATES
from nerq_cli.report import wording
from nerq_cli.report.changes import (
    describe_causes,
    describe_findings,
    describe_score,
    describe_summary,
    describe_versions,
)
from nerq_cli.report.html.head import is_missing, label_state
from nerq_cli.report.html.markup import Child, Markup, element
from nerq_cli.report.model import DependencyFileSummary, Report, SourceStatus
from nerq_cli.report.projects import group_by_project, report_for_project

#: Number of projects from which they have a table, and of those in it at most.
_MIN_PROJECTS, _MAX_PROJECTS = 2, 100
_MAX_FILES: Final = 200
#: Changes of dependencies that have a row.
_MAX_CHANGES: Final = 200
#: Changes up to which their table is open.
_MAX_OPEN: Final = 20
#: Signs of the states of a source.
_SOURCE_SIGNS: Final = {"ok": "✔", "partial": "!", "unavailable": "✖"}


def build_comparison(report: Report) -> Markup | None:
    """Return what differs from the run that this one is compared with; None without one."""
    comparison = report.comparison
    if comparison is None:
        return None
    rows = [
        (
            f"{get_prefix(change.ecosystem)}:{change.name}",
            change.kind,
            describe_versions(change),
            describe_score(change).removeprefix("score "),
            ", ".join(describe_causes(report, change)),
        )
        for change in comparison.changes[:_MAX_CHANGES]
    ]
    findings = ", ".join(describe_findings(report, comparison))
    hidden_count = len(comparison.changes) - _MAX_CHANGES
    heading, _, plural = wording.name_changed(report)
    headings = (heading, "Change", "Version", "Score", "Because")
    return element(
        "section",
        element("h2", f"Compared with {comparison.label}", id="comparison"),
        element("p", describe_summary(comparison)),
        element("p", f"Findings: {findings}") if findings else None,
        element(
            "details",
            element("summary", f"{len(comparison.changes):,} changed {plural}"),
            _build_table(headings, rows, f"Changed {plural}", numbers=()),
            element("p", f"{hidden_count:,} more are in the JSON report.", class_="sub") if hidden_count > 0 else None,
            open=len(rows) <= _MAX_OPEN,
        )
        if rows
        else None,
        aria_labelledby="comparison",
    )


def build_projects(report: Report) -> Markup | None:
    """Return a table of the projects, worst first, where there are several."""
    projects = group_by_project(report)
    if report.list_only or len(projects) < _MIN_PROJECTS:
        return None
    reports = [(project, report_for_project(report, project)) for project in projects]
    reports.sort(key=lambda pair: (-pair[1].count_state("below"), -pair[1].count_state("unknown"), pair[0].path))
    states = [state for state in STATES if report.count_state(state)]
    rows = [
        (
            element("span", project.path, data_project=project.path),
            *(f"{count:,}" if (count := one.count_state(state)) else "" for state in states),
            f"{len(project.dependencies):,}",
        )
        for project, one in reports[:_MAX_PROJECTS]
    ]
    hidden_count = len(reports) - _MAX_PROJECTS
    headings = ("Project", *(label_state(state, wording.label_below(report)) for state in states), "all")
    return element(
        "section",
        element("h2", f"{len(projects):,} projects", id="projects"),
        _build_table(headings, rows, "Projects", numbers=range(1, len(headings))),
        element("p", f"{hidden_count:,} more projects are in the filter below.", class_="sub")
        if hidden_count > 0
        else None,
        aria_labelledby="projects",
    )


def build_foot(report: Report) -> Markup:
    """Return the sources, the dependency files, warnings, hints, and what made the report."""
    return element(
        "footer",
        _build_sources(report),
        _build_files(report.dependency_files),
        _build_notes(report),
        element(
            "p",
            f"nerq-cli {report.version}, methodology {wording.describe_methodologies(report)}"
            + (f", Python {report.python}" if report.python else "")
            + ". This page holds the whole report; it requests nothing from anywhere.",
            class_="sub",
            id="made-by",
        ),
    )


def _build_sources(report: Report) -> Markup | None:
    if not report.sources:
        return None
    rows = [
        (
            source.name,
            _build_source_state(source),
            f"{source.answered_subjects:,} of {source.subjects:,}" if source.subjects else "",
            f"{source.from_cache:,}" if source.from_cache else "",
            wording.format_timestamp(source.oldest_response)[:16].replace("T", " "),
            _describe_source(source, report),
        )
        for source in report.sources
    ]
    headings = ("Source", "State", "Answered", "From the cache", "Oldest answer (UTC)", "Notes")
    return element(
        "details",
        element("summary", element("h2", "Sources"), " ", _count_sources(report.sources)),
        _build_table(headings, rows, "Sources", numbers=(2, 3)),
        open=any(map(is_missing, report.sources)),
    )


def _build_source_state(source: SourceStatus) -> Markup:
    sign = element("span", _SOURCE_SIGNS.get(source.state, "–"), class_="glyph", aria_hidden="true")  # noqa: RUF001 - the sign of what is skipped
    return element("span", sign, " ", source.state, class_=f"state source-{source.state.replace(' ', '-')}")


def _count_sources(sources: Sequence[SourceStatus]) -> Markup:
    missing_count = sum(map(is_missing, sources))
    text = f"{missing_count} of {len(sources)} did not answer everything" if missing_count else f"{len(sources)}"
    return element("span", text, class_="sub")


def _describe_source(source: SourceStatus, report: Report) -> str:
    notes = [source.reason, source.note]
    if source.address:
        notes += wording.describe_lookups(report) or [source.address]
    if source.fallback:
        notes.append(f"{source.fallback} was used")
    if not source.required:
        notes.append("not required")
    return "; ".join(filter(None, notes))


def _build_files(files: Sequence[DependencyFileSummary]) -> Markup | None:
    if not files:
        return None
    rows = [
        (
            element("code", file.path),
            file.format,
            f"{file.dependencies:,}",
            element("code", file.lockfile) if file.lockfile else "",
            "; ".join((*(problem.message for problem in file.problems), *file.notes)),
        )
        for file in files[:_MAX_FILES]
    ]
    headings = ("File", "Format", "Dependencies", "Lock file", "Notes")
    return element(
        "details",
        element("summary", element("h2", "Dependency files"), " ", element("span", f"{len(files):,}", class_="sub")),
        _build_table(headings, rows, "Dependency files", numbers=(2,)),
        element("p", f"{len(files) - _MAX_FILES:,} more are in the JSON report.", class_="sub")
        if len(files) > _MAX_FILES
        else None,
        open=any(file.problems for file in files),
    )


def _build_notes(report: Report) -> Markup | None:
    notes = [*dict.fromkeys(f"warning: {warning}" for warning in report.warnings), *report.hints]
    if not notes:
        return None
    return element(
        "section",
        element("h2", "Notes", id="notes"),
        element("ul", *(element("li", note) for note in notes)),
        aria_labelledby="notes",
    )


def _build_table(
    headings: Sequence[str], rows: Iterable[Sequence[Child]], label: str, *, numbers: Iterable[int]
) -> Markup:
    """Return a table that scrolls sideways where it is too wide; ``numbers`` are the columns of numbers."""
    classes = dict.fromkeys(numbers, "num")
    head = [element("th", heading, scope="col", class_=classes.get(n)) for n, heading in enumerate(headings)]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, class_=classes.get(n)) for n, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    table = element("table", element("thead", element("tr", *head)), element("tbody", *body))
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=label)
