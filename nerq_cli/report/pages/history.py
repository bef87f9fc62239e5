"""The past of scores: as text, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.insight.history import MIN_WEEKS, Cause, Move, Step, Trend
from nerq_cli.insight.reconstruction import UNDATED_SIGNALS
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.html.markup import Markup, element, join
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.pages.document import wrap_html
from nerq_cli.report.pages.history_document import ProjectDay, ProjectHistory, format_day
from nerq_cli.report.pages.html_table import build_table
from nerq_cli.report.pages.line_chart import ChartPoint, build_history_chart, build_line_chart
from nerq_cli.report.pages.markdown import write_paragraph, write_table
from nerq_cli.report.pages.peers import list_standings
from nerq_cli.report.terminal.layout import Column, Page, Span, add_table
from nerq_cli.report.wording import format_timestamp

if TYPE_CHECKING:
    from nerq_cli.insight.history import History
    from nerq_cli.insight.reconstruction import Reconstruction
    from nerq_cli.insight.snapshots import Snapshot
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.pages.history_document import HistoryReport, TargetHistory

_STYLES: Final = {"improving": "good", "declining": "bad", "stable": "", "no trend": "", "too little history": "doubt"}
#: Signals of a step that the text has.
_MAX_MOVES: Final = 5
_HEADINGS: Final = ("", "history", "first", "last", "trend over 90 days")
_DAY_HEADINGS: Final = ("date", "dependencies", "below", "lowest", "median", "")
_MONTH_HEADINGS: Final = ("month end", "version", "score", "range", "coverage")
_RECONSTRUCTED: Final = "Reconstructed: the version that was newest at each month end"
_NO_SNAPSHOT: Final = "No snapshot was recorded."
_NO_STEP: Final = "No step: nothing moved the score by a point."


# --- words and lines

#: Bars of a sparkline.
SPARKLINE_WIDTH: Final = 26
#: Least width of the range that a sparkline shows, in points: a small change is not to look like a large one.
_MIN_RANGE: Final = 20.0
_CAUSE_WORDS: Final[dict[Cause, str]] = {
    "methodology": "another methodology",
    "source lost": "a source was lost",
    "source regained": "a source was regained",
    "version": "another version",
    "evidence": "facts changed",
}


def describe_trend(trend: Trend) -> str:
    """Return a trend in words."""
    if trend.change is None:
        text = f"{trend.direction}: {trend.weeks} of {MIN_WEEKS} weeks"
    elif trend.direction == "no trend" and trend.step is not None:
        verb = "fell" if trend.step < 0 else "rose"
        text = f"{trend.direction}: {verb} by {abs(trend.step):.1f} points in one step, within {trend.weeks} weeks"
    else:
        text = f"{trend.direction}: {trend.change:+.1f} points over {trend.weeks} weeks"
    return f"{text}; {trend.left_out} snapshots cannot be compared" if trend.left_out else text


def describe_causes(step: Step) -> str:
    """Return why a score differs, in words."""
    parts = []
    for cause in step.causes:
        words = _CAUSE_WORDS[cause]
        if cause == "methodology":
            words += f" ({step.methodology_before} → {step.methodology_after})"
        elif cause == "version":
            words += f" ({step.version_before} → {step.version_after})"
        parts.append(words)
    text = ", ".join(parts) or "the range changed"
    return text if step.is_trend else f"{text}: no trend"


def describe_score(value: float | None, grade: str | None) -> str:
    """Return a score with its grade: ``82.4 A``."""
    return "not scored" if value is None else f"{value:.1f} {grade or ''}".rstrip()


def describe_step(step: Step) -> str:
    """Return the two scores of a step, and their difference."""
    text = f"{describe_score(step.before, step.grade_before)} → {describe_score(step.after, step.grade_after)}"
    return text if step.change is None else f"{text} ({step.change:+.1f})"


def describe_move(move: Move) -> str:
    """Return what a signal, or the hard limits, added to a step, and why."""
    if move.kind == "reweighted" and move.id == "cap":
        less = "less" if move.points > 0 else "more"
        why = (
            f"the same limit, which takes off {less}: the total before it is {'lower' if move.points > 0 else 'higher'}"
        )
    elif move.kind == "reweighted":
        why = "same value; its part of the score changed with those of other signals"
    elif move.kind == "lost":
        why = f"not known any more: {move.reason_after}"
    elif move.kind == "regained":
        why = f"known again: {move.reason_after}"
    elif move.id == "cap":
        why = f"{move.reason_after or 'lifted'}{f' (before: {move.reason_before})' if move.reason_before else ''}"
    else:
        same = move.reason_after == move.reason_before
        why = move.reason_after if same else f"{move.reason_after or 'none'} (before: {move.reason_before or 'none'})"
    return f"{move.points:+.1f} {move.name}: {why}"


def draw_sparkline(points: Sequence[tuple[int, float | None]], levels: str, width: int) -> str:
    """Return a line of bars for values (day, 0-100), oldest first; a space where there is none.

    Each bar is the last value of an equal part of the time. Bars show a range of 20 points or more.
    """
    values = [value for _, value in points if value is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    padding = max(0.0, _MIN_RANGE - (high - low)) / 2
    low, high = low - padding, high + padding
    first, last = points[0][0], points[-1][0]
    count = min(width, last - first + 1)
    cells = [" "] * count
    for day, value in points:
        if value is not None:
            index = (day - first) * count // (last - first + 1)
            cells[index] = levels[min(len(levels) - 1, int((value - low) / (high - low) * len(levels)))]
    return "".join(cells)


def list_changed_days(project: ProjectHistory) -> list[ProjectDay]:
    """Return the days on which the numbers of a project changed, newest first; the newest day always."""
    days = project.days
    changed = [day for before, day in pairwise(days) if day.summary != before.summary]
    return list(dict.fromkeys((days[-1], *reversed(changed), days[0])))


class _Row(NamedTuple):
    """The score, or a dimension."""

    name: str
    points: Sequence[tuple[int, float | None]]
    #: First and last value, in words.
    ends: tuple[str, str]
    trend: Trend


def _list_rows(history: History) -> Iterator[_Row]:
    first, last = history.snapshots[0], history.snapshots[-1]
    points = [(snapshot.day, snapshot.value) for snapshot in history.snapshots]
    ends = (describe_score(first.value, first.grade), describe_score(last.value, last.grade))
    yield _Row("score", points, ends, history.trend)
    for name, trend in history.dimensions.items():
        values = [(snapshot.day, snapshot.dimensions.get(name)) for snapshot in history.snapshots]
        numbers = [snapshot.dimensions.get(name) for snapshot in (first, last)]
        before, after = ("?" if number is None else f"{number:.1f}" for number in numbers)
        yield _Row(name, values, (before, after), trend)


def _list_day(day: ProjectDay) -> tuple[str, ...]:
    summary = day.summary
    return (
        format_day(day.day),
        f"{summary.dependencies}",
        f"{summary.below}",
        f"{describe_score(summary.lowest, None)} {summary.lowest_name}".rstrip(),
        describe_score(summary.median, None),
        "" if summary.complete else "not everything was checked",
    )


def _describe_versions(target: TargetHistory) -> str:
    versions = (
        f"{item.version} ({item.snapshots}, {format_day(item.first_day)} to {format_day(item.last_day)})"
        for item in target.versions
    )
    return f"Snapshots: {', '.join(versions)}."


def _list_standings(target: TargetHistory) -> Iterator[tuple[str, str]]:
    return iter(()) if target.standing is None else list_standings(target.standing)


def _describe_foot(report: HistoryReport) -> str:
    return f"nerq-cli {report.version}, as of {format_timestamp(report.as_of)}"


def _list_months(reconstruction: Reconstruction) -> list[tuple[str, ...]]:
    """Return the month ends, newest first; those in a row that differ in nothing but their day are one."""
    rows: list[tuple[int, int, tuple[str, ...]]] = []
    months = [(snapshot.day, _list_month(snapshot)) for snapshot in reconstruction.snapshots]
    months += [(gap.day, ("", f"no score: {gap.reason}", "", "")) for gap in reconstruction.gaps]
    for day, texts in sorted(months):
        if rows and rows[-1][2] == texts:
            rows[-1] = (rows[-1][0], day, texts)
        else:
            rows.append((day, day, texts))
    return [
        (format_day(first) if first == last else f"{format_day(first)} to {format_day(last)}", *texts)
        for first, last, texts in reversed(rows)
    ]


def _list_month(snapshot: Snapshot) -> tuple[str, ...]:
    score = describe_score(snapshot.value, snapshot.grade)
    range_ = "-" if snapshot.low is None or snapshot.high is None else f"{snapshot.low:.1f} to {snapshot.high:.1f}"
    return (
        snapshot.version,
        f"~{score}" if snapshot.provisional and snapshot.value is not None else score,
        range_,
        f"{snapshot.coverage:.0%}",
    )


def _list_notes(reconstruction: Reconstruction) -> Iterator[str]:
    yield from (f"{note[:1].upper()}{note[1:]}." for note in reconstruction.notes)
    yield (
        "Computed with the methodology of today, from release dates, advisories published by then, and what the "
        f"releases state. Not known of those days: {', '.join(UNDATED_SIGNALS.values())}. Severities of advisories are "
        "those of today."
    )


def _select_steps(all_steps: Sequence[Step], steps: int | None) -> tuple[list[Step], str]:
    """Return the newest steps, newest first, and a sentence about the others; empty if there are none."""
    shown = list(reversed(all_steps))[:steps]
    rest = len(all_steps) - len(shown)
    return shown, _NO_STEP if not shown else f"{rest} earlier steps; --all shows them." if rest else ""


# --- text


def render_text(report: HistoryReport, options: RenderOptions, *, steps: int | None) -> str:
    """Return the page as text, with the newest ``steps`` of each target (None: all)."""
    page = Page(options)
    for target in report.targets:
        page.add_gap()
        page.add_line((page.safe_text(f"{target.target}: {target.purl}"), "strong"))
        if target.versions:
            page.add_paragraph(page.safe_text(_describe_versions(target), 0), "dim")
        for subject, text in _list_standings(target):
            page.add_paragraph(page.safe_text(f"{subject}: {text}", 0))
        _add_history(page, target.history, steps)
        if target.reconstruction is not None:
            _add_reconstruction(page, target.reconstruction, steps)
    if report.project is not None:
        _add_project(page, report.project, steps)
    page.add_gap()
    page.add_paragraph(_describe_foot(report), "dim", indent=0)
    return page.to_text()


def _add_history(page: Page, history: History, steps: int | None) -> None:
    if not history.snapshots:
        page.add_paragraph(_NO_SNAPSHOT, "dim")
        return
    columns = [Column(heading) for heading in _HEADINGS[:-1]]
    columns.append(Column(_HEADINGS[-1], min_width=20))
    add_table(page, columns, [_build_row(page, row) for row in _list_rows(history)])
    page.add_gap()
    shown, note = _select_steps(history.steps, steps)
    for step in shown:
        _add_step(page, step)
    if note:
        page.add_paragraph(note, "dim")


def _add_reconstruction(page: Page, reconstruction: Reconstruction, steps: int | None) -> None:
    page.add_gap()
    page.add_line((_RECONSTRUCTED, "strong"))
    points = [(snapshot.day, snapshot.value) for snapshot in reconstruction.snapshots]
    if line := draw_sparkline(points, page.glyphs.levels, SPARKLINE_WIDTH):
        page.add_line(("  score  ", ""), (line, "action"))
    rows = [[(page.safe_text(text), "") for text in row] for row in _list_months(reconstruction)]
    add_table(page, [Column(heading) for heading in _MONTH_HEADINGS], rows)
    shown, _ = _select_steps(reconstruction.steps, steps)
    for step in shown:
        _add_step(page, step)
    for note in _list_notes(reconstruction):
        page.add_paragraph(page.safe_text(note, 0), "dim")


def _build_row(page: Page, row: _Row) -> list[Span]:
    line = draw_sparkline(row.points, page.glyphs.levels, SPARKLINE_WIDTH)
    return [
        (page.safe_text(row.name), ""),
        (line.replace(" ", "\xa0"), "action"),
        *((text, "") for text in row.ends),
        (page.safe_text(describe_trend(row.trend)), _STYLES[row.trend.direction]),
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
    trend = (page.safe_text(describe_trend(project.trend)), _STYLES[project.trend.direction])
    page.add_line(("  median score  ", ""), (line, "action"), ("  ", ""), trend)
    page.add_gap()
    rows = [
        [
            (page.safe_text(text), "bad" if heading == "below" and text != "0" else "doubt" if not heading else "")
            for heading, text in zip(_DAY_HEADINGS, _list_day(day), strict=True)
        ]
        for day in list_changed_days(project)[:steps]
    ]
    add_table(page, [Column(heading) for heading in _DAY_HEADINGS], rows)
    for dependency in project.dependencies:
        page.add_gap()
        page.add_line((page.safe_text(dependency.name), "strong"))
        _add_history(page, dependency.history, steps)


# --- Markdown


def render_markdown(report: HistoryReport, *, steps: int | None) -> str:
    """Return the page as Markdown, with the newest ``steps`` of each target (None: all)."""
    return "".join(_write_markdown(report, steps))


def _write_markdown(report: HistoryReport, steps: int | None) -> Iterator[str]:
    for target in report.targets:
        yield f"## History of {escape(target.target)}\n\n"
        yield from _write_history(target.history, steps)
        yield from write_table(("Compared", ""), _list_standings(target))
        if target.versions:
            yield write_paragraph(_describe_versions(target))
        if target.reconstruction is not None:
            yield f"### {_RECONSTRUCTED}\n\n"
            yield from write_table(_MONTH_HEADINGS, _list_months(target.reconstruction))
            yield from _write_steps(_select_steps(target.reconstruction.steps, steps)[0])
            yield from map(write_paragraph, _list_notes(target.reconstruction))
    if report.project is not None:
        project = report.project
        yield f"## History of {escape(project.path)}\n\n"
        yield write_paragraph(f"Median score: {describe_trend(project.trend)}.")
        yield from write_table(_DAY_HEADINGS, map(_list_day, list_changed_days(project)[:steps]))
        for dependency in project.dependencies:
            yield f"### {escape(dependency.name)}\n\n"
            yield from _write_history(dependency.history, steps)
    yield write_paragraph(_describe_foot(report))


def _write_history(history: History, steps: int | None) -> Iterator[str]:
    if not history.snapshots:
        yield write_paragraph(_NO_SNAPSHOT)
        return
    yield from write_table(_HEADINGS, (_list_texts(row) for row in _list_rows(history)))
    shown, note = _select_steps(history.steps, steps)
    yield from _write_steps(shown)
    if note:
        yield write_paragraph(note)


def _write_steps(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        yield f"- **{format_day(step.last_day)}** {escape(describe_step(step))}: {escape(describe_causes(step))}\n"
        for move in step.moves:
            yield f"  - {escape(describe_move(move))}\n"
    if steps:
        yield "\n"


def _list_texts(row: _Row) -> tuple[str, ...]:
    line = draw_sparkline(row.points, UNICODE_GLYPHS.levels, SPARKLINE_WIDTH)
    return (row.name, line, *row.ends, describe_trend(row.trend))


# --- HTML


def render_html(report: HistoryReport) -> str:
    """Return the page as one self-contained HTML file, with every step."""
    names = [target.target for target in report.targets]
    names += [] if report.project is None else [report.project.path]
    title = f"History of {', '.join(names)}"
    body = [element("h1", title)]
    for number, target in enumerate(report.targets):
        body.append(element("h2", f"{target.target}: {target.purl}"))
        body += [element("p", _describe_versions(target))] if target.versions else []
        standings = [*_list_standings(target)]
        body += [build_table(("Compared", ""), standings, f"How {target.target} stands")] if standings else []
        earlier = () if target.reconstruction is None else target.reconstruction.snapshots
        body.append(_build_history(target.history, target.target, f"target-{number}", report.threshold, earlier))
        if target.reconstruction is not None:
            body.append(_build_reconstruction(target.reconstruction, target.target))
    if report.project is not None:
        body.append(_build_project(report.project, report.threshold))
    return wrap_html(title, join(*body), _describe_foot(report))


def _build_history(
    history: History, name: str, key: str, threshold: float, reconstructed: Sequence[Snapshot] = ()
) -> Markup:
    snapshots = sorted((*reconstructed, *history.snapshots), key=lambda snapshot: snapshot.day)
    if not snapshots:
        return element("p", _NO_SNAPSHOT)
    chart = build_history_chart(snapshots, key=key, caption=f"Score of {name}", threshold=threshold)
    if not history.snapshots:
        return join(chart, element("p", _NO_SNAPSHOT))
    rows = [(row.name, *row.ends, describe_trend(row.trend)) for row in _list_rows(history)]
    table = build_table([heading for heading in _HEADINGS if heading != "history"], rows, f"Trends of {name}")
    steps, note = _select_steps(history.steps, None)
    return join(chart, table, _build_steps(steps), element("p", note) if note else None)


def _build_steps(steps: Sequence[Step]) -> Markup | None:
    items = [
        element(
            "li",
            element("strong", format_day(step.last_day)),
            f" {describe_step(step)}: {describe_causes(step)}",
            element("ul", *(element("li", describe_move(move)) for move in step.moves)) if step.moves else None,
        )
        for step in steps
    ]
    return element("ul", *items) if items else None


def _build_reconstruction(reconstruction: Reconstruction, name: str) -> Markup:
    return join(
        element("h3", _RECONSTRUCTED),
        build_table(_MONTH_HEADINGS, _list_months(reconstruction), f"Reconstructed scores of {name}"),
        _build_steps(_select_steps(reconstruction.steps, None)[0]),
        *(element("p", note) for note in _list_notes(reconstruction)),
    )


def _build_project(project: ProjectHistory, threshold: float) -> Markup:
    points = [
        ChartPoint(
            day.day,
            day.summary.median,
            note="" if day.summary.complete else "not everything was checked",
            group=day.summary.methodology,
        )
        for day in project.days
    ]
    return join(
        element("p", f"Median score: {describe_trend(project.trend)}."),
        build_line_chart(points, key="project", caption="Median score of the dependencies", threshold=threshold),
        build_table(_DAY_HEADINGS, [*map(_list_day, list_changed_days(project))], "Days on which something changed"),
        *(
            join(
                element("h2", dependency.name),
                _build_history(dependency.history, dependency.name, f"dependency-{number}", threshold),
            )
            for number, dependency in enumerate(project.dependencies)
        ),
    )
