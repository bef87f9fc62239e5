"""Versions to move to, and the age rules of the project and the user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
#: Three days after the newest release of the registries.
AS_OF = ("--as-of", "2026-10-23T08:00:00Z")
HOLE = {"id": "PYSEC-2026-1", "aliases": [], "details": "A hole.", "fixed_in": ["2.0"], "link": "", "withdrawn": None}


@pytest.fixture
def hole(registry: Any) -> None:
    """A project whose version 1.0 has an advisory, which 2.0 fixes; 2.0 is three days old."""
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [HOLE]})


def only(result: Any) -> Any:
    [dependency] = result.json["dependencies"]
    return dependency


def write(project: Path, **files: str) -> None:
    for name, text in files.items():
        path = project / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_without_an_age_rule_the_report_has_no_word_about_ages(nerq: Nerq, hole: None, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert one["fix"] == "2.0"
    assert not {"installable", "installable_at", "age_rules"} & one.keys()


def test_a_fix_younger_than_uv_allows_is_installable_later_or_today_with_a_line(
    nerq: Nerq, hole: None, project: Path
) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["demo==1.0"]\n\n[tool.uv]\nexclude-newer = "7 days"\n'
    )
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert (one["installable"], one["installable_at"]) == ("later", "2026-10-27T08:00:00Z")
    [rule] = one["age_rules"]
    assert rule == {
        "tool": "uv",
        "setting": "exclude-newer",
        "value": "7 days",
        "location": {"path": "pyproject.toml", "line": 7},
        "override": 'exclude-newer-package = { demo = "2026-10-23T08:00:00Z" } under [tool.uv] in pyproject.toml',
    }
    table = nerq("scan", *AS_OF).out
    assert "2.0+" in table
    text = " ".join(table.split())
    assert "+ demo 2.0: installable in 4 days (exclude-newer = 7 days (pyproject.toml:7)), or today with:" in text
    card = " ".join(nerq("scan", *AS_OF, "--explain", "demo").out.split())
    assert "installable in 4 days" in card
