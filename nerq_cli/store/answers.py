"""The store on disk: answers of sources, kept in one SQLite file.

Choices, measured with 10,000 answers of 3.4 KB on two cores: values are kept as they come, because decompressing
them (zlib, level 1) would cost 140 ms to save two thirds of 37 MB; pages of 8 KiB and an integer in place of the
source and the scope bring reading them all from 60 ms to 47 ms.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from nerq_cli.store.file import File, Layout, shrink
from nerq_cli.store.rows import Info, Row

_TABLES: Final = """
CREATE TABLE place (id INTEGER PRIMARY KEY, source TEXT NOT NULL, scope TEXT NOT NULL, UNIQUE (source, scope));
CREATE TABLE fact (
    place INTEGER NOT NULL, key TEXT NOT NULL,
    value BLOB, fetched_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, validator TEXT NOT NULL,
    PRIMARY KEY (place, key)
);
"""
#: Keys to a query: below the 999 variables that SQLite took before 3.32.
_BATCH: Final = 500

_SELECT: Final = "SELECT value, fetched_at, expires_at, validator, key FROM fact WHERE place = ? AND key IN ({})"
#: What these columns may hold; in a damaged file it may be anything.
_TYPES: Final[tuple[set[type], ...]] = ({bytes, type(None)}, {int}, {int}, {str}, {str})
_INSERT: Final = """
INSERT OR REPLACE INTO fact (place, key, value, fetched_at, expires_at, validator) VALUES (?, ?, ?, ?, ?, ?)
"""
_COUNT: Final = """
SELECT source, COUNT(*), MIN(fetched_at), MAX(fetched_at) FROM fact JOIN place ON place.id = fact.place GROUP BY source
"""


class Store(File):
    """Answers kept in one file under a cache directory; see ``File`` for how it fails."""

    layout = Layout("facts", 1, _TABLES, "cache", "new answers are not kept")

    def get_many(self, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return what is kept under these keys, expired or not."""
        found: dict[str, Row] = {}
        with self._surviving():
            if self._connection is not None:
                found = _select(self._connection, source, scope, keys)
        return found

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Keep these answers in place of earlier ones, all or none of them."""
        for _ in range(2):  # a second time for when the first meets a file that has to be set aside
            if rows and self._keeps:
                with self._surviving():
                    with self._transaction() as connection:
                        _insert(connection, source, scope, rows)
                    return

    def info(self) -> Info:
        """Describe what is kept."""
        counted: list[tuple[str, int, int, int]] = []
        size = 0
        with self._surviving():
            if self._connection is not None:
                counted = self._connection.execute(_COUNT).fetchall()
                size = sum(file.stat().st_size for file in self._files() if file.exists())
        return Info(
            path=self.path,
            bytes=size,
            rows={source: count for source, count, _, _ in counted},
            oldest=min((oldest for _, _, oldest, _ in counted), default=None),
            newest=max((newest for _, _, _, newest in counted), default=None),
        )

    def clear(self) -> None:
        """Forget everything, files that were set aside included."""
        with self._surviving():
            if self._connection is not None:
                with self._transaction() as connection:
                    connection.execute("DELETE FROM fact")
                shrink(self._connection)
            for old in self.path.parent.glob(f"{self.layout.name}.*"):
                old.unlink(missing_ok=True)

    def prune(self, now: int, *, older_than: int) -> int:
        """Forget what expired more than ``older_than`` seconds before ``now``; return how many answers that were."""
        gone = 0
        with self._surviving():
            if self._connection is not None:
                with self._transaction() as connection:
                    gone = connection.execute("DELETE FROM fact WHERE expires_at < ?", (now - older_than,)).rowcount
                shrink(self._connection)
        return gone


def _select(connection: sqlite3.Connection, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
    place = _place(connection, source, scope)
    found: dict[str, Row] = {}
    for start in range(0, 0 if place is None else len(keys), _BATCH):
        some = keys[start : start + _BATCH]
        batch = connection.execute(_SELECT.format(",".join("?" * len(some))), (place, *some)).fetchall()
        if any(set(map(type, column)) - types for column, types in zip(zip(*batch, strict=True), _TYPES, strict=False)):
            raise sqlite3.DatabaseError("a column holds what nobody put there")
        found.update((row[4], Row._make(row[:4])) for row in batch)
    return found


def _insert(connection: sqlite3.Connection, source: str, scope: str, rows: Mapping[str, Row]) -> None:
    connection.execute("INSERT OR IGNORE INTO place (source, scope) VALUES (?, ?)", (source, scope))
    place = _place(connection, source, scope)
    connection.executemany(_INSERT, ((place, key, *row) for key, row in rows.items()))


def _place(connection: sqlite3.Connection, source: str, scope: str) -> int | None:
    row = connection.execute("SELECT id FROM place WHERE source = ? AND scope = ?", (source, scope)).fetchone()
    return None if row is None else int(row[0])
