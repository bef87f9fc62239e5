"""Measures nerq beside pip-audit, uv audit and npm audit, and prints the tables of docs/performance.md.

    pip install . pip-audit uv        # npm comes with Node.js
    python docs/benchmarks/peers.py [--page docs/performance.md]

All ask the same stand-ins on loopback (``registry.py --real``), whose answers take 0, 20 and 100 ms, have the size of
real ones, are compressed, and have an advisory for every third package. Each side runs equally often as text and as
JSON, in turns, with an empty cache each time; ``warm`` is nerq with the cache of the run before. A peer that is not
installed is left out. ``--page`` writes the tables in place of those that the page has.

An unmeasured run of each side comes first: the stand-ins make up their answers when first asked, and its JSON is
compared with that of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import run
import services
from rounds import median, npm_lock, registry

DELAYS = (0.0, 0.02, 0.1)
FORMATS = ("text", "JSON")
#: pip-audit asks for one package after another: more would take minutes.
MOST_PIP_AUDIT_PINS = 45
BEGIN, END = "<!-- written by docs/benchmarks/peers.py -->", "<!-- end -->"


class Project(NamedTuple):
    """What is audited: a folder with the files that each side reads."""

    name: str
    ecosystem: str
    folder: Path
    count: int


class Side(NamedTuple):
    """One way to audit: returns the command for a project, the address of the stand-ins, a cache and a format."""

    name: str
    command: Callable[[Project, str, str, str], list[str]]
    read_affected: Callable[[dict[str, Any]], set[str]]
    ecosystems: tuple[str, ...]
    is_warm: bool = False
    most: int = 1_000_000


class Measured(NamedTuple):
    """One run: seconds on the clock, and of user and system time."""

    seconds: float
    processor: float


# --- what is audited -------------------------------------------------------------------------------------------------


def python_project(folder: Path, count: int, address: str) -> None:
    """Write pins as requirements.txt, and as a pyproject.toml with its uv.lock."""
    lines = Path(run.requirements(folder, count)).read_text().split()
    (folder / f"requirements-{count}.txt").rename(folder / "requirements.txt")
    pins = [line.split("==") for line in lines]
    index = f'[[tool.uv.index]]\nurl = "{address}/simple"\ndefault = true\n'
    head = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.10"\n'
    (folder / "pyproject.toml").write_text(f"{head}dependencies = {json.dumps(lines)}\n{index}")
    names = "".join(f'    {{ name = "{name}" }},\n' for name, _ in pins)
    root = f'[[package]]\nname = "x"\nversion = "1"\nsource = {{ virtual = "." }}\ndependencies = [\n{names}]\n'
    packages = (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{address}/simple" }}\n'
        f'sdist = {{ url = "https://files.registry.example/{name}-{version}.tar.gz", hash = "sha256:{"0" * 64}" }}\n'
        for name, version in pins
    )
    lock = "\n".join(['version = 1\nrevision = 3\nrequires-python = ">=3.10"\n', root, *packages])
    (folder / "uv.lock").write_text(lock)


def write_project(project: Project, address: str) -> None:
    """Write the files of a project."""
    project.folder.mkdir(exist_ok=True)
    if project.ecosystem == "npm":
        npm_lock(project.folder, project.count)
    else:
        python_project(project.folder, project.count, address)


# --- who audits ------------------------------------------------------------------------------------------------------


def nerq(project: Project, _address: str, _cache: str, form: str) -> list[str]:
    path = project.folder / ("package-lock.json" if project.ecosystem == "npm" else "requirements.txt")
    return [*run.NERQ, "scan", str(path), "--timeout", "300", *(["--format", "json"] if form == "JSON" else [])]


def uv_audit(uv: str) -> Callable[[Project, str, str, str], list[str]]:
    def command(project: Project, address: str, cache: str, form: str) -> list[str]:
        return [
            *(uv, "audit", "--project", str(project.folder), "--frozen", "--cache-dir", cache),
            *("--service-url", f"{address}/osv/", "--preview-features", "audit-command,json-output"),
            *("--output-format", form.lower()),
        ]

    return command


def pip_audit(path: str) -> Callable[[Project, str, str, str], list[str]]:
    def command(project: Project, address: str, cache: str, form: str) -> list[str]:
        return [
            *(path, "-r", str(project.folder / "requirements.txt"), "--no-deps", "--disable-pip", "--cache-dir", cache),
            *("-s", "osv", "--osv-url", f"{address}/osv/v1/query", "-f", {"text": "columns"}.get(form, "json")),
        ]

    return command


def npm_audit(npm: str) -> Callable[[Project, str, str, str], list[str]]:
    def command(project: Project, address: str, cache: str, form: str) -> list[str]:
        return [
            *(npm, "audit", "--prefix", str(project.folder), "--registry", address, "--cache", cache),
            *("--no-update-notifier", "--no-fund", *(["--json"] if form == "JSON" else [])),
        ]

    return command


def list_sides(pip_audit_path: str, uv: str, npm: str) -> list[Side]:
    """Return nerq and the peers that are installed."""

    def read_nerq(report: dict[str, Any]) -> set[str]:
        return {one["name"] for one in report["dependencies"] if one["advisories"]}

    def read_pip_audit(report: dict[str, Any]) -> set[str]:
        return {one["name"] for one in report["dependencies"] if one.get("vulns")}

    def read_uv(report: dict[str, Any]) -> set[str]:
        return {one["dependency"]["name"] for one in report["vulnerabilities"]}

    def read_npm(report: dict[str, Any]) -> set[str]:
        found = report["vulnerabilities"].items()  # with what requires an affected package, which names that package
        return {name for name, one in found if not all(isinstance(cause, str) for cause in one["via"])}

    both = ("PyPI", "npm")
    sides = [Side("nerq", nerq, read_nerq, both), Side("nerq, warm", nerq, read_nerq, both, is_warm=True)]
    if uv:
        sides.append(Side("`uv audit`", uv_audit(uv), read_uv, ("PyPI",)))
    if pip_audit_path:
        command = pip_audit(pip_audit_path)
        sides.append(Side("`pip-audit --no-deps`", command, read_pip_audit, ("PyPI",), most=MOST_PIP_AUDIT_PINS))
    if npm:
        sides.append(Side("`npm audit`", npm_audit(npm), read_npm, ("npm",)))
    return sides


# --- measure ---------------------------------------------------------------------------------------------------------


def execute(side: Side, project: Project, address: str, cache: str, form: str) -> tuple[Measured, bytes]:
    """Run a side once; return what it took and what it printed."""
    places = {
        "NERQ_PYPI_URL": address,
        "NERQ_NPM_URL": address,
        "NERQ_CACHE_DIR": cache,
        **services.environment(address),
    }
    env = {**os.environ, **places, "UV_PYTHON_DOWNLOADS": "never", "UV_PYTHON": sys.executable, "NO_COLOR": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # or each run would compile every module
    command = side.command(project, address, cache, form)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, check=False, cwd=project.folder)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1) or not done.stdout:
        said = (done.stderr + done.stdout[-1_000:]).decode()
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{said}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, processor), done.stdout


def execute_with_new_cache(side: Side, project: Project, address: str, form: str) -> tuple[Measured, bytes]:
    with tempfile.TemporaryDirectory() as cache:
        return execute(side, project, address, cache, form)


class Results:
    """The measurements of one project, and the requests that each side sends."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self.sides = sides
        self.runs: dict[tuple[float, str, str], list[Measured]] = defaultdict(list)
        self.requests: dict[str, int] = {}

    def format_times(self, delay: float, side: Side, field: str) -> str:
        """Return the medians for text and JSON."""
        times = (
            median([getattr(one, field) for one in self.runs[delay, side.name, form]])
            for form in FORMATS
            if self.runs[delay, side.name, form]
        )
        return " / ".join(f"{seconds:.2f}" for seconds in times) or "-"


