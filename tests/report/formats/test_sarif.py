from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft4Validator
from msgspec.structs import replace

from nerq_cli.inventory import Location
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import RULES
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.formats import sarif
from nerq_cli.report.model import Report
from nerq_cli.report.sanitize import TEXT_LIMIT

Json: TypeAlias = Any
Golden = Callable[[str, bytes], None]
SCHEMA = Path(__file__).parents[2] / "data" / "schemas" / "sarif-2.1.0-rtm.5.json"
VALIDATOR = Draft4Validator(json.loads(SCHEMA.read_bytes()))
#: The reader and validator of SARIF that its editors keep.
MULTITOOL = "@microsoft/sarif-multitool@5.7.0"
PROGRAMS = ("Sarif.Multitool", "Sarif.Multitool.exe")
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
    "below_root",
    "models",
    "hostile_models",
]


def run_of(report: Report) -> Json:
    [run] = json.loads(sarif.render(report, RenderOptions()))["runs"]
    return run


def results_of(report: Report, rule: str = "") -> list[Json]:
    return [one for one in run_of(report)["results"] if one["ruleId"].startswith(rule)]


def find_result(report: Report, name: str, rule: str) -> Json:
    [found] = [one for one in results_of(report, rule) if one["locations"][0]["logicalLocations"][0]["name"] == name]
    return found


def move(report: Report, name: str, **changes: Any) -> Report:
    """The report with another version or place of one dependency, and of the findings about it."""
    [one] = [one for one in report.dependencies if one.dependency.package.name == name]
    moved = replace(one, dependency=replace(one.dependency, **changes))
    findings = tuple(
        replace(finding, purl=moved.dependency.purl, locations=moved.dependency.locations)
        if finding.purl == one.dependency.purl
        else finding
        for finding in report.findings
    )
    others = tuple(moved if other is one else other for other in report.dependencies)
    return replace(report, dependencies=others, findings=findings)


@pytest.fixture
def below_root(findings: Report) -> Report:
    """A run in a folder of a repository."""
    return replace(findings, directory="services/web")


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


def test_the_official_schema_accepts_every_report(any_report: Report) -> None:
    VALIDATOR.validate(json.loads(sarif.render(any_report, RenderOptions())))


@pytest.mark.parametrize("name", ["mixed", "hostile", "waived"])
def test_the_log_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"formats/{name}.sarif", sarif.render(request.getfixturevalue(name), RenderOptions()))


@pytest.fixture(scope="session")
def multitool() -> str:
    """The SARIF Multitool, installed where NERQ_TEST_READERS states, and kept there."""
    npm, folder = shutil.which("npm"), os.environ.get("NERQ_TEST_READERS")
    if npm is None or not folder:
        pytest.skip("no npm to install the SARIF Multitool with, or NERQ_TEST_READERS is not set")
    packages = Path(folder) / "node_modules" / "@microsoft"
    if not packages.exists():
        Path(folder).mkdir(parents=True, exist_ok=True)
        install = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", MULTITOOL]
        subprocess.run([*install, "--prefix", folder], check=True, capture_output=True)  # noqa: S603 - npm
    [program] = [path for path in packages.glob("*/Sarif.Multitool*") if path.name in PROGRAMS]
    program.chmod(0o755)  # which its script would do
    return str(program)


