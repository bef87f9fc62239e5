"""Collect what a later run compares with beside scores. Evidence is dropped once a release is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerq_cli.facts import Found, LowerBound
from nerq_cli.insight.watch import MARKS, WatchedFacts
from nerq_cli.policy.marks import collect_marks, read_mark

if TYPE_CHECKING:
    from nerq_cli.facts import Evidence
    from nerq_cli.hub_facts import HubEvidence
    from nerq_cli.inventory import Release


def collect_facts(release: Release, evidence: Evidence, as_of: int) -> WatchedFacts:
    """Return the facts about a release. ``as_of`` is in epoch seconds UTC."""
    info = evidence.package_info.value if isinstance(evidence.package_info, Found) else None
    advisories = evidence.advisories
    return WatchedFacts(
        marks=_read_marks(collect_marks(release.package.ecosystem, release.version, evidence, as_of, MARKS)),
        accounts=tuple(sorted(info.publisher_tags)) if info is not None else (),
        latest=info.newest_stable if info is not None else "",
        knows_advisories=isinstance(advisories, Found) and not isinstance(advisories, LowerBound),
    )


def collect_hub_facts(evidence: HubEvidence, as_of: int) -> WatchedFacts:
    """Return the facts about a repository of the Hugging Face Hub. ``as_of`` is in epoch seconds UTC."""
    from nerq_cli.policy.hub_marks import collect_hub_marks

    return WatchedFacts(marks=_read_marks(collect_hub_marks(evidence, as_of, MARKS)))


def _read_marks(marks: int) -> dict[str, bool]:
    """Return the marks that are known."""
    return {id_: mark for id_ in MARKS if (mark := read_mark(marks, id_)) is not None}
