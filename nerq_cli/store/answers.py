"""The store on disk: responses of sources in one SQLite file.

Choices, measured with 10,000 responses of 3.4 KB on two cores: values are stored uncompressed, because decompressing
them (zlib, level 1) would cost 140 ms to save two thirds of 37 MB; pages of 8 KiB and an integer in place of the
source and the scope bring reading them all from 60 ms to 47 ms.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from nerq_cli.store.file import DatabaseFile, FileSchema, compact_file
from nerq_cli.store.rows import CacheInfo, Row

_TABLES: Final = """
CREATE TABLE place (id INTEGER PRIMARY KEY, source TEXT NOT NULL, scope TEXT NOT NULL, UNIQUE (source, scope));
CREATE TABLE fact (
    place INTEGER NOT NULL, key TEXT NOT NULL,
    value BLOB, fetched_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, validator TEXT NOT NULL,
    PRIMARY KEY (place, key)
);
"""
#: Keys to a query: below the 999 variables that SQLite took before 3.32.
_MAX_KEYS: Final = 500

_SELECT_ROWS: Final = "SELECT value, fetched_at, expires_at, validator, key FROM fact WHERE place = ? AND key IN ({})"
#: Types these columns may hold; in a damaged file they may hold anything.
_COLUMN_TYPES: Final[tuple[set[type], ...]] = ({bytes, type(None)}, {int}, {int}, {str}, {str})
_INSERT_ROW: Final = """
INSERT OR REPLACE INTO fact (place, key, value, fetched_at, expires_at, validator) VALUES (?, ?, ?, ?, ?, ?)
"""
_DELETE_EXPIRED: Final = "DELETE FROM fact WHERE place IN (SELECT id FROM place WHERE source = ?) AND expires_at < ?"
_COUNT_BY_SOURCE: Final = """
SELECT source, COUNT(*), MIN(fetched_at), MAX(fetched_at) FROM fact JOIN place ON place.id = fact.place GROUP BY source
"""


class Store(DatabaseFile):
    """Responses in one file under a cache directory; see ``DatabaseFile`` for failures."""

    schema = FileSchema("facts", 2, _TABLES, "cache", "new answers are not kept")

    def get_many(self, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return the rows under these keys, expired or not."""
        rows: dict[str, Row] = {}
        with self._handle_errors():
            if self._connection is not None:
                rows = _select_rows(self._connection, source, scope, keys)
        return rows

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Store these rows in place of earlier ones, all or none of them."""
        for _ in range(2):  # a second attempt for when the first meets a file that has to be set aside
            if rows and self._is_writable:
                with self._handle_errors():
                    with self._write_transaction() as connection:
                        _insert_rows(connection, source, scope, rows)
                    return

    def drop_expired(self, source: str, now: int) -> None:
        """Delete the rows of a source that expired before ``now`` (epoch seconds UTC)."""
        if self._is_writable and self._connection is not None:
            with self._handle_errors(), self._write_transaction() as connection:
                connection.execute(_DELETE_EXPIRED, (source, now))

    def get_info(self) -> CacheInfo:
        """Return size, counts and dates of the cache."""
        source_counts: list[tuple[str, int, int, int]] = []
        size = 0
        with self._handle_errors():
            if self._connection is not None:
                source_counts = self._connection.execute(_COUNT_BY_SOURCE).fetchall()
                size = sum(file.stat().st_size for file in self._list_files() if file.exists())
        return CacheInfo(
            path=self.path,
            bytes=size,
            rows={source: count for source, count, _, _ in source_counts},
            oldest=min((oldest for _, _, oldest, _ in source_counts), default=None),
            newest=max((newest for _, _, _, newest in source_counts), default=None),
        )

    def clear(self) -> None:
        """Delete everything, files that were set aside included."""
        with self._handle_errors():
            if self._connection is not None:
                with self._write_transaction() as connection:
                    connection.execute("DELETE FROM fact")
                compact_file(self._connection)
            for old_file in self.path.parent.glob(f"{self.schema.filename}.*"):
                old_file.unlink(missing_ok=True)

    def prune_expired(self, now: int, *, older_than: int) -> int:
        """Delete rows that expired more than ``older_than`` seconds before ``now``; return how many."""
        deleted_count = 0
        with self._handle_errors():
            if self._connection is not None:
                with self._write_transaction() as connection:
                    deleted_count = connection.execute(
                        "DELETE FROM fact WHERE expires_at < ?", (now - older_than,)
                    ).rowcount
                compact_file(self._connection)
        return deleted_count


def _select_rows(connection: sqlite3.Connection, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
    place_id = _get_place_id(connection, source, scope)
    stored_rows: dict[str, Row] = {}
    for start in range(0, 0 if place_id is None else len(keys), _MAX_KEYS):
        key_batch = keys[start : start + _MAX_KEYS]
        fetched_rows = connection.execute(
            _SELECT_ROWS.format(",".join("?" * len(key_batch))), (place_id, *key_batch)
        ).fetchall()
        if not fetched_rows:
            continue
        columns = tuple(zip(*fetched_rows, strict=True))
        if any(set(map(type, column)) - types for column, types in zip(columns, _COLUMN_TYPES, strict=True)):
            raise sqlite3.DatabaseError("a column holds a value of another type")
        *values, found_keys = columns
        stored_rows.update(zip(found_keys, map(Row._make, zip(*values, strict=True)), strict=True))
    return stored_rows


def _insert_rows(connection: sqlite3.Connection, source: str, scope: str, rows: Mapping[str, Row]) -> None:
    connection.execute("INSERT OR IGNORE INTO place (source, scope) VALUES (?, ?)", (source, scope))
    place_id = _get_place_id(connection, source, scope)
    connection.executemany(_INSERT_ROW, ((place_id, key, *row) for key, row in rows.items()))


def _get_place_id(connection: sqlite3.Connection, source: str, scope: str) -> int | None:
    row = connection.execute("SELECT id FROM place WHERE source = ? AND scope = ?", (source, scope)).fetchone()
    if row is not None and not isinstance(row[0], int):
        raise sqlite3.DatabaseError("an id is of another type")
    return None if row is None else int(row[0])
