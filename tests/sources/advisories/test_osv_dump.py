from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.errors import ExitStatus, NerqError, ResponseError, UsageError
from nerq_cli.sources.advisories.osv_dump import DumpClient, UpdateError
from nerq_cli.store.advisory_db import AdvisoryDatabase, ImportInfo

NOW = 1_800_000_000
DAY = 86_400
ZIP = "/PyPI/all.zip"
CSV = "/PyPI/modified_id.csv"
FIRST = "2026-01-01T00:00:00Z"
LATER = "2026-02-01T00:00:00.5Z"


def record(identifier: str, modified: str = FIRST, **fields: Any) -> bytes:
    affected = [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1.0"]}]
    return json.dumps({"id": identifier, "modified": modified, "affected": affected, **fields}).encode()


def dump(*identifiers: str, padding: int = 0, **fields: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for identifier in identifiers:
            archive.writestr(f"{identifier}.json", record(identifier, details="x" * padding, **fields))
    return stream.getvalue()


def goog(body: bytes) -> dict[str, str]:
    return {
        "X-Goog-Hash": f"crc32c=AAAAAA==,md5={b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}"
    }


@pytest.fixture
def database(tmp_path: Path) -> Iterator[AdvisoryDatabase]:
    opened = AdvisoryDatabase.open(tmp_path, now=NOW)
    yield opened
    opened.close()


@pytest.fixture
def dumps(site: Any, tmp_path: Path) -> Iterator[DumpClient]:
    opened = DumpClient(f"{site.url}/", tmp_path, idle_timeout=0.5, backoff=0.01)
    yield opened
    opened.close()


def ids(database: AdvisoryDatabase) -> set[str]:
    return set(database.find_by_ids([f"A-{number}" for number in range(20)]))


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith("osv-"))


def paths(site: Any) -> list[str]:
    return [request.path for request in site.requests]


def filled(database: AdvisoryDatabase, dumps: DumpClient, site: Any, *identifiers: str) -> None:
    site.on(ZIP, {"body": dump(*identifiers), "headers": {"ETag": '"one"'}})
    dumps.update_database(database, "PyPI", now=NOW)
    site.requests.clear()


def test_a_dump_is_fetched_and_taken_in(
    database: AdvisoryDatabase, dumps: DumpClient, site: Any, tmp_path: Path
) -> None:
    body = dump("A-1", "A-2")
    site.on(ZIP, {"body": body, "headers": {"ETag": '"one"', **goog(body)}})
    outcome = dumps.update_database(database, "PyPI", now=NOW)
    assert (outcome.changed_count, outcome.stats.read_count) == (None, 2)
    [(name, stamp, records, _)] = database.get_status()
    assert (name, stamp, records) == ("PyPI", ImportInfo(f"{site.url}{ZIP}", NOW, 1_767_225_600, '"one"'), 2)
    assert left(tmp_path) == []


def test_an_unchanged_dump_is_not_fetched_again(database: AdvisoryDatabase, dumps: DumpClient, site: Any) -> None:
    filled(database, dumps, site, "A-1")
    site.on(ZIP, {"status": 304, "headers": {"ETag": '"one"'}})
    assert dumps.update_database(database, "PyPI", now=NOW + 9, full=True).changed_count == 0
    assert site.requests[0].headers["if-none-match"] == '"one"'
    assert database.get_status()[0].import_info.imported_at == NOW + 9
    assert ids(database) == {"A-1"}


def test_a_server_without_etags_is_believed_by_its_checksum(
    database: AdvisoryDatabase, dumps: DumpClient, site: Any
) -> None:
    body = dump("A-1")
    site.on(ZIP, {"body": body, "headers": goog(body)})
    assert dumps.update_database(database, "PyPI", now=NOW).changed_count is None
    assert dumps.update_database(database, "PyPI", now=NOW + 1, full=True).changed_count == 0


def test_a_download_that_breaks_off_is_taken_up_again(database: AdvisoryDatabase, dumps: DumpClient, site: Any) -> None:
    body = dump("A-1", "A-2", padding=50_000)

    def rest(request: Any) -> dict[str, Any]:
        start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return {"status": 206, "body": body[start:], "headers": {"Content-Range": content_range, **goog(body)}}

    site.on(ZIP, {"body": body, "headers": {"ETag": '"one"'}, "cut": 40_000}, rest)
    dumps.update_database(database, "PyPI", now=NOW)
    assert ids(database) == {"A-1", "A-2"}
    assert site.requests[-1].headers["if-range"] == '"one"'
    assert 0 < int(site.requests[-1].headers["range"][6:-1]) <= 40_000


def test_a_later_run_takes_a_download_up_again(
    database: AdvisoryDatabase, dumps: DumpClient, site: Any, tmp_path: Path
) -> None:
    body = dump("A-1", padding=50_000)
    site.on(ZIP, {"body": body, "headers": {"ETag": '"one"'}, "cut": 40_000}, {"status": 403})
    with pytest.raises(UpdateError):
        dumps.update_database(database, "PyPI", now=NOW)
    assert left(tmp_path) == ["osv-PyPI.part.etag", "osv-PyPI.part.zip"]
    site.on(ZIP, {"body": body, "headers": {"ETag": '"two"'}})  # another edition by now: sent as a whole
    dumps.update_database(database, "PyPI", now=NOW)
    assert ids(database) == {"A-1"}
    assert database.get_status()[0].import_info.validator == '"two"'
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "answer", [{"status": 416}, {"status": 206, "body": b"x", "headers": {"Content-Range": "bytes 7-8/9"}}]
)
def test_a_server_that_cannot_go_on_begins_anew(
    database: AdvisoryDatabase, dumps: DumpClient, site: Any, answer: dict[str, Any]
) -> None:
    body = dump("A-1", padding=50_000)
    site.on(ZIP, {"body": body, "headers": {"ETag": '"one"'}, "cut": 40_000}, answer, {"body": body})
    dumps.update_database(database, "PyPI", now=NOW)
    assert ids(database) == {"A-1"}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"status": 404}, UpdateError, "has no dump for PyPI (404)"),
        ({"status": 403}, UpdateError, "has no dump for PyPI (403)"),
        ({"status": 500}, UpdateError, "HTTP 500"),
        ({"status": 503, "headers": {"Retry-After": "0"}}, UpdateError, "HTTP 503"),
        ({"hang": True}, UpdateError, "no answer within 0.5 s"),
        ({"headers": {"X-Long": "x" * 900}, "drip": 0.05}, UpdateError, "no answer within 0.5 s"),
        ({"body": b"x" * 900, "drip": 0.004}, UpdateError, "no answer within 0.5 s"),
        ({"body": dump("A-9"), "cut": 20}, UpdateError, "closed early"),
        ({"raw": b"hello\r\n\r\n"}, UpdateError, "not HTTP"),
        ({"status": 304}, UpdateError, "never fetched"),
        ({"body": b"<html>"}, ResponseError, "no zip file"),
        ({"body": dump("A-9")[:-30]}, ResponseError, "no zip file"),
        ({"body": dump("not an id")}, ResponseError, "1 record cannot be read (osv-PyPI.part.zip/not an id.json: "),
        ({"body": dump("A-8", "not an id", "A-9")}, ResponseError, "1 record cannot be read (osv-PyPI.part.zip/not"),
        ({"body": dump("A-8", "A-9").replace(b'"id": "A-8"', b'"id": "A-7"', 1)}, ResponseError, "A-8.json: damaged"),
        ({"body": dump("A-8", schema_version="2.0")}, ResponseError, "a version of the OSV schema that is not known"),
        ({"body": dump()}, ResponseError, "no record in it"),
        ({"body": dump("A-9"), "headers": goog(b"other")}, UpdateError, "not what the server says"),
        ({"status": 206, "body": b"x"}, UpdateError, "another part"),
    ],
)
def test_a_failure_leaves_what_was_kept_in_place(
    database: AdvisoryDatabase, dumps: DumpClient, site: Any, answer: dict[str, Any], error: type[NerqError], words: str
) -> None:
    if words != "never fetched":
        filled(database, dumps, site, "A-1")
    before = database.get_status()
    site.on(ZIP, answer)
    with pytest.raises(error) as caught:
        dumps.update_database(database, "PyPI", now=NOW + 9 * DAY)
    assert words in str(caught.value)
    assert caught.value.exit in {ExitStatus.USAGE, ExitStatus.INCOMPLETE}
    assert database.get_status() == before
    assert ids(database) <= {"A-1"}


