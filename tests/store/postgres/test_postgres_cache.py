from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerq_cli.errors import UsageError
from nerq_cli.store import Row, postgres_connection
from nerq_cli.store.postgres import PostgresCache
from nerq_cli.store.postgres_connection import FORMAT_VERSION, PostgresConnection
from nerq_cli.store.service_store import open_service_store

pytestmark = pytest.mark.postgres

NOW = 1_800_000_000
ROW = Row(b'{"name":"demo"}', NOW, NOW + 3600, '"etag"')
PLACE = ("pypi-json", "https://pypi.example/pypi")


@pytest.fixture
def cache(url: str) -> Iterator[PostgresCache]:
    opened = PostgresCache(PostgresConnection(url))
    yield opened
    opened.close()


def read(url: str, *keys: str) -> dict[str, Row]:
    """What another process finds."""
    other = PostgresCache(PostgresConnection(url))
    try:
        return other.get_many(*PLACE, keys)
    finally:
        other.close()


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- rows


def test_another_process_finds_what_was_put(cache: PostgresCache, url: str) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW, "pypi/nothing": ROW._replace(value=None, validator="")})
    assert read(url, "pypi/demo", "pypi/nothing", "pypi/unasked") == {
        "pypi/demo": ROW,
        "pypi/nothing": Row(None, NOW, NOW + 3600, ""),
    }
    assert cache.problem == ""


def test_a_later_response_takes_the_place_of_an_earlier_one(cache: PostgresCache) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    cache.put_many(*PLACE, {"pypi/demo": ROW._replace(value=b"new")})
    assert cache.get_many(*PLACE, ["pypi/demo"])["pypi/demo"].value == b"new"


@pytest.mark.parametrize("other", [("pypi-simple", PLACE[1]), (PLACE[0], "https://pypi.example/pypi#someone")])
def test_sources_and_scopes_are_apart(cache: PostgresCache, other: tuple[str, str]) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    assert cache.get_many(*other, ["pypi/demo"]) == {}


def test_several_thousand_rows_are_written_and_read_at_once(cache: PostgresCache, url: str) -> None:
    rows = {f"pypi/package-{n}": ROW._replace(value=bytes([n % 256]) * 3_400) for n in range(2_500)}
    cache.put_many(*PLACE, rows)
    assert read(url, *rows) == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    put=st.dictionaries(
        st.text(),
        st.builds(
            Row,
            value=st.none() | st.binary(max_size=300),
            fetched_at=st.integers(0, 2**40),
            expires_at=st.integers(0, 2**40),
            validator=st.text(max_size=20),
        ),
    )
)
def test_any_row_under_any_key_comes_back_the_same(cache: PostgresCache, put: dict[str, Row]) -> None:
    cache.put_many(*PLACE, put)
    assert cache.get_many(*PLACE, list(put)) == put


def test_info_counts_by_source_and_has_the_ages(cache: PostgresCache) -> None:
    assert cache.get_info()[1:] == (0, {}, None, None)
    cache.put_many(*PLACE, {"a": ROW, "b": ROW._replace(fetched_at=NOW - 50, value=None)})
    cache.put_many("npm-packument", "https://npm.example", {"c": ROW._replace(fetched_at=NOW + 5)})
    info = cache.get_info()
    assert (info.rows, info.oldest, info.newest) == ({"npm-packument": 1, "pypi-json": 2}, NOW - 50, NOW + 5)
    assert info.bytes > 0


def test_expired_rows_are_dropped_by_source_and_pruned_by_age(cache: PostgresCache) -> None:
    old, young = ROW._replace(expires_at=NOW - 101), ROW._replace(expires_at=NOW - 99)
    cache.put_many(*PLACE, {"old": old, "young": young})
    cache.put_many("scores", "day", {"old": old})
    cache.drop_expired("scores", NOW - 99)
    assert cache.get_info().rows == {"pypi-json": 2}
    assert cache.prune_expired(NOW, older_than=100) == 1
    assert cache.get_many(*PLACE, ["old", "young"]).keys() == {"young"}
    cache.clear()
    assert cache.get_info().rows == {}


