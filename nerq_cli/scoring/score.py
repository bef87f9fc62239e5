"""The Score: a number with the parts it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from nerq_cli.methodology.types import Methodology, SignalSpec
from nerq_cli.scoring.breakdown import Breakdown, PackedBreakdown, Reason
from nerq_cli.signals.signal import Number, Signal


class ScorePart(msgspec.Struct, frozen=True, kw_only=True):
    """The part of one signal in a score."""

    signal: Signal
    #: The row of the signal in the methodology.
    spec: SignalSpec
    #: Weight within the dimension, after the signal's share.
    weight: float
    #: Points (0-100) the signal adds to the total; 0 when it or its dimension does not count.
    contribution: float
    #: Points (0-100) it could still add.
    lost_points: float


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """A hard limit in force."""

    id: str
    #: 0-100, lowered for further advisories. Both types: a stored whole number is read as one.
    limit: int | float
    reason: str
    source: str
    retrieved_at: int


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The score of one dependency, and its parts."""

    methodology: Methodology
    #: Final score, 0-100 with one decimal; None when too little is known.
    value: Number | None
    #: Score before caps, unrounded.
    total: Number | None
    #: None without a score, while provisional, and where missing evidence decides whether the default threshold is
    #: reached.
    grade: str | None
    #: Known share of the applicable weight (0-1).
    coverage: float
    #: Lowest final score that the unknown signals allow.
    low: Number | None
    #: Highest final score that the unknown signals allow.
    high: Number | None
    caps: tuple[Cap, ...]
    #: The texts of its reasons, in their order.
    reason_texts: tuple[str, ...]
    #: The parts that only a few dependencies show.
    breakdown: Breakdown | PackedBreakdown
    #: Whether the signal that a firm score requires is unknown, or a fact that may cap the score was not read.
    provisional: bool
    #: Why there is no number; empty when there is one.
    verdict: str = ""
    #: Age of the target in whole UTC days; None = not known.
    age_days: int | None = None
    #: Facts that were not read and may cap the score; they limit ``low`` only.
    doubts: tuple[str, ...] = ()
    #: Whether the signal that a firm score requires is known.
    has_required_signal: bool = True
    #: Environment variable of the token that would make unknown signals known; empty without such signals.
    token: str = ""
    #: Whether a fact that could change a known signal was not read.
    may_change: bool = False

    @property
    def sign(self) -> str:
        """What stands before the number: ``~`` where what is not known leaves it without a grade, else nothing."""
        return "~" if self.value is not None and self.grade is None else ""

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals, in the order of the methodology."""
        return self.breakdown.signals

    @property
    def dimensions(self) -> Mapping[str, float | None]:
        """The mean of each dimension; None when too little of it is known."""
        return self.breakdown.dimensions

    @property
    def points_per_weight(self) -> Mapping[str, float]:
        """The points of the total that one unit of a signal's weight is worth, by dimension."""
        return self.breakdown.points_per_weight

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What keeps the score down: first caps that lower it or are about security, then most damage first."""
        return self.breakdown.reasons

    @property
    def parts(self) -> Iterator[ScorePart]:
        """The part of each signal, in the order of the methodology. Computed on use: few are printed."""
        for signal in self.signals:
            spec = self.methodology.signals[signal.id]
            weight = spec.weight * signal.share
            points = self.points_per_weight[spec.dimension] * weight
            yield ScorePart(
                signal=signal,
                spec=spec,
                weight=weight,
                contribution=0.0 if signal.value is None else points * signal.value,
                lost_points=0.0 if signal.value is None else points * (100.0 - signal.value),
            )

    @property
    def inapplicable_dimensions(self) -> frozenset[str]:
        """The dimensions none of whose signals applies: they have no value, and none is missing."""
        specs = self.methodology.signals
        applicable = {specs[signal.id].dimension for signal in self.signals if signal.state != "not_applicable"}
        return frozenset({specs[signal.id].dimension for signal in self.signals} - applicable)

    @property
    def is_verified(self) -> bool:
        """Whether its whole range reaches the default threshold, with no cap, medium coverage, and a known age.

        Every advisory sets a cap, so that no version with one is verified. Nor is one whose repository was not
        read, for whatever reason: it may be archived. Nor is one about whose security there is no signal.
        """
        if self.value is None or self.low is None or self.provisional or self.caps or self.may_change:
            return False
        if self.methodology.verified_days and (self.age_days or 0) < self.methodology.verified_days:
            return False
        if self.low < self.methodology.threshold or self.coverage < self.methodology.low_coverage:
            return False
        required = self.methodology.signals.get(self.methodology.required_signal)
        return required is None or self.dimensions.get(required.dimension) is not None
