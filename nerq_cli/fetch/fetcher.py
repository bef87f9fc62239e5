"""Facts from the store where it has them, and from the network where it does not. Silence is an answer too.

The HTTP library, and with it the network, is reached for only when a question really has to be asked: a run that the
store can answer imports neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from nerq_cli.facts import Absent, Fact, Found, Unknown
from nerq_cli.fetch.circuit_breaker import CircuitBreaker, Job, Result
from nerq_cli.fetch.settings import HttpSettings
from nerq_cli.fetch.source import Endpoint, Source, is_optional
from nerq_cli.fetch.source_stats import SourceStats, SourceSummary
from nerq_cli.inventory import Subject
from nerq_cli.store import Cache, Row

if TYPE_CHECKING:
    import httpx

    from nerq_cli.fetch.retry import JobRunner

__all__ = ["Fetcher", "HttpSettings", "FetchPlan", "SourceSummary"]

S = TypeVar("S", bound=Subject)
T = TypeVar("T")
#: Which sources are to be asked about what, and where.
FetchPlan: TypeAlias = "Sequence[tuple[Source[Any, Any], Sequence[Any], Endpoint]]"

_DAY: Final = 86_400
#: Seconds after its expiry for which an answer still does when no new one can be had.
_STALE_GRACE: Final = 7 * _DAY
#: Answers to gather before they are written to the store.
_SAVE_THRESHOLD: Final = 250
#: Seconds between two looks at the clock, and on Windows between two chances for Ctrl-C.
_POLL_INTERVAL: Final = 0.1
#: The key under which the store keeps that a server lacks an endpoint; no subject has a key like it.
_MISSING_KEY: Final = "(endpoint missing)"
#: The key under which the store keeps that a service gave no answer at all.
_NO_ANSWER_KEY: Final = "(no answer)"
#: A service is only called silent where this share of the whole time was left for it and for what comes after it.
_MIN_TIME_SHARE: Final = 0.3
_OFFLINE_REASON: Final = "offline: not in the cache"
_INCOMPLETE_REASON: Final = "the answer leaves it out"


class _StoredFact(NamedTuple):
    """An answer from the store, and what it was read as."""

    row: Row
    fact: Found[Any] | Absent


class _Batch(Generic[S, T]):
    """One source to be asked about some subjects at one address; ``facts`` fills up.

    ``has_time`` says that there is enough time left to hold a silence against it.
    """

    def __init__(
        self, source: Source[S, T], subjects: Iterable[S], endpoint: Endpoint, stats: SourceStats, *, has_time: bool
    ) -> None:
        self.source = source
        self.subjects = dict.fromkeys(subjects)
        self.endpoint = endpoint
        self.stats = stats
        self.has_time = has_time
        self.stored: dict[S, _StoredFact] = {}
        self.facts: dict[S, Fact[T]] = {}

    @property
    def store_key(self) -> tuple[str, str]:
        """Where the store keeps its answers."""
        return self.source.name, self.endpoint.scope


class Fetcher:
    """Asks sources about subjects, within one deadline for the whole run, counted from here.

    ``store`` answers first. What has expired is asked again, conditionally where the service gave a validator. When
    that fails, an answer that expired at most 7 days ago still does, and the source is reported as ``partial``;
    older ones are unknown. ``offline`` never asks and takes what the store has, however old; ``refresh`` asks about
    everything again. ``now`` is the present in epoch seconds; ``progress`` is told how many questions are answered,
    of how many. To be used by one thread.
    """

    def __init__(
        self,
        store: Cache,
        *,
        now: int,
        offline: bool = False,
        refresh: bool = False,
        deadline_seconds: float = 30.0,
        progress: Callable[[int, int], None] | None = None,
        settings: HttpSettings | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._store = store
        self._now = now
        self._offline = offline
        self._refresh = refresh
        self._deadline = time.monotonic() + deadline_seconds
        self._min_time = deadline_seconds * _MIN_TIME_SHARE
        self._deadline_reason = f"deadline of {deadline_seconds:g} s reached"
        self._progress = progress
        self._settings = settings or HttpSettings()
        self._transport = transport
        self._runner: JobRunner | None = None
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}
        self._unreachable: dict[str, str] = {}
        self._stats: dict[str, SourceStats] = {}
        self._pending_rows: dict[tuple[str, str], dict[str, Row]] = {}
        self._prefetched: dict[tuple[str, str], dict[Any, Fact[Any]]] = {}
        self._completed = self._total = 0

    def fetch(self, source: Source[S, T], subjects: Sequence[S], endpoint: Endpoint) -> dict[S, Fact[T]]:
        """Return what one source says of each subject.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        [facts] = self.fetch_all([(source, subjects, endpoint)])
        return facts

    def fetch_all(self, plan: FetchPlan, *, prefetch: FetchPlan = ()) -> list[dict[Any, Fact[Any]]]:
        """Ask several sources at once; return what each says, in the order of the plan.

        What is asked ``prefetch`` is asked at the same time, for whoever asks that source next.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        batches = [self._create_batch(*entry) for entry in plan]
        prefetch_batches = [self._create_batch(*entry) for entry in prefetch]
        self._run_batches([*batches, *prefetch_batches])
        self._prefetched |= {batch.store_key: batch.facts for batch in prefetch_batches}
        return [{subject: batch.facts[subject] for subject in batch.subjects} for batch in batches]

    def _create_batch(self, source: Source[S, T], subjects: Iterable[S], endpoint: Endpoint) -> _Batch[S, T]:
        """Return an errand, with what was asked ahead for it."""
        batch = _Batch(
            source, subjects, endpoint, self._get_stats(source), has_time=self._seconds_left() >= self._min_time
        )
        prefetched = self._prefetched.pop(batch.store_key, {})
        batch.facts |= (
            {subject: prefetched[subject] for subject in batch.subjects if subject in prefetched} if prefetched else {}
        )
        return batch

    def _run_batches(self, batches: Sequence[_Batch[Any, Any]]) -> None:
        """Find out about every subject of these errands, from the store or by asking."""
        pending = [(batch, self._read_store(batch)) for batch in batches]
        if not self._offline:
            results: SimpleQueue[Result] = SimpleQueue()
            self._run_jobs(
                {job: batch for batch, subjects in pending for job in self._create_jobs(batch, subjects, results)},
                results,
            )
        for batch, subjects in pending:
            self._save_missing(batch)
            self._save_failure(batch)
            for subject in subjects:
                if subject not in batch.facts:
                    self._fall_back(batch, subject, self._get_breaker(batch).open_reason or self._explain_missing())

    def summarise_sources(self) -> tuple[SourceSummary, ...]:
        """Say how each source did so far, in the order of their first being asked."""
        return tuple(stats.summarise() for stats in self._stats.values())

    def close(self) -> None:
        """Close the connections, without waiting for threads that are stuck in one."""
        if self._runner is not None:
            self._runner.close()

    def _read_store(self, batch: _Batch[S, T]) -> list[S]:
        """Take what the store knows, and return the subjects that are left to ask about."""
        decode = msgspec.json.Decoder(batch.source.kind).decode
        subjects = {subject.key: subject for subject in batch.subjects if subject not in batch.facts}
        batch.stats.requested += len(subjects)
        for key, row in self._store.get_many(*batch.store_key, list(subjects)).items():
            fact = _decode_row(row, batch.source.label, decode)
            if fact is not None and self._is_usable(row):
                batch.facts[subjects[key]] = fact
                batch.stats.add_answer(row.fetched_at, cached=True)
            elif fact is not None:
                batch.stored[subjects[key]] = _StoredFact(row, fact)
        return [subject for subject in batch.subjects if subject not in batch.facts]

    def _is_usable(self, row: Row) -> bool:
        """Whether this answer will do as it is. One from the future was written when a clock was wrong."""
        if self._offline or row.fetched_at == self._now:
            return True
        return not self._refresh and row.fetched_at - _DAY <= self._now < row.expires_at

    def _create_jobs(self, batch: _Batch[S, T], subjects: Sequence[S], results: SimpleQueue[Result]) -> Iterator[Job]:
        breaker = self._get_breaker(batch)
        if subjects and not breaker.attempted:
            self._load_missing(batch, breaker)
            self._load_failure(batch, breaker)
        for request in batch.source.requests(subjects, batch.endpoint) if subjects and not breaker.open_reason else ():
            stored = batch.stored.get(request.subjects[0]) if len(request.subjects) == 1 else None
            if stored is not None and stored.row.validator:
                request = replace(request, validator=stored.row.validator)  # noqa: PLW2901 - the same, conditionally
            yield Job(batch.source, request, breaker, results)

    def _load_missing(self, batch: _Batch[Any, Any], breaker: CircuitBreaker) -> None:
        """Close a line that an earlier run found missing, so that it is not asked about again within a day."""
        row = self._store.get_many(batch.source.name, batch.endpoint.scope, [_MISSING_KEY]).get(_MISSING_KEY)
        if row is not None and row.value and self._is_usable(row):
            breaker.mark_missing(row.value.decode(errors="replace"))

    def _save_missing(self, batch: _Batch[Any, Any]) -> None:
        """Put by for the store what this run found missing."""
        breaker = self._get_breaker(batch)
        if breaker.endpoint_missing and breaker.attempted:
            row = Row(breaker.open_reason.encode(), self._now, self._now + _DAY, "")
            self._store.put_many(*batch.store_key, {_MISSING_KEY: row})

    def _load_failure(self, batch: _Batch[Any, Any], breaker: CircuitBreaker) -> None:
        """Close a line that gave no answer a little while ago: to an earlier run, or to another source of this one."""
        if not is_optional(batch.source):
            return
        row = None if self._refresh else self._store.get_many(*batch.store_key, [_NO_ANSWER_KEY]).get(_NO_ANSWER_KEY)
        if row is not None and row.value and self._is_usable(row):
            breaker.trip(f"{row.value.decode(errors='replace')} ({_format_asked_at(row.fetched_at)})")
            breaker.in_cooldown = True
        elif batch.endpoint.url in self._unreachable:
            breaker.trip(self._unreachable[batch.endpoint.url])
            breaker.attempted = True

    def _save_failure(self, batch: _Batch[Any, Any]) -> None:
        """Put by for the store that a service gave no answer at all, for a run soon after this one."""
        breaker, cooldown = self._get_breaker(batch), getattr(batch.source, "cooldown", 0)
        if cooldown and breaker.succeeded and self._refresh:
            self._store.put_many(*batch.store_key, {_NO_ANSWER_KEY: Row(b"", self._now, self._now, "")})
        if (
            not cooldown
            or not breaker.attempted
            or breaker.succeeded
            or breaker.endpoint_missing
            or breaker.in_cooldown
        ):
            return
        reason = breaker.error or breaker.open_reason
        breaker.trip(reason)
        if breaker.unreachable:
            self._unreachable.setdefault(batch.endpoint.url, reason)
        if batch.has_time:
            row = Row(reason.encode(), self._now, self._now + cooldown, "")
            self._store.put_many(*batch.store_key, {_NO_ANSWER_KEY: row})

    def _run_jobs(self, jobs: dict[Job, _Batch[Any, Any]], results: SimpleQueue[Result]) -> None:
        """Put questions and take the replies, until all are in or the deadline is reached."""
        if not jobs or self._seconds_left() <= 0:
            return
        runner = self._open_runner()
        ready_jobs, waiting_jobs = _split_probes(jobs)
        self._report_progress(0, new_jobs=len(jobs))
        try:
            runner.add_jobs(ready_jobs)
            while jobs and (result := self._next_result(results)) is not None:
                batch = jobs.pop(result.job)
                self._process_result(batch, result)
                next_jobs = [
                    Job(batch.source, request, result.job.breaker, results) for request in result.next_requests
                ]
                jobs.update(dict.fromkeys(next_jobs, batch))
                runner.add_jobs([*waiting_jobs.pop(result.job.breaker, ()), *next_jobs])
        finally:
            runner.drop_pending()
            self._save_rows(min_rows=1)
            for job, batch in jobs.items():
                batch.stats.requests += job.request_count

    def _open_runner(self) -> JobRunner:
        if self._runner is None:
            from nerq_cli.fetch.retry import JobRunner

            self._runner = JobRunner(self._settings, deadline=self._deadline, transport=self._transport)
        return self._runner

    def _next_result(self, results: SimpleQueue[Result]) -> Result | None:
        """Return the next reply; None when there is none and the time is up."""
        result = None
        while result is None and (seconds_left := self._seconds_left()) > 0:
            with suppress(Empty):
                result = results.get(timeout=min(seconds_left, _POLL_INTERVAL))
        if result is None and not results.empty():
            result = results.get()
        return result

    def _process_result(self, batch: _Batch[Any, Any], result: Result) -> None:
        """File what one reply says about the subjects of its question."""
        breaker = result.job.breaker
        breaker.attempted = True
        breaker.succeeded = breaker.succeeded or bool(result.entries or result.not_modified)
        breaker.error = breaker.error or result.failure or ("" if result.next_requests else _INCOMPLETE_REASON)
        batch.stats.requests += result.job.request_count
        subjects = result.job.request.subjects
        deferred_subjects = {subject for request in result.next_requests for subject in request.subjects}
        for subject, value, encoded in result.entries:
            if subject in batch.subjects and subject not in batch.facts:
                self._save_fact(
                    batch, subject, _create_fact(value, batch.source.label, self._now), encoded, result.validator
                )
        for subject in subjects:
            if result.not_modified and subject in batch.stored:
                row, fact = batch.stored[subject]
                renewed = msgspec.structs.replace(fact, retrieved_at=self._now)
                self._save_fact(batch, subject, renewed, row.value, row.validator)
            elif subject not in batch.facts and subject not in deferred_subjects:
                is_late = result.failure and self._seconds_left() <= 0
                self._fall_back(
                    batch, subject, self._deadline_reason if is_late else result.failure or _INCOMPLETE_REASON
                )
        self._report_progress(1, new_jobs=len(result.next_requests))

    def _save_fact(
        self,
        batch: _Batch[Any, Any],
        subject: Subject,
        fact: Found[Any] | Absent,
        encoded: bytes | None,
        validator: str,
    ) -> None:
        """Take one answer, and put it by for the store."""
        max_age = batch.source.absent_fresh if encoded is None else batch.source.fresh
        batch.facts[subject] = fact
        batch.stats.add_answer(self._now, cached=False)
        row = Row(encoded, self._now, self._now + max_age, validator)
        self._pending_rows.setdefault(batch.store_key, {})[subject.key] = row
        self._save_rows(min_rows=_SAVE_THRESHOLD)

    def _fall_back(self, batch: _Batch[S, T], subject: S, reason: str) -> None:
        """Make do without a new answer: with one that expired lately, or with not knowing."""
        stored = batch.stored.get(subject)
        batch.stats.reasons[reason] += 1
        if stored is not None and self._now < stored.row.expires_at + _STALE_GRACE:
            batch.facts[subject] = stored.fact
            batch.stats.add_answer(stored.row.fetched_at, cached=True)
            batch.stats.stale += 1
            return
        batch.facts[subject] = Unknown(reason, batch.source.label)
        if self._get_breaker(batch).endpoint_missing:
            batch.stats.missing += 1
        else:
            batch.stats.failed += 1

    def _explain_missing(self) -> str:
        """Say why a subject has not been spoken of at all."""
        if self._offline:
            return _OFFLINE_REASON
        return "not asked" if self._seconds_left() > 0 else self._deadline_reason

    def _save_rows(self, *, min_rows: int) -> None:
        for store_key, rows in self._pending_rows.items():
            if len(rows) >= min_rows:
                self._store.put_many(*store_key, rows)
                self._pending_rows[store_key] = {}

    def _report_progress(self, completed: int, *, new_jobs: int = 0) -> None:
        self._completed += completed
        self._total += new_jobs
        if self._progress is not None:
            self._progress(self._completed, self._total)

    def _seconds_left(self) -> float:
        """Seconds to the deadline."""
        return self._deadline - time.monotonic()

    def _get_stats(self, source: Source[Any, Any]) -> SourceStats:
        return self._stats.setdefault(source.label, SourceStats(source.label))

    def _get_breaker(self, batch: _Batch[Any, Any]) -> CircuitBreaker:
        key = (batch.source.name, batch.endpoint.url)
        return self._breakers.setdefault(key, CircuitBreaker())


def _decode_row(row: Row, label: str, decode: Callable[[bytes], T]) -> Found[T] | Absent | None:
    """Return what a row of the store says; None when it makes no sense, as if it were not there."""
    if row.value is None:
        return Absent(label, row.fetched_at)
    try:
        return Found(decode(row.value), label, row.fetched_at)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _format_asked_at(epoch_seconds: int) -> str:
    """Say when a service was asked: by the clock, so that one run after another says the same."""
    return f"asked at {time.strftime('%Y-%m-%d %H:%M', time.gmtime(epoch_seconds))} UTC; --refresh asks again"


def _create_fact(value: T | None, label: str, now: int) -> Found[T] | Absent:
    return Absent(label, now) if value is None else Found(value, label, now)


def _split_probes(jobs: Iterable[Job]) -> tuple[list[Job], dict[CircuitBreaker, list[Job]]]:
    """Tell apart what may be asked at once from what waits for the first reply on its line."""
    ready_jobs: list[Job] = []
    waiting_jobs: dict[CircuitBreaker, list[Job]] = {}
    for job in jobs:
        if job.source.probe and not job.breaker.attempted and job.breaker in waiting_jobs:
            waiting_jobs[job.breaker].append(job)
        else:
            ready_jobs.append(job)
            waiting_jobs.setdefault(job.breaker, [])
    return ready_jobs, waiting_jobs
