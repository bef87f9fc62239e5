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
from nerq_cli.sources.gather.job import TroubleError
from nerq_cli.sources.question import Answer, Endpoint, Question

if TYPE_CHECKING:
    from zlib import _Decompress

#: Failures in a row that end the asking: where nobody is at home, and where somebody is but does not manage.
_NOBODY: Final = 3
_UNWELL: Final = 5
_REDIRECTS: Final = 5
#: Bytes that are sooner read than a new connection made.
_SMALL: Final = 16_384

_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
_REPEATABLE: Final = frozenset({307, 308})
_REFUSED: Final = frozenset({401, 403})
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_READABLE: Final = frozenset({304, 404, 405, 410})
_SERVER_ERROR: Final = 500
_PROXY_LOGIN: Final = 407

#: Where to look for certificates before the system's own; the names that OpenSSL, requests and pip go by.
_CERTIFICATES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
#: Window bits for zlib to tell gzip and zlib apart by itself.
_ANY_HEADER: Final = 47


class Stream(NamedTuple):
    """An answer on its way: ``headers`` are looked up in any case, ``pieces`` are the body as it is sent."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class Door:
    """Pooled connections to any number of hosts. ``seconds`` is how long one request may take. Safe for threads.

    Each host has a client of its own: truststore holds a lock while it shakes hands, and a host that hangs in the
    middle of that must not stop the others.
    """

    def __init__(self, *, user_agent: str, seconds: float, transport: httpx.BaseTransport | None = None) -> None:
        self._user_agent = user_agent
        self._seconds = seconds
        self._transport = transport
        self._clients: dict[str, httpx.Client] = {}
        self._lock = threading.Lock()

    def open(self, url: str) -> str:
        """Make ready to ask this host; return its name as people write it, with the port where one is given.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        host = host_of(url)
        with self._lock:
            if host not in self._clients:
                self._clients[host] = _client(self._transport)
        return host

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def exchange(self, question: Question[Any], *, limit: int, ends: float, sent: Callable[[], None]) -> Answer:
        """Return the answer to a question, following redirects within its host.

        ``limit`` is the largest body in bytes, ``ends`` a moment of the monotonic clock; ``sent`` is called for each
        request.

        Raises:
            TroubleError: there is no answer, or none that a source can read.
        """
        ends = min(ends, time.monotonic() + self._seconds)
        url = _url(question.url)
        for _ in range(_REDIRECTS + 1):
            sent()
            with self._response(question, url, ends) as response:
                target = _target(question, url, response)
                if target is None:
                    return _answer(url, response, limit, ends)
                _drain(response)
            url = target
        raise TroubleError(f"{_host(url)}: redirects without an end")

    @contextmanager
    def stream(self, question: Question[Any], *, idle: float) -> Iterator[Stream]:
        """Give access to an answer while it arrives, as it comes over the wire. ``idle`` is the longest silence, in s.

        Raises:
            TroubleError: there is no answer, it breaks off, or it is none that a source can read.
        """
        url = _url(question.url)
        for _ in range(_REDIRECTS + 1):
            with self._response(question, url, time.monotonic() + idle) as response:
                target = _target(question, url, response)
                if target is None:
                    _require_answer(url, response)
                    yield Stream(response.status_code, response.headers, response.iter_raw())
                    return
                _drain(response)
            url = target
        raise TroubleError(f"{_host(url)}: redirects without an end")

    @contextmanager
    def _response(self, question: Question[Any], url: httpx.URL, ends: float) -> Iterator[httpx.Response]:
        seconds = max(ends - time.monotonic(), 0.001)
        with _translated(url, seconds):
            request = httpx.Request(
                question.method,
                url,
                headers=self._headers(question, url),
                content=question.body,
                extensions={"timeout": httpx.Timeout(seconds).as_dict()},
            )
            response = self._clients[host_of(question.url)].send(request, stream=True)
            try:
                yield response
            finally:
                response.close()

    def _headers(self, question: Question[Any], url: httpx.URL) -> dict[str, str]:
        headers = {"User-Agent": self._user_agent, "Accept": question.accept, "Accept-Encoding": "gzip"}
        if question.validator.isascii() and question.validator.isprintable() and question.validator:
            headers["If-None-Match"] = question.validator
        if question.body is not None:
            headers["Content-Type"] = "application/json"
        if _is_home(url, question.endpoint):
            headers.update(question.endpoint.headers)
        return headers


