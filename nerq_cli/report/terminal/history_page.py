"""The past of scores as text: a line of bars and a trend for each dimension, then what moved the score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerq_cli.report.history import (
    SPARKLINE_WIDTH,
    describe_causes,
    describe_move,
    describe_score,
    describe_step,
    describe_trend,
    draw_sparkline,
    format_day,
    list_changed_days,
)
from nerq_cli.report.terminal.layout import Column, Page, Span, add_table
from nerq_cli.report.wording import format_timestamp

if TYPE_CHECKING:
    from nerq_cli.insight.history import History, Step, Trend
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.history import HistoryReport, ProjectHistory, TargetHistory

_STYLES: Final = {"improving": "good", "declining": "bad", "stable": "", "too little history": "doubt"}
#: Signals of a step that are shown.
_MAX_MOVES: Final = 5


def render_text(report: HistoryReport, options: RenderOptions, *, steps: int | None) -> str:
    """Return the page of a report, with the newest ``steps`` of each target (None: all)."""
    page = Page(options)
    for target in report.targets:
        page.add_gap()
        _add_target(page, target, steps)
    if report.project is not None:
        _add_project(page, report.project, steps)
    page.add_gap()
    page.add_paragraph(f"nerq {report.version}, as of {format_timestamp(report.as_of)}", "dim", indent=0)
    return page.to_text()


def _add_target(page: Page, target: TargetHistory, steps: int | None) -> None:
    page.add_line((page.safe_text(f"{target.target}: {target.purl}"), "strong"))
    for item in target.versions:
        period = f"{format_day(item.first_day)} to {format_day(item.last_day)}"
        page.add_paragraph(page.safe_text(f"{item.version}: {item.snapshots} snapshots, {period}"), "dim")
    _add_history(page, target.history, steps)


def _add_history(page: Page, history: History, steps: int | None) -> None:
    first, last = history.snapshots[0], history.snapshots[-1]
    points = [(snapshot.day, snapshot.value) for snapshot in history.snapshots]
    ends = (describe_score(first.value, first.grade), describe_score(last.value, last.grade))
    rows = [_build_row(page, "score", points, ends, history.trend)]
    for name, trend in history.dimensions.items():
        values = [(snapshot.day, snapshot.dimensions.get(name)) for snapshot in history.snapshots]
        numbers = [snapshot.dimensions.get(name) for snapshot in (first, last)]
        before, after = ("?" if number is None else f"{number:.1f}" for number in numbers)
        rows.append(_build_row(page, name, values, (before, after), trend))
    columns = (
        Column(""),
        Column("history"),
        Column("first"),
        Column("last"),
        Column("trend over 90 days", min_width=20),
    )
    add_table(page, columns, rows)
    page.add_gap()
    shown = list(reversed(history.steps))[:steps]
    for step in shown:
        _add_step(page, step)
    if not history.steps:
        page.add_paragraph("no step: nothing moved the score by a point", "dim")
    if len(shown) < len(history.steps):
        page.add_paragraph(f"{len(history.steps) - len(shown)} earlier steps; --all shows them", "dim")


def _build_row(
    page: Page, name: str, points: list[tuple[int, float | None]], ends: tuple[str, str], trend: Trend
) -> list[Span]:
    line = draw_sparkline(points, page.glyphs.levels, SPARKLINE_WIDTH)
    return [
        (page.safe_text(name), ""),
        (line.replace(" ", "\xa0"), "action"),
        *((text, "") for text in ends),
        (page.safe_text(describe_trend(trend)), _STYLES[trend.direction]),
    ]


def _add_step(page: Page, step: Step) -> None:
    date = f"{format_day(step.last_day)}  "
    style = "" if step.is_trend else "doubt"
    text = page.safe_text(f"{describe_step(step)}: {describe_causes(step)}")
    page.add_paragraph(text, style, indent=2 + len(date), prefix=f"  {date}")
    for move in step.moves[:_MAX_MOVES]:
        page.add_paragraph(page.safe_text(describe_move(move)), "dim", indent=4 + len(date))
    if len(step.moves) > _MAX_MOVES:
        page.add_paragraph(f"and {len(step.moves) - _MAX_MOVES} smaller ones", "dim", indent=4 + len(date))


def _add_project(page: Page, project: ProjectHistory, steps: int | None) -> None:
    page.add_line((page.safe_text(f"project {project.path}"), "strong"))
    medians = [(day.day, day.summary.median) for day in project.days]
    line = draw_sparkline(medians, page.glyphs.levels, SPARKLINE_WIDTH)
    page.add_line(("  median score  ", ""), (line, "action"), ("  ", ""), _describe_trend(page, project.trend))
    page.add_gap()
    rows = [
        [
            (format_day(day.day), ""),
            (str(day.summary.dependencies), ""),
            (str(day.summary.below), "bad" if day.summary.below else ""),
            (page.safe_text(f"{describe_score(day.summary.lowest, None)} {day.summary.lowest_name}"), ""),
            (describe_score(day.summary.median, None), ""),
            ("" if day.summary.complete else "not everything was checked", "doubt"),
        ]
        for day in list_changed_days(project)[:steps]
    ]
    headings = ("date", "dependencies", "below", "lowest", "median", "")
    add_table(page, [Column(heading) for heading in headings], rows)
    for dependency in project.dependencies:
        page.add_gap()
        page.add_line((page.safe_text(dependency.name), "strong"))
        _add_history(page, dependency.history, steps)


def _describe_trend(page: Page, trend: Trend) -> Span:
    return page.safe_text(describe_trend(trend)), _STYLES[trend.direction]
