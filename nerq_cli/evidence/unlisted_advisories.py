"""Advisories of the local database that OSV's list of a version lacks: OSV is asked for the records themselves.

The list may be older than the database, or the database older than the list. The record decides: a withdrawn one, or a
newer one that does not affect the version, ends the advisory. Without such a record what is known stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from nerq_cli.evidence.service_lookup import ServiceLookup
from nerq_cli.facts import Absent, Advisory, AffectingAdvisory, Fact, Found
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories import local_database, osv
from nerq_cli.sources.advisories.local_database import AdvisoryFindings
from nerq_cli.sources.advisories.osv import OsvAdvisories
from nerq_cli.sources.text import MAX_SUMMARY, clean_text
from nerq_cli.store.advisory_db import AdvisoryDatabase
from nerq_cli.vulnerabilities.matching import OSV_ID_PREFIXES, affects_version, select_known_advisories
from nerq_cli.vulnerabilities.severity import MAX_ALIASES

#: Prefixes of the aliases under which OSV may have a record that it lacks under its own id.
_ALIAS_PREFIXES: Final = ("GHSA-", "CVE-")
_NOTE: Final = "contradictory: OSV's list does not have it"


class _UnlistedAdvisory(NamedTuple):
    """An advisory that OSV's list lacks, and the records of the database that it consists of."""

    advisory: AffectingAdvisory
    records: tuple[Advisory, ...]


def find_unlisted_advisories(
    services: ServiceLookup,
    database: AdvisoryDatabase | None,
    known_until: int,
    osv_advisories: OsvAdvisories,
    osv_findings: Mapping[Release, AdvisoryFindings],
    database_findings: Mapping[Release, AdvisoryFindings],
) -> Mapping[Release, tuple[AffectingAdvisory, ...]]:
    """Return the advisories of the database that count although OSV's list of the release lacks them.

    Only ids of databases that OSV publishes are sent, only for releases that OSV answered about, and only where both
    disagree. ``known_until`` is in epoch seconds UTC.
    """
    candidates = {
        release: unlisted
        for release, finding in database_findings.items()
        if (unlisted := _list_unlisted(osv_findings[release].advisories, finding.advisories))
    }
    if database is None or not candidates:
        return {}
    packages = sorted({release.package for release in candidates})
    package_records = local_database.find_records(database, packages, known_until=known_until)
    unlisted_advisories = {
        release: [
            _UnlistedAdvisory(advisory, _select_records(package_records.get(release.package), release, advisory))
            for advisory in advisories
        ]
        for release, advisories in candidates.items()
    }
    facts = _fetch_records(
        services,
        osv_advisories,
        [record for unlisted in unlisted_advisories.values() for _, records in unlisted for record in records],
    )
    return {
        release: tuple(
            _add_note(advisory)
            for advisory, records in unlisted
            if not records or any(_is_in_force(record, release, facts, known_until) for record in records)
        )
        for release, unlisted in unlisted_advisories.items()
    }


def _list_unlisted(
    osv_fact: Fact[tuple[AffectingAdvisory, ...]], database_fact: Fact[tuple[AffectingAdvisory, ...]]
) -> tuple[AffectingAdvisory, ...]:
    """Return the advisories of the database of which OSV has neither id nor alias."""
    if not isinstance(osv_fact, Found) or not isinstance(database_fact, Found):
        return ()
    listed_ids = {name for advisory in osv_fact.value for name in (advisory.id, *advisory.aliases)}
    return tuple(
        advisory
        for advisory in database_fact.value
        if advisory.id.startswith(OSV_ID_PREFIXES) and listed_ids.isdisjoint((advisory.id, *advisory.aliases))
    )


def _select_records(
    fact: Found[tuple[Advisory, ...]] | None, release: Release, advisory: AffectingAdvisory
) -> tuple[Advisory, ...]:
    """Return the records of an advisory that affect a release."""
    names = {advisory.id, *advisory.aliases}
    records = fact.value if fact is not None else ()
    return tuple(
        record
        for record in records
        if record.id in names and record.id.startswith(OSV_ID_PREFIXES) and _affects(record, release)
    )


def _affects(record: Advisory, release: Release) -> bool:
    return not record.withdrawn and any(
        _names_package(entry.ecosystem, entry.name, release.package) and affects_version(entry, release.version)
        for entry in record.affected
    )


def _names_package(ecosystem: str, name: str, package: Package) -> bool:
    return (ecosystem, name) == (package.ecosystem, package.name)


def _fetch_records(
    services: ServiceLookup, osv_advisories: OsvAdvisories, records: Iterable[Advisory]
) -> dict[str, Fact[Advisory]]:
    """Return what OSV has under the ids of records, and under the aliases of those that it does not have."""
    facts: dict[str, Fact[Advisory]] = {
        record.id: Found(record, fact.source, fact.retrieved_at)
        for fact in osv_advisories.recorded.values()
        if isinstance(fact, Found)
        for record in fact.value
    }
    records = tuple(records)
    endpoint = services.endpoints["osv"]
    facts |= osv.fetch_by_ids(services.run, _list_missing([record.id for record in records], facts), endpoint)
    aliases = [alias for record in records if isinstance(facts[record.id], Absent) for alias in _list_aliases(record)]
    return facts | osv.fetch_by_ids(services.run, _list_missing(aliases, facts), endpoint)


def _list_missing(identifiers: Iterable[str], facts: Mapping[str, Fact[Advisory]]) -> list[str]:
    return sorted(set(identifiers) - facts.keys())


def _list_aliases(record: Advisory) -> Sequence[str]:
    return [alias for alias in record.aliases if alias.startswith(_ALIAS_PREFIXES)][:MAX_ALIASES]


def _is_in_force(record: Advisory, release: Release, facts: Mapping[str, Fact[Advisory]], known_until: int) -> bool:
    """Whether a record of the database counts, after what OSV has under its id, or else under its aliases."""
    fact = facts[record.id]
    if isinstance(fact, Found):
        return not _is_ended(record, fact.value, release, known_until)
    if not isinstance(fact, Absent):
        return True
    alias_facts = (facts.get(alias) for alias in _list_aliases(record))
    alias_records = [
        alias_fact.value
        for alias_fact in alias_facts
        if isinstance(alias_fact, Found)
        and any(_names_package(entry.ecosystem, entry.name, release.package) for entry in alias_fact.value.affected)
    ]
    return not alias_records or not all(
        _is_ended(record, alias_record, release, known_until) for alias_record in alias_records
    )


def _is_ended(record: Advisory, osv_record: Advisory, release: Release, known_until: int) -> bool:
    """Whether OSV's record is withdrawn, or is as new as that of the database and does not affect the release.

    A record that was published later than ``known_until`` (epoch seconds UTC) ends nothing.
    """
    known_records = select_known_advisories([osv_record], known_until)
    if not known_records:
        return False
    [known_record] = known_records
    return known_record.withdrawn or (known_record.modified >= record.modified and not _affects(known_record, release))


def _add_note(advisory: AffectingAdvisory) -> AffectingAdvisory:
    summary = clean_text(f"{_NOTE}. {advisory.summary}", MAX_SUMMARY)
    return msgspec.structs.replace(advisory, summary=summary)
