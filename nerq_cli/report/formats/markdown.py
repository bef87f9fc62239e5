"""Markdown (GitHub and GitLab) for a comment or a job summary: the worst first, cut to a size."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from nerq_cli.ecosystems import get_prefix
from nerq_cli.inventory import Location
from nerq_cli.policy import STATES
from nerq_cli.policy.baseline import DependencyChange
from nerq_cli.report.alternatives import describe_option, summarise_score
from nerq_cli.report.changes import (
    describe_causes,
    describe_comparison,
    describe_score,
    describe_versions,
)
from nerq_cli.report.gaps import is_fully_checked, list_gaps
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.issues import Issue, list_issues
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.uris import clean_link
from nerq_cli.report.wording import (
    KIND_NAMES,
    count_assessments,
    count_below,
    describe_empty,
    describe_lookups,
    describe_methodologies,
    describe_status,
    format_location,
    format_score,
    format_timestamp,
    has_own_thresholds,
    has_several_kinds,
    name_changed,
    name_column,
    name_kinds,
    package_label,
    state_glyph,
)
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.insight.alternatives import Option
    from nerq_cli.report import RenderOptions

#: Characters that a comment on GitHub may have. Bytes are counted, which are never fewer.
COMMENT_LIMIT: Final = 65_536
#: Finds the comment of an earlier run, which a CI job replaces.
MARKER: Final = "<!-- nerq report -->"
#: Rows that are shown unfolded, and longest text of a cell in characters.
_VISIBLE_ROWS: Final = 20
_CELL_LIMIT: Final = 300
#: Most reasons why not everything was checked.
_MAX_GAPS: Final = 10
#: Bytes for what ends the document: closing tags, what is left out, the last line.
_RESERVE: Final = 1_500

_GLYPHS: Final = {"error": UNICODE_GLYPHS.below, "warning": UNICODE_GLYPHS.not_judged, "note": UNICODE_GLYPHS.dot}


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report as Markdown, within the limit of the options or of a comment on GitHub."""
    writer = _Writer(options.size_limit or COMMENT_LIMIT)
    _write_head(writer, report)
    if report.list_only:
        _write_list(writer, report)
    else:
        issues = list_issues(report)
        _write_issues(writer, report, issues)
        _write_comparison(writer, report)
        # the packages of nerq check are shown whatever their state
        _write_scores(writer, report, show_all=options.show_all or options.details is not None)
        _write_alternatives(writer, report)
    return writer.finish(report)


class _Writer:
    """A document that stops to grow before its limit, and counts what it leaves out."""

    def __init__(self, limit: int) -> None:
        self.room = limit - _RESERVE
        self.parts: list[str] = []
        self.left_out: dict[str, int] = {}

    def add(self, text: str) -> bool:
        """Add a text if it fits."""
        size = len(text.encode())
        if size > self.room:
            return False
        self.room -= size
        self.parts.append(text)
        return True

    def add_table(self, noun: str, heading: str, columns: Sequence[str], rows: Iterable[str], *, folded: bool) -> None:
        """Add a table; rows that do not fit are counted under the noun."""
        start = f"<details><summary>{heading}</summary>\n\n" if folded else f"### {heading}\n\n"
        end = "\n</details>\n\n" if folded else "\n"
        head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"
        pending = list(rows)
        if not pending:
            return
        self.room -= len(end)
        if not self.add(start + head + pending[0]):
            self.room += len(end)
            self.left_out[noun] = self.left_out.get(noun, 0) + len(pending)
            return
        for number, row in enumerate(pending[1:], 1):
            if not self.add(row):
                self.left_out[noun] = self.left_out.get(noun, 0) + len(pending) - number
                break
        self.parts.append(end)

    def finish(self, report: Report) -> bytes:
        """Return the document with what it leaves out."""
        if self.left_out:
            counts = " and ".join(format_count(count, noun) for noun, count in self.left_out.items())
            self.parts.append(f"**Left out to fit the size: {counts}.** The JSON report has all.\n\n")
        as_of = format_timestamp(report.as_of)
        self.parts.append(
            f"<sub>nerq-cli {escape(report.version)}, methodology {escape(describe_methodologies(report))}, "
            f"as of {escape(as_of)}</sub>\n"
        )
        return "".join(self.parts).encode()


