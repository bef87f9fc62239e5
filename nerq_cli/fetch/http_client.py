"""The HTTP client: one request, and its whole response or a :class:`RequestError`.

All errors of the HTTP library are translated here.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import httpcore

from nerq_cli.errors import ConfigError
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.fetch.certificates import create_ssl_context, describe_trust
from nerq_cli.fetch.connections import KEEPALIVE_EXPIRY, DirectSender, RawResponse, Sender, TransportSender
from nerq_cli.fetch.proxies import find_proxy
from nerq_cli.fetch.rate_limits import read_rate_limit
from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.source import Endpoint, Request, Response, ResponseNotes
from nerq_cli.fetch.url import Url, parse_url

if TYPE_CHECKING:
    from zlib import _Decompress

    import httpx

T = TypeVar("T")

#: Consecutive failures that open the circuit if there is no connection.
_UNREACHABLE_THRESHOLD: Final = 3
#: Consecutive failures that open the circuit after a status 5xx or a time-out.
_FAILING_THRESHOLD: Final = 5
_MAX_REDIRECTS: Final = 5
#: Largest body in bytes that is read to reuse the connection; above that, a new connection is faster.
_MAX_DRAIN_BYTES: Final = 16_384
#: Bytes of a streamed body that have to arrive within the time without data: a server that drips is no use.
_MIN_STREAM_BYTES: Final = 1_024
#: Longest header that is kept, in characters: of the next page, and of an error.
_MAX_LINK: Final = 4_000
_MAX_ERROR: Final = 200
#: Seconds beyond its own timeout that a response may take to open.
_OPEN_DELAY: Final = 0.2

_SAME_METHOD_STATUSES: Final = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
_REDIRECT_STATUSES: Final = _SAME_METHOD_STATUSES | {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
}
_ACCESS_DENIED_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_RETRYABLE_STATUSES: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
#: Statuses that every source parses.
_READABLE_STATUSES: Final = frozenset(
    {HTTPStatus.NOT_MODIFIED, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
)

#: Window bits of zlib that detect gzip and zlib headers.
_ZLIB_AUTO_HEADER: Final = 47


class Stream(NamedTuple):
    """A response whose body is still arriving."""

    status: int
    #: Lookup ignores case.
    headers: Mapping[str, str]
    #: The body as it is sent, not decompressed.
    chunks: Iterator[bytes]


class HttpClient:
    """Connections to any number of hosts. Safe for threads.

    ``timeout`` limits one request, in seconds. Each host has its own TLS context: truststore holds a lock during the
    TLS handshake, and a host that hangs there must not block the others.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        timeout: float,
        ca_bundles: Sequence[CaBundle] = (),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._timeout = timeout
        self._ca_bundles = ca_bundles
        self._transport = transport
        #: How each host is reached, by scheme.
        self._senders: dict[str, dict[str, Sender]] = {}
        self._lock = threading.Lock()

    def open_host(self, url: str) -> str:
        """Prepare connections to a host if it is new; return the host, with the port if the URL has one.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        try:
            parsed_url = parse_url(url)
        except RequestError:  # it is reported as the failure of the request
            return ""
        host = parsed_url.netloc
        with self._lock:
            if host not in self._senders:
                self._senders[host] = _create_senders(parsed_url, self._ca_bundles, self._transport)
        return host

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            senders, self._senders = self._senders, {}
        for by_scheme in senders.values():
            for sender in set(by_scheme.values()):
                sender.close()

    def send(self, request: Request[Any], *, limit: int, deadline: float, on_request: Callable[[], None]) -> Response:
        """Return the response to a request, after redirects within its host.

        The deadline does not end headers that arrive byte by byte: ``FetchRun`` and ``send_bounded`` do.

        Args:
            request: The request.
            limit: Largest body in bytes.
            deadline: End of the request on the monotonic clock.
            on_request: Called before each HTTP request, redirects included.

        Raises:
            RequestError: there is no response, or none that a source can parse.
        """
        deadline = min(deadline, time.monotonic() + self._timeout)
        url = parse_url(request.url)
        for _ in range(_MAX_REDIRECTS + 1):
            on_request()
            with self._open_response(request, url, deadline) as response:
                redirect_url = _find_redirect(request, url, response)
                if redirect_url is None:
                    return _read_response(url, response, limit, deadline)
                _drain_body(response, deadline)
            url = redirect_url
        raise RequestError(f"{url.netloc}: too many redirects")

    def send_bounded(self, request: Request[Any], *, limit: int, seconds: float) -> Response:
        """Return the response to a request as ``send`` does, for callers without a ``FetchRun`` that ends it in time.

        Raises:
            RequestError: there is no response in time, or none that a source can parse.
        """
        deadline = time.monotonic() + seconds
        send = partial(self.send, request, limit=limit, deadline=deadline, on_request=lambda: None)
        return _call_bounded(send, parse_url(request.url), min(seconds, self._timeout))

    @contextmanager
    def stream(self, request: Request[Any], *, idle_timeout: float) -> Iterator[Stream]:
        """Open a response whose body is read while it arrives.

        ``idle_timeout`` limits the seconds until the body begins, and those in which hardly any data of it arrive.

        Raises:
            RequestError: there is no response, it breaks off, or it is none that a source can parse.
        """
        url = parse_url(request.url)
        for _ in range(_MAX_REDIRECTS + 1):
            with ExitStack() as exit_stack:
                opened = self._open_response(request, url, time.monotonic() + idle_timeout)
                response = _call_bounded(partial(exit_stack.enter_context, opened), url, idle_timeout)
                redirect_url = _find_redirect(request, url, response)
                if redirect_url is None:
                    _check_status(url, response)
                    yield Stream(response.status, response.headers, _iter_stream(response, idle_timeout))
                    return
            url = redirect_url
        raise RequestError(f"{url.netloc}: too many redirects")

    @contextmanager
    def _open_response(self, request: Request[Any], url: Url, deadline: float) -> Iterator[RawResponse]:
        timeout = max(deadline - time.monotonic(), 0.001)
        with _translate_errors(url, timeout, self._ca_bundles):
            sender = self._senders[parse_url(request.url).netloc].get(url.scheme)
            if sender is None:
                raise httpcore.UnsupportedProtocol(url.scheme)
            response = sender.send(request.method, url, self._build_headers(request, url), request.body, timeout)
            try:
                yield response
            finally:
                response.close()

    def _build_headers(self, request: Request[Any], url: Url) -> dict[str, str]:
        headers = {"User-Agent": self._user_agent, "Accept": request.accept, "Accept-Encoding": "gzip"}
        if request.validator.isascii() and request.validator.isprintable() and request.validator:
            headers["If-None-Match"] = request.validator
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if url.user_info:
            headers["Authorization"] = f"Basic {b64encode(':'.join(url.user_info).encode()).decode()}"
        if _is_endpoint_host(url, request.endpoint):
            headers.update(request.endpoint.headers)
        return headers


def parse_host(url: str) -> str:
    """Return the host of a URL, with its port if it has one and without credentials; empty if it is no URL."""
    try:
        return parse_url(url).netloc
    except RequestError:
        return ""


def _is_endpoint_host(url: Url, endpoint: Endpoint) -> bool:
    """Whether the credentials of an endpoint may be sent to a URL."""
    return _is_same_host(parse_url(endpoint.url), url)


def _is_same_host(source_url: Url, target_url: Url) -> bool:
    """Whether host, port and scheme are the same, or only change from HTTP to HTTPS on the default ports."""
    if source_url.host != target_url.host:
        return False
    is_https_upgrade = (source_url.scheme, source_url.port, target_url.scheme, target_url.port) == (
        "http",
        None,
        "https",
        None,
    )
    return is_https_upgrade or (source_url.scheme, source_url.port) == (target_url.scheme, target_url.port)


def _find_redirect(request: Request[Any], url: Url, response: RawResponse) -> Url | None:
    """Return the URL of a redirect; None if the response is not one."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECT_STATUSES or not location:
        return None
    if request.method != "GET" and response.status not in _SAME_METHOD_STATUSES:
        return None
    try:
        redirect_url = url.join(location)
    except ValueError as error:
        raise httpcore.RemoteProtocolError("the redirect leads to no URL") from error
    if not request.follows_redirects or not _is_same_host(url, redirect_url):
        raise RequestError(
            f"{url.netloc}: redirects to {redirect_url.netloc or 'nowhere'}, which is not followed",
            status=response.status,
            location=redirect_url.text,
        )
    return redirect_url


