"""The provenance of versions of one package: of the version in use, of the one before, and of one to move to."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.facts import NEW_PUBLISHER, PARTLY_ATTESTED, Metadata, PackageInfo
from nerq_cli.signals.provenance import (
    find_mismatch,
    find_row,
    has_lost_provenance,
    has_new_publisher,
    is_attested,
    list_concerns,
)

#: ``none``: no attestation. ``partial``: some files have none, or the attestations name no repository, or several.
#: ``inconsistent``: the attested repository is another than the one that the package names. ``full``: neither.
#: ``attested``: attested; the rest was not read.
State: TypeAlias = Literal["none", "partial", "inconsistent", "full", "attested", "unknown"]
#: Between two versions. ``changed``: both are attested, by another repository, or an account that had published no
#: version before published one.
Relation: TypeAlias = Literal["same", "gained", "lost", "changed", "unknown"]

#: Versions named in a text.
_MAX_NAMED: Final = 3
_NOT_LISTED: Final = "the registry does not list attestations"


class ProvenanceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the provenance of a version is read from; kept for the few targets of a page only."""

    version: str
    #: None = not read.
    info: PackageInfo | None
    #: Of this version; None = not read.
    metadata: Metadata | None
    #: Repository that verifiably published this version, by whatever source; None = not read, "" = none is named.
    repository: str | None = None
    #: Whether versions that ``info`` has no attestation of are known to have none; else that is known of this one only.
    lists_all: bool = False
    #: Why the registry was not read; empty if it was.
    reason: str = ""


class VersionProvenance(msgspec.Struct, frozen=True, kw_only=True):
    """The provenance of one version."""

    version: str
    state: State
    #: Repository that verifiably published it, ``github.com/owner/name``; empty if none is known.
    repository: str = ""
    #: A phrase.
    reason: str


class ProvenanceStep(msgspec.Struct, frozen=True, kw_only=True):
    """What changes from one version to another."""

    before: str
    after: str
    relation: Relation
    #: A sentence without a full stop.
    text: str


class ProvenanceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The provenance of the version in use beside that of other versions."""

    used: VersionProvenance
    #: The stable version before; None if there is none, or if it is not known.
    previous: VersionProvenance | None = None
    #: From the one before to the version in use; None without one before.
    step: ProvenanceStep | None = None
    #: The version to move to; None if there is none.
    proposed: VersionProvenance | None = None
    proposed_step: ProvenanceStep | None = None
    #: Whether the version in use lacks the attestation that an earlier one has: the rule ``provenance-lost``.
    lost: bool | None = None
    #: Whether another account or repository published it than those before: the rule ``publisher-changed``, whatever
    #: its age.
    new_publisher: bool | None = None
    #: What speaks against the version in use, as phrases.
    concerns: tuple[str, ...] = ()


def build_record(facts: ProvenanceFacts, proposed: ProvenanceFacts | str | None = None) -> ProvenanceRecord:
    """Return the provenance of a version, of the one before, and of the proposed one.

    Args:
        facts: Of the version in use.
        proposed: Facts of the version to move to; its name if only the list of versions is known.
    """
    used, previous = read_version(facts), _read_previous(facts)
    later = facts if isinstance(proposed, str) or proposed is None else proposed
    proposed_version = read_listed(facts, proposed) if isinstance(proposed, str) and proposed else None
    if isinstance(proposed, ProvenanceFacts):
        proposed_version = read_version(proposed)
    return ProvenanceRecord(
        used=used,
        previous=previous,
        step=None if previous is None else _compare(previous, used, facts),
        proposed=proposed_version,
        proposed_step=None if proposed_version is None else _compare(used, proposed_version, later),
        lost=has_lost_provenance(facts.info, facts.metadata, facts.version),
        new_publisher=has_new_publisher(facts.info, facts.metadata, facts.version),
        concerns=list_known_concerns(facts),
    )


def list_known_concerns(facts: ProvenanceFacts) -> tuple[str, ...]:
    """Return what the provenance of a version holds against it, as phrases."""
    return tuple(list_concerns(facts.info, facts.metadata, facts.version, facts.repository))


def compare_versions(before: ProvenanceFacts, after: ProvenanceFacts) -> ProvenanceStep:
    """Return what changes between two versions of one package that were read each by itself."""
    return _compare(read_version(before), read_version(after), after)


# --- one version


def read_version(facts: ProvenanceFacts) -> VersionProvenance:
    """Return the provenance of the version that the facts are of."""
    attested = is_attested(facts.info, facts.metadata, facts.version)
    if attested is None:
        return VersionProvenance(version=facts.version, state="unknown", reason=facts.reason or _NOT_LISTED)
    if not attested:
        return VersionProvenance(version=facts.version, state="none", reason="no attestation")
    row = find_row(facts.info, facts.version)
    repository = facts.repository
    if facts.info is not None and row is not None and facts.info.flags[row] & PARTLY_ATTESTED:
        state: State = "partial"
        reason = "some of its files are attested, others are not"
    elif repository is None:
        state, reason = "attested", "attested, as verified by the registry; by which repository was not read"
    elif not repository:
        state, reason = "partial", "attested, as verified by the registry, by no repository, or by several"
    elif mismatch := find_mismatch(facts.metadata, repository):
        state, reason = "inconsistent", mismatch
    else:
        state, reason = "full", f"attested by {repository}, as verified by the registry"
    return VersionProvenance(version=facts.version, state=state, repository=repository or "", reason=reason)


def read_listed(facts: ProvenanceFacts, version: str) -> VersionProvenance:
    """Return the provenance of another version of the package, by the list of its versions."""
    attested = is_attested(facts.info, None, version)
    if attested:
        return VersionProvenance(version=version, state="attested", reason="attested, as verified by the registry")
    if attested is False and facts.lists_all:
        return VersionProvenance(version=version, state="none", reason="no attestation")
    return VersionProvenance(version=version, state="unknown", reason="its attestations were not read")


def _read_previous(facts: ProvenanceFacts) -> VersionProvenance | None:
    """Return the provenance of the stable version before; None if there is none or if it is not known."""
    info, row = facts.info, find_row(facts.info, facts.version)
    if info is None or row is None:
        return None
    previous_row = info.find_stable_row(row + 1)
    if previous_row is None:
        return None
    repository = facts.metadata.previous_repository if facts.metadata is not None else None
    was_read = facts.lists_all or repository is not None
    listed = read_listed(msgspec.structs.replace(facts, lists_all=was_read), info.versions[previous_row])
    if repository and listed.state == "attested":
        reason = f"attested by {repository}, as verified by the registry"
        return msgspec.structs.replace(listed, repository=repository, reason=reason)
    return listed


# --- two versions


def _compare(before: VersionProvenance, after: VersionProvenance, facts: ProvenanceFacts) -> ProvenanceStep:
    """Return the step between two versions; ``facts`` are of the later one, or list it."""
    relation, text = _relate(before, after, facts)
    return ProvenanceStep(before=before.version, after=after.version, relation=relation, text=text)


def _relate(before: VersionProvenance, after: VersionProvenance, facts: ProvenanceFacts) -> tuple[Relation, str]:
    change = _describe_change(before, after, facts)
    unknown = next((item for item in (before, after) if item.state == "unknown"), None)
    if unknown is not None:
        text = f"the provenance of {unknown.version} is not known: {unknown.reason}"
        return ("changed", f"{change}; {text}") if change else ("unknown", text)
    relation, text = _relate_known(before, after)
    if change:
        return ("lost" if relation == "lost" else "changed"), "; ".join(
            [*([text] if relation == "lost" else []), change]
        )
    return relation, text


def _relate_known(before: VersionProvenance, after: VersionProvenance) -> tuple[Relation, str]:
    if after.state == "none":
        return (
            ("same", "neither is attested")
            if before.state == "none"
            else ("lost", f"{before.version} is attested, {after.version} is not")
        )
    if before.state == "none":
        return "gained", f"{after.version} is attested, {before.version} is not"
    if before.repository and after.repository:
        return "same", f"both are attested by {after.repository}"
    return "unknown", "both are attested; whether by the same repository is not known"


def _describe_change(before: VersionProvenance, after: VersionProvenance, facts: ProvenanceFacts) -> str:
    """Return by whom else the second version was published; empty if by nobody else, as far as that is known."""
    if before.repository and after.repository and before.repository.lower() != after.repository.lower():
        return f"{after.version} is published from {after.repository}, {before.version} from {before.repository}"
    newcomers = _list_new_publishers(before.version, after.version, facts)
    if not newcomers:
        return ""
    noun = "version" if len(newcomers) == 1 else "versions"
    return f"an account that had published none before published the {noun} {', '.join(newcomers[:_MAX_NAMED])}"


def _list_new_publishers(before: str, after: str, facts: ProvenanceFacts) -> list[str]:
    """Return the versions after the first one, up to the second one, that an account published as its first.

    None if the second one is older: rows are newest first.
    """
    info = facts.info
    first_row, last_row = find_row(info, before), find_row(info, after)
    if info is None or not info.has_publisher_data or first_row is None or last_row is None:
        return []
    return [info.versions[row] for row in range(last_row, first_row) if info.flags[row] & NEW_PUBLISHER]
