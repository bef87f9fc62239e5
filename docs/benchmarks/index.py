"""Measures ``nerq index``: scores of many rows in one process and on a cluster, and facts gathered from stand-ins.

    python docs/benchmarks/index.py score [--rows N] [--facts FILE]
    python docs/benchmarks/index.py gather [--packages N]

The rows are drawn like those of the tests (``tests/bulk/conftest.py``), 20,000 different ones in a random order.
``gather`` reads half of its packages from each registry, is killed when a third of them is done, and goes on; then it
does the same with the cache filled.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NERQ = [sys.executable, "-m", "nerq_cli"]
DIFFERENT = 20_000
#: Of the drawn evidence.
AS_OF = "2026-09-21"
WORKER = ["--nthreads", "1", "--no-nanny", "--dashboard-address", "127.0.0.1:0"]


def make_facts(path: Path, rows: int) -> None:
    """Write a table of facts."""
    sys.path.insert(0, str(ROOT))
    import polars as pl

    from nerq_cli.bulk.fact_columns import build_row
    from nerq_cli.bulk.score import build_schema
    from tests.bulk.conftest import draw_evidence

    source = random.Random(1)
    drawn = []
    for number in range(min(DIFFERENT, rows)):
        ecosystem, version, evidence = draw_evidence(source)
        drawn.append(build_row(ecosystem, f"demo-{number}", version, evidence))
    table = pl.DataFrame(drawn, schema=build_schema())
    count = -(-rows // len(table))
    batches = (table.sample(fraction=1.0, shuffle=True, seed=seed) for seed in range(count))
    pl.concat([batch.lazy() for batch in batches]).head(rows).sink_parquet(path, row_group_size=100_000)


def measure(command: list[str], environment: dict[str, str]) -> None:
    """Run a command, and print wall time, processor time and peak memory."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    summary = output.splitlines()[0] if output else f"exit {process.returncode}"
    print(
        f"  {wall:6.1f} s wall  {processor:6.1f} s processor  {usage.ru_maxrss / 1000:6.0f} MB  {summary}", flush=True
    )


def read_processor_time(process: subprocess.Popen[bytes]) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_cluster(facts: Path, folder: Path, workers: int, environment: dict[str, str]) -> None:
    """Score on a cluster of processes with one thread each."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    module = [sys.executable, "-m"]
    options = ["--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0"]
    own = {**environment, "POLARS_MAX_THREADS": "1"}
    quiet = {"env": own, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    processes = [subprocess.Popen([*module, "distributed.cli.dask_scheduler", *options], **quiet)]
    time.sleep(3)
    worker = [*module, "distributed.cli.dask_worker", address, *WORKER, "--local-directory", str(folder)]
    processes += [subprocess.Popen(worker, **quiet) for _ in range(workers)]
    time.sleep(5)
    used = [read_processor_time(process) for process in processes]
    print(f"{workers} worker(s)")
    try:
        output = folder / f"scores-{workers}"
        command = ["index", "score", str(facts), "-o", str(output), "--as-of", AS_OF, "--scheduler", address]
        measure([*NERQ, *command], environment)
        spent = [read_processor_time(process) - before for process, before in zip(processes, used, strict=True)]
        print("  processor time of scheduler and workers:", *(f"{seconds:.1f} s" for seconds in spent))
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def measure_scores(rows: int, facts: Path | None, folder: Path) -> None:
    """Measure one process, then one and two workers."""
    if facts is None:
        facts = folder / "facts.parquet"
        make_facts(facts, rows)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    print("one process")
    measure([*NERQ, "index", "score", str(facts), "-o", str(folder / "s.parquet"), "--as-of", AS_OF], environment)
    for workers in (1, 2):
        measure_cluster(facts, folder, workers, environment)


def measure_gathering(packages: int, folder: Path) -> None:
    """Gather from stand-ins: interrupted, resumed, and with the cache filled."""
    sys.path.insert(0, str(HERE))
    import services

    stand_in = subprocess.Popen([sys.executable, str(HERE / "registry.py")], stdout=subprocess.PIPE, text=True)
    assert stand_in.stdout is not None
    address = f"http://127.0.0.1:{stand_in.stdout.readline().strip()}"
    places = {"NERQ_PYPI_URL": address, "NERQ_NPM_URL": address, **services.environment(address)}
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT), "NERQ_CACHE_DIR": str(folder / "cache")}
    names = [f"pypi:package-{number:05}" for number in range(packages // 2)]
    names += [f"npm:module-{number:05}" for number in range(packages // 2)]
    (folder / "list.txt").write_text("\n".join(names))
    facts = folder / "facts.parquet"
    command = [*NERQ, "index", "gather", str(folder / "list.txt"), "-o", str(facts)]
    try:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        start = time.monotonic()
        while len([*Path(f"{facts}.parts").glob("part-*.parquet")]) * 1000 < packages / 3 and process.poll() is None:
            time.sleep(0.1)
        process.kill()
        process.wait()
        kept = len([*Path(f"{facts}.parts").glob("part-*.parquet")])
        print(f"killed after {time.monotonic() - start:.1f} s, {kept} parts kept\nthe rest")
        measure(command, environment)
        content = facts.read_bytes()
        print("again, from the cache")
        measure(command, environment)
        print("  the same bytes" if facts.read_bytes() == content else "  other bytes")
    finally:
        stand_in.kill()
        stand_in.wait()


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description="Measures nerq index.")
    parser.add_argument("what", choices=["score", "gather"])
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--facts", type=Path, help="a table made before")
    parser.add_argument("--packages", type=int, default=5_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if arguments.what == "score":
            measure_scores(arguments.rows, arguments.facts, Path(name))
        else:
            measure_gathering(arguments.packages, Path(name))


if __name__ == "__main__":
    main()
