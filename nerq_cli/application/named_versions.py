"""Versions that a registry does not list, as advisories name them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from nerq_cli.facts import Advisory, Fact, Found, PackageInfo
from nerq_cli.inventory import Package
from nerq_cli.signals.advisories import SEVERITIES
from nerq_cli.vulnerabilities.matching import list_fixed_versions, list_named_versions, match_advisories


class NamedVersions(msgspec.Struct, frozen=True):
    """Versions by package."""

    #: Affected and removed versions, in groups: malware first, then by the worst severity, then the others.
    by_severity: dict[Package, tuple[tuple[str, ...], ...]] = {}
    #: Versions that advisories name as affected or as fixes.
    real: dict[Package, tuple[str, ...]] = {}


def list_by_package(
    records: Mapping[Package, Found[tuple[Advisory, ...]]], package_infos: Mapping[Package, Fact[PackageInfo]]
) -> NamedVersions:
    """Return the versions that the records of packages name, with those that the registry removed."""
    named_versions = NamedVersions()
    for package, fact in records.items():
        info = package_infos.get(package)
        removed = info.value.removed if isinstance(info, Found) else ()
        affected = list_named_versions(fact.value, package)
        groups: dict[int, list[str]] = defaultdict(list)
        for version in dict.fromkeys((*affected, *removed)):
            groups[_rank_version(fact.value, package, version)].append(version)
        named_versions.by_severity[package] = tuple(tuple(groups[rank]) for rank in sorted(groups, reverse=True))
        named_versions.real[package] = (*affected, *list_fixed_versions(fact.value, package))
    return named_versions


def _rank_version(advisories: tuple[Advisory, ...], package: Package, version: str) -> int:
    """Return the rank of the worst advisory that affects a version; -1 without one."""
    affecting = match_advisories(advisories, package, version)
    ranks = (len(SEVERITIES) if one.malware else SEVERITIES.index(one.severity) for one in affecting)
    return max(ranks, default=-1)
