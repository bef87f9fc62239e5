"""Keep responses and advisories between runs, in SQLite files or PostgreSQL. Values are opaque bytes with an age."""

from __future__ import annotations

from nerq_cli.store.answers import Store
from nerq_cli.store.rows import Cache, CacheInfo, MemoryCache, NullCache, Row, get_default_directory

__all__ = ["Cache", "CacheInfo", "MemoryCache", "NullCache", "Row", "Store", "get_default_directory"]
