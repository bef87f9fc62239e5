"""The evidence of one run: what it collects, and the status of the sources it used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from nerq_cli.application.session import read_clock
from nerq_cli.application.settings import parse_as_of
from nerq_cli.errors import StaleDataError
from nerq_cli.inventory import Package
from nerq_cli.report.model import SourceStatus
from nerq_cli.sources import is_required
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.application.known_assessments import KnownAssessments
    from nerq_cli.application.repositories import RepositoryKey
    from nerq_cli.application.session import Session
    from nerq_cli.evidence.collect import EvidenceCollector
    from nerq_cli.evidence.hub_lookup import HubLookup
    from nerq_cli.evidence.registry_lookup import PackageFacts
    from nerq_cli.facts import (
        Advisory,
        Evidence,
        Fact,
        Found,
        McpNameProof,
        McpRegistration,
        ReleaseProfile,
        ReleaseRequirements,
        Unknown,
    )
    from nerq_cli.fetch.fetcher import FetchRun
    from nerq_cli.fetch.source_stats import SourceStats
    from nerq_cli.github_facts import GithubEvidence
    from nerq_cli.hub_facts import HubCard, HubEvidence, HubRepository
    from nerq_cli.inventory import McpServerId, Release
    from nerq_cli.sources.advisories.local_database import Snapshot
    from nerq_cli.sources.deps_dev import DependencyTree

#: Seconds that gathering evidence may take, unless the user or the project sets another number: for up to 1,000
#: dependencies, and again for each further 1,000.
DEFAULT_DEADLINE: Final = 30.0
_DEADLINE_UNIT: Final = 1_000


def compute_default_deadline(dependency_count: int) -> float:
    """Return the seconds that gathering evidence about this many dependencies may take by default."""
    return DEFAULT_DEADLINE * max(1, ceil(dependency_count / _DEADLINE_UNIT))


class EvidenceProvider(Protocol):
    """Where the evidence of a run comes from: ``EvidenceRun``, or dictionaries in tests."""

    def collect_packages(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> PackageFacts:
        """Return what the registries publish about packages; of a package in ``pinned`` only those releases matter."""
        ...

    def find_package_records(
        self, packages: Sequence[Package], neighbours: Sequence[Release], package_facts: PackageFacts
    ) -> Mapping[Package, Found[tuple[Advisory, ...]]]:
        """Return the advisory records of packages whose version in use is not known or not listed.

        ``neighbours`` are listed releases beside those versions.
        """
        ...

    def find_local_evidence(self, releases: Sequence[Release]) -> Mapping[Release, Evidence]:
        """Return what advisories on this machine have about releases whose names may not be sent."""
        ...

    def find_advisories(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:
        """Return the advisories that affect releases of which nothing else is looked up."""
        ...

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:
        """Return the evidence for each release: the versions in use, and possible upgrades."""
        ...

    def collect_repositories(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, HubEvidence]:
        """Return what the Hugging Face Hub has about repositories, each at a revision; empty for the main branch."""
        ...

    def collect_github(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, GithubEvidence]:
        """Return what is known of repositories on GitHub, each at a revision; empty for the default branch."""
        ...

    def find_dependencies(
        self, releases: Sequence[Release], package_facts: PackageFacts
    ) -> Mapping[Release, Fact[DependencyTree]]:
        """Return the dependencies of releases, without a lock file, as a service resolves them."""
        ...

    def describe_sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used."""
        ...


class EvidenceUsage(msgspec.Struct, frozen=True):
    """What a run used: the part of it that another process did. It can be pickled."""

    ecosystems: frozenset[str]
    source_stats: Mapping[str, SourceStats]
    answered_by_database: Counter[str]
    missing_advisories: Counter[str]
    looked_up_in_shipped: Counter[str]


