"""The evidence of one run: what is collected for a request, and the status of each source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from nerq_cli.application.session import read_clock
from nerq_cli.errors import StaleDataError
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.evidence.collect import EvidenceCollector
    from nerq_cli.evidence.registry_lookup import RegistryFacts
    from nerq_cli.facts import Evidence
    from nerq_cli.fetch.run import FetchRun
    from nerq_cli.inventory import Package, Release
    from nerq_cli.report.model import SourceStatus
    from nerq_cli.store.advisory_db import AdvisoryDatabase

#: Seconds that collecting evidence may take, unless the user or the project sets another limit.
DEFAULT_DEADLINE: Final = 30.0


class EvidenceProvider(Protocol):
    """Where the evidence of a run comes from: an :class:`EvidenceRun`, or dictionaries in tests."""

    def projects(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> RegistryFacts:
        """Return what the registries publish about packages; of a package in ``pinned`` only those releases matter."""
        ...

    def evidence(self, releases: Sequence[Release], projects: RegistryFacts) -> Mapping[Release, Evidence]:
        """Return the evidence for each release: the versions in use, and possible upgrades."""
        ...

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used."""
        ...


class EvidenceRun:
    """Evidence for one request. The deadline counts from the first packages that are requested."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._warnings: list[str] = []
        self._run: FetchRun | None = None
        self._collector: EvidenceCollector | None = None
        self._database: AdvisoryDatabase | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user: those of the session, and those about this run."""
        return tuple(dict.fromkeys((*self._session.warnings, *self._warnings)))

    def projects(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> RegistryFacts:
        """Return what the registries publish about packages."""
        return self._open_collector().collect_packages(packages, pinned)

    def evidence(self, releases: Sequence[Release], projects: RegistryFacts) -> dict[Release, Evidence]:
        """Return the evidence for each release."""
        return self._open_collector().collect_evidence(releases, projects)

    def _open_collector(self) -> EvidenceCollector:
        if self._collector is None:
            from nerq_cli.evidence.collect import EvidenceCollector
            from nerq_cli.evidence.registry_lookup import RegistryLookup
            from nerq_cli.evidence.service_lookup import ServiceLookup
            from nerq_cli.sources.endpoints import read_endpoints

            now, session = read_clock(), self._session
            self._run = session.open_fetcher().open_run(
                now=now,
                offline=session.settings.offline,
                refresh=session.settings.refresh,
                deadline_seconds=session.settings.timeout or session.config.timeout or DEFAULT_DEADLINE,
                progress=session.create_progress("querying registries and services"),
            )
            self._database = session.open_database()
            self._collector = EvidenceCollector(
                RegistryLookup(self._run, session.index_config),
                ServiceLookup(self._run, read_endpoints(os.environ), is_public=session.is_public),
                session.open_cache(),
                now=now,
                database=self._database,
                downloads=session.settings.downloads,
            )
        return self._collector

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used.

        Raises:
            StaleDataError: the advisory database replaced OSV, and is older than ``--max-db-age`` allows.
        """
        if self._run is None or self._collector is None:
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
                fallback=_find_fallback(summary.name, self._collector),
            )
            for summary in self._run.summarise_sources()
        )
        return (*statuses, *self._describe_databases(self._collector))

    def _describe_databases(self, collector: EvidenceCollector) -> Iterator[SourceStatus]:
        """Yield the status of the advisory database, one per ecosystem."""
        from nerq_cli.report.model import SourceStatus
        from nerq_cli.sources.advisories.local_database import LABEL, STALE_AGE, read_snapshots

        settings = self._session.settings
        if self._database is None:
            if settings.offline and settings.max_db_age is not None:
                raise StaleDataError("the advisory database is empty", hint="nerq db update fills it")
            return
        for snapshot in read_snapshots(self._database).values():
            replaced_count = collector.answered_by_database[snapshot.ecosystem]
            needed_count = replaced_count or collector.missing_advisories[snapshot.ecosystem]
            age = read_clock() - snapshot.valid_until
            age_text = f"the local advisories for {snapshot.ecosystem} are {age // DAY:,} days old"
            if not snapshot.valid_until:
                age_text = f"the advisory database has only single advisories for {snapshot.ecosystem}"
            if replaced_count and settings.max_db_age is not None and age > settings.max_db_age * DAY:
                raise StaleDataError(
                    f"{age_text}, and --max-db-age allows {settings.max_db_age:g}",
                    hint="nerq db update fetches newer ones",
                )
            note = age_text if needed_count and age > STALE_AGE else ""
            if note:
                self._warnings.append(f"{note}; nerq db update fetches newer ones")
            yield SourceStatus(
                name=f"{LABEL} ({snapshot.ecosystem})", state="ok", oldest_response=snapshot.valid_until, note=note
            )


def _find_fallback(source: str, collector: EvidenceCollector) -> str:
    """Return what replaced a source, if everything missing from it was replaced; else an empty string."""
    from nerq_cli.sources.advisories.local_database import LABEL
    from nerq_cli.sources.advisories.osv import LABEL as OSV

    is_replaced = sum(collector.answered_by_database.values()) and not sum(collector.missing_advisories.values())
    return f"the {LABEL}" if source == OSV and is_replaced else ""
