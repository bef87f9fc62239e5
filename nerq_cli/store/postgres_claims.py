"""Claims of several processes: advisory locks of PostgreSQL, which it frees when the connection of their process ends.

An advisory lock is held by a connection, and all threads of a process share one: what they hold against each other is
kept in the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import psycopg

from nerq_cli.store.claims import LocalClaims
from nerq_cli.store.postgres_connection import PostgresConnection

#: Locks that a process holds at most: PostgreSQL has room for about 6,400 in its default configuration.
_MAX_LOCKS: Final = 1_000
#: Seconds between two looks at locks of other processes.
_POLL_INTERVAL: Final = 0.05

_TRY_LOCKS: Final = "SELECT lock FROM unnest(%s::bigint[]) AS lock WHERE pg_try_advisory_lock(lock)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(lock) FROM unnest(%s::bigint[]) AS lock"
#: PostgreSQL shows a lock of 64 bits as two numbers of 32 bits.
_COUNT_HELD: Final = """
SELECT COUNT(*) FROM pg_locks JOIN unnest(%s::bigint[]) AS wanted (lock)
ON classid::bigint = (lock >> 32) & 4294967295 AND objid::bigint = lock & 4294967295
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class PostgresClaims:
    """Claims of all processes that use one database; see ``PostgresConnection`` for failures. Safe for threads.

    While the server is away the claims are those of this process alone: work may be done twice, and all is done.
    """

    def __init__(self, connection: PostgresConnection, on_close: Callable[[], None] = lambda: None) -> None:
        """Use a connection. ``on_close`` is called when the claims are closed: with them, the service ends."""
        self._connection = connection
        self._on_close = on_close
        self._local = LocalClaims()
        self._lock = threading.Lock()
        #: Keys whose lock this process holds, with the connection that took it.
        self._locked: dict[str, int] = {}

    @property
    def problem(self) -> str:
        """A sentence for the user after a failure; empty without one, and when the server is back."""
        return self._connection.problem

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Claim these keys; return those that are now the caller's alone, not more than a process may hold."""
        mine = self._local.claim(keys)
        if not mine:
            return mine
        with self._lock:
            self._locked = {
                key: number for key, number in self._locked.items() if number == self._connection.generation
            }
            wanted = {_number(key): key for key in islice(sorted(mine), max(0, _MAX_LOCKS - len(self._locked)))}
            locks = self._connection.run("read", lambda connection: _try_locks(connection, wanted), None)
            if locks is None:  # the server is away
                return mine
            claimed = {wanted[lock] for lock in locks}
            self._locked.update(dict.fromkeys(claimed, self._connection.generation))
        self._local.release(mine - claimed)
        return claimed

    def release(self, keys: Iterable[str]) -> None:
        """Give up keys that the caller claimed. Their locks are free before another thread can claim them."""
        keys = set(keys)
        with self._lock:
            held = {key: self._locked.pop(key) for key in keys & self._locked.keys()}
            locks = [_number(key) for key, number in held.items() if number == self._connection.generation]
            if locks:
                self._connection.run("read", lambda connection: _unlock(connection, locks), None)
        self._local.release(keys)

    def wait(self, keys: Collection[str], timeout: float) -> bool:
        """Wait until one of these keys is free, at most ``timeout`` seconds; return whether one is."""
        deadline = time.monotonic() + timeout
        numbers = [_number(key) for key in keys]
        while True:
            if not self._local.wait(keys, max(0.0, deadline - time.monotonic())):
                return False
            held = self._connection.run("read", lambda connection: _count_held(connection, numbers), 0)
            if held < len(keys) and len(self._locked) < _MAX_LOCKS:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_INTERVAL)

    def close(self) -> None:
        """Release everything, and close the connection."""
        self._local.close()
        self._connection.close()
        self._on_close()


def _number(key: str) -> int:
    """Return the number of the lock of a key: equal numbers of two keys make one wait for the other, and no more."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, person=b"nerq claim").digest()
    return int.from_bytes(digest, "big", signed=True)


def _try_locks(connection: psycopg.Connection[tuple[Any, ...]], wanted: Mapping[int, str]) -> set[int]:
    return {lock for (lock,) in connection.execute(_TRY_LOCKS, ([*wanted],)).fetchall()}


def _unlock(connection: psycopg.Connection[tuple[Any, ...]], locks: list[int]) -> None:
    connection.execute(_UNLOCK, (locks,))


def _count_held(connection: psycopg.Connection[tuple[Any, ...]], locks: list[int]) -> int:
    [(count,)] = connection.execute(_COUNT_HELD, (locks,)).fetchall()
    return int(count)
