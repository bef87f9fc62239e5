"""Compliance of one artefact: evidence keys, jurisdictions, EU class, licences and data handling, joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.compliance.card import explain_unread, read_sections
from nerq_cli.compliance.eu_class import EuAssessment, assess_class
from nerq_cli.compliance.gpai import GpaiAssessment, assess_gpai
from nerq_cli.compliance.jurisdictions import Readiness, assess_readiness
from nerq_cli.compliance.keys import UNLISTED_FILES, KeyEvidence, State, read_keys
from nerq_cli.compliance.licences import (
    RESTRICTIONS,
    LineageConflict,
    ModelLicence,
    describe_licences,
    find_conflicts,
    has_link_or_text,
    read_licences,
)
from nerq_cli.compliance.prose import iter_clauses
from nerq_cli.facts import ATTESTED, Evidence, Fact, Found, Metadata
from nerq_cli.hub_facts import HubCard, HubEvidence, HubRepository

#: What the number of the licence and data-handling block is made of, and of the whole.
INSTRUMENTS_SHARE: Final = 0.6
BLOCK_SHARE: Final = 0.4
#: Points of the licence (section 6.2 of the notes): declared and recognised, text or link, restrictions, lineage.
DECLARED_POINTS: Final = 40.0
AMBIGUOUS_POINTS: Final = 20.0
LINK_POINTS: Final = 20.0
UNRESTRICTED_POINTS: Final = 20.0
RESTRICTION_POINTS: Final = 5.0
LINEAGE_POINTS: Final = 20.0
#: Label of the row about restrictions: its state is about the terms, which may be without any.
_TERMS_LABEL: Final = "terms of use"
#: Share of the licence in the block; the rest is data handling.
LICENCE_SHARE: Final = 0.75

NOT_APPLICABLE: Final = "AI instruments: not applicable"

#: Kinds of artefacts that AI instruments are about.
_AI_KINDS: Final = frozenset({"model", "dataset", "space"})

Clarity: TypeAlias = Literal["approved", "mapped", "unapproved", "ambiguous", "custom", "none", "unlicensed"]


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the licence and data-handling block."""

    id: str
    #: A phrase for the user.
    label: str
    state: State
    #: Points that it has, and could have, within the block of 100; None = not known.
    points: float | None = None
    maximum: float = 0.0
    #: What was found, or why it is not known.
    text: str = ""


class LicenceBlock(msgspec.Struct, frozen=True, kw_only=True):
    """Licence and data handling."""

    #: The licence in one line of words.
    summary: str
    rows: tuple[BlockRow, ...]
    conflicts: tuple[LineageConflict, ...] = ()
    #: 0 to 100, of what is known; None = nothing is.
    value: float | None = None
    #: Share of the points that is known, 0 to 1.
    coverage: float = 0.0


class Compliance(msgspec.Struct, frozen=True, kw_only=True):
    """Documentation readiness of one artefact. Not legal advice, and no statement that it complies with a law."""

    #: ``model``, ``dataset``, ``space``, ``kernel``, ``repository`` or ``package``.
    kind: str
    #: Name as shown; with the revision or version in use.
    id: str
    revision: str = ""
    #: 0 to 100; None = too little is known.
    value: float | None = None
    #: 0 to 1.
    coverage: float = 0.0
    #: Empty where AI instruments are not applicable.
    keys: tuple[KeyEvidence, ...] = ()
    readiness: Readiness | None = None
    eu_class: EuAssessment | None = None
    gpai: GpaiAssessment | None = None
    licence: LicenceBlock
    #: Why AI instruments are not applicable; empty if they are.
    not_applicable: str = ""


def assess_hub_compliance(
    evidence: HubEvidence,
    as_of: int,
    *,
    kind: str = "model",
    name: str = "",
    base_cards: Mapping[str, Fact[HubCard]] | None = None,
    datasets: Mapping[str, Fact[HubRepository]] | None = None,
) -> Compliance:
    """Return the compliance of a repository of the Hub.

    Args:
        evidence: the facts about it.
        as_of: moment to which dates are compared, in epoch seconds UTC.
        kind: what it is, if it was not read.
        name: how to call it, if it was not read.
        base_cards: cards of base models, by id, as far as they were read.
        datasets: its training datasets, by id, as far as they were read.
    """
    repository = evidence.repository
    sections = read_sections(evidence.card.value) if isinstance(evidence.card, Found) else ()
    clauses = tuple(iter_clauses(sections))
    keys = read_keys(evidence, sections, clauses, base_cards)
    facts = repository.value if isinstance(repository, Found) else None
    licence = _assess_licence_block(facts, keys, evidence, datasets or {})
    kind = facts.kind if facts else kind
    result = Compliance(
        kind=kind,
        id=facts.id if facts else name,
        revision=facts.sha if facts else "",
        value=licence.value,
        coverage=licence.coverage,
        licence=licence,
        not_applicable="" if kind in _AI_KINDS else f"{NOT_APPLICABLE}: a {kind} is code",
    )
    if kind not in _AI_KINDS:
        return result
    readiness = assess_readiness(kind, keys, as_of)
    value, coverage = _join(readiness, licence)
    return msgspec.structs.replace(
        result,
        value=value,
        coverage=coverage,
        keys=keys,
        readiness=readiness,
        eu_class=assess_class(repository, evidence.card, sections, clauses, bases=evidence.bases, used=evidence.used),
        gpai=assess_gpai(repository, clauses, evidence.bases, unread_card=explain_unread(evidence.card, sections)),
    )