def test_two_writers_of_the_same_rows_do_not_stop_each_other(url: str) -> None:
    rows = [{f"key-{n}": ROW for n in order} for order in (range(800), reversed(range(800)))]
    caches = [PostgresCache(PostgresConnection(url)) for _ in rows]

    def write(cache: PostgresCache, batch: dict[str, Row]) -> None:
        for _ in range(10):
            cache.put_many(*PLACE, batch)

    threads = [threading.Thread(target=write, args=pair) for pair in zip(caches, rows, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cache.problem for cache in caches] == ["", ""]
    assert len(read(url, *rows[0])) == 800
    for cache in caches:
        cache.close()


def test_a_process_that_is_killed_while_it_writes_leaves_all_of_a_batch_or_nothing(url: str, server: Any) -> None:
    code = """
import sys
from nerq_cli.store import Row, postgres_connection
from nerq_cli.store.postgres import PostgresCache
from nerq_cli.store.postgres_connection import PostgresConnection
cache = PostgresCache(PostgresConnection(sys.argv[1]))
for number in range(10_000):
    cache.put_many("pypi-json", "scope", {f"{number}-{n}": Row(bytes([n % 256]) * 9_000, 1, 2) for n in range(500)})
    print(number, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None
    for _ in range(3):
        last = int(process.stdout.readline())
    time.sleep(0.02)
    process.kill()
    last = max([last, *(int(line) for line in process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    cache = PostgresCache(PostgresConnection(url))
    others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nerq'"
    wait_until(lambda: server.execute(url, others) == [])
    counts = [len(cache.get_many("pypi-json", "scope", [f"{n}-{k}" for k in range(500)])) for n in range(last + 3)]
    cache.close()
    assert counts[: last + 1] == [500] * (last + 1)
    assert set(counts[last + 1 :]) <= {0, 500}


# --- a server that is away


def test_a_server_that_restarts_between_two_operations_is_not_noticed(cache: PostgresCache, server: Any) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    server.stop()
    server.start()
    assert cache.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW}
    server.stop()
    server.start()
    cache.put_many(*PLACE, {"pypi/other": ROW})
    assert cache.get_many(*PLACE, ["pypi/other"]) == {"pypi/other": ROW}
    assert cache.problem == ""


def test_what_is_written_while_the_server_is_away_is_read_and_stored_when_it_is_back(
    cache: PostgresCache, server: Any, url: str
) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    server.stop()
    try:
        assert cache.get_many(*PLACE, ["pypi/demo"]) == {}
        assert cache.problem.startswith("cannot connect to the store postgresql://127.0.0.1:")
        cache.put_many(*PLACE, {"pypi/other": ROW})
        assert cache.get_many(*PLACE, ["pypi/other"]) == {"pypi/other": ROW}
        started = time.monotonic()
        for _ in range(200):
            cache.get_many(*PLACE, ["pypi/demo"])
        assert time.monotonic() - started < 5
    finally:
        server.start()
    wait_until(lambda: cache.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW})
    assert cache.problem == ""
    assert read(url, "pypi/other") == {"pypi/other": ROW}


def test_rows_that_wait_for_a_server_are_limited_and_the_newest_stay(
    cache: PostgresCache, server: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.postgres._MAX_UNSAVED", 5_000)
    server.stop()
    try:
        for n in range(10):
            cache.put_many(*PLACE, {f"key-{n}": ROW._replace(value=b"x" * 1_000)})
    finally:
        server.start()
    wait_until(lambda: cache.get_many(*PLACE, ["key-9"]) and not cache.problem)
    assert sorted(read(url, *(f"key-{n}" for n in range(10)))) == ["key-7", "key-8", "key-9"]


def test_a_server_that_does_not_respond_is_given_up_and_used_again(
    cache: PostgresCache, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.postgres_connection._RESPONSE_TIMEOUTS", {"read": 0.5, "write": 0.5})
    monkeypatch.setattr("nerq_cli.store.postgres_connection._CONNECT_TIMEOUT", 2)
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    server.freeze()
    try:
        started = time.monotonic()
        assert cache.get_many(*PLACE, ["pypi/demo"]) == {}
        assert time.monotonic() - started < 10
        assert "timeout" in cache.problem or "no response" in cache.problem
    finally:
        server.thaw()
    wait_until(lambda: cache.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW})
    assert cache.problem == ""


@pytest.mark.parametrize("begins_with", ["read", "write", "claim", "connect"])
def test_a_server_that_hangs_costs_some_seconds_once_for_all_connections(
    begins_with: str, url: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.postgres_connection._RESPONSE_TIMEOUTS", {"read": 1.0, "write": 1.0})
    monkeypatch.setattr("nerq_cli.store.postgres_connection._CONNECT_TIMEOUT", 2)
    reported: list[str] = []
    store = open_service_store(url, now=NOW, report=reported.append)
    used, idle, new, history = store.open_cache(), store.open_cache(), store.open_cache(), store.open_history()
    used.put_many(*PLACE, {"pypi/demo": ROW})
    idle.get_many(*PLACE, ["pypi/demo"])
    first = {
        "read": lambda: used.get_many(*PLACE, ["pypi/demo"]),
        "write": lambda: used.put_many(*PLACE, {"pypi/other": ROW}),
        "claim": lambda: store.claims.claim(["first"]),
        "connect": lambda: new.get_many(*PLACE, ["pypi/demo"]),
    }[begins_with]
    server.freeze()
    try:
        started = time.monotonic()
        first()  # type: ignore[no-untyped-call]
        assert 0.5 < time.monotonic() - started < 4
        started = time.monotonic()
        for cache in (used, idle, new):
            assert cache.get_many(*PLACE, ["pypi/demo"]) == {}
            cache.put_many(*PLACE, {"pypi/kept": ROW})
            assert cache.problem
        assert store.claims.claim(["demo"]) == {"demo"}
        store.claims.release(["demo"])
        assert history.read_marks(1, ["pypi/demo@1.0"]) == {}
        assert time.monotonic() - started < 1
        time.sleep(3)  # while the server is tried, its users do not wait either
        started = time.monotonic()
        for _ in range(100):
            used.get_many(*PLACE, ["pypi/demo"])
        assert time.monotonic() - started < 1
    finally:
        server.thaw()
    wait_until(lambda: reported[-1] == "")  # without a request
    assert used.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW}
    assert read(url, "pypi/kept") == {"pypi/kept": ROW}
    assert used.problem == idle.problem == ""
    assert "127.0.0.1" in reported[0]
    for opened in (used, idle, new, history, store.claims):
        opened.close()


def test_rows_that_are_locked_for_long_are_not_waited_for_again_and_again(
    url: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.postgres_connection._RESPONSE_TIMEOUTS", {"read": 1.0, "write": 1.0})
    cache = PostgresCache(PostgresConnection(url))
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    with psycopg.connect(url) as administrator:
        administrator.execute("LOCK TABLE nerq.fact IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        for _ in range(20):
            assert cache.get_many(*PLACE, ["pypi/demo"]) == {}
            time.sleep(0.1)
        assert time.monotonic() - started < 5
    wait_until(lambda: cache.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW})
    cache.close()


def test_a_process_that_is_frozen_while_it_writes_does_not_hold_up_others_for_long(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        postgres_connection._SESSION_SETTINGS,  # noqa: SLF001
        "idle_in_transaction_session_timeout",
        "1s",
    )
    frozen, other = PostgresConnection(url), PostgresCache(PostgresConnection(url))
    started = threading.Event()

    def freeze(connection: Any) -> None:
        with suppress(psycopg.Error), connection.transaction():
            connection.execute("LOCK TABLE nerq.fact IN ACCESS EXCLUSIVE MODE")
            started.set()
            time.sleep(3)

    thread = threading.Thread(target=frozen.run, args=("write", freeze, None))
    thread.start()
    assert started.wait(10)
    began = time.monotonic()
    other.put_many(*PLACE, {"pypi/demo": ROW})
    assert time.monotonic() - began < 2.5
    assert read(url, "pypi/demo") == {"pypi/demo": ROW}
    thread.join()
    frozen.close()
    other.close()


def test_a_write_that_the_server_refuses_is_a_problem_and_reads_go_on(
    cache: PostgresCache, server: Any, url: str
) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    server.execute(url, "ALTER TABLE nerq.fact ADD CONSTRAINT full_disk CHECK (source <> 'pypi-json') NOT VALID")
    cache.put_many(*PLACE, {"pypi/other": ROW})
    assert "cannot write the store postgresql://127.0.0.1:" in cache.problem
    assert "full_disk" in cache.problem
    assert cache.get_many(*PLACE, ["pypi/demo", "pypi/other"]).keys() == {"pypi/demo", "pypi/other"}
    server.execute(url, "ALTER TABLE nerq.fact DROP CONSTRAINT full_disk")
    assert cache.get_many(*PLACE, ["pypi/other"]) == {"pypi/other": ROW}
    assert cache.problem == ""
    assert read(url, "pypi/other") == {"pypi/other": ROW}


def test_tables_that_are_dropped_under_a_service_are_created_anew(cache: PostgresCache, server: Any, url: str) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    server.execute(url, "DROP SCHEMA nerq CASCADE")
    assert cache.get_many(*PLACE, ["pypi/demo"]) == {}
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    assert cache.problem == ""
    assert read(url, "pypi/demo") == {"pypi/demo": ROW}


# --- opening


def test_a_store_is_opened_by_several_processes_at_once(url: str) -> None:
    problems: list[Exception] = []

    def open_one() -> None:
        try:
            open_service_store(url, now=NOW).claims.close()
        except UsageError as error:
            problems.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_server_that_is_away_at_the_start_is_an_error_without_user_and_password(url: str, server: Any) -> None:
    server.stop()
    try:
        with pytest.raises(UsageError, match=r"cannot use the store postgresql://127\.0\.0\.1:") as caught:
            open_service_store(url.replace("tester@", "tester:secret@"), now=NOW)
    finally:
        server.start()
    assert "secret" not in str(caught.value)
    assert "tester" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_does_not_exist_is_an_error(server: Any) -> None:
    with pytest.raises(UsageError, match='database "nothing" does not exist'):
        open_service_store(server.url("nothing"), now=NOW)


def test_a_user_who_may_not_create_tables_is_an_error(url: str, server: Any) -> None:
    server.execute("postgres", "DROP ROLE IF EXISTS reader")
    server.execute("postgres", "CREATE ROLE reader LOGIN")
    with pytest.raises(UsageError, match="permission denied for database"):
        open_service_store(url.replace("tester@", "reader@"), now=NOW)


def test_a_store_of_a_newer_version_is_left_as_it_is(url: str, server: Any) -> None:
    store = open_service_store(url, now=NOW)
    cache = store.open_cache()
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    store.claims.close()
    server.execute(url, "UPDATE nerq.format SET version = %s", FORMAT_VERSION + 1)
    with pytest.raises(UsageError, match="was written by a newer version of nerq-cli") as caught:
        open_service_store(url, now=NOW)
    assert "update nerq-cli" in caught.value.hint
    # One that was open goes on until its connection ends.
    server.stop()
    server.start()
    cache.put_many(*PLACE, {"pypi/other": ROW})
    assert "was written by a newer version of nerq-cli" in cache.problem
    assert server.execute(url, "SELECT COUNT(*) FROM nerq.fact") == [(1,)]
    cache.close()


def test_the_label_of_a_store_is_its_address_without_user_and_password(url: str) -> None:
    store = open_service_store(url.replace("tester@", "tester:secret@"), now=NOW)
    store.claims.close()
    assert store.label == url.replace("tester@", "")
