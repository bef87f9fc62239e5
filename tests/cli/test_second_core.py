"""A second process takes a part of a large scan; the report is the same with it, without it, and when it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nerq_cli.store import Row, Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the second process is a fork, on Linux only")

AS_OF = ("--as-of", "2026-11-21")
PACKAGES = 20
#: Every scan of more than 8 packages is large, in batches of 4; the first process begins no second batch, so that the
#: second one is asked for all others. What it returned is written to a file.
START = """
import os, sys
from nerq_cli.application import scan, second_core
scan.MIN_SHARED, scan.BATCH_SIZE = 8, 4
os.sched_getaffinity = lambda _: {0, 1}
second = second_core._SecondProcess
second.take_batch = lambda self: False
collect, start = second.collect_results, second.start.__func__
def collect_and_log(self):
    results = collect(self)
    open("returned", "w").write(str(sorted(results)))
    return results
def start_and_log(cls, *arguments):
    process = start(cls, *arguments)
    open("pid", "w").write(str(process._pid))
    return process
second.collect_results, second.start = collect_and_log, classmethod(start_and_log)
"""
ALONE = "\nscan.MIN_SHARED = 1_000_000\n"
MAIN = "\nfrom nerq_cli.__main__ import main\nmain()\n"


class Run(NamedTuple):
    """What a scan left behind."""

    status: int
    out: str
    err: str
    #: Batches that the second process returned; None if there was no second process.
    returned: list[int] | None


@pytest.fixture
def cache_file(tmp_path: Path) -> Path:
    """The file of the cache, once there is one."""
    return tmp_path / "cache" / "facts-3.sqlite3"


def execute(path: Path, statement: str, *parameters: str) -> int:
    """Change the cache; return the number of rows."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, parameters).rowcount


def change_times(path: Path, choose: Callable[[Row], int], *, key: str = "%") -> int:
    """Change when answers were fetched; return the number of rows."""
    select = "SELECT source, scope, key FROM fact JOIN place ON place.id = fact.place WHERE key LIKE ?"
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(select, (key,)).fetchall()
    store = Store.open(path.parent, now=0)
    for source, scope, found_key in found:
        row = store.get_many(source, scope, [found_key])[found_key]
        store.put_many(source, scope, {found_key: row._replace(fetched_at=choose(row))})
    store.close()
    return len(found)


@pytest.fixture
def scan(project: Path, registry: Any, services: Any) -> Callable[..., Run]:
    """Scan a project of twenty packages in a process of its own, with a change to the code."""
    registry.most_used()
    for n in range(PACKAGES - 1):  # the last one is in no index
        registry.pypi(f"demo-{n:02}", "1.0", "2.0", "3.0")
    services.advisory("demo-18", "1.0", identifier="GHSA-aaaa-bbbb-cccc", database_specific={"severity": "HIGH"})
    services.advisory("demo-03", "1.0", "2.0", identifier="PYSEC-2026-1", aliases=["CVE-2026-12345"])
    pins = [f"demo-{n:02}=={1 + n % 3}.0" if n % 5 else f"demo-{n:02}>=1" for n in range(PACKAGES)]
    (project / "requirements.txt").write_text("\n".join(pins) + "\n")

    def run(change: str = "", *options: str) -> Run:
        (project / "returned").unlink(missing_ok=True)
        code = START + change + MAIN
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code, "scan", *AS_OF, *(options or ("--format", "json"))],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        log = project / "returned"
        returned = json.loads(log.read_text()) if log.exists() else None
        return Run(done.returncode, done.stdout, done.stderr, returned)

    return run


@pytest.fixture
def warm(scan: Callable[..., Run], cache_file: Path) -> Run:
    """The cache has every answer for a minute; returns what a scan in one process gives then."""
    scan(ALONE)
    change_times(cache_file, lambda row: row.fetched_at - 60)
    alone = scan(ALONE)
    assert alone.returned is None
    assert {source["requests"] for source in json.loads(alone.out)["sources"]} == {0}
    return alone


def assert_same(run: Run, expected: Run) -> None:
    assert (run.status, run.out, run.err) == (expected.status, expected.out, expected.err)


@pytest.mark.parametrize("options", [("--format", "json"), ("--format", "json", "--offline"), ("--all",)])
def test_the_report_is_the_same_with_a_second_process(scan: Callable[..., Run], warm: Run, options: tuple[str]) -> None:
    alone, shared = scan(ALONE, *options), scan("", *options)
    assert shared.returned == [1, 2, 3, 4]
    if "--all" in options:  # the table shows how long the run took
        return
    assert_same(shared, alone)


@pytest.mark.usefixtures("warm")
def test_age_rules_hold_in_both_processes(scan: Callable[..., Run], project: Path) -> None:
    (project / "uv.toml").write_text('exclude-newer = "800 days"\n')
    scan(ALONE)  # a rule may want other versions
    alone, shared = scan(ALONE), scan()
    assert shared.returned == [1, 2, 3, 4]
    assert '"installable": "later"' in alone.out
    assert_same(shared, alone)


@pytest.mark.usefixtures("warm")
def test_scores_that_are_not_kept_are_computed_in_both_processes(scan: Callable[..., Run]) -> None:
    computed = "\nfrom nerq_cli.application import scores\nscores.describe_code = lambda: '{}'\n"
    alone, shared = scan(ALONE + computed.format("a")), scan(computed.format("b"))
    assert shared.returned == [1, 2, 3, 4]
    assert_same(shared, alone)


def test_both_processes_share_the_batches(scan: Callable[..., Run], warm: Run) -> None:
    change = "\nsecond.take_batch = lambda self: os.read(self._batches, 1) == bytes(1)\n"
    assert_same(scan(change), warm)


