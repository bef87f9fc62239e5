"""Documentation readiness as JSON, and its schema.

Every text of a card is sanitized here.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, cast

import msgspec
from msgspec import Meta

from nerq_cli.compliance.assess import Compliance, LicenceBlock
from nerq_cli.compliance.eu_class import CAVEAT, CLASS_WORDS, EuAssessment, Reason
from nerq_cli.compliance.gpai import GPAI_WORDS, GpaiAssessment
from nerq_cli.compliance.jurisdictions import Readiness, load_table
from nerq_cli.compliance.keys import KEY_LABELS, KEY_WEIGHTS, KeyEvidence
from nerq_cli.errors import ExitStatus
from nerq_cli.report.sanitize import TEXT_LIMIT, defuse_json, sanitize_text
from nerq_cli.report.wording import format_timestamp

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1


class ComplianceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One artefact of a run."""

    #: As the user wrote it; an MCP server stands for several packages.
    target: str = ""
    purl: str
    compliance: Compliance
    #: Why it does not exist; empty if it does, or if that is not known.
    missing: str = ""
    #: What could not be read, and why.
    unread: tuple[str, ...] = ()


class ComplianceReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run."""

    #: Version of nerq-cli.
    version: str
    #: Moment that dates are compared with (epoch seconds UTC).
    as_of: int
    entries: tuple[ComplianceEntry, ...]
    #: Whether everything was read and is known.
    complete: bool
    #: Whether it is the same with ``--strict``.
    strict: bool = True
    exit: ExitStatus
    exit_reason: str
    warnings: tuple[str, ...] = ()


#: 0 to 100, one decimal.
_Value = Annotated[float, Meta(ge=0, le=100)]
#: 0 to 1, two decimals.
_Share = Annotated[float, Meta(ge=0, le=1)]
_State = Literal["present", "absent", "unknown", "not_applicable"]


class ComplianceKey(msgspec.Struct, frozen=True):
    """One evidence key."""

    key: str
    label: str
    weight: Annotated[float, Meta(description="How much it counts for a jurisdiction that asks for it.")]
    state: _State
    credit: Annotated[float, Meta(ge=0, le=1, description="1 = present, 0.5 = hinted at or inherited, 0 = otherwise.")]
    pointer: Annotated[str | None, Meta(description="The field, or the heading and its line in the card.")]
    quote: str | None
    reason: Annotated[str | None, Meta(description="Why it is absent, unknown, not applicable or only half present.")]
    inherited_from: Annotated[str | None, Meta(description="Id of the base model that has it.")]


class ComplianceJurisdiction(msgspec.Struct, frozen=True):
    """One jurisdiction and its instrument."""

    code: str
    name: str
    instrument: str
    standing: Annotated[
        Literal["binding", "adopted", "proposed", "voluntary"], Meta(description="At the moment of the report.")
    ]
    applies_from: Annotated[str | None, Meta(description="Day or year, if it lies ahead.")]
    confidence: Annotated[Literal["high", "medium", "low"], Meta(description="In the row of the table.")]
    applicable: Annotated[bool, Meta(description="Whether it is about artefacts of this kind and task.")]
    readiness: Annotated[_Value | None, Meta(description="Null where too little is known, or it is not applicable.")]
    coverage: _Share
    present: list[str]
    absent: list[str]
    unknown: list[str]
    reason: str | None


class ComplianceMilestone(msgspec.Struct, frozen=True):
    """A date of the EU AI Act."""

    date: str
    what: str
    applies: Annotated[bool, Meta(description="Whether it has come at the moment of the report.")]


class ComplianceInstruments(msgspec.Struct, frozen=True):
    """Readiness over all jurisdictions."""

    readiness: _Value | None
    coverage: _Share
    assessed: int
    applicable: int
    total: int
    standings: Annotated[dict[str, int], Meta(description="Number of instruments by standing.")]
    table_checked: Annotated[str, Meta(description="Day of the oldest check of a row of the table.")]
    warning: Annotated[str | None, Meta(description="That the table is older than 180 days.")]
    eu_milestones: list[ComplianceMilestone]
    jurisdictions: list[ComplianceJurisdiction]


class ComplianceReason(msgspec.Struct, frozen=True):
    """What led to a class."""

    rule: str
    text: str
    pointer: str | None
    quote: str | None
    strength: Annotated[
        Literal["A", "B"] | None, Meta(description="A = a structured field, B = a sentence that states a purpose.")
    ]
    inherited_from: str | None


class ComplianceEuClass(msgspec.Struct, frozen=True):
    """The class of the EU AI Act that the page's own description points to: a label, not a verdict."""

    label: Literal["prohibited_practice_flag", "high_risk_area", "limited", "minimal", "not_assessed"]
    words: str
    caveat: str
    confidence: Literal["high", "medium", "low"]
    reasons: list[ComplianceReason]
    also_mentioned: list[ComplianceReason]
    excluded: list[ComplianceReason]


