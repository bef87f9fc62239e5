from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nerq_cli.facts import Vulnerability
from nerq_cli.inventory import Location
from nerq_cli.policy.way_out import Alternative
from nerq_cli.report import phrases
from nerq_cli.report.layout import ASCII, UNICODE
from nerq_cli.report.model import Assessed

Assess = Callable[..., Assessed]


def test_a_target_is_what_check_takes_quoted_for_a_shell(assess: Assess) -> None:
    assert phrases.target(assess("pillow", "9.5.0").dependency) == "pypi:pillow==9.5.0"
    assert phrases.target(assess("@scope/x", "1.0", ecosystem="npm").dependency) == "npm:@scope/x@1.0"
    assert phrases.target(assess("x", None).dependency) == "pypi:x"
    assert phrases.target(assess("x;reboot", None).dependency) == "'pypi:x;reboot'"


def test_a_label_tells_version_range_extras_and_where_it_matters_the_ecosystem(assess: Assess) -> None:
    pinned = assess("lodash", "1.0", ecosystem="npm").dependency
    assert phrases.label(pinned, mixed=False) == "lodash 1.0"
    assert phrases.label(pinned, mixed=True) == "npm:lodash 1.0"
    assert phrases.label(replace(pinned, extras=("a", "b")), mixed=False) == "lodash[a,b] 1.0"
    ranged = assess("x", "2.0", requirement=">=2").dependency
    assert phrases.label(ranged, mixed=True) == "x 2.0 (range >=2)"
    assert phrases.label(replace(ranged, requirement=""), mixed=True) == "x 2.0 (range any)"
    assert phrases.label(assess("x", None, requirement=">=99").dependency, mixed=True) == "x (>=99)"
    assert phrases.label(assess("x", None).dependency, mixed=True) == "x"


def test_the_first_place_is_named_and_the_others_counted() -> None:
    places = (Location(path="a", line=3), Location(path="b", line=0))
    assert phrases.where(places) == "a:3 +1"
    assert phrases.where(places[1:]) == "b"
    assert phrases.where(()) == ""


def test_a_number_says_whether_it_is_provisional_or_only_a_bound(assess: Assess) -> None:
    one = assess("x")
    assert one.score is not None
    assert phrases.number(one, UNICODE) == "97.3"
    assert phrases.number(assess("x", advisories=None), UNICODE) == "~97.3"
    assert phrases.number(replace(one, score=replace(one.score, value=None)), UNICODE) == ""
    assert phrases.number(assess("x", None), UNICODE) == ""
    yanked = assess("x", fields={"yanked": True})
    assert yanked.score is not None
    assert phrases.number(replace(yanked, score=replace(yanked.score, value=None)), UNICODE) == "≤50.0"


def test_a_way_out_is_told_in_pieces(assess: Assess) -> None:
    one = assess("x", fields={"yanked": True}, fix="wait a few days")
    way = Alternative(version="3.0", value=60.0, grade="C", provisional=True, in_range=False, outside="<3")
    out = replace(one, way_out=way)
    assert phrases.fix(one, UNICODE, 70.0) == ["wait a few days"]
    assert phrases.fix(assess("x"), UNICODE, 70.0) == []
    assert phrases.fix(out, UNICODE, 70.0) == ["3.0", "(50.0 → ~60.0)", "still below 70", "outside <3"]
    assert phrases.fix(out, ASCII, 60.0) == ["3.0", "(50.0 -> ~60.0)", "outside <3"]
    unscored = replace(way, value=None, provisional=False, outside="")
    assert phrases.fix(replace(one, way_out=unscored), UNICODE, 70.0) == ["3.0"]
    assert phrases.gain(one, UNICODE) == ""


def test_the_newest_version_is_told_with_its_score(assess: Assess) -> None:
    one = assess("x")
    way = Alternative(version="3.0", value=60.0, grade="C", provisional=False, in_range=False)
    assert phrases.latest(one) == ""
    assert phrases.latest(replace(one, latest_scored=way)) == "3.0 scores 60.0"
    assert phrases.latest(replace(one, latest_scored=replace(way, provisional=True))) == "3.0 scores ~60.0"
    assert phrases.latest(replace(one, latest_scored=replace(way, value=None))) == "3.0: no score"


def test_an_advisory_is_fixed_on_the_branch_in_use_and_newest_of_all(assess: Assess) -> None:
    it = assess("x", "1.26.5").dependency
    both = Vulnerability(id="A", fixed_in=("1.26.18", "2.0.7"))
    assert phrases.fixed(it, both) == "fixed in 1.26.18, newest fix 2.0.7"
    assert phrases.fixed(it, Vulnerability(id="A", fixed_in=("2.0.7", "1.0"))) == "fixed in 2.0.7"
    assert phrases.fixed(it, Vulnerability(id="A", fixed_in=("1.0",))) == "no fix known"


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
    assert phrases.age(seconds) == words


def test_a_moment_is_iso_8601_and_an_absurd_one_is_not_known() -> None:
    assert phrases.moment(1_795_228_800) == "2026-11-21T02:40:00Z"
    assert phrases.day(1_795_228_800) == "2026-11-21"
    assert [phrases.moment(absurd) for absurd in (0, 10**18, -(10**18))] == ["", "", ""]
