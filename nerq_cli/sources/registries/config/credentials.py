"""Credentials for registries: values of the Authorization header, and the URLs they may be sent to."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.fetch.source import Endpoint, hash_credential
from nerq_cli.sources.endpoints import split_url
from nerq_cli.sources.registries.config.config_files import ConfigFiles


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Values of the Authorization header."""

    #: By URL.
    url_headers: Mapping[str, str] = {}
    #: By host.
    host_headers: Mapping[str, str] = {}
    #: By host and path, without a scheme.
    path_headers: Mapping[str, str] = {}

    def __hash__(self) -> int:
        """Return the hash of the addresses."""
        return hash(frozenset([*self.url_headers, *self.host_headers, *self.path_headers]))

    def __repr__(self) -> str:
        """Return no value: they are secrets."""
        return "Credentials()"

    def create_endpoint(self, ecosystem: EcosystemId, url: str) -> Endpoint:
        """Return the endpoint with this URL and the credentials of the user for it."""
        header = self.url_headers.get(url) or (
            self._find_host_header(url)
            if get_ecosystem(ecosystem).credential_key == "host"
            else self._find_path_header(url)
        )
        if not header:
            return Endpoint(url=url)
        return Endpoint(url=url, headers={"Authorization": header}, identity=hash_credential(url, header))

    def _find_host_header(self, url: str) -> str:
        return self.host_headers.get(urlsplit(url).hostname or "", "")

    def _find_path_header(self, url: str) -> str:
        """Return the header of the longest matching prefix of the URL, as npm does."""
        path = url.partition("//")[2]
        while path and path not in self.path_headers:
            path = path.rpartition("/")[0]
        return self.path_headers.get(path, "")


def build_basic_header(user: str, password: str) -> str:
    """Return the header of HTTP basic authentication (RFC 7617)."""
    return "Basic " + binascii.b2a_base64(f"{user}:{password}".encode("utf-8", "replace"), newline=False).decode()


def read_url_header(url: str) -> str:
    """Return the header for the credentials in a URL; empty without any."""
    user, _, password = split_url(url)[1].partition(":")
    return build_basic_header(unquote(user), unquote(password)) if user or password else ""


def has_user_only(url: str) -> bool:
    """Whether the credentials in a URL are a user without a password."""
    user, separator, _ = split_url(url)[1].partition(":")
    return bool(user) and not separator


def read_netrc_headers(files: ConfigFiles) -> dict[str, str]:
    """Return the headers of the netrc file by host."""
    return {host: build_basic_header(*entry) for host, entry in read_netrc_entries(files).items()}


def read_netrc_entries(files: ConfigFiles) -> dict[str, tuple[str, str]]:
    """Return the user and the password of the netrc file for each host, in lower case.

    The ``default`` entry is ignored: it would send a password to every host.
    """
    netrc_path = files.environ.get("NETRC")
    paths = [Path(netrc_path)] if netrc_path else [files.home / ".netrc", files.home / "_netrc"]
    path = next((path for path in paths if files.read_text(path)), None)
    if path is None:
        return {}
    from netrc import NetrcParseError, netrc

    try:
        entries = netrc(str(path)).hosts
    except (NetrcParseError, OSError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        files.warnings.append(
            f"{files.shorten_path(path)} line {line} is not as it should be: no password is taken from there"
        )
        return {}
    return {
        host.lower(): (login or "", password or "")
        for host, (login, _account, password) in entries.items()
        if host != "default" and (login or password)
    }
