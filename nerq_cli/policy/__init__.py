"""Scores against the project's rules: which state each dependency is in, and how the run ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, TypeAlias

from nerq_cli.errors import ExitStatus
from nerq_cli.inventory import Dependency
from nerq_cli.scoring.score import Score

#: ``ok`` at or above the threshold · ``below`` it · ``waived`` below it but excused · ``unknown`` could not be judged ·
#: ``skipped`` left out on purpose (local, private, from another index).
State: TypeAlias = Literal["ok", "below", "waived", "unknown", "skipped"]

STATES: tuple[State, ...] = ("below", "unknown", "waived", "ok", "skipped")


def judge_dependency(dependency: Dependency, score: Score | None, threshold: float) -> State:
    """Return the state of one dependency.

    A cap below the threshold is proof enough even where too little is known for a number: whatever the rest may turn
    out to be, the score cannot pass. A provisional score (no advisory source answered) can fail but never pass.
    """
    if dependency.skip_reason:
        return "skipped"
    if score is None:
        return "unknown"
    if min((cap.limit for cap in score.caps), default=100.0) < threshold:
        return "below"
    if score.value is None:
        return "unknown"
    if score.value < threshold:
        return "below"
    return "unknown" if score.provisional else "ok"


def decide_exit(
    states: Collection[State],
    *,
    threshold: float,
    problem_count: int = 0,
    findings: Sequence[str] = (),
    incomplete: Sequence[str] = (),
    optional_missing: Sequence[str] = (),
    strict: bool = False,
) -> tuple[ExitStatus, str]:
    """Return how the run ends and why, in words.

    ``problem_count`` counts problems in dependency files, ``findings`` says what was found beside scores, ``incomplete``
    what else could not be checked, and ``optional_missing`` what is not known although no verdict hangs on it. Files that cannot
    be read win over everything (the list itself is in doubt), below the threshold and findings win over incomplete,
    and an incomplete run fails only when ``strict``.
    """
    below, unknown = _count_state(states, "below"), _count_state(states, "unknown")
    if problem_count:
        return (
            ExitStatus.USAGE,
            f"{problem_count} {'problem' if problem_count == 1 else 'problems'} in dependency files",
        )
    failed = [*([f"{below} below {threshold:g}"] if below else []), *findings]
    if failed:
        return ExitStatus.BELOW, ", ".join(failed)
    unchecked = [f"{unknown} could not be judged"] if unknown else []
    unchecked += incomplete
    if unchecked and strict:
        return ExitStatus.INCOMPLETE, "not everything could be checked: " + "; ".join(unchecked)
    unchecked += optional_missing
    if unchecked:
        return ExitStatus.PASSED, "nothing below the threshold, but not everything could be checked: " + "; ".join(
            unchecked
        )
    if not states:
        return ExitStatus.PASSED, "the dependency files declare nothing"
    return ExitStatus.PASSED, "everything at or above the threshold"


def _count_state(states: Iterable[State], counted_state: State) -> int:
    return sum(state == counted_state for state in states)
