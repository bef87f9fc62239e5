"""One question on its way, what comes back, and how it has gone so far with those before it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple

from nerq_cli.fetch.source import Request, Source
from nerq_cli.inventory import Subject


class RequestError(Exception):
    """A question got no answer; the message is a phrase for the user that names the host and the cause.

    ``retryable`` says that another try may help; ``retry_after`` is how many seconds the server asks to wait for it, None when
    it does not say. ``failure_threshold`` is how many failures in a row are enough to stop asking; 0 where the next question
    may well fare better. ``status`` is the HTTP status, 0 when there was none. ``smaller_requests`` are smaller questions to
    put in place of this one.
    """

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        failure_threshold: int = 0,
        status: int = 0,
    ) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.retry_after = retry_after
        self.failure_threshold = failure_threshold
        self.status = status
        self.smaller_requests: tuple[Request[Any], ...] = ()


@dataclass(slots=True, eq=False)
class CircuitBreaker:
    """How it goes with one source at one address. Shared by the threads that ask there.

    ``open_reason`` is the reason why nothing more is asked there; ``endpoint_missing`` says that the reason is a server without the
    endpoint, ``in_cooldown`` that an earlier run got no answer. ``attempted`` turns True with the first question that is
    settled, ``succeeded`` with the first answer that says something; ``error`` is why the first one that failed did.
    ``unreachable`` says that nothing came back at all, as opposed to an answer that is none.
    """

    open_reason: str = ""
    endpoint_missing: bool = False
    attempted: bool = False
    succeeded: bool = False
    in_cooldown: bool = False
    error: str = ""
    unreachable: bool = False
    _failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record_success(self) -> None:
        """Note that the service is there."""
        with self._lock:
            self._failures = 0
            self.unreachable = False

    def record_failure(self, error: RequestError) -> RequestError:
        """Note a failure, and stop asking after as many in a row as it takes (a circuit breaker)."""
        with self._lock:
            self._failures += error.failure_threshold > 0
            self.unreachable = error.failure_threshold > 0 and not error.status
            if 0 < error.failure_threshold <= self._failures and not self.open_reason:
                self.open_reason = f"stopped after {self._failures} failures: {error}"
        return error

    def trip(self, reason: str) -> None:
        """Note that nothing more is to be asked in this run."""
        with self._lock:
            self.open_reason = self.open_reason or reason

    def mark_missing(self, reason: str) -> None:
        """Note that this server does not offer the endpoint."""
        with self._lock:
            self.open_reason = reason
            self.endpoint_missing = True


@dataclass(slots=True, eq=False)
class Job:
    """One question to be asked, and the queue its reply goes to. ``request_count`` counts what was sent for it."""

    source: Source[Any, Any]
    request: Request[Any]
    breaker: CircuitBreaker
    results: SimpleQueue[Result]
    request_count: int = 0

    def count_request(self) -> None:
        """Note that a request was sent for it."""
        self.request_count += 1


class Result(NamedTuple):
    """What became of a job: an answer, read and encoded, or the reason why there is none.

    ``entries`` pairs subjects with what was said of them and with the same as the store keeps it (None and None: no such
    thing). ``not_modified`` says that the answer already held still stands. ``next_requests`` are questions to put next, about
    subjects that this reply does not settle.
    """

    job: Job
    entries: tuple[tuple[Subject, Any, bytes | None], ...] = ()
    validator: str = ""
    not_modified: bool = False
    failure: str = ""
    next_requests: tuple[Request[Any], ...] = ()
