"""A line chart of scores over time, as SVG, with the same numbers as a table.

Horizontal positions are percentages and heights are pixels, so that a text keeps its size on a phone. Nothing has a
``style`` attribute: a page with a strict policy needs the rules of ``CHART_STYLE`` in its style sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.report.html.markup import Markup, element
from nerq_cli.report.pages.html_table import build_table
from nerq_cli.report.wording import format_date
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.insight.snapshots import Snapshot

CHART_STYLE: Final = Markup(
    "\n.chart { margin: 12px 0; }\n.chart svg { display: block; overflow: visible; }\n"
    ".chart svg text { font-size: 12px; fill: var(--muted); text-anchor: middle; }\n"
    ".chart svg .chart-start { text-anchor: start; }\n.chart svg .chart-end { text-anchor: end; }\n"
    ".chart-grid { stroke: var(--line); }\n"
    ".chart-threshold { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 4 3; }\n"
    ".chart svg .chart-threshold-label { fill: var(--ink); font-weight: 600; text-anchor: end; }\n"
    ".chart-line { fill: none; stroke: var(--accent, var(--ink)); stroke-width: 2; }\n"
    ".chart-line.chart-reconstructed { stroke-dasharray: 2 4; }\n"
    ".chart-band { fill: var(--accent, var(--ink)); fill-opacity: 0.13; }\n"
    ".chart-point { fill: var(--accent, var(--ink)); stroke: var(--accent, var(--ink)); }\n"
    ".chart-point.chart-reconstructed { fill: var(--surface, var(--ground)); stroke-width: 1.5; }\n"
    "@media print { .chart svg { break-inside: avoid; } }\n"
)
#: Pixels: of the plot, above it for the label of the axis, and below it for the dates.
_HEIGHT, _TOP, _BOTTOM = 160, 22, 40
#: Percent of the width at which the plot begins, and that it takes.
_LEFT, _WIDTH = 1, 98
#: Scores with a line across.
_GRID: Final = (0, 25, 50, 75, 100)
#: Units of the drawing across. Lines keep their width at any scale.
_UNITS: Final = 1000
#: Days between two scores above which no line joins them: what was in between is not known.
_MAX_GAP: Final = 45
#: Days from which the middle of the axis has a date too.
_MIDDLE_DAYS: Final = 4
#: Pixels: radius of a point, and of one of more than 60.
_RADIUS, _SMALL_RADIUS, _MANY = 2.5, 1.5, 60


class ChartPoint(NamedTuple):
    """The score of one day."""

    #: Days since 1970-01-01 UTC.
    day: int
    #: 0-100; None where there is none.
    value: float | None
    #: Range that unknown facts leave, 0-100; None without one.
    low: float | None = None
    high: float | None = None
    #: What was scored, for the table: a version.
    subject: str = ""
    #: What else the table has about it.
    note: str = ""
    #: Points of different groups are not joined: their scores cannot be compared.
    group: str = ""
    #: Computed later from evidence that has dates.
    reconstructed: bool = False


def build_history_chart(snapshots: Iterable[Snapshot], *, key: str, caption: str, threshold: float | None) -> Markup:
    """Return the chart of the snapshots of one target, oldest first; see `build_line_chart`."""
    points = [
        ChartPoint(
            snapshot.day,
            snapshot.value,
            snapshot.low,
            snapshot.high,
            snapshot.version,
            "reconstructed" if snapshot.origin == "reconstructed" else "",
            snapshot.methodology,
            reconstructed=snapshot.origin == "reconstructed",
        )
        for snapshot in snapshots
    ]
    return build_line_chart(points, key=key, caption=caption, threshold=threshold)


def build_line_chart(points: Sequence[ChartPoint], *, key: str, caption: str, threshold: float | None) -> Markup:
    """Return a figure with a line chart, and the same numbers as a table that can be opened.

    Args:
        points: Oldest first, at least one.
        key: Letters, digits and ``-``: ids in the page begin with it, so that a page can have several charts.
        caption: Title of the chart.
        threshold: Score (0-100) that has a line of its own; None for no line.
    """
    return element(
        "figure",
        element("figcaption", caption),
        _build_svg(points, key, caption, threshold),
        _build_table(points, caption),
        class_="chart",
    )


def _build_svg(points: Sequence[ChartPoint], key: str, caption: str, threshold: float | None) -> Markup:
    return element(
        "svg",
        element("title", caption, id=f"{key}-title"),
        element("desc", describe_points(points, threshold), id=f"{key}-desc"),
        *(_build_level(value, "chart-grid") for value in _GRID),
        element("text", "score, 0 to 100", x=0, y=12, class_="chart-start"),
        element(
            "svg",
            *_build_bands(points),
            *_build_lines(points),
            x=f"{_LEFT}%",
            y=_TOP,
            width=f"{_WIDTH}%",
            height=_HEIGHT,
            viewBox=f"0 0 {_UNITS} 100",
            preserveAspectRatio="none",
        ),
        *_build_threshold(threshold),
        *_build_dots(points),
        *(_build_text(f"{value}", 0, _find_y(value) - 3, "chart-start") for value in _GRID[:-1]),
        *_build_dates(points),
        _build_text("date (UTC)", 50, _TOP + _HEIGHT + 34, "chart-axis"),
        role="img",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-desc",
        width="100%",
        height=_TOP + _HEIGHT + _BOTTOM,
    )


def describe_points(points: Sequence[ChartPoint], threshold: float | None) -> str:
    """Return a chart in sentences, for those who do not see it."""
    scored = [point for point in points if point.value is not None]
    parts = []
    if scored:
        lowest = min(scored, key=lambda point: point.value or 0.0)
        highest = max(scored, key=lambda point: point.value or 0.0)
        ends = f"{scored[0].value:.1f} on {_format_day(scored[0].day)}"
        if len(scored) > 1:
            ends += f", {scored[-1].value:.1f} on {_format_day(scored[-1].day)}"
            ends += f"; lowest {lowest.value:.1f} on {_format_day(lowest.day)}"
            ends += f", highest {highest.value:.1f} on {_format_day(highest.day)}"
        parts.append(f"Score {ends}.")
    if missing := len(points) - len(scored):
        parts.append(f"No score on {missing} of {len(points)} days.")
    if reconstructed := sum(point.reconstructed for point in points):
        parts.append(f"{reconstructed} of {len(points)} are reconstructed: hollow points.")
    if threshold is not None:
        parts.append(f"The dashed line is the threshold {threshold:g}.")
    return " ".join(parts)


def _format_day(day: int) -> str:
    return format_date(day * DAY)


def _find_y(value: float) -> float:
    return _TOP + _HEIGHT * (100 - value) / 100


def _find_share(day: int, points: Sequence[ChartPoint]) -> float:
    """Return the place of a day on the axis, 0-1."""
    first, last = points[0].day, points[-1].day
    return 0.5 if first == last else (day - first) / (last - first)


def _find_x(day: int, points: Sequence[ChartPoint]) -> float:
    return _LEFT + _WIDTH * _find_share(day, points)


def _build_text(text: str, x: float, y: float, class_: str) -> Markup:
    return element("text", text, x=f"{x:.4g}%", y=f"{y:.1f}", class_=class_)


def _build_level(value: float, class_: str) -> Markup:
    y = f"{_find_y(value):.1f}"
    return element("line", x1="0", x2="100%", y1=y, y2=y, class_=class_)


def _build_threshold(threshold: float | None) -> Iterator[Markup]:
    if threshold is not None:
        yield _build_level(threshold, "chart-threshold")
        yield _build_text(f"dashed: threshold {threshold:g}", 100, 12, "chart-threshold-label")


def _list_segments(points: Sequence[ChartPoint]) -> Iterator[list[ChartPoint]]:
    """Yield the points that a line joins."""
    segment: list[ChartPoint] = []
    for point in points:
        is_next = bool(segment) and (
            point.day - segment[-1].day <= _MAX_GAP
            and (point.group, point.reconstructed) == (segment[-1].group, segment[-1].reconstructed)
        )
        if segment and (point.value is None or not is_next):
            yield segment
            segment = []
        if point.value is not None:
            segment.append(point)
    if segment:
        yield segment


def _build_lines(points: Sequence[ChartPoint]) -> Iterator[Markup]:
    for segment in _list_segments(points):
        if len(segment) > 1:
            yield element(
                "polyline",
                points=_join_places((_find_share(item.day, points), item.value or 0.0) for item in segment),
                class_="chart-line chart-reconstructed" if segment[0].reconstructed else "chart-line",
                vector_effect="non-scaling-stroke",
            )


def _build_bands(points: Sequence[ChartPoint]) -> Iterator[Markup]:
    """Yield the ranges that unknown facts leave."""
    for segment in _list_segments(points):
        for has_range, items in groupby(segment, key=lambda item: item.low is not None and item.high is not None):
            band = list(items)
            if has_range and len(band) > 1:
                upper = [(_find_share(item.day, points), item.high or 0.0) for item in band]
                lower = [(_find_share(item.day, points), item.low or 0.0) for item in reversed(band)]
                yield element("polygon", points=_join_places((*upper, *lower)), class_="chart-band")


def _join_places(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{share * _UNITS:.1f},{100 - value:.1f}" for share, value in places)


def _build_dots(points: Sequence[ChartPoint]) -> Iterator[Markup]:
    radius = _RADIUS if len(points) <= _MANY else _SMALL_RADIUS
    for point in points:
        if point.value is not None:
            yield element(
                "circle",
                element("title", " ".join(filter(None, (_format_day(point.day), point.subject, f"{point.value:.1f}")))),
                cx=f"{_find_x(point.day, points):.4g}%",
                cy=f"{_find_y(point.value):.1f}",
                r=radius,
                class_="chart-point chart-reconstructed" if point.reconstructed else "chart-point",
            )


def _build_dates(points: Sequence[ChartPoint]) -> Iterator[Markup]:
    first, last = points[0].day, points[-1].day
    y = _TOP + _HEIGHT + 16
    if first == last:
        yield _build_text(_format_day(first), 50, y, "chart-date")
        return
    yield _build_text(_format_day(first), 0, y, "chart-start")
    if last - first >= _MIDDLE_DAYS:
        middle = (first + last) // 2
        yield _build_text(_format_day(middle), _find_x(middle, points), y, "chart-date")
    yield _build_text(_format_day(last), 100, y, "chart-end")


def _build_table(points: Sequence[ChartPoint], caption: str) -> Markup:
    has_subjects, has_notes = any(point.subject for point in points), any(point.note for point in points)
    headings = ["date", *["version"] * has_subjects, "score", "range", *["note"] * has_notes]
    rows = [
        (
            _format_day(point.day),
            *([point.subject] if has_subjects else []),
            "no score" if point.value is None else f"{point.value:.1f}",
            _describe_range(point),
            *([point.note] if has_notes else []),
        )
        for point in _thin(points)
    ]
    table = build_table(headings, rows, f"{caption}: table")
    return element("details", element("summary", "The same as a table"), table)


def _thin(points: Sequence[ChartPoint]) -> list[ChartPoint]:
    """Return the points, newest first, without those between two equal ones: a day on which nothing changed."""
    if not points:
        return []
    kept = [points[0]]
    for before, point in pairwise(points):
        if point._replace(day=0) != before._replace(day=0) or point is points[-1]:
            kept.append(point)
    return kept[::-1]


def _describe_range(point: ChartPoint) -> str:
    return "-" if point.low is None or point.high is None else f"{point.low:.1f} to {point.high:.1f}"