def measure(project: Project, sides: Sequence[Side], delays: Sequence[float], runs: int) -> Results:
    """Run all sides of a project in turns."""
    results = Results([side for side in sides if project.ecosystem in side.ecosystems])
    sides = [side for side in results.sides if project.count <= side.most]
    for delay in delays:
        log = project.folder.parent / "log"
        with registry(delay, log, "--real") as address, tempfile.TemporaryDirectory() as warm_cache:
            write_project(project, address)
            compare(project, sides, address, warm_cache, log, results)
            for turn in range(runs):
                for place in range(len(sides)):
                    side = sides[(turn + place) % len(sides)]
                    for form in FORMATS:
                        done, _ = (
                            execute(side, project, address, warm_cache, form)
                            if side.is_warm
                            else execute_with_new_cache(side, project, address, form)
                        )
                        results.runs[delay, side.name, form].append(done)
        print(f"{project.name}, {delay * 1e3:.0f} ms: measured", file=sys.stderr, flush=True)
    return results


def compare(
    project: Project, sides: Sequence[Side], address: str, warm_cache: str, log: Path, results: Results
) -> None:
    """Run each side once, count its requests, and compare the packages that it finds affected."""
    affected: dict[str, set[str]] = {}
    for side in sides:
        if side.is_warm:
            execute(side, project, address, warm_cache, "JSON")
        log.write_text("")
        _, printed = (
            execute(side, project, address, warm_cache, "JSON")
            if side.is_warm
            else execute_with_new_cache(side, project, address, "JSON")
        )
        results.requests[side.name] = len(log.read_text().splitlines())
        affected[side.name] = side.read_affected(json.loads(printed))
    for name, found in affected.items():
        if found != affected["nerq"]:
            counts = f"{name} finds {len(found)} packages affected, nerq {len(affected['nerq'])}"
            raise RuntimeError(f"{project.name}: {counts}")


