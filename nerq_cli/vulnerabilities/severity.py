"""Take the severity of an advisory from the records of its aliases, so that it is the same under each of its ids.

A label that GitHub reviewed outweighs every other severity. Without one, a record without a severity of its own takes
the highest one of its aliases, and then that of their aliases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from nerq_cli.facts import Advisory

#: ``severity_from`` of a severity that GitHub reviewed; it outweighs every computed one.
GHSA_LABEL: Final = "GHSA label"
#: Begins the ``severity_from`` of a severity that another record has; the id of that record follows.
ALIAS_PREFIX: Final = "alias "
#: Aliases of an advisory that are looked up, and as many of the aliases of these. Real records have one to three.
MAX_ALIASES: Final = 4
#: Steps from alias to alias. OSV lists all ids of a vulnerability in each of its records; others may list one.
_MAX_STEPS: Final = 2
_GHSA_PREFIX: Final = "GHSA-"
_MALWARE_PREFIX: Final = "MAL-"
#: How the ``severity_from`` of a reviewed severity begins.
_REVIEWED_ORIGINS: Final = (GHSA_LABEL, f"{ALIAS_PREFIX}{_GHSA_PREFIX}")
#: Prefixes of ids, the most likely to lead to a severity first.
_PREFIX_ORDER: Final = (_GHSA_PREFIX, "CVE-")
_SEVERITY_RANK: Final = {"unknown": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}

#: Returns the records with an id or alias: empty if there are none, None if they were not looked up yet.
RecordLookup: TypeAlias = Callable[[str], "Sequence[Advisory] | None"]


class _LinkedRecords(NamedTuple):
    """The records that aliases lead to, and the aliases to look up before there may be more."""

    records: list[Advisory]
    missing_ids: tuple[str, ...] = ()


def is_reviewed(advisory: Advisory) -> bool:
    """Whether the severity is a label that GitHub reviewed, be it that of an alias."""
    return advisory.severity_from.startswith(_REVIEWED_ORIGINS) and is_rated(advisory)


def is_rated(advisory: Advisory) -> bool:
    """Whether a record has a severity."""
    return bool(_SEVERITY_RANK.get(advisory.severity))


def choose_rated(records: Iterable[Advisory], main_advisory: Advisory | None = None) -> Advisory | None:
    """Return the record whose severity counts: a reviewed one first, then the highest; None if none is rated.

    Of several with that severity it is the ``main_advisory``, else the first by id.
    """
    return min(
        filter(is_rated, records),
        key=lambda record: (
            not is_reviewed(record),
            -_SEVERITY_RANK[record.severity],
            record is not main_advisory,
            record.id,
        ),
        default=None,
    )


def list_reviewed_aliases(advisory: Advisory) -> list[str]:
    """Return the aliases of an advisory that GitHub may have reviewed; at most ``MAX_ALIASES``."""
    aliases = {alias for alias in advisory.aliases if alias.startswith(_GHSA_PREFIX)}
    return sorted(aliases)[:MAX_ALIASES]


def needs_aliases(advisory: Advisory, *, known_ids: Collection[str] = ()) -> bool:
    """Whether the severity of an advisory depends on its aliases, other than those in ``known_ids``."""
    if advisory.malware or advisory.withdrawn:
        return False
    if aliases := list_reviewed_aliases(advisory):
        return any(alias not in known_ids for alias in aliases)
    return not is_reviewed(advisory)


def find_missing_aliases(advisory: Advisory, lookup: RecordLookup) -> tuple[str, ...]:
    """Return the aliases to look up next for the severity of an advisory; empty when all that count were."""
    return _follow_aliases(advisory, lookup).missing_ids if needs_aliases(advisory) else ()


def rate_by_aliases(advisory: Advisory, lookup: RecordLookup) -> Advisory:
    """Return an advisory with the severity, and the further ids, that its aliases give it."""
    if not needs_aliases(advisory):
        return advisory
    linked_records = _follow_aliases(advisory, lookup).records
    best = choose_rated(linked_records)
    if best is None or (is_rated(advisory) and not is_reviewed(best)):
        return advisory
    if choose_rated((advisory, best), advisory) is advisory:
        return advisory
    names = (name for record in linked_records for name in (record.id, *record.aliases) if name != advisory.id)
    return msgspec.structs.replace(
        advisory,
        severity=best.severity,
        severity_from=f"{ALIAS_PREFIX}{best.id}",
        aliases=tuple(dict.fromkeys((*advisory.aliases, *names))),
    )


def _follow_aliases(advisory: Advisory, lookup: RecordLookup) -> _LinkedRecords:
    """Return the records behind the aliases, and behind the aliases of those while no reviewed label is found.

    All aliases of a step are missing at once, so that one that cannot be had does not hide the others.
    """
    linked_records = _select_new(lookup(advisory.id) or (), [advisory])
    names, frontier = {advisory.id}, [advisory]
    for _ in range(_MAX_STEPS):
        aliases = _list_aliases(frontier, names)
        names.update(aliases)
        frontier, missing_ids = [], []
        for ids in _split_reviewed(aliases):
            if not ids[0].startswith(_GHSA_PREFIX) and choose_rated([advisory, *linked_records]) is not None:
                continue
            found = {alias: lookup(alias) for alias in ids}
            missing_ids += [alias for alias, records in found.items() if records is None]
            new_records = _select_new(
                (record for records in found.values() for record in records or ()), [advisory, *linked_records]
            )
            frontier += new_records
            linked_records += new_records
        if missing_ids or any(map(is_reviewed, linked_records)):
            return _LinkedRecords(linked_records, tuple(missing_ids))
    return _LinkedRecords(linked_records)


def _list_aliases(advisories: Iterable[Advisory], known_ids: Iterable[str]) -> list[str]:
    """Return at most ``MAX_ALIASES`` aliases, without those of malware records, in the order of a lookup."""
    known = {*known_ids}
    aliases = {
        alias
        for advisory in advisories
        for alias in advisory.aliases
        if alias not in known and not alias.startswith(_MALWARE_PREFIX)
    }
    return sorted(aliases, key=_alias_sort_key)[:MAX_ALIASES]


def _alias_sort_key(alias: str) -> tuple[int, str]:
    positions = (position for position, prefix in enumerate(_PREFIX_ORDER) if alias.startswith(prefix))
    return next(positions, len(_PREFIX_ORDER)), alias


def _split_reviewed(aliases: Sequence[str]) -> Iterator[list[str]]:
    """Yield the aliases that GitHub may have reviewed, then the others; each only if there are any."""
    reviewed = [alias for alias in aliases if alias.startswith(_GHSA_PREFIX)]
    yield from filter(None, (reviewed, [alias for alias in aliases if alias not in reviewed]))


def _select_new(records: Iterable[Advisory], known_records: Iterable[Advisory]) -> list[Advisory]:
    """Return each record in force once, without those that are known."""
    known_ids = {record.id for record in known_records}
    records_by_id = {record.id: record for record in records if not record.withdrawn and not record.malware}
    return [record for id_, record in records_by_id.items() if id_ not in known_ids]
