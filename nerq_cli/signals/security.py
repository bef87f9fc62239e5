"""Security: what is known to be wrong with this version, and what could go wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Final

from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import (
    ATTESTED,
    INSTALL_HOOK,
    SDIST,
    WHEEL,
    Absent,
    AffectingAdvisory,
    Found,
    Popularity,
    SimilarName,
    T,
)
from nerq_cli.methodology import (
    ATTESTATIONS_SINCE,
    CAPS,
    COMPARED_NAMES,
    EPSS_CAP_THRESHOLD,
    EPSS_RAISE_THRESHOLD,
    FRESH_DAYS,
    MALWARE_HISTORY_DAYS,
    MIN_CHECKS,
    MIN_NOTABLE_DOWNLOADS,
    SIGNALS,
    STARJACK_RATIO,
    TAKEOVER_DAYS,
    YOUNG_DAYS,
)
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import (
    Flag,
    Signal,
    build_from_level,
    build_known,
    build_missing,
    build_not_applicable,
    build_unknown,
    days_between,
    format_age,
    format_count,
)

#: Severity bands, mildest first; ``unknown`` ranks between low and medium, as its loss does.
BANDS: Final = ("low", "unknown", "medium", "high", "critical")
_BAND_RANKS: Final = {band: rank for rank, band in enumerate(BANDS)}
_RAISED_BANDS: Final = {
    "low": "medium",
    "unknown": "medium",
    "medium": "high",
    "high": "critical",
    "critical": "critical",
}
_VERIFIED_REASON: Final = "attested, as verified by the registry"
_NO_ATTESTATION_DATA_REASON: Final = "the registry does not tell about attestations"
_PREDATES_ATTESTATIONS_REASON: Final = "released before attestations existed"
_SECURITY_STATUSES: Final = {
    "quarantined": ("quarantined", "PyPI has this project in quarantine"),
    "security-holding": ("security-holding", "removed from npm for security; a placeholder is left"),
}


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the security signals S1-S8 and the flags that go with them."""
    yield from measure_malware(context)
    yield from measure_advisories(context)
    yield measure_fix_record(context)
    yield from measure_provenance(context)
    yield from measure_install_code(context)
    yield from measure_name_confusion(context)
    yield from measure_newness(context)
    yield measure_hygiene(context)


def merge_advisories(advisories: Iterable[AffectingAdvisory]) -> tuple[AffectingAdvisory, ...]:
    """Return each vulnerability once: records that share an id or alias are one, with the worst of what they say.

    Order of the records has no effect on the result, which is sorted worst first.
    """
    groups: list[list[AffectingAdvisory]] = []
    for advisory in sorted(advisories, key=lambda record: record.id):
        ids = {advisory.id, *advisory.aliases}
        overlapping = [group for group in groups if any(ids & {record.id, *record.aliases} for record in group)]
        groups = [group for group in groups if group not in overlapping]
        groups.append([record for group in overlapping for record in group] + [advisory])
    return tuple(
        sorted(
            (_merge_group(merged_group) for merged_group in groups),
            key=lambda record: (-_BAND_RANKS[_get_band(record)], record.id),
        )
    )


def _merge_group(group: Sequence[AffectingAdvisory]) -> AffectingAdvisory:
    group = sorted(
        group, key=lambda advisory: (advisory.id, advisory.severity, advisory.summary, advisory.fixed_in, advisory.link)
    )
    severities = [severity for advisory in group if (severity := _get_severity(advisory)) != "unknown"]
    scores = [advisory.epss for advisory in group if advisory.epss is not None]
    return AffectingAdvisory(
        id=group[0].id,
        aliases=tuple(
            sorted(
                {advisory_id for advisory in group for advisory_id in (advisory.id, *advisory.aliases)} - {group[0].id}
            )
        ),
        summary=next((advisory.summary for advisory in group if advisory.summary), ""),
        severity=max(severities, key=_BAND_RANKS.__getitem__, default="unknown"),
        fixed_in=tuple(dict.fromkeys(version for advisory in group for version in advisory.fixed_in)),
        link=next((advisory.link for advisory in group if advisory.link), ""),
        malware=any(advisory.malware for advisory in group),
        exploited=_is_exploited(group),
        epss=max(scores, default=None),
    )


def _is_exploited(group: Iterable[AffectingAdvisory]) -> bool | None:
    """Whether a vulnerability is exploited; None where nobody looked."""
    exploited_flags = [advisory.exploited for advisory in group]
    return True if any(exploited_flags) else None if None in exploited_flags else False


def _get_severity(advisory: AffectingAdvisory) -> str:
    return advisory.severity if advisory.severity in _BAND_RANKS else "unknown"