def test_the_validator_of_microsoft_finds_no_error(
    request: pytest.FixtureRequest, multitool: str, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    for name in REPORTS:
        (folder / f"{name}.sarif").write_bytes(sarif.render(request.getfixturevalue(name), RenderOptions()))
    run = subprocess.run(  # noqa: S603 - the program just installed
        [multitool, "validate", "*.sarif", "--rule-kind", "Sarif;GHAS", "--level", "Error", "--output", "../log.sarif"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )
    [log] = json.loads((tmp_path / "log.sarif").read_bytes())["runs"]
    found = {(result["ruleId"], result["level"]) for result in log["results"]}
    assert not [rule for rule, level in found if level == "error"], run.stdout
    assert f"{len(REPORTS)} files scanned" in run.stdout


def test_a_rule_has_a_descriptor_and_a_vulnerability_one_for_each_severity(findings: Report) -> None:
    rules = {rule["id"]: rule for rule in run_of(findings)["tool"]["driver"]["rules"]}
    assert {"score-below-threshold", "score-unknown", "vulnerability-high"} <= rules.keys()
    assert rules["vulnerability-high"]["properties"]["security-severity"] == "8.0"
    assert rules["vulnerability-medium"]["properties"]["security-severity"] == "5.5"
    assert "security-severity" not in rules["score-unknown"]["properties"]
    for rule in rules.values():
        assert len(rule["properties"]["tags"]) <= 20
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
    run = run_of(findings)
    assert all(run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])


def test_the_help_of_a_rule_states_what_to_do_and_how_it_is_waived(findings: Report) -> None:
    rules = {rule["id"]: rule for rule in run_of(findings)["tool"]["driver"]["rules"]}
    for rule_id, target in (
        ("score-below-threshold", "--rule score-below-threshold"),
        ("vulnerability-high", "--advisory ID"),
    ):
        guide = rules[rule_id]["help"]
        hint = next(rule.hint for rule in RULES if rule_id.startswith(rule.id))
        for text in guide.values():
            assert hint[1:] in text
            assert f"nerq waive NAME {target} --until" in text
        assert "**What to do:**" in guide["markdown"]
        assert "```toml\n[tool.nerq.rules]" in guide["markdown"]


def test_addresses_are_in_the_log_where_one_is_set(findings: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = run_of(findings)["tool"]["driver"]
    assert "informationUri" not in driver
    assert not [rule for rule in driver["rules"] if "helpUri" in rule]
    monkeypatch.setattr(sarif, "ADDRESS", "https://docs.example")
    driver = run_of(findings)["tool"]["driver"]
    assert driver["informationUri"] == "https://docs.example"
    assert {rule["helpUri"] for rule in driver["rules"]} >= {"https://docs.example/rules#score-below-threshold"}
    VALIDATOR.validate(json.loads(sarif.render(findings, RenderOptions())))


def test_what_fails_the_run_is_an_error_and_comes_first(findings: Report) -> None:
    levels = [one["level"] for one in results_of(findings)]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert find_result(findings, "pillow", "score-below-threshold")["level"] == "error"
    assert find_result(findings, "celery", "score-unknown")["level"] == "warning"


def test_a_result_is_at_the_line_of_its_declaration_below_the_root(findings: Report) -> None:
    [location] = find_result(findings, "pillow", "score-below-threshold")["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "requirements.txt", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 27},
    }
    related = find_result(findings, "requests", "score-below-threshold")["relatedLocations"]
    assert [place["physicalLocation"]["region"]["startLine"] for place in related] == [32, 33]


@pytest.mark.parametrize(
    ("path", "artifact"),
    [
        ("a b/ä#1.txt", {"uri": "a%20b/%C3%A4%231.txt", "uriBaseId": "%SRCROOT%"}),
        ("a:b.txt", {"uri": "a%3Ab.txt", "uriBaseId": "%SRCROOT%"}),
        ("../outside.txt", {"uri": "../outside.txt"}),
        ("/home/x/req.txt", {"uri": "file:///home/x/req.txt"}),
        ("C:\\x\\req.txt", {"uri": "file:///C:/x/req.txt"}),
    ],
)
def test_a_path_becomes_a_uri(calm: Report, path: str, artifact: Json) -> None:
    finding = Finding(id="lock-drift", text="x", locations=(Location(path=path, line=0),))
    [result] = results_of(replace(calm, findings=(finding,)), "lock-drift")
    physical = result["locations"][0]["physicalLocation"]
    assert physical == {"artifactLocation": artifact, "region": {"startLine": 1}}


@pytest.mark.parametrize(
    ("path", "artifact"),
    [
        ("requirements.txt", {"uri": "services/web/requirements.txt", "uriBaseId": "%SRCROOT%"}),
        ("../api/uv.lock", {"uri": "services/api/uv.lock", "uriBaseId": "%SRCROOT%"}),
        ("../../../x/uv.lock", {"uri": "../x/uv.lock"}),
        ("/home/x/req.txt", {"uri": "file:///home/x/req.txt"}),
    ],
)
def test_paths_are_relative_to_the_root_of_the_repository(below_root: Report, path: str, artifact: Json) -> None:
    finding = Finding(id="lock-drift", text="x", locations=(Location(path=path, line=2),))
    content = json.loads(FORMATS["sarif"].render(replace(below_root, findings=(finding,)), RenderOptions()))
    [result] = [one for one in content["runs"][0]["results"] if one["ruleId"] == "lock-drift"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == artifact


def test_an_alert_is_the_same_wherever_in_the_repository_the_run_was(calm: Report) -> None:
    def find_print(path: str, directory: str) -> str:
        finding = Finding(id="lock-drift", text="x", locations=(Location(path=path, line=2),))
        report = replace(calm, findings=(finding,), directory=directory)
        [result] = json.loads(FORMATS["sarif"].render(report, RenderOptions()))["runs"][0]["results"]
        text: str = result["partialFingerprints"]["nerqIssue/v1"]
        return text

    assert find_print("web/uv.lock", "") == find_print("uv.lock", "web")
    assert find_print("uv.lock", "") != find_print("uv.lock", "web")


def test_the_command_line_is_no_location(calm: Report) -> None:
    finding = Finding(id="malicious", text="x", name="x", locations=(Location(path="<command line>", line=0),))
    [result] = results_of(replace(calm, findings=(finding,)), "malicious")
    assert "physicalLocation" not in result["locations"][0]


def test_a_fingerprint_stays_when_the_line_or_the_version_changes(findings: Report) -> None:
    before = find_result(findings, "pillow", "score-below-threshold")["partialFingerprints"]
    moved = move(findings, "pillow", version="9.4.0", locations=(Location(path="requirements.txt", line=99),))
    assert find_result(moved, "pillow", "score-below-threshold")["partialFingerprints"] == before
    other_file = move(findings, "pillow", locations=(Location(path="other.txt", line=27),))
    assert find_result(other_file, "pillow", "score-below-threshold")["partialFingerprints"] != before


def test_fingerprints_are_unique_in_a_run(any_report: Report) -> None:
    prints = [one["partialFingerprints"]["primaryLocationLineHash"] for one in results_of(any_report)]
    assert len(set(prints)) == len(prints)


def test_a_waiver_is_a_suppression_and_others_have_none(waived: Report) -> None:
    suppressed = [one for one in results_of(waived) if one["suppressions"]]
    [result] = suppressed
    [suppression] = result["suppressions"]
    assert suppression["kind"] == "external"
    assert suppression["status"] == "accepted"
    assert suppression["justification"] == "waived until 2026-12-31 by web team: no input reaches it"
    assert suppression["location"]["physicalLocation"]["region"]["startLine"] == 12


def test_without_a_waiver_no_result_has_suppressions(findings: Report) -> None:
    assert all("suppressions" not in one for one in results_of(findings))


def test_a_comparison_sets_the_state_beside_the_baseline(waived: Report) -> None:
    assert {one["baselineState"] for one in results_of(waived) if "baselineState" in one} == {"new", "unchanged"}
    worse = Finding(id="malicious", text="x", change="worse")
    [result] = results_of(replace(waived, findings=(worse,)), "malicious")
    assert result["baselineState"] == "updated"


def test_a_comparison_is_a_property_of_the_run_and_of_each_result_that_it_is_about(compared: Report) -> None:
    comparison = run_of(compared)["properties"]["comparison"]
    assert comparison["baseline"] == "main at 1a2b3c4d5"
    assert comparison["dependencies"] == "2 added, 1 downgraded, 1 rescored, 1 removed, 8 unchanged"
    assert comparison["findings"] == "8 new, 7 known, as before"
    assert {one["name"]: one["change"].split()[0].rstrip(",") for one in comparison["changes"]} == {
        "pypi:flask": "added",
        "pypi:requests": "added",
        "pypi:django": "downgraded",
        "pypi:pillow": "rescored",
        "pypi:idna": "removed",
    }
    found = find_result(compared, "pillow", "score-below-threshold")
    assert found["baselineState"] == "new"
    assert found["properties"]["change"].startswith("rescored, score 94.4 → 65.0 because cap high none → 65")


def test_without_a_comparison_nothing_is_compared(findings: Report) -> None:
    run = run_of(findings)
    assert "comparison" not in run["properties"]
    assert not [one for one in run["results"] if "baselineState" in one or "change" in one["properties"]]


def test_changes_above_the_limit_are_counted(compared: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "_MAX_CHANGES", 2)
    comparison = run_of(compared)["properties"]["comparison"]
    assert (len(comparison["changes"]), comparison["changesLeftOut"]) == (2, 3)


def test_a_run_that_could_not_check_everything_was_not_successful(doubtful: Report, calm: Report) -> None:
    [invocation] = run_of(doubtful)["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [one["message"]["text"] for one in invocation["toolExecutionNotifications"]]
    assert any("OSV" in text for text in texts)
    [invocation] = run_of(calm)["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["exitCode"] == 0
    assert invocation["toolExecutionNotifications"] == []


def test_a_problem_of_a_file_is_a_notification_at_its_line(broken: Report) -> None:
    [invocation] = run_of(broken)["invocations"]
    assert invocation["exitCode"] == 2
    [notification] = [one for one in invocation["toolExecutionNotifications"] if "locations" in one]
    assert notification["level"] == "error"
    assert notification["locations"][0]["physicalLocation"]["region"]["startLine"] == 3


def make_large(report: Report, count: int, text: Callable[[int], str]) -> Report:
    findings = tuple(
        Finding(id="malicious" if number == count - 1 else "lock-drift", text=text(number), name=f"p{number}")
        for number in range(count)
    )
    return replace(report, findings=findings, dependencies=())


def test_results_above_the_limit_are_left_out_from_the_mildest_on(calm: Report) -> None:
    run = run_of(make_large(calm, sarif.MAX_RESULTS + 5, lambda _: "x"))
    assert len(run["results"]) == sarif.MAX_RESULTS
    assert run["results"][0]["ruleId"] == "malicious"
    texts = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert "5 of 25,005 results are left out, the mildest ones" in texts


def test_a_log_never_exceeds_the_compressed_size(calm: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_COMPRESSED", 200_000)
    log = sarif.render(make_large(calm, 2_000, lambda _: os.urandom(TEXT_LIMIT // 2).hex()), RenderOptions())
    assert len(gzip.compress(log)) < 200_000
    run = json.loads(log)["runs"][0]
    assert 100 < len(run["results"]) < 2_000
    assert run["results"][0]["ruleId"] == "malicious"
    assert "left out" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_locations_above_what_is_shown_are_left_out(calm: Report) -> None:
    places = tuple(Location(path="a.txt", line=line) for line in range(1, 500))
    [result] = results_of(replace(calm, findings=(Finding(id="malicious", text="x", locations=places),)), "malicious")
    assert 1 + len(result["relatedLocations"]) == sarif.MAX_LOCATIONS


def test_no_text_of_an_author_becomes_a_link_or_an_argument(attack: Report) -> None:
    for result in results_of(attack):
        text = result["message"]["text"]
        assert "](" not in text
        assert "{0}" not in text
        assert "markdown" not in result["message"]
    for rule in run_of(attack)["tool"]["driver"]["rules"]:
        assert "octocat" not in json.dumps(rule)
