"""Which versions are worth scoring for one below the threshold, and which of them is the way out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, get_ecosystem
from nerq_cli.facts import (
    DEPRECATED,
    EMPTY,
    PRERELEASE,
    WHEEL,
    YANKED,
    AffectingAdvisory,
    Evidence,
    Found,
    PackageInfo,
    Unknown,
)
from nerq_cli.inventory import Dependency, Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import State
from nerq_cli.policy.upgrade import Upgrade, choose, describe, find_candidates
from nerq_cli.scoring import Breakdown, Score


def dependency(version: str | None, requirement: str = "", ecosystem: EcosystemId = PYPI) -> Dependency:
    return Dependency(
        package=Package(ecosystem=ecosystem, name="demo"),
        requirement=requirement,
        version=version,
        resolution="range",
        direct=True,
        groups=(),
        locations=(),
    )


def project(*listed: str, **flags: int) -> PackageInfo:
    """Versions newest first; those with flags are named ``v1_5`` for 1.5."""
    marks = {name.removeprefix("v").replace("_", "."): value for name, value in flags.items()}
    return PackageInfo(
        name="demo",
        versions=listed,
        published=tuple(range(len(listed), 0, -1)),
        flags=tuple(marks.get(version, WHEEL) for version in listed),
    )


def hole(*fixed: str, id_: str = "A", aliases: tuple[str, ...] = ()) -> AffectingAdvisory:
    return AffectingAdvisory(id=id_, fixed_in=fixed, aliases=aliases)


def found(
    version: str | None,
    requirement: str,
    listing: PackageInfo,
    *holes: AffectingAdvisory,
    ecosystem: EcosystemId = PYPI,
    python: str = "",
) -> tuple[str, ...]:
    return find_candidates(dependency(version, requirement, ecosystem), listing, holes, python=python)


# --- candidates


ALL = project("3.0", "2.5", "2.2", "2.1", "2.0", "1.0")


@pytest.mark.parametrize(
    ("requirement", "holes", "expected"),
    [
        ("", [hole("2.2")], ("2.2", "3.0")),
        ("", [], ("3.0",)),
        ("==2.0", [hole("2.2")], ("2.2", "3.0")),
        ("==2.0", [], ("3.0",)),
        (">=2,<3", [hole("2.1")], ("2.1", "2.5", "3.0")),
        (">=2,<2.2", [hole("2.2")], ("2.1", "2.2", "3.0")),
        (">=2,<3 · !=2.5", [], ("2.2", "3.0")),
        (">=2,<2.1", [], ("3.0",)),
        ("", [hole("2.1"), hole("2.2", "3.0"), hole()], ("2.2", "3.0")),
        ("", [hole("9.0")], ("3.0",)),
        ("", [hole("2.3")], ("2.5", "3.0")),
        ("", [hole("junk")], ("3.0",)),
    ],
)
def test_the_smallest_step_comes_first_and_what_the_range_admits_before_the_rest(
    requirement: str, holes: list[AffectingAdvisory], expected: tuple[str, ...]
) -> None:
    assert found("2.0", requirement, ALL, *holes) == expected


def test_npm_ranges_are_read_as_npm_reads_them() -> None:
    listing = project("5.0.0", "4.17.21", "4.17.20", "4.17.15")
    assert found("4.17.15", "^4.17.0", listing, hole("4.17.20"), ecosystem=NPM) == ("4.17.20", "4.17.21", "5.0.0")
    assert found("4.17.15", "4.17.15", listing, ecosystem=NPM) == ("5.0.0",)


def test_nobody_is_sent_to_a_version_that_is_yanked_empty_deprecated_or_not_final() -> None:
    listing = project(
        "3.0", "2.9rc1", "2.5", "2.4", "2.0", v3_0=YANKED, v2_9rc1=PRERELEASE, v2_5=EMPTY, v2_4=WHEEL | DEPRECATED
    )
    assert found("2.0", "", listing, hole("2.4")) == ()
    assert found("2.0", "", project("2.9rc1", "2.0"), hole("2.9rc1")) == ()


def test_there_is_no_way_out_of_the_newest_version_or_of_none() -> None:
    assert found("3.0", "", ALL, hole("2.2")) == ()
    assert found(None, ">=9", ALL) == ()


def test_every_version_is_newer_than_what_is_no_version() -> None:
    assert found("2004-spring", "", ALL) == ("3.0",)


def test_a_fix_counts_where_not_all_versions_are_listed() -> None:
    some = PackageInfo(name="demo", versions=("2.0", "1.0"), published=(2, 1), flags=(WHEEL, WHEEL), partial=True)
    assert found("1.0", "", some, hole("1.5")) == ("1.5", "2.0")
    assert found("2.0", "", some, hole("2.1")) == ("2.1",)
    assert found("2.0", "", some, hole("2.1rc1")) == ()
    assert found("1.0", "", some, hole("2.0")) == ("2.0",)


def test_a_version_that_this_python_cannot_run_is_no_way_out_unless_the_one_in_use_cannot_either() -> None:
    listing = PackageInfo(
        name="demo",
        versions=("3.0", "2.0", "1.0"),
        published=(3, 2, 1),
        flags=(WHEEL,) * 3,
        interpreter_indexes=(0, 1, -1),
        interpreters=(">=3.14", ">=3.9"),
    )
    assert found("1.0", "", listing, python="3.11.4") == ("2.0",)
    assert found("1.0", "", listing) == ("3.0",)
    assert found("2.0", "", listing, python="3.8.1") == ("3.0",)
    assert found("0.9", "", listing, python="3.11.4") == ("2.0",)


NUMBERS = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda pair: f"{pair[0]}.{pair[1]}")
LISTED = st.lists(
    st.tuples(NUMBERS, st.sampled_from([WHEEL, YANKED, PRERELEASE, EMPTY, DEPRECATED])),
    min_size=1,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: dict(sorted(pairs, key=lambda pair: tuple(map(int, pair[0].split("."))), reverse=True)))


@given(LISTED, NUMBERS, st.lists(st.lists(NUMBERS, max_size=3), max_size=3), st.sampled_from(["", ">=1,<3", "==1.1"]))
def test_every_candidate_is_listed_final_newer_and_worth_going_to(
    listed: dict[str, int], version: str, fixes: list[list[str]], requirement: str
) -> None:
    listing = PackageInfo(
        name="demo", versions=tuple(listed), published=tuple(1 for _ in listed), flags=tuple(listed.values())
    )
    ways = found(version, requirement, listing, *(hole(*some) for some in fixes))
    assert len(ways) == len(set(ways)) <= 3
    assert all(listed[way] == WHEEL for way in ways)
    assert all(get_ecosystem(PYPI).sort_newest_first([way, version])[0] == way != version for way in ways)
    within = [get_ecosystem(PYPI).satisfies(requirement, way) for way in ways]
    assert within == sorted(within, reverse=True)


# --- alternatives


def scored(value: float | None, *, provisional: bool = False) -> Score:
    return Score(
        methodology=PACKAGES,
        value=value,
        total=value,
        grade="B",
        coverage=1.0,
        low=None,
        high=None,
        caps=(),
        reason_texts=(),
        breakdown=Breakdown(signals=(), dimensions={}, points_per_weight={}, reasons=()),
        provisional=provisional,
    )


def test_an_alternative_is_rid_of_what_is_not_said_of_it() -> None:
    here = (hole("2.1", id_="A", aliases=("CVE-1",)), hole(id_="B"), hole("9.0", id_="C"))
    there = Evidence(advisories=Found((hole(id_="X", aliases=("CVE-1",)), hole(id_="C")), "OSV", 1))
    made = describe(
        dependency("2.0", ">=2,<2.5 · ==2.0 · >=1"),
        "2.5",
        score=scored(88.0),
        state="ok",
        advisories=here,
        evidence=there,
    )
    assert made.fixed_advisories == ("B",)
    assert (made.value, made.grade, made.provisional, made.passes) == (88.0, "B", False, True)
    assert (made.in_range, made.excluding_ranges) == (False, ">=2,<2.5")


def test_where_nobody_speaks_of_the_alternative_its_fixes_are_those_that_advisories_name() -> None:
    here = (hole("2.1", id_="A"), hole(id_="B"), hole("9.0", id_="C"), hole("1.5", id_="D"))
    made = describe(
        dependency("2.0", ">=2"),
        "2.5",
        score=None,
        state="unknown",
        advisories=here,
        evidence=Evidence(advisories=Unknown("not in the cache")),
    )
    assert made.fixed_advisories == ("A",)
    assert (made.value, made.grade, made.provisional, made.in_range, made.excluding_ranges) == (
        None,
        None,
        False,
        True,
        "",
    )


@pytest.mark.parametrize(
    ("state", "value", "uncertain"),
    [("ok", 88.0, False), ("unknown", 88.0, True), ("below", 50.0, False), ("unknown", None, False)],
)
def test_an_alternative_that_may_yet_fail_is_uncertain(state: State, value: float | None, *, uncertain: bool) -> None:
    score = None if value is None else scored(value)
    made = describe(dependency("2.0", ">=2"), "2.5", score=score, state=state, advisories=(), evidence=Evidence())
    assert (made.passes, made.uncertain) == (state == "ok", uncertain)


# --- the choice


def way(version: str, value: float | None, *, clears: bool = False, fixes: tuple[str, ...] = ()) -> Upgrade:
    return Upgrade(
        version=version,
        value=value,
        grade=None,
        provisional=False,
        in_range=True,
        passes=clears,
        fixed_advisories=fixes,
    )


@pytest.mark.parametrize(
    ("current", "ranked", "version"),
    [
        (45.0, [way("1", 60.0), way("2", 91.0, clears=True), way("3", 99.0, clears=True)], "2"),
        (45.0, [way("1", 60.0), way("2", 65.0), way("3", 50.0)], "2"),
        (45.0, [way("1", 84.0), way("2", 91.0)], "1"),
        (45.0, [way("1", 40.0), way("2", 45.0)], None),
        (45.0, [way("1", None, fixes=("A",)), way("2", 50.0)], "2"),
        (45.0, [way("1", None), way("2", None, fixes=("A",))], "2"),
        (45.0, [way("1", None)], None),
        (None, [way("1", 10.0)], "1"),
        (45.0, [], None),
    ],
)
def test_the_smallest_step_that_clears_is_chosen_else_what_helps_most(
    current: float | None, ranked: list[Upgrade], version: str | None
) -> None:
    chosen = choose(current, ranked, 70.0)
    assert (chosen and chosen.version) == version
