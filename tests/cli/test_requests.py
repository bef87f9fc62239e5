"""How many requests a cold scan of 1,000 pins costs, with every service there."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks"
PACKAGES = 1_000
ADVISORIES = 40
#: Requests that may be sent beside those to the registry.
ALLOWED = 80
Nerq = Callable[..., Any]


@pytest.fixture
def stand_ins(site: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """The stand-ins of the benchmarks; returns how often each place was asked."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    registry, services = importlib.import_module("registry"), importlib.import_module("services")
    for name in ("NERQ_PYPI_URL", "NERQ_NPM_URL"):
        monkeypatch.setenv(name, site.url)
    for name, value in services.environment(site.url).items():
        monkeypatch.setenv(name, value)
    asked: Counter[str] = Counter()

    def serve(request: Any, connection: Any) -> bool:
        place = next((path for path in services.PLACES.values() if request.path.startswith(path)), "registry")
        asked[place] += 1
        asked["packuments"] += place == "registry" and request.path.count("/") == 1
        known = services.answers(request.path)
        status, body = services.answer(request.path, request.body) if known else (200, registry.answer(request.path))
        kind = "application/vnd.pypi.simple.v1+json" if request.path.startswith("/simple") else "application/json"
        head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return True

    monkeypatch.setattr(site, "serve", serve)
    yield asked
    for name in ("bodies", "registry", "services"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("ecosystem", ["npm", "PyPI"])
def test_a_thousand_pins_with_forty_advisories_cost_a_handful_of_requests(
    nerq: Nerq, project: Path, stand_ins: Counter[str], ecosystem: str
) -> None:
    pins = [(n, f"{1 + n % 4}.{n % 10}.0") for n in range(PACKAGES)]
    if ecosystem == "npm":
        dependencies = {f"module-{n:05}": version for n, version in pins}
        (project / "package.json").write_text(json.dumps({"dependencies": dependencies}))
    else:
        (project / "requirements.txt").write_text("".join(f"package-{n:05}=={version}\n" for n, version in pins))
    result = nerq("scan", "--as-of", "2026-11-21", "--format", "json", "--timeout", "100").json
    registry, packuments = stand_ins.pop("registry"), stand_ins.pop("packuments")
    assert sum(stand_ins.values()) <= ALLOWED, stand_ins
    assert registry <= 2 * PACKAGES
    assert packuments <= ADVISORIES
    with_advisories = [one for one in result["dependencies"] if one["advisories"]]
    assert len(with_advisories) == ADVISORIES
    counted = {source["name"]: source["requests"] for source in result["sources"]}
    assert counted.pop(ecosystem) == registry
    assert sum(counted.values()) == sum(stand_ins.values())
    assert all(source["state"] == "ok" for source in result["sources"])
