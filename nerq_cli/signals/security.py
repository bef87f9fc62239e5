"""Security: what is known to be wrong with this version, and what could go wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Final

from nerq_cli.facts import ATTESTED, INSTALL_HOOK, SDIST, WHEEL, Absent, Found, Neighbour, Popularity, T, Vulnerability
from nerq_cli.inventory import PYPI
from nerq_cli.methodology import (
    ATTESTATIONS_SINCE,
    CAPS,
    EPSS_CAPS,
    EPSS_RAISES,
    FEWEST_CHECKS,
    FRESH_DAYS,
    MALWARE_MEMORY_DAYS,
    NEIGHBOURHOOD,
    OBSCURE_DOWNLOADS,
    SIGNALS,
    STARJACK_RATIO,
    TAKEOVER_DAYS,
    YOUNG_DAYS,
)
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import (
    Flag,
    Signal,
    ago,
    count,
    days_between,
    known,
    level,
    missing,
    not_applicable,
    unknown,
)

#: Severity bands, mildest first; ``unknown`` ranks between low and medium, as its loss does.
BANDS: Final = ("low", "unknown", "medium", "high", "critical")
_RANK: Final = {band: rank for rank, band in enumerate(BANDS)}
_RAISED: Final = {"low": "medium", "unknown": "medium", "medium": "high", "high": "critical", "critical": "critical"}
_VERIFIED: Final = "attested, as verified by the registry"
_NOT_TOLD: Final = "the registry does not tell about attestations"
_TOO_OLD: Final = "released before attestations existed"
_HOLDING: Final = {
    "quarantined": ("quarantined", "PyPI has this project in quarantine"),
    "security-holding": ("security-holding", "removed from npm for security; a placeholder is left"),
}


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the security signals S1-S8 and the flags that go with them."""
    yield from malware(context)
    yield from advisories(context)
    yield fix_record(context)
    yield from provenance(context)
    yield from install_code(context)
    yield from name_confusion(context)
    yield from newness(context)
    yield hygiene(context)


