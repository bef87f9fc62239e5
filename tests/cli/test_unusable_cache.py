"""A cache that cannot be used costs a warning, not the scan."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.store.advisory_db import AdvisoryDatabase
from nerq_cli.store.answers import Store

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def demo(registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0")
    (project / "requirements.txt").write_text("demo==1.0\n")


def make_pipe(cache: Path) -> None:
    cache.mkdir()
    for name in (Store.schema.filename, AdvisoryDatabase.schema.filename):
        os.mkfifo(cache / name)


def make_folder(cache: Path) -> None:
    for name in (Store.schema.filename, AdvisoryDatabase.schema.filename):
        (cache / name).mkdir(parents=True)


def make_file(cache: Path) -> None:
    cache.write_text("")


def make_loop(cache: Path) -> None:
    cache.symlink_to(cache)


@pytest.mark.parametrize("spoil", [make_pipe, make_folder, make_file, make_loop])
def test_the_scan_goes_on_without_it(nerq: Nerq, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    cache = tmp_path / "spoilt"
    spoil(cache)
    result = nerq("scan", *AS_OF, "--cache-dir", str(cache), "--format", "json")
    assert result.status == 0
    assert result.json["dependencies"][0]["score"] is not None
    assert any("cannot use the" in warning for warning in result.json["warnings"])


def test_a_directory_whose_search_is_denied_is_no_error(
    nerq: Nerq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "denied"
    cache.mkdir()
    find_status = Path.stat

    def deny(path: Path, **options: Any) -> os.stat_result:
        if cache in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return find_status(path, **options)

    monkeypatch.setattr(Path, "stat", deny)
    result = nerq("scan", *AS_OF, "--cache-dir", str(cache), "--format", "json")
    assert result.status == 0
    assert any("Permission denied" in warning for warning in result.json["warnings"])


def test_no_cache_creates_nothing(nerq: Nerq, tmp_path: Path) -> None:
    cache = tmp_path / "untouched"
    assert nerq("scan", *AS_OF, "--cache-dir", str(cache), "--no-cache").status == 0
    assert not cache.exists()


def change_rows(cache: Path, source: str, change: Callable[[bytes], bytes]) -> int:
    """Replace stored values by others that fit their checksums; return the number of rows."""
    connection = sqlite3.connect(cache / Store.schema.filename)
    select = "SELECT scope, key FROM fact JOIN place ON place.id = fact.place WHERE source = ?"
    places = connection.execute(select, (source,)).fetchall()
    connection.close()
    store = Store.open(cache, now=0)
    count = 0
    for scope, key in places:
        row = store.get_many(source, scope, [key])[key]
        changed = row._replace(value=None if row.value is None else change(row.value))
        count += changed != row
        store.put_many(source, scope, {key: changed})
    store.close()
    return count


def drop_dates(result: Any) -> str:
    """Return the dependencies without the moments at which answers arrived."""
    return re.sub(r"'(retrieved_at|oldest)\w*': '[^']*'", "", str(result.json["dependencies"]))


@pytest.fixture
def rescan(nerq: Nerq, services: Any, tmp_path: Path) -> Callable[[Callable[[Path], None]], None]:
    """Scan, change the cache and scan again; the second report has to be the first one, advisory included."""
    services.advisory("demo", "1.0", identifier="GHSA-aaaa-bbbb-cccc", database_specific={"severity": "HIGH"})

    def scan_twice(damage: Callable[[Path], None]) -> None:
        options = ("--as-of", "2026-11-21", "--cache-dir", str(tmp_path / "kept"), "--format", "json")
        expected = nerq("scan", *options)
        assert "GHSA-aaaa-bbbb-cccc" in drop_dates(expected)
        damage(tmp_path / "kept")
        again = nerq("scan", *options)
        assert (again.status, again.err, drop_dates(again)) == (expected.status, expected.err, drop_dates(expected))

    return scan_twice


RENAMED = [
    ("pypi-json", b'"published":', b'"publishee":'),
    ("pypi-json", b'"flags":', b'"flagt":'),
    ("pypi-json", b'"versions":', b'"wersions":'),
    ("pypi-json", b'"yank_reasons":', b'"yank_seasons":'),
    ("osv-affecting", b'"ids":', b'"idz":'),
    ("osv-ever", b'"ids":', b'"idz":'),
]


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [*RENAMED, ("pypi-json", rb'"published":\[[^\]]*\]', b'"published":[]'), ("osv-affecting", b"^.*$", b"{}")],
)
def test_an_inconsistent_row_counts_as_missing(
    rescan: Callable[[Callable[[Path], None]], None], source: str, old: bytes, new: bytes
) -> None:
    def damage(cache: Path) -> None:
        assert change_rows(cache, source, lambda value: re.sub(old, new, value)) >= 1

    rescan(damage)


@pytest.mark.parametrize(("old", "new"), [*(pair for _, *pair in RENAMED), (b"GHSA-aaaa", b"GHSA-aaab")])
def test_a_damaged_file_changes_no_result(
    rescan: Callable[[Callable[[Path], None]], None], old: bytes, new: bytes
) -> None:
    def damage(cache: Path) -> None:
        file = cache / Store.schema.filename
        content = file.read_bytes()
        assert old in content
        file.write_bytes(content.replace(old, new))

    rescan(damage)
