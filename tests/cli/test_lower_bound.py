"""Advisories of an incomplete list count, and what the list lacks stays unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
MEDIUM: dict[str, Any] = {"database_specific": {"severity": "MODERATE"}}


def build_record(
    id_: str, name: str, *, affected: Any = None, modified: str = "2026-11-20T00:00:00Z", **more: Any
) -> Any:
    affected = affected or {"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}
    package = {"package": {"ecosystem": "npm", "name": name}}
    return {"id": id_, "modified": modified, "published": modified, "affected": [{**package, **affected}], **more}


@pytest.fixture
def scan(nerq: Nerq, registry: Any, services: Any, project: Path, tmp_path: Path) -> Callable[..., Any]:
    """Import records, and scan a project that pins one version while OSV does not answer."""
    services.silent()
    registry.npm("left", "1.0.0", "2.0.0", "3.0.0")

    def run(*records: Any, version: str = "1.0.0") -> Any:
        folder = tmp_path / "records"
        folder.mkdir(exist_ok=True)
        for record in records:
            (folder / f"{record['id']}.json").write_text(json.dumps(record))
        assert nerq("db", "import", str(folder)).status == 0
        (project / "package.json").write_text(json.dumps({"dependencies": {"left": version}}))
        result = nerq("scan", *AS_OF, "--format", "json", "--strict")
        [dependency] = result.json["dependencies"]
        return result.status, dependency

    return run


def find_signal(dependency: Any, id_: str) -> Any:
    return next(signal for signal in dependency["signals"] if signal["id"] == id_)


def test_an_old_database_with_an_advisory_passes_nothing(scan: Any) -> None:
    status, dependency = scan(build_record("GHSA-1", "left", modified="2020-07-01T00:00:00Z", **MEDIUM))
    assert (status, dependency["state"], dependency["provisional"], dependency["grade"]) == (3, "unknown", True, None)
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["GHSA-1"]
    assert {cap["id"] for cap in dependency["caps"]} >= {"medium"}
    assert find_signal(dependency, "malware")["state"] == "unknown"
    known = find_signal(dependency, "known_advisories")
    assert known["state"] == "unknown"
    assert known["reason"] == (
        "1 known advisory (1 medium), and perhaps more: published after the advisory database was made"
    )


def test_what_an_old_database_has_still_fails(scan: Any) -> None:
    severity: dict[str, Any] = {"database_specific": {"severity": "CRITICAL"}}
    status, dependency = scan(build_record("GHSA-1", "left", modified="2020-07-01T00:00:00Z", **severity))
    assert (status, dependency["state"]) == (1, "below")


@pytest.mark.parametrize(("days_old", "is_known"), [(29, True), (31, False)])
def test_a_database_is_complete_for_thirty_days(scan: Any, days_old: int, is_known: bool) -> None:  # noqa: FBT001
    month, day = (10, 23) if days_old == 29 else (10, 21)
    modified = f"2026-{month}-{day}T12:00:00Z"
    _, dependency = scan(build_record("GHSA-1", "left", modified=modified, **MEDIUM))
    assert (find_signal(dependency, "known_advisories")["state"] == "known") is is_known


UNEVALUABLE = [
    {"ranges": [{"type": "SEMVER", "events": [{}]}]},
    {"ranges": []},
    {"versions": []},
    {"ranges": [{"type": "GIT", "repo": "https://code.example/a", "events": [{"introduced": "0"}]}]},
    {"ranges": [{"type": "SEMVER", "events": [{"introduced": "jellyfish"}, {"fixed": "whale"}]}]},
]


@pytest.mark.parametrize("affected", UNEVALUABLE)
def test_a_record_that_cannot_be_compared_makes_advisories_unknown(scan: Any, affected: Any) -> None:
    status, dependency = scan(build_record("GHSA-9", "left", affected=affected), version="3.0.0")
    assert (status, dependency["state"], dependency["provisional"]) == (3, "unknown", True)
    known = find_signal(dependency, "known_advisories")
    assert known["state"] == "unknown"
    assert known["reason"].endswith("advisory database: GHSA-9 cannot be compared with this version")


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_a_record_that_cannot_be_compared_is_named_in_the_table(
    scan: Any, nerq: Nerq, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    _, dependency = scan(build_record("GHSA-9", "left", affected=UNEVALUABLE[0]), version="3.0.0")
    assert dependency["reasons"][0] == "GHSA-9 cannot be compared with this version"
    monkeypatch.setenv("COLUMNS", str(columns))
    table = nerq("scan", *AS_OF).out.partition("not checked: OSV")[0]
    assert "GHSA-9 cannot" in table


def test_one_such_record_hides_no_other(scan: Any) -> None:
    high: dict[str, Any] = {"database_specific": {"severity": "HIGH"}}
    status, dependency = scan(
        build_record("GHSA-9", "left", affected=UNEVALUABLE[0]), build_record("GHSA-1", "left", **high)
    )
    assert (status, dependency["state"]) == (1, "below")
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["GHSA-1"]


def test_a_record_whose_alias_can_be_compared_leaves_nothing_open(scan: Any) -> None:
    _, dependency = scan(
        build_record("GHSA-9", "left", affected=UNEVALUABLE[0], aliases=["CVE-2026-1"]),
        build_record("GHSA-1", "left", aliases=["CVE-2026-1"]),
        version="3.0.0",
    )
    assert find_signal(dependency, "known_advisories")["state"] == "known"


def test_such_records_are_counted_when_they_are_imported_and_shown(nerq: Nerq, tmp_path: Path) -> None:
    (tmp_path / "GHSA-9.json").write_text(json.dumps(build_record("GHSA-9", "left", affected=UNEVALUABLE[0])))
    imported = nerq("db", "import", str(tmp_path / "GHSA-9.json")).out
    assert "1 advisory without a version or range: what is affected stays unknown" in imported
    assert "open      1 advisory without a version or range" in nerq("db", "status").out


def test_advisories_of_the_registry_alone_are_no_complete_list(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    services.silent()
    entry = {"id": "PYSEC-1", "aliases": [], "fixed_in": ["3.0"], "details": "A hole"}
    registry.pypi("demo", "2.0", "3.0", vulnerabilities={"2.0": [entry]})
    (project / "requirements.txt").write_text("demo==2.0\n")
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["PYSEC-1"]
    assert find_signal(dependency, "malware")["state"] == "unknown"
