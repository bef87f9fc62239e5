"""The advisories that are shipped with nerq-cli: what is known of a package when no advisory source answers.

They are as old as the release of nerq-cli, so they are a lower bound: what they contain counts, what they lack is not
known. ``data/README.md`` describes the files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.ecosystems import ECOSYSTEMS, Ecosystem
from nerq_cli.facts import Advisory, AffectedPackage, Found, History, LowerBound, Unknown
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories import local_database
from nerq_cli.sources.advisories.local_database import AdvisoryFindings
from nerq_cli.sources.advisories.shipped_editions import (
    DATA_DIRECTORY,
    EDITIONS_NAME,
    LABEL,
    Edition,
    read_editions,
)
from nerq_cli.store.advisory_db import AdvisoryEntry, EcosystemStatus, ImportInfo
from nerq_cli.units import NO_LIMIT
from nerq_cli.vulnerabilities.matching import affects_version

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


class ShippedRecords(msgspec.Struct, array_like=True, frozen=True):
    """The content of one file. Numbers are positions in ``records`` and ``ratings``, which hold encoded records."""

    packages: dict[str, tuple[int, ...]]
    records: tuple[bytes, ...]
    names: dict[str, tuple[int, ...]]
    ratings: tuple[bytes, ...]


_DECODER = build_msgpack_decoder_late(ShippedRecords)


class ShippedAdvisories:
    """The shipped records, with the methods by which an ``AdvisoryDatabase`` is read. Files are read on first use."""

    def __init__(self, directory: Path = DATA_DIRECTORY) -> None:
        self._directory = directory
        self._records: dict[str, ShippedRecords] = {}

    @property
    def editions(self) -> Mapping[str, Edition]:
        """What is shipped, by ecosystem."""
        return read_editions(self._directory)

    def get_status(self) -> tuple[EcosystemStatus, ...]:
        """Return the status of every ecosystem."""
        return tuple(
            EcosystemStatus(edition.ecosystem, ImportInfo(LABEL, edition.newest, edition.newest), edition.records)
            for edition in self.editions.values()
        )

    def find_by_packages(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[bytes, ...]]:
        """Return the records of packages, given as ecosystem and name; packages without records are left out."""
        found_records = {}
        for ecosystem, name in keys:
            if ecosystem in self.editions and (rows := self.load(ecosystem).packages.get(name)):
                found_records[ecosystem, name] = tuple(self.load(ecosystem).records[row] for row in rows)
        return found_records

    def find_ratings(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the records that these ids and aliases find for their severity, by id or alias."""
        return {
            f"{ecosystem} {row}": records.ratings[row]
            for ecosystem, records in self._records.items()
            for name in names
            for row in records.names.get(name, ())
        }

    def load(self, ecosystem: str) -> ShippedRecords:
        """Return the records of an ecosystem, read once."""
        if ecosystem not in self._records:
            self._records[ecosystem] = _DECODER.decode((self._directory / f"{ecosystem}.msgpack").read_bytes())
        return self._records[ecosystem]


def find_advisories(
    shipped: ShippedAdvisories, releases: Iterable[Release], *, as_of: int, known_until: int = NO_LIMIT
) -> dict[Release, AdvisoryFindings]:
    """Return what the shipped records have about releases; those about which they have nothing are left out.

    The history of a package is Unknown, unless another version of it is recorded as malware. Advisories published after
    ``known_until`` (epoch seconds UTC) are left out.
    """
    findings = local_database.find_advisories(
        shipped, dict.fromkeys(releases, (0, None)), as_of=as_of, known_until=known_until
    )
    lower_bounds = {}
    for release, (advisories, history) in findings.items():
        edition = shipped.editions[release.package.ecosystem]
        gap = f"the {LABEL} are of {edition.date}"
        is_affected = isinstance(advisories, Found) and bool(advisories.value)
        has_malware = isinstance(history, Found) and bool(history.value.malicious_version)
        if is_affected or has_malware:
            lower_bounds[release] = AdvisoryFindings(
                LowerBound(advisories.value, LABEL, edition.newest, gap)
                if isinstance(advisories, Found) and is_affected
                else Unknown(gap, LABEL),
                Found(_keep_malware(history.value), LABEL, edition.newest)
                if isinstance(history, Found) and has_malware
                else Unknown(gap, LABEL),
            )
    return lower_bounds


