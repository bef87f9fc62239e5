"""Services in processes of their own that share one store in PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.conftest import Registry, Services

pytestmark = pytest.mark.postgres

#: Seconds that a service may take to start, or to answer.
_TIMEOUT: Final = 60.0
#: Seconds before each response of a registry: enough for two services to meet.
_DELAY: Final = 0.05
COUNT: Final = 60


class Process:
    """A service in a process of its own."""

    def __init__(self, store: str, log: Path) -> None:
        self.log = log
        command = [sys.executable, "-m", "nerq_cli", "serve", "--port", "0", "--management-port", "0", "--store", store]
        with log.open("wb") as stream:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True)  # noqa: S603
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().removeprefix("serving on ").strip()
        self.management_url = self.process.stdout.readline().removeprefix("management on ").strip()
        assert self.url.startswith("http://"), log.read_text(encoding="utf-8")

    def get(self, path: str, *, management: bool = False) -> tuple[int, bytes]:
        """Return status and body of a response."""
        return self._send(f"{self.management_url if management else self.url}{path}")

    def ask(self, targets: Sequence[str]) -> list[Any]:
        """Return the entries of a batch."""
        body = json.dumps({"targets": list(targets)}).encode()
        status, content = self._send(f"{self.url}/v1/preflight:batch", body)
        assert status == 200, content
        return list(json.loads(content)["results"])

    def _send(self, url: str, body: bytes | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - loopback
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def end(self) -> int:
        """Stop the service; return its status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_TIMEOUT)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait(_TIMEOUT)
        if self.process.stdout is not None:
            self.process.stdout.close()


Start = Callable[[], Process]


@pytest.fixture
def start(url: str, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start services on one store; the cache directory has an advisory database at most."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    started: list[Process] = []

    def start_one() -> Process:
        started.append(Process(url, tmp_path / f"log-{len(started)}"))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()


@pytest.fixture
def packages(registry: Registry) -> list[str]:
    """Packages on registries that take their time."""
    registry.most_used()
    names = [f"package-{n}" for n in range(COUNT)]
    for name in names:
        registry.pypi(name, "1.0", "2.0")
    for path, scripts in list(registry.site.scripts.items()):
        registry.site.on(path, *({**script, "delay": _DELAY} for script in scripts))
    return names


def ask_together(*jobs: tuple[Process, Sequence[str]]) -> list[list[Any]]:
    """Send batches to services at once; return the entries of each."""
    entries: list[list[Any]] = [[] for _ in jobs]

    def ask(index: int) -> None:
        process, targets = jobs[index]
        entries[index] = process.ask(targets)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return entries


def count_questions(registry: Registry, services: Services) -> Counter[str]:
    """Return how often each question was asked: of registries by path, of services by the entries of their batches."""
    questions = Counter(request.path for request in registry.site.requests)
    for request in services.site.requests:
        content = json.loads(request.body) if request.body else {}
        entries = content.get("queries") or content.get("requests") or [content]
        questions.update(f"{request.path} {json.dumps(entry, sort_keys=True)}" for entry in entries)
    return questions


def find_repeated(registry: Registry, services: Services, names: Sequence[str]) -> dict[str, int]:
    """Return the questions about packages that were asked more than once."""
    counts = count_questions(registry, services)
    return {
        question: count
        for question, count in counts.items()
        if count > 1 and any(f"{name}/" in question or f'"{name}"' in question for name in names)
    }


def get_scores(entries: Sequence[Any]) -> dict[str, float | None]:
    assert {entry["status"] for entry in entries} == {200}, entries
    return {entry["target"]: entry["preflight"]["score"] for entry in entries}


def test_two_services_on_one_store_ask_nothing_twice(
    start: Start, packages: list[str], registry: Registry, services: Services
) -> None:
    first, second = start(), start()
    targets = [f"pypi:{name}" for name in packages]
    one, other = ask_together((first, targets), (second, targets[::-1]))
    assert get_scores(one) == get_scores(other)
    assert len(get_scores(one)) == COUNT
    assert None not in get_scores(one).values()
    assert find_repeated(registry, services, packages) == {}
    # What one has learned the other has, and one that starts later.
    asked = len(registry.site.requests) + len(services.site.requests)
    assert get_scores(start().ask(targets)) == get_scores(one)
    assert len(registry.site.requests) + len(services.site.requests) == asked
    assert (first.end(), second.end()) == (0, 0)
