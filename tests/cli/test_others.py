"""The commands that need no project."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

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


def test_where_no_cache_is_clear_says_so(nerq: Nerq, tmp_path: Path) -> None:
    result = nerq("cache", "clear", "--cache-dir", str(tmp_path / "none"))
    assert (result.status, result.out) == (0, f"there is no cache at {tmp_path / 'none'}\n")
    assert not (tmp_path / "none").exists()


def test_a_read_only_cache_can_be_looked_at(
    nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.pypi("demo", "2.0")
    (project / "requirements.txt").write_text("demo==2.0\n")
    nerq("scan")
    connect = sqlite3.connect

    def refuse_writing(address: str, **options: Any) -> Any:
        if "mode=rw" in address:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(address, **options)

    monkeypatch.setattr(sqlite3, "connect", refuse_writing)
    result = nerq("cache", "info")
    assert (result.status, result.err) == (0, "")
    assert "pypi" in result.out
    assert nerq("cache", "prune").status == 2


@pytest.mark.parametrize("variable", ["NERQ_OSV_URL", "NERQ_PYPI_URL", "NERQ_OSV_DUMPS_URL"])
@pytest.mark.parametrize("command", [("scan",), ("check", "pypi:demo"), ("db", "update")])
def test_a_service_variable_that_holds_no_url_is_a_usage_error(
    nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch, variable: str, command: tuple[str, ...]
) -> None:
    registry.pypi("demo", "2.0")
    (project / "requirements.txt").write_text("demo==2.0\n")
    monkeypatch.setenv("NERQ_OSV_DUMPS_URL", registry.site.url)
    monkeypatch.setenv(variable, "http://[::1")
    if command[0] == "db" and variable != "NERQ_OSV_DUMPS_URL":
        return  # it asks for the dumps only
    result = nerq(*command)
    assert result.status == 2
    assert f"error: environment {variable} is not a URL" in result.err
    assert f"hint: set {variable}" in result.err
    assert not registry.paths
