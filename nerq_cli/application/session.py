"""What a run needs from outside: configuration, cache, advisory database, endpoints and network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from nerq_cli.application.settings import (
    Settings,
    parse_as_of,
    parse_python,
    resolve_strict,
    resolve_threshold,
)
from nerq_cli.config import Config, read_config
from nerq_cli.errors import StaleDataError
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.evidence.collect import EvidenceCollector
    from nerq_cli.evidence.registry_lookup import RegistryFacts
    from nerq_cli.facts import Evidence
    from nerq_cli.fetch.fetcher import Fetcher, FetchRun
    from nerq_cli.inventory import DependencyFile, Package, Release
    from nerq_cli.privacy import PrivacyRules
    from nerq_cli.report.model import SourceStatus
    from nerq_cli.sources.registries.config.indexes import IndexConfig
    from nerq_cli.store import Cache, Store
    from nerq_cli.store.advisory_db import AdvisoryDatabase

#: Seconds that gathering evidence may take, unless the user or the project says otherwise.
DEFAULT_DEADLINE: Final = 30.0

#: Called with what is done and what there is to do.
Progress: TypeAlias = Callable[[int, int], None]
#: Returns the progress callback for a label, or None where none is shown.
ProgressFactory: TypeAlias = Callable[[str], "Progress | None"]


def hide_progress(_label: str) -> None:
    """Return no progress callback."""


def read_clock() -> int:
    """Return the present, in epoch seconds UTC."""
    return int(time.time())


def open_store(cache_dir: Path | None) -> Store:
    """Return the cache of a directory, by default the user's."""
    from nerq_cli.store import Store, get_default_directory

    return Store.open(cache_dir or get_default_directory(), now=read_clock())


