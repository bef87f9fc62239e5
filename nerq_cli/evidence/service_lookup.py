"""What public services know beside the registries: advisories, repositories, Scorecard results, downloads.

Each is asked in as few requests as it takes, and none is needed: what one of them does not say stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from nerq_cli.evidence import repository_link as link
from nerq_cli.facts import Adoption, AffectingAdvisory, Fact, Found, Metadata, Repository, Scorecard, Unknown
from nerq_cli.fetch.fetcher import Fetcher, FetchPlan
from nerq_cli.inventory import Package, Release, RepositoryId, Subject
from nerq_cli.sources import deps_dev
from nerq_cli.sources.advisories import epss, exploitation, kev, osv
from nerq_cli.sources.deps_dev import RepositoryInfo, VersionFindings, VersionInfo
from nerq_cli.sources.endpoints import Endpoints
from nerq_cli.sources.popularity import downloads
from nerq_cli.sources.repositories import github, scorecard
from nerq_cli.sources.repositories.github import HostedRepository

S = TypeVar("S", bound=Subject)
T = TypeVar("T")

NOT_SENT: Final = Unknown("the name was not sent: its registry is not the public one, and it is on no list of names")
#: Repositories asked about without a token. GitHub answers 60 such requests an hour to a whole office.
MAX_ANONYMOUS: Final = 10
_NO_TOKEN: Final = Unknown("more repositories than can be asked about without a GITHUB_TOKEN", github.LABEL)


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """What is known of the repositories behind releases."""

    repositories: Mapping[Release, Fact[Repository]]
    scorecards: Mapping[Release, Fact[Scorecard]]
    #: Size of the README there, in bytes; only where it was read.
    readmes: Mapping[Release, int]


class ServiceLookup:
    """Asks the services. ``is_public`` says of a package whether strangers may learn its name."""

    def __init__(
        self, fetcher: Fetcher, endpoints: Endpoints, *, is_public: Callable[[Package], bool], as_of: int
    ) -> None:
        self._fetcher = fetcher
        self._endpoints = endpoints
        self._is_public = is_public
        self._as_of = as_of
        self._hidden_packages: set[Package] = set()

    def hide_packages(self, packages: Iterable[Package]) -> None:
        """Name these to nobody: no registry knows them, so that they are most likely somebody's own."""
        self._hidden_packages.update(packages)

    def _select_public(self, source_id: str, subjects: Iterable[S], get_package: Callable[[S], Package]) -> list[S]:
        """Return the subjects that a service may be asked about."""
        is_configured = source_id in self._endpoints.configured
        pairs = ((subject, get_package(subject)) for subject in subjects)
        return [
            subject
            for subject, package in pairs
            if package not in self._hidden_packages and (is_configured or self._is_public(package))
        ]

    def plan_prefetch(self, releases: Collection[Release]) -> FetchPlan:
        """Return what can be asked about releases while their registries are still being asked."""
        deps_dev_releases = self._select_public("deps-dev", releases, _get_package)
        osv_releases = self._select_public("osv", releases, _get_package)
        packages = sorted({release.package for release in osv_releases})
        plan = (
            (deps_dev.VERSIONS, deps_dev_releases, self._endpoints["deps-dev"]),
            (deps_dev.FINDINGS, deps_dev_releases, self._endpoints["deps-dev"]),
            (osv.create_affecting_source(), osv_releases, self._endpoints["osv"]),
            (osv.create_recorded_source(), packages, self._endpoints["osv"]),
        )
        return [entry for entry in plan if entry[1]]

    # --- versions ------------------------------------------------------------------------------------------------

    def fetch_versions(self, releases: Collection[Release]) -> dict[Release, Fact[VersionInfo]]:
        """Return what deps.dev says of versions."""
        public_releases = self._select_public("deps-dev", releases, _get_package)
        facts = (
            deps_dev.collect_versions(self._fetcher, public_releases, self._endpoints["deps-dev"])
            if public_releases
            else {}
        )
        return {release: facts.get(release, NOT_SENT) for release in releases}

    def fetch_findings(self, releases: Collection[Release]) -> dict[Release, Fact[VersionFindings]]:
        """Return what deps.dev concludes about versions."""
        public_releases = self._select_public("deps-dev", releases, _get_package)
        facts = (
            deps_dev.collect_findings(self._fetcher, public_releases, self._endpoints["deps-dev"])
            if public_releases
            else {}
        )
        return {release: facts.get(release, NOT_SENT) for release in releases}

    # --- advisories ----------------------------------------------------------------------------------------------

    def fetch_advisories(self, releases: Collection[Release]) -> osv.OsvAdvisories:
        """Return the advisories of releases, and what is recorded of their packages."""
        public_releases = self._select_public("osv", releases, _get_package)
        packages = sorted({release.package for release in public_releases})
        osv_advisories = (
            osv.fetch_advisories(self._fetcher, public_releases, packages, self._endpoints["osv"])
            if public_releases
            else osv.OsvAdvisories({}, {})
        )
        return osv.OsvAdvisories(
            {release: osv_advisories.affecting.get(release, NOT_SENT) for release in releases},
            {release.package: osv_advisories.recorded.get(release.package, NOT_SENT) for release in releases},
            osv_advisories.incomplete,
        )

    def add_exploitation(
        self, advisories: Mapping[Release, Fact[tuple[AffectingAdvisory, ...]]]
    ) -> dict[Release, Fact[tuple[AffectingAdvisory, ...]]]:
        """Return the same, with what EPSS and KEV say of each CVE. Neither is asked where there is none."""
        cves = exploitation.collect_cves(
            advisory for fact in advisories.values() if isinstance(fact, Found) for advisory in fact.value
        )
        if not cves:
            return dict(advisories)
        catalogue = kev.fetch_catalogue(self._fetcher, self._endpoints.by_source["kev"])
        probabilities = epss.fetch_probabilities(self._fetcher, cves, self._endpoints["epss"])
        return {
            release: Found(
                exploitation.add_exploitation(fact.value, probabilities, catalogue), fact.source, fact.retrieved_at
            )
            if isinstance(fact, Found) and fact.value
            else fact
            for release, fact in advisories.items()
        }

    # --- repositories --------------------------------------------------------------------------------------------

    def fetch_repositories(
        self, metadata: Mapping[Release, Fact[Metadata]], versions: Mapping[Release, Fact[VersionInfo]]
    ) -> RepositoryFacts:
        """Return what is known of the repositories that releases name, or were provably built from.

        What a package names that strangers may not learn of is not to be learned by them either.
        """
        repository_ids = {release: link.choose_repository(metadata[release], versions[release]) for release in metadata}
        repository_info = self._fetch_repository_info(self._select_repositories("deps-dev", repository_ids))
        scorecard_facts = self._fetch_scorecards(
            self._select_repositories("scorecard", repository_ids), repository_info
        )
        hosted_repositories = self._fetch_hosted(self._select_repositories("github", repository_ids))
        repositories: dict[Release, Fact[Repository]] = {}
        scorecards: dict[Release, Fact[Scorecard]] = {}
        readmes: dict[Release, int] = {}
        for release, repository_id in repository_ids.items():
            if repository_id is None:
                repositories[release] = scorecards[release] = link.NO_REPOSITORY
                continue
            info, hosted_repository = (
                repository_info.get(repository_id, NOT_SENT),
                hosted_repositories.get(repository_id, NOT_SENT),
            )
            repositories[release] = link.build_repository(
                release.package, metadata[release], versions[release], info, hosted_repository, as_of=self._as_of
            )
            scorecards[release] = link.choose_scorecard(info, scorecard_facts.get(repository_id, NOT_SENT))
            if isinstance(hosted_repository, Found) and hosted_repository.value.readme:
                readmes[release] = hosted_repository.value.readme
        return RepositoryFacts(repositories, scorecards, readmes)

    def _select_repositories(
        self, source_id: str, repository_ids: Mapping[Release, RepositoryId | None]
    ) -> list[RepositoryId]:
        """Return the repositories that a service may be asked about: those of packages that it may learn of."""
        public_releases = self._select_public(source_id, repository_ids, _get_package)
        return sorted(
            {repository_id for release in public_releases if (repository_id := repository_ids[release]) is not None}
        )

    def _fetch_repository_info(self, repositories: Sequence[RepositoryId]) -> dict[RepositoryId, Fact[RepositoryInfo]]:
        return (
            deps_dev.collect_repositories(self._fetcher, repositories, self._endpoints["deps-dev"])
            if repositories
            else {}
        )

    def _fetch_scorecards(
        self, repositories: Sequence[RepositoryId], repository_info: Mapping[RepositoryId, Fact[RepositoryInfo]]
    ) -> dict[RepositoryId, Fact[Scorecard]]:
        """Ask Scorecard itself about what deps.dev does not know; where it knows a project, it passes results on."""
        unknown_ids = [
            repository_id for repository_id in repositories if not isinstance(repository_info.get(repository_id), Found)
        ]
        facts = (
            scorecard.fetch_scorecards(self._fetcher, unknown_ids, self._endpoints["scorecard"]) if unknown_ids else {}
        )
        return {repository_id: facts.get(repository_id, scorecard.NEVER_SCANNED) for repository_id in repositories}

    def _fetch_hosted(self, repositories: Sequence[RepositoryId]) -> dict[RepositoryId, Fact[HostedRepository]]:
        """Ask GitHub: about all with a token, and without one only where there are few."""
        github_repositories = [
            repository_id for repository_id in repositories if repository_id.id.startswith(github.HOST_PREFIX)
        ]
        if not self._endpoints["github"].identity and len(github_repositories) > MAX_ANONYMOUS:
            return dict.fromkeys(repositories, _NO_TOKEN)
        if not repositories:
            return {}
        return github.fetch_repositories(self._fetcher, repositories, self._endpoints["github"], as_of=self._as_of)

    # --- downloads -----------------------------------------------------------------------------------------------

    def fetch_downloads(self, packages: Collection[Package]) -> dict[Package, Fact[Adoption]]:
        """Return downloads a week, for as long as the services say."""
        public_packages = [
            package
            for source in (downloads.NPM_DOWNLOADS, downloads.PYPISTATS)
            for package in self._select_public(source.name, packages, lambda package: package)
            if downloads.covers_package(source, package)
        ]
        facts = downloads.collect_downloads(
            self._fetcher, public_packages, npm=self._endpoints["npm-downloads"], pypistats=self._endpoints["pypistats"]
        )
        return {package: facts.get(package, NOT_SENT) for package in packages}


def _get_package(release: Release) -> Package:
    return release.package
