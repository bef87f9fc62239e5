"""What operators ask a running service: ``/healthz``, ``/readyz``, ``/version`` and ``/metrics``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from nerq_cli import __version__
from nerq_cli.serve.logs import ROUTE
from nerq_cli.serve.metrics import MEDIA_TYPE, Metrics
from nerq_cli.serve.parameters import check_parameters
from nerq_cli.serve.problems import RequestError
from nerq_cli.serve.refusals import refuse, send_response

#: Seconds for which the description of the data is reused: the advisory database changes while the service runs.
_VERSION_SECONDS: Final = 60.0


class ServiceState:
    """Whether the service takes requests."""

    def __init__(self) -> None:
        #: The lifespan of the application has begun.
        self.is_started = False
        #: A signal to stop was received: requests in flight are finished.
        self.is_stopping = False
        #: Checks of other parts: each returns why the service cannot answer now, or "".
        self.checks: list[Callable[[], str]] = []
        #: The exception that ended the start of the application.
        self.start_error: BaseException | None = None

    def find_obstacle(self) -> str:
        """Return why the service takes no requests, or ""."""
        if self.is_stopping:
            return "the service is stopping"
        if not self.is_started:
            return "the service is starting"
        return next((obstacle for check in self.checks if (obstacle := check())), "")


class DataDates(msgspec.Struct, frozen=True, kw_only=True):
    """Dates of the data of one ecosystem, ``YYYY-MM-DD``; None: there is none."""

    #: Latest change among the advisories that are shipped with nerq-cli.
    shipped_advisories: str | None
    #: Time up to which the advisory database on disk is complete, ISO 8601 in UTC; None: there is none, or it has
    #: single records.
    advisory_database: str | None
    #: Edition of the shipped list of popular packages.
    popular_packages: str | None
    #: Edition of the shipped list of alternatives.
    alternatives: str | None


class VersionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The response of ``/version``."""

    name: str
    version: str
    #: Version of each methodology, by kind of target.
    methodologies: dict[str, str]
    #: Dates of the data, by ecosystem.
    data: dict[str, DataDates]


def describe_version(cache_dir: Path | None) -> VersionDocument:
    """Return the versions of the service, its methodologies and its data."""
    from nerq_cli.application.advisories import open_database
    from nerq_cli.ecosystems import ECOSYSTEMS
    from nerq_cli.insight.alternative_lists import load_table
    from nerq_cli.methodology.models import MODELS
    from nerq_cli.methodology.packages import PACKAGES
    from nerq_cli.methodology.repositories import REPOSITORIES
    from nerq_cli.sources.advisories.local_database import read_snapshots
    from nerq_cli.sources.advisories.shipped_editions import read_editions
    from nerq_cli.sources.popularity.ranks import get_list_date

    database = open_database(cache_dir)
    try:
        snapshots = read_snapshots(database)
    finally:
        database.close()
    editions = read_editions()
    data: dict[str, DataDates] = {}
    for ecosystem in ECOSYSTEMS:
        edition, table = editions.get(ecosystem.id), load_table(ecosystem.id)
        snapshot = snapshots.get(ecosystem.id)
        data[ecosystem.id] = DataDates(
            shipped_advisories=None if edition is None else edition.date,
            advisory_database=_format_time(snapshot.valid_until) if snapshot and snapshot.valid_until else None,
            popular_packages=_format_time(get_list_date(ecosystem.id))[:10],
            alternatives=None if table is None else table.meta.date,
        )
    methodologies = {
        "packages": PACKAGES.version,
        "models": MODELS.version,
        "repositories": REPOSITORIES.version,
    }
    return VersionDocument(name="nerq-cli", version=__version__, methodologies=methodologies, data=data)


def _format_time(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


#: Sends the response of one path.
Answer: TypeAlias = Callable[[Scope, Send], Coroutine[object, object, None]]


class Operations:
    """The handlers, and the description of the version, which is made anew each minute."""

    def __init__(self, state: ServiceState, metrics: Metrics, cache_dir: Path | None = None) -> None:
        self._state = state
        self._metrics = metrics
        self._cache_dir = cache_dir
        self._version = b""
        self._version_until = 0.0

    async def send_health(self, _scope: Scope, send: Send) -> None:
        """Send 200: the process serves requests."""
        await send_response(send, HTTPStatus.OK, b'{"status":"ok"}', "application/json", {"Cache-Control": "no-store"})

    async def send_readiness(self, scope: Scope, send: Send) -> None:
        """Send 200, or 503 with the reason when the service takes no requests."""
        if obstacle := self._state.find_obstacle():
            await refuse(scope, send, "", "not-ready", obstacle, {"Retry-After": "1"})
            return
        await send_response(
            send, HTTPStatus.OK, b'{"status":"ready"}', "application/json", {"Cache-Control": "no-store"}
        )

    async def send_version(self, scope: Scope, send: Send) -> None:
        """Send the versions of service, methodologies and data."""
        try:
            check_parameters(QueryParams(scope["query_string"]), ())
        except RequestError as error:
            await refuse(scope, send, "", error.id, f"{error.detail}: {error.hint}")
            return
        if time.monotonic() >= self._version_until:
            document = await asyncio.to_thread(describe_version, self._cache_dir)
            self._version = msgspec.json.encode(document)
            self._version_until = time.monotonic() + _VERSION_SECONDS
        await send_response(
            send, HTTPStatus.OK, self._version, "application/json", {"Cache-Control": "private, max-age=60"}
        )

    async def send_metrics(self, _scope: Scope, send: Send) -> None:
        """Send the metrics."""
        await send_response(send, HTTPStatus.OK, self._metrics.render(), MEDIA_TYPE, {"Cache-Control": "no-store"})


async def send_not_found(scope: Scope, _receive: Receive, send: Send) -> None:
    """Application without paths."""
    await refuse(scope, send, "", "no-such-path", "there is nothing at this path")


class Paths:
    """A layer that answers some paths itself and hands all others on."""

    def __init__(self, app: ASGIApp, answers: Mapping[str, Answer]) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        answer = self._answers.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope[ROUTE] = scope["path"]
        if scope["method"] not in {"GET", "HEAD"}:
            await refuse(scope, send, "", "method-not-allowed", "only GET and HEAD", {"Allow": "GET, HEAD"})
            return
        await answer(scope, send)
