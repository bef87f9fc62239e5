"""The rows of the store: opaque bytes with an age."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """One stored response. Times are epoch seconds (UTC).

    ``value`` is None when the source reported that the subject does not exist. ``validator`` is what
    ``fetch`` needs for a conditional request, empty without one.
    """

    value: bytes | None
    fetched_at: int
    expires_at: int
    validator: str = ""


class CacheInfo(NamedTuple):
    """State of the cache. ``rows`` counts responses by source; ``oldest`` and ``newest`` are epoch seconds."""

    path: Path | None
    bytes: int
    rows: dict[str, int]
    oldest: int | None
    newest: int | None


class Cache(Protocol):
    """A cache of responses. Failures are not raised: less is stored, and ``problem`` has the reason."""

    @property
    def problem(self) -> str:
        """A sentence for the user after a failure; empty without one."""
        ...

    def get_many(self, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return the rows under these keys, expired or not."""
        ...

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Store these rows in place of earlier ones."""
        ...

    def get_info(self) -> CacheInfo:
        """Return size, counts and dates of the cache."""
        ...

    def clear(self) -> None:
        """Delete everything."""
        ...

    def prune_expired(self, now: int, *, older_than: int) -> int:
        """Delete rows that expired more than ``older_than`` seconds before ``now``; return how many."""
        ...

    def drop_expired(self, source: str, now: int) -> None:
        """Delete the rows of a source that expired before ``now`` (epoch seconds UTC)."""
        ...

    def close(self) -> None:
        """Close files. No method may be called afterwards."""
        ...


class MemoryCache:
    """A cache in memory: for ``--no-cache`` and for tests."""

    def __init__(self) -> None:
        self.problem = ""
        self._rows: dict[tuple[str, str, str], Row] = {}

    def get_many(self, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return the rows under these keys, expired or not."""
        candidate_rows = ((key, self._rows.get((source, scope, key))) for key in keys)
        return {key: row for key, row in candidate_rows if row is not None}

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Store these rows in place of earlier ones."""
        self._rows.update({(source, scope, key): row for key, row in rows.items()})

    def get_info(self) -> CacheInfo:
        """Return counts and dates of the cache."""
        counts: dict[str, int] = {}
        for source, _, _ in self._rows:
            counts[source] = counts.get(source, 0) + 1
        ages = [row.fetched_at for row in self._rows.values()]
        size = sum(len(row.value or b"") for row in self._rows.values())
        return CacheInfo(None, size, counts, min(ages, default=None), max(ages, default=None))

    def clear(self) -> None:
        """Delete everything."""
        self._rows.clear()

    def prune_expired(self, now: int, *, older_than: int) -> int:
        """Delete rows that expired more than ``older_than`` seconds before ``now``; return how many."""
        expired_keys = [row_key for row_key, row in self._rows.items() if row.expires_at < now - older_than]
        for row_key in expired_keys:
            del self._rows[row_key]
        return len(expired_keys)

    def drop_expired(self, source: str, now: int) -> None:
        """Delete the rows of a source that expired before ``now`` (epoch seconds UTC)."""
        self._rows = {key: row for key, row in self._rows.items() if key[0] != source or row.expires_at >= now}

    def close(self) -> None:
        """Do nothing: there is no file."""


class NullCache(MemoryCache):
    """A cache that keeps nothing."""

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Drop these rows."""


def get_default_directory() -> Path:
    """Return the cache directory: ``NERQ_CACHE_DIR`` if set, else the user's cache directory on this system."""
    if configured_path := os.environ.get("NERQ_CACHE_DIR"):
        return Path(configured_path)
    from platformdirs import user_cache_path

    return user_cache_path("nerq-cli", appauthor=False)
