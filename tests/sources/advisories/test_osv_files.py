from __future__ import annotations

import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.errors import ResponseError, UsageError
from nerq_cli.inventory import Package
from nerq_cli.sources.advisories import osv_files
from nerq_cli.sources.advisories.osv_files import ReadStats, build_entries, read_advisories
from nerq_cli.sources.advisories.stored_advisory import decode_advisories
from nerq_cli.store.advisory_db import AdvisoryDatabase, ImportInfo
from nerq_cli.vulnerabilities.matching import match_advisories

#: Real dumps, where there are any: one folder for each ecosystem, with an ``all.zip`` in it.
DUMPS = Path(os.environ.get("NERQ_TEST_OSV_DUMPS", "no-dumps"))


def record(identifier: str, **fields: Any) -> bytes:
    affected = [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1.0"]}]
    return json.dumps({"id": identifier, "modified": "2026-01-01T00:00:00Z", "affected": affected, **fields}).encode()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def ids(*paths: Path, tally: ReadStats | None = None) -> list[str]:
    return [one.id for one in read_advisories(paths, tally or ReadStats())]


def test_a_zip_is_read_without_what_is_withdrawn(tmp_path: Path) -> None:
    members = {
        "A-1.json": record("A-1"),
        "A-2.json": record("A-2", withdrawn="2026-01-01T00:00:00Z"),
        "README.md": b"hello",
        "more/A-3.yaml": b"id: A-3\n",
    }
    tally = ReadStats()
    assert ids(zipped(tmp_path / "all.zip", members), tally=tally) == ["A-1", "A-3"]
    assert (tally.read_count, tally.withdrawn_count, tally.unreadable_count) == (3, 1, 0)


def test_a_folder_is_read_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    for name, content in {
        "b/A-2.json": record("A-2"),
        "a/A-1.yml": b"id: A-1",
        ".git/x.json": b"",
        "notes.txt": b"",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    tally = ReadStats()
    assert ids(tmp_path, tally=tally) == ["A-1", "A-2"]
    assert tally.unreadable_count == 0


def test_single_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(record("A-1"))
    zipped(tmp_path / "all.bin", {"A-2.json": record("A-2")})
    assert ids(tmp_path / "one.json", tmp_path / "all.bin") == ["A-1", "A-2"]


def test_what_is_damaged_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "all.zip", {"A-1.json": record("A-1"), "bad.json": b"{", "A-2.json": record("A-2")})
    tally = ReadStats()
    assert ids(path, tally=tally) == ["A-1", "A-2"]
    assert tally.problems == ["all.zip/bad.json: the answer is not the JSON that the service documents"]


def test_a_member_that_does_not_match_its_checksum_is_named(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("A-1.json", record("A-1"))
        archive.writestr("A-2.json", record("A-2"))
    path.write_bytes(path.read_bytes().replace(b'"id": "A-1"', b'"id": "A-7"', 1))
    tally = ReadStats()
    assert ids(path, tally=tally) == ["A-2"]
    assert tally.problems == ["all.zip/A-1.json: damaged in the zip"]


def test_only_so_many_damaged_records_are_named(tmp_path: Path) -> None:
    tally = ReadStats()
    assert ids(zipped(tmp_path / "all.zip", {f"{n}.json": b"" for n in range(50)}), tally=tally) == []
    assert (tally.unreadable_count, len(tally.problems)) == (50, 5)


def test_reading_is_not_complete_without_every_record(tmp_path: Path) -> None:
    tally = ReadStats()
    ids(zipped(tmp_path / "all.zip", {"A-1.json": record("A-1"), "x.json": b"{}"}), tally=tally)
    tally.require_complete()
    ids(zipped(tmp_path / "bad.zip", {"A-1.json": record("A-1"), "1.json": b"{"}), tally=tally)
    with pytest.raises(ResponseError, match=r"^1 record cannot be read \(bad\.zip/1\.json: .*\)$"):
        tally.require_complete()
    ids(zipped(tmp_path / "bad.zip", {f"{n}.json": b"{" for n in range(1_234)}), tally=tally)
    with pytest.raises(ResponseError, match=r"^1,235 records cannot be read \(.*; and 1,230 more\)$") as caught:
        tally.require_complete()
    assert str(caught.value).count(".json: ") == 5


def test_a_long_name_of_a_member_is_cut(tmp_path: Path) -> None:
    tally = ReadStats()
    ids(zipped(tmp_path / "all.zip", {f"{'x' * 5_000}\x1b[2J.json": b"{"}), tally=tally)
    [problem] = tally.problems
    assert len(problem) < 500
    assert problem.isprintable()


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b'{"name": "records", "version": "1.0.0"}',
        b'{"affected": [], "id": null}',
        b'{"id": 5}',
        b'{"id": "a:/b"}',
    ],
)
def test_a_document_with_nothing_of_a_record_is_named_and_is_no_loss(tmp_path: Path, document: bytes) -> None:
    tally = ReadStats()
    (tmp_path / "package.json").write_bytes(document)
    (tmp_path / "config.yaml").write_bytes(b"threshold: 1\n")
    (tmp_path / "A-1.json").write_bytes(record("A-1"))
    assert ids(tmp_path, tally=tally) == ["A-1"]
    assert (tally.unreadable_count, tally.other_count) == (0, 2)
    reason = "this is no OSV record: it has no id and nothing that is affected"
    assert tally.other_documents == [f"{tmp_path / name}: {reason}" for name in ("config.yaml", "package.json")]


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"null",
        b'"A-2"',
        record("A-2")[:-1],
        record("A-2", schema_version="2.0"),
        record("A-2", affected={"demo": "1.0"}),
        record("A-2", affected="demo"),
        record("", schema_version="1.7.0"),
        record("", affected=[{"package": {"ecosystem": "PyPI", "name": "demo"}}]),
        b'{"affected": {}}',
        b'{"schema_version": "2.0"}',
    ],
)
def test_what_may_be_a_record_and_is_not_read_is_a_loss(tmp_path: Path, document: bytes) -> None:
    tally = ReadStats()
    (tmp_path / "A-2.json").write_bytes(document)
    assert ids(tmp_path, tally=tally) == []
    assert (tally.unreadable_count, tally.other_count) == (1, 0)


