"""Pictures of a report as SVG: the histogram of scores, and the icicle of what brings dependencies in.

Widths are percentages and heights are pixels, so that a text keeps its size on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from nerq_cli.policy import STATES, State
from nerq_cli.report import wording
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.html.head import label_state
from nerq_cli.report.html.markup import Markup, element
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.projects import Project, group_by_project

# --- histogram

#: Number of dependencies from which there is a histogram.
_MIN_DEPENDENCIES: Final = 3
#: Points (of 100) of one bar.
_BIN: Final = 5
#: Percent of the width at which the bars begin, and that they take without and with dependencies that have no score.
_LEFT, _FULL_WIDTH, _SCORED_WIDTH = 0.5, 99, 86
#: Number from which counts are written in thousands.
_THOUSAND: Final = 1_000
#: Pixels.
_BAR_HEIGHT, _AXIS_HEIGHT, _TOP_MARGIN = 130, 20, 26
#: The order of the parts of a bar, from the axis up.
_STACK: Final[tuple[State, ...]] = ("below", "unknown", "not-judged", "ok", "skipped")


def build_histogram(report: Report) -> Markup | None:
    """Return the number of dependencies by score, with the threshold; None where there are too few for a picture."""
    counts: dict[int | None, dict[State, int]] = {}
    for assessment in report.dependencies:
        if assessment.state not in (None, "skipped"):
            bin_ = _find_bin(assessment)
            counts.setdefault(bin_, dict.fromkeys(STATES, 0))[assessment.state] += 1
    if not counts or len(report.dependencies) < _MIN_DEPENDENCIES:
        return None
    highest = max(sum(by_state.values()) for by_state in counts.values())
    width = _SCORED_WIDTH if None in counts else _FULL_WIDTH
    bars = [
        _build_bar(bin_, counts[bin_], highest, width, wording.label_below(report)) for bin_ in sorted(counts, key=str)
    ]
    bottom = _TOP_MARGIN + _BAR_HEIGHT
    ticks = [
        _build_label(f"{score}", _LEFT + score * width / 100, bottom + 15, class_=f"tick tick-{score}")
        for score in range(0, 101, 20)
    ]
    if None in counts:
        ticks.append(_build_label("no score", (100 + _SCORED_WIDTH) / 2 + 1.5, bottom + 15, class_="tick"))
    x = _LEFT + report.threshold * width / 100
    return element(
        "svg",
        _HATCHES,
        element("line", x1="0", x2=f"{_LEFT + width}%", y1=bottom, y2=bottom, class_="axis"),
        *bars,
        element("line", x1=f"{x:g}%", x2=f"{x:g}%", y1=14, y2=bottom, class_="threshold"),
        _build_label(f"threshold {report.threshold:g}", min(max(x, 8), 92), 10, class_="threshold-label"),
        *ticks,
        role="img",
        aria_label=_describe_histogram(report),
        width="100%",
        height=bottom + _AXIS_HEIGHT,
        class_="histogram",
    )


def _find_bin(assessment: Assessment) -> int | None:
    value = None if assessment.score is None else assessment.score.value
    return None if value is None else min(int(value // _BIN), 100 // _BIN - 1)


def _build_bar(bin_: int | None, by_state: dict[State, int], highest: int, all_width: float, below: str) -> Markup:
    step = _BIN * all_width / 100
    x, width = (all_width + 3, 97 - all_width) if bin_ is None else (_LEFT + bin_ * step, step)
    parts, bottom = [], float(_TOP_MARGIN + _BAR_HEIGHT)
    for state in _STACK:
        if count := by_state[state]:
            height = max(2.0, count * _BAR_HEIGHT / highest)
            bottom -= height
            parts.append(
                element(
                    "rect",
                    x=f"{x + width * 0.06:.4g}%",
                    y=f"{bottom:.1f}",
                    width=f"{width * 0.88:.4g}%",
                    height=f"{height:.1f}",
                    class_=f"bar bar-{state}",
                )
            )
    where = "no score" if bin_ is None else f"scores {bin_ * _BIN} to {(bin_ + 1) * _BIN}"
    states = ", ".join(f"{by_state[state]:,} {label_state(state, below)}" for state in _STACK if by_state[state])
    count = sum(by_state.values())
    text = f"{count}" if count < _THOUSAND else f"{count / _THOUSAND:.1f}k"
    count_label = _build_label(text, x + width / 2, bottom - 4, class_="count")
    return element("g", element("title", f"{where}: {states}"), *parts, count_label)


def _build_label(text: str, x: float, y: float, *, class_: str) -> Markup:
    return element("text", text, x=f"{x:.4g}%", y=f"{y:.1f}", class_=class_)


def _describe_histogram(report: Report) -> str:
    counts = [
        f"{count:,} {label_state(state, wording.label_below(report))}"
        for state in STATES
        if (count := report.count_state(state))
    ]
    return f"Histogram of scores with the threshold {report.threshold:g}: {', '.join(counts)}"


#: Fills of what is not known and not judged: hatched and dotted, so that they differ without colour.
_HATCHES: Final = Markup(
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" class="hatch-ground"/><line x1="0" y1="0" x2="0" y2="6" class="hatch-line"/></pattern>'
    '<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect width="6" height="6" class="dots-ground"/><circle cx="3" cy="3" r="1.3" class="dots-dot"/></pattern></defs>'
)

# --- icicle

#: Direct dependencies of one project that have a box of their own; the others share one for each state.
_MAX_BOXES: Final = 20
_MAX_PROJECTS: Final = 12
#: Rows of the table.
_MAX_ROWS: Final = 50
#: Pixels: of each box, and what all boxes share by their number of packages, for each box and at most.
_LEAST_HEIGHT, _SHARED_HEIGHT, _MAX_SHARED_HEIGHT = 19, 10, 240
#: Pixels from the top of a box to the middle of its label.
_LABEL_TOP: Final = 10
#: Percent of the width at which each column begins, and its width: scanned directory, projects, direct dependencies.
_COLUMNS: Final = ((0, 12), (12, 30), (42, 58))


class Brought(msgspec.Struct, kw_only=True):
    """What one direct dependency brings in, or several of them."""

    #: Empty where the files do not state what brings the dependencies in.
    name: str
    #: Number of packages, itself included.
    count: int = 0
    #: Number of packages in each state.
    states: dict[State, int]
    #: Number of direct dependencies that share the box.
    merged: int = 1

    @property
    def worst(self) -> State:
        """The worst state of any of them."""
        return next(state for state in STATES if self.states.get(state))


def list_brought(project: Project) -> list[Brought]:
    """Return what each direct dependency of a project brings in, most first.

    A package is counted once, at the nearest direct dependency that requires it.
    """
    direct_names = {entry.dependency.package.name for entry in project.dependencies if entry.dependency.direct}
    brought: dict[str, Brought] = {}
    for assessment in project.dependencies:
        dependency = assessment.dependency
        via = next((name for name in dependency.via if name in direct_names), *dependency.via[:1] or [""])
        name = dependency.package.name if dependency.direct else via
        entry = brought.setdefault(name, Brought(name=name, states={}))
        entry.count += 1
        if assessment.state:
            entry.states[assessment.state] = entry.states.get(assessment.state, 0) + 1
    return sorted(brought.values(), key=lambda entry: (-entry.count, entry.name))


class _Words(NamedTuple):
    """Words for the titles of boxes."""

    #: The state ``below``.
    below: str
    #: What the boxes count, in singular and plural.
    noun: str
    plural: str


def build_icicle(report: Report) -> Markup | None:
    """Return the packages by project and direct dependency, sized by number and coloured by the worst state."""
    if report.list_only:
        return None
    projects = [(project, list_brought(project)) for project in group_by_project(report) if project.dependencies]
    if not any(entry.count > entry.merged for _, entries in projects for entry in entries):
        return None  # nothing brings in anything: a list of bars of one length
    projects.sort(key=lambda pair: (-len(pair[0].dependencies), pair[0].path))
    shown = [(project.path, _merge_small(entries)) for project, entries in projects[:_MAX_PROJECTS]]
    if rest := projects[_MAX_PROJECTS:]:
        merged = _merge([entry for _, entries in rest for entry in entries])
        shown.append((f"{len(rest):,} more projects", [merged]))
    total = sum(entry.count for _, entries in shown for entry in entries)
    _, noun, plural = wording.name_kinds({assessment.dependency.kind for assessment in report.dependencies})
    words = _Words(wording.label_below(report), noun, plural)
    box_count = sum(len(entries) for _, entries in shown)
    scale = min(box_count * _SHARED_HEIGHT, _MAX_SHARED_HEIGHT) / total
    height = box_count * _LEAST_HEIGHT + total * scale
    return element(
        "svg",
        *_build_boxes(shown, scale, words),
        role="img",
        aria_label="What brings dependencies in: projects and their direct dependencies; the table below has the same",
        width="100%",
        height=f"{height:.0f}",
        class_="icicle",
    )


def _merge_small(entries: Sequence[Brought]) -> list[Brought]:
    """Return the entries with the worst states, then the largest; the others as one for each state."""
    ranked = sorted(entries, key=lambda entry: (STATES.index(entry.worst), -entry.count))
    if len(ranked) <= _MAX_BOXES:
        return ranked
    others = [[entry for entry in ranked[_MAX_BOXES:] if entry.worst == state] for state in STATES]
    return [*ranked[:_MAX_BOXES], *map(_merge, filter(None, others))]


def _merge(entries: Sequence[Brought]) -> Brought:
    states: dict[State, int] = {}
    for entry in entries:
        for state, count in entry.states.items():
            states[state] = states.get(state, 0) + count
    count = sum(entry.count for entry in entries)
    return Brought(name=f"{len(entries):,} others", count=count, states=states, merged=len(entries))


def _build_boxes(projects: Sequence[tuple[str, Sequence[Brought]]], scale: float, words: _Words) -> Iterator[Markup]:
    """Yield a box for the scanned directory, for each project and for each direct dependency."""
    heights = [[_LEAST_HEIGHT + entry.count * scale for entry in entries] for _, entries in projects]
    whole = _merge([entry for _, entries in projects for entry in entries])
    yield _build_box(0, 0, sum(map(sum, heights)), whole, f"{whole.count:,}", words)
    top = 0.0
    for (path, entries), project_heights in zip(projects, heights, strict=True):
        project = _merge(entries)
        yield _build_box(1, top, sum(project_heights), project, path, words, data_project=path)
        for entry, height in zip(entries, project_heights, strict=True):
            direct = entry.name if entry.name and entry.merged == 1 else None
            label = entry.name or "not stated by the file"
            yield _build_box(2, top, height, entry, label, words, data_project=path, data_direct=direct)
            top += height


def _build_box(
    column: int, top: float, height: float, entry: Brought, label: str, words: _Words, **data: str | None
) -> Markup:
    x, width = _COLUMNS[column]
    worst = entry.worst
    kind = f"box box-{worst}" if column == len(_COLUMNS) - 1 else "box"
    text = f"{getattr(UNICODE_GLYPHS, worst.replace('-', '_'))} {label}" if column else label
    if column and entry.count > entry.merged:
        text += f" · {entry.count:,}"
    noun = words.noun if entry.count == 1 else words.plural
    title = f"{label}: {entry.count:,} {noun}: {_describe_states(entry, words.below)}"
    return element(
        "svg",
        element("title", title),
        element("rect", width="100%", height="100%", class_=kind),
        element("rect", width=4, height="100%", class_=f"edge edge-{worst}"),
        element("text", text, x=10, y=_LABEL_TOP, class_="box-label"),
        x=f"{x}%",
        y=f"{top:.1f}",
        width=f"{width}%",
        height=f"{height:.1f}",
        **data,
    )


def _describe_states(entry: Brought, below: str) -> str:
    return ", ".join(
        f"{entry.states[state]:,} {label_state(state, below)}" for state in STATES if entry.states.get(state)
    )


def build_brought_table(report: Report) -> Markup | None:
    """Return what the icicle shows as a table: the direct dependencies that bring in most, and the worst."""
    rows = [
        (project.path, entry)
        for project in group_by_project(report)
        for entry in list_brought(project)
        if entry.count > 1
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: (-row[1].count, row[0], row[1].name))
    body = [
        element(
            "tr",
            element("th", entry.name or "not stated by the file", scope="row", data_direct=entry.name or None),
            element("td", path),
            element("td", f"{entry.count - 1:,}", class_="num"),
            element("td", _describe_states(entry, wording.label_below(report))),
        )
        for path, entry in rows[:_MAX_ROWS]
    ]
    headings = ("Direct dependency", "Project", "Brings in", "States, itself included")
    return element(
        "details",
        element("summary", "The same as a table"),
        element(
            "div",
            element(
                "table",
                element("thead", element("tr", *(element("th", heading, scope="col") for heading in headings))),
                element("tbody", *body),
            ),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="What direct dependencies bring in",
        ),
    )
