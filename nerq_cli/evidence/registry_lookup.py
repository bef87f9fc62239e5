"""What the package registries know: of packages, and of single versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.facts import ATTESTED, AffectingAdvisory, Fact, Found, Metadata, PackageInfo, Unknown
from nerq_cli.fetch.fetcher import Fetcher, FetchPlan
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.registries import npm, pypi
from nerq_cli.sources.registries.config.indexes import IndexConfig
from nerq_cli.sources.registries.provenance import Provenance, collect_provenance

NOT_REQUESTED: Final = Unknown("not asked")


@dataclass(frozen=True, slots=True)
class RegistryFacts:
    """What the registries said of a batch of packages: each source's own facts, and the projects they add up to.

    An npm package may be missing here: whoever has its version pinned need not ask about all of its versions.
    """

    package_info: Mapping[Package, Fact[PackageInfo]] = field(default_factory=dict)
    project_pages: Mapping[Package, Fact[pypi.ProjectJson]] = field(default_factory=dict)
    listings: Mapping[Package, Fact[pypi.SimpleListing]] = field(default_factory=dict)
    packuments: Mapping[Package, Fact[npm.Packument]] = field(default_factory=dict)

    def merge(self, other: RegistryFacts) -> RegistryFacts:
        """Return both; where both speak of a package, the other one counts."""
        return RegistryFacts(
            {**self.package_info, **other.package_info},
            {**self.project_pages, **other.project_pages},
            {**self.listings, **other.listings},
            {**self.packuments, **other.packuments},
        )


class RegistryLookup:
    """Asks the registries that the user's configuration names."""

    def __init__(self, fetcher: Fetcher, index_config: IndexConfig) -> None:
        self._fetcher = fetcher
        self._index_config = index_config

    def fetch_packages(self, packages: Collection[Package]) -> RegistryFacts:
        """Ask about packages: all their versions, dates and owners.

        The simple API of PyPI is asked at once only where the project's page says nothing; see :meth:`listed`.
        """
        pypi_packages = [package for package in packages if package.ecosystem == PYPI]
        plan: list[tuple[Any, Sequence[Any], Endpoint]] = []
        if pypi_packages:
            plan.append((pypi.PROJECT_JSON, pypi_packages, self._index_config.pypi))
        for endpoint, npm_packages in self._group_by_endpoint(
            package for package in packages if package.ecosystem == NPM
        ):
            plan.append((npm.PACKUMENT, npm_packages, endpoint))
        results = self._fetcher.fetch_all(plan)
        project_pages = results[0] if pypi_packages else {}
        packuments = {
            package: fact for result in results[1 if pypi_packages else 0 :] for package, fact in result.items()
        }
        package_info = {
            package: pypi.merge_package_info(NOT_REQUESTED, project_pages[package]) for package in pypi_packages
        }
        package_info |= {package: npm.read_package_info(fact) for package, fact in packuments.items()}
        registry_facts = RegistryFacts(package_info, project_pages, {}, packuments)
        empty_packages = [package for package in pypi_packages if not _has_versions(project_pages[package])]
        return self.fetch_listings(registry_facts, empty_packages) if empty_packages else registry_facts

    def fetch_listings(self, registry_facts: RegistryFacts, packages: Collection[Package]) -> RegistryFacts:
        """Ask the simple API as well: it alone tells the state of a project, and which versions are attested."""
        unlisted_packages = [
            package for package in packages if package.ecosystem == PYPI and package not in registry_facts.listings
        ]
        if not unlisted_packages:
            return registry_facts
        listings = self._fetcher.fetch(pypi.SIMPLE_API, unlisted_packages, self._index_config.pypi)
        project_pages = {
            package: registry_facts.project_pages.get(package, NOT_REQUESTED) for package in unlisted_packages
        }
        package_info = {
            package: pypi.merge_package_info(listings[package], project_pages[package]) for package in unlisted_packages
        }
        return registry_facts.merge(RegistryFacts(package_info, project_pages, listings, {}))

    def _group_by_endpoint(self, packages: Iterable[Package]) -> list[tuple[Endpoint, list[Package]]]:
        groups: dict[str, tuple[Endpoint, list[Package]]] = {}
        for package in packages:
            endpoint = self._index_config.find_endpoint(package)
            groups.setdefault(endpoint.scope, (endpoint, []))[1].append(package)
        return list(groups.values())

    def fetch_release_pages(
        self, releases: Iterable[Release], registry_facts: RegistryFacts, *, prefetch: FetchPlan = ()
    ) -> Mapping[Release, Fact[Metadata]]:
        """Ask for the page of each PyPI version that the project's own page does not show already.

        What is to be asked ``prefetch`` is asked meanwhile.
        """
        missing_releases = [
            release
            for release in releases
            if isinstance(project_page := registry_facts.project_pages.get(release.package), Found)
            and project_page.value.metadata.version != release.version
            and release.version in project_page.value.package_info.versions
        ]
        if not missing_releases:
            return {}
        [facts] = self._fetcher.fetch_all(
            [(pypi.RELEASE_JSON, missing_releases, self._index_config.pypi)], prefetch=prefetch
        )
        return facts

    def fetch_version_manifests(
        self, releases: Iterable[Release], registry_facts: RegistryFacts
    ) -> Mapping[Release, Fact[Metadata]]:
        """Ask for the manifest of an npm version where the packument was not asked for, or could not be had."""
        groups: dict[str, tuple[Endpoint, list[Release]]] = {}
        for release in releases:
            lacks_packument = isinstance(registry_facts.packuments.get(release.package, NOT_REQUESTED), Unknown)
            if release.package.ecosystem == NPM and lacks_packument:
                endpoint = self._index_config.find_endpoint(release.package)
                groups.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
        results = self._fetcher.fetch_all(
            [(npm.VERSION_MANIFEST, group, endpoint) for endpoint, group in groups.values()]
        )
        return {release: fact for result in results for release, fact in result.items()}

    def fetch_latest_versions(self, packages: Iterable[Package]) -> dict[Package, Fact[str]]:
        """Ask which version of an npm package installers take today; its packument would say so, in megabytes."""
        plan = [(npm.LATEST, group, endpoint) for endpoint, group in self._group_by_endpoint(packages)]
        return {package: fact for result in self._fetcher.fetch_all(plan) for package, fact in result.items()}

    def fetch_publishers(
        self, releases: Mapping[Release, Fact[Metadata]], registry_facts: RegistryFacts
    ) -> dict[Release, Fact[Provenance]]:
        """Ask who published the releases that are known to carry attestations, as the registry verified it."""
        attested_files = {
            release: pypi.find_attested_file(
                release.version, registry_facts.listings.get(release.package, NOT_REQUESTED)
            )
            for release in releases
        }
        files_by_release = {
            release: file
            for release, file in attested_files.items()
            if file or (release.package.ecosystem == NPM and _is_attested(release, releases[release], registry_facts))
        }
        if not files_by_release:
            return {}
        return collect_provenance(
            self._fetcher, files_by_release, pypi=self._index_config.pypi, npm=self._index_config.find_endpoint
        )