def _read_response(url: Url, response: RawResponse, limit: int, deadline: float) -> Response:
    _check_status(url, response, deadline)
    return Response(
        status=response.status,
        body=b"".join(_iter_body(url, response, limit, deadline)),
        content_type=response.headers.get("Content-Type", ""),
        validator=response.headers.get("ETag", ""),
        notes=_read_notes(response),
    )


def _read_notes(response: RawResponse) -> ResponseNotes:
    headers = response.headers
    return ResponseNotes(
        error_code=headers.get("X-Error-Code", "")[:_MAX_ERROR],
        error_message=headers.get("X-Error-Message", "")[:_MAX_ERROR],
        link=headers.get("Link", "")[:_MAX_LINK],
        rate_limit=read_rate_limit(headers),
    )


def _check_status(url: Url, response: RawResponse, deadline: float = 0.0) -> None:
    """Check that a source can parse a response with this status. Else its body is discarded until the deadline.

    Raises:
        RequestError: it cannot.
    """
    status, host = response.status, url.netloc
    if response.is_success or status in _READABLE_STATUSES:
        return
    _drain_body(response, deadline)
    if status in _ACCESS_DENIED_STATUSES:
        raise RequestError(
            f"{host}: refused access ({status}); check the credentials for {host}",
            status=status,
            notes=_read_notes(response),
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise _create_proxy_error(url, str(status))
    is_retryable = status in _RETRYABLE_STATUSES
    raise RequestError(
        f"{host}: HTTP {status}",
        retryable=is_retryable,
        retry_after=_read_retry_after(response.headers) if is_retryable else None,
        failure_threshold=_FAILING_THRESHOLD if is_retryable or status >= HTTPStatus.INTERNAL_SERVER_ERROR else 0,
        status=status,
        notes=_read_notes(response),
    )


def _read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the delay in seconds of Retry-After, a number or a date (RFC 9110 §10.2.3); None without a valid one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    from email.utils import parsedate_to_datetime

    try:
        until, now = (parsedate_to_datetime(date) for date in (value, headers.get("Date", "")))
        return max((until - now).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _iter_body(url: Url, response: RawResponse, limit: int, deadline: float) -> Iterator[bytes]:
    """Yield the decompressed body; at most ``limit`` bytes of it are held, compressed or not."""
    if _read_content_length(response) > limit:
        raise _create_size_error(url, limit)
    decompressor = _create_decompressor(url, response)
    remaining = limit
    for chunk in response.chunks:
        if time.monotonic() > deadline:
            raise httpcore.ReadTimeout("the body is too slow")
        data = decompressor.decompress(chunk, remaining + 1) if decompressor else chunk
        remaining -= len(data)
        if remaining < 0:
            raise _create_size_error(url, limit)
        yield data
    if decompressor and remaining < limit and not decompressor.eof:
        raise RequestError(
            f"{url.netloc}: the response was cut short", retryable=True, failure_threshold=_FAILING_THRESHOLD
        )


def _read_content_length(response: RawResponse) -> int:
    """Return the Content-Length in bytes; 0 without a valid one."""
    header = response.headers.get("Content-Length", "")
    return int(header[:18]) if header.isascii() and header.isdigit() else 0


def _drain_body(response: RawResponse, deadline: float) -> None:
    """Read and discard a small body, so that the connection can be reused."""
    if "Content-Length" in response.headers and _read_content_length(response) <= _MAX_DRAIN_BYTES:
        for _ in response.chunks:
            if time.monotonic() > deadline:
                return


def _call_bounded(call: Callable[[], T], url: Url, seconds: float) -> T:
    """Return the result of a call, which runs in a thread of its own: a server may send its headers byte by byte.

    Raises:
        RequestError: there is no result in time. The thread ends with its connection.
    """
    results: SimpleQueue[tuple[T] | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            results.put((call(),))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread of the caller
            results.put(error)

    threading.Thread(target=run, name=f"nerq {url.netloc}", daemon=True).start()
    try:
        result = results.get(timeout=seconds + _OPEN_DELAY)
    except Empty:
        raise create_timeout_error(url.text, seconds) from None
    if isinstance(result, BaseException):
        raise result
    return result[0]


def _iter_stream(response: RawResponse, idle_timeout: float) -> Iterator[bytes]:
    """Yield the body as it arrives, as long as more than a few bytes arrive in each ``idle_timeout`` seconds."""
    seconds, received_bytes = 0.0, 0
    chunks = response.chunks
    while True:
        started_at = time.monotonic()
        chunk = next(chunks, None)
        if chunk is None:
            return
        seconds += time.monotonic() - started_at
        received_bytes += len(chunk)
        if received_bytes >= _MIN_STREAM_BYTES:
            seconds, received_bytes = 0.0, 0
        elif seconds > idle_timeout:
            raise httpcore.ReadTimeout("the body is too slow")
        yield chunk


def _create_decompressor(url: Url, response: RawResponse) -> _Decompress | None:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise RequestError(f"{url.netloc}: the content encoding was not requested")
    return zlib.decompressobj(_ZLIB_AUTO_HEADER)


def _create_size_error(url: Url, limit: int) -> RequestError:
    # The status that the server would give if it knew the limit, so that a source can divide its request.
    return RequestError(
        f"{url.netloc}: response larger than {limit / 1e6:.3g} MB", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    )


@contextmanager
def _translate_errors(url: Url, timeout: float, ca_bundles: Sequence[CaBundle]) -> Iterator[None]:
    """Raise errors of the library as RequestError; messages name host and cause, and contain no URL and no secret."""
    host = url.netloc
    try:
        yield
    except httpcore.TimeoutException:
        raise create_timeout_error(url.text, timeout) from None
    except httpcore.ConnectError as error:
        raise _create_connect_error(url, error, ca_bundles) from None
    except httpcore.ProxyError as error:
        raise _create_proxy_error(url, str(error)[:3]) from None
    except httpcore.RemoteProtocolError as error:
        is_disconnected = any(phrase in str(error) for phrase in ("disconnected", "peer closed"))
        reason = "the connection was closed early" if is_disconnected else "the response is not HTTP"
        raise RequestError(
            f"{host}: {reason}", retryable=is_disconnected, failure_threshold=_FAILING_THRESHOLD
        ) from None
    except httpcore.NetworkError:
        raise RequestError(
            f"{host}: the connection broke off", retryable=True, failure_threshold=_FAILING_THRESHOLD
        ) from None
    except zlib.error:
        raise RequestError(f"{host}: the response is not valid gzip") from None
    except ConfigError as error:
        raise RequestError(f"{host}: {error}") from None
    # A scheme other than HTTP, an invalid header or name.
    except (httpcore.UnsupportedProtocol, httpcore.ProtocolError, ValueError):
        raise RequestError(f"{host}: the request cannot be sent" if host else "the URL cannot be used") from None


def create_timeout_error(url: str, seconds: float) -> RequestError:
    """Return the error of a request without a response in its time. No retry: a run has hardly more time."""
    parsed_url = parse_url(url)
    return RequestError(
        f"{parsed_url.netloc}{_describe_proxy(parsed_url)}: no answer within {round(seconds, 1):g} s",
        failure_threshold=_FAILING_THRESHOLD,
        timed_out=True,
    )


def _create_proxy_error(url: Url, status: str) -> RequestError:
    detail = f" ({status})" if status.isdigit() else ""
    hint = "; check its credentials" if status == str(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value) else ""
    return RequestError(
        f"{url.netloc}{_describe_proxy(url)}: the proxy refused{detail}{hint}",
        failure_threshold=_UNREACHABLE_THRESHOLD,
    )


def _create_connect_error(url: Url, error: BaseException, ca_bundles: Sequence[CaBundle]) -> RequestError:
    host = f"{url.netloc}{_describe_proxy(url)}"
    for cause in _iter_causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            detail = getattr(cause, "verify_message", "") or "no reason given"
            return RequestError(
                f"{host}: TLS certificate not trusted ({detail}); {describe_trust(ca_bundles)}",
                failure_threshold=_UNREACHABLE_THRESHOLD,
            )
        if isinstance(cause, ssl.SSLError):
            return RequestError(f"{host}: TLS handshake failed", failure_threshold=_UNREACHABLE_THRESHOLD)
        if isinstance(cause, socket.gaierror):
            return RequestError(
                f"{host}: name does not resolve", retryable=True, failure_threshold=_UNREACHABLE_THRESHOLD
            )
        if isinstance(cause, ConnectionRefusedError):
            return RequestError(f"{host}: connection refused", retryable=True, failure_threshold=_UNREACHABLE_THRESHOLD)
        if isinstance(cause, OSError) and cause.strerror:
            return RequestError(
                f"{host}: {cause.strerror.lower()}", retryable=True, failure_threshold=_FAILING_THRESHOLD
            )
    return RequestError(f"{host}: cannot connect", retryable=True, failure_threshold=_FAILING_THRESHOLD)


def _iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _describe_proxy(url: Url) -> str:
    """Return a mention of the proxy that the environment sets: it may be the cause of a failure."""
    proxy = find_proxy(url.scheme, url.host)
    return f" (through the proxy {parse_url(proxy).netloc})" if proxy else ""


def _create_senders(
    url: Url, ca_bundles: Sequence[CaBundle], transport: httpx.BaseTransport | None
) -> dict[str, Sender]:
    """Return how the host of a URL is reached by each scheme: directly, or through the proxy of the environment.

    Raises:
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    if transport is not None:
        return dict.fromkeys(("http", "https"), TransportSender(transport))
    direct_sender = DirectSender(partial(create_ssl_context, ca_bundles))
    senders: dict[str, Sender] = dict.fromkeys(("http", "https"), direct_sender)
    for scheme in senders:
        if proxy := find_proxy(scheme, url.host):
            senders[scheme] = TransportSender(_create_proxy_transport(proxy, ca_bundles))
        elif scheme == url.scheme:
            direct_sender.prepare(scheme)
    return senders


def _create_proxy_transport(proxy: str, ca_bundles: Sequence[CaBundle]) -> httpx.HTTPTransport:
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_EXPIRY)
    context = create_ssl_context(ca_bundles)
    try:
        return httpx.HTTPTransport(verify=context, limits=limits, proxy=proxy)
    except (ImportError, ValueError, httpx.InvalidURL):
        raise ConfigError(
            "the proxy that the environment sets cannot be used",
            hint="HTTP_PROXY, HTTPS_PROXY and ALL_PROXY take http://HOST:PORT",
        ) from None
