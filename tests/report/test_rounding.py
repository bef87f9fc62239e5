from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.report.rounding import round_number, round_to_sum

VALUES = st.lists(st.floats(0, 100), max_size=40)


@given(VALUES, st.integers(0, 3))
def test_what_is_rounded_adds_up_to_the_rounded_sum(values: list[float], digits: int) -> None:
    assert math.isclose(sum(round_to_sum(values, digits)), round(sum(values), digits), abs_tol=1e-6)


@given(VALUES, st.integers(0, 3))
def test_no_number_is_off_by_more_than_one_unit_of_the_last_digit(values: list[float], digits: int) -> None:
    unit = 10.0**-digits
    assert all(abs(a - b) <= unit + 1e-9 for a, b in zip(round_to_sum(values, digits), values, strict=True))


def test_nothing_stays_nothing() -> None:
    assert [str(value) for value in round_to_sum([0.1, 0.0, 0.2, 0.0], 2)] == ["0.1", "0.0", "0.2", "0.0"]


@given(st.lists(st.floats(0, 100) | st.sampled_from([0.005, 0.015, 0.125, 1.005, 2.675, 0.0]), max_size=40))
def test_numbers_are_those_of_decimal_rounding(values: list[float]) -> None:
    running_sum = previous_sum = 0.0
    expected = []
    for value in values:
        running_sum += value
        rounded_sum = round(running_sum, 2)
        expected.append(round(rounded_sum - previous_sum, 2))
        previous_sum = rounded_sum
    assert list(round_to_sum(values, 2)) == expected


def test_a_whole_number_and_an_equal_float_are_written_alike() -> None:
    assert [str(round_number(value, 1)) for value in (47, 47.0)] == ["47.0", "47.0"]
    assert [str(round_number(value, 1)) for value in (48.0, 48)] == ["48.0", "48.0"]
