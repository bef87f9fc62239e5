"""Everything a command that asks the world needs: settings, clock, cache, addresses, the door to the network."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nerq_cli.config import Config
from nerq_cli.errors import StaleDataError, UsageError

if TYPE_CHECKING:
    from nerq_cli.application.scan import ScanOptions
    from nerq_cli.evidence.collect import EvidenceCollector
    from nerq_cli.evidence.registry_lookup import RegistryFacts
    from nerq_cli.facts import Evidence
    from nerq_cli.fetch.fetcher import Fetcher
    from nerq_cli.inventory import DependencyFile, Package, Release
    from nerq_cli.privacy import PrivacyRules
    from nerq_cli.report.model import SourceStatus
    from nerq_cli.sources.registries.config.indexes import IndexConfig
    from nerq_cli.store import Cache
    from nerq_cli.store.advisory_db import AdvisoryDatabase

DEFAULT_DEADLINE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of the commands that gather evidence, as typed; None means "not typed"."""

    threshold: float | None = None
    offline: bool = False
    refresh: bool = False
    no_cache: bool = False
    cache_dir: Path | None = None
    timeout: float | None = None
    strict: bool | None = None
    as_of: str | None = None
    python: str | None = None
    quiet: bool = False
    verbose: bool = False
    downloads: bool = False
    max_db_age: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are none: they would compare as false with every score.

        Raises:
            UsageError: the threshold or the timeout is not a finite number.
        """
        for option, value in (("--threshold", self.threshold), ("--timeout", self.timeout)):
            if value is not None and not math.isfinite(value):
                raise UsageError(f"{option} {value} is not a number to measure by")
        if self.offline and self.refresh:
            raise UsageError("--offline and --refresh contradict each other", hint="leave one of them out")

    def resolve_threshold(self, config: Config) -> float:
        """Return the threshold: the option, else the project's, else the default."""
        return config.threshold if self.threshold is None else abs(self.threshold)

    def resolve_strict(self, config: Config) -> bool:
        """Return whether an incomplete run fails: the option, else the project's, else whether CI is set."""
        if self.strict is not None:
            return self.strict
        return is_ci() if config.strict is None else config.strict

    def resolve_as_of(self) -> int:
        """Return the moment to judge from, in epoch seconds (UTC).

        Raises:
            UsageError: ``--as-of`` is not a date or time.
        """
        if self.as_of is None:
            return int(time.time())
        from datetime import datetime, timezone

        try:
            moment = datetime.fromisoformat(self.as_of.replace("Z", "+00:00"))
        except ValueError as error:
            raise UsageError(
                f"--as-of {self.as_of!r} is not a date or time", hint="write 2026-11-21 or 2026-11-21T12:00:00Z"
            ) from error
        return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())

    def resolve_python(self) -> str:
        """Return the Python that would install: the option, else the one running this.

        Raises:
            UsageError: it is not a version.
        """
        if self.python is None:
            return ".".join(map(str, sys.version_info[:3]))
        from packaging.version import InvalidVersion, Version

        try:
            version = Version(self.python)
        except InvalidVersion as error:
            raise UsageError(f"--python {self.python!r} is not a version", hint="write 3.12 or 3.12.4") from error
        if len(version.release) == 1:
            raise UsageError(f"--python {self.python!r} leaves the minor version open", hint="write 3.12 or 3.12.4")
        return str(version)


def build_scan_options(settings: Settings, config: Config) -> ScanOptions:
    """Return what the options and the project's settings together ask of a run."""
    from nerq_cli.application.scan import ScanOptions

    return ScanOptions(
        as_of=settings.resolve_as_of(),
        threshold=settings.resolve_threshold(config),
        python=settings.resolve_python(),
        strict=settings.resolve_strict(config),
    )


