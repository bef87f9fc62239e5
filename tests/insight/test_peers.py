"""How a score stands: places, pasts, and bands of percentiles."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from nerq_cli.insight import peers
from nerq_cli.insight.peers import (
    OutsideStanding,
    PastStanding,
    PeerTable,
    ProjectStanding,
    describe_place,
    stand_in_past,
    stand_in_project,
    stand_outside,
)
from nerq_cli.insight.snapshots import Snapshot
from nerq_cli.report.pages.peers import describe_outside, describe_past, describe_project

MADE = Snapshot(
    day=20_000,
    version="1.0",
    methodology="packages 2.0",
    value=80.0,
    low=75.0,
    high=85.0,
    total=80.0,
    grade="A",
    coverage=0.9,
    provisional=False,
    dimensions={},
    signals=(),
    caps=(),
)
DEEP = "Topic :: Software Development :: Testing"
TABLE = PeerTable(
    date="2026-11-29",
    methodology="packages 2.0",
    source="the registries alone",
    coverage=(0.5, 0.7),
    groups={
        "PyPI": {
            "Topic :: Software Development": tuple(map(float, range(100))),
            DEEP: tuple(map(float, range(60, 90))),
            f"{DEEP} :: Mocking": (50.0,) * 29,
            "http": (70.0,) * 40,
            "web": (70.0,) * 31,
        }
    },
)


@pytest.mark.parametrize(
    ("count", "lower", "equal", "place"),
    [
        (214, 2, 0, "third lowest of 214"),
        (214, 0, 0, "lowest of 214"),
        (214, 213, 0, "highest of 214"),
        (214, 211, 0, "third highest of 214"),
        (214, 20, 0, "21st lowest of 214"),
        (214, 10, 0, "11th lowest of 214"),
        (300, 110, 0, "111th lowest of 300"),
        (5, 0, 1, "lowest of 5, as one other"),
        (5, 0, 4, "lowest of 5, as 4 others"),
    ],
)
def test_a_place_in_words(count: int, lower: int, equal: int, place: str) -> None:
    standing = ProjectStanding(name="app", day=20_000, is_member=True, count=count, lower=lower, equal=equal)
    assert describe_place(standing) == place


def test_the_target_takes_the_place_of_the_version_in_use() -> None:
    scores = {"PyPI/a": 40.0, "PyPI/b": 50.0, "PyPI/c": 60.0}
    member = stand_in_project("app", 20_000, scores, "PyPI/c", 45.0)
    assert member is not None
    assert (member.is_member, member.count, member.lower) == (True, 3, 1)
    other = stand_in_project("app", 20_000, scores, "npm/c", 45.0)
    assert other is not None
    assert (other.is_member, other.count, other.lower) == (False, 4, 1)
    assert describe_project(other) == (
        "not a dependency; it would be the second lowest of 4 in app, scanned on 2024-10-04"
    )
    assert stand_in_project("app", 20_000, {"PyPI/c": 60.0}, "PyPI/c", 45.0) is None


def test_the_past_is_that_of_the_same_methodology() -> None:
    series = [
        replace(MADE, day=19_000, methodology="packages 1.0", value=10.0),
        replace(MADE, day=19_500, value=70.0),
        replace(MADE, day=19_600, value=None),
        replace(MADE, day=19_700, value=75.0),
        MADE,
    ]
    past = stand_in_past(series)
    assert past == PastStanding(first_day=19_500, last_day=19_700, count=2, lowest=70.0, highest=75.0, value=80.0)
    assert describe_past(past).startswith("80.0 is above all 2 earlier scores (70.0 to 75.0, ")
    assert stand_in_past([MADE]) is None
    assert stand_in_past([replace(MADE, day=19_000), replace(MADE, value=None)]) is None
    assert "is within the range of 2 earlier scores" in describe_past(replace(past, value=72.0))
    assert "is equal to the lowest of 2 earlier scores" in describe_past(replace(past, value=70.0))
    assert "is equal to the highest of 2 earlier scores" in describe_past(replace(past, value=75.0))
    assert "is equal to all 2 earlier scores" in describe_past(replace(past, value=70.0, highest=70.0))
    assert "is below all 2 earlier scores" in describe_past(replace(past, value=60.0))
    assert "is equal to the one earlier score" in describe_past(
        replace(past, count=1, value=70.0, lowest=70.0, highest=70.0)
    )


def test_other_packages_are_those_of_the_deepest_category_with_30_members() -> None:
    standing = stand_outside(TABLE, "PyPI", [f"{DEEP} :: Mocking", "http"], "packages 2.0", 65.0, 69.5)
    assert isinstance(standing, OutsideStanding)
    assert (standing.category, standing.count) == (DEEP, 30)
    assert (standing.above, standing.up_to) == (16, 34)  # 5 and 10 of 30
    text = describe_outside(standing)
    assert "between the percentiles 16 and 34 of 30 packages" in text
    assert "coverage 50% to 70%" in text
    keyword = stand_outside(TABLE, "PyPI", ["HTTP", "web"], "packages 2.0", 70.0, 70.0)
    assert isinstance(keyword, OutsideStanding)
    assert (keyword.category, keyword.above, keyword.up_to) == ("web", 0, 100)


@pytest.mark.parametrize(
    ("table", "categories", "methodology", "low", "reason"),
    [
        (None, [DEEP], "packages 2.0", 1.0, peers.NO_TABLE),
        (TABLE, [DEEP], "packages 3.0", 1.0, "has scores of the methodology packages 2.0"),
        (TABLE, [DEEP], "packages 2.0", None, "there is no score"),
        (TABLE, [], "packages 2.0", 1.0, "states no classifier"),
        (TABLE, ["unheard"], "packages 2.0", 1.0, "has 30 members in the table of 2026-11-29"),
    ],
)
def test_without_a_fitting_group_there_is_a_reason(
    table: PeerTable | None, categories: list[str], methodology: str, low: float | None, reason: str
) -> None:
    found = stand_outside(table, "PyPI", categories, methodology, low, 90.0)
    assert isinstance(found, str)
    assert reason in found
