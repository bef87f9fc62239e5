"""The past of scores in Markdown, for an issue or a chat message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nerq_cli.insight.history import History, Trend
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.history import (
    SPARKLINE_WIDTH,
    HistoryReport,
    ProjectHistory,
    describe_causes,
    describe_move,
    describe_score,
    describe_step,
    describe_trend,
    draw_sparkline,
    format_day,
    list_changed_days,
)
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.wording import format_timestamp


def render_markdown(report: HistoryReport, *, steps: int | None) -> bytes:
    """Return a report as Markdown in UTF-8, with the newest ``steps`` of each target (None: all)."""
    lines: list[str] = []
    for target in report.targets:
        lines += [f"## History of {escape(target.target)}", "", *_iter_history(target.history, steps)]
        versions = [
            f"{item.version} ({item.snapshots}, {format_day(item.first_day)} to {format_day(item.last_day)})"
            for item in target.versions
        ]
        lines += [f"Snapshots: {escape(', '.join(versions))}", ""]
    if report.project is not None:
        lines += _iter_project(report.project, steps)
    lines.append(f"<sub>nerq-cli {escape(report.version)}, as of {escape(format_timestamp(report.as_of))}</sub>")
    return ("\n".join(lines) + "\n").encode()


def _iter_history(history: History, steps: int | None) -> Iterator[str]:
    first, last = history.snapshots[0], history.snapshots[-1]
    yield from ("| | history | first | last | trend over 90 days |", "|---|---|---|---|---|")
    points = [(snapshot.day, snapshot.value) for snapshot in history.snapshots]
    ends = (describe_score(first.value, first.grade), describe_score(last.value, last.grade))
    yield _row("score", points, ends, history.trend)
    for name, trend in history.dimensions.items():
        values = [(snapshot.day, snapshot.dimensions.get(name)) for snapshot in history.snapshots]
        yield _row(name, values, (_number(first.dimensions, name), _number(last.dimensions, name)), trend)
    yield ""
    shown = list(reversed(history.steps))[:steps]
    for step in shown:
        yield f"- **{format_day(step.last_day)}** {escape(describe_step(step))}: {escape(describe_causes(step))}"
        for move in step.moves:
            yield f"  - {escape(describe_move(move))}"
    if not history.steps:
        yield "No step: nothing moved the score by a point."
    if len(shown) < len(history.steps):
        yield f"- … and {len(history.steps) - len(shown)} earlier steps"
    yield ""


def _row(name: str, points: list[tuple[int, float | None]], ends: tuple[str, str], trend: Trend) -> str:
    line = draw_sparkline(points, UNICODE_GLYPHS.levels, SPARKLINE_WIDTH)
    return f"| {escape(name)} | {line} | {ends[0]} | {ends[1]} | {escape(describe_trend(trend))} |"


def _number(values: Mapping[str, float | None], name: str) -> str:
    value = values.get(name)
    return "?" if value is None else f"{value:.1f}"


def _iter_project(project: ProjectHistory, steps: int | None) -> Iterator[str]:
    yield from (f"## History of {escape(project.path)}", "")
    yield from (f"Median score: {escape(describe_trend(project.trend))}.", "")
    yield from ("| date | dependencies | below | lowest | median |", "|---|---|---|---|---|")
    for day in list_changed_days(project)[:steps]:
        summary = day.summary
        lowest = f"{describe_score(summary.lowest, None)} {summary.lowest_name}"
        note = "" if summary.complete else " (incomplete)"
        yield (
            f"| {format_day(day.day)}{note} | {summary.dependencies} | {summary.below} | {escape(lowest)} | "
            f"{describe_score(summary.median, None)} |"
        )
    yield ""
    for dependency in project.dependencies:
        yield from (f"### {escape(dependency.name)}", "", *_iter_history(dependency.history, steps))
