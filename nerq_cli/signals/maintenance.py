"""Maintenance signals: whether the package is maintained, finished or abandoned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.facts import PRERELEASE, Fact, Found, T
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.context import Context, build_unread, mentions_python
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
    format_age,
    format_count,
)
from nerq_cli.units import DAY


def measure_status(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the status set by maintainers or registry; the worst counts."""
    package_fact, metadata_fact = context.evidence.package_info, context.evidence.metadata
    fact: Fact[object] = package_fact if isinstance(package_fact, Found) else metadata_fact
    if not isinstance(package_fact, Found):
        yield build_possible_flag("deprecated", "not known whether the package is deprecated", package_fact)
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    if isinstance(package_fact, Found) and context.may_be_archived:
        reason = "not known whether the repository is archived"
        yield build_possible_flag("deprecated", reason, context.evidence.repository)
    statuses = list(_find_statuses(context))
    status, reason = min(
        statuses,
        key=lambda item: spec.levels[item[0]],
        default=("none", "no adverse status"),
    )
    signal = build_from_level(spec, status, reason, fact)
    yield msgspec.structs.replace(signal, may_change=context.is_repository_unread)
    reasons = dict(reversed(statuses))
    if "yanked" in reasons:
        yield build_flag("yanked", reasons["yanked"], fact)
    if context.is_deprecated:
        reason = next((reason for status, reason in statuses if status in ("deprecated", "archived")), "deprecated")
        yield build_flag("deprecated", reason, fact)
    elif "deprecated" in reasons:
        yield build_flag("deprecated-version", reasons["deprecated"], fact)
    if "inactive" in reasons:
        yield build_flag("inactive", reasons["inactive"], fact)


def _find_statuses(context: Context) -> Iterator[tuple[str, str]]:
    """Yield each adverse status with its reason."""
    package_info, metadata, repository = context.package_info, context.metadata, context.repository
    message = metadata.deprecated if metadata else ""
    if package_info is not None and package_info.status == "deprecated":
        yield "deprecated", f"deprecated: {message}" if message else "deprecated by its maintainers"
    elif message:
        yield "deprecated", f"this version is deprecated: {message}"
    if package_info is not None and package_info.status == "archived":
        yield "archived", "archived on the registry"
    if repository is not None and repository.archived:
        yield "archived", "repository is archived"
    if metadata is not None and metadata.yanked:
        yield "yanked", f"version yanked: {metadata.yanked_reason}" if metadata.yanked_reason else "version yanked"
    # The newest version decides, so that every version of the package is judged alike; its own, where that is unread.
    inactive = package_info.inactive if package_info is not None else None
    if inactive is None and metadata is not None:
        inactive = metadata.inactive
    if inactive:
        yield "inactive", "classified as inactive"


