"""Daemon threads for jobs, a limited number for each host.

``concurrent.futures`` joins its threads when the interpreter exits, so a thread that hangs in a name look-up would keep
the process alive. Daemon threads do not.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class HostWorkers(Generic[Job]):
    """Runs queued jobs in at most ``concurrency`` threads for each host. ``run_job`` must not raise.

    A job that does not end in time can be abandoned: another thread takes its place, and its own ends with the job. No
    timeout of a library is needed for that, so it holds for a name look-up and for a server that drips bytes, too.
    """

    def __init__(self, concurrency: int, run_job: Callable[[Job], None]) -> None:
        self._concurrency = concurrency
        self._run_job = run_job
        self._lock = threading.Lock()
        self._queues: defaultdict[str, deque[Job]] = defaultdict(deque)
        #: Threads that take jobs, by host.
        self._threads: Counter[str] = Counter()
        #: Jobs that have begun and are not abandoned, with their host.
        self._begun: dict[Job, str] = {}
        #: Threads whose job is abandoned.
        self._abandoned_count = 0
        self._on_idle: Callable[[], None] | None = None

    def add_jobs(self, host: str, jobs: Iterable[Job]) -> None:
        """Queue jobs for a host."""
        with self._lock:
            self._queues[host].extend(jobs)
            new_threads = self._reserve_threads(host)
        self._start_threads(host, new_threads)

    def abandon_jobs(self, is_abandoned: Callable[[Job], bool]) -> None:
        """Drop queued jobs for which ``is_abandoned`` is true, and count threads of begun ones as lost."""
        with self._lock:
            for host, queue in self._queues.items():
                self._queues[host] = deque(job for job in queue if not is_abandoned(job))
            for job in [job for job in self._begun if is_abandoned(job)]:
                self._threads[self._begun.pop(job)] -= 1
                self._abandoned_count += 1
            new_threads = {host: self._reserve_threads(host) for host in self._queues}
        for host, count in new_threads.items():
            self._start_threads(host, count)

    def call_when_idle(self, on_idle: Callable[[], None]) -> None:
        """Drop all queued jobs, and call ``on_idle`` once no thread is active: now, or from the last thread."""
        with self._lock:
            self._queues.clear()
            is_idle = self._is_idle()
            self._on_idle = None if is_idle else on_idle
        if is_idle:
            on_idle()

    def _reserve_threads(self, host: str) -> int:
        """Return the number of threads to start for the jobs of a host. The lock is held."""
        count = max(min(self._concurrency - self._threads[host], len(self._queues[host])), 0)
        self._threads[host] += count
        return count

    def _start_threads(self, host: str, count: int) -> None:
        for _ in range(count):
            threading.Thread(target=self._run_worker, args=(host,), name=f"nerq {host}", daemon=True).start()

    def _run_worker(self, host: str) -> None:
        job = self._take_job(host)
        while job is not None:
            self._run_job(job)
            job = self._take_job(host, job)

    def _take_job(self, host: str, ended_job: Job | None = None) -> Job | None:
        """Return the next job; None if the thread is to end: there is no job, or another thread has its place."""
        with self._lock:
            if ended_job is not None and self._begun.pop(ended_job, None) is None:
                self._abandoned_count -= 1
            elif self._queues[host]:
                job = self._queues[host].popleft()
                self._begun[job] = host
                return job
            else:
                self._threads[host] -= 1
            on_idle = self._on_idle if self._is_idle() else None
        if on_idle is not None:
            on_idle()
        return None

    def _is_idle(self) -> bool:
        """Whether no thread runs a job, abandoned or not. The lock is held."""
        return not self._abandoned_count and not sum(self._threads.values())
