from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from nerq_cli.errors import UsageError
from nerq_cli.store import Row
from nerq_cli.store.claims import LocalClaims
from nerq_cli.store.service_store import is_postgres, open_service_store

NOW = 1_800_000_000


def test_a_directory_is_a_store_of_one_process(tmp_path: Path) -> None:
    store = open_service_store(str(tmp_path / "cache"), now=NOW)
    assert store.label == str(tmp_path / "cache")
    assert isinstance(store.claims, LocalClaims)
    first, second, history = store.open_cache(), store.open_cache(), store.open_history()
    first.put_many("source", "scope", {"key": Row(b"value", NOW, NOW)})
    second.put_many("source", "scope", {"other": Row(b"value", NOW, NOW)})
    assert first.get_many("source", "scope", ["key", "other"]).keys() == {"key", "other"}
    assert history.is_writable
    for opened in (first, second, history, store.claims):
        opened.close()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot use the store .*file"):
        open_service_store(str(tmp_path / "file" / "store"), now=NOW)
    with pytest.raises(UsageError, match=r"cannot use the store .*file"):
        open_service_store(str(tmp_path / "file"), now=NOW)


def test_a_directory_that_cannot_be_written_to_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(UsageError, match="it is not writable"):
        open_service_store(str(tmp_path), now=NOW)


def test_a_history_of_a_newer_version_is_reported_and_left_as_it_is(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "history.sqlite3")
    connection.execute("PRAGMA user_version = 1000")
    connection.close()
    reported: list[str] = []
    store = open_service_store(str(tmp_path), now=NOW, report=reported.append)
    assert len(reported) == 1
    for _ in range(2):
        history = store.open_history()
        assert not history.is_writable
        history.close()
    assert len(reported) == 1
    assert "was written by a newer version of nerq-cli" in reported[0]


def test_the_problems_of_files_are_reported_once_and_when_they_are_over(tmp_path: Path) -> None:
    reported: list[str] = []
    store = open_service_store(str(tmp_path / "cache"), now=NOW, report=reported.append)
    first = store.open_cache()
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").touch()
    for number in range(3):
        first.put_many("source", "scope", {f"key-{number}": Row(b"value", NOW, NOW)})
    assert len(reported) == 1
    assert "cannot use the cache" in reported[0]
    (tmp_path / "cache").unlink()
    second = store.open_cache()
    assert reported[1:] == [""]
    first.close()
    second.close()


def test_a_cache_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    store = open_service_store(str(tmp_path), now=NOW)
    cache = store.open_cache()
    cache.put_many("source", "scope", {"key": Row(b"value", NOW, NOW)})
    cache.close()
    [path] = tmp_path.glob("facts-*.sqlite3")
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match=r"cannot use the store .*not a regular file"):
        open_service_store(str(tmp_path), now=NOW)


def test_a_cache_of_another_format_is_reported_at_the_start(tmp_path: Path) -> None:
    store = open_service_store(str(tmp_path), now=NOW)
    cache = store.open_cache()
    cache.put_many("source", "scope", {"key": Row(b"value", NOW, NOW)})
    cache.close()
    [path] = tmp_path.glob("facts-*.sqlite3")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    reported: list[str] = []
    open_service_store(str(tmp_path), now=NOW, report=reported.append)
    assert len(reported) == 1
    assert "set aside" in reported[0]


def test_a_problem_of_one_file_stays_when_that_of_another_one_is_over(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "history.sqlite3")
    connection.execute("PRAGMA user_version = 1000")
    connection.close()
    reported: list[str] = []
    store = open_service_store(str(tmp_path), now=NOW, report=reported.append)
    first = store.open_cache()
    (tmp_path / "facts-3.sqlite3").mkdir()
    first.put_many("source", "scope", {"key": Row(b"value", NOW, NOW)})
    assert "cannot use the cache" in reported[1]
    (tmp_path / "facts-3.sqlite3").rmdir()
    store.open_cache().close()
    assert "written by a newer version" in reported[2]
    first.close()


@pytest.mark.parametrize("address", ["mysql://host/database", "https://host/", "sqlite:///file"])
def test_the_address_of_another_database_is_an_error(address: str) -> None:
    with pytest.raises(UsageError, match="is not supported"):
        open_service_store(address, now=NOW)


@pytest.mark.parametrize("address", ["postgresql://host/database", "postgres://host/database"])
def test_without_psycopg_postgresql_is_an_error_that_names_the_extra(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("psycopg", "nerq_cli.store.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="needs psycopg") as caught:
        open_service_store(address, now=NOW)
    assert "nerq-cli[serve,postgres]" in caught.value.hint


def test_the_address_of_postgresql_has_one_of_two_schemes() -> None:
    assert is_postgres("postgresql://host/database")
    assert is_postgres("postgres:///database")
    assert not is_postgres("postgresql")
    assert not is_postgres("/srv/postgresql://")


@pytest.mark.parametrize(
    "address",
    ["postgresql://user:secret@host:port/db", "postgresql://user:secret@host/db?unknown=1", "postgresql://[secret"],
)
def test_an_address_that_cannot_be_read_is_an_error_without_the_password(address: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(UsageError) as caught:
        open_service_store(address, now=NOW)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
