from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nerq_cli.store.postgres_claims import PostgresClaims
from nerq_cli.store.postgres_connection import PostgresConnection

pytestmark = pytest.mark.postgres


@pytest.fixture
def open_claims(url: str) -> Iterator[Callable[[], PostgresClaims]]:
    opened: list[PostgresClaims] = []

    def open_one() -> PostgresClaims:
        opened.append(PostgresClaims(PostgresConnection(url)))
        return opened[-1]

    yield open_one
    for claims in opened:
        claims.close()


def test_a_key_is_of_one_process_at_a_time(open_claims: Callable[[], PostgresClaims]) -> None:
    first, second = open_claims(), open_claims()
    assert first.claim(["a", "b"]) == {"a", "b"}
    assert second.claim(["a", "b", "c"]) == {"c"}
    assert second.wait(["a", "b"], 0.2) is False
    first.release(["a", "b"])
    assert second.wait(["a", "b"], 5) is True
    assert second.claim(["a", "b"]) == {"a", "b"}


def test_a_key_is_of_one_thread_at_a_time(open_claims: Callable[[], PostgresClaims]) -> None:
    claims = open_claims()
    assert claims.claim(["a"]) == {"a"}
    assert claims.claim(["a", "b"]) == {"b"}
    assert claims.wait(["a"], 0.1) is False
    claims.release(["a"])
    assert claims.claim(["a"]) == {"a"}


def test_a_worker_waits_until_another_process_releases(open_claims: Callable[[], PostgresClaims]) -> None:
    first, second = open_claims(), open_claims()
    first.claim(["a"])
    timer = threading.Timer(0.3, first.release, (["a"],))
    timer.start()
    started = time.monotonic()
    assert second.wait(["a"], 20) is True
    assert time.monotonic() - started < 10
    timer.join()


def test_the_claims_of_a_killed_process_are_free(open_claims: Callable[[], PostgresClaims], url: str) -> None:
    code = """
import sys, time
from nerq_cli.store.postgres_claims import PostgresClaims
from nerq_cli.store.postgres_connection import PostgresConnection
claims = PostgresClaims(PostgresConnection(sys.argv[1]))
print(sorted(claims.claim(["a", "b"])), flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None
    assert process.stdout.readline() == "['a', 'b']\n"
    claims = open_claims()
    assert claims.claim(["a", "b"]) == set()
    process.kill()
    process.wait()
    process.stdout.close()
    assert claims.wait(["a", "b"], 10) is True
    assert claims.claim(["a", "b"]) == {"a", "b"}


def test_a_process_holds_a_limited_number_of_locks(
    open_claims: Callable[[], PostgresClaims], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.postgres_claims._MAX_LOCKS", 10)
    claims = open_claims()
    keys = [f"key-{n}" for n in range(25)]
    done: set[str] = set()
    while len(done) < 25:
        mine = claims.claim(set(keys) - done)
        assert 0 < len(mine) <= 10
        assert claims.claim(set(keys) - done - mine) == (set() if len(mine) == 10 else set(keys) - done - mine)
        assert claims.wait([keys[0]], 0) is False or len(mine) < 10
        claims.release(mine)
        done |= mine
    assert claims.problem == ""


def test_a_server_without_room_for_locks_leaves_the_claims_to_the_process(
    open_claims: Callable[[], PostgresClaims], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.postgres_claims._MAX_LOCKS", 200_000)
    claims = open_claims()
    keys = {f"key-{n}" for n in range(100_000)}
    assert claims.claim(keys) == keys
    assert "out of shared memory" in claims.problem
    claims.release(keys)
    deadline = time.monotonic() + 20
    while claims.claim(["a"]) == set() or claims.problem:
        claims.release(["a"])
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_while_the_server_is_away_the_claims_are_those_of_the_process(
    open_claims: Callable[[], PostgresClaims], server: Any
) -> None:
    first, second = open_claims(), open_claims()
    assert first.claim(["a"]) == {"a"}
    server.stop()
    try:
        assert second.claim(["a", "b"]) == {"a", "b"}
        assert second.claim(["b"]) == set()
        assert "cannot connect to the store" in second.problem
        second.release(["a", "b"])
    finally:
        server.start()
    deadline = time.monotonic() + 20
    while second.claim(["c"]) == set() or second.problem:
        second.release(["c"])
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert first.claim(["a"]) == set()  # a thread of this process is still at it
    first.release(["a"])
    assert first.claim(["a", "c"]) == {"a"}
