"""How scores changed over time: the trend of each dimension, and what moved a score from one day to the next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import erfc, sqrt
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.insight.snapshots import Snapshot, SnapshotSignal

#: ``no trend``: neither a trend nor the same value: it moved in one step, or up and down.
Direction: TypeAlias = Literal["improving", "stable", "declining", "no trend", "too little history"]
#: Why a score differs: another edition of the methodology; signals that were known before and are not, or the
#: reverse; another version; other facts.
Cause: TypeAlias = Literal["methodology", "source lost", "source regained", "version", "evidence"]
#: How a signal moved a score: its value changed; its part of the total changed, as that of others did; it became
#: unknown; it became known; a hard limit came into force, changed or was lifted.
MoveKind: TypeAlias = Literal["changed", "reweighted", "lost", "regained", "cap"]

#: Days that a trend is judged over.
TREND_DAYS: Final = 90
#: Days that are judged as one, by their median: an answer that is missing for a day or two has no weight of its own.
_PERIOD: Final = 7
#: Weeks with a snapshot below which there is too little history: no fewer can reach the significance below.
MIN_WEEKS: Final = 6
#: Two-sided significance of the Mann-Kendall test (Mann 1945, Kendall 1975): one series of noise in 100 reaches it.
_SIGNIFICANCE: Final = 0.01
#: Points (0-100) between the first and the last third of the weeks below which a change is not called a trend.
MIN_CHANGE: Final = 3.0
#: Points that the score must differ by to count as a step.
_STEP: Final = 1.0
#: Points below which the part of a signal in a step is not listed: it is rounded to 0.
_LISTED: Final = 0.05


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """The direction of a value over 90 days."""

    direction: Direction
    #: Points between the medians of the first and the last third of the weeks; None with too little history.
    change: float | None = None
    #: Points of the largest step from one snapshot to the next, if its effect lasts and it is large enough to count;
    #: None if none does.
    step: float | None = None
    #: Weeks with a snapshot that was judged.
    weeks: int = 0
    #: First and last day that was judged (days since 1970-01-01 UTC); None without any.
    first_day: int | None = None
    last_day: int | None = None
    #: Snapshots of the 90 days that were left out: of another methodology, or with other signals unknown.
    left_out: int = 0


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What one signal, or one hard limit, added to a step."""

    #: Id of the signal; ``cap`` for the hard limits together.
    id: str
    name: str
    kind: MoveKind
    #: Points of the score, signed.
    points: float
    #: Values (0-100) before and after; None where it was not known or does not apply.
    before: float | None = None
    after: float | None = None
    reason_before: str = ""
    reason_after: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a score between two snapshots."""

    #: Days since 1970-01-01 UTC.
    first_day: int
    last_day: int
    version_before: str
    version_after: str
    methodology_before: str
    methodology_after: str
    #: Scores (0-100); None when too little was known.
    before: float | None
    after: float | None
    grade_before: str | None
    grade_after: str | None
    #: Points; None unless both scores are numbers.
    change: float | None
    causes: tuple[Cause, ...]
    #: Most points first.
    moves: tuple[Move, ...]
    #: Points of the moves that are too small to be listed, and of rounding.
    other_points: float = 0.0

    @property
    def is_trend(self) -> bool:
        """Whether the facts about the target changed, not only what could be read or how it is judged."""
        return not {"methodology", "source lost", "source regained"} & {*self.causes}


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The past of one target."""

    #: Oldest first.
    snapshots: tuple[Snapshot, ...]
    trend: Trend
    #: Trend of each dimension.
    dimensions: Mapping[str, Trend]
    #: Oldest first.
    steps: tuple[Step, ...]


def build_history(snapshots: Iterable[Snapshot], today: int) -> History:
    """Return the trends up to a day and the steps of the snapshots of one target."""
    ordered = tuple(sorted(snapshots, key=lambda snapshot: snapshot.day))
    dimensions = dict.fromkeys(name for snapshot in reversed(ordered) for name in snapshot.dimensions)
    return History(
        snapshots=ordered,
        trend=judge_snapshots(ordered, today),
        dimensions={name: judge_snapshots(ordered, today, name) for name in dimensions},
        steps=tuple(find_steps(ordered)),
    )


