"""The table of jurisdictions, and readiness."""

from __future__ import annotations

import runpy
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.compliance.jurisdictions import (
    COVERAGE_FLOOR,
    Jurisdiction,
    Readiness,
    assess_readiness,
    find_standing,
    load_table,
)
from nerq_cli.compliance.keys import KEY_WEIGHTS, KeyEvidence
from tests.compliance.conftest import AS_OF

ROOT = Path(__file__).parents[2]


def moment(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp())


def keys(state: Any = "present", **states: Any) -> list[KeyEvidence]:
    return [
        KeyEvidence(key=key, state=states.get(key, state), credit=float(states.get(key, state) == "present"))
        for key in KEY_WEIGHTS
    ]


def assess(evidence: list[KeyEvidence], kind: str = "model", day: str = "2026-11-29") -> Readiness:
    return assess_readiness(kind, evidence, moment(day))


def row(readiness: Readiness, code: str) -> Any:
    return next(row for row in readiness.rows if row.code == code)


def find(code: str) -> Jurisdiction:
    return next(row for row in load_table().jurisdictions if row.code == code)


def test_the_shipped_table_is_that_of_the_documentation() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "benchmarks" / "make_jurisdictions.py"))
    shipped = ROOT / "nerq_cli" / "compliance" / "jurisdictions.json"
    assert shipped.read_text(encoding="utf-8") == script["build"]()


def test_the_table_uses_its_vocabulary() -> None:
    table = load_table()
    assert table.count == len(table.jurisdictions) == len({row.code for row in table.jurisdictions}) == 52
    for row in table.jurisdictions:
        assert row.requires
        assert set(row.requires) <= set(table.keys)
        assert set(row.applies_to) <= {"package", "model", "space", "dataset"}
        date.fromisoformat(row.checked)
        assert len(row.in_force_date) in (0, 4, 10)
        assert row.url == "" or row.url.startswith("https://")
    assert [m.date for m in table.eu_milestones] == sorted(m.date for m in table.eu_milestones)


def test_the_corrections_are_in_the_table() -> None:
    washington, connecticut = find("US-WA"), find("US-CT")
    assert (washington.in_force_date, washington.confidence) == ("2027-02-01", "medium")
    assert "1 October 2027" in connecticut.notes
    assert "Code of Practice on marking and labelling" in find("EU").notes


def test_standings_are_counted_apart() -> None:
    readiness = assess(keys())
    assert readiness.standings == {"binding": 21, "adopted": 3, "proposed": 8, "voluntary": 20}
    assert readiness.total == 52
    assert readiness.applicable == 50
    assert [row.code for row in readiness.rows if not row.is_applicable] == ["US-UT", "US-ME"]


def test_what_is_ahead_applies_from_its_day_on() -> None:
    before, after = assess(keys(), day="2026-12-01"), assess(keys(), day="2026-12-02")
    assert [m.applies for m in before.milestones if m.date == "2026-12-02"] == [False]
    assert [m.applies for m in after.milestones if m.date == "2026-12-02"] == [True]
    assert [row(assess(keys(), day=day), "US-CO").standing for day in ("2026-12-31", "2027-01-01")] == [
        "adopted",
        "binding",
    ]
    assert row(before, "US-CO").applies_from == "2027-01-01"
    assert row(assess(keys(), day="2027-01-01"), "US-CO").applies_from == ""
    assert row(assess(keys(), day="2027-02-01"), "US-WA").standing == "binding"
    assert row(assess(keys(), day="2025-12-31"), "US-CA").standing == "adopted"


def test_a_year_alone_is_over_before_what_is_adopted_applies() -> None:
    maine = find("US-ME")
    assert find_standing(maine, date(2025, 1, 1)) == "binding"
    assert find_standing(maine, date(2024, 12, 31)) == "adopted"


def test_everything_present_is_100_and_everything_absent_0() -> None:
    assert assess(keys()).readiness == pytest.approx(100)
    assert assess(keys("absent")).readiness == 0
    assert assess(keys()).coverage == 1
    assert assess(keys()).assessed == 50


def test_unknown_is_never_absent() -> None:
    unknown = assess(keys("present", limitations="unknown"))
    assert unknown.readiness == pytest.approx(100)
    assert unknown.coverage < 1
    japan = row(unknown, "JP")
    assert (japan.unknown, japan.readiness) == (("limitations",), pytest.approx(100))
    assert japan.coverage == pytest.approx(3 / 5)


def test_too_little_evidence_is_no_number() -> None:
    nothing = assess(keys("unknown"))
    assert (nothing.readiness, nothing.coverage, nothing.assessed) == (None, 0, 0)
    tennessee = row(assess(keys("present", out_of_scope_use="unknown")), "US-TN")
    assert tennessee.coverage < COVERAGE_FLOOR
    assert tennessee.readiness is None
    assert tennessee.reason == "too little of what it asks for is known"


def test_weights_of_keys_count() -> None:
    washington = row(assess(keys("absent", intended_use="present")), "JP")
    assert washington.readiness == pytest.approx(100 * 2 / 5)
    assert washington.present == ("intended_use",)


def test_what_does_not_apply_to_the_task_is_left_out() -> None:
    readiness = assess(keys("present", ai_generated_content_transparency="not_applicable"))
    assert not row(readiness, "US-WA").is_applicable
    assert row(readiness, "EU").coverage == 1
    assert readiness.applicable == 49


def test_an_old_table_is_a_warning() -> None:
    assert assess(keys(), day="2027-05-20").warning == ""
    assert "2026-11-21, 181 days ago" in assess(keys(), day="2027-05-21").warning


def test_the_same_evidence_gives_the_same_result() -> None:
    assert assess_readiness("model", keys(), AS_OF) == assess_readiness("model", list(reversed(keys())), AS_OF)