def _code(text: str) -> str:
    """Return a text in which no host looks for mentions."""
    return f"<code>{escape(text, _CELL_LIMIT)}</code>" if text else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _write_head(writer: _Writer, report: Report) -> None:
    below = count_below(report)
    counts = ", ".join(
        f"{below.open:,} below{below.remark}"
        if state == "below"
        else f"{report.count_state(state):,} {state.replace('-', ' ')}"
        for state in STATES
        if report.count_state(state)
    )
    others = " and others" * has_own_thresholds(report)
    total = count_assessments(report.dependencies)
    verdict = escape(report.exit_reason, TEXT_LIMIT) or "passed"
    writer.add(f"{MARKER}\n## nerq: {describe_status(report)}\n\nResult: {verdict}\n\n")
    if not report.dependencies:
        writer.add(f"{escape(describe_empty(report))}\n\n")
    elif report.list_only:
        writer.add(f"{total} listed, not scored.\n\n")
    else:
        writer.add(f"{total}: {counts}. Threshold {report.threshold:g}{others}.\n\n")
    for text in describe_lookups(report):
        writer.add(f"Evidence {escape(text, TEXT_LIMIT)}.\n\n")
    gaps = list_gaps(report)
    if gaps and not report.list_only:
        title = "Notes" if is_fully_checked(report) else "Not everything was checked"
        writer.add(f"**{title}:**\n\n")
        for gap in gaps[:_MAX_GAPS]:
            place = f" ({_code(format_location(gap.location))})" if gap.location is not None else ""
            writer.add(f"- {gap.level}: {escape(gap.text, _CELL_LIMIT)}{place}\n")
        if len(gaps) > _MAX_GAPS:
            writer.add(f"- and {len(gaps) - _MAX_GAPS:,} more\n")
        writer.add("\n")


def _write_issues(writer: _Writer, report: Report, issues: Sequence[Issue]) -> None:
    name, _, _ = name_kinds({issue.kind for issue in issues if issue.kind})
    columns = ("", name, "Finding", "Fix", "Where")
    links = _find_links(report)

    def make_row(issue: Issue) -> str:
        glyph = _GLYPHS[issue.level]
        remark = f" ({escape(issue.remark, _CELL_LIMIT)})" if issue.remark else ""
        text = f"{escape(issue.text, _CELL_LIMIT)}{remark}"
        if link := links.get(issue.advisory, ""):
            text += f" [{escape(issue.advisory)}]({link})"
        return _row(
            glyph, _code(issue.label), f"{_code(issue.rule)} {text}", _code(issue.fix), _locate(issue.locations)
        )

    open_issues = [issue for issue in issues if issue.is_open and issue.level != "note"]
    notes = [issue for issue in issues if issue.is_open and issue.level == "note"]
    closed_issues = [issue for issue in issues if not issue.is_open]
    count = format_count(len(open_issues), "finding")
    shown, folded = open_issues[:_VISIBLE_ROWS], open_issues[_VISIBLE_ROWS:]
    writer.add_table("finding", count, columns, map(make_row, shown), folded=False)
    writer.add_table("finding", f"{len(folded):,} more", columns, map(make_row, folded), folded=True)
    waived = f"{format_count(len(closed_issues), 'finding')} waived or as before"
    heading = f"{format_count(len(notes), 'further advisory record')}"
    writer.add_table("advisory record", heading, columns, map(make_row, notes), folded=True)
    writer.add_table("waived finding", waived, columns, map(make_row, closed_issues), folded=True)


def _find_links(report: Report) -> dict[str, str]:
    """Return the page of each advisory."""
    links: dict[str, str] = {}
    for assessment in report.dependencies:
        for advisory in assessment.advisories:
            link = clean_link(advisory.link)
            if link and advisory.id not in links:
                links[sanitize_text(advisory.id)] = _quote_link(link)
    return links


def _quote_link(link: str) -> str:
    """Return a link without the characters that mean something in Markdown."""
    return re.sub(r"[()|*_~`\[\]\\]", lambda match: f"%{ord(match[0]):02X}", link)


