from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nerq_cli.cli import db
from nerq_cli.errors import ExitStatus, NerqError
from nerq_cli.store.advisory_db import AdvisoryDatabase

DEMO = {"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1.0"]}
LEFT = {"package": {"ecosystem": "npm", "name": "left"}, "versions": ["1.0.0"]}


def record(identifier: str, *affected: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps(
        {"id": identifier, "modified": "2026-01-01T00:00:00Z", "affected": affected or [DEMO], **fields}
    ).encode()


def zipped(*records: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, content in enumerate(records):
            archive.writestr(f"{number}.json", content)
    return stream.getvalue()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def said(*arguments: str | Path) -> str:
    result = CliRunner().invoke(db.app, [os.fspath(argument) for argument in arguments])
    if isinstance(result.exception, NerqError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_an_empty_database_says_how_to_fill_it(cache: Path) -> None:
    assert said("status").startswith("the advisory database is empty; nerq db update fills it\n")
    assert not cache.exists()


def test_files_are_imported_and_shown(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(
        zipped(record("A-1"), record("A-2", LEFT), record("A-3", withdrawn="2026-01-01T00:00:00Z"), b"{}")
    )
    output = said("import", tmp_path / "all.zip")
    assert "PyPI: 1 advisory imported\nnpm: 1 advisory imported\n1 withdrawn records left out\n" in output
    assert "warning: all.zip/3.json: this is no OSV record: it has no id and nothing that is affected; it is" in output
    shown = said("status")
    assert "PyPI: 1 advisory, " in shown
    assert " from all.zip\n  newest    2026-01-01T00:00:00Z\n" in shown


def test_imported_files_of_one_name_are_told_apart_by_their_folder(cache: Path, tmp_path: Path) -> None:
    files = [tmp_path / "PyPI" / "all.zip", tmp_path / "npm" / "all.zip"]
    for file, content in zip(files, (record("A-1"), record("A-2", LEFT)), strict=True):
        file.parent.mkdir()
        file.write_bytes(zipped(content))
    said("import", *files)
    assert said("status").count(" from PyPI/all.zip, npm/all.zip\n") == 2


def test_one_ecosystem_can_be_chosen(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(zipped(record("A-1"), record("A-2", LEFT)))
    assert said("import", tmp_path / "all.zip", "--ecosystem", "NPM") == "npm: 1 advisory imported\n"
    with pytest.raises(NerqError, match="--ecosystem Go is not known"):
        said("import", tmp_path / "all.zip", "--ecosystem", "Go")


def test_an_import_replaces_and_with_add_it_does_not(cache: Path, tmp_path: Path) -> None:
    for name in ("A-1", "A-2", "A-3"):
        (tmp_path / f"{name}.json").write_bytes(record(name))
    said("import", tmp_path / "A-1.json")
    said("import", tmp_path / "A-2.json")
    assert "PyPI: 1 advisory" in said("status")
    said("import", tmp_path / "A-3.json", "--add")
    assert "PyPI: 2 advisories" in said("status")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", r"^1 record cannot be read \(.*bad\.json: "),
        (record("A-1", {"package": {"ecosystem": "Go", "name": "x"}}), "no advisory in it"),
    ],
)
def test_an_import_of_nothing_is_refused_and_changes_nothing(
    cache: Path, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "good.json").write_bytes(record("A-1"))
    said("import", tmp_path / "good.json")
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(NerqError, match=words):
        said("import", tmp_path / "bad.json")
    assert "PyPI: 1 advisory" in said("status")


def flipped(content: bytes, place: bytes) -> bytes:
    """Return content with two bytes of its only ``place`` changed."""
    assert content.count(place) == 1
    return content.replace(place, bytes([place[0] ^ 0xFF, place[1] ^ 0xFF]) + place[2:])


@pytest.mark.parametrize("options", [(), ("--add",), ("-e", "npm")])
@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (flipped(zipped(record("A-8"), record("A-9")), b"A-9"), "1 record cannot be read (all.zip/1.json: damaged in"),
        (zipped(record("A-8"), record("A-9")[:-1]), "1 record cannot be read (all.zip/1.json: "),
        (zipped(record("A-8"), *[b"{"] * 25), "25 records cannot be read (all.zip/1.json: "),
        (zipped(record("A-8"), b" " * 10_000_001), "1 record cannot be read (all.zip/1.json: larger than 10 MB)"),
        (zipped(record("A-8"), record("A-9"))[:-60], "no zip file, or only a part of one"),
    ],
)
@pytest.mark.parametrize("is_in_folder", [False, True])
def test_an_import_that_would_lose_a_record_is_refused_and_changes_nothing(
    cache: Path, tmp_path: Path, damaged: bytes, words: str, options: tuple[str, ...], *, is_in_folder: bool
) -> None:
    (tmp_path / "good.zip").write_bytes(zipped(record("A-1"), record("A-2", LEFT)))
    said("import", tmp_path / "good.zip")
    before = said("status")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "all.zip").write_bytes(damaged)
    path = tmp_path / "folder" if is_in_folder else tmp_path / "folder" / "all.zip"
    with pytest.raises(NerqError) as caught:
        said("import", path, *options)
    assert words in str(caught.value)
    assert caught.value.exit == ExitStatus.USAGE
    assert said("status") == before


def test_files_beyond_those_named_that_are_no_records_are_counted(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(zipped(record("A-1"), *[b"{}"] * 25))
    assert "warning: 20 more files are no records\n" in said("import", tmp_path / "all.zip")


def test_a_database_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "A-1.json").write_bytes(record("A-1"))
    with pytest.raises(NerqError, match="cannot use the advisory database"):
        said("import", tmp_path / "A-1.json", "--cache-dir", tmp_path / "file")


def test_a_damaged_database_is_told(cache: Path) -> None:
    cache.mkdir()
    (cache / AdvisoryDatabase.schema.filename).write_bytes(b"not a database" * 100)
    assert "set aside" in said("status")


def test_both_ecosystems_are_updated(cache: Path, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERQ_OSV_DUMPS_URL", site.url)
    site.on("/PyPI/all.zip", {"body": zipped(record("A-1"), record("A-2"), b"{}"), "headers": {"ETag": '"1"'}})
    site.on("/npm/all.zip", {"body": zipped(record("A-3", LEFT)), "headers": {"ETag": '"1"'}})
    output = said("update", "--quiet")
    assert "PyPI: 2 advisories (fetched anew)\n" in output
    assert "npm: 1 advisory (fetched anew)\n" in output
    assert "warning: osv-PyPI.part.zip/2.json: " in output
    site.on("/PyPI/modified_id.csv", {"body": b"2026-01-01T00:00:00Z,A-1\n2026-01-01T00:00:00Z,A-2\n"})
    assert said("update", "-e", "PyPI") == "PyPI: 2 advisories (unchanged)\n"
    site.on("/PyPI/modified_id.csv", {"body": b"2026-03-01T00:00:00Z,A-4\n2025-01-01T00:00:00Z,A-2\n"})
    site.on("/PyPI/A-4.json", {"body": record("A-4")})
    assert said("update", "-e", "PyPI") == "PyPI: 3 advisories (1 changed)\n"


def test_an_update_that_would_lose_a_record_is_refused_and_changes_nothing(
    cache: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_OSV_DUMPS_URL", site.url)
    for path, affected in (("/PyPI/all.zip", DEMO), ("/npm/all.zip", LEFT)):
        site.on(path, {"body": zipped(record("A-1", affected), record("A-2", affected)), "headers": {"ETag": '"1"'}})
    said("update", "--quiet")
    before = said("status").splitlines()
    damaged = flipped(zipped(record("A-1"), record("A-3")), b"A-3")
    site.on("/PyPI/all.zip", {"body": damaged, "headers": {"ETag": '"2"'}})
    site.on("/npm/all.zip", {"body": zipped(record("A-1", LEFT)), "headers": {"ETag": '"2"'}})
    with pytest.raises(NerqError, match=r"1 record cannot be read \(osv-PyPI\.part\.zip/1\.json: ") as caught:
        said("update", "--full", "--quiet")
    assert caught.value.exit == ExitStatus.USAGE
    after = said("status").splitlines()
    assert [line for line in after if "PyPI" in line] == [line for line in before if "PyPI" in line]
    assert any(line.startswith("npm: 1 advisory, ") for line in after)
    site.on("/PyPI/all.zip", {"body": zipped(record("A-1")), "headers": {"ETag": '"2"'}})
    assert "PyPI: 1 advisory (fetched anew)\n" in said("update", "--full", "--quiet", "-e", "PyPI")


def test_one_ecosystem_that_fails_does_not_stop_the_other(
    cache: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_OSV_DUMPS_URL", site.url)
    site.on("/npm/all.zip", {"body": zipped(record("A-3", LEFT))})
    with pytest.raises(NerqError, match="has no dump for PyPI"):
        said("update")
    assert "npm: 1 advisory" in said("status")
    site.on("/npm/all.zip", {"status": 404})
    with pytest.raises(NerqError, match="has no dump for npm"):
        said("update", "--full")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 hours"), (3_600, "1 hour"), (86_400, "24 hours"), (172_800, "2 days"), (8 * 86_400, "8 days")],
)
def test_ages_are_told_in_hours_and_days(seconds: int, words: str) -> None:
    assert db.format_age(seconds) == words
