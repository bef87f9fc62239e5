"""Security signals: known problems of this version, and the risk of unknown ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Final

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.facts import (
    ATTESTED,
    INSTALL_HOOK,
    SDIST,
    WHEEL,
    Absent,
    AffectingAdvisory,
    Found,
    LowerBound,
    Popularity,
    SimilarName,
    T,
)
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.advisories import (
    choose_cap_id,
    describe_advisories,
    describe_severity,
    get_severity,
    merge_advisories,
    raise_severity,
)
from nerq_cli.signals.context import Context, find_line
from nerq_cli.signals.provenance import describe_new_publisher, find_mismatch, has_lost_provenance, has_new_publisher
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_from_level,
    build_known,
    build_missing,
    build_not_applicable,
    build_possible_flag,
    build_unknown,
    days_between,
    format_age,
    format_count,
)

_VERIFIED_REASON: Final = "attested, as verified by the registry"
_PREDATES_ATTESTATIONS_REASON: Final = "released before attestations existed"
#: Reason by status of the package on its registry; the status is the id of the cap.
SECURITY_STATUSES: Final = {
    "quarantined": "PyPI has this project in quarantine",
    "security-holding": "removed from npm for security; a placeholder is left",
}


def measure_malware(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure whether exactly this version is recorded as malicious, quarantined or removed for security."""
    package_fact, fact = context.evidence.package_info, context.evidence.advisories
    if isinstance(package_fact, Found) and (status := package_fact.value.status) in SECURITY_STATUSES:
        reason = SECURITY_STATUSES[status]
        if isinstance(fact, Found) and (ids := [advisory.id for advisory in fact.value if advisory.malware]):
            reason = f"{reason} ({min(ids)})"
        yield build_from_level(spec, "malicious", reason, package_fact)
        yield build_flag(status, reason, package_fact)
        return
    if not isinstance(fact, Found | Absent):
        yield build_missing(spec, fact)
        return
    advisories = fact.value if isinstance(fact, Found) else ()
    records = [advisory for advisory in advisories if advisory.malware]
    if records:
        reason = f"this version is recorded as malicious ({min(advisory.id for advisory in records)})"
        yield build_from_level(spec, "malicious", reason, fact)
        yield build_flag("malicious", reason, fact)
    elif isinstance(fact, LowerBound):
        yield build_unknown(spec, fact.reason, fact.source)
    elif unread_ids := sorted(advisory.id for advisory in advisories if advisory.is_unread):
        reason = f"not known whether {unread_ids[0]} is about malware: its record was not read"
        yield build_unknown(spec, reason, fact.source)
        yield build_possible_flag("malicious", reason, fact)
    else:
        yield build_from_level(spec, "clean", "no malware record for this version", fact)
    history = context.evidence.history
    if isinstance(history, Found) and history.value.malicious_at:
        days = days_between(history.value.malicious_at, context.as_of)
        if days <= context.limit("malware_history_days"):
            reason = f"version {history.value.malicious_version} was malicious {format_age(days)} ago"
            yield build_flag("malware-history", reason, history)


