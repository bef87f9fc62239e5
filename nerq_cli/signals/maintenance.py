"""Maintenance: is somebody looking after it, or is it finished, or is it abandoned?"""

from __future__ import annotations

from collections.abc import Iterator

from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import PRERELEASE, Fact, Found
from nerq_cli.methodology import ABANDONED_DAYS, CADENCE_DAYS, INACTIVE_DAYS, MIN_ISSUES, SIGNALS, STALE_DAYS
from nerq_cli.signals.context import Context, allows_python, build_unread, find_maintained_pythons, mentions_python
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


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the maintenance signals M1-M5 and the flags that go with them."""
    yield from measure_status(context)
    yield from measure_last_release(context)
    yield measure_commits(context)
    yield measure_cadence(context)
    yield measure_issues(context)


def measure_status(context: Context) -> Iterator[Signal | Flag]:
    """M1: what the maintainers or the registry say about it, the worst counting."""
    package_fact, metadata_fact = context.evidence.package_info, context.evidence.metadata
    fact: Fact[object] = package_fact if isinstance(package_fact, Found) else metadata_fact
    if not isinstance(fact, Found):
        yield build_missing("M1", fact)
        return
    statuses = list(_find_statuses(context))
    levels = SIGNALS["M1"].levels
    name, reason = min(statuses, key=lambda status: levels[status[0]], default=("none", "nothing adverse stated"))
    yield build_from_level("M1", name, reason, fact)
    for status_name, status_reason in statuses:
        if status_name == "yanked":
            yield Flag("yanked", status_reason, fact.source, fact.retrieved_at)
    if context.is_deprecated:
        status_reason = next(
            (status_reason for status_name, status_reason in statuses if status_name in ("deprecated", "archived")),
            "deprecated",
        )
        yield Flag("deprecated", status_reason, fact.source, fact.retrieved_at)


def _find_statuses(context: Context) -> Iterator[tuple[str, str]]:
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
    if metadata is not None and metadata.inactive:
        yield "inactive", "classified as inactive"


def measure_last_release(context: Context) -> Iterator[Signal | Flag]:
    """M2: days since the newest stable release of the package."""
    fact = context.evidence.package_info
    if not isinstance(fact, Found):
        yield build_missing("M2", fact)
        return
    days = context.days_since_release
    if days is None:
        yield build_unknown("M2", fact.value.date_problem or _explain_no_date(context), fact.source)
        return
    spec = SIGNALS["M2"]
    value, reason = spec.curves["days"].value_at(days), f"last stable release {format_age(days)} ago"
    if context.is_finished and value < spec.levels["finished floor"]:
        value, reason = spec.levels["finished floor"], f"{reason} (finished package)"
    yield build_known("M2", value, reason, fact)
    if context.ecosystem == PYPI and (cap := _choose_age_cap(context, days)):
        yield Flag(cap, f"{reason}, no commit known since", fact.source, fact.retrieved_at)


def _explain_no_date(context: Context) -> str:
    if context.package_info is not None and context.package_info.partial and not context.newest_stable:
        return "the newest version is not known"
    return "no publication date" if context.stable_rows else "no stable release"


def _choose_age_cap(context: Context, days: int) -> str:
    if context.days_since_commit is not None and context.days_since_commit <= INACTIVE_DAYS:
        return ""
    if days > ABANDONED_DAYS:
        return "abandoned"
    return "stale" if days > STALE_DAYS and not _mentions_maintained_python(context) else ""


def _mentions_maintained_python(context: Context) -> bool:
    """Whether a classifier or ``requires_python`` spells out a maintained Python; unread metadata counts as yes."""
    metadata = context.metadata
    if metadata is None or metadata.python_classifiers is None:
        return True
    pythons = find_maintained_pythons(context.as_of)
    return bool(set(pythons) & set(metadata.python_classifiers)) or mentions_python(
        metadata.required_interpreter or "", pythons
    )


def flag_unsupported_python(context: Context) -> Iterator[Flag]:
    """Flag a PyPI version that no maintained Python can install."""
    fact = context.evidence.metadata
    if context.ecosystem != PYPI or not isinstance(fact, Found) or not fact.value.required_interpreter:
        return
    if not allows_python(fact.value.required_interpreter, find_maintained_pythons(context.as_of)):
        reason = f"needs Python {fact.value.required_interpreter}: no maintained Python fits"
        yield Flag("python-eol", reason, fact.source, fact.retrieved_at)


def measure_commits(context: Context) -> Signal:
    """M3: commits in 90 days, else what Scorecard's Maintained check saw."""
    spec, repository, fact = SIGNALS["M3"], context.repository, context.evidence.repository
    if repository is not None and repository.commits_90d is not None and isinstance(fact, Found):
        value = spec.curves["commits"].value_at(repository.commits_90d)
        return _apply_finished_floor(
            context, value, f"{format_count(repository.commits_90d, 'commit')} in 90 days", fact
        )
    scorecard = context.scorecard
    if isinstance(scorecard, Found) and scorecard.value.checks.get("Maintained", -1) >= 0:
        score = scorecard.value.checks["Maintained"]
        value = score * 10.0 or spec.levels["maintained zero"]
        return _apply_finished_floor(context, value, f"Scorecard Maintained {score} of 10", scorecard)
    return build_unread("M3", context)


