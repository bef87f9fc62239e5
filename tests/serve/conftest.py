"""A service on a loopback port, over registries and services on loopback."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

import jsonschema
import pytest

from nerq_cli.application.settings import Settings
from tests.cli.conftest import AS_OF, Registry, Result, Services, nerq, project, registry, services

with suppress(ModuleNotFoundError):  # without the extra the tests are skipped
    import uvicorn

    from nerq_cli.serve.app import create_app, encode_openapi
    from nerq_cli.serve.service import Service, ServiceSettings

__all__ = ["AS_OF", "Registry", "Result", "Services", "nerq", "project", "registry", "services"]


class Reply(NamedTuple):
    """A response of the service."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Description:
    """The description of the API, which every response to a test must fit."""

    def __init__(self) -> None:
        self._document = json.loads(encode_openapi())
        self._paths = {
            re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(path))): item
            for path, item in self._document["paths"].items()
        }

    def check(self, method: str, path: str, reply: Reply) -> None:
        """Raise AssertionError if a response is not as described; what is no path of the API may be anything."""
        bare_path = path.partition("?")[0]
        items = [item for pattern, item in self._paths.items() if pattern.fullmatch(bare_path)]
        if not items or method.lower() not in items[0]:
            return
        responses = items[0][method.lower()]["responses"]
        assert str(reply.status) in responses, (method, path, reply)
        described = responses[str(reply.status)]
        assert set(described.get("headers", ())) <= {name.title().replace("Etag", "ETag") for name in reply.headers}
        if "content" not in described:
            assert reply.body == b""
            return
        assert reply.headers["content-type"].partition(";")[0] in described["content"], (path, reply)
        [content] = described["content"].values()
        if "$ref" in content["schema"]:
            body = zlib.decompress(reply.body, 31) if "content-encoding" in reply.headers else reply.body
            schema = {**content["schema"], "components": self._document["components"]}
            jsonschema.Draft202012Validator(schema).validate(json.loads(body))


@cache
def _describe() -> Description:
    return Description()


class Client:
    """Sends requests to a service, each on a connection of its own. Responses must be as the API describes them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.description = _describe()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request, and return the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            reply = Reply(response.status, fields, response.read())
        finally:
            connection.close()
        self.description.check(method, path, reply)
        return reply

    def get(self, path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
        """Get a path with parameters; ``for_`` stands for ``for``."""
        query = urlencode({name.rstrip("_"): value for name, value in parameters.items()}, doseq=True)
        return self.request("GET", f"{path}?{query}" if query else path, headers=headers)

    def post(self, path: str, document: Any, **headers: str) -> Reply:
        """Post JSON to a path."""
        fields = {"content-type": "application/json", **headers}
        return self.request("POST", path, json.dumps(document).encode(), fields)


Start = Callable[..., Client]


@pytest.fixture
def start_service(registry: Registry) -> Iterator[Start]:
    """Start services; ``settings`` are those of the run. They end with the test."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(service: Service | None = None, **settings: Any) -> Client:
        run = Settings(**{"as_of": AS_OF, **settings})
        app = create_app(service or Service(ServiceSettings(run=run)))
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", log_level="critical", access_log=False))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        servers.append((server, thread))
        deadline = time.monotonic() + 10
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        return Client(listening.getsockname()[1])

    yield start
    for server, _ in servers:
        server.should_exit = True
    for _, thread in servers:
        thread.join(10)


@pytest.fixture
def client(start_service: Start) -> Client:
    """A client of a service with the default settings, as of a fixed day."""
    return start_service()
