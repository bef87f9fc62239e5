"""What the package registries know: of packages, and of single versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nerq_cli.facts import ATTESTED, Fact, Found, Metadata, Project, Unknown, Vulnerability
from nerq_cli.inventory import NPM, PYPI, Package, Release
from nerq_cli.sources import npm, pypi
from nerq_cli.sources.addresses import Addresses
from nerq_cli.sources.gather import Gatherer, Plan
from nerq_cli.sources.provenance import Provenance, provenances
from nerq_cli.sources.question import Endpoint

NOT_ASKED: Final = Unknown("not asked")


@dataclass(frozen=True, slots=True)
class Projects:
    """What the registries said of a batch of packages: each source's own facts, and the projects they add up to.

    An npm package may be missing here: whoever has its version pinned need not ask about all of its versions.
    """

    facts: Mapping[Package, Fact[Project]] = field(default_factory=dict)
    pages: Mapping[Package, Fact[pypi.Page]] = field(default_factory=dict)
    listings: Mapping[Package, Fact[pypi.Listing]] = field(default_factory=dict)
    packuments: Mapping[Package, Fact[npm.Packument]] = field(default_factory=dict)

    def together(self, other: Projects) -> Projects:
        """Return both; where both speak of a package, the other one counts."""
        return Projects(
            {**self.facts, **other.facts},
            {**self.pages, **other.pages},
            {**self.listings, **other.listings},
            {**self.packuments, **other.packuments},
        )


class Registries:
    """Asks the registries that the user's configuration names."""

    def __init__(self, gatherer: Gatherer, addresses: Addresses) -> None:
        self._gatherer = gatherer
        self._addresses = addresses

    def projects(self, packages: Collection[Package]) -> Projects:
        """Ask about packages: all their versions, dates and owners.

        The simple API of PyPI is asked at once only where the project's page says nothing; see :meth:`listed`.
        """
        python = [package for package in packages if package.ecosystem == PYPI]
        plan: list[tuple[Any, Sequence[Any], Endpoint]] = []
        if python:
            plan.append((pypi.PROJECT_JSON, python, self._addresses.pypi))
        for endpoint, names in self._by_endpoint(p for p in packages if p.ecosystem == NPM):
            plan.append((npm.PACKUMENT, names, endpoint))
        answers = self._gatherer.gather_all(plan)
        pages = answers[0] if python else {}
        packuments = {package: fact for answer in answers[1 if python else 0 :] for package, fact in answer.items()}
        facts = {package: pypi.project(NOT_ASKED, pages[package]) for package in python}
        facts |= {package: npm.project(fact) for package, fact in packuments.items()}
        told = Projects(facts, pages, {}, packuments)
        silent = [package for package in python if not _has_versions(pages[package])]
        return self.listed(told, silent) if silent else told

    def listed(self, projects: Projects, packages: Collection[Package]) -> Projects:
        """Ask the simple API as well: it alone tells the state of a project, and which versions are attested."""
        wanted = [one for one in packages if one.ecosystem == PYPI and one not in projects.listings]
        if not wanted:
            return projects
        listings = self._gatherer.gather(pypi.SIMPLE, wanted, self._addresses.pypi)
        pages = {package: projects.pages.get(package, NOT_ASKED) for package in wanted}
        facts = {package: pypi.project(listings[package], pages[package]) for package in wanted}
        return projects.together(Projects(facts, pages, listings, {}))

    def _by_endpoint(self, packages: Iterable[Package]) -> list[tuple[Endpoint, list[Package]]]:
        grouped: dict[str, tuple[Endpoint, list[Package]]] = {}
        for package in packages:
            endpoint = self._addresses.endpoint_for(package)
            grouped.setdefault(endpoint.scope, (endpoint, []))[1].append(package)
        return list(grouped.values())

    def pages(
        self, releases: Iterable[Release], projects: Projects, *, ahead: Plan = ()
    ) -> Mapping[Release, Fact[Metadata]]:
        """Ask for the page of each PyPI version that the project's own page does not show already.

        What is to be asked ``ahead`` is asked meanwhile.
        """
        wanted = [
            release
            for release in releases
            if isinstance(page := projects.pages.get(release.package), Found)
            and page.value.metadata.version != release.version
            and release.version in page.value.project.versions
        ]
        if not wanted:
            return {}
        [facts] = self._gatherer.gather_all([(pypi.RELEASE_JSON, wanted, self._addresses.pypi)], ahead=ahead)
        return facts

    def manifests(self, releases: Iterable[Release], projects: Projects) -> Mapping[Release, Fact[Metadata]]:
        """Ask for the manifest of an npm version where the packument was not asked for, or could not be had."""
        wanted: dict[str, tuple[Endpoint, list[Release]]] = {}
        for release in releases:
            unknown = isinstance(projects.packuments.get(release.package, NOT_ASKED), Unknown)
            if release.package.ecosystem == NPM and unknown:
                endpoint = self._addresses.endpoint_for(release.package)
                wanted.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
        answers = self._gatherer.gather_all([(npm.MANIFEST, some, endpoint) for endpoint, some in wanted.values()])
        return {release: fact for answer in answers for release, fact in answer.items()}

    def newest(self, packages: Iterable[Package]) -> dict[Package, Fact[str]]:
        """Ask which version of an npm package installers take today; its packument would say so, in megabytes."""
        plan = [(npm.NEWEST, some, endpoint) for endpoint, some in self._by_endpoint(packages)]
        return {package: fact for answer in self._gatherer.gather_all(plan) for package, fact in answer.items()}

    def publishers(
        self, releases: Mapping[Release, Fact[Metadata]], projects: Projects
    ) -> dict[Release, Fact[Provenance]]:
        """Ask who published the releases that are known to carry attestations, as the registry verified it."""
        attested = {
            one: pypi.attested_file(one.version, projects.listings.get(one.package, NOT_ASKED)) for one in releases
        }
        wanted = {
            release: file
            for release, file in attested.items()
            if file or (release.package.ecosystem == NPM and _is_attested(release, releases[release], projects))
        }
        if not wanted:
            return {}
        return provenances(self._gatherer, wanted, pypi=self._addresses.pypi, npm=self._addresses.endpoint_for)


