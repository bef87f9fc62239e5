"""Addresses in the configuration of MCP servers, without any part that may be a secret."""

from __future__ import annotations

import re
from typing import Final

from nerq_cli.manifests.package_source import strip_credentials
from nerq_cli.patterns import compile_late

#: A part of a path that may be a token: long, of letters and digits, or hexadecimal.
_TOKEN: Final = compile_late(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_=+~-]{16,}|[A-Za-z0-9_=+-]{32,}|sk-.*", re.ASCII)
_MASK: Final = "…"
#: A repository on GitHub: in the short form of npm, or as an address.
_GITHUB: Final = compile_late(
    r"(?:github:|(?:(?:git\+)?(?:https?|ssh|git)://)?(?:[^/@\s]+@)?(?:www\.)?github\.com[/:])"
    r"(?P<name>[\w-]{1,100}/[\w.-]{1,100}?)(?:\.git)?(?:[@#].*)?/?",
    re.ASCII | re.IGNORECASE,
)


def clean_url(url: str) -> str:
    """Return a URL without user, password, query, fragment and the parts of its path that may be tokens."""
    address = strip_credentials(url.strip())
    scheme, separator, rest = address.partition("://")
    host, *parts = rest.split("/")
    kept = [_MASK if _TOKEN.fullmatch(part) else part for part in parts]
    return "/".join((f"{scheme}{separator}{host}", *kept))[:2_000]


def may_be_token(text: str) -> bool:
    """Return whether a text looks like a token: long, of letters and digits."""
    return _TOKEN.fullmatch(text) is not None


def find_github_name(address: str) -> str:
    """Return ``owner/name`` of a repository on GitHub; empty for every other address."""
    match = _GITHUB.fullmatch(address.strip())
    return match["name"] if match else ""