def _join(readiness: Readiness, licence: LicenceBlock) -> tuple[float | None, float]:
    """Return value and coverage of both parts."""
    coverage = INSTRUMENTS_SHARE * readiness.coverage + BLOCK_SHARE * licence.coverage
    if readiness.readiness is None or licence.value is None:
        return None, coverage
    return INSTRUMENTS_SHARE * readiness.readiness + BLOCK_SHARE * licence.value, coverage


# --- repositories of the Hub


def _assess_licence_block(
    facts: HubRepository | None,
    keys: Sequence[KeyEvidence],
    evidence: HubEvidence,
    datasets: Mapping[str, Fact[HubRepository]],
) -> LicenceBlock:
    licences = read_licences(facts) if facts else None
    conflicts = find_conflicts(facts, evidence.bases, datasets) if facts else ()
    by_key = {key.key: key for key in keys}
    rows = [
        *_iter_licence_rows(facts, licences, by_key["license_declared"]),
        _build_lineage_row(facts, licences, conflicts, evidence),
        *_iter_data_rows(facts, by_key["personal_data_statement"]),
    ]
    summary = describe_licences(licences)
    if licences == () and by_key["license_declared"].state == "present":
        summary = f"{by_key['license_declared'].quote}: named in the text of the card only"
    return _build_block(summary, rows, conflicts)


def _build_block(summary: str, rows: Sequence[BlockRow], conflicts: Sequence[LineageConflict] = ()) -> LicenceBlock:
    counted = [row for row in rows if row.maximum and row.state != "not_applicable"]
    known = [row for row in counted if row.points is not None]
    known_maximum = sum(row.maximum for row in known)
    maximum = sum(row.maximum for row in counted)
    return LicenceBlock(
        summary=summary,
        rows=tuple(rows),
        conflicts=tuple(conflicts),
        value=100.0 * sum(row.points or 0.0 for row in known) / known_maximum if known_maximum else None,
        coverage=known_maximum / maximum if maximum else 0.0,
    )


def _iter_licence_rows(
    facts: HubRepository | None, licences: Sequence[ModelLicence] | None, key: KeyEvidence
) -> Iterator[BlockRow]:
    names = (("declared", "licence declared", DECLARED_POINTS), ("text", "licence text or link", LINK_POINTS))
    restrictions = ("restrictions", _TERMS_LABEL, UNRESTRICTED_POINTS)
    if licences is None or facts is None:
        for id_, label, maximum in (*names, restrictions):
            yield _unknown_row(id_, label, maximum, key.reason or "the metadata of the card was not read")
        return
    declared = [licence for licence in licences if licence.category != "none"]
    (id_, label, maximum), (text_id, text_label, text_maximum) = names
    is_recognised = bool(declared) and all(licence.is_recognised for licence in declared)
    points = maximum if is_recognised else AMBIGUOUS_POINTS if key.state == "present" else 0.0
    yield _row(id_, label, maximum, points, describe_licences(licences) if declared else key.quote or key.reason)
    where = _find_licence_text(facts, declared)
    if where or (facts.files is not None and not facts.more_files):
        yield _row(text_id, text_label, text_maximum, text_maximum * bool(where), where or "neither text nor link")
    else:
        yield _unknown_row(text_id, text_label, text_maximum, UNLISTED_FILES)
    id_, label, maximum = restrictions
    if not declared and key.state == "absent":
        yield _row(id_, label, maximum, 0.0, "without a licence all rights are reserved")
        return
    if not is_recognised:
        yield _unknown_row(id_, label, maximum, "the terms are not known")
        return
    flags = sorted({flag for licence in declared for flag in licence.flags} & RESTRICTIONS)
    text = f"restrictions: {', '.join(flag.replace('_', ' ') for flag in flags)}" if flags else "no restriction of use"
    points = max(0.0, maximum - RESTRICTION_POINTS * len(flags))
    # The terms are known however few points they leave.
    yield BlockRow(id=id_, label=label, state="present", points=points, maximum=maximum, text=text)


