"""The configurations with which the usual clients start the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from nerq_cli.errors import UsageError

#: How every client starts the server. The clients resolve the name with the PATH that they were started with.
_COMMAND: Final = "nerq"
_NAME: Final = "nerq"


class ClientConfiguration(NamedTuple):
    """How one client is configured."""

    #: Where it goes.
    place: str
    #: Its text.
    text: str


def _write_json(key: str, entry: Mapping[str, Any]) -> str:
    return json.dumps({key: {_NAME: entry}}, indent=2) + "\n"


def _build_entry(*arguments: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - values of JSON
    return {**fields, "command": _COMMAND, "args": ["mcp", *arguments]}


#: By the name on the command line. A variable of a client stands for the directory that is open in it.
CLIENTS: Final[Mapping[str, ClientConfiguration]] = {
    "claude-code": ClientConfiguration(
        ".mcp.json in the project; or: claude mcp add nerq -- nerq mcp",
        _write_json("mcpServers", _build_entry(type="stdio")),
    ),
    "claude-desktop": ClientConfiguration(
        "claude_desktop_config.json; it names no roots: put your projects in place of /path/to/projects",
        _write_json("mcpServers", _build_entry("--root", "/path/to/projects")),
    ),
    "cursor": ClientConfiguration(
        ".cursor/mcp.json in the project",
        _write_json("mcpServers", _build_entry("--root", "${workspaceFolder}", type="stdio")),
    ),
    "vscode": ClientConfiguration(
        ".vscode/mcp.json in the project",
        _write_json("servers", _build_entry("--root", "${workspaceFolder}", type="stdio")),
    ),
    "codex": ClientConfiguration(
        "~/.codex/config.toml, or .codex/config.toml in a project that is trusted",
        f'[mcp_servers.{_NAME}]\ncommand = "{_COMMAND}"\nargs = ["mcp", "--root", "."]\n',
    ),
    "gemini": ClientConfiguration(
        ".gemini/settings.json in the project", _write_json("mcpServers", _build_entry("--root", "."))
    ),
    "windsurf": ClientConfiguration(
        "~/.codeium/windsurf/mcp_config.json; put your projects in place of /path/to/projects",
        _write_json("mcpServers", _build_entry("--root", "/path/to/projects")),
    ),
    "zed": ClientConfiguration(
        "settings.json of Zed; put your projects in place of /path/to/projects",
        _write_json("context_servers", _build_entry("--root", "/path/to/projects", source="custom")),
    ),
    "opencode": ClientConfiguration(
        "opencode.json in the project",
        _write_json("mcp", {"type": "local", "command": [_COMMAND, "mcp", "--root", "."], "enabled": True}),
    ),
}


def render_configuration(client: str) -> str:
    """Return the configuration of a client, ready to be copied.

    Raises:
        UsageError: the client is not in the table.
    """
    configuration = CLIENTS.get(client.strip().lower())
    if configuration is None:
        raise UsageError(f"there is no configuration for {client!r}", hint=f"the clients are {', '.join(CLIENTS)}")
    return configuration.text
