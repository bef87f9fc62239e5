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
    """Runs queued jobs in at most ``concurrency`` threads for each host. ``run_job`` must not raise."""

    def __init__(self, concurrency: int, run_job: Callable[[Job], None]) -> None:
        self._concurrency = concurrency
        self._run_job = run_job
        self._lock = threading.Lock()
        self._queues: defaultdict[str, deque[Job]] = defaultdict(deque)
        self._active: Counter[str] = Counter()
        self._on_idle: Callable[[], None] | None = None

    def add_jobs(self, host: str, jobs: Iterable[Job]) -> None:
        """Queue jobs for a host."""
        with self._lock:
            queue = self._queues[host]
            queue.extend(jobs)
            new_threads = min(self._concurrency - self._active[host], len(queue))
            self._active[host] += new_threads
        for _ in range(new_threads):
            threading.Thread(target=self._run_worker, args=(host,), name=f"nerq {host}", daemon=True).start()

    def drop_jobs(self, is_dropped: Callable[[Job], bool]) -> None:
        """Drop queued jobs for which ``is_dropped`` is true; those that have begun continue."""
        with self._lock:
            for host, queue in self._queues.items():
                self._queues[host] = deque(job for job in queue if not is_dropped(job))

    def call_when_idle(self, on_idle: Callable[[], None]) -> None:
        """Drop all queued jobs, and call ``on_idle`` once no thread is active: now, or from the last thread."""
        with self._lock:
            self._queues.clear()
            is_idle = not sum(self._active.values())
            self._on_idle = None if is_idle else on_idle
        if is_idle:
            on_idle()

    def _run_worker(self, host: str) -> None:
        while (job := self._take_job(host)) is not None:
            self._run_job(job)

    def _take_job(self, host: str) -> Job | None:
        with self._lock:
            if self._queues[host]:
                return self._queues[host].popleft()
            self._active[host] -= 1
            on_idle = None if sum(self._active.values()) else self._on_idle
        if on_idle is not None:
            on_idle()
        return None
