"""Steps that request packages and versions from the package registries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nerq_cli.evidence.plan import ByPackage, ByRelease
from nerq_cli.evidence.repository_link import find_proven_repository
from nerq_cli.facts import (
    ATTESTED,
    NOT_REQUESTED,
    AffectingAdvisory,
    Fact,
    Found,
    Metadata,
    PackageInfo,
    SimilarName,
    Unknown,
)
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.deps_dev import VersionFindings, VersionInfo
from nerq_cli.sources.popularity import similar_names
from nerq_cli.sources.registries import npm, pypi
from nerq_cli.sources.registries.config.indexes import IndexConfig
from nerq_cli.sources.registries.provenance import Provenance, collect_provenance
from nerq_cli.units import DAY

#: Age in seconds (30 days) below which an npm version is compared with all versions before it: a new install script, a
#: lost attestation or a name without history are visible only beside them.
YOUNG_RELEASE_AGE: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """What was collected about a batch of packages before their versions are resolved."""

    #: An npm package is missing here if the requests for its pinned versions are enough.
    package_info: ByPackage[PackageInfo] = field(default_factory=dict)
    project_pages: ByPackage[pypi.ProjectJson] = field(default_factory=dict)
    listings: ByPackage[pypi.SimpleListing] = field(default_factory=dict)
    packuments: ByPackage[npm.Packument] = field(default_factory=dict)
    #: Manifests of pinned npm versions.
    version_manifests: ByRelease[Metadata] = field(default_factory=dict)
    #: Facts of deps.dev about pinned npm versions.
    versions: ByRelease[VersionInfo] = field(default_factory=dict)

    def merge(self, other: PackageFacts) -> PackageFacts:
        """Return both; ``other`` replaces facts about the same package."""
        return PackageFacts(
            {**self.package_info, **other.package_info},
            {**self.project_pages, **other.project_pages},
            {**self.listings, **other.listings},
            {**self.packuments, **other.packuments},
            {**self.version_manifests, **other.version_manifests},
            {**self.versions, **other.versions},
        )


@dataclass(frozen=True, slots=True)
class RegistryLookup:
    """Access to the registries that the configuration names."""

    run: FetchRun
    index_config: IndexConfig

    def fetch_packages(self, packages: Collection[Package]) -> PackageFacts:
        """Return all versions, dates and owners of packages.

        The simple API of PyPI is requested only for projects whose page lists no versions; see :meth:`fetch_listings`.
        """
        pypi_packages = [package for package in packages if package.registry_api == "pypi"]
        plan: list[tuple[Any, Sequence[Any], Endpoint]] = []
        if pypi_packages:
            plan.append((pypi.PROJECT_JSON, pypi_packages, self.index_config.pypi))
        for endpoint, npm_packages in self.group_by_endpoint(
            package for package in packages if package.registry_api == "npm"
        ):
            plan.append((npm.PACKUMENT, npm_packages, endpoint))
        results = self.run.fetch_all(plan)
        project_pages = results[0] if pypi_packages else {}
        packuments = {
            package: fact for result in results[1 if pypi_packages else 0 :] for package, fact in result.items()
        }
        package_info = {
            package: pypi.merge_package_info(NOT_REQUESTED, project_pages[package]) for package in pypi_packages
        }
        package_info |= {package: npm.read_package_info(fact) for package, fact in packuments.items()}
        package_facts = PackageFacts(package_info, project_pages, {}, packuments)
        empty_packages = [package for package in pypi_packages if not _has_versions(project_pages[package])]
        return self.fetch_listings(package_facts, empty_packages) if empty_packages else package_facts

    def fetch_listings(self, package_facts: PackageFacts, packages: Collection[Package]) -> PackageFacts:
        """Add the simple API's listings: the state of each project, and which versions carry attestations."""
        unlisted_packages = [
            package for package in packages if package.registry_api == "pypi" and package not in package_facts.listings
        ]
        if not unlisted_packages:
            return package_facts
        listings = self.run.fetch(pypi.SIMPLE_API, unlisted_packages, self.index_config.pypi)
        project_pages = {
            package: package_facts.project_pages.get(package, NOT_REQUESTED) for package in unlisted_packages
        }
        package_info = {
            package: pypi.merge_package_info(listings[package], project_pages[package]) for package in unlisted_packages
        }
        return package_facts.merge(PackageFacts(package_info, project_pages, listings, {}))

    def fetch_manifests(self, releases: Iterable[Release]) -> ByRelease[Metadata]:
        """Return the manifests of single npm versions."""
        groups: dict[str, tuple[Endpoint, list[Release]]] = {}
        for release in releases:
            endpoint = self.index_config.find_endpoint(release.package)
            groups.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
        results = self.run.fetch_all([(npm.VERSION_MANIFEST, group, endpoint) for endpoint, group in groups.values()])
        return {release: fact for result in results for release, fact in result.items()}

    def group_by_endpoint(self, packages: Iterable[Package]) -> list[tuple[Endpoint, list[Package]]]:
        """Return the packages of each registry."""
        groups: dict[str, tuple[Endpoint, list[Package]]] = {}
        for package in packages:
            endpoint = self.index_config.find_endpoint(package)
            groups.setdefault(endpoint.scope, (endpoint, []))[1].append(package)
        return list(groups.values())


