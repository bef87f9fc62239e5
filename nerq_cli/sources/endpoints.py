"""Endpoints of the sources: the defaults of ``SOURCES``, and what the environment puts in their place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import msgspec

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.errors import ConfigError
from nerq_cli.fetch.source import Endpoint, hash_credential
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES, SourceInfo

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST = compile_late(r"[a-z0-9._-]+|[0-9a-f.]*:[0-9a-f:.]+")
#: Anything that is no visible ASCII character.
UNPRINTABLE = compile_late(r"[^!-~]")


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoints of all sources that the registry configuration does not decide about."""

    #: By source id: the endpoint, then its mirrors.
    by_source: Mapping[str, tuple[Endpoint, ...]]
    #: Ids of the sources whose own variable is set. The user chose these endpoints for this tool: they may receive
    #: private names. A variable of other tools may name a public mirror.
    configured: frozenset[str] = frozenset()

    def __getitem__(self, source_id: str) -> Endpoint:
        """Return the endpoint of a source."""
        return self.by_source[source_id][0]


def read_endpoints(environ: Mapping[str, str]) -> Endpoints:
    """Return the endpoints of all sources, as the environment sets them.

    Raises:
        ConfigError: a variable holds no URL for HTTP.
    """
    rows = []
    for info in SOURCES.values():
        if info.url:
            rows.append(info)
        elif value := environ.get(info.variable, "").strip():
            _parse_variable(info.variable, value)
    return Endpoints(
        by_source={info.id: _read_row(info, environ) for info in rows},
        configured=frozenset(info.id for info in rows if environ.get(info.variable, "").strip()),
    )


def read_endpoint(source_id: str, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint of one source, as the environment sets it.

    Raises:
        ConfigError: its variable holds no URL for HTTP; no request goes to the default instead.
    """
    return _read_row(SOURCES[source_id], environ)[0]


def _read_row(info: SourceInfo, environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    for variable in (info.variable, *info.shared_variables):
        if value := environ.get(variable, "").strip():
            return (_add_token(_parse_variable(variable, value), info, environ),)
    url = info.url if isinstance(info.url, str) else info.url()
    return (_add_token(url, info, environ), *(Endpoint(url=mirror) for mirror in info.mirrors))


def _parse_variable(variable: str, value: str) -> str:
    url = split_url(value)[0]
    if not url:
        # The value is not shown: it may contain a password.
        raise ConfigError(
            f"environment {variable} is not a URL for HTTP: nothing was requested",
            hint=f"set {variable} to an address such as https://mirror.example/path, or unset it",
        )
    return url


def _add_token(url: str, info: SourceInfo, environ: Mapping[str, str]) -> Endpoint:
    token = next(filter(None, (environ.get(name, "").strip() for name in info.token_variables)), "")
    if not url or not token or not (token.isascii() and token.isprintable()):
        return Endpoint(url=url)
    return Endpoint(url=url, headers={"Authorization": f"Bearer {token}"}, identity=hash_credential(url, token))


@lru_cache(maxsize=256)
def split_url(url: str) -> tuple[str, str]:
    """Split a URL into a normalised address without credentials, and the credentials.

    Both are empty if it is not a URL for HTTP.
    """
    try:
        parts = urlsplit(url.strip())
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "", ""
    if scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host) or UNPRINTABLE.search(parts.path):
        return "", ""
    name = f"[{host}]" if ":" in host else host
    suffix = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{name}{suffix}{parts.path.rstrip('/')}", parts.netloc.rpartition("@")[0]


def get_server(url: str) -> str:
    """Return scheme, host and port of a URL; empty for anything else."""
    return "/".join(split_url(url)[0].split("/")[:3])


@lru_cache(maxsize=2)
def get_public_registry_url(ecosystem: EcosystemId) -> str:
    """Return the address of the public registry, taken from the URL of one of its packages."""
    return get_server(get_ecosystem(ecosystem).get_artefact_url())
