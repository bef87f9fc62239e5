"""The provenance of versions on the page about a package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from nerq_cli.insight.provenance import ProvenanceRecord, ProvenanceStep, Relation, State, VersionProvenance
from nerq_cli.report.pages.document import clean

_WORDS: Final[dict[str, str]] = {"unknown": "not known", "same": "unchanged"}


class PageVersionProvenance(msgspec.Struct, frozen=True):
    """The provenance of one version."""

    version: str
    state: State
    repository: Annotated[str | None, Meta(description="That verifiably published it; null if none is known.")]
    reason: str


class PageProvenanceStep(msgspec.Struct, frozen=True):
    """What changes between two versions."""

    before: str
    after: str
    relation: Relation
    text: str


class PageProvenance(msgspec.Struct, frozen=True):
    """The provenance of the version in use beside that of the one before and of the one to move to."""

    used: PageVersionProvenance
    previous: PageVersionProvenance | None
    proposed: PageVersionProvenance | None
    steps: list[PageProvenanceStep]
    lost: Annotated[bool | None, Meta(description="Whether an earlier version is attested and this one is not.")]
    new_publisher: Annotated[bool | None, Meta(description="Whether another account or repository published it.")]


def build_provenance(record: ProvenanceRecord) -> PageProvenance:
    """Return the object of a record."""
    return PageProvenance(
        used=_build_version(record.used),
        previous=None if record.previous is None else _build_version(record.previous),
        proposed=None if record.proposed is None else _build_version(record.proposed),
        steps=[
            PageProvenanceStep(clean(step.before), clean(step.after), step.relation, clean(step.text))
            for step in _list_steps(record)
        ],
        lost=record.lost,
        new_publisher=record.new_publisher,
    )


def _build_version(version: VersionProvenance) -> PageVersionProvenance:
    return PageVersionProvenance(
        version=clean(version.version),
        state=version.state,
        repository=clean(version.repository) or None,
        reason=clean(version.reason),
    )


def _list_steps(record: ProvenanceRecord) -> list[ProvenanceStep]:
    return [step for step in (record.step, record.proposed_step) if step is not None]


def list_provenance(record: ProvenanceRecord) -> Iterator[tuple[str, str, str]]:
    """Yield rows: a version or two, what its provenance is or how it changes, and why."""
    for role, version in (("before", record.previous), ("in use", record.used), ("to move to", record.proposed)):
        if version is not None:
            yield f"{version.version} ({role})", _WORDS.get(version.state, version.state), version.reason
    for step in _list_steps(record):
        if step.relation == "unknown":  # as the versions state already
            continue
        yield f"from {step.before} to {step.after}", _WORDS.get(step.relation, step.relation), step.text