def _has_versions(project_page: Fact[pypi.ProjectJson]) -> bool:
    return isinstance(project_page, Found) and bool(project_page.value.package_info.versions)


# --- steps about packages --------------------------------------------------------------------------------------------


def fetch_pinned_manifests(
    registries: RegistryLookup, pinned_releases: Sequence[Release], *, is_deps_dev_usable: bool
) -> ByRelease[Metadata]:
    """Return the manifests of pinned npm versions; none if deps.dev cannot complete them."""
    return registries.fetch_manifests(pinned_releases) if is_deps_dev_usable else {}


def fetch_packages(
    registries: RegistryLookup,
    packages: Sequence[Package],
    pinned_releases: Sequence[Release],
    pinned_manifests: ByRelease[Metadata],
    pinned_versions: ByRelease[VersionInfo],
) -> PackageFacts:
    """Return the facts about packages.

    A packument holds every version of a package, in megabytes of JSON. It is not requested for packages whose pinned
    versions deps.dev all has.
    """
    pinned_packages = {release.package for release in pinned_releases}
    incomplete_packages = {
        release.package for release in pinned_releases if not isinstance(pinned_versions.get(release), Found)
    }
    complete_packages = pinned_packages - incomplete_packages
    package_facts = registries.fetch_packages([package for package in packages if package not in complete_packages])
    return package_facts.merge(PackageFacts(version_manifests=pinned_manifests, versions=pinned_versions))


# --- steps about versions in use -------------------------------------------------------------------------------------


def fetch_details(
    registries: RegistryLookup,
    now: int,
    releases: Sequence[Release],
    package_facts: PackageFacts,
    versions: ByRelease[VersionInfo],
    similar_name: ByPackage[SimilarName],
    matched_advisories: ByRelease[tuple[AffectingAdvisory, ...]],
) -> PackageFacts:
    """Add what deps.dev lacks: listings of PyPI projects, and packuments of npm packages."""
    unindexed_packages = {release.package for release in releases if not isinstance(versions[release], Found)}
    package_facts = registries.fetch_listings(
        package_facts, sorted(unindexed_packages & package_facts.project_pages.keys())
    )
    npm_packages = {
        release.package
        for release in releases
        if release.package.registry_api == "npm" and release.package not in package_facts.package_info
        if _needs_packument(versions[release], similar_name[release.package], matched_advisories[release], now)
    }
    return package_facts.merge(registries.fetch_packages(sorted(npm_packages))) if npm_packages else package_facts


def _needs_packument(
    version: Fact[VersionInfo],
    similar_name: Fact[SimilarName],
    advisories: Fact[tuple[AffectingAdvisory, ...]],
    now: int,
) -> bool:
    """Whether the age, the history or the newer versions of a package matter."""
    return (
        not isinstance(version, Found)
        or now - version.value.published < YOUNG_RELEASE_AGE
        or version.value.deprecated
        or bool(isinstance(similar_name, Found) and similar_name.value.name)
        or bool(isinstance(advisories, Found) and advisories.value)
    )


