"""A web site on the loopback interface that behaves, or misbehaves, as a test tells it to."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from types import ModuleType
from typing import Any, Final, TypeAlias, TypedDict

import httpx
import hypothesis
import pytest

from nerq_cli.cli.extras import EXTRAS
from nerq_cli.fetch.certificates import CERTIFICATE_VARIABLES
from nerq_cli.fetch.fetcher import Fetcher, FetchRun, HttpSettings
from nerq_cli.store import MemoryCache

_NOT_MODIFIED: Final = 304

# No deadline: a busy machine is not a failure. In CI the same examples are drawn each time, so that a passed test
# passes again; releases of Hypothesis before 6.113 have no such profile of their own.
hypothesis.settings.register_profile("nerq", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("nerq")


@dataclass(frozen=True, slots=True)
class Request:
    """What a site was asked. The names of the headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Turn(TypedDict, total=False):
    """What a site does when asked: one answer, or a way of not giving one. A plain dict, so that tests import nothing.

    ``body`` is sent as it is when it is bytes, as JSON otherwise. ``delay`` is a pause before the answer, ``drip`` one
    after each byte of it, in seconds. ``hang`` says nothing at all until the site closes. ``raw`` is sent in place of
    everything else, and then the connection is closed. ``cut`` closes it after that many bytes of a longer body.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    delay: float
    drip: float
    hang: bool
    raw: bytes
    cut: int
    chunked: bool


def _wire(turn: Turn) -> bytes:
    """Return everything that is sent."""
    if "raw" in turn:
        return turn["raw"]
    body = turn.get("body", b"")
    content: bytes = body if isinstance(body, bytes) else json.dumps(body).encode()
    chunked = turn.get("chunked", False)
    length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(content))}
    headers = {**length, **turn.get("headers", {})} if turn.get("status") != _NOT_MODIFIED else turn.get("headers", {})
    lines = [f"HTTP/1.1 {turn.get('status', 200)} Said", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head + (_chunks(content) if chunked else content[: turn.get("cut")])


def _chunks(content: bytes, size: int = 65_536) -> bytes:
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


Script: TypeAlias = Turn | Callable[[Request], Turn]


class Site:
    """A site: ``on`` says what it does, ``requests`` what it was asked, ``crowd`` how many were served at once."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.crowd = 0
        self._inside = 0
        self._scripts: dict[str, list[Script]] = {}
        self._default: Script = {"status": 404, "body": {}}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """Name and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Address without a trailing slash."""
        return f"http://{self.host}"

    def on(self, path: str, *scripts: Script) -> None:
        """Do this when asked for a path: one after the other, and the last one from then on."""
        self._scripts[path] = list(scripts)

    def serve_all(self, script: Script) -> None:
        """Do this when asked for a path that has no script of its own."""
        self._default = script

    @property
    def scripts(self) -> Mapping[str, list[Script]]:
        """What it does from now on, by path."""
        return self._scripts

    def close(self) -> None:
        """Stop, and let go of everybody who hangs."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, request: Request, connection: socket.socket) -> bool:
        """Do what the script says; return whether the connection may be used again."""
        with self._lock:
            self.requests.append(request)
            self._inside += 1
            self.crowd = max(self.crowd, self._inside)
            scripts = self._scripts.get(request.path, [self._default])
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        turn = script(request) if callable(script) else script
        try:
            self._play(turn, connection)
        finally:
            with self._lock:
                self._inside -= 1
        return "raw" not in turn and "cut" not in turn

    def _play(self, turn: Turn, connection: socket.socket) -> None:
        if turn.get("hang"):
            self._closing.wait()
            return
        time.sleep(turn.get("delay", 0))
        pause = turn.get("drip", 0)
        if not pause:
            connection.sendall(_wire(turn))
            return
        for byte in _wire(turn):
            connection.sendall(bytes([byte]))
            if self._closing.wait(pause):
                return


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    site: Site

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave early are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        again = self.server.site.serve(Request(self.command, self.path, headers, body), self.connection)
        self.close_connection = self.close_connection or not again

    do_POST = do_PATCH = do_CONNECT = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A site; scripted with ``site.on(path, {...})``."""
    opened = Site()
    yield opened
    opened.close()


@pytest.fixture
def services_site() -> Iterator[Site]:
    """A site for the services that are no registries."""
    opened = Site()
    yield opened
    opened.close()