def _find_licence_text(facts: HubRepository, declared: Sequence[ModelLicence]) -> str:
    """Return where the text of the licence stands; empty if it was not found."""
    if file := next((file.path for file in facts.files or () if _is_licence_file(file.path)), ""):
        return f"file {file}"
    if facts.card is not None and facts.card.licence_link:
        return f"field license_link: {facts.card.licence_link}"
    if has_link_or_text(declared, facts.card):
        return f"published under its name: {', '.join(licence.id for licence in declared)}"
    return ""


def _is_licence_file(path: str) -> bool:
    return path.lower().startswith(("license", "licence", "copying")) and "/" not in path


def _build_lineage_row(
    facts: HubRepository | None,
    licences: Sequence[ModelLicence] | None,
    conflicts: Sequence[LineageConflict],
    evidence: HubEvidence,
) -> BlockRow:
    id_, label = "lineage", "licences along the lineage"
    if facts is not None and facts.kind == "kernel":
        return BlockRow(id=id_, label=label, state="not_applicable", text="a kernel has no base model")
    if facts is None or licences is None or (facts.card is None and not facts.has_card_data):
        return _unknown_row(id_, label, LINEAGE_POINTS, "the metadata of the card was not read")
    bases = {*(facts.card.base_models or () if facts.card else ()), *(facts.verified_bases or ())}
    if checks := [conflict for conflict in conflicts if not conflict.is_note]:
        return _row(id_, label, LINEAGE_POINTS, 0.0, f"check: {checks[0].text}")
    if not bases:
        used = "; licences of what it uses are not compared" if facts.used_models or facts.used_datasets else ""
        return BlockRow(id=id_, label=label, state="not_applicable", text=f"no base model is stated{used}")
    unread = sorted(base for base in bases if not isinstance(evidence.bases.get(base), Found))
    if unread:
        return _unknown_row(id_, label, LINEAGE_POINTS, f"not read: {', '.join(unread[:3])}")
    return _row(id_, label, LINEAGE_POINTS, LINEAGE_POINTS, "no conflict found")


#: Points of data handling within the block: licence rows have 100 points, which are LICENCE_SHARE of it.
_DATA_POINTS: Final = 100.0 * (1.0 - LICENCE_SHARE) / LICENCE_SHARE


def _iter_data_rows(facts: HubRepository | None, key: KeyEvidence) -> Iterator[BlockRow]:
    label = "statement about personal data"
    if key.state == "unknown":
        yield _unknown_row("personal_data", label, _DATA_POINTS, key.reason)
    else:
        text = key.pointer or key.reason
        yield _row("personal_data", label, _DATA_POINTS, _DATA_POINTS * key.credit, text)
    gate = facts.card.gate_text if facts and facts.card else ""
    if gate or (facts and facts.gated):
        text = "access is gated: the publisher collects data of readers"
        yield BlockRow(id="gate", label="data of readers", state="present", text=text)


def _row(id_: str, label: str, maximum: float, points: float, text: str) -> BlockRow:
    state: State = "present" if points > 0 else "absent"
    return BlockRow(id=id_, label=label, state=state, points=points, maximum=maximum, text=text)


def _unknown_row(id_: str, label: str, maximum: float, text: str) -> BlockRow:
    return BlockRow(id=id_, label=label, state="unknown", maximum=maximum, text=text)


# --- packages


class PackageLicence(msgspec.Struct, frozen=True, kw_only=True):
    """The licence of a package, as ``nerq_cli.signals`` reads it."""

    clarity: Clarity
    #: SPDX expression; empty = none.
    expression: str = ""
    #: What it demands of users; empty = not known.
    terms: str = ""


#: Points of the rows of a package; they make 100.
_PACKAGE_POINTS: Final[Mapping[str, tuple[str, float]]] = {
    "declared": ("licence declared", 40.0),
    "restrictions": (_TERMS_LABEL, 15.0),
    "security_contact": ("security contact", 15.0),
    "changelog": ("changelog", 10.0),
    "provenance": ("provenance", 20.0),
}
_CLARITY_SHARE: Final[Mapping[str, float]] = {
    "approved": 1.0,
    "mapped": 0.8,
    "unapproved": 0.7,
    "ambiguous": 0.5,
    "custom": 0.4,
    "none": 0.0,
    "unlicensed": 0.0,
}