@pytest.mark.parametrize(
    ("failure", "after"),
    [
        pytest.param("os.kill(os.getpid(), 9)", 0, id="killed"),
        pytest.param("os.kill(os.getpid(), 9)", 2, id="killed later"),
        pytest.param("raise RuntimeError('mistake')", 2, id="exception"),
        pytest.param("raise KeyboardInterrupt", 1, id="interrupted"),
        pytest.param(
            "os.write(results, (4).to_bytes(8, 'big') + (99).to_bytes(8, 'big') + b'half'); os._exit(0)", 0, id="half"
        ),
        pytest.param("os.write(results, b'half'); os._exit(0)", 1, id="half a header"),
        pytest.param("print('said'); os.write(2, b'said'); sys.exit('said')", 0, id="words"),
    ],
)
def test_what_a_failing_process_did_not_return_is_assessed_by_the_first(
    scan: Callable[..., Run], warm: Run, failure: str, after: int
) -> None:
    change = (
        "\nwrite, done = second_core._write_result, []\n"
        "def fail(results, index, result):\n"
        f"    if len(done) == {after}:\n"
        f"        {failure}\n"
        "    write(results, index, result)\n"
        "    done.append(index)\n"
        "second_core._write_result = fail\n"
    )
    shared = scan(change)
    assert shared.returned == [4, 3][:after][::-1]
    assert_same(shared, warm)


def test_a_process_that_hangs_is_ended(scan: Callable[..., Run], warm: Run) -> None:
    change = (
        "\nimport time\nsecond_core.MAX_WAIT = 0.2\nsecond_core._assess_from_back = lambda *_, **__: time.sleep(60)\n"
    )
    started = time.monotonic()
    shared = scan(change)
    assert time.monotonic() - started < 30
    assert shared.returned == []
    assert_same(shared, warm)


def test_where_no_process_can_be_started_there_is_one(scan: Callable[..., Run], warm: Run) -> None:
    change = "\nsecond.start = classmethod(start)\ndef refuse():\n    raise OSError(11, 'refused')\nos.fork = refuse\n"
    shared = scan(change)
    assert shared.returned is None
    assert_same(shared, warm)


@pytest.mark.parametrize("to_group", [True, False])
@pytest.mark.usefixtures("warm")
def test_an_interrupt_ends_both_processes(project: Path, *, to_group: bool) -> None:
    (project / "pid").unlink(missing_ok=True)
    change = "\nimport time\nsecond_core._assess_from_back = lambda *_, **__: time.sleep(60)\n"
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", START + change + MAIN, "scan", *AS_OF],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    log = project / "pid"
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = int(log.read_text())
    time.sleep(0.3)
    (os.killpg if to_group else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == ("", "")
    with suppress(ProcessLookupError):
        os.kill(second, 0)
        pytest.fail("the second process still runs")


@pytest.mark.usefixtures("warm")
def test_answers_that_are_not_in_the_cache_are_requested_by_the_first_process(
    scan: Callable[..., Run], cache_file: Path, registry: Any
) -> None:
    forget = "DELETE FROM fact WHERE key = ? AND place IN (SELECT id FROM place WHERE source = 'pypi-json')"
    paths, documents = [], []
    for change in (ALONE, ""):
        assert execute(cache_file, forget, "pypi/demo-18") == 1
        registry.site.requests.clear()
        run = scan(change)
        paths.append(registry.paths)
        documents.append(json.loads(re.sub(r'("(?:retrieved_at|oldest)\w*": )"[^"]*"', r'\1""', run.out)))
    assert run.returned == [1, 2, 3]  # the last batch has the package
    assert paths == [["/pypi/demo-18/json"]] * 2
    assert documents[0]["sources"] == documents[1]["sources"]
    assert documents[0]["dependencies"] == documents[1]["dependencies"]


@pytest.mark.usefixtures("warm")
def test_a_second_process_that_lacks_answers_again_and_again_ends(scan: Callable[..., Run], cache_file: Path) -> None:
    for _ in range(2):
        execute(cache_file, "DELETE FROM fact WHERE key IN ('pypi/demo-18', 'pypi/demo-14')")
    assert scan().returned == []


@pytest.mark.usefixtures("warm")
def test_answers_of_this_moment_count_as_those_of_the_first_process(scan: Callable[..., Run], cache_file: Path) -> None:
    assert change_times(cache_file, lambda row: row.fetched_at + 2_000, key="pypi/demo-18")
    assert scan().returned == [1, 2, 3]


def test_a_cold_scan_sends_the_same_requests(
    scan: Callable[..., Run], registry: Any, services: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts = []
    for name, change in (("one", ALONE), ("two", "")):
        monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path / name))
        registry.site.requests.clear()
        services.site.requests.clear()
        run = scan(change)
        assert not run.returned
        # how many batches a service receives depends on when answers arrive
        counts.append((sorted(registry.paths), {request.path for request in services.site.requests}))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("options", [("--no-cache",), ("--refresh",)])
@pytest.mark.usefixtures("warm")
def test_there_is_no_second_process_without_a_cache_to_read(scan: Callable[..., Run], options: tuple[str]) -> None:
    assert scan("", *options).returned is None


@pytest.mark.parametrize(
    "change",
    [
        "os.sched_getaffinity = lambda _: {0}",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "sys.platform = 'darwin'",
        "scan.MIN_SHARED = 21",
    ],
)
def test_there_is_no_second_process_where_it_is_of_no_use(scan: Callable[..., Run], warm: Run, change: str) -> None:
    shared = scan(f"\n{change}\n")
    assert shared.returned is None
    assert_same(shared, warm)
