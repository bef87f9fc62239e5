"""Measures what the project promises about speed, in one run on one machine, and prints ratios.

    python docs/benchmarks/run.py [--large]

Everything is measured with the interpreter that runs this file; nerq-cli must be installed for it. Nothing leaves
the machine: registries are stood in for on loopback.

``--large`` measures the memory of up to 50,000 dependencies instead. It takes ten minutes, and 7 GB for the stand-ins,
which keep every answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import services

HERE = Path(__file__).parent
NERQ = [sys.executable, "-m", "nerq_cli"]
#: Requests that one host receives at a time at most (nerq_cli.fetch.concurrency).
CONCURRENCY = 64


def timed(command: list[str], *, runs: int = 7, env: dict[str, str] | None = None) -> float:
    """Return the median wall time of a command in seconds."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, check=False)
        times.append(time.perf_counter() - started)
        if done.returncode not in (0, 1):
            sys.exit(f"{' '.join(command)} failed: {done.stderr.decode()}")
    return sorted(times)[len(times) // 2]


@contextmanager
def registry(delay: float = 0.0) -> Iterator[dict[str, str]]:
    """Run the stand-in registries; give the environment that points nerq at them, with a cache of its own."""
    command = [sys.executable, str(HERE / "registry.py"), "--delay", str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    try:
        with tempfile.TemporaryDirectory() as cache:
            places = {"NERQ_PYPI_URL": address, "NERQ_NPM_URL": address, "NERQ_CACHE_DIR": cache}
            yield {**os.environ, **places, **services.environment(address)}
    finally:
        process.kill()
        process.wait()


def requirements(folder: Path, count: int) -> str:
    """Write that many pins into a requirements file."""
    path = folder / f"requirements-{count}.txt"
    path.write_text("".join(f"package-{n:05}=={1 + n % 4}.{n % 10}.0\n" for n in range(count)))
    return str(path)


def npm_project(folder: Path, count: int) -> str:
    """Write a package.json with that many pins."""
    path = folder / "package.json"
    lines = ",\n".join(f'    "module-{n:05}": "{1 + n % 4}.{n % 10}.0"' for n in range(count))
    path.write_text('{\n  "name": "x",\n  "dependencies": {\n' + lines + "\n  }\n}\n")
    return str(path)


def npm_lock(folder: Path, count: int, address: str) -> str:
    """Write a package-lock.json with that many packages of a registry, each of which requires two others."""

    def version(n: int) -> str:
        return f"{1 + n % 4}.{n % 10}.0"

    def require(numbers: Iterable[int]) -> dict[str, str]:
        return {f"module-{n:05}": f"^{version(n)}" for n in numbers if n < count}

    packages: dict[str, object] = {"": {"name": "x", "dependencies": require(range(10))}}
    for n in range(count):
        packages[f"node_modules/module-{n:05}"] = {
            "version": version(n),
            "resolved": f"{address}/module-{n:05}/-/module-{n:05}-{version(n)}.tgz",
            "integrity": f"sha512-{'A' * 86}==",
            "dependencies": require((n + 1, n + 3)),
        }
    path = folder / "package-lock.json"
    path.write_text(json.dumps({"name": "x", "lockfileVersion": 3, "packages": packages}, indent=2))
    return str(path)


def scan(path: str, *options: str) -> list[str]:
    """Return the command that scans a file."""
    return [*NERQ, "scan", path, "--timeout", "300", *options]


def show(what: str, value: str, allowed: str = "") -> None:
    """Print one figure."""
    print(f"{what:<64} {value:>24}   {allowed}", flush=True)


def start_up(_folder: Path) -> None:
    """Time what every run pays."""
    bare = timed([sys.executable, "-c", "pass"], runs=15)
    show("bare interpreter", f"{bare * 1e3:.0f} ms")
    for option in ("--help", "--version"):
        took = timed([*NERQ, option], runs=15)
        show(
            f"nerq {option}",
            f"{took * 1e3:.0f} ms = {took / bare:.1f} x bare",
            f"at most {1.5 if option == '--version' else 7.5} x",
        )


def warm(folder: Path) -> None:
    """Time scans that are answered from the cache."""
    with registry() as env:
        small = requirements(folder, 45)
        cold = timed(scan(small), runs=1, env=env)
        took = timed(scan(small), env=env)
        show("45 pins, cold, registry without delay", f"{cold:.2f} s")
        show("45 pins, warm", f"{took:.2f} s", "at most 0.17 s")
        times = {}
        for count, allowed in ((1_000, "at most 0.30 s"), (10_000, "at most 1.3 s, 150 MB")):
            path = requirements(folder, count)
            timed(scan(path), runs=1, env=env)
            times[count] = timed(scan(path), runs=3, env=env)
            show(f"{count:,} pins, warm", f"{times[count]:.2f} s, {peak(scan(path), env):.0f} MB", allowed)
        growth = (times[10_000] - took) / (times[1_000] - took)
        show("growth from 1,000 to 10,000", f"{growth:.1f} x", "10 x is linear")


def peak(command: list[str], env: dict[str, str]) -> float:
    """Return the peak resident memory of a command in megabytes."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, *command], env=env, capture_output=True, text=True, check=True
    )
    return int(printed.stdout) * (1 if sys.platform == "darwin" else 1024) / 1e6


def large(folder: Path) -> None:
    """Measure the memory of large projects, cold and warm, and whether cold ones keep within their own time limit."""
    with registry() as env:
        projects = [("pins", count, requirements(folder, count)) for count in (10_000, 25_000, 50_000)]
        lockfile = npm_lock(folder, 50_000, env["NERQ_NPM_URL"])
        for what, count, path in (*projects, ("packages of a package-lock.json", 50_000, lockfile)):
            command = [*NERQ, "scan", path]
            own_env = {**env, "NERQ_CACHE_DIR": str(folder / f"cache-{Path(path).stem}")}
            started = time.perf_counter()
            used = peak(command, own_env)
            took = time.perf_counter() - started
            show(f"{count:,} {what}, cold", f"{took:.0f} s, {used:.0f} MB", f"at most {count // 1_000 * 30:,} s")
            forms = ([], ["--format", "json"], ["--format", "json", "--compact"])
            figures = " / ".join(f"{peak([*command, *form], own_env):.0f}" for form in forms)
            show("  warm, as text / JSON / compact JSON", f"{figures} MB", "at most 300 MB")


def output(command: list[str], env: dict[str, str]) -> str:
    """Return what a command prints."""
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def everything(folder: Path) -> None:
    """Time cold scans of 1,000 pins with every service there, every answer taking 100 ms."""
    for what, path in (("npm", npm_project(folder, 1_000)), ("PyPI", requirements(folder, 1_000))):
        with registry(delay=0.1) as env:
            with tempfile.TemporaryDirectory() as other:  # the stand-ins make up their answers when first asked
                output(scan(path, "--format", "json"), {**env, "NERQ_CACHE_DIR": other})
            started = time.perf_counter()
            sources = json.loads(output(scan(path, "--format", "json"), env))["sources"]
            took = time.perf_counter() - started
        asked = {source["name"]: source["requests"] for source in sources}
        own = asked.pop(what)
        show(f"1,000 {what} pins, 40 advisories, cold, 100 ms an answer", f"{took:.1f} s", "at most 15 s")
        show(f"  requests beside the {own:,} to the registry", f"{sum(asked.values())}", "at most 60")


def cold(folder: Path) -> None:
    """Time cold scans against registries that answer after 50 ms."""
    for what, path, requests in (
        ("npm packages", npm_project(folder, 1_000), 1_000),
        ("PyPI packages", requirements(folder, 1_000), 0),
    ):
        with registry() as env:
            work = timed(scan(path), runs=1, env=env)  # what the same costs without waiting for answers
        with registry(delay=0.05) as env:
            took = timed(scan(path), runs=1, env=env)
        asked = requests or count_requests(path)
        waiting = ceil(asked / CONCURRENCY) * 0.05
        show(f"1,000 {what}, cold, 50 ms an answer, {asked:,} requests", f"{took:.2f} s")
        show("  rounds of 50 ms at our concurrency", f"{waiting:.2f} s")
        show("  the same work without delay", f"{work:.2f} s")
        show("  time over rounds", f"{took / waiting:.2f} x", "at most 1.3 x plus parsing")


def count_requests(path: str) -> int:
    """Return how many requests a cold scan sends."""
    with registry() as env:
        printed = output(scan(path, "--format", "json"), env)
    return sum(source["requests"] for source in json.loads(printed)["sources"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="measure the memory of up to 50,000 dependencies")
    is_large = parser.parse_args().large
    with tempfile.TemporaryDirectory() as name:
        for measure in (large,) if is_large else (start_up, warm, cold, everything):
            measure(Path(name))
