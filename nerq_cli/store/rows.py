"""What the store keeps: bytes with an age. What the bytes say is for others to know."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """One kept answer. Times are epoch seconds (UTC).

    ``value`` is None where the source said that there is no such thing. ``validator`` is the ETag to ask again with,
    empty when there is none.
    """

    value: bytes | None
    fetched_at: int
    expires_at: int
    validator: str = ""


class CacheInfo(NamedTuple):
    """What is kept and where. ``rows`` counts answers by source; ``oldest`` and ``newest`` are epoch seconds."""

    path: Path | None
    bytes: int
    rows: dict[str, int]
    oldest: int | None
    newest: int | None


class Cache(Protocol):
    """Something that keeps answers. No failure of it ever raises: it keeps less, and ``problem`` says so."""

    @property
    def problem(self) -> str:
        """A sentence for the user when it does not run as it should; empty when all is well."""
        ...

    def get_many(self, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return what is kept under these keys, expired or not."""
        ...

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Keep these answers in place of earlier ones."""
        ...

    def get_info(self) -> CacheInfo:
        """Describe what is kept."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...

    def prune_expired(self, now: int, *, older_than: int) -> int:
        """Forget what expired more than ``older_than`` seconds before ``now``; return how many answers that were."""
        ...

    def close(self) -> None:
        """Let go of files. Nothing may be asked afterwards."""
        ...


class MemoryCache:
    """A cache that lives as long as the process: for ``--no-cache`` and for tests."""

    def __init__(self) -> None:
        self.problem = ""
        self._rows: dict[tuple[str, str, str], Row] = {}

    def get_many(self, source: str, scope: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return what is kept under these keys, expired or not."""
        candidate_rows = ((key, self._rows.get((source, scope, key))) for key in keys)
        return {key: row for key, row in candidate_rows if row is not None}

    def put_many(self, source: str, scope: str, rows: Mapping[str, Row]) -> None:
        """Keep these answers in place of earlier ones."""
        self._rows.update({(source, scope, key): row for key, row in rows.items()})

    def get_info(self) -> CacheInfo:
        """Describe what is kept."""
        counts: dict[str, int] = {}
        for source, _, _ in self._rows:
            counts[source] = counts.get(source, 0) + 1
        ages = [row.fetched_at for row in self._rows.values()]
        size = sum(len(row.value or b"") for row in self._rows.values())
        return CacheInfo(None, size, counts, min(ages, default=None), max(ages, default=None))

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()

    def prune_expired(self, now: int, *, older_than: int) -> int:
        """Forget what expired more than ``older_than`` seconds before ``now``; return how many answers that were."""
        expired_keys = [row_key for row_key, row in self._rows.items() if row.expires_at < now - older_than]
        for row_key in expired_keys:
            del self._rows[row_key]
        return len(expired_keys)

    def close(self) -> None:
        """Nothing to let go of."""


def get_default_directory() -> Path:
    """Return where the cache lives: ``NERQ_CACHE_DIR`` if set, else the cache directory of this system's user."""
    if configured_path := os.environ.get("NERQ_CACHE_DIR"):
        return Path(configured_path)
    from platformdirs import user_cache_path

    return user_cache_path("nerq-cli", appauthor=False)
