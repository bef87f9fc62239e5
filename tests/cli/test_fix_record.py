"""Which of the older advisories of a package were fixed: known from the database, and from OSV if all were read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCAN = ("scan", "--as-of", "2026-11-21", "--format", "json")
FIXED = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
OPEN = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]


def affects(ranges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"package": {"ecosystem": "PyPI", "name": "demo"}, "ranges": ranges}]


@pytest.fixture
def measure(nerq: Callable[..., Any], registry: Any, project: Path) -> Callable[..., tuple[str, float | None, str]]:
    """Return state, value and reason of the fix record of a version."""

    def scan(version: str) -> tuple[str, float | None, str]:
        registry.pypi("demo", "1.0", "2.0")
        (project / "requirements.txt").write_text(f"demo=={version}\n")
        [dependency] = nerq(*SCAN).json["dependencies"]
        signal = next(one for one in dependency["signals"] if one["id"] == "fix_record")
        return signal["state"], signal["value"], signal["reason"]

    return scan


@pytest.mark.parametrize("is_osv_silent", [True, False])
def test_the_database_knows_it_with_and_without_osv(
    measure: Any, nerq: Callable[..., Any], services: Any, tmp_path: Path, *, is_osv_silent: bool
) -> None:
    for number, ranges in enumerate((FIXED, FIXED, OPEN)):
        dates = {"published": "2025-01-01T00:00:00Z", "modified": "2026-11-20T00:00:00Z"}
        record = {"id": f"PYSEC-{number}", "affected": affects(ranges), **dates}
        (tmp_path / f"{number}.json").write_text(json.dumps(record))
        services.advisory("demo", "1.0", identifier=record["id"], **dates, affected=affects(ranges))
    if is_osv_silent:
        services.silent()
    assert nerq("db", "import", *(str(tmp_path / f"{number}.json") for number in range(3))).status == 0
    assert measure("2.0") == ("known", 75.0, "2 of 3 older advisories name a fixed version")


def test_osv_alone_knows_it_where_all_older_advisories_affect_the_version(measure: Any, services: Any) -> None:
    services.advisory("demo", "1.0", identifier="PYSEC-1", affected=affects(FIXED))
    services.advisory("demo", "1.0", identifier="PYSEC-2", affected=affects(OPEN))
    assert measure("1.0") == ("known", pytest.approx(200 / 3, abs=0.1), "1 of 2 older advisories name a fixed version")
    state, _, reason = measure("2.0")
    assert (state, reason) == ("unknown", "older advisories were not read; nerq db update fetches them")


def test_without_an_older_advisory_it_does_not_apply(measure: Any) -> None:
    assert measure("2.0")[0] == "not_applicable"