def _keep_malware(history: History) -> History:
    return History(old_advisories=None, malicious_version=history.malicious_version, malicious_at=history.malicious_at)


def find_records(
    shipped: ShippedAdvisories, packages: Sequence[Package], *, known_until: int = NO_LIMIT
) -> dict[Package, Found[tuple[Advisory, ...]]]:
    """Return the shipped records of packages, whatever the version; without an entry there are none.

    Records published after ``known_until`` (epoch seconds UTC) are left out.
    """
    found_records = local_database.find_records(shipped, packages, known_until=known_until)
    return {
        package: Found(fact.value, LABEL, fact.retrieved_at) for package, fact in found_records.items() if fact.value
    }


# --- a new edition ---------------------------------------------------------------------------------------------------


def write_edition(
    directory: Path, read_advisories: Callable[[Ecosystem], Iterable[Advisory]], *, left_out: Collection[str] = ()
) -> tuple[Edition, ...]:
    """Write the files of an edition: equal records give equal files, whatever their order.

    ``read_advisories`` returns the records of an ecosystem, ``left_out`` are prefixes of ids that are not written.
    """
    from nerq_cli.sources.advisories.osv_files import build_entries

    editions: list[Edition] = []
    for ecosystem in ECOSYSTEMS:
        advisories = [
            _reduce_versions(advisory)
            for advisory in read_advisories(ecosystem)
            if not advisory.id.startswith(tuple(left_out))
        ]
        entries = sorted(entry for advisory in advisories for entry in build_entries([advisory], {ecosystem.id}))
        own_entries = [entry for entry in entries if entry.ecosystem == ecosystem.id]
        path = directory / f"{ecosystem.id}.msgpack"
        path.write_bytes(_pack_entries(own_entries, [entry for entry in entries if entry.rating]))
        newest = max((entry.modified for entry in own_entries), default=0)
        malware = {
            affected.name
            for advisory in advisories
            if advisory.malware
            for affected in advisory.affected
            if affected.ecosystem == ecosystem.id
        }
        editions.append(Edition(ecosystem.id, len(own_entries), newest, frozenset(malware)))
    rows = {
        edition.ecosystem: {
            "malware": sorted(edition.malware),
            "newest": edition.newest,
            "records": edition.records,
        }
        for edition in editions
    }
    import json  # to write only

    (directory / EDITIONS_NAME).write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return tuple(editions)


def _pack_entries(entries: Sequence[AdvisoryEntry], rated_entries: Sequence[AdvisoryEntry]) -> bytes:
    packages: dict[str, list[int]] = {}
    for row, entry in enumerate(entries):
        for name in entry.packages:
            packages.setdefault(name, []).append(row)
    names: dict[str, list[int]] = {}
    for row, entry in enumerate(rated_entries):
        for name in entry.names:
            names.setdefault(name, []).append(row)
    return _ENCODER.encode(
        (packages, [entry.value for entry in entries], names, [entry.rating for entry in rated_entries])
    )


def _reduce_versions(advisory: Advisory) -> Advisory:
    """Return the record without the enumerated versions that its ranges contain: three quarters of its size.

    Malware records keep them all, since they name versions that registries do not list any more.
    """
    if advisory.malware:
        return advisory
    return msgspec.structs.replace(advisory, affected=tuple(map(_reduce_affected, advisory.affected)))


def _reduce_affected(affected: AffectedPackage) -> AffectedPackage:
    ranges_only = msgspec.structs.replace(affected, versions=())
    other_versions = tuple(version for version in affected.versions if not affects_version(ranges_only, version))
    return msgspec.structs.replace(affected, versions=other_versions)
