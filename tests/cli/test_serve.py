"""``nerq serve``, as a command in a process of its own."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.conftest import Registry, Result

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from nerq_cli.serve.limits import Limits

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Start the command with options."""
    running: list[subprocess.Popen[str]] = []

    def start_command(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "nerq_cli", "serve", *options]
        running.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
        )
        return running[-1]

    yield start_command
    for process in running:
        process.kill()
        process.communicate()


def read_port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline().rpartition(":")[2])


def ask(port: int, path: str, token: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_the_command_serves_scores_until_it_is_told_to_stop(start: Start, registry: Registry) -> None:
    registry.pypi("demo", "1.0")
    process = start("--port", "0", "--management-port", "0")
    port, management_port = read_port(process), read_port(process)
    assert ask(port, "/readyz")[0] == 200
    status, body = ask(port, "/v1/preflight?target=pkg:pypi/demo@1.0")
    assert (status, json.loads(body)["name"]) == (200, "demo")
    metrics = ask(management_port, "/metrics")[1].decode()
    assert 'route="/v1/preflight"' in metrics
    assert "nerq_answers 1.0" in metrics
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    events = [json.loads(line) for line in err.splitlines()]
    assert [event["event"] for event in events] == ["started", "request", "stopping", "stopped"]
    assert "demo" not in err


def test_a_service_looks_nothing_up_at_a_service(
    start: Start, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.pypi("demo", "1.0")
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("NERQ_SERVICE", f"http://127.0.0.1:{other.getsockname()[1]}")
        process = start("--port", "0", "--management-port", "-1")
        assert ask(read_port(process), "/v1/preflight?target=pkg:pypi/demo@1.0")[0] == 200
        other.setblocking(False)  # noqa: FBT003 - has no keyword
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_token_that_the_command_made_opens_the_service(
    start: Start, nerq: Callable[..., Result], project: Path
) -> None:
    result = nerq("serve", "--create-token", "ci", "--tokens", "tokens")
    token = result.out.splitlines()[0].removeprefix("token: ")
    assert result.status == 0
    assert (project / "tokens").read_text() == f"ci sha256:{sha256(token.encode()).hexdigest()}\n"
    process = start("--port", "0", "--management-port", "-1", "--tokens", "tokens", "--host", "0.0.0.0")  # noqa: S104
    port = read_port(process)
    assert [ask(port, "/version")[0], ask(port, "/version", token)[0]] == [401, 200]


def test_a_token_is_printed_with_its_line(nerq: Callable[..., Result], project: Path) -> None:
    result = nerq("serve", "--create-token", "ci")
    token, line = (row.partition(":")[2].strip() for row in result.out.splitlines())
    assert line == f"ci sha256:{sha256(token.encode()).hexdigest()}"
    assert "not stored" in result.err
    assert list(project.iterdir()) == []
    assert nerq("serve", "--create-token", "no name").status == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "need no token"),  # noqa: S104 - refused
        (("--management-host", "0.0.0.0"), "need no token"),  # noqa: S104 - refused
        (("--tokens", "none"), "none: cannot be read"),
        (("--host", "none.invalid"), "not an address"),
        (("--trusted-proxy", "proxy.example"), "not an address"),
    ],
)
def test_what_cannot_be_served_ends_with_2(nerq: Callable[..., Result], options: tuple[str, ...], message: str) -> None:
    result = nerq("serve", "--port", "0", "--management-port", "0", *options)
    assert result.status == 2
    assert message in result.err
    assert result.out == ""


