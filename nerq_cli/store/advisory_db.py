"""The advisory database: published records by the packages they affect, in one SQLite file.

A record is stored under every package it names; its content is opaque here. A package may still lead to a record that
was changed and no longer names it, so callers check the content. So may a name lead to a rating. A rating is the part
of a record that gives other records of the same vulnerability their severity; it needs no package.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, NamedTuple

from nerq_cli.store.file import DatabaseFile, FileSchema

_TABLES: Final = """
CREATE TABLE ecosystem (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, source TEXT NOT NULL, imported_at INTEGER NOT NULL,
    records INTEGER NOT NULL, newest INTEGER NOT NULL, validator TEXT NOT NULL
);
CREATE TABLE record (
    ecosystem INTEGER NOT NULL, id TEXT NOT NULL, modified INTEGER NOT NULL, value BLOB NOT NULL,
    evaluable INTEGER NOT NULL, UNIQUE (ecosystem, id)
);
CREATE INDEX unevaluable ON record (ecosystem) WHERE evaluable = 0;
CREATE TABLE package (
    ecosystem INTEGER NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (ecosystem, name, record)
) WITHOUT ROWID;
CREATE TABLE rating (
    ecosystem INTEGER NOT NULL, id TEXT NOT NULL, modified INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (ecosystem, id)
) WITHOUT ROWID;
CREATE TABLE alias (
    name TEXT NOT NULL, ecosystem INTEGER NOT NULL, rating TEXT NOT NULL, PRIMARY KEY (name, ecosystem, rating)
) WITHOUT ROWID;
"""
#: Ecosystem of entries that have a rating only, and its number in the tables. No import replaces them.
NO_ECOSYSTEM: Final = ""
_NO_ECOSYSTEM_ID: Final = 0
#: Keys to a query: below the 999 variables that SQLite took before 3.32.
_MAX_KEYS: Final = 500
#: Records written at a time: enough to be quick, and nothing in memory.
_WRITE_BATCH: Final = 1_000
_SELECT_ECOSYSTEMS: Final = """
SELECT name, source, imported_at, records, newest, validator,
    (SELECT COUNT(*) FROM record WHERE record.ecosystem = ecosystem.id AND evaluable = 0)
FROM ecosystem ORDER BY name
"""
_SELECT_BY_PACKAGE: Final = """
SELECT package.name, record.value FROM package
JOIN record ON record.ecosystem = package.ecosystem AND record.id = package.record
WHERE package.ecosystem = ? AND package.name IN ({}) ORDER BY package.name, package.record
"""
_SELECT_RATINGS: Final = """
SELECT rating.id, rating.value FROM alias
JOIN rating ON rating.ecosystem = alias.ecosystem AND rating.id = alias.rating
WHERE alias.name IN ({}) ORDER BY rating.modified, rating.ecosystem
"""
_SELECT_BY_ID: Final = "SELECT id, value FROM record WHERE id IN ({}) ORDER BY id, ecosystem"
_INSERT_RECORD: Final = """
INSERT INTO record (ecosystem, id, modified, value, evaluable) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (ecosystem, id) DO UPDATE SET
    modified = excluded.modified, value = excluded.value, evaluable = excluded.evaluable
