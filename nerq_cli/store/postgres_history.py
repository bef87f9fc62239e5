"""The history in PostgreSQL: the tables are those of the file (see ``history``), with keys for many writers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg

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
from nerq_cli.store.postgres_connection import PostgresConnection

if TYPE_CHECKING:
    from typing_extensions import LiteralString

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

#: Held by the one process that writes snapshots: the others wait, some milliseconds each.
_WRITE_LOCK: Final = 7_306_114_002
#: Bytes of the longest name: an index of PostgreSQL takes entries of about 2,700.
_MAX_NAME: Final = 2_000
#: Periods of days: ISO weeks (day 0 was a Thursday) and calendar months.
_WEEK: Final = "(day + 3) / 7"
_MONTH: Final = "date_trunc('month', date '1970-01-01' + day::integer)"

_SELECT_MARKS: Final = """
SELECT name, today.coverage, today.mark, last.coverage, last.mark FROM nerq.subject
LEFT JOIN nerq.snapshot ON snapshot.day = %s AND snapshot.subject = subject.id
LEFT JOIN nerq.state AS today ON today.id = snapshot.state LEFT JOIN nerq.state AS last ON last.id = subject.state
WHERE name = ANY(%s)
"""
_SELECT_SNAPSHOTS: Final = """
SELECT snapshot.day, coverage, mark, legend.content, texts.id, texts.content, numbers FROM nerq.subject
JOIN nerq.snapshot ON snapshot.subject = subject.id JOIN nerq.state ON state.id = snapshot.state
JOIN nerq.legend ON legend.id = state.legend JOIN nerq.texts ON texts.id = state.texts
WHERE subject.name = %s ORDER BY snapshot.day
"""
_SELECT_NUMBERS: Final = """
SELECT name, day, numbers FROM nerq.subject JOIN nerq.snapshot ON snapshot.subject = subject.id
JOIN nerq.state ON state.id = snapshot.state WHERE name = ANY(%s) AND day >= %s ORDER BY day, name
"""
_INSERT_STATE: Final = """
INSERT INTO nerq.state (coverage, mark, legend, texts, numbers) VALUES (%s, %s, %s, %s, %s) RETURNING id
"""
_INSERT_SUBJECT: Final = """
INSERT INTO nerq.subject (name, state) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET state = excluded.state
RETURNING id
"""
_INSERT_SNAPSHOT: Final = """
INSERT INTO nerq.snapshot (day, subject, state) VALUES (%s, %s, %s)
ON CONFLICT (subject, day) DO UPDATE SET state = excluded.state
"""
_REPEAT_SNAPSHOTS: Final = """
INSERT INTO nerq.snapshot (day, subject, state)
SELECT %s, id, state FROM nerq.subject WHERE state IS NOT NULL AND name = ANY(%s)
ON CONFLICT (subject, day) DO UPDATE SET state = excluded.state
"""
_DELETE_STATES: Final = """
DELETE FROM nerq.state WHERE NOT EXISTS (SELECT FROM nerq.snapshot WHERE snapshot.state = state.id)
AND NOT EXISTS (SELECT FROM nerq.subject WHERE subject.state = state.id)
"""
_DELETE_TEXTS: Final = """
DELETE FROM nerq.texts WHERE NOT EXISTS (SELECT FROM nerq.state WHERE state.texts = texts.id)
"""
_INSERT_PROJECT: Final = """
INSERT INTO nerq.project (path) VALUES (%s) ON CONFLICT (path) DO UPDATE SET path = excluded.path RETURNING id
"""
_INSERT_PROJECT_SNAPSHOT: Final = """
INSERT INTO nerq.project_snapshot (project, day, mark, summary, members) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (project, day) DO UPDATE SET mark = excluded.mark, summary = excluded.summary, members = excluded.members
"""
_SELECT_PROJECTS: Final = """
SELECT day, mark, summary, members FROM nerq.project JOIN nerq.project_snapshot ON project = project.id
WHERE path = %s AND (%s::bigint IS NULL OR day <= %s) ORDER BY day DESC LIMIT %s
"""
_SELECT_PROJECT_MARK: Final = """
SELECT mark FROM nerq.project JOIN nerq.project_snapshot ON project = project.id WHERE path = %s AND day = %s
"""


class PostgresHistory:
    """Snapshots in PostgreSQL; see ``PostgresConnection`` for failures."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    @property
    def problem(self) -> str:
        """Sentences for the user about failures; empty without one, and when the server is back."""
        return self._connection.problem

    @property
    def read_problem(self) -> str:
        """The failures that concern those who only read as well: without the address of the server."""
        return "" if self._connection.is_readable else "the history cannot be read at present"

    @property
    def is_writable(self) -> bool:
        """Whether snapshots can be kept, as far as it is known: a server that is away may be back."""
        return True

    def read_marks(self, day: int, names: Sequence[str]) -> dict[str, Marks]:
        """Return coverage and mark of the snapshots of these releases: that of a day, and the newest one."""
        storable = [*filter(_is_storable, names)]

        def select(connection: Connection) -> dict[str, Marks]:
            return {
                name: Marks(
                    None if mark is None else (coverage, mark),
                    None if last_mark is None else (last_coverage, last_mark),
                )
                for name, coverage, mark, last_coverage, last_mark in connection.execute(
                    _SELECT_MARKS, (day, storable)
                ).fetchall()
            }

        return self._connection.run("read", select, {})

    def put_snapshots(self, rows: Mapping[str, SnapshotRow], repeated: Sequence[str] = (), day: int = 0) -> None:
        """Store a snapshot of each release, in place of an earlier one of the same day; thin out old ones.

        ``repeated`` are releases that are on ``day`` as in the snapshot that was written last.
        """
        storable = {name: row for name, row in sorted(rows.items()) if _is_storable(name)}
        names = [*filter(_is_storable, repeated)]
        if not storable and not names:
            return

        def insert(connection: Connection) -> None:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITE_LOCK,))
                connection.execute(_REPEAT_SNAPSHOTS, (day, names))
                _insert_snapshots(connection, storable)
                _thin_out(connection, max((*(row.day for row in storable.values()), *([day] if names else ()))))

        self._connection.run("write", insert, None)

    def list_versions(self, package: str) -> list[str]:
        """Return the names of all releases whose name begins with that of a package and ``@``."""
        if not _is_storable(package):
            return []
        query = "SELECT name FROM nerq.subject WHERE name >= %s AND name < %s ORDER BY id"
        bounds = (f"{package}@", f"{package}A")
        rows = self._connection.select(query, bounds)
        return [name for (name,) in rows]

    def read_snapshots(self, name: str) -> list[SnapshotRow]:
        """Return the snapshots of a release, oldest first."""
        if not _is_storable(name):
            return []
        rows = self._connection.select(_SELECT_SNAPSHOTS, (name,))
        return [
            SnapshotRow(day, coverage, mark, legend, (id_, decompress(texts, legend)), numbers)
            for day, coverage, mark, legend, id_, texts, numbers in rows
        ]

    def read_numbers(self, names: AbstractSet[str], since: int) -> Iterator[tuple[str, int, bytes]]:
        """Yield name, day and numbers of the snapshots of these releases from a day on, in the order of the days."""
        values = ([*filter(_is_storable, names)], since)
        rows = self._connection.select(_SELECT_NUMBERS, values)
        yield from ((name, day, numbers) for name, day, numbers in rows)

    def read_project_mark(self, path: str, day: int) -> int | None:
        """Return the mark of the snapshot of a project on a day; None without one."""
        if not _is_storable(path):
            return None
        rows = self._connection.select(_SELECT_PROJECT_MARK, (path, day))
        return next((mark for (mark,) in rows), None)

    def put_project(self, path: str, row: ProjectRow) -> None:
        """Store a snapshot of a project, in place of an earlier one of the same day."""
        if not _is_storable(path):
            return
        members = [*filter(_is_storable, row.members)]

        def insert(connection: Connection) -> None:
            with connection.transaction():
                [(project,)] = connection.execute(_INSERT_PROJECT, (path,)).fetchall()
                subjects = connection.execute(
                    "SELECT id FROM nerq.subject WHERE name = ANY(%s) ORDER BY id", (members,)
                ).fetchall()
                packed = pack_numbers([id_ for (id_,) in subjects])
                connection.execute(_INSERT_PROJECT_SNAPSHOT, (project, row.day, row.mark, row.summary, packed))

        self._connection.run("write", insert, None)

    def read_projects(self, path: str, newest: int | None = None) -> list[ProjectRow]:
        """Return the snapshots of a project, oldest first; with ``newest`` the last one up to that day alone."""
        if not _is_storable(path):
            return []

        def select(connection: Connection) -> list[ProjectRow]:
            limit = None if newest is None else 1
            stored = connection.execute(_SELECT_PROJECTS, (path, newest, newest, limit)).fetchall()
            numbers = {id_ for *_, members in stored for id_ in unpack_numbers(members)}
            subjects = connection.execute("SELECT id, name FROM nerq.subject WHERE id = ANY(%s)", ([*numbers],))
            names: dict[int, str] = dict(subjects.fetchall())
            return [
                ProjectRow(day, mark, summary, tuple(names[id_] for id_ in unpack_numbers(members) if id_ in names))
                for day, mark, summary, members in reversed(stored)
            ]

        return self._connection.run("read", select, [])

    def close(self) -> None:
        """Close the connection. Methods do nothing afterwards."""
        self._connection.close()


