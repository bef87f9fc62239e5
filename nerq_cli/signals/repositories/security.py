"""Security signals of a repository: known advisories, hygiene, pinning, age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Final

from nerq_cli.facts import AffectingAdvisory, Found
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.advisories import (
    describe_advisories,
    describe_severity,
    get_severity,
    merge_advisories,
    raise_severity,
)
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.signals.security import measure_hygiene
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
)


def measure_advisories(context: GithubContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the advisories whose ranges of commits hold the commit in use."""
    fact = context.evidence.advisories
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    advisories = merge_advisories(fact.value)
    epss_limit = context.limit("epss_raise")
    value = 100.0 * prod(1.0 - spec.levels[raise_severity(advisory, epss_limit)] for advisory in advisories)
    reason = f"{describe_advisories(advisories)} for this commit"
    if any(advisory.unread for advisory in advisories):
        yield build_unknown(spec, reason, fact.source)
    else:
        yield build_known(spec, value, reason, fact)
    for advisory in advisories:
        if advisory.unread:
            cap = "malicious" if advisory.is_unread else "critical"
            yield build_possible_flag(cap, f"{advisory.id}: {describe_severity(advisory)}", fact)
    if advisories:
        limits = {advisory.id: context.methodology.caps[_choose_cap(context, advisory)] for advisory in advisories}
        worst = min(advisories, key=lambda advisory: (limits[advisory.id].limit, advisory.id))
        further = sum(advisory is not worst and get_severity(advisory) != "low" for advisory in advisories)
        yield build_flag(limits[worst.id].id, reason, fact, further_count=further)


def _choose_cap(context: GithubContext, advisory: AffectingAdvisory) -> str:
    if advisory.malware:
        return "malicious"
    if advisory.exploited:
        return "exploited"
    severity = get_severity(advisory)
    if severity == "high" and (advisory.epss or 0.0) >= context.limit("epss_cap"):
        return "high-epss"
    return "advisory" if severity == "unknown" else severity


def measure_pinning(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure what the project refers to."""
    reference, fact = context.github.reference, context.github.hosted
    if reference.is_target:
        return build_not_applicable(spec, "no project refers to it")
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    if context.is_pinned:
        return build_from_level(spec, "commit", "pinned to a commit", fact)
    if reference.revision:
        return build_from_level(spec, "branch or tag", f"branch or tag {reference.revision}, which can be moved", fact)
    return build_from_level(spec, "none", "no revision: the newest commit of the default branch is used", fact)


def measure_age(context: GithubContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure how long the repository has existed."""
    fact, days = context.github.hosted, context.days
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    if days is None:
        yield build_unknown(spec, "date of creation not in the answer", fact.source)
        return
    reason = f"created {format_age(days)} ago"
    yield build_known(spec, spec.curves["days"].value_at(days), reason, fact)
    if days < context.limit("young_days"):
        yield build_flag("young", reason, fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[GithubContext]]] = {
    "known_advisories": measure_advisories,
    "repository_hygiene": measure_hygiene,
    "pinning": measure_pinning,
    "age": measure_age,
}
