"""Signals → Score: weighted means of the known signals, then the caps, then a grade.

Pure functions over a methodology. The public entry is :func:`compute_score`::

    from nerq_cli import scoring, signals
    from nerq_cli.methodology.packages import PACKAGES

    measurement = signals.measure_package(PACKAGES, "PyPI", "2.31.0", evidence, as_of)
    score = scoring.compute_score(PACKAGES, measurement)
    score.value, score.grade, score.coverage, [reason.text for reason in score.reasons]

An unknown signal is left out of every mean: it is never 0, never an average. It lowers the coverage instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import Final

from nerq_cli.methodology.types import Methodology
from nerq_cli.scoring.breakdown import Breakdown, Reason
from nerq_cli.scoring.score import Cap, Score, ScorePart
from nerq_cli.signals.signal import Flag, Measurement, Signal

__all__ = ["Breakdown", "Cap", "Reason", "Score", "ScorePart", "compute_score", "round_half_up"]

#: Reasons are listed when they cost at least this many points.
MIN_REASON_DAMAGE: Final = 0.5


def round_half_up(value: float) -> float:
    """Round half up to one decimal, as shown everywhere (69.95 becomes 70.0)."""
    return floor(round(value * 10.0, 6) + 0.5) / 10.0


def compute_score(methodology: Methodology, measurement: Measurement) -> Score:
    """Compute the score of one dependency. The order of signals and flags has no effect on any number.

    Raises:
        KeyError: A signal or flag has an id that the methodology does not list.

    """
    sums = _sum_dimensions(methodology, measurement.signals)
    means = {name: dimension_sums.mean for name, dimension_sums in sums.items()}
    coverage = _compute_coverage(methodology, sums)
    caps = tuple(
        sorted(
            {_build_cap(methodology, flag) for flag in measurement.flags if not flag.possible},
            key=lambda cap: (cap.limit, cap.id, cap.reason),
        )
    )
    is_scored = coverage >= methodology.coverage_floor and not measurement.no_score_reason
    # A version recorded as malicious scores 0 however little else is known.
    is_zeroed = any(cap.limit == 0 for cap in caps)
    total = _compute_total(methodology, means) if is_scored or is_zeroed else None
    points_per_weight = _compute_points_per_weight(methodology, sums)
    value = _apply_caps(total, caps)
    low, high = _compute_range(methodology, sums, caps, value) if value is not None else (None, None)
    if low is not None:
        low = min([low, *(_build_cap(methodology, flag).limit for flag in measurement.flags if flag.possible)])
    doubts = tuple(
        dict.fromkeys(
            flag.reason
            for flag in measurement.flags
            if flag.possible and value is not None and _build_cap(methodology, flag).limit < value
        )
    )
    is_required_unknown = any(
        signal.id == methodology.required_signal and signal.state == "unknown" for signal in measurement.signals
    )
    is_provisional = not is_zeroed and (is_required_unknown or bool(doubts))
    is_certain = is_zeroed or not (is_provisional or _is_pass_uncertain(methodology, value, low))
    reasons = _build_reasons(methodology, total, caps, measurement, points_per_weight)
    return Score(
        methodology=methodology,
        value=value,
        total=total,
        grade=methodology.find_grade(value) if value is not None and is_certain else None,
        coverage=coverage,
        low=low,
        high=high,
        caps=caps,
        reason_texts=tuple(reason.text for reason in reasons),
        breakdown=Breakdown(
            signals=measurement.signals,
            dimensions={name: None if mean is None else round_half_up(mean) for name, mean in means.items()},
            points_per_weight=points_per_weight,
            reasons=reasons,
        ),
        provisional=is_provisional,
        verdict=measurement.no_score_reason
        or ("" if value is not None else f"insufficient data: {coverage:.0%} of the evidence"),
        age_days=measurement.age_days,
        doubts=doubts,
        has_required_signal=not is_required_unknown,
        token=next((signal.token for signal in measurement.signals if signal.token and signal.state == "unknown"), ""),
        may_change=any(signal.may_change for signal in measurement.signals),
    )


def _is_pass_uncertain(methodology: Methodology, value: float | None, low: float | None) -> bool:
    """Return whether a score reaches the default threshold, and evidence that is missing could take it below."""
    return value is not None and low is not None and low < methodology.threshold <= value


class _DimensionSums:
    """Sums over the signals of one dimension."""

    __slots__ = ("_floor", "applicable", "known", "value")

    def __init__(self, floor: float) -> None:
        #: Known share of the applicable weight below which the dimension does not count.
        self._floor = floor
        #: Weight that applies, weight that is known, and the sum of weight times value.
        self.applicable = self.known = self.value = 0.0

    def add_signal(self, weight: float, signal: Signal) -> None:
        if signal.state == "not_applicable":
            return
        self.applicable += weight
        if signal.value is not None:
            self.known += weight
            self.value += weight * signal.value

    @property
    def mean(self) -> float | None:
        """The weighted mean of the known signals; None when too few are known."""
        if not self.known or self.known / self.applicable < self._floor:
            return None
        return self.value / self.known

    def estimate_mean(self, value: float) -> float | None:
        """The mean if every unknown signal had this value; None when no signal applies."""
        return (self.value + (self.applicable - self.known) * value) / self.applicable if self.applicable else None


def _sum_dimensions(methodology: Methodology, signals: Sequence[Signal]) -> dict[str, _DimensionSums]:
    """Return the sums of each dimension, added in the order of the methodology so that they are always the same."""
    sums = {name: _DimensionSums(methodology.dimension_floor) for name in methodology.dimensions}
    signals_by_id = {signal.id: signal for signal in signals}
    for spec in methodology.signals.values():
        if signal := signals_by_id.get(spec.id):
            sums[spec.dimension].add_signal(spec.weight * signal.share, signal)
    return sums


def _compute_coverage(methodology: Methodology, sums: Mapping[str, _DimensionSums]) -> float:
    shares = [
        (methodology.dimensions[name], dimension_sums.known / dimension_sums.applicable)
        for name, dimension_sums in sums.items()
        if dimension_sums.applicable
    ]
    if not shares:
        return 0.0
    # Rounded so that a share of exactly 0.40 is not lost to the last bit of a sum.
    return round(sum(weight * share for weight, share in shares) / sum(weight for weight, _ in shares), 9)


def _compute_total(methodology: Methodology, means: Mapping[str, float | None]) -> float | None:
    known_means = [(methodology.dimensions[name], mean) for name, mean in means.items() if mean is not None]
    if not known_means:
        return None
    return sum(weight * mean for weight, mean in known_means) / sum(weight for weight, _ in known_means)


def _build_cap(methodology: Methodology, flag: Flag) -> Cap:
    spec = methodology.caps[flag.cap]
    limit = spec.limit_after(flag.further_count)
    reason = flag.reason
    if limit < spec.limit:
        floor = f", not below {spec.floor:g}" if limit == spec.floor else ""
        reason += f"; {spec.limit:g}, less {spec.step:g} for each of {flag.further_count} more{floor} = {limit:g}"
    return Cap(id=flag.cap, limit=limit, reason=reason, source=flag.source, retrieved_at=flag.retrieved_at)


def _apply_caps(total: float | None, caps: Sequence[Cap]) -> float | None:
    lowest = min((cap.limit for cap in caps), default=100.0)
    if lowest == 0:
        return 0.0
    return None if total is None else round_half_up(min(total, lowest))


def _compute_range(
    methodology: Methodology, sums: Mapping[str, _DimensionSums], caps: Sequence[Cap], value: float
) -> tuple[float, float]:
    """Return the final score with every unknown signal poor, and with every one good, widened to include the score."""
    low, high = (
        _apply_caps(
            _compute_total(
                methodology, {name: dimension_sums.estimate_mean(guess) for name, dimension_sums in sums.items()}
            ),
            caps,
        )
        for guess in (methodology.range_low, methodology.range_high)
    )
    return min(value, value if low is None else low), max(value, value if high is None else high)


def _compute_points_per_weight(methodology: Methodology, sums: Mapping[str, _DimensionSums]) -> dict[str, float]:
    """Return the points of the total that one unit of a signal's weight is worth, by dimension."""
    weights = methodology.dimensions
    total_weight = sum(weights[name] for name, dimension_sums in sums.items() if dimension_sums.mean is not None)
    return {
        name: 0.0 if dimension_sums.mean is None else weights[name] / total_weight / dimension_sums.known
        for name, dimension_sums in sums.items()
    }


