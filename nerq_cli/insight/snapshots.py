"""A score as it was on one day, small enough to be kept for years, and readable without the methodology of that day."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.methodology.types import Methodology
from nerq_cli.scoring import Score
from nerq_cli.scoring.breakdown import TYPICAL_SIGNALS
from nerq_cli.signals.signal import SignalState
from nerq_cli.store.history import SnapshotRow

#: In place of a number: there is none, or the signal does not apply.
_NONE: Final = 0xFFFF
_NOT_APPLICABLE: Final = 0xFFFE
#: Units to a point: values have one decimal, points two.
_VALUE_SCALE: Final = 10
_POINT_SCALE: Final = 100
_COVERAGE_SCALE: Final = 1000
_HEAD_LENGTH: Final = 6
_NUMBER: Final = struct.Struct("<H")


class SnapshotSignal(msgspec.Struct, frozen=True, gc=False):
    """One signal of a snapshot."""

    id: str
    name: str
    dimension: str
    state: SignalState
    #: 0-100; None unless it is known.
    value: float | None
    #: Points (0-100) that it added to the total.
    points: float
    reason: str
    source: str


class SnapshotCap(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A hard limit that was in force."""

    id: str
    #: 0-100.
    limit: float
    reason: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The score of one release on one day."""

    #: Days since 1970-01-01 UTC.
    day: int
    version: str
    #: Kind of target and edition: ``packages 2.0``.
    methodology: str
    #: Final score, 0-100; None when too little was known.
    value: float | None
    low: float | None
    high: float | None
    #: Score before caps.
    total: float | None
    grade: str | None
    #: Known share of the applicable weight, 0-1.
    coverage: float
    provisional: bool
    dimensions: Mapping[str, float | None]
    signals: tuple[SnapshotSignal, ...]
    caps: tuple[SnapshotCap, ...]
    #: Why there is no number; empty when there is one.
    verdict: str = ""
    #: ``recorded`` by a run of that day, or ``reconstructed`` later from evidence that carries dates.
    origin: Literal["recorded", "reconstructed"] = "recorded"

    @property
    def unknown_signals(self) -> frozenset[str]:
        """Ids of the signals that were not known."""
        return frozenset(signal.id for signal in self.signals if signal.state == "unknown")

    @property
    def cap_effect(self) -> float:
        """Points by which caps lowered the total: 0 or less."""
        return 0.0 if self.value is None or self.total is None else min(0.0, self.value - self.total)


class ProjectSummary(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The report on a project on one day, in numbers."""

    #: Dependencies of third parties, scored or not.
    dependencies: int
    #: Of these with a number.
    scored: int
    #: Of these below the threshold.
    below: int
    #: Lowest and median score, 0-100; None when none has a number.
    lowest: float | None
    median: float | None
    #: Name and version of the dependency with the lowest score.
    lowest_name: str
    #: Score that a dependency had to reach.
    threshold: float
    #: Whether everything could be checked.
    complete: bool
    #: Kind of target and edition, comma-separated if there are several.
    methodology: str


class _Legend(msgspec.Struct, frozen=True, array_like=True):
    """What the numbers of a snapshot stand for."""

    target: str
    version: str
    dimensions: tuple[str, ...]
    #: Id, name, dimension and weight of each signal.
    signals: tuple[tuple[str, str, str, float], ...]
    #: Usual reasons and sources, with which the store compresses texts to a third.
    samples: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


class _Texts(msgspec.Struct, frozen=True, array_like=True):
    """The texts of a snapshot, in the order of the legend."""

    reasons: tuple[str, ...]
    sources: tuple[str, ...]
    caps: tuple[SnapshotCap, ...]
    grade: str | None
    verdict: str
    #: Index of each signal that keeps a part of its weight only, and that part (0-1).
    shares: tuple[tuple[int, float], ...]


_LEGEND_DECODER: Final = build_msgpack_decoder_late(_Legend)
_TEXTS_DECODER: Final = build_msgpack_decoder_late(_Texts)
_SUMMARY_DECODER: Final = build_msgpack_decoder_late(ProjectSummary)


def compute_mark(score: Score) -> int:
    """Return a checksum of a score: another one means another snapshot.

    It is of what a report shows first, which takes no unpacking: a signal that moves neither the total nor the range by
    a tenth of a point, and is no reason, makes no new one.
    """
    content = (
        score.methodology.target,
        score.methodology.version,
        score.value,
        score.low,
        score.high,
        None if score.total is None else round(score.total, 1),
        score.grade,
        scale_coverage(score),
        score.provisional,
        score.verdict,
        [(cap.id, cap.limit, cap.reason) for cap in score.caps],
        score.reason_texts,
    )
    return zlib.crc32(msgspec.msgpack.encode(content))


def scale_coverage(score: Score) -> int:
    """Return the coverage of a score in thousandths."""
    return round(score.coverage * _COVERAGE_SCALE)


