from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Location
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.report import wording
from nerq_cli.report.glyphs import ASCII_GLYPHS, UNICODE_GLYPHS
from nerq_cli.report.model import Assessment

Assess = Callable[..., Assessment]


def test_a_target_is_what_check_takes_quoted_for_a_shell(assess: Assess) -> None:
    assert wording.check_target(assess("pillow", "9.5.0").dependency) == "pypi:pillow==9.5.0"
    assert wording.check_target(assess("@scope/x", "1.0", ecosystem="npm").dependency) == "npm:@scope/x@1.0"
    assert wording.check_target(assess("x", None).dependency) == "pypi:x"
    assert wording.check_target(assess("x;reboot", None).dependency) == "'pypi:x;reboot'"


def test_a_label_tells_version_range_extras_and_where_it_matters_the_ecosystem(assess: Assess) -> None:
    pinned = assess("lodash", "1.0", ecosystem="npm").dependency
    assert wording.package_label(pinned) == "lodash 1.0"
    assert wording.package_label(replace(pinned, extras=("a", "b"))) == "lodash[a,b] 1.0"
    ranged = assess("x", "2.0", requirement=">=2").dependency
    assert wording.package_label(ranged) == "x 2.0 (range >=2)"
    assert wording.package_label(replace(ranged, requirement="")) == "x 2.0 (range any)"
    assert wording.package_label(assess("x", None, requirement=">=99").dependency) == "x (>=99)"
    assert wording.package_label(assess("x", None).dependency) == "x"


def test_the_first_place_is_named_and_the_others_counted() -> None:
    places = (Location(path="a", line=3), Location(path="b", line=0))
    assert wording.format_locations(places) == "a:3 +1"
    assert wording.format_locations(places[1:]) == "b"
    assert wording.format_locations(()) == ""


def test_a_number_says_whether_it_is_provisional_or_only_a_bound(assess: Assess) -> None:
    one = assess("x")
    assert one.score is not None
    assert wording.format_score(one, UNICODE_GLYPHS) == "94.4"
    assert wording.format_score(assess("x", advisories=None), UNICODE_GLYPHS) == "~93.8"
    assert wording.format_score(replace(one, score=replace(one.score, value=None)), UNICODE_GLYPHS) == ""
    assert wording.format_score(assess("x", None), UNICODE_GLYPHS) == ""
    yanked = assess("x", fields={"yanked": True})
    assert yanked.score is not None
    assert wording.format_score(replace(yanked, score=replace(yanked.score, value=None)), UNICODE_GLYPHS) == "≤50.0"


def test_a_way_out_is_told_in_pieces(assess: Assess) -> None:
    one = assess("x", fields={"yanked": True}, fix="wait a few days")
    way = Upgrade(version="3.0", value=60.0, grade="C", provisional=True, in_range=False, excluding_ranges="<3")
    out = replace(one, upgrade=way)
    assert wording.describe_fix(one, UNICODE_GLYPHS, 70.0) == ["wait a few days"]
    assert wording.describe_fix(assess("x"), UNICODE_GLYPHS, 70.0) == []
    assert wording.describe_fix(out, UNICODE_GLYPHS, 70.0) == ["3.0", "(50.0 → ~60.0)", "still below 70", "outside <3"]
    assert wording.describe_fix(out, ASCII_GLYPHS, 60.0) == ["3.0", "(50.0 -> ~60.0)", "outside <3"]
    unscored = replace(way, value=None, provisional=False, excluding_ranges="")
    assert wording.describe_fix(replace(one, upgrade=unscored), UNICODE_GLYPHS, 70.0) == ["3.0"]
    assert wording.score_change(one, UNICODE_GLYPHS) == ""


def test_the_newest_version_is_told_with_its_score(assess: Assess) -> None:
    one = assess("x")
    way = Upgrade(version="3.0", value=60.0, grade="C", provisional=False, in_range=False)
    assert wording.describe_latest(one) == ""
    assert wording.describe_latest(replace(one, latest_upgrade=way)) == "3.0 scores 60.0"
    assert wording.describe_latest(replace(one, latest_upgrade=replace(way, provisional=True))) == "3.0 scores ~60.0"
    assert wording.describe_latest(replace(one, latest_upgrade=replace(way, value=None))) == "3.0: no score"


def test_an_advisory_is_fixed_on_the_branch_in_use_and_newest_of_all(assess: Assess) -> None:
    it = assess("x", "1.26.5").dependency
    both = AffectingAdvisory(id="A", fixed_in=("1.26.18", "2.0.7"))
    assert wording.describe_fixed_versions(it, both) == "fixed in 1.26.18, newest fix 2.0.7"
    assert wording.describe_fixed_versions(it, AffectingAdvisory(id="A", fixed_in=("2.0.7", "1.0"))) == "fixed in 2.0.7"
    assert wording.describe_fixed_versions(it, AffectingAdvisory(id="A", fixed_in=("1.0",))) == "no fixed version named"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (59, "just fetched"),
        (60, "1 min old"),
        (7_199, "119 min old"),
        (7_200, "2 h old"),
        (172_799, "47 h old"),
        (172_800, "2 days old"),
    ],
)
def test_ages_are_told_in_whole_units(seconds: int, words: str) -> None:
    assert wording.format_age(seconds) == words


def test_a_moment_is_iso_8601_and_an_absurd_one_is_not_known() -> None:
    assert wording.format_timestamp(1_795_228_800) == "2026-11-21T02:40:00Z"
    assert wording.format_date(1_795_228_800) == "2026-11-21"
    assert [wording.format_timestamp(absurd) for absurd in (0, 10**18, -(10**18))] == ["", "", ""]
