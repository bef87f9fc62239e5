"""Everything that is known about packages and versions, put together as evidence from all there is to ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from nerq_cli.advisories import KEPT_BY_OSV, history, vulnerabilities
from nerq_cli.facts import Absent, Advisory, Evidence, Fact, Found, Metadata, Neighbour, Project, Unknown, Vulnerability
from nerq_cli.inventory import NPM, PYPI, Package, Release
from nerq_cli.sources import indexed, kept_advisories, names, osv, popular, registries
from nerq_cli.sources.deps_dev import NOT_INDEXED, Findings, Version
from nerq_cli.sources.kept_advisories import Said
from nerq_cli.sources.provenance import Provenance
from nerq_cli.sources.public_services import PublicServices
from nerq_cli.sources.registries import NOT_ASKED, Projects, Registries
from nerq_cli.sources.repository import proven
from nerq_cli.store import Cache
from nerq_cli.store.advisory_db import AdvisoryDatabase

_DAY: Final = 86_400
#: An npm version younger than this many seconds (30 days) is looked at with all versions before it: what an attack
#: changes (a new install script, a lost attestation, a name that nobody had before) shows only beside them.
_CLOSELY: Final = 30 * _DAY


class Inquiry:
    """Asks in two rounds: about packages, then about the versions in use.

    What one service says decides what another one need not be asked. ``database`` are the advisories kept on this
    disk, ``now`` is the present in epoch seconds (UTC).
    """

    def __init__(
        self,
        registries: Registries,
        services: PublicServices,
        store: Cache,
        *,
        now: int,
        database: AdvisoryDatabase | None = None,
        downloads: bool = False,
    ) -> None:
        self._registries = registries
        self._services = services
        self._store = store
        self._now = now
        self._database = database
        self._downloads = downloads
        #: What was asked about the pinned versions of the batch at hand, together with their packages.
        self._pinned: dict[Release, Fact[Version]] = {}
        self._manifests: dict[Release, Fact[Metadata]] = {}
        #: Releases of which OSV said nothing and the database did, by ecosystem.
        self.replaced: Counter[str] = Counter()
        #: Releases of which neither said anything, by ecosystem.
        self.unanswered: Counter[str] = Counter()

    # --- packages ------------------------------------------------------------------------------------------------

    def projects(self, packages: Collection[Package], pinned: Collection[Release] = ()) -> Projects:
        """Ask about packages. Of npm packages whose versions are all ``pinned`` deps.dev knows enough.

        Their packuments hold every version there ever was, and are megabytes of JSON.
        """
        pins: dict[Package, list[Release]] = {}
        for release in pinned:
            if release.package.ecosystem == NPM:
                pins.setdefault(release.package, []).append(release)
        exact = [release for some in pins.values() for release in some]
        self._manifests = dict(self._registries.manifests(exact, Projects())) if self._is_indexed(exact) else {}
        listed = [release for release, fact in self._manifests.items() if isinstance(fact, Found)]
        self._pinned = self._services.versions(listed)
        enough = {
            package for package, some in pins.items() if all(isinstance(self._pinned.get(one), Found) for one in some)
        }
        left = [package for package in packages if package not in enough]
        projects = self._registries.projects(left)
        self._services.hide(package for package, fact in projects.facts.items() if isinstance(fact, Absent))
        return projects

    def _is_indexed(self, releases: Sequence[Release]) -> bool:
        """Whether deps.dev may answer: it is tried with a name that everybody knows, where there is one."""
        known = next((release for release in releases if popular.is_listed(release.package)), None)
        if known is None:
            return bool(releases)
        fact = self._services.versions([known])[known]
        return isinstance(fact, Found) or fact == NOT_INDEXED

    # --- versions in use -----------------------------------------------------------------------------------------

    def evidence(self, releases: Sequence[Release], projects: Projects) -> dict[Release, Evidence]:
        """Ask about the versions in use, and put everything known about each together."""
        python = [release for release in releases if release.package.ecosystem == PYPI]
        pages = self._registries.pages(python, projects, ahead=self._services.ahead(python))
        versions = self._versions(releases)
        findings = self._services.findings(releases)
        neighbours = names.neighbours({release.package for release in releases}, self._store, now=self._now)
        said = self._advisories(releases, projects, versions)
        projects = self._whole(projects, releases, versions, neighbours, said)
        known = {one: self._manifests[one] for one in releases if one in self._manifests}
        manifests = {**known, **self._registries.manifests([one for one in releases if one not in known], projects)}
        hidden = sorted({one.package for one, fact in manifests.items() if not isinstance(fact, Found)})
        projects = projects.together(self._registries.projects([one for one in hidden if one not in projects.facts]))
        metadata = {
            one: indexed.filled(registries.metadata(one, projects, pages, manifests), versions[one]) for one in releases
        }
        unproven = {
            one: fact for one, fact in metadata.items() if isinstance(fact, Found) and not proven(fact, versions[one])
        }
        for one, publisher in self._registries.publishers(unproven, projects).items():
            metadata[one] = _published_by(metadata[one], publisher)
        behind = self._services.behind(metadata, versions)
        facts = self._facts(releases, projects, versions, findings)
        advisories = self._services.exploited(
            {
                one: _joined(registries.advisories(one, projects, pages), said[one].advisories, findings[one])
                for one in releases
            }
        )
        lookalikes = names.lookalikes(
            neighbours, facts, lambda others: self._registries.projects(others).facts, now=self._now
        )
        adoption = self._services.adoption({one.package for one in releases}) if self._downloads else {}
        return {
            release: Evidence(
                project=facts.get(release.package, NOT_ASKED),
                metadata=_with_readme(metadata[release], behind.readmes.get(release)),
                popularity=popular.popularity(release.package),
                neighbour=neighbours[release.package],
                lookalike=lookalikes.get(release.package, NOT_ASKED),
                advisories=advisories[release],
                history=said[release].history,
                scorecard=behind.scorecards[release],
                repository=behind.repositories[release],
                adoption=adoption.get(release.package, NOT_ASKED),
            )
            for release in releases
        }

    def _whole(
        self,
        projects: Projects,
        releases: Sequence[Release],
        versions: Mapping[Release, Fact[Version]],
        neighbours: Mapping[Package, Fact[Neighbour]],
        said: Mapping[Release, Said],
    ) -> Projects:
        """Ask the registries for what deps.dev cannot tell."""
        unlisted = {one.package for one in releases if not isinstance(versions[one], Found)}
        projects = self._registries.listed(projects, sorted(unlisted & projects.pages.keys()))
        wanted = {
            one.package
            for one in releases
            if one.package.ecosystem == NPM and one.package not in projects.facts
            if self._closely(versions[one], neighbours[one.package], said[one].advisories)
        }
        return projects.together(self._registries.projects(sorted(wanted))) if wanted else projects

    def _closely(
        self, version: Fact[Version], neighbour: Fact[Neighbour], advisories: Fact[tuple[Vulnerability, ...]]
    ) -> bool:
        """Whether a package must be seen whole: where its age, its past or its newer versions matter."""
        return (
            not isinstance(version, Found)
            or self._now - version.value.published < _CLOSELY
            or version.value.deprecated
            or bool(isinstance(neighbour, Found) and neighbour.value.name)
            or bool(isinstance(advisories, Found) and advisories.value)
        )

    def _facts(
        self,
        releases: Sequence[Release],
        projects: Projects,
        versions: Mapping[Release, Fact[Version]],
        findings: Mapping[Release, Fact[Findings]],
    ) -> dict[Package, Fact[Project]]:
        """Return what is known of each package."""
        newest = self._newest(projects, findings)
        known = self._known(releases, projects, versions, newest)
        return {
            package: _project(
                package,
                projects.facts.get(package),
                known.get(package, {}),
                newest.get(package, ""),
                listed=package in projects.listings,
            )
            for package in dict.fromkeys(one.package for one in releases)
        }

    def _newest(self, projects: Projects, findings: Mapping[Release, Fact[Findings]]) -> dict[Package, str]:
        """Return the version that installers take, of packages that the registry was not asked about as a whole."""
        partly = {one: fact for one, fact in findings.items() if one.package not in projects.facts}
        newest = {
            one.package: fact.value.default
            for one, fact in partly.items()
            if isinstance(fact, Found) and fact.value.default
        }
        left = sorted({one.package for one in partly} - newest.keys())
        asked = self._registries.newest(left) if left else {}
        return newest | {package: fact.value for package, fact in asked.items() if isinstance(fact, Found)}

    def _known(
        self,
        releases: Sequence[Release],
        projects: Projects,
        versions: Mapping[Release, Fact[Version]],
        newest: Mapping[Package, str],
    ) -> dict[Package, dict[str, Found[Version]]]:
        """Return what deps.dev says of the versions that matter, by package.

        Beside those in use that are the newest, where the registry was not asked, and the one before that in use,
        where PyPI was not asked which are attested.
        """
        before = [
            Release(package=one.package, version=previous)
            for one in releases
            if one.package.ecosystem == PYPI and one.package not in projects.listings
            if isinstance(versions[one], Found)
            if (previous := _placed(one, projects.facts.get(one.package))[1]) is not None
        ]
        further = [*before, *(Release(package=package, version=version) for package, version in newest.items())]
        known: dict[Package, dict[str, Found[Version]]] = {}
        for release, fact in {**self._services.versions(further), **versions}.items():
            if isinstance(fact, Found):
                known.setdefault(release.package, {})[release.version] = fact
        return known

    def _versions(self, releases: Sequence[Release]) -> dict[Release, Fact[Version]]:
        """Return what deps.dev says of versions, asking about those that it was not asked about with the packages."""
        left = [release for release in releases if release not in self._pinned]
        return {**{one: self._pinned[one] for one in releases if one in self._pinned}, **self._services.versions(left)}

    # --- advisories ----------------------------------------------------------------------------------------------

    def _advisories(
        self, releases: Sequence[Release], projects: Projects, versions: Mapping[Release, Fact[Version]]
    ) -> dict[Release, Said]:
        """Return what OSV says of releases and, where it says nothing, what the database on this disk does."""
        placed = {one: _placed(one, projects.facts.get(one.package), versions[one]) for one in releases}
        before = {
            one: Release(package=one.package, version=previous)
            for one, (published, previous) in placed.items()
            if previous is not None and self._now - published < _CLOSELY
        }
        known = self._services.advisories([*releases, *before.values()])
        kept = {} if self._database is None else kept_advisories.ask(self._database, placed, as_of=self._now)
        said: dict[Release, Said] = {}
        for release in releases:
            told = self._told(release, known, placed[release][1], before.get(release))
            said[release] = self._better(told, kept.get(release), release.package.ecosystem)
        return said

    def _told(self, release: Release, known: osv.Known, previous: str | None, before: Release | None) -> Said:
        """Return what OSV says of one release."""
        package, affecting = release.package, known.affecting[release]
        recorded = known.recorded[package]
        records = _merged([*_records(affecting), *_records(recorded)])
        advisories: Fact[tuple[Vulnerability, ...]] = (
            Found(vulnerabilities(records, package, release.version), affecting.source, affecting.seen)
            if isinstance(affecting, Found)
            else affecting
        )
        if not isinstance(recorded, Found):
            return Said(advisories, recorded)
        earlier = _records(known.affecting[before]) if before is not None else ()
        past = history(_merged([*records, *earlier]), package, release.version, previous if before else None, self._now)
        if package in known.unread:
            past = msgspec.structs.replace(past, old=None, fixed=0)
        return Said(advisories, Found(past, recorded.source, recorded.seen))

    def _better(self, told: Said, kept: Said | None, ecosystem: str) -> Said:
        """Return what OSV says, and what only the database does.

        It has read every record of a package's past, and it may hold records that somebody wrote for themselves.
        """
        silent = isinstance(told.advisories, Unknown)
        answered = kept is not None and isinstance(kept.advisories, Found)
        self.replaced[ecosystem] += silent and answered
        self.unanswered[ecosystem] += silent and not answered
        if kept is None:
            return told
        past = told.history
        complete = isinstance(past, Found) and past.value.old is not None
        advisories = kept.advisories if silent and answered else _with_own(told.advisories, kept.advisories)
        return Said(advisories, past if complete else kept.history)


def _with_own(
    told: Fact[tuple[Vulnerability, ...]], kept: Fact[tuple[Vulnerability, ...]]
) -> Fact[tuple[Vulnerability, ...]]:
    """Add the records that OSV does not publish; of its own it knows better whether they still stand."""
    own = tuple(one for one in kept.value if not one.id.startswith(KEPT_BY_OSV)) if isinstance(kept, Found) else ()
    return Found((*told.value, *own), told.source, told.seen) if own and isinstance(told, Found) else told


def _records(fact: Fact[tuple[Advisory, ...]]) -> tuple[Advisory, ...]:
    return fact.value if isinstance(fact, Found) else ()


def _merged(records: Iterable[Advisory]) -> list[Advisory]:
    """Return each record once, with all that is said of what it affects: OSV's lists may know more than it does."""
    merged: dict[str, Advisory] = {}
    for one in records:
        said = merged.setdefault(one.id, one)
        further = tuple(part for part in one.affected if part not in said.affected)
        if further:
            merged[one.id] = msgspec.structs.replace(said, affected=(*said.affected, *further))
    return list(merged.values())


