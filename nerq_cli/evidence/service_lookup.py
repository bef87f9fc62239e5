"""Steps that request versions, repositories and downloads from public services.

Every service is optional here: what it does not answer stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from nerq_cli.evidence import repository_link
from nerq_cli.evidence.plan import ByPackage, ByRelease
from nerq_cli.evidence.registry_lookup import PackageFacts, RegistryLookup, select_listing, select_package_info
from nerq_cli.facts import NOT_REQUESTED, Adoption, Fact, Found, Metadata, PackageInfo, Scorecard, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.github_facts import HostedRepository
from nerq_cli.inventory import Package, Release, RepositoryId, Subject
from nerq_cli.sources import deps_dev
from nerq_cli.sources.deps_dev import NOT_INDEXED, RepositoryInfo, VersionFindings, VersionInfo
from nerq_cli.sources.endpoints import Endpoints
from nerq_cli.sources.popularity import downloads, ranks
from nerq_cli.sources.registries import pypi
from nerq_cli.sources.repositories import github, scorecard
from nerq_cli.units import NO_LIMIT

S = TypeVar("S", bound=Subject)
T = TypeVar("T")

NOT_SENT: Final = Unknown("the name was not sent: its registry is not public, and it is on no list of public names")
#: Repositories requested without a token. GitHub answers 60 such requests an hour per address.
MAX_ANONYMOUS: Final = 10
TOO_MANY_REPOSITORIES: Final = Unknown(
    f"too many repositories to request without a {github.TOKEN_VARIABLE}", github.LABEL, github.TOKEN_VARIABLE
)


class ServiceLookup(msgspec.Struct, frozen=True):
    """Access to the public services, and the rule for which names each of them may receive."""

    run: FetchRun
    endpoints: Endpoints
    #: Whether the name of a package is public.
    is_public: Callable[[Package], bool]
    #: Packages that no registry has. Their names are probably private: no service receives them.
    hidden_packages: frozenset[Package] = frozenset()
    #: Whether the name of a package is public wherever it comes from: by a list, or because the user declares it.
    is_known_name: Callable[[Package], bool] = lambda _: False
    #: Whether only the public index has a package, for those that several indexes were requested for.
    in_public_index: Mapping[Package, bool] = {}
    #: Ecosystems whose advisories the local database has: OSV is not asked.
    local_advisories: frozenset[str] = frozenset()

    def hide_packages(self, packages: Iterable[Package]) -> ServiceLookup:
        """Return the same access, with packages whose names no service receives."""
        return replace(self, hidden_packages=self.hidden_packages | frozenset(packages))

    def use_facts(self, package_facts: PackageFacts) -> ServiceLookup:
        """Return the same access, with what the registries answered about the packages."""
        return replace(self, in_public_index={**self.in_public_index, **package_facts.is_public})

    def may_send(self, package: Package) -> bool:
        """Whether a service whose endpoint the user did not configure may receive the name of a package."""
        if package in self.in_public_index:
            return self.in_public_index[package] or self.is_known_name(package)
        return self.is_public(package)

    def select_public(self, source_id: str, subjects: Iterable[S]) -> list[S]:
        """Return the packages or releases whose name the service may receive.

        A service whose endpoint the user configured may receive private names too.
        """
        is_configured = source_id in self.endpoints.configured
        pairs = ((subject, subject.package if isinstance(subject, Release) else subject) for subject in subjects)
        return [
            subject
            for subject, package in pairs
            if isinstance(package, Package) and package not in self.hidden_packages
            if not (source_id == "osv" and package.ecosystem in self.local_advisories)
            if is_configured or self.may_send(package)
        ]

    def fetch_public(
        self,
        source_id: str,
        collect: Callable[[FetchRun, Sequence[S], Endpoint], Mapping[S, Fact[T]]],
        subjects: Iterable[S],
    ) -> dict[S, Fact[T]]:
        """Return a fact per subject, ``NOT_SENT`` for those whose name the service may not receive."""
        subjects = tuple(subjects)
        public_subjects = self.select_public(source_id, subjects)
        facts = collect(self.run, public_subjects, self.endpoints[source_id]) if public_subjects else {}
        if len(facts) == len(subjects):
            return {**facts}
        return {subject: facts.get(subject, NOT_SENT) for subject in subjects}

    def select_repositories(
        self, source_id: str, repository_ids: Mapping[Release, RepositoryId | None]
    ) -> list[RepositoryId]:
        """Return the repositories of the releases whose name the service may receive."""
        public_releases = self.select_public(source_id, repository_ids)
        return sorted(
            {repository_id for release in public_releases if (repository_id := repository_ids[release]) is not None}
        )


def _fetch_deps_dev_versions(services: ServiceLookup, releases: Iterable[Release]) -> dict[Release, Fact[VersionInfo]]:
    return services.fetch_public("deps-dev", deps_dev.collect_versions, releases)


# --- steps about packages --------------------------------------------------------------------------------------------


def check_deps_dev(services: ServiceLookup, pinned_releases: Sequence[Release]) -> bool:
    """Return whether deps.dev answers, tried with a popular release if there is one."""
    popular_release = next((release for release in pinned_releases if ranks.is_listed(release.package)), None)
    if popular_release is None:
        return bool(pinned_releases)
    fact = _fetch_deps_dev_versions(services, [popular_release])[popular_release]
    return isinstance(fact, Found) or fact == NOT_INDEXED


def fetch_pinned_versions(services: ServiceLookup, pinned_manifests: ByRelease[Metadata]) -> ByRelease[VersionInfo]:
    """Return what deps.dev has about the pinned npm versions that exist."""
    return _fetch_deps_dev_versions(
        services, [release for release, fact in pinned_manifests.items() if isinstance(fact, Found)]
    )


# --- steps about versions in use -------------------------------------------------------------------------------------


def fetch_release_pages(
    registries: RegistryLookup, package_facts: PackageFacts, releases: Sequence[Release]
) -> ByRelease[Metadata]:
    """Return the page of each PyPI version that the page of its project does not show."""
    pypi_releases = [release for release in releases if release.package.registry_api == "pypi"]
    missing_releases = [
        release
        for release in pypi_releases
        if isinstance(project_page := package_facts.project_pages.get(release.package), Found)
        and project_page.value.metadata.version != release.version
        and release.version in project_page.value.package_info.versions
    ]
    if not missing_releases:
        return {}
    groups: dict[str, tuple[Endpoint, list[Release]]] = {}
    for release in missing_releases:
        endpoint = package_facts.indexes.get(release.package, registries.index_config.pypi)
        groups.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
    results = registries.run.fetch_all([(pypi.RELEASE_JSON, group, endpoint) for endpoint, group in groups.values()])
    return {release: fact for result in results for release, fact in result.items()}


def fetch_versions(
    services: ServiceLookup, package_facts: PackageFacts, releases: Sequence[Release]
) -> ByRelease[VersionInfo]:
    """Return what deps.dev has about the versions, those fetched with the packages included."""
    known_versions = package_facts.versions
    return {
        **{release: known_versions[release] for release in releases if release in known_versions},
        **_fetch_deps_dev_versions(services, [release for release in releases if release not in known_versions]),
    }


def find_superseded_releases(
    services: ServiceLookup, releases: Sequence[Release], findings: ByRelease[VersionFindings], known_until: int
) -> frozenset[Release]:
    """Return the npm releases whose package has a newest version from after the moment of the report.

    The dates of the newest versions are those that :func:`fetch_related_versions` needs as well.
    """
    if known_until == NO_LIMIT:
        return frozenset()
    newest_releases = {
        release: Release(package=release.package, version=finding.value.default)
        for release in releases
        if release.package.registry_api == "npm"
        if isinstance(finding := findings[release], Found) and finding.value.default
    }
    newest_versions = _fetch_deps_dev_versions(services, dict.fromkeys(newest_releases.values()))
    return frozenset(
        release
        for release, newest_release in newest_releases.items()
        if isinstance(fact := newest_versions[newest_release], Found) and fact.value.published > known_until
    )


def fetch_findings(services: ServiceLookup, releases: Sequence[Release]) -> ByRelease[VersionFindings]:
    """Return what deps.dev concludes about the versions."""
    return services.fetch_public("deps-dev", deps_dev.collect_findings, releases)


def fetch_related_versions(
    services: ServiceLookup,
    releases: Sequence[Release],
    complete_facts: PackageFacts,
    listed_releases: frozenset[Release],
    versions: ByRelease[VersionInfo],
    latest_versions: Mapping[Release, str],
    known_until: int,
) -> ByRelease[VersionInfo]:
    """Return what deps.dev has about the versions to compare with those in use.

    They are the latest ones, for npm versions that need no listing of their package, and the stable ones before those
    in use, for PyPI versions without a listing: it alone shows which versions are attested.
    """
    previous_releases = [
        Release(package=release.package, version=previous_version)
        for release in releases
        if release.package.registry_api == "pypi" and isinstance(versions[release], Found)
        if select_listing(release, complete_facts, listed_releases) is NOT_REQUESTED
        if (
            previous_version := find_previous_version(
                release, select_package_info(release, complete_facts, listed_releases, known_until)
            )
        )
    ]
    latest_releases = [
        Release(package=release.package, version=version) for release, version in latest_versions.items() if version
    ]
    return _fetch_deps_dev_versions(services, [*previous_releases, *latest_releases])


def find_previous_version(release: Release, package_info: Fact[PackageInfo] | None) -> str | None:
    """Return the stable version before a version; None if there is none, or the version is not listed."""
    if not isinstance(package_info, Found) or release.version not in package_info.value.versions:
        return None
    versions = package_info.value.versions
    older_row = package_info.value.find_stable_row(versions.index(release.version) + 1)
    return None if older_row is None else versions[older_row]


def choose_repositories(
    package_metadata: ByRelease[Metadata], versions: ByRelease[VersionInfo]
) -> Mapping[Release, RepositoryId | None]:
    """Return the repository behind each version."""
    return {
        release: repository_link.choose_repository(metadata, versions[release])
        for release, metadata in package_metadata.items()
    }


def fetch_repository_info(
    services: ServiceLookup, repository_ids: Mapping[Release, RepositoryId | None]
) -> Mapping[RepositoryId, Fact[RepositoryInfo]]:
    """Return what deps.dev has about the repositories."""
    public_ids = services.select_repositories("deps-dev", repository_ids)
    return deps_dev.collect_repositories(services.run, public_ids, services.endpoints["deps-dev"]) if public_ids else {}


def fetch_scorecards(
    services: ServiceLookup,
    repository_ids: Mapping[Release, RepositoryId | None],
    repository_info: Mapping[RepositoryId, Fact[RepositoryInfo]],
) -> Mapping[RepositoryId, Fact[Scorecard]]:
    """Return Scorecard's results for repositories that deps.dev does not have; it passes on those of all others."""
    public_ids = services.select_repositories("scorecard", repository_ids)
    missing_ids = [id_ for id_ in public_ids if not isinstance(repository_info.get(id_), Found)]
    facts = (
        scorecard.fetch_scorecards(services.run, missing_ids, services.endpoints["scorecard"]) if missing_ids else {}
    )
    return {id_: facts.get(id_, scorecard.NEVER_SCANNED) for id_ in public_ids}


