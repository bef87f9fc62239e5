"""Signals → Score: weighted means that leave out what is unknown, then the caps, then a grade.

Pure functions over :mod:`nerq_cli.methodology`. The public entry is :func:`compute_score`::

    from nerq_cli import scoring, signals

    measured = signals.measure("PyPI", "2.31.0", evidence, as_of)
    result = scoring.score(measured)
    result.value, result.grade, result.coverage, [reason.text for reason in result.reasons]

A signal that is unknown is left out of every mean: it is never 0, never an average. What it costs is coverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor
from typing import Final

from nerq_cli import methodology
from nerq_cli.methodology import CAPS, DIMENSIONS, SIGNALS
from nerq_cli.scoring.score import Cap, Reason, Score, ScorePart
from nerq_cli.signals.signal import Flag, Measurement, Signal

__all__ = ["Cap", "ScorePart", "Reason", "Score", "round_half_up", "compute_score"]

#: Reasons are listed when they cost at least this many points.
MIN_REASON_DAMAGE: Final = 0.5
_CRITICAL: Final = frozenset({"critical", "critical-no-fix", "exploited"})
_ADVISORY_CAPS: Final = frozenset(cap.id for cap in CAPS.values() if cap.signal == "S2")


def round_half_up(value: float) -> float:
    """Round half up to the one decimal that every surface shows (69.95 becomes 70.0)."""
    return floor(round(value * 10.0, 6) + 0.5) / 10.0


def compute_score(measurement: Measurement) -> Score:
    """Compute the score of one dependency.

    The order of the signals and flags has no effect on any number. Signals with ids the table does not know raise
    KeyError: that is a bug, not input.
    """
    sums = _sum_dimensions(measurement.signals)
    means = {name: dimension_sums.mean for name, dimension_sums in sums.items()}
    coverage = _compute_coverage(sums)
    caps = tuple(
        sorted({_build_cap(flag) for flag in measurement.flags}, key=lambda cap: (cap.limit, cap.id, cap.reason))
    )
    is_scored = coverage >= methodology.COVERAGE_FLOOR and not measurement.no_score_reason
    total = _compute_total(means) if is_scored or _is_zeroed(caps) else None
    points_per_weight = _compute_points_per_weight(sums)
    value = _apply_caps(total, caps)
    low, high = _compute_range(sums, caps, value) if value is not None else (None, None)
    return Score(
        value=value,
        total=total,
        grade=None if value is None else _compute_grade(value, coverage),
        coverage=coverage,
        low=low,
        high=high,
        dimensions={name: None if mean is None else round_half_up(mean) for name, mean in means.items()},
        caps=caps,
        signals=measurement.signals,
        points_per_weight=points_per_weight,
        reasons=_build_reasons(total, caps, measurement, points_per_weight),
        provisional=any(signal.id == "S2" and signal.state == "unknown" for signal in measurement.signals),
        verdict=measurement.no_score_reason
        or ("" if value is not None else f"insufficient data: {coverage:.0%} of the evidence"),
    )


class _DimensionSums:
    """What a dimension's signals add up to: weight known, weight that applies, and weight times value."""

    __slots__ = ("applicable", "known", "value")

    def __init__(self) -> None:
        self.applicable = self.known = self.value = 0.0

    def add_signal(self, signal: Signal) -> None:
        weight = _effective_weight(signal)
        if signal.state == "not_applicable":
            return
        self.applicable += weight
        if signal.value is not None:
            self.known += weight
            self.value += weight * signal.value

    @property
    def mean(self) -> float | None:
        """The weighted mean of the known signals, or None where too few are known to speak for the dimension."""
        if not self.known or self.known / self.applicable < methodology.DIMENSION_FLOOR:
            return None
        return self.value / self.known

    def estimate_mean(self, guess: float) -> float | None:
        """The mean if every unknown signal had this value."""
        return (self.value + (self.applicable - self.known) * guess) / self.applicable if self.applicable else None


def _sum_dimensions(signals: Iterable[Signal]) -> dict[str, _DimensionSums]:
    sums = {name: _DimensionSums() for name in DIMENSIONS}
    for signal in sorted(signals, key=_get_id):
        sums[SIGNALS[signal.id].dimension].add_signal(signal)
    return sums


def _get_id(signal: Signal) -> str:
    return signal.id


def _effective_weight(signal: Signal) -> float:
    return SIGNALS[signal.id].weight * signal.share


def _is_zeroed(caps: Sequence[Cap]) -> bool:
    """A version recorded as malicious scores 0 however little else is known."""
    return any(cap.limit == 0 for cap in caps)


