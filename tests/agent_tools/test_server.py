"""The server as a process: roots, protocol, concurrency, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.agent_tools.conftest import Registry, Services, Talk, build_command, read_messages, read_text

pytest.importorskip("mcp")

_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
_INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def _call(identifier: int, name: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params}


def _write(process: subprocess.Popen[bytes], *messages: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    process.stdin.flush()


@pytest.fixture
def start() -> Any:
    """Start a server without the client of the SDK."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(*options: str) -> subprocess.Popen[bytes]:
        command, environment = build_command(*options)
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment))  # noqa: S603
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def test_stdout_has_messages_alone_and_the_end_of_stdin_ends_the_server(
    start: Callable[..., subprocess.Popen[bytes]], registry: Registry
) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0")
    process = start()
    _write(process, _INITIALIZE, _INITIALIZED, _call(1, "check_package", target="pypi:demo==1.0"))
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    out, err = process.communicate(timeout=30)
    messages = read_messages(b"".join([*lines, out]))
    assert [message["id"] for message in messages] == [0, 1]
    assert messages[1]["result"]["structuredContent"]["result"]["version"] == "1.0"
    assert (process.returncode, err) == (0, b"")


def test_the_end_of_stdin_ends_a_call_that_waits(
    start: Callable[..., subprocess.Popen[bytes]], registry: Registry
) -> None:
    registry.site.serve_all({"hang": True})
    process = start()
    _write(process, _INITIALIZE, _INITIALIZED, _call(1, "check_package", target="pypi:demo==1.0"))
    _wait_for(lambda: registry.paths)
    begun = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert (process.returncode, err) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("is_busy", [False, True])
def test_a_signal_ends_the_server(
    start: Callable[..., subprocess.Popen[bytes]], registry: Registry, number: int, *, is_busy: bool
) -> None:
    registry.site.serve_all({"hang": True})
    process = start()
    _write(process, _INITIALIZE, _INITIALIZED)
    assert process.stdout is not None
    process.stdout.readline()
    if is_busy:
        _write(process, _call(1, "check_package", target="pypi:demo==1.0"))
        _wait_for(lambda: registry.paths)
    process.send_signal(number)
    assert process.wait(timeout=10) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_a_client_that_closes_its_end_is_no_crash(
    start: Callable[..., subprocess.Popen[bytes]], registry: Registry
) -> None:
    process = start()
    assert process.stdout is not None
    process.stdout.close()
    _write(process, _INITIALIZE, _INITIALIZED, _call(1, "check_package", target="!"))
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


def test_what_is_no_message_stops_nothing(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"not json\n\xff\xfe\n{}\n")
    _write(process, _INITIALIZE)
    assert json.loads(process.stdout.readline())["id"] == 0
    process.communicate(timeout=30)
    assert process.returncode == 0


def _wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_calls_at_the_same_time_do_not_mix(talk: Talk, registry: Registry) -> None:
    import anyio

    registry.most_used()
    names = [f"demo{number}" for number in range(12)]
    for name in names:
        registry.pypi(name, "1.0")

    async def conversation(client: Any) -> dict[str, str]:
        purls: dict[str, str] = {}

        async def ask(name: str) -> None:
            result = await client.call_tool("check_package", {"target": f"pypi:{name}==1.0"})
            purls[name] = result.structured_content["result"]["purl"]

        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(ask, name)
        return purls

    assert talk(conversation) == {name: f"pkg:pypi/{name}@1.0" for name in names}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_cancelled_call_frees_its_thread(talk: Talk, registry: Registry, mode: str) -> None:
    import anyio

    registry.most_used()
    registry.pypi("demo", "1.0")
    for name in ("slow0", "slow1", "slow2", "slow3"):
        registry.site.on(f"/pypi/{name}/json", {"hang": True})
        registry.site.on(f"/pypi/{name}/1.0/json", {"hang": True})
        registry.site.on(f"/simple/{name}/", {"hang": True})

    async def conversation(client: Any) -> tuple[Any, float]:
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(client.call_tool, "check_package", {"target": f"pypi:slow{number}==1.0"})
            await anyio.sleep(1.5)
            group.cancel_scope.cancel()
        begun = time.monotonic()
        return await client.call_tool("check_package", {"target": "pypi:demo==1.0"}), time.monotonic() - begun

    result, seconds = talk(conversation, mode=mode)
    assert result.structured_content["result"]["version"] == "1.0"
    assert seconds < 5  # the cancelled calls would take more than 10


