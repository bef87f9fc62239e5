"""The worked numbers of the methodology, computed once by hand, hold."""

from __future__ import annotations

import pytest

from nerq_cli.methodology import SIGNALS
from nerq_cli.scoring import compute_score
from nerq_cli.signals.signal import Flag, Measurement, Signal

NOT_APPLICABLE = "n.a."


def measured(values: dict[str, float | str], *flags: Flag) -> Measurement:
    """Build signals from values; ids left out are unknown, ``n.a.`` marks those that do not apply."""
    signals = []
    for id_ in SIGNALS:
        value = values.get(id_)
        if isinstance(value, str):
            signals.append(Signal(id_, "not_applicable", None, "does not apply"))
        elif value is None:
            signals.append(Signal(id_, "unknown", None, "not asked"))
        else:
            signals.append(Signal(id_, "known", float(value), "measured"))
    return Measurement(tuple(signals), flags)


HEALTHY: dict[str, float | str] = {
    **dict.fromkeys(("S2", "S3", "S5", "S6", "S7"), 100),
    "S4": 50,
    "S8": 85.5,
    **dict.fromkeys(("M1", "M2", "M3", "M4"), 100),
    "M5": 80,
    **dict.fromkeys(("D1", "D2", "D3"), 100),
    **dict.fromkeys(("C1", "C2", "C4"), 100),
    "C3": 80,
    **dict.fromkeys(("K1", "K2", "K3"), 100),
}
FINISHED_SOLO: dict[str, float | str] = {
    "S2": 100,
    "S3": NOT_APPLICABLE,
    "S4": 50,
    "S5": 100,
    "S6": 100,
    "S7": 100,
    "M1": 100,
    "M2": 70,
    "M3": 70,
    "M4": 70,
    "D1": 71.4,
    "D2": 30,
    "D3": 75,
    "C1": 100,
    "C2": 100,
    "C3": 80,
    "C4": 40,
    "K1": 55,
    "K2": 78.2,
    "K3": 60,
}
STALE: dict[str, float | str] = {
    "S2": 42.5,
    "S3": 50,
    "S4": 50,
    "S5": 100,
    "S6": 100,
    "S7": 100,
    "S8": 48,
    "M1": 100,
    "M2": 14.04,
    "M3": 10,
    "M4": 30,
    "M5": 20,
    "D1": 78.2,
    "D2": 30,
    "D3": 50,
    "C1": 80,
    "C2": 100,
    "C3": 60,
    "C4": 40,
    "K1": 55,
    "K2": 65.2,
    "K3": 40,
}
LOOK_ALIKE: dict[str, float | str] = {
    "S2": 100,
    "S3": NOT_APPLICABLE,
    "S4": 50,
    "S5": 15,
    "S6": 15,
    "S7": 13.3,
    "M1": 100,
    "M2": 100,
    "M4": 40,
    "D1": 10,
    "D2": 0,
    "D3": 25,
    "C1": 100,
    "C2": 100,
    "C3": 20,
    "K1": 55,
    "K2": 25,
}


@pytest.mark.parametrize(
    ("name", "values", "flags", "dimensions", "coverage", "total", "final", "grade"),
    [
        ("healthy", HEALTHY, (), (92.1, 98.0, 100, 96.0, 100), 1.0, 96.1, 96, "A+"),
        ("one high", {**HEALTHY, "S2": 50}, (Flag("high", "1 high"),), (72.1, 98, 100, 96, 100), 1.0, 89.1, 69, "C"),
        (
            "one critical",
            {**HEALTHY, "S2": 15},
            (Flag("critical", "1 critical"),),
            (58.1, 98, 100, 96, 100),
            1.0,
            84.2,
            45,
            "D",
        ),
        (
            "two medium and one low",
            {**HEALTHY, "S2": 68.6375},
            (Flag("medium", "3", further_count=1),),
            (79.6, 98, 100, 96, 100),
            1.0,
            91.7,
            71,
            "B",
        ),
        ("finished solo", FINISHED_SOLO, (), (92.7, 76.7, 59.7, 87.0, 65.3), 0.93, 80.4, 80, "A"),
        (
            "stale",
            STALE,
            (Flag("high-no-fix", "2", further_count=1),),
            (61.7, 32.2, 58.1, 74.0, 56.1),
            1.0,
            55.0,
            55,
            "D",
        ),
        (
            "look-alike",
            LOOK_ALIKE,
            (Flag("name-confusion", "looks like"), Flag("install-hook-new", "new hook")),
            (61.4, 90.0, 10.0, 81.2, 40.0),
            0.80,
            63.2,
            30,
            "E",
        ),
    ],
)
def test_a_worked_example_gives_the_numbers_worked_out_by_hand(
    name: str,
    values: dict[str, float | str],
    flags: tuple[Flag, ...],
    dimensions: tuple[float, ...],
    coverage: float,
    total: float,
    final: float,
    grade: str,
) -> None:
    result = compute_score(measured(values, *flags))
    assert list(result.dimensions.values()) == pytest.approx(dimensions, abs=0.051), name
    assert result.coverage == pytest.approx(coverage, abs=0.006)
    assert result.total == pytest.approx(total, abs=0.051)
    assert result.value is not None
    assert round(result.value) == final
    assert result.grade == grade


def test_registry_dates_alone_are_too_little_for_a_number() -> None:
    result = compute_score(measured({"S7": 100, "M2": 100, "M4": 100, "S5": 100, "S6": 100}))
    assert result.value is None
    assert result.grade is None
    assert result.coverage < 0.40
    assert "insufficient data" in result.verdict


def test_without_an_advisory_source_the_score_is_provisional() -> None:
    values = {id_: value for id_, value in HEALTHY.items() if id_ != "S2"}
    assert compute_score(measured(values)).provisional
    assert not compute_score(measured(HEALTHY)).provisional


@pytest.mark.parametrize(("further", "limit"), [(0, 69), (5, 49), (29, 30)])
def test_each_further_unknown_advisory_lowers_the_cap_by_four_down_to_thirty(further: int, limit: float) -> None:
    result = compute_score(measured(HEALTHY, Flag("advisory", "advisories", further_count=further)))
    assert result.value == limit


def test_with_a_critical_advisory_the_cap_slides_down_to_twenty() -> None:
    assert compute_score(measured(HEALTHY, Flag("critical", "many", further_count=30))).value == 20
