"""What a client asks about, in the form that all its spellings share."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from nerq_cli import targets
from nerq_cli.application.check import MCP_PREFIX
from nerq_cli.application.registered_servers import SERVER_TARGET
from nerq_cli.ecosystems import get_ecosystem, get_prefix
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Declaration
from nerq_cli.serve.problems import RequestError

#: Longest text of a target, in characters. The longest name of a package has 214.
MAX_TEXT: Final = 1_000


class Lookup(msgspec.Struct, frozen=True):
    """A target to look up."""

    #: The same for all spellings: ``pypi:requests==2.31.0``, or several joined by `` | `` for an ambiguous name.
    key: str
    #: As it was sent.
    text: str
    #: What it may be; empty for an MCP server, whose packages its registry lists.
    declarations: tuple[Declaration, ...]

    @property
    def target(self) -> str:
        """The canonical spelling that can be asked for: ``pypi:requests``, or ``requests`` for an ambiguous name."""
        if len(self.declarations) < 2:  # noqa: PLR2004 - ambiguous
            return self.key
        return name_target(self.declarations[-1]).partition(":")[2]  # names of npm are as they were written


# reading a package URL takes a tenth of the time of a request
@lru_cache(maxsize=16_384)
def parse_lookup(text: str, *, hub_url: str = "") -> Lookup:
    """Return what a target names.

    Args:
        text: As ``nerq check`` takes it: ``requests==2.31.0``, ``npm:lodash``, a package URL.
        hub_url: Address of the Hub.

    Raises:
        RequestError: it is no target.
    """
    target = text.strip()
    if not target or len(target) > MAX_TEXT:
        detail = "the target is empty" if not target else f"the target has more than {MAX_TEXT:,} characters"
        raise RequestError("invalid-target", detail)
    if target.lower().startswith(MCP_PREFIX):
        return _parse_server(target)
    try:
        declarations = targets.parse_target(target, hub_url=hub_url)
    except UsageError as error:
        raise RequestError("invalid-target", str(error), hint=error.hint) from error
    return Lookup(" | ".join(map(name_target, declarations)), target, declarations)


def _parse_server(target: str) -> Lookup:
    match = SERVER_TARGET.fullmatch(target)
    if match is None:
        raise RequestError("invalid-target", f"{target!r} names no MCP server", hint="write mcp:namespace/server")
    version = f"@{match['version']}" if match["version"] else ""
    return Lookup(f"{MCP_PREFIX}{match['name']}{version}", target, ())


def name_target(declaration: Declaration) -> str:
    """Return what a declaration names, in one spelling: ``pypi:requests==2.31.0``, ``npm:lodash@^4``."""
    ecosystem = get_ecosystem(declaration.ecosystem)
    name = f"{get_prefix(declaration.ecosystem)}:{declaration.package.name}"
    requirement = declaration.requirement
    if not requirement:
        return name
    pin = ecosystem.parse_pin(requirement)
    if pin is not None:
        return f"{name}{ecosystem.version_separator}{pin}"
    separator = "@" if ecosystem.version_separator == "@" else ""
    return f"{name}{separator}{' '.join(requirement.split())}"
