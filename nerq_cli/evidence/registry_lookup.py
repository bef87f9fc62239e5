"""Steps that request packages and versions from the package registries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from nerq_cli.evidence.index_search import IndexResult, is_referral, merge_listings, search_indexes
from nerq_cli.evidence.plan import ByPackage, ByRelease
from nerq_cli.evidence.replay import hide_later_versions
from nerq_cli.evidence.repository_link import find_proven_repository
from nerq_cli.facts import (
    NOT_REQUESTED,
    Absent,
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
#: Age in seconds (90 days) below which the age of the package matters for a version that runs code at installation.
YOUNG_HOOK_AGE: Final = 90 * DAY


class PackageFacts(msgspec.Struct, frozen=True):
    """What was collected about a batch of packages before their versions are resolved."""

    #: An npm package is missing here if the requests for its pinned versions are enough.
    package_info: ByPackage[PackageInfo] = {}
    project_pages: ByPackage[pypi.ProjectJson] = {}
    listings: ByPackage[pypi.SimpleListing] = {}
    packuments: ByPackage[npm.Packument] = {}
    #: Manifests of pinned npm versions.
    version_manifests: ByRelease[Metadata] = {}
    #: Facts of deps.dev about pinned npm versions.
    versions: ByRelease[VersionInfo] = {}
    #: The index that has the metadata of a PyPI package, for those that an index beside the default one has.
    indexes: Mapping[Package, Endpoint] = {}
    #: Whether only the public index has a package, for those that several indexes were requested for.
    is_public: Mapping[Package, bool] = {}

    def merge(self, other: PackageFacts) -> PackageFacts:
        """Return both; ``other`` replaces facts about the same package."""
        return PackageFacts(
            {**self.package_info, **other.package_info},
            {**self.project_pages, **other.project_pages},
            {**self.listings, **other.listings},
            {**self.packuments, **other.packuments},
            {**self.version_manifests, **other.version_manifests},
            {**self.versions, **other.versions},
            {**self.indexes, **other.indexes},
            {**self.is_public, **other.is_public},
        )

    def has_own_listing(self, package: Package) -> bool:
        """Whether the versions of a package are those of an index beside the default one, or of several."""
        return package in self.indexes


class RegistryLookup(msgspec.Struct, frozen=True):
    """Access to the registries that the configuration names."""

    run: FetchRun
    index_config: IndexConfig

    def fetch_packages(self, packages: Collection[Package]) -> PackageFacts:
        """Return all versions, dates and owners of packages.

        The simple API of PyPI is requested only for projects whose page lists no versions; see :meth:`fetch_listings`.
        """
        pypi_packages = [package for package in packages if package.registry_api == "pypi"]
        results = search_indexes(self.run, self.index_config, pypi_packages)
        default_packages = [
            package for package in pypi_packages if package not in results or results[package].has_default
        ]
        plan: list[tuple[Any, Sequence[Any], Endpoint]] = []
        has_pages = bool(default_packages) and not self.index_config.pypi.is_simple_index
        if has_pages:
            plan.append((pypi.PROJECT_JSON, default_packages, self.index_config.pypi))
        for endpoint, npm_packages in self.group_by_endpoint(
            package for package in packages if package.registry_api == "npm"
        ):
            plan.append((npm.PACKUMENT, npm_packages, endpoint))
        fetched = self.run.fetch_all(plan)
        project_pages = {**dict.fromkeys(pypi_packages, pypi.NO_PROJECT_JSON), **(fetched[0] if has_pages else {})}
        packuments = {package: fact for result in fetched[1 if has_pages else 0 :] for package, fact in result.items()}
        package_info = {
            package: pypi.merge_package_info(NOT_REQUESTED, project_pages[package]) for package in pypi_packages
        }
        package_info |= {package: npm.read_package_info(fact) for package, fact in packuments.items()}
        package_facts = PackageFacts(package_info, project_pages, {}, packuments)
        empty_packages = [package for package in default_packages if not _has_versions(project_pages[package])]
        package_facts = self.fetch_listings(package_facts, empty_packages) if empty_packages else package_facts
        package_facts = self._follow_referrals(package_facts, results)
        return self._add_results(package_facts, results) if results else package_facts

    def _follow_referrals(self, package_facts: PackageFacts, results: Mapping[Package, IndexResult]) -> PackageFacts:
        """Add what the public index has of the packages that an index of the user refers to it for, as pip does."""
        public = self.index_config.public_pypi
        referred = [package for package, fact in package_facts.listings.items() if is_referral(fact)] + [
            package
            for package, result in results.items()
            if result.is_referred
            and not isinstance(result.listing, Found)
            and (
                not result.has_default
                or (
                    self.index_config.pypi.url != public.url and isinstance(package_facts.package_info[package], Absent)
                )
            )
        ]
        if not referred:
            return package_facts
        pages, listings = self.run.fetch_all(
            [(pypi.PROJECT_JSON, referred, public), (pypi.SIMPLE_API, referred, public)]
        )
        package_info = {package: pypi.merge_package_info(listings[package], pages[package]) for package in referred}
        return package_facts.merge(
            PackageFacts(
                package_info,
                pages,
                listings,
                indexes=dict.fromkeys(referred, public),
                is_public=dict.fromkeys(referred, True),
            )
        )

    def _add_results(self, package_facts: PackageFacts, results: Mapping[Package, IndexResult]) -> PackageFacts:
        """Add what the indexes beside the default one have to the facts from there."""
        found = {package: result for package, result in results.items() if isinstance(result.listing, Found)}
        in_default = [
            package
            for package, result in found.items()
            if result.has_default and isinstance(package_facts.package_info[package], Found)
        ]
        is_private = {
            package
            for package, result in results.items()
            if result.has_default
            and package not in package_facts.is_public
            and not self.index_config.is_public(package)
            and not isinstance(package_facts.package_info[package], Absent)
        }
        package_facts = self.fetch_listings(package_facts, in_default)
        endpoints = {package: result.endpoint for package, result in found.items() if package not in in_default}
        pages = self._fetch_other_pages(endpoints)
        listings: dict[Package, Fact[pypi.SimpleListing]] = {}
        project_pages: dict[Package, Fact[pypi.ProjectJson]] = {}
        package_info: dict[Package, Fact[PackageInfo]] = {}
        for package, result in results.items():
            if package in found:
                default_listing = package_facts.listings.get(package, NOT_REQUESTED)
                listings[package] = merge_listings([default_listing, result.listing])
                project_pages[package] = pages.get(package, package_facts.project_pages[package])
                package_info[package] = pypi.merge_package_info(listings[package], project_pages[package])
            elif package in package_facts.indexes:
                continue
            elif not result.has_default or (
                isinstance(result.listing, Unknown) and isinstance(package_facts.package_info[package], Absent)
            ):
                listings[package] = result.listing
                project_pages[package] = pypi.NO_PROJECT_JSON
                package_info[package] = pypi.merge_package_info(result.listing, pypi.NO_PROJECT_JSON)
        default = self.index_config.pypi
        return package_facts.merge(
            PackageFacts(
                package_info,
                project_pages,
                listings,
                indexes={**dict.fromkeys(in_default, default), **package_facts.indexes, **endpoints},
                is_public={
                    package: result.is_public and package not in is_private for package, result in results.items()
                },
            )
        )

    def _fetch_other_pages(self, endpoints: Mapping[Package, Endpoint]) -> dict[Package, Fact[pypi.ProjectJson]]:
        """Return the project JSON of packages at indexes that may offer it."""
        groups: dict[str, tuple[Endpoint, list[Package]]] = {}
        for package, endpoint in endpoints.items():
            if not endpoint.is_simple_index:
                groups.setdefault(endpoint.scope, (endpoint, []))[1].append(package)
        results = self.run.fetch_all([(pypi.PROJECT_JSON, group, endpoint) for endpoint, group in groups.values()])
        pages = {package: fact for result in results for package, fact in result.items()}
        return {
            package: fact if isinstance(fact := pages.get(package), Found) else pypi.NO_PROJECT_JSON
            for package in endpoints
        }

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

    def find_endpoint(self, package: Package) -> Endpoint:
        """Return the registry that a package is requested from; the first index, if it is none but others."""
        if package.registry_api != "pypi":
            return self.index_config.find_endpoint(package)
        search = self.index_config.find_search(package)
        return self.index_config.pypi if search.has_default else search.merged[0]

    def group_by_endpoint(self, packages: Iterable[Package]) -> list[tuple[Endpoint, list[Package]]]:
        """Return the packages of each registry."""
        groups: dict[tuple[str, str], tuple[Endpoint, list[Package]]] = {}
        for package in packages:
            endpoint = self.find_endpoint(package)
            groups.setdefault((package.registry_api, endpoint.scope), (endpoint, []))[1].append(package)
        return list(groups.values())


def select_package_info(
    release: Release, package_facts: PackageFacts, listed_releases: frozenset[Release], known_until: int
) -> Fact[PackageInfo] | None:
    """Return the versions of a package as one release is judged by them; None if they are not listed.

    Only what the release itself calls for is used, not what another release of the package brought in. Versions
    published after ``known_until`` (epoch seconds UTC) are left out.
    """
    fact = _select_package_info(release, package_facts, listed_releases)
    return None if fact is None else hide_later_versions(fact, known_until, {release.version})


def _select_package_info(
    release: Release, package_facts: PackageFacts, listed_releases: frozenset[Release]
) -> Fact[PackageInfo] | None:
    package = release.package
    project_page = package_facts.project_pages.get(package) if package.registry_api == "pypi" else None
    if project_page is not None:
        return pypi.merge_package_info(select_listing(release, package_facts, listed_releases), project_page)
    if package.registry_api == "npm" and package in package_facts.packuments and release not in listed_releases:
        return None
    return package_facts.package_info.get(package)


def select_listing(
    release: Release, package_facts: PackageFacts, listed_releases: frozenset[Release]
) -> Fact[pypi.SimpleListing]:
    """Return the listing of a PyPI project, where the release calls for it."""
    package = release.package
    listing = package_facts.listings.get(package)
    if listing is None:  # of most packages: the rest need not be looked at
        return NOT_REQUESTED
    has_versions = _has_versions(package_facts.project_pages.get(package, NOT_REQUESTED))
    if release in listed_releases or not has_versions or package_facts.has_own_listing(package):
        return listing
    return NOT_REQUESTED


def _has_versions(project_page: Fact[pypi.ProjectJson]) -> bool:
    return isinstance(project_page, Found) and bool(project_page.value.package_info.versions)


# --- steps about packages --------------------------------------------------------------------------------------------


def fetch_pinned_manifests(
    registries: RegistryLookup, pinned_releases: Sequence[Release], *, is_deps_dev_usable: bool
) -> ByRelease[Metadata]:
    """Return the manifests of pinned npm versions; none if deps.dev cannot complete them."""
    if not is_deps_dev_usable:
        return {}
    return registries.fetch_manifests(pinned_releases)


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


# A version is judged by the list of all versions of its package only where that matters, and by the same rule however
# its package was requested: pinned or as a range, alone or beside others. Each step adds releases to the rule.


def select_unindexed_releases(
    as_of: int,
    releases: Sequence[Release],
    versions: ByRelease[VersionInfo],
    similar_name: ByPackage[SimilarName],
    superseded_releases: frozenset[Release],
) -> frozenset[Release]:
    """Return the releases that need a listing: young, deprecated or unindexed ones, and those with a confusable name.

    A report about the past needs the packages with a newer version since: deps.dev has only the newest one of today.
    """
    return frozenset(
        release
        for release in releases
        if not isinstance(version := versions[release], Found)
        or (
            release.package.registry_api == "npm"
            and (
                release in superseded_releases or _needs_packument(version.value, similar_name[release.package], as_of)
            )
        )
    )


def _needs_packument(version: VersionInfo, similar_name: Fact[SimilarName], as_of: int) -> bool:
    """Whether the age or the history of a package matters."""
    return (
        as_of - version.published < YOUNG_RELEASE_AGE
        or version.deprecated
        or bool(isinstance(similar_name, Found) and similar_name.value.name)
    )


def fetch_unindexed_packages(
    registries: RegistryLookup, package_facts: PackageFacts, unindexed_releases: frozenset[Release]
) -> PackageFacts:
    """Add listings of PyPI projects, and packuments of npm packages."""
    return _fetch_lists(registries, package_facts, unindexed_releases)


def _fetch_lists(
    registries: RegistryLookup, package_facts: PackageFacts, releases: Collection[Release]
) -> PackageFacts:
    packages = sorted({release.package for release in releases})
    package_facts = registries.fetch_listings(
        package_facts, [package for package in packages if package in package_facts.project_pages]
    )
    npm_packages = [
        package for package in packages if package.registry_api == "npm" and package not in package_facts.package_info
    ]
    return package_facts.merge(registries.fetch_packages(npm_packages)) if npm_packages else package_facts


def select_affected_releases(
    unindexed_releases: frozenset[Release], matched_advisories: ByRelease[tuple[AffectingAdvisory, ...]]
) -> frozenset[Release]:
    """Return the releases that need a listing, those with advisories included: the newer versions matter."""
    return unindexed_releases | {
        release
        for release, fact in matched_advisories.items()
        if release.package.registry_api == "npm" and isinstance(fact, Found) and fact.value
    }


def fetch_details(
    registries: RegistryLookup, unindexed_facts: PackageFacts, affected_releases: frozenset[Release]
) -> PackageFacts:
    """Add packuments of npm packages with advisories."""
    return _fetch_lists(registries, unindexed_facts, affected_releases)


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


def select_listed_releases(
    as_of: int,
    releases: Sequence[Release],
    affected_releases: frozenset[Release],
    detailed_facts: PackageFacts,
    version_manifests: ByRelease[Metadata],
    versions: ByRelease[VersionInfo],
) -> frozenset[Release]:
    """Return all releases that need a listing.

    Those whose metadata the registry did not give are included, and young ones that run code at installation.
    """
    return affected_releases | {
        release
        for release in releases
        if release.package.registry_api == "npm" and release not in affected_releases
        if not isinstance(metadata := read_npm_metadata(release, detailed_facts, version_manifests), Found)
        or (metadata.value.hooks and _is_younger(versions[release], as_of, YOUNG_HOOK_AGE))
    }


def read_npm_metadata(
    release: Release,
    package_facts: PackageFacts,
    version_manifests: ByRelease[Metadata],
    *,
    is_listed: bool = False,
) -> Fact[Metadata]:
    """Return the metadata of one npm version, from the packument or from its manifest."""
    return npm.merge_metadata(
        release.version,
        package_facts.packuments.get(release.package, NOT_REQUESTED),
        version_manifests.get(release, NOT_REQUESTED),
        is_listed=is_listed,
    )


def _is_younger(version: Fact[VersionInfo], as_of: int, age: int) -> bool:
    return isinstance(version, Found) and as_of - version.value.published < age


def fetch_complete_facts(
    registries: RegistryLookup, detailed_facts: PackageFacts, listed_releases: frozenset[Release]
) -> PackageFacts:
    """Add the packages of all other releases that need a listing."""
    return _fetch_lists(registries, detailed_facts, listed_releases)


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
    listed_releases: frozenset[Release],
    registry_metadata: ByRelease[Metadata],
    versions: ByRelease[VersionInfo],
) -> ByRelease[Provenance]:
    """Return the verified publishers of attested releases whose repository deps.dev has not verified."""
    files_by_release: dict[Release, str] = {}
    for release, metadata in registry_metadata.items():
        if not isinstance(metadata, Found) or find_proven_repository(metadata, versions[release]):
            continue
        file = pypi.find_attested_file(release.version, select_listing(release, complete_facts, listed_releases))
        if _is_elsewhere(release.package, complete_facts, registries):
            continue  # the default index does not have the file
        if file or (release.package.registry_api == "npm" and metadata.value.attested):
            files_by_release[release] = file
    return _collect_provenance(registries, files_by_release)


def _is_elsewhere(package: Package, package_facts: PackageFacts, registries: RegistryLookup) -> bool:
    """Whether only an index beside the default one has a PyPI package."""
    default = registries.index_config.pypi
    return package_facts.indexes.get(package, default) != default


def _collect_provenance(registries: RegistryLookup, files_by_release: Mapping[Release, str]) -> ByRelease[Provenance]:
    if not files_by_release:
        return {}
    return collect_provenance(
        registries.run,
        files_by_release,
        pypi=registries.index_config.pypi,
        npm=registries.index_config.find_endpoint,
    )


def fetch_previous_publishers(
    registries: RegistryLookup,
    complete_facts: PackageFacts,
    listed_releases: frozenset[Release],
    predecessors: Mapping[Release, Release],
) -> ByRelease[Provenance]:
    """Return the verified publisher of the version before each young PyPI version, where that one is attested.

    A version that is not attested has a publisher without a repository. deps.dev has the other versions.
    """
    files_by_release: dict[Release, str] = {}
    publishers: dict[Release, Fact[Provenance]] = {}
    for release, predecessor in predecessors.items():
        listing = select_listing(release, complete_facts, listed_releases)
        if release.package.registry_api != "pypi" or not isinstance(listing, Found):
            continue
        if _is_elsewhere(release.package, complete_facts, registries):
            continue
        if file := pypi.find_attested_file(predecessor.version, listing):
            files_by_release[predecessor] = file
        elif listing.value.package_info.has_attestation_data:
            publishers[predecessor] = Found(Provenance(), listing.source, listing.retrieved_at)
    return {**publishers, **_collect_provenance(registries, files_by_release)}


def fetch_latest_versions(
    registries: RegistryLookup,
    releases: Sequence[Release],
    complete_facts: PackageFacts,
    listed_releases: frozenset[Release],
    findings: ByRelease[VersionFindings],
) -> Mapping[Release, str]:
    """Return the version that installers choose, of each npm package that a release does not need a listing of.

    deps.dev names it with its findings; if it does not, the registry is requested.
    """
    latest_versions: dict[Release, str] = {}
    for release in releases:
        if release.package.registry_api != "npm" or release in listed_releases:
            continue
        finding = findings[release]
        info = complete_facts.package_info.get(release.package)
        latest_versions[release] = (finding.value.default if isinstance(finding, Found) else "") or (
            info.value.tags.get("latest", "") if isinstance(info, Found) else ""
        )
    remaining_packages = sorted({release.package for release, latest in latest_versions.items() if not latest})
    plan = [(npm.LATEST, group, endpoint) for endpoint, group in registries.group_by_endpoint(remaining_packages)]
    fetched_versions = {
        package: fact.value
        for result in registries.run.fetch_all(plan)
        for package, fact in result.items()
        if isinstance(fact, Found)
    }
    return {release: latest or fetched_versions.get(release.package, "") for release, latest in latest_versions.items()}


def fetch_similar_packages(
    registries: RegistryLookup,
    as_of: int,
    similar_name: ByPackage[SimilarName],
    package_info: ByRelease[PackageInfo],
) -> ByPackage[PackageInfo]:
    """Return the popular package that each name resembles, where their publishers are to be compared."""
    return similar_names.fetch_similar_packages(
        similar_name,
        {release.package: fact for release, fact in package_info.items()},
        lambda packages: registries.fetch_packages(packages).package_info,
        now=as_of,
    )