WHERE excluded.modified >= record.modified
"""
_INSERT_RATING: Final = """
INSERT INTO rating (ecosystem, id, modified, value) VALUES (?, ?, ?, ?)
ON CONFLICT (ecosystem, id) DO UPDATE SET modified = excluded.modified, value = excluded.value
WHERE excluded.modified >= rating.modified
"""


class AdvisoryEntry(NamedTuple):
    """One stored record: ``packages`` are the names that find it, ``modified`` is in epoch seconds."""

    ecosystem: str
    id: str
    packages: tuple[str, ...]
    modified: int
    value: bytes
    #: Whether it names any version or range of its packages.
    evaluable: bool = True
    #: The part with the severity, and the ids and aliases that find it; empty without a severity.
    rating: bytes = b""
    names: tuple[str, ...] = ()


class ImportInfo(NamedTuple):
    """The origin of an ecosystem's records, and their date.

    ``imported_at`` is when they were last known to be complete, ``newest`` the latest change among them (both epoch
    seconds, 0 = not stated); ``validator`` identifies the edition of the source.
    """

    source: str
    imported_at: int
    newest: int = 0
    validator: str = ""


class EcosystemStatus(NamedTuple):
    """One ecosystem in the database, the number of its records, and of those that name no version or range."""

    ecosystem: str
    import_info: ImportInfo
    records: int
    unevaluable: int = 0


class AdvisoryDatabase(DatabaseFile):
    """Advisory records on disk; see ``DatabaseFile`` for failures. Methods that write return whether they did."""

    schema = FileSchema("advisories", 3, _TABLES, "advisory database", "nothing was written")

    def get_status(self) -> tuple[EcosystemStatus, ...]:
        """Return the status of every ecosystem, sorted by name, also of one imported without records."""
        rows: list[tuple[str, str, int, int, int, str, int]] = []
        with self._handle_errors():
            if self._connection is not None:
                rows = self._connection.execute(_SELECT_ECOSYSTEMS).fetchall()
        return tuple(
            EcosystemStatus(name, ImportInfo(source, imported_at, newest, validator), records, unevaluable)
            for name, source, imported_at, records, newest, validator, unevaluable in rows
        )

    def find_by_packages(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[bytes, ...]]:
        """Return the records of packages, given as ecosystem and name; packages without records are left out.

        All records are of one edition, even while another run writes the next.
        """
        records: dict[tuple[str, str], tuple[bytes, ...]] = {}
        with self._handle_errors():
            if self._connection is not None:
                with _read_transaction(self._connection) as connection:
                    records = _select_by_packages(connection, keys)
        return records

    def find_by_ids(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return records by their own ids."""
        records: dict[str, bytes] = {}
        with self._handle_errors():
            if self._connection is not None:
                for batch in _split_batches(ids):
                    records.update(self._connection.execute(_SELECT_BY_ID.format(_build_placeholders(batch)), batch))
        return records

    def find_ratings(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the ratings that these ids and aliases find, by id; the newest one when ecosystems differ."""
        ratings: dict[str, bytes] = {}
        with self._handle_errors():
            if self._connection is not None:
                for batch in _split_batches(names):
                    ratings.update(self._connection.execute(_SELECT_RATINGS.format(_build_placeholders(batch)), batch))
        return ratings

    @contextmanager
    def read_edition(self) -> Iterator[None]:
        """Let all reads inside be of one edition, even while another run writes the next."""
        if self._connection is None:
            yield
            return
        with _read_transaction(self._connection):
            yield

    def iter_records(self, ecosystem: str) -> Iterator[bytes]:
        """Yield all records of an ecosystem, sorted by id. After a failure it ends early."""
        with self._handle_errors():
            if self._connection is not None:
                select = "SELECT value FROM record WHERE ecosystem = ? ORDER BY id"
                rows = self._connection.execute(select, (_get_ecosystem_id(self._connection, ecosystem),))
                yield from (value for (value,) in rows)

    def iter_ratings(self, ecosystem: str) -> Iterator[tuple[int, bytes]]:
        """Yield the last change (epoch seconds UTC) and the value of all ratings of an ecosystem, sorted by id."""
        with self._handle_errors():
            if self._connection is not None:
                select = "SELECT modified, value FROM rating WHERE ecosystem = ? ORDER BY id"
                yield from self._connection.execute(select, (_get_ecosystem_id(self._connection, ecosystem),))

    def get_modified_times(self, ecosystem: str, ids: Iterable[str]) -> dict[str, int]:
        """Return when each of these records was last changed; unknown ids are left out."""
        modified_times: dict[str, int] = {}
        with self._handle_errors():
            if self._connection is not None:
                ecosystem_id = _get_ecosystem_id(self._connection, ecosystem)
                for batch in _split_batches(list(ids)):
                    select = (
                        f"SELECT id, modified FROM record WHERE ecosystem = ? AND id IN ({_build_placeholders(batch)})"  # noqa: S608 - question marks
                    )
                    modified_times.update(self._connection.execute(select, (ecosystem_id, *batch)))
        return modified_times

    def replace_records(
        self, entries: Iterable[AdvisoryEntry], import_info: ImportInfo, *, ecosystems: Iterable[str] = ()
    ) -> bool:
        """Replace all records of the entries' ecosystems, and of the ``ecosystems`` given, at once or not at all.

        Concurrent readers see the earlier records. Entries are read one by one and not held in memory; of two with one
        id the later change is kept, else the last one. Return whether they were written; ``problem`` has the reason
        when not. An exception of ``entries`` passes through, and then nothing is written.
        """
        return self._write_records(entries, import_info, replacing=True, ecosystems=ecosystems)

    def add_records(
        self,
        entries: Iterable[AdvisoryEntry],
        import_info: ImportInfo | None,
        *,
        deleted_ids: Mapping[str, Iterable[str]] | None = None,
    ) -> bool:
        """Add these records, in place of earlier ones with their ids, at once or not at all.

        ``deleted_ids`` are ids, by ecosystem, of records to delete. Every ecosystem concerned gets the stamp; without
        one it keeps its own, since single records do not make an ecosystem newer. Return as ``replace_records`` does.
        """
        return self._write_records(entries, import_info, replacing=False, deleted_ids=deleted_ids or {})

    def update_import_info(self, ecosystem: str, import_info: ImportInfo) -> bool:
        """Record that the stored records of an ecosystem are still complete."""
        return self._write_records((), import_info, replacing=False, deleted_ids={ecosystem: ()})

    def _write_records(
        self,
        entries: Iterable[AdvisoryEntry],
        import_info: ImportInfo | None,
        *,
        replacing: bool,
        ecosystems: Iterable[str] = (),
        deleted_ids: Mapping[str, Iterable[str]] | None = None,
    ) -> bool:
        """Write all in one transaction."""
        is_written = False
        if self._is_writable:
            with self._handle_errors():
                with self._write_transaction() as connection:
                    _write_all(
                        _RecordWriter(connection, import_info, replacing=replacing),
                        entries,
                        ecosystems,
                        deleted_ids or {},
                    )
                is_written = True
        return is_written


class _RecordWriter:
    """An open transaction: the ecosystems written so far, and the latest change of each."""

    def __init__(self, connection: sqlite3.Connection, import_info: ImportInfo | None, *, replacing: bool) -> None:
        self.connection = connection
        self._import_info = import_info
        self._replacing = replacing
        self._ecosystem_ids: dict[str, int] = {}
        self._newest_by_ecosystem: Counter[int] = Counter()

    def prepare_ecosystem(self, ecosystem: str) -> int:
        """Return the number of an ecosystem, ready to take records."""
        if ecosystem == NO_ECOSYSTEM:
            return _NO_ECOSYSTEM_ID
        if ecosystem not in self._ecosystem_ids:
            self._ecosystem_ids[ecosystem] = self._create_ecosystem(ecosystem)
        return self._ecosystem_ids[ecosystem]

    def _create_ecosystem(self, ecosystem: str) -> int:
        insert = "INSERT OR IGNORE INTO ecosystem VALUES (NULL, ?, '', 0, 0, 0, '')"
        self.connection.execute(insert, (ecosystem,))
        ecosystem_id = _get_ecosystem_id(self.connection, ecosystem)
        if self._replacing:
            for table in ("record", "package", "rating", "alias"):
                self.connection.execute(f"DELETE FROM {table} WHERE ecosystem = ?", (ecosystem_id,))  # noqa: S608 - names of tables
        return ecosystem_id

    def write_entries(self, entries: Sequence[AdvisoryEntry]) -> None:
        """Write some records."""
        ecosystem_ids = {name: self.prepare_ecosystem(name) for name in {entry.ecosystem: None for entry in entries}}
        numbered_entries = [(ecosystem_ids[entry.ecosystem], entry) for entry in entries]
        self._write_ratings(numbered_entries)
        numbered_entries = [pair for pair in numbered_entries if pair[0] != _NO_ECOSYSTEM_ID]
        rows = (
            (ecosystem_id, entry.id, entry.modified, entry.value, entry.evaluable)
            for ecosystem_id, entry in numbered_entries
        )
        self.connection.executemany(_INSERT_RECORD, rows)
        package_rows = (
            (ecosystem_id, name, entry.id) for ecosystem_id, entry in numbered_entries for name in entry.packages
        )
        self.connection.executemany("INSERT OR IGNORE INTO package VALUES (?, ?, ?)", package_rows)
        for ecosystem_id in ecosystem_ids.values():
            newest = max((entry.modified for id_, entry in numbered_entries if id_ == ecosystem_id), default=0)
            self._newest_by_ecosystem[ecosystem_id] = max(self._newest_by_ecosystem[ecosystem_id], newest)

    def _write_ratings(self, numbered_entries: Sequence[tuple[int, AdvisoryEntry]]) -> None:
        """Write the ratings of entries. A record that has none any more loses the one it had."""
        rated_entries = [(ecosystem_id, entry) for ecosystem_id, entry in numbered_entries if entry.rating]
        if not self._replacing:
            rows = ((ecosystem_id, entry.id) for ecosystem_id, entry in numbered_entries if not entry.rating)
            self.connection.executemany("DELETE FROM rating WHERE ecosystem = ? AND id = ?", rows)
        rating_rows = ((ecosystem_id, entry.id, entry.modified, entry.rating) for ecosystem_id, entry in rated_entries)
        self.connection.executemany(_INSERT_RATING, rating_rows)
        alias_rows = ((name, ecosystem_id, entry.id) for ecosystem_id, entry in rated_entries for name in entry.names)
        self.connection.executemany("INSERT OR IGNORE INTO alias VALUES (?, ?, ?)", alias_rows)

    def delete_records(self, ecosystem: str, ids: Iterable[str]) -> None:
        """Delete records with their ratings; their packages and aliases then lead to nothing."""
        rows = [(self.prepare_ecosystem(ecosystem), identifier) for identifier in ids]
        self.connection.executemany("DELETE FROM record WHERE ecosystem = ? AND id = ?", rows)
        self.connection.executemany("DELETE FROM rating WHERE ecosystem = ? AND id = ?", rows)

    def update_ecosystems(self) -> None:
        """Stamp every ecosystem written."""
        update_count = """
            UPDATE ecosystem SET records = (SELECT COUNT(*) FROM record WHERE record.ecosystem = ecosystem.id)
            WHERE id = ?
        """
        update_import_info = "UPDATE ecosystem SET source = ?, imported_at = ?, newest = ?, validator = ? WHERE id = ?"
        for ecosystem_id in self._ecosystem_ids.values():
            self.connection.execute(update_count, (ecosystem_id,))
            if (import_info := self._import_info) is not None:
                newest = max(
                    import_info.newest,
                    self._newest_by_ecosystem[ecosystem_id],
                    0 if self._replacing else self._read_newest(ecosystem_id),
                )
                self.connection.execute(
                    update_import_info,
                    (import_info.source, import_info.imported_at, newest, import_info.validator, ecosystem_id),
                )

    def _read_newest(self, ecosystem_id: int) -> int:
        [(newest,)] = self.connection.execute("SELECT newest FROM ecosystem WHERE id = ?", (ecosystem_id,))
        return int(newest)


def _write_all(
    writer: _RecordWriter,
    entries: Iterable[AdvisoryEntry],
    ecosystems: Iterable[str],
    deleted_ids: Mapping[str, Iterable[str]],
) -> None:
    for ecosystem in ecosystems:
        writer.prepare_ecosystem(ecosystem)
    for ecosystem, ids in deleted_ids.items():
        writer.prepare_ecosystem(ecosystem)
        writer.delete_records(ecosystem, ids)
    iterator = iter(entries)
    while batch := list(islice(iterator, _WRITE_BATCH)):
        writer.write_entries(batch)
    writer.update_ecosystems()


@contextmanager
def _read_transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Read from one edition throughout."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def _select_by_packages(
    connection: sqlite3.Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[bytes, ...]]:
    records: dict[tuple[str, str], list[bytes]] = {}
    for ecosystem in sorted({ecosystem for ecosystem, _ in keys}):
        ecosystem_id = _get_ecosystem_id(connection, ecosystem)
        for batch in _split_batches([name for key_ecosystem, name in keys if key_ecosystem == ecosystem]):
            for name, value in connection.execute(
                _SELECT_BY_PACKAGE.format(_build_placeholders(batch)), (ecosystem_id, *batch)
            ):
                records.setdefault((ecosystem, name), []).append(value)
    return {key: tuple(values) for key, values in records.items()}


def _split_batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _MAX_KEYS] for start in range(0, len(values), _MAX_KEYS))


def _build_placeholders(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _get_ecosystem_id(connection: sqlite3.Connection, ecosystem: str) -> int:
    """Return the number of an ecosystem; 0, which is never used, when it has no records."""
    row = connection.execute("SELECT id FROM ecosystem WHERE name = ?", (ecosystem,)).fetchone()
    return 0 if row is None else int(row[0])
