"""Results of tasks: in files that outlive their process, by one process or two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nerq_cli.application.fleet_workers import ResultFile, run_tasks


def read(path: Path) -> list[tuple[int, bytes]]:
    file = ResultFile(path)
    try:
        return list(file.read_new())
    finally:
        file.close()


def test_results_are_read_back_and_what_is_cut_is_not(tmp_path: Path) -> None:
    path = tmp_path / "results-1.bin"
    file = ResultFile(path)
    file.append(3, b"three")
    file.append(70_000, b"")
    file.append(5, b"five" * 1_000)
    file.close()
    assert read(path) == [(3, b"three"), (70_000, b""), (5, b"five" * 1_000)]
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert read(path) == [(3, b"three"), (70_000, b"")]
    path.write_bytes(content[:-1] + b"x")
    assert read(path) == [(3, b"three"), (70_000, b"")]


def test_results_follow_what_was_cut(tmp_path: Path) -> None:
    assert list(run_tasks([0, 1], lambda task: b"%d" % task, tmp_path)) == [(0, b"0"), (1, b"1")]
    path = tmp_path / "results-1.bin"
    path.write_bytes(path.read_bytes()[:-1])
    assert list(run_tasks([1, 2], lambda task: b"%d" % task, tmp_path)) == [(1, b"1"), (2, b"2")]
    assert read(path) == [(0, b"0"), (1, b"1"), (2, b"2")]


@pytest.mark.skipif(sys.platform != "linux", reason="the second process is a fork, on Linux only")
@pytest.mark.parametrize("failure", ["", "raise ValueError", "os._exit(9)", "os.kill(os.getpid(), 9)"])
def test_what_a_second_process_does_not_do_the_first_one_does(tmp_path: Path, failure: str) -> None:
    code = f"""
import os, sys, time
from pathlib import Path
from nerq_cli.application import fleet_workers
os.sched_getaffinity = lambda _: {{0, 1}}
first = os.getpid()
def work(task):
    time.sleep(0.01)
    if os.getpid() != first and task < 35:
        {failure or "pass"}
    return b"%d" % (os.getpid() == first)
results = dict(fleet_workers.run_tasks(range(40), work, Path(sys.argv[1])))
assert sorted(results) == list(range(40)), results
print(set(results.values()) == {{b"0", b"1"}})
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - of the test
    assert (result.stdout, result.stderr) == ("True\n", "")