def test_a_zip_in_a_zip_is_not_read_and_named(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"A-1.json": record("A-1")}).read_bytes()
    tally = ReadStats()
    assert ids(zipped(tmp_path / "all.zip", {"PyPI/all.ZIP": inner, "A-2.json": record("A-2")}), tally=tally) == ["A-2"]
    assert tally.problems == ["all.zip/PyPI/all.ZIP: a zip in a zip, which is not read"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_no_flipped_byte_of_a_zip_loses_a_record_unseen(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for number in range(1, 4):
            archive.writestr(f"A-{number}.json", record(f"A-{number}"))
    whole = path.read_bytes()
    unseen = []
    for position in range(len(whole)):
        for mask in (0x01, 0x08, 0x80, 0xFF):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ mask]) + whole[position + 1 :])
            tally = ReadStats()
            try:
                read_ids = ids(path, tally=tally)
                tally.require_complete()
            except (ResponseError, UsageError):
                continue
            if read_ids != ["A-1", "A-2", "A-3"]:
                unseen.append((position, mask, read_ids))
    assert unseen == []


def test_a_record_that_unpacks_to_too_much_is_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "all.zip", {"bomb.json": b" " * 50_000_000, "A-1.json": record("A-1")})
    tally = ReadStats()
    assert ids(path, tally=tally) == ["A-1"]
    assert tally.problems == ["all.zip/bomb.json: larger than 10 MB"]