class ComplianceGpai(msgspec.Struct, frozen=True):
    """Whether a model is likely a general-purpose one: an estimate."""

    label: Literal["likely_systemic", "likely", "unlikely", "not_assessed"]
    words: str
    confidence: Literal["high", "medium", "low"]
    reasons: list[str]
    parameters: Annotated[float | None, Meta(description="Number of active parameters.")]
    parameters_from: str | None
    tokens: Annotated[float | None, Meta(description="Number of training tokens.")]
    tokens_from: str | None
    compute: Annotated[float | None, Meta(description="Estimate of training compute in FLOP.")]
    base: str | None
    relief: str | None


class ComplianceBlockRow(msgspec.Struct, frozen=True):
    """One row of licence and data handling."""

    id: str
    label: str
    state: _State
    points: float | None
    maximum: float
    text: str | None


class ComplianceConflict(msgspec.Struct, frozen=True):
    """Two licences along the lineage that do not obviously fit together."""

    text: str
    base: str
    note: Annotated[bool, Meta(description="Whether it is only worth a note.")]


class ComplianceLicence(msgspec.Struct, frozen=True):
    """Licence and data handling."""

    summary: str
    value: _Value | None
    coverage: _Share
    rows: list[ComplianceBlockRow]
    conflicts: list[ComplianceConflict]


class ComplianceDocument(msgspec.Struct, frozen=True):
    """Documentation readiness of one artefact. Not legal advice, and no statement that it complies with a law."""

    kind: str
    id: str
    revision: str | None
    disclaimer: str
    value: _Value | None
    coverage: _Share
    not_applicable: Annotated[str | None, Meta(description="Why AI instruments are not applicable.")]
    keys: list[ComplianceKey]
    instruments: ComplianceInstruments | None
    eu_class: ComplianceEuClass | None
    gpai: ComplianceGpai | None
    licence: ComplianceLicence


class ComplianceTarget(msgspec.Struct, frozen=True):
    """An artefact, and what of it could not be read."""

    target: Annotated[str, Meta(description="As it was named on the command line.")]
    purl: str
    missing: Annotated[str | None, Meta(description="Why it does not exist; null if it does, or if it is not known.")]
    unread: Annotated[list[str], Meta(description="What could not be read, and why.")]
    compliance: ComplianceDocument


class ComplianceTool(msgspec.Struct, frozen=True):
    """What made the document."""

    name: Literal["nerq-cli"]
    version: str


class ComplianceExit(msgspec.Struct, frozen=True):
    """How the run ended."""

    code: Annotated[
        Literal[0, 2, 3],
        Meta(description="0 = read, 2 = a target does not exist, 3 = something was not read (with --strict)."),
    ]
    reason: str


class ComplianceReportDocument(msgspec.Struct, frozen=True):
    """The document of ``nerq compliance --format json``. Within a schema version keys are only added."""

    schema_version: Literal[1]
    tool: ComplianceTool
    as_of: Annotated[str, Meta(description="The moment that dates are compared with, ISO 8601 in UTC.")]
    complete: Annotated[bool, Meta(description="Whether everything was read, and nothing is unknown.")]
    exit: ComplianceExit
    targets: list[ComplianceTarget]
    warnings: list[str]


#: Digits of values and shares.
_VALUE_DIGITS: Final = 1
_SHARE_DIGITS: Final = 2


def build_document(compliance: Compliance) -> ComplianceDocument:
    """Return the object of one artefact."""
    return ComplianceDocument(
        kind=compliance.kind,
        id=_clean(compliance.id),
        revision=_clean(compliance.revision) or None,
        disclaimer=load_table().disclaimer,
        value=_round(compliance.value),
        coverage=_share(compliance.coverage),
        not_applicable=compliance.not_applicable or None,
        keys=[_build_key(key) for key in compliance.keys],
        instruments=_build_instruments(compliance.readiness) if compliance.readiness else None,
        eu_class=_build_class(compliance.eu_class) if compliance.eu_class else None,
        gpai=_build_gpai(compliance.gpai) if compliance.gpai else None,
        licence=_build_licence(compliance.licence),
    )