def measure_advisories(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the known advisories that affect exactly this version."""
    fact = context.evidence.advisories
    if not isinstance(fact, Found | Absent):
        yield build_missing(spec, fact)
        return
    records = [advisory for advisory in fact.value if not advisory.malware] if isinstance(fact, Found) else []
    advisories = merge_advisories(records)
    epss_limit = context.limit("epss_raise")
    value = 100.0 * prod(1.0 - spec.levels[raise_severity(advisory, epss_limit)] for advisory in advisories)
    reason = signal_reason = describe_advisories(advisories)
    if not advisories and isinstance(fact, Found) and fact.value:
        signal_reason = "no known advisory beside the record of malware"
    if any(advisory.exploited is None and _has_cve(advisory) for advisory in advisories):
        signal_reason = f"{reason}; not known whether exploited"
    if isinstance(fact, LowerBound):
        yield build_unknown(spec, f"{signal_reason}, and perhaps more: {fact.reason}", fact.source)
    elif any(advisory.unread for advisory in advisories):
        yield build_unknown(spec, signal_reason, fact.source)
    else:
        yield build_known(spec, value, signal_reason, fact)
    if advisories and isinstance(fact, Found):
        yield _flag_advisories(context, advisories, reason, fact)
        for advisory in advisories:
            if advisory.unread:
                cap = "critical" if advisory.fixed_in else "critical-no-fix"
                yield build_possible_flag(cap, f"{advisory.id}: {describe_severity(advisory)}", fact)


def _has_cve(advisory: AffectingAdvisory) -> bool:
    return any(id_.startswith("CVE-") for id_ in (advisory.id, *advisory.aliases))


def _flag_advisories(context: Context, advisories: Sequence[AffectingAdvisory], reason: str, fact: Found[T]) -> Flag:
    """Return the cap of the worst advisory, with the number of further ones that are not low."""
    caps = context.methodology.caps
    worst = min(advisories, key=lambda advisory: (caps[_choose_cap(context, advisory)].limit, advisory.id))
    further_count = sum(advisory is not worst and get_severity(advisory) != "low" for advisory in advisories)
    return build_flag(_choose_cap(context, worst), reason, fact, further_count=further_count)


def _choose_cap(context: Context, advisory: AffectingAdvisory) -> str:
    return choose_cap_id(
        get_severity(advisory),
        advisory.epss or 0.0,
        context.limit("epss_cap"),
        is_exploited=bool(advisory.exploited),
        is_fixed=bool(advisory.fixed_in),
    )


def measure_fix_record(context: Context, spec: SignalSpec) -> Signal:
    """Measure the share of the package's older advisories whose records name a fixed version."""
    fact = context.evidence.history
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    fixed_count, count = fact.value.fixed_advisories, fact.value.old_advisories
    if count is None:
        return build_unknown(spec, "older advisories were not read; nerq db update fetches them", fact.source)
    if not count:
        return build_not_applicable(spec, "no advisory older than 90 days")
    value = min(100.0, 100.0 * (fixed_count + 1) / (count + 1))
    return build_known(spec, value, f"{fixed_count} of {count} older advisories name a fixed version", fact)


def measure_provenance(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure whether this version is attested, or lacks the attestation that earlier ones had."""
    fact, package_info, row = context.evidence.package_info, context.package_info, context.row
    if package_info is None or not isinstance(fact, Found) or row is None or not package_info.has_attestation_data:
        yield _measure_version_provenance(context, spec)
    elif package_info.flags[row] & ATTESTED:
        yield _build_attested(context, spec, fact)
    elif has_lost_provenance(package_info, context.metadata, context.version):
        reason = "earlier versions were attested, this one is not"
        yield build_from_level(spec, "lost", reason, fact)
        yield from _flag_takeover(context, "provenance-lost", reason, fact)
    elif _predates_attestations(context):
        yield build_not_applicable(spec, _PREDATES_ATTESTATIONS_REASON)
    else:
        yield build_from_level(spec, "none", "no attestation", fact)


def _measure_version_provenance(context: Context, spec: SignalSpec) -> Signal:
    """Measure provenance from the metadata of this version alone, without the earlier ones."""
    fact, metadata = context.evidence.package_info, context.evidence.metadata
    if not isinstance(metadata, Found) or metadata.value.attested is None:
        if isinstance(fact, Found):
            return build_unknown(spec, "the registry does not list attestations", fact.source)
        return build_missing(spec, fact)
    if metadata.value.attested:
        return _build_attested(context, spec, metadata)
    if _predates_attestations(context):
        return build_not_applicable(spec, _PREDATES_ATTESTATIONS_REASON)
    return build_from_level(spec, "none", "no attestation (earlier versions were not read)", metadata)


def _build_attested(context: Context, spec: SignalSpec, fact: Found[T]) -> Signal:
    """Return the signal of an attested version: confirmed when metadata and Scorecard name the same repository."""
    repository, metadata = context.repository, context.metadata
    if mismatch := find_mismatch(metadata):
        return build_from_level(spec, "none", mismatch, fact)
    declared_url = (metadata.repository or "").lower() if metadata is not None else ""
    if (
        repository is not None
        and repository.link_status in ("attested", "confirmed")
        and repository.name.lower() in declared_url
        and isinstance(context.scorecard, Found)
    ):
        reason = f"{_VERIFIED_REASON}; metadata and {context.scorecard.source} name the same repository"
        return build_from_level(spec, "confirmed", reason, fact)
    return build_from_level(spec, "verified", _VERIFIED_REASON, fact)


def _predates_attestations(context: Context) -> bool:
    return 0 < context.published_at < context.methodology.attestations_since[context.ecosystem]


def _flag_takeover(context: Context, cap: str, reason: str, fact: Found[T]) -> Iterator[Flag]:
    """Yield the flag of a sign of a takeover while the version is young."""
    if context.version_days is not None and context.version_days < context.limit("takeover_days"):
        yield build_flag(cap, f"{reason}; released {format_age(context.version_days)} ago", fact)


def measure_install_code(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure what code runs when this version is installed."""
    for item in _measure_install_code(context, spec):
        yield item
        if isinstance(item, Signal) and item.value is not None and item.value < spec.levels["none"]:
            yield from _flag_young_installer(context, item)


def _flag_young_installer(context: Context, signal: Signal) -> Iterator[Flag]:
    """Yield the cap of a young package that runs code at installation, and that no use is known of."""
    days, popularity, adoption = context.package_days, context.evidence.popularity, context.evidence.adoption
    if days is None or days >= context.limit("young_installer_days"):
        return
    if isinstance(popularity, Found) and popularity.value.rank is not None:
        return
    if isinstance(adoption, Found) and adoption.value.dependents:
        return
    reason = f"{signal.reason}; the package first appeared {format_age(days)} ago, and no use of it is known"
    yield Flag("young-installer", reason, signal.source, signal.retrieved_at)


def _measure_install_code(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    if get_ecosystem(context.ecosystem).install_code == "build":
        yield _measure_pypi_build(context, spec)
        return
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    hooks = fact.value.hooks
    if hooks is None:
        yield build_unknown(spec, "manifest does not state install scripts", fact.source)
    elif not hooks:
        yield build_from_level(spec, "none", "runs nothing at installation", fact)
    elif hooks == ("node-gyp",):
        yield build_from_level(spec, "native", "builds native code at installation", fact)
    elif is_new_hook(context):
        reason = f"install script new in this version ({', '.join(hooks)})"
        yield build_from_level(spec, "hook new", reason, fact)
        yield from _flag_takeover(context, "install-hook-new", reason, fact)
    else:
        yield build_from_level(spec, "hook", f"runs a script at installation ({', '.join(hooks)})", fact)


def _measure_pypi_build(context: Context, spec: SignalSpec) -> Signal:
    fact, row = context.evidence.package_info, context.row
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    flags = fact.value.flags[row] if row is not None else 0
    if flags & WHEEL:
        return build_from_level(spec, "wheel", "wheel available: nothing runs at installation", fact)
    if flags & SDIST:
        return build_from_level(spec, "sdist", "source archive only: its build code runs at installation", fact)
    return build_unknown(spec, "no files listed for this version", fact.source)


def is_new_hook(context: Context) -> bool:
    """Return whether the version before this one is known to have no install script."""
    package_info, row = context.package_info, context.row
    if package_info is None or row is None or not package_info.has_hook_data or row + 1 >= len(package_info.flags):
        return False
    return not package_info.flags[row + 1] & INSTALL_HOOK


def measure_name_confusion(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure whether the name is easily mistaken for a popular one."""
    fact = context.evidence.similar_name
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
    elif not fact.value.name:
        yield build_from_level(spec, "clean", "not confusable with a popular name", fact)
    elif unmet_condition := _find_unmet_condition(context, fact.value):
        yield build_from_level(spec, "similar", f"resembles {fact.value.name} ({unmet_condition})", fact)
    else:
        reason = f"looks like {fact.value.name}; check that you meant it"
        yield build_from_level(spec, "suspicion", reason, fact)
        yield build_flag("name-confusion", reason, fact)


def _find_unmet_condition(context: Context, similar_name: SimilarName) -> str:
    """Return the first of the four conditions of suspicion that does not hold; empty when all hold."""
    if similar_name.rank > context.limit("compared_names"):
        return "which is little used itself"
    if not _is_much_less_used(context, similar_name):
        return "use not known to be much lower"
    if context.package_days is None:
        return "age not known"
    if context.package_days >= context.limit("young_days"):
        return f"but is {format_age(context.package_days)} old"
    return compare_publishers(context)


def _is_much_less_used(context: Context, similar_name: SimilarName) -> bool:
    adoption, popularity = context.evidence.adoption, context.evidence.popularity
    ratio = context.limit("starjack_ratio")
    if isinstance(adoption, Found) and adoption.value.downloads is not None:
        downloads = adoption.value.downloads
        return downloads * ratio <= similar_name.downloads or downloads < context.limit("obscure_downloads")
    return isinstance(popularity, Found) and _max_downloads(popularity.value) * ratio <= similar_name.downloads


def _max_downloads(popularity: Popularity) -> float:
    return popularity.min_downloads if popularity.downloads is None else popularity.downloads


def compare_publishers(context: Context) -> str:
    """Return why the publishers give no suspicion; empty if no account publishes both packages."""
    similar_package = context.evidence.similar_package
    if not isinstance(similar_package, Found) or context.package_info is None:
        return "publishers not compared"
    if context.package_info.organisation:
        return "owned by an organisation"  # registries review organisations by hand
    own_tags, similar_tags = context.package_info.publisher_tags, similar_package.value.publisher_tags
    if not own_tags or not similar_tags:
        return "publishers not stated"
    return "same publisher" if set(own_tags) & set(similar_tags) else ""


def measure_newness(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the age of version and package: most attacks are found within days of a release."""
    fact = context.evidence.package_info
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    version_days, package_days = context.version_days, context.package_days
    if version_days is None or (package_days is None and not fact.value.partial):
        missing = "released later" if context.is_released_later else "no publication date"
        yield build_unknown(spec, fact.value.date_problem or missing, fact.source)
        return
    history = context.evidence.history
    is_fix = isinstance(history, Found) and history.value.fixes_predecessor
    version_value = spec.curves["version"].value_at(version_days)
    if is_fix:
        version_value = max(version_value, spec.levels["security fix"])
    reason = f"version is {format_age(version_days)} old"
    if package_days is None:
        yield build_unknown(spec, f"{reason}; age of the package not known", fact.source)
    else:
        package_value = spec.curves["package"].value_at(package_days)
        if package_value < version_value:
            reason = f"package first appeared {format_age(package_days)} ago"
        yield build_known(spec, min(version_value, package_value), reason, fact)
    yield from _flag_new_publisher(context, version_days)
    if version_days < context.limit("fresh_days") and not is_fix:
        yield build_flag("fresh", f"released {format_age(version_days)} ago", fact)


def _flag_new_publisher(context: Context, version_days: int) -> Iterator[Flag]:
    """Yield the cap of a young version that another account or repository published than those before it."""
    fact, row, package_days = context.evidence.package_info, context.row, context.package_days
    if not isinstance(fact, Found) or row is None or version_days >= context.limit("new_publisher_days"):
        return
    if package_days is None or package_days <= context.limit("young_days"):
        return
    metadata = context.metadata
    if not has_new_publisher(fact.value, metadata, context.version):
        return
    reason = f"{describe_new_publisher(fact.value, metadata, context.version)}, {format_age(version_days)} ago"
    gap = context.days_since_previous
    if gap is not None and gap > context.limit("silence_days"):
        reason = f"{reason}, after {format_age(gap)} without a release"
    yield build_flag("new-publisher", reason, fact)


def measure_release_line(context: Context, spec: SignalSpec) -> Signal:
    """Measure whether the release line of the version still gets releases."""
    fact, package_info = context.evidence.package_info, context.package_info
    if package_info is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    line, newest_line = find_line(context.version), find_line(context.newest_stable)
    if not line or not newest_line:
        return build_unknown(spec, "no release line known", fact.source)
    if line == newest_line or context.is_newer_than_stable:
        return build_from_level(spec, "newest", "on the newest release line", fact)
    if package_info.partial or package_info.date_problem:
        return build_unknown(spec, package_info.date_problem or "not all versions were requested", fact.source)
    newest_release = max(
        (package_info.published[row] for row in context.stable_rows if find_line(package_info.versions[row]) == line),
        default=0,
    )
    if not newest_release:
        return build_unknown(spec, "no stable version of its release line is dated", fact.source)
    days = days_between(newest_release, context.as_of)
    reason = f"last release of line {line} {format_age(days)} ago, newest line is {newest_line}"
    return build_from_level(spec, "ended" if days > context.limit("line_days") else "maintained", reason, fact)


def measure_hygiene(context: Context, spec: SignalSpec) -> Signal:
    """Measure how well the repository is protected against tampering, by Scorecard's checks."""
    fact = context.scorecard
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    checks = {name: score for name, score in fact.value.checks.items() if name in spec.levels and score >= 0}
    if len(checks) < context.limit("scorecard_checks"):
        return build_unknown(spec, f"only {format_count(len(checks), 'conclusive check')}", fact.source)
    weighted_sum = sum(spec.levels[name] * score for name, score in checks.items())
    mean = weighted_sum / sum(spec.levels[name] for name in checks)
    worst = min(checks, key=lambda name: (checks[name], name))
    reason = f"Scorecard {mean:.1f} of 10 over {len(checks)} checks (lowest: {worst} {checks[worst]})"
    return build_known(spec, spec.curves["mean"].value_at(mean), reason, fact, share=context.repository_share)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[Context]]] = {
    "malware": measure_malware,
    "known_advisories": measure_advisories,
    "fix_record": measure_fix_record,
    "provenance": measure_provenance,
    "install_code": measure_install_code,
    "name_confusion": measure_name_confusion,
    "newness": measure_newness,
    "repository_hygiene": measure_hygiene,
    "release_line": measure_release_line,
}
