from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nerq_cli.errors import ResponseError
from nerq_cli.store.advisory_db import NO_ECOSYSTEM, AdvisoryDatabase, AdvisoryEntry, EcosystemStatus, ImportInfo

NOW = 1_800_000_000
STAMP = ImportInfo("dump", NOW, 0, '"etag"')
FILE = "advisories-3.sqlite3"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[AdvisoryDatabase]:
    opened = AdvisoryDatabase.open(tmp_path, now=NOW)
    yield opened
    opened.close()


def entry(
    identifier: str, *packages: str, ecosystem: str = "PyPI", modified: int = 5, value: bytes = b""
) -> AdvisoryEntry:
    return AdvisoryEntry(ecosystem, identifier, packages or ("demo",), modified, value or identifier.encode())


def found(database: AdvisoryDatabase, name: str = "demo", ecosystem: str = "PyPI") -> tuple[bytes, ...]:
    return database.find_by_packages([(ecosystem, name)]).get((ecosystem, name), ())


def test_reading_creates_nothing(database: AdvisoryDatabase, tmp_path: Path) -> None:
    assert (database.get_status(), database.find_by_packages([("PyPI", "demo")]), database.find_by_ids(["A"])) == (
        (),
        {},
        {},
    )
    assert database.get_modified_times("PyPI", ["A"]) == {}
    assert list(tmp_path.iterdir()) == []


def test_records_are_found_by_package_and_by_id(database: AdvisoryDatabase) -> None:
    both = [entry("B", "demo", "other"), entry("A"), entry("N", "demo", ecosystem="npm")]
    assert database.replace_records(both, STAMP)
    assert database.find_by_packages(
        [("PyPI", "demo"), ("PyPI", "other"), ("npm", "demo"), ("npm", "none"), ("Go", "x")]
    ) == {
        ("PyPI", "demo"): (b"A", b"B"),
        ("PyPI", "other"): (b"B",),
        ("npm", "demo"): (b"N",),
    }
    assert database.find_by_ids(["A", "N", "Z"]) == {"A": b"A", "N": b"N"}
    assert database.get_modified_times("PyPI", ["A", "N"]) == {"A": 5}


def test_the_status_tells_each_ecosystem(database: AdvisoryDatabase) -> None:
    database.replace_records([entry("A", modified=7), entry("B", modified=9)], STAMP, ecosystems=["npm"])
    assert database.get_status() == (
        EcosystemStatus("PyPI", STAMP._replace(newest=9), 2),
        EcosystemStatus("npm", STAMP, 0),
    )


def test_replacing_leaves_other_ecosystems_alone(database: AdvisoryDatabase) -> None:
    database.replace_records([entry("A"), entry("N", ecosystem="npm")], STAMP)
    database.replace_records([entry("B")], STAMP)
    assert (found(database), found(database, ecosystem="npm")) == ((b"B",), (b"N",))


def test_of_two_records_with_one_id_the_later_change_counts(database: AdvisoryDatabase) -> None:
    twice = [entry("A", modified=9, value=b"new"), entry("A", modified=8, value=b"old")]
    database.replace_records([*twice, entry("B", value=b"1"), entry("B", value=b"2")], STAMP)
    assert found(database) == (b"new", b"2")


def test_records_can_be_added_changed_and_dropped(database: AdvisoryDatabase) -> None:
    database.replace_records([entry("A", modified=7), entry("B"), entry("C")], STAMP)
    later = ImportInfo("dump", NOW + 5, 6, '"b"')
    assert database.add_records(
        [entry("A", value=b"A2", modified=7), entry("D", "fresh")], later, deleted_ids={"PyPI": ["B", "Z"]}
    )
    assert (found(database), found(database, "fresh")) == ((b"A2", b"C"), (b"D",))
    assert database.get_status() == (EcosystemStatus("PyPI", later._replace(newest=7), 3),)


def test_an_ecosystem_can_be_found_unchanged(database: AdvisoryDatabase) -> None:
    database.replace_records([entry("A")], STAMP)
    assert database.update_import_info("PyPI", STAMP._replace(imported_at=NOW + 9))
    assert database.get_status() == (EcosystemStatus("PyPI", ImportInfo("dump", NOW + 9, 5, '"etag"'), 1),)
    assert found(database) == (b"A",)


def test_an_import_that_breaks_off_leaves_everything_as_it_was(database: AdvisoryDatabase) -> None:
    database.replace_records([entry("A")], STAMP)

    def broken() -> Iterator[AdvisoryEntry]:
        yield from (entry(f"B-{number}") for number in range(3_000))
        raise ResponseError("no zip")

    with pytest.raises(ResponseError):
        database.replace_records(broken(), STAMP)
    assert found(database) == (b"A",)
    assert database.get_status()[0].records == 1


