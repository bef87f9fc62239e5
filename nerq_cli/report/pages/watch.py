"""What changed since the last pass: as text, Markdown, HTML and JSON, with the schema of the JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from nerq_cli.ecosystems import get_prefix
from nerq_cli.errors import ExitStatus
from nerq_cli.insight.history import Move
from nerq_cli.insight.watch import EFFECTS, Effect, WatchChange, WatchedWaiver
from nerq_cli.inventory import Location
from nerq_cli.policy.findings import Change
from nerq_cli.problem import Problem
from nerq_cli.report import RenderOptions
from nerq_cli.report.html.markup import Markup, element, join
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.pages.document import build_schema_of, clean, encode_document, wrap_html
from nerq_cli.report.pages.markdown import CELL_LIMIT
from nerq_cli.report.terminal.layout import Column, Page, add_table
from nerq_cli.report.wording import JUST_FETCHED, format_age, format_location, format_timestamp, shorten_version
from nerq_cli.signals.signal import format_count

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1
#: Characters that an issue on GitHub may have. Bytes are counted, which are never fewer.
MARKDOWN_LIMIT: Final = 65_536
#: Least that a limit may be: the head and what is left out.
MIN_LIMIT: Final = 600
#: First line of the Markdown: finds the text again that a job wrote.
MARKER: Final = "<!-- nerq watch -->"
#: Bytes for what ends the document.
_RESERVE: Final = 300
#: Bytes that the verdict in the head may have.
_HEAD_LIMIT: Final = 250
#: Signals of a change that a text names, and packages of one about several.
_MAX_MOVES: Final = 3
_MAX_MEMBERS: Final = 5
#: Lines of the text on what was not checked.
_MAX_UNCHECKED: Final = 20
#: Cells from which a change has a line of a table.
_TABLE_WIDTH: Final = 100

_TITLES: Final[dict[Effect, str]] = {
    "worse": "Worse",
    "uncertain": "No fall or rise: not known at one of the passes, or judged otherwise",
    "neutral": "Other changes",
    "better": "Better",
}
_STYLES: Final[dict[Effect, str]] = {"worse": "bad", "uncertain": "doubt", "neutral": "", "better": "good"}
_WORDS: Final = {
    "advisory-new": "new advisory",
    "advisory-exploited": "advisory exploited",
    "advisory-raised": "advisory raised",
    "advisory-gone": "advisory gone",
    "score-fell": "score fell",
    "score-rose": "score rose",
    "score-missing": "no score any more",
    "source-lost": "source lost",
    "source-regained": "source regained",
    "methodology": "new methodology",
    "name-vanished": "package vanished",
    "name-registered": "name registered",
    "vanished": "version vanished",
    "provenance-lost": "provenance lost",
    "publisher-changed": "publisher changed",
    "accounts": "accounts changed",
    "model-moved": "model moved",
    "version": "version changed",
    "release-gone": "release gone",
    "release": "new release",
    "mcp-added": "MCP server added",
    "mcp-removed": "MCP server removed",
    "mcp-changed": "MCP server changed",
    "mcp-registry": "MCP registration",
    "waiver-ended": "waiver ended",
    "waiver-ends": "waiver ends soon",
}

#: Words for what began at an earlier pass and is over.
_ENDED_WORDS: Final = {
    "vanished": "version listed again",
    "yanked": "not yanked any more",
    "deprecated": "not deprecated any more",
    "archived": "not archived any more",
    "inactive": "maintained again",
    "provenance-lost": "attested again",
}

#: Changes whose points stand in the column of scores where these have another direction: a source moved them as well.
_SCORE_KINDS: Final = ("score-fell", "score-rose")


class OpenFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that fails the policy."""

    #: Id of the policy rule.
    rule: str
    text: str
    #: Empty if it is about no single package.
    purl: str
    name: str
    version: str
    advisory: str
    severity: str
    fix: str
    locations: tuple[Location, ...]
    #: What became of it since the last pass: ``new``, ``worse`` or ``unchanged``; empty at the first pass.
    change: Change
    #: Whether it was found at this pass: else it is one of the last pass that could not be checked again.
    is_checked: bool = True


class WatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one pass."""

    #: Version of nerq-cli.
    version: str
    #: Moment of this pass, and of the last one (epoch seconds UTC; 0 = this is the first).
    as_of: int
    last_pass: int
    #: 0-100.
    threshold: float
    #: The worst first.
    changes: tuple[WatchChange, ...] = ()
    #: Everything that fails the policy now.
    findings: tuple[OpenFinding, ...] = ()
    #: Waivers that ended, or end soon.
    waivers: tuple[WatchedWaiver, ...] = ()
    #: Number of dependencies of third parties.
    dependencies: int
    #: Whether everything could be checked.
    complete: bool
    #: What was not, with the reason of each: sources, dependencies, findings that could not be decided.
    unchecked: tuple[str, ...] = ()
    #: Whether the exit status is the same with ``--strict``.
    strict: bool
    #: Whether nothing fails the policy, and everything that decides was checked.
    clean: bool
    exit: ExitStatus
    exit_reason: str
    warnings: tuple[str, ...] = ()
    #: Why the project could not be read.
    problems: tuple[Problem, ...] = ()

    @property
    def worse_findings(self) -> list[OpenFinding]:
        """Those that are new or worse; at the first pass none."""
        return [finding for finding in self.findings if finding.change in ("new", "worse")]

    @property
    def known_findings(self) -> list[OpenFinding]:
        """The others."""
        return [finding for finding in self.findings if finding.change not in ("new", "worse")]


# --- JSON

_Points = Annotated[float, Meta(ge=0, le=100)]


class WatchMove(msgspec.Struct, frozen=True):
    """A signal, or the hard limits, that moved a score."""

    id: str
    name: str
    points: float
    before: _Points | None
    after: _Points | None
    reason: str | None


class WatchPackage(msgspec.Struct, frozen=True):
    """A package of a change that is about several."""

    ecosystem: str
    name: str
    version: str | None


class WatchItem(msgspec.Struct, frozen=True):
    """One change since the last pass."""

    kind: str
    effect: Annotated[
        Literal["worse", "uncertain", "neutral", "better"],
        Meta(description="uncertain: it follows from a source or a methodology, not from the target."),
    ]
    ecosystem: str | None
    name: Annotated[str | None, Meta(description="Null if it is about several packages.")]
    text: str
    version_before: str | None
    version_after: str | None
    score_before: _Points | None
    score_after: _Points | None
    points: Annotated[float | None, Meta(description="Points that facts about the target moved.")]
    causes: list[str]
    moves: Annotated[list[WatchMove], Meta(description="Most points first.")]
    advisory: str | None
    severity: str | None
    packages: list[WatchPackage]


class WatchFinding(msgspec.Struct, frozen=True):
    """A finding that fails the policy."""

    rule: str
    text: str
    purl: str | None
    name: str | None
    version: str | None
    advisory: str | None
    severity: str | None
    fix: str | None
    locations: list[str]
    change: Annotated[
        Literal["new", "worse", "unchanged"] | None, Meta(description="Since the last pass; null at the first.")
    ]
    checked: Annotated[bool, Meta(description="False: one of the last pass that could not be checked again.")]


class WatchWaiver(msgspec.Struct, frozen=True):
    """A waiver that ended, or ends soon."""

    waiver: str
    reason: str
    until: str
    days_left: int


class WatchExit(msgspec.Struct, frozen=True):
    """The exit status of a pass."""

    code: Annotated[
        int,
        Meta(description="0 nothing got worse, 1 something did, 2 usage error, 3 not all checked, 4 nothing."),
    ]
    reason: str


class WatchDocument(msgspec.Struct, frozen=True):
    """What changed since the last pass."""

    schema: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    version: str
    as_of: str
    last_pass: Annotated[str | None, Meta(description="Null at the first pass.")]
    complete: Annotated[bool, Meta(description="Whether everything could be checked.")]
    unchecked: Annotated[list[str], Meta(description="What was not, with the reason of each.")]
    clean: Annotated[bool, Meta(description="Whether nothing fails the policy, and all that decides was checked.")]
    exit: WatchExit
    threshold: _Points
    dependencies: Annotated[int, Meta(ge=0)]
    changes: Annotated[list[WatchItem], Meta(description="The worst first.")]
    findings: Annotated[list[WatchFinding], Meta(description="All that fail the policy now.")]
    waivers: list[WatchWaiver]
    warnings: list[str]


def render_json(report: WatchReport) -> bytes:
    """Return the document of a pass as UTF-8 JSON. The same report gives the same bytes."""
    return encode_document(
        WatchDocument(
            schema=SCHEMA_VERSION,
            version=report.version,
            as_of=format_timestamp(report.as_of),
            last_pass=format_timestamp(report.last_pass) or None,
            complete=report.complete,
            unchecked=list(map(clean, report.unchecked)),
            clean=report.clean,
            exit=WatchExit(code=report.exit.value, reason=clean(report.exit_reason)),
            threshold=report.threshold,
            dependencies=report.dependencies,
            changes=list(map(_build_item, report.changes)),
            findings=list(map(_build_finding, report.findings)),
            waivers=[
                WatchWaiver(
                    waiver=clean(item.label), reason=clean(item.reason), until=item.until, days_left=item.days_left
                )
                for item in report.waivers
            ],
            warnings=list(map(clean, report.warnings)),
        )
    )


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(WatchDocument)


def _build_item(change: WatchChange) -> WatchItem:
    return WatchItem(
        kind=change.kind,
        effect=change.effect,
        ecosystem=change.ecosystem or None,
        name=clean(change.name) or None,
        text=clean(change.text),
        version_before=clean(change.version_before) or None,
        version_after=clean(change.version_after) or None,
        score_before=change.score_before,
        score_after=change.score_after,
        points=change.points,
        causes=list(change.causes),
        moves=[
            WatchMove(
                id=move.id,
                name=clean(move.name),
                points=move.points,
                before=move.before,
                after=move.after,
                reason=clean(move.reason_after) or None,
            )
            for move in change.moves
        ],
        advisory=clean(change.advisory) or None,
        severity=change.severity or None,
        packages=[
            WatchPackage(ecosystem, clean(name), clean(version) or None) for ecosystem, name, version in change.members
        ],
    )


def _build_finding(finding: OpenFinding) -> WatchFinding:
    return WatchFinding(
        rule=finding.rule,
        text=clean(finding.text),
        purl=clean(finding.purl) or None,
        name=clean(finding.name) or None,
        version=clean(finding.version) or None,
        advisory=clean(finding.advisory) or None,
        severity=finding.severity or None,
        fix=clean(finding.fix) or None,
        locations=[clean(format_location(location)) for location in finding.locations],
        change=finding.change or None,
        checked=finding.is_checked,
    )


# --- what text, Markdown and HTML have in common


def describe_title(report: WatchReport) -> str:
    """Return what the page compares."""
    if not report.last_pass:
        return "First pass: nothing to compare with"
    age = format_age(max(0, report.as_of - report.last_pass)).removesuffix(" old")
    passed = "" if age == JUST_FETCHED else f" ({age})"
    return f"Changes since {format_timestamp(report.last_pass)}{passed}"


def describe_kind(change: WatchChange) -> str:
    """Return what a change is, in words."""
    words = _WORDS | _ENDED_WORDS if change.effect == "better" else _WORDS
    return words.get(change.kind, change.kind)


def label_change(change: WatchChange) -> str:
    """Return what a change is about: ``pypi:requests``."""
    if change.members:
        return format_count(len(change.members), "package")
    return f"{get_prefix(change.ecosystem)}:{change.name}" if change.ecosystem else change.name


def describe_version(change: WatchChange) -> str:
    """Return the version, before and after if there are two: ``2.0 → 2.1``."""
    before, after = shorten_version(change.version_before), shorten_version(change.version_after)
    return " → ".join(filter(None, (before, after)))


def describe_score(change: WatchChange) -> str:
    """Return the score before and after: ``80.0 → 60.5``; empty if there is none."""
    before, after = change.score_before, change.score_after
    if before is None and after is None:
        return f"{change.points:+.1f}" if change.points is not None and change.kind in _SCORE_KINDS else ""
    if change.kind in ("added", "removed"):
        return f"{after if after is not None else before or 0.0:.1f}"
    texts = ["none" if value is None else f"{value:.1f}" for value in (before, after)]
    return " → ".join(texts) if texts[0] != texts[1] else texts[0]


def describe_reason(change: WatchChange) -> str:
    """Return why: the advisory, the text, the signals that moved most, the packages."""
    parts = [f"{change.severity} {change.advisory}" if change.advisory else "", change.text]
    if change.points is not None and change.kind in ("version", "model-moved"):
        parts.append(f"score {change.points:+.1f}")
    parts += map(describe_move, change.moves[:_MAX_MOVES])
    if len(change.moves) > _MAX_MOVES:
        parts.append(format_count(len(change.moves) - _MAX_MOVES, "further signal"))
    if change.members:
        names = [f"{get_prefix(ecosystem)}:{name}" for ecosystem, name, _ in change.members[:_MAX_MEMBERS]]
        rest = len(change.members) - len(names)
        parts.append(", ".join(names) + (f" and {rest:,} more" if rest else ""))
    return "; ".join(filter(None, parts))


def describe_move(move: Move) -> str:
    """Return what a signal moved: ``-15.2 known advisories 100 → 20: 2 known advisories``."""
    before, after = ("none" if value is None else f"{value:g}" for value in (move.before, move.after))
    values = f" {before} → {after}" if before != after else ""
    reason = move.reason_after
    if move.kind == "reweighted":
        less = "less" if move.points > 0 else "more"
        reason = f"the same limit takes off {less}" if move.id == "cap" else "its part of the total changed"
    return f"{move.points:+.1f} {move.name}{values}{f': {reason}' if reason else ''}"


def _label_finding(finding: OpenFinding) -> str:
    return f"{finding.name} {shorten_version(finding.version)}".strip()


def _describe_finding(finding: OpenFinding) -> str:
    place = f" ({format_location(finding.locations[0])})" if finding.locations else ""
    remark = "" if finding.is_checked else " (as at the last pass: it could not be checked again)"
    return f"{finding.text}{place}{remark}".strip()


def _describe_waiver(waiver: WatchedWaiver) -> str:
    days = waiver.days_left
    number = format_count(abs(days), "day")
    end = f"ended {number} ago" if days < 0 else f"ends in {number}" if days else "ends today"
    return f"{waiver.label}: {end} ({waiver.until}): {waiver.reason}"


def _describe_state(report: WatchReport) -> str:
    count = len(report.findings)
    state = "clean" if report.clean else format_count(count, "open finding") if count else "not everything was checked"
    noun = "dependency" if report.dependencies == 1 else "dependencies"
    return f"{report.dependencies:,} {noun}, threshold {report.threshold:g}: {state}"


def _list_gaps(report: WatchReport) -> Iterator[str]:
    if not report.complete:
        yield "Not everything could be checked: what is not known is compared once it is known again."


def _describe_foot(report: WatchReport) -> str:
    return f"nerq-cli {report.version}, as of {format_timestamp(report.as_of)}"


def _select(report: WatchReport, effect: Effect) -> list[WatchChange]:
    return [change for change in report.changes if change.effect == effect]


def _build_rows(changes: Iterable[WatchChange]) -> Iterator[tuple[str, ...]]:
    for change in changes:
        yield (
            describe_kind(change),
            label_change(change),
            describe_version(change),
            describe_score(change),
            describe_reason(change),
        )


_HEADINGS: Final = ("Change", "What", "Version", "Score", "Why")


# --- text


def render_text(report: WatchReport, options: RenderOptions) -> str:
    """Return the page as text."""
    page = Page(options)
    page.add_line((page.safe_text(describe_title(report)), "strong"))
    page.add_paragraph(page.safe_text(_describe_state(report)), "good" if report.clean else "", indent=0)
    for text in _list_gaps(report):
        page.add_paragraph(page.safe_text(text), "doubt", indent=0)
    for text in report.unchecked[:_MAX_UNCHECKED]:
        page.add_paragraph(page.safe_text(f"not checked: {text}"), "doubt")
    if len(report.unchecked) > _MAX_UNCHECKED:
        page.add_paragraph(page.safe_text(f"and {len(report.unchecked) - _MAX_UNCHECKED:,} more, in the JSON"), "doubt")
    _add_findings(page, "Worse past the policy", report.worse_findings, "bad")
    for effect in EFFECTS:
        changes = _select(report, effect)
        if changes:
            page.add_gap()
            page.add_line((page.safe_text(f"{_TITLES[effect]} ({len(changes):,})"), "strong"))
            _add_changes(page, changes, _STYLES[effect])
    if report.last_pass and not report.changes and not report.problems:
        page.add_gap()
        page.add_paragraph("nothing changed", "dim", indent=0)
    _add_findings(page, "Open", report.known_findings, "")
    if report.waivers:
        page.add_gap()
        page.add_line(("Waivers that ended or end soon", "strong"))
        for waiver in report.waivers:
            page.add_paragraph(page.safe_text(_describe_waiver(waiver)), "bad" if waiver.days_left < 0 else "doubt")
    page.add_gap()
    status = f"exit {report.exit.value}: {report.exit_reason}"
    page.add_paragraph(page.safe_text(status, 0), "" if report.exit else "good", indent=0)
    page.add_paragraph(page.safe_text(_describe_foot(report)), "dim", indent=0)
    return page.to_text()


def _add_findings(page: Page, title: str, findings: Sequence[OpenFinding], style: str) -> None:
    if not findings:
        return
    page.add_gap()
    page.add_line((page.safe_text(f"{title} ({len(findings):,})"), "strong"))
    for finding in findings:
        label = _label_finding(finding)
        text = ": ".join(filter(None, (finding.rule, label, _describe_finding(finding))))
        page.add_paragraph(page.safe_text(text), style, prefix=f"{page.glyphs.below} ")


def _add_changes(page: Page, changes: Sequence[WatchChange], style: str) -> None:
    rows = list(_build_rows(changes))
    if page.width < _TABLE_WIDTH:
        for kind, what, version, score, why in rows:
            head = " ".join(filter(None, (f"{kind}:", what, version)))
            page.add_paragraph(page.safe_text(f"{head}, score {score}" if score else head), style)
            if why:
                page.add_paragraph(page.safe_text(why), "dim", indent=4)
        return
    used = [number for number in range(len(_HEADINGS)) if any(row[number] for row in rows)]
    limits = (20, 34, 24, 14, 0)
    columns = [Column(_HEADINGS[number].lower(), max_width=limits[number]) for number in used]
    add_table(
        page,
        columns,
        [[(page.safe_text(row[number]), style if number == 0 else "") for number in used] for row in rows],
    )


# --- Markdown


class _Writer:
    """A document that stops to grow before its limit, and counts what it leaves out."""

    def __init__(self, limit: int) -> None:
        self.room = limit - _RESERVE
        self.parts: list[str] = []
        self.left_out = 0

    def add(self, text: str) -> bool:
        """Add a text if it fits."""
        size = len(text.encode())
        if size > self.room:
            return False
        self.room -= size
        self.parts.append(text)
        return True

    def add_list(self, heading: str, lines: Sequence[str]) -> None:
        """Add a heading with lines, as far as they fit."""
        for number, line in enumerate(lines):
            start = "" if number else f"### {heading}\n\n"
            if not self.add(f"{start}{line}"):
                self.left_out += len(lines) - number
                break
        else:
            number = len(lines)
        if number:
            self.add("\n")


def render_markdown(report: WatchReport, limit: int = 0) -> str:
    """Return the page as Markdown of at most ``limit`` bytes (0: as many as an issue on GitHub may have)."""
    writer = _Writer(max(limit, MIN_LIMIT) if limit else MARKDOWN_LIMIT)
    result = _cut(report.exit_reason)
    writer.add(f"{MARKER}\n## {escape(describe_title(report))}\n\n{escape(_describe_state(report))}.\n\n")
    writer.add(f"Result: {result}\n\n")
    for text in _list_gaps(report):
        writer.add(f"**{escape(text)}**\n\n")
    writer.add_list("Worse past the policy", list(map(_write_finding, report.worse_findings)))
    for effect in EFFECTS:
        writer.add_list(_TITLES[effect], [_write_change(row) for row in _build_rows(_select(report, effect))])
    writer.add_list("Open", list(map(_write_finding, report.known_findings)))
    writer.add_list("Not checked", [f"- {escape(text, CELL_LIMIT)}\n" for text in report.unchecked])
    writer.add_list(
        "Waivers that ended or end soon",
        [f"- {escape(_describe_waiver(item), CELL_LIMIT)}\n" for item in report.waivers],
    )
    if writer.left_out:
        writer.parts.append(f"**Left out to fit the size: {writer.left_out:,} lines.** The JSON has all.\n\n")
    writer.parts.append(f"<sub>{escape(_describe_foot(report))}</sub>\n")
    return "".join(writer.parts)


def _cut(text: str) -> str:
    """Return an escaped text of few bytes."""
    length = CELL_LIMIT
    while len((escaped := escape(text, length)).encode()) > _HEAD_LIMIT:
        length = length * 3 // 4
    return escaped


def _write_code(text: str) -> str:
    return f"<code>{escape(text, CELL_LIMIT)}</code>" if text else ""


def _write_change(row: tuple[str, ...]) -> str:
    kind, what, version, score, why = row
    head = " ".join(filter(None, (f"**{escape(kind)}**", _write_code(what), escape(version, CELL_LIMIT))))
    score_text = f", score {escape(score)}" if score else ""
    return f"- {head}{score_text}{f': {escape(why, CELL_LIMIT)}' if why else ''}\n"


def _write_finding(finding: OpenFinding) -> str:
    label = _write_code(_label_finding(finding))
    return f"- {_write_code(finding.rule)} {label} {escape(_describe_finding(finding), CELL_LIMIT)}\n"


# --- HTML


def render_html(report: WatchReport) -> str:
    """Return the page as one self-contained HTML file."""
    title = describe_title(report)
    body = [element("h1", title), element("p", _describe_state(report)), element("p", f"Result: {report.exit_reason}")]
    body += [element("p", element("strong", text)) for text in _list_gaps(report)]
    if report.unchecked:
        body.append(element("ul", *(element("li", text) for text in report.unchecked)))
    body += _list_findings("Worse past the policy", report.worse_findings)
    for effect in EFFECTS:
        if changes := _select(report, effect):
            body += [element("h2", _TITLES[effect]), _build_table(_HEADINGS, list(_build_rows(changes)))]
    body += _list_findings("Open", report.known_findings)
    if report.waivers:
        body.append(element("h2", "Waivers that ended or end soon"))
        body.append(element("ul", *(element("li", _describe_waiver(item)) for item in report.waivers)))
    return wrap_html(title, join(*body), _describe_foot(report))


def _list_findings(title: str, findings: Sequence[OpenFinding]) -> list[Markup]:
    if not findings:
        return []
    rows = [(finding.rule, _label_finding(finding), _describe_finding(finding)) for finding in findings]
    return [element("h2", title), _build_table(("Rule", "What", "Finding"), rows)]


def _build_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    lines = [
        element("tr", element("th", row[0], scope="row"), *(element("td", text) for text in row[1:])) for row in rows
    ]
    table = element("table", element("thead", head), element("tbody", *lines))
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label="table")
