from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nerq_cli.inventory import Location
from nerq_cli.report import phrases
from nerq_cli.report.layout import UNICODE
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
