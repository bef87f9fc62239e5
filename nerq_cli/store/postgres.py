"""Responses of sources in PostgreSQL, for several processes on one or more machines.

A row is found by a digest of source, scope and key: keys of any length and content, in an index of fixed size. Values
are as the sources gave them; PostgreSQL compresses long ones itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import psycopg

from nerq_cli.store.postgres_connection import PostgresConnection
from nerq_cli.store.rows import CacheInfo, Row

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

#: Bytes of a digest; 16 make a collision by chance impossible in practice.
_DIGEST_SIZE: Final = 16
#: Rows to a statement: some megabytes of values.
_MAX_ROWS: Final = 1_000
#: Bytes of rows that wait in memory for a server that is away, each counted with that of its objects.
_MAX_UNSAVED: Final = 64_000_000
_ROW_OVERHEAD: Final = 300
#: Above the largest integer of PostgreSQL.
_MAX_INTEGER: Final = 2**63

_SELECT_ROWS: Final = """
SELECT digest, value, fetched_at, expires_at, validator FROM nerq.fact WHERE digest = ANY(%b::bytea[])
"""
_INSERT_ROWS: Final = """
INSERT INTO nerq.fact (digest, source, value, fetched_at, expires_at, validator)
SELECT * FROM unnest(%b::bytea[], %b::text[], %b::bytea[], %b::bigint[], %b::bigint[], %b::bytea[])
ON CONFLICT (digest) DO UPDATE SET value = excluded.value, fetched_at = excluded.fetched_at,
    expires_at = excluded.expires_at, validator = excluded.validator