def build_report_document(report: ComplianceReport) -> ComplianceReportDocument:
    """Return the document of a run."""
    return ComplianceReportDocument(
        schema_version=SCHEMA_VERSION,
        tool=ComplianceTool("nerq-cli", report.version),
        as_of=format_timestamp(report.as_of),
        complete=report.complete,
        exit=ComplianceExit(cast("Literal[0, 2, 3]", report.exit.value), _clean(report.exit_reason)),
        targets=[
            ComplianceTarget(
                target=_clean(entry.target),
                purl=_clean(entry.purl),
                missing=_clean(entry.missing) or None,
                unread=list(map(_clean, entry.unread)),
                compliance=build_document(entry.compliance),
            )
            for entry in report.entries
        ],
        warnings=list(map(_clean, report.warnings)),
    )


def render_json(report: ComplianceReport) -> bytes:
    """Return the document of a run as UTF-8 JSON. The same report gives the same bytes."""
    content = msgspec.json.encode(build_report_document(report))
    return defuse_json(msgspec.json.format(content, indent=2)) + b"\n"


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    (reference,), definitions = msgspec.json.schema_components(
        [ComplianceReportDocument], ref_template="#/$defs/{name}"
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **reference, "$defs": definitions}


def _clean(text: str) -> str:
    return sanitize_text(text, TEXT_LIMIT)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _VALUE_DIGITS)


def _share(value: float) -> float:
    return round(value, _SHARE_DIGITS)


def _build_key(key: KeyEvidence) -> ComplianceKey:
    return ComplianceKey(
        key=key.key,
        label=KEY_LABELS[key.key],
        weight=KEY_WEIGHTS[key.key],
        state=key.state,
        credit=key.credit,
        pointer=_clean(key.pointer) or None,
        quote=_clean(key.quote) or None,
        reason=_clean(key.reason) or None,
        inherited_from=_clean(key.inherited_from) or None,
    )


def _build_instruments(readiness: Readiness) -> ComplianceInstruments:
    return ComplianceInstruments(
        readiness=_round(readiness.readiness),
        coverage=_share(readiness.coverage),
        assessed=readiness.assessed,
        applicable=readiness.applicable,
        total=readiness.total,
        standings={str(standing): count for standing, count in readiness.standings.items()},
        table_checked=readiness.checked,
        warning=readiness.warning or None,
        eu_milestones=[ComplianceMilestone(m.date, m.what, m.applies) for m in readiness.milestones],
        jurisdictions=[
            ComplianceJurisdiction(
                code=row.code,
                name=row.name,
                instrument=row.instrument,
                standing=row.standing,
                applies_from=row.applies_from or None,
                confidence=row.confidence,
                applicable=row.is_applicable,
                readiness=_round(row.readiness),
                coverage=_share(row.coverage),
                present=list(row.present),
                absent=list(row.absent),
                unknown=list(row.unknown),
                reason=row.reason or None,
            )
            for row in readiness.rows
        ],
    )


def _build_reason(reason: Reason) -> ComplianceReason:
    return ComplianceReason(
        rule=reason.rule,
        text=_clean(reason.text),
        pointer=_clean(reason.pointer) or None,
        quote=_clean(reason.quote) or None,
        strength=reason.strength or None,
        inherited_from=_clean(reason.inherited_from) or None,
    )


def _build_class(assessment: EuAssessment) -> ComplianceEuClass:
    return ComplianceEuClass(
        label=assessment.label,
        words=CLASS_WORDS[assessment.label],
        caveat=CAVEAT,
        confidence=assessment.confidence,
        reasons=list(map(_build_reason, assessment.reasons)),
        also_mentioned=list(map(_build_reason, assessment.also_mentioned)),
        excluded=list(map(_build_reason, assessment.excluded)),
    )


def _build_gpai(assessment: GpaiAssessment) -> ComplianceGpai:
    return ComplianceGpai(
        label=assessment.label,
        words=GPAI_WORDS[assessment.label],
        confidence=assessment.confidence,
        reasons=list(map(_clean, assessment.reasons)),
        parameters=assessment.parameters,
        parameters_from=_clean(assessment.parameters_from) or None,
        tokens=assessment.tokens,
        tokens_from=_clean(assessment.tokens_from) or None,
        compute=assessment.compute,
        base=_clean(assessment.base) or None,
        relief=_clean(assessment.relief) or None,
    )


def _build_licence(block: LicenceBlock) -> ComplianceLicence:
    return ComplianceLicence(
        summary=_clean(block.summary),
        value=_round(block.value),
        coverage=_share(block.coverage),
        rows=[
            ComplianceBlockRow(
                id=row.id,
                label=row.label,
                state=row.state,
                points=_round(row.points),
                maximum=round(row.maximum, _VALUE_DIGITS),
                text=_clean(row.text) or None,
            )
            for row in block.rows
        ],
        conflicts=[
            ComplianceConflict(text=_clean(conflict.text), base=_clean(conflict.base), note=conflict.is_note)
            for conflict in block.conflicts
        ],
    )
