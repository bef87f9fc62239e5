"""``nerq mcp``: what the command itself does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.agent_tools.client_configuration import CLIENTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _read_arguments(text: str) -> list[str]:
    document = json.loads(text) if text.startswith("{") else tomllib.loads(text)
    ((servers,),) = [document.values()]
    server = servers["nerq"]
    command = server["command"]
    return [*command] if isinstance(command, list) else [command, *server["args"]]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_configuration_of_a_client_starts_the_server(nerq: Callable[..., Any], project: Path, client: str) -> None:
    result = nerq("mcp", "--print-config", client)
    assert result.status == 0
    assert result.err.startswith("belongs in ")
    arguments = _read_arguments(result.out)
    assert arguments[:2] == ["nerq", "mcp"]
    assert arguments[2:] in ([], ["--root", "${workspaceFolder}"], ["--root", str(project)])
    other = project / 'a "b"'
    other.mkdir()
    named = nerq("mcp", "--print-config", client.upper(), "--root", str(other))
    assert _read_arguments(named.out)[2:] == ["--root", str(other)]


@pytest.mark.parametrize("client", ["vscode", "codex", "opencode"])
def test_the_configuration_has_the_other_options(
    nerq: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    monkeypatch.setenv("NERQ_CACHE_DIR", str(project / "by-variable"))
    result = nerq("mcp", "--offline", "--timeout", "5", "--root", str(project), "--print-config", client)
    arguments = _read_arguments(result.out)
    assert sorted(arguments[2:]) == sorted(["--offline", "--timeout", "5", "--root", str(project)])
    assert arguments[arguments.index("--timeout") + 1] == "5"
    monkeypatch.chdir(project)
    options = ("--no-config", "--cache-dir", "own", "--as-of", "2026-11-21", "--service", "http://127.0.0.1:1")
    arguments = _read_arguments(nerq("mcp", *options, "--service-only", "--print-config", client).out)
    assert "--no-config" in arguments
    assert "--service-only" in arguments
    # a client starts the server in a directory of its own
    assert arguments[arguments.index("--cache-dir") + 1] == str(project / "own")
    assert arguments[arguments.index("--as-of") + 1] == "2026-11-21"
    assert arguments[arguments.index("--service") + 1] == "http://127.0.0.1:1"


def test_the_how_to_lists_every_client(nerq: Callable[..., Any]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "coding-agents.md").read_text(encoding="utf-8")
    setup = page[: page.index("## Tools")]
    rows = [line.split("`")[1] for line in setup.splitlines() if line.startswith("| `")]
    assert rows == list(CLIENTS)
    assert nerq("mcp", "--print-config", "claude-code").out in page


def test_an_unknown_client_is_a_usage_error(nerq: Callable[..., Any]) -> None:
    result = nerq("mcp", "--print-config", "notepad")
    assert (result.status, result.out) == (2, "")
    assert "claude-code" in result.err


def test_a_root_that_is_no_directory_is_a_usage_error(nerq: Callable[..., Any]) -> None:
    result = nerq("mcp", "--root", "missing")
    assert result.status == 2
    assert "missing is no directory" in result.err


def test_without_the_extra_the_error_names_it(nerq: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mcp", raising=False)
    find = PathFinder.find_spec
    monkeypatch.setattr(
        PathFinder, "find_spec", lambda name, *rest: None if name.partition(".")[0] == "mcp" else find(name, *rest)
    )
    result = nerq("mcp")
    assert result.status == 2
    assert 'pip install "nerq-cli[mcp]"' in result.err


def test_a_wrong_settings_file_is_an_error_at_the_start(nerq: Callable[..., Any], project: Path) -> None:
    pytest.importorskip("mcp")
    (project / "nerq.toml").write_text("threshold = 'high'\n")
    result = nerq("mcp")
    assert (result.status, result.out) == (2, "")
    assert "threshold" in result.err
