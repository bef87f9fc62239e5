"""What a run needs from outside: configuration, cache, advisory database, endpoints and network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from nerq_cli.application.settings import (
    Settings,
    parse_as_of,
    parse_python,
    read_options,
    resolve_strict,
)
from nerq_cli.config import Config, find_private_pattern, read_config, read_config_file
from nerq_cli.config.document import REVIEW_FILE, find_review_file
from nerq_cli.ecosystems import is_hub
from nerq_cli.errors import ConfigError
from nerq_cli.problem import Problem

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.scores import Scorer
    from nerq_cli.application.vex_files import VexStatements
    from nerq_cli.fetch.fetcher import Fetcher
    from nerq_cli.inventory import DependencyFile, Package
    from nerq_cli.policy.age import AgeRule
    from nerq_cli.policy.reviews import Review
    from nerq_cli.policy.waivers import Waiver
    from nerq_cli.privacy import PrivacyRules
    from nerq_cli.sources.endpoints import Endpoints
    from nerq_cli.sources.registries.config.indexes import IndexConfig
    from nerq_cli.store import Cache, Store
    from nerq_cli.store.advisory_db import AdvisoryDatabase
    from nerq_cli.store.history_rows import HistoryStore

#: Called with what is done and what there is to do.
Progress: TypeAlias = Callable[[int, int], None]
#: Returns the progress callback for a label, or None where none is shown.
ProgressFactory: TypeAlias = Callable[[str], "Progress | None"]


#: Seconds that one request to a service may take at most, whatever the deadline of the run.
_SERVICE_TIMEOUT: Final = 300.0
#: Rule that finds nothing without a list.
_LICENCE: Final = "licence"
#: Variables that are no settings; those of endpoints end with ``_URL``.
_OTHER_VARIABLES: Final = frozenset(
    {"NERQ_CACHE_DIR", "NERQ_CONFIG", "NERQ_PEERS", "NERQ_SERVICE_ALLOW_HTTP", "NERQ_SERVICE_TOKEN", "NERQ_STORE"}
)


def hide_progress(_label: str) -> None:
    """Return no progress callback."""


def read_clock() -> int:
    """Return the present, in epoch seconds UTC."""
    return int(time.time())


def open_store(cache_dir: Path | None) -> Store:
    """Return the cache of a directory, by default the user's."""
    from nerq_cli.store import Store, get_default_directory

    return Store.open(cache_dir or get_default_directory(), now=read_clock())