def test_nobody_at_home_is_said(database: AdvisoryDatabase, tmp_path: Path) -> None:
    dumps = DumpClient("http://127.0.0.1:9", tmp_path, backoff=0.01)
    with pytest.raises(UpdateError, match="connection refused"):
        dumps.update_database(database, "PyPI", now=NOW)
    dumps.close()


def test_an_address_that_is_none_is_said(database: AdvisoryDatabase, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        DumpClient("", tmp_path).update_database(database, "PyPI", now=NOW)


def test_credentials_in_the_address_are_not_kept(database: AdvisoryDatabase, site: Any, tmp_path: Path) -> None:
    site.on(ZIP, {"body": dump("A-1")})
    dumps = DumpClient(site.url.replace("//", "//user:secret@"), tmp_path)
    dumps.update_database(database, "PyPI", now=NOW)
    dumps.close()
    assert database.get_status()[0].import_info.source == f"{site.url}{ZIP}"


def test_a_download_that_cannot_be_kept_is_said(site: Any, database: AdvisoryDatabase, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    site.on(ZIP, {"body": dump("A-1")})
    dumps = DumpClient(site.url, tmp_path / "file")
    with pytest.raises(UsageError, match="cannot keep the download"):
        dumps.update_database(database, "PyPI", now=NOW)
    dumps.close()


def test_progress_is_told_in_megabytes(site: Any, database: AdvisoryDatabase, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    site.on(ZIP, {"body": dump("A-1", padding=3_000_000)})
    dumps = DumpClient(site.url, tmp_path, progress=lambda done, total: seen.append((done, total)))
    dumps.update_database(database, "PyPI", now=NOW)
    dumps.close()
    assert seen[-1] == (1, 1)
    assert all(done < total for done, total in seen[:-1])
    assert seen[:-1]


# A few records instead of all


def test_only_what_has_changed_is_fetched(database: AdvisoryDatabase, dumps: DumpClient, site: Any) -> None:
    filled(database, dumps, site, "A-1", "A-2", "A-3", "A-4", "A-5")
    rows = [f"{LATER},A-{n}" for n in (1, 2, 3, 6)] + [f"{FIRST},A-4", f"{FIRST},A-5", "2025-12-31T00:00:00Z,A-0"]
    site.on(CSV, {"body": "\n".join(rows).encode()})
    site.on("/PyPI/A-1.json", {"body": record("A-1", LATER)})
    site.on("/PyPI/A-2.json", {"body": record("A-2", LATER, withdrawn=LATER)})
    site.on("/PyPI/A-3.json", {"status": 404})
    site.on("/PyPI/A-6.json", {"body": record("A-6", LATER)})
    assert dumps.update_database(database, "PyPI", now=NOW + DAY).changed_count == 4
    assert ids(database) == {"A-1", "A-4", "A-5", "A-6"}
    assert sorted(paths(site)) == ["/PyPI/A-1.json", "/PyPI/A-2.json", "/PyPI/A-3.json", "/PyPI/A-6.json", CSV]
    [(_, stamp, records, _)] = database.get_status()
    assert (stamp.imported_at, stamp.newest, records) == (NOW + DAY, 1_769_904_000, 4)


def test_when_nothing_has_changed_one_question_is_enough(
    database: AdvisoryDatabase, dumps: DumpClient, site: Any
) -> None:
    filled(database, dumps, site, "A-1")
    site.on(CSV, {"body": f"{FIRST},A-1\n".encode()})
    assert dumps.update_database(database, "PyPI", now=NOW + DAY).changed_count == 0
    assert paths(site) == [CSV]


@pytest.mark.parametrize(
    ("rows", "single"),
    [
        ({"status": 404}, {}),
        ({"status": 500}, {}),
        ({"body": b"<html>\n"}, {}),
        ({"body": b"x" * 2_000_000}, {}),
        ({"body": "\n".join(f"{LATER},A-{n}" for n in range(700)).encode()}, {}),
        ({"body": "\n".join(f"{LATER},A-{n}" for n in range(2_000)).encode()}, {}),
        ({"body": f"{LATER},A-1".encode()}, {"status": 500}),
        ({"body": f"{LATER},A-1".encode()}, {"status": 204}),
        ({"body": f"{LATER},A-1".encode()}, {"headers": {"X-Long": "x" * 900}, "drip": 0.05}),
        ({"body": f"{LATER},A-1".encode()}, {"body": b"{"}),
        ({"body": f"{LATER},A-1".encode()}, {"body": record("A-2")}),
    ],
)
def test_where_the_changes_cannot_be_had_the_whole_dump_is_fetched(
    database: AdvisoryDatabase, dumps: DumpClient, site: Any, rows: dict[str, Any], single: dict[str, Any]
) -> None:
    filled(database, dumps, site, "A-1")
    site.on(ZIP, {"body": dump("A-7"), "headers": {"ETag": '"two"'}})
    site.on(CSV, rows)
    site.on("/PyPI/A-1.json", single)
    assert dumps.update_database(database, "PyPI", now=NOW + DAY).changed_count is None
    assert ids(database) == {"A-7"}


def test_after_some_days_the_whole_dump_is_fetched(database: AdvisoryDatabase, dumps: DumpClient, site: Any) -> None:
    filled(database, dumps, site, "A-1")
    dumps.update_database(database, "PyPI", now=NOW + 4 * DAY)
    assert paths(site) == [ZIP]


# Two updates at the same time

UPDATE = """
import sys
from nerq_cli.cli.app import run_command_line
sys.exit(run_command_line(["db", "update", "--cache-dir", sys.argv[1], "--quiet"]))
"""


def test_two_updates_at_the_same_time_both_end_well_and_leave_everything_whole(site: Any, tmp_path: Path) -> None:
    for ecosystem in ("PyPI", "npm"):
        affected = [{"package": {"ecosystem": ecosystem, "name": "demo"}, "versions": ["1.0.0"]}]
        body = dump(*(f"A-{number}" for number in range(300)), padding=2_000, affected=affected)
        whole = {"body": body, "headers": {"ETag": '"one"'}}
        site.on(f"/{ecosystem}/all.zip", {**whole, "delay": 0.3}, whole)
        site.on(f"/{ecosystem}/modified_id.csv", {"body": f"{FIRST},A-1\n".encode()})
    environment = {**os.environ, "NERQ_OSV_DUMPS_URL": site.url}
    command = [sys.executable, "-c", UPDATE, str(tmp_path)]
    updates = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - this Python
        for _ in range(2)
    ]
    said = [(*one.communicate(timeout=60), one.returncode) for one in updates]
    assert [(errors, status) for _, errors, status in said] == [("", 0), ("", 0)]
    lines = Counter(line.partition(" (")[0] for output, _, _ in said for line in output.splitlines())
    assert lines == {"PyPI: 300 advisories": 2, "npm: 300 advisories": 2}
    opened = AdvisoryDatabase.open(tmp_path, now=NOW)
    assert [(one.ecosystem, one.records) for one in opened.get_status()] == [("PyPI", 300), ("npm", 300)]
    assert [len(records) for records in opened.find_by_packages([("PyPI", "demo"), ("npm", "demo")]).values()] == [
        300,
        300,
    ]
    opened.close()
    with closing(sqlite3.connect(opened.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert left(tmp_path) == []


def test_an_update_that_waits_too_long_for_another_says_so(
    database: AdvisoryDatabase, site: Any, tmp_path: Path
) -> None:
    filled_once = DumpClient(site.url, tmp_path, lock_timeout=0.05)
    with closing(sqlite3.connect(tmp_path / "update.lock", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UpdateError, match="another update is under way"):
            filled_once.update_database(database, "PyPI", now=NOW)
    site.on(ZIP, {"body": dump("A-1")})
    assert filled_once.update_database(database, "PyPI", now=NOW).changed_count is None
    filled_once.close()


def test_a_lock_that_cannot_be_made_is_said(database: AdvisoryDatabase, dumps: DumpClient, tmp_path: Path) -> None:
    (tmp_path / "update.lock").mkdir()
    with pytest.raises(UsageError, match="cannot keep the download"):
        dumps.update_database(database, "PyPI", now=NOW)
