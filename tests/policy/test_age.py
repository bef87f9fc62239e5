"""Durations and age rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.policy.age import MAX_DURATION, parse_duration
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