def _get_band(advisory: AffectingAdvisory) -> str:
    """The band an advisory counts in: its severity, raised by evidence of exploitation."""
    if advisory.exploited:
        return "critical"
    severity = _get_severity(advisory)
    if advisory.epss is not None and advisory.epss >= EPSS_RAISE_THRESHOLD:
        return _RAISED_BANDS[severity]
    return severity


def measure_malware(context: Context) -> Iterator[Signal | Flag]:
    """S1: gate. Exactly this version is recorded as malicious, quarantined or removed."""
    package_info, fact = context.package_info, context.evidence.advisories
    status = (package_info.status if package_info else None) or ""
    if status in _SECURITY_STATUSES and isinstance(context.evidence.package_info, Found):
        cap, reason = _SECURITY_STATUSES[status]
        yield build_from_level("S1", "malicious", reason, context.evidence.package_info)
        yield Flag(cap, reason, context.evidence.package_info.source, context.evidence.package_info.retrieved_at)
        return
    if not isinstance(fact, Found | Absent):
        yield build_missing("S1", fact)
        return
    records = [advisory for advisory in fact.value if advisory.malware] if isinstance(fact, Found) else []
    if records:
        reason = f"this version is recorded as malicious ({min(advisory.id for advisory in records)})"
        yield build_from_level("S1", "malicious", reason, fact)
        yield Flag("malicious", reason, fact.source, fact.retrieved_at)
    else:
        yield build_from_level("S1", "clean", "no malware record for this version", fact)
    yield from _flag_malware_history(context)


def _flag_malware_history(context: Context) -> Iterator[Flag]:
    history = context.evidence.history
    if isinstance(history, Found) and history.value.malicious_at:
        days = days_between(history.value.malicious_at, context.as_of)
        if days <= MALWARE_HISTORY_DAYS:
            reason = f"version {history.value.malicious_version} was malicious {format_age(days)} ago"
            yield Flag("malware-history", reason, history.source, history.retrieved_at)


def measure_advisories(context: Context) -> Iterator[Signal | Flag]:
    """S2: known advisories of exactly this version."""
    fact = context.evidence.advisories
    if not isinstance(fact, Found | Absent):
        yield build_missing("S2", fact)
        return
    records = (
        merge_advisories(advisory for advisory in fact.value if not advisory.malware) if isinstance(fact, Found) else ()
    )
    losses = SIGNALS["S2"].levels
    value = 100.0 * prod(1.0 - losses[_get_band(advisory)] for advisory in records)
    reason = describe_advisories(records)
    is_exploitation_unknown = any(advisory.exploited is None and _has_cve(advisory) for advisory in records)
    yield build_known(
        "S2", value, f"{reason}; not known whether exploited" if is_exploitation_unknown else reason, fact
    )
    if records and isinstance(fact, Found):
        yield _build_advisory_flag(records, reason, fact)


def _has_cve(advisory: AffectingAdvisory) -> bool:
    return any(advisory_id.startswith("CVE-") for advisory_id in (advisory.id, *advisory.aliases))


def describe_advisories(records: Sequence[AffectingAdvisory]) -> str:
    """Return ``2 known advisories (1 high, 1 of unknown severity)``, or that none is known."""
    if not records:
        return "no known advisory"
    bands = [_get_severity(record) for record in records]
    parts = [
        f"{bands.count(band)} {'of unknown severity' if band == 'unknown' else band}"
        for band in reversed(BANDS)
        if band in bands
    ]
    if any(record.exploited for record in records):
        parts.append("exploited in the wild")
    noun = "known advisory" if len(records) == 1 else "known advisories"
    return f"{len(records)} {noun} ({', '.join(parts)})"


def _build_advisory_flag(records: Sequence[AffectingAdvisory], reason: str, fact: Found[T]) -> Flag:
    """Return the cap of the worst advisory, and how many further ones count (medium, unknown or worse)."""
    worst = min(records, key=lambda record: (CAPS[_choose_cap(record)].limit, record.id))
    further_count = sum(record is not worst and _get_severity(record) != "low" for record in records)
    return Flag(_choose_cap(worst), reason, fact.source, fact.retrieved_at, further_count)


def _choose_cap(advisory: AffectingAdvisory) -> str:
    if advisory.exploited:
        return "exploited"
    severity = _get_severity(advisory)
    if severity == "high" and (advisory.epss or 0.0) >= EPSS_CAP_THRESHOLD:
        return "high-epss"
    if severity in ("critical", "high"):
        return severity if advisory.fixed_in else f"{severity}-no-fix"
    return "advisory" if severity == "unknown" else severity


