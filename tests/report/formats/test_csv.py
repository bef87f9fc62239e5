from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO

import pytest
from msgspec.structs import replace

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.report import RenderOptions
from nerq_cli.report.formats import csv as csv_report
from nerq_cli.report.model import Assessment, Report

Golden = Callable[[str, bytes], None]
Assess = Callable[..., Assessment]
Make = Callable[..., Report]
REPORTS = [
    "mixed",
    "calm",
    "doubtful",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "waived",
    "attack",
    "compared",
    "models",
    "hostile_models",
]
DIMENSIONS = ("security", "maintenance", "documentation", "compliance", "community")


def render(report: Report) -> str:
    return csv_report.render(report, RenderOptions()).decode()


def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(render(report), newline=""), strict=True))


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


@pytest.mark.parametrize("name", ["mixed", "hostile", "waived"])
def test_the_table_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"formats/{name}.csv", csv_report.render(request.getfixturevalue(name), RenderOptions()))


def test_there_is_a_row_for_each_dependency(any_report: Report) -> None:
    found = rows(any_report)
    assert len([row for row in found if row["change"] != "removed"]) == len(any_report.dependencies)
    assert all(list(row) == [*csv_report.COLUMNS, *DIMENSIONS, *csv_report.LAST_COLUMNS] for row in found)


def test_lines_end_as_rfc_4180_has_them(any_report: Report) -> None:
    text = render(any_report)
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n") == len(rows(any_report)) + 1


def test_a_comparison_fills_the_last_columns_and_adds_what_was_removed(compared: Report) -> None:
    found = {row["name"]: row for row in rows(compared)}
    columns = csv_report.LAST_COLUMNS[-4:]
    assert columns == ("change", "version_before", "score_before", "score_moved_by")
    cells = {name: [row[column] for column in columns] for name, row in found.items()}
    assert cells["django"] == ["downgraded", "5.0", "65.0", ""]
    assert cells["pillow"][:3] == ["rescored", "9.5.0", "94.4"]
    assert cells["pillow"][3].startswith("cap high none → 65")
    assert cells["flask"] == ["added", "", "", ""]
    assert cells["attrs"] == ["", "", "", ""]
    assert cells["idna"] == ["removed", "2.31.0", "94.4", ""]
    assert [value for value in found["idna"].values() if value] == [
        "PyPI",
        "idna",
        "pkg:pypi/idna",
        "removed",
        "2.31.0",
        "94.4",
    ]


def test_no_cell_begins_a_formula(any_report: Report) -> None:
    for row in rows(any_report):
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))  # noqa: RUF001


def test_a_cell_that_would_begin_a_formula_has_an_apostrophe_before_it(mixed: Report) -> None:
    [row] = [row for row in rows(mixed) if row["name"] == "pillow"]
    assert row["requirement"] == "'==9.5.0"
    assert row["purl"] == "pkg:pypi/pillow@9.5.0"


def test_a_row_has_score_findings_advisories_and_fix(waived: Report) -> None:
    [row] = [row for row in rows(waived) if row["name"] == "pillow"]
    assert row["state"] == "below"
    assert row["score"] == "65.0"
    assert "score-below-threshold" in row["findings"].split("; ")
    assert row["waived"] == "vulnerability"
    assert row["advisories"] == "GHSA-56pw-mpj4-fxww; GHSA-8ghj-p4vj-mr35"
    assert row["worst_severity"] == "high"
    assert (row["fix"], row["fix_score"]) == ("10.0.1", "69.4")
    assert row["locations"] == "requirements.txt:27"


def test_what_is_not_known_is_empty(mixed: Report, assess: Assess, report_of: Make) -> None:
    [row] = [row for row in rows(mixed) if row["name"] == "celery"]
    assert (row["state"], row["version"], row["score"], row["licence"]) == ("unknown", "", "", "")
    one = assess("x", advisories=(AffectingAdvisory(id="A", exploited=None),))
    assert rows(report_of([one]))[0]["known_exploited"] == ""
    known = replace(one, advisories=(AffectingAdvisory(id="A", exploited=False),))
    assert rows(report_of([known]))[0]["known_exploited"] == "false"
