"""Rounding that keeps its sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def round_to_sum(values: Iterable[float], digits: int) -> Iterator[float]:
    """Yield the numbers rounded so that they add up to their rounded sum.

    Each is the difference of two rounded running sums, hence within one unit of the last digit.
    """
    running_sum = previous_sum = 0.0
    for value in values:
        running_sum += value
        rounded_sum = round(running_sum, digits)
        yield round(rounded_sum - previous_sum, digits)
        previous_sum = rounded_sum
