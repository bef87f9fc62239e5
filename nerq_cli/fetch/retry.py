"""Retries of one request.

The loop is written out: a retry library (tenacity, stamina) would receive nearly all of it as callbacks, because the
delay depends on the response and the loop ends early for three reasons: the deadline, an open circuit, the end of the
program. It would also add 40 ms of imports to each run.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import AbstractContextManager
from http import HTTPStatus
from random import Random
from typing import Any, Final, Protocol

from nerq_cli.fetch.batch import Job
from nerq_cli.fetch.http_client import HttpClient, parse_host
from nerq_cli.fetch.rate_limits import RateLimit, RateLimits
from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.settings import HttpSettings
from nerq_cli.fetch.source import Divisible, Request, Response, has_cooldown

#: Share of the remaining time that one request to a source with a cooldown may take, so that time is left for others.
_COOLDOWN_SHARE: Final = 1 / 3
#: A time-out concerns the server, and not only this run, if it took this share of the setting.
_CONCLUSIVE_SHARE: Final = 1 / 3
#: Longest delay that a server may ask for, in seconds.
_MAX_RETRY_AFTER: Final = 30.0
#: Longest delay without such a wish, in seconds.
_MAX_BACKOFF: Final = 8.0


class Throttle(Protocol):
    """What decides how many requests a host receives at a time."""

    def record_answer(self, job: Job, begun_at: float, status: int) -> bool:
        """Take note of an attempt; return whether the host refused it because it received too many at a time.

        ``begun_at`` is on the monotonic clock; the status is 0 without an answer.
        """
        ...

    def pause(self, job: Job, deadline: float) -> AbstractContextManager[None]:
        """Let a job wait for its next attempt; then until the host may receive it, or until the deadline."""
        ...


class RetryingClient:
    """Sends requests, again after failures that may pass. Safe for threads."""

    def __init__(self, client: HttpClient, settings: HttpSettings, throttle: Throttle) -> None:
        self._client = client
        self._throttle = throttle
        self._settings = settings
        self._closing = threading.Event()
        self._rate_limits = RateLimits()
        self._random = Random(settings.seed)  # noqa: S311 - it spreads delays, and protects no secret

    def close(self) -> None:
        """End all delays, and send no further request."""
        self._closing.set()

    def send(self, job: Job) -> Response:
        """Send the request of a job until there is a response or no further attempt is of use.

        Raises:
            RequestError: there is no response that the source can parse.
        """
        deadline = _compute_deadline(job)
        host = parse_host(job.request.url)
        attempt = 0
        while True:
            attempt += 1
            if job.state.open_reason or self._closing.is_set() or job.is_abandoned:
                raise RequestError(job.state.open_reason or "the run has ended")
            self._await_window(job, host, deadline)
            now = time.monotonic()
            job.attempt_seconds = min(deadline - now, job.max_seconds, self._settings.timeout)
            job.attempt_deadline = now + job.attempt_seconds
            try:
                response = self._client.send(
                    job.request, limit=job.source.limit, deadline=job.attempt_deadline, on_request=job.count_request
                )
            except RequestError as error:
                job.attempt_deadline = math.inf
                self._rate_limits.record(host, job.source.name, _read_limit(error))
                if error.status in _get_statuses(job.source, "extra_statuses"):
                    self._throttle.record_answer(job, now, error.status)
                    return Response(status=error.status, body=b"", location=error.location, notes=error.notes)
                attempt -= self._handle_failure(job, error, attempt, begun_at=now, deadline=deadline)
            else:
                job.attempt_deadline = math.inf
                self._rate_limits.record(host, job.source.name, response.notes.rate_limit)
                self._throttle.record_answer(job, now, response.status)
                job.state.record_success()
                return response

    def _handle_failure(self, job: Job, error: RequestError, attempt: int, *, begun_at: float, deadline: float) -> bool:
        """Wait until the next attempt; return whether this one does not count.

        Raises:
            RequestError: there is no next attempt.
        """
        if _is_window_limit(error):  # the next attempt waits for the window; fewer requests at a time would not help
            if attempt >= self._settings.attempts:
                raise _add_attempts(error, attempt) from None
            return False
        # A refusal because too many arrived at a time does not depend on this request.
        is_premature = bool(error.status or error.failure_threshold) and self._throttle.record_answer(
            job, begun_at, error.status
        )
        if smaller_requests := _divide_request(job, error.status):
            error.smaller_requests = smaller_requests
            raise error
        if error.status in _get_statuses(job.source, "stop_statuses"):
            job.state.shared.trip(f"{error}; no more requests in this run")
            raise RequestError(job.state.open_reason, status=error.status) from None  # as those not sent
        delay = self._compute_delay(error, attempt - is_premature, deadline)
        if delay is None:
            failure = _add_attempts(error, attempt - is_premature)
            is_cut_short = job.attempt_seconds < self._settings.timeout * _CONCLUSIVE_SHARE
            _record_failure(job, failure, is_local=is_cut_short and error.timed_out)
            raise failure from None
        with self._throttle.pause(job, deadline):
            self._closing.wait(delay)
        return is_premature

    def _await_window(self, job: Job, host: str, deadline: float) -> None:
        """Wait until the host may receive a request, as its answers state.

        Raises:
            RequestError: that would take too long.
        """
        while seconds := self._rate_limits.reserve(host, job.source.name):
            if seconds > min(_MAX_RETRY_AFTER, deadline - time.monotonic()) or self._closing.is_set():
                raise RequestError(f"{host}: rate limit reached, no request allowed for {math.ceil(seconds)} s")
            with self._throttle.pause(job, deadline):
                self._closing.wait(seconds)

    def _compute_delay(self, error: RequestError, attempt: int, deadline: float) -> float | None:
        """Return the seconds until the next attempt; None if there is none.

        Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015), unless the
        server states a delay.
        """
        if not error.retryable or attempt >= self._settings.attempts:
            return None
        max_delay = min(self._settings.backoff * 2 ** (attempt - 1), _MAX_BACKOFF)
        delay = self._random.uniform(0, max_delay) if error.retry_after is None else error.retry_after
        return delay if delay <= min(_MAX_RETRY_AFTER, deadline - time.monotonic()) else None


def _is_window_limit(error: RequestError) -> bool:
    """Whether the requests of a window of time are used up. Else a refusal means too many at a time."""
    limit = error.notes.rate_limit
    return error.status == HTTPStatus.TOO_MANY_REQUESTS and limit is not None and limit.remaining == 0


def _read_limit(error: RequestError) -> RateLimit | None:
    """Return the limit that a failed response states; a longer ``Retry-After`` of a used up window counts."""
    limit = error.notes.rate_limit
    if limit is None or not _is_window_limit(error):
        return limit
    return limit._replace(seconds=max(limit.seconds, error.retry_after or 0.0))


def _compute_deadline(job: Job) -> float:
    """Return the moment until which a request that begins now may be attempted."""
    now = time.monotonic()
    share = _COOLDOWN_SHARE if has_cooldown(job.source) else 1.0
    return min(now + (job.deadline - now) * share, job.budget_end)


def _record_failure(job: Job, error: RequestError, *, is_local: bool) -> None:
    """Count a failure, unless the deadline of the run is its cause. A time-out cut short counts for this run only."""
    if time.monotonic() < job.deadline and not job.is_abandoned:
        (job.state.local if is_local else job.state.shared).record_failure(error)


def _add_attempts(error: RequestError, attempts: int) -> RequestError:
    """Return the error with the number of attempts, or the delay that the server asked for."""
    reason = str(error)
    if attempts > 1:
        reason += f" after {attempts} attempts"
    elif error.retry_after is not None:
        reason += f", Retry-After {error.retry_after:.0f} s"
    return RequestError(reason, failure_threshold=error.failure_threshold, status=error.status)


def _get_statuses(source: object, attribute: str) -> frozenset[int]:
    return getattr(source, attribute, frozenset())


def _divide_request(job: Job, status: int) -> tuple[Request[Any], ...]:
    return tuple(job.source.divide(job.request, status)) if isinstance(job.source, Divisible) else ()