def pack_score(score: Score, day: int, mark: int) -> SnapshotRow:
    """Return the snapshot of a score on a day (days since 1970-01-01 UTC)."""
    from hashlib import blake2b  # takes 2 ms to import

    methodology, breakdown = score.methodology, score.breakdown
    signals, dimensions, points_per_weight = breakdown.signals, breakdown.dimensions, breakdown.points_per_weight
    head = struct.pack(
        f"<{_HEAD_LENGTH + len(methodology.dimensions)}H{len(methodology.dimensions)}f",
        _scale(score.value, _VALUE_SCALE),
        _scale(score.low, _VALUE_SCALE),
        _scale(score.high, _VALUE_SCALE),
        _scale(score.total, _POINT_SCALE),
        scale_coverage(score),
        int(score.provisional),
        *[_scale(dimensions.get(name), _VALUE_SCALE) for name in methodology.dimensions],
        *[points_per_weight.get(name, 0.0) for name in methodology.dimensions],
    )
    values = [
        round(signal.value * _VALUE_SCALE)
        if signal.value is not None
        else _NOT_APPLICABLE
        if signal.state == "not_applicable"
        else _NONE
        for signal in signals
    ]
    texts = msgspec.msgpack.encode(
        (
            [signal.reason for signal in signals],
            [signal.source for signal in signals],
            [(cap.id, cap.limit, cap.reason) for cap in score.caps],
            score.grade,
            score.verdict,
            [(index, signal.share) for index, signal in enumerate(signals) if signal.share != 1.0],
        )
    )
    legend, legend_mark = _pack_legend(methodology, tuple([signal.id for signal in signals]))
    digest = blake2b(texts, digest_size=8, person=legend_mark).digest()  # they are compressed with the legend
    return SnapshotRow(
        day=day,
        coverage=scale_coverage(score),
        mark=mark,
        legend=legend,
        texts=(int.from_bytes(digest, "big", signed=True), texts),
        numbers=head + struct.pack(f"<{len(values)}H", *values),
    )


def pack_summary(summary: ProjectSummary) -> bytes:
    """Return the stored form of a summary."""
    return msgspec.msgpack.encode(summary)


def unpack_summary(content: bytes) -> ProjectSummary | None:
    """Return a stored summary; None if it is damaged."""
    try:
        return _SUMMARY_DECODER.decode(content)
    except msgspec.DecodeError:
        return None


def unpack_row(row: SnapshotRow, version: str) -> Snapshot | None:
    """Return a stored snapshot of a version; None if it is damaged."""
    try:
        legend = _unpack_legend(row.legend)
        texts = _TEXTS_DECODER.decode(row.texts[1])
        dimension_count, signal_count = len(legend.dimensions), len(legend.signals)
        numbers = struct.unpack(f"<{_HEAD_LENGTH + dimension_count}H{dimension_count}f{signal_count}H", row.numbers)
    except (msgspec.DecodeError, struct.error):
        return None
    if len(texts.reasons) != signal_count or len(texts.sources) != signal_count:
        return None
    value, low, high, total, coverage, provisional = numbers[:_HEAD_LENGTH]
    dimensions = numbers[_HEAD_LENGTH : _HEAD_LENGTH + dimension_count]
    points_per_weight = dict(zip(legend.dimensions, numbers[_HEAD_LENGTH + dimension_count :], strict=False))
    shares = dict(texts.shares)
    signals = []
    for index, ((id_, name, dimension, weight), number) in enumerate(
        zip(legend.signals, numbers[-signal_count:], strict=True)
    ):
        signal_value = None if number in (_NONE, _NOT_APPLICABLE) else number / _VALUE_SCALE
        points = points_per_weight[dimension] * weight * shares.get(index, 1.0) * (signal_value or 0.0)
        state: SignalState = "known" if signal_value is not None else "unknown" if number == _NONE else "not_applicable"
        signals.append(
            SnapshotSignal(
                id_, name, dimension, state, signal_value, points, texts.reasons[index], texts.sources[index]
            )
        )
    return Snapshot(
        day=row.day,
        version=version,
        methodology=f"{legend.target} {legend.version}",
        value=_unscale(value, _VALUE_SCALE),
        low=_unscale(low, _VALUE_SCALE),
        high=_unscale(high, _VALUE_SCALE),
        total=_unscale(total, _POINT_SCALE),
        grade=texts.grade,
        coverage=coverage / _COVERAGE_SCALE,
        provisional=bool(provisional),
        dimensions={
            name: _unscale(number, _VALUE_SCALE) for name, number in zip(legend.dimensions, dimensions, strict=True)
        },
        signals=tuple(signals),
        caps=texts.caps,
        verdict=texts.verdict,
    )


def read_value(numbers: bytes) -> float | None:
    """Return the score of a stored snapshot by its numbers alone; None if it has none, or is damaged."""
    if len(numbers) < _NUMBER.size:
        return None
    return _unscale(_NUMBER.unpack_from(numbers)[0], _VALUE_SCALE)


def _scale(value: float | None, scale: int) -> int:
    return _NONE if value is None else round(value * scale)


def _unscale(number: int, scale: int) -> float | None:
    return None if number == _NONE else number / scale


_LEGENDS: Final[dict[Any, tuple[bytes, bytes]]] = {}


def _pack_legend(methodology: Methodology, signal_ids: tuple[str, ...]) -> tuple[bytes, bytes]:
    """Return the legend of these signals, and its checksum."""
    key = (methodology.target, methodology.version, signal_ids)
    if key not in _LEGENDS:
        specs = [methodology.signals[id_] for id_ in signal_ids]
        signals = tuple((spec.id, spec.name, spec.dimension, spec.weight) for spec in specs)
        _, reasons, sources = zip(*TYPICAL_SIGNALS, strict=True)
        dimensions = tuple(methodology.dimensions)
        legend = msgspec.msgpack.encode(
            _Legend(methodology.target, methodology.version, dimensions, signals, (reasons, sources))
        )
        _LEGENDS[key] = legend, zlib.crc32(legend).to_bytes(4, "big")
    return _LEGENDS[key]


@lru_cache(maxsize=16)
def _unpack_legend(content: bytes) -> _Legend:
    return _LEGEND_DECODER.decode(content)
