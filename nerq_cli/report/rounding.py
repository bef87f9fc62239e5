"""Rounding that keeps its sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def round_to_sum(values: Iterable[float], digits: int) -> Iterator[float]:
    """Round numbers so that they still add up to their rounded sum.

    Each becomes the step its running sum takes once that is rounded, so errors of rounding do not pile up; none is
    off by more than one unit of the last digit.
    """
    running_sum = previous_sum = 0.0
    for value in values:
        running_sum += value
        rounded_sum = round(running_sum, digits)
        yield round(rounded_sum - previous_sum, digits)
        previous_sum = rounded_sum
