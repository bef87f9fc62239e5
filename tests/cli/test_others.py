"""The commands that need no project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

Nerq = Callable[..., Any]


def test_the_schema_is_a_json_schema(nerq: Nerq) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(nerq("schema").out))


def test_the_methodology_prints_every_signal(nerq: Nerq) -> None:
    from nerq_cli.methodology.packages import PACKAGES

    shown = " ".join(nerq("methodology").out.split())
    assert all(signal.name in shown for signal in PACKAGES.signals.values())
    assert all(cap.id in shown for cap in PACKAGES.caps.values())


def test_the_cache_can_be_looked_at_tidied_and_emptied(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    (project / "requirements.txt").write_text("demo==2.0\n")
    nerq("scan")
    assert "pypi" in nerq("cache", "info").out
    assert "0 entries" in nerq("cache", "prune").out
    assert nerq("cache", "clear").status == 0
    assert "pypi-json" not in nerq("cache", "info").out
