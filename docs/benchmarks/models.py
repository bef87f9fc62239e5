"""Measures what models, datasets and MCP servers cost a scan, in one run on one machine.

    python docs/benchmarks/models.py [--checkout DIRECTORY]

* the search for references in 5,000 source files of 200 MB: time and memory, first and with what was found kept;
* what the search adds to a warm scan of a project with 500 source files;
* cold scans of projects with 100 models, and with 100 datasets that have a script, at 100 ms an answer, and their
  requests beside the Hub's anonymous limit;
* with ``--checkout``, warm scans of 45 and 1,000 pins in turns with another checkout of the repository.

The interpreter that runs this file is measured, with the nerq-cli that it imports. Nothing leaves the machine: the Hub
and the registries are stood in for on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from run import HERE, NERQ, peak, registry, requirements, show

#: Requests of an anonymous address in a window of 5 minutes, by what is requested (hub-docs, rate-limits.md).
QUOTAS = {"api": 500, "resolvers": 3_000}
MODELS = 100
SHA = "0123456789abcdef0123456789abcdef01234567"
CARD = (
    "---\nlicense: mit\nbase_model: base{number}/base\n---\n# Model\n\n"
    + "What it is for, its limits, its data.\n" * 200
)
#: How often each of two checkouts is measured.
TURNS = 15

# --- the Hub ---------------------------------------------------------------------------------------------------------


class Hub(ThreadingHTTPServer):
    """Models and datasets of as many persons, each model with a base model, after a delay, within the Hub's limits."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), HubHandler)


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Hub

    def do_POST(self) -> None:
        paths = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["paths"]
        state = {"status": "safe", "avScan": {"status": "safe"}}
        rows = [{"type": "file", "path": path, "size": 1, "securityFileStatus": state} for path in paths]
        self._respond("api", json.dumps(rows).encode())

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self._respond("resolvers" if "/resolve/" in path else "api", *answer(path))

    def _respond(self, kind: str, body: bytes, status: int = 200) -> None:
        with self.server.lock:
            self.server.counts[kind] += 1
            left = QUOTAS[kind] - self.server.counts[kind]
        time.sleep(self.server.delay)
        status, body = (429, b"{}") if left < 0 else (status, body)
        self.send_response(status)
        self.send_header("RateLimit", f'"{kind}";r={max(left, 0)};t=300')
        self.send_header("RateLimit-Policy", f'"fixed window";"{kind}";q={QUOTAS[kind]};w=300')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def answer(path: str) -> tuple[bytes, int]:
    """Return body and status."""
    parts = path.strip("/").split("/")
    if "/resolve/" in path:
        return CARD.format(number=parts[-4].removeprefix("person")).encode(), 200
    if parts[1] == "organizations":  # each owner is a person
        return b"{}", 404
    if parts[1] == "users":
        return json.dumps({"user": parts[2], "type": "user", "numModels": 12, "numFollowers": 3}).encode(), 200
    owner, name = parts[2], parts[3]
    base = {} if name == "base" else {"base_model": f"{owner.replace('person', 'base')}/base"}
    files = [
        ("README.md", 9_000),
        ("config.json", 700),
        ("model.safetensors", 5_000_000_000),
        ("tokenizer.json", 9_000),
    ]
    if parts[1] == "datasets":
        files = [("README.md", 9_000), ("train.parquet", 90_000), ("prepare.py", 900)]
    document = {
        "id": f"{owner}/{name}",
        "author": owner,
        "sha": SHA,
        "createdAt": "2025-01-02T03:04:05.000Z",
        "lastModified": "2026-02-03T04:05:06.000Z",
        "gated": False,
        "disabled": False,
        "downloads": 12_345,
        "likes": 67,
        "tags": ["safetensors", "license:mit", "transformers", "text-generation"],
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "cardData": {"license": "mit", **base},
        "config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama"},
        "siblings": [{"rfilename": path, "size": size} for path, size in files],
        "securityRepoStatus": {"scansDone": True, "filesWithIssues": []},
    }
    return json.dumps(document).encode(), 200


@contextmanager
def serve_hub(delay: float) -> Iterator[Hub]:
    """Run the stand-in."""
    hub = Hub(delay)
    threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
    yield hub
    hub.shutdown()
    hub.server_close()


# --- projects --------------------------------------------------------------------------------------------------------


