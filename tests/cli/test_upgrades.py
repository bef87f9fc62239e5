"""What to move to, from the command line to the screen; and names that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
HOLE = {"id": "PYSEC-2026-1", "aliases": [], "details": "A hole.", "fixed_in": ["2.0"], "link": "", "withdrawn": None}


def write(project: Path, text: str) -> None:
    (project / "requirements.txt").write_text(text)


def only(result: Any) -> Any:
    [dependency] = result.json["dependencies"]
    return dependency


def test_a_scan_names_the_version_that_clears_the_threshold_and_changes_no_file(
    nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.pypi("demo", "1.0", "2.0", "3.0", vulnerabilities={"1.0": [HOLE]})
    write(project, "demo==1.0\n")
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    way = one["upgrade"]
    assert (way["version"], way["passes"], way["in_range"], way["fixed_advisories"]) == (
        "2.0",
        True,
        False,
        ["PYSEC-2026-1"],
    )
    assert re.search(rf" {one['score']:.1f} C .* 2\.0 +requirements", nerq("scan", *AS_OF).out)
    monkeypatch.setenv("COLUMNS", "80")
    assert f"→ 2.0 ({way['score']:.1f})" in nerq("scan", *AS_OF).out
    write(project, "demo==2.0\n")
    assert only(nerq("scan", *AS_OF, "--format", "json"))["score"] == way["score"]
    assert (project / "requirements.txt").read_text() == "demo==2.0\n"


def test_the_version_to_move_to_and_the_newest_have_the_dates_that_they_have_when_in_use(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.pypi("demo", "1.0", "2.0", "3.0", vulnerabilities={"1.0": [HOLE]})
    write(project, "demo==1.0\n")
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    dates = [
        only(nerq("check", f"pypi:demo=={version}", *AS_OF, "--format", "json"))["released_at"]
        for version in ("1.0", "2.0", "3.0")
    ]
    assert [one["released_at"], one["upgrade"]["released_at"], one["latest_released_at"]] == dates
    assert len(set(dates)) == 3


def test_offline_the_way_out_comes_from_the_cache(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0", "3.0", vulnerabilities={"1.0": [HOLE]})
    write(project, "demo==1.0\n")
    online = nerq("scan", *AS_OF, "--format", "json")
    asked = len(registry.paths)
    offline = nerq("scan", *AS_OF, "--format", "json", "--offline")
    assert offline.status == 1
    assert only(offline)["upgrade"] == only(online)["upgrade"]
    assert len(registry.paths) == asked


def test_offline_what_nobody_asked_about_before_is_not_known_and_nothing_fails(
    nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which advisories the newer versions have was never asked: any is a guess, and the nearest will do."""
    monkeypatch.setattr("nerq_cli.evidence.early_requests._FEW_PACKAGES", 0)  # or the newest one may have been
    registry.pypi("demo", "1.0", "2.0", "3.0", vulnerabilities={"1.0": [HOLE]})
    write(project, "demo==1.0\n")
    nerq("scan", *AS_OF, "--threshold", "0")
    asked = len(registry.paths)
    offline = nerq("scan", *AS_OF, "--format", "json", "--offline")
    assert offline.status == 1
    way = only(offline)["upgrade"]
    assert (way["version"], way["provisional"], way["passes"]) == ("2.0", True, False)
    assert nerq("scan", *AS_OF, "--offline", "--no-cache").status == 0
    assert len(registry.paths) == asked


def test_check_shows_the_score_of_the_newest_version(nerq: Nerq, registry: Any) -> None:
    registry.pypi("demo", "1.0", "2.0", "3.0")
    one = only(nerq("check", "pypi:demo==1.0", *AS_OF, "--format", "json"))
    newest = only(nerq("check", "pypi:demo", *AS_OF, "--format", "json"))
    assert one["latest_upgrade"]["version"] == newest["version"] == "3.0"
    assert one["latest_upgrade"]["score"] == newest["score"]
    assert newest["latest_upgrade"] is None


def test_a_name_no_index_knows_fails_the_run_in_a_block_of_its_own(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0")
    write(project, "demo==1.0\nacme-secret-tool>=1\n")
    result = nerq("scan", *AS_OF)
    assert result.status == 1
    assert "1 name that is not in the registry: anyone could register it" in result.out
    assert result.out.rstrip().endswith("exit 1 (1 name in no public index)")
    (project / "nerq.toml").write_text('private = ["acme-*"]\n')
    assert nerq("scan", *AS_OF).status == 0
