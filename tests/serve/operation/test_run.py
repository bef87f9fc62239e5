"""The service as a process: addresses, what operators ask, signals and the end."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nerq_cli import __version__
from nerq_cli.errors import ConfigError, UsageError
from nerq_cli.serve.logs import EventLog
from nerq_cli.serve.metrics import Metrics
from nerq_cli.serve.run import ServerSettings, ServiceServer, end_process, find_max_connections
from tests.serve.operation.conftest import Application, Serve, wait_until

#: A process with a service whose ``/wait`` answers after the seconds of its query; its port is the first line.
SCRIPT: Final = """
import asyncio, sys, threading, time
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from nerq_cli.serve.limits import Limits
from nerq_cli.serve.run import ServerSettings, ServiceServer, end_process

async def wait(request):
    seconds = float(request.url.query)
    print("entered", flush=True)
    await asyncio.sleep(seconds)
    return PlainTextResponse("waited")

async def block(request):
    print("entered", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)

routes = [Route("/wait", wait), Route("/block", block)]
settings = ServerSettings(port=0, management_port=0, limits=Limits(stop_seconds=float(sys.argv[1])))
server = ServiceServer(settings)
def print_urls(addresses):
    print(addresses.url, addresses.management_url, flush=True)

server.run(Starlette(routes=routes), routes, print_urls)
end_process(server.log)
"""


class Process:
    """A service in a process of its own."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.connections: list[http.client.HTTPConnection] = []
        main, management = self.read_line().split()
        self.port, self.management_port = (int(url.rpartition(":")[2]) for url in (main, management))

    def read_line(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def start_asking(self, path: str) -> Callable[[], tuple[int, bytes]]:
        """Send a request; the result waits for its response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.connections.append(connection)
        connection.request("GET", path)
        assert self.read_line() == "entered"

        def get() -> tuple[int, bytes]:
            response = connection.getresponse()
            return response.status, response.read()

        return get

    def stop(self, number: int = signal.SIGTERM) -> float:
        self.popen.send_signal(number)
        return time.monotonic()

    def wait(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for the end; return the exit status and the events."""
        _, err = self.popen.communicate(timeout=20)
        return self.popen.returncode, [json.loads(line) for line in err.splitlines()]


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start services in processes of their own."""
    running: list[Process] = []

    def start_process(stop_seconds: float = 10) -> Process:
        command = [sys.executable, "-c", SCRIPT, str(stop_seconds)]
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
        running.append(Process(popen))
        return running[-1]

    yield start_process
    for process in running:
        process.popen.kill()
        process.popen.wait()
        for opened in (process.popen.stdout, process.popen.stderr, *process.connections):
            assert opened is not None
            opened.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_when_open_requests_are_answered(start: Callable[..., Process], number: int) -> None:
    process = start()
    get = process.start_asking("/wait?1")
    with socket.create_connection(("127.0.0.1", process.port), timeout=10) as idle:
        time.sleep(0.1)
        process.stop(number)
        assert idle.recv(1) == b""  # a connection without a request is closed at once
    with pytest.raises(OSError):  # noqa: PT011 - refused, or reset
        socket.create_connection(("127.0.0.1", process.port), timeout=10).recv(1)
    ready = http.client.HTTPConnection("127.0.0.1", process.management_port, timeout=10)
    ready.request("GET", "/readyz")
    assert ready.getresponse().status == 503
    ready.close()
    assert get() == (200, b"waited")
    status, events = process.wait()
    assert status == 0
    assert [event["event"] for event in events if event["event"] != "request"] == ["started", "stopping", "stopped"]
    assert {event["level"] for event in events} == {"info"}


def test_a_request_that_does_not_end_is_refused_when_the_time_to_stop_is_over(start: Callable[..., Process]) -> None:
    process = start(1)
    get = process.start_asking("/wait?60")
    stopped = process.stop()
    status, body = get()
    assert (status, json.loads(body)["status"]) == (503, 503)
    assert process.wait()[0] == 0
    assert time.monotonic() - stopped < 8


def test_a_thread_that_does_not_end_does_not_hold_the_process(start: Callable[..., Process]) -> None:
    process = start(0)
    get = process.start_asking("/block")
    stopped = process.stop()
    assert get()[0] == 503
    status, events = process.wait()
    assert status == 0
    assert time.monotonic() - stopped < 10
    assert "unfinished" in events[-1]["message"]


def test_a_second_signal_ends_the_service_at_once(start: Callable[..., Process]) -> None:
    process = start(60)
    process.start_asking("/wait?60")
    stopped = process.stop()
    time.sleep(0.5)
    process.stop()
    assert process.wait()[0] == 0
    assert time.monotonic() - stopped < 8


def test_open_requests_are_refused_when_the_time_to_stop_is_over(serve: Serve) -> None:
    served = serve(stop_seconds=0)
    get = served.start_asking("/wait")
    served.server.stop()
    assert (get().status, get().headers["connection"]) == (503, "close")
    served.join(10)
    assert not served.is_running
    assert served.find_events("stopped")


def test_a_second_call_ends_a_service_at_once(serve: Serve) -> None:
    served = serve(stop_seconds=60)
    with served.connect() as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: served.application.entered)
        served.server.stop()
        wait_until(lambda: served.find_events("stopping"))
        served.server.stop()
        served.join(10)
    assert not served.is_running


def test_a_thread_that_goes_on_is_left_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    monkeypatch.setattr("nerq_cli.serve.run._THREAD_SECONDS", 0.1)
    stream, event = io.StringIO(), threading.Event()
    thread = threading.Thread(target=event.wait, name="busy")
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread(), thread])
    thread.start()
    end_process(EventLog(stream))
    event.set()
    thread.join()
    assert statuses == [0]
    assert "unfinished work; threads: 1" in stream.getvalue()
    end_process(EventLog(stream))
    assert statuses == [0]


def test_an_address_in_use_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is in use") as caught:
            ServiceServer(ServerSettings(port=port, management_port=None))
        assert "--port" in caught.value.hint
        with pytest.raises(UsageError, match="in use") as caught:  # and the first socket is closed
            ServiceServer(ServerSettings(port=0, management_port=port))
        assert "--management-port" in caught.value.hint


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - refused
def test_an_address_that_others_reach_needs_tokens(host: str) -> None:
    for settings in (
        ServerSettings(host=host, port=0, management_port=None),
        ServerSettings(port=0, management_host=host, management_port=0),
    ):
        with pytest.raises(UsageError, match="need no token") as caught:
            ServiceServer(settings)
        assert "--tokens FILE" in caught.value.hint


@pytest.mark.parametrize("host", ["none.invalid", "256.0.0.1", "a b", "", "x" * 300])
def test_a_host_that_is_no_address_is_a_clear_error(host: str) -> None:
    with pytest.raises(UsageError):
        ServiceServer(ServerSettings(host=host, port=0, management_port=None))


def test_an_address_of_another_machine_is_a_clear_error(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"a sha256:{'0' * 64}\n")
    tokens.chmod(0o600)
    with pytest.raises(UsageError, match="cannot be listened on"):
        ServiceServer(ServerSettings(host="192.0.2.1", port=0, management_port=None, tokens=tokens))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2"])
def test_a_free_port_is_chosen_and_stated(serve: Serve, host: str) -> None:
    served = serve(host=host)
    assert served.addresses is not None
    assert served.addresses.url.startswith("http://127.0.0.")
    assert served.find_events("started")[0]["url"] == served.addresses.url
    with socket.create_connection((served.addresses.url[7:].rpartition(":")[0], served.port), timeout=5):
        pass


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_an_ipv6_address_is_written_in_brackets(serve: Serve) -> None:
    try:
        served = serve(host="::1")
    except UsageError:
        pytest.skip("no IPv6 address")
    assert served.server.addresses.url == f"http://[::1]:{served.port}"
    connection = http.client.HTTPConnection("::1", served.port, timeout=5)
    connection.request("GET", "/packages/demo")
    assert connection.getresponse().read() == b"demo"
    connection.close()


def test_no_management_port_is_opened_when_none_is_wanted(serve: Serve) -> None:
    served = serve(management_port=None)
    assert served.server.addresses.management_url is None
    assert served.ask("/healthz").status == 200
    assert served.ask("/metrics").status == 404


def test_both_ports_state_that_the_service_lives_and_is_ready(serve: Serve) -> None:
    served = serve()
    for port in (served.port, served.management_port):
        assert served.ask("/healthz", port=port).json == {"status": "ok"}
        assert served.ask("/readyz", port=port).json == {"status": "ready"}
        assert served.ask("/healthz", method="HEAD", port=port).body == b""
        reply = served.ask("/healthz", method="POST", port=port)
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
    assert served.ask("/packages/demo", port=served.management_port).status == 404


def test_an_obstacle_makes_it_not_ready_and_is_stated(serve: Serve) -> None:
    served = serve()
    obstacle = "the store is away"
    served.server.state.checks.append(lambda: obstacle)
    reply = served.ask("/readyz")
    assert (reply.status, reply.json["detail"]) == (503, "the store is away")
    assert served.ask("/healthz").status == 200
    obstacle = ""
    assert served.ask("/readyz").status == 200


def test_the_version_has_the_dates_of_the_data(serve: Serve) -> None:
    served = serve()
    document = served.ask("/version").json
    assert document["version"] == __version__
    assert set(document["methodologies"]) == {"packages", "models", "repositories"}
    for ecosystem in ("PyPI", "npm"):
        data = document["data"][ecosystem]
        assert len(data["shipped_advisories"]) == len(data["popular_packages"]) == len("2026-11-30")
        assert data["advisory_database"] is None
    assert served.ask("/version", port=served.management_port).json == document
    reply = served.ask("/version?since=2026")
    assert (reply.status, reply.json["type"]) == (400, "urn:nerq:problem:invalid-parameter")
    assert served.ask("/healthz?probe=1").status == 200


def test_metrics_count_by_route_and_name_no_target(serve: Serve) -> None:
    served = serve()
    served.ask("/packages/secret-name")
    served.ask("/packages/other-name")
    served.ask("/secret-path")
    served.ask("/packages/x", method="BREW")
    text = served.ask("/metrics", port=served.management_port)
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert served.get_metric('nerq_http_requests_total{method="GET",route="/packages/{name}",status="200"}') == 2
    assert served.get_metric('nerq_http_requests_total{method="GET",route="none",status="404"}') == 1
    assert served.get_metric('nerq_http_request_seconds_count{route="/packages/{name}"}') == 3
    assert served.get_metric(f'nerq_build_info{{version="{__version__}"}}') == 1
    assert served.get_metric("process_resident_memory_bytes") > 0
    for word in (b"secret", b"BREW"):
        assert word not in text.body


def test_metrics_of_two_services_in_one_process_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.observe("GET", "/x", 200, 0.1, "")
    assert b'route="/x"' in first.render()
    assert b'route="/x"' not in second.render()


def test_the_log_has_the_route_and_no_target(serve: Serve) -> None:
    served = serve()
    served.ask("/packages/secret-name?target=secret-target", {"X-Request-ID": "id-1"})
    served.ask("/secret-path", {"X-Request-ID": "a b\u00e4d id"})
    served.ask("/healthz")
    wait_until(lambda: len(served.find_events("request")) == 2)
    first, second = served.find_events("request")
    assert (first["route"], first["status"], first["id"]) == ("/packages/{name}", 200, "id-1")
    assert first["ms"] >= 0
    assert first["time"].endswith("Z")
    assert ("route" in second, second["status"], len(second["id"])) == (False, 404, 16)
    assert "secret" not in served.log_text


def test_a_quiet_log_has_problems_only(serve: Serve) -> None:
    served = serve(is_quiet=True)
    served.ask("/packages/demo")
    served.ask("/fail")
    wait_until(lambda: served.events)
    assert [event["level"] for event in served.events] == ["error"]


def test_a_log_that_cannot_be_written_does_not_stop_the_service() -> None:
    stream = io.StringIO()
    log = EventLog(stream)
    stream.close()
    log.write("event")


def test_an_expected_error_at_the_start_is_raised_as_it_is(serve: Serve) -> None:
    application = Application()
    application.start_error = ConfigError("the store is away")
    served = serve(application)
    served.join(10)
    assert served.error is application.start_error
    assert "Traceback" not in served.log_text
    with pytest.raises(OSError):  # noqa: PT011 - nothing listens any more
        served.ask("/healthz")


def test_a_signal_before_the_start_ends_the_service() -> None:
    server = ServiceServer(ServerSettings(port=0, management_port=None), EventLog(io.StringIO()))
    server.stop()
    thread = threading.Thread(target=server.run, args=(Application().build(),), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_connections_stay_below_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    limits = [(1024, 4096), (1024, 1024), (300, 300), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)]
    found = []
    for limit in limits:
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: limit)
        monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
        found.append(find_max_connections(1000))
    assert found == [1000, 768, 44, 1000]