def fetch_hosted_repositories(
    services: ServiceLookup, as_of: int, repository_ids: Mapping[Release, RepositoryId | None]
) -> Mapping[RepositoryId, Fact[HostedRepository]]:
    """Return what GitHub has about the repositories: of all with a token, of a few without.

    The limit holds without a network too: the same evidence gives the same report.
    """
    public_ids = services.select_repositories("github", repository_ids)
    github_ids = [id_ for id_ in public_ids if id_.id.startswith(github.HOST_PREFIX)]
    if not services.endpoints["github"].identity and len(github_ids) > MAX_ANONYMOUS:
        return dict.fromkeys(public_ids, TOO_MANY_REPOSITORIES)
    if not public_ids:
        return {}
    return github.fetch_repositories(services.run, public_ids, services.endpoints["github"], as_of=as_of)


def choose_scorecards(
    repository_ids: Mapping[Release, RepositoryId | None],
    repository_info: Mapping[RepositoryId, Fact[RepositoryInfo]],
    scorecards: Mapping[RepositoryId, Fact[Scorecard]],
) -> ByRelease[Scorecard]:
    """Return the newest Scorecard results of the repository behind each version."""
    return {
        release: repository_link.NO_REPOSITORY
        if repository_id is None
        else repository_link.choose_scorecard(
            repository_info.get(repository_id, NOT_SENT), scorecards.get(repository_id, NOT_SENT)
        )
        for release, repository_id in repository_ids.items()
    }


def fetch_downloads(
    services: ServiceLookup, releases: Sequence[Release], *, include_downloads: bool
) -> ByPackage[Adoption]:
    """Return weekly downloads, if the user requested them."""
    if not include_downloads:
        return {}
    packages = {release.package for release in releases}
    public_packages = [
        package
        for source in (downloads.NPM_DOWNLOADS, downloads.PYPISTATS)
        for package in services.select_public(source.name, packages)
        if downloads.covers_package(source, package)
    ]
    facts = downloads.collect_downloads(
        services.run,
        public_packages,
        npm=services.endpoints["npm-downloads"],
        pypistats=services.endpoints["pypistats"],
    )
    return {package: facts.get(package, NOT_SENT) for package in packages}