def test_whoever_reads_during_an_import_sees_what_was_there(database: AdvisoryDatabase, tmp_path: Path) -> None:
    database.replace_records([entry("A")], STAMP)
    reader = AdvisoryDatabase.open(tmp_path, now=NOW)
    seen: list[tuple[bytes, ...]] = []

    def watched() -> Iterator[AdvisoryEntry]:
        for number in range(2_500):
            yield entry(f"B-{number}", f"package-{number}")
            if number % 1_000 == 0:
                seen.append(found(reader))

    database.replace_records(watched(), STAMP)
    assert set(seen) == {(b"A",)}
    assert (found(reader), found(reader, "package-7")) == ((), (b"B-7",))
    reader.close()


def test_a_process_that_is_killed_leaves_everything_as_it_was(database: AdvisoryDatabase, tmp_path: Path) -> None:
    database.replace_records([entry("A")], STAMP)
    code = """
import os, sys
from pathlib import Path
from nerq_cli.store.advisory_db import NO_ECOSYSTEM, AdvisoryDatabase, AdvisoryEntry, ImportInfo
def entries():
    for number in range(5_000):
        yield AdvisoryEntry("PyPI", f"B-{number}", ("demo",), 1, b"x" * 500)
    os._exit(9)
AdvisoryDatabase.open(Path(sys.argv[1]), now=1).replace_records(entries(), ImportInfo("s", 1))
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9  # noqa: S603 - the test's own code
    assert found(database) == (b"A",)


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database" * 100)
    database = AdvisoryDatabase.open(tmp_path, now=NOW)
    assert f"the advisory database {tmp_path / FILE} is damaged: set aside as {FILE}.{NOW}" in database.problem
    assert database.replace_records([entry("A")], STAMP)
    assert found(database) == (b"A",)
    database.close()


def test_a_file_of_another_format_is_set_aside(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    database = AdvisoryDatabase.open(tmp_path, now=NOW)
    assert "is of another format" in database.problem
    database.close()


def test_what_cannot_be_written_is_said(
    database: AdvisoryDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.file._LOCK_TIMEOUT", 0.05)
    database.replace_records([entry("A")], STAMP)
    database.close()
    waiting = AdvisoryDatabase.open(tmp_path, now=NOW)
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert not waiting.replace_records([entry("B")], STAMP)
    assert waiting.problem.endswith("(database is locked): nothing was written")
    assert not waiting.add_records([entry("C")], STAMP)
    assert found(waiting) == (b"A",)
    holder.close()
    waiting.close()


def test_a_thousand_packages_are_looked_up_at_once_in_a_large_database(database: AdvisoryDatabase) -> None:
    database.replace_records((entry(f"A-{n}", f"package-{n}", value=b"x" * 300) for n in range(50_000)), STAMP)
    keys = [("PyPI", f"package-{n}") for n in range(0, 100_000, 100)]
    database.find_by_packages(keys[:10])
    started = time.process_time()
    assert len(database.find_by_packages(keys)) == 500
    assert time.process_time() - started < 0.25  # 0.01 s on a quiet machine


def rated(
    identifier: str, *names: str, ecosystem: str = "PyPI", modified: int = 5, rating: bytes = b""
) -> AdvisoryEntry:
    rating = rating or identifier.encode()
    return entry(identifier, ecosystem=ecosystem, modified=modified)._replace(rating=rating, names=(identifier, *names))


def test_ratings_are_found_by_id_and_by_alias_in_every_ecosystem(database: AdvisoryDatabase) -> None:
    alone = rated("C", "A", ecosystem=NO_ECOSYSTEM)
    assert database.replace_records([rated("A", "X"), rated("N", "X", ecosystem="npm"), alone, entry("B")], STAMP)
    assert database.find_ratings(["X", "none"]) == {"A": b"A", "N": b"N"}
    assert database.find_ratings(["A"]) == {"A": b"A", "C": b"C"}
    assert database.find_ratings(["B"]) == {}
    assert [(status.ecosystem, status.records) for status in database.get_status()] == [("PyPI", 2), ("npm", 1)]


def test_ratings_are_replaced_with_their_ecosystem_and_those_without_one_are_kept(database: AdvisoryDatabase) -> None:
    database.replace_records([rated("A", "X"), rated("C", "X", ecosystem=NO_ECOSYSTEM)], STAMP)
    database.replace_records([rated("B", "X")], STAMP)
    assert database.find_ratings(["A", "X"]) == {"B": b"B", "C": b"C"}


def test_a_record_that_changes_or_goes_takes_its_rating_along(database: AdvisoryDatabase) -> None:
    database.replace_records([rated("A"), rated("B"), rated("C")], STAMP)
    changes = [rated("A", modified=6, rating=b"new"), entry("B", modified=6)]
    database.add_records(changes, STAMP, deleted_ids={"PyPI": ["C"]})
    assert database.find_ratings(["A", "B", "C"]) == {"A": b"new"}


def test_of_two_copies_the_newest_rating_counts(database: AdvisoryDatabase) -> None:
    database.replace_records([rated("A", modified=9, rating=b"new"), rated("A", ecosystem="npm", rating=b"old")], STAMP)
    assert database.find_ratings(["A"]) == {"A": b"new"}
