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
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
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
        status, content = self.post("/v1/preflight:batch", body)
        assert status == 200, content
        return list(json.loads(content)["results"])

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the response to JSON."""
        return self._send(f"{self.url}{path}", body)

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


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other processes import what the tests do."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def start(url: str, tmp_path: Path, registry: Registry) -> Iterator[Start]:
    """Start services on one store."""
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


def run_together(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call functions at once; return their results."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask_in_vain(process: Process, targets: Sequence[str]) -> None:
    """Send a batch to a service that ends before it answers."""
    with pytest.raises((OSError, HTTPException)):
        process.ask(targets)


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
    one, other = run_together([lambda: first.ask(targets), lambda: second.ask(targets[::-1])])
    assert get_scores(one) == get_scores(other)
    assert len(get_scores(one)) == COUNT
    assert None not in get_scores(one).values()
    assert find_repeated(registry, services, packages) == {}
    # What one has learned the other has, and one that starts later.
    asked = len(registry.site.requests) + len(services.site.requests)
    assert get_scores(start().ask(targets)) == get_scores(one)
    assert len(registry.site.requests) + len(services.site.requests) == asked
    assert (first.end(), second.end()) == (0, 0)


def test_versions_and_pages_of_a_package_are_made_by_one_service_at_a_time(
    start: Start, packages: list[str], registry: Registry, services: Services
) -> None:
    first, second = start(), start()
    names = packages[:4]
    jobs: list[Callable[[], Any]] = [
        lambda: first.ask([f"pypi:{name}==1.0" for name in names]),
        lambda: second.ask([f"pypi:{name}==2.0" for name in reversed(names)]),
        *(partial(first.get, f"/v1/packages/pkg:pypi/{name}") for name in names),
        *(partial(second.get, f"/v1/alternatives?target=pypi:{name}") for name in names),
        lambda: second.get(f"/v1/compare?target=pypi:{names[0]}&target=pypi:{names[1]}"),
    ]
    results = run_together(jobs)
    assert {entry["status"] for entries in results[:2] for entry in entries} == {200}
    assert {status for status, _ in results[2:]} == {200}
    # A page keeps more of the document of a release than a score does, and requests it for itself.
    pages = {f"/pypi/{name}/2.0/json": 2 for name in names}
    assert find_repeated(registry, services, names).items() <= pages.items()


def test_evidence_for_clients_is_collected_by_one_service_at_a_time(
    start: Start, packages: list[str], registry: Registry, services: Services
) -> None:
    first, second = start(), start()
    names = packages[:20]
    body = json.dumps({"targets": [f"pkg:pypi/{name}@1.0" for name in names]}).encode()
    path = "/v1/evidence:batch"
    one, other, entries = run_together(
        [
            lambda: first.post(path, body),
            lambda: second.post(path, body),
            lambda: second.ask([f"pypi:{name}==1.0" for name in names]),
        ]
    )
    assert (one[0], other[0]) == (200, 200)
    assert None not in get_scores(entries).values()
    assert find_repeated(registry, services, names) == {}


def test_one_service_takes_over_what_a_killed_one_was_at(
    start: Start, packages: list[str], registry: Registry, services: Services
) -> None:
    first, second = start(), start()
    targets = [f"pypi:{name}" for name in packages]
    before, after = targets[: COUNT // 2], targets[COUNT // 2 :]
    known = get_scores(first.ask(before))
    asked = len(registry.site.requests)
    killed = threading.Thread(target=ask_in_vain, args=(first, after))
    killed.start()
    wait_until(lambda: len(registry.site.requests) >= asked + 5)
    entries: list[Any] = []
    waiting = threading.Thread(target=lambda: entries.extend(second.ask(targets)))
    waiting.start()
    time.sleep(0.1)
    first.kill()
    killed.join()
    waiting.join()
    scores = get_scores(entries)
    assert None not in scores.values()
    assert {target: scores[target] for target in before} == known
    assert find_repeated(registry, services, packages[: COUNT // 2]) == {}
    assert max(find_repeated(registry, services, packages[COUNT // 2 :]).values(), default=1) <= 2
    # All of it is in the store.
    asked = len(registry.site.requests)
    assert get_scores(start().ask(targets)) == scores
    assert len(registry.site.requests) == asked


def test_services_go_on_while_the_server_is_away_and_lose_nothing(
    start: Start, packages: list[str], registry: Registry, server: Any
) -> None:
    first, second = start(), start()
    targets = [f"pypi:{name}" for name in packages[:30]]
    known = get_scores(first.ask(targets[:10]))
    server.stop()
    try:
        assert get_scores(first.ask(targets[:20])).items() >= known.items()
        assert get_scores(second.ask(targets[:10])) == known
        assert [process.get("/readyz")[0] for process in (first, second)] == [200, 200]
        assert b"nerq_store_up 0.0" in first.get("/metrics", management=True)[1]
        assert first.get(f"/v1/packages/pkg:pypi/{packages[0]}")[0] == 200
    finally:
        server.start()
    wait_until(lambda: first.ask(targets) and b"nerq_store_up 1.0" in first.get("/metrics", management=True)[1])
    asked = len(registry.site.requests)
    scores = get_scores(start().ask(targets))
    assert scores.items() >= known.items()
    assert len(registry.site.requests) == asked
    assert first.end() == 0
    events = [json.loads(line) for line in first.log.read_text(encoding="utf-8").splitlines()]
    messages = [event["message"] for event in events if event["event"] == "store"]
    assert "cannot connect to the store postgresql://127.0.0.1:" in messages[0]
    assert messages[-1] == "the store is used again"
    assert "error" not in {event["level"] for event in events}


def test_a_server_that_hangs_costs_a_service_some_seconds_once(start: Start, packages: list[str], server: Any) -> None:
    service = start()
    targets = [f"pypi:{name}" for name in packages[:30]]
    assert None not in get_scores(service.ask(targets[:10])).values()
    server.freeze()
    try:
        started = time.monotonic()
        assert None not in get_scores(service.ask(targets[:11])).values()
        assert time.monotonic() - started < 12
        started = time.monotonic()
        for number in range(11, 14):
            assert None not in get_scores(service.ask(targets[number : number + 1])).values()
        assert service.get(f"/v1/packages/pkg:pypi/{packages[14]}")[0] == 200
        assert time.monotonic() - started < 8
        preflight = json.loads(service.get(f"/v1/preflight?target=pypi:{packages[0]}&include=history")[1])
        assert preflight["history"] is None
        assert "be read" in preflight["history_reason"]
        assert service.get("/readyz")[0] == 200
        assert b"nerq_store_up 0.0" in service.get("/metrics", management=True)[1]
    finally:
        server.thaw()
    wait_until(lambda: b"nerq_store_up 1.0" in service.get("/metrics", management=True)[1])
    assert service.end() == 0
    events = [json.loads(line) for line in service.log.read_text(encoding="utf-8").splitlines()]
    messages = [event["message"] for event in events if event["event"] == "store"]
    assert "cannot read the store" in messages[0]
    assert messages[-1] == "the store is used again"
    assert "error" not in {event["level"] for event in events}


def run_serve(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nerq_cli", "serve", "--port", "0", "--management-port", "-1", "--store", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603


def test_a_server_that_is_away_at_the_start_is_an_error(url: str, server: Any) -> None:
    server.stop()
    try:
        result = run_serve(url.replace("tester@", "tester:secret@"))
    finally:
        server.start()
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert "cannot use the store postgresql://127.0.0.1:" in result.stderr
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stderr


def test_a_store_of_a_newer_version_is_an_error(url: str, server: Any, start: Start) -> None:
    assert start().end() == 0
    server.execute(url, "UPDATE nerq.format SET version = 1000")
    result = run_serve(url)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert "was written by a newer version of nerq-cli (format 1000" in result.stderr
    assert "Traceback" not in result.stderr
