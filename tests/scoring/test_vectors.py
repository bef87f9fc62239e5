"""The worked numbers of the methodology, computed once by hand, hold."""

from __future__ import annotations

import pytest

from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.scoring import compute_score
from nerq_cli.signals.signal import Flag, Measurement, Signal

NOT_APPLICABLE = "n.a."


def measured(values: dict[str, float | str], *flags: Flag) -> Measurement:
    """Build signals from values; ids left out are unknown, ``n.a.`` marks those that do not apply."""
    signals = []
    for id_ in PACKAGES.signals:
        value = values.get(id_)
        if isinstance(value, str):
            signals.append(Signal(id_, "not_applicable", None, "does not apply"))
        elif value is None:
            signals.append(Signal(id_, "unknown", None, "not asked"))
        else:
            signals.append(Signal(id_, "known", float(value), "measured"))
    return Measurement(tuple(signals), flags)


HEALTHY: dict[str, float | str] = {
    **dict.fromkeys(("known_advisories", "fix_record", "install_code", "name_confusion", "newness"), 100),
    "provenance": 50,
    "repository_hygiene": 85.5,
    **dict.fromkeys(("status", "last_release", "commits", "release_cadence"), 100),
    "closed_issues": 80,
    **dict.fromkeys(("readme", "links", "basics"), 100),
    **dict.fromkeys(("licence", "licence_terms", "disclosure_policy"), 100),
    "source_link": 80,
    **dict.fromkeys(("publishers", "adoption", "contributors"), 100),
}
FINISHED_SOLO: dict[str, float | str] = {
    "known_advisories": 100,
    "fix_record": NOT_APPLICABLE,
    "provenance": 50,
    "install_code": 100,
    "name_confusion": 100,
    "newness": 100,
    "status": 100,
    "last_release": 70,
    "commits": 70,
    "release_cadence": 70,
    "readme": 71.4,
    "links": 30,
    "basics": 75,
    "licence": 100,
    "licence_terms": 100,
    "source_link": 80,
    "disclosure_policy": 40,
    "publishers": 55,
    "adoption": 78.2,
    "contributors": 60,
}
STALE: dict[str, float | str] = {
    "known_advisories": 42.5,
    "fix_record": 50,
    "provenance": 50,
    "install_code": 100,
    "name_confusion": 100,
    "newness": 100,
    "repository_hygiene": 48,
    "status": 100,
    "last_release": 14.04,
    "commits": 10,
    "release_cadence": 30,
    "closed_issues": 20,
    "readme": 78.2,
    "links": 30,
    "basics": 50,
    "licence": 80,
    "licence_terms": 100,
    "source_link": 60,
    "disclosure_policy": 40,
    "publishers": 55,
    "adoption": 65.2,
    "contributors": 40,
}
LOOK_ALIKE: dict[str, float | str] = {
    "known_advisories": 100,
    "fix_record": NOT_APPLICABLE,
    "provenance": 50,
    "install_code": 15,
    "name_confusion": 15,
    "newness": 13.3,
    "status": 100,
    "last_release": 100,
    "release_cadence": 40,
    "readme": 10,
    "links": 0,
    "basics": 25,
    "licence": 100,
    "licence_terms": 100,
    "source_link": 20,
    "publishers": 55,
    "adoption": 25,
}


@pytest.mark.parametrize(
    ("name", "values", "flags", "dimensions", "coverage", "total", "final", "grade"),
    [
        ("healthy", HEALTHY, (), (92.1, 98.0, 100, 96.0, 100), 1.0, 96.1, 96, "A+"),
        (
            "one high",
            {**HEALTHY, "known_advisories": 50},
            (Flag("high", "1 high"),),
            (72.1, 98, 100, 96, 100),
            1.0,
            89.1,
            69,
            "C",
        ),
        (
            "one critical",
            {**HEALTHY, "known_advisories": 15},
            (Flag("critical", "1 critical"),),
            (58.1, 98, 100, 96, 100),
            1.0,
            84.2,
            45,
            "D",
        ),
        (
            "two medium and one low",
            {**HEALTHY, "known_advisories": 68.6375},
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
    result = compute_score(PACKAGES, measured(values, *flags))
    assert list(result.dimensions.values()) == pytest.approx(dimensions, abs=0.051), name
    assert result.coverage == pytest.approx(coverage, abs=0.006)
    assert result.total == pytest.approx(total, abs=0.051)
    assert result.value is not None
    assert round(result.value) == final
    assert result.grade == grade


def test_registry_dates_alone_are_too_little_for_a_number() -> None:
    result = compute_score(
        PACKAGES,
        measured(
            {"newness": 100, "last_release": 100, "release_cadence": 100, "install_code": 100, "name_confusion": 100}
        ),
    )
    assert result.value is None
    assert result.grade is None
    assert result.coverage < 0.40
    assert "insufficient data" in result.verdict


def test_without_an_advisory_source_the_score_is_provisional() -> None:
    values = {id_: value for id_, value in HEALTHY.items() if id_ != "known_advisories"}
    assert compute_score(PACKAGES, measured(values)).provisional
    assert not compute_score(PACKAGES, measured(HEALTHY)).provisional


@pytest.mark.parametrize(("further", "limit"), [(0, 69), (5, 49), (29, 30)])
def test_each_further_unknown_advisory_lowers_the_cap_by_four_down_to_thirty(further: int, limit: float) -> None:
    result = compute_score(PACKAGES, measured(HEALTHY, Flag("advisory", "advisories", further_count=further)))
    assert result.value == limit


def test_with_a_critical_advisory_the_cap_slides_down_to_twenty() -> None:
    assert compute_score(PACKAGES, measured(HEALTHY, Flag("critical", "many", further_count=30))).value == 20
