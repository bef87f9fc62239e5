"""What a score is made of. A score holds its parts; its number is derived from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nerq_cli.methodology import DEFAULT_THRESHOLD, LOW_COVERAGE, SIGNALS
from nerq_cli.signals.signal import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePart:
    """One signal's place in a score.

    ``weight`` is the signal's weight within its dimension after any halving; ``contribution`` the points (0-100
    scale) it adds to the total; ``lost_points`` the points it could still add. The contributions add up to the total. Both
    are 0 for a signal that is not known or whose dimension is not counted.
    """

    signal: Signal
    weight: float
    contribution: float
    lost_points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A hard limit that is in force: an id of the cap table, its limit after sliding (0-100), and the evidence."""

    id: str
    limit: float
    reason: str
    source: str
    retrieved_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Something that keeps the score down: points of damage, words, and the signal or cap it comes from."""

    damage: float
    text: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How far a dependency can be trusted, and why.

    ``value`` is the final score, 0-100 with one decimal (half up), or None where too little is known; ``total`` the
    same before caps, unrounded. ``coverage`` is the known share of the applicable weight (0-1). ``low`` and ``high``
    bound what the score could be if the unknown signals turned out poor or good. ``points_per_weight`` are the points of the
    total that one unit of a signal's weight is worth, per dimension (0 where the dimension is not counted).
    ``provisional`` means no advisory source answered. ``verdict`` says in words why there is no number.
    """

    value: float | None
    total: float | None
    grade: str | None
    coverage: float
    low: float | None
    high: float | None
    dimensions: Mapping[str, float | None]
    caps: tuple[Cap, ...]
    signals: tuple[Signal, ...]
    points_per_weight: Mapping[str, float]
    reasons: tuple[Reason, ...]
    provisional: bool
    verdict: str = ""

    @property
    def parts(self) -> Iterator[ScorePart]:
        """Every signal's place in the score, in the order of the table. Derived, not kept: most runs print few."""
        for signal in self.signals:
            spec = SIGNALS[signal.id]
            points = self.points_per_weight[spec.dimension] * spec.weight * signal.share
            yield ScorePart(
                signal=signal,
                weight=spec.weight * signal.share,
                contribution=0.0 if signal.value is None else points * signal.value,
                lost_points=0.0 if signal.value is None else points * (100.0 - signal.value),
            )

    @property
    def is_verified(self) -> bool:
        """At 70 or above with no cap in force and at least medium coverage."""
        is_final = self.value is not None and not self.provisional and not self.caps
        return is_final and (self.value or 0.0) >= DEFAULT_THRESHOLD and self.coverage >= LOW_COVERAGE
