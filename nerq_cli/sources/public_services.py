"""What public services know beside the registries: advisories, repositories, Scorecard results, downloads.

Each is asked in as few requests as it takes, and none is needed: what one of them does not say stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from nerq_cli.facts import Adoption, Fact, Found, Metadata, Repository, Scorecard, Unknown, Vulnerability
from nerq_cli.inventory import Package, Release, RepositoryId, Subject
from nerq_cli.sources import deps_dev, downloads, epss, exploitation, github, kev, osv, repository, scorecard
from nerq_cli.sources.deps_dev import Findings, HostedProject, Version
from nerq_cli.sources.gather import Gatherer, Plan
from nerq_cli.sources.github import Hosted
from nerq_cli.sources.question import Endpoint

S = TypeVar("S", bound=Subject)
T = TypeVar("T")

NOT_SENT: Final = Unknown("the name was not sent: its registry is not the public one, and it is on no list of names")
#: Services without which every dependency can be judged all the same, only with less to go by.
HELPFUL: Final = frozenset(
    {
        deps_dev.LABEL,
        scorecard.LABEL,
        github.LABEL,
        downloads.NPM_DOWNLOADS.label,
        downloads.PYPISTATS.label,
    }
)
#: Repositories asked about without a token. GitHub answers 60 such requests an hour to a whole office.
ANONYMOUS: Final = 10
_NO_TOKEN: Final = Unknown("more repositories than can be asked about without a GITHUB_TOKEN", github.LABEL)
_VARIABLES: Final = {
    osv.LABEL: osv.VARIABLE,
    deps_dev.LABEL: deps_dev.VARIABLE,
    scorecard.LABEL: scorecard.VARIABLE,
    github.LABEL: github.VARIABLE,
    downloads.NPM_DOWNLOADS.label: downloads.NPM_VARIABLE,
    downloads.PYPISTATS.label: downloads.PYPISTATS_VARIABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the services are. ``chosen`` are those whose address the user gave: they may learn every name."""

    osv: Endpoint
    deps_dev: Endpoint
    scorecard: Endpoint
    github: Endpoint
    epss: Endpoint
    kev: tuple[Endpoint, ...]
    npm_downloads: Endpoint
    pypistats: Endpoint
    chosen: frozenset[str] = frozenset()


def places(environ: Mapping[str, str]) -> Places:
    """Return where the services are, as the environment has it."""
    return Places(
        osv=osv.endpoint(environ),
        deps_dev=deps_dev.endpoint(environ),
        scorecard=scorecard.endpoint(environ),
        github=github.endpoint(environ),
        epss=epss.endpoint(environ),
        kev=kev.endpoints(environ),
        npm_downloads=downloads.npm_endpoint(environ),
        pypistats=downloads.pypistats_endpoint(environ),
        chosen=frozenset(label for label, variable in _VARIABLES.items() if environ.get(variable, "").strip()),
    )


@dataclass(frozen=True, slots=True)
class Behind:
    """What is known of the repositories behind releases."""

    repositories: Mapping[Release, Fact[Repository]]
    scorecards: Mapping[Release, Fact[Scorecard]]
    #: Size of the README there, in bytes; only where it was read.
    readmes: Mapping[Release, int]


