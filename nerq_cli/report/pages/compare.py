"""Targets side by side: as text, Markdown, HTML and JSON, with the schema of the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from nerq_cli.ecosystems import Kind
from nerq_cli.errors import ExitStatus
from nerq_cli.insight.compare import Cell, Change, Comparison, Group, Row, Side
from nerq_cli.insight.provenance import read_version
from nerq_cli.report import RenderOptions
from nerq_cli.report.html.markup import Markup, element, join
from nerq_cli.report.pages.document import ExitDocument, build_schema_of, clean, encode_document, wrap_html
from nerq_cli.report.pages.html_table import build_table
from nerq_cli.report.pages.markdown import write_paragraph, write_table
from nerq_cli.report.terminal.layout import Column, Page, Span, add_table
from nerq_cli.report.wording import KIND_NAMES, format_date, format_timestamp, label_methodology, name_change

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1
_DIGITS: Final = 1
_COVERAGE_DIGITS: Final = 2
#: Cells that a column of a target needs in the text: with reasons, and without.
_REASON_WIDTH: Final = 18
_VALUE_WIDTH: Final = 12
#: Cells for the names of the signals, and for the points.
_NAME_WIDTH: Final = 24
_POINTS_WIDTH: Final = 8
_STYLES: Final = {"known": "", "unknown": "doubt", "not_applicable": "dim", "none": "dim"}
_STATES: Final = {"unknown": "not known"}
#: Headings of the groups.
TITLES: Final[dict[Group, str]] = {
    "decides": "What decides",
    "same": "No difference",
    "not-applicable": "Does not apply to all",
    "unknown": "Cannot be compared: not known",
}


class SideFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a target beside its score."""

    #: As the user wrote it.
    target: str
    purl: str
    #: Empty = not known.
    version: str
    #: Newest stable version; empty = not known.
    latest: str
    #: Epoch seconds UTC; 0 = not known.
    released_at: int
    #: None = not known.
    releases_behind: int | None


class CompareReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run."""

    #: Version of nerq-cli.
    version: str
    #: Moment that ages are counted to (epoch seconds UTC).
    as_of: int
    #: Of all targets.
    kind: Kind
    comparison: Comparison
    #: In the order of the sides of the comparison.
    facts: tuple[SideFacts, ...]
    #: Whether everything was read and is known.
    complete: bool
    #: Whether the exit status is the same with ``--strict``.
    strict: bool
    exit: ExitStatus
    exit_reason: str
    warnings: tuple[str, ...] = ()


# --- JSON

_Points = Annotated[float, Meta(ge=0, le=100)]
_Index = Annotated[int, Meta(ge=0, description="Index in targets.")]
_Group = Literal["decides", "same", "not-applicable", "unknown"]


class CompareProvenance(msgspec.Struct, frozen=True):
    """How a version was published."""

    state: Annotated[
        Literal["none", "partial", "inconsistent", "full", "attested", "unknown"],
        Meta(
            description="partial: some files have no attestation, or the attestations name no repository, or several. "
            "inconsistent: the attested repository is another than the one that the package names. attested: by which "
            "repository was not read."
        ),
    ]
    repository: Annotated[str | None, Meta(description="Verified by the registry; null if none is known.")]
    reason: str


class CompareProvenanceStep(msgspec.Struct, frozen=True):
    """What changes in how two versions were published."""

    relation: Annotated[
        Literal["same", "gained", "lost", "changed", "unknown"],
        Meta(description="changed: by another repository, or by an account that had published none before."),
    ]
    text: str


class CompareTarget(msgspec.Struct, frozen=True):
    """One target."""

    target: Annotated[str, Meta(description="As it was written.")]
    label: str
    purl: str
    version: str | None
    released_at: str | None
    latest: str | None
    releases_behind: int | None
    score: Annotated[_Points | None, Meta(description="Null if too little is known.")]
    grade: str | None
    low: _Points | None
    high: _Points | None
    coverage: Annotated[float, Meta(ge=0, le=1)] | None
    provisional: bool
    methodology: str | None
    dimensions: Annotated[dict[str, _Points | None], Meta(description="Mean of each dimension.")]
    reason: Annotated[str | None, Meta(description="Why there is no score.")]
    advisories: Annotated[list[str], Meta(description="Ids of those that are known.")]
    knows_advisories: Annotated[bool, Meta(description="Whether advisories has all of them.")]
    provenance: Annotated[CompareProvenance | None, Meta(description="Null of what is no package.")]


class CompareCell(msgspec.Struct, frozen=True):
    """One signal or cap of one target."""

    state: Annotated[
        Literal["known", "unknown", "not_applicable", "none"], Meta(description="none: the cap is not in force.")
    ]
    value: Annotated[_Points | None, Meta(description="Of a signal its value, of a cap its limit.")]
    reason: str | None
    source: str | None


class CompareRow(msgspec.Struct, frozen=True):
    """One signal or cap of all targets."""

    id: str
    name: str
    dimension: Annotated[str, Meta(description="caps for a cap.")]
    group: _Group
    points: Annotated[_Points, Meta(description="Points of the score that the difference is worth.")]
    cells: Annotated[list[CompareCell], Meta(description="In the order of targets.")]


class CompareOutcome(msgspec.Struct, frozen=True):
    """Which target has the highest score."""

    best: Annotated[_Index | None, Meta(description="Null if there is none, or if a score is missing.")]
    certain: Annotated[bool, Meta(description="Whether no unknown fact can change it.")]
    text: str


class CompareChange(msgspec.Struct, frozen=True):
    """What another version of the same package brings."""

    before: _Index
    after: _Index
    points: Annotated[Annotated[float, Meta(ge=-100, le=100)] | None, Meta(description="Null if a score is missing.")]
    fixed: Annotated[list[str] | None, Meta(description="Advisories; null if those of `after` are not all known.")]
    introduced: Annotated[list[str] | None, Meta(description="Null if those of `before` are not all known.")]
    remaining: list[str]
    better: Annotated[list[str], Meta(description="Ids of rows.")]
    worse: list[str]
    provenance: CompareProvenanceStep | None
    text: str


class CompareDocument(msgspec.Struct, frozen=True):
    """Targets side by side."""

    schema: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    version: str
    as_of: str
    kind: str
    complete: Annotated[bool, Meta(description="Whether everything was read and is known.")]
    exit: ExitDocument
    targets: list[CompareTarget]
    outcome: CompareOutcome
    changes: Annotated[list[CompareChange], Meta(description="Of versions of one package; else empty.")]
    rows: Annotated[list[CompareRow], Meta(description="What decides first, what is not known last.")]
    warnings: list[str]


def render_json(report: CompareReport) -> bytes:
    """Return the document of a run as UTF-8 JSON. The same report gives the same bytes."""
    comparison = report.comparison
    return encode_document(
        CompareDocument(
            schema=SCHEMA_VERSION,
            version=report.version,
            as_of=format_timestamp(report.as_of),
            kind=report.kind,
            complete=report.complete,
            exit=ExitDocument(code=report.exit.value, reason=clean(report.exit_reason)),
            targets=[_build_target(side, facts) for side, facts in zip(comparison.sides, report.facts, strict=True)],
            outcome=CompareOutcome(
                best=comparison.outcome.best, certain=comparison.outcome.certain, text=clean(comparison.outcome.text)
            ),
            changes=[_build_change(change) for change in comparison.changes],
            rows=[
                CompareRow(
                    id=row.id,
                    name=row.name,
                    dimension=row.dimension,
                    group=row.group,
                    points=round(row.points, _DIGITS),
                    cells=[_build_cell(cell) for cell in row.cells],
                )
                for row in comparison.rows
            ],
            warnings=list(map(clean, report.warnings)),
        )
    )


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(CompareDocument)


def _build_target(side: Side, facts: SideFacts) -> CompareTarget:
    score = side.score
    dimensions = score.dimensions if score is not None else {}
    return CompareTarget(
        target=clean(facts.target),
        label=clean(side.label),
        purl=clean(facts.purl),
        version=clean(facts.version) or None,
        released_at=format_timestamp(facts.released_at) or None,
        latest=clean(facts.latest) or None,
        releases_behind=facts.releases_behind,
        score=_round(score.value if score is not None else None),
        grade=score.grade if score is not None else None,
        low=_round(score.low if score is not None else None),
        high=_round(score.high if score is not None else None),
        coverage=round(score.coverage, _COVERAGE_DIGITS) if score is not None else None,
        provisional=score is not None and score.provisional,
        methodology=label_methodology(score.methodology) if score is not None else None,
        dimensions={id_: _round(value) for id_, value in dimensions.items()},
        reason=clean(side.reason) or None,
        advisories=[clean(advisory.id) for advisory in side.advisories],
        knows_advisories=side.knows_advisories,
        provenance=_build_provenance(side),
    )


def _build_provenance(side: Side) -> CompareProvenance | None:
    if side.provenance is None:
        return None
    provenance = read_version(side.provenance)
    return CompareProvenance(
        state=provenance.state, repository=clean(provenance.repository) or None, reason=clean(provenance.reason)
    )


def _build_cell(cell: Cell) -> CompareCell:
    return CompareCell(
        state=cell.state, value=_round(cell.value), reason=clean(cell.reason) or None, source=clean(cell.source) or None
    )


def _build_change(change: Change) -> CompareChange:
    def copy(ids: tuple[str, ...] | None) -> list[str] | None:
        return None if ids is None else list(map(clean, ids))

    return CompareChange(
        before=change.before,
        after=change.after,
        points=change.points,
        fixed=copy(change.fixed),
        introduced=copy(change.introduced),
        remaining=list(map(clean, change.remaining)),
        better=list(change.better),
        worse=list(change.worse),
        provenance=None
        if change.provenance is None
        else CompareProvenanceStep(relation=change.provenance.relation, text=clean(change.provenance.text)),
        text=clean(change.text),
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


# --- what text, Markdown and HTML have in common


def _list_facts(report: CompareReport) -> Iterator[tuple[str, ...]]:
    """Yield rows about the targets as a whole: a name, then a text for each target."""
    sides, facts = report.comparison.sides, report.facts
    yield ("score", *(describe_score(side) for side in sides))
    yield ("range", *(_describe_range(side) for side in sides))
    yield ("coverage", *("-" if side.score is None else f"{side.score.coverage:.0%}" for side in sides))
    if any(item.released_at for item in facts):
        yield (name_change(report.kind), *(format_date(item.released_at) or "not known" for item in facts))
    if any(item.latest for item in facts):
        yield ("newest", *(item.latest or "not known" for item in facts))
    if any(side.provenance is not None for side in sides):
        yield ("provenance", *(_describe_provenance(side) for side in sides))
    if any(side.advisories or side.knows_advisories or _is_asked_about_advisories(side) for side in sides):
        yield ("advisories", *(_describe_advisories(side) for side in sides))


def _is_asked_about_advisories(side: Side) -> bool:
    return side.score is not None and any(signal.id == "known_advisories" for signal in side.score.signals)


def describe_score(side: Side) -> str:
    """Return the score with its grade, or why there is none."""
    score = side.score
    if score is None or score.value is None:
        return f"no score: {side.reason}"
    grade = f" ({score.grade})" if score.grade else ""
    return f"{score.sign}{score.value:.1f}{grade}"


def _describe_range(side: Side) -> str:
    score = side.score
    return "-" if score is None or score.low is None or score.high is None else f"{score.low:.1f} to {score.high:.1f}"


def _describe_provenance(side: Side) -> str:
    if side.provenance is None:
        return "-"
    provenance = read_version(side.provenance)
    return f"{_STATES.get(provenance.state, provenance.state)}: {provenance.reason}"


def _describe_advisories(side: Side) -> str:
    ids = ", ".join(advisory.id for advisory in side.advisories)
    if side.knows_advisories:
        return ids or "none known"
    return f"{ids}, perhaps more" if ids else "not known"


def describe_cell(cell: Cell, *, with_reason: bool = True) -> str:
    """Return a cell as text: ``85: 2 accounts can publish``."""
    if cell.state == "none":
        return "not in force"
    number = {"unknown": "not known", "not_applicable": "n/a"}.get(cell.state) or f"{cell.value or 0:.0f}"
    return f"{number}: {cell.reason}" if with_reason and cell.reason else number


def _select_rows(report: CompareReport, group: Group) -> list[Row]:
    """Return the rows of a group; those that are not known for the same reasons are one, with all their names."""
    rows = [row for row in report.comparison.rows if row.group == group]
    if group != "unknown":
        return rows
    by_text: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        by_text.setdefault(tuple(map(describe_cell, row.cells)), []).append(row)
    return [replace(alike[0], name=", ".join(row.name for row in alike)) for alike in by_text.values()]


def _list_titles(report: CompareReport) -> dict[Group, str]:
    """Return the headings of the groups; where no target has the higher score, nothing decides."""
    return TITLES if report.comparison.outcome.best is not None else {**TITLES, "decides": "What differs"}


def _is_uniform(row: Row) -> bool:
    return len(set(map(describe_cell, row.cells))) == 1


def _describe_same(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row.name} {describe_cell(row.cells[0], with_reason=False)}" for row in rows)


def describe_title(report: CompareReport) -> str:
    """Return how many targets of which kind there are."""
    plural = KIND_NAMES[report.kind][1]
    return f"{len(report.facts)} {plural} side by side"


def describe_foot(report: CompareReport) -> str:
    """Return what made the page, by which methodology, and as of when."""
    methodologies = dict.fromkeys(
        label_methodology(side.score.methodology) for side in report.comparison.sides if side.score is not None
    )
    used = f", methodology {', '.join(methodologies)}" if methodologies else ""
    return f"nerq-cli {report.version}{used}, as of {format_timestamp(report.as_of)}"


# --- text


def render_text(report: CompareReport, options: RenderOptions) -> str:
    """Return the page as text."""
    page = Page(options)
    page.add_line((describe_title(report), "strong"))
    page.add_gap()
    page.add_paragraph(page.safe_text(report.comparison.outcome.text, 0), "strong", indent=0)
    for change in report.comparison.changes:
        page.add_gap()
        page.add_paragraph(page.safe_text(change.text, 0), indent=0)
    page.add_gap()
    _add_rows(page, report, [_Line(name, "", tuple(texts), ()) for name, *texts in _list_facts(report)], _VALUE_WIDTH)
    for group, title in _list_titles(report).items():
        if rows := _select_rows(report, group):
            page.add_gap()
            page.add_line((page.safe_text(title), "strong"))
            _add_group(page, report, group, rows)
    page.add_gap()
    page.add_paragraph(page.safe_text(describe_foot(report)), "dim", indent=0)
    return page.to_text()


class _Line(NamedTuple):
    """A line of a table."""

    name: str
    #: Empty = none.
    points: str
    #: One for each target.
    texts: Sequence[str]
    #: One for each target, or none.
    styles: Sequence[str]


def _add_group(page: Page, report: CompareReport, group: Group, rows: Sequence[Row]) -> None:
    if group == "same":
        page.add_paragraph(page.safe_text(_describe_same(rows), 0))
        return
    if group == "unknown":  # what is the same of all targets is stated once
        for row in rows:
            if _is_uniform(row):
                page.add_paragraph(page.safe_text(f"{row.name}: {describe_cell(row.cells[0])}", 0), "doubt")
        rows = [row for row in rows if not _is_uniform(row)]
    width = _find_width(page, report)  # without room for a column each target has a line, and room for its reason
    with_reason = group == "unknown" or width >= _REASON_WIDTH or width < _VALUE_WIDTH
    lines = [
        _Line(
            row.name,
            f"{row.points:.1f}" if group == "decides" else "",
            tuple(describe_cell(cell, with_reason=with_reason) for cell in row.cells),
            tuple(_STYLES[cell.state] for cell in row.cells),
        )
        for row in rows
    ]
    if lines:
        _add_rows(page, report, lines, _REASON_WIDTH if with_reason else _VALUE_WIDTH)


def _find_width(page: Page, report: CompareReport) -> int:
    """Return the cells that are left for the column of a target."""
    return (page.width - _NAME_WIDTH - _POINTS_WIDTH) // len(report.facts) - 2


def _add_rows(page: Page, report: CompareReport, lines: Sequence[_Line], needed_width: int) -> None:
    """Add a table with a column for each target; without the needed width each target has a line of its own."""
    sides = report.comparison.sides
    has_points = any(line.points for line in lines)
    if _find_width(page, report) < needed_width:
        for line in lines:
            heading = f"{line.name} ({line.points} points)" if line.points else line.name
            page.add_paragraph(page.safe_text(heading))
            for number, (side, text) in enumerate(zip(sides, line.texts, strict=True)):
                style = line.styles[number] if line.styles else ""
                page.add_paragraph(page.safe_text(f"{side.label}: {text}"), style, indent=4)
        return
    columns = [Column("", max_width=_NAME_WIDTH), *(Column(page.safe_text(side.label)) for side in sides)]
    columns += [Column("points", align_right=True)] if has_points else []
    table = [
        (
            (page.safe_text(line.name), ""),
            *_build_spans(page, line),
            *([(line.points, "strong")] if has_points else []),
        )
        for line in lines
    ]
    add_table(page, columns, table)


def _build_spans(page: Page, line: _Line) -> Iterator[Span]:
    for number, text in enumerate(line.texts):
        yield page.safe_text(text), line.styles[number] if line.styles else ""


# --- Markdown


def render_markdown(report: CompareReport) -> str:
    """Return the page as Markdown."""
    return "".join(_write_markdown(report))


def _write_markdown(report: CompareReport) -> Iterator[str]:
    comparison = report.comparison
    labels = [side.label for side in comparison.sides]
    yield f"## {describe_title(report)}\n\n"
    yield write_paragraph(comparison.outcome.text)
    for change in comparison.changes:
        yield write_paragraph(change.text)
    yield from write_table(["", *labels], _list_facts(report))
    for group, title in _list_titles(report).items():
        rows = _select_rows(report, group)
        if not rows:
            continue
        yield f"### {title}\n\n"
        if group == "same":
            yield write_paragraph(_describe_same(rows))
            continue
        points = ["Points"] if group == "decides" else []
        yield from write_table(
            ["Signal", *labels, *points],
            ((row.name, *map(describe_cell, row.cells), *([f"{row.points:.1f}"] if points else [])) for row in rows),
        )
    yield write_paragraph(describe_foot(report))


# --- HTML


def render_html(report: CompareReport) -> str:
    """Return the page as one self-contained HTML file."""
    return wrap_html(describe_title(report), build_content(report), describe_foot(report))


def build_content(report: CompareReport) -> Markup:
    """Return what the page has: a heading, the outcome, and a table of each group."""
    comparison = report.comparison
    labels = [side.label for side in comparison.sides]
    body = [element("h1", describe_title(report)), element("p", comparison.outcome.text)]
    body += [element("p", change.text) for change in comparison.changes]
    body.append(build_table(["", *labels], list(_list_facts(report)), "Scores"))
    for group, title in _list_titles(report).items():
        rows = _select_rows(report, group)
        if not rows:
            continue
        body.append(element("h2", title))
        if group == "same":
            body.append(element("p", _describe_same(rows)))
            continue
        points = ["Points"] if group == "decides" else []
        body.append(
            build_table(
                ["Signal", *labels, *points],
                [
                    (row.name, *map(describe_cell, row.cells), *([f"{row.points:.1f}"] if points else []))
                    for row in rows
                ],
                title,
            )
        )
    return join(*body)
