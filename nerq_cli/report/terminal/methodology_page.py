"""A methodology as text: a tree for the terminal, a page for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

from nerq_cli.methodology.types import CapSpec, Limit, Methodology, SignalSpec

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.terminal.layout import Page

#: A line of the tree: its text, and the lines below it.
Branch: TypeAlias = "tuple[str, Sequence[Branch]]"

_INTRODUCTION: Final = (
    "Every number behind a score. A score is the weighted mean of the dimensions, each the weighted mean of its "
    "signals; hard limits (caps) come last. Unknown signals are left out of every mean, never counted as zero."
)
_SIGNALS_INTRODUCTION: Final = (
    "Each signal is worth 0 to 100. Curves are straight lines between the points given, and flat outside them. "
    "The weight counts within the dimension."
)


def render_tree(methodology: Methodology, options: RenderOptions) -> str:
    """Return dimensions, signals, caps, grades and limits as a tree."""
    from nerq_cli.report.terminal.layout import Page

    page = Page(options)
    page.add_line((f"nerq methodology {_describe_edition(methodology)}", "strong"))
    page.add_paragraph(page.safe_text(_INTRODUCTION, 0), indent=0)
    for title, branches in _tree_sections(methodology):
        page.add_gap()
        page.add_paragraph(page.safe_text(title, 0), "strong", indent=0)
        _add_branches(page, branches, "")
    return page.to_text()


def _describe_edition(methodology: Methodology) -> str:
    """Return the version, and what it is for unless that is packages."""
    return (
        methodology.version if methodology.target == "packages" else f"{methodology.version} for {methodology.target}"
    )


def _get_command(methodology: Methodology) -> str:
    return "nerq methodology" if methodology.target == "packages" else f"nerq methodology {methodology.target}"


def _tree_sections(methodology: Methodology) -> Iterator[tuple[str, Sequence[Branch]]]:
    yield (
        "Score",
        [
            (f"{name}  weight {weight:g}", [_signal_branch(spec) for spec in methodology.signals_of(name)])
            for name, weight in methodology.dimensions.items()
        ],
    )
    if methodology.caps:
        yield "Caps: the lowest one in force limits the score", [_cap_branch(cap) for cap in methodology.caps.values()]
    yield "Grades", [(f"{grade}  {span}", ()) for grade, span in _grade_ranges(methodology)]
    yield "Coverage: how much of the evidence is known", [(rule, ()) for rule in _coverage_rules(methodology)]
    if methodology.limits:
        yield (
            "Limits",
            [(f"{_limit_value(limit)}  {limit.description}", ()) for limit in methodology.limits.values()],
        )


def _signal_branch(spec: SignalSpec) -> Branch:
    leaves = [spec.description, *_describe_values(spec)]
    leaves += [f"unknown when: {spec.unknown_when}"] if spec.unknown_when else []
    leaves += [f"does not apply when: {spec.not_applicable_when}"] if spec.not_applicable_when else []
    return f"{spec.label} {spec.name}  weight {spec.weight:g}", [(leaf, ()) for leaf in leaves]


def _cap_branch(cap: CapSpec) -> Branch:
    step = _cap_step(cap)
    text = f"at most {cap.limit:g}  {cap.id}: {cap.condition}"
    return f"{text}; each further advisory {step}" if step else text, ()


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


# --- parts of both


def _describe_values(spec: SignalSpec) -> Iterator[str]:
    """Yield the curves and levels of a signal."""
    for name, curve in spec.curves.items():
        yield f"{name}: {curve}"
    if spec.levels:
        yield ", ".join(f"{name} {value:g}" for name, value in spec.levels.items())


def _cap_step(cap: CapSpec) -> str:
    return f"-{cap.step:g}, not below {cap.floor:g}" if cap.step else ""


def _grade_ranges(methodology: Methodology) -> Iterator[tuple[str, str]]:
    """Yield each grade with its range of scores."""
    minimum, top_grade = methodology.grades[0]
    yield top_grade, f"{minimum:g} and above"
    for (upper, _), (lower, grade) in pairwise(methodology.grades):
        yield grade, f"{lower:g} to under {upper:g}"


def _coverage_rules(methodology: Methodology) -> Iterator[str]:
    labels = methodology.coverage_labels
    for (lower, label), upper in zip(labels, (None, *labels), strict=False):
        yield f"{label}: {lower:.0%} and above" if upper is None else f"{label}: {lower:.0%} to under {upper[0]:.0%}"
    yield f"below {methodology.coverage_floor:.0%} there is no score"
    yield f"below {methodology.low_coverage:.0%} no version is verified"
    yield f"a dimension counts when at least {methodology.dimension_floor:.0%} of its applicable weight is known"
    yield (
        f"the range of a score sets every unknown signal to {methodology.range_low:g}, then to "
        f"{methodology.range_high:g}, and keeps the caps"
    )
    if methodology.required_signal:
        name = methodology.signals[methodology.required_signal].name
        yield f"a score is provisional while this is unknown: {name}; it can fail but never pass"


def _limit_value(limit: Limit) -> str:
    return f"{limit.value:,g} {limit.unit}"


# --- the page


def render_markdown(methodology: Methodology) -> str:
    """Return the reference page in Markdown, with an anchor for each signal and cap."""
    blocks = [
        f"# Methodology {_describe_edition(methodology)}",
        f"<!-- Generated by `{_get_command(methodology)} --markdown`. Do not edit. -->",
        f"{_INTRODUCTION} By default a dependency must reach **{methodology.threshold:g}**.",
        "## Dimensions",
        _markdown_table(
            ("Dimension", "Weight"),
            ((f"[{name}](#{name})", f"{weight:g}") for name, weight in methodology.dimensions.items()),
        ),
        "## Signals",
        _SIGNALS_INTRODUCTION,
        *(block for name in methodology.dimensions for block in _signal_table(methodology, name)),
        *_cap_table(methodology),
        "## Grades",
        _markdown_table(("Grade", "Score"), _grade_ranges(methodology)),
        "## Coverage",
        "Coverage is the known share of all evidence that applies, by weight.",
        _markdown_list(_coverage_rules(methodology)),
        *_limit_tables(methodology),
    ]
    return "\n\n".join(blocks) + "\n"


def _signal_table(methodology: Methodology, dimension: str) -> Iterator[str]:
    yield f"### {dimension.capitalize()}"
    yield _markdown_table(
        (
            "Signal",
            "Id",
            "Weight",
            "What it measures",
            "Values",
            "Unknown when",
            "Does not apply when",
            "Anchor",
        ),
        (
            (
                _html_anchor(spec.id, f"{spec.label} {spec.name}"),
                f"`{spec.id}`",
                f"{spec.weight:g}",
                spec.description,
                "<br>".join(_describe_values(spec)),
                spec.unknown_when,
                spec.not_applicable_when,
                spec.reference,
            )
            for spec in methodology.signals_of(dimension)
        ),
    )


def _cap_table(methodology: Methodology) -> Iterator[str]:
    if not methodology.caps:
        return
    yield "## Caps"
    yield (
        "While its condition holds, a cap limits the score; the lowest one counts. Further advisories of unknown, "
        "medium or higher severity lower it."
    )
    yield _markdown_table(
        ("Cap", "At most", "When", "Replaces the reason of", "Each further advisory"),
        (
            (
                _html_anchor(f"cap-{cap.id}", f"`{cap.id}`"),
                f"{cap.limit:g}",
                cap.condition,
                f"`{cap.signal}`" if cap.signal else "",
                _cap_step(cap),
            )
            for cap in methodology.caps.values()
        ),
    )


def _limit_tables(methodology: Methodology) -> Iterator[str]:
    from nerq_cli.report.wording import format_date

    if methodology.limits:
        yield "## Limits"
        yield _markdown_table(
            ("Limit", "Value", "Meaning"),
            ((f"`{limit.id}`", _limit_value(limit), limit.description) for limit in methodology.limits.values()),
        )
    if methodology.attestations_since:
        yield _markdown_list(
            f"attestations exist on {registry} since {format_date(start)}"
            for registry, start in methodology.attestations_since.items()
        )
    if methodology.python_support:
        yield "### Python versions"
        yield "A version that no maintained Python can install is capped. Support as published upstream:"
        yield _markdown_table(
            ("Python", "Released", "Support ends"),
            ((version, *dates) for version, dates in methodology.python_support.items()),
        )


def _html_anchor(id_: str, text: str) -> str:
    return f'<a id="{id_}"></a>{text}'


def _markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_escape_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape_cell(text: str) -> str:
    return text.replace("|", "\\|") or " "


def _markdown_list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item[0].upper()}{item[1:]}." for item in items)