class EvidenceProvider(Protocol):
    """Where the evidence of a run comes from: a session, or dictionaries in tests."""

    def projects(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> RegistryFacts:
        """Return what the registries publish about packages; of a package in ``pinned`` only those releases matter."""
        ...

    def evidence(self, releases: Sequence[Release], projects: RegistryFacts) -> Mapping[Release, Evidence]:
        """Return the evidence for each release: the versions in use, and possible upgrades."""
        ...

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used."""
        ...


@dataclass(slots=True)
class Session:
    """Evidence for the packages of one project. Everything is opened on first use; close it, or use ``with``."""

    #: What the user set.
    settings: Settings
    #: What the project set.
    config: Config
    #: Directory of the project.
    root: Path
    #: Where progress is shown.
    create_progress: ProgressFactory = hide_progress
    _warnings: list[str] = field(default_factory=list)
    _index_config: IndexConfig | None = None
    _store: Cache | None = None
    _fetcher: Fetcher | None = None
    _run: FetchRun | None = None
    _collector: EvidenceCollector | None = None
    _database: AdvisoryDatabase | None = None

    @classmethod
    def open(cls, settings: Settings, root: Path, create_progress: ProgressFactory = hide_progress) -> Session:
        """Return a session for the project in a directory, with its configuration read.

        Raises:
            ConfigError: the configuration of the project is not valid.
        """
        return cls(settings, read_config(root), root, create_progress)

    def __enter__(self) -> Session:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user: configuration, cache and advisory database."""
        storage_problems = (storage.problem for storage in (self._store, self._database) if storage is not None)
        return tuple(dict.fromkeys(filter(None, (*self.config.warnings, *self._warnings, *storage_problems))))

    @property
    def index_config(self) -> IndexConfig:
        """Where the registries are, from the configuration of the user's package managers."""
        if self._index_config is None:
            from nerq_cli.sources.registries.config.indexes import read_index_config

            self._index_config = read_index_config(os.environ, cwd=self.root)
            self._warnings.extend(self._index_config.warnings)
        return self._index_config

    def build_scan_options(
        self,
        *,
        groups: Sequence[str] = (),
        no_dev: bool = False,
        list_only: bool = False,
        keep_going: bool = False,
        allow_empty: bool = False,
    ) -> ScanOptions:
        """Return the options of a run, completed from the settings of the user and of the project.

        Raises:
            UsageError: the moment or the Python version is not valid.
        """
        from nerq_cli.application.assess import ScanOptions

        return ScanOptions(
            as_of=parse_as_of(self.settings.as_of),
            threshold=resolve_threshold(self.settings, self.config),
            python=parse_python(self.settings.python),
            strict=resolve_strict(self.settings, self.config),
            groups=tuple(groups or self.config.groups),
            no_dev=no_dev or bool(self.config.no_dev and not groups),
            list_only=list_only,
            keep_going=keep_going,
            allow_empty=allow_empty,
        )

    def build_rules(self, dependency_files: Sequence[DependencyFile]) -> PrivacyRules:
        """Return the rules that decide which names may leave the machine."""
        from nerq_cli.privacy import PrivacyRules, collect_local_names
        from nerq_cli.sources.popularity import ranks

        return PrivacyRules(
            config=self.config,
            local_names=collect_local_names(dependency_files),
            is_default_index=self.index_config.is_default_for,
            is_popular=ranks.is_listed,
            assigned_index=self.index_config.find_claimed_registry,
            project_indexes=self.index_config.project_claims.extra_indexes,
            user_indexes=self.index_config.find_extra_indexes,
        )

    def projects(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> RegistryFacts:
        """Return what the registries publish about packages."""
        return self._open_collector().collect_packages(packages, pinned)

    def evidence(self, releases: Sequence[Release], projects: RegistryFacts) -> dict[Release, Evidence]:
        """Return the evidence for each release."""
        return self._open_collector().collect_evidence(releases, projects)

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used."""
        if self._run is None:
            return ()
        from nerq_cli.report.model import SourceStatus
        from nerq_cli.sources import is_required

        statuses = tuple(
            SourceStatus(
                name=summary.name,
                state=summary.state,
                subjects=summary.requested,
                answered_subjects=summary.received,
                from_cache=summary.from_cache,
                requests=summary.requests,
                oldest_response=summary.oldest or 0,
                reason=summary.reason,
                required=is_required(summary.name),
                fallback=self._find_fallback(summary.name),
            )
            for summary in self._run.summarise_sources()
        )
        return (*statuses, *self._describe_databases())

    def _find_fallback(self, source: str) -> str:
        """Return what replaced a source, if everything missing from it was replaced; else an empty string."""
        from nerq_cli.sources.advisories.local_database import LABEL
        from nerq_cli.sources.advisories.osv import LABEL as OSV

        collector = self._collector
        if source != OSV or collector is None:
            return ""
        is_answered = sum(collector.answered_by_database.values()) and not sum(collector.missing_advisories.values())
        return f"the {LABEL}" if is_answered else ""

    def _describe_databases(self) -> Iterator[SourceStatus]:
        """Yield the status of the advisory database, one per ecosystem.

        Raises:
            StaleDataError: it replaced OSV, and is older than ``--max-db-age`` allows.
        """
        from nerq_cli.report.model import SourceStatus
        from nerq_cli.sources.advisories.local_database import LABEL, STALE_AGE, read_snapshots

        if self._database is None and self.settings.offline and self.settings.max_db_age is not None:
            raise StaleDataError("the advisory database is empty", hint="nerq db update fills it")
        if self._database is None or self._collector is None:
            return
        for snapshot in read_snapshots(self._database).values():
            replaced_count = self._collector.answered_by_database[snapshot.ecosystem]
            needed_count = replaced_count or self._collector.missing_advisories[snapshot.ecosystem]
            age = read_clock() - snapshot.valid_until
            age_text = f"the local advisories for {snapshot.ecosystem} are {age // DAY:,} days old"
            if not snapshot.valid_until:
                age_text = f"the advisory database has only single advisories for {snapshot.ecosystem}"
            if replaced_count and self.settings.max_db_age is not None and age > self.settings.max_db_age * DAY:
                raise StaleDataError(
                    f"{age_text}, and --max-db-age allows {self.settings.max_db_age:g}",
                    hint="nerq db update fetches newer ones",
                )
            note = age_text if needed_count and age > STALE_AGE else ""
            if note:
                self._warnings.append(f"{note}; nerq db update fetches newer ones")
            yield SourceStatus(
                name=f"{LABEL} ({snapshot.ecosystem})", state="ok", oldest_response=snapshot.valid_until, note=note
            )

    def close(self) -> None:
        """Close what was opened."""
        for resource in (self._fetcher, self._store, self._database):
            if resource is not None:
                resource.close()

    def _open_collector(self) -> EvidenceCollector:
        if self._collector is None:
            from nerq_cli.evidence.collect import EvidenceCollector
            from nerq_cli.evidence.registry_lookup import RegistryLookup
            from nerq_cli.evidence.service_lookup import ServiceLookup
            from nerq_cli.fetch.fetcher import Fetcher
            from nerq_cli.sources.endpoints import read_endpoints
            from nerq_cli.store import MemoryCache

            now = read_clock()
            self._store = MemoryCache() if self.settings.no_cache else open_store(self.settings.cache_dir)
            self._fetcher = Fetcher(self._store)
            self._run = self._fetcher.open_run(
                now=now,
                offline=self.settings.offline,
                refresh=self.settings.refresh,
                deadline_seconds=self.settings.timeout or self.config.timeout or DEFAULT_DEADLINE,
                progress=self.create_progress("querying registries and services"),
            )
            self._database = _open_database(self.settings.cache_dir)
            self._collector = EvidenceCollector(
                RegistryLookup(self._run, self.index_config),
                ServiceLookup(self._run, read_endpoints(os.environ), is_public=self._is_public),
                self._store,
                now=now,
                database=self._database,
                downloads=self.settings.downloads,
            )
        return self._collector

    def _is_public(self, package: Package) -> bool:
        """Return whether a name is public: by its registry, the list of popular packages or the configuration."""
        from nerq_cli.config import find_public_pattern
        from nerq_cli.sources.popularity import ranks

        in_public_registry = self.index_config.is_public(package) and not self.index_config.find_extra_indexes(package)
        return in_public_registry or ranks.is_listed(package) or bool(find_public_pattern(self.config, package))


def _open_database(cache_dir: Path | None) -> AdvisoryDatabase | None:
    """Return the advisory database, or None when there is none."""
    from nerq_cli.application.advisories import open_database

    database = open_database(cache_dir)
    if database.problem or database.path.exists():
        return database
    database.close()
    return None
