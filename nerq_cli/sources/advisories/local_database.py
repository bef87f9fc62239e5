"""Read advisories from the database on this disk, without a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from nerq_cli.facts import Advisory, AffectingAdvisory, Fact, Found, History, LowerBound, Unknown
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories.stored_advisory import decode_advisories
from nerq_cli.store.advisory_db import EcosystemStatus, ImportInfo
from nerq_cli.units import DAY, NO_LIMIT
from nerq_cli.vulnerabilities.matching import VersionMatch, select_known_advisories
from nerq_cli.vulnerabilities.severity import (
    is_reviewed,
    needs_aliases,
    rate_by_aliases,
)

K = TypeVar("K")

LABEL: Final = "advisory database"
#: A database whose newest record is older than this many seconds is used, and its age is reported (7 days).
STALE_AGE: Final = 7 * DAY
#: Beyond this age in seconds what the database lacks is Unknown (30 days).
_MAX_AGE: Final = 30 * DAY


class AdvisoryRecords(Protocol):
    """Where encoded records are read: an ``AdvisoryDatabase``, or the shipped advisories."""

    def get_status(self) -> tuple[EcosystemStatus, ...]:
        """Return the status of every ecosystem."""
        ...

    def find_by_packages(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[bytes, ...]]:
        """Return the records of packages, given as ecosystem and name."""
        ...

    def find_ratings(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the records that these ids and aliases find for their severity."""
        ...


class AdvisoryFindings(NamedTuple):
    """The advisories that affect one version, and the history of its package."""

    advisories: Fact[tuple[AffectingAdvisory, ...]]
    history: Fact[History]


class Snapshot(NamedTuple):
    """The records of one ecosystem, and the moment up to which they are complete (epoch seconds UTC)."""

    ecosystem: str
    records: int
    valid_until: int


def read_snapshots(database: AdvisoryRecords) -> dict[str, Snapshot]:
    """Return the snapshots of the database, by ecosystem.

    Records from a file are complete up to the newest change among them, whenever they were imported; records from the
    published dumps are complete up to the last comparison with those.
    """
    return {
        status.ecosystem: Snapshot(status.ecosystem, status.records, find_valid_until(status.import_info))
        for status in database.get_status()
    }


def find_valid_until(import_info: ImportInfo) -> int:
    """Return up to when records are complete; 0 for single records, which prove nothing about other advisories."""
    is_compared = bool(import_info.validator) or not import_info.newest
    return import_info.imported_at if is_compared else import_info.newest


def find_advisories(
    database: AdvisoryRecords,
    releases: Mapping[Release, tuple[int, str | None]],
    *,
    as_of: int,
    known_until: int = NO_LIMIT,
) -> dict[Release, AdvisoryFindings]:
    """Return the findings for these releases; ecosystems without a snapshot are left out.

    ``releases`` gives for each its publication time (epoch seconds, 0 = not known) and the version before it. What is
    found is a lower bound, and nothing found is Unknown, for a version published after the snapshot, for a snapshot
    older than ``_MAX_AGE``, and where a record cannot be evaluated. Advisories published after ``known_until`` (epoch
    seconds UTC) are left out.
    """
    snapshots = read_snapshots(database)
    covered_releases = [release for release in releases if release.package.ecosystem in snapshots]
    keys = sorted({(release.package.ecosystem, release.package.name) for release in covered_releases})
    encoded_records = database.find_by_packages(keys)
    records = {key: decode_advisories(values) for key, values in encoded_records.items()}
    known_records = {key: select_known_advisories(values, known_until) for key, values in records.items()}
    rated_records = rate_records(database, known_records, known_until)
    damaged_keys = {key for key, values in encoded_records.items() if len(records[key]) < len(values)}
    findings = {}
    for release in covered_releases:
        published, previous_version = releases[release]
        key = (release.package.ecosystem, release.package.name)
        release_records = rated_records.get(key, ())
        snapshot = snapshots[release.package.ecosystem]
        match = VersionMatch(release_records, release.package, release.version)
        gap = "a record is damaged" if key in damaged_keys else find_gap(match)
        findings[release] = _build_findings(match, published, previous_version, snapshot, as_of, gap=gap)
    return findings


