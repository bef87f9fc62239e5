"""Threads that ask, a few for each host, and never a reason to wait for them.

``concurrent.futures`` joins its threads when the interpreter exits, so one that hangs in a name look-up would hold the
process for as long as that takes. These are daemons: nobody waits for them.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Lanes(Generic[Job]):
    """Work waiting for each host, done by at most ``width`` threads a host. ``work`` must not raise."""

    def __init__(self, width: int, work: Callable[[Job], None]) -> None:
        self._width = width
        self._work = work
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, deque[Job]] = defaultdict(deque)
        self._busy: Counter[str] = Counter()
        self._last: Callable[[], None] | None = None

    def add(self, host: str, jobs: Iterable[Job]) -> None:
        """Let these be done, after what is waiting for this host already."""
        with self._lock:
            waiting = self._waiting[host]
            waiting.extend(jobs)
            needed = min(self._width - self._busy[host], len(waiting))
            self._busy[host] += needed
        for _ in range(needed):
            threading.Thread(target=self._run, args=(host,), name=f"nerq {host}", daemon=True).start()

    def clear(self) -> None:
        """Drop what is waiting; what has begun goes on."""
        with self._lock:
            self._waiting.clear()

    def retire(self, last: Callable[[], None]) -> None:
        """Drop what is waiting, and call ``last`` as soon as no thread is at work: now, or by the last of them."""
        self.clear()
        with self._lock:
            idle = not sum(self._busy.values())
            self._last = None if idle else last
        if idle:
            last()

    def _run(self, host: str) -> None:
        while (job := self._next(host)) is not None:
            self._work(job)

    def _next(self, host: str) -> Job | None:
        with self._lock:
            if self._waiting[host]:
                return self._waiting[host].popleft()
            self._busy[host] -= 1
            last = None if sum(self._busy.values()) else self._last
        if last is not None:
            last()
        return None
