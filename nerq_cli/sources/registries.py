"""What the package registries and the shipped lists know, put together as evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from nerq_cli.facts import NOT_YET, Evidence, Fact, Found, Metadata, Neighbour, Project, Unknown, Vulnerability
from nerq_cli.inventory import NPM, PYPI, Package, Release
from nerq_cli.sources import kept_advisories, npm, popular, pypi
from nerq_cli.sources.addresses import Addresses
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.kept_advisories import Said
from nerq_cli.sources.question import Endpoint
from nerq_cli.store import Cache, Row
from nerq_cli.store.advisory_db import AdvisoryDatabase

_NOT_ASKED: Final = Unknown("not asked")
_NAMES: Final = "names"
_FOR_EVER: Final = 1 << 62
_A_YEAR: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Projects:
    """What the registries said of a batch of packages: each source's own facts, and the projects they add up to."""

    facts: Mapping[Package, Fact[Project]] = field(default_factory=dict)
    pages: Mapping[Package, Fact[pypi.Page]] = field(default_factory=dict)
    listings: Mapping[Package, Fact[pypi.Listing]] = field(default_factory=dict)
    packuments: Mapping[Package, Fact[npm.Packument]] = field(default_factory=dict)


class Registries:
    """Asks the registries in two rounds: about packages, then about the versions in use."""

    def __init__(
        self,
        gatherer: Gatherer,
        addresses: Addresses,
        store: Cache,
        *,
        now: int,
        database: AdvisoryDatabase | None = None,
    ) -> None:
        """Take the door to the network, where the registries are, where answers are kept, and advisories if any are."""
        self._database = database
        self._gatherer = gatherer
        self._addresses = addresses
        self._store = store
        self._now = now

    def projects(self, packages: Collection[Package]) -> Projects:
        """Ask about packages: all their versions, dates, status and owners."""
        python = [package for package in packages if package.ecosystem == PYPI]
        plan: list[tuple[Any, Sequence[Any], Endpoint]] = []
        if python:
            plan += [(source, python, self._addresses.pypi) for source in (pypi.PROJECT_JSON, pypi.SIMPLE)]
        for endpoint, names in self._by_endpoint(p for p in packages if p.ecosystem == NPM):
            plan.append((npm.PACKUMENT, names, endpoint))
        answers = self._gatherer.gather_all(plan)
        pages, listings = answers[:2] if python else ({}, {})
        packuments = {package: fact for answer in answers[2 if python else 0 :] for package, fact in answer.items()}
        facts = {package: pypi.project(listings[package], pages[package]) for package in python}
        facts |= {package: npm.project(fact) for package, fact in packuments.items()}
        return Projects(facts, pages, listings, packuments)

    def _by_endpoint(self, packages: Iterable[Package]) -> list[tuple[Endpoint, list[Package]]]:
        grouped: dict[str, tuple[Endpoint, list[Package]]] = {}
        for package in packages:
            endpoint = self._addresses.endpoint_for(package)
            grouped.setdefault(endpoint.scope, (endpoint, []))[1].append(package)
        return list(grouped.values())

    def evidence(self, releases: Collection[Release], projects: Projects) -> dict[Release, Evidence]:
        """Ask about the versions in use, and put everything known about each together."""
        details = self._release_pages(releases, projects)
        manifests = self._manifests(releases, projects)
        neighbours = self._neighbours({release.package for release in releases})
        lookalikes = self._lookalikes(neighbours, projects)
        kept = self._kept(releases, projects)
        return {
            release: Evidence(
                project=projects.facts.get(release.package, _NOT_ASKED),
                metadata=self._metadata(release, projects, details, manifests),
                popularity=popular.popularity(release.package),
                neighbour=neighbours[release.package],
                lookalike=lookalikes.get(release.package, _NOT_ASKED),
                advisories=_joined(self._advisories(release, projects, details), kept.get(release)),
                history=kept[release].history if release in kept else NOT_YET,
            )
            for release in releases
        }

    def _release_pages(self, releases: Iterable[Release], projects: Projects) -> Mapping[Release, Fact[Metadata]]:
        """Ask for the page of each version that the project's own page does not show already."""
        wanted = [
            release
            for release in releases
            if isinstance(page := projects.pages.get(release.package), Found)
            and page.value.metadata.version != release.version
            and release.version in page.value.project.versions
        ]
        if not wanted:
            return {}
        return self._gatherer.gather(pypi.RELEASE_JSON, wanted, self._addresses.pypi)

    def _manifests(self, releases: Iterable[Release], projects: Projects) -> Mapping[Release, Fact[Metadata]]:
        """Ask for the manifest of an npm version only where the packument could not be had."""
        wanted: dict[str, tuple[Endpoint, list[Release]]] = {}
        for release in releases:
            if isinstance(projects.packuments.get(release.package), Unknown):
                endpoint = self._addresses.endpoint_for(release.package)
                wanted.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
        answers = self._gatherer.gather_all([(npm.MANIFEST, some, endpoint) for endpoint, some in wanted.values()])
        return {release: fact for answer in answers for release, fact in answer.items()}

    def _metadata(
        self,
        release: Release,
        projects: Projects,
        details: Mapping[Release, Fact[Metadata]],
        manifests: Mapping[Release, Fact[Metadata]],
    ) -> Fact[Metadata]:
        package = release.package
        if package.ecosystem == NPM:
            return npm.metadata(release.version, projects.packuments[package], manifests.get(release, _NOT_ASKED))
        return pypi.metadata(
            release.version,
            projects.listings[package],
            projects.pages[package],
            details.get(release, _NOT_ASKED),
        )

    def _advisories(
        self, release: Release, projects: Projects, details: Mapping[Release, Fact[Metadata]]
    ) -> Fact[tuple[Vulnerability, ...]]:
        if release.package.ecosystem == NPM:
            return Unknown("no advisory source answered")
        page = projects.pages[release.package]
        return pypi.advisories(release.version, page, details.get(release, _NOT_ASKED))

    def _kept(self, releases: Iterable[Release], projects: Projects) -> Mapping[Release, Said]:
        """Return what the advisory database says, where there is one."""
        if self._database is None:
            return {}
        wanted = {release: _placed(release, projects.facts.get(release.package)) for release in releases}
        return kept_advisories.ask(self._database, wanted, as_of=self._now)

    def _neighbours(self, packages: Collection[Package]) -> dict[Package, Fact[Neighbour]]:
        """Return the popular name each name resembles; worked out once per name and edition of the list, then kept."""
        by_ecosystem: dict[str, list[Package]] = defaultdict(list)
        for package in packages:
            by_ecosystem[package.ecosystem].append(package)
        found: dict[Package, Fact[Neighbour]] = {}
        for ecosystem, some in by_ecosystem.items():
            edition = popular.edition(some[0].ecosystem)
            unlisted = [package for package in some if not popular.is_listed(package)]
            known = self._store.get_many(_NAMES, f"{ecosystem} {edition}", [package.key for package in unlisted])
            fresh = {p: popular.neighbour(p) for p in unlisted if p.key not in known}
            rows = {
                p.key: Row(msgspec.json.encode(neighbour), self._now, _FOR_EVER, "") for p, neighbour in fresh.items()
            }
            if rows:
                self._store.put_many(_NAMES, f"{ecosystem} {edition}", rows)
            for package in some:
                row = known.get(package.key)
                neighbour = fresh.get(package) or (_read(row) if row is not None else Neighbour())
                found[package] = Found(neighbour, popular.LABEL, edition)
        return found

    def _lookalikes(
        self, neighbours: Mapping[Package, Fact[Neighbour]], projects: Projects
    ) -> dict[Package, Fact[Project]]:
        """Return the project each name may be mistaken for, asked about only where its publishers could matter."""
        wanted = {
            package: Package(ecosystem=package.ecosystem, name=fact.value.name)
            for package, fact in neighbours.items()
            if isinstance(fact, Found) and fact.value.name and self._is_young(projects.facts.get(package, _NOT_ASKED))
        }
        if not wanted:
            return {}
        others = self.projects(sorted(set(wanted.values()))).facts
        return {package: others.get(other, _NOT_ASKED) for package, other in wanted.items()}

    def _is_young(self, project: Fact[Project]) -> bool:
        """Whether the project appeared within a year: an older one is no suspect, whoever publishes it."""
        first = min((date for date in project.value.published if date), default=0) if isinstance(project, Found) else 0
        return self._now - first < _A_YEAR


def _placed(release: Release, fact: Fact[Project] | None) -> tuple[int, str | None]:
    """Return when a version was published (0 = not known), and the stable version before it."""
    if not isinstance(fact, Found) or release.version not in fact.value.versions:
        return 0, None
    project = fact.value
    row = project.versions.index(release.version)
    before = next((project.versions[older] for older in project.stable_rows if older > row), None)
    return (0 if project.dates_doubt else project.published[row]), before


def _joined(registry: Fact[tuple[Vulnerability, ...]], kept: Said | None) -> Fact[tuple[Vulnerability, ...]]:
    """Return what the registry and the database say together; each may know what the other does not."""
    if kept is None:
        return registry
    if isinstance(registry, Found) and isinstance(kept.advisories, Found):
        return Found((*kept.advisories.value, *registry.value), kept.advisories.source, kept.advisories.seen)
    return registry if isinstance(registry, Found) else kept.advisories


def _read(row: Row) -> Neighbour:
    try:
        return msgspec.json.decode(row.value or b"{}", type=Neighbour)
    except msgspec.DecodeError:
        return Neighbour()
