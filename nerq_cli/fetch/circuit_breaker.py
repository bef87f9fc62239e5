"""Circuit breakers: when to send no more requests to an endpoint."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from nerq_cli.fetch.request_error import RequestError

#: Different subjects whose requests fail, and none succeeds, before a service is taken to fail for all.
_MIN_FAILED_SUBJECTS: Final = 3


class Failure(NamedTuple):
    """A request about one subject that failed."""

    reason: str
    #: Epoch seconds of the run that sent it.
    at: int


class CircuitBreaker(msgspec.Struct, eq=False):
    """Stops the requests of one source to one endpoint after consecutive failures. Safe for threads."""

    #: Why no more requests are sent; empty while the circuit is closed.
    open_reason: str = ""
    #: When it opened, on the monotonic clock; 0 while the circuit is closed.
    opened_at: float = 0.0
    #: The server does not offer the endpoint.
    endpoint_missing: bool = False
    #: The last failure came without any response.
    unreachable: bool = False
    #: The last failure is that of a limit.
    limited: bool = False
    _failures: int = 0
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def record_success(self) -> None:
        """Reset the count of consecutive failures."""
        with self._lock:
            self._failures = 0
            self.unreachable = self.limited = False

    def record_failure(self, error: RequestError) -> None:
        """Count a failure; open the circuit at the threshold of its kind."""
        with self._lock:
            self._failures += error.failure_threshold > 0
            self.unreachable = error.failure_threshold > 0 and not error.status
            self.limited = error.status == HTTPStatus.TOO_MANY_REQUESTS
            if 0 < error.failure_threshold <= self._failures:
                self._open(f"stopped after {self._failures} failures: {error}")

    def trip(self, reason: str) -> None:
        """Open the circuit."""
        with self._lock:
            self._open(reason)

    def mark_missing(self, reason: str) -> None:
        """Open the circuit because the server does not offer the endpoint."""
        with self._lock:
            self.open_reason = ""
            self._open(reason)
            self.endpoint_missing = True

    def _open(self, reason: str) -> None:
        if not self.open_reason:
            self.open_reason = reason
            self.opened_at = time.monotonic()


class EndpointState(msgspec.Struct, eq=False):
    """One source at one endpoint, in one run."""

    #: Circuit breaker of all runs.
    shared: CircuitBreaker
    #: Circuit breaker of this run: for failures that follow from its own deadline or options.
    local: CircuitBreaker = msgspec.field(default_factory=CircuitBreaker)
    #: A request of this run has a result.
    attempted: bool = False
    #: A request of this run has a usable response.
    succeeded: bool = False
    #: An earlier run received no answer a short time ago.
    in_cooldown: bool = False
    #: Reason of the first failure.
    error: str = ""
    #: The failed requests about single subjects, of this run and of earlier ones in their cooldown, by their keys.
    failures: dict[str, Failure] = {}
    #: Keys of those of earlier runs.
    earlier_keys: set[str] = set()
    #: Keys of the subjects whose requests failed in this run, without those of a response about one subject alone that
    #: cannot be read.
    failed_keys: set[str] = set()

    @property
    def open_reason(self) -> str:
        """Why this run sends no more requests; empty if it may."""
        return self.local.open_reason or self.shared.open_reason

    @property
    def endpoint_missing(self) -> bool:
        """Whether the server does not offer the endpoint."""
        return self.local.endpoint_missing or self.shared.endpoint_missing

    @property
    def unreachable(self) -> bool:
        """Whether the last failure came without any response."""
        return self.local.unreachable or self.shared.unreachable

    @property
    def has_failed_service(self) -> bool:
        """Whether the failures concern all subjects: no connection, a limit, an open circuit, or several subjects.

        One response that cannot be read, or one status 5xx, may concern its subject alone.
        """
        is_limited = self.local.limited or self.shared.limited
        return bool(self.unreachable or is_limited or self.open_reason or len(self.failed_keys) >= _MIN_FAILED_SUBJECTS)

    def record_success(self) -> None:
        """Reset the counts of consecutive failures."""
        self.local.record_success()
        self.shared.record_success()
