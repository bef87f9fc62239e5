"""The table of jurisdictions, and how far the documentation of an artefact has what their instruments ask for.

The table is docs/reference/jurisdictions.toml, shipped as JSON: one instrument for each jurisdiction, with the evidence
keys that it makes relevant. This is documentation readiness. It is not legal advice, and no statement that something
complies with a law.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.compliance.keys import KEY_WEIGHTS, KeyEvidence
from nerq_cli.decoders import build_json_decoder_late

#: What a jurisdiction's table row states about its instrument.
Status: TypeAlias = Literal["in_force", "partly_in_force", "adopted", "proposed", "voluntary"]
#: What it is at a moment.
Standing: TypeAlias = Literal["binding", "adopted", "proposed", "voluntary"]
Confidence: TypeAlias = Literal["high", "medium", "low"]

#: Standings in the order in which they are counted and listed.
STANDINGS: Final[Mapping[Standing, str]] = {
    "binding": "binding, applies in full or in part",
    "adopted": "adopted, applies later",
    "proposed": "proposed",
    "voluntary": "voluntary",
}
#: How much a jurisdiction counts in the mean, by standing and by the confidence of its row.
STANDING_WEIGHTS: Final[Mapping[Standing, float]] = {
    "binding": 1.0,
    "adopted": 0.8,
    "proposed": 0.4,
    "voluntary": 0.5,
}
CONFIDENCE_WEIGHTS: Final[Mapping[Confidence, float]] = {"high": 1.0, "medium": 0.8, "low": 0.5}

#: Below this share of known weight there is no number.
COVERAGE_FLOOR: Final = 0.6
#: Days after which the table is to be checked again.
MAX_AGE_DAYS: Final = 180


class Jurisdiction(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    #: ISO 3166 code, or our own for a part of a country without one.
    code: str
    name: str
    instrument: str
    kind: Literal["statute", "regulation", "bill", "guideline", "strategy"]
    #: On the day of the check.
    status: Status
    #: Day or year from which it applies, or on which it was published; empty = not known, or proposed.
    in_force_date: str = ""
    #: Empty = no official page is known.
    url: str = ""
    #: Evidence keys.
    requires: tuple[str, ...]
    #: Kinds of artefacts: ``package``, ``model``, ``space``, ``dataset``.
    applies_to: tuple[str, ...]
    confidence: Confidence
    #: How the row was checked: ``official`` (the text or an official page), ``secondary``, ``background``.
    basis: Literal["official", "secondary", "background"]
    #: Day of the check.
    checked: str
    notes: str = ""


class Milestone(msgspec.Struct, frozen=True):
    """A date of the EU AI Act."""

    date: str
    what: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The table, with where it comes from."""

    schema_version: int
    checked: str
    sources_as_of: str
    sources_note: str
    count: int
    licence: str
    source: str
    disclaimer: str
    #: What each evidence key means.
    keys: dict[str, str]
    eu_milestones: tuple[Milestone, ...]
    jurisdictions: tuple[Jurisdiction, ...]


class DatedMilestone(msgspec.Struct, frozen=True):
    """A date of the EU AI Act at a moment."""

    date: str
    what: str
    #: Whether it has come.
    applies: bool


class JurisdictionReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """What the documentation has of what one instrument asks for."""

    code: str
    name: str
    instrument: str
    standing: Standing
    confidence: Confidence
    #: Day or year from which it applies, if that lies ahead; empty = it applies, or no date is known.
    applies_from: str = ""
    #: Whether the instrument is about artefacts of this kind.
    is_applicable: bool = True
    #: 0 to 100; None = too little is known, or it is not applicable.
    readiness: float | None = None
    #: Share of the weight of its keys that is known, 0 to 1.
    coverage: float = 0.0
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    #: Why there is no number; empty if there is one.
    reason: str = ""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What the documentation has of what all instruments ask for."""

    rows: tuple[JurisdictionReadiness, ...]
    #: Weighted mean of the applicable ones, 0 to 100; None = too little is known, or none is applicable.
    readiness: float | None
    #: Weighted mean of their coverage, 0 to 1.
    coverage: float
    #: Number of rows with a number.
    assessed: int
    applicable: int
    #: Number of all rows.
    total: int
    #: Number of all rows by standing.
    standings: dict[Standing, int]
    milestones: tuple[DatedMilestone, ...]
    #: Day of the oldest check of a row.
    checked: str
    #: Empty, or that the table is old.
    warning: str = ""


_DECODER: Final = build_json_decoder_late(Table)


@lru_cache(maxsize=1)
def load_table() -> Table:
    """Return the table of jurisdictions."""
    return _DECODER.decode((Path(__file__).parent / "jurisdictions.json").read_bytes())


def assess_readiness(kind: str, keys: Sequence[KeyEvidence], as_of: int) -> Readiness:
    """Return what the documentation of an artefact has of what all instruments ask for.

    ``kind`` is one of those that ``applies_to`` lists, or another one, for which none is applicable. ``as_of`` is in
    epoch seconds UTC.
    """
    table = load_table()
    today = datetime.fromtimestamp(as_of, timezone.utc).date()
    evidence = {key.key: key for key in keys}
    rows = tuple(_assess(row, kind, evidence, today) for row in table.jurisdictions)
    counted = [(row, _weigh(row)) for row in rows if row.is_applicable]
    numbers = [(row.readiness, weight * row.coverage) for row, weight in counted if row.readiness is not None]
    coverage = _mean([(row.coverage, weight) for row, weight in counted]) or 0.0
    return Readiness(
        rows=rows,
        readiness=_mean(numbers) if coverage >= COVERAGE_FLOOR else None,
        coverage=coverage,
        assessed=len(numbers),
        applicable=len(counted),
        total=len(rows),
        standings={standing: sum(row.standing == standing for row in rows) for standing in STANDINGS},
        milestones=tuple(DatedMilestone(m.date, m.what, m.date <= today.isoformat()) for m in table.eu_milestones),
        checked=(checked := min(row.checked for row in table.jurisdictions)),
        warning=_describe_age(checked, today),
    )


def _weigh(row: JurisdictionReadiness) -> float:
    return STANDING_WEIGHTS[row.standing] * CONFIDENCE_WEIGHTS[row.confidence]


def _mean(pairs: Sequence[tuple[float, float]]) -> float | None:
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else None


def _assess(row: Jurisdiction, kind: str, evidence: Mapping[str, KeyEvidence], today: date) -> JurisdictionReadiness:
    standing = find_standing(row, today)
    is_ahead = bool(row.in_force_date) and standing in ("adopted", "proposed")
    result = JurisdictionReadiness(
        code=row.code,
        name=row.name,
        instrument=row.instrument,
        standing=standing,
        confidence=row.confidence,
        applies_from=row.in_force_date if is_ahead else "",
    )
    if kind not in row.applies_to:
        reason = f"not about a {kind}"
        return msgspec.structs.replace(result, is_applicable=False, reason=reason)
    asked = [evidence[key] for key in row.requires if key in evidence and evidence[key].state != "not_applicable"]
    if not asked:
        reason = "asks only for what does not apply to this task"
        return msgspec.structs.replace(result, is_applicable=False, reason=reason)
    known = [key for key in asked if key.state != "unknown"]
    coverage = sum(KEY_WEIGHTS[key.key] for key in known) / sum(KEY_WEIGHTS[key.key] for key in asked)
    readiness = _mean([(100.0 * key.credit, KEY_WEIGHTS[key.key]) for key in known])
    is_covered = coverage >= COVERAGE_FLOOR
    return msgspec.structs.replace(
        result,
        readiness=readiness if is_covered else None,
        coverage=coverage,
        present=tuple(key.key for key in asked if key.state == "present"),
        absent=tuple(key.key for key in asked if key.state == "absent"),
        unknown=tuple(key.key for key in asked if key.state == "unknown"),
        reason="" if is_covered else "too little of what it asks for is known",
    )


def find_standing(row: Jurisdiction, today: date) -> Standing:
    """Return what an instrument is on a day: what is ahead applies from its day on, without a new table.

    A year alone is over before what was adopted for it counts as applying, and has begun before what applied already
    does.
    """
    if row.status in ("proposed", "voluntary"):
        return "proposed" if row.status == "proposed" else "voluntary"
    start = row.in_force_date
    if not start:
        return "adopted" if row.status == "adopted" else "binding"
    if len(start) == len("2026"):
        start = f"{start}-12-31" if row.status == "adopted" else f"{start}-01-01"
    return "binding" if start <= today.isoformat() else "adopted"


def _describe_age(checked: str, today: date) -> str:
    age = (today - date.fromisoformat(checked)).days
    if age <= MAX_AGE_DAYS:
        return ""
    return f"the table of jurisdictions was checked on {checked}, {age} days ago: instruments may have changed since"