def is_ci() -> bool:
    """Whether this runs in a CI job."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


@dataclass(slots=True)
class Session:
    """What can be asked: opened on first use, so that a command that asks nothing opens nothing."""

    settings: Settings
    config: Config
    root: Path
    warnings: list[str] = field(default_factory=list)
    _index_config: IndexConfig | None = None
    _store: Cache | None = None
    _fetcher: Fetcher | None = None
    _collector: EvidenceCollector | None = None
    _database: AdvisoryDatabase | None = None

    @property
    def index_config(self) -> IndexConfig:
        """Where the registries are, read from the user's configuration."""
        if self._index_config is None:
            from nerq_cli.sources.registries.config.indexes import read_index_config

            self._index_config = read_index_config(os.environ, cwd=self.root)
            self.warnings.extend(self._index_config.warnings)
        return self._index_config

    def build_rules(self, dependency_files: Sequence[DependencyFile]) -> PrivacyRules:
        """Return what decides which names may be asked about."""
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
        """Ask the registries about packages, of which some versions are pinned."""
        return self._open_collector().collect_packages(packages, pinned)

    def evidence(self, releases: Sequence[Release], projects: RegistryFacts) -> dict[Release, Evidence]:
        """Ask everybody about versions in use."""
        return self._open_collector().collect_evidence(releases, projects)

    def sources(self) -> tuple[SourceStatus, ...]:
        """Say how each source did."""
        if self._fetcher is None:
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
            for summary in self._fetcher.summarise_sources()
        )
        return (*statuses, *self._describe_databases())

    def _find_fallback(self, source: str) -> str:
        """Return who answered in place of a source, if all that it left open was answered."""
        from nerq_cli.sources.advisories.local_database import LABEL
        from nerq_cli.sources.advisories.osv import LABEL as OSV

        collector = self._collector
        if source != OSV or collector is None:
            return ""
        is_answered = sum(collector.answered_by_database.values()) and not sum(collector.missing_advisories.values())
        return f"the {LABEL}" if is_answered else ""

    def _describe_databases(self) -> Iterator[SourceStatus]:
        """Describe the advisory database, ecosystem by ecosystem.

        Raises:
            StaleError: it had to answer in place of OSV, and is older than ``--max-db-age`` allows.
        """
        from nerq_cli.report.model import SourceStatus
        from nerq_cli.sources.advisories.local_database import LABEL, STALE_AGE, read_snapshots

        if self._database is None and self.settings.offline and self.settings.max_db_age is not None:
            raise StaleDataError("no advisories are kept", hint="nerq db update fetches them")
        if self._database is None or self._collector is None:
            return
        for snapshot in read_snapshots(self._database).values():
            replaced_count = self._collector.answered_by_database[snapshot.ecosystem]
            needed_count = replaced_count or self._collector.missing_advisories[snapshot.ecosystem]
            age = int(time.time()) - snapshot.valid_until
            age_text = f"the advisories kept for {snapshot.ecosystem} are {age // 86_400:,} days old"
            if not snapshot.valid_until:
                age_text = f"only single advisories are kept for {snapshot.ecosystem}"
            if replaced_count and self.settings.max_db_age is not None and age > self.settings.max_db_age * 86_400:
                raise StaleDataError(
                    f"{age_text}, and --max-db-age allows {self.settings.max_db_age:g}",
                    hint="nerq db update fetches newer ones",
                )
            note = age_text if needed_count and age > STALE_AGE else ""
            if note:
                self.warnings.append(f"{note}; nerq db update fetches newer ones")
            yield SourceStatus(
                name=f"{LABEL} ({snapshot.ecosystem})", state="ok", oldest_response=snapshot.valid_until, note=note
            )

    def close(self) -> None:
        """Close what was opened, and collect what it has to say."""
        if self._fetcher is not None:
            self._fetcher.close()
        if self._store is not None:
            if self._store.problem:
                self.warnings.append(self._store.problem)
            self._store.close()
        if self._database is not None:
            if self._database.problem:
                self.warnings.append(self._database.problem)
            self._database.close()

    def _open_collector(self) -> EvidenceCollector:
        if self._collector is None:
            from nerq_cli.cli.progress import create_progress
            from nerq_cli.evidence.collect import EvidenceCollector
            from nerq_cli.evidence.registry_lookup import RegistryLookup
            from nerq_cli.evidence.service_lookup import ServiceLookup
            from nerq_cli.fetch.fetcher import Fetcher
            from nerq_cli.sources.endpoints import read_endpoints
            from nerq_cli.store import MemoryCache, Store, get_default_directory

            now = int(time.time())
            directory = self.settings.cache_dir or get_default_directory()
            self._store = MemoryCache() if self.settings.no_cache else Store.open(directory, now=now)
            self._fetcher = Fetcher(
                self._store,
                now=now,
                offline=self.settings.offline,
                refresh=self.settings.refresh,
                deadline_seconds=self.settings.timeout or self.config.timeout or DEFAULT_DEADLINE,
                progress=None if self.settings.quiet else create_progress(),
            )
            self._database = _open_database(directory, now, self.warnings)
            self._collector = EvidenceCollector(
                RegistryLookup(self._fetcher, self.index_config),
                ServiceLookup(self._fetcher, read_endpoints(os.environ), is_public=self._is_public, as_of=now),
                self._store,
                now=now,
                database=self._database,
                downloads=self.settings.downloads,
            )
        return self._collector

    def _is_public(self, package: Package) -> bool:
        """Whether a name is no secret: its registry is the public one, or it is known to be public all the same."""
        from nerq_cli.config import find_public_pattern
        from nerq_cli.sources.popularity import ranks

        in_public_registry = self.index_config.is_public(package) and not self.index_config.find_extra_indexes(package)
        return in_public_registry or ranks.is_listed(package) or bool(find_public_pattern(self.config, package))


def _open_database(directory: Path, now: int, warnings: list[str]) -> AdvisoryDatabase | None:
    """Open the advisory database if ``nerq db`` has made one; warn where it cannot be used."""
    from nerq_cli.store.advisory_db import AdvisoryDatabase

    database = AdvisoryDatabase.open(directory, now=now)
    if database.problem:
        warnings.append(database.problem)
    if database.path.exists():
        return database
    database.close()
    return None