def test_there_are_only_so_many_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osv_files, "MAX_RECORDS", 1)
    with pytest.raises(ResponseError, match="more than 1 records"):
        ids(zipped(tmp_path / "all.zip", {"A-1.json": record("A-1"), "A-2.json": record("A-2")}))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "all.zip", {"A-1.json": record("A-1")}).read_bytes()
    for content in (b"", b"<html>", whole[: len(whole) // 2]):
        (tmp_path / "part.zip").write_bytes(content)
        with pytest.raises(ResponseError, match="no zip file"):
            ids(tmp_path / "part.zip")


def test_what_holds_no_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="neither a zip nor"):
        ids(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="no such file"):
        ids(tmp_path / "nothing")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions that hold for this user")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "A-1.json").write_bytes(record("A-1"))
    (tmp_path / "A-1.json").chmod(0)
    tally = ReadStats()
    assert ids(tmp_path, tally=tally) == []
    assert tally.problems == [f"{tmp_path / 'A-1.json'}: permission denied"]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "A-1.json").symlink_to(tmp_path / "gone")
    tally = ReadStats()
    assert ids(tmp_path, tally=tally) == []
    assert tally.problems == [f"{tmp_path / 'A-1.json'}: no such file or directory"]


def test_a_record_is_kept_under_each_ecosystem_with_what_it_says_of_that() -> None:
    both = [{"package": {"ecosystem": one, "name": "demo"}, "versions": ["1.0"]} for one in ("PyPI", "npm", "Go")]
    advisory = next(advisories_of(record("A-1", affected=[*both, both[0]])))
    made = list(build_entries([advisory]))
    assert [(one.ecosystem, one.id, one.packages, one.modified) for one in made] == [
        ("PyPI", "A-1", ("demo",), 1_767_225_600),
        ("npm", "A-1", ("demo",), 1_767_225_600),
    ]
    assert [[part.ecosystem for part in one.affected] for one in decode_advisories(entry.value for entry in made)] == [
        ["PyPI", "PyPI"],
        ["npm"],
    ]
    assert [one.ecosystem for one in build_entries([advisory], {"npm"})] == ["npm"]


def advisories_of(*bodies: bytes) -> Any:
    from nerq_cli.sources.advisories.osv_record import parse_record

    return map(parse_record, bodies)


def test_a_kept_record_that_is_damaged_counts_as_none() -> None:
    assert decode_advisories([b"\xc1", b"", b"\x80"]) == ()


@pytest.mark.skipif(not DUMPS.is_dir(), reason="NERQ_TEST_OSV_DUMPS names no folder of dumps")
@pytest.mark.parametrize("ecosystem", ["PyPI", "npm"])
def test_the_real_dumps_answer_offline_what_their_records_say(tmp_path: Path, ecosystem: str) -> None:
    """Every version that a record enumerates is found through the database, record by record."""
    path = DUMPS / ecosystem / "all.zip"
    tally = ReadStats()
    database = AdvisoryDatabase.open(tmp_path, now=0)
    started = time.monotonic()
    assert database.replace_records(build_entries(read_advisories([path], tally)), ImportInfo("dump", 0))
    assert time.monotonic() - started < 3
    assert tally.unreadable_count == 0
    enumerated: dict[tuple[str, str], dict[str, set[str]]] = {}
    for one in read_advisories([path], ReadStats()):
        for part in one.affected:
            by_version = enumerated.setdefault((part.ecosystem, part.name), {})
            for version in part.versions:
                by_version.setdefault(version, set()).add(one.id)
    kept_records = database.find_by_packages(list(enumerated))
    database.close()
    for key, by_version in enumerated.items():
        package = Package(ecosystem=PYPI if key[0] == PYPI else NPM, name=key[1])
        records = decode_advisories(kept_records[key])
        for version, expected in by_version.items():
            found = {name for one in match_advisories(records, package, version) for name in (one.id, *one.aliases)}
            assert expected <= found, (key, version)


def test_zips_in_a_folder_are_read_as_well(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / "all.zip", "w") as archive:
            record = {
                "id": f"PYSEC-{name}",
                "modified": "2026-01-01T00:00:00Z",
                "affected": [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1.0"]}],
            }
            archive.writestr(f"{name}.json", json.dumps(record))
    assert [one.id for one in read_advisories([tmp_path], ReadStats())] == ["PYSEC-one", "PYSEC-two"]