def _write_comparison(writer: _Writer, report: Report) -> None:
    """Add what differs from the earlier run, with the signals that moved each score."""
    comparison = report.comparison
    if comparison is None:
        return
    writer.add(f"{escape(_capitalise(describe_comparison(report)), _CELL_LIMIT)}.\n\n")

    def make_row(change: DependencyChange) -> str:
        label = f"{get_prefix(change.ecosystem)}:{change.name}"
        causes = ", ".join(describe_causes(report, change))
        return _row(
            change.kind,
            _code(label),
            _code(describe_versions(change)),
            escape(describe_score(change).removeprefix("score ")),
            escape(causes, _CELL_LIMIT),
        )

    name, singular, plural = name_changed(report)
    columns = ("Change", name, "Version", "Score", "Because")
    count = len(comparison.changes)
    heading = f"{count:,} changed {singular if count == 1 else plural}"
    writer.add_table("changed package", heading, columns, map(make_row, comparison.changes), folded=True)


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _write_scores(writer: _Writer, report: Report, *, show_all: bool) -> None:
    order = {state: rank for rank, state in enumerate(STATES)}
    shown = [assessment for assessment in report.dependencies if show_all or assessment.state not in ("ok", "skipped")]
    shown.sort(key=lambda assessment: (order.get(assessment.state or "skipped", 0), _score_key(assessment)))

    with_kind = has_several_kinds(report.dependencies)

    def make_row(assessment: Assessment) -> str:
        kind = [KIND_NAMES[assessment.dependency.kind][0]] * with_kind
        reason = assessment.reasons[0] if assessment.reasons else assessment.dependency.skip_reason
        return _row(
            f"{state_glyph(assessment, UNICODE_GLYPHS)} {(assessment.state or '').replace('-', ' ')}",
            *kind,
            _code(package_label(assessment.dependency)),
            escape(format_score(assessment, UNICODE_GLYPHS)),
            escape(reason, _CELL_LIMIT),
            _code(assessment.upgrade.version if assessment.upgrade is not None else assessment.fix),
            _locate(assessment.dependency.locations),
        )

    names = name_column(assessment.dependency for assessment in shown)
    columns = ("State", *["Kind"] * with_kind, names, "Score", "Reason", "Fix", "Where")
    heading = f"Scores of {count_assessments(shown)}" + ("" if show_all else " that did not pass")
    writer.add_table("package", heading, columns, map(make_row, shown), folded=True)


def _write_alternatives(writer: _Writer, report: Report) -> None:
    """Add what does the same job as dependencies below the threshold."""
    pairs = [
        (entry, option)
        for entry in report.dependencies
        if report.alternatives and entry.dependency.purl in report.alternatives
        for option in report.alternatives[entry.dependency.purl].options
    ]

    def make_row(pair: tuple[Assessment, Option]) -> str:
        assessment, option = pair
        link = clean_link(option.candidate.source)
        source = f"[source]({_quote_link(link)})" if link else escape(option.candidate.source, _CELL_LIMIT)
        return _row(
            _code(package_label(assessment.dependency)),
            _code(describe_option(option)),
            escape(summarise_score(option).removeprefix("score ")),
            f"{escape(option.candidate.reason, _CELL_LIMIT)} ({source})",
        )

    columns = ("Package", "Alternative", "Score", "Why it does the same job")
    heading = f"{format_count(len(pairs), 'alternative')} to what is below the threshold"
    writer.add_table("alternative", heading, columns, map(make_row, pairs), folded=True)


def _score_key(assessment: Assessment) -> tuple[float, str]:
    score = assessment.score
    value = score.value if score is not None else None
    return (-1.0 if value is None else float(value), assessment.dependency.package.name)


def _write_list(writer: _Writer, report: Report) -> None:
    def make_row(assessment: Assessment) -> str:
        dependency = assessment.dependency
        return _row(
            _code(package_label(dependency)),
            escape(dependency.skip_reason, _CELL_LIMIT),
            _locate(dependency.locations),
        )

    columns = (name_column(assessment.dependency for assessment in report.dependencies), "Note", "Where")
    heading = count_assessments(report.dependencies)
    writer.add_table("package", heading, columns, map(make_row, report.dependencies), folded=False)


def _locate(locations: Sequence[Location]) -> str:
    if not locations:
        return ""
    suffix = f" +{len(locations) - 1}" if len(locations) > 1 else ""
    return f"{_code(format_location(locations[0]))}{suffix}"
