"""Measures the advisory database: the import of 250,000 records, and matching 10,000 packages with 28,400 hits.

    python docs/benchmarks/advisories.py DUMPS [--tree DIRECTORY]... [--runs N]

DUMPS is a folder with the dumps of OSV, ``PyPI/all.zip`` and ``npm/all.zip``. Their records are repeated under other
ids, aliases and names until there are 250,000. Each tree is a checkout of nerq-cli; they take turns. Printed are the
medians of time, of processor time, and the largest memory of a process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import run
from rounds import median

RECORDS = 250_000
PINS = 10_000
#: The names that the pins are of, before they are repeated, and the hits that these have together.
NAMES, HITS = 125, 355
#: Most hits of one of them.
MOST_HITS = 12
HERE = Path(__file__).parent


class Measured(NamedTuple):
    """One command."""

    seconds: float
    processor: float
    megabytes: float


def read_records(dumps: Path, ecosystem: str) -> list[dict[str, Any]]:
    """Return the records of a dump."""
    with zipfile.ZipFile(dumps / ecosystem / "all.zip") as archive:
        return [json.loads(archive.read(member)) for member in archive.infolist()]


def repeat(record: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a record under another id, with other aliases and about another package."""
    if not number:
        return record
    affected = [
        {**entry, "package": {**entry["package"], "name": f"{entry['package']['name']}-{number:02}"}}
        for entry in record.get("affected", ())
        if "package" in entry
    ]
    aliases = [f"{alias}{number:02}" for alias in record.get("aliases", ())]
    return {**record, "id": f"{record['id']}-{number:02}", "aliases": aliases, "affected": affected}


def write_dumps(dumps: Path, folder: Path) -> tuple[list[str], int]:
    """Write dumps with so many records; return their paths, and how often each record is in them."""
    records = {ecosystem: read_records(dumps, ecosystem) for ecosystem in ("PyPI", "npm")}
    times = round(RECORDS / sum(map(len, records.values())))
    paths = []
    for ecosystem, some in records.items():
        path = folder / ecosystem / "all.zip"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(times):
                for record in some:
                    repeated = repeat(record, number)
                    archive.writestr(f"{repeated['id']}.json", json.dumps(repeated))
        paths.append(str(path))
    return paths, times


def write_pins(dumps: Path, folder: Path, times: int) -> str:
    """Write pins of affected versions; return the path."""
    listings: dict[str, list[set[str]]] = defaultdict(list)
    for record in read_records(dumps, "PyPI"):
        if "withdrawn" not in record:
            for entry in record["affected"]:
                listings[entry["package"]["name"].lower()].append(set(entry.get("versions", ())))
    hits = {}
    for name, some in sorted(listings.items()):
        versions = sorted(set().union(*some))
        if versions:
            version = versions[len(versions) // 2]
            hits[f"{name}", version] = sum(version in listing for listing in some)
    chosen = choose_pins({pin: count for pin, count in hits.items() if 1 <= count <= MOST_HITS})
    lines = [
        f"{name}{f'-{number:02}' if number else ''}=={version}\n" for number in range(times) for name, version in chosen
    ]
    path = folder / "requirements.txt"
    path.write_text("".join(lines[:PINS]))
    return str(path)


def choose_pins(hits: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    """Return so many pins with about so many hits together."""
    chooser = random.Random(3)
    pins = sorted(hits, key=lambda pin: (-hits[pin], pin))
    chosen = pins[:1]
    rest = pins[1:]
    while len(chosen) < NAMES:
        wanted = (HITS - sum(hits[pin] for pin in chosen)) / (NAMES - len(chosen))
        near = sorted(rest, key=lambda pin: (abs(hits[pin] - wanted), chooser.random()))[:20]
        chosen.append(chooser.choice(near))
        rest.remove(chosen[-1])
    return chosen


def execute(arguments: list[str], tree: str, cache: str) -> Measured:
    """Run nerq from a tree."""
    env = {**os.environ, "NERQ_CACHE_DIR": cache, "PYTHONPATH": tree}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*run.NERQ, *arguments], env=env, stdout=subprocess.DEVNULL, stderr=errors, cwd=cache
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if os.waitstatus_to_exitcode(status) not in (0, 1):
            errors.seek(0)
            sys.exit(errors.read().decode())
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def show(what: str, tree: str, measured: list[Measured]) -> float:
    """Print medians; return that of the time."""
    seconds, processor = (median([getattr(one, field) for one in measured]) for field in ("seconds", "processor"))
    memory = max(one.megabytes for one in measured)
    print(f"{what}, {tree}: {seconds:.1f} s, processor {processor:.1f} s, at most {memory:.0f} MB", flush=True)
    return seconds


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", type=Path)
    parser.add_argument("--tree", action="append", default=[])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    trees = options.tree or [str(HERE.parents[1])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, times = write_dumps(options.dumps, folder)
        pins = write_pins(options.dumps, folder, times)
        caches = [folder / f"cache-{number}" for number in range(len(trees))]
        imports, without, with_hits = ([[] for _ in trees] for _ in range(3))
        for _ in range(options.runs):
            for number, tree in enumerate(trees):
                empty = folder / f"empty-{number}"
                for cache in (caches[number], empty):
                    cache.mkdir(exist_ok=True)
                    for file in cache.iterdir():
                        file.unlink()
                imports[number].append(execute(["db", "import", *paths], tree, str(caches[number])))
                scan = ["scan", pins, "--offline"]
                without[number].append(execute(scan, tree, str(empty)))
                with_hits[number].append(execute(scan, tree, str(caches[number])))
        for number, tree in enumerate(trees):
            show(f"import of {RECORDS:,} records", tree, imports[number])
            least = show(f"{PINS:,} pins without a database", tree, without[number])
            most = show(f"{PINS:,} pins with it", tree, with_hits[number])
            print(f"  {most - least:.1f} s more")


if __name__ == "__main__":
    main()
