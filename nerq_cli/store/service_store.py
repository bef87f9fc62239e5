"""The store of a service: a directory for one process, or PostgreSQL for several."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.errors import UsageError
from nerq_cli.store.claims import Claims, LocalClaims

if TYPE_CHECKING:
    from nerq_cli.store.history_rows import HistoryStore
    from nerq_cli.store.rows import Cache

_POSTGRES_SCHEMES: Final = ("postgresql", "postgres")


class ServiceStore(NamedTuple):
    """How the workers of a service keep what they learn. Each worker opens a cache and a history of its own."""

    #: Directory, or address without user and password.
    label: str
    open_cache: Callable[[], Cache]
    open_history: Callable[[], HistoryStore]
    #: What the workers of all processes on this store are at.
    claims: Claims
    #: Whether several processes may use it.
    is_shared: bool = False


def is_postgres(address: str) -> bool:
    """Return whether the address of a store is one of PostgreSQL."""
    return address.partition("://")[0] in _POSTGRES_SCHEMES and "://" in address


class _ProblemReport:
    """Passes the problems of several connections on: each once, and that there is none any more."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        #: The problem of each part that has one.
        self._problems: dict[str, str] = {}

    def add(self, problem: str, part: str = "") -> None:
        """Take the problem of one connection to a part; empty when it has none any more."""
        with self._lock:
            if problem == self._problems.get(part, ""):
                return
            if problem:
                self._problems[part] = problem
            else:
                del self._problems[part]
            text = problem or "; ".join(self._problems.values())
        self._report(text)


def open_service_store(address: str, *, now: int, report: Callable[[str], None] = lambda _: None) -> ServiceStore:
    """Open the store of a service: ``postgresql://…``, or a directory.

    Args:
        address: Address or directory.
        now: The present in epoch seconds UTC.
        report: Called with each new problem of the store, and with the empty text when it is over; in any thread.

    Raises:
        UsageError: PostgreSQL does not accept the connection, its tables are of a newer version or may not be created;
            psycopg is not installed; the directory or its cache cannot be written to; or the address is of another kind
            of database.
    """
    if is_postgres(address):
        return _open_postgres(address, report)
    if "://" in address:
        raise UsageError(
            f"a store of the kind {address.partition('://')[0]!r} is not supported",
            hint="name a directory, or postgresql://USER@HOST/DATABASE",
        )
    return _open_directory(Path(address), now, report)


def _open_directory(directory: Path, now: int, report: Callable[[str], None]) -> ServiceStore:
    from nerq_cli.store.answers import Store
    from nerq_cli.store.file import DatabaseFile
    from nerq_cli.store.history import HistoryFile

    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_writable = os.access(directory, os.W_OK | os.X_OK)
    except OSError as error:
        raise UsageError(f"cannot use the store {directory}: {error.strerror or error}") from None
    if not is_writable:
        raise UsageError(f"cannot use the store {directory}: it is not writable")
    problems = _ProblemReport(report)

    class Reported(DatabaseFile):
        """A file whose problems are reported when they arise. A session opens it anew from time to time."""

        def _add_problem(self, problem: str) -> None:
            super()._add_problem(problem)
            problems.add(self.problem, self.schema.label)

    class ReportedStore(Reported, Store):
        """The cache."""

    class ReportedHistory(Reported, HistoryFile):
        """The history."""

    def open_cache() -> ReportedStore:
        store = ReportedStore.open(directory, now=now)
        problems.add(store.problem, store.schema.label)
        return store

    def open_history() -> HistoryStore:
        history = ReportedHistory.open(directory, now=now)
        problems.add(history.problem, history.schema.label)
        return history

    cache = open_cache()  # both once, so that their problems are known at the start
    cache.close()
    open_history().close()
    if not cache.is_writable:
        raise UsageError(f"cannot use the store {directory}: {cache.problem}")
    return ServiceStore(
        label=str(directory),
        open_cache=open_cache,
        open_history=open_history,
        claims=LocalClaims(),
    )


def _open_postgres(address: str, report: Callable[[str], None]) -> ServiceStore:
    try:
        from nerq_cli.store.postgres import PostgresCache, UnsavedRows
        from nerq_cli.store.postgres_claims import PostgresClaims
        from nerq_cli.store.postgres_connection import PostgresConnection, make_breaker
        from nerq_cli.store.postgres_history import PostgresHistory
    except ImportError as error:
        if not (error.name or "psycopg").startswith("psycopg"):
            raise
        raise UsageError(
            "a store in PostgreSQL needs psycopg, which is not installed",
            hint='pip install "nerq-cli[serve,postgres]"',
        ) from None
    problems, unsaved = _ProblemReport(report), UnsavedRows()
    breaker = make_breaker(address, lambda: problems.add(""))
    connection = PostgresConnection.open(address, problems.add, breaker)
    return ServiceStore(
        label=connection.label,
        open_cache=lambda: PostgresCache(PostgresConnection(address, problems.add, breaker), unsaved),
        open_history=lambda: PostgresHistory(PostgresConnection(address, problems.add, breaker)),
        claims=PostgresClaims(connection, breaker.end),
        is_shared=True,
    )
