"""How each source did in a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SourceState: TypeAlias = Literal["ok", "partial", "unavailable", "not offered", "not asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """How one source did. ``name`` is the one people read; sources that share it are reported as one.

    ``requested`` and ``received`` count subjects, ``from_cache`` those answered without the network, ``requests`` what was
    sent. ``oldest`` is when the oldest answer used was given, in epoch seconds. ``state`` is ``ok`` also where a server
    lacks an endpoint and another one of the source answered; ``partial`` also where an expired answer had to do.
    ``reason`` is the commonest cause of what is missing.
    """

    name: str
    state: SourceState
    requested: int
    received: int
    from_cache: int
    requests: int
    oldest: int | None
    reason: str


@dataclass(slots=True)
class SourceStats:
    """The same, while it is being counted. ``stale`` counts expired answers used because no new one came."""

    name: str
    requested: int = 0
    received: int = 0
    from_cache: int = 0
    requests: int = 0
    stale: int = 0
    missing: int = 0
    failed: int = 0
    oldest: int | None = None
    reasons: Counter[str] = field(default_factory=Counter)

    def add_answer(self, retrieved_at: int, *, cached: bool) -> None:
        """Count one answer, given at ``retrieved_at`` (epoch seconds)."""
        self.received += 1
        self.from_cache += cached
        self.oldest = retrieved_at if self.oldest is None else min(retrieved_at, self.oldest)

    @property
    def state(self) -> SourceState:
        """What it comes to in a word."""
        if not self.requested:
            return "not asked"
        if not (self.failed or self.stale):
            return "ok" if self.received or not self.missing else "not offered"
        return "partial" if self.received else "unavailable"

    def summarise(self) -> SourceSummary:
        """Return what was counted."""
        return SourceSummary(
            name=self.name,
            state=self.state,
            requested=self.requested,
            received=self.received,
            from_cache=self.from_cache,
            requests=self.requests,
            oldest=self.oldest,
            reason=max(self.reasons, key=self.reasons.__getitem__, default=""),
        )
