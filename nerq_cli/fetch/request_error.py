"""The error of a request without a usable response."""

from __future__ import annotations

from typing import Any

from nerq_cli.fetch.source import NO_NOTES, Request, ResponseNotes


class RequestError(Exception):
    """A request without a usable response. The message is for users: it names the host and the cause."""

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        failure_threshold: int = 0,
        status: int = 0,
        timed_out: bool = False,
        location: str = "",
        notes: ResponseNotes = NO_NOTES,
    ) -> None:
        super().__init__(reason)
        #: Whether another attempt may succeed.
        self.retryable = retryable
        #: Seconds to wait before the next attempt, if the server stated them.
        self.retry_after = retry_after
        #: Consecutive failures of this kind that open the circuit; 0 = the next request is unaffected.
        self.failure_threshold = failure_threshold
        #: HTTP status; 0 = no response.
        self.status = status
        #: Whether the time for the request was over.
        self.timed_out = timed_out
        #: URL on another host that the response refers to.
        self.location = location
        #: What the headers of the response state.
        self.notes = notes
        #: Smaller requests to send in place of this one.
        self.smaller_requests: tuple[Request[Any], ...] = ()