def fetch_version_manifests(
    registries: RegistryLookup, releases: Sequence[Release], detailed_facts: PackageFacts
) -> ByRelease[Metadata]:
    """Return the manifests of npm versions whose packument was not requested, or not received."""
    known_manifests = detailed_facts.version_manifests
    missing_releases = [
        release
        for release in releases
        if release.package.registry_api == "npm" and release not in known_manifests
        if isinstance(detailed_facts.packuments.get(release.package, NOT_REQUESTED), Unknown)
    ]
    manifests = {release: known_manifests[release] for release in releases if release in known_manifests}
    return {**manifests, **registries.fetch_manifests(missing_releases)}


def fetch_unresolved_packages(
    registries: RegistryLookup, detailed_facts: PackageFacts, version_manifests: ByRelease[Metadata]
) -> PackageFacts:
    """Add the packages whose version manifest was not received."""
    unresolved_packages = sorted(
        {release.package for release, fact in version_manifests.items() if not isinstance(fact, Found)}
    )
    return detailed_facts.merge(
        registries.fetch_packages(
            [package for package in unresolved_packages if package not in detailed_facts.package_info]
        )
    )


def select_advisories(
    releases: Sequence[Release], complete_facts: PackageFacts, release_pages: ByRelease[Metadata]
) -> ByRelease[tuple[AffectingAdvisory, ...]]:
    """Return the advisories that the registry itself lists for each version. Only PyPI lists any."""
    return {
        release: pypi.select_advisories(
            release.version,
            complete_facts.project_pages.get(release.package, NOT_REQUESTED),
            release_pages.get(release, NOT_REQUESTED),
        )
        for release in releases
        if release.package.registry_api == "pypi"
    }


def fetch_publishers(
    registries: RegistryLookup,
    complete_facts: PackageFacts,
    registry_metadata: ByRelease[Metadata],
    versions: ByRelease[VersionInfo],
) -> ByRelease[Provenance]:
    """Return the verified publishers of attested releases whose repository deps.dev has not verified."""
    files_by_release: dict[Release, str] = {}
    for release, metadata in registry_metadata.items():
        if not isinstance(metadata, Found) or find_proven_repository(metadata, versions[release]):
            continue
        listing = complete_facts.listings.get(release.package, NOT_REQUESTED)
        file = pypi.find_attested_file(release.version, listing)
        if file or (release.package.registry_api == "npm" and _is_attested(release, metadata, complete_facts)):
            files_by_release[release] = file
    if not files_by_release:
        return {}
    return collect_provenance(
        registries.run,
        files_by_release,
        pypi=registries.index_config.pypi,
        npm=registries.index_config.find_endpoint,
    )


def _is_attested(release: Release, metadata: Found[Metadata], package_facts: PackageFacts) -> bool:
    """Whether an npm version carries attestations, by its row in the packument or else by its manifest."""
    package_info = package_facts.package_info.get(release.package)
    if isinstance(package_info, Found) and release.version in package_info.value.versions:
        return bool(package_info.value.flags[package_info.value.versions.index(release.version)] & ATTESTED)
    return metadata.value.attested is True


def fetch_latest_versions(
    registries: RegistryLookup, complete_facts: PackageFacts, findings: ByRelease[VersionFindings]
) -> Mapping[Package, str]:
    """Return the version that installers choose, of packages whose versions were not all requested.

    deps.dev names it with its findings; if it does not, the registry is requested.
    """
    partial_findings = {
        release: fact for release, fact in findings.items() if release.package not in complete_facts.package_info
    }
    latest_versions = {
        release.package: fact.value.default
        for release, fact in partial_findings.items()
        if isinstance(fact, Found) and fact.value.default
    }
    remaining_packages = sorted({release.package for release in partial_findings} - latest_versions.keys())
    plan = [(npm.LATEST, group, endpoint) for endpoint, group in registries.group_by_endpoint(remaining_packages)]
    return latest_versions | {
        package: fact.value
        for result in registries.run.fetch_all(plan)
        for package, fact in result.items()
        if isinstance(fact, Found)
    }


def fetch_similar_packages(
    registries: RegistryLookup,
    now: int,
    similar_name: ByPackage[SimilarName],
    package_info: ByPackage[PackageInfo],
) -> ByPackage[PackageInfo]:
    """Return the popular package that each name resembles, where their publishers are to be compared."""
    return similar_names.fetch_similar_packages(
        similar_name, package_info, lambda packages: registries.fetch_packages(packages).package_info, now=now
    )
