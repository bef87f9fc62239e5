"""A server process, and the client of the SDK that talks to it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from nerq_cli.application.settings import Settings
from tests.cli.conftest import AS_OF, Registry, Services, nerq, project, registry, services

__all__ = ["AS_OF", "Registry", "Services", "Talk", "nerq", "project", "registry", "services"]

#: Runs a conversation with a server that has these options, and returns what it returns.
Talk: TypeAlias = Callable[..., Any]


def list_texts(value: Any) -> list[str]:
    """Return every text of a value as JSON has it, keys included."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *list_texts(item))]
    if isinstance(value, list):
        return [text for item in value for text in list_texts(item)]
    return [value] if isinstance(value, str) else []


def build_command(*options: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts a server, and its environment."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return [sys.executable, "-m", "nerq_cli", "mcp", "--as-of", AS_OF, *options], environment


def _parse_options(options: tuple[str, ...]) -> tuple[Settings, list[Path]]:
    """Return the settings and the roots of a command line that has these options alone."""
    is_refreshed = "--refresh" in options
    options = tuple(option for option in options if option != "--refresh")
    pairs = list(zip(options[::2], options[1::2], strict=True))
    timeout = next((float(value) for name, value in pairs if name == "--timeout"), None)
    assert {name for name, _ in pairs} <= {"--root", "--timeout"}
    cache = Path(os.environ["NERQ_CACHE_DIR"])
    settings = Settings(as_of=AS_OF, timeout=timeout, cache_dir=cache, refresh=is_refreshed)
    return settings, [Path(value) for name, value in pairs if name == "--root"]


@pytest.fixture(params=["stdio", "in-process"])
def talk(request: pytest.FixtureRequest, tmp_path: Path) -> Talk:
    """Start a server, connect to it, and let a function talk to it: over stdio, and without a process of its own."""
    pytest.importorskip("mcp")
    import anyio
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    from nerq_cli.agent_tools.calls import CallRunner
    from nerq_cli.agent_tools.roots import resolve_roots
    from nerq_cli.agent_tools.server import AgentServer

    async def connect(server: Any, conversation: Callable[[Any], Awaitable[Any]], options: dict[str, Any]) -> Any:
        async with Client(server, cache=None, **options) as client:
            with anyio.fail_after(60):
                return await conversation(client)

    def run(conversation: Callable[[Any], Awaitable[Any]], *options: str, **client_options: Any) -> Any:
        if request.param == "in-process":
            settings, paths = _parse_options(options)
            roots = resolve_roots(paths)
            runner = CallRunner(settings, roots[0] if roots else Path())
            runner.warm_up()
            try:
                server = AgentServer(runner, roots).build()
                return anyio.run(connect, server, conversation, client_options)
            finally:
                assert runner.stop(20)
        command, environment = build_command(*options)
        parameters = StdioServerParameters(command=command[0], args=command[1:], env=environment, cwd=Path.cwd())
        with (tmp_path / "stderr.txt").open("a+", encoding="utf-8") as errors:
            return anyio.run(connect, stdio_client(parameters, errlog=errors), conversation, client_options)

    return run


@pytest.fixture
def call(talk: Talk) -> Callable[..., Any]:
    """Call one tool of a new server, and return its result with the text of it."""

    def run(name: str, arguments: dict[str, Any], *options: str, **client_options: Any) -> Any:
        async def conversation(client: Any) -> Any:
            return await client.call_tool(name, arguments)

        return talk(conversation, *options, **client_options)

    return run


def read_text(result: Any) -> str:
    """Return the text of a result."""
    (content,) = result.content
    text: str = content.text
    return text


def read_messages(output: bytes) -> list[Any]:
    """Return the messages of a server; every line has to be one."""
    return [json.loads(line) for line in output.splitlines()]
