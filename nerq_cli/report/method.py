"""The methodology in print: a tree for the terminal, a page for the documentation. Both only read the one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

from nerq_cli import methodology as m
from nerq_cli.methodology import CAPS, DIMENSIONS, SIGNALS, SignalSpec

if TYPE_CHECKING:
    from rich.console import Console

    from nerq_cli.report.layout import Page

#: A line of the tree: its text, and the lines below it.
Branch: TypeAlias = "tuple[str, Sequence[Branch]]"

_INTRODUCTION: Final = (
    "Every number behind a score. A score is the weighted mean of five dimensions, each the weighted mean of its "
    "signals; hard limits (caps) come last. What is not known is left out of every mean, never counted as zero."
)
_SIGNALS_INTRODUCTION: Final = (
    "Each signal is worth 0 to 100. Curves are straight lines between the points given, and flat outside them. "
    "The weight counts within the dimension."
)


def tree(console: Console) -> None:
    """Print dimensions, signals, caps, grades and the rules about what is unknown as a tree."""
    from nerq_cli.report.layout import Page

    page = Page(console)
    page.line((f"nerq methodology {m.VERSION}", "strong"))
    page.paragraph(page.words(_INTRODUCTION, 0), indent=0)
    for title, branches in _trunk():
        page.gap()
        page.paragraph(page.words(title, 0), "strong", indent=0)
        _grow(page, branches, "")
    page.print()


def _trunk() -> Iterator[tuple[str, Sequence[Branch]]]:
    yield "Score", [_dimension(name, weight) for name, weight in DIMENSIONS.items()]
    caps = [(f"at most {cap.limit:g}  {cap.id}: {cap.when}", ()) for cap in CAPS.values()]
    yield "Caps: the lowest one in force limits the score", [*caps, *((rule, ()) for rule in _cap_rules())]
    yield "Grades", [(f"{grade}  {span}", ()) for grade, span in _grades()]
    yield "Coverage: how much of the evidence is known", [(rule, ()) for rule in _coverage_rules()]


def _dimension(name: str, weight: float) -> Branch:
    return f"{name}  weight {weight:g}", [_signal(spec) for spec in SIGNALS.values() if spec.dimension == name]


def _signal(spec: SignalSpec) -> Branch:
    leaves = [spec.measures, *_values(spec)]
    leaves += [f"unknown when: {spec.missing}"] if spec.missing else []
    leaves += [f"does not apply when: {spec.exempt}"] if spec.exempt else []
    return f"{spec.id} {spec.name}  weight {spec.weight:g}", [(leaf, ()) for leaf in leaves]


def _grow(page: Page, branches: Sequence[Branch], stem: str) -> None:
    """Add branches under a stem, each wrapped beside its own."""
    marks = page.marks
    for number, (text, below) in enumerate(branches, start=1):
        last = number == len(branches)
        further = stem + (" " * len(marks.stem) if last else marks.stem)
        first = stem + (marks.corner if last else marks.fork)
        _leaf(page, text, first, further + (marks.stem if below else ""))
        _grow(page, below, further)


def _leaf(page: Page, text: str, first: str, further: str) -> None:
    from nerq_cli.report.layout import wrap

    for number, line in enumerate(wrap(page.words(text, 0), page.width - len(further))):
        page.line((further if number else first, "dim"), (line, ""))


# --- what the table says, in words


def _values(spec: SignalSpec) -> Iterator[str]:
    """Yield the curves and levels of a signal."""
    for name, curve in spec.curves.items():
        yield f"{name}: {curve}"
    if spec.levels:
        yield ", ".join(f"{name} {value:g}" for name, value in spec.levels.items())


def _cap_rules() -> Iterator[str]:
    yield (
        f"each further advisory of medium, unknown or worse severity lowers an advisory cap by {m.ADVISORY_STEP:g}, "
        f"but not below {m.ADVISORY_FLOOR:g} ({m.ADVISORY_FLOOR_CRITICAL:g} where the worst is critical)"
    )
    yield (
        f"an exploit probability (EPSS) of {m.EPSS_RAISES:.0%} counts an advisory one band higher in "
        f"{SIGNALS['S2'].name}; one of {m.EPSS_CAPS:.0%} lowers the cap of a high one"
    )


def _grades() -> Iterator[tuple[str, str]]:
    """Yield each grade and the scores it stands for."""
    best, *_ = m.GRADES
    yield best[1], f"{best[0]:g} and above"
    for (above, _), (least, grade) in pairwise(m.GRADES):
        yield grade, f"{least:g} to under {above:g}"


def _coverage_rules() -> Iterator[str]:
    for (least, label), above in zip(m.COVERAGE_LABELS, (None, *m.COVERAGE_LABELS), strict=False):
        yield f"{label}: {least:.0%} and above" if above is None else f"{label}: {least:.0%} to under {above[0]:.0%}"
    yield f"below {m.COVERAGE_FLOOR:.0%} there is no score"
    yield f"below {m.COVERAGE_THIN:.0%} the grade is at most {m.THIN_GRADE}"
    yield f"a dimension counts when at least {m.DIMENSION_FLOOR:.0%} of its applicable weight is known"
    yield (
        f"the range of a score takes every unknown signal for {m.RANGE_LOW:g}, then for {m.RANGE_HIGH:g}, "
        "and keeps the caps"
    )
    yield "without any advisory source a score is provisional: it can fail but never pass"
    yield (
        f"signals of a repository that the package only claims, and that is over {m.STARJACK_RATIO:g} times as popular "
        f"as the package, keep {m.UNVERIFIED_SHARE:.0%} of their weight"
    )


# --- the page


def markdown() -> str:
    """Return the reference page: the same tables in Markdown, with an anchor for each signal and cap."""
    blocks = [
        f"# Methodology {m.VERSION}",
        "<!-- Generated by `nerq methodology --markdown`. Do not edit. -->",
        f"{_INTRODUCTION} Unless told otherwise, a dependency must reach **{m.DEFAULT_THRESHOLD:g}**.",
        "## Dimensions",
        _table(("Dimension", "Weight"), ((f"[{name}](#{name})", f"{w:g}") for name, w in DIMENSIONS.items())),
        "## Signals",
        _SIGNALS_INTRODUCTION,
        *(block for name in DIMENSIONS for block in _signal_tables(name)),
        "## Caps",
        "While its condition holds, a cap limits the score; the lowest one counts.",
        _table(
            ("Cap", "At most", "When", "Stands in for"),
            ((_anchor(f"cap-{c.id}", f"`{c.id}`"), f"{c.limit:g}", c.when, c.signal) for c in CAPS.values()),
        ),
        _list(_cap_rules()),
        "## Grades",
        _table(("Grade", "Score"), _grades()),
        "## Coverage",
        "Coverage is the known share of all evidence that applies, by weight.",
        _list(_coverage_rules()),
        "## Dates the rules use",
        _list(_dates()),
        "### Python versions",
        "A version that no maintained Python can install is capped. Support as published upstream:",
        _table(("Python", "Released", "Support ends"), ((v, *dates) for v, dates in m.PYTHON_SUPPORT.items())),
    ]
    return "\n\n".join(blocks) + "\n"


def _signal_tables(dimension: str) -> Iterator[str]:
    specs = [spec for spec in SIGNALS.values() if spec.dimension == dimension]
    yield f"### {dimension.capitalize()}"
    heads = ("Signal", "Weight", "What it measures", "Values", "Unknown when", "Does not apply when", "Anchor")
    yield _table(
        heads,
        (
            (
                _anchor(spec.id.lower(), f"{spec.id} {spec.name}"),
                f"{spec.weight:g}",
                spec.measures,
                "<br>".join(_values(spec)),
                spec.missing,
                spec.exempt,
                spec.anchor,
            )
            for spec in specs
        ),
    )


def _dates() -> Iterator[str]:
    from nerq_cli.report.phrases import day

    yield f"a version is fresh for {m.FRESH_DAYS} days; signs of a takeover count for {m.TAKEOVER_DAYS} days"
    yield f"another malicious version is remembered for {m.MALWARE_MEMORY_DAYS} days"
    yield (
        f"abandoned after {m.ABANDONED_DAYS / 365.25:g} years, stale after {m.STALE_DAYS / 365.25:g}, "
        f"silent after {m.SILENT_DAYS / 365.25:g} without a commit"
    )
    for registry, since in m.ATTESTATIONS_SINCE.items():
        yield f"attestations exist on {registry} since {day(since)}"


def _anchor(id_: str, text: str) -> str:
    return f'<a id="{id_}"></a>{text}'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or " "


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item[0].upper()}{item[1:]}." for item in items)
