"""Advisory records as vulnerabilities: each counted once, with its severity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nerq_cli.facts import AffectingAdvisory

#: Severities, mildest first. ``unknown`` ranks between low and medium, as its loss does.
SEVERITIES: Final = ("low", "unknown", "medium", "high", "critical")
_SEVERITY_RANKS: Final = {severity: rank for rank, severity in enumerate(SEVERITIES)}
_RAISED_SEVERITIES: Final = {
    "low": "medium",
    "unknown": "medium",
    "medium": "high",
    "high": "critical",
    "critical": "critical",
}


def merge_advisories(advisories: Iterable[AffectingAdvisory]) -> tuple[AffectingAdvisory, ...]:
    """Return each vulnerability once, worst first: records that share an id or alias are merged to the worst of each.

    The order of the records has no effect on the result.
    """
    records = [(advisory, {advisory.id, *advisory.aliases}) for advisory in advisories]
    all_ids = set().union(*(ids for _, ids in records))
    if len(all_ids) == sum(len(ids) for _, ids in records):  # no two records share one
        merged_records = [_copy_record(advisory, ids) for advisory, ids in records]
    else:
        merged_records = [_merge_group(group) for group in _group_records(records)]
    return tuple(sorted(merged_records, key=lambda record: (-_rank_severity(record), record.id)))


def _group_records(records: Iterable[tuple[AffectingAdvisory, set[str]]]) -> list[list[AffectingAdvisory]]:
    """Return the records, each with its ids, in groups that share ids."""
    groups: list[tuple[set[str], list[AffectingAdvisory]]] = []  # the ids and aliases of the records of each
    for advisory, own_ids in sorted(records, key=lambda entry: entry[0].id):
        ids, group = own_ids, [advisory]
        if overlapping := [other for other in groups if not ids.isdisjoint(other[0])]:
            groups = [other for other in groups if ids.isdisjoint(other[0])]
            ids = ids.union(*(other_ids for other_ids, _ in overlapping))
            group = [*(record for _, records in overlapping for record in records), advisory]
        groups.append((ids, group))
    return [group for _, group in groups]


def _rank_severity(advisory: AffectingAdvisory) -> int:
    return _SEVERITY_RANKS["critical" if advisory.exploited else get_severity(advisory)]


def _copy_record(advisory: AffectingAdvisory, ids: set[str]) -> AffectingAdvisory:
    """Return what ``_merge_group`` returns for one record."""
    return AffectingAdvisory(
        id=advisory.id,
        aliases=tuple(sorted(ids - {advisory.id})),
        summary=advisory.summary,
        severity=get_severity(advisory),
        fixed_in=tuple(dict.fromkeys(advisory.fixed_in)),
        link=advisory.link,
        malware=advisory.malware,
        exploited=advisory.exploited,
        epss=advisory.epss,
        unread=advisory.unread,
    )


def _merge_group(group: Sequence[AffectingAdvisory]) -> AffectingAdvisory:
    group = sorted(
        group, key=lambda advisory: (advisory.id, advisory.severity, advisory.summary, advisory.fixed_in, advisory.link)
    )
    ids = {id_ for advisory in group for id_ in (advisory.id, *advisory.aliases)}
    severities = [severity for advisory in group if (severity := get_severity(advisory)) != "unknown"]
    unread = tuple(dict.fromkeys(id_ for advisory in group for id_ in advisory.unread))
    exploited = {advisory.exploited for advisory in group}
    return AffectingAdvisory(
        id=group[0].id,
        aliases=tuple(sorted(ids - {group[0].id})),
        summary=next((advisory.summary for advisory in group if advisory.summary), ""),
        severity=max(severities, key=_SEVERITY_RANKS.__getitem__, default="unknown"),
        fixed_in=tuple(dict.fromkeys(version for advisory in group for version in advisory.fixed_in)),
        link=next((advisory.link for advisory in group if advisory.link), ""),
        malware=any(advisory.malware for advisory in group),
        exploited=True if True in exploited else None if None in exploited else False,
        epss=max((advisory.epss for advisory in group if advisory.epss is not None), default=None),
        unread=unread if not severities or all(advisory.is_unread for advisory in group) else (),
    )


def get_severity(advisory: AffectingAdvisory) -> str:
    """Return one of ``SEVERITIES``; ``unknown`` for a severity that is not among them."""
    return advisory.severity if advisory.severity in _SEVERITY_RANKS else "unknown"


def raise_severity(advisory: AffectingAdvisory, epss_limit: float) -> str:
    """Return the severity an advisory counts with: raised when it is exploited, or likely to be."""
    return raise_known_severity(
        get_severity(advisory), advisory.epss or 0.0, epss_limit, is_exploited=bool(advisory.exploited)
    )


def raise_known_severity(severity: str, epss: float, epss_limit: float, *, is_exploited: bool) -> str:
    """Return the severity that one of ``SEVERITIES`` counts with."""
    if is_exploited:
        return "critical"
    return _RAISED_SEVERITIES[severity] if epss >= epss_limit else severity


def choose_cap_id(severity: str, epss: float, epss_limit: float, *, is_exploited: bool, is_fixed: bool) -> str:
    """Return the id of the cap of an advisory, given one of ``SEVERITIES``."""
    if is_exploited:
        return "exploited"
    if severity == "high" and epss >= epss_limit:
        return "high-epss"
    if severity in ("critical", "high"):
        return severity if is_fixed else f"{severity}-no-fix"
    return "advisory" if severity == "unknown" else severity


def describe_severity(advisory: AffectingAdvisory) -> str:
    """Return ``high``, ``of unknown severity``, or ``severity and fix not known: its record was not read``."""
    severity = get_severity(advisory)
    if severity != "unknown" or advisory.malware or not advisory.unread:
        return "of unknown severity" if severity == "unknown" else severity
    known = "severity and fix" if advisory.is_unread and not advisory.fixed_in else "severity"
    return f"{known} not known: {describe_unread(advisory)}"


def describe_fix(advisory: AffectingAdvisory, fix: str) -> str:
    """Return ``fixed in 2.0``, or why there is no fix; empty where ``describe_severity`` has it already."""
    if fix:
        return f"fixed in {fix}"
    return (
        "" if advisory.is_unread and not advisory.malware and not advisory.fixed_in else describe_missing_fix(advisory)
    )


def describe_missing_fix(advisory: AffectingAdvisory) -> str:
    """Return why no fixed version is shown: its record names none, or was not read."""
    return "fix not known" if advisory.is_unread else "no fixed version named"


def describe_unread(advisory: AffectingAdvisory) -> str:
    """Return which records of an advisory were not read: ``its record was not read``; empty if all were."""
    if advisory.is_unread:
        return "its record was not read"
    return f"the record of {', '.join(advisory.unread)} was not read" if advisory.unread else ""


def describe_advisories(advisories: Sequence[AffectingAdvisory]) -> str:
    """Return ``2 known advisories (1 high, 1 of unknown severity)``, or ``no known advisory``."""
    if not advisories:
        return "no known advisory"
    unread_count = sum(bool(advisory.unread) for advisory in advisories)
    severities = [get_severity(advisory) for advisory in advisories if not advisory.unread]
    parts = [
        f"{severities.count(severity)} {'of unknown severity' if severity == 'unknown' else severity}"
        for severity in reversed(SEVERITIES)
        if severity in severities
    ]
    if unread_count:
        parts.append(f"{unread_count} of a severity that was not read")
    if any(advisory.exploited for advisory in advisories):
        parts.append("exploited in the wild")
    noun = "known advisory" if len(advisories) == 1 else "known advisories"
    return f"{len(advisories)} {noun} ({', '.join(parts)})"