def merged(vulnerabilities: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    """Return each vulnerability once: records that share an id or alias are one, with the worst of what they say.

    Order of the records has no effect on the result, which is sorted worst first.
    """
    groups: list[list[Vulnerability]] = []
    for vulnerability in sorted(vulnerabilities, key=lambda v: v.id):
        names = {vulnerability.id, *vulnerability.aliases}
        touching = [g for g in groups if any(names & {v.id, *v.aliases} for v in g)]
        groups = [g for g in groups if g not in touching]
        groups.append([v for g in touching for v in g] + [vulnerability])
    return tuple(sorted((_one(group) for group in groups), key=lambda v: (-_RANK[_band(v)], v.id)))


def _one(group: Sequence[Vulnerability]) -> Vulnerability:
    group = sorted(group, key=lambda v: (v.id, v.severity, v.summary, v.fixed_in, v.link))
    stated = [severity for v in group if (severity := _severity(v)) != "unknown"]
    scores = [v.epss for v in group if v.epss is not None]
    return Vulnerability(
        id=group[0].id,
        aliases=tuple(sorted({name for v in group for name in (v.id, *v.aliases)} - {group[0].id})),
        summary=next((v.summary for v in group if v.summary), ""),
        severity=max(stated, key=_RANK.__getitem__, default="unknown"),
        fixed_in=tuple(dict.fromkeys(version for v in group for version in v.fixed_in)),
        link=next((v.link for v in group if v.link), ""),
        malware=any(v.malware for v in group),
        exploited=_exploited(group),
        epss=max(scores, default=None),
    )


def _exploited(group: Iterable[Vulnerability]) -> bool | None:
    """Whether a vulnerability is exploited; None where nobody looked."""
    said = [v.exploited for v in group]
    return True if any(said) else None if None in said else False


def _severity(vulnerability: Vulnerability) -> str:
    return vulnerability.severity if vulnerability.severity in _RANK else "unknown"


def _band(vulnerability: Vulnerability) -> str:
    """The band an advisory counts in: its severity, raised by evidence of exploitation."""
    if vulnerability.exploited:
        return "critical"
    severity = _severity(vulnerability)
    if vulnerability.epss is not None and vulnerability.epss >= EPSS_RAISES:
        return _RAISED[severity]
    return severity


def malware(context: Context) -> Iterator[Signal | Flag]:
    """S1: gate. Exactly this version is recorded as malicious, quarantined or removed."""
    project, fact = context.project, context.evidence.advisories
    status = (project.status if project else None) or ""
    if status in _HOLDING and isinstance(context.evidence.project, Found):
        cap, reason = _HOLDING[status]
        yield level("S1", "malicious", reason, context.evidence.project)
        yield Flag(cap, reason, context.evidence.project.source, context.evidence.project.seen)
        return
    if not isinstance(fact, Found | Absent):
        yield missing("S1", fact)
        return
    records = [v for v in fact.value if v.malware] if isinstance(fact, Found) else []
    if records:
        reason = f"this version is recorded as malicious ({min(v.id for v in records)})"
        yield level("S1", "malicious", reason, fact)
        yield Flag("malicious", reason, fact.source, fact.seen)
    else:
        yield level("S1", "clean", "no malware record for this version", fact)
    yield from _malware_history(context)


def _malware_history(context: Context) -> Iterator[Flag]:
    history = context.evidence.history
    if isinstance(history, Found) and history.value.malicious_at:
        days = days_between(history.value.malicious_at, context.as_of)
        if days <= MALWARE_MEMORY_DAYS:
            reason = f"version {history.value.malicious_version} was malicious {ago(days)} ago"
            yield Flag("malware-history", reason, history.source, history.seen)


def advisories(context: Context) -> Iterator[Signal | Flag]:
    """S2: known advisories of exactly this version."""
    fact = context.evidence.advisories
    if not isinstance(fact, Found | Absent):
        yield missing("S2", fact)
        return
    records = merged(v for v in fact.value if not v.malware) if isinstance(fact, Found) else ()
    losses = SIGNALS["S2"].levels
    value = 100.0 * prod(1.0 - losses[_band(v)] for v in records)
    reason = advisories_in_words(records)
    unsure = any(v.exploited is None and _has_cve(v) for v in records)
    yield known("S2", value, f"{reason}; not known whether exploited" if unsure else reason, fact)
    if records and isinstance(fact, Found):
        yield _advisory_flag(records, reason, fact)


def _has_cve(vulnerability: Vulnerability) -> bool:
    return any(name.startswith("CVE-") for name in (vulnerability.id, *vulnerability.aliases))


def advisories_in_words(records: Sequence[Vulnerability]) -> str:
    """Return ``2 known advisories (1 high, 1 of unknown severity)``, or that none is known."""
    if not records:
        return "no known advisory"
    bands = [_severity(v) for v in records]
    parts = [
        f"{bands.count(band)} {'of unknown severity' if band == 'unknown' else band}"
        for band in reversed(BANDS)
        if band in bands
    ]
    if any(v.exploited for v in records):
        parts.append("exploited in the wild")
    noun = "known advisory" if len(records) == 1 else "known advisories"
    return f"{len(records)} {noun} ({', '.join(parts)})"


def _advisory_flag(records: Sequence[Vulnerability], reason: str, fact: Found[T]) -> Flag:
    """Return the cap of the worst advisory, and how many further ones count (medium, unknown or worse)."""
    worst = min(records, key=lambda v: (CAPS[_cap(v)].limit, v.id))
    further = sum(v is not worst and _severity(v) != "low" for v in records)
    return Flag(_cap(worst), reason, fact.source, fact.seen, further)


def _cap(vulnerability: Vulnerability) -> str:
    if vulnerability.exploited:
        return "exploited"
    severity = _severity(vulnerability)
    if severity == "high" and (vulnerability.epss or 0.0) >= EPSS_CAPS:
        return "high-epss"
    if severity in ("critical", "high"):
        return severity if vulnerability.fixed_in else f"{severity}-no-fix"
    return "advisory" if severity == "unknown" else severity


def fix_record(context: Context) -> Signal:
    """S3: how reliably the package's advisories got fixed."""
    fact = context.evidence.history
    if not isinstance(fact, Found):
        return missing("S3", fact)
    history = fact.value
    if history.old is None:
        return unknown("S3", "older advisories were not read", fact.source)
    if not history.old:
        return not_applicable("S3", "no advisory older than 90 days")
    value = min(100.0, 100.0 * (history.fixed + 1) / (history.old + 1))
    return known("S3", value, f"{history.fixed} of {history.old} older advisories fixed", fact)


def provenance(context: Context) -> Iterator[Signal | Flag]:
    """S4: attestation of this version, and whether one went missing."""
    fact, project, row = context.evidence.project, context.project, context.row
    if project is None or not isinstance(fact, Found) or row is None or not project.attestations_stated:
        yield _provenance_alone(context)
    elif project.flags[row] & ATTESTED:
        yield level("S4", "verified", _VERIFIED, fact)
    elif any(flags & ATTESTED for flags in project.flags[row + 1 :]):
        reason = "earlier versions were attested, this one is not"
        yield level("S4", "lost", reason, fact)
        if context.version_days is not None and context.version_days < TAKEOVER_DAYS:
            yield Flag("provenance-lost", f"{reason}; released {ago(context.version_days)} ago", fact.source, fact.seen)
    elif _too_old_for_attestations(context):
        yield not_applicable("S4", _TOO_OLD)
    else:
        yield level("S4", "none", "no attestation", fact)


def _provenance_alone(context: Context) -> Signal:
    """S4 from what is said of this version alone; whether an earlier one was attested is not known then."""
    fact, metadata = context.evidence.project, context.evidence.metadata
    if not isinstance(metadata, Found) or metadata.value.attested is None:
        told_nothing = isinstance(fact, Found)
        return unknown("S4", _NOT_TOLD, fact.source) if told_nothing else missing("S4", fact)
    if metadata.value.attested:
        return level("S4", "verified", _VERIFIED, metadata)
    if _too_old_for_attestations(context):
        return not_applicable("S4", _TOO_OLD)
    return level("S4", "none", "no attestation (earlier versions were not read)", metadata)


def _too_old_for_attestations(context: Context) -> bool:
    return 0 < context.published < ATTESTATIONS_SINCE[context.ecosystem]


def install_code(context: Context) -> Iterator[Signal | Flag]:
    """S5: what runs when this version is installed."""
    if context.ecosystem == PYPI:
        yield _build_at_install(context)
        return
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        yield missing("S5", fact)
        return
    hooks = fact.value.hooks
    if hooks is None:
        yield unknown("S5", "manifest does not tell about install scripts", fact.source)
    elif not hooks:
        yield level("S5", "none", "runs nothing at installation", fact)
    elif hooks == ("node-gyp",):
        yield level("S5", "native", "builds native code at installation", fact)
    elif _hook_is_new(context):
        reason = f"install script new in this version ({', '.join(hooks)})"
        yield level("S5", "hook new", reason, fact)
        if context.version_days is not None and context.version_days < TAKEOVER_DAYS:
            yield Flag(
                "install-hook-new", f"{reason}; released {ago(context.version_days)} ago", fact.source, fact.seen
            )
    else:
        yield level("S5", "hook", f"runs a script at installation ({', '.join(hooks)})", fact)


def _build_at_install(context: Context) -> Signal:
    fact, row = context.evidence.project, context.row
    if not isinstance(fact, Found):
        return missing("S5", fact)
    flags = fact.value.flags[row] if row is not None else 0
    if flags & WHEEL:
        return level("S5", "wheel", "wheel available: nothing runs at installation", fact)
    if flags & SDIST:
        return level("S5", "sdist", "source archive only: its build code runs at installation", fact)
    return unknown("S5", "no files listed for this version", fact.source)


def _hook_is_new(context: Context) -> bool:
    project, row = context.project, context.row
    if project is None or row is None or not project.hooks_stated or row + 1 >= len(project.flags):
        return False
    return not project.flags[row + 1] & INSTALL_HOOK


def name_confusion(context: Context) -> Iterator[Signal | Flag]:
    """S6: is the name one that is easily mistaken for a popular one? Never an accusation."""
    fact = context.evidence.neighbour
    if not isinstance(fact, Found):
        yield missing("S6", fact)
        return
    if not fact.value.name:
        yield level("S6", "clean", "not confusable with a popular name", fact)
        return
    doubt = _why_not_suspicious(context, fact.value)
    if doubt:
        yield level("S6", "neighbour", f"resembles {fact.value.name} ({doubt})", fact)
        return
    reason = f"looks like {fact.value.name}; check that you meant it"
    yield level("S6", "suspicion", reason, fact)
    yield Flag("name-confusion", reason, fact.source, fact.seen)


def _why_not_suspicious(context: Context, neighbour: Neighbour) -> str:
    """Return the first of the four conditions of suspicion that does not hold, in words; empty when all hold."""
    if neighbour.rank > NEIGHBOURHOOD:
        return "which is little used itself"
    if not _much_less_used(context, neighbour):
        return "use not known to be much lower"
    if context.package_days is None:
        return "age not known"
    if context.package_days >= YOUNG_DAYS:
        return f"but is {ago(context.package_days)} old"
    return _shared_owner(context)


def _much_less_used(context: Context, neighbour: Neighbour) -> bool:
    adoption, popularity = context.evidence.adoption, context.evidence.popularity
    if isinstance(adoption, Found) and adoption.value.downloads is not None:
        ours = adoption.value.downloads
        return ours * STARJACK_RATIO <= neighbour.downloads or ours < OBSCURE_DOWNLOADS
    return isinstance(popularity, Found) and _bound(popularity.value) * STARJACK_RATIO <= neighbour.downloads


def _bound(popularity: Popularity) -> float:
    return popularity.floor if popularity.downloads is None else popularity.downloads


def _shared_owner(context: Context) -> str:
    other = context.evidence.lookalike
    if not isinstance(other, Found) or context.project is None:
        return "publishers not compared"
    if context.project.organisation:
        return "owned by an organisation"  # registries admit those by hand
    ours, theirs = context.project.publisher_tags, other.value.publisher_tags
    if not ours or not theirs:
        return "publishers not stated"
    return "same publisher" if set(ours) & set(theirs) else ""


def newness(context: Context) -> Iterator[Signal | Flag]:
    """S7: attacks are found within days; new things have not been looked at yet."""
    fact = context.evidence.project
    if not isinstance(fact, Found):
        yield missing("S7", fact)
        return
    version_days, package_days = context.version_days, context.package_days
    if version_days is None or (package_days is None and not fact.value.partial):
        yield unknown("S7", fact.value.dates_doubt or "no publication date", fact.source)
        return
    spec, fixes = SIGNALS["S7"], _is_security_fix(context)
    by_version = spec.curves["version"].at(version_days)
    if fixes:
        by_version = max(by_version, spec.levels["security fix"])
    by_package = 100.0 if package_days is None else spec.curves["package"].at(package_days)
    reason = f"version is {ago(version_days)} old"
    if package_days is not None and by_package < by_version:
        reason = f"package first appeared {ago(package_days)} ago"
    yield known("S7", min(by_version, by_package), reason, fact)
    if version_days < FRESH_DAYS and not fixes:
        yield Flag("fresh", f"released {ago(version_days)} ago", fact.source, fact.seen)


def _is_security_fix(context: Context) -> bool:
    history = context.evidence.history
    return isinstance(history, Found) and history.value.fixes_predecessor


def hygiene(context: Context) -> Signal:
    """S8: how the repository is run, by the Scorecard checks that bear on tampering."""
    fact = context.scorecard
    if not isinstance(fact, Found):
        return missing("S8", fact)
    spec = SIGNALS["S8"]
    checks = {name: score for name, score in fact.value.checks.items() if name in spec.levels and score >= 0}
    if len(checks) < FEWEST_CHECKS:
        return unknown("S8", f"only {count(len(checks), 'conclusive check')}", fact.source)
    mean = sum(spec.levels[n] * s for n, s in checks.items()) / sum(spec.levels[n] for n in checks)
    value = spec.curves["mean"].at(mean)
    worst = min(checks, key=lambda name: (checks[name], name))
    reason = f"Scorecard {mean:.1f} of 10 over {len(checks)} checks (lowest: {worst} {checks[worst]})"
    return known("S8", value, reason, fact, share=context.repository_share)