# --- print -----------------------------------------------------------------------------------------------------------


def print_tables(measured: Sequence[tuple[Project, Results]], delays: Sequence[float]) -> Iterator[str]:
    """Yield the lines of the tables."""
    for ecosystem in ("PyPI", "npm"):
        rows = [(project, results) for project, results in measured if project.ecosystem == ecosystem]
        if not rows:
            continue
        sides = rows[0][1].sides
        yield from ("", f"| {ecosystem} | an answer takes | {' | '.join(side.name for side in sides)} |")
        yield f"|---|---|{'---|' * len(sides)}"
        for project, results in rows:
            for delay in delays:
                cells = [results.format_times(delay, side, "seconds") for side in sides]
                yield f"| {project.name} | {delay * 1e3:.0f} ms | {' | '.join(cells)} |"
            cells = [results.format_times(delays[0], side, "processor") for side in sides]
            yield f"| {project.name} | processor time | {' | '.join(cells)} |"
            requests = [str(results.requests.get(side.name, "-")) for side in sides]
            yield f"| {project.name} | requests | {' | '.join(requests)} |"


def list_versions(pip_audit_path: str, uv: str, npm: str) -> str:
    """Return the versions of everything that is measured."""
    commands = [[*run.NERQ, "--version"], *([path, "--version"] for path in (uv, pip_audit_path, npm) if path)]
    printed = [
        subprocess.run(one, capture_output=True, text=True, check=True).stdout.split("\n")[0] for one in commands
    ]
    if npm:
        printed[-1] = f"npm {printed[-1]}"
    return ", ".join([f"CPython {platform.python_version()}", *(line.partition(" (")[0] for line in printed)])


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer in ("pip-audit", "uv", "npm"):
        parser.add_argument(f"--{peer}", default=shutil.which(peer) or "", help="its path")
    parser.add_argument("--delay", action="append", type=float, default=[], help="in seconds")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="part of the name of what is audited")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    delays = options.delay or DELAYS
    sides = list_sides(options.pip_audit, options.uv, options.npm)
    with tempfile.TemporaryDirectory() as name:
        projects = [
            Project("45 pins", "PyPI", Path(name) / "45", 45),
            Project("1,000 pins", "PyPI", Path(name) / "1000", 1_000),
            Project("lock file of 600", "npm", Path(name) / "npm", 600),
        ]
        measured = []
        for project in projects:
            if options.only in project.name:
                try:
                    measured.append((project, measure(project, sides, delays, options.runs)))
                except RuntimeError as error:  # the other projects are still worth their figures
                    print(error, file=sys.stderr)
    versions = list_versions(options.pip_audit, options.uv, options.npm)
    head = f"Medians of {options.runs} runs in seconds, as text / as JSON, on {os.cpu_count()} cores.\n{versions}."
    text = "\n".join([head, *print_tables(measured, delays)])
    print(text)
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        pattern = f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})"
        options.page.write_text(re.sub(pattern, lambda _: f"\n{text}\n\n", page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
