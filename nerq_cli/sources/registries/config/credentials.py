"""Who we are at a registry: values of the Authorization header, and where each of them may be sent."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.fetch.source import Endpoint
from nerq_cli.sources.endpoints import split_url
from nerq_cli.sources.registries.config.config_files import ConfigFiles


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Credentials:
    """Values of the Authorization header, under what each is meant for: a URL, a host, or a host and path."""

    url_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    host_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    path_headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def create_endpoint(self, ecosystem: EcosystemId, url: str) -> Endpoint:
        """Return the endpoint at this URL, with the user's credentials for exactly that place."""
        header = self.url_headers.get(url) or (
            self._find_host_header(url)
            if get_ecosystem(ecosystem).credential_key == "host"
            else self._find_path_header(url)
        )
        if not header:
            return Endpoint(url=url)
        return Endpoint(url=url, headers={"Authorization": header}, identity=_hash_identity(url, header))

    def _find_host_header(self, url: str) -> str:
        return self.host_headers.get(urlsplit(url).hostname or "", "")

    def _find_path_header(self, url: str) -> str:
        """Find what is filed under the longest leading part of the address, as npm does."""
        path = url.partition("//")[2]
        while path and path not in self.path_headers:
            path = path.rpartition("/")[0]
        return self.path_headers.get(path, "")


def _hash_identity(url: str, header: str) -> str:
    """Tell apart what different credentials were answered: 48 bits of a hash, which lead back to none of them."""
    import hashlib

    return hashlib.blake2b(header.encode(), key=url.encode()[: hashlib.blake2b.MAX_KEY_SIZE], digest_size=6).hexdigest()


def build_basic_header(user: str, password: str) -> str:
    """Return the header for HTTP's basic authentication (RFC 7617)."""
    return "Basic " + binascii.b2a_base64(f"{user}:{password}".encode("utf-8", "replace"), newline=False).decode()


def read_url_header(url: str) -> str:
    """Return the header for what stands before the ``@`` of a URL, empty when nothing does."""
    user, _, password = split_url(url)[1].partition(":")
    return build_basic_header(unquote(user), unquote(password)) if user or password else ""


def read_netrc_headers(files: ConfigFiles) -> dict[str, str]:
    """Read the netrc file into headers by host.

    Its ``default`` entry is left alone: it would send a password to whoever is asked.
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
        host.lower(): build_basic_header(login or "", password or "")
        for host, (login, _account, password) in entries.items()
        if host != "default" and (login or password)
    }
