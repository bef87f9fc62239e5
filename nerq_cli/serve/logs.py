"""Logs of the service: one JSON object a line on stderr, without targets, addresses, queries or bodies."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, TextIO

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nerq_cli.patterns import compile_late
from nerq_cli.serve.error_log import LOGGER
from nerq_cli.serve.refusals import REFUSAL, find_header, refuse

#: Keys of a scope.
REQUEST_ID: Final = "nerq.request_id"
TOKEN_NAME: Final = "nerq.token"  # noqa: S105 - the name of a key
ROUTE: Final = "nerq.route"

_REQUEST_ID_PATTERN: Final = compile_late(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
#: Browsers take the stated media type.
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
#: Routes that something asks every few seconds: logged when they fail.
_CHECKS: Final = frozenset({"/healthz", "/readyz"})
#: Logged by the server about requests that are events of their own: connections that are refused.
_INVALID_REQUEST: Final = "Invalid HTTP request received."
#: Frames of the innermost calls that a log line about an error has.
_MAX_FRAMES: Final = 8


class EventLog:
    """Writes events as JSON lines. A stream that cannot be written to does not stop the service."""

    def __init__(self, stream: TextIO | None = None, *, is_quiet: bool = False) -> None:
        self._stream = stream
        self._encoder = msgspec.json.Encoder()
        self._is_quiet = is_quiet

    def write(self, event: str, level: str = "info", **fields: object) -> None:
        """Write an event with its fields; those that are None are left out."""
        if self._is_quiet and level == "info":
            return
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": moment, "level": level, "event": event}
        line.update((key, value) for key, value in fields.items() if value is not None)  # type: ignore[misc]
        stream = self._stream or sys.stderr
        try:
            stream.write(self._encoder.encode(line).decode() + "\n")
            stream.flush()
        except (OSError, ValueError):  # a full disk, a reader that ended, a closed stream
            return


class LogHandler(logging.Handler):
    """Hands records of the standard library's logging on to an event log. The server and asyncio write there."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. Of an exception only type and place: its text can have a target in it."""
        if record.msg == _INVALID_REQUEST:
            return
        error = record.exc_info[1] if record.exc_info else None
        message = record.msg if record.name.startswith("asyncio") else record.getMessage()
        first, *others = str(message).splitlines() or [""]
        fields = describe_error(error)
        if others and record.name == LOGGER:  # the places of an error; other texts of several lines can name a target
            fields["at"] = [line.strip() for line in others]
        self._log.write("server", record.levelname.lower(), message=first, **fields)


def describe_error(error: BaseException | None) -> dict[str, object]:
    """Return type and place of an exception as fields of an event. Its text is left out: it can name a target."""
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    return {
        "error": type(error).__name__,
        "at": [f"{_shorten_path(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames)],
    }


def _shorten_path(path: str) -> str:
    return "/".join(path.replace("\\", "/").rsplit("/", 3)[-3:])


class RequestLog:
    """Outermost layer: gives each request an id, logs and counts it, and turns an exception into a response.

    ``observe`` is called with method, route, status (499: the client left), seconds and the reason of a refusal or "".
    """

    def __init__(
        self,
        app: ASGIApp,
        log: EventLog,
        observe: Callable[[str, str, int, float, str], None],
        routes: Mapping[Any, str],
        *,
        is_logged: bool = True,
    ) -> None:
        self._app = app
        self._log = log
        self._observe = observe
        self._routes = routes
        self._is_logged = is_logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id = find_header(scope, b"x-request-id") or ""
        if not _REQUEST_ID_PATTERN.fullmatch(request_id):
            request_id = secrets.token_hex(8)
        scope[REQUEST_ID] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode("ascii"))]
                message["headers"] = headers if _NO_SNIFFING in headers else [*headers, _NO_SNIFFING]
            await send(message)

        failure: BaseException | None = None
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - one request fails, the service goes on
            failure = error
            if not status:
                await refuse(
                    scope,
                    send_with_id,
                    "error",
                    "internal-error",
                    "an error in the service; its log has the place under the id of this request",
                )
        finally:
            self._finish(scope, status or 499, perf_counter() - started, failure)

    def _finish(self, scope: Scope, status: int, seconds: float, failure: BaseException | None) -> None:
        route = self._find_route(scope)
        refusal = scope.get(REFUSAL, "")
        self._observe(scope["method"], route, status, seconds, refusal)
        is_check = route in _CHECKS and status == HTTPStatus.OK
        if failure is not None or (self._is_logged and not is_check):
            self._log.write(
                "request",
                "info" if failure is None else "error",
                id=scope[REQUEST_ID],
                method=scope["method"],
                route=route or None,
                status=status,
                ms=round(seconds * 1000, 1),
                token=scope.get(TOKEN_NAME),
                refused=refusal or None,
                **describe_error(failure),
            )

    def _find_route(self, scope: Scope) -> str:
        """Return the template of the route: a path can have a target in it."""
        if route := scope.get(ROUTE):
            return str(route)
        return self._routes.get(scope.get("endpoint")) or ""
