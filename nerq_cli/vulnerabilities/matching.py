"""Match advisories with a version: which affect it, what fixes them, and the history of its package.

Matching follows the evaluation rules of the OSV schema (ossf/osv-schema, docs/schema.md): a version is affected if it
is enumerated or lies in any of the ranges, whose events are applied in the order of their versions. Versions are
ordered as in their ecosystem, whatever the type of the range. Invalid text is never an error here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from nerq_cli.ecosystems import PYPI, EcosystemId, find_ecosystem, get_ecosystem
from nerq_cli.facts import Advisory, AffectedPackage, AffectingAdvisory, Event, History, Range
from nerq_cli.inventory import Package
from nerq_cli.units import DAY
from nerq_cli.vulnerabilities.malware import MARKING_PREFIXES
from nerq_cli.vulnerabilities.severity import ALIAS_PREFIX, choose_rated

#: Seconds after which an advisory counts for the fix record (90 days).
_MIN_HISTORY_AGE: Final = 90 * DAY
#: Enumerated versions that are listed; beyond that they are counted.
_MAX_NAMED_VERSIONS: Final = 5
#: OSV's page of a record, and the prefixes of the ids that it publishes.
_OSV_PAGE_URL: Final = "https://osv.dev/vulnerability/"
OSV_ID_PREFIXES: Final = ("GHSA-", "PYSEC-", "MAL-", "OSV-")

# --- places on the line of versions ----------------------------------------------------------------------------------

#: Order of a version: before everything, among invalid versions, or among the versions.
_Position: TypeAlias = "tuple[int, Any]"
_START: Final[_Position] = (0, "")
_UNPARSED: Final = 1
_PARSED: Final = 2


@lru_cache(maxsize=16_384)
def _get_position(ecosystem_id: EcosystemId, version: str) -> _Position:
    parsed = get_ecosystem(ecosystem_id).parse_advisory_version(version)
    return (_UNPARSED, version) if parsed is None else (_PARSED, parsed)


@lru_cache(maxsize=16_384)
def _get_public_position(ecosystem_id: EcosystemId, version: str) -> _Position:
    """Return the order of a version in use; a local build of PyPI (1.0+cu118) counts as the version it derives from."""
    return _get_position(ecosystem_id, get_ecosystem(ecosystem_id).get_public_version(version))


# --- ranges ----------------------------------------------------------------------------------------------------------


class _BoundaryKind(IntEnum):
    """Start or end of an interval of affected versions, in the order of evaluation for equal versions."""

    INTRODUCED = 0
    LAST_AFFECTED = 1
    FIXED = 2


class _Boundary(NamedTuple):
    position: _Position
    kind: _BoundaryKind
    text: str


class _OrderedRange(NamedTuple):
    """A range: its boundaries in order, and its limits; no limits where it has none."""

    boundaries: tuple[_Boundary, ...]
    limits: tuple[str, ...]


def _build_boundary(ecosystem_id: EcosystemId, event: Event) -> _Boundary | None:
    """Return the position of an event; None for a limit, and for an empty event."""
    if event.introduced:
        position = _START if event.introduced == "0" else _get_position(ecosystem_id, event.introduced)
        return _Boundary(position, _BoundaryKind.INTRODUCED, event.introduced)
    if event.fixed:
        return _Boundary(_get_position(ecosystem_id, event.fixed), _BoundaryKind.FIXED, event.fixed)
    if event.last_affected:
        return _Boundary(
            _get_position(ecosystem_id, event.last_affected), _BoundaryKind.LAST_AFFECTED, event.last_affected
        )
    return None


@lru_cache(maxsize=8_192)
def _order_range(ecosystem_id: EcosystemId, events: tuple[Event, ...]) -> _OrderedRange:
    """Return a range in order.

    An interval that ends where the next begins is joined with it; one that ends where it begins is empty.
    """
    boundaries = sorted(
        [boundary for event in events if (boundary := _build_boundary(ecosystem_id, event)) is not None]
    )
    fixed_positions = {boundary.position for boundary in boundaries if boundary.kind == _BoundaryKind.FIXED}
    joined_positions = {
        boundary.position
        for boundary in boundaries
        if boundary.kind == _BoundaryKind.INTRODUCED and boundary.position in fixed_positions
    }
    if joined_positions:
        boundaries = [
            boundary
            for boundary in boundaries
            if boundary.kind == _BoundaryKind.LAST_AFFECTED or boundary.position not in joined_positions
        ]
    return _OrderedRange(tuple(boundaries), _get_limits(events))


def _get_limits(events: Iterable[Event]) -> tuple[str, ...]:
    """Return the limits of a range; empty without any."""
    limits = tuple([event.limit for event in events if event.limit])
    return () if "*" in limits else limits


def _contains_position(ecosystem_id: EcosystemId, ordered_range: _OrderedRange, position: _Position) -> bool:
    """Whether a position lies in a range."""
    is_inside = False
    for boundary_position, kind, _ in ordered_range.boundaries:
        if kind == _BoundaryKind.INTRODUCED:
            is_inside = is_inside or position >= boundary_position
        elif is_inside and (
            position > boundary_position or (kind == _BoundaryKind.FIXED and position == boundary_position)
        ):
            is_inside = False
    limits = ordered_range.limits
    return is_inside and (not limits or any(position < _get_position(ecosystem_id, limit) for limit in limits))


def _contains_unparsed(version_range: Range, version: str) -> bool:
    """Whether a range holds an invalid version, or none ("" - not known): as it names it, or holds every version."""
    if version and any(version in (event.introduced, event.last_affected) for event in version_range.events):
        return True
    has_end = any(event.fixed or event.last_affected for event in version_range.events) or _get_limits(
        version_range.events
    )
    return not has_end and any(event.introduced == "0" for event in version_range.events)


# --- enumerated versions ---------------------------------------------------------------------------------------------

_IGNORED_BYTES: Final = bytes(set(range(256)) - set(b"123456789\n"))


def _compute_digit_signatures(texts: Sequence[str]) -> bytes:
    """Return the digits from 1 to 9 of each version, one line each, without those of its local part.

    They are equal for two spellings of one version: a cheap filter.
    """
    joined_text = "\n".join(texts)
    if "+" in joined_text or joined_text.count("\n") >= len(texts):
        joined_text = "\n".join(text.partition("+")[0].replace("\n", "") for text in texts)
    return joined_text.encode(errors="replace").translate(None, _IGNORED_BYTES)


# --- one record ------------------------------------------------------------------------------------------------------


class _OrderedVersions:
    """The affected versions of one package, with their ranges in order: prepared to be compared with versions."""

    __slots__ = ("_signatures", "affected", "ecosystem_id", "ranges")

    def __init__(self, affected: AffectedPackage) -> None:
        self.affected = affected
        self.ecosystem_id = (find_ecosystem(affected.ecosystem) or get_ecosystem(PYPI)).id
        self.ranges = [_order_range(self.ecosystem_id, version_range.events) for version_range in affected.ranges]
        self._signatures: bytes | None = None

    def contain(self, version: str) -> bool:
        """Whether a version is affected. An invalid version is, if it is enumerated or if every version is."""
        if version in self.affected.versions:
            return True
        position = _get_public_position(self.ecosystem_id, version)
        if position[0] == _UNPARSED:
            return any(_contains_unparsed(version_range, version) for version_range in self.affected.ranges)
        for ordered_range in self.ranges:
            if _contains_position(self.ecosystem_id, ordered_range, position):
                return True
        return bool(self.affected.versions) and self._enumerate_spelling(version, position)

    def _enumerate_spelling(self, version: str, position: _Position) -> bool:
        """Whether another spelling of a version is enumerated."""
        if self._signatures is None:
            self._signatures = _compute_digit_signatures(self.affected.versions)
        signature = _compute_digit_signatures([version])
        if signature not in self._signatures:
            return False
        signatures = self._signatures.split(b"\n")
        return any(
            _get_position(self.ecosystem_id, text) == position
            for text, digits in zip(self.affected.versions, signatures, strict=True)
            if digits == signature
        )

    def find_fixes(self, version: str) -> tuple[str, ...]:
        """Return the nearest higher version that is not affected, and the newest fix; see the function."""
        position = _get_public_position(self.ecosystem_id, version)
        newer_fixes = [
            boundary
            for ordered_range in self.ranges
            for boundary in ordered_range.boundaries
            if boundary.kind == _BoundaryKind.FIXED and boundary.position[0] == _PARSED and boundary.position > position
        ]
        newer_fixes.sort()
        nearest = next((fix for fix in newer_fixes if not self.contain(fix.text)), None)
        if nearest is None:
            return ()
        newest = next(fix for fix in reversed(newer_fixes) if fix is nearest or not self.contain(fix.text))
        if newest is nearest or nearest.position == newest.position:
            return (nearest.text,)
        return nearest.text, newest.text

    def format_ranges(self) -> str:
        """Return the affected versions as people write them; see ``format_affected_range``."""
        intervals = [
            interval
            for ordered_range in self.ranges
            for interval in _format_intervals(self.ecosystem_id, ordered_range)
        ]
        if intervals:
            return " || ".join(dict.fromkeys(intervals))
        versions = self.affected.versions
        exact_versions = [f"=={version}" for version in versions[:_MAX_NAMED_VERSIONS]]
        remaining_count = len(versions) - len(exact_versions)
        return " || ".join([*exact_versions, f"{remaining_count} more"] if remaining_count else exact_versions)


def affects_version(affected: AffectedPackage, version: str) -> bool:
    """Whether a version is affected. An invalid version is, if it is enumerated or if every version is."""
    return _OrderedVersions(affected).contain(version)


def find_fixes(affected: AffectedPackage, version: str) -> tuple[str, ...]:
    """Return the nearest higher version that is not affected, and the newest fix; one if they are the same.

    Empty without a fix. A fix on one branch that lies in another affected range does not count.
    """
    return _OrderedVersions(affected).find_fixes(version)


def format_affected_range(affected: AffectedPackage) -> str:
    """Return the affected range as people write it: ``>=1.0, <2.3.1 || >=3.0, <3.0.2``.

    Enumerated versions are listed only without a range.
    """
    return _OrderedVersions(affected).format_ranges()


def _format_intervals(ecosystem_id: EcosystemId, ordered_range: _OrderedRange) -> Iterator[str]:
    """Yield each interval between an introduction and its end."""
    start: str | None = None
    for boundary in ordered_range.boundaries:
        if boundary.kind == _BoundaryKind.INTRODUCED:
            start = boundary.text if start is None else start
        elif start is not None:
            yield _format_interval(start, f"{'<' if boundary.kind == _BoundaryKind.FIXED else '<='}{boundary.text}")
            start = None
    if start is not None:
        limits = ordered_range.limits
        yield _format_interval(
            start, f"<{max(limits, key=lambda limit: _get_position(ecosystem_id, limit))}" if limits else ""
        )


def _format_interval(start: str, end: str) -> str:
    return ", ".join(filter(None, ("" if start == "0" else f">={start}", end))) or "all versions"


# --- all records of a package ----------------------------------------------------------------------------------------


class _PackageAdvisory(_OrderedVersions):
    """A record, and its affected entries for one package."""

    __slots__ = ("advisory",)

    def __init__(self, advisory: Advisory, affected: AffectedPackage) -> None:
        super().__init__(affected)
        self.advisory = advisory


def _group_aliases(advisories: Iterable[Advisory], package: Package) -> list[list[_PackageAdvisory]]:
    """Return the records in force that concern the package, grouped by alias."""
    advisories_by_id = {
        package_advisory.advisory.id: package_advisory
        for advisory in advisories
        if (package_advisory := _build_package_advisory(advisory, package)) is not None
    }
    names = [
        name
        for package_advisory in advisories_by_id.values()
        for name in (package_advisory.advisory.id, *package_advisory.advisory.aliases)
    ]
    if len(set(names)) == len(names):  # no two records share one
        return [[advisories_by_id[identifier]] for identifier in sorted(advisories_by_id)]
    return _merge_groups(advisories_by_id)


def _merge_groups(advisories_by_id: Mapping[str, _PackageAdvisory]) -> list[list[_PackageAdvisory]]:
    groups_by_name: dict[str, list[_PackageAdvisory]] = {}
    for identifier in sorted(advisories_by_id):
        names = (identifier, *advisories_by_id[identifier].advisory.aliases)
        alias_groups = {id(group): group for name in names if (group := groups_by_name.get(name)) is not None}
        merged_group = [
            *(package_advisory for group in alias_groups.values() for package_advisory in group),
            advisories_by_id[identifier],
        ]
        groups_by_name |= dict.fromkeys(
            (
                name
                for package_advisory in merged_group
                for name in (package_advisory.advisory.id, *package_advisory.advisory.aliases)
            ),
            merged_group,
        )
    distinct_groups = {id(group): group for group in groups_by_name.values()}
    sorted_groups = (
        sorted(group, key=lambda package_advisory: package_advisory.advisory.id) for group in distinct_groups.values()
    )
    return sorted(sorted_groups, key=lambda group: group[0].advisory.id)


def _build_package_advisory(advisory: Advisory, package: Package) -> _PackageAdvisory | None:
    package_entries = [
        entry for entry in advisory.affected if entry.name == package.name and entry.ecosystem == package.ecosystem
    ]
    if advisory.withdrawn or not package_entries:
        return None
    if len(package_entries) == 1:
        return _PackageAdvisory(advisory, package_entries[0])
    merged_entry = AffectedPackage(
        package.ecosystem,
        package.name,
        tuple(version for entry in package_entries for version in entry.versions),
        tuple(version_range for entry in package_entries for version_range in entry.ranges),
    )
    return _PackageAdvisory(advisory, merged_entry)


class VersionMatch:
    """The records of a package beside one version. Each is compared with the version once.

    Records are one vulnerability when they are aliases, directly or through others; related ones are not. Withdrawn
    records are ignored.
    """

    def __init__(self, advisories: Iterable[Advisory], package: Package, version: str) -> None:
        self._package = package
        self._version = version
        self._groups = _group_aliases(advisories, package)
        self._affecting_ids = {
            package_advisory.advisory.id
            for group in self._groups
            for package_advisory in group
            if package_advisory.contain(version)
        }

    def _is_affecting(self, package_advisory: _PackageAdvisory) -> bool:
        return package_advisory.advisory.id in self._affecting_ids

    def find_affecting(self) -> tuple[AffectingAdvisory, ...]:
        """Return the advisories that affect the version, each vulnerability once, sorted by id.

        ``malware`` is set only when such a record affects this version; one that is known as malware by its text alone
        must name the version, or contain it in a range that ends.
        """
        affecting_advisories = [
            _build_affecting_advisory(affecting_group, group, self._version)
            for group in self._groups
            if (affecting_group := list(filter(self._is_affecting, group)))
        ]
        return tuple(sorted(affecting_advisories, key=lambda affecting_advisory: affecting_advisory.id))

    def find_unevaluable(self) -> tuple[str, ...]:
        """Return the ids of records that cannot be compared with the version, sorted.

        Such a record names neither versions nor a range, or versions that the ecosystem cannot order. A vulnerability
        of which another record can be compared is left out.
        """
        return tuple(
            sorted(
                package_advisory.advisory.id
                for group in self._groups
                if not any(map(self._is_evaluable, group))
                for package_advisory in group
            )
        )

    def _is_evaluable(self, package_advisory: _PackageAdvisory) -> bool:
        if self._is_affecting(package_advisory):
            return True
        affected = package_advisory.affected
        if not affected.ranges:
            return bool(affected.versions)
        return _get_public_position(package_advisory.ecosystem_id, self._version)[0] != _UNPARSED and all(
            boundary.position[0] != _UNPARSED
            for ordered_range in package_advisory.ranges
            for boundary in ordered_range.boundaries
        )

    def build_history(self, predecessor: str | None, as_of: int) -> History:
        """Return the advisory history of the package; ``as_of`` is the moment to judge from, in epoch seconds.

        Malware is not part of the fix record. A record without a date counts by its last change. ``predecessor`` is the
        version before the one in use, None without one.
        """
        fixable_groups = [
            group for group in self._groups if not any(package_advisory.advisory.malware for package_advisory in group)
        ]
        last_time = as_of - _MIN_HISTORY_AGE
        old_groups = [
            group
            for group in fixable_groups
            if 0 < min(_get_published(package_advisory.advisory) for package_advisory in group) <= last_time
        ]
        malicious_versions = _find_malicious_versions(self._groups, self._package, self._version)
        malicious_at, malicious_version = max(malicious_versions, default=(0, ""))
        return History(
            old_advisories=len(old_groups),
            fixed_advisories=sum(
                any(_has_fix(package_advisory.affected) for package_advisory in group) for group in old_groups
            ),
            malicious_version=malicious_version,
            malicious_at=malicious_at,
            fixes_predecessor=predecessor is not None
            and any(self._is_fixed_since(group, predecessor) for group in fixable_groups),
        )

    def _is_fixed_since(self, group: Sequence[_PackageAdvisory], predecessor: str) -> bool:
        return not any(map(self._is_affecting, group)) and any(
            package_advisory.contain(predecessor) for package_advisory in group
        )


def match_advisories(advisories: Iterable[Advisory], package: Package, version: str) -> tuple[AffectingAdvisory, ...]:
    """Return the advisories that affect a version; see ``VersionMatch``."""
    return VersionMatch(advisories, package, version).find_affecting()


def find_unevaluable(advisories: Iterable[Advisory], package: Package, version: str) -> tuple[str, ...]:
    """Return the ids of records of a package that cannot be compared with a version; see ``VersionMatch``."""
    return VersionMatch(advisories, package, version).find_unevaluable()


def build_history(
    advisories: Iterable[Advisory], package: Package, version: str, predecessor: str | None, as_of: int
) -> History:
    """Return the advisory history of a package; see ``VersionMatch``."""
    return VersionMatch(advisories, package, version).build_history(predecessor, as_of)


def _build_affecting_advisory(
    affecting_group: Sequence[_PackageAdvisory], group: Sequence[_PackageAdvisory], version: str
) -> AffectingAdvisory:
    records = [package_advisory.advisory for package_advisory in affecting_group]
    main_advisory = records[0]
    names = {
        name
        for package_advisory in group
        for name in (package_advisory.advisory.id, *package_advisory.advisory.aliases)
    }
    names.remove(main_advisory.id)
    severity, severity_source = _choose_severity(
        main_advisory, [*records, *(package_advisory.advisory for package_advisory in group)]
    )
    links = tuple(dict.fromkeys(link for record in records for link in record.links))
    return AffectingAdvisory(
        id=main_advisory.id,
        aliases=tuple(sorted(names)),
        summary=next((record.summary for record in records if record.summary), ""),
        severity=severity,
        severity_from=severity_source,
        fixed_in=next(
            (fixes for package_advisory in affecting_group if (fixes := package_advisory.find_fixes(version))),
            (),
        ),
        link=_OSV_PAGE_URL + main_advisory.id
        if main_advisory.id.startswith(OSV_ID_PREFIXES)
        else next(iter(links), ""),
        links=links[:_MAX_NAMED_VERSIONS],
        malware=any(_is_malicious(package_advisory, version) for package_advisory in affecting_group),
        affected=affecting_group[0].format_ranges(),
        unread=_list_unread(records, severity),
    )


def _list_unread(records: Sequence[Advisory], severity: str) -> tuple[str, ...]:
    """Return the ids of unread records that decide: without a severity, or without any record that was read."""
    unread = tuple(dict.fromkeys(identifier for record in records for identifier in record.unread))
    if not unread:
        return ()
    if all(record.id in record.unread for record in records):
        return unread
    return unread if severity == "unknown" else ()


def _is_malicious(package_advisory: _PackageAdvisory, version: str) -> bool:
    """Whether a record that affects a version states that it is malicious.

    Databases without a field for malware leave ranges open that contain later releases of the rightful owner.
    """
    advisory, affected = package_advisory.advisory, package_advisory.affected
    if not advisory.malware:
        return False
    if advisory.id.startswith(MARKING_PREFIXES) or not affected.versions:
        return True
    closed_ranges = tuple(
        version_range
        for version_range, (boundaries, _) in zip(affected.ranges, package_advisory.ranges, strict=True)
        if boundaries and boundaries[-1].kind != _BoundaryKind.INTRODUCED
    )
    return affects_version(msgspec.structs.replace(affected, ranges=closed_ranges), version)


def _choose_severity(main_advisory: Advisory, records: Iterable[Advisory]) -> tuple[str, str]:
    """Return the severity and its origin: a reviewed label first, then the highest."""
    best = choose_rated(records, main_advisory)
    if best is None:
        return "unknown", ""
    is_own = best is main_advisory or best.severity_from.startswith(ALIAS_PREFIX)
    return best.severity, best.severity_from if is_own else f"{ALIAS_PREFIX}{best.id}"


def select_known_advisories(records: Iterable[Advisory], known_until: int) -> tuple[Advisory, ...]:
    """Return the records that were published by then; those withdrawn later count as not withdrawn.

    A record without a date is kept.
    """
    return tuple(
        msgspec.structs.replace(record, withdrawn=False) if record.withdrawn_at > known_until else record
        for record in records
        if record.published <= known_until
    )


# --- the past --------------------------------------------------------------------------------------------------------


def _get_published(advisory: Advisory) -> int:
    return advisory.published or advisory.modified


def _has_fix(affected: AffectedPackage) -> bool:
    return any(event.fixed for version_range in affected.ranges for event in version_range.events)


def _find_malicious_versions(
    groups: Iterable[Sequence[_PackageAdvisory]], package: Package, version: str
) -> Iterator[tuple[int, str]]:
    """Yield, for each malware record, its publication time and the newest other version it names."""
    for package_advisory in (package_advisory for group in groups for package_advisory in group):
        if package_advisory.advisory.malware:
            other_versions = [
                named_version
                for named_version in _list_named_versions(package_advisory.affected)
                if not get_ecosystem(package.ecosystem).is_same_version(named_version, version)
            ]
            if other_versions:
                yield (
                    _get_published(package_advisory.advisory),
                    get_ecosystem(package.ecosystem).sort_newest_first(other_versions)[0],
                )


def list_named_versions(advisories: Iterable[Advisory], package: Package) -> tuple[str, ...]:
    """Return the versions of a package that its records enumerate as affected, sorted by text."""
    versions = {
        version
        for advisory in advisories
        if not advisory.withdrawn
        for affected in advisory.affected
        if (affected.ecosystem, affected.name) == (package.ecosystem, package.name)
        for version in _list_named_versions(affected)
    }
    return tuple(sorted(versions))


def list_fixed_versions(advisories: Iterable[Advisory], package: Package) -> tuple[str, ...]:
    """Return the versions of a package that its records name as fixes, sorted by text."""
    versions = {
        event.fixed
        for advisory in advisories
        if not advisory.withdrawn
        for affected in advisory.affected
        if (affected.ecosystem, affected.name) == (package.ecosystem, package.name)
        for version_range in affected.ranges
        for event in version_range.events
        if event.fixed
    }
    return tuple(sorted(versions))


def _list_named_versions(affected: AffectedPackage) -> tuple[str, ...]:
    """Return the affected versions that a record enumerates."""
    bounds = (
        named_version
        for version_range in affected.ranges
        for event in version_range.events
        for named_version in (event.introduced, event.last_affected)
    )
    return affected.versions or tuple(named_version for named_version in bounds if named_version not in ("", "0"))
