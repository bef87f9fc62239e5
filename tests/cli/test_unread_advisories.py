"""An advisory that is listed, and whose record could not be read: what it may mean for the score and the gate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Registry, Result, Services

_ID = "GHSA-aaaa-bbbb-cccc"
_CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


@pytest.fixture
def unread(registry: Registry, services: Services, services_site: Any, project: Path) -> None:
    """A release with a critical advisory whose record OSV does not give out."""
    registry.pypi("good", "1.0", "1.1", "2.0")
    services.advisory("good", "1.0", "1.1", identifier=_ID, severity=_CRITICAL)
    services_site.on(f"/osv/v1/vulns/{_ID}", {"status": 500})
    (project / "requirements.txt").write_text("good==1.1\n")


@pytest.mark.usefixtures("unread")
def test_the_score_is_provisional_and_its_range_has_what_the_record_may_state(nerq: Callable[..., Result]) -> None:
    [dependency] = nerq("check", "good==1.1", "-f", "json").json["dependencies"]
    score = dependency
    assert score["grade"] is None
    assert score["provisional"] is True
    assert score["score"] == 69
    assert score["score_range"][0] == 0
    signals = {signal["id"]: signal["state"] for signal in score["signals"]}
    assert (signals["known_advisories"], signals["malware"]) == ("unknown", "unknown")


@pytest.mark.usefixtures("unread")
def test_severity_and_fix_are_not_known(nerq: Callable[..., Result]) -> None:
    card = nerq("check", "good==1.1").out
    page = nerq("report", "good==1.1").out
    for text in (card, page):
        assert "not known: its record was not read" in " ".join(text.split())
        for statement in ("no fix known", "no fix ", "without a fix", "no fixed version"):
            assert statement not in text
    assert "~69.0" in card


@pytest.mark.usefixtures("unread")
def test_the_rule_stays_undecided(nerq: Callable[..., Result]) -> None:
    result = nerq("scan", "-t", "60", "-f", "json")
    [finding] = [finding for finding in result.json["findings"] if finding["id"] == "vulnerability"]
    assert finding["undecided"] is True
    assert finding["advisory"] == _ID
    assert result.json["complete"] is False
    assert nerq("scan", "-t", "60", "--strict").status == 3


@pytest.mark.usefixtures("unread")
def test_what_no_severity_would_deny_is_not_undecided(nerq: Callable[..., Result]) -> None:
    result = nerq("scan", "-t", "60", "--allow", "vulnerability", "-f", "json")
    assert not [finding for finding in result.json["findings"] if finding["id"] == "vulnerability"]


@pytest.mark.usefixtures("unread")
def test_what_the_registry_has_of_it_counts(nerq: Callable[..., Result], registry: Registry) -> None:
    record = {"id": "PYSEC-2026-7", "aliases": [_ID], "fixed_in": ["2.0"], "summary": "A hole"}
    registry.pypi("good", "1.0", "1.1", "2.0", vulnerabilities={"1.1": [record]})
    [dependency] = nerq("check", "good==1.1", "-f", "json").json["dependencies"]
    [advisory] = dependency["advisories"]
    assert (advisory["id"], advisory["nearest_fix"]) == (_ID, "2.0")
    assert dependency["grade"] is None


def test_an_alias_with_the_severity_that_was_not_read_leaves_it_open(
    nerq: Callable[..., Result], registry: Registry, services: Services, services_site: Any
) -> None:
    registry.pypi("good", "1.0", "2.0")
    services.advisory("good", "1.0", identifier="PYSEC-2026-1", aliases=[_ID])
    services_site.on(f"/osv/v1/vulns/{_ID}", {"status": 500})
    [dependency] = nerq("check", "good==1.0", "-f", "json").json["dependencies"]
    score = dependency
    assert (score["provisional"], score["grade"], score["score_range"][0]) == (True, None, 30)
    signals = {signal["id"]: signal["state"] for signal in score["signals"]}
    assert signals["malware"] == "known"


def test_an_alias_that_osv_does_not_have_leaves_nothing_open(
    nerq: Callable[..., Result], registry: Registry, services: Services, services_site: Any
) -> None:
    registry.pypi("good", "1.0", "2.0")
    services.advisory("good", "1.0", identifier="PYSEC-2026-1", aliases=[_ID])
    services_site.on(f"/osv/v1/vulns/{_ID}", {"status": 404})
    [dependency] = nerq("check", "good==1.0", "-f", "json").json["dependencies"]
    assert dependency["provisional"] is False


@pytest.mark.usefixtures("unread")
def test_the_record_in_the_database_counts_in_its_place(nerq: Callable[..., Result], tmp_path: Path) -> None:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
    record = {
        "id": _ID,
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "severity": _CRITICAL,
        "affected": [{"package": {"ecosystem": "PyPI", "name": "good"}, "ranges": ranges}],
    }
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert nerq("db", "import", str(tmp_path / "record.json")).status == 0
    [dependency] = nerq("check", "good==1.1", "-f", "json").json["dependencies"]
    [advisory] = dependency["advisories"]
    assert (advisory["severity"], advisory["nearest_fix"]) == ("critical", "2.0")
    assert (dependency["provisional"], dependency["caps"][0]["id"]) == (False, "critical")
