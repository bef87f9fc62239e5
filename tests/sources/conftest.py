"""Runs that ask services: each has its own door and its own circuit breakers, and they may share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nerq_cli.sources.gather import Fetcher, HttpSettings
from nerq_cli.store import MemoryCache

NOW = 1_800_000_000
QUICK = HttpSettings(timeout=2.0, backoff=0.001, seed=1)


@pytest.fixture
def open_run() -> Iterator[Callable[..., Fetcher]]:
    """Open a run, with a store of its own unless it is given one."""
    opened: list[Fetcher] = []

    def open_one(store: Any = None, **options: Any) -> Fetcher:
        usual: dict[str, Any] = {"now": NOW, "deadline_seconds": 10.0, "settings": QUICK}
        opened.append(Fetcher(MemoryCache() if store is None else store, **usual | options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
