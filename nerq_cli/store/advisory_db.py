"""The advisory database: published records by the packages they affect, in one SQLite file.

A record is kept under every package it names; what it says is for others to know. A package may still lead to a record
that has been changed to name it no longer, so whoever reads a record looks at what it says.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, NamedTuple

from nerq_cli.store.file import File, Layout

_TABLES: Final = """
CREATE TABLE ecosystem (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, source TEXT NOT NULL, imported_at INTEGER NOT NULL,
    records INTEGER NOT NULL, newest INTEGER NOT NULL, validator TEXT NOT NULL
);
CREATE TABLE record (
    ecosystem INTEGER NOT NULL, id TEXT NOT NULL, modified INTEGER NOT NULL, value BLOB NOT NULL,
    UNIQUE (ecosystem, id)
);
CREATE TABLE package (
    ecosystem INTEGER NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (ecosystem, name, record)
) WITHOUT ROWID;
"""
#: Keys to a query: below the 999 variables that SQLite took before 3.32.
_BATCH: Final = 500
#: Records written at a time: enough to be quick, and nothing in memory.
_CHUNK: Final = 1_000
_STATUS: Final = "SELECT name, source, imported_at, records, newest, validator FROM ecosystem ORDER BY name"
_BY_PACKAGE: Final = """
SELECT package.name, record.value FROM package
JOIN record ON record.ecosystem = package.ecosystem AND record.id = package.record
WHERE package.ecosystem = ? AND package.name IN ({}) ORDER BY package.name, package.record
"""
_BY_ID: Final = "SELECT id, value FROM record WHERE id IN ({}) ORDER BY id, ecosystem"
_PUT: Final = """
INSERT INTO record (ecosystem, id, modified, value) VALUES (?, ?, ?, ?)
ON CONFLICT (ecosystem, id) DO UPDATE SET modified = excluded.modified, value = excluded.value
WHERE excluded.modified >= record.modified
"""


class Entry(NamedTuple):
    """One record as it is kept: ``packages`` are the names it is found by, ``modified`` is in epoch seconds."""

    ecosystem: str
    id: str
    packages: tuple[str, ...]
    modified: int
    value: bytes


class Stamp(NamedTuple):
    """Where the records of an ecosystem are from, and since when.

    ``imported_at`` is when they were last known to be all there is, ``newest`` the latest change that was taken in
    (both epoch seconds, 0 = not stated); ``validator`` tells that edition of the source from others.
    """

    source: str
    imported_at: int
    newest: int = 0
    validator: str = ""


class Status(NamedTuple):
    """One ecosystem in the database, and how many records it has."""

    ecosystem: str
    stamp: Stamp
    records: int


class AdvisoryDatabase(File):
    """Advisory records on disk; see ``File`` for how it fails. What writes says whether it did."""

    layout = Layout("advisories", 1, _TABLES, "advisory database", "nothing was written")

    def status(self) -> tuple[Status, ...]:
        """Describe every ecosystem in it, sorted by name; one that was imported without any record is in it too."""
        rows: list[tuple[str, str, int, int, int, str]] = []
        with self._surviving():
            if self._connection is not None:
                rows = self._connection.execute(_STATUS).fetchall()
        return tuple(
            Status(name, Stamp(source, imported_at, newest, validator), records)
            for name, source, imported_at, records, newest, validator in rows
        )

    def lookup_many(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[bytes, ...]]:
        """Return the records of packages, given as ecosystem and name; nothing for those without any.

        All are of one edition, even while another run brings in the next.
        """
        found: dict[tuple[str, str], tuple[bytes, ...]] = {}
        with self._surviving():
            if self._connection is not None:
                with _snapshot(self._connection) as connection:
                    found = _by_package(connection, keys)
        return found

    def by_ids(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return records by their own ids."""
        found: dict[str, bytes] = {}
        with self._surviving():
            if self._connection is not None:
                for some in _batches(ids):
                    found.update(self._connection.execute(_BY_ID.format(_marks(some)), some))
        return found

    def changes(self, ecosystem: str, ids: Iterable[str]) -> dict[str, int]:
        """Return when each of these records was last changed, as far as they are kept."""
        found: dict[str, int] = {}
        with self._surviving():
            if self._connection is not None:
                number = _number(self._connection, ecosystem)
                for some in _batches(list(ids)):
                    select = f"SELECT id, modified FROM record WHERE ecosystem = ? AND id IN ({_marks(some)})"  # noqa: S608 - question marks
                    found.update(self._connection.execute(select, (number, *some)))
        return found

    def replace(self, entries: Iterable[Entry], stamp: Stamp, *, ecosystems: Iterable[str] = ()) -> bool:
        """Put these in place of all records of their ecosystems, and of those named, at once or not at all.

        Whatever reads meanwhile sees the earlier ones. Records are taken one by one and not held in memory; of two
        with one id the later change counts, and the last one when there is none later. Return whether they were
        written; when not, ``problem`` says why. What ``entries`` raises passes through, and then nothing is written.
        """
        return self._write(entries, stamp, replacing=True, ecosystems=ecosystems)

    def add(
        self, entries: Iterable[Entry], stamp: Stamp | None, *, gone: Mapping[str, Iterable[str]] | None = None
    ) -> bool:
        """Put these records beside those kept, in place of earlier ones with their ids; at once or not at all.

        ``gone`` are ids, by ecosystem, of records to forget. Every ecosystem concerned gets the stamp; without one it
        keeps its own, as single records do not make what is kept any newer. Return as ``replace`` does.
        """
        return self._write(entries, stamp, replacing=False, gone=gone or {})

    def touch(self, ecosystem: str, stamp: Stamp) -> bool:
        """Note that what is kept of an ecosystem is still all there is."""
        return self._write((), stamp, replacing=False, gone={ecosystem: ()})

    def _write(
        self,
        entries: Iterable[Entry],
        stamp: Stamp | None,
        *,
        replacing: bool,
        ecosystems: Iterable[str] = (),
        gone: Mapping[str, Iterable[str]] | None = None,
    ) -> bool:
        """Write all in one transaction."""
        done = False
        if self._keeps:
            with self._surviving():
                with self._transaction() as connection:
                    _fill(_Writing(connection, stamp, replacing=replacing), entries, ecosystems, gone or {})
                done = True
        return done