def measure_fix_record(context: Context) -> Signal:
    """S3: how reliably the package's advisories got fixed."""
    fact = context.evidence.history
    if not isinstance(fact, Found):
        return build_missing("S3", fact)
    history = fact.value
    if history.old_advisories is None:
        return build_unknown("S3", "older advisories were not read", fact.source)
    if not history.old_advisories:
        return build_not_applicable("S3", "no advisory older than 90 days")
    value = min(100.0, 100.0 * (history.fixed_advisories + 1) / (history.old_advisories + 1))
    return build_known(
        "S3", value, f"{history.fixed_advisories} of {history.old_advisories} older advisories fixed", fact
    )


def measure_provenance(context: Context) -> Iterator[Signal | Flag]:
    """S4: attestation of this version, and whether one went missing."""
    fact, package_info, row = context.evidence.package_info, context.package_info, context.row
    if package_info is None or not isinstance(fact, Found) or row is None or not package_info.has_attestation_data:
        yield _measure_version_provenance(context)
    elif package_info.flags[row] & ATTESTED:
        yield build_from_level("S4", "verified", _VERIFIED_REASON, fact)
    elif any(flags & ATTESTED for flags in package_info.flags[row + 1 :]):
        reason = "earlier versions were attested, this one is not"
        yield build_from_level("S4", "lost", reason, fact)
        if context.version_days is not None and context.version_days < TAKEOVER_DAYS:
            yield Flag(
                "provenance-lost",
                f"{reason}; released {format_age(context.version_days)} ago",
                fact.source,
                fact.retrieved_at,
            )
    elif _predates_attestations(context):
        yield build_not_applicable("S4", _PREDATES_ATTESTATIONS_REASON)
    else:
        yield build_from_level("S4", "none", "no attestation", fact)


def _measure_version_provenance(context: Context) -> Signal:
    """S4 from what is said of this version alone; whether an earlier one was attested is not known then."""
    fact, metadata = context.evidence.package_info, context.evidence.metadata
    if not isinstance(metadata, Found) or metadata.value.attested is None:
        has_package_info = isinstance(fact, Found)
        return (
            build_unknown("S4", _NO_ATTESTATION_DATA_REASON, fact.source)
            if has_package_info
            else build_missing("S4", fact)
        )
    if metadata.value.attested:
        return build_from_level("S4", "verified", _VERIFIED_REASON, metadata)
    if _predates_attestations(context):
        return build_not_applicable("S4", _PREDATES_ATTESTATIONS_REASON)
    return build_from_level("S4", "none", "no attestation (earlier versions were not read)", metadata)


def _predates_attestations(context: Context) -> bool:
    return 0 < context.published_at < ATTESTATIONS_SINCE[context.ecosystem]


def measure_install_code(context: Context) -> Iterator[Signal | Flag]:
    """S5: what runs when this version is installed."""
    if context.ecosystem == PYPI:
        yield _measure_pypi_build(context)
        return
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        yield build_missing("S5", fact)
        return
    hooks = fact.value.hooks
    if hooks is None:
        yield build_unknown("S5", "manifest does not tell about install scripts", fact.source)
    elif not hooks:
        yield build_from_level("S5", "none", "runs nothing at installation", fact)
    elif hooks == ("node-gyp",):
        yield build_from_level("S5", "native", "builds native code at installation", fact)
    elif _is_new_hook(context):
        reason = f"install script new in this version ({', '.join(hooks)})"
        yield build_from_level("S5", "hook new", reason, fact)
        if context.version_days is not None and context.version_days < TAKEOVER_DAYS:
            yield Flag(
                "install-hook-new",
                f"{reason}; released {format_age(context.version_days)} ago",
                fact.source,
                fact.retrieved_at,
            )
    else:
        yield build_from_level("S5", "hook", f"runs a script at installation ({', '.join(hooks)})", fact)


def _measure_pypi_build(context: Context) -> Signal:
    fact, row = context.evidence.package_info, context.row
    if not isinstance(fact, Found):
        return build_missing("S5", fact)
    flags = fact.value.flags[row] if row is not None else 0
    if flags & WHEEL:
        return build_from_level("S5", "wheel", "wheel available: nothing runs at installation", fact)
    if flags & SDIST:
        return build_from_level("S5", "sdist", "source archive only: its build code runs at installation", fact)
    return build_unknown("S5", "no files listed for this version", fact.source)


def _is_new_hook(context: Context) -> bool:
    package_info, row = context.package_info, context.row
    if package_info is None or row is None or not package_info.has_hook_data or row + 1 >= len(package_info.flags):
        return False
    return not package_info.flags[row + 1] & INSTALL_HOOK


