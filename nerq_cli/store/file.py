"""One SQLite file that any number of runs may share, and that may fail in any way.

Pages are of 8 KiB, because rows are a few KiB; one checkpoint when the last process closes the file, instead of one
every 1,000 pages, halves the time of writing 10,000 rows.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, TypeVar

F = TypeVar("F", bound="DatabaseFile")

#: Seconds to wait for another process; one that writes 10,000 rows holds the file for a fifth of a second.
_LOCK_TIMEOUT: Final = 5.0
#: Pages (64 MB) of the write-ahead log after which a writer folds it into the file.
_MAX_LOG_PAGES: Final = 8_000
#: Errors of the database, the file system, and of text that cannot be stored (a lone surrogate).
STORAGE_ERRORS: Final = (sqlite3.Error, OSError, ValueError, OverflowError)


class FileSchema(NamedTuple):
    """Name and layout of a file: ``stem`` and ``format_version`` make its name, ``tables`` are the statements for it.

    ``label`` is its name in messages; ``write_failure`` states the consequence of a failed write. A file that
    ``outlives_formats`` has the same name in every format: one of a newer format is left as it is, and not used.
    """

    stem: str
    format_version: int
    tables: str
    label: str
    write_failure: str
    outlives_formats: bool = False

    @property
    def filename(self) -> str:
        """The name of the file, different for each format unless it outlives them."""
        return f"{self.stem}.sqlite3" if self.outlives_formats else f"{self.stem}-{self.format_version}.sqlite3"

    @property
    def create_script(self) -> str:
        """All statements that make an empty file."""
        return f"""
            PRAGMA page_size = 8192;
            PRAGMA journal_mode = WAL;
            BEGIN;
            {self.tables}
            PRAGMA user_version = {self.format_version};
            COMMIT;
        """


class _FormatError(Exception):
    """The file is a valid database of another format."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


