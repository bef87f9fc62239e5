"""What runs share: the store, the connections, the circuit breakers."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from nerq_cli.fetch.circuit_breaker import CircuitBreaker
from nerq_cli.fetch.run import FetchPlan, FetchRun
from nerq_cli.fetch.settings import HttpSettings
from nerq_cli.fetch.source_stats import SourceSummary
from nerq_cli.store import Cache, Row
from nerq_cli.units import MINUTE

if TYPE_CHECKING:
    import httpx

    from nerq_cli.fetch.job_runner import JobRunner

__all__ = ["FetchPlan", "FetchRun", "Fetcher", "HttpSettings", "SourceSummary"]

#: Seconds after which a new run sends requests again although an earlier one opened the circuit.
_CIRCUIT_RESET: Final = MINUTE


class Fetcher:
    """Fetches facts for any number of runs, each with its own deadline. Safe for threads.

    The HTTP library is imported with the first request: a run that the store can answer does not need it.
    """

    def __init__(
        self, store: Cache, *, settings: HttpSettings | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._store = store
        self.settings = settings or HttpSettings()
        self._transport = transport
        self._runner: JobRunner | None = None
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}
        #: Why there was no answer about a subject in an earlier run, by the keys of its source and of the subject; None
        #: if later runs send such requests again.
        self.failures: dict[tuple[tuple[str, str], str], str] | None = None
        #: Whether runs send requests that may be of no use, to have answers earlier.
        self.sends_tentative = True
        self._lock = threading.Lock()
        self._store_lock = threading.Lock()

    def open_run(
        self,
        *,
        now: int,
        deadline_seconds: float = 30.0,
        offline: bool = False,
        refresh: bool = False,
        progress: Callable[[int, int], None] | None = None,
        cached_only: bool = False,
        max_cooldown: int | None = None,
    ) -> FetchRun:
        """Return a run whose deadline is ``deadline_seconds`` from now.

        Args:
            now: The present in epoch seconds.
            deadline_seconds: Seconds after which no answer is awaited any more.
            offline: Send no requests, and use stored answers of any age.
            refresh: Use no stored answers that an earlier run fetched.
            progress: Called with the number of completed requests and of all requests so far.
            cached_only: Raise ``NotCachedError`` in place of sending a request.
            max_cooldown: Seconds after which a source that gave no answer is asked again, at the latest.
        """
        return FetchRun(
            self,
            now=now,
            deadline_seconds=deadline_seconds,
            offline=offline,
            refresh=refresh,
            progress=progress,
            cached_only=cached_only,
            max_cooldown=max_cooldown,
        )

    def close(self) -> None:
        """Close the connections, without waiting for threads that use one."""
        if self._runner is not None:
            self._runner.close()

    def read_rows(self, store_key: tuple[str, str], keys: Sequence[str]) -> dict[str, Row]:
        """Return the stored rows under these keys."""
        with self._store_lock:
            return self._store.get_many(*store_key, keys)

    def write_rows(self, store_key: tuple[str, str], rows: Mapping[str, Row]) -> None:
        """Store these rows in place of earlier ones."""
        with self._store_lock:
            self._store.put_many(*store_key, rows)

    def get_breaker(self, source_name: str, url: str, max_age: float = math.inf) -> CircuitBreaker:
        """Return the circuit breaker of a source at an endpoint; a new one if the last opened some time ago.

        ``max_age`` is the most that this time may be, in seconds.
        """
        with self._lock:
            breaker = self._breakers.get((source_name, url))
            if breaker is None or (
                breaker.opened_at and time.monotonic() - breaker.opened_at > min(_CIRCUIT_RESET, max_age)
            ):
                breaker = self._breakers[source_name, url] = CircuitBreaker()
            return breaker

    def open_runner(self) -> JobRunner:
        """Return the runner of jobs."""
        with self._lock:
            if self._runner is None:
                from nerq_cli.fetch.job_runner import JobRunner

                self._runner = JobRunner(self.settings, transport=self._transport)
            return self._runner
