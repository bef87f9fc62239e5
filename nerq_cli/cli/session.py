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
from nerq_cli.errors import StaleError, UsageError

if TYPE_CHECKING:
    from nerq_cli.facts import Evidence
    from nerq_cli.inventory import Manifest, Package, Release
    from nerq_cli.pipeline import Options
    from nerq_cli.privacy import Rules
    from nerq_cli.report.model import SourceLine
    from nerq_cli.sources.addresses import Addresses
    from nerq_cli.sources.gather import Gatherer
    from nerq_cli.sources.inquiry import Inquiry
    from nerq_cli.sources.registries import Projects
    from nerq_cli.store import Cache
    from nerq_cli.store.advisory_db import AdvisoryDatabase

DEADLINE = 30.0


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

    def resolved_threshold(self, config: Config) -> float:
        """Return the threshold: the option, else the project's, else the default."""
        return config.threshold if self.threshold is None else abs(self.threshold)

    def resolved_strict(self, config: Config) -> bool:
        """Return whether an incomplete run fails: the option, else the project's, else whether CI is set."""
        if self.strict is not None:
            return self.strict
        return in_ci() if config.strict is None else config.strict

    def moment(self) -> int:
        """Return the moment to judge from, in epoch seconds (UTC).

        Raises:
            UsageError: ``--as-of`` is not a date or time.
        """
        if self.as_of is None:
            return int(time.time())
        from datetime import datetime, timezone

        try:
            moment = datetime.fromisoformat(self.as_of.replace("Z", "+00:00"))
        except ValueError as problem:
            raise UsageError(
                f"--as-of {self.as_of!r} is not a date or time", hint="write 2026-11-21 or 2026-11-21T12:00:00Z"
            ) from problem
        return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())

    def python_version(self) -> str:
        """Return the Python that would install: the option, else the one running this.

        Raises:
            UsageError: it is not a version.
        """
        if self.python is None:
            return ".".join(map(str, sys.version_info[:3]))
        from packaging.version import InvalidVersion, Version

        try:
            version = Version(self.python)
        except InvalidVersion as problem:
            raise UsageError(f"--python {self.python!r} is not a version", hint="write 3.12 or 3.12.4") from problem
        if len(version.release) == 1:
            raise UsageError(f"--python {self.python!r} leaves the minor version open", hint="write 3.12 or 3.12.4")
        return str(version)


def run_options(settings: Settings, config: Config) -> Options:
    """Return what the options and the project's settings together ask of a run."""
    from nerq_cli.pipeline import Options

    return Options(
        as_of=settings.moment(),
        threshold=settings.resolved_threshold(config),
        python=settings.python_version(),
        strict=settings.resolved_strict(config),
    )


