"""One run: facts from the store, or else from the network, until the deadline."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, islice
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from nerq_cli.decoders import build_json_decoder
from nerq_cli.facts import NOT_REQUESTED, Absent, Fact, Found, Unknown
from nerq_cli.fetch.batch import Batch, Job, Result, StoredFact
from nerq_cli.fetch.circuit_breaker import CircuitBreaker, EndpointState, Failure
from nerq_cli.fetch.source import Endpoint, Request, Source, get_max_age, has_cooldown
from nerq_cli.fetch.source_stats import Outcome, SourceStats, SourceSummary
from nerq_cli.fetch.time_budget import JOINT_SHARE, TimeBudget, get_time_limits
from nerq_cli.fetch.url import parse_url
from nerq_cli.fetch.validator import pack_validator, unpack_validator
from nerq_cli.inventory import Subject
from nerq_cli.patterns import compile_late
from nerq_cli.store import Row
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.fetch.fetcher import Fetcher

S = TypeVar("S", bound=Subject)
T = TypeVar("T")
#: Sources, the subjects to fetch from each, and its endpoint.
FetchPlan: TypeAlias = "Sequence[tuple[Source[Any, Any], Sequence[Any], Endpoint]]"

#: Seconds after its expiry during which an answer is used if no new one arrives.
_STALE_GRACE: Final = 7 * DAY
#: Answers to collect before they are written to the store.
_SAVE_THRESHOLD: Final = 250
#: Seconds between two looks at the clock, and on Windows between two chances for Ctrl-C.
_POLL_INTERVAL: Final = 0.1
#: Key of the row that marks a missing endpoint; no subject has such a key.
_MISSING_KEY: Final = "(endpoint missing)"
#: Key of the row that marks a service without an answer.
_NO_ANSWER_KEY: Final = "(no answer)"
#: Key of the row with the subjects about which a service gave no answer, and most of them that it keeps.
_FAILURES_KEY: Final = "(failures)"
_MAX_FAILURES: Final = 1_000
#: Seconds after which nothing waits any more for a request whose time is over: its thread is to say so first.
_GIVE_UP_DELAY: Final = 0.2
#: A missing answer counts against a service only if this share of the whole time was left.
_MIN_TIME_SHARE: Final = 0.3
#: Tentative requests that fail one after the other before no more are sent: a server without the endpoint.
_MAX_TENTATIVE_FAILURES: Final = 3
#: How reasons name hosts: that of the request, a proxy with the files of trusted certificates, the end of a redirect.
_HOST: Final = compile_late(r"^(?:\[[0-9a-f:]+\]|[\w-]+(?:\.[\w-]+)+|[\w-]+(?=:\d))(?::\d+)?: ")
_DETAILS: Final = compile_late(r" \(through the proxy [^)]*\)|(?<=not trusted) \(.*")
_REDIRECT: Final = compile_late(r"redirects to [^\s,]+")
_OFFLINE_REASON: Final = "offline: not in the cache"
_INCOMPLETE_REASON: Final = "missing in the response"


class NotCachedError(Exception):
    """A run that may only use the cache needs a request."""


class IdleCallback(Protocol):
    """Called when every result is processed."""

    def __call__(self, *, is_quiet: bool) -> None:
        """Begin requests; ``is_quiet`` tells that no result arrived for some time."""
        ...


class FetchRun:
    """Fetches facts until one deadline. For use by one thread.

    A request and a service may take the share of the deadline that the ``time_limits`` of its source state. Then the
    remaining facts of the service are Unknown at once, so that time is left for the other services.

    Stored answers are used while they are fresh. Expired ones are requested again, conditionally if the service gave a
    validator. If that fails, an answer that expired at most 7 days ago is used and the source is ``partial``; an older
    one is Unknown.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        now: int,
        deadline_seconds: float,
        offline: bool,
        refresh: bool,
        progress: Callable[[int, int], None] | None,
        cached_only: bool = False,
        max_cooldown: int | None = None,
    ) -> None:
        #: The fetcher whose connections and store the run uses.
        self.fetcher = fetcher
        self._now = now
        self._offline = offline
        self._refresh = refresh
        self._cached_only = cached_only
        self._max_cooldown = max_cooldown
        self._deadline = time.monotonic() + deadline_seconds
        self._deadline_seconds = deadline_seconds
        self._min_time = deadline_seconds * _MIN_TIME_SHARE
        self._deadline_reason = f"deadline of {deadline_seconds:g} s reached"
        self._progress = progress
        self._states: dict[tuple[str, str], EndpointState] = {}
        self._unreachable: dict[str, str] = {}
        self._budgets: dict[tuple[str, str], TimeBudget] = {}
        self._joint_budget = TimeBudget(deadline_seconds * JOINT_SHARE, name="joint time budget")
        self._joint_budget.pause()
        self._is_waiting = False
        self._next_check = 0.0
        self._stats: dict[str, SourceStats] = {}
        self._pending_rows: dict[tuple[str, str], dict[str, Row]] = {}
        #: Hashes of the keys of all answers of this run: it may read them again, and they are not from the cache.
        self._received_keys: set[int] = set()
        self._request_counts: Counter[str] = Counter()
        #: Batches that were started, by the key of their source in the store and by subject.
        self._started: dict[tuple[str, str], dict[Any, Batch[Any, Any]]] = {}
        self._results: SimpleQueue[Result] = SimpleQueue()
        #: Requests that are queued or under way.
        self._jobs: dict[Job, Batch[Any, Any]] = {}
        #: Endpoints whose first request is under way, with the requests that wait for its result.
        self._probes: dict[EndpointState, list[Job]] = {}
        self._on_idle: IdleCallback | None = None
        self._completed = self._total = 0

    def fetch(self, source: Source[S, T], subjects: Sequence[S], endpoint: Endpoint) -> dict[S, Fact[T]]:
        """Return the fact of one source about each subject.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        [facts] = self.fetch_all([(source, subjects, endpoint)])
        return facts

    def fetch_all(self, plan: FetchPlan) -> list[dict[Any, Fact[Any]]]:
        """Fetch from several sources at once; return the facts of each, in the order of the plan.

        Facts that :meth:`start` began to fetch are waited for, and not requested again.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        self._process_waiting_results()
        groups = [self._collect_batches(*entry) for entry in plan]
        self._wait([pair for group in groups for pair in group])
        self._save_rows(min_rows=_SAVE_THRESHOLD if self._jobs else 1)
        return [self._take_facts(group) for group in groups]

    def start(
        self,
        source: Source[S, T],
        subjects: Iterable[S],
        endpoint: Endpoint,
        on_facts: Callable[[Mapping[S, Fact[T]]], None] | None = None,
        *,
        is_tentative: bool = False,
    ) -> Batch[S, T] | None:
        """Begin to fetch facts, for a later :meth:`fetch_all` about the same source and subjects; wait for nothing.

        Returns the batch of those subjects that were not started before; None without any. What is never asked for by
        such a call is in no summary. ``on_facts`` receives the facts as they arrive, those of the store at once; it is
        called from this thread, while the run waits, and may start further requests; of what fails tentatively it
        receives nothing. Without a network nothing is begun.

        With ``is_tentative`` the subjects may not exist, and the first request does not leave alone, whatever the
        source states. A failure is no fact then: who asks for the subject later, here or by :meth:`fetch_all`, causes a
        request that counts. After a few failures the others are not sent.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        if self._offline or (is_tentative and not self.fetcher.sends_tentative):
            return None
        started = self._started.setdefault((source.name, endpoint.scope), {})
        unique_subjects = dict.fromkeys(subjects)
        new_subjects = [subject for subject in unique_subjects if subject not in started]
        if not is_tentative:
            for subject in unique_subjects:
                if subject in started:
                    self._await_tentative(started[subject], subject)
        if not new_subjects:
            return None
        batch = self._create_batch(source, new_subjects, endpoint)
        started.update(dict.fromkeys(batch.subjects, batch))
        try:
            self._begin(batch, is_tentative=is_tentative)
        except BaseException:  # as if it had not been started: who asks for the subjects later causes the requests
            for subject in batch.subjects:
                del started[subject]
            raise
        batch.on_facts = on_facts
        if on_facts is not None and batch.facts:
            on_facts(dict(batch.facts))
        if not batch.job_count and not batch.untold:
            batch.on_facts = None
        return batch

    def call_when_idle(self, on_idle: IdleCallback) -> None:
        """Call ``on_idle`` whenever every result so far is processed: before the run waits for more, or returns.

        ``is_quiet`` tells that none arrived for ``_POLL_INTERVAL`` seconds. It replaces the one of an earlier call.
        """
        self._on_idle = on_idle

    def drop_unclaimed(self) -> None:
        """Drop the facts that :meth:`start` fetched and no :meth:`fetch_all` asked for; the store has them."""
        for started in self._started.values():
            for subject in [subject for subject, batch in started.items() if not batch.job_count]:
                del started[subject]

    @property
    def has_open_requests(self) -> bool:
        """Whether a request is under way, or queued."""
        return bool(self._jobs)

    def finish(self) -> None:
        """Give up what was started and never asked for, and store all answers."""
        self._abandon_jobs()
        self._save_rows(min_rows=1)

    @property
    def source_stats(self) -> Mapping[str, SourceStats]:
        """The statistics of each source so far, by label."""
        return self._stats

    def has_other_answers(self, source: Source[Any, Any], count: int) -> bool:
        """Whether the service answered about more than this many subjects."""
        return self._stats[source.label].received > count

    def withdraw_answers(self, source: Source[Any, Any], count: int) -> None:
        """Count this many answers of a service as failed: a server that gave no other answer is not that service."""
        self._stats[source.label].withdraw(count)

    def add_stats(self, source_stats: Mapping[str, SourceStats]) -> None:
        """Add the statistics of another run, which sent no requests."""
        for label, stats in source_stats.items():
            self._stats.setdefault(label, SourceStats(label)).add(stats)

    def summarise_sources(self) -> tuple[SourceSummary, ...]:
        """Return a summary of each source so far, in the order of first use."""
        return tuple(
            replace(stats, requests=self._request_counts[label]).summarise() for label, stats in self._stats.items()
        )

    def _collect_batches(
        self, source: Source[S, T], subjects: Iterable[S], endpoint: Endpoint
    ) -> list[tuple[Batch[S, T], S]]:
        """Return each subject with the batch that fetches it: one that was started, or else a new one.

        What is started meanwhile about the same subjects sends no second request.
        """
        self._stats.setdefault(source.label, SourceStats(source.label))
        started = self._started.setdefault((source.name, endpoint.scope), {})
        unique_subjects = dict.fromkeys(subjects)
        new_subjects = [subject for subject in unique_subjects if subject not in started]
        if new_subjects:
            batch = self._create_batch(source, new_subjects, endpoint)
            started.update(dict.fromkeys(new_subjects, batch))
            self._begin(batch)
        for subject in unique_subjects:
            self._await_tentative(started[subject], subject)
        return [(started[subject], subject) for subject in unique_subjects]

    def _create_batch(self, source: Source[S, T], subjects: Iterable[S], endpoint: Endpoint) -> Batch[S, T]:
        key = (source.name, endpoint.url)
        if key not in self._states:
            self._states[key] = EndpointState(self._get_breaker(*key))
        budgets = self._open_budgets(source, endpoint)
        return Batch(
            source,
            subjects,
            endpoint,
            state=self._states[key],
            budgets=budgets,
            has_time=self._seconds_left() >= self._min_time
            and all(budget.share_left >= _MIN_TIME_SHARE for budget in budgets),
        )

    def _open_budgets(self, source: Source[Any, Any], endpoint: Endpoint) -> tuple[TimeBudget, ...]:
        """Return the time budgets of a service: all sources with one label at one endpoint share them."""
        limits, key = get_time_limits(source), (source.label, endpoint.url)
        if key not in self._budgets:
            seconds = self._deadline_seconds
            self._budgets[key] = TimeBudget(seconds * limits.total, seconds * limits.idle)
            if not self._is_waiting:
                self._budgets[key].pause()
        return (self._budgets[key], *([self._joint_budget] if limits.is_joint else ()))

    def _begin(self, batch: Batch[Any, Any], *, is_tentative: bool = False) -> None:
        """Use the answers of the store, and send requests for the others."""
        subjects = self._read_store(batch)
        if not subjects or self._offline:
            return
        jobs = list(self._create_jobs(batch, subjects))
        if jobs and self._cached_only:
            raise NotCachedError
        if is_tentative:
            batch.tentative.update(subject for job in jobs for subject in job.request.subjects)
            batch.untold.update(subject for subject in subjects if subject not in batch.tentative)
            for job in jobs:
                job.state, job.is_tentative = batch.tentative_state, True
        self._add_jobs(batch, jobs)

    def _await_tentative(self, batch: Batch[S, T], subject: S) -> None:
        """Let a failure of a tentative request be followed by one that counts; send that if it has failed."""
        if subject in batch.tentative:
            batch.awaited.add(subject)
        elif subject in batch.untold:
            batch.untold.discard(subject)
            self._add_jobs(batch, list(self._create_jobs(batch, [subject])))

    def _end_tentative(self, batch: Batch[Any, Any], result: Result) -> None:
        """End a tentative request without a value as if it had not been sent."""
        batch.end_job(has_response=False)
        self._request_counts[batch.source.label] += result.job.request_count
        self._report_progress(1)
        batch.tentative_failures += 1
        if batch.tentative_failures >= _MAX_TENTATIVE_FAILURES:
            batch.tentative_state.local.trip("too many failures")
        for subject in result.job.request.subjects:
            batch.tentative.discard(subject)
            batch.untold.add(subject)
            if subject in batch.awaited:
                self._await_tentative(batch, subject)
        if batch.on_facts is not None:  # less is open
            batch.on_facts({})

    def _take_facts(self, group: Sequence[tuple[Batch[S, T], S]]) -> dict[S, Fact[T]]:
        """Return the facts of one source, and count them."""
        for batch in dict.fromkeys(batch for batch, _ in group):
            self._save_missing(batch)
            self._save_failure(batch)
        facts: dict[S, Fact[T]] = {}
        outcomes: Counter[tuple[str, Outcome]] = Counter()
        for batch, group_pairs in groupby(group, key=itemgetter(0)):
            subjects = [subject for _, subject in group_pairs]
            for subject in subjects:
                if subject not in batch.facts:
                    self._fall_back(batch, subject, self._explain_missing(batch, subject))
            label = batch.source.label
            outcomes.update((label, batch.outcomes[subject]) for subject in subjects)
            started = self._started[batch.store_key]
            for subject in subjects:
                started.pop(subject, None)
            facts.update((subject, batch.facts[subject]) for subject in subjects)
        for (label, outcome), count in outcomes.items():
            self._stats[label].add_outcome(outcome, count)
        return facts

    def _read_store(self, batch: Batch[S, T]) -> list[S]:
        """Use the fresh answers of the store; return the subjects without one."""
        decode, label, store_key = build_json_decoder(batch.source.kind).decode, batch.source.label, batch.store_key
        subjects = {subject.key: subject for subject in batch.subjects}
        if self._pending_rows.get(store_key):
            self._save_rows(min_rows=1)
        received_keys, outcomes = self._received_keys, _OutcomesByMoment()
        for key, row in self.fetcher.read_rows(store_key, list(subjects)).items():
            fact = _decode_row(row, label, decode)
            if fact is None:
                continue
            subject = subjects[key]
            if received_keys and hash((store_key, key)) in received_keys:
                batch.add_fact(subject, fact, Outcome(row.fetched_at))
            elif not self._is_usable(row):
                batch.stored[subject] = StoredFact(row, fact)
            else:
                batch.add_fact(subject, fact, outcomes[row.fetched_at])
        return [subject for subject in batch.subjects if subject not in batch.facts]

    def _is_usable(self, row: Row) -> bool:
        """Whether an answer that this run did not receive itself needs no new request.

        One from the future was written with a wrong clock.

        Raises:
            NotCachedError: only the cache may be used, and the answer may be one that another process of this run just
                received.
        """
        if self._cached_only and row.fetched_at >= self._now:
            raise NotCachedError
        if self._offline:
            return True
        is_fresh = row.fetched_at == self._now or row.fetched_at - DAY <= self._now < row.expires_at
        return is_fresh and not self._refresh

    def _create_jobs(self, batch: Batch[S, T], subjects: Sequence[S]) -> Iterator[Job]:
        state = batch.state
        if subjects and not state.attempted:
            self._load_missing(batch)
            self._load_failure(batch)
        if state.failures:
            subjects = [subject for subject in subjects if subject.key not in state.failures]
        if earlier := self.fetcher.failures:
            subjects = [subject for subject in subjects if (batch.store_key, subject.key) not in earlier]
        may_send = subjects and not state.open_reason and not batch.used_up_reason
        for request in batch.source.requests(subjects, batch.endpoint) if may_send else ():
            stored = batch.stored.get(request.subjects[0]) if len(request.subjects) == 1 else None
            if stored is not None and (etag := unpack_validator(stored.row.validator)):
                request = replace(request, validator=etag)  # noqa: PLW2901 - the same, conditionally
            yield self._create_job(batch, request)

    def _create_job(self, batch: Batch[S, T], request: Request[S]) -> Job:
        now = time.monotonic()
        return Job(
            batch.source,
            request,
            batch.state,
            deadline=self._deadline,
            budget_end=min(self._deadline, *(now + budget.total_left for budget in batch.budgets)),
            max_seconds=self._deadline_seconds * get_time_limits(batch.source).request,
            results=self._results,
        )

    def _load_missing(self, batch: Batch[Any, Any]) -> None:
        """Send no requests to an endpoint that was missing less than a day ago."""
        row = self.fetcher.read_rows(batch.store_key, [_MISSING_KEY]).get(_MISSING_KEY)
        if row is not None and row.value and self._is_usable(row):
            batch.state.local.mark_missing(row.value.decode(errors="replace"))

    def _save_missing(self, batch: Batch[Any, Any]) -> None:
        """Store that the endpoint is missing."""
        if batch.state.endpoint_missing and batch.state.attempted and not batch.state.succeeded:
            row = Row(batch.state.open_reason.encode(), self._now, self._now + DAY, "")
            self.fetcher.write_rows(batch.store_key, {_MISSING_KEY: row})

    def _load_failure(self, batch: Batch[Any, Any]) -> None:
        """Send no requests to a service in its cooldown, or that gave another source of this run no answer."""
        if not has_cooldown(batch.source):
            return
        state = batch.state
        keys = [_NO_ANSWER_KEY, _FAILURES_KEY]
        rows = {} if self._refresh else self.fetcher.read_rows(batch.store_key, keys)
        row, failures_row = rows.get(_NO_ANSWER_KEY), rows.get(_FAILURES_KEY)
        if failures_row is not None and failures_row.value and self._is_usable(failures_row):
            for key, failure in _decode_failures(failures_row.value).items():
                if self._now < failure.at + self._find_cooldown(batch):
                    state.failures.setdefault(key, failure)
                    state.earlier_keys.add(key)
        if row is not None and row.value and self._now < row.fetched_at + self._find_cooldown(batch):
            state.local.trip(f"{row.value.decode(errors='replace')} ({self._format_asked_at(row.fetched_at)})")
            state.in_cooldown = True
        elif batch.endpoint.url in self._unreachable:
            state.local.trip(self._unreachable[batch.endpoint.url])
            state.attempted = True

    def _get_breaker(self, source_name: str, url: str) -> CircuitBreaker:
        if self._max_cooldown is None:
            return self.fetcher.get_breaker(source_name, url)
        # A second less: a client that waits for the end of the cooldown may count in whole seconds.
        return self.fetcher.get_breaker(source_name, url, self._max_cooldown - 1)

    def _find_cooldown(self, batch: Batch[Any, Any]) -> int:
        """Return the seconds without requests after a source gave no answer; 0 = it is asked by each run."""
        cooldown: int = getattr(batch.source, "cooldown", 0)
        return cooldown if self._max_cooldown is None else min(cooldown, self._max_cooldown)

    def _format_asked_at(self, epoch_seconds: int) -> str:
        """Return the time of a request as text; absolute, so that later runs print the same."""
        moment = time.strftime("%Y-%m-%d %H:%M", time.gmtime(epoch_seconds))
        # a run that asks again soon by itself is not one of a command with this option
        return f"requested at {moment} UTC{'; --refresh retries' if self._max_cooldown is None else ''}"

    def _save_failure(self, batch: Batch[Any, Any]) -> None:
        """Begin the cooldown of a service that gave no answer at all, or of the subjects that failed."""
        state, cooldown = batch.state, self._find_cooldown(batch)
        if cooldown and state.succeeded and self._refresh:
            no_row = Row(b"", self._now, self._now, "")
            self.fetcher.write_rows(batch.store_key, {_NO_ANSWER_KEY: no_row, _FAILURES_KEY: no_row})
        if not cooldown or not state.attempted or state.succeeded or state.endpoint_missing or state.in_cooldown:
            return
        if not state.has_failed_service:
            if batch.has_time and state.failures:
                failures = dict(islice(reversed(state.failures.items()), _MAX_FAILURES))
                row = Row(msgspec.json.encode(failures), self._now, self._now + cooldown, "")
                self.fetcher.write_rows(batch.store_key, {_FAILURES_KEY: row})
            return
        reason = state.error or state.open_reason
        state.local.trip(reason)
        if state.unreachable:
            self._unreachable.setdefault(batch.endpoint.url, reason)
        if batch.has_time:
            row = Row(reason.encode(), self._now, self._now + cooldown, "")
            self.fetcher.write_rows(batch.store_key, {_NO_ANSWER_KEY: row})

    def _add_jobs(self, batch: Batch[Any, Any], jobs: Sequence[Job]) -> None:
        """Send requests, or let them wait for the first result at their endpoint."""
        if not jobs or self._seconds_left() <= 0:
            return
        self._report_progress(0, new_jobs=len(jobs))
        batch.begin_jobs(len(jobs))
        self._jobs.update(dict.fromkeys(jobs, batch))
        state, ready_jobs = batch.state, jobs
        if batch.source.probe and not state.attempted and not jobs[0].is_tentative:
            ready_jobs = [] if state in self._probes else jobs[:1]
            self._probes.setdefault(state, []).extend(jobs[len(ready_jobs) :])
        if ready_jobs:
            self.fetcher.open_runner().add_jobs(ready_jobs)

    def _wait(self, pending: list[tuple[Batch[Any, Any], Any]]) -> None:
        """Process results until each batch has a fact about its subject or no request left, or the deadline is over."""
        for budget in self._iter_budgets():
            budget.resume()
        self._is_waiting = True
        try:
            while pending:
                batch, subject = pending[-1]
                if subject in batch.facts or not batch.job_count:
                    pending.pop()
                    continue
                if self._on_idle is not None and self._results.empty():
                    self._on_idle(is_quiet=False)
                result = self._next_result()
                if result is None:
                    self._abandon_jobs()
                else:
                    self._process_result(result)
            if self._on_idle is not None:
                self._on_idle(is_quiet=False)
        except BaseException:
            self._abandon_jobs()
            self._save_rows(min_rows=1)
            raise
        finally:
            self._is_waiting = False
            for budget in self._iter_budgets():
                budget.pause()

    def _iter_budgets(self) -> Iterator[TimeBudget]:
        yield from self._budgets.values()
        yield self._joint_budget

    def _process_waiting_results(self) -> None:
        """Process the results that arrived while the run did something else."""
        while self._jobs and not self._results.empty():
            result = self._results.get()
            if result.job in self._jobs:
                self._process_result(result)

    def _abandon_jobs(self) -> None:
        """Wait for no request any more."""
        if not self._jobs:
            return
        self.fetcher.open_runner().end_run(self._results)
        for job, batch in self._jobs.items():
            job.is_abandoned = True
            batch.end_job(has_response=False)
            self._request_counts[batch.source.label] += job.request_count
        self._jobs.clear()
        self._probes.clear()

    def _next_result(self) -> Result | None:
        """Return the next result of a job; None if there is none at the deadline."""
        while (seconds_left := self._seconds_left()) > 0:
            if self._results.empty() and time.monotonic() >= self._next_check:
                self.fetcher.open_runner().abandon_jobs(_find_overdue(self._jobs))
                self._next_check = time.monotonic() + _POLL_INTERVAL
            with suppress(Empty):
                result = self._results.get(timeout=min(seconds_left, _POLL_INTERVAL))
                if result.job in self._jobs:  # else a result that comes after the job was abandoned
                    return result
            if self._on_idle is not None and self._results.empty():
                self._on_idle(is_quiet=True)
        while not self._results.empty():
            result = self._results.get()
            if result.job in self._jobs:
                return result
        return None

    def _process_result(self, result: Result) -> None:
        """Add the facts of one result to its batch, and send the requests that follow from it."""
        batch = self._jobs.pop(result.job)
        if result.job.is_tentative and not _has_value(result):
            self._end_tentative(batch, result)
            return
        if result.job.is_tentative:
            batch.tentative_failures = 0
        known_count = len(batch.facts)
        self._add_result(batch, result)
        self._add_jobs(batch, [self._create_job(batch, request) for request in result.next_requests])
        waiting_jobs = self._probes.pop(batch.state, ())
        if waiting_jobs:
            self.fetcher.open_runner().add_jobs(waiting_jobs)
        if batch.on_facts is not None and len(batch.facts) > known_count:
            batch.on_facts(dict(islice(batch.facts.items(), known_count, None)))
        if not batch.job_count and not batch.untold:
            batch.on_facts = None  # it may refer to the batch

    def _add_result(self, batch: Batch[Any, Any], result: Result) -> None:
        state = batch.state
        state.attempted = True
        state.succeeded = state.succeeded or bool(result.entries or result.not_modified)
        batch.end_job(has_response=bool(result.entries or result.not_modified or result.next_requests))
        state.error = state.error or result.failure or ("" if result.next_requests else _INCOMPLETE_REASON)
        self._request_counts[batch.source.label] += result.job.request_count
        subjects = result.job.request.subjects
        batch.tentative.difference_update(subjects)
        deferred_subjects = {subject for request in result.next_requests for subject in request.subjects}
        for subject, value, encoded in result.entries:
            if subject in batch.subjects and subject not in batch.facts:
                fact = _create_fact(value, batch.source.label, self._now)
                self._save_fact(batch, subject, fact, encoded, pack_validator(result.validator))
        for subject in subjects:
            if result.not_modified and subject in batch.stored:
                row, fact = batch.stored[subject]
                renewed = replace(fact, retrieved_at=self._now)
                self._save_fact(batch, subject, renewed, row.value, row.validator)
            elif subject not in batch.facts and subject not in deferred_subjects:
                is_late = result.failure and self._seconds_left() <= 0
                reason = result.failure or _INCOMPLETE_REASON
                if not is_late and has_cooldown(batch.source):
                    state.failures[subject.key] = Failure(reason, self._now)
                    state.earlier_keys.discard(subject.key)
                    if result.failure and (len(subjects) > 1 or not result.is_unreadable):
                        state.failed_keys.add(subject.key)
                self._fall_back(batch, subject, self._deadline_reason if is_late else reason)
        self._report_progress(1)

    def _save_fact(
        self,
        batch: Batch[Any, Any],
        subject: Subject,
        fact: Found[Any] | Absent,
        encoded: bytes | None,
        validator: str,
    ) -> None:
        """Keep one answer, and queue it for the store."""
        max_age = get_max_age(batch.source, fact.value if isinstance(fact, Found) else None)
        batch.add_fact(subject, fact, Outcome(self._now))
        row = Row(encoded, self._now, self._now + max_age, validator)
        rows = self._pending_rows.setdefault(batch.store_key, {})
        rows[subject.key] = row
        self._received_keys.add(hash((batch.store_key, subject.key)))
        if len(rows) >= _SAVE_THRESHOLD:
            self._save_rows(min_rows=_SAVE_THRESHOLD)

    def _fall_back(self, batch: Batch[S, T], subject: S, reason: str) -> None:
        """Use the stored answer if it expired a short time ago, else Unknown."""
        if self.fetcher.failures is not None and not self._offline:
            self.fetcher.failures.setdefault((batch.store_key, subject.key), reason)
        if self.fetcher.settings.hides_hosts:
            reason = _hide_hosts(reason, parse_url(batch.endpoint.url).netloc)
        stored = batch.stored.get(subject)
        if stored is not None and self._now < stored.row.expires_at + _STALE_GRACE:
            outcome = Outcome(stored.row.fetched_at, is_cached=True, is_stale=True, reason=reason)
            batch.add_fact(subject, stored.fact, outcome)
            return
        outcome = Outcome(None, is_missing=batch.state.endpoint_missing, reason=reason)
        batch.add_fact(subject, Unknown(reason, batch.source.label), outcome)

    def _explain_missing(self, batch: Batch[Any, Any], subject: Subject) -> str:
        """Return why no result is about a subject."""
        if self.fetcher.failures and (reason := self.fetcher.failures.get((batch.store_key, subject.key))):
            return reason
        failure = batch.state.failures.get(subject.key)
        if failure is not None:
            is_earlier = subject.key in batch.state.earlier_keys
            return f"{failure.reason} ({self._format_asked_at(failure.at)})" if is_earlier else failure.reason
        if batch.state.open_reason:
            return batch.state.open_reason
        if self._offline:
            return _OFFLINE_REASON
        if self._seconds_left() <= 0:
            return self._deadline_reason
        return batch.used_up_reason or NOT_REQUESTED.reason

    def _save_rows(self, *, min_rows: int) -> None:
        for store_key, rows in self._pending_rows.items():
            if len(rows) >= min_rows:
                self.fetcher.write_rows(store_key, rows)
                self._pending_rows[store_key] = {}

    def _report_progress(self, completed: int, *, new_jobs: int = 0) -> None:
        self._completed += completed
        self._total += new_jobs
        if self._progress is not None:
            self._progress(self._completed, self._total)

    def _seconds_left(self) -> float:
        return self._deadline - time.monotonic()


class _OutcomesByMoment(dict[int, Outcome]):
    """The outcome of stored answers by the moment they were fetched: thousands share one."""

    def __missing__(self, fetched_at: int) -> Outcome:
        outcome = self[fetched_at] = Outcome(fetched_at, is_cached=True)
        return outcome


def _decode_row(row: Row, label: str, decode: Callable[[bytes], T]) -> Found[T] | Absent | None:
    """Return the fact of a row; None if it cannot be decoded."""
    if row.value is None:
        return Absent(label, row.fetched_at)
    try:
        return Found(decode(row.value), label, row.fetched_at)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _decode_failures(value: bytes) -> dict[str, Failure]:
    """Return the failures of a row; none if it is damaged."""
    try:
        return msgspec.json.decode(value, type=dict[str, Failure])
    except (msgspec.MsgspecError, RecursionError):
        return {}


def _hide_hosts(reason: str, host: str) -> str:
    """Return a reason without the hosts in it: of the endpoint, those that it led to, and proxies."""
    text = _DETAILS.sub("", reason).removeprefix(f"{host}: ")
    return _REDIRECT.sub("redirects elsewhere", _HOST.sub("", text)).replace(host, "the source")


def _create_fact(value: T | None, label: str, now: int) -> Found[T] | Absent:
    return Absent(label, now) if value is None else Found(value, label, now)


def _has_value(result: Result) -> bool:
    """Whether a result has a value of every subject."""
    values = {subject for subject, value, _ in result.entries if value is not None}
    return result.not_modified or values.issuperset(result.job.request.subjects)


def _find_overdue(jobs: Mapping[Job, Batch[Any, Any]]) -> dict[Job, str]:
    """Return the jobs to wait for no longer: empty if an attempt takes too long, else why there is no time left."""
    latest_deadline = time.monotonic() - _GIVE_UP_DELAY
    reasons = {
        batch: batch.used_up_reason
        for batch in set(jobs.values())
        if any(budget.seconds_left < -_GIVE_UP_DELAY for budget in batch.budgets)
    }
    return {
        job: "" if job.attempt_deadline < latest_deadline else reasons[batch]
        for job, batch in jobs.items()
        if job.attempt_deadline < latest_deadline or batch in reasons
    }
