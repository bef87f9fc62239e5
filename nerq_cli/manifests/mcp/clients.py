"""The table of configuration files that name MCP servers: one row per client and shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

import msgspec


class ClientFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration files of one client that have one shape."""

    client: str
    #: Files of a project, as the last parts of a path: ``.vscode/mcp.json``. Only the last part has a star.
    project: tuple[str, ...] = ()
    #: Files of a user below the home directory, as globs; a file of the machine begins with ``/``.
    home: tuple[str, ...] = ()
    #: Where the servers are: keys joined by dots, of which ``*`` is any key.
    keys: tuple[str, ...] = ("mcpServers",)
    #: Texts of which a file with servers has at least one. Empty: the file has no other purpose.
    hints: tuple[str, ...] = ()
    #: Whether the file may be a map of servers itself.
    may_be_bare: bool = False

    def is_candidate(self, text: str) -> bool:
        """Whether a file with this text may have servers."""
        return not self.hints or any(hint in text for hint in self.hints)


_MCP_SERVERS: Final = "mcpServers"
#: Keys of the servers in all files whose only purpose they are: clients read the files of one another.
_ALL_KEYS: Final = (_MCP_SERVERS, "servers", "mcp.servers", "mcp_servers", "context_servers")
#: Where VS Code and its relatives keep the files of a user, on Linux, macOS and Windows.
_CODE_DIRECTORIES: Final = tuple(
    f"{base}/{name}/User"
    for base in (".config", "Library/Application Support", "AppData/Roaming")
    for name in ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf")
)
_CONFIG_DIRECTORIES: Final = (".config", "Library/Application Support", "AppData/Roaming")


def _in_directories(directories: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f"{directory}/{name}" for directory in directories for name in names)