def write_sources(folder: Path, count: int, size: int) -> None:
    """Write source files of about ``size`` bytes, made of files of the standard library; one in ten names a model."""
    library = Path(sysconfig.get_paths()["stdlib"])
    texts = [
        text.replace("from __future__", "# from __future__")
        for path in sorted(library.glob("*.py"))
        if len(text := path.read_text("utf-8", "replace")) < size
    ]
    chooser = random.Random(1)
    for number in range(count):
        path = folder / f"package{number // 100}" / f"module{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        call = f'AutoModel.from_pretrained("lumen{number % 50}/tiny-bert")' if number % 10 == 0 else ""
        if number % 5 < 4:
            text = f"# {number}\nfrom transformers import AutoModel\n" if call else f"# {number}\n"
            while len(text) < size:
                text += chooser.choice(texts) + "\n"
            path.with_suffix(".py").write_text(f"{text}\n{call}\n")
        else:
            text = f"// {number}\n" + "export const add = (a, b) => a + b; // adds\n" * (size // 44)
            path.with_suffix(".ts").write_text(text)


def write_calls(folder: Path, library: str, function: str) -> None:
    """Write a file that loads a hundred repositories with the function of a library."""
    calls = (f'{function}("person{number}/tiny-bert")\n' for number in range(MODELS))
    (folder / "app.py").write_text(f"from {library} import {function.partition('.')[0]}\n\n" + "".join(calls))


# --- measuring -------------------------------------------------------------------------------------------------------


def run(command: list[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Run a command; return its wall time and its processor time in seconds."""
    started_at = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(env))
    assert process.stderr is not None
    with process.stderr as errors:
        message = errors.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started_at
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} failed ({process.returncode}): {message.decode()}")
    return seconds, usage.ru_utime + usage.ru_stime


def compare(commands: list[tuple[list[str], Mapping[str, str]]], turns: int) -> list[list[tuple[float, float]]]:
    """Run commands in turns; return the wall and processor times of each."""
    times: list[list[tuple[float, float]]] = [[] for _ in commands]
    for turn in range(turns):
        for number in range(len(commands)):
            index = (number + turn) % len(commands)
            times[index].append(run(*commands[index]))
    return times


def summarise(values: list[float]) -> str:
    """Return the least and the median."""
    return f"{min(values):.3f}, {sorted(values)[len(values) // 2]:.3f} s"


def search(folder: Path) -> None:
    """Time the search for references."""
    write_sources(folder, 5_000, 33_000)
    total = sum(path.stat().st_size for path in folder.rglob("*.*"))
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "NERQ_CACHE_DIR": cache}
        command = [*NERQ, "scan", "--list", str(folder)]
        for label, allowed in (("first", "at most 10 s"), ("again", "")):
            wall, processor = run(command, env)
            what = f"5,000 files, {total / 1e6:.0f} MB, {label}"
            show(what, f"{wall:.1f} s, processor {processor:.1f} s", allowed)
    for count in (500, 5_000):
        with tempfile.TemporaryDirectory() as cache:
            files = [str(folder / f"package{number}") for number in range(count // 100)]
            memory = peak([*NERQ, "scan", "--list", *files], {**os.environ, "NERQ_CACHE_DIR": cache})
            show(f"{count:,} of these files, memory", f"{memory:.0f} MB")


def warm_project(folder: Path) -> None:
    """Time what the search adds to a warm scan."""
    write_sources(folder, 500, 12_000)
    requirements(folder, 45)
    (folder / "requirements-45.txt").rename(folder / "requirements.txt")
    with registry() as env, serve_hub(0.0) as hub:
        address = f"http://127.0.0.1:{hub.server_address[1]}"
        command = [*NERQ, "scan", str(folder), "--timeout", "300"]
        usual, bare = [(one, {**env, "NERQ_HF_URL": address}) for one in (command, [*command, "--no-models"])]
        run(*usual)
        with_models, without = compare([usual, bare], TURNS)
    for label, index in (("wall", 0), ("processor", 1)):
        added = [one[index] - other[index] for one, other in zip(with_models, without, strict=True)]
        show(f"500 source files, warm: {label} time added, least and median", summarise(added), "at most 0.3 s")


def cold_models(folder: Path) -> None:
    """Time cold scans of many models, and of many datasets."""
    for noun, library, function in (
        ("models", "transformers", "AutoModel.from_pretrained"),
        ("datasets", "datasets", "load_dataset"),
    ):
        write_calls(folder, library, function)
        with registry() as env, serve_hub(0.1) as hub:
            env["NERQ_HF_URL"] = f"http://127.0.0.1:{hub.server_address[1]}"
            wall, processor = run([*NERQ, "scan", str(folder)], env)
            requests = ", ".join(f"{hub.counts[kind]} of {quota} {kind}" for kind, quota in QUOTAS.items())
            show(
                f"{MODELS} {noun}, cold, 100 ms an answer", f"{wall:.1f} s, processor {processor:.1f} s", "at most 8 s"
            )
            show("their requests beside the anonymous limit", requests)
            count = sum(hub.counts.values())
            wall, processor = run([*NERQ, "scan", str(folder)], env)
            more = sum(hub.counts.values()) - count
            show("the same, warm", f"{wall:.2f} s, processor {processor:.2f} s, {more} requests")


def compare_checkouts(folder: Path, other: Path) -> None:
    """Time warm scans of pins, in turns with another checkout."""
    for count in (45, 1_000):
        path = requirements(folder, count)
        with registry() as env, tempfile.TemporaryDirectory() as other_cache:
            command = [*NERQ, "scan", path, "--timeout", "300"]
            here = {**env, "PYTHONPATH": str(HERE.parent.parent)}
            there = {**env, "PYTHONPATH": str(other), "NERQ_CACHE_DIR": other_cache}
            run(command, here), run(command, there)
            new, old = compare([(command, here), (command, there)], TURNS)
        for label, times in (("this checkout", new), ("the other one", old)):
            value = summarise([processor for _, processor in times])
            show(f"{count:,} pins, warm, {label}: processor time, least and median", value)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description="Measures what models cost a scan.")
    parser.add_argument("--checkout", type=Path, help="another checkout of the repository to compare with")
    arguments = parser.parse_args()
    for measure in (search, warm_project, cold_models):
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name))
    if arguments.checkout is not None:
        with tempfile.TemporaryDirectory() as name:
            compare_checkouts(Path(name), arguments.checkout)


if __name__ == "__main__":
    main()