class PublicServices:
    """Asks the services. ``is_public`` says of a package whether strangers may learn its name."""

    def __init__(self, gatherer: Gatherer, where: Places, *, is_public: Callable[[Package], bool], as_of: int) -> None:
        self._gatherer = gatherer
        self._where = where
        self._is_public = is_public
        self._as_of = as_of
        self._nowhere: set[Package] = set()

    def hide(self, packages: Iterable[Package]) -> None:
        """Name these to nobody: no registry knows them, so that they are most likely somebody's own."""
        self._nowhere.update(packages)

    def _told(self, label: str, about: Iterable[S], package: Callable[[S], Package]) -> list[S]:
        """Return the subjects that a service may be asked about."""
        chosen = label in self._where.chosen
        some = ((one, package(one)) for one in about)
        return [one for one, name in some if name not in self._nowhere and (chosen or self._is_public(name))]

    def ahead(self, releases: Collection[Release]) -> Plan:
        """Return what can be asked about releases while their registries are still being asked."""
        indexed = self._told(deps_dev.LABEL, releases, _package)
        recorded = self._told(osv.LABEL, releases, _package)
        packages = sorted({release.package for release in recorded})
        plan = (
            (deps_dev.VERSIONS, indexed, self._where.deps_dev),
            (deps_dev.FINDINGS, indexed, self._where.deps_dev),
            (osv.affecting(), recorded, self._where.osv),
            (osv.ever(), packages, self._where.osv),
        )
        return [one for one in plan if one[1]]

    # --- versions ------------------------------------------------------------------------------------------------

    def versions(self, releases: Collection[Release]) -> dict[Release, Fact[Version]]:
        """Return what deps.dev says of versions."""
        told = self._told(deps_dev.LABEL, releases, _package)
        facts = deps_dev.versions(self._gatherer, told, self._where.deps_dev) if told else {}
        return {release: facts.get(release, NOT_SENT) for release in releases}

    def findings(self, releases: Collection[Release]) -> dict[Release, Fact[Findings]]:
        """Return what deps.dev concludes about versions."""
        told = self._told(deps_dev.LABEL, releases, _package)
        facts = deps_dev.findings(self._gatherer, told, self._where.deps_dev) if told else {}
        return {release: facts.get(release, NOT_SENT) for release in releases}

    # --- advisories ----------------------------------------------------------------------------------------------

    def advisories(self, releases: Collection[Release]) -> osv.Known:
        """Return the advisories of releases, and what is recorded of their packages."""
        told = self._told(osv.LABEL, releases, _package)
        packages = sorted({release.package for release in told})
        known = osv.known(self._gatherer, told, packages, self._where.osv) if told else osv.Known({}, {})
        return osv.Known(
            {release: known.affecting.get(release, NOT_SENT) for release in releases},
            {release.package: known.recorded.get(release.package, NOT_SENT) for release in releases},
            known.unread,
        )

    def exploited(
        self, found: Mapping[Release, Fact[tuple[Vulnerability, ...]]]
    ) -> dict[Release, Fact[tuple[Vulnerability, ...]]]:
        """Return the same, with what EPSS and KEV say of each CVE. Neither is asked where there is none."""
        cves = exploitation.cves(one for fact in found.values() if isinstance(fact, Found) for one in fact.value)
        if not cves:
            return dict(found)
        catalogue = kev.catalogue(self._gatherer, self._where.kev)
        probable = epss.probabilities(self._gatherer, cves, self._where.epss)
        return {
            release: Found(exploitation.raised(fact.value, probable, catalogue), fact.source, fact.seen)
            if isinstance(fact, Found) and fact.value
            else fact
            for release, fact in found.items()
        }

    # --- repositories --------------------------------------------------------------------------------------------

    def behind(self, metadata: Mapping[Release, Fact[Metadata]], versions: Mapping[Release, Fact[Version]]) -> Behind:
        """Return what is known of the repositories that releases name, or were provably built from.

        What a package names that strangers may not learn of is not to be learned by them either.
        """
        named = {release: repository.source(metadata[release], versions[release]) for release in metadata}
        projects = self._projects(self._revealed(deps_dev.LABEL, named))
        cards = self._scorecards(self._revealed(scorecard.LABEL, named), projects)
        hosted = self._hosted(self._revealed(github.LABEL, named))
        repositories: dict[Release, Fact[Repository]] = {}
        scorecards: dict[Release, Fact[Scorecard]] = {}
        readmes: dict[Release, int] = {}
        for release, one in named.items():
            if one is None:
                repositories[release] = scorecards[release] = repository.NONE_NAMED
                continue
            project, host = projects.get(one, NOT_SENT), hosted.get(one, NOT_SENT)
            repositories[release] = repository.repository(
                release.package, metadata[release], versions[release], project, host, as_of=self._as_of
            )
            scorecards[release] = repository.scorecard(project, cards.get(one, NOT_SENT))
            if isinstance(host, Found) and host.value.readme:
                readmes[release] = host.value.readme
        return Behind(repositories, scorecards, readmes)

    def _revealed(self, label: str, named: Mapping[Release, RepositoryId | None]) -> list[RepositoryId]:
        """Return the repositories that a service may be asked about: those of packages that it may learn of."""
        told = self._told(label, named, _package)
        return sorted({one for release in told if (one := named[release]) is not None})

    def _projects(self, repositories: Sequence[RepositoryId]) -> dict[RepositoryId, Fact[HostedProject]]:
        return deps_dev.projects(self._gatherer, repositories, self._where.deps_dev) if repositories else {}

    def _scorecards(
        self, repositories: Sequence[RepositoryId], projects: Mapping[RepositoryId, Fact[HostedProject]]
    ) -> dict[RepositoryId, Fact[Scorecard]]:
        """Ask Scorecard itself about what deps.dev does not know; where it knows a project, it passes results on."""
        unknown = [one for one in repositories if not isinstance(projects.get(one), Found)]
        facts = scorecard.scorecards(self._gatherer, unknown, self._where.scorecard) if unknown else {}
        return {one: facts.get(one, scorecard.NEVER) for one in repositories}

    def _hosted(self, repositories: Sequence[RepositoryId]) -> dict[RepositoryId, Fact[Hosted]]:
        """Ask GitHub: about all with a token, and without one only where there are few."""
        ours = [one for one in repositories if one.id.startswith(github.HOST)]
        if not self._where.github.identity and len(ours) > ANONYMOUS:
            return dict.fromkeys(repositories, _NO_TOKEN)
        if not repositories:
            return {}
        return github.repositories(self._gatherer, repositories, self._where.github, as_of=self._as_of)

    # --- downloads -----------------------------------------------------------------------------------------------

    def adoption(self, packages: Collection[Package]) -> dict[Package, Fact[Adoption]]:
        """Return downloads a week, for as long as the services say."""
        told = [
            one
            for source in (downloads.NPM_DOWNLOADS, downloads.PYPISTATS)
            for one in self._told(source.label, packages, lambda package: package)
            if downloads.counts(source, one)
        ]
        facts = downloads.downloads(
            self._gatherer, told, npm=self._where.npm_downloads, pypistats=self._where.pypistats
        )
        return {package: facts.get(package, NOT_SENT) for package in packages}


def _package(release: Release) -> Package:
    return release.package