class EvidenceRun:
    """Collects the evidence of one run with the connections of a session. Its deadline counts from its first use.

    With ``cached_only`` it sends no request: where one is needed it raises ``NotCachedError``.
    """

    def __init__(self, session: Session, *, cached_only: bool = False) -> None:
        self._session = session
        self._cached_only = cached_only
        #: Whether no request is sent, whatever the settings are.
        self._is_local = False
        self._now: int | None = None
        self._fetch_run: FetchRun | None = None
        self._collector: EvidenceCollector | None = None
        #: Sentences for the user.
        self.notes: list[str] = []
        self._ecosystems: set[str] = set()
        #: Assessments that it need not collect evidence for; None if it shares none with other runs.
        self.known: KnownAssessments | None = None
        #: Number of dependencies that the run will be asked about, as far as it is known at its first use.
        self.expected_count = 0
        #: Seconds that the run may take unless the user sets another number; None = by ``expected_count``.
        self.default_deadline: float | None = None

    @property
    def is_offline(self) -> bool:
        """Whether no request is sent."""
        return self._session.settings.offline

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user, of this run and of its session."""
        return (*self._session.warnings, *self.notes)

    def collect_packages(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> PackageFacts:
        """Return what the registries publish about packages."""
        self._ecosystems.update(package.ecosystem for package in packages)
        return self._open_collector().collect_packages(packages, pinned)

    def find_package_records(
        self, packages: Sequence[Package], neighbours: Sequence[Release], package_facts: PackageFacts
    ) -> dict[Package, Found[tuple[Advisory, ...]]]:
        """Return the advisory records of packages whose version in use is not known or not listed."""
        return self._open_collector().find_package_records(packages, neighbours, package_facts)

    def find_local_evidence(self, releases: Sequence[Release]) -> dict[Release, Evidence]:
        """Return what advisories on this machine have about releases."""
        return self._open_collector().find_local_evidence(releases)

    def find_advisories(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:
        """Return the advisories that affect releases of which nothing else is looked up."""
        return self._open_collector().find_advisories(releases, package_facts)

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:
        """Return the evidence for each release."""
        return self._open_collector().collect_evidence(releases, package_facts)

    def collect_repositories(self, keys: Sequence[RepositoryKey]) -> dict[RepositoryKey, HubEvidence]:
        """Return what the Hugging Face Hub has about repositories."""
        return self._open_hub_lookup().collect(keys)

    def collect_lineage(
        self, bases: Sequence[HubRepository], datasets: Sequence[str]
    ) -> tuple[dict[str, Fact[HubCard]], dict[str, Fact[HubRepository]]]:
        """Return the cards of base models and the training datasets of these names on the Hub, by id."""
        return self._open_hub_lookup().collect_lineage(bases, datasets)

    def collect_github(self, keys: Sequence[RepositoryKey]) -> dict[RepositoryKey, GithubEvidence]:
        """Return what is known of repositories on GitHub."""
        from nerq_cli.evidence.github_lookup import GithubLookup

        collector = self._open_collector()
        lookup = GithubLookup(
            collector.services,
            as_of=collector.as_of,
            known_until=collector.known_until,
            is_private=self._session.is_declared_private,
        )
        return lookup.collect(keys)

    def _open_hub_lookup(self) -> HubLookup:
        from nerq_cli.evidence.hub_lookup import HubLookup

        return HubLookup(self._open_fetch_run(), self._session.endpoints, is_private=self._session.is_declared_private)

    def find_dependencies(
        self, releases: Sequence[Release], package_facts: PackageFacts
    ) -> dict[Release, Fact[DependencyTree]]:
        """Return the dependencies of releases as deps.dev resolves them, without names that are declared private.

        Names that are left out are a note for the user.
        """
        return self._select_public_nodes(self._open_collector().find_dependencies(releases, package_facts))

    def _select_public_nodes(
        self, facts: Mapping[Release, Fact[DependencyTree]]
    ) -> dict[Release, Fact[DependencyTree]]:
        """Return the dependencies of releases without names that are declared private."""
        from nerq_cli.facts import Found

        trees: dict[Release, Fact[DependencyTree]] = {}
        for release, fact in facts.items():
            if not isinstance(fact, Found):
                trees[release] = fact
                continue
            public = tuple(
                node
                for node in fact.value.nodes
                if not self.is_declared_private(Package(ecosystem=release.package.ecosystem, name=node.name))
            )
            if len(public) < len(fact.value.nodes):
                label = f"MCP server {release.package.name} {release.version}"
                self.notes.append(f"{label}: not all of its dependencies are looked up, some are declared private")
            trees[release] = msgspec.structs.replace(fact, value=msgspec.structs.replace(fact.value, nodes=public))
        return trees

    def find_server(self, server: McpServerId) -> Fact[McpRegistration]:
        """Return a version of a server in the MCP registry by its full name."""
        from nerq_cli.sources.mcp_registry import fetch_registration

        return fetch_registration(self._open_fetch_run(), server, self._session.endpoints["mcp-registry"])

    def find_servers(self, servers: Sequence[McpServerId]) -> dict[McpServerId, Fact[McpRegistration]]:
        """Return versions of servers in the MCP registry by their full names."""
        from nerq_cli.sources.mcp_registry import REGISTRATION_SOURCE

        return self._open_fetch_run().fetch(REGISTRATION_SOURCE, servers, self._session.endpoints["mcp-registry"])

    def find_domain_servers(self, namespace: str) -> tuple[McpRegistration, ...] | Unknown:
        """Return the servers in the MCP registry whose publisher has proved that a domain is its own."""
        from nerq_cli.sources.mcp_registry import find_domain_servers

        return find_domain_servers(self._open_fetch_run(), namespace, self._session.endpoints["mcp-registry"])

    def search_servers(self, name: str) -> tuple[McpRegistration, ...] | Unknown:
        """Return the servers in the MCP registry whose full names end in this name."""
        from nerq_cli.sources.mcp_registry import search_servers

        return search_servers(self._open_fetch_run(), name, self._session.endpoints["mcp-registry"])

    def find_name_proof(self, release: Release) -> Fact[McpNameProof]:
        """Return the names of MCP servers that a version of a package states on its registry."""
        from nerq_cli.evidence.registry_lookup import RegistryLookup
        from nerq_cli.sources.mcp_registry import NAME_PROOF_SOURCE

        run = self._open_fetch_run()
        endpoint = RegistryLookup(run, self._session.index_config).find_endpoint(release.package)
        return run.fetch(NAME_PROOF_SOURCE, [release], endpoint)[release]

    def find_name_proofs(
        self, releases: Sequence[Release], package_facts: PackageFacts
    ) -> dict[Release, Fact[McpNameProof]]:
        """Return the names of MCP servers that releases state, of those whose own names may be sent to services."""
        from nerq_cli.evidence.registry_lookup import RegistryLookup
        from nerq_cli.sources.mcp_registry import NAME_PROOF_SOURCE

        run = self._open_fetch_run()
        public = self._open_collector().select_public("mcp-registry", releases, package_facts)
        groups = RegistryLookup(run, self._session.index_config).group_by_endpoint(
            dict.fromkeys(release.package for release in public)
        )
        plan = [
            (NAME_PROOF_SOURCE, [release for release in public if release.package in packages], endpoint)
            for endpoint, packages in groups
            if not endpoint.is_simple_index
        ]
        return {release: fact for facts in run.fetch_all(plan) for release, fact in facts.items()}

    def is_declared_private(self, package: Package) -> bool:
        """Return whether the settings declare a name private."""
        return self._session.is_declared_private(package)

    def find_profile(self, release: Release) -> Fact[ReleaseProfile]:
        """Return what the author of a release states about it; its name must be one that may be sent to its index.

        Where the index has no page of the release, it is what the version on the page of the project states.
        """
        from nerq_cli.evidence.registry_lookup import RegistryLookup
        from nerq_cli.facts import Found, Unknown
        from nerq_cli.sources.registries.release_profile import PROJECT_PROFILE, RELEASE_PROFILE

        run = self._open_fetch_run()
        endpoint = RegistryLookup(run, self._session.index_config).find_endpoint(release.package)
        if endpoint.is_simple_index:
            return Unknown("this index has no JSON for single releases", release.package.ecosystem)
        fact = run.fetch(RELEASE_PROFILE, [release], endpoint)[release]
        if not isinstance(fact, Found) and release.package.registry_api == "pypi":
            fact = run.fetch(PROJECT_PROFILE, [release], endpoint)[release]
        if not isinstance(fact, Found):
            return fact
        version = fact.value.version
        as_of = "" if version == release.version else f" (as of {version})"
        return msgspec.structs.replace(fact, source=f"{release.package.ecosystem}{as_of}")

    def find_requirements(self, releases: Sequence[Release]) -> dict[Release, Fact[ReleaseRequirements]]:
        """Return what releases on PyPI require; the names must be ones that may be sent to their index."""
        from nerq_cli.evidence.registry_lookup import RegistryLookup
        from nerq_cli.sources.registries.pypi_requirements import RELEASE_REQUIREMENTS

        run = self._open_fetch_run()
        registries = RegistryLookup(run, self._session.index_config)
        groups = registries.group_by_endpoint(dict.fromkeys(release.package for release in releases))
        plan = [
            (RELEASE_REQUIREMENTS, [release for release in releases if release.package in packages], endpoint)
            for endpoint, packages in groups
            if not endpoint.is_simple_index
        ]
        return {release: fact for facts in run.fetch_all(plan) for release, fact in facts.items()}

    def _open_fetch_run(self) -> FetchRun:
        self._open_collector()
        assert self._fetch_run is not None  # noqa: S101 - opened with the collector
        return self._fetch_run

    @property
    def is_shareable(self) -> bool:
        """Whether a copy of this process could collect a part of the evidence from the cache: nothing is open yet."""
        settings = self._session.settings
        is_usual = not (settings.no_cache or settings.refresh)
        return is_usual and self._collector is None and not self._session.has_open_files

    @property
    def has_storage_problem(self) -> bool:
        """Whether the cache or the advisory database could not be used as usual."""
        return self._session.has_storage_problem

    def fix_moment(self, now: int | None = None) -> None:
        """Take a moment, by default the present, as that of the run, before its first use.

        All runs opened from it have the same.
        """
        if self._now is None or now is not None:
            self._now = read_clock() if now is None else now

    def open_cached(self) -> EvidenceRun:
        """Return a run of the same moment that uses the cache alone, and shows no progress."""
        from nerq_cli.application.session import hide_progress

        self._session.create_progress = hide_progress
        run = EvidenceRun(self._session, cached_only=True)
        run._now = self._now
        run.expected_count = self.expected_count
        run.default_deadline = self.default_deadline
        return run

    def get_usage(self) -> EvidenceUsage:
        """Return what was used so far."""
        if self._fetch_run is None or self._collector is None:
            return EvidenceUsage(frozenset(self._ecosystems), {}, Counter(), Counter(), Counter())
        return EvidenceUsage(
            ecosystems=frozenset(self._ecosystems),
            source_stats=self._fetch_run.source_stats,
            answered_by_database=self._collector.answered_by_database,
            missing_advisories=self._collector.missing_advisories,
            looked_up_in_shipped=self._collector.looked_up_in_shipped,
        )

    def add_usage(self, usage: EvidenceUsage) -> None:
        """Add what another run used."""
        collector = self._open_collector()
        self._ecosystems |= usage.ecosystems
        if self._fetch_run is not None:
            self._fetch_run.add_stats(usage.source_stats)
        collector.answered_by_database += usage.answered_by_database
        collector.missing_advisories += usage.missing_advisories
        collector.looked_up_in_shipped += usage.looked_up_in_shipped

    def describe_sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used.

        Raises:
            StaleDataError: the advisory database replaced OSV, and is older than ``--max-db-age`` allows.
        """
        if self._fetch_run is None or self._collector is None:
            return ()
        self._fetch_run.finish()
        statuses = tuple(
            SourceStatus(
                name=summary.name,
                state=summary.state,
                subjects=summary.requested,
                answered_subjects=summary.received,
                from_cache=summary.from_cache,
                outdated=summary.outdated,
                requests=summary.requests,
                oldest_response=summary.oldest or 0,
                reason=summary.reason,
                required=is_required(summary.name),
                fallback=_find_fallback(summary.name, self._collector),
            )
            for summary in self._fetch_run.summarise_sources()
        )
        databases = (*self._describe_database(self._collector), *self._describe_shipped(self._collector))
        return (*statuses, *databases)

    def _describe_database(self, collector: EvidenceCollector) -> Iterator[SourceStatus]:
        from nerq_cli.sources.advisories.local_database import LABEL, read_snapshots

        settings, database = self._session.settings, self._session.database
        if database is None:
            if settings.offline and settings.max_db_age is not None:
                raise StaleDataError("the advisory database is empty", hint="nerq db update fills it")
            return
        for snapshot in read_snapshots(database).values():
            if snapshot.ecosystem not in self._ecosystems:
                continue
            note = _describe_age(snapshot, collector, parse_as_of(settings.as_of), settings.max_db_age)
            if note:
                # those who ask a service cannot run its commands
                self.notes.append(f"{note}; nerq db update fetches newer ones" if self._session.reports_setup else note)
            yield SourceStatus(
                name=f"{LABEL} ({snapshot.ecosystem})", state="ok", oldest_response=snapshot.valid_until, note=note
            )

    def _describe_shipped(self, collector: EvidenceCollector) -> Iterator[SourceStatus]:
        """Yield the shipped advisories of each ecosystem that were looked up for want of an answer."""
        from nerq_cli.sources.advisories.shipped_editions import LABEL, read_editions

        for edition in read_editions().values():
            if collector.looked_up_in_shipped[edition.ecosystem]:
                yield SourceStatus(
                    name=f"{LABEL} ({edition.ecosystem})",
                    state="ok",
                    oldest_response=edition.newest,
                    note=f"the {LABEL} for {edition.ecosystem} are of {edition.date}",
                )

    def _find_deadline(self) -> float:
        """Return the seconds that collecting may take from now on."""
        return self._session.config.timeout or self.default_deadline or compute_default_deadline(self.expected_count)

    def _open_collector(self) -> EvidenceCollector:
        if self._collector is None:
            from nerq_cli.evidence.collect import EvidenceCollector
            from nerq_cli.evidence.registry_lookup import RegistryLookup
            from nerq_cli.evidence.service_lookup import ServiceLookup
            from nerq_cli.sources.advisories.shipped_advisories import ShippedAdvisories

            session, now = self._session, read_clock() if self._now is None else self._now
            deadline = self._find_deadline()
            limit = f", {deadline:g} s at most" if deadline > DEFAULT_DEADLINE else ""
            as_of = None if session.settings.as_of is None else parse_as_of(session.settings.as_of)
            self._fetch_run = session.fetcher.open_run(
                now=now,
                offline=session.settings.offline or self._is_local,
                refresh=session.settings.refresh,
                deadline_seconds=deadline,
                progress=session.create_progress(f"querying registries and services{limit}"),
                cached_only=self._cached_only,
                max_cooldown=session.retry_seconds,
            )
            self._collector = EvidenceCollector(
                RegistryLookup(self._fetch_run, session.index_config),
                ServiceLookup(
                    self._fetch_run,
                    session.endpoints,
                    is_public=session.is_public,
                    is_known_name=session.is_known_name,
                    local_advisories=session.local_advisories,
                ),
                session.store,
                now=now,
                as_of=as_of,
                database=session.database,
                shipped=ShippedAdvisories(),
                downloads=session.settings.downloads,
            )
        return self._collector


