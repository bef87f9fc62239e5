"""The advisory database: imported, shown, and used by scans without a request."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


def record(id_: str, name: str, *, ecosystem: str = "PyPI", modified: str = "2026-11-20T00:00:00Z", **more: Any) -> Any:
    kind = "ECOSYSTEM" if ecosystem == "PyPI" else "SEMVER"
    return {
        "schema_version": "1.7.0",
        "id": id_,
        "modified": modified,
        "published": "2024-01-01T00:00:00Z",
        "summary": f"A hole in {name}",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": kind, "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}],
            }
        ],
        "database_specific": {"severity": "HIGH"},
        **more,
    }


@pytest.fixture(autouse=True)
def silence(services: Any) -> None:
    """OSV does not answer, so that it is the database that counts."""
    services.silent()


@pytest.fixture
def imported(nerq: Nerq, tmp_path: Path) -> Callable[..., Any]:
    """Import these records."""

    def take(*records: Any) -> Any:
        folder = tmp_path / "records"
        folder.mkdir(exist_ok=True)
        for one in records:
            (folder / f"{one['id']}.json").write_text(json.dumps(one))
        return nerq("db", "import", str(folder))

    return take


def test_what_is_imported_is_what_a_scan_knows(nerq: Nerq, registry: Any, project: Path, imported: Any) -> None:
    registry.npm("left", "1.0.0", "2.0.0")
    (project / "package.json").write_text('{"dependencies": {"left": "1.0.0"}}')
    before = nerq("scan", *AS_OF, "--format", "json").json["dependencies"][0]
    assert before["provisional"] is True
    assert "1 advisory" in imported(record("GHSA-1", "left", ecosystem="npm")).out
    asked = len(registry.paths)
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert result.status == 1
    assert (dependency["state"], dependency["provisional"], dependency["fix"]) == ("below", False, "2.0.0")
    assert [cap["id"] for cap in dependency["caps"]] == ["high"]
    assert len(registry.paths) == asked


def test_a_version_no_record_names_is_known_to_have_no_advisory(
    nerq: Nerq, registry: Any, project: Path, imported: Any
) -> None:
    registry.npm("left", "1.0.0", "2.0.0")
    (project / "package.json").write_text('{"dependencies": {"left": "2.0.0"}}')
    imported(record("GHSA-1", "left", ecosystem="npm"))
    result = nerq("scan", *AS_OF, "--format", "json")
    assert result.status == 0
    assert result.json["dependencies"][0]["state"] == "ok"


def test_malware_in_the_very_version_scores_zero(nerq: Nerq, registry: Any, project: Path, imported: Any) -> None:
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    affected = [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1.0"]}]
    imported(record("MAL-2026-1", "demo", affected=affected, database_specific={}))
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert (dependency["score"], dependency["grade"]) == (0.0, "F")


def test_the_silence_of_an_old_database_is_not_a_clean_answer(
    nerq: Nerq, registry: Any, project: Path, imported: Any
) -> None:
    registry.npm("left", "1.0.0", "2.0.0")
    (project / "package.json").write_text('{"dependencies": {"left": "2.0.0"}}')
    imported(record("GHSA-1", "left", ecosystem="npm", modified="2020-01-01T00:00:00Z"))
    result = nerq("scan", *AS_OF)
    assert "INCOMPLETE" in result.out
    assert "days old" in result.out
    assert "nerq db update" in result.out


def test_the_database_says_what_it_has(nerq: Nerq, imported: Any) -> None:
    assert "the advisory database is empty" in nerq("db", "status").out
    imported(record("GHSA-1", "left", ecosystem="npm"), record("PYSEC-1", "demo"))
    shown = nerq("db", "status").out
    assert "PyPI: 1 advisory" in shown
    assert "npm: 1 advisory" in shown


def test_what_is_no_record_is_refused_and_changes_nothing(nerq: Nerq, tmp_path: Path, imported: Any) -> None:
    imported(record("PYSEC-1", "demo"))
    (tmp_path / "bad.json").write_text("{")
    result = nerq("db", "import", str(tmp_path / "bad.json"))
    assert result.status == 2
    assert "Traceback" not in result.err
    assert "PyPI: 1 advisory" in nerq("db", "status").out
    assert nerq("db", "import", str(tmp_path / "missing.zip")).status == 2
    assert nerq("db", "import", str(tmp_path / "bad.json"), "-e", "cargo").status == 2


def test_a_record_that_is_damaged_in_a_zip_is_never_a_clean_version(
    nerq: Nerq, registry: Any, project: Path, tmp_path: Path
) -> None:
    registry.npm("left", "1.0.0", "2.0.0")
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(("right", "middle", "left")):
            content = json.dumps(record(f"GHSA-{number}", name, ecosystem="npm"))
            archive.writestr(f"GHSA-{number}.json", content)
    (project / "package.json").write_text('{"dependencies": {"left": "1.0.0"}}')
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"id": "GHSA-2"', b'"ie": "GHSA-3"'))
    result = nerq("db", "import", str(path))
    assert result.status == 2
    assert "GHSA-2.json: damaged in the zip" in result.err
    assert nerq("scan", *AS_OF, "--format", "json").json["complete"] is False
    path.write_bytes(whole)
    assert nerq("db", "import", str(path)).status == 0
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["GHSA-2"]


def test_where_osv_answers_the_database_adds_only_records_that_osv_does_not_publish(
    nerq: Nerq, registry: Any, services: Any, project: Path, imported: Any
) -> None:
    services.speak()
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    services.site.on("/osv/v1/vulns/GHSA-old", {"body": record("GHSA-old", "demo", withdrawn="2026-11-01T00:00:00Z")})
    imported(record("GHSA-old", "demo"), record("ACME-2026-1", "demo"))
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert [one["id"] for one in dependency["advisories"]] == ["ACME-2026-1"]


def test_single_records_do_not_make_the_silence_of_a_database_any_newer(
    nerq: Nerq, registry: Any, project: Path, imported: Any, tmp_path: Path
) -> None:
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==2.0\n")
    own = tmp_path / "own.json"
    own.write_text(json.dumps(record("ACME-1", "other")))
    assert nerq("db", "import", "--add", str(own)).status == 0
    assert "single records" in nerq("db", "status").out
    [dependency] = nerq("scan", *AS_OF, "--offline", "--format", "json").json["dependencies"]
    assert dependency["state"] != "ok"
    imported(record("PYSEC-1", "demo", modified="2020-01-01T00:00:00Z"))
    nerq("db", "import", "--add", str(own))
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert (dependency["state"], dependency["provisional"]) == ("unknown", True)


def test_an_old_database_that_has_to_answer_is_an_error_where_the_user_says_so(
    nerq: Nerq, registry: Any, project: Path, imported: Any
) -> None:
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    imported(record("PYSEC-1", "demo", modified="2020-01-01T00:00:00Z"))
    result = nerq("scan", *AS_OF, "--max-db-age", "7d")
    assert result.status == 3
    assert "days old, and --max-db-age allows 7" in result.err
    assert "days old" in nerq("scan", *AS_OF).out.splitlines()[-1] + nerq("scan", *AS_OF).out


def test_the_limit_asks_for_a_database_where_nobody_else_is_asked(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    nerq("scan", *AS_OF)
    assert nerq("scan", *AS_OF, "--offline", "--max-db-age", "7d").status == 3


def test_a_damaged_database_is_told(nerq: Nerq, registry: Any, project: Path, imported: Any, tmp_path: Path) -> None:
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    imported(record("PYSEC-1", "demo"))
    [database] = (tmp_path / "cache").glob("advisories*.sqlite3")
    database.write_bytes(b"\x00garbage" * 700)
    result = nerq("scan", *AS_OF, "--format", "json")
    assert any("advisor" in one or "set aside" in one for one in result.json["warnings"]), result.json["warnings"]


def test_the_database_of_an_ecosystem_without_packages_in_the_run_is_no_source(
    nerq: Nerq, registry: Any, project: Path, imported: Any
) -> None:
    registry.npm("left", "1.0.0", "2.0.0")
    (project / "package.json").write_text('{"dependencies": {"left": "2.0.0"}}')
    imported(record("GHSA-1", "left", ecosystem="npm"), record("GHSA-2", "right"))
    names = [source["name"] for source in nerq("scan", *AS_OF, "--format", "json").json["sources"]]
    assert [name for name in names if name.startswith("advisory database")] == ["advisory database (npm)"]