class Session(msgspec.Struct):
    """Configuration and connections for the runs of one project, one thread at a time.

    Everything is opened on first use. Close a session, or use ``with``.
    """

    #: What the user set.
    settings: Settings
    #: What is set: by the project's file, the environment or the user, each outweighing those before it.
    config: Config
    #: Directory of the project.
    root: Path
    #: Where progress is shown.
    create_progress: ProgressFactory = hide_progress
    #: Opens the cache of responses in place of that of the settings; a session closes what it opened. Its problems are
    #: of no interest to the readers of a report: the caller shows them.
    open_cache: Callable[[], Cache] | None = None
    #: Opens the history in place of that of the settings, as above.
    open_history: Callable[[], HistoryStore] | None = None
    #: Whether reports state what is wrong with settings, files and storage. If not, the caller shows
    #: ``setup_warnings``: they have paths of the machine and names that are private.
    reports_setup: bool = True
    #: Seconds after which a source that did not answer is asked again; None = those of the source.
    retry_seconds: int | None = None
    #: Whether evidence is looked up at a service where the settings name one.
    uses_service: bool = True
    #: Ecosystems whose advisories are those of the database alone: OSV is not asked.
    local_advisories: frozenset[str] = frozenset()
    _index_config: IndexConfig | None = None
    _store: Cache | None = None
    _fetcher: Fetcher | None = None
    _database: AdvisoryDatabase | None = None
    _history: HistoryStore | None = None
    _age_warnings: tuple[str, ...] = ()
    _vex: VexStatements | None = None
    _vex_warnings: tuple[str, ...] = ()
    _service_fetcher: Fetcher | None = None

    @classmethod
    def open(cls, settings: Settings, root: Path, create_progress: ProgressFactory = hide_progress) -> Session:
        """Return a session for the project in a directory, with its configuration read.

        Raises:
            ConfigError: the configuration of the project, or a variable, is not valid.
            UsageError: an option is not valid.
        """
        return cls(settings, read_settings(settings, root), root, create_progress)

    def __enter__(self) -> Session:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about configuration, cache and advisory database for those who read a report."""
        return self.setup_warnings if self.reports_setup else ()

    @property
    def setup_warnings(self) -> tuple[str, ...]:
        """Sentences about configuration, cache and advisory database for the user who runs the program."""
        index_warnings = self._index_config.warnings if self._index_config is not None else ()
        storages = [self._database, *([self._store] if self.open_cache is None else [])]
        storage_problems = (storage.problem for storage in storages if storage is not None)
        history = self._history if self.open_history is None else None
        history_problem = history.read_problem if history is not None else ""
        return tuple(
            dict.fromkeys(
                filter(
                    None,
                    (
                        *self.config.warnings,
                        *self._vex_warnings,
                        *index_warnings,
                        *self._age_warnings,
                        *storage_problems,
                        history_problem,
                    ),
                )
            )
        )

    @property
    def obeys_project(self) -> bool:
        """Whether the settings of the scanned project apply."""
        return not self.settings.no_config and not os.environ.get("NERQ_CONFIG", "").strip()

    def is_declared_private(self, package: Package) -> bool:
        """Return whether the settings declare a name private."""
        return bool(find_private_pattern(self.config, package))

    @property
    def index_config(self) -> IndexConfig:
        """Where the registries are, from the configuration of the user's package managers."""
        if self._index_config is None:
            from nerq_cli.sources.registries.config.indexes import read_index_config

            self._index_config = read_index_config(os.environ, cwd=self.root)
        return self._index_config

    @property
    def endpoints(self) -> Endpoints:
        """Where the services are."""
        from nerq_cli.sources.endpoints import read_endpoints

        return read_endpoints(os.environ)

    @property
    def store(self) -> Cache:
        """The cache of responses."""
        if self._store is None:
            from nerq_cli.store import MemoryCache

            if self.open_cache is not None:
                self._store = self.open_cache()
            else:
                self._store = MemoryCache() if self.settings.no_cache else open_store(self.settings.cache_dir)
        return self._store

    @property
    def service_fetcher(self) -> Fetcher:
        """The connections to the service. What it answers is not stored: it is the store of its users."""
        if self._service_fetcher is None:
            from nerq_cli.fetch.fetcher import Fetcher, HttpSettings
            from nerq_cli.store import NullCache

            settings = HttpSettings(ca_bundles=self.index_config.ca_bundles, timeout=_SERVICE_TIMEOUT)
            self._service_fetcher = Fetcher(NullCache(), settings=settings)
        return self._service_fetcher

    def open_second_cache(self) -> Cache | None:
        """Open the cache once more, to be closed again; None with ``--no-cache``."""
        if self.open_cache is not None:
            return self.open_cache()
        return None if self.settings.no_cache else open_store(self.settings.cache_dir)

    @property
    def fetcher(self) -> Fetcher:
        """The connections and circuit breakers, shared by all runs."""
        if self._fetcher is None:
            from nerq_cli.fetch.fetcher import Fetcher, HttpSettings

            settings = HttpSettings(ca_bundles=self.index_config.ca_bundles, hides_hosts=not self.reports_setup)
            self._fetcher = Fetcher(self.store, settings=settings)
        return self._fetcher

    @property
    def database(self) -> AdvisoryDatabase | None:
        """The advisory database; None when there is none."""
        if self._database is None:
            from nerq_cli.application.advisories import open_database

            self._database = open_database(self.settings.cache_dir)
        # Unlike Path.exists() this is no error in a directory that cannot be searched.
        return self._database if os.path.exists(self._database.path) else None  # noqa: PTH110

    def use_advisories(self, database: AdvisoryDatabase) -> None:
        """Take the advisories of the ecosystems in a database from there alone. The session closes it."""
        if self._database is not None:
            self._database.close()
        self._database = database
        self.local_advisories = frozenset(status.ecosystem for status in database.get_status())

    @property
    def history(self) -> HistoryStore | None:
        """The snapshots of earlier runs; None with ``--no-cache``."""
        if self._history is None and self.open_history is not None:
            self._history = self.open_history()
        if self._history is None and not self.settings.no_cache:
            from nerq_cli.store import get_default_directory
            from nerq_cli.store.history import HistoryFile

            self._history = HistoryFile.open(self.settings.cache_dir or get_default_directory(), now=read_clock())
        return self._history

    @property
    def scorer(self) -> Scorer:
        """Computes scores; keeps them in the cache, if there is one."""
        from nerq_cli.application.scores import ScoreCache, score_compactly

        if self.settings.no_cache:
            return score_compactly
        now = read_clock()
        # The cache is opened when there is something to score: a second process opens its own.
        return lambda evidence, as_of: ScoreCache(self.store, now).score_releases(evidence, as_of)

    @property
    def has_open_files(self) -> bool:
        """Whether files (cache, advisory database, history) or connections are open, which no copy may use."""
        resources = (self._store, self._fetcher, self._service_fetcher, self._database, self._history)
        return any(resource is not None for resource in resources)

    @property
    def has_storage_problem(self) -> bool:
        """Whether the cache or the advisory database could not be used as usual."""
        return any(storage is not None and storage.problem for storage in (self._store, self._database))

    def build_scan_options(
        self,
        *,
        groups: Sequence[str] = (),
        no_dev: bool = False,
        list_only: bool = False,
        stop_on_problem: bool = False,
        allow_empty: bool = False,
    ) -> ScanOptions:
        """Return the options of a run, completed from the settings of the user and of the project.

        Raises:
            UsageError: the moment or the Python version is not valid, or a VEX document cannot be read.
            ConfigError: a VEX document is malformed.
        """
        from nerq_cli.application.assess import ScanOptions

        return ScanOptions(
            as_of=parse_as_of(self.settings.as_of),
            threshold=self.config.threshold,
            python=parse_python(self.settings.python),
            strict=resolve_strict(self.config),
            groups=tuple(groups or self.config.groups),
            no_dev=no_dev or bool(self.config.no_dev and not groups),
            list_only=list_only,
            stop_on_problem=stop_on_problem,
            allow_empty=allow_empty,
            policy=self.config.policy,
            waivers=(*self.config.waivers, *self._read_vex()),
            reviews=() if list_only else self.read_reviews(),
            checks_fixes=any(waiver.until_fixed for waiver in self.config.waivers),
        )

    def list_files(self) -> tuple[Path, ...]:
        """Return the settings file, the file of reviews and the VEX documents of the run."""
        return (
            *filter(None, (Path(self.config.path) if self.config.path else None, self.find_review_file())),
            *(self.settings.vex or ()),
        )

    def find_review_file(self) -> Path | None:
        """Return the file of reviews of the run: beside the settings that NERQ_CONFIG names, else of the project."""
        if self.settings.no_config:
            return None
        named_path = os.environ.get("NERQ_CONFIG", "").strip()
        if named_path:
            path = Path(named_path).parent / REVIEW_FILE
            return path if os.path.lexists(path) else None
        return find_review_file(self.root)

    def read_reviews(self) -> tuple[Review, ...]:
        """Return the reviews that apply to the run.

        Raises:
            ConfigError: the file, or one that it imports, is not valid.
        """
        path = self.find_review_file()
        if path is None:
            return ()
        from nerq_cli.config.reviews import read_reviews

        return read_reviews(path, datetime.fromtimestamp(read_clock(), timezone.utc).date()).reviews

    def _read_vex(self) -> tuple[Waiver, ...]:
        """Return the statements of the VEX documents that the user named, but for those on parts of products."""
        if not self.settings.vex:
            return ()
        from nerq_cli.application.vex_files import read_vex_files, select_statements

        self._vex = read_vex_files(self.settings.vex)
        waivers, self._vex_warnings = select_statements(self._vex, self.settings.vex_products or ())
        return waivers

    def select_vex(self, options: ScanOptions, dependency_files: Sequence[DependencyFile], base: str) -> ScanOptions:
        """Return the options with the VEX statements that are about a project, also those on its parts."""
        if self._vex is None:
            return options
        from nerq_cli.application.vex_files import select_statements

        named = self.settings.vex_products or ()
        waivers, self._vex_warnings = select_statements(self._vex, named, dependency_files, base)
        return replace(options, waivers=(*self.config.waivers, *waivers))

    def name_indexes(self, dependency_files: Sequence[DependencyFile]) -> tuple[DependencyFile, ...]:
        """Return the files with the indexes whose names only the configuration of the user defines."""
        return tuple(
            replace(file, declarations=tuple(map(self.index_config.find_named, file.declarations)))
            if any(declaration.index_name for declaration in file.declarations)
            else file
            for file in dependency_files
        )

    def add_cached_commits(self, dependency_files: Sequence[DependencyFile]) -> tuple[DependencyFile, ...]:
        """Return the files with the commits that the cache of huggingface_hub on this machine has.

        For a reference to a branch, to a tag or to nothing, its commit is the version in use, as a lock file has it.
        """
        if not any(is_hub(declaration.ecosystem) for file in dependency_files for declaration in file.declarations):
            return tuple(dependency_files)
        from nerq_cli.application.cached_commits import CachedCommits
        from nerq_cli.sources.huggingface.local_cache import find_cache_directory

        try:
            cache = CachedCommits(find_cache_directory(os.environ, Path.home()))
        except RuntimeError:  # no home
            return tuple(dependency_files)
        return tuple(map(cache.add_to, dependency_files))

    def build_rules(self, dependency_files: Sequence[DependencyFile]) -> PrivacyRules:
        """Return the rules that decide which names may leave the machine.

        Raises:
            ConfigError: a variable of an endpoint holds no URL for HTTP.
        """
        from nerq_cli.privacy import PrivacyRules, collect_local_names, collect_local_versions
        from nerq_cli.sources.popularity import ranks
        from nerq_cli.sources.registries.config.indexes import IndexSearch

        self._index_config = self.index_config.assign_packages(
            declaration for dependency_file in dependency_files for declaration in dependency_file.declarations
        )
        _ = self.endpoints  # a listing, too, must not hide that an address is none
        return PrivacyRules(
            config=self.config,
            local_names=collect_local_names(dependency_files),
            local_versions=collect_local_versions(dependency_files),
            is_default_index=self.index_config.is_default_for,
            is_popular=ranks.is_listed,
            assigned_index=self.index_config.find_claimed_registry,
            project_indexes=self.index_config.project_claims.extra_indexes,
            user_indexes=self.index_config.find_extra_indexes,
            is_user_index=self.index_config.is_user_index,
            is_requested=self.index_config.is_requested,
            is_searched=lambda package: self.index_config.find_search(package) != IndexSearch(),
            project_origins=self.index_config.find_project_origins,
        )

    def read_age_rules(self, dependency_files: Sequence[DependencyFile], root: Path) -> tuple[AgeRule, ...]:
        """Return the minimum ages of releases that the project and the user set for their tools."""
        from nerq_cli.application.age_rules import read_age_rules

        rules, self._age_warnings = read_age_rules(dependency_files, root, environ=os.environ)
        return rules

    def open_run(self) -> EvidenceRun:
        """Return the evidence of one run, with its own deadline, statistics and warnings.

        Raises:
            UsageError: the settings name a service that cannot be used.
        """
        from nerq_cli.application.evidence_run import EvidenceRun

        if "service" in self.config.values or self.config.service_only:
            from nerq_cli.application.service_settings import find_service

            service = find_service(self)
            if service is not None:
                from nerq_cli.application.service_run import ServiceRun

                return ServiceRun(self, service)
        return EvidenceRun(self)

    def use_store(self, store: Cache) -> None:
        """Use a cache that is open, before this session opens its own; closing the session closes it."""
        self._store = store

    def share(self, other: Session) -> None:
        """Use the cache, the connections and the advisory database of another session, which closes them."""
        self._store, self._fetcher = other.store, other.fetcher
        _ = other.database
        self._database = other._database

    def close(self) -> None:
        """Close what was opened."""
        for resource in (self._service_fetcher, self._fetcher, self._store, self._database, self._history):
            if resource is not None:
                resource.close()

    def is_public(self, package: Package) -> bool:
        """Return whether a name is public: by its only registry, the list of popular packages or the configuration."""
        from nerq_cli.sources.registries.config.indexes import IndexSearch

        config = self.index_config
        is_searched = config.find_search(package) != IndexSearch() or bool(config.find_extra_indexes(package))
        return (config.is_public(package) and not is_searched) or self.is_known_name(package)

    def is_known_name(self, package: Package) -> bool:
        """Return whether a name is public by the list of popular packages or the configuration."""
        from nerq_cli.config import find_public_pattern
        from nerq_cli.sources.popularity import ranks

        return ranks.is_listed(package) or bool(find_public_pattern(self.config, package))


