"""Which advisories affect a version, what fixes them, and what they say of a package's past.

Matching follows the evaluation rules of the OSV schema (ossf/osv-schema, docs/schema.md): a version is affected if it
is enumerated or lies in any of the ranges, whose events are taken in the order of their versions. Versions are
ordered as their ecosystem orders them, whatever a range calls itself. Nothing here raises for text that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from nerq_cli.facts import Advisory, Affected, Event, History, Range, Vulnerability
from nerq_cli.inventory import NPM, PYPI, Ecosystem, Package
from nerq_cli.versions import newest_first, precedence, same

#: ``severity_from`` of a severity that people at GitHub reviewed; it outweighs every computed one.
GHSA_LABEL: Final = "GHSA label"
#: Seconds after which an advisory counts in the record of fixes (90 days).
_OLD: Final = 90 * 86_400
#: Enumerated versions named in words before the rest is only counted.
_NAMED: Final = 5
_RANK: Final = {"unknown": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
#: Where OSV keeps the page of a record, and how the ids of the records begin that it publishes.
_PAGE: Final = "https://osv.dev/vulnerability/"
KEPT_BY_OSV: Final = ("GHSA-", "PYSEC-", "MAL-", "OSV-")

# --- places on the line of versions ----------------------------------------------------------------------------------

#: Where a version stands: before everything, among what is no version, or among the versions.
_Place: TypeAlias = "tuple[int, Any]"
_FIRST: Final[_Place] = (0, "")
_JUNK: Final = 1
_VERSION: Final = 2

#: npm versions in records that leave out the minor or patch number; OSV reads the rest as zeros.
_SHORT = re.compile(r"v?(\d+)(?:\.(\d+))?([-+].*)?", re.ASCII | re.DOTALL)


@lru_cache(maxsize=16_384)
def _place(ecosystem: Ecosystem, version: str) -> _Place:
    parsed = precedence(ecosystem, version)
    if parsed is None and ecosystem == NPM and (short := _SHORT.fullmatch(version)):
        parsed = precedence(NPM, f"{short[1]}.{short[2] or 0}.0{short[3] or ''}")
    return (_JUNK, version) if parsed is None else (_VERSION, parsed)


@lru_cache(maxsize=16_384)
def _in_use(ecosystem: Ecosystem, version: str) -> _Place:
    """Return where a version in use stands: on PyPI a local build (1.0+cu118) counts as the version it was built of."""
    place = _place(ecosystem, version)
    if ecosystem == PYPI and place[0] == _VERSION and place[1].local:
        return _place(ecosystem, place[1].public)
    return place


def _ecosystem(affected: Affected) -> Ecosystem:
    return NPM if affected.ecosystem == NPM else PYPI


# --- ranges ----------------------------------------------------------------------------------------------------------


class _Kind(IntEnum):
    """What begins or ends a stretch of affected versions, in the order in which equal versions are looked at."""

    INTRODUCED = 0
    LAST = 1
    FIXED = 2


class _Mark(NamedTuple):
    place: _Place
    kind: _Kind
    text: str


def _mark(ecosystem: Ecosystem, event: Event) -> _Mark | None:
    """Return where an event stands; None for a limit, and for one that says nothing."""
    if event.introduced:
        place = _FIRST if event.introduced == "0" else _place(ecosystem, event.introduced)
        return _Mark(place, _Kind.INTRODUCED, event.introduced)
    if event.fixed:
        return _Mark(_place(ecosystem, event.fixed), _Kind.FIXED, event.fixed)
    if event.last_affected:
        return _Mark(_place(ecosystem, event.last_affected), _Kind.LAST, event.last_affected)
    return None


@lru_cache(maxsize=8_192)
def _marks(ecosystem: Ecosystem, events: tuple[Event, ...]) -> tuple[_Mark, ...]:
    """Return the marks of a range in their order.

    Where one stretch ends at the version at which the next begins, they are one; one that ends where it begins is none.
    """
    marks = sorted(mark for event in events if (mark := _mark(ecosystem, event)) is not None)
    ends = {mark.place for mark in marks if mark.kind == _Kind.FIXED}
    seams = {mark.place for mark in marks if mark.kind == _Kind.INTRODUCED and mark.place in ends}
    return tuple(mark for mark in marks if mark.kind == _Kind.LAST or mark.place not in seams)


def _limits(one: Range) -> list[str]:
    """Return where a range stops whatever its events say; empty when it does not."""
    limits = [event.limit for event in one.events if event.limit]
    return [] if "*" in limits else limits


def _holds(ecosystem: Ecosystem, one: Range, at: _Place) -> bool:
    """Whether a place lies in a range."""
    inside = False
    for place, kind, _ in _marks(ecosystem, one.events):
        if kind == _Kind.INTRODUCED:
            inside = inside or at >= place
        elif at > place or (kind == _Kind.FIXED and at == place):
            inside = False
    limits = _limits(one)
    return inside and (not limits or any(at < _place(ecosystem, limit) for limit in limits))


def _names(one: Range, version: str) -> bool:
    """Whether a range holds what is no version: because it names it, or because it holds everything."""
    if any(version in (event.introduced, event.last_affected) for event in one.events):
        return True
    ends = any(event.fixed or event.last_affected for event in one.events) or _limits(one)
    return not ends and any(event.introduced == "0" for event in one.events)


# --- enumerated versions ---------------------------------------------------------------------------------------------

_NOT_TELLING: Final = bytes(set(range(256)) - set(b"123456789\n"))


def _signatures(texts: Sequence[str]) -> list[bytes]:
    """Return the digits from 1 to 9 of each text: two spellings of one version have the same, and it costs nothing."""
    together = "\n".join(texts)
    if together.count("\n") >= len(texts):
        together = "\n".join(text.replace("\n", "") for text in texts)
    return together.encode(errors="replace").translate(None, _NOT_TELLING).split(b"\n")


def _enumerates(affected: Affected, version: str) -> bool:
    if version in affected.versions:
        return True
    ecosystem = _ecosystem(affected)
    at = _in_use(ecosystem, version)
    if at[0] == _JUNK or not affected.versions:
        return False
    plain = version.partition("+")[0]
    texts = [text.partition("+")[0] for text in affected.versions] if ecosystem == NPM else affected.versions
    [sought] = _signatures([plain])
    alike = (text for text, digits in zip(texts, _signatures(texts), strict=True) if digits == sought)
    return any(_place(ecosystem, text) == at for text in alike)


# --- one record ------------------------------------------------------------------------------------------------------


def affects(affected: Affected, version: str) -> bool:
    """Whether a version is affected. What is no version is, if it is named or if every version is."""
    ecosystem = _ecosystem(affected)
    at = _in_use(ecosystem, version)
    if at[0] == _JUNK:
        return version in affected.versions or any(_names(one, version) for one in affected.ranges)
    return any(_holds(ecosystem, one, at) for one in affected.ranges) or _enumerates(affected, version)


def fixed_in(affected: Affected, version: str) -> tuple[str, ...]:
    """Return the nearest version above that is no longer affected, and the newest fix; one if they are the same.

    Empty where no fix is named. A fix on one branch that lies in another range is none.
    """
    ecosystem = _ecosystem(affected)
    at = _in_use(ecosystem, version)
    marks = (mark for one in affected.ranges for mark in _marks(ecosystem, one.events) if mark.kind == _Kind.FIXED)
    above = sorted(mark for mark in set(marks) if mark.place > at and mark.place[0] == _VERSION)
    clean = [mark for mark in above if not affects(affected, mark.text)]
    if not clean:
        return ()
    first, newest = clean[0], clean[-1]
    return (first.text,) if first.place == newest.place else (first.text, newest.text)


def affected_in_words(affected: Affected) -> str:
    """Return the affected range as people write it: ``>=1.0, <2.3.1 || >=3.0, <3.0.2``.

    Enumerated versions are named only where there is no range.
    """
    ecosystem = _ecosystem(affected)
    stretches = [words for one in affected.ranges for words in _stretches(ecosystem, one)]
    if stretches:
        return " || ".join(dict.fromkeys(stretches))
    named = [f"=={version}" for version in affected.versions[:_NAMED]]
    more = len(affected.versions) - len(named)
    return " || ".join([*named, f"{more} more"] if more else named)


def _stretches(ecosystem: Ecosystem, one: Range) -> Iterator[str]:
    """Yield each stretch between an introduction and what ends it."""
    begun: str | None = None
    for mark in _marks(ecosystem, one.events):
        if mark.kind == _Kind.INTRODUCED:
            begun = mark.text if begun is None else begun
        elif begun is not None:
            yield _between(begun, f"{'<' if mark.kind == _Kind.FIXED else '<='}{mark.text}")
            begun = None
    if begun is not None:
        limits = _limits(one)
        yield _between(begun, f"<{max(limits, key=lambda limit: _place(ecosystem, limit))}" if limits else "")


def _between(begun: str, end: str) -> str:
    return ", ".join(filter(None, ("" if begun == "0" else f">={begun}", end))) or "all versions"


# --- all records of a package ----------------------------------------------------------------------------------------


class _Case(NamedTuple):
    """A record, and all it says of the package at hand."""

    advisory: Advisory
    affected: Affected


def _groups(advisories: Iterable[Advisory], package: Package) -> list[list[_Case]]:
    """Return the records that stand and concern the package; those that are aliases of one another are together."""
    cases = {case.advisory.id: case for one in advisories if (case := _case(one, package)) is not None}
    found: dict[str, list[_Case]] = {}
    for identifier in sorted(cases):
        names = (identifier, *cases[identifier].advisory.aliases)
        touching = {id(group): group for name in names if (group := found.get(name)) is not None}
        together = [*(case for group in touching.values() for case in group), cases[identifier]]
        found |= dict.fromkeys(
            (name for case in together for name in (case.advisory.id, *case.advisory.aliases)), together
        )
    distinct = {id(group): group for group in found.values()}
    ordered = (sorted(group, key=lambda case: case.advisory.id) for group in distinct.values())
    return sorted(ordered, key=lambda group: group[0].advisory.id)


def _case(advisory: Advisory, package: Package) -> _Case | None:
    parts = [one for one in advisory.affected if one.name == package.name and one.ecosystem == package.ecosystem]
    if advisory.withdrawn or not parts:
        return None
    if len(parts) == 1:
        return _Case(advisory, parts[0])
    together = Affected(
        package.ecosystem,
        package.name,
        tuple(version for one in parts for version in one.versions),
        tuple(span for one in parts for span in one.ranges),
    )
    return _Case(advisory, together)


def vulnerabilities(advisories: Iterable[Advisory], package: Package, version: str) -> tuple[Vulnerability, ...]:
    """Return what affects a version, each vulnerability once however many records describe it, sorted by id.

    Records are one vulnerability when they are aliases, directly or through others; related ones are not. Withdrawn
    records count for nothing. ``malware`` is said only where such a record names this very version.
    """
    found = []
    for group in _groups(advisories, package):
        hits = [case for case in group if affects(case.affected, version)]
        if hits:
            found.append(_vulnerability(hits, group, version))
    return tuple(sorted(found, key=lambda one: one.id))


def _vulnerability(hits: Sequence[_Case], group: Sequence[_Case], version: str) -> Vulnerability:
    records = [case.advisory for case in hits]
    main = records[0]
    names = {name for case in group for name in (case.advisory.id, *case.advisory.aliases)} - {main.id}
    severity, origin = _severity(main, [*records, *(case.advisory for case in group)])
    links = tuple(dict.fromkeys(link for record in records for link in record.links))
    return Vulnerability(
        id=main.id,
        aliases=tuple(sorted(names)),
        summary=next((record.summary for record in records if record.summary), ""),
        severity=severity,
        severity_from=origin,
        fixed_in=next((fixes for case in hits if (fixes := fixed_in(case.affected, version))), ()),
        link=_PAGE + main.id if main.id.startswith(KEPT_BY_OSV) else next(iter(links), ""),
        links=links[:_NAMED],
        malware=any(record.malware for record in records),
        affected=affected_in_words(hits[0].affected),
    )


def _severity(main: Advisory, records: Iterable[Advisory]) -> tuple[str, str]:
    """Return the severity and where it is from: a reviewed label first, then the record's own, then the worst."""
    stated = [one for one in records if _RANK.get(one.severity)]
    if not stated:
        return "unknown", ""
    best = min(stated, key=lambda one: (one.severity_from != GHSA_LABEL, one is not main, -_RANK[one.severity], one.id))
    return best.severity, best.severity_from if best is main else f"alias {best.id}"


