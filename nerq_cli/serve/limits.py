"""Layers around the application that refuse what it should not work on. Each works with any ASGI application."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nerq_cli.serve.buckets import Buckets, find_client
from nerq_cli.serve.refusals import find_header, refuse
from nerq_cli.serve.tokens import TOKEN

if TYPE_CHECKING:
    from types import TracebackType

    from nerq_cli.serve.metrics import Metrics
    from nerq_cli.serve.operations import ServiceState

#: Bytes of a refused body that are read and dropped, as a multiple of the limit: a client that is still sending when
#: the connection is closed may never see the response.
_DROPPED_BODIES: Final = 4
#: Seconds for reading them.
_DROP_SECONDS: Final = 2.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the service for its clients. Times are in seconds."""

    #: Requests a minute of each token, or of each address when there are no tokens; None: no limit.
    rate: int | None = None
    #: Largest body of a request, in bytes. 1,000 purls take about 60,000.
    body_bytes: int = 1 << 20
    #: Requests that the application works on at a time.
    concurrency: int = 100
    #: Connections at a time.
    connections: int = 1_000
    #: Time in which the headers and the body of a request must arrive.
    receive_seconds: float = 15.0
    #: Time for which a client may leave a response unread.
    write_seconds: float = 30.0
    #: Time after which a connection without a further request is closed.
    idle_seconds: int = 75
    #: Time in which the application must answer.
    request_seconds: float = 60.0
    #: Time for requests in flight when the service is stopped.
    stop_seconds: float = 30.0


class HostCheck:
    """Refuses requests whose Host is not a name of the service.

    A web page can let the browser of a user resolve the page's own name to 127.0.0.1 (DNS rebinding); the requests of
    the page then reach this service, with the name of the page as Host.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request, or refuse it."""
        if scope["type"] == "http" and split_host(find_header(scope, b"host") or "") not in self._allowed:
            await refuse(
                scope,
                send,
                "host",
                "misdirected",
                "the service has no such name; its operator can allow it with --allowed-host",
            )
            return
        await self._app(scope, receive, send)


def split_host(header: str) -> str:
    """Return the name of a Host header in lower case, without the port."""
    name, colon, port = header.strip().lower().rpartition(":")
    return name if colon and (port.isdigit() or not port) and not name.endswith(":") else header.strip().lower()


class RateLimit:
    """Limits the requests of each token; without tokens, of each address."""

    def __init__(self, app: ASGIApp, rate: int | None, clock: Callable[[], float] | None = None) -> None:
        self._app = app
        self._rate = rate
        self._buckets = Buckets(clock) if clock else Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request, or refuse it."""
        if scope["type"] == "http":
            token = scope.get(TOKEN)
            rate = self._rate if token is None or token.rate is None else token.rate
            client = find_client(scope) if token is None else f"token {token.name}"
            if rate is not None and (wait := self._buckets.take(client, rate)):
                await refuse(
                    scope,
                    send,
                    "rate",
                    "too-many-requests",
                    f"more than {rate} requests a minute",
                    {"Retry-After": str(wait)},
                )
                return
        await self._app(scope, receive, send)


class DeadlineError(Exception):
    """The time of a :class:`Deadline` is over. A TimeoutError of the application is an error of its own."""


class Deadline:
    """Cancels the current task after some seconds; leaving the block raises DeadlineError then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._handle = loop.call_later(self._seconds, self._cancel)

    def _cancel(self) -> None:
        self._is_over = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        if self._is_over and kind is asyncio.CancelledError:
            if sys.version_info >= (3, 11) and self._task is not None:
                self._task.uncancel()
            raise DeadlineError from error


class BodyLimit:
    """Reads the body before the application is called: never more than the limit, and never for longer than allowed."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request with its body, or refuse it."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        length = find_header(scope, b"content-length") or "0"
        if int(length) > self._max_bytes:
            await self._refuse_large(scope, receive, send)
            return
        parts, size, is_whole = [], 0, False
        try:
            with Deadline(self._seconds):
                while not is_whole:
                    message = await receive()
                    if message["type"] != "http.request":
                        return  # the client left
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    is_whole = not message.get("more_body", False)
                    if size > self._max_bytes:
                        break
        except DeadlineError:
            await refuse(
                scope,
                send,
                "receive",
                "not-received",
                f"the body was not received within {self._seconds:g} seconds",
                {"Connection": "close"},
            )
            return
        if size > self._max_bytes:
            await self._refuse_large(scope, receive, send, is_whole=is_whole)
            return
        body: Message | None = {"type": "http.request", "body": b"".join(parts), "more_body": False}

        async def receive_body() -> Message:
            nonlocal body
            message, body = body, None
            return message if message is not None else await receive()

        await self._app(scope, receive_body, send)

    async def _refuse_large(self, scope: Scope, receive: Receive, send: Send, *, is_whole: bool = False) -> None:
        if not is_whole and find_header(scope, b"expect") is None:
            await self._drop_body(receive)
        await refuse(
            scope,
            send,
            "body",
            "too-large",
            f"a body has {self._max_bytes:,} bytes at most",
            {"Connection": "close"},
        )

    async def _drop_body(self, receive: Receive) -> None:
        """Read what a client is still sending, up to a limit of bytes and time."""
        size = 0
        try:
            with Deadline(min(self._seconds, _DROP_SECONDS)):
                while size <= self._max_bytes * _DROPPED_BODIES:
                    message = await receive()
                    size += len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
        except DeadlineError:
            return


def _has_body(scope: Scope) -> bool:
    length = find_header(scope, b"content-length")
    return length not in {None, "0"} or find_header(scope, b"transfer-encoding") is not None


class ConcurrencyLimit:
    """Refuses requests beyond a number that the application works on at a time."""

    def __init__(self, app: ASGIApp, maximum: int, metrics: Metrics) -> None:
        self._app = app
        self._maximum = maximum
        self._metrics = metrics
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._count >= self._maximum:
            await refuse(
                scope,
                send,
                "concurrency",
                "busy",
                "too many requests at a time",
                {"Retry-After": "1"},
            )
            return
        self._count += 1
        self._metrics.in_progress.set(self._count)
        try:
            await self._app(scope, receive, send)
        finally:
            self._count -= 1
            self._metrics.in_progress.set(self._count)


class TimeLimit:
    """Ends requests that take too long, and those that are left when the service stops."""

    def __init__(self, app: ASGIApp, seconds: float, state: ServiceState) -> None:
        self._app = app
        self._seconds = seconds
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request, and refuse it when its time is over."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def send_part(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            with Deadline(self._seconds):
                await self._app(scope, receive, send_part)
        except DeadlineError:
            if is_started:
                raise  # the connection is closed: the response ends early
            await refuse(
                scope,
                send,
                "time",
                "timeout",
                f"no answer within {self._seconds:g} seconds; ask again later",
                {"Retry-After": "5"},
            )
        except asyncio.CancelledError:
            if is_started or not self._state.is_stopping:
                raise
            await refuse(
                scope,
                send,
                "stopping",
                "not-ready",
                "the service is stopping",
                {"Retry-After": "5", "Connection": "close"},
            )
