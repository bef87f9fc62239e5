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
    "release_line": 100,
    **dict.fromkeys(("status", "last_release", "commits", "release_cadence", "version_lag"), 100),
    "closed_issues": 80,
    **dict.fromkeys(("readme", "links", "basics"), 100),
    **dict.fromkeys(("licence", "licence_terms", "disclosure_policy"), 100),
    "source_link": 80,
    **dict.fromkeys(("publishers", "adoption", "track_record"), 100),
}
FINISHED_SOLO: dict[str, float | str] = {
    "known_advisories": 100,
    "fix_record": NOT_APPLICABLE,
    "provenance": 50,
    "install_code": 100,
    "name_confusion": 100,
    "newness": 100,
    "release_line": 100,
    "status": 100,
    "last_release": 70,
    "commits": 70,
    "release_cadence": 70,
    "version_lag": 100,
    "readme": 71.4,
    "links": 30,
    "basics": 75,
    "licence": 100,
    "licence_terms": 100,
    "source_link": 80,
    "disclosure_policy": 40,
    "publishers": 75,
    "adoption": 78.2,
    "track_record": 75,
}
STALE: dict[str, float | str] = {
    "known_advisories": 42.5,
    "fix_record": 50,
    "provenance": 50,
    "install_code": 100,
    "name_confusion": 100,
    "newness": 100,
    "repository_hygiene": 48,
    "release_line": 30,
    "status": 100,
    "last_release": 14.04,
    "commits": 10,
    "release_cadence": 30,
    "version_lag": 40,
    "closed_issues": 20,
    "readme": 78.2,
    "links": 30,
    "basics": 50,
    "licence": 80,
    "licence_terms": 100,
    "source_link": 60,
    "disclosure_policy": 40,
    "publishers": 75,
    "adoption": 65.2,
    "track_record": 60,
}
LOOK_ALIKE: dict[str, float | str] = {
    "known_advisories": 100,
    "fix_record": NOT_APPLICABLE,
    "provenance": 50,
    "install_code": 15,
    "name_confusion": 15,
    "newness": 13.3,
    "release_line": 100,
    "status": 100,
    "last_release": 100,
    "release_cadence": 40,
    "version_lag": 100,
    "readme": 10,
    "links": 0,
    "basics": 25,
    "licence": 100,
    "licence_terms": 100,
    "source_link": 20,
    "publishers": 75,
    "track_record": 40,
}


# With everything known the weights of a dimension add up to 100. The healthy case:
#   security       38·100 + 6·100 + 8·50 + 10·100 + 6·100 + 9·100 + 11·85.5 + 12·100 = 9440.5 → 94.4
#   maintenance    15·100 + 22·100 + 22·100 + 8·100 + 8·80 + 25·100 = 9840 → 98.4
#   compliance     45·100 + 20·100 + 20·80 + 15·100 = 9600 → 96.0
#   total          (35·94.405 + 25·98.4 + 10·100 + 15·96 + 15·100) / 100 = 97.04
# The finished package of one account (fix record n.a., hygiene and issues unknown: 83 of 94 and 92 of 100 count):
#   security       (38·100 + 8·50 + 10·100 + 6·100 + 9·100 + 12·100) / 83 = 7900 / 83 = 95.2
#   maintenance    (15·100 + 22·70 + 22·70 + 8·70 + 25·100) / 92 = 7640 / 92 = 83.0
#   documentation  (40·71.4 + 30·30 + 30·75) / 100 = 60.1
#   compliance     (45·100 + 20·100 + 20·80 + 15·40) / 100 = 87.0
#   community      (15·75 + 55·78.2 + 30·75) / 100 = 76.8
#   coverage       (35·83/94 + 25·92/100 + 10 + 15 + 15) / 100 = 0.939
@pytest.mark.parametrize(
    ("name", "values", "flags", "dimensions", "coverage", "total", "final", "grade"),
    [
        ("healthy", HEALTHY, (), (94.4, 98.4, 100, 96, 100), 1.0, 97.0, 97, "A+"),
        (
            "one high",
            {**HEALTHY, "known_advisories": 50},
            (Flag("high", "why"),),
            (75.4, 98.4, 100, 96, 100),
            1.0,
            90.4,
            69,
            "C",
        ),
        (
            "one critical",
            {**HEALTHY, "known_advisories": 15},
            (Flag("critical", "why"),),
            (62.1, 98.4, 100, 96, 100),
            1.0,
            85.7,
            45,
            "D",
        ),
        (
            "two medium and one low",
            {**HEALTHY, "known_advisories": 68.6375},
            (Flag("medium", "why", further_count=1),),
            (82.5, 98.4, 100, 96, 100),
            1.0,
            92.9,
            71,
            "B",
        ),
        ("finished solo", FINISHED_SOLO, (), (95.2, 83.0, 60.1, 87.0, 76.8), 0.939, 84.6, 85, "A"),
        (
            "stale",
            STALE,
            (Flag("high-no-fix", "why", further_count=1),),
            (57.0, 34.3, 55.3, 74.0, 65.1),
            1.0,
            54.9,
            55,
            "D",
        ),
        (
            "look-alike",
            LOOK_ALIKE,
            (
                Flag("name-confusion", "why"),
                Flag("install-hook-new", "why"),
            ),
            (69.4, 93.1, 11.5, 81.2, 51.7),
            0.779,
            68.65,
            30,
            "E",
        ),
        (
            "eight years behind",
            {**HEALTHY, "version_lag": 0, "release_line": 30},
            (Flag("behind", "why"),),
            (86.0, 73.4, 100, 96, 100),
            1.0,
            87.85,
            79,
            "B",
        ),
        (
            "eight years behind, two medium",
            {**HEALTHY, "version_lag": 0, "release_line": 30, "known_advisories": 72.25},
            (
                Flag("outdated", "why"),
                Flag("medium", "why", further_count=1),
            ),
            (75.5, 73.4, 100, 96, 100),
            1.0,
            84.2,
            65,
            "C",
        ),
        ("new publisher", HEALTHY, (Flag("new-publisher", "why"),), (94.4, 98.4, 100, 96, 100), 1.0, 97.0, 60, "C"),
        (
            "two days old",
            {**HEALTHY, "newness": 40},
            (Flag("fresh", "why"),),
            (89.0, 98.4, 100, 96, 100),
            1.0,
            95.2,
            69,
            "C",
        ),
        (
            "deprecated version",
            {**HEALTHY, "status": 10},
            (Flag("deprecated-version", "why"),),
            (94.4, 84.9, 100, 96, 100),
            1.0,
            93.7,
            69,
            "C",
        ),
        (
            "inactive",
            {**HEALTHY, "status": 30},
            (Flag("inactive", "why"),),
            (94.4, 87.9, 100, 96, 100),
            1.0,
            94.4,
            55,
            "D",
        ),
        (
            "young installer",
            {**LOOK_ALIKE, "name_confusion": 100, "install_code": 40, "newness": 11},
            (
                Flag("young-installer", "why"),
                Flag("fresh", "why"),
            ),
            (78.3, 93.1, 11.5, 81.2, 51.7),
            0.779,
            71.8,
            60,
            "C",
        ),
        (
            "critical without a fix",
            {**HEALTHY, "known_advisories": 15},
            (Flag("critical-no-fix", "why"),),
            (62.1, 98.4, 100, 96, 100),
            1.0,
            85.7,
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
