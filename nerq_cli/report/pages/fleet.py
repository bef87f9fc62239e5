"""A fleet as text, Markdown and HTML; JSON and CSV are in ``fleet_document``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from nerq_cli.insight.fleet import (
    STATES,
    FleetPackage,
    FleetProject,
    FleetVersion,
    ProjectState,
    count_directions,
    count_states,
    iter_drifting,
    rank_project,
)
from nerq_cli.report import RenderOptions
from nerq_cli.report.html.markup import element, join
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.pages.document import clean, wrap_html
from nerq_cli.report.pages.fleet_document import FleetReport, build_schema, iter_users, render_csv, render_json
from nerq_cli.report.pages.html_table import build_table
from nerq_cli.report.pages.markdown import write_paragraph, write_table
from nerq_cli.report.sanitize import sanitize_text
from nerq_cli.report.terminal.layout import MAX_SHOWN_LENGTH, Column, Page, Span, add_table
from nerq_cli.report.wording import format_date, format_timestamp
from nerq_cli.signals.signal import format_count
from nerq_cli.units import DAY

__all__ = ["build_schema", "render_csv", "render_html", "render_json", "render_markdown", "render_text"]

#: States as they are shown, and the style of each in a terminal.
STATE_NAMES: Final[dict[ProjectState, str]] = {
    "failing": "failing",
    "unreadable": "unreadable",
    "incomplete": "incomplete",
    "empty": "nothing to scan",
    "passed": "passed",
}
_STYLES: Final[dict[ProjectState, str]] = {
    "failing": "bad",
    "unreadable": "bad",
    "incomplete": "doubt",
    "empty": "dim",
    "passed": "good",
}
#: Rows of each table in the text, unless the user wants another number.
DEFAULT_ROWS: Final = 20
#: Rows of each table in Markdown and HTML: a page that a browser opens at once.
_MAX_ROWS: Final = 1_000
#: Names of projects in a cell of the text, and of a page.
_TEXT_USERS: Final = 3
_PAGE_USERS: Final = 12
_MAX_VERSIONS: Final = 8
#: Packages that are shown where none is below the threshold.
_LEAST_ROWS: Final = 10
_MAX_ADVISORIES: Final = 3
#: Settings, problems and names that a cell of the text lists, and characters of each; pages list all.
_TEXT_NOTES: Final = 6
_NOTE_LENGTH: Final = 200
#: Longest reason of a project: what its settings accept must not be cut, and comes after it.
_REASON_LENGTH: Final = 300
#: Longest cell in the table of projects.
_PROJECT_CELL: Final = 20_000


class _Tables(NamedTuple):
    """The rows of a page, as text."""

    packages: list[list[str]]
    projects: list[list[str]]
    drifting: list[list[str]]


_PACKAGE_HEADINGS: Final = ("Package", "Score", "Why", "Move to", "Projects", "Used by")
_PROJECT_HEADINGS: Final = ("Project", "State", "Below", "Lowest", "Dependencies", "Since the last run", "Why")
_DRIFT_HEADINGS: Final = ("Package", "Versions", "Projects", "In use")


def _list_tables(report: FleetReport, limit: int, users: int, notes: int | None = None) -> _Tables:
    below = [package for package in report.packages if package.is_below] or report.packages[:_LEAST_ROWS]
    projects = sorted(report.projects, key=rank_project)
    return _Tables(
        packages=[_build_package_row(package, report.projects, users) for package in below[:limit]],
        projects=[_build_project_row(project, notes) for project in projects[:limit]],
        drifting=[_build_drift_row(package) for package in islice(iter_drifting(report.packages), limit)],
    )


def _build_package_row(package: FleetPackage, projects: Sequence[FleetProject], users: int) -> list[str]:
    version = package.worst
    use = version.use
    return [
        f"{use.name} {use.version}".strip(),
        describe_score(version),
        _explain(version),
        use.fix or "-",
        f"{len(version.projects):,}",
        _list_users(version, projects, users),
    ]


def describe_score(version: FleetVersion) -> str:
    """Return the score of a version with its grade; in words where it has none."""
    use = version.use
    if use.score is None:
        return "malware" if use.malware else "not scored"
    return f"{'~' if use.provisional else ''}{use.score:.1f} {use.grade}".rstrip()


def _explain(version: FleetVersion) -> str:
    use = version.use
    marks = [*(["malware"] if use.malware else []), *(["known to be exploited"] if use.exploited else [])]
    more = len(use.advisories) - _MAX_ADVISORIES
    advisories = ", ".join(use.advisories[:_MAX_ADVISORIES]) + (f" and {more} more" if more > 0 else "")
    return (
        "; ".join(filter(None, (*marks, use.reason or "", advisories if advisories not in use.reason else ""))) or "-"
    )


def _list_users(version: FleetVersion, projects: Sequence[FleetProject], limit: int) -> str:
    names = list(islice(iter_users(version, projects), limit))
    more = len(version.projects) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def _build_project_row(project: FleetProject, notes: int | None) -> list[str]:
    lowest = "-" if project.lowest is None else f"{project.lowest:.1f}"
    return [
        project.name,
        STATE_NAMES[project.state],
        f"{project.below:,}",
        lowest,
        f"{project.dependencies:,}",
        describe_trend(project),
        "; ".join((sanitize_text(project.reason, _REASON_LENGTH), *_list_notes(project, notes))),
    ]


def _list_notes(project: FleetProject, limit: int | None) -> Iterator[str]:
    """Yield what must be seen of a project beside its state: what its own settings accept, and who decided for it."""
    if project.below_fleet > project.below:
        yield f"{project.below_fleet:,} below the threshold of this run"
    if project.waived:
        yield f"{project.waived:,} waived"
    if project.withheld:
        yield f"{project.withheld:,} not looked up: withheld by {_join(project.withheld_by, limit, ', ')}"
    if project.withheld_from:
        yield f"keeps names from being looked up for {_join(project.withheld_from, limit, ', ')}"
    if project.weaker:
        yield f"its settings accept more than those of this run: {_join(project.weaker, limit, '; ')}"
    if problems := [problem for problem in project.problems if problem not in project.reason]:
        yield _join(problems, limit, "; ")


def _join(texts: Sequence[str], limit: int | None, separator: str) -> str:
    """Return texts as one, the first ones of them, each cut, if there is a limit."""
    shown = [sanitize_text(text, 0 if limit is None else _NOTE_LENGTH) for text in texts[:limit]]
    more = len(texts) - len(shown)
    return separator.join(shown) + (f" and {more:,} more" if more else "")


def describe_trend(project: FleetProject) -> str:
    """Return how a project moved since its last run, in words."""
    trend = project.trend
    if trend is None or trend.day is None:
        return "first run"
    words = {"worse": "worse", "better": "better", "same": "same", "unclear": "not comparable", "new": "first run"}
    since = f"since {format_date(trend.day * DAY)}"
    if trend.direction not in ("worse", "better"):
        return f"{words[trend.direction]} {since}"
    if trend.below is not None and trend.below != project.below:
        return f"{words[trend.direction]} {since}: {trend.below:,} → {project.below:,} below"
    medians = (trend.median or 0.0, project.median or 0.0)
    return f"{words[trend.direction]} {since}: median {medians[0]:.1f} → {medians[1]:.1f}"


def _build_drift_row(package: FleetPackage) -> list[str]:
    by_use = sorted(
        package.versions,
        key=lambda version: (not version.use.version, -len(version.projects), version.use.version),
    )
    shown = ", ".join(
        f"{version.use.version or 'not known'} ({len(version.projects):,})" for version in by_use[:_MAX_VERSIONS]
    )
    more = len(by_use) - _MAX_VERSIONS
    return [
        package.name,
        f"{package.known_count:,}",
        f"{package.projects:,}",
        shown + (f" and {more:,} more" if more > 0 else ""),
    ]


def _list_sentences(report: FleetReport) -> Iterator[str]:
    counts = count_states(report.projects)
    states = ", ".join(f"{counts[state]:,} {STATE_NAMES[state]}" for state in STATES if counts[state])
    yield f"{format_count(len(report.projects), 'project')}: {states}."
    below = [package for package in report.packages if package.is_below]
    users = {
        index for package in below for version in package.versions if version.is_below for index in version.projects
    }
    versions = (
        f"{format_count(report.versions, 'different version')} of {format_count(len(report.packages), 'package')}"
    )
    total = f"{report.dependencies:,} {'dependency' if report.dependencies == 1 else 'dependencies'}, {versions}"
    below_text = f"{format_count(len(below), 'package')} below {report.threshold:g}"
    yield f"{total}; {below_text}, in {format_count(len(users), 'project')}."
    if withheld := sum(project.withheld for project in report.projects):
        names = sorted({name for project in report.projects for name in project.withheld_by})
        noun = "name" if withheld == 1 else "names"
        yield f"{withheld:,} not looked up, the {noun} withheld by {_join(names, _TEXT_NOTES, ', ')}."
    directions = count_directions(report.projects)
    if directions["new"] < len(report.projects):
        words = {"worse": "worse", "better": "better", "same": "the same", "unclear": "not comparable", "new": "new"}
        moved = ", ".join(f"{count:,} {words[direction]}" for direction, count in directions.items() if count)
        yield f"Since the last run of each project: {moved}."
    missing = [
        source for source in report.sources if source.state in ("partial", "unavailable") and not source.fallback
    ]
    for source in missing:
        yield (
            f"{source.name}: {source.answered_subjects:,} of {source.subjects:,} answered"
            f"{f' ({source.reason})' if source.reason else ''}."
        )
    if not report.complete:
        yield "Not everything could be read and checked."


def _describe_none_below(report: FleetReport) -> str:
    """Return what the list of the worst packages states if none is below the threshold."""
    if not report.packages:
        return "There is no dependency." if report.complete else "No dependency could be read."
    what = "version in use" if report.complete else "version that could be scored"
    return f"No {what} is below the threshold."


def _describe_foot(report: FleetReport) -> str:
    return f"nerq-cli {report.version}, as of {format_timestamp(report.as_of)}; threshold {report.threshold:g}"


def _describe_rest(shown: int, total: int, noun: str, which: str = "") -> str:
    more = total - shown
    verb = "is" if more == 1 else "are"
    return f"{format_count(more, f'more {noun}')}{which} {verb} in the JSON and CSV reports." if more > 0 else ""


def render_text(report: FleetReport, options: RenderOptions) -> str:
    """Return the page as text."""
    limit = options.top or (_MAX_ROWS if options.show_all else DEFAULT_ROWS)
    tables = _list_tables(report, limit, _TEXT_USERS, _TEXT_NOTES)
    page = Page(options)
    page.add_line((page.safe_text(f"Fleet of {format_count(len(report.projects), 'project')}"), "strong"))
    for sentence in _list_sentences(report):
        page.add_paragraph(page.safe_text(sentence, 0), indent=0)
    page.add_gap()
    page.add_line(("Worst packages", "strong"))
    below_count = sum(package.is_below for package in report.packages)
    if not below_count:
        page.add_paragraph(_describe_none_below(report))
    if tables.packages:
        columns = [
            Column(_PACKAGE_HEADINGS[0], 36, 12),
            Column(_PACKAGE_HEADINGS[1], 12, 6),
            Column(_PACKAGE_HEADINGS[2], 44, 12),
            Column(_PACKAGE_HEADINGS[3], 16, 7),
            Column(_PACKAGE_HEADINGS[4], 8, 8, align_right=True),
            Column(_PACKAGE_HEADINGS[5], 44, 12),
        ]
        add_table(page, columns, [_style_row(page, row) for row in tables.packages])
    _add_rest(page, _describe_rest(len(tables.packages), below_count, "package", " below the threshold"))
    page.add_gap()
    page.add_line(("Projects", "strong"))
    states = sorted(report.projects, key=rank_project)
    columns = [
        Column(_PROJECT_HEADINGS[0], 36, 10, keep_end=True),
        Column(_PROJECT_HEADINGS[1], 15, 10),
        Column(_PROJECT_HEADINGS[2], 6, 5, align_right=True),
        Column(_PROJECT_HEADINGS[3], 6, 6, align_right=True),
        Column("Deps", 8, 5, align_right=True),
        Column(_PROJECT_HEADINGS[5], 30, 12),
        Column(_PROJECT_HEADINGS[6], 60, 16),
    ]
    rows = [
        _style_row(page, row, {1: _STYLES[project.state]}, _PROJECT_CELL)
        for row, project in zip(tables.projects, states, strict=False)
    ]
    add_table(page, columns, rows)
    _add_rest(page, _describe_rest(len(tables.projects), len(report.projects), "project"))
    if tables.drifting:
        page.add_gap()
        page.add_line(("Packages in several versions", "strong"))
        columns = [
            Column("Package", 36, 12),
            Column("Versions", 8, 8),
            Column("Projects", 8, 8),
            Column("In use", 80, 16),
        ]
        add_table(page, columns, [_style_row(page, row) for row in tables.drifting])
    page.add_gap()
    page.add_paragraph(page.safe_text(f"exit {report.exit.value}: {report.exit_reason}", 0), "dim", indent=0)
    page.add_paragraph(page.safe_text(_describe_foot(report)), "dim", indent=0)
    return page.to_text()


def _style_row(
    page: Page, row: Sequence[str], styles: dict[int, str] | None = None, limit: int = MAX_SHOWN_LENGTH
) -> list[Span]:
    return [(page.safe_text(cell, limit), (styles or {}).get(number, "")) for number, cell in enumerate(row)]


def _add_rest(page: Page, text: str) -> None:
    if text:
        page.add_paragraph(text, "dim")


def render_markdown(report: FleetReport) -> str:
    """Return the page as Markdown."""
    return "".join(_write_markdown(report))


def _write_markdown(report: FleetReport) -> Iterator[str]:
    tables = _list_tables(report, _MAX_ROWS, _PAGE_USERS)
    yield f"## Fleet of {escape(format_count(len(report.projects), 'project'))}\n\n"
    yield from map(write_paragraph, _list_sentences(report))
    yield "### Worst packages\n\n"
    if not any(package.is_below for package in report.packages):
        yield write_paragraph(_describe_none_below(report))
    yield from write_table(_PACKAGE_HEADINGS, _clean_rows(tables.packages))
    yield "### Projects\n\n"
    yield from write_table(_PROJECT_HEADINGS, _clean_rows(tables.projects), cell_limit=_PROJECT_CELL)
    if tables.drifting:
        yield "### Packages in several versions\n\n"
        yield from write_table(_DRIFT_HEADINGS, _clean_rows(tables.drifting))
    for rest in _list_rests(report, tables):
        yield write_paragraph(rest)
    yield write_paragraph(f"Exit {report.exit.value}: {report.exit_reason}. {_describe_foot(report)}")


def _list_rests(report: FleetReport, tables: _Tables) -> list[str]:
    below_count = sum(package.is_below for package in report.packages)
    rests = (
        _describe_rest(len(tables.packages), below_count, "package", " below the threshold"),
        _describe_rest(len(tables.projects), len(report.projects), "project"),
    )
    return [rest for rest in rests if rest]


def _clean_rows(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [list(map(clean, row)) for row in rows]


def render_html(report: FleetReport) -> str:
    """Return the page as one self-contained HTML file."""
    tables = _list_tables(report, _MAX_ROWS, _PAGE_USERS)
    title = f"Fleet of {format_count(len(report.projects), 'project')}"
    body = [element("h1", title), *(element("p", sentence) for sentence in _list_sentences(report))]
    body += [element("h2", "Worst packages")]
    if not any(package.is_below for package in report.packages):
        body += [element("p", _describe_none_below(report))]
    if tables.packages:
        body += [build_table(_PACKAGE_HEADINGS, tables.packages, "Worst packages")]
    body += [element("h2", "Projects"), build_table(_PROJECT_HEADINGS, tables.projects, "Projects")]
    if tables.drifting:
        heading = "Packages in several versions"
        body += [element("h2", heading), build_table(_DRIFT_HEADINGS, tables.drifting, heading)]
    body += [element("p", rest) for rest in _list_rests(report, tables)]
    body += [element("p", f"Exit {report.exit.value}: {report.exit_reason}")]
    return wrap_html(title, join(*body), _describe_foot(report))