# --- the past --------------------------------------------------------------------------------------------------------


def history(
    advisories: Iterable[Advisory], package: Package, version: str, predecessor: str | None, as_of: int
) -> History:
    """Return what the records say of a package's past; ``as_of`` is the moment to judge from, in epoch seconds.

    Malware is no part of the record of fixes: nobody fixes it. A record that states no date counts by its last
    change. ``predecessor`` is the version before the one in use, None where there is none.
    """
    groups = _groups(advisories, package)
    bugs = [group for group in groups if not any(case.advisory.malware for case in group)]
    old = [group for group in bugs if 0 < min(_since(case.advisory) for case in group) <= as_of - _OLD]
    malicious_at, malicious = max(_malicious(groups, package, version), default=(0, ""))
    return History(
        old=len(old),
        fixed=sum(any(_has_fix(case.affected) for case in group) for group in old),
        malicious_version=malicious,
        malicious_at=malicious_at,
        fixes_predecessor=predecessor is not None and any(_fixes(group, predecessor, version) for group in bugs),
    )


def _since(advisory: Advisory) -> int:
    return advisory.published or advisory.modified


def _has_fix(affected: Affected) -> bool:
    return any(event.fixed for one in affected.ranges for event in one.events)


def _fixes(group: Sequence[_Case], predecessor: str, version: str) -> bool:
    return any(affects(case.affected, predecessor) for case in group) and not any(
        affects(case.affected, version) for case in group
    )


def _malicious(groups: Iterable[Sequence[_Case]], package: Package, version: str) -> Iterator[tuple[int, str]]:
    """Yield, for each record of malware, when it was published and the newest other version it names."""
    for advisory, affected in (case for group in groups for case in group):
        if advisory.malware:
            others = [one for one in _named(affected) if not same(package.ecosystem, one, version)]
            if others:
                yield _since(advisory), newest_first(package.ecosystem, others)[0]


def _named(affected: Affected) -> tuple[str, ...]:
    """Return the affected versions a record names."""
    bounds = (
        text for one in affected.ranges for event in one.events for text in (event.introduced, event.last_affected)
    )
    return affected.versions or tuple(text for text in bounds if text not in ("", "0"))
