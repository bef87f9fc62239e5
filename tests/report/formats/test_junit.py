from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.errors import ExitStatus
from nerq_cli.policy.findings import Finding
from nerq_cli.report import RenderOptions
from nerq_cli.report.formats import junit
from nerq_cli.report.model import Report

Golden = Callable[[str, bytes], None]
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
RESULTS = ("failure", "error", "skipped")


def parse(report: Report) -> ET.Element:
    return ET.fromstring(junit.render(report, RenderOptions()))  # noqa: S314 - of the program itself


def results(report: Report) -> dict[str, str]:
    """The result of each test case by its name."""
    return {
        case.attrib["name"]: next((child.tag for child in case if child.tag in RESULTS), "passed")
        for case in parse(report).iter("testcase")
    }


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


def test_the_counts_are_those_of_the_cases(any_report: Report) -> None:
    root = parse(any_report)
    for group in (root, *root.iter("testsuite")):
        cases = list(group.iter("testcase"))
        assert int(group.attrib["tests"]) == len(cases)
        for name, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(group.attrib[attribute]) == sum(case.find(name) is not None for case in cases)
    for case in root.iter("testcase"):
        assert sum(child.tag in RESULTS for child in case) <= 1


def test_junitparser_reads_the_same(read_back: Callable[[str], Any], tmp_path: Path, any_report: Report) -> None:
    path = tmp_path / "junit.xml"
    path.write_bytes(junit.render(any_report, RenderOptions()))
    read = read_back("junitparser").JUnitXml.fromfile(str(path))
    found = list(results(any_report).values())
    assert (read.failures, read.errors, read.skipped) == tuple(found.count(result) for result in RESULTS)


@pytest.mark.parametrize("name", ["mixed", "hostile", "waived"])
def test_the_report_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"formats/{name}.junit.xml", junit.render(request.getfixturevalue(name), RenderOptions()))


def test_there_is_a_case_for_each_dependency(findings: Report) -> None:
    cases = [case for case in parse(findings).iter("testcase") if case.attrib["classname"] != "nerq"]
    assert len(cases) == len(findings.dependencies)


def test_each_state_has_its_result(findings: Report) -> None:
    found = results(findings)
    assert found["attrs 2.31.0"] == "passed"
    assert found["pillow 9.5.0"] == "failure"
    assert found["acme-utils 1.2"] == "failure"
    assert found["celery (>=99)"] == "skipped"
    assert found["acme-web"] == "skipped"


def test_what_is_not_known_is_an_error_where_an_incomplete_run_fails(findings: Report, doubtful: Report) -> None:
    assert results(replace(findings, fails_incomplete=True))["celery (>=99)"] == "error"
    strict = results(replace(doubtful, fails_incomplete=True, exit=ExitStatus.INCOMPLETE))
    assert set(strict.values()) == {"error"}
    assert "passed" not in results(doubtful).values()


def test_a_waived_failure_is_skipped_with_its_reason(waived: Report, report_of: Callable[..., Report]) -> None:
    [waived_finding] = [finding for finding in waived.findings if finding.waiver is not None]
    [one] = [one for one in waived.dependencies if one.dependency.purl == waived_finding.purl]
    report = replace(report_of([replace(one, state="ok")]), findings=(waived_finding,))
    [case] = [case for case in parse(report).iter("testcase") if case.attrib["name"] == "pillow 9.5.0"]
    [skipped] = list(case)
    assert skipped.tag == "skipped"
    assert "waived until 2026-12-31 by web team: no input reaches it" in skipped.attrib["message"]


def test_a_rule_that_could_not_be_decided_is_no_pass(calm: Report) -> None:
    purl = calm.dependencies[0].dependency.purl
    finding = Finding(id="licence", text="licence not known", level="warn", undecided=True, purl=purl)
    report = replace(calm, findings=(finding,))
    assert results(report)["attrs 2.31.0"] == "skipped"
    assert results(replace(report, fails_incomplete=True))["attrs 2.31.0"] == "error"
    decided = replace(calm, findings=(replace(finding, undecided=False),))
    assert results(decided)["attrs 2.31.0"] == "passed"


def test_a_comparison_is_in_the_properties_of_the_run_and_in_the_texts_of_cases(
    compared: Report, findings: Report
) -> None:
    [suite] = [suite for suite in parse(compared).iter("testsuite") if suite.attrib["name"] == "nerq"]
    assert suite[0].tag == "properties"
    assert [(one.attrib["name"], one.attrib["value"]) for one in suite[0]] == [
        ("comparison.baseline", "main at 1a2b3c4d5"),
        ("comparison.dependencies", "2 added, 1 downgraded, 1 rescored, 1 removed, 8 unchanged"),
        ("comparison.findings", "8 new, 7 known, as before"),
        ("comparison.removed", "pypi:idna 2.31.0"),
    ]
    texts = {case.attrib["name"].split()[0]: "".join(case.itertext()) for case in parse(compared).iter("testcase")}
    assert "Change: rescored, score 94.4 → 65.0 because cap high none → 65" in texts["pillow"]
    assert "Change: downgraded from 5.0" in texts["django"]
    assert "Change: added" in texts["flask"]
    assert "Change:" not in texts["attrs"]
    assert not list(parse(findings).iter("properties"))


def test_names_of_removed_packages_above_the_limit_are_counted(
    compared: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(junit, "_MAX_REMOVED", 0)
    values = [one.attrib["value"] for one in parse(compared).iter("property")]
    assert values[-1] == "1 more"


def test_a_list_passes_nothing(listed: Report) -> None:
    assert set(results(listed).values()) == {"skipped"}


def test_a_problem_of_a_file_is_an_error(broken: Report) -> None:
    assert results(broken)["read requirements.txt:3"] == "error"
    assert results(broken)["everything could be checked"] == "error"


def test_a_finding_without_a_dependency_has_a_case(attack: Report) -> None:
    assert any(name.startswith("malicious") for name in results(attack))


def test_hostile_text_adds_no_element(attack: Report) -> None:
    root = parse(attack)
    assert {element.tag for element in root.iter()} <= {"testsuites", "testsuite", "testcase", *RESULTS, "system-out"}
    names = [case.attrib["name"] for case in root.iter("testcase")]
    assert any("<script>" in name for name in names)


def test_suites_are_the_projects(findings: Report) -> None:
    assert [suite.attrib["name"] for suite in parse(findings)] == [".", "nerq"]