def _apply_finished_floor(context: Context, value: float, reason: str, fact: Found[object]) -> Signal:
    floor = SIGNALS["M3"].levels["finished floor"]
    if context.is_finished and value < floor:
        value, reason = floor, f"{reason} (finished package)"
    return build_known("M3", value, reason, fact, share=context.repository_share)


def measure_cadence(context: Context) -> Signal:
    """M4: how often stable versions come, and whether there are any."""
    fact, package_info = context.evidence.package_info, context.package_info
    if package_info is None or not isinstance(fact, Found):
        return build_missing("M4", fact)
    if package_info.partial:
        return build_unknown("M4", "not all versions were asked for", fact.source)
    if context.package_days is None:
        return build_unknown("M4", package_info.date_problem or "no publication dates", fact.source)
    spec = SIGNALS["M4"]
    recent_count = sum(
        1
        for row in context.stable_rows
        if package_info.published[row] and days_between(package_info.published[row], context.as_of) <= CADENCE_DAYS
    )
    value, reason = (
        spec.curves["releases"].value_at(recent_count),
        f"{format_count(recent_count, 'stable release')} in 24 months",
    )
    if package_info.versions and all(flags & PRERELEASE for flags in package_info.flags):
        value, reason = max(0.0, value + spec.levels["only pre-releases"]), "only pre-releases so far"
    if len(package_info.versions) == 1:
        value, reason = min(value, spec.levels["single version"]), "exactly one version ever"
    elif context.is_finished and value < spec.levels["finished floor"]:
        value, reason = spec.levels["finished floor"], f"{reason} (finished package)"
    return build_known("M4", value, reason, fact)


def measure_issues(context: Context) -> Signal:
    """M5: closed share of issues and pull requests."""
    fact: Fact[object] = context.evidence.repository
    repository = context.repository
    if repository is None or not isinstance(fact, Found):
        return build_missing("M5", fact)
    if repository.open_items is None or repository.closed_items is None:
        return build_unknown("M5", repository.unread_reason or "issue counts not read", fact.source)
    total = repository.open_items + repository.closed_items
    if total < MIN_ISSUES:
        return build_not_applicable("M5", f"only {format_count(total, 'issue')}")
    share = repository.closed_items / total
    value = SIGNALS["M5"].curves["share"].value_at(share)
    return build_known(
        "M5", value, f"{share:.0%} of {format_count(total, 'issue')} closed", fact, share=context.repository_share
    )
