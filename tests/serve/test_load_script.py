"""The load script measures what it states: it is tried against servers whose answers are known."""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "benchmarks" / "serve_load.py"
Answer = Callable[[int, asyncio.StreamWriter], Awaitable[bytes]]


@pytest.fixture(scope="module")
def load() -> dict[str, Any]:
    """What the script defines."""
    return runpy.run_path(str(SCRIPT))


def measure(
    load: dict[str, Any], answer: Answer, *, rate: float = 200, seconds: float = 1, connections: int = 4
) -> Any:
    """Return a round against a server that answers as told; it is told the number of the request."""

    async def run() -> Any:
        count = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    count += 1
                    writer.write(await answer(count, writer))
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        made = load["Server"]("server", "127.0.0.1", server.sockets[0].getsockname()[1])
        requests = load["build_singles"](made, ["pkg:pypi/a@1", "pkg:npm/%40b/c@2"])
        arrivals = load["draw_arrivals"](rate, seconds, 1)
        found = await load["run_round"](made, requests, arrivals, connections, 2)
        server.close()
        await asyncio.sleep(0.05)  # its connections end
        return found

    return asyncio.run(run())


async def answer_at_once(_number: int, _writer: asyncio.StreamWriter) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_every_request_that_was_due_is_counted(load: dict[str, Any]) -> None:
    found = measure(load, answer_at_once)
    assert 150 < found.count < 250
    assert len(found.latencies) == found.count
    assert not found.errors
    assert found.latencies == sorted(found.latencies)


def test_requests_that_were_due_while_a_server_stood_still_count_in_full(load: dict[str, Any]) -> None:
    async def stop_once(number: int, writer: asyncio.StreamWriter) -> bytes:
        if 20 <= number < 24:  # on all four connections
            await asyncio.sleep(0.5)
        return await answer_at_once(number, writer)

    found = measure(load, stop_once)
    slow = [value for value in found.latencies if value > 0.1]
    assert len(slow) > 40  # those of 0.4 s at 200 a second; a client that waits for answers would have four
    assert load["find_high"]([found]) > 0.4


def test_other_answers_and_lost_connections_are_errors(load: dict[str, Any]) -> None:
    async def fail(number: int, writer: asyncio.StreamWriter) -> bytes:
        if number == 5:
            return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        if number == 6:
            writer.close()
            return b""
        return await answer_at_once(number, writer)

    found = measure(load, fail)
    assert found.errors == {"status 503": 1, "connection lost": 1}
    assert len(found.latencies) == found.count - 2


def test_a_server_that_never_answers_ends_the_round(load: dict[str, Any]) -> None:
    async def hang(_number: int, _writer: asyncio.StreamWriter) -> bytes:
        return b""

    found = measure(load, hang, seconds=0.2)
    assert found.latencies == []
    assert found.errors == {"no answer": found.count}


@pytest.mark.parametrize(("share", "value"), [(0.5, 51), (0.99, 100), (1, 100), (0, 1)])
def test_percentiles(load: dict[str, Any], share: float, value: int) -> None:
    assert load["find_percentile"](list(range(1, 101)), share) == value


def test_arrivals_are_the_same_for_both_servers_and_as_many_as_wanted(load: dict[str, Any]) -> None:
    first = load["draw_arrivals"](500, 10, 3)
    assert first == load["draw_arrivals"](500, 10, 3)
    assert first != load["draw_arrivals"](500, 10, 4)
    assert 4_700 < len(first) < 5_300
    assert first == sorted(first)


@pytest.mark.parametrize(
    "results",
    [
        [{"status": 404, "problem": {}}],
        [{"status": 200, "preflight": {"complete": False}}],
        [],
    ],
)
def test_a_batch_that_is_not_whole_is_not_measured(load: dict[str, Any], results: list[Any]) -> None:
    with pytest.raises(SystemExit):
        load["check_batch"](json.dumps({"results": results}).encode(), 1)
    load["check_batch"](b'{"results": [{"status": 200, "preflight": {"complete": true}}]}', 1)


def test_the_script_measures_a_service_beside_the_bare_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path))
    options = ["--targets", "20", "--rounds", "1", "--seconds", "0.5", "--rate", "100"]
    done = subprocess.run(  # noqa: S603 - the script of this repository
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("nerq serve: 20 purls, cold", "nerq serve: 20 purls, warm", "bare route: 20 purls, warm", "p99  "):
        assert name in done.stdout
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("option", [("--address", "http://127.0.0.1:1"), ("--purls", "purls.txt")])
def test_registries_are_not_asked_for_the_names_of_the_stand_ins(option: tuple[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - the script of this repository
        [sys.executable, str(SCRIPT), *option], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "--address and --purls go together" in done.stderr