class DatabaseFile:
    """A file of one layout under a cache directory.

    Reading creates nothing: file and directory appear with the first write. A file that is damaged or of another format
    is set aside under another name and a new one started. Failures are not raised: reads return nothing, writes are
    dropped, and ``problem`` has the reason. For use by one thread at a time.
    """

    schema: ClassVar[FileSchema]

    def __init__(self, path: Path, *, now: int) -> None:
        self.path = path
        self._now = now
        self._connection: sqlite3.Connection | None = None
        self._opened_inode: int | None = None
        self._is_writable = True
        self._read_only_problem = ""
        self._problems: list[str] = []

    @classmethod
    def open(cls: type[F], directory: Path, *, now: int) -> F:  # noqa: PYI019 - Python 3.10 has no Self
        """Open the file in this directory, if there is one yet. ``now`` is in epoch seconds."""
        file = cls(directory / cls.schema.filename, now=now)
        with file._handle_errors():
            file._connect_existing()
        return file

    @property
    def problem(self) -> str:
        """Sentences for the user about failures; empty without one."""
        return "; ".join(filter(None, (self._read_only_problem, *self._problems)))

    @property
    def read_problem(self) -> str:
        """The failures that concern those who only read as well."""
        return "; ".join(self._problems)

    @property
    def is_writable(self) -> bool:
        """Whether it can be written to, as far as it is known."""
        return self._is_writable

    def close(self) -> None:
        """Close the file. No method may be called afterwards."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _connect_existing(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return
        if not stat.S_ISREG(status.st_mode):  # reading a pipe could wait forever
            raise OSError(errno.EINVAL, "not a regular file")
        self._opened_inode = status.st_ino
        try:
            self._connection = _open_connection(self.path, self.schema.format_version, "mode=rw")
        except sqlite3.OperationalError as error:
            if _is_corruption(error) or "locked" in str(error):
                raise
            # A log beside the file is needed even to read it, unless SQLite is told that no process writes to it.
            self._connection = _open_connection(self.path, self.schema.format_version, "mode=ro&immutable=1")
            self._is_writable = False
            self._read_only_problem = f"read-only {self.schema.label} {self.path}: {self.schema.write_failure}"

    def _connect_new(self) -> None:
        """Open the file if there was none when this was opened, and another one has written it since."""
        if self._connection is None and self._opened_inode is None and self._is_writable:
            self._connect_existing()

    @contextmanager
    def _write_transaction(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            if not self.path.exists():
                _create_file(self.path, self.schema.create_script)
            self._opened_inode = _get_inode(self.path)
            self._connection = _open_connection(self.path, self.schema.format_version, "mode=rw")
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def _handle_errors(self) -> Iterator[None]:
        """Continue after any failure: with a new file if this one is unusable, otherwise without it."""
        try:
            yield
        except _FormatError as error:
            if self.schema.outlives_formats and error.version > self.schema.format_version:
                self._leave_newer(error.version)
            else:
                self._move_aside("is of another format")
        except STORAGE_ERRORS as error:
            if _is_corruption(error):
                self._move_aside("is damaged")
            else:
                self._disable_writes(error)

    def _move_aside(self, reason: str) -> None:
        self.close()
        if _get_inode(self.path) != self._opened_inode:
            return  # another process was faster, and this is its new file
        backup_path = self.path.with_name(f"{self.schema.filename}.{self._now}")
        try:
            for file in reversed(self._list_files()):  # the log first: it must never meet another file
                if file.exists():
                    file.replace(f"{backup_path}{file.name.removeprefix(self.schema.filename)}")
        except OSError as error:
            self._disable_writes(error)
        else:
            self._add_problem(
                f"the {self.schema.label} {self.path} {reason}: set aside as {backup_path.name} and started anew"
            )

    def _leave_newer(self, version: int) -> None:
        self._is_writable = False
        self._add_problem(
            f"the {self.schema.label} {self.path} was written by a newer version of nerq-cli (format {version}, this "
            f"one has {self.schema.format_version}): it is left as it is, and {self.schema.write_failure}"
        )

    def _disable_writes(self, error: Exception) -> None:
        self._is_writable = False
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        self._add_problem(f"cannot use the {self.schema.label} {self.path} ({reason}): {self.schema.write_failure}")

    def _add_problem(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)

    def _list_files(self) -> tuple[Path, ...]:
        """Return the database and the two files that SQLite keeps beside it."""
        return tuple(self.path.with_name(f"{self.schema.filename}{suffix}") for suffix in ("", "-wal", "-shm"))


def _open_connection(path: Path, version: int, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        _require_format(connection, version)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_MAX_LOG_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _require_format(connection: sqlite3.Connection, version: int) -> None:
    [(file_version,)] = connection.execute("PRAGMA user_version").fetchall()
    if file_version != version:
        raise _FormatError(file_version)


def _get_inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _create_file(path: Path, create_script: str) -> None:
    """Create an empty file, whole or not at all, also beside concurrent creators and when killed."""
    import tempfile

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary_path = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # readable by its owner only
    os.close(descriptor)
    try:
        connection = sqlite3.connect(temporary_path, isolation_level=None)
        try:
            connection.executescript(create_script)
        finally:
            connection.close()
        _publish_file(temporary_path, path)
    finally:
        Path(temporary_path).unlink(missing_ok=True)


def _publish_file(temporary_path: str, path: Path) -> None:
    """Give the new file its name, unless another process was faster."""
    try:
        os.link(temporary_path, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            Path(temporary_path).replace(path)


def compact_file(connection: sqlite3.Connection) -> None:
    """Free unused space, unless another process uses the file: then the last one to close it does."""
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT * 1000:.0f}")


def _is_corruption(error: Exception) -> bool:
    """Whether the file itself is damaged, as opposed to a failure of the disk, a permission or another process.

    Python before 3.11 hides SQLite's error code, but raises a plain ``DatabaseError`` only for ``SQLITE_CORRUPT`` and
    ``SQLITE_NOTADB``.
    """
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(("no such ", "Could not decode"))
    return type(error) is sqlite3.DatabaseError
