"""How much of a run one service may take, by a clock of the test's own."""

from __future__ import annotations

import pytest

from nerq_cli.fetch.time_budget import (
    ADVISORY_LIMITS,
    DETAIL_LIMITS,
    HELPFUL_LIMITS,
    REGISTRY_LIMITS,
    TimeBudget,
    TimeLimits,
    get_time_limits,
)
from nerq_cli.sources import SOURCES


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_only_the_time_that_is_waited_counts(clock: Clock) -> None:
    budget = TimeBudget(10.0, clock=clock)
    clock.now += 50
    assert budget.seconds_left == 10.0
    budget.add_jobs(2)
    clock.now += 3
    budget.end_job(has_response=True)
    clock.now += 1
    budget.end_job(has_response=False)
    clock.now += 50
    assert budget.seconds_left == 6.0
    assert budget.share_left == 0.6
    assert budget.reason == ""


def test_requests_at_the_same_time_count_once(clock: Clock) -> None:
    budget = TimeBudget(10.0, clock=clock)
    budget.add_jobs(100)
    clock.now += 4
    assert budget.seconds_left == 6.0


def test_a_budget_that_is_used_up_says_so(clock: Clock) -> None:
    budget = TimeBudget(7.5, name="joint time budget", clock=clock)
    budget.add_jobs(1)
    clock.now += 8
    assert (budget.seconds_left, budget.share_left) == (-0.5, 0.0)
    assert budget.reason == "joint time budget of 7.5 s used up"


def test_silence_ends_the_waiting_and_a_response_begins_it_anew(clock: Clock) -> None:
    budget = TimeBudget(30.0, 10.0, clock=clock)
    budget.add_jobs(3)
    clock.now += 9
    budget.end_job(has_response=True)
    assert (budget.seconds_left, budget.total_left) == (10.0, 21.0)
    clock.now += 6
    budget.end_job(has_response=False)
    clock.now += 4
    assert budget.reason == "time budget used up: no response for 10 s"


def test_a_budget_of_nothing_is_used_up(clock: Clock) -> None:
    budget = TimeBudget(0.0, clock=clock)
    assert budget.share_left == 0.0
    assert budget.reason == "time budget of 0 s used up"


@pytest.mark.parametrize("limits", [REGISTRY_LIMITS, ADVISORY_LIMITS, DETAIL_LIMITS, HELPFUL_LIMITS])
def test_one_request_leaves_time_for_others_of_its_service_and_of_the_run(limits: TimeLimits) -> None:
    assert limits.request <= 1 / 3
    assert limits.request <= limits.total / 2
    assert limits.request < limits.idle
    assert limits.total < 1


def test_what_no_verdict_depends_on_shares_a_joint_budget() -> None:
    assert {row.id for row in SOURCES.values() if row.time_limits.is_joint} == {
        row.id for row in SOURCES.values() if not row.required
    }
    assert get_time_limits(object()) == REGISTRY_LIMITS == SOURCES["pypi"].time_limits == SOURCES["npm"].time_limits
