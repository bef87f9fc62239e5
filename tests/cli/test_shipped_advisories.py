"""Scans on a machine that reaches only the registries find what the shipped advisories have, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.sources.advisories.shipped_advisories import ShippedAdvisories

AS_OF = ("--as-of", "2026-11-21")
#: Without the list of advisories that PyPI's own answers have.
NAMES = {"jinja2": ("2.10", "3.1.6"), "requests": ("2.33.0", "2.34.0")}
Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def popular_packages(registry: Any, project: Path) -> None:
    for name, versions in NAMES.items():
        registry.pypi(name, *versions)
    (project / "requirements.txt").write_text("jinja2==2.10\nrequests==2.34.0\n")


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a file of the shipped advisories is read."""

    def load(self: ShippedAdvisories, ecosystem: str) -> None:
        raise AssertionError(ecosystem)

    monkeypatch.setattr(ShippedAdvisories, "load", load)


def scan(nerq: Nerq, *arguments: str) -> tuple[Any, dict[str, Any]]:
    result = nerq("scan", *AS_OF, "--format", "json", *arguments)
    return result, {dependency["name"]: dependency for dependency in result.json["dependencies"]}


def import_records(nerq: Nerq, tmp_path: Path, modified: str) -> None:
    affected = [{"package": {"ecosystem": "PyPI", "name": "jinja2"}, "versions": ["2.10"]}]
    row = {"id": "PYSEC-9", "modified": modified, "published": "2019-01-01T00:00:00Z", "affected": affected}
    (tmp_path / "own.json").write_text(json.dumps(row))
    assert nerq("db", "import", str(tmp_path / "own.json")).status == 0


def test_what_is_shipped_counts_where_osv_is_silent_and_its_silence_does_not(nerq: Nerq, services: Any) -> None:
    services.silent()
    result, dependencies = scan(nerq)
    affected, other = dependencies["jinja2"], dependencies["requests"]
    assert result.status == 1
    assert "PYSEC-2019-217" in [advisory["id"] for advisory in affected["advisories"]]
    assert (affected["state"], affected["provisional"], affected["grade"]) == ("below", True, None)
    assert (other["state"], other["provisional"], other["advisories"]) == ("unknown", True, [])
    assert result.json["complete"] is False
    [source] = [row for row in result.json["sources"] if row["name"].startswith("shipped")]
    assert (source["name"], source["oldest_response"]) == ("shipped advisories (PyPI)", "2024-10-10T17:22:00Z")


def test_the_verdict_has_the_date_of_the_shipped_advisories(nerq: Nerq, services: Any) -> None:
    services.silent()
    printed = " ".join(nerq("scan", *AS_OF).out.split())
    assert "the shipped advisories for PyPI are of 2024-10-10" in printed.partition("exit 1 (")[2]
    assert "shipped advisories 771 days old" in printed.replace("\xa0", " ")
    assert "npm are of" not in printed


def test_they_are_not_read_and_change_no_verdict_where_osv_answers(nerq: Nerq, services: Any, unread: None) -> None:
    result, dependencies = scan(nerq)
    assert not dependencies["jinja2"]["advisories"]
    assert dependencies["jinja2"]["provisional"] is False
    assert not [row for row in result.json["sources"] if row["name"].startswith("shipped")]


def test_a_newer_database_replaces_them(nerq: Nerq, services: Any, tmp_path: Path, unread: None) -> None:
    services.silent()
    import_records(nerq, tmp_path, "2024-12-01T00:00:00Z")
    result, dependencies = scan(nerq)
    assert [advisory["id"] for advisory in dependencies["jinja2"]["advisories"]] == ["PYSEC-9"]
    assert not [row for row in result.json["sources"] if row["name"].startswith("shipped")]


def test_an_older_database_and_they_both_count(nerq: Nerq, services: Any, tmp_path: Path) -> None:
    services.silent()
    import_records(nerq, tmp_path, "2020-12-01T00:00:00Z")
    _, dependencies = scan(nerq)
    ids = [advisory["id"] for advisory in dependencies["jinja2"]["advisories"]]
    assert {"PYSEC-9", "PYSEC-2019-217"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_an_offline_run_has_them(nerq: Nerq, services: Any) -> None:
    _, dependencies = scan(nerq, "--offline")
    assert "PYSEC-2019-217" in [advisory["id"] for advisory in dependencies["jinja2"]["advisories"]]


def test_they_are_no_fresh_database_where_the_user_asks_for_one(nerq: Nerq, services: Any) -> None:
    assert nerq("scan", *AS_OF, "--offline", "--max-db-age", "7d").status != 0
    assert "the advisory database is empty" in nerq("scan", *AS_OF, "--offline", "--max-db-age", "7d").err


def test_a_version_that_the_registry_does_not_list_any_more_is_judged_by_them(
    nerq: Nerq, services: Any, project: Path
) -> None:
    services.silent()
    (project / "requirements.txt").write_text("jinja2==2.9\nrequests @ https://code.example/requests-2.19.0.tar.gz\n")
    _, dependencies = scan(nerq)
    for name, identifier in {"jinja2": "PYSEC-2019-217", "requests": "PYSEC-2018-28"}.items():
        assert identifier in [advisory["id"] for advisory in dependencies[name]["advisories"]], name


def test_the_status_of_the_database_has_them(nerq: Nerq) -> None:
    printed = nerq("db", "status").out
    assert "shipped with nerq-cli: 2,651 advisories for PyPI up to 2024-10-10, 462 for npm up to 2020-07-13" in printed
