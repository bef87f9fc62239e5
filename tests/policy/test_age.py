"""Durations and age rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.inventory import Location, Package
from nerq_cli.policy.age import (
    MAX_DURATION,
    AgeException,
    AgeRule,
    Availability,
    check_availability,
    format_duration,
    format_wait,
    parse_duration,
    suggest_override,
)
from nerq_cli.units import DAY, HOUR, MINUTE


@pytest.mark.parametrize(
    "text",
    [
        *("7d", "7D", "7 d", "7 days", " 7 day ", "P7D", "p7d", "P1W", "PT168H", "P6DT24H", "168h", "168 hours", "1w"),
        *("1 week", "6 days 24 hours", "6d24h", "6 days, 24 hours", "6 days and 24 hours", "10080 minutes", "10080m"),
        *("604800s", "604800 sec", "168 hrs", "7.0d", "P7,0D"),
    ],
)
def test_seven_days_in_every_spelling(text: str) -> None:
    assert parse_duration(text) == 7 * DAY


def test_a_bare_number_is_in_the_unit_of_the_tool() -> None:
    assert parse_duration(10080, "minutes") == parse_duration("10080", "minutes") == 7 * DAY
    assert parse_duration(604800, "seconds") == parse_duration(7, "days") == 7 * DAY
    assert parse_duration(1.5, "days") == parse_duration("1.5", "days") == 36 * HOUR
    assert parse_duration("7d", "minutes") == 7 * DAY
    assert parse_duration("90s") == 90
    assert parse_duration("0d") == parse_duration(0, "days") == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("7", "has no unit"),
        (7, "has no unit"),
        ("", "is not a duration"),
        ("P", "is not a duration|no fixed length"),
        ("PT", "is not a duration|no fixed length"),
        ("P7DT", "is not a duration|no fixed length"),
        ("-7d", "is not a duration"),
        (-7, "is not a duration of 0"),
        ("seven days", "is not a duration"),
        ("7 fortnights", "is not a duration"),
        ("7ss", "is not a duration"),
        ("7d-3h", "is not a duration"),
        ("3 months", "months and years have no fixed length"),
        ("1 year", "months and years have no fixed length"),
        ("P1M", "months and years have no fixed length"),
        ("P1Y", "months and years have no fixed length"),
        (float("nan"), "is not a duration of 0"),
        (float("inf"), "is not a duration of 0"),
        ("9" * 90 + "d", "is not a duration of 0"),
        ("9" * 1000 + "d", "is not a duration"),
        ("\N{ARABIC-INDIC DIGIT SEVEN}d", "is not a duration"),
        (True, "is not a duration"),
        (None, "is not a duration"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_reason(value: str | float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_duration(value, None if value in ("7", 7) else "days")


@given(st.integers(0, MAX_DURATION // DAY), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_words_and_iso_8601_mean_the_same(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = days * DAY + hours * HOUR + minutes * MINUTE + seconds
    if total <= MAX_DURATION:
        assert parse_duration(f"{days}d {hours}h {minutes}m {seconds}s") == total
        assert parse_duration(f"P{days}DT{hours}H{minutes}M{seconds}S") == total
        assert parse_duration(total, "seconds") == total


@given(st.text(max_size=120))
def test_any_text_gives_a_duration_in_range_or_a_reason(text: str) -> None:
    try:
        seconds = parse_duration(text, "minutes")
    except ValueError as error:
        assert "duration" in str(error) or "fixed length" in str(error)  # noqa: PT017
    else:
        assert 0 <= seconds <= MAX_DURATION


DEMO = Package(ecosystem=PYPI, name="demo")
NOW = 1_800_000_000
PLACE = Location(path="uv.toml", line=3)


def rule(tool: str = "uv", **fields: Any) -> AgeRule:
    defaults = {"ecosystem": PYPI, "setting": "exclude-newer", "value": "7 days", "location": PLACE}
    return AgeRule(tool=tool, **{**defaults, **fields})


def test_without_rules_there_is_no_word_about_ages() -> None:
    assert check_availability(DEMO, "1.0", NOW, NOW, ()) is None


def test_a_version_is_available_once_it_is_old_enough_for_every_rule() -> None:
    rules = (rule(seconds=3 * DAY), rule("pip", seconds=7 * DAY))
    young = check_availability(DEMO, "1.0", NOW - 2 * DAY, NOW, rules)
    assert young is not None
    assert (young.state, young.installable_at) == ("later", NOW + 5 * DAY)
    assert [one.tool for one in young.rules] == ["pip", "uv"]
    old = check_availability(DEMO, "1.0", NOW - 7 * DAY, NOW, rules)
    assert old is not None
    assert (old.state, old.rules) == ("now", ())


def test_a_fixed_date_never_ends() -> None:
    blocked = check_availability(DEMO, "1.0", NOW, NOW, (rule(before=NOW - DAY),))
    assert blocked is not None
    assert (blocked.state, blocked.installable_at) == ("never", 0)
    assert check_availability(DEMO, "1.0", NOW - 2 * DAY, NOW, (rule(before=NOW - DAY),)) == Availability(state="now")


def test_what_is_not_known_is_never_installable() -> None:
    for released_at, one in ((0, rule(seconds=DAY)), (NOW - 9 * DAY, rule(problem="no duration"))):
        unknown = check_availability(DEMO, "1.0", released_at, NOW, (one,))
        assert unknown is not None
        assert (unknown.state, unknown.rules) == ("unknown", (one,))
    exempt = rule(seconds=DAY, exceptions=(AgeException(pattern="demo"),))
    assert check_availability(DEMO, "1.0", 0, NOW, (exempt,)) == Availability(state="now")


def test_update_bots_let_security_fixes_through() -> None:
    bot = rule("Renovate", seconds=7 * DAY, is_bot=True)
    waiting = check_availability(DEMO, "1.0", NOW, NOW, (bot,))
    assert waiting is not None
    assert waiting.state == "later"
    assert check_availability(DEMO, "1.0", NOW, NOW, (bot,), is_fix=True) is None


TOOLS = ["uv", "pip", "Poetry", "PDM", "Pipenv", "npm", "pnpm", "Yarn", "Bun", "Deno", "Dependabot", "Renovate"]


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_has_a_line_that_lets_one_version_through(tool: str) -> None:
    text = suggest_override(rule(tool), DEMO, "1.2.3", NOW)
    assert "demo" in text
    assert "{name}" not in text


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_longer_age_never_makes_a_version_available_sooner(age: int, more: int) -> None:
    released_at = NOW - 10**8
    first = check_availability(DEMO, "1", released_at, NOW, (rule(seconds=age),))
    second = check_availability(DEMO, "1", released_at, NOW, (rule(seconds=age + more),))
    assert first is not None
    assert second is not None
    assert first.state == "now" or second.state == "later"
    assert second.installable_at >= first.installable_at


def test_ages_in_words() -> None:
    words = {7 * DAY: "7 days", HOUR: "1 hour", 36 * HOUR: "36 hours", 7 * MINUTE: "7 minutes", 1: "1 second"}
    assert {seconds: format_duration(seconds) for seconds in words} == words
    assert format_duration(DAY + 1) == "1.0 days"
    assert [format_wait(seconds) for seconds in (1, 2 * HOUR, 2 * DAY + 1)] == ["1 hour", "2 hours", "3 days"]


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("demo", ["demo"], ["demo-x", "Demo", "xdemo"]),
        ("acme-*", ["acme-", "acme-x"], ["acme", "x-acme-y"]),
        ("@acme/*", ["@acme/core"], ["@acme", "@other/core"]),
        ("*", ["demo"], ["@acme/core"]),
        ("**", ["demo", "@acme/core"], []),
        ("*-a*b*", ["x-ab", "-a1b2"], ["ab", "x-ba"]),
        ("*" + "a*" * 40 + "b", ["a" * 40 + "b"], ["a" * 200]),
    ],
)
def test_patterns_of_names(pattern: str, matching: list[str], other: list[str]) -> None:
    one = rule(seconds=DAY, ecosystem=NPM, exceptions=(AgeException(pattern=pattern),))
    for name in (*matching, *other):
        age, _ = one.find_age(Package(ecosystem=NPM, name=name), "1.0.0")
        assert age == (0 if name in matching else DAY), name