def in_ci() -> bool:
    """Whether this runs in a CI job."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


@dataclass(slots=True)
class World:
    """What can be asked: opened on first use, so that a command that asks nothing opens nothing."""

    settings: Settings
    config: Config
    root: Path
    warnings: list[str] = field(default_factory=list)
    _addresses: Addresses | None = None
    _store: Cache | None = None
    _gatherer: Gatherer | None = None
    _inquiry: Inquiry | None = None
    _database: AdvisoryDatabase | None = None

    @property
    def addresses(self) -> Addresses:
        """Where the registries are, read from the user's configuration."""
        if self._addresses is None:
            from nerq_cli.sources.addresses import read_addresses

            self._addresses = read_addresses(os.environ, cwd=self.root)
            self.warnings.extend(self._addresses.warnings)
        return self._addresses

    def rules(self, manifests: Sequence[Manifest]) -> Rules:
        """Return what decides which names may be asked about."""
        from nerq_cli.privacy import Rules, own_names
        from nerq_cli.sources import popular

        return Rules(
            config=self.config,
            own=own_names(manifests),
            is_default=self.addresses.is_usual,
            is_listed=popular.is_listed,
            elsewhere=self.addresses.elsewhere,
            extra=self.addresses.project.extra,
            further=self.addresses.further,
        )

    def projects(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> Projects:
        """Ask the registries about packages, of which some versions are pinned."""
        return self._open().projects(packages, pinned)

    def evidence(self, releases: Sequence[Release], projects: Projects) -> dict[Release, Evidence]:
        """Ask everybody about versions in use."""
        return self._open().evidence(releases, projects)

    def sources(self) -> tuple[SourceLine, ...]:
        """Say how each source did."""
        if self._gatherer is None:
            return ()
        from nerq_cli.report.model import SourceLine
        from nerq_cli.sources.public_services import HELPFUL

        asked = tuple(
            SourceLine(
                name=one.name,
                state=one.state,
                asked=one.asked,
                answered=one.answered,
                from_cache=one.from_cache,
                requests=one.requests,
                oldest=one.oldest or 0,
                reason=one.reason,
                essential=one.name not in HELPFUL,
                stands_in=self._stand_in(one.name),
            )
            for one in self._gatherer.report()
        )
        return (*asked, *self._kept())

    def _stand_in(self, source: str) -> str:
        """Return who answered in place of a source, if all that it left open was answered."""
        from nerq_cli.sources.kept_advisories import LABEL
        from nerq_cli.sources.osv import LABEL as OSV

        inquiry = self._inquiry
        if source != OSV or inquiry is None:
            return ""
        answered = sum(inquiry.replaced.values()) and not sum(inquiry.unanswered.values())
        return f"the {LABEL}" if answered else ""

    def _kept(self) -> Iterator[SourceLine]:
        """Describe the advisory database, ecosystem by ecosystem.

        Raises:
            StaleError: it had to answer in place of OSV, and is older than ``--max-db-age`` allows.
        """
        from nerq_cli.report.model import SourceLine
        from nerq_cli.sources.kept_advisories import LABEL, STALE, editions

        if self._database is None and self.settings.offline and self.settings.max_db_age is not None:
            raise StaleError("no advisories are kept", hint="nerq db update fetches them")
        if self._database is None or self._inquiry is None:
            return
        for edition in editions(self._database).values():
            used = self._inquiry.replaced[edition.ecosystem]
            tried = used or self._inquiry.unanswered[edition.ecosystem]
            age = int(time.time()) - edition.until
            old = f"the advisories kept for {edition.ecosystem} are {age // 86_400:,} days old"
            if not edition.until:
                old = f"only single advisories are kept for {edition.ecosystem}"
            if used and self.settings.max_db_age is not None and age > self.settings.max_db_age * 86_400:
                raise StaleError(
                    f"{old}, and --max-db-age allows {self.settings.max_db_age:g}",
                    hint="nerq db update fetches newer ones",
                )
            note = old if tried and age > STALE else ""
            if note:
                self.warnings.append(f"{note}; nerq db update fetches newer ones")
            yield SourceLine(name=f"{LABEL} ({edition.ecosystem})", state="ok", oldest=edition.until, note=note)

    def close(self) -> None:
        """Close what was opened, and collect what it has to say."""
        if self._gatherer is not None:
            self._gatherer.close()
        if self._store is not None:
            if self._store.problem:
                self.warnings.append(self._store.problem)
            self._store.close()
        if self._database is not None:
            if self._database.problem:
                self.warnings.append(self._database.problem)
            self._database.close()

    def _open(self) -> Inquiry:
        if self._inquiry is None:
            from nerq_cli.cli.progress import progress
            from nerq_cli.sources.gather import Gatherer
            from nerq_cli.sources.inquiry import Inquiry
            from nerq_cli.sources.public_services import PublicServices, places
            from nerq_cli.sources.registries import Registries
            from nerq_cli.store import Memory, Store, default_directory

            now = int(time.time())
            directory = self.settings.cache_dir or default_directory()
            self._store = Memory() if self.settings.no_cache else Store.open(directory, now=now)
            self._gatherer = Gatherer(
                self._store,
                now=now,
                offline=self.settings.offline,
                refresh=self.settings.refresh,
                deadline_seconds=self.settings.timeout or self.config.timeout or DEADLINE,
                progress=None if self.settings.quiet else progress(),
            )
            self._database = _database(directory, now, self.warnings)
            self._inquiry = Inquiry(
                Registries(self._gatherer, self.addresses),
                PublicServices(self._gatherer, places(os.environ), is_public=self._is_public, as_of=now),
                self._store,
                now=now,
                database=self._database,
                downloads=self.settings.downloads,
            )
        return self._inquiry

    def _is_public(self, package: Package) -> bool:
        """Whether a name is no secret: its registry is the public one, or it is known to be public all the same."""
        from nerq_cli.config import is_public
        from nerq_cli.sources import popular

        registry = self.addresses.is_public(package) and not self.addresses.further(package)
        return registry or popular.is_listed(package) or bool(is_public(self.config, package))


def _database(directory: Path, now: int, warnings: list[str]) -> AdvisoryDatabase | None:
    """Open the advisory database if ``nerq db`` has made one; warn where it cannot be used."""
    from nerq_cli.store.advisory_db import AdvisoryDatabase

    database = AdvisoryDatabase.open(directory, now=now)
    if database.problem:
        warnings.append(database.problem)
    if database.path.exists():
        return database
    database.close()
    return None
