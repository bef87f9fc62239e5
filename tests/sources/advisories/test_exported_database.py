"""Files of a whole advisory database: what is written is read, and what is hostile is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.errors import ResponseError, UsageError
from nerq_cli.facts import Advisory, AffectedPackage
from nerq_cli.sources.advisories import exported_database
from nerq_cli.sources.advisories.exported_database import ExportedDatabase, is_exported, write_file, write_wheel
from nerq_cli.sources.advisories.osv_files import build_entries
from nerq_cli.sources.advisories.osv_record import parse_record
from nerq_cli.sources.advisories.stored_advisory import encode_advisory
from nerq_cli.store.advisory_db import NO_ECOSYSTEM, AdvisoryDatabase, ImportInfo

NOW = 1_790_000_000
INFO = ImportInfo("https://dumps.example/PyPI/all.zip", 1_780_000_000, 1_779_000_000, '"etag"')
RECORDS = "nerq_advisories/PyPI.records"
CONTENTS = "nerq_advisories/editions.msgpack"


def record(identifier: str, ecosystem: str = PYPI, **fields: Any) -> Advisory:
    affected = [{"package": {"ecosystem": ecosystem, "name": "demo"}, "versions": ["1.0"]}]
    row = {"id": identifier, "modified": "2026-01-01T00:00:00Z", "affected": affected, **fields}
    return parse_record(json.dumps(row).encode())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[AdvisoryDatabase]:
    with closing(AdvisoryDatabase.open(tmp_path / "cache", now=NOW)) as database:
        yield database


@pytest.fixture
def filled(database: AdvisoryDatabase) -> AdvisoryDatabase:
    severity = [{"type": "CVSS_V3", "score": "9.8"}]
    records = [record("PYSEC-1", aliases=["CVE-2026-1"]), record("GHSA-1", NPM), record("PYSEC-2", severity=severity)]
    rating = msgspec.structs.replace(record("CVE-2026-1", severity=severity), affected=())
    assert database.replace_records(build_entries([*records, rating]), INFO)
    return database


@pytest.fixture
def exported(filled: AdvisoryDatabase, tmp_path: Path) -> Path:
    write_file(filled, tmp_path / "advisories.zip")
    return tmp_path / "advisories.zip"


@pytest.fixture
def altered(exported: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write an exported database with other members in place of its own."""

    def alter(members: Mapping[str, bytes | None], name: str = "altered.zip") -> Path:
        with zipfile.ZipFile(exported) as archive:
            content: dict[str, bytes | None] = {member: archive.read(member) for member in archive.namelist()}
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in (content | dict(members)).items():
                if data is not None:
                    archive.writestr(member, data)
        return tmp_path / name

    return alter


def framed(*advisories: Advisory) -> bytes:
    values = map(encode_advisory, advisories)
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def read(path: Path) -> dict[str, list[Any]]:
    with ExportedDatabase(path, now=NOW) as database:
        names = [*(edition.ecosystem for edition in database.editions), NO_ECOSYSTEM]
        database.check(names)
        return {name: list(database.iter_entries(name)) for name in names}


def decode(value: bytes) -> Any:
    """Return a record without empty fields: not every release of msgspec omits them."""

    def prune(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: prune(field) for key, field in item.items() if field not in ([], {}, "")}
        return [prune(element) for element in item] if isinstance(item, list) else item

    return prune(msgspec.msgpack.decode(value))


def test_what_is_written_is_read(filled: AdvisoryDatabase, exported: Path) -> None:
    entries = read(exported)
    assert {name: [entry.id for entry in rows] for name, rows in entries.items()} == {
        PYPI: ["PYSEC-1", "PYSEC-2"],
        NPM: ["GHSA-1"],
        NO_ECOSYSTEM: ["CVE-2026-1"],
    }
    assert [decode(entry.value) for entry in entries[PYPI]] == [decode(row) for row in filled.iter_records(PYPI)]
    assert [entry.modified for entry in entries[NO_ECOSYSTEM]] == [1_767_225_600]
    with ExportedDatabase(exported, now=NOW) as database:
        edition = next(edition for edition in database.editions if edition.ecosystem == PYPI)
    assert edition.import_info == INFO._replace(source=f"advisories.zip: {INFO.source}")