def _is_attested(release: Release, fact: Fact[Metadata], projects: Projects) -> bool:
    """Whether an npm version carries attestations, by its manifest or by its row in the packument."""
    project = projects.facts.get(release.package)
    if isinstance(project, Found) and release.version in project.value.versions:
        return bool(project.value.flags[project.value.versions.index(release.version)] & ATTESTED)
    return isinstance(fact, Found) and fact.value.attested is True


def metadata(
    release: Release,
    projects: Projects,
    pages: Mapping[Release, Fact[Metadata]],
    manifests: Mapping[Release, Fact[Metadata]],
) -> Fact[Metadata]:
    """Return what is known of one version."""
    package = release.package
    if package.ecosystem == NPM:
        packument = projects.packuments.get(package, NOT_ASKED)
        return npm.metadata(release.version, packument, manifests.get(release, NOT_ASKED))
    listing, page = projects.listings.get(package, NOT_ASKED), projects.pages.get(package, NOT_ASKED)
    return pypi.metadata(release.version, listing, page, pages.get(release, NOT_ASKED))


def advisories(
    release: Release, projects: Projects, pages: Mapping[Release, Fact[Metadata]]
) -> Fact[tuple[Vulnerability, ...]]:
    """Return the advisories that the registry itself lists for a version; only PyPI does."""
    if release.package.ecosystem == NPM:
        return Unknown("no advisory source answered")
    page = projects.pages.get(release.package, NOT_ASKED)
    return pypi.advisories(release.version, page, pages.get(release, NOT_ASKED))


def _has_versions(page: Fact[pypi.Page]) -> bool:
    return isinstance(page, Found) and bool(page.value.project.versions)
