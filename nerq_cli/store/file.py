"""The store on disk: one SQLite file that any number of runs may share, and that may fail in any way.

Choices, measured with 10,000 answers of 3.4 KB on two cores: values are kept as they come, because decompressing
them (zlib, level 1) would cost 140 ms to save two thirds of 37 MB; pages of 8 KiB and an integer in place of the
source and the scope bring reading them all from 60 ms to 47 ms; one checkpoint when the last process closes the file,
instead of one every 1,000 pages, halves the time of writing them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from nerq_cli.store.rows import Info, Row

_FORMAT: Final = 1
_NAME: Final = f"facts-{_FORMAT}.sqlite3"
_SCHEMA: Final = f"""
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE place (id INTEGER PRIMARY KEY, source TEXT NOT NULL, scope TEXT NOT NULL, UNIQUE (source, scope));
CREATE TABLE fact (
    place INTEGER NOT NULL, key TEXT NOT NULL,
    value BLOB, fetched_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, validator TEXT NOT NULL,
    PRIMARY KEY (place, key)
);
PRAGMA user_version = {_FORMAT};
COMMIT;
"""
#: Seconds to wait for another process; one that writes 10,000 answers holds the file for a fifth of a second.
_PATIENCE: Final = 5.0
#: Keys to a query: below the 999 variables that SQLite took before 3.32.
_BATCH: Final = 500
#: Pages (64 MB) the write-ahead log may reach before a writer stops to fold it into the file.
_LOG_PAGES: Final = 8_000

_SELECT: Final = "SELECT value, fetched_at, expires_at, validator, key FROM fact WHERE place = ? AND key IN ({})"
#: What these columns may hold; in a damaged file it may be anything.
_TYPES: Final[tuple[set[type], ...]] = ({bytes, type(None)}, {int}, {int}, {str}, {str})
_INSERT: Final = """
INSERT OR REPLACE INTO fact (place, key, value, fetched_at, expires_at, validator) VALUES (?, ?, ?, ?, ?, ?)
"""
_COUNT: Final = """
SELECT source, COUNT(*), MIN(fetched_at), MAX(fetched_at) FROM fact JOIN place ON place.id = fact.place GROUP BY source
"""
#: What can go wrong here: the database, the file system, and text that cannot be stored (a lone surrogate).
_FAILURES: Final = (sqlite3.Error, OSError, ValueError, OverflowError)


class _ForeignError(Exception):
    """The file is a sound database, but not one this version of nerq wrote."""


class Store:
    """Answers kept in one file under a cache directory.

    Reading creates nothing: file and directory appear with the first answer kept. A file that is damaged or of
    another format is set aside under another name and a new one started. No failure raises: what cannot be read is
    not there, what cannot be written is not kept, and ``problem`` says so. To be used by one thread.
    """

    def __init__(self, path: Path, *, now: int) -> None:
        self.path = path
        self._now = now
        self._connection: sqlite3.Connection | None = None
        self._opened: int | None = None
        self._keeps = True
        self._problems: list[str] = []

    @classmethod
    def open(cls, directory: Path, *, now: int) -> Store:
        """Open the store in this directory, if there is one yet. ``now`` is in epoch seconds."""
        store = cls(directory / _NAME, now=now)
        with store._surviving():
            store._connect()
        return store

    @property
    def problem(self) -> str:
        """Sentences for the user about what does not work; empty when all is well."""
        return "; ".join(self._problems)

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
                _shrink(self._connection)
            for old in self.path.parent.glob(f"{_NAME}.*"):
                old.unlink(missing_ok=True)

    def prune(self, now: int, *, older_than: int) -> int:
        """Forget what expired more than ``older_than`` seconds before ``now``; return how many answers that were."""
        gone = 0
        with self._surviving():
            if self._connection is not None:
                with self._transaction() as connection:
                    gone = connection.execute("DELETE FROM fact WHERE expires_at < ?", (now - older_than,)).rowcount
                _shrink(self._connection)
        return gone

    def close(self) -> None:
        """Let go of the file. Nothing may be asked afterwards."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        self._opened = _inode(self.path)
        if self._opened is None:
            return
        try:
            self._connection = _connection(self.path, "mode=rw")
        except sqlite3.OperationalError as error:
            if _is_damage(error) or "locked" in str(error):
                raise
            # A log beside the file is needed even to read it, unless SQLite is promised that nobody writes to it.
            self._connection = _connection(self.path, "mode=ro&immutable=1")
            self._keeps = False
            self._say(f"read-only cache {self.path}: new answers are not kept")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            if not self.path.exists():
                _create(self.path)
            self._opened = _inode(self.path)
            self._connection = _connection(self.path, "mode=rw")
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Whatever fails inside, go on: with a new file if this one is unusable, otherwise with less."""
        try:
            yield
        except _ForeignError:
            self._set_aside("is of another format")
        except _FAILURES as error:
            if _is_damage(error):
                self._set_aside("is damaged")
            else:
                self._do_without(error)

    def _set_aside(self, why: str) -> None:
        self.close()
        if _inode(self.path) != self._opened:
            return  # another process was faster, and this is its new file
        aside = self.path.with_name(f"{_NAME}.{self._now}")
        try:
            for file in reversed(self._files()):  # the log first: it must never meet another file
                if file.exists():
                    file.replace(f"{aside}{file.name.removeprefix(_NAME)}")
        except OSError as error:
            self._do_without(error)
        else:
            self._say(f"the cache {self.path} {why}: set aside as {aside.name} and started anew")

    def _do_without(self, error: Exception) -> None:
        self._keeps = False
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        self._say(f"cannot use the cache {self.path} ({reason}): new answers are not kept")

    def _say(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)

    def _files(self) -> tuple[Path, ...]:
        """The database and the two files SQLite keeps beside it."""
        return tuple(self.path.with_name(f"{_NAME}{suffix}") for suffix in ("", "-wal", "-shm"))


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)
    try:
        _require_format(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _require_format(connection: sqlite3.Connection) -> None:
    [(version,)] = connection.execute("PRAGMA user_version").fetchall()
    if version != _FORMAT:
        raise _ForeignError


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _create(path: Path) -> None:
    """Make an empty store, whole or not at all, whoever else is making one and whenever this is killed."""
    import tempfile

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # readable by its owner only
    os.close(handle)
    try:
        connection = sqlite3.connect(unfinished, isolation_level=None)
        try:
            connection.executescript(_SCHEMA)
        finally:
            connection.close()
        _settle(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _settle(unfinished: str, path: Path) -> None:
    """Give the new file its name, unless another process was faster."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            Path(unfinished).replace(path)


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


def _shrink(connection: sqlite3.Connection) -> None:
    """Give the space back, unless another process is at work here: then the last one to close the file does."""
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000:.0f}")


def _place(connection: sqlite3.Connection, source: str, scope: str) -> int | None:
    row = connection.execute("SELECT id FROM place WHERE source = ? AND scope = ?", (source, scope)).fetchone()
    return None if row is None else int(row[0])


def _is_damage(error: Exception) -> bool:
    """Whether the file itself is to blame, rather than the disk, a permission or another process.

    Python before 3.11 keeps SQLite's error code to itself, but raises a plain ``DatabaseError`` only for
    ``SQLITE_CORRUPT`` and ``SQLITE_NOTADB``.
    """
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(("no such ", "Could not decode"))
    return type(error) is sqlite3.DatabaseError
