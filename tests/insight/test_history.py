from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.insight.history import (
    MIN_WEEKS,
    build_history,
    explain_step,
    find_steps,
    judge_snapshots,
    judge_values,
)
from nerq_cli.insight.snapshots import Snapshot, SnapshotCap, SnapshotSignal
from nerq_cli.report.pages.history import describe_move, describe_trend
from nerq_cli.signals.signal import SignalState

TODAY = 20_000
DAYS = range(TODAY - 89, TODAY + 1)


def signal(id_: str, value: float | None, points: float, dimension: str = "security") -> SnapshotSignal:
    state: SignalState = "unknown" if value is None else "known"
    return SnapshotSignal(id_, id_.capitalize(), dimension, state, value, points, f"{id_} is {value}", "PyPI")


def snapshot(day: int, *signals: SnapshotSignal, limit: float | None = None, **fields: Any) -> Snapshot:
    total = sum(item.points for item in signals)
    value = total if limit is None else min(total, limit)
    made = Snapshot(
        day=day,
        version="1.0",
        methodology="packages 2.0",
        value=round(value, 1),
        low=value,
        high=value,
        total=total,
        grade="B",
        coverage=1.0,
        provisional=False,
        dimensions={"security": round(total, 1)},
        signals=signals,
        caps=() if limit is None else (SnapshotCap("advisory", limit, "1 known advisory"),),
    )
    return replace(made, **fields)


def plain(day: int, value: float, **fields: Any) -> Snapshot:
    return snapshot(day, signal("provenance", value, value), **fields)


def judge(values: Sequence[float]) -> str:
    return judge_values([*zip(DAYS, values, strict=False)], TODAY).direction


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        ([80.0] * 90, "stable"),
        ([80 - day / 10 for day in range(90)], "declining"),
        ([70 + day / 10 for day in range(90)], "improving"),
        ([80.0] * 50 + [60.0] * 40, "declining"),
        ([80 - day / 40 for day in range(90)], "stable"),  # 2.2 points in 90 days
        ([80.0] * 88 + [20.0] * 2, "no trend"),  # a step, and no trend yet
        ([80.0] * 40 + [20.0] * 2 + [80.0] * 48, "stable"),  # a step that was taken back
    ],
)
def test_a_trend_is_a_change_that_lasts(values: list[float], direction: str) -> None:
    assert judge(values) == direction


def test_a_step_inside_the_window_is_not_stable() -> None:
    days = [*range(TODAY - 85, TODAY - 14, 7), TODAY - 8, TODAY - 1, TODAY]
    trend = judge_values([(day, 90.7 if day < TODAY - 8 else 30.0) for day in days], TODAY)
    assert (trend.direction, trend.step) == ("no trend", -60.7)
    assert describe_trend(trend) == f"no trend: fell by 60.7 points in one step, within {trend.weeks} weeks"
    level = judge_values([(day, 90.7) for day in days], TODAY)
    assert (level.direction, level.step) == ("stable", None)


def test_the_same_limit_over_a_lower_total_is_explained() -> None:
    before = snapshot(1, signal("provenance", 100, 80), limit=69)
    after = snapshot(2, signal("provenance", 90, 75), limit=69)
    [limits] = [move for move in explain_step(before, after).moves if move.id == "cap"]
    assert (limits.kind, limits.points) == ("reweighted", 5)
    assert describe_move(limits).endswith("the same limit, which takes off less: the total before it is lower")


@given(st.lists(st.floats(0, 100), min_size=90, max_size=90))
def test_values_in_reverse_have_the_opposite_trend(values: list[float]) -> None:
    opposite = {"improving": "declining", "declining": "improving"}
    direction = judge(values)
    assert judge([100 - value for value in values]) == opposite.get(direction, direction)


@given(st.floats(0, 97), st.lists(st.floats(0, 2.9), min_size=1, max_size=90))
def test_values_within_three_points_never_have_a_trend(base: float, noise: list[float]) -> None:
    assert judge([base + value for value in noise]) in ("stable", "too little history")


@given(st.integers(0, 1_000_000), st.floats(1, 30))
def test_noise_rarely_passes_for_a_trend(seed: int, width: float) -> None:
    generator = random.Random(seed)  # noqa: S311 - not for secrets
    series = [[50 + generator.gauss(0, width) for _ in DAYS] for _ in range(40)]
    assert sum(judge(values) in ("improving", "declining") for values in series) <= 5


def test_noise_passes_for_a_trend_in_less_than_one_of_fifty_series() -> None:
    generator = random.Random(14)  # noqa: S311 - not for secrets
    noise: list[Callable[[], float]] = [
        lambda: generator.gauss(0, 10),
        lambda: generator.uniform(-20, 20),
        lambda: generator.choice((0.0, 0.0, 0.0, -40.0)),
    ]
    directions = [judge([60 + draw() for _ in DAYS]) for draw in noise for _ in range(500)]
    assert sum(direction in ("improving", "declining") for direction in directions) < len(directions) / 50


