"""Earlier editions of a methodology, and what moved since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from nerq_cli.methodology.types import Methodology

_DIRECTORY = Path(__file__).parent


class Change(NamedTuple):
    """One number or text that differs between two editions."""

    #: ``signals.provenance.weight``
    key: str
    #: Empty if the earlier edition does not have it.
    before: str
    #: Empty if the later edition does not have it.
    after: str


def list_editions(target: str = "packages") -> tuple[str, ...]:
    """Return the versions of the earlier editions for a kind of target, oldest first."""
    return tuple(sorted(path.stem.removeprefix(f"{target}-") for path in _DIRECTORY.glob(f"{target}-*.json")))


def read_edition(version: str, target: str = "packages") -> dict[str, str]:
    """Return an earlier edition for a kind of target as `flatten` gives it.

    Raises:
        KeyError: there is no such edition.
    """
    if version not in list_editions(target):
        raise KeyError(version)
    values: dict[str, str] = json.loads((_DIRECTORY / f"{target}-{version}.json").read_text(encoding="utf-8"))
    return values


def flatten(methodology: Methodology) -> dict[str, str]:
    """Return every number of a methodology, and the conditions of its caps, by a key of dotted words."""
    return dict(_iter_values(methodology))


def _iter_values(methodology: Methodology) -> Iterator[tuple[str, str]]:
    for name, weight in methodology.dimensions.items():
        yield f"dimensions.{name}", f"{weight:g}"
    for spec in methodology.signals.values():
        key = f"signals.{spec.id}"
        yield f"{key}.weight", f"{spec.weight:g} of {spec.dimension}"
        yield from ((f"{key}.curve.{name}", str(curve)) for name, curve in spec.curves.items())
        yield from ((f"{key}.{name}", f"{value:g}") for name, value in spec.levels.items())
    for cap in methodology.caps.values():
        slide = f", {cap.step:g} less for each further advisory, not below {cap.floor:g}" if cap.step else ""
        yield f"caps.{cap.id}", f"{cap.limit:g}{slide}: {cap.condition}"
    for limit in methodology.limits.values():
        yield f"limits.{limit.id}", f"{limit.value:g} {limit.unit}"
    for name in ("threshold", "dimension_floor", "coverage_floor", "low_coverage", "range_low", "range_high"):
        yield name, f"{getattr(methodology, name):g}"
    for minimum, letter in methodology.grades:
        yield f"grades.{letter}", f"{minimum:g}"


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """Return what differs, in the order of the later edition, then what it no longer has."""
    keys = [*after, *(key for key in before if key not in after)]
    return tuple(
        Change(key, before.get(key, ""), after.get(key, "")) for key in keys if before.get(key) != after.get(key)
    )
