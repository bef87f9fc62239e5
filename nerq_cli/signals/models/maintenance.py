"""Maintenance signals of a repository: how long it has existed, and whether its author gave it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nerq_cli.facts import Found
from nerq_cli.hub_facts import HubRepository
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.models.context import RepositoryContext
from nerq_cli.signals.signal import (
    MeasureFunction,
    Signal,
    build_from_level,
    build_known,
    build_missing,
    build_unknown,
    format_age,
)

#: Stages in which a Space answers nothing until somebody starts it.
_STOPPED: Final = frozenset({"PAUSED", "STOPPED", "DELETING"})
#: Stages of a Space that runs, is being started, or starts with the next visit. Sources: huggingface_hub
#: (_space_api.py) and answers of the Hub, which has more stages than that.
_RUNNING: Final = frozenset(
    {"RUNNING", "RUNNING_BUILDING", "BUILDING", "RUNNING_APP_STARTING", "APP_STARTING", "SLEEPING"}
)


def measure_age(context: RepositoryContext, spec: SignalSpec) -> Signal:
    """Measure the days since the repository was created, less where it has not changed for years."""
    fact, days, unchanged = context.fact, context.days, context.unchanged_days
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    if days is None:
        reason = "created after the moment of this report" if context.is_created_later else "no date of creation"
        return build_unknown(spec, reason, fact.source)
    value = spec.curves["days"].value_at(days)
    reason = f"{'at least ' if context.is_older else ''}{format_age(days)} old"
    if unchanged is None:
        return build_unknown(spec, f"{reason}; no date of its last change", fact.source)
    level = ""
    if unchanged > context.limit("very_quiet_days"):
        level = "changed over 4 years ago"
    elif unchanged > context.limit("quiet_days"):
        level = "changed over 2 years ago"
    if level:
        value, reason = min(value, spec.levels[level]), f"{reason}, last change {format_age(unchanged)} ago"
    return build_known(spec, value, reason, fact)


def measure_status(context: RepositoryContext, spec: SignalSpec) -> Signal:
    """Measure whether its author names a successor; for Spaces, whether it runs."""
    fact, repository = context.fact, context.repository
    if repository is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    successor = repository.card.new_version if repository.card is not None else ""
    if repository.kind == "space":
        return _measure_stage(spec, repository, successor, fact)
    if not context.is_header_read:
        return build_unknown(spec, "header of the card not read", fact.source)
    if successor:
        return build_from_level(spec, "superseded", f"superseded by {successor}", fact)
    return build_from_level(spec, "normal", "no successor named", fact)


def _measure_stage(spec: SignalSpec, repository: HubRepository, successor: str, fact: Found[HubRepository]) -> Signal:
    stage = repository.stage.upper()
    if not stage:
        return build_unknown(spec, "stage of the Space not stated", fact.source)
    if stage.endswith("_ERROR") or stage == "NO_APP_FILE":
        return build_from_level(spec, "failed", f"the Space does not run: {stage}", fact)
    if successor:
        return build_from_level(spec, "superseded", f"superseded by {successor}", fact)
    if stage in _STOPPED:
        return build_from_level(spec, "stopped", f"the Space is stopped: {stage}", fact)
    if stage not in _RUNNING:
        return build_unknown(spec, f"stage of the Space: {stage}, which is not a known one", fact.source)
    return build_from_level(spec, "normal", f"stage of the Space: {stage}", fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[RepositoryContext]]] = {"age": measure_age, "status": measure_status}