def measure_name_confusion(context: Context) -> Iterator[Signal | Flag]:
    """S6: is the name one that is easily mistaken for a popular one? Never an accusation."""
    fact = context.evidence.similar_name
    if not isinstance(fact, Found):
        yield build_missing("S6", fact)
        return
    if not fact.value.name:
        yield build_from_level("S6", "clean", "not confusable with a popular name", fact)
        return
    unmet_condition = _find_unmet_condition(context, fact.value)
    if unmet_condition:
        yield build_from_level("S6", "neighbour", f"resembles {fact.value.name} ({unmet_condition})", fact)
        return
    reason = f"looks like {fact.value.name}; check that you meant it"
    yield build_from_level("S6", "suspicion", reason, fact)
    yield Flag("name-confusion", reason, fact.source, fact.retrieved_at)


def _find_unmet_condition(context: Context, similar_name: SimilarName) -> str:
    """Return the first of the four conditions of suspicion that does not hold, in words; empty when all hold."""
    if similar_name.rank > COMPARED_NAMES:
        return "which is little used itself"
    if not _is_much_less_used(context, similar_name):
        return "use not known to be much lower"
    if context.package_days is None:
        return "age not known"
    if context.package_days >= YOUNG_DAYS:
        return f"but is {format_age(context.package_days)} old"
    return _compare_publishers(context)


def _is_much_less_used(context: Context, similar_name: SimilarName) -> bool:
    adoption, popularity = context.evidence.adoption, context.evidence.popularity
    if isinstance(adoption, Found) and adoption.value.downloads is not None:
        downloads = adoption.value.downloads
        return downloads * STARJACK_RATIO <= similar_name.downloads or downloads < MIN_NOTABLE_DOWNLOADS
    return isinstance(popularity, Found) and _max_downloads(popularity.value) * STARJACK_RATIO <= similar_name.downloads


def _max_downloads(popularity: Popularity) -> float:
    return popularity.min_downloads if popularity.downloads is None else popularity.downloads


def _compare_publishers(context: Context) -> str:
    similar_package = context.evidence.similar_package
    if not isinstance(similar_package, Found) or context.package_info is None:
        return "publishers not compared"
    if context.package_info.organisation:
        return "owned by an organisation"  # registries admit those by hand
    own_tags, similar_tags = context.package_info.publisher_tags, similar_package.value.publisher_tags
    if not own_tags or not similar_tags:
        return "publishers not stated"
    return "same publisher" if set(own_tags) & set(similar_tags) else ""


def measure_newness(context: Context) -> Iterator[Signal | Flag]:
    """S7: attacks are found within days; new things have not been looked at yet."""
    fact = context.evidence.package_info
    if not isinstance(fact, Found):
        yield build_missing("S7", fact)
        return
    version_days, package_days = context.version_days, context.package_days
    if version_days is None or (package_days is None and not fact.value.partial):
        yield build_unknown("S7", fact.value.date_problem or "no publication date", fact.source)
        return
    spec, is_fix = SIGNALS["S7"], _is_security_fix(context)
    version_value = spec.curves["version"].value_at(version_days)
    if is_fix:
        version_value = max(version_value, spec.levels["security fix"])
    package_value = 100.0 if package_days is None else spec.curves["package"].value_at(package_days)
    reason = f"version is {format_age(version_days)} old"
    if package_days is not None and package_value < version_value:
        reason = f"package first appeared {format_age(package_days)} ago"
    yield build_known("S7", min(version_value, package_value), reason, fact)
    if version_days < FRESH_DAYS and not is_fix:
        yield Flag("fresh", f"released {format_age(version_days)} ago", fact.source, fact.retrieved_at)


def _is_security_fix(context: Context) -> bool:
    history = context.evidence.history
    return isinstance(history, Found) and history.value.fixes_predecessor


def measure_hygiene(context: Context) -> Signal:
    """S8: how the repository is run, by the Scorecard checks that bear on tampering."""
    fact = context.scorecard
    if not isinstance(fact, Found):
        return build_missing("S8", fact)
    spec = SIGNALS["S8"]
    checks = {name: score for name, score in fact.value.checks.items() if name in spec.levels and score >= 0}
    if len(checks) < MIN_CHECKS:
        return build_unknown("S8", f"only {format_count(len(checks), 'conclusive check')}", fact.source)
    mean = sum(spec.levels[name_] * score_ for name_, score_ in checks.items()) / sum(
        spec.levels[name_] for name_ in checks
    )
    value = spec.curves["mean"].value_at(mean)
    worst = min(checks, key=lambda name: (checks[name], name))
    reason = f"Scorecard {mean:.1f} of 10 over {len(checks)} checks (lowest: {worst} {checks[worst]})"
    return build_known("S8", value, reason, fact, share=context.repository_share)
