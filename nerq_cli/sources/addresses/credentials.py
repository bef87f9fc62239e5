"""Who we are at a registry: values of the Authorization header, and where each of them may be sent."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nerq_cli.inventory import PYPI, Ecosystem
from nerq_cli.sources.addresses.places import Files, split
from nerq_cli.sources.question import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Credentials:
    """Values of the Authorization header, under what each is meant for: a URL, a host, or a host and path."""

    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: Mapping[str, str] = field(default_factory=dict, repr=False)
    paths: Mapping[str, str] = field(default_factory=dict, repr=False)

    def at(self, ecosystem: Ecosystem, url: str) -> Endpoint:
        """Return the endpoint at this URL, with the user's credentials for exactly that place."""
        header = self.urls.get(url) or (self._by_host(url) if ecosystem == PYPI else self._by_path(url))
        if not header:
            return Endpoint(url=url)
        return Endpoint(url=url, headers={"Authorization": header}, identity=_identity(url, header))

    def _by_host(self, url: str) -> str:
        return self.hosts.get(urlsplit(url).hostname or "", "")

    def _by_path(self, url: str) -> str:
        """Find what is filed under the longest leading part of the address, as npm does."""
        place = url.partition("//")[2]
        while place and place not in self.paths:
            place = place.rpartition("/")[0]
        return self.paths.get(place, "")


def _identity(url: str, header: str) -> str:
    """Tell apart what different credentials were answered: 48 bits of a hash, which lead back to none of them."""
    import hashlib

    return hashlib.blake2b(header.encode(), key=url.encode()[: hashlib.blake2b.MAX_KEY_SIZE], digest_size=6).hexdigest()


def basic(user: str, password: str) -> str:
    """Return the header for HTTP's basic authentication (RFC 7617)."""
    return "Basic " + binascii.b2a_base64(f"{user}:{password}".encode("utf-8", "replace"), newline=False).decode()


def url_header(written: str) -> str:
    """Return the header for what stands before the ``@`` of a URL, empty when nothing does."""
    user, _, password = split(written)[1].partition(":")
    return basic(unquote(user), unquote(password)) if user or password else ""


def netrc_headers(files: Files) -> dict[str, str]:
    """Read the netrc file into headers by host.

    Its ``default`` entry is left alone: it would send a password to whoever is asked.
    """
    named = files.environ.get("NETRC")
    paths = [Path(named)] if named else [files.home / ".netrc", files.home / "_netrc"]
    path = next((path for path in paths if files.read(path)), None)
    if path is None:
        return {}
    from netrc import NetrcParseError, netrc

    try:
        entries = netrc(str(path)).hosts
    except (NetrcParseError, OSError, ValueError) as problem:
        line = getattr(problem, "lineno", None) or 1
        files.warnings.append(
            f"{files.shown(path)} line {line} is not as it should be: no password is taken from there"
        )
        return {}
    return {
        host.lower(): basic(login or "", password or "")
        for host, (login, _account, password) in entries.items()
        if host != "default" and (login or password)
    }
