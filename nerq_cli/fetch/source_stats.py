"""Statistics of each source in a run."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple, TypeAlias

import msgspec

SourceState: TypeAlias = Literal["ok", "partial", "unavailable", "not offered", "not requested"]


class SourceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of one source. Sources with the same label are counted as one."""

    #: Label of the source.
    name: str
    #: ``ok`` also if one of several endpoints is missing; ``partial`` also with expired answers.
    state: SourceState
    #: Subjects that were requested.
    requested: int
    #: Subjects with an answer.
    received: int
    #: Subjects with an answer from the store.
    from_cache: int
    #: Those of them that expired, or were to be refreshed, and no new one arrived.
    outdated: int
    #: HTTP requests sent.
    requests: int
    #: When the oldest answer was fetched, in epoch seconds.
    oldest: int | None
    #: Commonest cause of missing answers.
    reason: str


class Outcome(NamedTuple):
    """How the fact about a subject came about."""

    #: When the answer was fetched, in epoch seconds; None without one.
    fetched_at: int | None
    is_cached: bool = False
    #: The answer expired, and no new one arrived.
    is_stale: bool = False
    #: The server does not offer the endpoint.
    is_missing: bool = False
    #: Why there is no answer, or no new one.
    reason: str = ""


class SourceStats(msgspec.Struct):
    """Counters of one source."""

    name: str
    requested: int = 0
    received: int = 0
    from_cache: int = 0
    requests: int = 0
    #: Expired answers used because no new one arrived.
    stale: int = 0
    #: Subjects without an answer because the server does not offer the endpoint.
    missing: int = 0
    #: Subjects without an answer for another reason.
    failed: int = 0
    oldest: int | None = None
    reasons: Counter[str] = msgspec.field(default_factory=Counter)

    def add_outcome(self, outcome: Outcome, count: int = 1) -> None:
        """Count subjects that were requested, with the same outcome."""
        self.requested += count
        if outcome.reason:
            self.reasons[outcome.reason] += count
        if outcome.fetched_at is None:
            self.missing += count * outcome.is_missing
            self.failed += count * (not outcome.is_missing)
            return
        self.received += count
        self.from_cache += count * outcome.is_cached
        self.stale += count * outcome.is_stale
        self.oldest = outcome.fetched_at if self.oldest is None else min(outcome.fetched_at, self.oldest)

    def withdraw(self, count: int) -> None:
        """Count answers as failed: they turned out not to come from the service."""
        self.received -= count
        self.failed += count
        self.from_cache = min(self.from_cache, self.received)
        if not self.received:
            self.oldest = None

    def add(self, other: SourceStats) -> None:
        """Add the counts of another run."""
        self.requested += other.requested
        self.received += other.received
        self.from_cache += other.from_cache
        self.requests += other.requests
        self.stale += other.stale
        self.missing += other.missing
        self.failed += other.failed
        self.reasons.update(other.reasons)
        moments = [moment for moment in (self.oldest, other.oldest) if moment is not None]
        self.oldest = min(moments, default=None)

    @property
    def state(self) -> SourceState:
        """The state of the source."""
        if not self.requested:
            return "not requested"
        if not (self.failed or self.stale):
            return "ok" if self.received or not self.missing else "not offered"
        return "partial" if self.received else "unavailable"

    def summarise(self) -> SourceSummary:
        """Return the statistics."""
        return SourceSummary(
            name=self.name,
            state=self.state,
            requested=self.requested,
            received=self.received,
            from_cache=self.from_cache,
            outdated=self.stale,
            requests=self.requests,
            oldest=self.oldest,
            reason=max(self.reasons, key=self.reasons.__getitem__, default=""),
        )
