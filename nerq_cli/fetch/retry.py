"""Asking with patience: a few threads a host, tries with pauses, and an end to it when a service is not well.

The tries are a loop of our own. A retry library (tenacity, stamina) would be handed nearly all of it as callbacks, as
the pause is the failed answer's to say and the loop ends early for three reasons: the deadline, another thread that
found the service down, and the end of the run. It would also cost each cold run 40 ms of imports.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.errors import EndpointMissingError, RateLimitError, ResponseError
from nerq_cli.fetch.circuit_breaker import CircuitBreaker, Job, RequestError, Result
from nerq_cli.fetch.host_workers import HostWorkers
from nerq_cli.fetch.http_client import HttpClient, parse_host
from nerq_cli.fetch.settings import HttpSettings
from nerq_cli.fetch.source import Divisible, Paged, Request, Response, is_optional

if TYPE_CHECKING:
    import httpx

_LOG = logging.getLogger(__name__)
#: How much of the time left a question may take whose answer the run can do without: however many services hang,
#: there is time for the others.
_OPTIONAL_SHARE: Final = 1 / 3
#: Seconds: the longest wait a server may ask for, and the longest pause taken unasked.
_MAX_RETRY_AFTER: Final = 30.0
_MAX_BACKOFF: Final = 8.0
_NOT_MODIFIED: Final = 304


class JobRunner:
    """Threads at work on jobs, and the door they use. ``ends`` is the deadline on the monotonic clock."""

    def __init__(
        self, settings: HttpSettings, *, deadline: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._deadline = deadline
        self._client = HttpClient(user_agent=settings.user_agent, timeout=settings.timeout, transport=transport)
        self._workers: HostWorkers[Job] = HostWorkers(settings.concurrency, self._run_job)
        self._closing = threading.Event()
        self._random = Random(settings.seed)  # noqa: S311 - it spreads pauses and keeps no secrets

    def add_jobs(self, jobs: Iterable[Job]) -> None:
        """Let these be asked; each gets a reply in its own queue.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        by_host: dict[str, list[Job]] = {}
        for job in jobs:
            by_host.setdefault(self._client.open_host(job.request.url), []).append(job)
        for host, host_jobs in by_host.items():
            self._workers.add_jobs(host, host_jobs)

    def drop_pending(self) -> None:
        """Forget the jobs that nobody works on yet."""
        self._workers.clear_queues()

    def close(self) -> None:
        """End all tries, and close the connections as soon as nobody uses them. Does not wait."""
        self._closing.set()
        self._workers.call_when_idle(self._client.close)

    def _run_job(self, job: Job) -> None:
        job.results.put(self._process_job(job))

    def _process_job(self, job: Job) -> Result:
        """Ask, read and encode. Whatever a server sends, there is a reply."""
        host = parse_host(job.request.url)
        try:
            return _parse_response(job, self._send_with_retries(job))
        except RequestError as error:
            return Result(job, failure=str(error), next_requests=error.smaller_requests)
        except RateLimitError as error:
            job.breaker.trip(f"{host}: {error}")
            return Result(job, failure=job.breaker.open_reason)
        except EndpointMissingError as error:
            job.breaker.mark_missing(f"{host}: {str(error) or 'does not offer this'}")
            return Result(job, failure=job.breaker.open_reason)
        except ResponseError as error:
            return Result(job, failure=f"{host}: {str(error) or 'the answer makes no sense'}")
        except Exception:  # noqa: BLE001 - a thread that dies would leave its question open until the deadline
            _LOG.debug("an answer of %s", host, exc_info=True)
            return Result(job, failure=f"{host}: the answer cannot be understood")

    def _send_with_retries(self, job: Job) -> Response:
        """Put one question until it is answered or trying on makes no sense."""
        deadline = self._compute_deadline(job.source)
        attempt = 0
        while True:
            attempt += 1
            self._check_breaker(job.breaker)
            try:
                response = self._client.send(
                    job.request, limit=job.source.limit, deadline=deadline, on_request=job.count_request
                )
            except RequestError as error:
                if error.status in _get_statuses(job.source, "reads"):
                    return Response(status=error.status, body=b"")
                if smaller_requests := _divide_request(job, error.status):
                    error.smaller_requests = smaller_requests
                    raise
                if error.status in _get_statuses(job.source, "stops"):
                    job.breaker.trip(f"{error}; nothing more is asked there in this run")
                    raise
                delay = self._compute_delay(error, attempt, deadline)
                if delay is None:
                    raise self._record_failure(job.breaker, _add_attempts(error, attempt)) from None
                self._closing.wait(delay)
            else:
                job.breaker.record_success()
                return response

    def _check_breaker(self, breaker: CircuitBreaker) -> None:
        if breaker.open_reason or self._closing.is_set():
            raise RequestError(breaker.open_reason or "the run has ended")

    def _record_failure(self, breaker: CircuitBreaker, error: RequestError) -> RequestError:
        """Note a failure, unless it is the deadline's: that says nothing of the service."""
        return error if time.monotonic() >= self._deadline else breaker.record_failure(error)

    def _compute_deadline(self, source: object) -> float:
        """Return the moment up to which a question that begins now may be tried."""
        now = time.monotonic()
        return now + (self._deadline - now) * _OPTIONAL_SHARE if is_optional(source) else self._deadline

    def _compute_delay(self, error: RequestError, attempt: int, deadline: float) -> float | None:
        """Return how long to wait before the next try, in seconds; None when there should be none.

        Without a wish of the server: exponential backoff with full jitter, which spreads the questions that failed
        together (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
        """
        if not error.retryable or attempt >= self._settings.attempts:
            return None
        max_delay = min(self._settings.backoff * 2 ** (attempt - 1), _MAX_BACKOFF)
        delay = self._random.uniform(0, max_delay) if error.retry_after is None else error.retry_after
        return delay if delay <= min(_MAX_RETRY_AFTER, deadline - time.monotonic()) else None


def _add_attempts(error: RequestError, attempts: int) -> RequestError:
    """Say of a failure how often it was tried, or what the server asked for in vain."""
    reason = str(error)
    if attempts > 1:
        reason += f" after {attempts} tries"
    elif error.retry_after is not None:
        reason += f", asks to wait {error.retry_after:.0f} s"
    return RequestError(reason, failure_threshold=error.failure_threshold, status=error.status)


def _get_statuses(source: object, attribute: str) -> frozenset[int]:
    return getattr(source, attribute, frozenset())


def _divide_request(job: Job, status: int) -> tuple[Request[Any], ...]:
    """Return smaller questions for one that a server could not manage as a whole."""
    return tuple(job.source.divide(job.request, status)) if isinstance(job.source, Divisible) else ()


def _parse_response(job: Job, response: Response) -> Result:
    """Let the source read the answer, and encode what it says; the body itself is held no longer."""
    request = job.request
    if response.status == _NOT_MODIFIED:
        if request.validator:
            return Result(job, not_modified=True)
        raise ResponseError(f"HTTP {_NOT_MODIFIED} without being asked for it")
    entries = tuple(
        (subject, value, None if value is None else msgspec.json.encode(value))
        for subject, value in job.source.parse(request, response)
    )
    next_requests = tuple(job.source.more(request, response)) if isinstance(job.source, Paged) else ()
    return Result(
        job,
        entries=entries,
        validator=response.validator if len(request.subjects) == 1 else "",
        next_requests=next_requests,
    )
