"""The history on disk: one snapshot per release and day, and one per scanned project and day, in one SQLite file.

What a snapshot holds is opaque here. A row is a day, a release and a state: most scores are the same as the day before,
and have its state. Rows lie in the order of their days: those of one run are side by side, and writing 1,000 of them
touches a few pages instead of a thousand. Texts, which change less often than numbers, have a table of their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from nerq_cli.store.file import DatabaseFile, FileSchema
from nerq_cli.store.history_rows import (
    DAILY_DAYS,
    THINNING_DAYS,
    WEEKLY_DAYS,
    Marks,
    ProjectRow,
    SnapshotRow,
    compress,
    decompress,
    pack_numbers,
    unpack_numbers,
)

__all__ = ["DAILY_DAYS", "WEEKLY_DAYS", "HistoryFile", "Marks", "ProjectRow", "SnapshotRow"]

_TABLES: Final = """
CREATE TABLE subject (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state INTEGER);
CREATE TABLE legend (id INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE texts (id INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE day (number INTEGER PRIMARY KEY);
CREATE TABLE state (
    id INTEGER PRIMARY KEY, coverage INTEGER NOT NULL, mark INTEGER NOT NULL, legend INTEGER NOT NULL,
    texts INTEGER NOT NULL, numbers BLOB NOT NULL
);
CREATE TABLE snapshot (
    day INTEGER NOT NULL, subject INTEGER NOT NULL, state INTEGER NOT NULL, PRIMARY KEY (day, subject)
) WITHOUT ROWID;
CREATE TABLE project (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE project_snapshot (
    project INTEGER NOT NULL, day INTEGER NOT NULL, mark INTEGER NOT NULL, summary BLOB NOT NULL, members BLOB NOT NULL,
    PRIMARY KEY (project, day)
) WITHOUT ROWID;
CREATE TABLE thinned (day INTEGER NOT NULL);
"""
#: Names to a query: below the 999 variables that SQLite took before 3.32.
_MAX_NAMES: Final = 500

#: ``subject.state`` is the state that was written last.
_SELECT_MARKS: Final = """
SELECT name, today.coverage, today.mark, last.coverage, last.mark FROM subject
LEFT JOIN snapshot ON snapshot.day = ? AND snapshot.subject = subject.id
LEFT JOIN state AS today ON today.id = snapshot.state LEFT JOIN state AS last ON last.id = subject.state
WHERE name IN ({})
"""
_SELECT_SNAPSHOTS: Final = """
SELECT snapshot.day, coverage, mark, legend.content, texts.id, texts.content, numbers FROM day
CROSS JOIN snapshot ON snapshot.day = day.number AND snapshot.subject = ?
JOIN state ON state.id = snapshot.state JOIN legend ON legend.id = state.legend
JOIN texts ON texts.id = state.texts ORDER BY snapshot.day
"""
_SELECT_NUMBERS: Final = """
SELECT day, subject, numbers FROM snapshot JOIN state ON state.id = snapshot.state WHERE day >= ? ORDER BY day
"""
_REPEAT_SNAPSHOTS: Final = """
INSERT OR REPLACE INTO snapshot (day, subject, state)
SELECT ?, id, state FROM subject WHERE state IS NOT NULL AND name IN ({}) ORDER BY id
"""
_DELETE_STATES: Final = """
DELETE FROM state WHERE id NOT IN (SELECT state FROM snapshot)
AND id NOT IN (SELECT state FROM subject WHERE state IS NOT NULL)
"""
_SELECT_PROJECT_MARK: Final = """
SELECT mark FROM project_snapshot WHERE project = (SELECT id FROM project WHERE path = ?) AND day = ?
"""
_SELECT_LAST_SUMMARY: Final = """
SELECT day, summary FROM project_snapshot WHERE project = (SELECT id FROM project WHERE path = ?) AND day <= ?
ORDER BY day DESC LIMIT 1
"""
#: Periods of days: ISO weeks (day 0 was a Thursday) and calendar months.
_WEEK: Final = "(day + 3) / 7"
_MONTH: Final = "strftime('%Y-%m', day * 86400, 'unixepoch')"


class HistoryFile(DatabaseFile):
    """Snapshots in one file under a cache directory; see ``DatabaseFile`` for failures."""

    schema = FileSchema("history", 1, _TABLES, "history", "no snapshots are kept", outlives_formats=True)

    def read_marks(self, day: int, names: Sequence[str]) -> dict[str, Marks]:
        """Return coverage and mark of the snapshots of these releases: that of a day, and the newest one."""
        marks: dict[str, Marks] = {}
        with self._handle_errors():
            for start in range(0, len(names) if self._connection is not None else 0, _MAX_NAMES):
                batch = names[start : start + _MAX_NAMES]
                for name, coverage, mark, last_coverage, last_mark in self._execute(
                    _SELECT_MARKS.format(",".join("?" * len(batch))), (day, *batch)
                ):
                    marks[name] = Marks(
                        None if mark is None else (coverage, mark),
                        None if last_mark is None else (last_coverage, last_mark),
                    )
        return marks

    def put_snapshots(self, rows: Mapping[str, SnapshotRow], repeated: Sequence[str] = (), day: int = 0) -> None:
        """Store a snapshot of each release, in place of an earlier one of the same day; thin out old ones.

        ``repeated`` are releases that are on ``day`` as in the snapshot that was written last.
        """
        for _ in range(2):  # a second attempt for when the first meets a file that has to be set aside
            if (rows or repeated) and self._is_writable:
                with self._handle_errors():
                    with self._write_transaction() as connection:
                        days = {row.day for row in rows.values()} | ({day} if repeated else set())
                        connection.executemany(
                            "INSERT OR IGNORE INTO day (number) VALUES (?)", ((number,) for number in days)
                        )
                        _repeat_snapshots(connection, repeated, day)
                        _insert_snapshots(connection, rows)
                        _thin_out(connection, max(days))
                    return

    def list_versions(self, package: str) -> list[str]:
        """Return the names of all releases whose name begins with that of a package and ``@``."""
        names: list[str] = []
        with self._handle_errors():
            if self._connection is not None:
                rows = self._execute(
                    "SELECT name FROM subject WHERE name >= ? AND name < ?", (f"{package}@", f"{package}A")
                )
                names = [name for (name,) in rows]
        return names

    def read_snapshots(self, name: str) -> list[SnapshotRow]:
        """Return the snapshots of a release, oldest first."""
        snapshots: list[SnapshotRow] = []
        with self._handle_errors():
            if self._connection is not None:
                rows = self._execute("SELECT id FROM subject WHERE name = ?", (name,)).fetchall()
                for (subject,) in rows:
                    snapshots += [
                        SnapshotRow(day, coverage, mark, legend, (id_, decompress(texts, legend)), numbers)
                        for day, coverage, mark, legend, id_, texts, numbers in self._execute(
                            _SELECT_SNAPSHOTS, (subject,)
                        )
                    ]
        return snapshots

    def read_numbers(self, names: AbstractSet[str], since: int) -> Iterator[tuple[str, int, bytes]]:
        """Yield name, day and numbers of the snapshots of these releases from a day on, in the order of the days."""
        with self._handle_errors():
            if self._connection is not None:
                ids = {id_: name for id_, name in self._execute("SELECT id, name FROM subject") if name in names}
                for day, subject, numbers in self._execute(_SELECT_NUMBERS, (since,)):
                    if subject in ids:
                        yield ids[subject], day, numbers

    def read_project_mark(self, path: str, day: int) -> int | None:
        """Return the mark of the snapshot of a project on a day; None without one."""
        marks: list[int] = []
        with self._handle_errors():
            if self._connection is not None:
                marks = [mark for (mark,) in self._execute(_SELECT_PROJECT_MARK, (path, day))]
        return marks[0] if marks else None

    def put_project(self, path: str, row: ProjectRow) -> None:
        """Store a snapshot of a project, in place of an earlier one of the same day."""
        if not self._is_writable:
            return
        with self._handle_errors(), self._write_transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO project (path) VALUES (?)", (path,))
            subjects = sorted(_iter_found(connection, "SELECT id FROM subject WHERE name IN ({})", row.members))
            connection.execute(
                "INSERT OR REPLACE INTO project_snapshot (project, day, mark, summary, members) "
                "VALUES ((SELECT id FROM project WHERE path = ?), ?, ?, ?, ?)",
                (path, row.day, row.mark, row.summary, pack_numbers(subjects)),
            )

    def read_projects(self, path: str, newest: int | None = None) -> list[ProjectRow]:
        """Return the snapshots of a project, oldest first; with ``newest`` the last one up to that day alone."""
        rows: list[ProjectRow] = []
        with self._handle_errors():
            if self._connection is not None:
                query = (
                    "SELECT day, mark, summary, members FROM project_snapshot "
                    "WHERE project = (SELECT id FROM project WHERE path = ?) "
                )
                if newest is None:
                    stored = self._execute(f"{query} ORDER BY day", (path,)).fetchall()
                else:
                    limited = f"{query} AND day <= ? ORDER BY day DESC LIMIT 1"
                    stored = self._execute(limited, (path, newest)).fetchall()
                names: dict[int, str] = dict(self._execute("SELECT id, name FROM subject")) if stored else {}
                rows = [
                    ProjectRow(day, mark, summary, tuple(names[id_] for id_ in unpack_numbers(members) if id_ in names))
                    for day, mark, summary, members in stored
                ]
        return rows

    def read_last_summary(self, path: str, newest: int) -> tuple[int, bytes] | None:
        """Return day and summary of the last snapshot of a project up to a day; None without one."""
        rows: list[tuple[int, bytes]] = []
        with self._handle_errors():
            if self._connection is not None:
                rows = self._execute(_SELECT_LAST_SUMMARY, (path, newest)).fetchall()
        return rows[0] if rows else None

    def _execute(self, query: str, values: Sequence[str | int] = ()) -> sqlite3.Cursor:
        if self._connection is None:
            raise sqlite3.OperationalError("not open")
        return self._connection.execute(query, tuple(values))


def _repeat_snapshots(connection: sqlite3.Connection, names: Sequence[str], day: int) -> None:
    for start in range(0, len(names), _MAX_NAMES):
        batch = names[start : start + _MAX_NAMES]
        connection.execute(_REPEAT_SNAPSHOTS.format(",".join("?" * len(batch))), (day, *batch))


def _insert_snapshots(connection: sqlite3.Connection, rows: Mapping[str, SnapshotRow]) -> None:
    names = sorted(rows)
    legends = {}
    for legend in {row.legend for row in rows.values()}:
        connection.execute("INSERT OR IGNORE INTO legend (content) VALUES (?)", (legend,))
        [(legends[legend],)] = connection.execute("SELECT id FROM legend WHERE content = ?", (legend,))
    texts = {row.texts[0]: (row.texts[1], row.legend) for row in rows.values()}
    new_ids = texts.keys() - _iter_found(connection, "SELECT id FROM texts WHERE id IN ({})", [*texts])
    connection.executemany(
        "INSERT OR IGNORE INTO texts (id, content) VALUES (?, ?)",
        ((id_, compress(*texts[id_])) for id_ in sorted(new_ids)),
    )
    [(last_id,)] = connection.execute("SELECT IFNULL(MAX(id), 0) FROM state")
    states = [(id_, name, rows[name]) for id_, name in enumerate(names, last_id + 1)]
    connection.executemany(
        "INSERT INTO state (id, coverage, mark, legend, texts, numbers) VALUES (?, ?, ?, ?, ?, ?)",
        [(id_, row.coverage, row.mark, legends[row.legend], row.texts[0], row.numbers) for id_, _, row in states],
    )
    connection.executemany(
        "INSERT INTO subject (name, state) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        [(name, id_) for id_, name, _ in states],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO snapshot (day, subject, state) SELECT ?, id, state FROM subject WHERE name = ?",
        [(row.day, name) for _, name, row in states],
    )


def _thin_out(connection: sqlite3.Connection, today: int) -> None:
    """Delete what is too old to be kept for each day, once a week: the last one of a week or month stays.

    Only days that have become old since the last time are looked at, and the weeks and months around them.
    """
    [(earlier,)] = connection.execute("SELECT MAX(day) FROM thinned").fetchall()
    if earlier is not None and today < earlier + THINNING_DAYS:
        return
    connection.execute("DELETE FROM thinned")
    connection.execute("INSERT INTO thinned (day) VALUES (?)", (today,))
    is_changed = False
    for table, subject in (("snapshot", "subject"), ("project_snapshot", "project")):
        for period, age, margin in ((_WEEK, DAILY_DAYS, 2 * 7), (_MONTH, WEEKLY_DAYS, 2 * 31)):
            days = (-1 if earlier is None else earlier - age - margin, today - age)
            deleted = connection.execute(
                f"DELETE FROM {table} WHERE day >= ? AND day < ? AND ({subject}, day) NOT IN "  # noqa: S608 - constants
                f"(SELECT {subject}, MAX(day) FROM {table} WHERE day >= ? AND day < ? GROUP BY {subject}, {period})",
                (*days, *days),
            )
            is_changed = is_changed or deleted.rowcount > 0
    if is_changed:
        connection.execute("DELETE FROM day WHERE NOT EXISTS (SELECT 1 FROM snapshot WHERE snapshot.day = day.number)")
        connection.execute(_DELETE_STATES)
        connection.execute("DELETE FROM texts WHERE id NOT IN (SELECT texts FROM state)")


def _iter_found(connection: sqlite3.Connection, query: str, values: Sequence[str | int]) -> Iterator[int]:
    """Yield the ids that a query finds for these values, of which it takes some hundred at a time."""
    for start in range(0, len(values), _MAX_NAMES):
        batch = tuple(values[start : start + _MAX_NAMES])
        yield from (id_ for (id_,) in connection.execute(query.format(",".join("?" * len(batch))), batch))
