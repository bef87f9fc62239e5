"""The same vulnerability fails or passes alike, whichever of its ids a source lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
SCAN = ("scan", "--as-of", "2026-11-21", "--format", "json")
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
DEMO = [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1.0"]}]
ELSEWHERE = [{"package": {"ecosystem": "PyPI", "name": "another"}, "versions": ["1.0"]}]
IDS = ("PYSEC-1", "GHSA-1", "CVE-1")


def build_record(identifier: str, affected: Any, **fields: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "modified": "2026-11-20T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": [one for one in IDS if one != identifier],
        "affected": affected,
        **fields,
    }


def label(severity: str) -> dict[str, Any]:
    return {"database_specific": {"severity": severity}}


def cvss(vector: str = CRITICAL) -> dict[str, Any]:
    return {"severity": [{"type": "CVSS_V3", "score": vector}]}


@pytest.fixture
def online(nerq: Nerq, registry: Any, services: Any, project: Path) -> Callable[..., Any]:
    """Scan where OSV lists the records about the package, and serves all."""

    def scan(*records: dict[str, Any]) -> Any:
        registry.pypi("demo", "1.0", "2.0")
        (project / "requirements.txt").write_text("demo==1.0\n")
        for record in records:
            services.site.on(f"/osv/v1/vulns/{record['id']}", {"body": record})
        listed = [record["id"] for record in records if record["affected"] == DEMO]
        services.affecting["demo", "1.0"] = services.recorded["demo"] = listed
        return nerq(*SCAN)

    return scan


@pytest.fixture
def offline(nerq: Nerq, registry: Any, services: Any, project: Path, tmp_path: Path) -> Callable[..., Any]:
    """Scan with the same records in the local database, where OSV does not answer."""

    def scan(*records: dict[str, Any]) -> Any:
        services.silent()
        registry.pypi("demo", "1.0", "2.0")
        (project / "requirements.txt").write_text("demo==1.0\n")
        folder = tmp_path / "records"
        folder.mkdir()
        for record in records:
            (folder / f"{record['id']}.json").write_text(json.dumps(record))
        assert nerq("db", "import", str(folder)).status == 0
        return nerq(*SCAN)

    return scan


@pytest.fixture(params=["online", "offline"])
def scan(request: pytest.FixtureRequest) -> Callable[..., Any]:
    found: Callable[..., Any] = request.getfixturevalue(request.param)
    return found


def judged(result: Any) -> tuple[str, str, str, list[str]]:
    [dependency] = result.json["dependencies"]
    [one] = dependency["advisories"]
    return one["severity"], one["severity_source"], dependency["state"], [cap["id"] for cap in dependency["caps"]]


@pytest.mark.parametrize(
    ("records", "source"),
    [
        ([build_record("PYSEC-1", DEMO), build_record("GHSA-1", ELSEWHERE, **label("HIGH"))], "alias GHSA-1"),
        ([build_record("GHSA-1", DEMO, **label("HIGH"))], "GHSA label"),
        ([build_record("PYSEC-1", DEMO), build_record("GHSA-1", DEMO, **label("HIGH"))], "GHSA label"),
        (
            [
                build_record("PYSEC-1", DEMO, **cvss()),
                build_record("GHSA-1", ELSEWHERE, **label("HIGH")),
                build_record("CVE-1", [], **cvss()),
            ],
            "alias GHSA-1",
        ),
    ],
    ids=["PYSEC", "GHSA", "both", "contradictory"],
)
def test_one_vulnerability_counts_the_same_under_each_of_its_ids(
    scan: Callable[..., Any], records: list[Any], source: str
) -> None:
    result = scan(*records)
    assert judged(result) == ("high", source, "below", ["high-no-fix"])
    assert result.status == 1


def test_a_cve_record_without_a_package_gives_its_severity(scan: Callable[..., Any]) -> None:
    result = scan(build_record("PYSEC-1", DEMO), build_record("CVE-1", [], **cvss()))
    assert judged(result) == ("critical", "alias CVE-1", "below", ["critical-no-fix"])
    [one] = result.json["dependencies"][0]["advisories"]
    assert (one["id"], one["aliases"]) == ("PYSEC-1", ["CVE-1", "GHSA-1"])


def test_the_card_names_the_record_that_the_severity_is_from(online: Callable[..., Any], nerq: Nerq) -> None:
    online(build_record("PYSEC-1", DEMO), build_record("CVE-1", [], **cvss()))
    assert "critical (alias CVE-1)" in nerq("check", "demo==1.0", "--as-of", "2026-11-21").out


def test_the_database_gives_the_severity_that_osv_has_nowhere(
    online: Callable[..., Any], nerq: Nerq, tmp_path: Path
) -> None:
    (tmp_path / "CVE-1.json").write_text(json.dumps(build_record("CVE-1", [], **cvss())))
    added = nerq("db", "import", "--add", str(tmp_path / "CVE-1.json"))
    assert (added.status, added.out) == (0, "1 records without a package kept for the severity of their aliases\n")
    assert "empty" in nerq("db", "status").out
    assert judged(online(build_record("PYSEC-1", DEMO)))[:2] == ("critical", "alias CVE-1")


def test_an_alias_that_osv_lacks_leaves_the_run_complete(online: Callable[..., Any]) -> None:
    result = online(build_record("PYSEC-1", DEMO))
    [dependency] = result.json["dependencies"]
    assert dependency["advisories"][0]["severity"] == "unknown"
    assert {one["name"]: one["state"] for one in result.json["sources"]}["OSV"] == "ok"


def test_an_alias_that_hangs_is_named_and_the_run_is_incomplete(
    online: Callable[..., Any], services: Any, nerq: Nerq, tmp_path: Path
) -> None:
    online(build_record("PYSEC-1", DEMO))
    services.site.on("/osv/v1/vulns/CVE-1", {"hang": True})
    services.site.on("/osv/v1/vulns/GHSA-1", {"status": 404})
    result = nerq(*SCAN, "--timeout", "4", "--cache-dir", str(tmp_path / "fresh"))
    assert result.json["complete"] is False
    [osv] = [one for one in result.json["sources"] if one["name"] == "OSV"]
    assert (osv["state"], osv["subjects"] - osv["answered_subjects"]) == ("partial", 1)


def test_what_was_imported_without_a_package_is_no_advisory_of_an_ecosystem(nerq: Nerq, tmp_path: Path) -> None:
    (tmp_path / "CVE-1.json").write_text(json.dumps(build_record("CVE-1", [], **cvss())))
    assert nerq("db", "import", str(tmp_path / "CVE-1.json")).status == 2
