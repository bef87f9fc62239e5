"""A cache that cannot be used costs a warning, not the scan."""

from __future__ import annotations

import os
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
