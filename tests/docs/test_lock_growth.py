"""Reading a lock file, and deciding what it locks, takes time and memory that grow with its entries and no faster."""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.formats import FORMATS
from nerq_cli.resolve.lockfile import apply_lockfiles

BENCHMARK = Path(__file__).parents[2] / "docs" / "benchmarks" / "locks.py"
#: Entries, and how many times as many: growth with their square would be 16 times the time.
ENTRIES, FACTOR = 300, 4
#: Most growth that is accepted: twice that of a straight line.
MOST = 2 * FACTOR


def load_cases() -> dict[str, tuple[str, str, Callable[[int], str]]]:
    spec = spec_from_file_location("benchmark_locks", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module: Any = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    cases: dict[str, tuple[str, str, Callable[[int], str]]] = module.CASES
    return cases


CASES = load_cases()


def read(reader: str, name: str, text: str) -> tuple[DependencyFile, ...]:
    return apply_lockfiles([FORMATS[reader].reader.read(text, name)])


def measure_time(reader: str, name: str, text: str) -> float:
    """Return the least processor time of some runs, in seconds."""
    times = []
    for _ in range(4):
        started_at = time.process_time()
        read(reader, name, text)
        times.append(time.process_time() - started_at)
    return min(times)


def measure_memory(reader: str, name: str, text: str) -> int:
    """Return the most memory that is in use at once, in bytes."""
    tracemalloc.start()
    try:
        read(reader, name, text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("measure", [measure_time, measure_memory])
def test_growth_is_linear(case: str, measure: Callable[[str, str, str], float]) -> None:
    reader, name, write = CASES[case]
    small, large = (measure(reader, name, write(count)) for count in (ENTRIES, FACTOR * ENTRIES))
    assert large <= MOST * small
