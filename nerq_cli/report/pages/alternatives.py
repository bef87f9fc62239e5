"""Alternatives to a target: as text, Markdown, HTML and JSON, with the schema of the JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from nerq_cli.errors import ExitStatus
from nerq_cli.insight.alternatives import Choice, Option, describe_score
from nerq_cli.report import RenderOptions
from nerq_cli.report.alternatives import Alternative, build_alternative, describe_option
from nerq_cli.report.html.markup import element, join, link_to
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.pages.document import ExitDocument, build_schema_of, clean, encode_document, wrap_html
from nerq_cli.report.pages.markdown import write_paragraph
from nerq_cli.report.terminal.layout import Page
from nerq_cli.report.wording import explain_unchecked, format_timestamp
from nerq_cli.scoring import Score

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1
_DIGITS: Final = 1
NONE_KNOWN: Final = "No alternative is known: neither its maintainers nor the shipped lists name one."


class AlternativesReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run."""

    #: Version of nerq-cli.
    version: str
    #: Moment that ages are counted to (epoch seconds UTC).
    as_of: int
    #: As the user wrote it.
    target: str
    #: ``pypi:toml 0.10.2``.
    label: str
    purl: str
    #: None = it was not scored.
    score: Score | None
    #: Why it has no score; empty if it has one.
    reason: str
    #: Score that a dependency must reach.
    threshold: float
    choice: Choice
    #: Whether everything could be read.
    complete: bool
    exit: ExitStatus
    exit_reason: str
    warnings: tuple[str, ...] = ()


# --- JSON

_Points = Annotated[float, Meta(ge=0, le=100)]


class ExcludedAlternative(msgspec.Struct, frozen=True):
    """A candidate that is no alternative."""

    name: str
    reason: str


class AlternativesDocument(msgspec.Struct, frozen=True):
    """Alternatives to a target."""

    schema: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    version: str
    as_of: str
    complete: Annotated[bool, Meta(description="Whether everything could be read.")]
    exit: ExitDocument
    target: str
    purl: str
    score: Annotated[_Points | None, Meta(description="Of the target; null if it is not scored.")]
    grade: str | None
    provisional: Annotated[bool, Meta(description="Whether its advisories were not checked.")]
    not_scored: str | None
    threshold: _Points
    alternatives: Annotated[list[Alternative], Meta(max_length=3)]
    further: Annotated[int, Meta(ge=0, description="Number of further ones, which are left out.")]
    excluded: list[ExcludedAlternative]
    warnings: list[str]


def render_json(report: AlternativesReport) -> bytes:
    """Return the document of a run as UTF-8 JSON. The same report gives the same bytes."""
    score = report.score
    return encode_document(
        AlternativesDocument(
            schema=SCHEMA_VERSION,
            version=report.version,
            as_of=format_timestamp(report.as_of),
            complete=report.complete,
            exit=ExitDocument(code=report.exit.value, reason=clean(report.exit_reason)),
            target=clean(report.target),
            purl=clean(report.purl),
            score=_round(score.value if score is not None else None),
            grade=score.grade if score is not None else None,
            provisional=score is not None and score.provisional,
            not_scored=clean(report.reason) or None,
            threshold=report.threshold,
            alternatives=[build_alternative(option) for option in report.choice.options],
            further=report.choice.further,
            excluded=[
                ExcludedAlternative(name=clean(option.candidate.name), reason=clean(option.excluded))
                for option in report.choice.excluded
            ],
            warnings=list(map(clean, report.warnings)),
        )
    )


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(AlternativesDocument)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


# --- what text, Markdown and HTML have in common


def _describe_target(report: AlternativesReport) -> str:
    score = report.score
    if score is None or score.value is None:
        return f"{report.label} has no score: {report.reason}."
    grade = f" ({score.grade})" if score.grade else ""
    number = f"{score.sign}{score.value:.1f}{grade}"
    if score.value < report.threshold:
        may_rise = score.high is not None and score.high >= report.threshold
        relation = f"is below {report.threshold:g}{', unless what is not known raises it' if may_rise else ''}"
    elif score.provisional:
        unchecked = "unknown facts may lower it" if score.has_required_signal else explain_unchecked(score.methodology)
        relation = f"would reach {report.threshold:g}, but {unchecked}"
    elif score.low is not None and score.low < report.threshold:
        relation = f"reaches {report.threshold:g}, unless what is not known lowers it"
    else:
        relation = f"reaches {report.threshold:g}"
    return f"{report.label} has the score {number}, which {relation}."


def _list_lines(option: Option, report: AlternativesReport) -> Iterator[str]:
    """Yield the sentences about an alternative, without its source."""
    yield option.candidate.reason
    yield describe_score(option, report.score)
    if option.in_project:
        yield "your project depends on it already"


def _list_notes(report: AlternativesReport) -> Iterator[str]:
    if not report.choice.options:
        yield NONE_KNOWN
    if report.choice.further:
        noun = "alternative is" if report.choice.further == 1 else "alternatives are"
        yield f"{report.choice.further} more {noun} known."
    for option in report.choice.excluded:
        yield f"Not proposed: {option.candidate.name}: {option.excluded}."


def _describe_foot(report: AlternativesReport) -> str:
    return f"nerq-cli {report.version}, as of {format_timestamp(report.as_of)}"


# --- text, Markdown, HTML


def render_text(report: AlternativesReport, options: RenderOptions) -> str:
    """Return the page as text."""
    page = Page(options)
    page.add_line((page.safe_text(f"Alternatives to {report.label}"), "strong"))
    page.add_paragraph(page.safe_text(_describe_target(report), 0), indent=0)
    for number, option in enumerate(report.choice.options, 1):
        page.add_gap()
        page.add_paragraph(page.safe_text(describe_option(option)), "strong", indent=4, prefix=f" {number}.")
        for line in _list_lines(option, report):
            page.add_paragraph(page.safe_text(line, 0), indent=4)
        page.add_paragraph(page.safe_text(option.candidate.source), "dim", indent=4)
    page.add_gap()
    for note in _list_notes(report):
        page.add_paragraph(page.safe_text(note, 0), indent=0)
    page.add_gap()
    page.add_paragraph(page.safe_text(_describe_foot(report)), "dim", indent=0)
    return page.to_text()


def render_markdown(report: AlternativesReport) -> str:
    """Return the page as Markdown."""
    return "".join(_write_markdown(report))


def _write_markdown(report: AlternativesReport) -> Iterator[str]:
    yield f"## Alternatives to {escape(report.label)}\n\n"
    yield write_paragraph(_describe_target(report))
    for number, option in enumerate(report.choice.options, 1):
        yield f"{number}. **{escape(describe_option(option))}**\n"
        for line in (*_list_lines(option, report), option.candidate.source):
            yield f"   - {escape(clean(line))}\n"
    if report.choice.options:
        yield "\n"
    yield from map(write_paragraph, _list_notes(report))
    yield write_paragraph(_describe_foot(report))


def render_html(report: AlternativesReport) -> str:
    """Return the page as one self-contained HTML file."""
    title = f"Alternatives to {report.label}"
    items = [
        element(
            "li",
            element("strong", describe_option(option)),
            *(element("p", line) for line in _list_lines(option, report)),
            element("p", link_to(option.candidate.source, option.candidate.source)),
        )
        for option in report.choice.options
    ]
    body = [element("h1", title), element("p", _describe_target(report))]
    body += [element("ol", *items)] if items else []
    body += [element("p", note) for note in _list_notes(report)]
    return wrap_html(title, join(*body), _describe_foot(report))
