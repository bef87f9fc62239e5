"""The methodology in print: a tree for the terminal, a page for the documentation. Both only read the one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

from nerq_cli import methodology as m
from nerq_cli.methodology import CAPS, DIMENSIONS, SIGNALS, SignalSpec

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.terminal.layout import Page

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


def render_tree(options: RenderOptions) -> str:
    """Return dimensions, signals, caps, grades and the rules about what is unknown as a tree."""
    from nerq_cli.report.terminal.layout import Page

    page = Page(options)
    page.add_line((f"nerq methodology {m.VERSION}", "strong"))
    page.add_paragraph(page.safe_text(_INTRODUCTION, 0), indent=0)
    for title, branches in _tree_sections():
        page.add_gap()
        page.add_paragraph(page.safe_text(title, 0), "strong", indent=0)
        _add_branches(page, branches, "")
    return page.to_text()


def _tree_sections() -> Iterator[tuple[str, Sequence[Branch]]]:
    yield "Score", [_dimension_branch(name, weight) for name, weight in DIMENSIONS.items()]
    caps = [(f"at most {cap.limit:g}  {cap.id}: {cap.condition}", ()) for cap in CAPS.values()]
    yield "Caps: the lowest one in force limits the score", [*caps, *((rule, ()) for rule in _cap_rules())]
    yield "Grades", [(f"{grade}  {span}", ()) for grade, span in _grade_ranges()]
    yield "Coverage: how much of the evidence is known", [(rule, ()) for rule in _coverage_rules()]


def _dimension_branch(name: str, weight: float) -> Branch:
    return f"{name}  weight {weight:g}", [_signal_branch(spec) for spec in SIGNALS.values() if spec.dimension == name]


def _signal_branch(spec: SignalSpec) -> Branch:
    leaves = [spec.description, *_describe_values(spec)]
    leaves += [f"unknown when: {spec.unknown_when}"] if spec.unknown_when else []
    leaves += [f"does not apply when: {spec.not_applicable_when}"] if spec.not_applicable_when else []
    return f"{spec.id} {spec.name}  weight {spec.weight:g}", [(leaf, ()) for leaf in leaves]


def _add_branches(page: Page, branches: Sequence[Branch], stem: str) -> None:
    """Add branches under a stem, each wrapped beside its own."""
    glyphs = page.glyphs
    for number, (text, children) in enumerate(branches, start=1):
        is_last = number == len(branches)
        continuation = stem + (" " * len(glyphs.stem) if is_last else glyphs.stem)
        first_prefix = stem + (glyphs.corner if is_last else glyphs.fork)
        _add_branch_text(page, text, first_prefix, continuation + (glyphs.stem if children else ""))
        _add_branches(page, children, continuation)


def _add_branch_text(page: Page, text: str, first_prefix: str, continuation: str) -> None:
    from nerq_cli.report.terminal.layout import wrap_text

    for number, line in enumerate(wrap_text(page.safe_text(text, 0), page.width - len(continuation))):
        page.add_line((continuation if number else first_prefix, "dim"), (line, ""))


# --- what the table says, in words


def _describe_values(spec: SignalSpec) -> Iterator[str]:
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
        f"an exploit probability (EPSS) of {m.EPSS_RAISE_THRESHOLD:.0%} counts an advisory one band higher in "
        f"{SIGNALS['S2'].name}; one of {m.EPSS_CAP_THRESHOLD:.0%} lowers the cap of a high one"
    )


def _grade_ranges() -> Iterator[tuple[str, str]]:
    """Yield each grade and the scores it stands for."""
    top_grade, *_ = m.GRADES
    yield top_grade[1], f"{top_grade[0]:g} and above"
    for (upper, _), (lower, grade) in pairwise(m.GRADES):
        yield grade, f"{lower:g} to under {upper:g}"


def _coverage_rules() -> Iterator[str]:
    for (lower, label), upper in zip(m.COVERAGE_LABELS, (None, *m.COVERAGE_LABELS), strict=False):
        yield f"{label}: {lower:.0%} and above" if upper is None else f"{label}: {lower:.0%} to under {upper[0]:.0%}"
    yield f"below {m.COVERAGE_FLOOR:.0%} there is no score"
    yield f"below {m.LOW_COVERAGE:.0%} the grade is at most {m.LOW_COVERAGE_GRADE}"
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


def render_markdown() -> str:
    """Return the reference page: the same tables in Markdown, with an anchor for each signal and cap."""
    blocks = [
        f"# Methodology {m.VERSION}",
        "<!-- Generated by `nerq methodology --markdown`. Do not edit. -->",
        f"{_INTRODUCTION} Unless told otherwise, a dependency must reach **{m.DEFAULT_THRESHOLD:g}**.",
        "## Dimensions",
        _markdown_table(
            ("Dimension", "Weight"), ((f"[{name}](#{name})", f"{weight:g}") for name, weight in DIMENSIONS.items())
        ),
        "## Signals",
        _SIGNALS_INTRODUCTION,
        *(block for name in DIMENSIONS for block in _signal_tables(name)),
        "## Caps",
        "While its condition holds, a cap limits the score; the lowest one counts.",
        _markdown_table(
            ("Cap", "At most", "When", "Stands in for"),
            (
                (_html_anchor(f"cap-{cap.id}", f"`{cap.id}`"), f"{cap.limit:g}", cap.condition, cap.signal)
                for cap in CAPS.values()
            ),
        ),
        _markdown_list(_cap_rules()),
        "## Grades",
        _markdown_table(("Grade", "Score"), _grade_ranges()),
        "## Coverage",
        "Coverage is the known share of all evidence that applies, by weight.",
        _markdown_list(_coverage_rules()),
        "## Dates the rules use",
        _markdown_list(_date_rules()),
        "### Python versions",
        "A version that no maintained Python can install is capped. Support as published upstream:",
        _markdown_table(
            ("Python", "Released", "Support ends"), ((version, *dates) for version, dates in m.PYTHON_SUPPORT.items())
        ),
    ]
    return "\n\n".join(blocks) + "\n"


def _signal_tables(dimension: str) -> Iterator[str]:
    specs = [spec for spec in SIGNALS.values() if spec.dimension == dimension]
    yield f"### {dimension.capitalize()}"
    headings = ("Signal", "Weight", "What it measures", "Values", "Unknown when", "Does not apply when", "Anchor")
    yield _markdown_table(
        headings,
        (
            (
                _html_anchor(spec.id.lower(), f"{spec.id} {spec.name}"),
                f"{spec.weight:g}",
                spec.description,
                "<br>".join(_describe_values(spec)),
                spec.unknown_when,
                spec.not_applicable_when,
                spec.reference,
            )
            for spec in specs
        ),
    )


def _date_rules() -> Iterator[str]:
    from nerq_cli.report.wording import format_date

    yield f"a version is fresh for {m.FRESH_DAYS} days; signs of a takeover count for {m.TAKEOVER_DAYS} days"
    yield f"another malicious version is remembered for {m.MALWARE_HISTORY_DAYS} days"
    yield (
        f"abandoned after {m.ABANDONED_DAYS / 365.25:g} years, stale after {m.STALE_DAYS / 365.25:g}, "
        f"silent after {m.INACTIVE_DAYS / 365.25:g} without a commit"
    )
    for registry, start in m.ATTESTATIONS_SINCE.items():
        yield f"attestations exist on {registry} since {format_date(start)}"


def _html_anchor(id_: str, text: str) -> str:
    return f'<a id="{id_}"></a>{text}'


def _markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_escape_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape_cell(text: str) -> str:
    return text.replace("|", "\\|") or " "


def _markdown_list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item[0].upper()}{item[1:]}." for item in items)
