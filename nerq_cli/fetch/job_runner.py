"""Runs jobs in the threads of their hosts: send, parse, encode."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from queue import SimpleQueue
from typing import TYPE_CHECKING

import msgspec

from nerq_cli.errors import EndpointMissingError, RateLimitError, ResponseError
from nerq_cli.fetch.batch import Job, Result
from nerq_cli.fetch.concurrency import MAX_CONCURRENCY
from nerq_cli.fetch.host_workers import HostWorkers
from nerq_cli.fetch.http_client import HttpClient, create_timeout_error, parse_host
from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.retry import RetryingClient
from nerq_cli.fetch.settings import HttpSettings
from nerq_cli.fetch.source import Paged, Response, get_initial_concurrency, get_max_concurrency

if TYPE_CHECKING:
    import httpx

_LOG = logging.getLogger(__name__)


class JobRunner:
    """The connections and the threads that use them. Safe for threads."""

    def __init__(self, settings: HttpSettings, *, transport: httpx.BaseTransport | None = None) -> None:
        self._client = HttpClient(
            user_agent=settings.user_agent,
            timeout=settings.timeout,
            ca_bundles=settings.ca_bundles,
            transport=transport,
        )
        self._retrying_client = RetryingClient(self._client, settings, self)
        self._workers: HostWorkers[Job] = HostWorkers(settings.concurrency, self._run_job)

    def add_jobs(self, jobs: Iterable[Job]) -> None:
        """Queue jobs; each puts one result into its own queue.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        by_queue: dict[str, list[Job]] = {}
        for job in jobs:
            self._client.open_host(job.request.url)
            by_queue.setdefault(_get_queue(job), []).append(job)
        for queue, queued_jobs in by_queue.items():
            source = queued_jobs[0].source
            self._workers.add_jobs(
                queue,
                queued_jobs,
                max_concurrency=get_max_concurrency(source),
                initial_concurrency=get_initial_concurrency(source),
            )

    def abandon_jobs(self, jobs: Mapping[Job, str]) -> None:
        """End to wait for jobs, whatever their threads do. Each has a result with the reason.

        An empty reason stands for an attempt without a response in its time; that counts as a failure of the service.
        """
        for job, reason in jobs.items():
            job.is_abandoned = True
            job.results.put(Result(job, failure=reason or _record_timeout(job)))
        self._workers.abandon_jobs(jobs.__contains__)

    def end_run(self, results: SimpleQueue[Result]) -> None:
        """Drop the jobs with this queue of results, those that have begun too."""
        self._workers.abandon_jobs(lambda job: job.results is results)

    def record_answer(self, job: Job, begun_at: float, status: int) -> bool:
        """See ``Throttle``."""
        is_counted = not job.is_abandoned
        return is_counted and self._workers.record_answer(_get_queue(job), job.source.name, begun_at, status)

    def pause(self, job: Job, deadline: float) -> AbstractContextManager[None]:
        """See ``Throttle``."""
        return self._workers.pause(_get_queue(job), job, deadline)

    def close(self) -> None:
        """End all attempts, and close the connections once no thread uses them. Does not wait."""
        self._retrying_client.close()
        self._workers.call_when_idle(self._client.close)

    def _run_job(self, job: Job) -> None:
        job.results.put(self._process_job(job))

    def _process_job(self, job: Job) -> Result:
        """Return the result of a job, also of a response that breaks the parser."""
        host = parse_host(job.request.url)
        try:
            return _parse_response(job, self._retrying_client.send(job))
        except RequestError as error:
            return Result(job, failure=str(error), next_requests=error.smaller_requests)
        except RateLimitError as error:
            job.state.shared.trip(f"{host}: {error}")
            return Result(job, failure=job.state.open_reason)
        except EndpointMissingError as error:
            reason = f"{host}: {str(error) or 'does not offer this'}"
            if not job.is_tentative:  # else it may be the subject that is missing
                job.state.shared.mark_missing(reason)
            return Result(job, failure=job.state.open_reason or reason)
        except ResponseError as error:
            return Result(job, failure=f"{host}: {str(error) or 'the response is not valid'}", is_unreadable=True)
        except Exception:  # noqa: BLE001 - without a result, the run would wait until its deadline
            _LOG.debug("response of %s", host, exc_info=True)
            return Result(job, failure=f"{host}: the response cannot be parsed", is_unreadable=True)


def _get_queue(job: Job) -> str:
    """Return the name of the queue of a job: its host, with its source if that states how much the host may receive."""
    host = parse_host(job.request.url)
    return host if get_max_concurrency(job.source) == MAX_CONCURRENCY else f"{host} {job.source.name}"


def _record_timeout(job: Job) -> str:
    """Count a time-out for this run, and return its reason."""
    error = create_timeout_error(job.request.url, job.attempt_seconds)
    job.state.local.record_failure(error)
    return str(error)


def _parse_response(job: Job, response: Response) -> Result:
    """Return what the source parses, encoded for the store, so that the body can be freed."""
    request = job.request
    if response.status == HTTPStatus.NOT_MODIFIED:
        if request.validator:
            return Result(job, not_modified=True)
        raise ResponseError(f"HTTP {response.status} without a conditional request")
    entries = tuple(
        (subject, value, None if value is None else msgspec.json.encode(value))
        for subject, value in job.source.parse(request, response)
    )
    next_requests = tuple(job.source.request_more(request, response)) if isinstance(job.source, Paged) else ()
    return Result(
        job,
        entries=entries,
        validator=response.validator if len(request.subjects) == 1 else "",
        next_requests=next_requests,
    )
