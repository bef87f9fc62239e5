"""What is wrong beside scores: things no number could express, each of a named kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from nerq_cli.inventory import NPM, PYPI, Dependency, Drift, Ecosystem, Location, Package

FindingId: TypeAlias = Literal["not-in-registry", "lock-drift"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of finding, in the words for one of them and for several.

    ``heads`` stand above the findings of the kind, ``counted`` in the reason a run ends with, each after a number.
    ``remedy`` says what to do. ``fails`` says that no run passes with one; the others leave it incomplete.
    """

    heads: tuple[str, str]
    counted: tuple[str, str]
    remedy: str
    fails: bool = True


#: Every kind.
KINDS: Final[Mapping[FindingId, Kind]] = MappingProxyType(
    {
        "not-in-registry": Kind(
            heads=(
                "name that the registry does not know: anybody could register it",
                "names that the registry does not know: anybody could register them",
            ),
            counted=("name no public index knows", "names no public index knows"),
            remedy="correct it, or list it under private in [tool.nerq] if it is yours",
        ),
        "lock-drift": Kind(
            heads=(
                "dependency that its lock file no longer fits: what gets installed is open",
                "dependencies that their lock files no longer fit: what gets installed is open",
            ),
            counted=("dependency its lock file no longer fits", "dependencies their lock files no longer fit"),
            remedy="write the lock file anew",
            fails=False,
        ),
    }
)

_REGISTRIES: Final[dict[Ecosystem, str]] = {PYPI: "PyPI", NPM: "the npm registry"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found: its kind, a sentence, what it is about (package URL and name) and where that is written.

    ``purl`` and ``name`` are empty where it is about no single package.
    """

    id: FindingId
    text: str
    purl: str = ""
    name: str = ""
    locations: tuple[Location, ...] = ()


def unregistered(dependencies: Iterable[Dependency]) -> Iterator[Finding]:
    """Yield a finding for each package among these, all of which their registry was asked about and does not know."""
    places: dict[Package, dict[Location, None]] = {}
    for one in dependencies:
        places.setdefault(one.package, {}).update(dict.fromkeys(one.locations))
    for package, locations in places.items():
        yield Finding(
            id="not-in-registry",
            text=f"{_REGISTRIES[package.ecosystem]} has no package of this name",
            purl=package.purl,
            name=package.name,
            locations=tuple(locations),
        )


def drifted(drifts: Iterable[Drift]) -> Iterator[Finding]:
    """Yield a finding for each dependency that a lock file no longer fits."""
    for one in drifts:
        held = f"holds {', '.join(one.locked)}" if one.locked else "does not have it"
        yield Finding(
            id="lock-drift",
            text=f"{one.requirement or 'any version'} is asked for, and {one.lock} {held}",
            purl=one.package.purl,
            name=one.package.name,
            locations=(one.location,),
        )


def by_kind(findings: Iterable[Finding]) -> dict[FindingId, list[Finding]]:
    """Return the findings of each kind that occurs, in the order of the table."""
    grouped: dict[FindingId, list[Finding]] = {id_: [] for id_ in KINDS}
    for one in findings:
        grouped[one.id].append(one)
    return {id_: some for id_, some in grouped.items() if some}


def counted(findings: Iterable[Finding], *, failing: bool = True) -> list[str]:
    """Return how many there are of each kind that fails a run (or does not), in words: ``2 names no index knows``."""
    return [
        f"{len(some):,} {KINDS[id_].counted[len(some) > 1]}"
        for id_, some in by_kind(findings).items()
        if KINDS[id_].fails == failing
    ]