def _build_reasons(
    methodology: Methodology,
    total: float | None,
    caps: Sequence[Cap],
    measurement: Measurement,
    points_per_weight: Mapping[str, float],
) -> tuple[Reason, ...]:
    """Return what keeps the score down: first caps that lower it or are about security, then by damage.

    A cap replaces the reason of its signal. One about security is named first even where the points are fewer already.
    """
    verdict, uncapped = measurement.no_score_reason, 100.0 if total is None else total
    reasons = [Reason(damage=100.0, text=verdict, origin="verdict")] if verdict else []
    lost_points = {
        signal.id: _compute_lost_points(methodology, signal, points_per_weight) for signal in measurement.signals
    }
    signals_by_cap = {cap.id: methodology.caps[cap.id].signal for cap in caps}
    reasons += [
        Reason(
            damage=max(0.0, uncapped - cap.limit) + lost_points.get(signals_by_cap[cap.id], 0.0),
            text=cap.reason,
            origin=cap.id,
        )
        for cap in caps
    ]
    reasons += [
        Reason(damage=lost_points[signal.id], text=signal.reason, origin=signal.id)
        for signal in measurement.signals
        if lost_points[signal.id] >= MIN_REASON_DAMAGE and signal.id not in signals_by_cap.values()
    ]
    leading = {"verdict"} | {
        cap.id
        for cap in caps
        if cap.limit < uncapped or _is_about_security(methodology, signals_by_cap[cap.id], points_per_weight)
    }
    return tuple(sorted(reasons, key=lambda item: (item.origin not in leading, -item.damage, item.origin, item.text)))


def _is_about_security(methodology: Methodology, signal_id: str, dimensions: Mapping[str, object]) -> bool:
    """Whether a signal is of the first dimension of its methodology, which is security in each of them."""
    spec = methodology.signals.get(signal_id)
    return spec is not None and spec.dimension == next(iter(dimensions))


def _compute_lost_points(methodology: Methodology, signal: Signal, points_per_weight: Mapping[str, float]) -> float:
    if signal.value is None:
        return 0.0
    spec = methodology.signals[signal.id]
    return points_per_weight[spec.dimension] * (spec.weight * signal.share) * (100.0 - signal.value)
