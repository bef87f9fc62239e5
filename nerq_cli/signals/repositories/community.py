"""Community signals of a repository: its owner, its use, and whether it is an original."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Final

from nerq_cli.facts import Found
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.signals.signal import (
    MeasureFunction,
    Signal,
    build_from_level,
    build_known,
    build_missing,
    build_unknown,
    format_age,
    format_count,
)


def measure_owner(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure who owns the repository."""
    fact, hosted = context.github.hosted, context.hosted
    if hosted is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if hosted.is_organisation is None:
        return build_unknown(spec, "kind of owner not in the answer", fact.source)
    level, reason = (
        ("organisation", "owned by an organisation")
        if hosted.is_organisation
        else (
            "person",
            "a person's account",
        )
    )
    return build_from_level(spec, level, reason, fact)


def measure_adoption(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure stars and forks."""
    fact, hosted, levels = context.github.hosted, context.hosted, spec.levels
    if hosted is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if hosted.stars is None or hosted.forks is None:
        return build_unknown(spec, "stars or forks not in the answer", fact.source)
    stars = min(100.0, levels["per tenfold stars"] * log10(1 + hosted.stars))
    forks = min(100.0, levels["per tenfold forks"] * log10(1 + hosted.forks))
    value = levels["stars"] * stars + levels["forks"] * forks
    reason = f"{format_count(hosted.stars, 'star')}, {format_count(hosted.forks, 'fork')}"
    if value > levels["young limit"]:
        if context.days is None:
            return build_unknown(spec, f"{reason}; age not stated", fact.source)
        if context.days < context.limit("new_days"):
            value, reason = levels["young limit"], f"{reason}; only {format_age(context.days)} old"
    return build_known(spec, value, reason, fact)


def measure_origin(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure whether it is a fork."""
    fact, hosted = context.github.hosted, context.hosted
    if hosted is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if hosted.fork is None:
        return build_unknown(spec, "not in the answer", fact.source)
    if hosted.fork:
        return build_from_level(spec, "fork", "a fork of another repository", fact)
    return build_from_level(spec, "original", "not a fork", fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[GithubContext]]] = {
    "owner": measure_owner,
    "adoption": measure_adoption,
    "origin": measure_origin,
}
