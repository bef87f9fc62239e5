"""Advisories that the database has and OSV's list lacks: OSV's record of each decides, and its silence ends none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
NOTE = "contradictory: OSV's list does not have it"
WITHDRAWN = {"withdrawn": "2026-11-20T00:00:00Z"}
NEWER = {"modified": "2026-11-20T00:00:00Z"}
OLDER = {"modified": "2026-10-01T00:00:00Z"}


def build_record(identifier: str, *versions: str, **more: Any) -> dict[str, Any]:
    affected = [{"package": {"ecosystem": "PyPI", "name": "requests"}, "versions": list(versions)}]
    times = {"modified": "2026-11-10T00:00:00Z", "published": "2026-11-01T00:00:00Z"}
    return {"id": identifier, **times, "summary": "Steals tokens", "affected": affected, **more}


@pytest.fixture
def scan(nerq: Any, registry: Any, project: Path, tmp_path: Path) -> Callable[..., Any]:
    """Import a record, and scan a project while OSV's list has nothing."""
    registry.pypi("requests", "2.9", "3.0", "3.1")
    (project / "requirements.txt").write_text("requests==3.0\n")

    def run(record: Any) -> Any:
        (tmp_path / "record.json").write_text(json.dumps(record))
        assert nerq("db", "import", str(tmp_path / "record.json")).status == 0
        result = nerq("scan", *AS_OF, "--format", "json")
        [dependency] = result.json["dependencies"]
        return result, dependency

    return run


def list_lookups(services: Any) -> list[str]:
    return [request.path.rpartition("/")[2] for request in services.site.requests if "/vulns/" in request.path]


def test_known_malware_stays_malware_while_osv_lists_nothing(scan: Any, nerq: Any, services: Any) -> None:
    result, dependency = scan(build_record("MAL-9", "3.0"))
    assert (result.status, dependency["score"], dependency["state"]) == (1, 0, "below")
    assert [finding["id"] for finding in result.findings] == ["malicious"]
    [advisory] = dependency["advisories"]
    assert (advisory["id"], advisory["malware"], advisory["summary"]) == ("MAL-9", True, f"{NOTE}. Steals tokens")
    assert list_lookups(services) == ["MAL-9"]
    sent = len(services.site.requests)
    again = nerq("scan", *AS_OF, "--format", "json")
    assert (again.status, again.json["dependencies"][0]["score"]) == (1, 0)
    assert len(services.site.requests) == sent


@pytest.mark.parametrize(
    ("record", "answers", "is_kept"),
    [
        (build_record("MAL-9", "3.0"), {"MAL-9": build_record("MAL-9", "3.0", **WITHDRAWN)}, False),
        (build_record("MAL-9", "3.0"), {"MAL-9": build_record("MAL-9", "2.9", **NEWER)}, False),
        (build_record("MAL-9", "3.0"), {"MAL-9": build_record("MAL-9", "2.9", **OLDER)}, True),
        (build_record("MAL-9", "3.0"), {"MAL-9": build_record("MAL-9", "3.0", **NEWER)}, True),
        (build_record("MAL-9", "3.0"), {"MAL-9": 500}, True),
        (build_record("MAL-9", "3.0"), {"MAL-9": {"id": "MAL-8"}}, True),
        (build_record("PYSEC-9", "3.0"), {}, True),
        (
            build_record("PYSEC-9", "3.0", aliases=["GHSA-9"]),
            {"GHSA-9": build_record("GHSA-9", "3.0", **WITHDRAWN)},
            False,
        ),
        (
            build_record("PYSEC-9", "3.0", aliases=["CVE-2026-9"]),
            {"CVE-2026-9": {**build_record("CVE-2026-9", **WITHDRAWN), "affected": []}},
            True,
        ),
    ],
)
def test_the_record_of_osv_decides(
    scan: Any, services: Any, record: Any, answers: dict[str, Any], *, is_kept: bool
) -> None:
    for identifier, answer in answers.items():
        body = {"status": answer} if isinstance(answer, int) else {"body": answer}
        services.site.on(f"/osv/v1/vulns/{identifier}", body)
    result, dependency = scan(record)
    assert [advisory["id"] for advisory in dependency["advisories"]] == ([record["id"]] if is_kept else [])
    assert (result.status == 0) is not is_kept


def test_only_what_both_disagree_about_is_asked_for(scan: Any, services: Any) -> None:
    services.advisory(
        "requests", "3.0", identifier="GHSA-1", aliases=["PYSEC-1"], database_specific={"severity": "HIGH"}
    )
    _, dependency = scan(build_record("PYSEC-1", "3.0"))
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["GHSA-1"]
    assert list_lookups(services) == ["GHSA-1"]


def test_ids_of_other_databases_are_not_sent(scan: Any, services: Any) -> None:
    _, dependency = scan(build_record("ACME-1", "3.0"))
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["ACME-1"]
    assert list_lookups(services) == []


def test_shipped_malware_counts_while_osv_lists_nothing(nerq: Any, registry: Any, services: Any, project: Path) -> None:
    registry.pypi("requests", "2.9")
    registry.npm("eslint-scope", "3.7.1", "3.7.2", "4.0.0")
    registry.pypi("ctx", "0.2.6", "0.3")
    (project / "package.json").write_text('{"dependencies": {"eslint-scope": "3.7.2"}}')
    (project / "requirements.txt").write_text("ctx==0.2.6\n")
    result = nerq("scan", *AS_OF, "--format", "json")
    assert result.status == 1
    assert [(one["name"], one["score"]) for one in result.json["dependencies"]] == [("ctx", 0), ("eslint-scope", 0)]
    assert {finding["id"] for finding in result.findings} == {"malicious"}
    [[ctx], [eslint_scope]] = [dependency["advisories"] for dependency in result.json["dependencies"]]
    assert (ctx["id"], ctx["summary"].startswith(NOTE)) == ("PYSEC-2022-199", True)
    assert (eslint_scope["id"], eslint_scope["summary"]) == ("NSWG-ECO-450", "Malicious Package in eslint-scope")
    assert list_lookups(services) == ["PYSEC-2022-199"]
    services.site.on("/osv/v1/vulns/PYSEC-2022-199", {"body": {"id": "PYSEC-2022-199", **WITHDRAWN, "affected": []}})
    time.sleep(1.1)  # an answer of this very second is not asked for again
    dependencies = nerq("scan", *AS_OF, "--format", "json", "--refresh").json["dependencies"]
    assert [len(dependency["advisories"]) for dependency in dependencies] == [0, 1]
