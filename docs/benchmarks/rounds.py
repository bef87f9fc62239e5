"""Counts the rounds of a cold scan: the longest chain of requests of which each left after the one before was answered.

    python docs/benchmarks/rounds.py [--tree DIRECTORY]... [--delay SECONDS]... [--runs N] [--real]

Each tree is a checkout of nerq-cli; they take turns. Printed are the medians of time and processor time, the rounds,
and the requests by kind. With a delay far above the time that the work takes, the rounds are those that depend on each
other, and those for which the connections do not suffice.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import bodies
import run
import services

HERE = Path(__file__).parent


class Measured(NamedTuple):
    """One scan."""

    seconds: float
    #: User and system time of the scan.
    processor: float
    rounds: int
    requests: Counter[str]


@contextmanager
def registry(delay: float, log: Path, *options: str) -> Iterator[str]:
    """Run the stand-ins with these further options; give their address."""
    command = [sys.executable, str(HERE / "registry.py"), "--delay", str(delay), "--log", str(log), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def npm_lock(folder: Path, count: int) -> str:
    """Write a package-lock.json with that many packages, which require each other as those of a real one do."""
    pins = {f"module-{n:05}": bodies.npm_version(n) for n in range(bodies.DIRECT_COUNT)}
    packages: dict[str, object] = {"": {"name": "x", "version": "1.0.0", "dependencies": pins}}
    for n in range(count):
        required = {name: spec for name, spec in bodies.npm_dependencies(n).items() if int(name[-5:]) < count}
        packages[f"node_modules/module-{n:05}"] = {"version": bodies.npm_version(n), "dependencies": required}
    path = folder / "package-lock.json"
    path.write_text(json.dumps({"name": "x", "lockfileVersion": 3, "packages": packages}))
    (folder / "package.json").write_text(json.dumps({"name": "x", "version": "1.0.0", "dependencies": pins}))
    return str(path)


def count_rounds(log: Path) -> tuple[int, Counter[str]]:
    """Return the length of the longest chain in a log, and the requests by kind."""
    requests = [line.split(" ", 2) for line in log.read_text().splitlines()]
    rounds, end = 0, 0.0
    # Of all requests that left after the last one of the chain was answered, the one answered first continues it.
    for started, finished, _ in sorted(requests, key=lambda request: float(request[1])):
        if float(started) >= end:
            rounds, end = rounds + 1, float(finished)
    return rounds, Counter(name_kind(path) for *_, path in requests)


def name_kind(path: str) -> str:
    """Return the kind of a request."""
    parts = path.partition("?")[0].strip("/").split("/")
    if parts[0] == "pypi":
        return "project page" if len(parts) == 3 else "release page"
    if parts[0] == "simple":
        return "simple listing"
    if services.answers(path):
        return f"{parts[0]} {parts[2]}" if parts[0] in {"osv", "deps-dev"} else parts[0]
    return "manifest" if len(parts) > 1 else "packument"


def measure(tree: str, path: str, address: str, log: Path) -> Measured:
    """Scan a file with an empty cache."""
    log.write_text("")
    with tempfile.TemporaryDirectory() as cache:
        places = {"NERQ_PYPI_URL": address, "NERQ_NPM_URL": address, "NERQ_CACHE_DIR": cache, "HOME": cache}
        env = {**os.environ, **places, **services.environment(address), "PYTHONPATH": tree}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # or each run would compile every module
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [*run.NERQ, "scan", path, "--timeout", "300"]
        done = subprocess.run(command, env=env, capture_output=True, check=False, cwd=cache)
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(f"{tree}: status {done.returncode}\n{done.stdout.decode()[-3000:]}\n{done.stderr.decode()}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, processor, *count_rounds(log))


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", action="append", default=[])
    parser.add_argument("--delay", action="append", type=float, default=[])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the name of what is scanned")
    parser.add_argument("--real", action="store_true", help="bodies as large as real ones, and more advisories")
    options = parser.parse_args()
    trees = options.tree or [str(HERE.parents[1])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {
            "45 pins": run.requirements(folder, 45),
            "1,000 pins": run.requirements(folder, 1_000),
            "npm lock of 600": npm_lock(folder, 600),
        }
        for what, path in paths.items():
            if options.only not in what:
                continue
            for delay in options.delay or [0.0, 0.02, 0.1]:
                with registry(delay, folder / "log", *(["--real"] if options.real else [])) as address:
                    measure(trees[0], path, address, folder / "log")  # the stand-ins make up their answers
                    results = [
                        [measure(tree, path, address, folder / "log") for tree in trees] for _ in range(options.runs)
                    ]
                for tree, measured in zip(trees, zip(*results, strict=True), strict=True):
                    seconds, processor = (
                        median([one.seconds for one in measured]),
                        median([one.processor for one in measured]),
                    )
                    rounds = median([one.rounds for one in measured])
                    counts = measured[-1].requests
                    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
                    print(
                        f"{what}, {delay * 1e3:.0f} ms, {tree}: {seconds:.2f} s "
                        f"({min(one.seconds for one in measured):.2f} at best), processor {processor:.2f} s "
                        f"({min(one.processor for one in measured):.2f}), "
                        f"{rounds:.0f} rounds, {sum(counts.values())} requests ({kinds})",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
