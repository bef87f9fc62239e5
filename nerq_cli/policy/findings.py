"""Findings: problems of a dependency that its score does not express, each of a named kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.inventory import Dependency, Drift, Location, Package

FindingId: TypeAlias = Literal["not-in-registry", "lock-drift"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind:
    """A kind of finding."""

    #: Heading above the findings, after their number: singular and plural.
    headings: tuple[str, str]
    #: Reason of the exit status, after a number: singular and plural.
    count_phrases: tuple[str, str]
    #: What to do.
    hint: str
    #: Whether a finding fails the run; otherwise the run is incomplete.
    fails: bool = True


#: The kinds of findings by id.
KINDS: Final[Mapping[FindingId, FindingKind]] = MappingProxyType(
    {
        "not-in-registry": FindingKind(
            headings=(
                "name that the registry does not know: anybody could register it",
                "names that the registry does not know: anybody could register them",
            ),
            count_phrases=("name no public index knows", "names no public index knows"),
            hint="correct it, or list it under private in [tool.nerq] if it is yours",
        ),
        "lock-drift": FindingKind(
            headings=(
                "dependency that its lock file no longer fits: what gets installed is open",
                "dependencies that their lock files no longer fit: what gets installed is open",
            ),
            count_phrases=("dependency its lock file no longer fits", "dependencies their lock files no longer fit"),
            hint="write the lock file anew",
            fails=False,
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding."""

    id: FindingId
    text: str
    #: Package URL and name; empty if the finding concerns no single package.
    purl: str = ""
    name: str = ""
    locations: tuple[Location, ...] = ()


def find_unregistered(dependencies: Iterable[Dependency]) -> Iterator[Finding]:
    """Yield a finding for each package of these dependencies, none of which is on its registry."""
    locations_by_package: dict[Package, dict[Location, None]] = {}
    for dependency in dependencies:
        locations_by_package.setdefault(dependency.package, {}).update(dict.fromkeys(dependency.locations))
    for package, locations in locations_by_package.items():
        yield Finding(
            id="not-in-registry",
            text=f"{get_ecosystem(package.ecosystem).registry_name} has no package of this name",
            purl=package.purl,
            name=package.name,
            locations=tuple(locations),
        )


def find_drift(drifts: Iterable[Drift]) -> Iterator[Finding]:
    """Yield a finding for each declaration that its lock file does not satisfy."""
    for drift in drifts:
        lockfile_content = f"holds {', '.join(drift.locked_versions)}" if drift.locked_versions else "does not have it"
        yield Finding(
            id="lock-drift",
            text=f"{drift.requirement or 'any version'} is asked for, and {drift.lockfile} {lockfile_content}",
            purl=drift.package.purl,
            name=drift.package.name,
            locations=(drift.location,),
        )


def group_by_kind(findings: Iterable[Finding]) -> dict[FindingId, list[Finding]]:
    """Return the findings of each kind that occurs, in the order of the table."""
    grouped: dict[FindingId, list[Finding]] = {id_: [] for id_ in KINDS}
    for finding in findings:
        grouped[finding.id].append(finding)
    return {id_: group for id_, group in grouped.items() if group}


def describe_counts(findings: Iterable[Finding], *, failing: bool = True) -> list[str]:
    """Return the number of findings of each kind that fails a run (or does not), as phrases."""
    return [
        f"{len(group):,} {KINDS[id_].count_phrases[len(group) > 1]}"
        for id_, group in group_by_kind(findings).items()
        if KINDS[id_].fails == failing
    ]