def test_a_long_call_reports_progress(talk: Talk, registry: Registry, project: Path) -> None:
    registry.most_used()
    names = [f"demo{number}" for number in range(40)]
    for name in names:
        registry.pypi(name, "1.0")
        for path in (f"/pypi/{name}/json", f"/pypi/{name}/1.0/json"):
            registry.site.on(path, {**registry.site.scripts[path][0], "delay": 0.6})
    (project / "requirements.txt").write_text("".join(f"{name}==1.0\n" for name in names))
    seen: list[tuple[float, float | None]] = []

    async def conversation(client: Any) -> Any:
        async def report(completed: float, total: float | None, _message: str | None) -> None:
            seen.append((completed, total))

        return await client.call_tool("scan_project", {"limit": 3}, progress_callback=report)

    content = talk(conversation, "--root", str(project)).structured_content
    assert content["dependencies"] == len(names)
    assert len(content["worst"]) <= 3
    assert seen
    assert [completed for completed, _ in seen] == sorted({completed for completed, _ in seen})
    assert all(total is not None and completed <= total for completed, total in seen)


# --- projects


@pytest.fixture
def tree(project: Path, registry: Registry) -> Path:
    """A directory with a project, beside one that is not to be read."""
    registry.most_used()
    registry.pypi("demo", "1.0")
    for name in ("allowed", "secret"):
        (project / name).mkdir()
        (project / name / "requirements.txt").write_text("demo==1.0\n")
    return project


def _list_state(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(directory.rglob("*"))
    }


def test_a_project_is_scanned_and_nothing_is_written(call: Callable[..., Any], tree: Path) -> None:
    before = _list_state(tree)
    result = call("scan_project", {"path": "allowed"}, "--root", str(tree))
    content = result.structured_content
    assert (content["dependencies"], content["files"]) == (1, 1)
    assert content["directory"] == str(tree / "allowed")
    assert content["outcome"] in ("passed", "incomplete")
    assert _list_state(tree) == before


@pytest.mark.parametrize(
    "path", ["../secret", "link", "link/requirements.txt", "..", "/etc", "../nothing-here", "a\0b"]
)
def test_nothing_outside_of_the_roots_is_read(call: Callable[..., Any], tree: Path, path: str) -> None:
    (tree / "allowed" / "link").symlink_to(tree / "secret", target_is_directory=True)
    result = call("scan_project", {"path": path}, "--root", str(tree / "allowed"))
    assert result.is_error
    assert "demo" not in read_text(result)
    assert result.structured_content is None


