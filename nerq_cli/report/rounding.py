"""Rounding that keeps its sums, and rounding of many alike numbers. ``round`` to digits takes a microsecond."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

#: Distance from the nearest integer from which a scaled number may be halfway between two: ``round`` decides then.
_HALFWAY: Final = 0.499_999


@lru_cache(maxsize=4096)
def round_number(value: float, digits: int) -> float:
    """Return ``round(value, digits)``; the numbers of a report are few.

    The result is a float for a whole number, too: 30 and 30.0 are one key of the cache and two texts of JSON.
    """
    return round(float(value), digits)


def round_to_sum(values: Iterable[float], digits: int) -> Iterator[float]:
    """Yield the numbers rounded so that they add up to their rounded sum.

    Each is the difference of two rounded running sums, hence within one unit of the last digit.
    """
    running_sum, previous_units = 0.0, 0
    scale: int = 10**digits
    for value in values:
        running_sum += value
        scaled = running_sum * scale
        units = round(scaled)
        if abs(scaled - units) > _HALFWAY:
            units = round(round(running_sum, digits) * scale)
        yield (units - previous_units) / scale
        previous_units = units