def _is_storable(name: str) -> bool:
    """Whether the text type and an index of PostgreSQL take a name. None of a registry is otherwise."""
    try:
        return "\0" not in name and len(name.encode()) <= _MAX_NAME
    except UnicodeEncodeError:
        return False


def _insert_snapshots(connection: Connection, rows: Mapping[str, SnapshotRow]) -> None:
    if not rows:
        return
    legends = {}
    for legend in {row.legend for row in rows.values()}:
        found = connection.execute("SELECT id FROM nerq.legend WHERE content = %s", (legend,)).fetchall()
        if not found:
            found = connection.execute(
                "INSERT INTO nerq.legend (content) VALUES (%s) RETURNING id", (legend,)
            ).fetchall()
        [(legends[legend],)] = found
    texts = {row.texts[0]: (row.texts[1], row.legend) for row in rows.values()}
    known = connection.execute("SELECT id FROM nerq.texts WHERE id = ANY(%s)", ([*texts],)).fetchall()
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO nerq.texts (id, content) VALUES (%s, %s)",
            [(id_, compress(*texts[id_])) for id_ in sorted(texts.keys() - {id_ for (id_,) in known})],
        )
        states = [(row.coverage, row.mark, legends[row.legend], row.texts[0], row.numbers) for row in rows.values()]
        state_ids = _insert_returning(cursor, _INSERT_STATE, states)
        subject_ids = _insert_returning(cursor, _INSERT_SUBJECT, [*zip(rows, state_ids, strict=True)])
        days = [row.day for row in rows.values()]
        cursor.executemany(_INSERT_SNAPSHOT, [*zip(days, subject_ids, state_ids, strict=True)])


