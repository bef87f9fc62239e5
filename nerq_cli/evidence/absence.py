"""Decide whether an index that has none of the requested packages can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from nerq_cli.evidence.registry_lookup import PackageFacts, RegistryLookup
from nerq_cli.facts import Absent, Fact, PackageInfo, Unknown
from nerq_cli.inventory import Package
from nerq_cli.sources.popularity import ranks

_LISTED_REASON: Final = "not on this index, though it is one of the most used packages"
#: The package may still be private: its name is sent to no service.
EMPTY_REASON: Final = "this index has none of the most used packages either"


def doubt_absences(registries: RegistryLookup, registry_facts: PackageFacts) -> PackageFacts:
    """Return the facts, with Unknown for packages whose absence says nothing about the package.

    That is one of the most used packages, which exists whatever an index answers, and every package of an index that
    has none of those requested and not the most used one either. The latter is requested for this only.
    """
    reasons = {
        package: _LISTED_REASON
        for package, fact in registry_facts.package_info.items()
        if isinstance(fact, Absent) and ranks.is_listed(package)
    }
    for endpoint, packages in registries.group_by_endpoint(sorted(registry_facts.package_info)):
        facts = [registry_facts.package_info[package] for package in packages]
        if not all(isinstance(fact, Absent) for fact in facts):
            continue
        probe = Package(ecosystem=packages[0].ecosystem, name=ranks.get_most_used(packages[0].ecosystem))
        if registries.find_endpoint(probe) != endpoint:
            continue  # the registry of a scope: it need not have any public package
        if probe in packages or isinstance(registries.fetch_packages([probe]).package_info[probe], Absent):
            reasons = {**dict.fromkeys(packages, EMPTY_REASON), **reasons}
    return _replace_absences(registry_facts, reasons) if reasons else registry_facts


def may_be_private(fact: Fact[PackageInfo]) -> bool:
    """Return whether a registry has answered, and does not have the package."""
    return isinstance(fact, Absent) or (isinstance(fact, Unknown) and fact.reason == EMPTY_REASON)


def _replace_absences(registry_facts: PackageFacts, reasons: Mapping[Package, str]) -> PackageFacts:
    def doubt(facts: Mapping[Package, Fact[Any]]) -> dict[Package, Fact[Any]]:
        return {
            package: Unknown(reasons[package], fact.source) if isinstance(fact, Absent) and package in reasons else fact
            for package, fact in facts.items()
        }

    return replace(
        registry_facts,
        package_info=doubt(registry_facts.package_info),
        project_pages=doubt(registry_facts.project_pages),
        listings=doubt(registry_facts.listings),
        packuments=doubt(registry_facts.packuments),
    )
