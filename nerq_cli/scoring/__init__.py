"""Signals → Score: weighted means that leave out what is unknown, then the caps, then a grade.

Pure functions over :mod:`nerq_cli.methodology`. The public entry is :func:`score`::

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
from nerq_cli.scoring.score import Cap, Part, Reason, Score
from nerq_cli.signals.signal import Flag, Measured, Signal

__all__ = ["Cap", "Part", "Reason", "Score", "one_decimal", "score"]

#: Reasons are listed when they cost at least this many points.
WORTH_NAMING: Final = 0.5
_CRITICAL: Final = frozenset({"critical", "critical-no-fix", "exploited"})
_ADVISORY_CAPS: Final = frozenset(cap.id for cap in CAPS.values() if cap.signal == "S2")


def one_decimal(value: float) -> float:
    """Round half up to the one decimal that every surface shows (69.95 becomes 70.0)."""
    return floor(round(value * 10.0, 6) + 0.5) / 10.0


def score(measured: Measured) -> Score:
    """Compute the score of one dependency.

    The order of the signals and flags has no effect on any number. Signals with ids the table does not know raise
    KeyError: that is a bug, not input.
    """
    sums = _sums(measured.signals)
    means = {name: of.mean for name, of in sums.items()}
    coverage = _coverage(sums)
    caps = tuple(sorted({_cap(flag) for flag in measured.flags}, key=lambda cap: (cap.limit, cap.id, cap.reason)))
    scored = coverage >= methodology.COVERAGE_FLOOR and not measured.verdict
    total = _total(means) if scored or _zeroed(caps) else None
    points = _points(sums)
    value = _final(total, caps)
    low, high = _range(sums, caps, value) if value is not None else (None, None)
    return Score(
        value=value,
        total=total,
        grade=None if value is None else _grade(value, coverage),
        coverage=coverage,
        low=low,
        high=high,
        dimensions={name: None if mean is None else one_decimal(mean) for name, mean in means.items()},
        caps=caps,
        signals=measured.signals,
        points=points,
        reasons=_reasons(total, caps, measured, points),
        provisional=any(signal.id == "S2" and signal.state == "unknown" for signal in measured.signals),
        verdict=measured.verdict or ("" if value is not None else f"insufficient data: {coverage:.0%} of the evidence"),
    )


class _Sums:
    """What a dimension's signals add up to: weight known, weight that applies, and weight times value."""

    __slots__ = ("applicable", "known", "value")

    def __init__(self) -> None:
        self.applicable = self.known = self.value = 0.0

    def add(self, signal: Signal) -> None:
        weight = _weight(signal)
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

    def filled(self, guess: float) -> float | None:
        """The mean if every unknown signal had this value."""
        return (self.value + (self.applicable - self.known) * guess) / self.applicable if self.applicable else None


def _sums(signals: Iterable[Signal]) -> dict[str, _Sums]:
    sums = {name: _Sums() for name in DIMENSIONS}
    for signal in sorted(signals, key=_id):
        sums[SIGNALS[signal.id].dimension].add(signal)
    return sums


def _id(signal: Signal) -> str:
    return signal.id


def _weight(signal: Signal) -> float:
    return SIGNALS[signal.id].weight * signal.share


def _zeroed(caps: Sequence[Cap]) -> bool:
    """A version recorded as malicious scores 0 however little else is known."""
    return any(cap.limit == 0 for cap in caps)


def _coverage(sums: Mapping[str, _Sums]) -> float:
    shares = [(DIMENSIONS[name], of.known / of.applicable) for name, of in sums.items() if of.applicable]
    if not shares:
        return 0.0
    # Rounded so that a share of exactly 0.40 is not lost to the last bit of a sum.
    return round(sum(weight * share for weight, share in shares) / sum(weight for weight, _ in shares), 9)


def _total(means: Mapping[str, float | None]) -> float | None:
    counted = {name: mean for name, mean in means.items() if mean is not None}
    if not counted:
        return None
    return sum(DIMENSIONS[n] * mean for n, mean in counted.items()) / sum(DIMENSIONS[n] for n in counted)


def _cap(flag: Flag) -> Cap:
    limit = CAPS[flag.cap].limit
    if flag.cap in _ADVISORY_CAPS and flag.further:
        critical = flag.cap in _CRITICAL
        least = methodology.ADVISORY_FLOOR_CRITICAL if critical else methodology.ADVISORY_FLOOR
        limit = min(limit, max(least, limit - methodology.ADVISORY_STEP * flag.further))
    return Cap(id=flag.cap, limit=limit, reason=flag.reason, source=flag.source, seen=flag.seen)


def _final(total: float | None, caps: Sequence[Cap]) -> float | None:
    if _zeroed(caps):
        return 0.0
    if total is None:
        return None
    return one_decimal(min([total, *(cap.limit for cap in caps)]))


def _grade(value: float, coverage: float) -> str:
    letter = methodology.grade(value)
    letters = [name for _, name in methodology.GRADES]
    if coverage < methodology.COVERAGE_THIN:
        return max(letter, methodology.THIN_GRADE, key=letters.index)
    return letter


def _range(sums: Mapping[str, _Sums], caps: Sequence[Cap], value: float) -> tuple[float, float]:
    """Return the final score with every unknown signal poor, and with every one good; the score lies between."""
    low = _final(_total({name: of.filled(methodology.RANGE_LOW) for name, of in sums.items()}), caps)
    high = _final(_total({name: of.filled(methodology.RANGE_HIGH) for name, of in sums.items()}), caps)
    return min(value, value if low is None else low), max(value, value if high is None else high)


def _points(sums: Mapping[str, _Sums]) -> dict[str, float]:
    """Return the points of the total that one unit of a signal's weight is worth, per dimension."""
    counted = sum(DIMENSIONS[name] for name, of in sums.items() if of.mean is not None)
    return {name: 0.0 if of.mean is None else DIMENSIONS[name] / counted / of.known for name, of in sums.items()}


def _reasons(
    total: float | None, caps: Sequence[Cap], measured: Measured, points: Mapping[str, float]
) -> tuple[Reason, ...]:
    """Return what keeps the score down, most damage first. A cap speaks for the signal it belongs to."""
    verdict, before = measured.verdict, 100.0 if total is None else total
    reasons = [Reason(damage=100.0, text=verdict, origin="verdict")] if verdict else []
    lost = {signal.id: _lost(signal, points) for signal in measured.signals}
    spoken = {CAPS[cap.id].signal for cap in caps}
    reasons += [
        Reason(damage=max(0.0, before - cap.limit) + lost.get(CAPS[cap.id].signal, 0.0), text=cap.reason, origin=cap.id)
        for cap in caps
    ]
    reasons += [
        Reason(damage=lost[signal.id], text=signal.reason, origin=signal.id)
        for signal in measured.signals
        if lost[signal.id] >= WORTH_NAMING and signal.id not in spoken
    ]
    return tuple(sorted(reasons, key=lambda reason: (-reason.damage, reason.origin, reason.text)))


def _lost(signal: Signal, points: Mapping[str, float]) -> float:
    if signal.value is None:
        return 0.0
    return points[SIGNALS[signal.id].dimension] * _weight(signal) * (100.0 - signal.value)
