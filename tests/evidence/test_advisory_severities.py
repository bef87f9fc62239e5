"""Severities that only the local database has, for the advisories of OSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nerq_cli.ecosystems import PYPI
from nerq_cli.evidence.advisory_lookup import Position, match_osv_advisories
from nerq_cli.facts import Advisory, AffectedPackage, Event, Found, Range
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories.osv import OsvAdvisories
from nerq_cli.sources.advisories.osv_files import build_entries
from nerq_cli.store.advisory_db import AdvisoryDatabase
from nerq_cli.units import NO_LIMIT

NOW = 1_800_000_000


def advisory(number: int) -> Advisory:
    events = (Event(introduced="0"), Event(fixed="2.0"))
    affected = AffectedPackage(PYPI, f"demo-{number}", (), (Range("ECOSYSTEM", events),))
    return Advisory(
        id=f"PYSEC-{number}", aliases=(f"CVE-2026-{1000 + number}",), affected=(affected,), published=NOW - 1_000
    )


def test_they_are_looked_up_for_all_releases_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advisories = [advisory(number) for number in range(50)]
    releases = [Release(package=Package(ecosystem=PYPI, name=f"demo-{number}"), version="1.0") for number in range(50)]
    database = AdvisoryDatabase.open(tmp_path, now=NOW)
    ratings = (
        Advisory(id=f"CVE-2026-{1000 + number}", severity="high", severity_from="CVSS 3.1 score 7.5")
        for number in range(0, 50, 2)
    )
    assert database.add_records(build_entries(ratings), None)
    queries: list[Sequence[str]] = []
    find_ratings = database.find_ratings

    def observe(names: Sequence[str]) -> dict[str, bytes]:
        queries.append(names)
        return find_ratings(names)

    monkeypatch.setattr(database, "find_ratings", observe)
    osv = OsvAdvisories(
        {release: Found((each,), "OSV", NOW) for release, each in zip(releases, advisories, strict=True)},
        {release.package: Found((), "OSV", NOW) for release in releases},
    )
    findings = match_osv_advisories(database, NOW, NO_LIMIT, dict.fromkeys(releases, Position(0, None)), osv)
    database.close()
    severities = [fact.value[0].severity for fact, _ in findings.values() if isinstance(fact, Found)]
    assert severities == ["high", "unknown"] * 25
    assert len(queries) <= 2