def _compute_coverage(sums: Mapping[str, _DimensionSums]) -> float:
    shares = [
        (DIMENSIONS[name], dimension_sums.known / dimension_sums.applicable)
        for name, dimension_sums in sums.items()
        if dimension_sums.applicable
    ]
    if not shares:
        return 0.0
    # Rounded so that a share of exactly 0.40 is not lost to the last bit of a sum.
    return round(sum(weight * share for weight, share in shares) / sum(weight for weight, _ in shares), 9)


def _compute_total(means: Mapping[str, float | None]) -> float | None:
    known_means = {name: mean for name, mean in means.items() if mean is not None}
    if not known_means:
        return None
    return sum(DIMENSIONS[n] * mean for n, mean in known_means.items()) / sum(DIMENSIONS[n] for n in known_means)


def _build_cap(flag: Flag) -> Cap:
    limit = CAPS[flag.cap].limit
    if flag.cap in _ADVISORY_CAPS and flag.further_count:
        critical = flag.cap in _CRITICAL
        minimum = methodology.ADVISORY_FLOOR_CRITICAL if critical else methodology.ADVISORY_FLOOR
        limit = min(limit, max(minimum, limit - methodology.ADVISORY_STEP * flag.further_count))
    return Cap(id=flag.cap, limit=limit, reason=flag.reason, source=flag.source, retrieved_at=flag.retrieved_at)


def _apply_caps(total: float | None, caps: Sequence[Cap]) -> float | None:
    if _is_zeroed(caps):
        return 0.0
    if total is None:
        return None
    return round_half_up(min([total, *(cap.limit for cap in caps)]))


def _compute_grade(value: float, coverage: float) -> str:
    letter = methodology.find_grade(value)
    letters = [name for _, name in methodology.GRADES]
    if coverage < methodology.LOW_COVERAGE:
        return max(letter, methodology.LOW_COVERAGE_GRADE, key=letters.index)
    return letter


def _compute_range(sums: Mapping[str, _DimensionSums], caps: Sequence[Cap], value: float) -> tuple[float, float]:
    """Return the final score with every unknown signal poor, and with every one good; the score lies between."""
    low = _apply_caps(
        _compute_total(
            {name: dimension_sums.estimate_mean(methodology.RANGE_LOW) for name, dimension_sums in sums.items()}
        ),
        caps,
    )
    high = _apply_caps(
        _compute_total(
            {name: dimension_sums.estimate_mean(methodology.RANGE_HIGH) for name, dimension_sums in sums.items()}
        ),
        caps,
    )
    return min(value, value if low is None else low), max(value, value if high is None else high)


def _compute_points_per_weight(sums: Mapping[str, _DimensionSums]) -> dict[str, float]:
    """Return the points of the total that one unit of a signal's weight is worth, per dimension."""
    total_weight = sum(DIMENSIONS[name] for name, dimension_sums in sums.items() if dimension_sums.mean is not None)
    return {
        name: 0.0 if dimension_sums.mean is None else DIMENSIONS[name] / total_weight / dimension_sums.known
        for name, dimension_sums in sums.items()
    }


def _build_reasons(
    total: float | None, caps: Sequence[Cap], measurement: Measurement, points_per_weight: Mapping[str, float]
) -> tuple[Reason, ...]:
    """Return what keeps the score down, most damage first. A cap speaks for the signal it belongs to."""
    verdict, uncapped = measurement.no_score_reason, 100.0 if total is None else total
    reasons = [Reason(damage=100.0, text=verdict, origin="verdict")] if verdict else []
    lost_points = {signal.id: _compute_lost_points(signal, points_per_weight) for signal in measurement.signals}
    capped_signals = {CAPS[cap.id].signal for cap in caps}
    reasons += [
        Reason(
            damage=max(0.0, uncapped - cap.limit) + lost_points.get(CAPS[cap.id].signal, 0.0),
            text=cap.reason,
            origin=cap.id,
        )
        for cap in caps
    ]
    reasons += [
        Reason(damage=lost_points[signal.id], text=signal.reason, origin=signal.id)
        for signal in measurement.signals
        if lost_points[signal.id] >= MIN_REASON_DAMAGE and signal.id not in capped_signals
    ]
    return tuple(sorted(reasons, key=lambda reason: (-reason.damage, reason.origin, reason.text)))


def _compute_lost_points(signal: Signal, points_per_weight: Mapping[str, float]) -> float:
    if signal.value is None:
        return 0.0
    return points_per_weight[SIGNALS[signal.id].dimension] * _effective_weight(signal) * (100.0 - signal.value)