#: The files, the most specific first. Sources: the documentation of each client, and the tables of snyk/agent-scan
#: (``well_known_clients.py``) and msaad00/agent-bom (``discovery``).
CLIENT_FILES: Final[tuple[ClientFiles, ...]] = (
    ClientFiles(
        client="Claude Code",
        project=(".claude/settings.json", ".claude/settings.local.json"),
        home=(".claude/settings.json", ".claude.json"),
        keys=(_MCP_SERVERS, f"projects.*.{_MCP_SERVERS}"),
        hints=(_MCP_SERVERS,),
    ),
    ClientFiles(
        client="Claude Code",
        project=(".claude-plugin/plugin.json",),
        home=(".claude/plugins/*/*/.claude-plugin/plugin.json", ".claude/plugins/*/*/*/.claude-plugin/plugin.json"),
        hints=(_MCP_SERVERS,),
    ),
    ClientFiles(
        client="Claude Code",
        project=(".mcp.json",),
        home=(
            ".claude/plugins/*/*/.mcp.json",
            ".claude/plugins/*/*/*/.mcp.json",
            "/etc/claude-code/managed-mcp.json",
            "/Library/Application Support/ClaudeCode/managed-mcp.json",
        ),
        keys=_ALL_KEYS,
        may_be_bare=True,
    ),
    ClientFiles(
        client="Claude Desktop",
        project=("claude_desktop_config.json",),
        home=_in_directories(_CONFIG_DIRECTORIES, "Claude/claude_desktop_config.json"),
    ),
    ClientFiles(
        client="VS Code",
        project=(".vscode/mcp.json",),
        home=(
            *_in_directories(_CODE_DIRECTORIES, "mcp.json"),
            ".copilot/mcp-config.json",
            ".config/github-copilot/intellij/mcp.json",
        ),
        keys=_ALL_KEYS,
    ),
    ClientFiles(
        client="VS Code",
        project=(".vscode/settings.json",),
        home=_in_directories(_CODE_DIRECTORIES, "settings.json"),
        keys=("mcp.servers", _MCP_SERVERS),
        hints=('"mcp"', '"mcp.servers"', _MCP_SERVERS),
    ),
    ClientFiles(
        client="VS Code",
        project=("*.code-workspace",),
        keys=("settings.mcp.servers", "mcp.servers"),
        hints=('"mcp"', '"mcp.servers"'),
    ),
    ClientFiles(
        client="VS Code",
        project=("devcontainer.json", ".devcontainer.json"),
        keys=("customizations.vscode.mcp.servers", "customizations.vscode.settings.mcp.servers"),
        hints=('"mcp"', '"mcp.servers"'),
    ),
    ClientFiles(
        client="Cursor",
        project=(".cursor/mcp.json",),
        home=(".cursor/mcp.json", ".cursor/plugins/*/.mcp.json", ".cursor/plugins/*/*/.mcp.json"),
        keys=_ALL_KEYS,
        may_be_bare=True,
    ),
    ClientFiles(
        client="Windsurf",
        project=(".windsurf/mcp.json", ".windsurf/mcp_config.json"),
        home=(".codeium/windsurf/mcp_config.json", ".codeium/mcp_config.json"),
        keys=_ALL_KEYS,
    ),
    ClientFiles(
        client="Codex",
        project=(".codex/config.toml",),
        home=(".codex/*.toml", "/etc/codex/config.toml", ".codex/plugins/*/.mcp.json"),
        keys=("mcp_servers", _MCP_SERVERS, "profiles.*.mcp_servers"),
        hints=("mcp_servers", _MCP_SERVERS),
    ),
    ClientFiles(
        client="Gemini CLI",
        project=(".gemini/settings.json", "gemini-extension.json"),
        home=(".gemini/settings.json", ".gemini/extensions/*/gemini-extension.json"),
        hints=(_MCP_SERVERS,),
    ),
    ClientFiles(
        client="Antigravity",
        home=(".gemini/antigravity/mcp_config.json", ".gemini/config/mcp_config.json"),
        keys=_ALL_KEYS,
    ),
    ClientFiles(
        client="Kiro",
        project=(".kiro/settings/mcp.json",),
        home=(".kiro/settings/mcp.json",),
        keys=(*_ALL_KEYS, f"powers.{_MCP_SERVERS}"),
    ),
    ClientFiles(
        client="Kiro",
        project=(".kiro/agents/*.json",),
        home=(".kiro/agents/*.json",),
        hints=(_MCP_SERVERS,),
    ),
    ClientFiles(
        client="opencode",
        project=("opencode.json", "opencode.jsonc"),
        home=(".config/opencode/opencode.json", ".config/opencode/opencode.jsonc", "/etc/opencode/opencode.json"),
        keys=("mcp",),
        hints=('"mcp"',),
    ),
    ClientFiles(
        client="Amazon Q",
        project=(".amazonq/mcp.json", ".amazonq/default.json"),
        home=(".aws/amazonq/mcp.json", ".aws/amazonq/default.json", ".aws/amazonq/agents/default.json"),
        keys=_ALL_KEYS,
    ),
    ClientFiles(
        client="Cline",
        project=("cline_mcp_settings.json",),
        home=_in_directories(
            _CODE_DIRECTORIES, "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"
        ),
    ),
    ClientFiles(
        client="Roo Code",
        project=(".roo/mcp.json",),
        home=_in_directories(
            _CODE_DIRECTORIES,
            "globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
            "globalStorage/rooveterinaryinc.roo-cline/settings/cline_mcp_settings.json",
        ),
        keys=_ALL_KEYS,
    ),
    ClientFiles(
        client="Zed",
        project=(".zed/settings.json",),
        home=_in_directories((".config", "Library/Application Support", "AppData/Roaming"), "zed/settings.json"),
        keys=("context_servers",),
        hints=("context_servers",),
    ),
    ClientFiles(
        client="Goose",
        home=(".config/goose/config.yaml", "AppData/Roaming/Block/goose/config/config.yaml"),
        keys=("extensions",),
        hints=("extensions:",),
    ),
    ClientFiles(
        client="Continue",
        project=(".continue/config.json", ".continue/config.yaml", ".continue/mcpServers/*"),
        home=(".continue/config.json", ".continue/config.yaml", ".continue/mcpServers/*"),
        keys=(_MCP_SERVERS, "experimental.modelContextProtocolServers"),
        hints=(_MCP_SERVERS, "modelContextProtocolServers"),
    ),
    ClientFiles(
        client="Junie",
        project=(".junie/mcp/mcp.json",),
        home=(".junie/mcp/mcp.json",),
        keys=_ALL_KEYS,
    ),
    ClientFiles(
        client="MCP clients",
        project=("mcp.json", "mcp_config.json", "mcp-config.json", "mcp_settings.json"),
        home=(
            *_in_directories(_CONFIG_DIRECTORIES, "Trae/User/mcp.json", "Void/User/mcp.json", "Aide/User/mcp.json"),
            ".tabnine/mcp_servers.json",
            ".trae/mcp.json",
        ),
        keys=_ALL_KEYS,
        may_be_bare=True,
    ),
    ClientFiles(
        client="MCP registry",
        project=("server.json",),
        keys=(),
        hints=("modelcontextprotocol", "registryType", "registry_type", "registry_name"),
    ),
    ClientFiles(client="MCP bundle", project=("manifest.json",), keys=(), hints=('"mcp_config"',)),
    ClientFiles(client="Docker", home=(".docker/mcp/registry.yaml",), keys=("registry",)),
)
#: The patterns of projects by the last part of the path, and those whose last part has a star.
_BY_NAME: Final[dict[str, list[tuple[str, ClientFiles]]]] = {}
_GLOBS: Final[list[tuple[str, ClientFiles]]] = []
for _row in CLIENT_FILES:
    for _pattern in _row.project:
        _name = _pattern.rpartition("/")[2]
        (_GLOBS if "*" in _name else _BY_NAME.setdefault(_name, [])).append((_pattern, _row))
#: What a path has if a pattern with a star may match it: a directory, else an ending of its name.
_GLOB_DIRECTORIES: Final = frozenset(pattern.split("/")[-2] for pattern, _ in _GLOBS if "/" in pattern)
_GLOB_ENDINGS: Final = tuple(pattern.lstrip("*") for pattern, _ in _GLOBS if "/" not in pattern)


def find_project_file(path: PurePosixPath) -> ClientFiles | None:
    """Return the row of a file of a project; None if it has none."""
    return next(_list_matching(path), None)


def _list_matching(path: PurePosixPath) -> Iterator[ClientFiles]:
    name = path.name
    candidates: Sequence[tuple[str, ClientFiles]] = _BY_NAME.get(name, ())
    if name.endswith(_GLOB_ENDINGS) or path.parent.name in _GLOB_DIRECTORIES:
        candidates = (*candidates, *_GLOBS)
    yield from (row for pattern, row in candidates if path.match(pattern))


def find_client_file(path: PurePosixPath) -> ClientFiles | None:
    """Return the row of a file of a project or of a user; None if it has none."""
    row = find_project_file(path)
    if row is not None and row.client != "MCP clients":
        return row
    home_rows = (
        candidate for candidate in CLIENT_FILES if any(path.match(pattern.lstrip("/")) for pattern in candidate.home)
    )
    return next(home_rows, row)
