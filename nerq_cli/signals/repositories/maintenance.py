"""Maintenance signals of a repository: whether it is worked on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nerq_cli.facts import Found
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.context import build_unread
from nerq_cli.signals.maintenance import measure_issues
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_from_level,
    build_known,
    build_missing,
    build_possible_flag,
    build_unknown,
    days_between,
    format_age,
    format_count,
)


def measure_status(context: GithubContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure whether the repository is archived."""
    fact, hosted = context.github.hosted, context.hosted
    if hosted is None or not isinstance(fact, Found) or hosted.archived is None:
        yield build_missing(spec, fact)
        yield build_possible_flag("archived", "not known whether the repository is archived", fact)
    elif hosted.archived:
        yield build_from_level(spec, "archived", "archived on GitHub: read-only, without fixes", fact)
        yield build_flag("archived", "archived on GitHub", fact)
    else:
        yield build_from_level(spec, "none", "not archived", fact)


def measure_commits(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure the commits in 90 days, else take Scorecard's Maintained check."""
    repository, fact, scorecard = context.repository, context.evidence.repository, context.scorecard
    if repository is not None and repository.commits_90d is not None and isinstance(fact, Found):
        value = spec.curves["commits"].value_at(repository.commits_90d)
        return build_known(spec, value, f"{format_count(repository.commits_90d, 'commit')} in 90 days", fact)
    if isinstance(scorecard, Found) and (score := scorecard.value.checks.get("Maintained", -1)) >= 0:
        value = score * 10.0 or spec.levels["maintained zero"]
        return build_known(spec, value, f"Scorecard Maintained {score} of 10", scorecard)
    return build_unread(spec, context)


def measure_last_commit(context: GithubContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the time since the newest commit."""
    repository, fact = context.repository, context.evidence.repository
    if repository is None or not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    if repository.last_commit is None:
        yield build_unknown(spec, repository.unread_reason or "commits not read", fact.source, repository.unread_token)
        yield build_possible_flag("stale", "not known when the newest commit was", fact)
        return
    days = days_between(repository.last_commit, context.as_of)
    reason = f"newest commit {format_age(days)} ago"
    yield build_known(spec, spec.curves["days"].value_at(days), reason, fact)
    if days > context.limit("stale_days"):
        yield build_flag("stale", reason, fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[GithubContext]]] = {
    "status": measure_status,
    "commits": measure_commits,
    "last_commit": measure_last_commit,
    "closed_issues": measure_issues,
}
