"""Answers kept between runs, in one SQLite file. The store knows bytes and their age, not what they say."""

from __future__ import annotations

from nerq_cli.store.answers import Store
from nerq_cli.store.rows import Cache, CacheInfo, MemoryCache, Row, get_default_directory

__all__ = ["Cache", "CacheInfo", "MemoryCache", "Row", "Store", "get_default_directory"]
