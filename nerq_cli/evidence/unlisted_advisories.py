"""Advisories on this machine that OSV's list of a version lacks: OSV is asked for the records themselves.

The list may be older than the database, or the database older than the list. The record decides: a withdrawn one, or a
newer one that does not affect the version, ends the advisory. Without such a record what is known stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from nerq_cli.evidence.advisory_lookup import select_uncovered
from nerq_cli.evidence.service_lookup import ServiceLookup
from nerq_cli.facts import Absent, Advisory, AffectingAdvisory, Fact, Found
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories import local_database, osv, shipped_advisories
from nerq_cli.sources.advisories.local_database import AdvisoryFindings, AdvisoryRecords
from nerq_cli.sources.advisories.osv import OsvAdvisories
from nerq_cli.sources.advisories.shipped_advisories import ShippedAdvisories
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
    shipped: ShippedAdvisories | None,
    as_of: int,
    known_until: int,
    osv_advisories: OsvAdvisories,
    osv_findings: Mapping[Release, AdvisoryFindings],
    database_findings: Mapping[Release, AdvisoryFindings],
) -> Mapping[Release, tuple[AffectingAdvisory, ...]]:
    """Return the advisories of the database that count although OSV's list of the release lacks them.

    Of the shipped advisories those about malware count too; the others are not read where OSV answers. Only ids of
    databases that OSV publishes are sent, only for releases that OSV answered about, and only where both disagree.
    ``as_of`` and ``known_until`` are in epoch seconds UTC.
    """
    unlisted = {
        release: tuple(_list_unlisted(osv_findings[release].advisories, finding.advisories))
        for release, finding in database_findings.items()
    }
    candidates = _collect_records(database, unlisted, known_until)
    unlisted_malware = (
        {} if shipped is None else _find_malware(shipped, database, as_of, known_until, osv_findings, database_findings)
    )
    for release, advisories in _collect_records(shipped, unlisted_malware, known_until).items():
        candidates.setdefault(release, []).extend(advisories)
    if not candidates:
        return {}
    facts = _fetch_records(
        services,
        osv_advisories,
        [record for advisories in candidates.values() for _, records in advisories for record in records],
    )
    return {
        release: tuple(
            _add_note(advisory)
            for advisory, records in advisories
            if not records or any(_is_in_force(record, release, facts, known_until) for record in records)
        )
        for release, advisories in candidates.items()
    }


def _list_unlisted(
    osv_fact: Fact[tuple[AffectingAdvisory, ...]], other_fact: Fact[tuple[AffectingAdvisory, ...]]
) -> Iterator[AffectingAdvisory]:
    """Yield the advisories of which OSV has neither id nor alias, of the databases that it publishes."""
    if isinstance(osv_fact, Found) and isinstance(other_fact, Found):
        for advisory in _exclude_listed(other_fact.value, osv_fact.value):
            if advisory.id.startswith(OSV_ID_PREFIXES):
                yield advisory


def _exclude_listed(
    advisories: Iterable[AffectingAdvisory], listed: Iterable[AffectingAdvisory]
) -> Iterator[AffectingAdvisory]:
    """Yield the advisories that share no id with the listed ones."""
    listed_ids = {name for advisory in listed for name in (advisory.id, *advisory.aliases)}
    return (advisory for advisory in advisories if listed_ids.isdisjoint((advisory.id, *advisory.aliases)))


def _find_malware(
    shipped: ShippedAdvisories,
    database: AdvisoryDatabase | None,
    as_of: int,
    known_until: int,
    osv_findings: Mapping[Release, AdvisoryFindings],
    database_findings: Mapping[Release, AdvisoryFindings],
) -> dict[Release, tuple[AffectingAdvisory, ...]]:
    """Return the shipped malware records of releases about which OSV answered, and no newer database has them."""
    releases = [
        release
        for release, finding in osv_findings.items()
        if isinstance(finding.advisories, Found)
        and (edition := shipped.editions.get(release.package.ecosystem)) is not None
        and release.package.name in edition.malware
    ]
    if not releases:
        return {}
    packages = set(select_uncovered(shipped, database, (release.package for release in releases)))
    findings = shipped_advisories.find_advisories(
        shipped, [release for release in releases if release.package in packages], as_of=as_of, known_until=known_until
    )
    malware = {}
    for release, finding in findings.items():
        other_findings = [osv_findings[release], *filter(None, [database_findings.get(release)])]
        facts = [other_finding.advisories for other_finding in other_findings]
        listed = [advisory for fact in facts if isinstance(fact, Found) for advisory in fact.value]
        advisories = finding.advisories.value if isinstance(finding.advisories, Found) else ()
        malware[release] = tuple(advisory for advisory in _exclude_listed(advisories, listed) if advisory.malware)
    return malware


def _collect_records(
    store: AdvisoryRecords | None, advisories: Mapping[Release, tuple[AffectingAdvisory, ...]], known_until: int
) -> dict[Release, list[_UnlistedAdvisory]]:
    """Return the advisories with their records, without releases that have none."""
    packages = sorted({release.package for release, release_advisories in advisories.items() if release_advisories})
    if store is None or not packages:
        return {}
    package_records = local_database.find_records(store, packages, known_until=known_until)
    return {
        release: [
            _UnlistedAdvisory(advisory, _select_records(package_records.get(release.package), release, advisory))
            for advisory in release_advisories
        ]
        for release, release_advisories in advisories.items()
        if release_advisories
    }


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
    if not advisory.id.startswith(OSV_ID_PREFIXES):
        return advisory
    summary = clean_text(f"{_NOTE}. {advisory.summary}", MAX_SUMMARY)
    return msgspec.structs.replace(advisory, summary=summary)
