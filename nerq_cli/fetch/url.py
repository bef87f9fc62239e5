"""URLs of requests, split into what a connection needs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.fetch.request_error import RequestError
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    import httpx

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65_535
#: Longest URL that httpx takes.
_MAX_LENGTH: Final = 65_536
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#: URLs that mean what they say: no user, no name to encode (IDNA), nothing to escape, no segment "." or "..".
_PLAIN_URL: Final = compile_late(
    r"(https?)://"
    rf"((?!xn--)[a-z](?:[a-z0-9.-]*[a-z0-9])?|(?:{_OCTET}\.){{3}}{_OCTET})"
    r"(?::([0-9]{1,5}))?"
    r"(/(?:[A-Za-z0-9_~@=&,:+/-]|(?<!/)\.|%[0-9A-Fa-f]{2})*(?:\?[A-Za-z0-9_~@=&,:+/.-]+)?)?"
)


class Url(msgspec.Struct, frozen=True, kw_only=True):
    """A URL of a request."""

    text: str
    #: In lower case: "https".
    scheme: str
    #: Name or address, without the brackets of IPv6.
    host: str
    #: None stands for the port of the scheme.
    port: int | None
    #: Host and port, without credentials, for messages and the header ``Host``.
    netloc: str
    #: Path and query as they are sent.
    target: bytes
    #: Name or address as it is sent, for connections.
    raw_host: bytes
    #: User and password for basic authentication; empty without any.
    user_info: tuple[str, ...] = ()

    @property
    def port_number(self) -> int:
        """The port to connect to; 0 for a scheme that has none."""
        return _DEFAULT_PORTS.get(self.scheme, 0) if self.port is None else self.port

    def join(self, location: str) -> Url:
        """Return the URL that a redirect of this one refers to.

        Raises:
            ValueError: it is no URL.
        """
        import httpx

        try:
            return _convert(httpx.URL(self.text).join(location))
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from None


@lru_cache(maxsize=256)
def parse_url(text: str) -> Url:
    """Return a URL, normalised as httpx does it; httpx itself is imported for those that need more than splitting.

    Raises:
        RequestError: it is no URL.
    """
    if len(text) <= _MAX_LENGTH and (match := _PLAIN_URL.fullmatch(text)):
        scheme, host, port_text, target = match.groups()
        port = int(port_text) if port_text else None
        if port == _DEFAULT_PORTS[scheme]:
            port = None
        if port is None or port <= _MAX_PORT:
            return Url(
                text=text,
                scheme=scheme,
                host=host,
                port=port,
                netloc=host if port is None else f"{host}:{port}",
                target=(target or "/").encode(),
                raw_host=host.encode(),
            )
    import httpx

    try:
        return _convert(httpx.URL(text))
    except (httpx.InvalidURL, ValueError):
        raise RequestError("the URL cannot be parsed") from None


def _convert(url: httpx.URL) -> Url:
    return Url(
        text=str(url),
        scheme=url.scheme,
        host=url.host,
        port=url.port,
        netloc=url.netloc.decode("ascii"),
        target=url.raw_path,
        raw_host=url.raw_host,
        user_info=(url.username, url.password) if url.userinfo else (),
    )
