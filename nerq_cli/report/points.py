"""Rounding that keeps its sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def adding_up(values: Iterable[float], digits: int) -> Iterator[float]:
    """Round numbers so that they still add up to their rounded sum.

    Each becomes the step its running sum takes once that is rounded, so errors of rounding do not pile up; none is
    off by more than one unit of the last digit.
    """
    exact = before = 0.0
    for value in values:
        exact += value
        after = round(exact, digits)
        yield round(after - before, digits)
        before = after
