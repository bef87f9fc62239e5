"""The work of a run: a batch of subjects for one source, its jobs, their results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from nerq_cli.facts import Absent, Fact, Found
from nerq_cli.fetch.circuit_breaker import EndpointState
from nerq_cli.fetch.source import Endpoint, Request, Source
from nerq_cli.fetch.source_stats import Outcome
from nerq_cli.fetch.time_budget import TimeBudget
from nerq_cli.inventory import Subject
from nerq_cli.store import Row

S = TypeVar("S", bound=Subject)
T = TypeVar("T")


class StoredFact(NamedTuple):
    """A row of the store, and its decoded value."""

    row: Row
    fact: Found[Any] | Absent


class Batch(Generic[S, T]):
    """The subjects to fetch from one source at one endpoint, and the facts about them so far."""

    def __init__(
        self,
        source: Source[S, T],
        subjects: Iterable[S],
        endpoint: Endpoint,
        *,
        state: EndpointState,
        budgets: tuple[TimeBudget, ...],
        has_time: bool,
    ) -> None:
        self.source = source
        self.subjects = dict.fromkeys(subjects)
        self.endpoint = endpoint
        self.state = state
        #: The time budget of its service, and the joint one if that counts too.
        self.budgets = budgets
        #: Whether enough time was left to conclude something from a missing answer.
        self.has_time = has_time
        #: Expired rows, to revalidate or to fall back to.
        self.stored: dict[S, StoredFact] = {}
        self.facts: dict[S, Fact[T]] = {}
        #: How each fact came about.
        self.outcomes: dict[S, Outcome] = {}
        #: Requests that are queued or under way.
        self.job_count = 0
        #: Subjects that may not exist and whose request is queued or under way. Its failure is no fact.
        self.tentative: set[S] = set()
        #: Ends the requests of that kind after a few failures in a row; those have a state of their own.
        self.tentative_state = EndpointState(state.shared)
        self.tentative_failures = 0
        #: Subjects whose request of that kind failed.
        self.untold: set[S] = set()
        #: Subjects whose fact is asked for, so that a failure of such a request is followed by a request that counts.
        self.awaited: set[S] = set()
        #: Receives new facts.
        self.on_facts: Callable[[Mapping[S, Fact[T]]], None] | None = None

    @property
    def store_key(self) -> tuple[str, str]:
        """Source and scope of its rows in the store."""
        return self.source.name, self.endpoint.scope

    @property
    def used_up_reason(self) -> str:
        """Why there is no time for its requests; empty if there is some."""
        return next(filter(None, (budget.reason for budget in self.budgets)), "")

    @property
    def open_count(self) -> int:
        """How many subjects still await their fact."""
        return len(self.subjects) - len(self.facts) - len(self.untold) if self.job_count else 0

    def add_fact(self, subject: S, fact: Fact[T], outcome: Outcome) -> None:
        """Add a fact, and how it came about."""
        self.facts[subject] = fact
        self.outcomes[subject] = outcome

    def begin_jobs(self, count: int) -> None:
        """Begin to count the time until this many results."""
        self.job_count += count
        for budget in self.budgets:
            budget.add_jobs(count)

    def end_job(self, *, has_response: bool) -> None:
        """End to count the time of one job."""
        self.job_count -= 1
        for budget in self.budgets:
            budget.end_job(has_response=has_response)


class Job(msgspec.Struct, eq=False):
    """One request to send."""

    source: Source[Any, Any]
    request: Request[Any]
    state: EndpointState
    #: Deadline of the run, on the monotonic clock.
    deadline: float
    #: When the time budget of its service ends at the latest, on the monotonic clock.
    budget_end: float
    #: Seconds that one attempt may take, from the name look-up to the last byte.
    max_seconds: float
    #: Where its result goes.
    results: SimpleQueue[Result]
    #: HTTP requests sent for it so far: attempts and redirects.
    request_count: int = 0
    #: Seconds that the last attempt may take.
    attempt_seconds: float = 0.0
    #: When it is to end, on the monotonic clock; infinite while no attempt is under way.
    attempt_deadline: float = math.inf
    #: Nothing waits for its result any more.
    is_abandoned: bool = False
    #: Its subject may not exist: a failure is no fact about it.
    is_tentative: bool = False

    def count_request(self) -> None:
        """Count one HTTP request."""
        self.request_count += 1


class Result(NamedTuple):
    """The outcome of a job: a parsed response, or the reason why there is none."""

    job: Job
    #: Subject, value, and the value as the store keeps it; None and None if the subject does not exist.
    entries: tuple[tuple[Subject, Any, bytes | None], ...] = ()
    validator: str = ""
    #: The stored answer is still valid.
    not_modified: bool = False
    failure: str = ""
    #: A response arrived, and the source cannot read it.
    is_unreadable: bool = False
    #: Requests for the subjects that this result leaves open.
    next_requests: tuple[Request[Any], ...] = ()
