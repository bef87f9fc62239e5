"""The page about one target: as text, Markdown, HTML and JSON, with the schema of the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from nerq_cli.compliance.assess import Compliance
from nerq_cli.ecosystems import Kind
from nerq_cli.errors import ExitStatus
from nerq_cli.facts import AffectingAdvisory
from nerq_cli.insight.alternatives import describe_score
from nerq_cli.insight.guidance import Check
from nerq_cli.insight.history import History
from nerq_cli.insight.malware import describe_malware
from nerq_cli.insight.peers import Standing
from nerq_cli.insight.provenance import ProvenanceRecord
from nerq_cli.insight.purpose import DEFAULT_PURPOSE, PURPOSES, Purpose
from nerq_cli.insight.report_page import PageSubject, PageTexts
from nerq_cli.insight.target_details import Description, Detail
from nerq_cli.policy.reviews import ReviewResult
from nerq_cli.policy.rules.vulnerabilities import VULNERABILITY
from nerq_cli.report import RenderOptions
from nerq_cli.report.alternatives import Alternative, build_alternative, describe_option
from nerq_cli.report.badge import Badge, render_svg
from nerq_cli.report.compliance import ComplianceDocument, build_document
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.html.markup import Markup, element, join
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.pages import blocks
from nerq_cli.report.pages.blocks import Block, Commands, Items, Pairs, Paragraph, Picture, Quote, Section, Table
from nerq_cli.report.pages.document import ExitDocument, build_schema_of, clean, encode_document
from nerq_cli.report.pages.history import (
    SPARKLINE_WIDTH,
    describe_causes,
    describe_move,
    describe_step,
    describe_trend,
    draw_sparkline,
)
from nerq_cli.report.pages.history_document import HistoryTarget, build_target, format_day
from nerq_cli.report.pages.html_page import Site, write_page
from nerq_cli.report.pages.line_chart import build_history_chart
from nerq_cli.report.pages.peers import PeersDocument, build_standing, list_standings
from nerq_cli.report.pages.provenance import PageProvenance, build_provenance, list_provenance
from nerq_cli.report.reviews import ReviewDocument, build_review
from nerq_cli.report.rounding import round_number, round_to_sum
from nerq_cli.report.sanitize import defuse_json, sanitize_text
from nerq_cli.report.wording import KIND_NAMES, format_date, format_timestamp, label_methodology, name_change
from nerq_cli.scoring import Cap, Score, ScorePart
from nerq_cli.signals.advisories import describe_missing_fix, describe_unread

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1
_DIGITS: Final = 1
_POINT_DIGITS: Final = 2
_SHARE_DIGITS: Final = 3
_STYLES: Final = {"no-objection": "good", "avoid": "bad", "unsettled": "doubt"}
#: Steps of the history that are shown.
_MAX_STEPS: Final = 8
#: Longest command, in characters.
_COMMAND_LIMIT: Final = 4_000


class PageFinding(msgspec.Struct, frozen=True):
    """A finding of a policy rule about the target."""

    rule: str
    text: str
    #: Whether it fails a run with these settings.
    fails: bool


class PageReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run."""

    #: Version of nerq-cli.
    version: str
    #: Moment that ages are counted to (epoch seconds UTC).
    as_of: int
    #: As the user wrote it.
    target: str
    #: As an argument of a command, quoted for a shell.
    command: str
    #: The options of the run that change what is read or how it is judged, quoted for a shell.
    options: str = ""
    #: The table of scores of the user that the target is compared with, as an option; empty for the shipped one.
    peers_option: str = ""
    #: ``pypi``, ``npm``, ``hf`` ...
    ecosystem: str
    kind: Kind
    purl: str
    #: Name and version of the MCP server that was named; empty = the target is none.
    server: str = ""
    subject: PageSubject
    texts: PageTexts
    details: tuple[Detail, ...]
    description: Description
    findings: tuple[PageFinding, ...]
    #: None if the target was not read.
    compliance: Compliance | None
    checks: tuple[Check, ...]
    #: None = there is none: see ``history_reason``.
    history: History | None
    history_reason: str
    #: How the score stands; None for a target that is no package.
    standing: Standing | None
    #: None for what is no package.
    provenance: ProvenanceRecord | None
    badge: Badge
    #: None without any review of the target.
    reviews: ReviewResult | None
    #: Whether everything was read, and nothing that the gate asks for is open.
    complete: bool
    #: Whether the exit status is the same with ``--strict``.
    strict: bool
    exit: ExitStatus
    exit_reason: str
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Ecosystem, name and version; of an MCP server its own."""
        return self.server or f"{self.ecosystem}:{self.subject.label}"

    @property
    def page_command(self) -> str:
        """The command that writes this page as JSON."""
        purpose = "" if self.subject.purpose == DEFAULT_PURPOSE else f"--for {self.subject.purpose}"
        return " ".join(
            filter(None, ("nerq report", self.command, purpose, self.options, self.peers_option, "-f json"))
        )

    @property
    def badge_command(self) -> str:
        """The command that writes the badge of this page."""
        return " ".join(filter(None, ("nerq badge", self.command, self.options, "-o badge.svg")))


# --- JSON

_Points = Annotated[float, Meta(ge=0, le=100)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class PageTool(msgspec.Struct, frozen=True):
    """The program that wrote the document."""

    name: Literal["nerq-cli"]
    version: str


class PageTarget(msgspec.Struct, frozen=True):
    """What the page is about."""

    target: Annotated[str, Meta(description="As it was named on the command line.")]
    ecosystem: str
    kind: str
    name: str
    version: Annotated[str | None, Meta(description="Version or commit; null if it is not known.")]
    purl: str
    server: Annotated[
        str | None, Meta(description="MCP server that was named, with its version; the rest is about its package.")
    ]
    latest_version: str | None
    releases_behind: int | None
    released_at: str | None


class PageUse(msgspec.Struct, frozen=True):
    """Whether the target suits a purpose."""

    purpose: Literal["research", "sandbox", "production", "critical"]
    answer: Literal["no-objection", "avoid", "unsettled"]
    text: str


class PageScore(msgspec.Struct, frozen=True):
    """The score."""

    value: Annotated[_Points | None, Meta(description="Null if too little is known.")]
    grade: str | None
    low: _Points | None
    high: _Points | None
    uncapped: _Points | None
    coverage: _Share | None
    provisional: bool
    verified: bool
    threshold: _Points
    methodology: str | None
    reason: Annotated[str | None, Meta(description="Why there is no score.")]


class PageSignal(msgspec.Struct, frozen=True):
    """One signal."""

    id: str
    label: str
    name: str
    dimension: str
    state: Literal["known", "unknown", "not_applicable"]
    value: _Points | None
    weight: float
    points: Annotated[_Points | None, Meta(description="What it adds to the score before caps.")]
    lost_points: _Points | None
    reason: str
    source: str | None
    retrieved_at: str | None


class PageCap(msgspec.Struct, frozen=True):
    """A hard limit in force."""

    id: str
    limit: _Points
    reason: str
    source: str | None
    retrieved_at: str | None


class PageDetail(msgspec.Struct, frozen=True):
    """One fact about the target."""

    id: str
    label: str
    value: str | None
    reason: Annotated[str | None, Meta(description="Why there is no value: not known, or none stated.")]
    source: str | None
    retrieved_at: str | None


class PageAdvisory(msgspec.Struct, frozen=True):
    """A vulnerability that affects this version."""

    id: str
    aliases: list[str]
    severity: str
    summary: str | None
    affected_range: str | None
    fixed_versions: list[str]
    malware: bool
    known_exploited: Annotated[bool | None, Meta(description="Null if the catalogue was not read.")]
    epss: Annotated[_Share | None, Meta(description="Probability of exploitation within 30 days.")]
    links: list[str]


class PageFindingDocument(msgspec.Struct, frozen=True):
    """A finding of a policy rule."""

    rule: str
    text: str
    fails: bool


class PageSecurity(msgspec.Struct, frozen=True):
    """What is known against the target."""

    malware: Annotated[str | None, Meta(description="Why it counts as malicious.")]
    advisories: list[PageAdvisory]
    knows_advisories: Annotated[bool, Meta(description="Whether advisories has all that the sources have.")]
    findings: Annotated[list[PageFindingDocument], Meta(description="Of policy rules, with the settings in force.")]


class PageDescription(msgspec.Struct, frozen=True):
    """What the author writes: untrusted text."""

    quote: str | None
    reason: Annotated[str | None, Meta(description="Why there is none.")]
    source: str | None


class PageCheck(msgspec.Struct, frozen=True):
    """A command that shows a fact."""

    command: str
    shows: str


class PageConcern(msgspec.Struct, frozen=True):
    """Something that speaks against the target, or that is not known of it."""

    subject: str
    text: str
    effect: str
    points: Annotated[_Points | None, Meta(description="Points that it costs; null if it has no number of its own.")]
    source: str | None


class PageAnswer(msgspec.Struct, frozen=True):
    """A question with its answer."""

    id: str
    question: str
    answer: str


class PageBadge(msgspec.Struct, frozen=True):
    """The badge of the target."""

    label: str
    message: str
    color: str
    svg: str
    command: str


class PageAddresses(msgspec.Struct, frozen=True):
    """How a program gets this page."""

    purl: str
    command: str
    schema_command: str


class PageDocument(msgspec.Struct, frozen=True):
    """The page about one target. Within a schema version keys are only added."""

    schema_version: Literal[1]
    tool: PageTool
    as_of: str
    complete: Annotated[bool, Meta(description="Whether everything that was asked for was read.")]
    exit: ExitDocument
    target: PageTarget
    purpose: Literal["research", "sandbox", "production", "critical"]
    verdict: PageUse
    score: PageScore
    dimensions: dict[str, _Points | None]
    signals: list[PageSignal]
    caps: list[PageCap]
    details: list[PageDetail]
    security: PageSecurity
    regulation: Annotated[ComplianceDocument | None, Meta(description="Null if the target was not read.")]
    description: PageDescription
    uses: Annotated[list[PageUse], Meta(description="By purpose.")]
    avoid: list[str]
    verification: list[PageCheck]
    provenance: Annotated[PageProvenance | None, Meta(description="Of versions; null for what is no package.")]
    concerns: list[PageConcern]
    history: Annotated[HistoryTarget | None, Meta(description="Null if no snapshot is kept: see history_reason.")]
    history_reason: str | None
    reviews: Annotated[list[ReviewDocument], Meta(description="By people who sign for them; of no effect on a score.")]
    peers: Annotated[PeersDocument | None, Meta(description="How the score stands; null if it is no package.")]
    alternatives: list[Alternative]
    takeaways: list[str]
    questions: list[PageAnswer]
    badge: PageBadge
    addresses: PageAddresses
    warnings: list[str]


def render_json(report: PageReport) -> bytes:
    """Return the document of a run as UTF-8 JSON. The same report gives the same bytes."""
    return encode_document(build_page_document(report))


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(PageDocument)


def build_page_document(report: PageReport) -> PageDocument:
    """Return the document of a run."""
    subject = report.subject
    score = subject.score
    uses = [_build_use(report, purpose) for purpose in PURPOSES]
    choice = subject.choice
    return PageDocument(
        schema_version=SCHEMA_VERSION,
        tool=PageTool("nerq-cli", report.version),
        as_of=format_timestamp(report.as_of),
        complete=report.complete,
        exit=ExitDocument(code=report.exit.value, reason=clean(report.exit_reason)),
        target=PageTarget(
            target=clean(report.target),
            ecosystem=report.ecosystem,
            kind=report.kind,
            name=clean(subject.name),
            version=clean(subject.version) or None,
            purl=clean(report.purl),
            server=clean(report.server) or None,
            latest_version=clean(subject.latest) or None,
            releases_behind=subject.releases_behind,
            released_at=format_timestamp(subject.released_at) or None,
        ),
        purpose=subject.purpose,
        verdict=next(use for use in uses if use.purpose == subject.purpose),
        score=_build_score(report),
        dimensions={} if score is None else {name: _round(value) for name, value in score.dimensions.items()},
        signals=[] if score is None else list(_iter_signals(score)),
        caps=[] if score is None else list(map(_build_cap, score.caps)),
        details=list(map(_build_detail, report.details)),
        security=PageSecurity(
            malware=clean(subject.malware) or None,
            advisories=list(map(_build_advisory, subject.advisories)),
            knows_advisories=subject.knows_advisories,
            findings=[PageFindingDocument(item.rule, clean(item.text), item.fails) for item in report.findings],
        ),
        regulation=None if report.compliance is None else build_document(report.compliance),
        description=PageDescription(
            quote=clean(report.description.text) or None,
            reason=clean(report.description.reason) or None,
            source=clean(report.description.source) or None,
        ),
        uses=uses,
        avoid=list(map(clean, subject.guidance[subject.purpose].avoid)),
        verification=[
            PageCheck(sanitize_text(check.command, _COMMAND_LIMIT), clean(check.shows)) for check in report.checks
        ],
        provenance=None if report.provenance is None else build_provenance(report.provenance),
        concerns=[
            PageConcern(
                subject=clean(concern.subject),
                text=clean(concern.text),
                effect=concern.effect,
                points=_round(concern.points, _POINT_DIGITS),
                source=clean(concern.source) or None,
            )
            for concern in report.texts.concerns
        ],
        history=_build_history(report),
        history_reason=clean(report.history_reason) or None,
        reviews=[] if report.reviews is None else list(map(build_review, report.reviews.reviews)),
        peers=None if report.standing is None else build_standing(report.standing),
        alternatives=[] if choice is None else list(map(build_alternative, choice.options)),
        takeaways=list(map(clean, report.texts.takeaways)),
        questions=[
            PageAnswer(answer.id, clean(answer.question), clean(answer.answer)) for answer in report.texts.answers
        ],
        badge=PageBadge(
            label=report.badge.label,
            message=report.badge.message,
            color=report.badge.color,
            svg=render_svg(report.badge).decode(),
            command=clean(report.badge_command),
        ),
        addresses=PageAddresses(
            purl=clean(report.purl),
            command=clean(report.page_command),
            schema_command="nerq schema page",
        ),
        warnings=list(map(clean, report.warnings)),
    )


def _build_use(report: PageReport, purpose: Purpose) -> PageUse:
    guidance = report.subject.guidance[purpose]
    return PageUse(purpose, guidance.answer, clean(guidance.verdict))


def _build_score(report: PageReport) -> PageScore:
    subject, score = report.subject, report.subject.score
    return PageScore(
        value=_round(None if score is None else score.value),
        grade=None if score is None else score.grade,
        low=_round(None if score is None else score.low),
        high=_round(None if score is None else score.high),
        uncapped=_round(None if score is None else score.total),
        coverage=None if score is None else round_number(score.coverage, _SHARE_DIGITS),
        provisional=score is not None and score.provisional,
        verified=score is not None and score.is_verified,
        threshold=subject.threshold,
        methodology=None if score is None else label_methodology(score.methodology),
        reason=clean(subject.reason) or None,
    )


def _iter_signals(score: Score) -> Iterator[PageSignal]:
    parts = list(score.parts)
    points = round_to_sum((part.contribution for part in parts), _POINT_DIGITS)
    for part, rounded in zip(parts, points, strict=True):
        signal = part.signal
        is_counted = score.total is not None and signal.value is not None
        yield PageSignal(
            id=signal.id,
            label=part.spec.label,
            name=part.spec.name,
            dimension=part.spec.dimension,
            state=signal.state,
            value=_round(signal.value),
            weight=round_number(part.weight, _POINT_DIGITS),
            points=max(0.0, rounded) if is_counted else None,
            lost_points=_round(part.lost_points, _POINT_DIGITS) if is_counted else None,
            reason=clean(signal.reason),
            source=clean(signal.source) or None,
            retrieved_at=format_timestamp(signal.retrieved_at) or None,
        )


def _build_cap(cap: Cap) -> PageCap:
    return PageCap(
        id=cap.id,
        limit=float(cap.limit),
        reason=clean(cap.reason),
        source=clean(cap.source) or None,
        retrieved_at=format_timestamp(cap.retrieved_at) or None,
    )


def _build_detail(detail: Detail) -> PageDetail:
    return PageDetail(
        id=detail.id,
        label=detail.label,
        value=clean(detail.value) or None,
        reason=clean(detail.reason) or None,
        source=clean(detail.source) or None,
        retrieved_at=format_timestamp(detail.retrieved_at) or None,
    )


def _build_advisory(advisory: AffectingAdvisory) -> PageAdvisory:
    return PageAdvisory(
        id=clean(advisory.id),
        aliases=list(map(clean, advisory.aliases)),
        severity=advisory.severity,
        summary=clean(advisory.summary) or None,
        affected_range=clean(advisory.affected) or None,
        fixed_versions=list(map(clean, advisory.fixed_in)),
        malware=advisory.malware,
        known_exploited=advisory.exploited,
        epss=None if advisory.epss is None else round_number(advisory.epss, _SHARE_DIGITS),
        links=list(map(clean, dict.fromkeys(filter(None, (advisory.link, *advisory.links))))),
    )


def _build_history(report: PageReport) -> HistoryTarget | None:
    if report.history is None:
        return None
    return build_target(report.target, report.purl, (), report.history)


def _round(value: float | None, digits: int = _DIGITS) -> float | None:
    return None if value is None else round_number(value, digits)


# --- sections of text, Markdown and HTML


def build_sections(report: PageReport) -> tuple[Section, ...]:
    """Return the sections of a page; one without content is left out."""
    name = KIND_NAMES[report.kind][0]
    listed = (
        ("score", "Score", _list_score(report)),
        ("breakdown", "What it is made of", _list_breakdown(report)),
        ("details", "Details", _list_details(report)),
        ("security", "Security findings", _list_security(report)),
        ("regulation", "Regulation and licence", _list_regulation(report)),
        ("what", f"What this {name} is", _list_description(report)),
        ("use", "Who should use it, and when to avoid it", _list_uses(report)),
        ("verify", "Verify it yourself", [Commands(report.checks)] if report.checks else []),
        ("provenance", "Provenance of versions", _list_provenance(report)),
        ("concerns", "Concerns", _list_concerns(report)),
        ("reviews", "Reviews", _list_reviews(report)),
        ("history", "History", _list_history(report)),
        ("peers", "Compared with others", _list_peers(report)),
        ("alternatives", "Alternatives", _list_alternatives(report)),
        ("takeaways", "Key takeaways", [Items(report.texts.takeaways)]),
        (
            "questions",
            "Questions and answers",
            [Pairs(tuple((answer.question, answer.answer) for answer in report.texts.answers))],
        ),
        ("badge", "Badge", _list_badge(report)),
        ("machine", "For programs", _list_addresses(report)),
    )
    label = report.subject.label
    return tuple(
        Section(id_, title, tuple(_name_table(block, label) for block in made))
        for id_, title, items in listed
        if (made := list(items))
    )


def _name_table(block: Block, label: str) -> Block:
    """Return a block; of a table the heading of the first column is the target, so that it can be read alone."""
    if not isinstance(block, Table):
        return block
    others = block.headings[1:] if any(block.headings) else ("Value",)
    return msgspec.structs.replace(block, headings=(label, *others))


def _list_score(report: PageReport) -> Iterator[Block]:
    subject, score = report.subject, report.subject.score
    rows: list[tuple[str, str]] = []
    if score is None or score.value is None:
        rows.append(("Score", f"none: {subject.reason}"))
    else:
        rows.append(("Score", f"{score.sign}{score.value:.1f} of 100"))
        rows.append(("Grade", score.grade or "none: what is not known could change it"))
    if score is not None:
        label = score.methodology.find_coverage_label(score.coverage)
        rows.append(("Coverage", f"{score.coverage:.0%} of the evidence ({label})"))
        if score.low is not None and score.high is not None:
            rows.append(("Range", f"{score.low:.1f} to {score.high:.1f}, by what is not known"))
        if score.caps and score.total is not None:
            rows.append(("Before caps", f"{score.total:.1f}"))
        if score.value is not None:
            rows.append(("Verified", "yes" if score.is_verified else "no"))
        rows.append(("Methodology", label_methodology(score.methodology)))
    rows.append(("Threshold", f"{subject.threshold:g}"))
    rows.append(("As of", format_timestamp(report.as_of)))
    yield Table("score", ("", ""), tuple(rows))


def _list_breakdown(report: PageReport) -> Iterator[Block]:
    score = report.subject.score
    if score is None or not any(signal.state == "known" for signal in score.signals):
        return
    weights = score.methodology.dimensions
    inapplicable = score.inapplicable_dimensions
    dimensions = tuple(
        (
            name,
            "n/a" if name in inapplicable else "not known" if value is None else f"{value:.1f}",
            f"{weights[name]:g}",
        )
        for name, value in score.dimensions.items()
    )
    yield Table("dimensions", ("Dimension", "Value", "Weight"), dimensions, numbers=(1, 2))
    if score.caps:
        caps = tuple((cap.id, f"{cap.limit:g}", _name_source(cap), cap.reason) for cap in score.caps)
        yield Table("caps", ("Cap in force", "Limit", "Source", "Because"), caps, numbers=(1,), has_notes=True)
    rows = tuple(_describe_part(part, is_counted=score.total is not None) for part in score.parts)
    headings = ("Signal", "Dimension", "Value", "Points", "Source", "Reason")
    yield Table("signals", headings, rows, numbers=(2, 3), has_notes=True)


def _describe_part(part: ScorePart, *, is_counted: bool) -> tuple[str, ...]:
    signal = part.signal
    value = {"unknown": "not known", "not_applicable": "n/a"}.get(signal.state) or f"{signal.value or 0:.0f}"
    most = part.contribution + part.lost_points
    points = f"{part.contribution:.2f} of {most:.2f}" if most and is_counted else ""
    return (part.spec.name, part.spec.dimension, value, points, _name_source(signal), signal.reason)


def _name_source(item: Any) -> str:  # noqa: ANN401 - whatever has a source and a time
    return f"{item.source} {format_date(item.retrieved_at)}".strip() if item.source else ""


def _list_details(report: PageReport) -> Iterator[Block]:
    subject = report.subject
    rows = [("Kind", f"{KIND_NAMES[report.kind][0]} ({report.ecosystem})", "")]
    if subject.released_at:
        rows.append((name_change(report.kind).capitalize(), format_date(subject.released_at), ""))
    if subject.latest:
        behind = f", {subject.releases_behind:,} newer" if subject.releases_behind else ""
        released = format_date(subject.latest_released_at)
        rows.append(("Newest version", f"{subject.latest}{f' ({released})' if released else ''}{behind}", ""))
    rows += [(detail.label, detail.value or detail.reason, _name_source(detail)) for detail in report.details]
    yield Table("details", ("Fact", "Value", "Source"), tuple(rows))


def _list_security(report: PageReport) -> Iterator[Block]:
    subject = report.subject
    if subject.malware:
        yield Paragraph(f"{describe_malware(subject.label, subject.kind, subject.malware)}.", "bad")
    if subject.advisories:
        rows = tuple(_describe_advisory(advisory) for advisory in subject.advisories)
        headings = ("Advisory", "Severity", "Fixed in", "Exploited", "EPSS", "Page", "Summary")
        yield Table("advisories", headings, rows, numbers=(4,), has_notes=True)
    states = [
        (part.spec.name, _describe_state(part, subject), _name_source(part.signal), part.signal.reason)
        for part in (subject.score.parts if subject.score is not None else ())
        if part.spec.id in _SECURITY_SIGNALS
    ]
    states += [
        (f"rule {item.rule}", "fails" if item.fails else "warns", "", item.text)
        for item in report.findings
        if item.fails or item.rule != VULNERABILITY.id  # the table of advisories has the others
    ]
    if states:
        yield Table("checks", ("Checked", "Result", "Source", "Finding"), tuple(states), has_notes=True)


#: Signals that state what was found, or not found, against a target.
_SECURITY_SIGNALS: Final = frozenset(
    {"malware", "known_advisories", "install_code", "name_confusion", "file_scan", "weight_format", "remote_code"}
)
_FULL: Final = 100.0


def _describe_state(part: ScorePart, subject: PageSubject) -> str:
    signal = part.signal
    if signal.id == "known_advisories" and subject.advisories:
        return f"{len(subject.advisories)} found{'' if subject.knows_advisories else ', perhaps more'}"
    if signal.value is None:
        return "not known" if signal.state == "unknown" else "n/a"
    return "nothing found" if signal.value >= _FULL else "found"


def _describe_advisory(advisory: AffectingAdvisory) -> tuple[str, ...]:
    exploited = {True: "yes, CISA KEV", False: "not listed by CISA KEV", None: "not known"}[advisory.exploited]
    epss = "not known" if advisory.epss is None else f"{advisory.epss:.1%}"
    link = advisory.link or next(iter(advisory.links), "")
    summary = f"malware: {advisory.summary}" if advisory.malware else advisory.summary
    fixed = ", ".join(advisory.fixed_in) or describe_missing_fix(advisory)
    severity = f"not known: {describe_unread(advisory)}" if advisory.unread else advisory.severity
    return (advisory.id, severity, fixed, exploited, epss, link, summary)


def _list_regulation(report: PageReport) -> Iterator[Block]:
    compliance = report.compliance
    if compliance is None:
        yield Table("regulation", ("", ""), (("Regulation", f"not known: {report.subject.reason}"),))
        return
    document = build_document(compliance)
    rows: list[tuple[str, str]] = []
    if document.not_applicable:
        rows.append(("52 jurisdictions", document.not_applicable))
        rows.append(("EU AI Act", f"not applicable: it is a {document.kind}, not a model or system"))
    if (instruments := document.instruments) is not None:
        number = "not known" if instruments.readiness is None else f"{instruments.readiness:.1f} of 100"
        counts = f"{instruments.assessed} assessed of {instruments.applicable} that apply, {instruments.total} in all"
        rows.append(("Documentation readiness", f"{number}; {instruments.coverage:.0%} known; {counts}"))
    if (eu := document.eu_class) is not None:
        reasons = "; ".join(f"{item.text}{f' ({item.pointer})' if item.pointer else ''}" for item in eu.reasons)
        rows.append(("EU AI Act", f"{eu.words} ({eu.confidence} confidence){f': {reasons}' if reasons else ''}"))
        rows.append(("Note on the class", eu.caveat))
    if (gpai := document.gpai) is not None:
        rows.append(
            ("General-purpose model", f"{gpai.words}{f': {reason}' if (reason := _join(gpai.reasons)) else ''}")
        )
    rows.append(("Licence", document.licence.summary))
    rows += [
        (row.label, f"{row.state.replace('_', ' ')}{f': {row.text}' if row.text else ''}")
        for row in document.licence.rows
    ]
    rows += [("Licences that may not fit", conflict.text) for conflict in document.licence.conflicts]
    rows.append(("Note", document.disclaimer))
    yield Table("regulation", ("", ""), tuple(rows))
    if instruments is not None:
        yield Table(
            "jurisdictions",
            ("Jurisdiction", "Instrument", "Standing", "Readiness", "Missing"),
            tuple(
                (
                    row.name,
                    row.instrument,
                    f"{row.standing}{f', from {row.applies_from}' if row.applies_from else ''}",
                    "n/a" if not row.applicable else "not known" if row.readiness is None else f"{row.readiness:.0f}",
                    ", ".join(row.absent) or row.reason or "",
                )
                for row in instruments.jurisdictions
            ),
            numbers=(3,),
            is_long=True,
        )


def _join(texts: Sequence[str]) -> str:
    return "; ".join(texts)


def _list_description(report: PageReport) -> Iterator[Block]:
    description = report.description
    if description.text:
        source = f"{description.source}, {format_date(description.retrieved_at)}".strip(", ")
        yield Quote(description.text, f"the author of {report.subject.label}, by {source}")
    else:
        text = f"No description of {report.subject.label} is known: {description.reason or 'not read'}"
        yield Paragraph(f"{text} ({description.source})." if description.source else f"{text}.", "doubt")


def _list_uses(report: PageReport) -> Iterator[Block]:
    subject = report.subject
    words = {"no-objection": "meets what is asked", "avoid": "avoid", "unsettled": "not settled"}
    yield Table(
        "uses",
        ("Purpose", "Answer", "Why"),
        tuple(
            (purpose, words[subject.guidance[purpose].answer], subject.guidance[purpose].verdict)
            for purpose in PURPOSES
        ),
        has_notes=True,
    )
    avoid = subject.guidance[subject.purpose].avoid
    if avoid:
        yield Items(tuple(f"Avoid {report.server or subject.label} {text}." for text in avoid))


def _list_provenance(report: PageReport) -> Iterator[Block]:
    if report.provenance is not None:
        rows = tuple(list_provenance(report.provenance))
        yield Table("provenance", ("Version", "Provenance", "Because"), rows, has_notes=True)


def _list_concerns(report: PageReport) -> Iterator[Block]:
    concerns = report.texts.concerns
    if concerns:
        rows = tuple((item.subject, item.effect, item.source, item.text) for item in concerns)
        yield Table("concerns", ("Concern", "Effect", "Source", "Because"), rows, has_notes=True)
        return
    score = report.subject.score
    known = 0 if score is None else sum(signal.state == "known" for signal in score.signals)
    yield Paragraph(f"None of the {known} signals that are known of {report.subject.label} speaks against it.", "good")


def _list_reviews(report: PageReport) -> Iterator[Block]:
    reviews = report.reviews
    if reviews is None:
        return
    if reviews.reason:
        yield Paragraph(f"No review of {report.subject.label} counts: {reviews.reason}.", "doubt")
    if reviews.reviews:
        rows = tuple(
            (item.version, item.verdict, item.who, item.when, item.origin or "this project", item.notes)
            for item in reviews.reviews
        )
        headings = ("Version", "Verdict", "By", "Day", "From", "Notes")
        yield Table("reviews", headings, rows, has_notes=True)


def _list_history(report: PageReport) -> Iterator[Block]:
    history = report.history
    if history is None:
        yield Table("history", ("", ""), (("History", f"none: {report.history_reason}"),))
        return
    points = [(snapshot.day, snapshot.value) for snapshot in history.snapshots]
    first, last = points[0][0], points[-1][0]
    if len(points) > 1:
        line = draw_sparkline(points, UNICODE_GLYPHS.levels, SPARKLINE_WIDTH)
        text = f"{line} {len(points)} snapshots of {report.subject.name} from {format_day(first)} to {format_day(last)}"
        chart = build_history_chart(
            history.snapshots,
            key="history",
            caption=f"Score of {report.subject.name}",
            threshold=report.subject.threshold,
        )
        yield Picture(chart, text)
    judged = ((name, trend) for name, trend in history.dimensions.items() if trend.change is not None)
    rows = tuple((name, describe_trend(trend)) for name, trend in (("score", history.trend), *judged))
    yield Table("trends", ("Over 90 days", "Trend"), rows)
    steps = tuple(reversed(history.steps))[:_MAX_STEPS]
    if steps:
        lines = tuple(
            (
                format_day(step.last_day),
                describe_step(step),
                describe_causes(step),
                "; ".join(map(describe_move, step.moves[:3])),
            )
            for step in steps
        )
        yield Table("steps", ("Date", "Score", "Cause", "What moved it"), lines, has_notes=True)


def _list_peers(report: PageReport) -> Iterator[Block]:
    rows = () if report.standing is None else tuple(list_standings(report.standing))
    if rows:
        yield Table("peers", ("Compared with", "Result"), rows)


def _list_alternatives(report: PageReport) -> Iterator[Block]:
    subject = report.subject
    choice = subject.choice
    if choice is None:
        return
    if not choice.options:
        yield Table("alternatives", ("", ""), (("Alternatives", "none named by its maintainers or the shipped lists"),))
        return
    rows = tuple(
        (
            describe_option(option),
            describe_score(option, subject.score),
            option.candidate.reason,
            option.candidate.source,
        )
        for option in choice.options
    )
    yield Table("alternatives", ("Instead", "Score", "Why it does the same job", "Where that is stated"), rows)


def _list_badge(report: PageReport) -> Iterator[Block]:
    badge = report.badge
    yield Picture(
        Markup(f'<p class="badge" tabindex="0">{render_svg(badge).decode()}</p>'), f"{badge.label} | {badge.message}"
    )
    yield Commands(
        (
            Check(report.badge_command, "writes it"),
            Check(f"![{escape(f'{badge.label}: {badge.message}')}](badge.svg)", "shows it in Markdown"),
        )
    )


def _list_addresses(report: PageReport) -> Iterator[Block]:
    yield Table("addresses", ("", ""), (("Package URL", report.purl),))
    yield Commands(
        (
            Check(report.page_command, "this page as JSON"),
            Check("nerq schema page", "its JSON Schema"),
        )
    )


def _describe_foot(report: PageReport) -> str:
    score = report.subject.score
    used = f", methodology {label_methodology(score.methodology)}" if score is not None else ""
    return f"nerq-cli {report.version}{used}: {report.purl} as of {format_timestamp(report.as_of)}"


# --- text, Markdown, HTML


def _find_verdict(report: PageReport) -> tuple[str, str]:
    """Return the verdict in a sentence, and its style."""
    subject = report.subject
    guidance = subject.guidance[subject.purpose]
    return guidance.verdict, _STYLES[guidance.answer]


def render_text(report: PageReport, options: RenderOptions) -> str:
    """Return the page as text."""
    lead, style = _find_verdict(report)
    return blocks.render_text(report.title, lead, style, build_sections(report), _describe_foot(report), options)


def render_markdown(report: PageReport) -> str:
    """Return the page as Markdown."""
    lead, _ = _find_verdict(report)
    return blocks.render_markdown(report.title, lead, build_sections(report), _describe_foot(report))


def render_html(report: PageReport, site: Site | None = None, beside: Markup | None = None) -> str:
    """Return the page as HTML that runs nothing.

    Args:
        report: What it is about.
        site: The service that it is a page of; None = it is one self-contained file.
        beside: What a service adds to the header.
    """
    lead, lead_style = _find_verdict(report)
    sections = build_sections(report)
    score = report.subject.score
    number = "?" if score is None or score.value is None else f"{score.sign}{score.value:.1f}"
    grade = (score.grade if score is not None else None) or "no grade"
    header = element(
        "header",
        element("p", element("strong", "nerq"), " report", class_="brand") if site is None else None,
        element("h1", report.title),
        element(
            "div",
            element("span", number, class_="big"),
            " ",
            element("span", grade, class_="grade"),
            class_=f"number text-{lead_style}",
        ),
        element("p", lead, class_=f"lead text-{lead_style}"),
        element("p", report.purl, class_="sub"),
        beside,
        element(
            "nav",
            element("ul", *(element("li", element("a", item.title, href=f"#{item.id}")) for item in sections)),
            aria_label="Sections",
        ),
        class_="masthead",
    )
    return write_page(
        f"{report.title}: {number} - nerq",
        header,
        join(*map(blocks.build_section, sections)),
        element("p", _describe_foot(report)),
        version=report.version,
        skip=("Skip to the score", "score"),
        linked_data=build_linked_data(report),
        site=site,
    )


#: Type of schema.org by kind.
_TYPES: Final = {"dataset": "Dataset"}


def build_linked_data(report: PageReport) -> str:
    """Return the page as JSON-LD in the words of schema.org, in which no character begins or ends markup."""
    subject, score = report.subject, report.subject.score
    item: dict[str, object] = {
        "@type": _TYPES.get(report.kind, "SoftwareApplication"),
        "name": clean(subject.name),
        "identifier": clean(report.purl),
    }
    if report.server:
        item |= {"name": clean(report.server), "identifier": clean(report.command)}
    elif subject.version:
        item["version" if report.kind == "dataset" else "softwareVersion"] = clean(subject.version)
    if report.description.text:
        item["description"] = clean(report.description.text)
    if report.kind != "dataset":
        item["applicationCategory"] = "DeveloperApplication"
    for detail in report.details:
        if detail.id in ("repository", "homepage") and detail.value.startswith(("https://", "http://")):
            item.setdefault("sameAs", clean(detail.value))
    review: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "Review",
        "author": {"@type": "SoftwareApplication", "name": "nerq-cli", "softwareVersion": report.version},
        "datePublished": format_date(report.as_of),
        "itemReviewed": item,
        "reviewBody": clean(subject.guidance[subject.purpose].verdict),
    }
    if score is not None and score.value is not None and score.grade is not None:
        review["reviewRating"] = {
            "@type": "Rating",
            "ratingValue": round_number(score.value, _DIGITS),
            "bestRating": 100,
            "worstRating": 0,
        }
    if report.server:  # the score is that of a package
        review.pop("reviewRating", None)
    content = defuse_json(msgspec.json.encode(review)).decode()
    return content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