def test_a_lock_file_above_the_roots_is_not_used(call: Callable[..., Any], tree: Path) -> None:
    (tree / ".git").mkdir()
    (tree / "package.json").write_text('{"name": "top", "workspaces": ["allowed"]}')
    (tree / "allowed" / "package.json").write_text('{"name": "part", "dependencies": {"left": "^1.0.0"}}')
    lock = {
        "name": "top",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "top", "workspaces": ["allowed"]},
            "allowed": {"name": "part", "dependencies": {"left": "^1.0.0"}},
            "node_modules/left": {"version": "1.2.3"},
            "node_modules/part": {"resolved": "allowed", "link": True},
        },
    }
    (tree / "package-lock.json").write_text(json.dumps(lock))
    result = call("scan_project", {"path": "."}, "--root", str(tree / "allowed"))
    assert result.is_error
    assert "outside of the directories" in read_text(result)
    whole = call("scan_project", {"path": "allowed"}, "--root", str(tree))
    assert not whole.is_error


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_roots_of_the_client_count(call: Callable[..., Any], tree: Path, mode: str) -> None:
    import mcp_types as types

    async def list_roots(_context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root.model_validate({"uri": (tree / "allowed").as_uri()})])

    inside = call("scan_project", {}, mode=mode, list_roots_callback=list_roots)
    assert inside.structured_content["directory"] == str(tree / "allowed")
    outside = call("scan_project", {"path": str(tree / "secret")}, mode=mode, list_roots_callback=list_roots)
    assert outside.is_error
    # the command line outweighs the client
    other = call(
        "scan_project", {"path": "."}, "--root", str(tree / "secret"), mode=mode, list_roots_callback=list_roots
    )
    assert other.structured_content["directory"] == str(tree / "secret")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_without_roots_nothing_is_scanned(call: Callable[..., Any], tree: Path, mode: str) -> None:
    result = call("scan_project", {}, mode=mode)
    assert result.is_error
    assert "--root" in read_text(result)


def test_settings_of_a_project_that_are_wrong_are_an_error_in_a_sentence(call: Callable[..., Any], tree: Path) -> None:
    (tree / "allowed" / "nerq.toml").write_text("threshold = 'high'\n")
    result = call("scan_project", {"path": "allowed"}, "--root", str(tree))
    assert result.is_error
    assert "nerq.toml" in read_text(result)
    assert "threshold" in read_text(result)
    assert "Traceback" not in read_text(result)


def test_what_the_settings_of_a_project_accept_is_shown(
    call: Callable[..., Any], tree: Path, services: Services
) -> None:
    services.advisory("demo", "1.0", identifier="GHSA-1", database_specific={"severity": "CRITICAL"})
    (tree / "allowed" / "nerq.toml").write_text(
        'threshold = 10\n[[waivers]]\nadvisory = "GHSA-1"\npackage = "pypi:demo"\n'
        'reason = "not reachable"\nuntil = 2026-12-31\n'
    )
    content = call("scan_project", {"path": "allowed"}, "--root", str(tree)).structured_content
    assert (content["threshold"], content["accepted"]) == (10, 1)
    text = read_text(call("scan_project", {"path": "allowed"}, "--root", str(tree)))
    assert "1 dependency in 1 file: 1 ok; 1 finding is accepted by its settings" in text
    check = call("check_package", {"target": "pypi:demo==1.0"}, "--root", str(tree / "allowed")).structured_content
    assert check["result"]["verdict"] == "avoid"  # a lower threshold lowers no verdict
    assert [advisory["id"] for advisory in check["result"]["advisories"]] == ["GHSA-1"]


def test_what_fails_is_not_among_what_is_missing(call: Callable[..., Any], tree: Path, services: Services) -> None:
    services.advisory("demo", "1.0", identifier="GHSA-1", database_specific={"severity": "CRITICAL"})
    (tree / "allowed" / "requirements.txt").write_text("demo==1.0\nnobody-has-this==1.0\n")
    result = call("scan_project", {"path": "allowed"}, "--root", str(tree))
    content = result.structured_content
    assert content["outcome"] == "failed"
    assert content["complete"] is False
    assert [text.partition(":")[0] for text in content["missing"]] == ["pypi"]
    assert "nobody-has-this" in content["missing"][0]
    services.silent()
    content = call("scan_project", {"path": "allowed"}, "--root", str(tree), "--refresh").structured_content
    assert not [text for text in content["missing"] if "below" in text]
    assert [text for text in content["missing"] if text.startswith("OSV")]


def test_what_leaves_nothing_to_judge_is_missing(call: Callable[..., Any], tree: Path) -> None:
    (tree / "allowed" / "requirements.txt").unlink()
    content = call("scan_project", {"path": "allowed"}, "--root", str(tree)).structured_content
    assert (content["outcome"], content["complete"]) == ("empty", False)
    assert [text for text in content["missing"] if "dependency file" in text]
