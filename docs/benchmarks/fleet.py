"""Measures ``nerq fleet`` over many repositories, with registries and services that are stood in for on loopback.

    python docs/benchmarks/fleet.py [--repositories N] [--dependencies N] [--different N] [--keep DIRECTORY]

Half of the repositories have a ``package-lock.json``, the others a ``uv.lock`` or pins in ``requirements.txt``. A few
dependencies are in most repositories, and many in a few, as in real fleets. Printed are wall time, processor time and
peak memory (that of the largest process, and the highest sum of all) of a cold run, and of warm ones, which read and
judge everything anew. The machine must be idle: two processes work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import services

HERE = Path(__file__).parent
NERQ = [sys.executable, "-m", "nerq_cli"]
#: Seconds between two readings of the memory of all processes.
INTERVAL = 0.2
#: Share of a repository's dependencies that are drawn from the tenth of the packages that most repositories use.
COMMON = 0.5


def make_version(number: int) -> str:
    """Return the version in use of a package, one that the stand-in registries list."""
    return f"{1 + number % 4}.{number % 10}.0"


def choose(random_source: random.Random, count: int, different: int, start: int) -> list[int]:
    """Return the numbers of the dependencies of a repository; with ``start`` all are used by some repository."""
    numbers = {(start + step) % different for step in range(count // 4)}
    while len(numbers) < count:
        limit = different // 10 if random_source.random() < COMMON else different
        numbers.add(random_source.randrange(max(limit, 1)) if limit < different else random_source.randrange(different))
    return sorted(numbers)


def write_npm(folder: Path, numbers: Sequence[int], address: str) -> None:
    """Write a package.json, and a package-lock.json with these packages."""
    direct = {f"module-{number:05}": f"^{make_version(number)}" for number in numbers[:20]}
    packages: dict[str, object] = {"": {"name": folder.name, "version": "1.0.0", "dependencies": direct}}
    for index, number in enumerate(numbers):
        version = make_version(number)
        following = numbers[index + 20 : index + 21]
        packages[f"node_modules/module-{number:05}"] = {
            "version": version,
            "resolved": f"{address}/module-{number:05}/-/module-{number:05}-{version}.tgz",
            "integrity": f"sha512-{'A' * 86}==",
            "license": "MIT",
            "dependencies": {f"module-{other:05}": f"^{make_version(other)}" for other in following},
            "engines": {"node": ">=18"},
        }
    manifest = {"name": folder.name, "version": "1.0.0", "private": True, "dependencies": direct}
    lock = {"name": folder.name, "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
    (folder / "package.json").write_text(json.dumps(manifest, indent=2))
    (folder / "package-lock.json").write_text(json.dumps(lock, indent=2))


def write_uv(folder: Path, numbers: Sequence[int], address: str) -> None:
    """Write a pyproject.toml and its uv.lock."""
    direct = numbers[:20]
    named = ",\n".join(f'  "package-{number:05}>={make_version(number)}"' for number in direct)
    head = f'[project]\nname = "{folder.name}"\nversion = "1.0.0"\nrequires-python = ">=3.9"\n'
    (folder / "pyproject.toml").write_text(f"{head}dependencies = [\n{named}\n]\n")
    required = "".join(f'    {{ name = "package-{number:05}" }},\n' for number in direct)
    metadata = "".join(
        f'    {{ name = "package-{number:05}", specifier = ">={make_version(number)}" }},\n' for number in direct
    )
    head = f'[[package]]\nname = "{folder.name}"\nversion = "1.0.0"\nsource = {{ virtual = "." }}\n'
    own = f"dependencies = [\n{required}]\n\n[package.metadata]\nrequires-dist = [\n{metadata}]\n"
    parts = [f'version = 1\nrequires-python = ">=3.9"\n\n{head}{own}']
    for index, number in enumerate(numbers):
        stem, version = f"package_{number:05}", make_version(number)
        following = numbers[index + 20 : index + 21]
        edges = "".join(f'    {{ name = "package-{other:05}" }},\n' for other in following)
        digest = f'hash = "sha256:{"0" * 64}", size = 12345'
        parts.append(
            f'[[package]]\nname = "package-{number:05}"\nversion = "{version}"\n'
            f'source = {{ registry = "{address}/simple" }}\n'
            + (f"dependencies = [\n{edges}]\n" if edges else "")
            + f'sdist = {{ url = "https://files.registry.example/{stem}-{version}.tar.gz", {digest} }}\nwheels = [\n'
            f'    {{ url = "https://files.registry.example/{stem}-{version}-py3-none-any.whl", {digest} }},\n]\n'
        )
    (folder / "uv.lock").write_text("\n".join(parts))


def write_pins(folder: Path, numbers: Sequence[int], _address: str) -> None:
    """Write a requirements file with exact versions."""
    (folder / "requirements.txt").write_text(
        "".join(f"package-{number:05}=={make_version(number)}\n" for number in numbers)
    )


def make_fleet(root: Path, repositories: int, dependencies: int, different: int, address: str) -> None:
    """Write the repositories: each has that many dependencies, and all of them together ``different`` ones.

    Their lock files name the registries at ``address``.
    """
    writers = (write_npm, write_uv, write_npm, write_pins)
    random_source = random.Random(15)
    for index in range(repositories):
        folder = root / f"repository-{index:04}"
        (folder / ".git").mkdir(parents=True)  # no repository for git; marks the limit for links and includes
        start = index // 2 * (dependencies // 4)
        writers[index % 4](folder, choose(random_source, dependencies, different // 2, start), address)


@contextmanager
def serve_registries(port: int) -> Iterator[dict[str, str]]:
    """Run the stand-ins; give the environment that points nerq at them."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "registry.py"), "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    try:
        yield {**os.environ, "NERQ_PYPI_URL": address, "NERQ_NPM_URL": address, **services.environment(address)}
    finally:
        process.kill()
        process.wait()


