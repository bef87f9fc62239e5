"""Documentation readiness as text: the table of evidence keys, then the jurisdictions on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from nerq_cli.compliance.assess import BlockRow, Compliance
from nerq_cli.compliance.eu_class import CAVEAT, CLASS_WORDS, EuAssessment, Reason
from nerq_cli.compliance.gpai import GPAI_WORDS, GpaiAssessment
from nerq_cli.compliance.jurisdictions import STANDINGS, JurisdictionReadiness, Readiness, load_table
from nerq_cli.compliance.keys import KEY_LABELS, KEY_WEIGHTS, KeyEvidence
from nerq_cli.report.compliance import ComplianceEntry, ComplianceReport
from nerq_cli.report.terminal.layout import Column, Page, Span, add_table
from nerq_cli.report.wording import format_timestamp

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

_STATES: Final = {"present": "present", "absent": "absent", "unknown": "unknown", "not_applicable": "n/a"}
_STYLES: Final = {"present": "good", "absent": "bad", "unknown": "doubt", "not_applicable": "dim"}
_HALF_STYLE: Final = "fair"
#: Hexadecimal digits of a commit that are shown.
_REVISION: Final = 12


def render_text(compliance: Compliance, options: RenderOptions, *, show_jurisdictions: bool = True) -> str:
    """Return the page of one artefact; without ``show_jurisdictions`` the lines of the jurisdictions are left out."""
    page = Page(options)
    revision = f" at {compliance.revision[:_REVISION]}" if compliance.revision else ""
    page.add_line((page.safe_text(f"{compliance.kind} {compliance.id}{revision}"), "strong"))
    page.add_paragraph(page.safe_text(describe_compliance(compliance), 0), indent=0)
    if compliance.keys:
        page.add_gap()
        _add_keys(page, compliance.keys)
    page.add_gap()
    _add_block(page, compliance)
    if compliance.eu_class:
        page.add_gap()
        _add_class(page, compliance.eu_class)
    if compliance.gpai and compliance.kind == "model":
        page.add_gap()
        _add_gpai(page, compliance.gpai)
    if compliance.readiness:
        page.add_gap()
        _add_readiness(page, compliance.readiness, show_jurisdictions=show_jurisdictions)
    page.add_gap()
    page.add_paragraph(page.safe_text(load_table().disclaimer, 0), "dim", indent=0)
    return page.to_text()


def render_report(report: ComplianceReport, options: RenderOptions, *, show_jurisdictions: bool = True) -> str:
    """Return the pages of a run, one for each artefact."""
    pages = [_render_entry(entry, options, show_jurisdictions=show_jurisdictions) for entry in report.entries]
    page = Page(options)
    page.add_paragraph(f"nerq {report.version}, as of {format_timestamp(report.as_of)}", "dim", indent=0)
    return "\n".join((*pages, page.to_text()))


def _render_entry(entry: ComplianceEntry, options: RenderOptions, *, show_jurisdictions: bool) -> str:
    text = render_text(entry.compliance, options, show_jurisdictions=show_jurisdictions)
    page = Page(options)
    if entry.missing:
        page.add_paragraph(page.safe_text(f"{entry.compliance.id}: {entry.missing}"), "doubt", indent=0)
        return page.to_text()
    for reason in entry.unread:
        page.add_paragraph(page.safe_text(f"not read: {reason}"), "doubt", indent=0)
    return text + page.to_text()


def describe_compliance(compliance: Compliance) -> str:
    """Return the result in one line of words."""
    number = "not assessed" if compliance.value is None else f"{compliance.value:.0f}/100"
    parts = [f"Compliance {number} (coverage {compliance.coverage:.0%})"]
    if compliance.not_applicable:
        return f"{parts[0]}: licence and data handling; {compliance.not_applicable}"
    if readiness := compliance.readiness:
        parts.append(
            f"readiness against {readiness.applicable} of {readiness.total} jurisdictions; "
            f"{readiness.total - readiness.applicable} not applicable"
        )
    text = " - ".join(parts)
    if compliance.eu_class:
        text += f"; EU AI Act: {CLASS_WORDS[compliance.eu_class.label]}"
    if compliance.gpai and compliance.gpai.label.startswith("likely"):
        text += f", {GPAI_WORDS[compliance.gpai.label]}"
    return text


def _add_keys(page: Page, keys: Sequence[KeyEvidence]) -> None:
    columns = (Column("Evidence", 24), Column("State", 8), Column("Where, or why not", min_width=20))
    add_table(page, columns, [_build_key_row(page, key) for key in keys])


def _build_key_row(page: Page, key: KeyEvidence) -> tuple[Span, Span, Span]:
    is_half = key.state == "present" and key.credit < 1
    style = _HALF_STYLE if is_half else _STYLES[key.state]
    state = "half" if is_half else _STATES[key.state]
    where = key.pointer if key.state == "present" else key.reason or "not found in card and fields"
    if key.state == "present" and key.reason:
        where = f"{key.pointer} ({key.reason})"
    return (KEY_LABELS[key.key], ""), (state, style), (page.safe_text(where), "dim")


def _add_block(page: Page, compliance: Compliance) -> None:
    block = compliance.licence
    number = "not assessed" if block.value is None else f"{block.value:.0f}/100"
    page.add_line((f"Licence and data handling  {number} (coverage {block.coverage:.0%})", "strong"))
    page.add_paragraph(page.safe_text(block.summary))
    columns = (Column("Row", 32), Column("State", 8), Column("What was found, or why not", min_width=20))
    add_table(page, columns, [_build_block_row(page, row) for row in block.rows])
    for conflict in block.conflicts:
        word = "note" if conflict.is_note else "check"
        page.add_paragraph(page.safe_text(f"{word}: {conflict.text} ({conflict.base})", 0), "doubt")


def _build_block_row(page: Page, row: BlockRow) -> tuple[Span, Span, Span]:
    is_part = row.points is not None and 0 < row.points < row.maximum
    style = _HALF_STYLE if is_part else _STYLES[row.state]
    return (row.label, ""), (_STATES[row.state], style), (page.safe_text(row.text), "dim")


def _add_class(page: Page, assessment: EuAssessment) -> None:
    words = f"EU AI Act  {CLASS_WORDS[assessment.label]} (confidence: {assessment.confidence})"
    page.add_paragraph(words, "strong", indent=0)
    for reason in assessment.reasons:
        page.add_paragraph(page.safe_text(_describe_reason(reason), 0))
    for title, reasons in (("also mentioned", assessment.also_mentioned), ("excluded", assessment.excluded)):
        for reason in reasons:
            page.add_paragraph(page.safe_text(f"{title}: {_describe_reason(reason)}", 0), "dim")
    page.add_paragraph(CAVEAT, "dim")


def _describe_reason(reason: Reason) -> str:
    origin = f" of {reason.inherited_from}" if reason.inherited_from else ""
    place = f" [{reason.pointer}{origin}]" if reason.pointer else ""
    quote = f': "{reason.quote}"' if reason.quote else ""
    return f"{reason.text}{place}{quote}"


def _add_gpai(page: Page, assessment: GpaiAssessment) -> None:
    page.add_paragraph(f"General-purpose AI  {GPAI_WORDS[assessment.label]} (estimate)", "strong", indent=0)
    for text in (*assessment.reasons, assessment.relief):
        if text:
            page.add_paragraph(page.safe_text(text, 0))


def _add_readiness(page: Page, readiness: Readiness, *, show_jurisdictions: bool) -> None:
    number = "not assessed" if readiness.readiness is None else f"{readiness.readiness:.0f}/100"
    count = f"{readiness.assessed} of {readiness.total} assessed"
    page.add_paragraph(f"Instruments  {number} (coverage {readiness.coverage:.0%}), {count}", "strong", indent=0)
    counts = [f"{count} {STANDINGS[standing]}" for standing, count in readiness.standings.items()]
    page.add_paragraph(page.safe_text("; ".join(counts), 0))
    for milestone in readiness.milestones:
        if not milestone.applies:
            page.add_paragraph(page.safe_text(f"ahead in the EU: {milestone.date} {milestone.what}", 0), "dim")
            break
    if readiness.warning:
        page.add_paragraph(page.safe_text(f"warning: {readiness.warning}", 0), "doubt")
    if not show_jurisdictions:
        return
    for standing, words in STANDINGS.items():
        rows = [row for row in readiness.rows if row.standing == standing]
        if rows:
            page.add_gap()
            page.add_line((f"{words[0].upper()}{words[1:]}", "strong"))
            columns = (
                Column("Code", 6),
                Column("Jurisdiction", 30, min_width=10),
                Column("Ready", 5, align_right=True),
                Column("Known", 5, align_right=True),
                Column("Lacks, or why not assessed", min_width=16),
            )
            add_table(page, columns, list(_iter_jurisdiction_rows(page, rows)))


def _iter_jurisdiction_rows(page: Page, rows: Sequence[JurisdictionReadiness]) -> Iterator[Sequence[Span]]:
    for row in rows:
        ready = "n/a" if not row.is_applicable else "-" if row.readiness is None else f"{row.readiness:.0f}"
        known = f"{row.coverage:.0%}" if row.is_applicable else ""
        lacks = ", ".join(KEY_LABELS[key] for key in row.absent)
        parts = [row.reason, lacks, f"from {row.applies_from}" if row.applies_from else ""]
        style = "" if row.readiness is not None else "dim"
        yield (
            (row.code, ""),
            (page.safe_text(row.name), ""),
            (ready, style),
            (known, "dim"),
            (page.safe_text("; ".join(filter(None, parts)), 0), "dim"),
        )


def render_reference() -> str:
    """Return the reference page about keys, jurisdictions and milestones, as Markdown."""
    return "\n".join(_iter_reference()) + "\n"


def _iter_reference() -> Iterator[str]:
    table = load_table()
    yield from ("# Evidence keys and jurisdictions", "")
    yield from (f"{table.disclaimer} [How it is measured](../concepts/compliance.md).", "")
    yield f"The table was checked on {table.checked}. {table.sources_note} Licence: {table.licence}. {table.source}"
    yield from ("", "The source of this page is [jurisdictions.toml](jurisdictions.toml).", "", "## Evidence keys", "")
    yield from ("| key | weight | present when | jurisdictions |", "| --- | --- | --- | --- |")
    for key, meaning in table.keys.items():
        count = sum(key in row.requires for row in table.jurisdictions)
        yield f"| `{key}` | {KEY_WEIGHTS[key]:g} | {meaning} | {count} |"
    yield from ("", f"## {table.count} jurisdictions", "")
    yield "Status and dates are those of the day of the check; a report compares the dates with its own day."
    yield from ("", "| code | jurisdiction | instrument | status | from | about | confidence | checked by |")
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in table.jurisdictions:
        instrument = f"[{row.instrument}]({row.url})" if row.url else row.instrument
        about = ", ".join(row.applies_to)
        status = row.status.replace("_", " ")
        yield (
            f"| {row.code} | {row.name} | {instrument} | {status} | {row.in_force_date} | {about} | {row.confidence} "
            f"| {row.basis} |"
        )
    yield from ("", "### What each asks for", "")
    for row in table.jurisdictions:
        keys = ", ".join(f"`{key}`" for key in row.requires)
        yield f"- **{row.code}** {row.name}: {keys}. {row.notes}"
    yield from ("", "## Dates of the EU AI Act", "", "| date | what |", "| --- | --- |")
    yield from (f"| {milestone.date} | {milestone.what} |" for milestone in table.eu_milestones)