@pytest.mark.parametrize("option", ["--port", "--management-port"])
def test_an_occupied_port_ends_with_2(nerq: Callable[..., Result], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--port": "0", "--management-port": "0", option: str(taken.getsockname()[1])}
        result = nerq("serve", *(word for pair in ports.items() for word in pair))
    assert result.status == 2
    assert "in use by another process" in result.err
    assert f"hint: choose another one with {option}" in result.err


def test_a_cache_directory_that_cannot_be_used_ends_with_2(nerq: Callable[..., Result], project: Path) -> None:
    (project / "file").touch()
    result = nerq("serve", "--port", "0", "--management-port", "0", "--cache-dir", "file")
    assert result.status == 2
    assert "cannot use the store file" in result.err


def test_the_log_has_what_is_wrong_with_the_store_and_the_settings(start: Start, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["acme-*"]\n')
    (project / "cache").mkdir()
    connection = sqlite3.connect(project / "cache" / "history.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    process = start("--port", "0", "--management-port", "0", "--cache-dir", "cache")
    _, port = read_port(process), read_port(process)
    assert b"nerq_store_up 0.0" in ask(port, "/metrics")[1]
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    events = {line["event"]: line["message"] for line in map(json.loads, log.splitlines()) if "message" in line}
    assert "written by a newer version" in events["store"]
    assert events["settings"] == "the settings of nerq.toml apply"
    assert "acme" not in log


def test_a_settings_file_that_is_not_valid_ends_with_2(nerq: Callable[..., Result], project: Path) -> None:
    (project / "nerq.toml").write_text("threshold = 'high'\n")
    assert nerq("serve", "--port", "0", "--management-port", "0").status == 2
    assert [path.name for path in project.iterdir()] == ["nerq.toml"]


ROOT = Path(__file__).parents[2]


def test_the_options_that_the_pages_and_the_unit_name_exist(nerq: Callable[..., Result]) -> None:
    known = set(re.findall(r"--[a-z-]+", nerq("serve", "--help").out))
    unit = (ROOT / "integrations/systemd/nerq.service").read_text(encoding="utf-8")
    page = (ROOT / "docs/how-to/serve-operate.md").read_text(encoding="utf-8")
    commands = re.findall(r"nerq(?:-serve)? serve (--.*)", page.replace("\\\n", " ") + unit)
    assert len(commands) >= 5
    for command in commands:
        assert set(re.findall(r"--[a-z-]+", command)) <= known
    assert set(re.findall(r"`(--[a-z-]+)[` ]", page)) <= known


def test_the_page_has_the_default_limits_and_every_reason_of_a_refusal() -> None:
    page = (ROOT / "docs/how-to/serve-operate.md").read_text(encoding="utf-8")
    limits = Limits()
    for text in (
        f"`--concurrency`, {limits.concurrency}",
        f"`--request-timeout`, {limits.request_seconds:g} s",
        f"{limits.body_bytes >> 20} MiB",
        f"{limits.receive_seconds:g} s | 408",
        f"nothing of a response | {limits.write_seconds:g} s",
        f"further request | {limits.idle_seconds} s",
        f"connections at a time | {limits.connections:,}",
        f"`--stop-timeout` ({limits.stop_seconds:g} s)",
    ):
        assert text in page
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "nerq_cli/serve").glob("*.py"))
    reasons = set(re.findall(r'refuse\(\s*scope,\s*send(?:_with_id)?,\s*"(\w+)"', sources))
    reasons |= set(re.findall(r'(?:on_refusal|self\._refuse)\("(\w+)",', sources))
    assert len(reasons) > 8
    [row] = [line for line in page.splitlines() if line.startswith("| `nerq_http_refused_total`")]
    assert set(re.findall(r"`(\w+)`", row)) - {"nerq_http_refused_total", "reason"} == reasons


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path) -> None:
    text = (ROOT / "integrations/systemd/nerq.service").read_text(encoding="utf-8")
    unit = tmp_path / "nerq.service"
    unit.write_text(text.replace("/opt/nerq/bin/nerq", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - of the test
    assert [line for line in done.stderr.splitlines() if "nerq.service" in line] == []
    assert float(re.findall(r"(?m)^TimeoutStopSec=(\d+)", text)[0]) > Limits().stop_seconds + 10
