"""The MCP servers of the user."""

from __future__ import annotations

import json
from pathlib import Path

from nerq_cli.manifests.discovery.user_configurations import read_user_configurations
from nerq_cli.manifests.mcp.user_files import list_user_configurations

SERVERS = json.dumps({"mcpServers": {"a": {"command": "npx", "args": ["x"]}}})


def write(home: Path, *paths: str, text: str = SERVERS) -> None:
    for path in paths:
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_files_of_all_clients_below_a_home_directory(tmp_path: Path) -> None:
    paths = (
        ".claude.json",
        ".codex/config.toml",
        ".config/Code/User/mcp.json",
        ".config/goose/config.yaml",
        ".cursor/plugins/cache/p/.mcp.json",
        "Library/Application Support/Claude/claude_desktop_config.json",
        "AppData/Roaming/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    )
    write(tmp_path, *paths, "other/mcp.json", ".config/unrelated.json")
    found = [path for path in list_user_configurations(tmp_path) if path.is_relative_to(tmp_path)]
    assert [path.relative_to(tmp_path).as_posix() for path in found] == sorted(paths)


def test_a_home_directory_without_files_has_none(tmp_path: Path) -> None:
    assert not [path for path in list_user_configurations(tmp_path / "none") if path.is_relative_to(tmp_path)]


def test_paths_begin_with_a_tilde_and_files_without_servers_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, ".claude.json")
    write(tmp_path, ".cursor/mcp.json", text="{")
    write(tmp_path, ".config/Code/User/settings.json", text="{ no JSON")
    write(tmp_path, ".gemini/settings.json", text="{}")
    files = [file for file in read_user_configurations(tmp_path) if file.path.startswith("~")]
    assert [(file.path, len(file.declarations), len(file.problems)) for file in files] == [
        ("~/.claude.json", 1, 0),
        ("~/.cursor/mcp.json", 0, 1),
    ]
