"""What a run needs from outside: configuration, cache, advisory database, endpoints and network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from nerq_cli.application.settings import (
    Settings,
    parse_as_of,
    parse_python,
    resolve_strict,
    resolve_threshold,
)
from nerq_cli.config import Config, read_config

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.fetch.fetcher import Fetcher
    from nerq_cli.inventory import DependencyFile, Package
    from nerq_cli.privacy import PrivacyRules
    from nerq_cli.sources.registries.config.indexes import IndexConfig
    from nerq_cli.store import Cache, Store
    from nerq_cli.store.advisory_db import AdvisoryDatabase

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
        """Sentences for the user about configuration, cache and advisory database."""
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

    def open_run(self) -> EvidenceRun:
        """Return the evidence for one request. Runs have their own deadline, statistics and warnings."""
        from nerq_cli.application.evidence_run import EvidenceRun

        return EvidenceRun(self)

    def open_fetcher(self) -> Fetcher:
        """Return the fetcher that all runs share."""
        if self._fetcher is None:
            from nerq_cli.fetch.fetcher import Fetcher

            self._fetcher = Fetcher(self.open_cache())
        return self._fetcher

    def open_cache(self) -> Cache:
        """Return the cache of answers that all runs share."""
        if self._store is None:
            from nerq_cli.store import MemoryCache

            self._store = MemoryCache() if self.settings.no_cache else open_store(self.settings.cache_dir)
        return self._store

    def open_database(self) -> AdvisoryDatabase | None:
        """Return the advisory database that all runs share; None when there is none."""
        if self._database is None:
            self._database = _open_database(self.settings.cache_dir)
        return self._database

    def close(self) -> None:
        """Close what was opened."""
        for resource in (self._fetcher, self._store, self._database):
            if resource is not None:
                resource.close()

    def is_public(self, package: Package) -> bool:
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
