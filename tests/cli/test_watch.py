"""``nerq watch``, whole, against registries on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Registry, Result, Services

Nerq = Callable[..., Result]


@pytest.fixture
def demo(registry: Registry, project: Path) -> Registry:
    registry.pypi("demo", "1.0", "2.0")
    registry.pypi("other", "1.0")
    registry.most_used()
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n", encoding="utf-8")
    return registry


def test_first(demo: Registry, nerq: Nerq, services: Services, project: Path) -> None:
    for _ in range(2):
        r = nerq("watch", "--refresh")
        print(r.status, r.out, r.err)
    services.advisory("demo", "2.0", identifier="GHSA-1", database_specific={"severity": "HIGH"})
    demo.pypi("demo", "1.0", "2.0", "2.1", yanked=True)
    for w in "80", "120", "200":
        import os
        os.environ["COLUMNS"] = w
        r = nerq("watch", "--refresh", "--no-update")
        print(r.status, r.out, r.err)
    for f in "markdown", "json":
        r = nerq("watch", "--refresh", "--no-update", "-f", f)
        print(r.status, r.out, r.err)
    r = nerq("watch", "--refresh")
    r = nerq("watch", "--refresh")
    print(r.status, r.out, r.err)
    services.silent()
    r = nerq("watch", "--refresh")
    print(r.status, r.out, r.err)
    services.speak()
    r = nerq("watch", "--refresh")
    print(r.status, r.out, r.err)
    for p in (project.parent / "cache" / "watch").iterdir():
        print(p.read_text())
    assert 0
