"""OpenVEX output: what was decided, and no more than that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Location
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.vex import read_vex
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.formats import openvex
from nerq_cli.report.model import Assessment, Report

Json: TypeAlias = Any
Assess = Callable[..., Assessment]
Make = Callable[..., Report]
SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "schemas" / "openvex-0.2.0.json").read_text(encoding="utf-8"))
REPORTS = [
    "mixed",
    "calm",
    "doubtful",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "models",
    "hostile_models",
]
ADVISORIES = (
    AffectingAdvisory(id="GHSA-1-1", aliases=("CVE-2026-1",), severity="high", fixed_in=("2.0",)),
    AffectingAdvisory(id="GHSA-2-2", severity="high"),
)


def document(report: Report) -> Json:
    content = json.loads(openvex.render(report, RenderOptions()))
    errors = [(list(error.path), error.validator) for error in Draft202012Validator(SCHEMA).iter_errors(content)]
    assert errors == ([] if content["statements"] else [(["statements"], "minItems")])
    return content


def statement(report: Report, name: str = "GHSA-1-1") -> Json:
    return next(one for one in document(report)["statements"] if one["vulnerability"]["name"] == name)


@pytest.fixture
def vulnerable(assess: Assess, report_of: Make) -> Report:
    return report_of([assess("demo", "1.0", advisories=ADVISORIES)])


def waive(report: Report, id_: str = "CVE-2026-1", **more: Any) -> Report:
    fields: dict[str, Any] = {"reason": "r", "until": "2027-01-31", "location": Location(path="a", line=1)}
    waiver = AppliedWaiver(**fields | more)
    finding = Finding(id="vulnerability", text="t", purl="pkg:pypi/demo@1.0", advisory=id_, waiver=waiver)
    return replace(report, findings=(finding,))


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_a_valid_document(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    content = document(report)
    affected = {item.dependency.purl for item in report.dependencies if item.advisories}
    assert {one["products"][0]["@id"] for one in content["statements"]} == affected
    read_vex(openvex.render(report, RenderOptions()), "a.json")


def test_a_run_without_advisories_is_a_document_without_statements(calm: Report) -> None:
    content = document(calm)
    assert content["statements"] == []
    assert content["timestamp"] == "2026-11-21T02:40:00Z"
    assert read_vex(openvex.render(calm, RenderOptions()), "a.json").waivers == ()


def test_what_was_not_decided_is_under_investigation(vulnerable: Report) -> None:
    assert statement(vulnerable)["status_notes"] == "no decision; fixed in 2.0"
    assert statement(vulnerable, "GHSA-2-2")["status_notes"] == "no decision; no fixed version named"
    assert {one["status"] for one in document(vulnerable)["statements"]} == {"under_investigation"}


def test_a_waiver_accepts_and_never_states_that_the_project_is_not_affected(vulnerable: Report) -> None:
    found = statement(waive(vulnerable, owner="ann"))
    assert (found["status"], found["action_statement"]) == ("affected", "update to 2.0; accepted until 2027-01-31: r")
    assert found["vulnerability"] == {"name": "GHSA-1-1", "aliases": ["CVE-2026-1"]}
    assert found["products"] == [{"@id": "pkg:pypi/demo@1.0", "identifiers": {"purl": "pkg:pypi/demo@1.0"}}]
    assert document(waive(vulnerable, owner="ann"))["author"] == "ann"
    assert statement(waive(vulnerable, "GHSA-2-2"), "GHSA-2-2")["action_statement"] == "accepted until 2027-01-31: r"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"status": "not_affected", "justification": "component_not_present"},
            {"justification": "component_not_present"},
        ),
        ({"status": "not_affected"}, {"impact_statement": "r"}),
        ({"status": "fixed"}, {}),
        ({"status": "under_investigation"}, {}),
        ({"status": "affected"}, {"action_statement": "update to 2.0; accepted until 2027-01-31: r"}),
        ({"status": "affected", "until": ""}, {"action_statement": "update to 2.0; r"}),
    ],
)
def test_the_status_that_a_waiver_states_is_written(
    vulnerable: Report, fields: dict[str, str], expected: dict[str, str]
) -> None:
    found = statement(waive(vulnerable, **fields))
    keys = ("justification", "impact_statement", "action_statement")
    assert (found["status"], {key: found[key] for key in keys if key in found}) == (fields["status"], expected)


def test_a_decision_of_a_vex_document_keeps_its_author(vulnerable: Report) -> None:
    location = Location(path="acme.json", line=0)
    report = waive(vulnerable, until="", author="acme", status="fixed", location=location)
    assert statement(report)["status_notes"] == "waived by acme (acme.json): r"


def test_the_same_decisions_give_the_same_bytes_and_others_another_id(vulnerable: Report) -> None:
    assert openvex.render(vulnerable, RenderOptions()) == openvex.render(vulnerable, RenderOptions())
    assert document(vulnerable)["@id"] != document(waive(vulnerable))["@id"]
    assert document(vulnerable)["timestamp"] == "2026-11-21T02:40:00Z"


def test_text_of_a_package_is_escaped(vulnerable: Report) -> None:
    report = waive(vulnerable, reason="##[error]\x1b[2J\u202e")
    text = FORMATS["openvex"].render(report, RenderOptions()).decode()
    assert "\x1b" not in text
    assert "##[" not in text