def test_less_than_six_weeks_are_too_little_history() -> None:
    weeks = [(TODAY - 7 * week, 90.0 - 5 * week) for week in range(MIN_WEEKS)]
    assert judge_values(weeks, TODAY).direction == "improving"
    assert judge_values(weeks[:-1], TODAY).direction == "too little history"
    assert judge_snapshots([], TODAY).direction == "too little history"


def test_days_before_the_ninety_are_left_out() -> None:
    old = [plain(TODAY - 90 - day, 20) for day in range(200)]
    assert judge_snapshots([*old, *(plain(day, 80) for day in DAYS)], TODAY).direction == "stable"


def test_a_new_methodology_is_no_trend() -> None:
    snapshots = [plain(day, 80, methodology="packages 1.0") for day in DAYS[:45]] + [
        plain(day, 60) for day in DAYS[45:]
    ]
    history = build_history(snapshots, TODAY)
    assert history.trend.direction == "stable"
    assert history.trend.left_out == 45
    [step] = history.steps
    assert step.causes == ("methodology", "evidence")
    assert not step.is_trend


def test_a_lost_source_is_named_and_is_no_trend() -> None:
    kept = signal("provenance", 100, 40)
    before = [snapshot(day, kept, signal("commits", 20, 10)) for day in DAYS[:60]]
    after = [snapshot(day, replace(kept, points=80), signal("commits", None, 0)) for day in DAYS[60:]]
    history = build_history([*before, *after], TODAY)
    assert history.trend.direction == "stable"
    assert (history.trend.weeks, history.trend.left_out) == (9, 30)
    assert history.dimensions["security"].direction == "stable"
    [step] = history.steps
    assert step.causes == ("source lost",)
    assert [(move.id, move.kind, move.points) for move in step.moves] == [
        ("provenance", "reweighted", 40),
        ("commits", "lost", -10),
    ]
    [back] = find_steps([after[0], replace(before[0], day=TODAY)])
    assert back.causes == ("source regained",)


def test_a_source_lost_in_another_dimension_leaves_the_trend_of_a_dimension() -> None:
    snapshots = [
        snapshot(day, signal("a", day - DAYS[0], 50), signal("b", None if day % 2 else 5.0, 0, "community"))
        for day in DAYS
    ]
    snapshots = [replace(item, dimensions={"security": item.signals[0].value}) for item in snapshots]
    assert judge_snapshots(snapshots, TODAY, "security").direction == "improving"
    assert judge_snapshots(snapshots, TODAY, "security").left_out == 0


def test_a_step_names_the_signals_their_points_and_why() -> None:
    before = snapshot(1, signal("provenance", 100, 50), signal("commits", 80, 40))
    after = snapshot(2, signal("provenance", 40, 20), signal("commits", 90, 45), limit=55)
    step = explain_step(before, after)
    assert (step.before, step.after, step.change) == (90, 55, -35)
    assert [(move.id, move.points, move.reason_after) for move in step.moves] == [
        ("provenance", -30, "provenance is 40"),
        ("cap", -10, "advisory: 1 known advisory"),
        ("commits", 5, "commits is 90"),
    ]
    assert step.causes == ("evidence",)
    assert step.is_trend


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=9), st.floats(0, 90))
def test_the_points_of_a_step_add_up_to_its_change(points: list[tuple[float, float]], limit: float) -> None:
    before = snapshot(1, *(signal(f"s{n}", old, old) for n, (old, _) in enumerate(points)))
    after = snapshot(2, *(signal(f"s{n}", new, new) for n, (_, new) in enumerate(points)), limit=limit)
    step = explain_step(before, after)
    assert step.change == pytest.approx(sum(move.points for move in step.moves) + step.other_points, abs=0.02)
    assert abs(step.other_points) <= 0.05 * (len(points) + 1) + 0.1


def test_a_slow_change_counts_whenever_it_adds_up_to_a_point() -> None:
    steps = find_steps([plain(day, 80 - (day - DAYS[0]) / 10) for day in DAYS[:31]])
    assert [step.change for step in steps] == [-1.0, -1.0, -1.0]


def test_a_new_version_and_a_score_that_is_not_known_are_steps() -> None:
    old, new = plain(1, 80), plain(2, 80, version="2.0")
    [step] = find_steps([old, new])
    assert (step.version_before, step.version_after, step.causes) == ("1.0", "2.0", ("version",))
    [step] = find_steps([old, replace(old, day=2, value=None)])
    assert step.change is None
    assert find_steps([]) == find_steps([old, plain(2, 80)]) == []