def measure_last_release(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the days since the newest stable release of the package."""
    fact = context.evidence.package_info
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    days = context.days_since_release
    if days is None:
        yield build_unknown(spec, fact.value.date_problem or _explain_no_date(context), fact.source)
        return
    value, reason = spec.curves["days"].value_at(days), f"last stable release {format_age(days)} ago"
    yield _measure_with_floor(context, spec, value, reason, fact)
    if cap := choose_age_cap(context, days):
        reason = f"last stable release {format_age(days)} ago, no commit known since"
        if context.is_activity_read and context.is_widely_used is False:
            yield build_flag(cap, reason, fact)
        else:
            yield build_possible_flag(cap, reason, fact)


def _explain_no_date(context: Context) -> str:
    if context.package_info is not None and context.package_info.partial and not context.newest_stable:
        return "the newest version is not known"
    return "no publication date" if context.stable_rows else "no stable release"


def choose_age_cap(context: Context, days: int) -> str:
    """Return the cap for a package that looks abandoned; never one of the most used."""
    if context.is_widely_used or not context.is_inactive:
        return ""
    if get_ecosystem(context.ecosystem).uses_python:
        if days > context.limit("abandoned_days"):
            return "abandoned"
        if days > context.limit("stale_days") and not _mentions_maintained_python(context):
            return "stale"
    issues = context.repository.open_issues if context.repository else None
    if days > context.limit("backlog_days") and issues is not None and issues >= context.limit("backlog_issues"):
        return "backlog"
    return ""


def _mentions_maintained_python(context: Context) -> bool:
    """Whether a classifier or ``requires_python`` names a maintained Python; unread metadata counts as yes."""
    metadata, pythons = context.metadata, context.maintained_pythons
    if metadata is None or metadata.python_classifiers is None:
        return True
    if set(pythons) & set(metadata.python_classifiers):
        return True
    return mentions_python(metadata.required_interpreter or "", pythons)


def _measure_with_floor(
    context: Context, spec: SignalSpec, value: float, reason: str, fact: Found[T], share: float = 1.0
) -> Signal:
    """Return the signal, raised to the floor for a finished package; unknown for a quiet one that may be finished."""
    floor = spec.levels["finished floor"]
    if value >= floor or context.is_finished is False or (context.is_finished is None and not context.is_quiet):
        return build_known(spec, value, reason, fact, share=share)
    if context.is_finished is None:
        reason = f"{reason}; not known whether the package is finished"
        return build_unknown(spec, reason, fact.source, context.unread_token)
    return build_known(spec, floor, f"{reason} (finished package)", fact, share=share)


def measure_commits(context: Context, spec: SignalSpec) -> Signal:
    """Measure the commits in 90 days, else take Scorecard's Maintained check."""
    repository, fact, scorecard = context.repository, context.evidence.repository, context.scorecard
    source: Found[object]
    if repository is not None and repository.commits_90d is not None and isinstance(fact, Found):
        value, source = spec.curves["commits"].value_at(repository.commits_90d), fact
        reason = f"{format_count(repository.commits_90d, 'commit')} in 90 days"
    elif isinstance(scorecard, Found) and (score := scorecard.value.checks.get("Maintained", -1)) >= 0:
        value, source = score * 10.0 or spec.levels["maintained zero"], scorecard
        reason = f"Scorecard Maintained {score} of 10"
    else:
        return build_unread(spec, context)
    return _measure_with_floor(context, spec, value, reason, source, context.repository_share)


def measure_cadence(context: Context, spec: SignalSpec) -> Signal:
    """Measure how many stable versions were released lately."""
    fact, package_info = context.evidence.package_info, context.package_info
    if package_info is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if package_info.partial:
        return build_unknown(spec, "not all versions were requested", fact.source)
    if context.package_days is None:
        return build_unknown(spec, package_info.date_problem or "no publication dates", fact.source)
    dates = package_info.published
    first_date = max(1, (context.as_of // DAY - int(context.limit("cadence_days"))) * DAY)
    recent_count = sum([dates[row] >= first_date for row in context.stable_rows])
    value = spec.curves["releases"].value_at(recent_count)
    reason = f"{format_count(recent_count, 'stable release')} in 24 months"
    if package_info.versions and all(flags & PRERELEASE for flags in package_info.flags):
        value, reason = max(0.0, value + spec.levels["only pre-releases"]), "only pre-releases so far"
    if len(package_info.versions) == 1:
        value, reason = min(value, spec.levels["single version"]), "exactly one version ever"
    if len(package_info.versions) == 1:
        return build_known(spec, value, reason, fact)
    return _measure_with_floor(context, spec, value, reason, fact)


def measure_version_lag(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure how far the version in use is behind the newest stable one."""
    fact, package_info = context.evidence.package_info, context.package_info
    if package_info is None or not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    newest = context.newest_stable
    if not newest:
        yield build_unknown(spec, "the newest stable version is not known", fact.source)
        return
    if context.is_newer_than_stable:
        yield build_known(spec, 100.0, "the newest stable version, or a newer one", fact)
        return
    days, majors = context.days_behind, context.majors_behind
    if days is None:
        yield build_unknown(spec, package_info.date_problem or "no publication dates", fact.source)
        return
    value = min(spec.curves["days"].value_at(days), spec.curves["majors"].value_at(majors or 0))
    reason = f"{format_age(days)} behind {newest}"
    if majors:
        reason = f"{format_count(majors, 'major version')} and {reason}"
    if value < spec.levels["newest of its line"] and context.is_newest_of_line:
        value, reason = spec.levels["newest of its line"], f"{reason}, but the newest of a maintained line"
    yield build_known(spec, value, reason, fact)
    if days <= context.limit("outdated_days"):
        return
    if context.has_newer_fix:
        yield build_flag("outdated", f"{reason}, advisories fixed since", fact)
    elif not context.is_newest_of_line:
        yield build_flag("behind", reason, fact)


def measure_issues(context: Context, spec: SignalSpec) -> Signal:
    """Measure the closed share of issues and pull requests."""
    fact, repository = context.evidence.repository, context.repository
    if repository is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if repository.open_items is None or repository.closed_items is None:
        reason = repository.unread_reason or "issue counts not read"
        return build_unknown(spec, reason, fact.source, repository.unread_token)
    total = repository.open_items + repository.closed_items
    total_text = format_count(total, "issue")
    if total < context.limit("rated_issues"):
        return build_not_applicable(spec, f"only {total_text}")
    share = repository.closed_items / total
    value = spec.curves["share"].value_at(share)
    return build_known(spec, value, f"{share:.0%} of {total_text} closed", fact, share=context.repository_share)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[Context]]] = {
    "status": measure_status,
    "last_release": measure_last_release,
    "commits": measure_commits,
    "release_cadence": measure_cadence,
    "closed_issues": measure_issues,
    "version_lag": measure_version_lag,
}
