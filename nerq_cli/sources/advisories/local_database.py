"""Read advisories from the database on this disk, without a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from nerq_cli.facts import Advisory, AffectingAdvisory, Fact, Found, History, Unknown
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories.osv_files import decode_advisories
from nerq_cli.store.advisory_db import AdvisoryDatabase, EcosystemStatus
from nerq_cli.units import DAY, NO_LIMIT
from nerq_cli.vulnerabilities.matching import (
    build_history,
    list_named_versions,
    match_advisories,
    select_known_advisories,
)

LABEL: Final = "advisory database"
#: A database whose newest record is older than this many seconds is used, and its age is reported (7 days).
STALE_AGE: Final = 7 * DAY
#: Beyond this age in seconds an empty result is Unknown (90 days, as for Scorecard results).
_MAX_AGE: Final = 90 * DAY


class AdvisoryFindings(NamedTuple):
    """The advisories that affect one version, and the history of its package."""

    advisories: Fact[tuple[AffectingAdvisory, ...]]
    history: Fact[History]


class Snapshot(NamedTuple):
    """The records of one ecosystem, and the moment up to which they are complete (epoch seconds UTC)."""

    ecosystem: str
    records: int
    valid_until: int


def read_snapshots(database: AdvisoryDatabase) -> dict[str, Snapshot]:
    """Return the snapshots of the database, by ecosystem.

    Records from a file are complete up to the newest change among them, whenever they were imported; records from the
    published dumps are complete up to the last comparison with those.
    """
    return {
        status.ecosystem: Snapshot(status.ecosystem, status.records, _find_valid_until(status))
        for status in database.get_status()
    }


def _find_valid_until(status: EcosystemStatus) -> int:
    """Return the moment; 0 for single records, which prove nothing about other advisories."""
    validator = status.import_info.validator
    return status.import_info.imported_at if validator or not status.import_info.newest else status.import_info.newest


def find_advisories(
    database: AdvisoryDatabase,
    releases: Mapping[Release, tuple[int, str | None]],
    *,
    as_of: int,
    known_until: int = NO_LIMIT,
) -> dict[Release, AdvisoryFindings]:
    """Return the findings for these releases; ecosystems without a snapshot are left out.

    ``releases`` gives for each its publication time (epoch seconds, 0 = not known) and the version before it. An empty
    result is Unknown for a version published after the snapshot, and for a snapshot older than ``MAX_AGE``. Advisories
    that are found count in any case, without those published after ``known_until`` (epoch seconds UTC).
    """
    snapshots = read_snapshots(database)
    covered_releases = [release for release in releases if release.package.ecosystem in snapshots]
    keys = sorted({(release.package.ecosystem, release.package.name) for release in covered_releases})
    records = {key: decode_advisories(values) for key, values in database.find_by_packages(keys).items()}
    findings = {}
    for release in covered_releases:
        published, previous_version = releases[release]
        release_records = select_known_advisories(
            records.get((release.package.ecosystem, release.package.name), ()), known_until
        )
        findings[release] = _build_findings(
            release, release_records, published, previous_version, snapshots[release.package.ecosystem], as_of
        )
    return findings


def find_named_versions(database: AdvisoryDatabase, packages: Sequence[Package]) -> dict[Package, tuple[str, ...]]:
    """Return the versions that advisories list one by one, by package; without an entry there are none."""
    packages_by_key: dict[tuple[str, str], Package] = {
        (package.ecosystem, package.name): package for package in packages
    }
    named_versions = {
        packages_by_key[key]: list_named_versions(decode_advisories(values), packages_by_key[key])
        for key, values in database.find_by_packages(sorted(packages_by_key)).items()
    }
    return {package: versions for package, versions in named_versions.items() if versions}


def _build_findings(
    release: Release,
    records: tuple[Advisory, ...],
    published: int,
    previous_version: str | None,
    snapshot: Snapshot,
    as_of: int,
) -> AdvisoryFindings:
    package: Package = release.package
    advisories = match_advisories(records, package, release.version)
    history_fact = Found(
        build_history(records, package, release.version, previous_version, as_of), LABEL, snapshot.valid_until
    )
    if not advisories and not snapshot.valid_until:
        return AdvisoryFindings(Unknown("only single advisories are kept", LABEL), history_fact)
    if not advisories and published > snapshot.valid_until:
        return AdvisoryFindings(Unknown("published after the advisory database was made", LABEL), history_fact)
    if not advisories and as_of - snapshot.valid_until > _MAX_AGE:
        return AdvisoryFindings(
            Unknown(f"the advisories kept are {(as_of - snapshot.valid_until) // DAY:,} days old", LABEL),
            history_fact,
        )
    return AdvisoryFindings(Found(advisories, LABEL, snapshot.valid_until), history_fact)