def judge_snapshots(snapshots: Sequence[Snapshot], today: int, dimension: str = "") -> Trend:
    """Return the trend of the score, or of a dimension, over the 90 days up to ``today``.

    Only snapshots of the newest methodology are compared, and of these only those in which the same signals are
    unknown: what a source that is lost or regained adds is no change of the target.
    """
    recent = [snapshot for snapshot in snapshots if today - TREND_DAYS < snapshot.day <= today]
    if not recent:
        return Trend(direction="too little history")
    newest = max(recent, key=lambda snapshot: snapshot.day).methodology
    groups: dict[frozenset[str], list[tuple[int, float]]] = {}
    for snapshot in recent:
        value = snapshot.dimensions.get(dimension) if dimension else snapshot.value
        if snapshot.methodology == newest and value is not None:
            groups.setdefault(_list_unknown(snapshot, dimension), []).append((snapshot.day, value))
    if not groups:
        return Trend(direction="too little history", left_out=len(recent))
    chosen = max(groups.values(), key=lambda group: (_count_weeks(group, today), max(group)[0]))
    return msgspec.structs.replace(judge_values(chosen, today), left_out=len(recent) - len(chosen))


def judge_values(values: Sequence[tuple[int, float]], today: int) -> Trend:
    """Return the trend of values (day, 0-100) that can be compared with each other.

    The medians of the weeks have a trend if the Mann-Kendall test finds one at the level of 1 %, and if those of
    the first and of the last third of the weeks differ by 3 points or more.
    """
    weeks: dict[int, list[float]] = {}
    for day, value in sorted(values):
        weeks.setdefault(-((today - day) // _PERIOD), []).append(value)
    medians = [_find_median(week) for _, week in sorted(weeks.items())]
    days = [day for day, _ in values]
    trend = Trend(
        direction="too little history",
        weeks=len(medians),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
    )
    if len(medians) < MIN_WEEKS:
        return trend
    third = len(medians) // 3
    change = round(_find_median(medians[-third:]) - _find_median(medians[:third]), 1)
    score, probability = _test_trend(medians)
    is_trend = abs(change) >= MIN_CHANGE and probability <= _SIGNIFICANCE and (score > 0) == (change > 0)
    step = _find_lasting_step([value for _, value in sorted(values)])
    direction: Direction = "improving" if change > 0 else "declining"
    if not is_trend:
        direction = "stable" if step is None and abs(change) < MIN_CHANGE else "no trend"
    return msgspec.structs.replace(trend, direction=direction, change=change, step=step)


def _find_lasting_step(values: Sequence[float]) -> float | None:
    """Return the largest step between neighbours, unless the last value is back where the step began."""
    steps = [(round(after - before, 1), before) for before, after in pairwise(values)]
    step, before = max(steps, key=lambda entry: abs(entry[0]), default=(0.0, 0.0))
    lasting = values[-1] - before if values else 0.0
    return step if abs(step) >= MIN_CHANGE and lasting * step > 0 and abs(lasting) >= MIN_CHANGE else None


def find_steps(snapshots: Sequence[Snapshot]) -> list[Step]:
    """Return the changes of a score, oldest first. A slow change counts as a step whenever it adds up to a point."""
    steps: list[Step] = []
    if not snapshots:
        return steps
    base = snapshots[0]
    for snapshot in snapshots[1:]:
        if _is_step(base, snapshot):
            steps.append(explain_step(base, snapshot))
            base = snapshot
    return steps


def explain_step(before: Snapshot, after: Snapshot) -> Step:
    """Return what moved a score between two snapshots."""
    change = None if before.value is None or after.value is None else round(after.value - before.value, 1)
    moves = list(_iter_moves(before, after))
    listed = [move for move in moves if abs(move.points) >= _LISTED or move.kind in ("lost", "regained", "cap")]
    listed.sort(key=lambda move: (-abs(move.points), move.id))
    other = 0.0 if change is None else round(change - sum(move.points for move in listed), 2)
    return Step(
        first_day=before.day,
        last_day=after.day,
        version_before=before.version,
        version_after=after.version,
        methodology_before=before.methodology,
        methodology_after=after.methodology,
        before=before.value,
        after=after.value,
        grade_before=before.grade,
        grade_after=after.grade,
        change=change,
        causes=tuple(_iter_causes(before, after, moves)),
        moves=tuple(listed),
        other_points=other,
    )


def _is_step(before: Snapshot, after: Snapshot) -> bool:
    if before.value is None or after.value is None:
        differs = before.value is not after.value
    else:
        differs = round(abs(before.value - after.value), 1) >= _STEP
    return (
        differs
        or before.grade != after.grade
        or before.methodology != after.methodology
        or before.version != after.version
        or before.unknown_signals != after.unknown_signals
        or {cap.id for cap in before.caps} != {cap.id for cap in after.caps}
    )


def _iter_causes(before: Snapshot, after: Snapshot, moves: Sequence[Move]) -> Iterable[Cause]:
    if before.methodology != after.methodology:
        yield "methodology"
    known_before = {signal.id for signal in before.signals if signal.state != "unknown"}
    known_after = {signal.id for signal in after.signals if signal.state != "unknown"}
    if known_before & after.unknown_signals:
        yield "source lost"
    if before.unknown_signals & known_after:
        yield "source regained"
    if before.version != after.version:
        yield "version"
    if any(move.kind in ("changed", "cap") for move in moves):
        yield "evidence"


def _iter_moves(before: Snapshot, after: Snapshot) -> Iterable[Move]:
    signals_before = {signal.id: signal for signal in before.signals}
    signals_after = {signal.id: signal for signal in after.signals}
    for id_ in dict.fromkeys((*signals_before, *signals_after)):
        old, new = signals_before.get(id_), signals_after.get(id_)
        points = (new.points if new else 0.0) - (old.points if old else 0.0)
        kind = _find_kind(old, new)
        if kind is not None:
            named = new or old
            yield Move(
                id=id_,
                name=named.name if named else id_,
                kind=kind,
                points=round(points, 2),
                before=old.value if old else None,
                after=new.value if new else None,
                reason_before=old.reason if old else "",
                reason_after=new.reason if new else "",
            )
    reasons = ["; ".join(f"{cap.id}: {cap.reason}" for cap in snapshot.caps) for snapshot in (before, after)]
    points = after.cap_effect - before.cap_effect
    if before.caps != after.caps or abs(points) >= _LISTED:
        yield Move(
            id="cap",
            name="hard limits",
            kind="cap" if before.caps != after.caps else "reweighted",
            points=round(points, 2),
            before=min((cap.limit for cap in before.caps), default=None),
            after=min((cap.limit for cap in after.caps), default=None),
            reason_before=reasons[0],
            reason_after=reasons[1],
        )


def _find_kind(old: SnapshotSignal | None, new: SnapshotSignal | None) -> MoveKind | None:
    """Return how a signal changed; None if it did not."""
    if old is None or new is None:
        return "changed"
    if old.state != "unknown" and new.state == "unknown":
        return "lost"
    if old.state == "unknown" and new.state != "unknown":
        return "regained"
    if old.value != new.value or old.state != new.state:
        return "changed"
    return "reweighted" if old.points != new.points else None


def _list_unknown(snapshot: Snapshot, dimension: str) -> frozenset[str]:
    return frozenset(
        signal.id
        for signal in snapshot.signals
        if signal.state == "unknown" and (not dimension or signal.dimension == dimension)
    )


def _count_weeks(values: Sequence[tuple[int, float]], today: int) -> int:
    return len({(today - day) // _PERIOD for day, _ in values})


def _find_median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[~(len(ordered) // 2)]) / 2


def _test_trend(values: Sequence[float]) -> tuple[int, float]:
    """Return the Mann-Kendall statistic and its two-sided probability, by the normal approximation with ties."""
    score = sum(
        (later > earlier) - (later < earlier) for index, earlier in enumerate(values) for later in values[index + 1 :]
    )
    weigh: Callable[[int], int] = lambda n: n * (n - 1) * (2 * n + 5)  # noqa: E731 - used twice, here
    variance = (weigh(len(values)) - sum(weigh(values.count(value)) for value in set(values))) / 18
    if variance <= 0 or score == 0:
        return score, 1.0
    return score, erfc((abs(score) - 1) / sqrt(2 * variance))
