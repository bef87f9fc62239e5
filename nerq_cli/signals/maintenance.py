"""Maintenance: is somebody looking after it, or is it finished, or is it abandoned?"""

from __future__ import annotations

from collections.abc import Iterator

from nerq_cli.facts import PRERELEASE, Fact, Found
from nerq_cli.inventory import PYPI
from nerq_cli.methodology import ABANDONED_DAYS, CADENCE_DAYS, FEWEST_ISSUES, SIGNALS, SILENT_DAYS, STALE_DAYS
from nerq_cli.signals.context import Context, admits, maintained_pythons, names, unread
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


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the maintenance signals M1-M5 and the flags that go with them."""
    yield from status(context)
    yield from last_release(context)
    yield commits(context)
    yield cadence(context)
    yield issues(context)


def status(context: Context) -> Iterator[Signal | Flag]:
    """M1: what the maintainers or the registry say about it, the worst counting."""
    project, metadata = context.evidence.project, context.evidence.metadata
    base: Fact[object] = project if isinstance(project, Found) else metadata
    if not isinstance(base, Found):
        yield missing("M1", base)
        return
    said = list(_said(context))
    levels = SIGNALS["M1"].levels
    name, reason = min(said, key=lambda s: levels[s[0]], default=("none", "nothing adverse stated"))
    yield level("M1", name, reason, base)
    for stated, why in said:
        if stated == "yanked":
            yield Flag("yanked", why, base.source, base.seen)
    if context.deprecated_package:
        why = next((why for stated, why in said if stated in ("deprecated", "archived")), "deprecated")
        yield Flag("deprecated", why, base.source, base.seen)


def _said(context: Context) -> Iterator[tuple[str, str]]:
    project, metadata, repository = context.project, context.metadata, context.repository
    message = metadata.deprecated if metadata else ""
    if project is not None and project.status == "deprecated":
        yield "deprecated", f"deprecated: {message}" if message else "deprecated by its maintainers"
    elif message:
        yield "deprecated", f"this version is deprecated: {message}"
    if project is not None and project.status == "archived":
        yield "archived", "archived on the registry"
    if repository is not None and repository.archived:
        yield "archived", "repository is archived"
    if metadata is not None and metadata.yanked:
        yield "yanked", f"version yanked: {metadata.yanked_reason}" if metadata.yanked_reason else "version yanked"
    if metadata is not None and metadata.inactive:
        yield "inactive", "classified as inactive"


def last_release(context: Context) -> Iterator[Signal | Flag]:
    """M2: days since the newest stable release of the package."""
    fact = context.evidence.project
    if not isinstance(fact, Found):
        yield missing("M2", fact)
        return
    days = context.quiet_days
    if days is None:
        yield unknown("M2", fact.value.dates_doubt or _why_no_date(context), fact.source)
        return
    spec = SIGNALS["M2"]
    value, reason = spec.curves["days"].at(days), f"last stable release {ago(days)} ago"
    if context.finished and value < spec.levels["finished floor"]:
        value, reason = spec.levels["finished floor"], f"{reason} (finished package)"
    yield known("M2", value, reason, fact)
    if context.ecosystem == PYPI and (cap := _age_cap(context, days)):
        yield Flag(cap, f"{reason}, no commit known since", fact.source, fact.seen)


def _why_no_date(context: Context) -> str:
    if context.project is not None and context.project.partial and not context.newest_stable:
        return "the newest version is not known"
    return "no publication date" if context.stable_rows else "no stable release"


def _age_cap(context: Context, days: int) -> str:
    if context.commit_days is not None and context.commit_days <= SILENT_DAYS:
        return ""
    if days > ABANDONED_DAYS:
        return "abandoned"
    return "stale" if days > STALE_DAYS and not _names_maintained_python(context) else ""


def _names_maintained_python(context: Context) -> bool:
    """Whether a classifier or ``requires_python`` spells out a maintained Python; unread metadata counts as yes."""
    metadata = context.metadata
    if metadata is None or metadata.python_classifiers is None:
        return True
    pythons = maintained_pythons(context.as_of)
    return bool(set(pythons) & set(metadata.python_classifiers)) or names(metadata.interpreter or "", pythons)


def unsupported_python(context: Context) -> Iterator[Flag]:
    """Flag a PyPI version that no maintained Python can install."""
    fact = context.evidence.metadata
    if context.ecosystem != PYPI or not isinstance(fact, Found) or not fact.value.interpreter:
        return
    if not admits(fact.value.interpreter, maintained_pythons(context.as_of)):
        reason = f"needs Python {fact.value.interpreter}: no maintained Python fits"
        yield Flag("python-eol", reason, fact.source, fact.seen)


def commits(context: Context) -> Signal:
    """M3: commits in 90 days, else what Scorecard's Maintained check saw."""
    spec, repository, fact = SIGNALS["M3"], context.repository, context.evidence.repository
    if repository is not None and repository.commits_90d is not None and isinstance(fact, Found):
        value = spec.curves["commits"].at(repository.commits_90d)
        return _floored(context, value, f"{count(repository.commits_90d, 'commit')} in 90 days", fact)
    scorecard = context.scorecard
    if isinstance(scorecard, Found) and scorecard.value.checks.get("Maintained", -1) >= 0:
        score = scorecard.value.checks["Maintained"]
        value = score * 10.0 or spec.levels["maintained zero"]
        return _floored(context, value, f"Scorecard Maintained {score} of 10", scorecard)
    return unread("M3", context)


def _floored(context: Context, value: float, reason: str, fact: Found[object]) -> Signal:
    floor = SIGNALS["M3"].levels["finished floor"]
    if context.finished and value < floor:
        value, reason = floor, f"{reason} (finished package)"
    return known("M3", value, reason, fact, share=context.repository_share)


def cadence(context: Context) -> Signal:
    """M4: how often stable versions come, and whether there are any."""
    fact, project = context.evidence.project, context.project
    if project is None or not isinstance(fact, Found):
        return missing("M4", fact)
    if project.partial:
        return unknown("M4", "not all versions were asked for", fact.source)
    if context.package_days is None:
        return unknown("M4", project.dates_doubt or "no publication dates", fact.source)
    spec = SIGNALS["M4"]
    recent = sum(
        1
        for row in context.stable_rows
        if project.published[row] and days_between(project.published[row], context.as_of) <= CADENCE_DAYS
    )
    value, reason = spec.curves["releases"].at(recent), f"{count(recent, 'stable release')} in 24 months"
    if project.versions and all(flags & PRERELEASE for flags in project.flags):
        value, reason = max(0.0, value + spec.levels["only pre-releases"]), "only pre-releases so far"
    if len(project.versions) == 1:
        value, reason = min(value, spec.levels["single version"]), "exactly one version ever"
    elif context.finished and value < spec.levels["finished floor"]:
        value, reason = spec.levels["finished floor"], f"{reason} (finished package)"
    return known("M4", value, reason, fact)


def issues(context: Context) -> Signal:
    """M5: closed share of issues and pull requests."""
    fact: Fact[object] = context.evidence.repository
    repository = context.repository
    if repository is None or not isinstance(fact, Found):
        return missing("M5", fact)
    if repository.open_items is None or repository.closed_items is None:
        return unknown("M5", repository.unread or "issue counts not read", fact.source)
    total = repository.open_items + repository.closed_items
    if total < FEWEST_ISSUES:
        return not_applicable("M5", f"only {count(total, 'issue')}")
    share = repository.closed_items / total
    value = SIGNALS["M5"].curves["share"].at(share)
    return known("M5", value, f"{share:.0%} of {count(total, 'issue')} closed", fact, share=context.repository_share)
