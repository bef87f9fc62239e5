"""HTTP/1.1 connections with limits that Uvicorn does not have, and problem documents for what is no valid HTTP."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from nerq_cli.serve.problems import MEDIA_TYPE, PROBLEMS, ProblemId, encode_problem

#: States of h11 in which the request of a client has arrived as a whole, or nothing more of it is read.
_RECEIVED: Final = frozenset(
    {h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR, h11.MIGHT_SWITCH_PROTOCOL}  # type: ignore[attr-defined] # __all__ is computed
)
#: What h11 suggests as the status of a request whose head exceeds its buffer.
_TOO_LARGE: Final = 431
#: Seconds after the receive timeout: the application refuses a slow body itself, with a problem document.
_GRACE: Final = 1.0
#: Seconds for which what a client is still sending is read and dropped: it may never see the response otherwise.
_DROP_SECONDS: Final = 2.0


class LimitedProtocol(H11Protocol):
    """One connection. It is closed when a request is not received, or a response not read, in time."""

    #: Seconds in which a request must arrive, headers and body.
    receive_timeout: ClassVar[float]
    #: Seconds for which a client may leave a response unread.
    write_timeout: ClassVar[float]
    #: Connections at a time.
    max_connections: ClassVar[int]
    #: Called with the reason when a connection is refused or closed, and the id of the response if there is one.
    on_refusal: ClassVar[Callable[[str, str], None]]

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(*arguments, **options)
        self._receive_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse("connections", "busy", "too many connections", "Retry-After: 1\r\n")
            transport.close()
            return
        self._start_receive_timer()

    def data_received(self, data: bytes) -> None:
        """Read data, and start or stop the time limit of the request."""
        if self._is_refused:
            return
        super().data_received(data)
        if self.conn.their_state in _RECEIVED:
            self._stop_receive_timer()
        elif self._receive_timer is None:
            self._start_receive_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limits."""
        self._stop_receive_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the time limit for reading: the buffer for the client is full."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Stop the time limit for reading."""
        super().resume_writing()
        self._stop_write_timer()

    def on_response_complete(self) -> None:
        """Limit the time in which the rest of a response is read, when the connection is closed after it."""
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._start_write_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without a further request."""
        if self.transport.get_write_buffer_size():  # close() would wait until the client reads
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, _message: str) -> None:
        """Send a problem document: the request is no valid HTTP. The rest of the connection is dropped."""
        self._is_refused = True
        cycle: Any = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:  # the body of a request is not valid
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        self._refuse("request", *_find_problem(sys.exc_info()[1], bytes(self.conn.trailing_data[0])))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_DROP_SECONDS, self.transport.close)

    def _should_upgrade(self) -> bool:
        """Answer over HTTP/1.1 whatever else a client offers; Uvicorn would log two warnings for each request."""
        return False

    def _start_receive_timer(self) -> None:
        self._receive_timer = self.loop.call_later(self.receive_timeout + _GRACE, self._refuse_slow_request)

    def _stop_receive_timer(self) -> None:
        if self._receive_timer is not None:
            self._receive_timer.cancel()
            self._receive_timer = None

    def _start_write_timer(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_timeout, self._refuse_slow_reader)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _refuse_slow_request(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE and self.conn.their_state is h11.IDLE:
            if self.conn.trailing_data[0]:  # a connection on which nothing was sent is closed without a response
                self._refuse("receive", "not-received", "its headers came too slowly")
            self.transport.close()
            return
        type(self).on_refusal("receive", "")
        self.transport.abort()

    def _refuse_slow_reader(self) -> None:
        type(self).on_refusal("write", "")
        self.transport.abort()

    def _refuse(self, reason: str, id_: ProblemId, detail: str, headers: str = "") -> None:
        """Send a response that the application never sees."""
        request_id = secrets.token_hex(8)
        type(self).on_refusal(reason, request_id)
        self.transport.write(_build_response(id_, detail, f"{headers}X-Request-ID: {request_id}\r\n"))


def make_protocol(
    *, receive_timeout: float, write_timeout: float, max_connections: int, on_refusal: Callable[[str, str], None]
) -> type[LimitedProtocol]:
    """Return the class of connections with these limits; Uvicorn makes its objects."""
    attributes = {
        "receive_timeout": receive_timeout,
        "write_timeout": write_timeout,
        "max_connections": max_connections,
        "on_refusal": staticmethod(on_refusal),
    }
    return type("ServedConnection", (LimitedProtocol,), attributes)


def _find_problem(error: BaseException | None, unread: bytes) -> tuple[ProblemId, str]:
    """Return the problem, and its detail, that an error of h11 stands for. Its text can have a target in it."""
    if getattr(error, "error_status_hint", 0) != _TOO_LARGE:
        return "bad-request", "the request is no valid HTTP/1.1"
    if b"\n" in unread.lstrip(b"\r\n"):
        return "headers-too-large", "the headers of the request are too long"
    return "uri-too-long", "the first line of the request is too long"


def _build_response(id_: ProblemId, detail: str, headers: str) -> bytes:
    """Return a response that is sent outside of the application."""
    status, body = HTTPStatus(PROBLEMS[id_][0]), encode_problem(id_, detail)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{headers}Connection: close\r\n\r\n"
    )
    return head.encode() + body
