"""Connections: used again, given up, and closed by the server at any moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from nerq_cli.facts import Absent, Unknown
from nerq_cli.fetch.connections import Headers
from nerq_cli.fetch.fetcher import HttpSettings
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package
from tests.fetch.conftest import DEMOS, NOW

ONE_AT_A_TIME = HttpSettings(concurrency=1, attempts=1)
ANSWER = b"HTTP/1.1 404 Said\r\nContent-Length: 2\r\n\r\n{}"


def packages(count: int) -> list[Package]:
    return [Package(ecosystem="PyPI", name=f"p{number}") for number in range(count)]


class Peer:
    """A server that does one thing for each request of a connection, and then closes it."""

    def __init__(self) -> None:
        self.connection_count = 0
        #: What is sent for each request of a connection, in order; nothing more is read after the last.
        self.answers: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connection_count += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # a client that leaves
            for answer in self.answers:
                if not connection.recv(65_536):
                    return
                connection.sendall(answer)


@pytest.fixture
def peer() -> Iterator[Peer]:
    opened = Peer()
    yield opened
    opened.close()


def test_requests_one_after_the_other_use_one_connection(open_run: Callable[..., Any], peer: Peer) -> None:
    peer.answers = [ANSWER] * 20
    facts = open_run(settings=ONE_AT_A_TIME).fetch(DEMOS, packages(20), Endpoint(url=peer.url))
    assert set(facts.values()) == {Absent("Demo", NOW)}
    assert peer.connection_count == 1


def test_a_connection_that_the_server_has_closed_is_not_used_again(open_run: Callable[..., Any], peer: Peer) -> None:
    peer.answers = [ANSWER]
    facts = open_run(settings=ONE_AT_A_TIME).fetch(DEMOS, packages(10), Endpoint(url=peer.url))
    assert set(facts.values()) == {Absent("Demo", NOW)}


def test_a_connection_that_is_closed_when_it_is_used_again_is_no_failure(
    open_run: Callable[..., Any], peer: Peer
) -> None:
    peer.answers = [ANSWER, b""]  # the second request is read, and the connection closed
    facts = open_run(settings=ONE_AT_A_TIME).fetch(DEMOS, packages(6), Endpoint(url=peer.url))
    assert set(facts.values()) == {Absent("Demo", NOW)}
    assert peer.connection_count == 6


def test_a_new_connection_that_is_closed_is_a_failure(open_run: Callable[..., Any], peer: Peer) -> None:
    peer.answers = [b""]
    facts = open_run(settings=ONE_AT_A_TIME).fetch(DEMOS, packages(1), Endpoint(url=peer.url))
    host = peer.url.removeprefix("http://")
    assert list(facts.values()) == [Unknown(f"{host}: the connection was closed early", "Demo")]
    assert peer.connection_count == 1


def test_nonsense_on_a_used_connection_is_a_failure(open_run: Callable[..., Any], peer: Peer) -> None:
    peer.answers = [ANSWER, b"nonsense\r\n\r\n"]
    facts = open_run(settings=ONE_AT_A_TIME).fetch(DEMOS, packages(2), Endpoint(url=peer.url))
    assert {type(fact) for fact in facts.values()} == {Absent, Unknown}
    assert peer.connection_count == 1


def test_a_body_that_is_not_read_ends_its_connection(open_run: Callable[..., Any], peer: Peer) -> None:
    body = b"x" * (DEMOS.limit + 1)
    peer.answers = [b"HTTP/1.1 200 Said\r\nContent-Length: %d\r\n\r\n" % len(body) + body] * 5
    open_run(settings=ONE_AT_A_TIME).fetch(DEMOS, packages(2), Endpoint(url=peer.url))
    assert peer.connection_count == 2


def test_values_of_the_same_header_are_joined_and_names_ignore_case() -> None:
    headers = Headers([(b"X-Hash", b"crc32c=a"), (b"x-hash", b"md5=b"), (b"ETag", "é".encode()), (b"Odd", b"\xff")])
    assert headers["X-HASH"] == "crc32c=a, md5=b"
    assert (headers["etag"], headers["odd"], headers.get("None", "")) == ("é", "ÿ", "")
    assert list(headers) == ["x-hash", "etag", "odd"]
    assert len(headers) == 3
