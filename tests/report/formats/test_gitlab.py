from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft7Validator
from msgspec.structs import replace

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.policy.rules import RULES
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.formats import gitlab_code_quality, gitlab_dependency_scanning
from nerq_cli.report.model import Assessment, Report

Json: TypeAlias = Any
Golden = Callable[[str, bytes], None]
Assess = Callable[..., Assessment]
Make = Callable[..., Report]
#: The rule about names that are in no public index.
NOT_ON_INDEX = next(rule.id for rule in RULES if rule.id.startswith(("not-in-", "not-on-")))
SCHEMAS = Path(__file__).parents[2] / "data" / "schemas"
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


def read_schema(name: str) -> Draft7Validator:
    return Draft7Validator(json.loads((SCHEMAS / name).read_bytes()))


def quality(report: Report) -> Json:
    return json.loads(gitlab_code_quality.render(report, RenderOptions()))


def scanning(report: Report) -> Json:
    return json.loads(gitlab_dependency_scanning.render(report, RenderOptions()))


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


def test_code_quality_has_what_gitlab_requires(any_report: Report) -> None:
    entries = quality(any_report)
    read_schema("gitlab-code-quality.json").validate(entries)
    prints = [entry["fingerprint"] for entry in entries]
    assert len(set(prints)) == len(prints)


def test_dependency_scanning_has_what_gitlab_requires(any_report: Report) -> None:
    content = scanning(any_report)
    read_schema("gitlab-dependency-scanning-15.0.json").validate(content)
    ids = [one["id"] for one in content["vulnerabilities"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", ["mixed", "waived"])
def test_the_reports_read_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    report = request.getfixturevalue(name)
    golden(f"formats/{name}.gl-code-quality.json", gitlab_code_quality.render(report, RenderOptions()))
    golden(f"formats/{name}.gl-dependency-scanning.json", gitlab_dependency_scanning.render(report, RenderOptions()))


def test_gitlab_is_code_quality(mixed: Report) -> None:
    options = RenderOptions()
    assert FORMATS["gitlab"].render(mixed, options) == FORMATS["gitlab-codequality"].render(mixed, options)


def test_a_failure_is_worse_than_a_warning_and_a_waiver_is_for_information(waived: Report) -> None:
    severities = {(one["check_name"], one["description"].split()[0]): one["severity"] for one in quality(waived)}
    assert severities[NOT_ON_INDEX, "acme-utils:"] == "blocker"
    assert severities["score-below-threshold", "pillow"] == "major"
    assert severities["score-unknown", "celery:"] == "minor"
    assert severities["vulnerability", "pillow"] == "info"
    assert severities["vulnerability", "requests"] == "info"  # those that no finding is about come after it
    assert any("waived until 2026-12-31" in one["description"] for one in quality(waived))


def test_a_comparison_is_in_the_description_and_in_the_details(compared: Report, findings: Report) -> None:
    texts = [one["description"] for one in quality(compared)]
    [pillow] = [text for text in texts if text.startswith("pillow 9.5.0: 65.0 of 70 points")]
    assert "(new). Change: rescored, score 94.4 → 65.0 because cap high none → 65" in pillow
    assert any("(as before). Change: downgraded from 5.0" in text for text in texts)
    content = scanning(compared)
    assert content["scan"]["messages"][-1] == {
        "level": "info",
        "value": "compared with main at 1a2b3c4d5: 2 added, 1 downgraded, 1 rescored, 1 removed, 8 unchanged; "
        "findings: 8 new, 7 known, as before",
    }
    details = {one["name"].split(":")[0]: one.get("details") for one in content["vulnerabilities"]}
    found = details["GHSA-56pw-mpj4-fxww"]["comparison"]
    assert (found["name"], found["type"]) == ("Compared with main at 1a2b3c4d5", "text")
    assert found["value"].startswith("finding new; package rescored, score 94.4 → 65.0")
    assert details["GHSA-35jh-r3h4-6jhm"]["comparison"]["value"] == "finding as before"
    assert not [one for one in scanning(findings)["vulnerabilities"] if "details" in one]


def test_an_issue_has_its_line(findings: Report) -> None:
    [found] = [one for one in quality(findings) if one["description"].startswith("pillow 9.5.0: 65.0 of 70 points")]
    assert found["location"] == {"path": "requirements.txt", "lines": {"begin": 27}}


def test_an_incomplete_run_has_an_issue_of_its_own(doubtful: Report, calm: Report) -> None:
    assert quality(doubtful)[0]["check_name"] == "not-checked"
    assert quality(calm) == []
    assert scanning(doubtful)["scan"]["status"] == "failure"
    assert scanning(calm)["scan"]["status"] == "success"
    assert {one["level"] for one in scanning(doubtful)["scan"]["messages"]} == {"warn"}


def test_a_vulnerability_has_ids_links_place_and_solution(findings: Report) -> None:
    [found] = [one for one in scanning(findings)["vulnerabilities"] if one["name"].startswith("GHSA-56pw")]
    assert [(one["type"], one["value"]) for one in found["identifiers"]] == [
        ("ghsa", "GHSA-56pw-mpj4-fxww"),
        ("cve", "CVE-2023-4863"),
        ("pysec", "PYSEC-2023-175"),
    ]
    assert found["severity"] == "High"
    assert found["solution"] == "Upgrade to 10.0.1 or a later fixed version."
    assert found["location"]["file"] == "requirements.txt"
    assert found["location"]["dependency"]["version"] == "9.5.0"


def test_an_unknown_severity_stays_unknown_and_malware_is_critical(assess: Assess, report_of: Make) -> None:
    records = (AffectingAdvisory(id="GHSA-1"), AffectingAdvisory(id="MAL-2026-1", malware=True))
    found = scanning(report_of([assess("x", advisories=records)]))["vulnerabilities"]
    assert {one["name"]: one["severity"] for one in found} == {"MAL-2026-1": "Critical", "GHSA-1": "Unknown"}
    assert all("solution" not in one or "Upgrade" not in one["solution"] for one in found)


def test_a_vulnerability_is_in_each_file_of_its_dependency(assess: Assess, report_of: Make) -> None:
    one = assess("x", advisories=(AffectingAdvisory(id="GHSA-1"),), places=2)
    first, second = one.dependency.locations
    places = (first, second, replace(first, path="other.txt"))
    content = scanning(report_of([replace(one, dependency=replace(one.dependency, locations=places))]))
    assert [vulnerability["location"]["file"] for vulnerability in content["vulnerabilities"]] == [
        "requirements.txt",
        "other.txt",
    ]
    assert [file["path"] for file in content["dependency_files"]] == ["requirements.txt", "other.txt"]
    assert content["dependency_files"][0]["package_manager"] == "pip"


def test_a_package_of_the_command_line_has_a_place(assess: Assess, report_of: Make) -> None:
    one = assess("x", advisories=(AffectingAdvisory(id="GHSA-1"),))
    place = replace(one.dependency.locations[0], path="<command line>", line=0)
    content = scanning(report_of([replace(one, dependency=replace(one.dependency, locations=(place,)))]))
    assert content["vulnerabilities"][0]["location"]["file"] == "command line"


def test_hostile_text_stays_text(attack: Report) -> None:
    for one in scanning(attack)["vulnerabilities"]:
        assert all(link["url"].startswith("https://") for link in one["links"])
        assert "\n" not in one["description"]
        assert len(one["name"]) <= 255