"""
_COUNT_BY_SOURCE: Final = "SELECT source, COUNT(*), MIN(fetched_at), MAX(fetched_at) FROM nerq.fact GROUP BY source"


class UnsavedRows:
    """Rows that are not stored yet, up to a limit: those of all caches of a process on one server. Safe for threads."""

    def __init__(self) -> None:
        self._rows: dict[bytes, tuple[str, Row]] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, rows: Mapping[bytes, tuple[str, Row]]) -> None:
        """Add rows in place of earlier ones."""
        with self._lock:
            self._rows.update(rows)

    def find(self, digests: Iterable[bytes]) -> dict[bytes, Row]:
        """Return those of the rows with these digests that are here."""
        with self._lock:
            return {digest: self._rows[digest][1] for digest in digests if digest in self._rows}

    def copy(self) -> dict[bytes, tuple[str, Row]]:
        """Return all rows with their sources."""
        with self._lock:
            return dict(self._rows)

    def remove(self, rows: Mapping[bytes, tuple[str, Row]]) -> None:
        """Remove rows that are stored now, unless a newer one has taken the place."""
        with self._lock:
            for digest, entry in rows.items():
                if self._rows.get(digest) is entry:
                    del self._rows[digest]

    def trim(self) -> None:
        """Remove the oldest rows above the limit."""
        with self._lock:
            size = 0
            for digest in [*reversed(self._rows)]:
                size += _ROW_OVERHEAD + len(self._rows[digest][1].value or b"")
                if size > _MAX_UNSAVED:
                    del self._rows[digest]

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self._rows.clear()


class PostgresCache:
    """A ``Cache`` in PostgreSQL; see ``PostgresConnection`` for failures. Safe for threads.

    Rows that could not be written stay in memory, up to a limit, and are written when the server is back.
    """

    def __init__(self, connection: PostgresConnection, unsaved: UnsavedRows | None = None) -> None:
        self._connection = connection
        self._unsaved = unsaved if unsaved is not None else UnsavedRows()

    @property
    def problem(self) -> str:
        """A sentence for the user after a failure; empty without one, and when the server is back."""
        return self._connection.problem

    def get_many(self, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return the rows under these keys, expired or not."""
        if not keys:
            return {}
        keys_by_digest = {_compute_digest(source, scope, key): key for key in keys}
        digests = [*keys_by_digest]
        stored = self._connection.run("read", lambda connection: _select_rows(connection, digests), None)
        rows = {keys_by_digest[digest]: row for digest, row in (stored or {}).items()}
        if self._unsaved:
            rows.update((keys_by_digest[digest], row) for digest, row in self._unsaved.find(digests).items())
            if stored is not None:  # the server is back
                self._save()
        return rows

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Store these rows in place of earlier ones, all or none of them."""
        self._unsaved.add(
            {
                _compute_digest(source, scope, key): (source, row)
                for key, row in rows.items()
                if max(row.fetched_at, row.expires_at) < _MAX_INTEGER
            }
        )
        self._save()

    def _save(self) -> None:
        """Write all rows that are not stored yet, in one transaction; keep the newest of them after a failure."""
        rows = self._unsaved.copy()
        if not rows:
            return
        # In one order in every process: two that write the same rows never wait for each other.
        entries = sorted((digest, source, row) for digest, (source, row) in rows.items())
        if self._connection.run("write", lambda connection: _insert_rows(connection, entries), default=False):
            self._unsaved.remove(rows)
        else:
            self._unsaved.trim()

    def get_info(self) -> CacheInfo:
        """Return size, counts and dates of the cache. It has no path."""

        def count(connection: Connection) -> tuple[int, list[tuple[Any, ...]]]:
            counts = connection.execute(_COUNT_BY_SOURCE).fetchall()
            [(size,)] = connection.execute("SELECT pg_total_relation_size('nerq.fact')").fetchall()
            return size if counts else 0, counts

        nothing: tuple[int, list[tuple[Any, ...]]] = (0, [])
        size, counts = self._connection.run("read", count, nothing)
        return CacheInfo(
            path=None,
            bytes=size,
            rows={source: number for source, number, _, _ in sorted(counts)},
            oldest=min((oldest for _, _, oldest, _ in counts), default=None),
            newest=max((newest for _, _, _, newest in counts), default=None),
        )

    def clear(self) -> None:
        """Delete all responses, those of other processes included."""
        self._unsaved.clear()
        self._connection.run("write", lambda connection: _delete(connection, "DELETE FROM nerq.fact", ()), 0)

    def prune_expired(self, now: int, *, older_than: int) -> int:
        """Delete rows that expired more than ``older_than`` seconds before ``now``; return how many."""
        query = "DELETE FROM nerq.fact WHERE expires_at < %s"
        return self._connection.run("write", lambda connection: _delete(connection, query, (now - older_than,)), 0)

    def drop_expired(self, source: str, now: int) -> None:
        """Delete the rows of a source that expired before ``now`` (epoch seconds UTC)."""
        query = "DELETE FROM nerq.fact WHERE source = %s AND expires_at < %s"
        self._connection.run("write", lambda connection: _delete(connection, query, (source, now)), 0)

    def close(self) -> None:
        """Write what is not stored yet, if the server is there, and close the connection. Methods do nothing then."""
        self._save()
        self._connection.close()


def _select_rows(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, Row]:
    rows: dict[bytes, Row] = {}
    with connection.cursor(binary=True) as cursor:
        for start in range(0, len(digests), _MAX_ROWS):
            cursor.execute(_SELECT_ROWS, (digests[start : start + _MAX_ROWS],))
            for digest, value, fetched_at, expires_at, validator in cursor:
                rows[digest] = Row(value, fetched_at, expires_at, validator.decode("utf-8", "surrogatepass"))
    return rows


def _insert_rows(connection: Connection, entries: Sequence[tuple[bytes, str, Row]]) -> bool:
    with connection.transaction():
        for start in range(0, len(entries), _MAX_ROWS):
            digests, sources, rows = zip(*entries[start : start + _MAX_ROWS], strict=True)
            values, fetched_at, expires_at, validators = zip(*rows, strict=True)
            encoded = [validator.encode("utf-8", "surrogatepass") for validator in validators]
            columns = (digests, sources, values, fetched_at, expires_at, encoded)
            connection.execute(_INSERT_ROWS, [[*column] for column in columns])
    return True


def _delete(connection: Connection, query: Any, values: tuple[object, ...]) -> int:  # noqa: ANN401
    return connection.execute(query, values).rowcount


def _compute_digest(source: str, scope: str, key: str) -> bytes:
    # Lengths keep ("a", "bc") and ("ab", "c") apart.
    place = f"{len(source)} {len(scope)} {source}{scope}{key}"
    return blake2b(place.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_SIZE).digest()
