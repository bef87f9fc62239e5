"""What the settings of a scanned project change is shown in every format, and can be left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
SENTENCE = "nerq.toml weakens the check: threshold = 0 (default 70); private = evil-*"


@pytest.fixture(autouse=True)
def weak_settings(registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0")
    (project / "requirements.txt").write_text("demo==1.0\nevil-lib==1.0\n")
    (project / "nerq.toml").write_text('threshold = 0\nprivate = ["evil-*"]\n')


def test_every_format_names_the_file_and_each_weakening(nerq: Nerq) -> None:
    assert SENTENCE in nerq("scan", *AS_OF, "--format", "json").json["warnings"]
    assert SENTENCE in " ".join(nerq("scan", *AS_OF).out.split())
    assert SENTENCE in " ".join(nerq("scan", "--list").out.split())
    assert SENTENCE in " ".join(nerq("check", "pypi:demo", *AS_OF).err.split())


def test_no_config_applies_none(nerq: Nerq) -> None:
    report = nerq("scan", *AS_OF, "--no-config", "--format", "json").json
    assert (report["threshold"], report["warnings"]) == (70.0, [])
    assert {one["name"]: one["state"] for one in report["dependencies"]}["evil-lib"] == "unknown"


def test_another_file_applies_where_the_environment_names_it(
    nerq: Nerq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ci.toml").write_text("threshold = 90\n")
    monkeypatch.setenv("NERQ_CONFIG", str(tmp_path / "ci.toml"))
    report = nerq("scan", *AS_OF, "--format", "json").json
    assert (report["threshold"], report["warnings"]) == (90.0, [])
    monkeypatch.setenv("NERQ_CONFIG", str(tmp_path / "missing.toml"))
    assert nerq("scan", *AS_OF).status == 2