def _insert_returning(
    cursor: psycopg.Cursor[tuple[Any, ...]], query: LiteralString, values: Sequence[tuple[Any, ...]]
) -> list[int]:
    """Insert rows one by one, sent together; return the id of each."""
    cursor.executemany(query, values, returning=True)
    ids: list[int] = []
    while True:
        ids += [id_ for (id_,) in cursor.fetchall()]
        if not cursor.nextset():
            return ids


def _thin_out(connection: Connection, today: int) -> None:
    """Delete what is too old to be kept for each day, once a week: the last one of a week or month stays.

    Only days that have become old since the last time are looked at, and the weeks and months around them.
    """
    [(earlier,)] = connection.execute("SELECT MAX(day) FROM nerq.thinned").fetchall()
    if earlier is not None and today < earlier + THINNING_DAYS:
        return
    connection.execute("DELETE FROM nerq.thinned")
    connection.execute("INSERT INTO nerq.thinned (day) VALUES (%s)", (today,))
    deleted = 0
    for table, subject in (("nerq.snapshot", "subject"), ("nerq.project_snapshot", "project")):
        for period, age, margin in ((_WEEK, DAILY_DAYS, 2 * 7), (_MONTH, WEEKLY_DAYS, 2 * 31)):
            days = (-1 if earlier is None else earlier - age - margin, today - age)
            deleted += connection.execute(
                f"DELETE FROM {table} WHERE day >= %s AND day < %s AND ({subject}, day) NOT IN "  # noqa: S608 - constants
                f"(SELECT {subject}, MAX(day) FROM {table} WHERE day >= %s AND day < %s GROUP BY {subject}, {period})",
                (*days, *days),
            ).rowcount
    if deleted:
        connection.execute(_DELETE_STATES)
        connection.execute(_DELETE_TEXTS)