def assess_package_compliance(
    evidence: Evidence,
    licence: PackageLicence | None,
    *,
    name: str,
    version: str = "",
    noun: str = "a package",
    provenance_problem: str = "",
) -> Compliance:
    """Return the compliance of a package: licence and data handling; AI instruments are not about it.

    ``licence`` None = no licence field was read; ``noun`` is what it is called;
    ``provenance_problem`` why an attestation does not count, empty if it does.
    """
    metadata = evidence.metadata.value if isinstance(evidence.metadata, Found) else None
    rows = [
        *_iter_package_licence_rows(licence),
        _build_package_row("security_contact", _has_security_policy(evidence), _POLICY, "the repository was not read"),
        _build_package_row(
            "changelog",
            _has_changelog(metadata),
            f"link of the package: {metadata.changelog if metadata is not None else ''}",
            "the links were not read",
        ),
        _build_package_row(
            "provenance",
            None if provenance_problem else _has_provenance(evidence, version),
            "attested, by the registry",
            provenance_problem or "not stated by the registry",
        ),
    ]
    block = _build_block(_describe_package_licence(licence), rows)
    return Compliance(
        kind="package",
        id=name,
        revision=version,
        value=block.value,
        coverage=block.coverage,
        licence=block,
        not_applicable=f"{NOT_APPLICABLE}: {noun} is no AI artefact",
    )


def assess_repository_compliance(
    licence: PackageLicence | None,
    *,
    name: str,
    revision: str = "",
    has_security_policy: bool | None = None,
    has_changelog: bool | None = None,
) -> Compliance:
    """Return the compliance of a source repository: its licence, and how it handles reports and changes.

    AI instruments are not about code. None = not known.
    """
    rows = [
        *_iter_package_licence_rows(licence),
        _build_package_row("security_contact", has_security_policy, _POLICY, "the repository was not read"),
        _build_package_row(
            "changelog",
            has_changelog,
            "among the files of the repository",
            "its files were not listed, or it may be in a directory",
        ),
        BlockRow(id="provenance", label="provenance", state="not_applicable", text="a commit is no build"),
    ]
    block = _build_block(_describe_package_licence(licence), rows)
    return Compliance(
        kind="repository",
        id=name,
        revision=revision,
        value=block.value,
        coverage=block.coverage,
        licence=block,
        not_applicable=f"{NOT_APPLICABLE}: a source repository is code",
    )


def _iter_package_licence_rows(licence: PackageLicence | None) -> Iterator[BlockRow]:
    label, maximum = _PACKAGE_POINTS["declared"]
    restrictions_label, restrictions_maximum = _PACKAGE_POINTS["restrictions"]
    if licence is None:
        yield _unknown_row("declared", label, maximum, "no licence field was read")
        yield _unknown_row("restrictions", restrictions_label, restrictions_maximum, "the licence is not known")
        return
    points = maximum * _CLARITY_SHARE[licence.clarity]
    yield _row("declared", label, maximum, points, _describe_package_licence(licence))
    if not licence.terms:
        yield _unknown_row("restrictions", restrictions_label, restrictions_maximum, "the terms are not known")
        return
    text = f"{licence.expression}: {licence.terms}"
    yield _row("restrictions", restrictions_label, restrictions_maximum, restrictions_maximum, text)


def _describe_package_licence(licence: PackageLicence | None) -> str:
    if licence is None:
        return "licence not known"
    if licence.clarity in ("none", "unlicensed"):
        return "no licence declared: all rights are reserved"
    terms = f": {licence.terms}" if licence.terms else ""
    return f"{licence.expression or f'{licence.clarity} licence'}{terms}"


#: Where the security contact of a package or repository stands.
_POLICY: Final = "security policy of the repository"


def _build_package_row(
    id_: str,
    value: bool | None,  # noqa: FBT001 - a fact
    where: str,
    unknown: str,
) -> BlockRow:
    label, maximum = _PACKAGE_POINTS[id_]
    if value is None:
        return _unknown_row(id_, label, maximum, unknown)
    return _row(id_, label, maximum, maximum * value, where if value else f"no {label} found")


def _has_security_policy(evidence: Evidence) -> bool | None:
    repository = evidence.repository
    return repository.value.security_policy if isinstance(repository, Found) else None


def _has_changelog(metadata: Metadata | None) -> bool | None:
    return None if metadata is None or metadata.changelog is None else bool(metadata.changelog)


def _has_provenance(evidence: Evidence, version: str) -> bool | None:
    metadata = evidence.metadata.value if isinstance(evidence.metadata, Found) else None
    if metadata is not None and (metadata.attested or metadata.attested_repository):
        return True
    info = evidence.package_info.value if isinstance(evidence.package_info, Found) else None
    if info is not None and info.has_attestation_data and version in info.versions:
        return bool(info.flags[info.versions.index(version)] & ATTESTED)
    return metadata.attested if metadata is not None else None
