"""When a batch leaves."""

from __future__ import annotations

import pytest

from nerq_cli.ecosystems import PYPI
from nerq_cli.evidence.early_requests import _Collector
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release
from nerq_cli.sources import deps_dev


def collector(size: int, capacity: int = 1_000) -> _Collector[Release]:
    batch = _Collector[Release](deps_dev.VERSIONS, Endpoint(url="https://registry.example"), capacity, "name", "page")
    batch.add(Release(package=Package(ecosystem=PYPI, name=f"p{n}"), version="1") for n in range(size))
    return batch


@pytest.mark.parametrize(
    ("size", "pending", "is_quiet", "leaves"),
    [
        (0, 0, False, False),
        (1, 0, False, True),
        (44, 1, False, False),
        (44, 1, True, True),
        (1, 16, True, True),
        (64, 936, True, False),
        (500, 500, True, True),
        (500, 500, False, False),
        (750, 250, False, True),
        (150, 50, False, False),
        (1_000, 9_000, False, True),
    ],
)
def test_a_batch_leaves_when_little_may_be_added(size: int, pending: int, is_quiet: bool, leaves: bool) -> None:  # noqa: FBT001 - a table
    assert collector(size).is_due({"name": pending, "page": 0, "other": 99}, is_quiet=is_quiet) is leaves


def test_what_is_added_twice_is_there_once() -> None:
    batch = collector(3)
    batch.add(list(batch.subjects))
    assert len(batch.subjects) == 3
