"""A registry or a service that hangs, drips or is not there: what a scan says of everything else, and how it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

Nerq = Callable[..., Any]
SCAN = ("scan", "--as-of", "2026-11-21", "--format", "json")
#: Seconds of a run in which something hangs.
SHORT = 6.0
#: What a server sends before it goes on byte by byte, every 50 ms, for ever. None = nothing, and no further byte.
FAILURES = {
    "hang": None,
    "headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n",
}


class StuckServer(ThreadingTCPServer):
    """Accepts connections, and never sends a whole response."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, opening: bytes | None) -> None:
        self.opening = opening
        self.closing = threading.Event()
        self.accepted = threading.Event()
        super().__init__(("127.0.0.1", 0), StuckHandler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave early are the point."""


class StuckHandler(BaseRequestHandler):
    server: StuckServer

    def handle(self) -> None:
        self.server.accepted.set()
        if self.server.opening is None:
            self.server.closing.wait()
            return
        self.request.sendall(self.server.opening)
        while not self.server.closing.wait(0.05):
            self.request.sendall(b"x")


@pytest.fixture
def start_stuck() -> Iterator[Callable[[str], StuckServer]]:
    """Start a server that fails in a way of ``FAILURES``."""
    servers: list[StuckServer] = []

    def start(failure: str) -> StuckServer:
        server = StuckServer(FAILURES[failure])
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.closing.set()
        server.shutdown()
        server.server_close()


def get_url(server: StuckServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def mixed_project(registry: Any, project: Path) -> Path:
    """A project with packages of both registries."""
    names = [f"demo-{number}" for number in range(30)]
    for name in names:
        registry.pypi(name, "1.0.0", "2.0.0")
        registry.npm(name, "1.0.0", "2.0.0")
    (project / "requirements.txt").write_text("".join(f"{name}==1.0.0\n" for name in names))
    pins = ", ".join(f'"{name}": "1.0.0"' for name in names)
    (project / "package.json").write_text(f'{{"dependencies": {{{pins}}}}}')
    return project


def scan(nerq: Nerq, project: Path) -> Any:
    shutil.rmtree(project.parent / "cache", ignore_errors=True)
    return nerq(*SCAN, "--timeout", str(SHORT)).json


def summarise(report: Any, ecosystem: str) -> list[tuple[Any, ...]]:
    """Return what the report says of the packages of one ecosystem."""
    return [
        (one["name"], one["state"], one["score"], one["provisional"])
        for one in report["dependencies"]
        if one["ecosystem"] == ecosystem
    ]


@pytest.mark.parametrize("failure", [*FAILURES, "refuse"])
@pytest.mark.parametrize("broken", ["PyPI", "npm"])
def test_one_registry_that_fails_leaves_the_packages_of_the_other_as_they_are(
    nerq: Nerq,
    mixed_project: Path,
    start_stuck: Callable[[str], StuckServer],
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    failure: str,
) -> None:
    healthy = scan(nerq, mixed_project)
    url = "http://127.0.0.1:9" if failure == "refuse" else get_url(start_stuck(failure))
    monkeypatch.setenv(f"NERQ_{broken.upper()}_URL", url)
    begun = time.monotonic()
    failed = scan(nerq, mixed_project)
    assert time.monotonic() - begun < SHORT + 2
    other = "npm" if broken == "PyPI" else "PyPI"
    assert all(score is not None and not provisional for _, _, score, provisional in summarise(healthy, other))
    assert summarise(failed, other) == summarise(healthy, other)
    assert {state for _, state, _, _ in summarise(failed, broken)} == {"unknown"}
    states = {one["name"]: one["state"] for one in failed["sources"]}
    assert states[broken] == "unavailable"
    assert (states[other], states["OSV"], states["deps.dev"]) == ("ok", "ok", "ok")


@pytest.mark.parametrize("failure", [*FAILURES, "refuse"])
def test_an_osv_that_fails_leaves_the_registries_as_they_are(
    nerq: Nerq,
    mixed_project: Path,
    start_stuck: Callable[[str], StuckServer],
    monkeypatch: pytest.MonkeyPatch,
    failure: str,
) -> None:
    monkeypatch.setenv("NERQ_OSV_URL", "http://127.0.0.1:9" if failure == "refuse" else get_url(start_stuck(failure)))
    begun = time.monotonic()
    failed = scan(nerq, mixed_project)
    assert time.monotonic() - begun < SHORT
    states = {one["name"]: one["state"] for one in failed["sources"]}
    assert (states["PyPI"], states["npm"], states["deps.dev"], states["OSV"]) == ("ok", "ok", "ok", "unavailable")
    assert all(one["score"] is not None and one["provisional"] for one in failed["dependencies"])


def test_helpful_services_that_all_drip_leave_the_registries_and_osv_as_they_are(
    nerq: Nerq,
    mixed_project: Path,
    start_stuck: Callable[[str], StuckServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV"):
        monkeypatch.setenv(f"NERQ_{name}_URL", get_url(start_stuck("headers")))
    begun = time.monotonic()
    failed = scan(nerq, mixed_project)
    assert time.monotonic() - begun < SHORT
    states = {one["name"]: one["state"] for one in failed["sources"]}
    assert (states["PyPI"], states["npm"], states["OSV"]) == ("ok", "ok", "ok")
    assert all(one["score"] is not None and not one["provisional"] for one in failed["dependencies"])


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="a background job: its processes ignore the signal"
)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("broken", ["PYPI", "NPM", "OSV"])
def test_ctrl_c_ends_a_run_at_once_whatever_it_waits_for(
    mixed_project: Path,
    start_stuck: Callable[[str], StuckServer],
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    failure: str,
) -> None:
    server = start_stuck(failure)
    monkeypatch.setenv(f"NERQ_{broken}_URL", get_url(server))
    command = [sys.executable, "-m", "nerq_cli", "scan", "--timeout", "120"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    assert server.accepted.wait(60)
    time.sleep(0.2)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode == 130
    assert "Traceback" not in errors