def _find_fallback(source: str, collector: EvidenceCollector) -> str:
    """Return what replaced a source, if everything missing from it was replaced; else an empty string."""
    from nerq_cli.sources.advisories.local_database import LABEL
    from nerq_cli.sources.advisories.osv import LABEL as OSV

    is_replaced = sum(collector.answered_by_database.values()) and not sum(collector.missing_advisories.values())
    return f"the {LABEL}" if source == OSV and is_replaced else ""


def _describe_age(snapshot: Snapshot, collector: EvidenceCollector, as_of: int, max_age: float | None) -> str:
    """Return how old the advisories of an ecosystem are, if they were needed and are stale; else an empty string.

    Raises:
        StaleDataError: they replaced OSV, and are older than ``max_age`` days.
    """
    from nerq_cli.sources.advisories.local_database import STALE_AGE

    replaced_count = collector.answered_by_database[snapshot.ecosystem]
    age = as_of - snapshot.valid_until
    text = (
        f"the local advisories for {snapshot.ecosystem} are {age // DAY:,} days old"
        if snapshot.valid_until
        else f"the advisory database has only single advisories for {snapshot.ecosystem}"
    )
    if replaced_count and max_age is not None and age > max_age * DAY:
        raise StaleDataError(f"{text}, and --max-db-age allows {max_age:g}", hint="nerq db update fetches newer ones")
    is_needed = replaced_count or collector.missing_advisories[snapshot.ecosystem]
    return text if is_needed and age > STALE_AGE else ""
