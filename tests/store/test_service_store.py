from __future__ import annotations

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
