"""A service of a small application on a loopback port, and a client that may misbehave."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

with suppress(ModuleNotFoundError):  # without the extra the tests are skipped
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response, StreamingResponse
    from starlette.routing import Route

    from nerq_cli.serve.limits import Limits
    from nerq_cli.serve.logs import EventLog
    from nerq_cli.serve.run import Addresses, ServerSettings, ServiceServer


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Application:
    """A small application: ``entered`` has the paths that it was asked for, ``ended`` those that it finished."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.ended: list[str] = []
        #: What holds ``/wait``.
        self.gate = threading.Event()
        self.start_error: Exception | None = None
        self.routes = [
            Route("/echo", self.echo, methods=["POST"]),
            Route("/wait", self.wait),
            Route("/large", self.large),
            Route("/stream", self.stream),
            Route("/packages/{name}", self.package),
            Route("/fail", self.fail),
            Route("/time-out", self.time_out),
        ]

    def build(self) -> Starlette:
        app = Starlette(routes=self.routes)
        if self.start_error is not None:
            error = self.start_error

            async def lifespan_failed(scope: Any, receive: Any, send: Any) -> None:
                await receive()
                await send({"type": "lifespan.startup.failed", "message": "Traceback"})
                raise error

            app.router.lifespan = lifespan_failed  # type: ignore[method-assign]
        return app

    async def echo(self, request: Request) -> Response:
        self.entered.append("/echo")
        body = await request.body()
        return PlainTextResponse(str(len(body)))

    async def wait(self, _: Request) -> Response:
        self.entered.append("/wait")
        try:
            while not self.gate.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
        finally:
            self.ended.append("/wait")
        return PlainTextResponse("waited")

    async def large(self, _: Request) -> Response:
        self.entered.append("/large")
        return PlainTextResponse("x" * 50_000_000)

    async def stream(self, _: Request) -> Response:
        self.entered.append("/stream")

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(500):
                yield b"x" * 100_000

        return StreamingResponse(parts())

    async def package(self, request: Request) -> Response:
        return PlainTextResponse(request.path_params["name"])

    async def fail(self, _: Request) -> Response:
        raise ValueError("secret-package is private")

    async def time_out(self, _: Request) -> Response:
        raise TimeoutError


class Served:
    """A running service."""

    def __init__(self, server: ServiceServer, application: Application, stream: io.StringIO) -> None:
        self.server = server
        self.application = application
        self.addresses: Addresses | None = None
        self.error: BaseException | None = None
        self._stream = stream
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait(10)

    def _run(self) -> None:
        try:
            self.server.run(self.application.build(), self.application.routes, self._note_start)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self._started.set()

    def _note_start(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self._started.set()

    @property
    def port(self) -> int:
        return int(self.server.addresses.url.rpartition(":")[2])

    @property
    def management_port(self) -> int:
        return int((self.server.addresses.management_url or "").rpartition(":")[2])

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    @property
    def log_text(self) -> str:
        return self._stream.getvalue()

    def find_events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.events if line["event"] == event]

    def connect(self, port: int | None = None) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port or self.port), timeout=10)

    def ask(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        port: int | None = None,
        chunked: bool = False,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def start_asking(self, path: str) -> Callable[[], Reply]:
        """Send a request in another thread; the result waits for its response."""
        replies: list[Reply] = []
        before = len(self.application.entered)
        thread = threading.Thread(target=lambda: replies.append(self.ask(path)), daemon=True)
        thread.start()
        wait_until(lambda: len(self.application.entered) > before)

        def get() -> Reply:
            thread.join(10)
            return replies[0]

        return get

    def get_metric(self, line: str) -> float:
        text = self.ask("/metrics", port=self.management_port).body.decode()
        return next((float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(line)), 0.0)

    def stop(self) -> None:
        self.application.gate.set()
        self.server.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)


def read_all(connection: socket.socket) -> bytes:
    """Return what the other side sends until it closes the connection."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


Serve = Callable[..., Served]


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NERQ_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def serve(cache_dir: Path) -> Iterator[Serve]:
    """Start a service; options are those of ``Limits`` and of ``ServerSettings``."""
    running: list[Served] = []

    def start(application: Application | None = None, **options: Any) -> Served:
        limits = {name: options.pop(name) for name in Limits.__struct_fields__ if name in options}
        settings = {"port": 0, "management_port": 0, "cache_dir": cache_dir, "limits": Limits(**limits), **options}
        stream = io.StringIO()
        server = ServiceServer(ServerSettings(**settings), EventLog(stream, is_quiet=options.get("is_quiet", False)))
        running.append(Served(server, application or Application(), stream))
        return running[-1]

    yield start
    for served in running:
        served.stop()