def read_memory(group: int) -> float:
    """Return the memory of all processes of a group in megabytes, each page that they share once (Linux)."""
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getpgid(int(entry.name)) == group:
                lines = (entry / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total * 1024 / 1e6


def measure(label: str, command: Sequence[str], env: dict[str, str]) -> None:
    """Run a command, and print what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    peaks = [0.0]

    def watch() -> None:
        while process.poll() is None:
            peaks.append(read_memory(process.pid))
            time.sleep(INTERVAL)

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed, errors = process.communicate()
    wall = time.perf_counter() - started
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    largest, together = after.ru_maxrss * 1024 / 1e6, max(peaks)
    memory = f"{largest:6.0f} MB largest, {together:6.0f} MB together"
    print(f"{label:<8} {wall:7.1f} s wall {used:7.1f} s processor {memory}")
    if process.returncode not in (0, 1, 3):
        sys.exit(errors)
    summary = json.loads(printed)
    counts = f"{summary['dependencies']:,} dependencies, {summary['versions']:,} versions"
    print(f"    {summary['projects_by_state']}, {counts}", flush=True)


def main() -> None:
    """Make the fleet, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=1_000)
    parser.add_argument("--dependencies", type=int, default=300, help="of each repository")
    parser.add_argument("--different", type=int, default=20_000, help="over all repositories")
    parser.add_argument("--warm-runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="directory of the fleet and the cache, which are kept")
    parser.add_argument("--port", type=int, default=0, help="of the stand-ins; the same with each run of a kept fleet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, serve_registries(options.port) as addresses:
        folder = options.keep or Path(temporary)
        root, list_file = folder / "fleet", folder / "fleet.txt"
        if not root.exists():
            make_fleet(root, options.repositories, options.dependencies, options.different, addresses["NERQ_NPM_URL"])
        list_file.write_text("".join(f"fleet/{path.name}\n" for path in sorted(root.iterdir())))
        env = {**addresses, "NERQ_CACHE_DIR": str(folder / "cache")}
        command = [*NERQ, "fleet", "--list", str(list_file), "--format", "json", "--quiet", "--fresh"]
        measure("cold", [*command, "--timeout", "3000"], env)
        for _ in range(options.warm_runs):
            measure("warm", command, env)


if __name__ == "__main__":
    main()
