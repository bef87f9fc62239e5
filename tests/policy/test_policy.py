"""From scores to states, and what fixes a dependency."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.facts import WHEEL, YANKED, AffectingAdvisory, PackageInfo
from nerq_cli.inventory import Dependency, Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import State, judge_dependency
from nerq_cli.policy.fix import find_fixing_version, find_newer_fixes, suggest_fix
from nerq_cli.scoring import Breakdown, Cap, Score

DEMO = Package(ecosystem=PYPI, name="demo")


def dependency(skip: str = "", version: str | None = "1.0") -> Dependency:
    return Dependency(
        package=DEMO,
        requirement="",
        version=version,
        resolution="pinned",
        direct=True,
        groups=(),
        locations=(),
        skip_reason=skip,
    )


def scored(value: float | None, *caps: tuple[str, float], provisional: bool = False) -> Score:
    return Score(
        methodology=PACKAGES,
        value=value,
        total=value,
        grade=None,
        coverage=1.0,
        low=None,
        high=None,
        caps=tuple(Cap(id=id_, limit=limit, reason="", source="", retrieved_at=0) for id_, limit in caps),
        reason_texts=(),
        breakdown=Breakdown(signals=(), dimensions={}, points_per_weight={}, reasons=()),
        provisional=provisional,
    )


@pytest.mark.parametrize(
    ("score", "state"),
    [
        (scored(70.0), "ok"),
        (scored(69.9), "below"),
        (scored(None), "unknown"),
        (None, "unknown"),
        (scored(84.0, provisional=True), "unknown"),
        (scored(50.0, provisional=True), "below"),
        (scored(None, ("critical-no-fix", 30)), "below"),
        (scored(None, ("low", 89)), "unknown"),
    ],
)
def test_a_score_leads_to_a_state(score: Score | None, state: State) -> None:
    assert judge_dependency(dependency(), score, 70.0) == state


def test_what_is_left_out_on_purpose_is_skipped_whatever_its_score() -> None:
    assert judge_dependency(dependency(skip="local path"), scored(10.0), 70.0) == "skipped"


def hole(*fixed: str) -> AffectingAdvisory:
    return AffectingAdvisory(id="X", fixed_in=fixed)


def test_the_fix_is_the_smallest_version_that_clears_every_advisory_with_a_fix() -> None:
    assert find_fixing_version(PYPI, "1.0", [hole("1.2", "2.0"), hole("1.5", "0.9"), hole()]) == "1.5"
    assert find_fixing_version(NPM, "1.0.0", [hole("1.0.0", "0.9.0")]) == ""
    assert find_fixing_version(PYPI, "1.0", []) == ""


def test_a_version_to_leave_has_a_way_out_where_one_is_known() -> None:
    project = PackageInfo(name="demo", versions=("2.0", "1.0"), published=(2, 1), flags=(WHEEL, WHEEL | YANKED))
    assert suggest_fix(dependency(), scored(50.0, ("yanked", 50)), project, ()) == "2.0"
    assert suggest_fix(dependency(), scored(50.0, ("python-eol", 50)), project, ()) == "2.0"
    assert suggest_fix(dependency(), scored(55.0, ("deprecated", 55)), project, ()) == ""
    assert suggest_fix(dependency(), scored(69.0, ("fresh", 69)), project, ()) == "wait a few days"
    assert suggest_fix(dependency(), scored(69.0, ("high", 69)), project, [hole("1.1")]) == "1.1"
    assert suggest_fix(dependency(version=None), scored(50.0), project, ()) == ""
    assert suggest_fix(dependency(), None, project, ()) == ""


def test_the_fixes_of_an_advisory_are_the_nearest_above_and_the_newest() -> None:
    assert find_newer_fixes(PYPI, "1.26.5", hole("2.0.7", "1.26.18")) == ("1.26.18", "2.0.7")
    assert find_newer_fixes(PYPI, "2.0.1", hole("2.0.7", "1.26.18")) == ("2.0.7",)
    assert find_newer_fixes(PYPI, "1.0", hole("1.1", "1.1.0")) == ("1.1",)
    assert find_newer_fixes(NPM, "3.0.0", hole("2.0.7")) == ()
    assert find_newer_fixes(NPM, "3.0.0", hole()) == ()


@pytest.mark.parametrize(
    ("low", "value", "high", "state"),
    [
        (70.0, 84.0, 90.0, "ok"),
        (69.9, 84.0, 90.0, "unknown"),
        (50.0, 60.0, 70.0, "unknown"),
        (50.0, 60.0, 69.9, "below"),
    ],
)
def test_the_range_of_a_score_decides_its_state(low: float, value: float, high: float, state: State) -> None:
    score = replace(scored(value), low=low, high=high)
    assert judge_dependency(dependency(), score, 70.0) == state
    assert judge_dependency(dependency(), replace(score, provisional=True), 70.0) in ("unknown", state)