def find_records(
    database: AdvisoryRecords, packages: Sequence[Package], *, known_until: int = NO_LIMIT
) -> dict[Package, Found[tuple[Advisory, ...]]]:
    """Return the records of packages, whatever the version; without an entry there are none.

    Records published after ``known_until`` (epoch seconds UTC) are left out.
    """
    snapshots = read_snapshots(database)
    packages_by_key: dict[tuple[str, str], Package] = {
        (package.ecosystem, package.name): package for package in packages
    }
    known_records = {
        packages_by_key[key]: select_known_advisories(decode_advisories(values), known_until)
        for key, values in database.find_by_packages(sorted(packages_by_key)).items()
        if values and key[0] in snapshots
    }
    return {
        package: Found(records, LABEL, snapshots[package.ecosystem].valid_until)
        for package, records in rate_records(database, known_records, known_until).items()
    }


def rate_records(
    database: AdvisoryRecords, packages: Mapping[K, Sequence[Advisory]], known_until: int = NO_LIMIT
) -> dict[K, tuple[Advisory, ...]]:
    """Return the records of packages with the severities that the database has under their ids and aliases.

    Those published after ``known_until`` (epoch seconds UTC) do not count.
    """
    unrated_ids = {package: _find_dependent(records) for package, records in packages.items()}
    names = {
        name
        for package, records in packages.items()
        for record in records
        if record.id in unrated_ids[package]
        for name in (record.id, *record.aliases)
    }
    ratings = _find_ratings(database, names)
    ratings |= _find_ratings(database, {name for rating in ratings.values() for name in rating.aliases} - names)
    ratings_by_name: dict[str, list[Advisory]] = {}
    for rating in select_known_advisories(ratings.values(), known_until):
        for name in (rating.id, *rating.aliases):
            ratings_by_name.setdefault(name, []).append(rating)
    return {
        package: tuple(
            rate_by_aliases(record, lambda name: ratings_by_name.get(name, ()))
            if record.id in unrated_ids[package]
            and any(name in ratings_by_name for name in (record.id, *record.aliases))
            else record
            for record in records
        )
        for package, records in packages.items()
    }


def _find_dependent(records: Sequence[Advisory]) -> set[str]:
    """Return the ids of the records of one package whose severity depends on records elsewhere.

    Those whose reviewed aliases are all among them are left out: matching takes their severity.
    """
    reviewed_ids = {record.id for record in records if is_reviewed(record)}
    return {record.id for record in records if needs_aliases(record, known_ids=reviewed_ids)}


def _find_ratings(database: AdvisoryRecords, names: Iterable[str]) -> dict[str, Advisory]:
    values = database.find_ratings(sorted(names))
    return {advisory.id: advisory for advisory in decode_advisories(values.values())}


def _build_findings(
    match: VersionMatch, published: int, previous_version: str | None, snapshot: Snapshot, as_of: int, *, gap: str
) -> AdvisoryFindings:
    advisories = match.find_affecting()
    history_fact = Found(match.build_history(previous_version, as_of), LABEL, snapshot.valid_until)
    gap = gap or _find_snapshot_gap(snapshot, published, as_of)
    if not gap:
        return AdvisoryFindings(Found(advisories, LABEL, snapshot.valid_until), history_fact)
    if advisories:
        return AdvisoryFindings(LowerBound(advisories, LABEL, snapshot.valid_until, gap), history_fact)
    return AdvisoryFindings(Unknown(gap, LABEL, unevaluable=match.find_unevaluable()), history_fact)


def find_gap(match: VersionMatch) -> str:
    """Return why records are no complete list of the advisories of a release; empty if they are."""
    unevaluable_ids = match.find_unevaluable()
    if not unevaluable_ids:
        return ""
    more = f" and {len(unevaluable_ids) - 1} more" if len(unevaluable_ids) > 1 else ""
    return f"{unevaluable_ids[0]}{more} cannot be compared with this version"


def _find_snapshot_gap(snapshot: Snapshot, published: int, as_of: int) -> str:
    """Return why a snapshot may lack advisories of a version published at a moment; empty if it is complete."""
    if not snapshot.valid_until:
        return "only single advisories are kept"
    if published > snapshot.valid_until:
        return "published after the advisory database was made"
    age = as_of - snapshot.valid_until
    return f"the advisories kept are {age // DAY:,} days old" if age > _MAX_AGE else ""
