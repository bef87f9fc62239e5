"""Measures a scan of many pins through a warm service beside the same scan that computes, cold and warm.

    python docs/benchmarks/serve_lookup.py [--count 1000] [--delay 0.05]

Everything is on loopback: the registries are stood in for (``registry.py``), and the service has a cache of its own.
Processor time is that of the scan alone, without the stand-ins and the service.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import run

SERVER = """
import socket, sys, uvicorn
from pathlib import Path
from nerq_cli.application.settings import Settings
from nerq_cli.serve.app import create_app
from nerq_cli.serve.service import Service, ServiceSettings
listening = socket.create_server(("127.0.0.1", 0))
app = create_app(Service(ServiceSettings(run=Settings(cache_dir=Path(sys.argv[1])), root=Path(sys.argv[1]))))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", log_level="critical")).run([listening])
"""


def measure(options: list[str], env: dict[str, str], runs: int) -> str:
    """Return the least and the median wall and processor time of a scan, in milliseconds."""
    walls, processors = [], []
    for _ in range(runs):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [*run.NERQ, "scan", "--format", "json", *options], capture_output=True, env=env, check=False
        )
        walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode not in (0, 1):
            sys.exit(done.stderr.decode())
    source = json.loads(done.stdout)["sources"][0]

    def show(times: list[float]) -> str:
        return f"{min(times) * 1000:7.0f} {sorted(times)[len(times) // 2] * 1000:7.0f}"

    return f"{show(walls)} {show(processors)}   {source['name']}: {source['requests']} requests"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with run.registry(arguments.delay) as places, tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "service").mkdir()
        (folder / "project").mkdir()
        pins = run.requirements(folder / "project", arguments.count)
        env = {**places, "NERQ_PUBLIC": "package-*,module-*", "CI": ""}
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(folder / "service")], stdout=subprocess.PIPE, text=True, env=env
        )
        assert server.stdout is not None
        address = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        lookup = [pins, "--service", address, "--service-only"]
        print(f"{arguments.count:,} pins       wall: min, median   processor: min, median (ms)")
        print("computed, cold    ", measure([pins, "--no-cache"], env, 2))
        subprocess.run([*run.NERQ, "scan", pins], capture_output=True, env=env, check=False)
        print("computed, warm    ", measure([pins], env, arguments.runs))
        print("service, cold     ", measure([pins, "--service", address, "--no-cache"], env, 1))
        print("service, warm     ", measure(lookup, env, arguments.runs))
        print("  without a cache ", measure([*lookup, "--no-cache"], env, arguments.runs))
        query = json.dumps({"targets": [f"pkg:pypi/package-{n:05}@{1 + n % 4}.{n % 10}.0" for n in range(1_000)]})
        times = []
        for _ in range(arguments.runs):
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}/v1/evidence:batch", query.encode(), headers)
            started = time.perf_counter()
            with urllib.request.urlopen(request) as response:
                body = response.read()
            times.append(time.perf_counter() - started)
        print(f"answer about 1,000 targets: {min(times) * 1000:.0f} ms, {len(body):,} bytes uncompressed")
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
