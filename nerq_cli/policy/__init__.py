"""Compare scores with the threshold: the state of each dependency."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from nerq_cli.inventory import Dependency
from nerq_cli.scoring import round_half_up
from nerq_cli.scoring.score import Score

#: ``ok``: at or above the threshold; ``below``: below it; ``unknown``: not enough evidence; ``not-judged``: a third
#: party that is not looked up (from a URL, a repository or another index); ``skipped``: left out on purpose (the
#: project's own, or declared private).
State: TypeAlias = Literal["ok", "below", "unknown", "not-judged", "skipped"]

#: The states, worst first.
STATES: tuple[State, ...] = ("below", "unknown", "not-judged", "ok", "skipped")


def judge_dependency(
    dependency: Dependency,
    score: Score | None,
    threshold: float,
    dimension_thresholds: Mapping[str, float] = MappingProxyType({}),
) -> State:
    """Return the state of one dependency.

    A cap below the threshold fails even without a score: no further evidence could raise it. Apart from caps the range
    of the score decides: it fails when no evidence that is missing could lift it to the threshold, and passes when none
    could push it below. A provisional score (no advisory source answered) can fail but not pass. The range of each
    dimension that has a threshold decides likewise.
    """
    if dependency.skip_reason and dependency.is_own:
        is_malicious = score is not None and any(cap.limit == 0 for cap in score.caps)
        return "below" if is_malicious else "skipped"
    open_state: State = "unknown"
    if dependency.skip_reason:
        open_state = "skipped" if dependency.is_embedded or dependency.is_listed_only else "not-judged"
    if score is None:
        return open_state
    lowest_cap = min(cap.limit for cap in score.caps) if score.caps else 100.0
    if lowest_cap < threshold or lowest_cap == 0:  # malware fails whatever the threshold
        return "below"
    if dependency.skip_reason or score.value is None:
        return open_state
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    is_below, is_open = high < threshold, score.provisional or low < threshold
    for name, minimum in dimension_thresholds.items():
        low, high = estimate_dimension(score, name)
        is_below, is_open = is_below or high < minimum, is_open or low < minimum
    return "below" if is_below else "unknown" if is_open else "ok"


def estimate_dimension(score: Score, name: str) -> tuple[float, float]:
    """Return the mean of a dimension with every unknown signal poor, and with every one good (0 to 100).

    Both are 100 if no signal of the dimension applies.
    """
    applicable = known = value = 0.0
    methodology = score.methodology
    for signal in score.signals:
        spec = methodology.signals[signal.id]
        if spec.dimension != name or signal.state == "not_applicable":
            continue
        weight = spec.weight * signal.share
        applicable += weight
        if signal.value is not None:
            known += weight
            value += weight * signal.value
    if not applicable:
        return 100.0, 100.0
    low, high = (
        (value + (applicable - known) * guess) / applicable for guess in (methodology.range_low, methodology.range_high)
    )
    # With every signal known both are the mean as it is shown, which may be rounded up to the threshold.
    return round_half_up(low), round_half_up(high)
