"""The one door to the network: a question goes out, an answer comes back whole, or a phrase says why not.

Everything the HTTP library can raise ends here, as a :class:`TroubleError`.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.request import getproxies, proxy_bypass

import httpx
import truststore

from nerq_cli.errors import ConfigError
from nerq_cli.fetch.circuit_breaker import RequestError
from nerq_cli.fetch.source import Endpoint, Request, Response

if TYPE_CHECKING:
    from zlib import _Decompress

#: Failures in a row that end the asking: where nobody is at home, and where somebody is but does not manage.
_UNREACHABLE_THRESHOLD: Final = 3
_FAILING_THRESHOLD: Final = 5
_MAX_REDIRECTS: Final = 5
#: Bytes that are sooner read than a new connection made.
_MAX_DRAIN_BYTES: Final = 16_384

_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD_STATUSES: Final = frozenset({307, 308})
_ACCESS_DENIED_STATUSES: Final = frozenset({401, 403})
_RETRYABLE_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_READABLE_STATUSES: Final = frozenset({304, 404, 405, 410})
_SERVER_ERROR: Final = 500
_PROXY_AUTH_REQUIRED: Final = 407

#: Where to look for certificates before the system's own; the names that OpenSSL, requests and pip go by.
_CERTIFICATE_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
#: Window bits for zlib to tell gzip and zlib apart by itself.
_ZLIB_AUTO_HEADER: Final = 47


class Stream(NamedTuple):
    """An answer on its way: ``headers`` are looked up in any case, ``chunks`` are the body as it is sent."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class HttpClient:
    """Pooled connections to any number of hosts. ``seconds`` is how long one request may take. Safe for threads.

    Each host has a client of its own: truststore holds a lock while it shakes hands, and a host that hangs in the
    middle of that must not stop the others.
    """

    def __init__(self, *, user_agent: str, timeout: float, transport: httpx.BaseTransport | None = None) -> None:
        self._user_agent = user_agent
        self._timeout = timeout
        self._transport = transport
        self._clients: dict[str, httpx.Client] = {}
        self._lock = threading.Lock()

    def open_host(self, url: str) -> str:
        """Make ready to ask this host; return its name as people write it, with the port where one is given.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        host = parse_host(url)
        with self._lock:
            if host not in self._clients:
                self._clients[host] = _create_client(self._transport)
        return host

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def send(self, request: Request[Any], *, limit: int, deadline: float, on_request: Callable[[], None]) -> Response:
        """Return the answer to a question, following redirects within its host.

        ``limit`` is the largest body in bytes, ``deadline`` a moment of the monotonic clock; ``on_request`` is called for each
        request.

        Raises:
            TroubleError: there is no answer, or none that a source can read.
        """
        deadline = min(deadline, time.monotonic() + self._timeout)
        url = _parse_url(request.url)
        for _ in range(_MAX_REDIRECTS + 1):
            on_request()
            with self._open_response(request, url, deadline) as response:
                redirect_url = _find_redirect(request, url, response)
                if redirect_url is None:
                    return _read_response(url, response, limit, deadline)
                _drain_body(response)
            url = redirect_url
        raise RequestError(f"{_format_host(url)}: redirects without an end")

    @contextmanager
    def stream(self, request: Request[Any], *, idle_timeout: float) -> Iterator[Stream]:
        """Give access to an answer while it arrives, as it comes over the wire. ``idle_timeout`` is the longest silence, in s.

        Raises:
            TroubleError: there is no answer, it breaks off, or it is none that a source can read.
        """
        url = _parse_url(request.url)
        for _ in range(_MAX_REDIRECTS + 1):
            with self._open_response(request, url, time.monotonic() + idle_timeout) as response:
                redirect_url = _find_redirect(request, url, response)
                if redirect_url is None:
                    _check_status(url, response)
                    yield Stream(response.status_code, response.headers, response.iter_raw())
                    return
                _drain_body(response)
            url = redirect_url
        raise RequestError(f"{_format_host(url)}: redirects without an end")

    @contextmanager
    def _open_response(self, request: Request[Any], url: httpx.URL, deadline: float) -> Iterator[httpx.Response]:
        timeout = max(deadline - time.monotonic(), 0.001)
        with _translate_errors(url, timeout):
            http_request = httpx.Request(
                request.method,
                url,
                headers=self._build_headers(request, url),
                content=request.body,
                extensions={"timeout": httpx.Timeout(timeout).as_dict()},
            )
            response = self._clients[parse_host(request.url)].send(http_request, stream=True)
            try:
                yield response
            finally:
                response.close()

    def _build_headers(self, request: Request[Any], url: httpx.URL) -> dict[str, str]:
        headers = {"User-Agent": self._user_agent, "Accept": request.accept, "Accept-Encoding": "gzip"}
        if request.validator.isascii() and request.validator.isprintable() and request.validator:
            headers["If-None-Match"] = request.validator
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if _is_endpoint_host(url, request.endpoint):
            headers.update(request.endpoint.headers)
        return headers


def parse_host(url: str) -> str:
    """Return the host of an address, with the port where one is given and without any credentials; "" if it is none."""
    try:
        return _format_host(_parse_url(url))
    except RequestError:
        return ""


@lru_cache(maxsize=64)
def _parse_url(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise RequestError("the address cannot be understood") from None


def _format_host(url: httpx.URL) -> str:
    return url.netloc.decode("ascii")


def _is_endpoint_host(url: httpx.URL, endpoint: Endpoint) -> bool:
    """Whether credentials of this endpoint may be sent there."""
    return _is_same_host(_parse_url(endpoint.url), url)


def _is_same_host(source_url: httpx.URL, target_url: httpx.URL) -> bool:
    """Whether it is the same host: on the same port and scheme, or from HTTP to HTTPS on their usual ports."""
    if source_url.host != target_url.host:
        return False
    is_https_upgrade = (source_url.scheme, source_url.port, target_url.scheme, target_url.port) == (
        "http",
        None,
        "https",
        None,
    )
    return is_https_upgrade or (source_url.scheme, source_url.port) == (target_url.scheme, target_url.port)


def _find_redirect(request: Request[Any], url: httpx.URL, response: httpx.Response) -> httpx.URL | None:
    """Return where the question is sent on to; None when this is the answer."""
    location = response.headers.get("Location")
    if response.status_code not in _REDIRECT_STATUSES or not location:
        return None
    if request.method != "GET" and response.status_code not in _SAME_METHOD_STATUSES:
        return None
    redirect_url = url.join(location)
    if not _is_same_host(url, redirect_url):
        raise RequestError(
            f"{_format_host(url)}: redirects to {_format_host(redirect_url) or 'nowhere'}, which is not followed"
        )
    return redirect_url


def _read_response(url: httpx.URL, response: httpx.Response, limit: int, deadline: float) -> Response:
    _check_status(url, response)
    return Response(
        status=response.status_code,
        body=b"".join(_iter_body(url, response, limit, deadline)),
        content_type=response.headers.get("Content-Type", ""),
        validator=response.headers.get("ETag", ""),
    )


def _check_status(url: httpx.URL, response: httpx.Response) -> None:
    """Let through what a source may read.

    Raises:
        TroubleError: for every other status.
    """
    status, host = response.status_code, _format_host(url)
    if response.is_success or status in _READABLE_STATUSES:
        return
    _drain_body(response)
    if status in _ACCESS_DENIED_STATUSES:
        raise RequestError(f"{host}: refused access ({status}); check the credentials for {host}", status=status)
    if status == _PROXY_AUTH_REQUIRED:
        raise _create_proxy_error(url, str(status))
    is_retryable = status in _RETRYABLE_STATUSES
    raise RequestError(
        f"{host}: HTTP {status}",
        retryable=is_retryable,
        retry_after=_read_retry_after(response.headers) if is_retryable else None,
        failure_threshold=_FAILING_THRESHOLD if is_retryable or status >= _SERVER_ERROR else 0,
        status=status,
    )


def _read_retry_after(headers: httpx.Headers) -> float | None:
    """Return how many seconds the server asks to wait: RFC 9110 §10.2.3, a number or a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until, now = (parsedate_to_datetime(date) for date in (value, headers.get("Date", "")))
        return max((until - now).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _iter_body(url: httpx.URL, response: httpx.Response, limit: int, deadline: float) -> Iterator[bytes]:
    """Yield the body, unpacked; neither it nor what it unpacks to is ever held beyond the limit."""
    if _read_content_length(response) > limit:
        raise _create_size_error(url, limit)
    decompressor = _create_decompressor(url, response)
    remaining = limit
    for chunk in response.iter_raw():
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the body drips")
        data = decompressor.decompress(chunk, remaining + 1) if decompressor else chunk
        remaining -= len(data)
        if remaining < 0:
            raise _create_size_error(url, limit)
        yield data
    if decompressor and remaining < limit and not decompressor.eof:
        raise RequestError(
            f"{_format_host(url)}: the answer was cut short", retryable=True, failure_threshold=_FAILING_THRESHOLD
        )


def _read_content_length(response: httpx.Response) -> int:
    """Return the length of the body as announced, in bytes; 0 when it is not."""
    header = response.headers.get("Content-Length", "")
    return int(header[:18]) if header.isascii() and header.isdigit() else 0


def _drain_body(response: httpx.Response) -> None:
    """Read over a small body nobody wants, so that the connection can be used again."""
    if "Content-Length" in response.headers and _read_content_length(response) <= _MAX_DRAIN_BYTES:
        for _ in response.iter_raw():
            pass


def _create_decompressor(url: httpx.URL, response: httpx.Response) -> _Decompress | None:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise RequestError(f"{_format_host(url)}: the answer is packed in a way that was not asked for")
    return zlib.decompressobj(_ZLIB_AUTO_HEADER)


def _create_size_error(url: httpx.URL, limit: int) -> RequestError:
    return RequestError(f"{_format_host(url)}: answer larger than {limit / 1e6:.3g} MB")


@contextmanager
def _translate_errors(url: httpx.URL, timeout: float) -> Iterator[None]:
    """Turn what the library raises into a phrase for people: the host and the cause, and never an address or secret."""
    host = _format_host(url)
    try:
        yield
    except httpx.TimeoutException:
        # Not tried again: the patience of one request is spent, and a run has hardly more.
        raise RequestError(
            f"{host}{_describe_proxy(url)}: no answer within {round(timeout, 1):g} s",
            failure_threshold=_FAILING_THRESHOLD,
        ) from None
    except httpx.ConnectError as error:
        raise _create_connect_error(url, error) from None
    except httpx.ProxyError as error:
        raise _create_proxy_error(url, str(error)[:3]) from None
    except httpx.RemoteProtocolError as error:
        is_disconnected = any(phrase in str(error) for phrase in ("disconnected", "peer closed"))
        reason = "the connection was closed early" if is_disconnected else "the answer is not HTTP"
        raise RequestError(
            f"{host}: {reason}", retryable=is_disconnected, failure_threshold=_FAILING_THRESHOLD
        ) from None
    except httpx.NetworkError:
        raise RequestError(
            f"{host}: the connection broke off", retryable=True, failure_threshold=_FAILING_THRESHOLD
        ) from None
    except zlib.error:
        raise RequestError(f"{host}: the answer is not the gzip it claims to be") from None
    except (httpx.TransportError, ValueError):  # a scheme other than HTTP, a header or a name nobody can send
        raise RequestError(f"{host}: cannot be asked" if host else "its address cannot be used") from None


def _create_proxy_error(url: httpx.URL, status: str) -> RequestError:
    detail = f" ({status})" if status.isdigit() else ""
    hint = "; check its credentials" if status == str(_PROXY_AUTH_REQUIRED) else ""
    return RequestError(
        f"{_format_host(url)}{_describe_proxy(url)}: the proxy refused{detail}{hint}",
        failure_threshold=_UNREACHABLE_THRESHOLD,
    )


def _create_connect_error(url: httpx.URL, error: BaseException) -> RequestError:
    host = f"{_format_host(url)}{_describe_proxy(url)}"
    for cause in _iter_causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            detail = getattr(cause, "verify_message", "") or "no reason given"
            return RequestError(
                f"{host}: TLS certificate not trusted ({detail})", failure_threshold=_UNREACHABLE_THRESHOLD
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


def _describe_proxy(url: httpx.URL) -> str:
    """Name the proxy that the environment puts in the way: then it, too, may be the one that fails."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return ""
    return f" (through the proxy {_format_host(_parse_url(proxy if '://' in proxy else f'http://{proxy}'))})"


def _create_client(transport: httpx.BaseTransport | None) -> httpx.Client:
    if transport is not None:
        return httpx.Client(transport=transport)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30)
    try:
        return httpx.Client(verify=_create_ssl_context(), limits=limits)
    except (ImportError, ValueError, httpx.InvalidURL):
        raise ConfigError(
            "the proxy that the environment sets cannot be used",
            hint="HTTP_PROXY, HTTPS_PROXY and ALL_PROXY take http://HOST:PORT",
        ) from None


def _create_ssl_context() -> ssl.SSLContext:
    """Return what tells which servers to believe: the file the environment names, else the operating system."""
    for variable in _CERTIFICATE_VARIABLES:
        if ca_path := os.environ.get(variable):
            return _load_certificates(Path(ca_path), variable)
    return _create_system_context()


def _load_certificates(ca_path: Path, variable: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca_path.is_dir():
            context.load_verify_locations(capath=ca_path)
        else:
            context.load_verify_locations(cafile=ca_path)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"no certificates can be read from {ca_path}", hint=f"{variable} names it") from error
    return context


@lru_cache(maxsize=1)
def _load_openssl_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context


def _create_system_context() -> ssl.SSLContext:
    """Return the operating system's trust store.

    Where that is a file which OpenSSL finds by itself, truststore would use the same one, but read it again for each
    connection (22 ms for 144 certificates) and let only one handshake happen at a time.
    """
    if sys.platform not in ("darwin", "win32") and _load_openssl_context().cert_store_stats()["x509_ca"]:
        return _load_openssl_context()
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