@pytest.fixture
def other_site() -> Iterator[Site]:
    """A second site, on another port."""
    opened = Site()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates from the environment the tests run in."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def _serve_tls(listening: socket.socket, context: ssl.SSLContext) -> None:
    body = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"name":"secure"}'
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65_536)
                    secured.sendall(body)
            except OSError:
                continue


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A TLS server with a certificate of its own making: its address, and the file to trust it by."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    command = [openssl, "req", "-x509", *kind, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the test's own words
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve_tls, args=(listening, context), daemon=True).start()
    yield f"127.0.0.1:{listening.getsockname()[1]}", certificate
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


NOW = 1_800_000_000
QUICK = HttpSettings(timeout=2.0, backoff=0.001, seed=1)


@pytest.fixture
def open_run() -> Iterator[Callable[..., FetchRun]]:
    """Open a run, with a store of its own unless it is given one."""
    opened: list[Fetcher] = []

    def open_one(
        store: Any = None, settings: HttpSettings = QUICK, transport: httpx.BaseTransport | None = None, **options: Any
    ) -> FetchRun:
        opened.append(Fetcher(MemoryCache() if store is None else store, settings=settings, transport=transport))
        return opened[-1].open_run(**{"now": NOW, "deadline_seconds": 10.0} | options)

    yield open_one
    for one in opened:
        one.close()


def _share(folder: str) -> None:
    """Import the ``conftest`` of a folder now, under the name that pytest gives it.

    Tests of other folders import its stand-ins, and pytest imports it only when it collects the folder itself.
    """
    name = f"tests.{folder.replace('/', '.')}.conftest"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / folder / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


# --- tests of extras that may not be installed

#: Modules that the tests of a folder need.
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "serve": ("starlette", "uvicorn", "prometheus_client"),
    "serve/postgres": ("psycopg",),
    "store/postgres": ("psycopg",),
}


#: Modules that only the extras bring, beside those that the code imports by name.
_OF_EXTRAS = frozenset({"mcp_types"}.union(*EXTRAS.values()))


class _SkippedModule(pytest.Module):
    """A file of tests that need an extra."""

    reason = ""

    def collect(self) -> Any:
        """Skip it without importing it."""
        pytest.skip(self.reason)


@lru_cache
def _can_import(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:  # also where it is installed and a library of the system is not
        return False
    return True


def import_or_skip(name: str) -> ModuleType:
    """Import a module of the package; skip the test if that needs an extra which is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OF_EXTRAS:
            pytest.skip(f"{error.name} is not installed")
        raise


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> pytest.Module | None:
    """Skip the tests of an extra that is not installed, also those of a file that is named on the command line."""
    parts = module_path.parent.relative_to(Path(__file__).parent).parts
    folders = ["/".join(parts[: index + 1]) for index in range(len(parts))]
    missing = [name for folder in folders for name in _NEEDED.get(folder, ()) if not _can_import(name)]
    if not missing:
        return None
    module: _SkippedModule = _SkippedModule.from_parent(parent, path=module_path)
    module.reason = f"{missing[0]} is not installed"
    return module


for _folder in ("cli", "sources/huggingface", "signals/models", "store/postgres"):
    _share(_folder)


# --- headless Chromium, driven by Playwright, and axe-core: nothing is imported or installed unless a test asks for it

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser of the system; Playwright's own one is not downloaded."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert path is not None, "no Chromium to test the page with: apt-get install chromium"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, installed once into ``NERQ_TEST_BROWSER``, or a folder for temporary files."""
    folder = Path(os.environ.get("NERQ_TEST_BROWSER") or Path(tempfile.gettempdir()) / "nerq-test-browser")
    script = folder / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        assert npm is not None, "no npm to install axe-core with"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": {"axe-core": "^4.10"}}))
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - as above
        assert done.returncode == 0, done.stdout + done.stderr
    return script.read_text(encoding="utf-8")


@pytest.fixture
def check_access(axe: str) -> Callable[[Any], list[str]]:
    """Return what axe-core finds in a page that keeps people from using it."""

    def check(page: Any) -> list[str]:
        # The policy of the page forbids a script element; the protocol of the browser needs none.
        session = page.context.new_cdp_session(page)
        session.send("Runtime.evaluate", {"expression": axe})
        expression = "axe.run(document).then((found) => JSON.stringify([found.violations, found.passes.length]))"
        answer = session.send(
            "Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}
        )
        violations, pass_count = json.loads(answer["result"]["value"])
        assert pass_count > 10, "axe-core checked next to nothing"
        return [
            f"{one['impact']}: {one['id']}: {one['nodes'][0]['html']}"
            for one in violations
            if one["impact"] in ("serious", "critical")
        ]

    return check