def read_settings(settings: Settings, root: Path) -> Config:
    """Return the settings in force: of the options, else of the environment, else of a file, else the defaults.

    The file is the one that NERQ_CONFIG names, else that of the project in a directory, unless the user wants none.

    Raises:
        ConfigError: the file or a variable has unknown settings or invalid values, or a rule lacks what it compares.
        UsageError: an option is not valid.
    """
    config = _layer_settings(settings, root)
    _check_licence_lists(config)
    return config


def _layer_settings(settings: Settings, root: Path) -> Config:
    config = _read_file(settings, root)
    options = read_options(settings)
    if not options and not any(map(_may_be_setting, os.environ)):
        return config  # the table of settings takes some milliseconds to import
    from nerq_cli.config.layers import apply_layers, read_environment

    variables, warnings = read_environment(os.environ)
    config = apply_layers(config, variables, options)
    return replace(config, warnings=(*config.warnings, *warnings))


def _check_licence_lists(config: Config) -> None:
    """Raise ConfigError if the rule about licences is in force without any list: it would find nothing."""
    policy = config.policy
    if policy.levels.get(_LICENCE, "allow") == "allow" or policy.allowed_licences or policy.denied_licences:
        return
    key = f"rules.{_LICENCE}."
    origin = next(value.origin for name, value in config.values.items() if name.startswith(key))
    problem = Problem(
        path=origin,
        message=f"the rule {_LICENCE} compares with lists, and there is none",
        hint=f"set {key}allow or {key}deny in the settings file",
    )
    raise ConfigError(f"{origin}: it cannot be used", problems=(problem,))


def _read_file(settings: Settings, root: Path) -> Config:
    if settings.no_config:
        return Config()
    named_path = os.environ.get("NERQ_CONFIG", "").strip()
    return read_config_file(Path(named_path)) if named_path else read_config(root)


def _may_be_setting(variable: str) -> bool:
    return variable.startswith("NERQ_") and not variable.endswith("_URL") and variable not in _OTHER_VARIABLES