def _is_attested(release: Release, fact: Fact[Metadata], registry_facts: RegistryFacts) -> bool:
    """Whether an npm version carries attestations, by its manifest or by its row in the packument."""
    package_info = registry_facts.package_info.get(release.package)
    if isinstance(package_info, Found) and release.version in package_info.value.versions:
        return bool(package_info.value.flags[package_info.value.versions.index(release.version)] & ATTESTED)
    return isinstance(fact, Found) and fact.value.attested is True


def get_metadata(
    release: Release,
    registry_facts: RegistryFacts,
    release_pages: Mapping[Release, Fact[Metadata]],
    version_manifests: Mapping[Release, Fact[Metadata]],
) -> Fact[Metadata]:
    """Return what is known of one version."""
    package = release.package
    if package.ecosystem == NPM:
        packument = registry_facts.packuments.get(package, NOT_REQUESTED)
        return npm.merge_metadata(release.version, packument, version_manifests.get(release, NOT_REQUESTED))
    listing, project_page = (
        registry_facts.listings.get(package, NOT_REQUESTED),
        registry_facts.project_pages.get(package, NOT_REQUESTED),
    )
    return pypi.merge_metadata(release.version, listing, project_page, release_pages.get(release, NOT_REQUESTED))


def get_advisories(
    release: Release, registry_facts: RegistryFacts, release_pages: Mapping[Release, Fact[Metadata]]
) -> Fact[tuple[AffectingAdvisory, ...]]:
    """Return the advisories that the registry itself lists for a version; only PyPI does."""
    if release.package.ecosystem == NPM:
        return Unknown("no advisory source answered")
    project_page = registry_facts.project_pages.get(release.package, NOT_REQUESTED)
    return pypi.select_advisories(release.version, project_page, release_pages.get(release, NOT_REQUESTED))


def _has_versions(project_page: Fact[pypi.ProjectJson]) -> bool:
    return isinstance(project_page, Found) and bool(project_page.value.package_info.versions)