class _Writing:
    """A transaction under way: which ecosystems it has met, and the latest change seen of each."""

    def __init__(self, connection: sqlite3.Connection, stamp: Stamp | None, *, replacing: bool) -> None:
        self.connection = connection
        self._stamp = stamp
        self._replacing = replacing
        self._numbers: dict[str, int] = {}
        self._newest: Counter[int] = Counter()

    def number(self, ecosystem: str) -> int:
        """Return the number of an ecosystem, made ready to take records."""
        if ecosystem not in self._numbers:
            self._numbers[ecosystem] = self._ready(ecosystem)
        return self._numbers[ecosystem]

    def _ready(self, ecosystem: str) -> int:
        insert = "INSERT OR IGNORE INTO ecosystem VALUES (NULL, ?, '', 0, 0, 0, '')"
        self.connection.execute(insert, (ecosystem,))
        number = _number(self.connection, ecosystem)
        if self._replacing:
            self.connection.execute("DELETE FROM record WHERE ecosystem = ?", (number,))
            self.connection.execute("DELETE FROM package WHERE ecosystem = ?", (number,))
        return number

    def put(self, entries: Sequence[Entry]) -> None:
        """Write some records."""
        numbered = [(self.number(entry.ecosystem), entry) for entry in entries]
        rows = ((number, entry.id, entry.modified, entry.value) for number, entry in numbered)
        self.connection.executemany(_PUT, rows)
        links = ((number, name, entry.id) for number, entry in numbered for name in entry.packages)
        self.connection.executemany("INSERT OR IGNORE INTO package VALUES (?, ?, ?)", links)
        for number, entry in numbered:
            self._newest[number] = max(self._newest[number], entry.modified)

    def forget(self, ecosystem: str, ids: Iterable[str]) -> None:
        """Drop records; packages that lead to them lead nowhere."""
        rows = ((self.number(ecosystem), identifier) for identifier in ids)
        self.connection.executemany("DELETE FROM record WHERE ecosystem = ? AND id = ?", rows)

    def finish(self) -> None:
        """Stamp every ecosystem met."""
        count = """
            UPDATE ecosystem SET records = (SELECT COUNT(*) FROM record WHERE record.ecosystem = ecosystem.id)
            WHERE id = ?
        """
        update = "UPDATE ecosystem SET source = ?, imported_at = ?, newest = ?, validator = ? WHERE id = ?"
        for number in self._numbers.values():
            self.connection.execute(count, (number,))
            if (stamp := self._stamp) is not None:
                newest = max(stamp.newest, self._newest[number], 0 if self._replacing else self._kept(number))
                self.connection.execute(update, (stamp.source, stamp.imported_at, newest, stamp.validator, number))

    def _kept(self, number: int) -> int:
        [(newest,)] = self.connection.execute("SELECT newest FROM ecosystem WHERE id = ?", (number,))
        return int(newest)


def _fill(
    writing: _Writing, entries: Iterable[Entry], ecosystems: Iterable[str], gone: Mapping[str, Iterable[str]]
) -> None:
    for ecosystem in ecosystems:
        writing.number(ecosystem)
    for ecosystem, ids in gone.items():
        writing.number(ecosystem)
        writing.forget(ecosystem, ids)
    remaining = iter(entries)
    while some := list(islice(remaining, _CHUNK)):
        writing.put(some)
    writing.finish()


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Read from one edition throughout."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def _by_package(
    connection: sqlite3.Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[bytes, ...]]:
    found: dict[tuple[str, str], list[bytes]] = {}
    for ecosystem in sorted({ecosystem for ecosystem, _ in keys}):
        number = _number(connection, ecosystem)
        for some in _batches([name for one, name in keys if one == ecosystem]):
            for name, value in connection.execute(_BY_PACKAGE.format(_marks(some)), (number, *some)):
                found.setdefault((ecosystem, name), []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _number(connection: sqlite3.Connection, ecosystem: str) -> int:
    """Return the number an ecosystem goes by; 0, which none has, when it is not kept."""
    row = connection.execute("SELECT id FROM ecosystem WHERE name = ?", (ecosystem,)).fetchone()
    return 0 if row is None else int(row[0])