def host_of(url: str) -> str:
    """Return the host of an address, with the port where one is given and without any credentials; "" if it is none."""
    try:
        return _host(_url(url))
    except TroubleError:
        return ""


@lru_cache(maxsize=64)
def _url(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise TroubleError("the address cannot be understood") from None


def _host(url: httpx.URL) -> str:
    return url.netloc.decode("ascii")


def _is_home(url: httpx.URL, endpoint: Endpoint) -> bool:
    """Whether credentials of this endpoint may be sent there."""
    return _may_lead(_url(endpoint.url), url)


def _may_lead(here: httpx.URL, there: httpx.URL) -> bool:
    """Whether it is the same host: on the same port and scheme, or from HTTP to HTTPS on their usual ports."""
    if here.host != there.host:
        return False
    upgrade = (here.scheme, here.port, there.scheme, there.port) == ("http", None, "https", None)
    return upgrade or (here.scheme, here.port) == (there.scheme, there.port)


def _target(question: Question[Any], url: httpx.URL, response: httpx.Response) -> httpx.URL | None:
    """Return where the question is sent on to; None when this is the answer."""
    location = response.headers.get("Location")
    if response.status_code not in _REDIRECTING or not location:
        return None
    if question.method != "GET" and response.status_code not in _REPEATABLE:
        return None
    target = url.join(location)
    if not _may_lead(url, target):
        raise TroubleError(f"{_host(url)}: redirects to {_host(target) or 'nowhere'}, which is not followed")
    return target


def _answer(url: httpx.URL, response: httpx.Response, limit: int, ends: float) -> Answer:
    _require_answer(url, response)
    return Answer(
        status=response.status_code,
        body=b"".join(_body(url, response, limit, ends)),
        content_type=response.headers.get("Content-Type", ""),
        validator=response.headers.get("ETag", ""),
    )


def _require_answer(url: httpx.URL, response: httpx.Response) -> None:
    """Let through what a source may read.

    Raises:
        TroubleError: for every other status.
    """
    status, host = response.status_code, _host(url)
    if response.is_success or status in _READABLE:
        return
    _drain(response)
    if status in _REFUSED:
        raise TroubleError(f"{host}: refused access ({status}); check the credentials for {host}", status=status)
    if status == _PROXY_LOGIN:
        raise _refused_by_proxy(url, str(status))
    busy = status in _BUSY
    raise TroubleError(
        f"{host}: HTTP {status}",
        again=busy,
        wait=_wait(response.headers) if busy else None,
        strikes=_UNWELL if busy or status >= _SERVER_ERROR else 0,
        status=status,
    )


def _wait(headers: httpx.Headers) -> float | None:
    """Return how many seconds the server asks to wait: RFC 9110 §10.2.3, a number or a date."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until, now = (parsedate_to_datetime(date) for date in (asked, headers.get("Date", "")))
        return max((until - now).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _body(url: httpx.URL, response: httpx.Response, limit: int, ends: float) -> Iterator[bytes]:
    """Yield the body, unpacked; neither it nor what it unpacks to is ever held beyond the limit."""
    if _length(response) > limit:
        raise _too_large(url, limit)
    inflate = _inflater(url, response)
    room = limit
    for piece in response.iter_raw():
        if time.monotonic() > ends:
            raise httpx.ReadTimeout("the body drips")
        unpacked = inflate.decompress(piece, room + 1) if inflate else piece
        room -= len(unpacked)
        if room < 0:
            raise _too_large(url, limit)
        yield unpacked
    if inflate and room < limit and not inflate.eof:
        raise TroubleError(f"{_host(url)}: the answer was cut short", again=True, strikes=_UNWELL)


def _length(response: httpx.Response) -> int:
    """Return the length of the body as announced, in bytes; 0 when it is not."""
    announced = response.headers.get("Content-Length", "")
    return int(announced[:18]) if announced.isascii() and announced.isdigit() else 0


def _drain(response: httpx.Response) -> None:
    """Read over a small body nobody wants, so that the connection can be used again."""
    if "Content-Length" in response.headers and _length(response) <= _SMALL:
        for _ in response.iter_raw():
            pass


def _inflater(url: httpx.URL, response: httpx.Response) -> _Decompress | None:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise TroubleError(f"{_host(url)}: the answer is packed in a way that was not asked for")
    return zlib.decompressobj(_ANY_HEADER)


def _too_large(url: httpx.URL, limit: int) -> TroubleError:
    return TroubleError(f"{_host(url)}: answer larger than {limit / 1e6:.3g} MB")


@contextmanager
def _translated(url: httpx.URL, seconds: float) -> Iterator[None]:
    """Turn what the library raises into a phrase for people: the host and the cause, and never an address or secret."""
    host = _host(url)
    try:
        yield
    except httpx.TimeoutException:
        # Not tried again: the patience of one request is spent, and a run has hardly more.
        raise TroubleError(f"{host}{_via(url)}: no answer within {round(seconds, 1):g} s", strikes=_UNWELL) from None
    except httpx.ConnectError as error:
        raise _unconnected(url, error) from None
    except httpx.ProxyError as error:
        raise _refused_by_proxy(url, str(error)[:3]) from None
    except httpx.RemoteProtocolError as error:
        broken = any(sign in str(error) for sign in ("disconnected", "peer closed"))
        reason = "the connection was closed early" if broken else "the answer is not HTTP"
        raise TroubleError(f"{host}: {reason}", again=broken, strikes=_UNWELL) from None
    except httpx.NetworkError:
        raise TroubleError(f"{host}: the connection broke off", again=True, strikes=_UNWELL) from None
    except zlib.error:
        raise TroubleError(f"{host}: the answer is not the gzip it claims to be") from None
    except (httpx.TransportError, ValueError):  # a scheme other than HTTP, a header or a name nobody can send
        raise TroubleError(f"{host}: cannot be asked" if host else "its address cannot be used") from None


def _refused_by_proxy(url: httpx.URL, status: str) -> TroubleError:
    why = f" ({status})" if status.isdigit() else ""
    advice = "; check its credentials" if status == str(_PROXY_LOGIN) else ""
    return TroubleError(f"{_host(url)}{_via(url)}: the proxy refused{why}{advice}", strikes=_NOBODY)


def _unconnected(url: httpx.URL, error: BaseException) -> TroubleError:
    host = f"{_host(url)}{_via(url)}"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", "") or "no reason given"
            return TroubleError(f"{host}: TLS certificate not trusted ({why})", strikes=_NOBODY)
        if isinstance(cause, ssl.SSLError):
            return TroubleError(f"{host}: TLS handshake failed", strikes=_NOBODY)
        if isinstance(cause, socket.gaierror):
            return TroubleError(f"{host}: name does not resolve", again=True, strikes=_NOBODY)
        if isinstance(cause, ConnectionRefusedError):
            return TroubleError(f"{host}: connection refused", again=True, strikes=_NOBODY)
        if isinstance(cause, OSError) and cause.strerror:
            return TroubleError(f"{host}: {cause.strerror.lower()}", again=True, strikes=_UNWELL)
    return TroubleError(f"{host}: cannot connect", again=True, strikes=_UNWELL)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _via(url: httpx.URL) -> str:
    """Name the proxy that the environment puts in the way: then it, too, may be the one that fails."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return ""
    return f" (through the proxy {_host(_url(proxy if '://' in proxy else f'http://{proxy}'))})"


def _client(transport: httpx.BaseTransport | None) -> httpx.Client:
    if transport is not None:
        return httpx.Client(transport=transport)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30)
    try:
        return httpx.Client(verify=_trust(), limits=limits)
    except (ImportError, ValueError, httpx.InvalidURL):
        raise ConfigError(
            "the proxy that the environment sets cannot be used",
            hint="HTTP_PROXY, HTTPS_PROXY and ALL_PROXY take http://HOST:PORT",
        ) from None


def _trust() -> ssl.SSLContext:
    """Return what tells which servers to believe: the file the environment names, else the operating system."""
    for variable in _CERTIFICATES:
        if named := os.environ.get(variable):
            return _trust_in(Path(named), variable)
    return _system_trust()


def _trust_in(named: Path, variable: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if named.is_dir():
            context.load_verify_locations(capath=named)
        else:
            context.load_verify_locations(cafile=named)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"no certificates can be read from {named}", hint=f"{variable} names it") from error
    return context


@lru_cache(maxsize=1)
def _openssl_trust() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context


def _system_trust() -> ssl.SSLContext:
    """Return the operating system's trust store.

    Where that is a file which OpenSSL finds by itself, truststore would use the same one, but read it again for each
    connection (22 ms for 144 certificates) and let only one handshake happen at a time.
    """
    if sys.platform not in ("darwin", "win32") and _openssl_trust().cert_store_stats()["x509_ca"]:
        return _openssl_trust()
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
