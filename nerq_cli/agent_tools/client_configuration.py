"""The configurations with which the usual clients start the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from nerq_cli.errors import UsageError

#: How every client starts the server, and what it calls it. Clients look the command up in their own PATH.
_COMMAND: Final = "nerq"
_NAME: Final = "nerq"
#: What VS Code and Cursor replace by the directory that is open.
_WORKSPACE: Final = "${workspaceFolder}"


class ClientConfiguration(NamedTuple):
    """How one client is configured."""

    #: The file that it belongs in.
    place: str
    #: What stands for the directory that is open; empty = nothing does.
    variable: str
    #: Returns the text, for the arguments of the command.
    render: Callable[[list[str]], str]
    #: Whether the client names the directories that may be scanned itself.
    has_roots: bool = False


def _json(key: str, **fields: str) -> Callable[[list[str]], str]:
    """Return what writes the usual form: an object of servers under a key, each with its command and arguments."""
    return lambda arguments: _dump({key: {_NAME: {**fields, "command": _COMMAND, "args": arguments}}})


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write_codex(arguments: list[str]) -> str:
    return f'[mcp_servers.{_NAME}]\ncommand = "{_COMMAND}"\nargs = {json.dumps(arguments, ensure_ascii=False)}\n'


def _write_opencode(arguments: list[str]) -> str:
    return _dump({"mcp": {_NAME: {"type": "local", "command": [_COMMAND, *arguments], "enabled": True}}})


#: By their names on the command line.
CLIENTS: Final[Mapping[str, ClientConfiguration]] = {
    "claude-code": ClientConfiguration(
        ".mcp.json in the project", "", _json("mcpServers", type="stdio"), has_roots=True
    ),
    "claude-desktop": ClientConfiguration("claude_desktop_config.json", "", _json("mcpServers")),
    "codex": ClientConfiguration("~/.codex/config.toml", "", _write_codex),
    "cursor": ClientConfiguration(
        ".cursor/mcp.json in the project", _WORKSPACE, _json("mcpServers", type="stdio"), has_roots=True
    ),
    "gemini": ClientConfiguration("~/.gemini/settings.json", "", _json("mcpServers")),
    "opencode": ClientConfiguration("opencode.json", "", _write_opencode),
    "vscode": ClientConfiguration(
        ".vscode/mcp.json in the project", _WORKSPACE, _json("servers", type="stdio"), has_roots=True
    ),
    "windsurf": ClientConfiguration("~/.codeium/windsurf/mcp_config.json", "", _json("mcpServers")),
    "zed": ClientConfiguration("settings.json of Zed", "", _json("context_servers", source="custom")),
}


def get_client(name: str) -> ClientConfiguration:
    """Return how a client is configured.

    Raises:
        UsageError: it is not in the table.
    """
    client = CLIENTS.get(name.strip().lower())
    if client is None:
        raise UsageError(f"there is no configuration for {name!r}", hint=f"the clients are {', '.join(CLIENTS)}")
    return client


def render_configuration(
    client: ClientConfiguration, roots: Sequence[str], current: str, options: Sequence[str] = ()
) -> str:
    """Return the configuration of a client, ready to be copied.

    Args:
        client: The client.
        roots: Directories that may be scanned; empty = what the client names, else the current one.
        current: The current directory.
        options: Further options that the client starts the server with.
    """
    if not roots:
        roots = [client.variable] if client.variable else [] if client.has_roots else [current]
    return client.render(["mcp", *options, *(text for root in roots for text in ("--root", root))])