def _placed(release: Release, fact: Fact[Project] | None, version: Fact[Version] = NOT_ASKED) -> tuple[int, str | None]:
    """Return when a version was published (0 = not known), and the stable version before it."""
    if not isinstance(fact, Found) or release.version not in fact.value.versions:
        return (version.value.published if isinstance(version, Found) else 0), None
    project = fact.value
    row = project.versions.index(release.version)
    before = next((project.versions[older] for older in project.stable_rows if older > row), None)
    return (0 if project.dates_doubt else project.published[row]), before


def _project(
    package: Package, fact: Fact[Project] | None, known: Mapping[str, Found[Version]], newest: str, *, listed: bool
) -> Fact[Project]:
    """Return what is known of a package, with what deps.dev adds to it, or what it alone says."""
    versions = {version: one.value for version, one in known.items()}
    if fact is None:
        return indexed.partial(package, versions, newest, min(one.seen for one in known.values()))
    if package.ecosystem == PYPI and not listed and versions and isinstance(fact, Found):
        return Found(indexed.vouched(fact.value, versions), fact.source, fact.seen)
    return fact


def _joined(
    listed: Fact[tuple[Vulnerability, ...]], known: Fact[tuple[Vulnerability, ...]], finding: Fact[Findings]
) -> Fact[tuple[Vulnerability, ...]]:
    """Return what the registry, OSV or the database, and deps.dev say together; each may know what others do not.

    That a registry lists nothing is no clean answer by itself: its list has no malware, and lags behind the others.
    """
    facts = [fact for fact in (known, listed) if isinstance(fact, Found) and (fact is known or fact.value)]
    together: list[Vulnerability] = []
    for fact in facts:
        names_so_far = {name for one in together for name in (one.id, *one.aliases)}
        together += [one for one in fact.value if names_so_far.isdisjoint((one.id, *one.aliases))]
    if isinstance(finding, Found) and finding.value.malicious and not any(one.malware for one in together):
        together.append(Vulnerability(id="MALICIOUS", summary="malicious, as deps.dev concludes", malware=True))
        facts.append(Found((), finding.source, finding.seen))
    if not facts:
        return known
    return Found(tuple(together), facts[0].source, facts[0].seen)


def _published_by(metadata: Fact[Metadata], publisher: Fact[Provenance]) -> Fact[Metadata]:
    """Return the metadata with the repository that the registry verified as the publisher."""
    if not isinstance(metadata, Found) or not isinstance(publisher, Found):
        return metadata
    told = msgspec.structs.replace(metadata.value, attested_repository=publisher.value.repository)
    return Found(told, metadata.source, metadata.seen)


def _with_readme(metadata: Fact[Metadata], size: int | None) -> Fact[Metadata]:
    """Return the metadata with the length of the repository's README, where the registry lost the package's own."""
    if size is None or not isinstance(metadata, Found) or metadata.value.readme is not None:
        return metadata
    return Found(msgspec.structs.replace(metadata.value, readme=size), metadata.source, metadata.seen)
