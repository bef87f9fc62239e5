"""One question on its way, what comes back, and how it has gone so far with those before it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple

from nerq_cli.inventory import Subject
from nerq_cli.sources.question import Question, Source


class TroubleError(Exception):
    """A question got no answer; the message is a phrase for the user that names the host and the cause.

    ``again`` says that another try may help; ``wait`` is how many seconds the server asks to wait for it, None when
    it does not say. ``strikes`` is how many failures in a row are enough to stop asking; 0 where the next question
    may well fare better. ``status`` is the HTTP status, 0 when there was none. ``instead`` are smaller questions to
    put in place of this one.
    """

    def __init__(
        self, reason: str, *, again: bool = False, wait: float | None = None, strikes: int = 0, status: int = 0
    ) -> None:
        super().__init__(reason)
        self.again = again
        self.wait = wait
        self.strikes = strikes
        self.status = status
        self.instead: tuple[Question[Any], ...] = ()


@dataclass(slots=True, eq=False)
class Line:
    """How it goes with one source at one address. Shared by the threads that ask there.

    ``closed`` is the reason why nothing more is asked there; ``missing`` says that the reason is a server without the
    endpoint, ``resting`` that an earlier run got no answer. ``tried`` turns True with the first question that is
    settled, ``heard`` with the first answer that says something; ``trouble`` is why the first one that failed did.
    ``unreachable`` says that nothing came back at all, as opposed to an answer that is none.
    """

    closed: str = ""
    missing: bool = False
    tried: bool = False
    heard: bool = False
    resting: bool = False
    trouble: str = ""
    unreachable: bool = False
    _failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self) -> None:
        """Note that the service is there."""
        with self._lock:
            self._failures = 0
            self.unreachable = False

    def failed(self, trouble: TroubleError) -> TroubleError:
        """Note a failure, and stop asking after as many in a row as it takes (a circuit breaker)."""
        with self._lock:
            self._failures += trouble.strikes > 0
            self.unreachable = trouble.strikes > 0 and not trouble.status
            if 0 < trouble.strikes <= self._failures and not self.closed:
                self.closed = f"stopped after {self._failures} failures: {trouble}"
        return trouble

    def close(self, reason: str) -> None:
        """Note that nothing more is to be asked in this run."""
        with self._lock:
            self.closed = self.closed or reason

    def lacks(self, reason: str) -> None:
        """Note that this server does not offer the endpoint."""
        with self._lock:
            self.closed = reason
            self.missing = True


@dataclass(slots=True, eq=False)
class Job:
    """One question to be asked, and the queue its reply goes to. ``requests`` counts what was sent for it."""

    source: Source[Any, Any]
    question: Question[Any]
    line: Line
    replies: SimpleQueue[Reply]
    requests: int = 0

    def count_request(self) -> None:
        """Note that a request was sent for it."""
        self.requests += 1


class Reply(NamedTuple):
    """What became of a job: an answer, read and encoded, or the reason why there is none.

    ``read`` pairs subjects with what was said of them and with the same as the store keeps it (None and None: no such
    thing). ``unchanged`` says that the answer already held still stands. ``more`` are questions to put next, about
    subjects that this reply does not settle.
    """

    job: Job
    read: tuple[tuple[Subject, Any, bytes | None], ...] = ()
    validator: str = ""
    unchanged: bool = False
    failure: str = ""
    more: tuple[Question[Any], ...] = ()
