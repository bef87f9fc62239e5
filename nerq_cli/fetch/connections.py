"""Ways to send a request to a host: over connections of its own, or through a transport of httpx.

Connections are those of httpcore, the core of httpx, without the layers above it: a client of httpx looks at all its
connections for each request, keeps cookies and copies headers, which takes twice to four times the processor time; and
its import takes 65 ms more. docs/decisions/0009-connections.md has the figures, and says why there is no HTTP/2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol, cast

import httpcore

from nerq_cli.fetch.url import Url

if TYPE_CHECKING:
    import ssl

    import httpx

#: Seconds after which an unused connection is not used again; servers commonly close it after 60.
KEEPALIVE_EXPIRY: Final = 30.0

#: In the error of httpcore for a connection that was closed before a response began.
_DISCONNECTED: Final = "disconnected without sending a response"


class Headers(Mapping[str, str]):
    """The headers of a response; look-up ignores case, and values of the same name are joined."""

    def __init__(self, raw_headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for raw_name, raw_value in raw_headers:
            name, value = raw_name.decode("latin-1").lower(), _decode(raw_value)
            self._values[name] = f"{self._values[name]}, {value}" if name in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class RawResponse:
    """A response whose body is still arriving; it must be closed."""

    __slots__ = ("_close", "chunks", "headers", "status")

    def __init__(
        self,
        status: int,
        raw_headers: Iterable[tuple[bytes, bytes]],
        chunks: Iterator[bytes],
        close: Callable[[], None],
    ) -> None:
        self.status = status
        self.headers = Headers(raw_headers)
        #: The body as it is sent, not decompressed.
        self.chunks = chunks
        self._close = close

    @property
    def is_success(self) -> bool:
        """Whether the status is 200-299."""
        return self.status // 100 == 2  # noqa: PLR2004 - the class of the status

    def close(self) -> None:
        """Give up the rest of the body, and release the connection."""
        self._close()


class Sender(Protocol):
    """Sends requests to one host. Safe for threads. Errors are those of httpcore, and ``ValueError``."""

    def send(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> RawResponse:
        """Return the response once its headers have arrived; each wait takes at most ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class DirectSender:
    """Connections that each carry one request at a time; as many as there are requests at a time."""

    def __init__(self, create_context: Callable[[], ssl.SSLContext]) -> None:
        self._create_context = create_context
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        #: Those without a request, by scheme, name and port; the one used last is at the end.
        self._idle: dict[tuple[str, bytes, int], list[httpcore.HTTPConnection]] = {}
        self._is_closed = False

    def prepare(self, scheme: str) -> None:
        """Read the certificates that a scheme needs, so that errors of the configuration arise here.

        Raises:
            ConfigError: the certificates that the environment names cannot be used.
        """
        with self._lock:
            if scheme == "https" and self._context is None:
                self._context = self._create_context()

    def send(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> RawResponse:
        """Return the response once its headers have arrived; each wait takes at most ``timeout`` seconds."""
        origin = (url.scheme, url.raw_host, url.port_number)
        raw_headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        raw_headers.insert(0, (b"Host", url.netloc.encode("ascii")))
        if body is not None:
            raw_headers.append((b"Content-Length", b"%d" % len(body)))
        request = httpcore.Request(
            method,
            httpcore.URL(scheme=url.scheme.encode(), host=url.raw_host, port=url.port_number, target=url.target),
            headers=raw_headers,
            content=body,
            extensions={"timeout": _build_timeouts(timeout)},
        )
        connection = self._take_idle_connection(origin)
        response = None if connection is None else _request_again(connection, request)
        if connection is None or response is None:
            connection = self._create_connection(*origin)
            response = _request(connection, request)

        def close() -> None:
            response.close()
            self._release_connection(origin, connection)

        return RawResponse(response.status, response.headers, response.iter_stream(), close)

    def close(self) -> None:
        """Close the connections without a request, and the others once their request has ended."""
        with self._lock:
            self._is_closed = True
            connections = [connection for group in self._idle.values() for connection in group]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def _take_idle_connection(self, origin: tuple[str, bytes, int]) -> httpcore.HTTPConnection | None:
        """Return the connection used last of those without a request that the server has not closed; None without."""
        while True:
            with self._lock:
                group = self._idle.get(origin)
                connection = group.pop() if group else None
            if connection is None or not connection.has_expired():
                return connection
            connection.close()

    def _create_connection(self, scheme: str, host: bytes, port: int) -> httpcore.HTTPConnection:
        if scheme not in ("http", "https"):
            raise httpcore.UnsupportedProtocol(scheme)
        self.prepare(scheme)
        return httpcore.HTTPConnection(
            httpcore.Origin(scheme.encode(), host, port), ssl_context=self._context, keepalive_expiry=KEEPALIVE_EXPIRY
        )

    def _release_connection(self, origin: tuple[str, bytes, int], connection: httpcore.HTTPConnection) -> None:
        """Keep a connection for the next request, if its response was read to the end."""
        if connection.is_idle():
            with self._lock:
                if not self._is_closed:
                    self._idle.setdefault(origin, []).append(connection)
                    return
        connection.close()


def _request(connection: httpcore.HTTPConnection, request: httpcore.Request) -> httpcore.Response:
    try:
        return connection.handle_request(request)
    except BaseException:
        connection.close()
        raise


def _request_again(connection: httpcore.HTTPConnection, request: httpcore.Request) -> httpcore.Response | None:
    """Return the response over a connection that was used before; None if the server closed it at the same moment.

    That says nothing about the request or the server, which closes unused connections when it likes to.
    """
    try:
        return _request(connection, request)
    except (httpcore.ReadError, httpcore.WriteError):
        return None
    except httpcore.RemoteProtocolError as error:
        if _DISCONNECTED not in str(error):
            raise
        return None


class TransportSender:
    """A transport of httpx: one that uses a proxy, or one that a caller supplies."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def send(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> RawResponse:
        """Return the response once its headers have arrived; each wait takes at most ``timeout`` seconds."""
        import httpx

        with _convert_errors():
            response = self._transport.handle_request(
                httpx.Request(
                    method, url.text, headers=headers, content=body, extensions={"timeout": _build_timeouts(timeout)}
                )
            )
        return RawResponse(response.status_code, response.headers.raw, _iter_stream(response), response.close)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()


def _iter_stream(response: httpx.Response) -> Iterator[bytes]:
    with _convert_errors():
        yield from cast("Iterable[bytes]", response.stream)


@contextmanager
def _convert_errors() -> Iterator[None]:
    """Raise the errors of httpx as those of httpcore, which have the same names."""
    import httpx

    try:
        yield
    except httpx.TransportError as error:
        raise getattr(httpcore, type(error).__name__, httpcore.ProtocolError)(str(error)) from error


def _build_timeouts(seconds: float) -> dict[str, float]:
    return {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
