"""The rows that records become do not change when reading them does: digests of what earlier releases wrote."""

from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nerq_cli.application.advisories import import_advisories
from nerq_cli.store.advisory_db import AdvisoryDatabase

#: Real dumps, where there are any: one folder for each ecosystem, with an ``all.zip`` in it.
DUMPS = Path(os.environ.get("NERQ_TEST_OSV_DUMPS", "no-dumps"))
#: The dumps of which the digests below are, by their own digests.
REAL_DUMPS = {
    "PyPI": "4c0e9d6a9be16e42a80cc4fcce107b75361cfe3128bc96e58f0e7703f1736593",
    "npm": "f07e221af9298a2167474ca57ed9fffb3b75f57d0daa5d9467ed17878a47f3bd",
}
#: All columns but the dates and names of an import.
TABLES = {
    "ecosystem": "id, name, records, newest",
    "record": "rowid, ecosystem, id, modified, value, evaluable",
    "package": "ecosystem, name, record",
    "rating": "ecosystem, id, modified, value",
    "alias": "name, ecosystem, rating",
}


def decode_value(column: Any) -> Any:
    """Return a record as stored, without empty lists: only older releases of msgspec write them."""
    return without_empty_lists(msgspec.msgpack.decode(column)) if isinstance(column, bytes) and column else column


def without_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_empty_lists(item) for key, item in value.items() if item != []}
    return [without_empty_lists(item) for item in value] if isinstance(value, list) else value


def rows_digests(directory: Path) -> dict[str, tuple[int, str]]:
    """Return the number of rows of each table, and the digest of all that they hold."""
    digests = {}
    connection = sqlite3.connect(directory / AdvisoryDatabase.schema.filename)
    for table, columns in TABLES.items():
        select = f"SELECT {columns} FROM {table} ORDER BY {columns}"  # noqa: S608 - names of tables
        rows = [tuple(map(decode_value, row)) for row in connection.execute(select)]
        digests[table] = len(rows), sha256(repr(rows).encode()).hexdigest()[:16]
    connection.close()
    return digests


def imported(directory: Path, *paths: Path) -> dict[str, tuple[int, str]]:
    database = AdvisoryDatabase.open(directory, now=0)
    import_advisories(database, paths, ())
    database.close()
    return rows_digests(directory)


V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
#: Parts of records, some of them of other types than documented.
SEVERITIES: tuple[Any, ...] = (
    [{"type": "CVSS_V3", "score": V3}],
    [{"type": "CVSS_V3", "score": V3}, {"type": "CVSS_V4", "score": V4}],
    [{"type": "CVSS_V2", "score": "(AV:N/AC:L/Au:N/C:P/I:P/A:P)"}],
    [{"score": "7.5"}, 3],
    None,
)
EVENTS: tuple[Any, ...] = (
    [{"introduced": "0"}, {"fixed": "1.4"}],
    [{"introduced": "1.0"}, {"last_affected": "1.9"}],
    [{"introduced": "0", "fixed": "1.2"}, {"limit": "3.0"}],
    [{"introduced": "0"}, {"fixed": None}, {}],
    [],
)
FIELDS: tuple[dict[str, Any], ...] = (
    {"summary": "A hole", "published": "2025-01-02T03:04:05.678Z"},
    {"summary": "", "details": "Two\nlines \x1b[31mof\u200b text. " * 20},
    {"details": "Malicious package.\nIt steals keys.", "withdrawn": None},
    {"details": "This release was found to contain a code-execution backdoor", "aliases": None},
    {"withdrawn": "2026-01-01T00:00:00Z"},
    {
        "references": [
            {"type": "WEB", "url": "https://x.example/1"},
            {"type": "FIX", "url": "https://a:b@x.example/2"},
            5,
        ]
    },
    {"database_specific": {"severity": "moderate", "cwe_ids": ["CWE-506"]}},
    {"database_specific": {"malicious-packages-origins": [], "severity": 4}},
    {"schema_version": "1.7.0", "published": 5},
    {"schema_version": "2.0"},
    {"affected": {}},
)
#: The last fields make a record unreadable; an import with one writes nothing.
UNREADABLE = FIELDS[-2:]


def build_record(number: int) -> bytes:
    prefix = ("PYSEC-2025-", "GHSA-x-", "MAL-2025-", "NSWG-ECO-", "CVE-2025-1000")[number % 5]
    package = {
        "ecosystem": ("PyPI", "npm", "PyPI", "Go", "PyPI:https://x.example")[number // 2 % 5],
        "name": f"Demo_{number}",
    }
    affected: dict[str, Any] = {
        "package": package,
        "versions": [f"1.{n}" for n in range(number % 7)] + ["1.0", "", "x" * 200][: number % 4],
        "ranges": [{"type": ("ECOSYSTEM", "SEMVER", "GIT")[number % 3], "events": EVENTS[number % len(EVENTS)]}],
        "severity": SEVERITIES[number // 3 % len(SEVERITIES)],
    }
    record = {
        "id": f"{prefix}{number}",
        "modified": f"2026-02-{1 + number % 28:02}T00:00:00Z",
        "aliases": [f"CVE-2025-2000{number}", f"CVE-2025-1000{number + 1}", "no id"][: number % 4],
        "severity": SEVERITIES[number % len(SEVERITIES)],
        "affected": [affected, {"package": {"ecosystem": "npm", "name": f"@demo/{number}"}}][: 1 + number % 2],
    }
    return json.dumps(record | FIELDS[number % len(FIELDS)]).encode()


def test_records_of_every_kind_give_the_rows_of_earlier_releases(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(500):
            if FIELDS[number % len(FIELDS)] not in UNREADABLE:
                archive.writestr(f"{number}.json", build_record(number))
    assert imported(tmp_path / "cache", tmp_path / "all.zip") == {
        "alias": (541, "fa2d8f71920595ef"),
        "ecosystem": (2, "deae0ae7e2a3b1fe"),
        "package": (399, "f12a18abb7dc5f8e"),
        "rating": (245, "b9bf742d6de4dff1"),
        "record": (363, "8daff45e2bf0a130"),
    }


@pytest.mark.skipif(not DUMPS.is_dir(), reason="NERQ_TEST_OSV_DUMPS names no folder of dumps")
def test_the_real_dumps_give_the_rows_of_earlier_releases(tmp_path: Path) -> None:
    paths = [DUMPS / ecosystem / "all.zip" for ecosystem in REAL_DUMPS]
    if [sha256(path.read_bytes()).hexdigest() for path in paths] != [*REAL_DUMPS.values()]:
        pytest.skip("these are other dumps")
    assert imported(tmp_path, *paths) == {
        "alias": (1102, "0e0dc1f6d58c3892"),
        "ecosystem": (2, "0524a8be67f538c2"),
        "package": (3113, "19802ea74738782a"),
        "rating": (649, "a4468b8b0276c02c"),
        "record": (3113, "3c70dccf4003ea8e"),
    }
