"""Compare scores with the threshold: the state of each dependency, and the exit status of the run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, TypeAlias

from nerq_cli.errors import ExitStatus
from nerq_cli.inventory import Dependency
from nerq_cli.scoring.score import Score

#: ``ok``: at or above the threshold; ``below``: below it; ``unknown``: not enough evidence; ``not-judged``: a third
#: party that is not looked up (from a URL, a repository or another index); ``skipped``: left out on purpose (the
#: project's own, or declared private).
State: TypeAlias = Literal["ok", "below", "unknown", "not-judged", "skipped"]

#: The states, worst first.
STATES: tuple[State, ...] = ("below", "unknown", "not-judged", "ok", "skipped")


def judge_dependency(dependency: Dependency, score: Score | None, threshold: float) -> State:
    """Return the state of one dependency.

    A cap below the threshold fails even without a score: no further evidence could raise it. Apart from caps the range
    of the score decides: it fails when no evidence that is missing could lift it to the threshold, and passes when none
    could push it below. A provisional score (no advisory source answered) can fail but not pass.
    """
    if dependency.skip_reason and dependency.is_own:
        is_malicious = score is not None and any(cap.limit == 0 for cap in score.caps)
        return "below" if is_malicious else "skipped"
    open_state: State = "unknown"
    if dependency.skip_reason:
        open_state = "skipped" if dependency.is_embedded else "not-judged"
    if score is None:
        return open_state
    lowest_cap = min(cap.limit for cap in score.caps) if score.caps else 100.0
    if lowest_cap < threshold or lowest_cap == 0:  # malware fails whatever the threshold
        return "below"
    if dependency.skip_reason or score.value is None:
        return open_state
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    if high < threshold:
        return "below"
    return "unknown" if score.provisional or low < threshold else "ok"


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
    """Return the exit status and its reason.

    Problems in files come first (the list of dependencies is in doubt), then failures, then incomplete checks.

    Args:
        states: the states of the dependencies.
        threshold: lowest passing score, 0 to 100.
        problem_count: number of problems in dependency files.
        findings: what fails the run besides scores.
        incomplete: what else could not be checked.
        optional_missing: missing evidence that decides no state; never fails the run.
        strict: whether an incomplete run fails.
    """
    below, unknown = _count_state(states, "below"), _count_state(states, "unknown")
    if problem_count:
        return (
            ExitStatus.USAGE,
            f"{problem_count} {'problem' if problem_count == 1 else 'problems'} in dependency files",
        )
    # Below a threshold of 0 are malicious versions alone, and each of them is a finding.
    failed = [*([f"{below} below {threshold:g}"] if below and threshold else []), *findings]
    if below or failed:
        return ExitStatus.BELOW, ", ".join(failed)
    unjudged = _count_state(states, "not-judged")
    unchecked = [f"{unknown} could not be judged"] if unknown else []
    unchecked += [f"{unjudged} not judged"] if unjudged else []
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