def test_equal_databases_give_equal_files(filled: AdvisoryDatabase, exported: Path, tmp_path: Path) -> None:
    write_file(filled, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == exported.read_bytes()
    wheels = [write_wheel(filled, tmp_path / name, name="Acme.nerq_data", version="2026.1.1")[0] for name in ("a", "b")]
    assert wheels[0].name == "acme_nerq_data-2026.1.1-py3-none-any.whl"
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    assert read(wheels[0]) == read(exported)


def test_a_wheel_has_the_hash_and_size_of_each_member_and_no_code(filled: AdvisoryDatabase, tmp_path: Path) -> None:
    from base64 import urlsafe_b64encode
    from hashlib import sha256

    wheel, _ = write_wheel(filled, tmp_path, name="nerq-advisories", version="2026.1.1")
    with zipfile.ZipFile(wheel) as archive:
        folder = "nerq_advisories-2026.1.1.dist-info"
        rows = [line.split(",") for line in archive.read(f"{folder}/RECORD").decode().splitlines()]
        assert sorted(name for name, _, _ in rows) == sorted(archive.namelist())
        assert not [name for name in archive.namelist() if name.endswith((".py", ".pth", ".so"))]
        for name, digest, size in rows:
            data = archive.read(name)
            expected = urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")
            assert (digest, size) == (("", "") if name.endswith("RECORD") else (f"sha256={expected}", str(len(data))))
        assert "Name: nerq-advisories\nVersion: 2026.1.1\n" in archive.read(f"{folder}/METADATA").decode()


def test_an_empty_database_is_not_exported_and_leaves_no_file(database: AdvisoryDatabase, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the advisory database is empty"):
        write_file(database, tmp_path / "advisories.zip")
    assert not list(tmp_path.glob("*advisories*"))
    with pytest.raises(UsageError, match="is no name of a package"):
        write_wheel(database, tmp_path, name="../evil", version="1")


def test_a_file_that_cannot_be_written_is_an_error_and_the_one_there_stays(
    filled: AdvisoryDatabase, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        write_file(filled, tmp_path / "folder")
    with pytest.raises(UsageError, match="cannot write"):
        write_file(filled, tmp_path / "missing" / "advisories.zip")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["folder"]


def test_a_date_in_the_future_counts_as_now(exported: Path) -> None:
    with ExportedDatabase(exported, now=1_700_000_000) as database:
        [edition] = [edition for edition in database.editions if edition.ecosystem == PYPI]
        assert (edition.import_info.imported_at, edition.import_info.newest) == (1_700_000_000, 1_700_000_000)
        assert {entry.modified for entry in database.iter_entries(PYPI)} == {1_700_000_000}


def test_only_archives_with_its_members_and_wheels_are_taken_for_one(exported: Path, altered: Any) -> None:
    assert is_exported(exported)
    assert not is_exported(altered({CONTENTS: None}))
    assert is_exported(altered({CONTENTS: None}, "x.whl"))
    assert not is_exported(exported.parent)
    assert not is_exported(exported.parent / "missing")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.py", "'../evil.py' does not belong"),
        ("/etc/evil", "does not belong"),
        ("nerq_advisories/__init__.py", "does not belong"),
        ("a.dist-info/../../evil", "does not belong"),
        ("evil.pth", "does not belong"),
        ("nerq_advisories/\x1b[31m", "does not belong"),
        ("nerq_advisories/Go.records", "does not belong"),
    ],
)
def test_a_member_that_leads_out_or_may_be_code_is_refused(altered: Any, name: str, words: str) -> None:
    with pytest.raises(ResponseError, match=words) as caught:
        read(altered({name: b"x"}))
    assert "\x1b" not in str(caught.value)


def test_a_member_that_is_there_twice_is_refused(exported: Path) -> None:
    with zipfile.ZipFile(exported, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(RECORDS, b"")
    with pytest.raises(ResponseError, match="one of them twice"):
        read(exported)


def test_sizes_are_bounded_before_anything_is_read(altered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    large = altered({"x.dist-info/METADATA": bytes(2_000_000)})
    assert large.stat().st_size < 20_000
    monkeypatch.setattr(exported_database, "_MAX_TOTAL_BYTES", 1_000_000)
    with pytest.raises(ResponseError, match="larger than"):
        read(large)
    with pytest.raises(ResponseError, match="table of contents is too large"):
        read(altered({CONTENTS: bytes(200_000)}))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({CONTENTS: b"\xc1"}, "table of contents is damaged"),
        ({CONTENTS: None}, "no advisories are in it"),
        ({CONTENTS: msgspec.msgpack.encode({"format": 2, "editions": [], "ratings": 0})}, "of another format"),
        ({RECORDS: None}, "no records of PyPI"),
        ({RECORDS: b""}, "0 records of 2"),
        ({RECORDS: framed(record("A-1"))}, "1 records of 2"),
        ({RECORDS: b"\x00\x00"}, "length of a record is damaged"),
        ({RECORDS: b"\xff\xff\xff\xff"}, "length of a record is damaged"),
        ({RECORDS: b"\x00\x00\x00\x09x"}, "cut short"),
        ({RECORDS: b"\x00\x00\x00\x01x"}, "a record is damaged"),
        ({RECORDS: b"\x00\x00\x27\x10" + b"\x91" * 10_000}, "a record is damaged"),
        ({RECORDS: framed(record("A-1", NPM), record("A-2", NPM))}, "A-1 is no record of PyPI"),
        ({"nerq_advisories/ratings.records": framed(record("A-1"))}, "A-1 is no record of a severity"),
    ],
)
def test_what_is_damaged_is_refused(altered: Any, members: dict[str, bytes | None], words: str) -> None:
    with pytest.raises(ResponseError, match=words):
        read(altered(members))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "\x1b[31m"},
        {"aliases": ("a b",)},
        {"severity": "worst"},
        {"modified": -1},
        {"published": 2**62},
        {"affected": (AffectedPackage(PYPI, "Not.Normal", ("1.0",)),)},
        {"affected": (AffectedPackage(PYPI, "x" * 300, ("1.0",)),)},
        {"affected": (AffectedPackage(PYPI, "demo", ("1.0\x1b",)),)},
        {"affected": (AffectedPackage("Go", "demo", ("1.0",)),)},
    ],
    ids=str,
)
def test_a_record_that_no_source_gives_is_refused(altered: Any, change: dict[str, Any]) -> None:
    hostile = msgspec.structs.replace(record("A-1"), **change)
    with pytest.raises(ResponseError, match="is no record of"):
        read(altered({RECORDS: framed(hostile, record("A-2"))}))


def test_texts_and_links_are_cleaned(altered: Any) -> None:
    hostile = msgspec.structs.replace(
        record("A-1"), summary="a\x1b[31m" + "b" * 5_000, links=("javascript:alert(1)", "https://a.example")
    )
    [entry, _] = read(altered({RECORDS: framed(hostile, record("A-2"))}))[PYPI]
    advisory = msgspec.msgpack.decode(entry.value, type=Advisory)
    assert "\x1b" not in advisory.summary
    assert len(advisory.summary) <= 200
    assert advisory.links == ("https://a.example",)


def test_a_file_that_is_cut_short_is_refused(exported: Path) -> None:
    exported.write_bytes(exported.read_bytes()[:-40])
    with pytest.raises(ResponseError, match="no zip file, or only a part of one"):
        read(exported)
