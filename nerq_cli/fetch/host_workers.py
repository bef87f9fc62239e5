"""Daemon threads for jobs, a limited number for each host.

``concurrent.futures`` joins its threads when the interpreter exits, so a thread that hangs in a name look-up would keep
the process alive. Daemon threads do not.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY, MAX_CONCURRENCY, HostConcurrency

Job = TypeVar("Job")

#: Seconds that a thread without a job waits for one: the next requests often follow from the last answers.
_IDLE_SECONDS: Final = 0.5


class _Host(Generic[Job]):
    """The jobs and threads of one host. Whoever uses it holds the lock."""

    def __init__(self, concurrency: HostConcurrency, lock: threading.Lock) -> None:
        self.concurrency = concurrency
        self.queue: deque[Job] = deque()
        #: Threads that take jobs.
        self.thread_count = 0
        #: Those of them that wait for one.
        self.idle_count = 0
        #: Jobs that wait for their next attempt, each in a thread.
        self.paused_jobs: set[Job] = set()
        #: Notified for each job that an idle thread is to take.
        self.has_job = threading.Condition(lock)
        #: Notified for each paused job that may go on.
        self.may_go_on = threading.Condition(lock)

    @property
    def busy_count(self) -> int:
        """Threads that have a job, or are about to take one."""
        return self.thread_count - self.idle_count

    @property
    def is_over_limit(self) -> bool:
        """Whether more threads than allowed are busy."""
        return self.busy_count > self.concurrency.limit

    @property
    def is_full(self) -> bool:
        """Whether the host receives as many requests as it may, those that are paused left out."""
        return self.busy_count - len(self.paused_jobs) >= self.concurrency.limit

    def reserve_threads(self) -> int:
        """Wake threads for the jobs in the queue; return how many to start besides."""
        self.has_job.notify(len(self.queue))
        free_count = self.concurrency.limit - self.busy_count
        count = max(min(free_count, len(self.queue)) - self.idle_count, 0)
        self.thread_count += count
        return count


class HostWorkers(Generic[Job]):
    """Runs queued jobs in as many threads for each host as its ``HostConcurrency`` allows. ``run_job`` must not raise.

    A job that does not end in time can be abandoned: another thread takes its place, and its own ends with the job. No
    timeout of a library is needed for that, so it holds for a name look-up and for a server that drips bytes, too.
    """

    def __init__(self, concurrency: int, run_job: Callable[[Job], None]) -> None:
        self._concurrency = concurrency
        self._run_job = run_job
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host[Job]] = {}
        #: Jobs that have begun and are not abandoned, with their host.
        self._begun: dict[Job, str] = {}
        #: Threads whose job is abandoned.
        self._abandoned_count = 0
        self._is_closing = False
        self._on_idle: Callable[[], None] | None = None

    def add_jobs(
        self,
        host: str,
        jobs: Iterable[Job],
        *,
        max_concurrency: int = MAX_CONCURRENCY,
        initial_concurrency: int = INITIAL_CONCURRENCY,
    ) -> None:
        """Queue jobs for a host, which receives at most ``max_concurrency`` requests at a time.

        A new host receives ``initial_concurrency`` of them to begin with.
        """
        with self._lock:
            if host not in self._hosts:
                maximum = min(self._concurrency, max_concurrency)
                concurrency = HostConcurrency(maximum, initial=initial_concurrency)
                self._hosts[host] = _Host(concurrency, self._lock)
            state = self._hosts[host]
            state.queue.extend(jobs)
            new_threads = state.reserve_threads()
        self._start_threads(host, new_threads)

    def record_answer(self, host: str, kind: str, begun_at: float, status: int) -> bool:
        """Adapt the number of threads to an answer; see ``HostConcurrency.record_answer``."""
        with self._lock:
            state = self._hosts[host]
            is_needed = len(state.queue) > state.idle_count
            is_premature = state.concurrency.record_answer(kind, begun_at, status, is_needed=is_needed)
            new_threads = state.reserve_threads()
            state.may_go_on.notify()
        self._start_threads(host, new_threads)
        return is_premature

    @contextmanager
    def pause(self, host: str, job: Job, deadline: float) -> Iterator[None]:
        """Let the thread of a job wait; after that, until its host may receive one more request, or the deadline.

        The deadline is on the monotonic clock. The thread keeps its place: a host that refused a request receives no
        other for it.
        """
        state = self._hosts[host]
        with self._lock:
            if job in self._begun:
                state.paused_jobs.add(job)
                state.may_go_on.notify()
        yield
        with self._lock:
            while job in state.paused_jobs and state.is_full and not self._is_closing:
                if not state.may_go_on.wait(max(deadline - time.monotonic(), 0.0)):
                    break
            state.paused_jobs.discard(job)
            if not state.is_full:
                state.may_go_on.notify()

    def abandon_jobs(self, is_abandoned: Callable[[Job], bool]) -> None:
        """Drop queued jobs for which ``is_abandoned`` is true, and count threads of begun ones as lost."""
        with self._lock:
            for state in self._hosts.values():
                state.queue = deque(job for job in state.queue if not is_abandoned(job))
            for job in [job for job in self._begun if is_abandoned(job)]:
                state = self._hosts[self._begun.pop(job)]
                state.thread_count -= 1
                state.paused_jobs.discard(job)
                state.may_go_on.notify_all()
                self._abandoned_count += 1
            new_threads = {host: state.reserve_threads() for host, state in self._hosts.items()}
        for host, count in new_threads.items():
            self._start_threads(host, count)

    def call_when_idle(self, on_idle: Callable[[], None]) -> None:
        """Drop all queued jobs, and call ``on_idle`` once no thread has a job: now, or from the last thread."""
        with self._lock:
            self._is_closing = True
            for state in self._hosts.values():
                state.queue.clear()
                state.has_job.notify_all()
                state.may_go_on.notify_all()
            is_idle = self._is_idle()
            self._on_idle = None if is_idle else on_idle
        if is_idle:
            on_idle()

    def _start_threads(self, host: str, count: int) -> None:
        for _ in range(count):
            threading.Thread(target=self._run_worker, args=(host,), name=f"nerq {host}", daemon=True).start()

    def _run_worker(self, host: str) -> None:
        job = self._take_job(host)
        while job is not None:
            self._run_job(job)
            job = self._take_job(host, job)

    def _take_job(self, host: str, ended_job: Job | None = None) -> Job | None:
        """Return the next job, after a while of waiting; None if the thread is to end."""
        on_idle = None
        with self._lock:
            state = self._hosts[host]
            if ended_job is not None and self._begun.pop(ended_job, None) is None:
                self._abandoned_count -= 1
            else:
                if not (state.queue or state.is_over_limit or self._is_closing):
                    state.idle_count += 1
                    state.may_go_on.notify()
                    state.has_job.wait(_IDLE_SECONDS)
                    state.idle_count -= 1
                if state.queue and not state.is_over_limit:
                    job = state.queue.popleft()
                    self._begun[job] = host
                    return job
                state.thread_count -= 1
                state.may_go_on.notify()
            if self._is_idle():
                on_idle, self._on_idle = self._on_idle, None
        if on_idle is not None:
            on_idle()
        return None

    def _is_idle(self) -> bool:
        """Whether no thread runs a job, abandoned or not. The lock is held."""
        return not self._abandoned_count and not self._begun
