"""The policy as a whole command: levels, thresholds, what is not known, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
HIGH: dict[str, Any] = {"database_specific": {"severity": "HIGH"}}
MEDIUM: dict[str, Any] = {"database_specific": {"severity": "MODERATE"}}


def fixed_in(version: str) -> list[dict[str, Any]]:
    return [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": version}]}]


def affect(services: Any, id_: str, *, fix: str = "2.0", **record: Any) -> None:
    package = {"package": {"ecosystem": "PyPI", "name": "demo"}, "ranges": fixed_in(fix)}
    services.advisory("demo", "1.0", identifier=id_, **record)
    body = {"id": id_, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
    services.site.on(f"/osv/v1/vulns/{id_}", {"body": {**body, "affected": [package], **record}})


@pytest.fixture(autouse=True)
def demo(registry: Any, services: Any, project: Path) -> Path:
    """A project with one dependency that passes."""
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    assert services
    (project / "requirements.txt").write_text("demo==1.0\n")
    return project


def settings(project: Path, text: str) -> None:
    (project / "nerq.toml").write_text(text)


def scan(nerq: Nerq, *options: str) -> Any:
    return nerq("scan", *AS_OF, "--format", "json", *options)


def test_an_advisory_of_high_severity_fails_although_the_score_passes(
    nerq: Nerq, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    affect(services, "GHSA-1", **HIGH)
    result = scan(nerq, "--threshold", "50")
    [dependency] = result.json["dependencies"]
    [finding] = result.json["findings"]
    assert (result.status, dependency["state"]) == (1, "ok")
    assert (finding["id"], finding["level"], finding["advisory"], finding["severity"]) == (
        "vulnerability",
        "deny",
        "GHSA-1",
        "high",
    )
    assert dependency["upgrade"]["version"] == "2.0"
    table = nerq("scan", *AS_OF, "--threshold", "50").out
    assert "FAIL" in table
    assert "✖ 1 vulnerability" in table
    row = next(line for line in table.splitlines() if " demo " in line and "✖" in line)
    assert "2.0" in row
    monkeypatch.setenv("COLUMNS", "160")
    assert "GHSA-1 (high) · fails vulnerability" in nerq("scan", *AS_OF, "--threshold", "50").out
    assert table.splitlines()[-1] == "exit 1 (1 vulnerability)"
    card = nerq("check", "pypi:demo==1.0", *AS_OF, "--threshold", "50").out
    assert "fails vulnerability: GHSA-1, high, fixed in 2.0" in " ".join(card.split())


def test_an_advisory_of_medium_severity_with_a_fix_warns_and_is_visible(nerq: Nerq, services: Any) -> None:
    affect(services, "GHSA-1", **MEDIUM)
    result = scan(nerq, "--strict")
    assert (result.status, [finding["level"] for finding in result.json["findings"]]) == (0, ["warn"])
    assert result.json["complete"] is True
    assert result.json["exit"]["reason"] == "everything at or above the threshold; 1 warning: 1 vulnerability"
    table = nerq("scan", *AS_OF).out
    assert "1 warning" in table
    assert "GHSA-1 (medium)" in table


def test_an_advisory_of_medium_severity_without_a_fix_is_shown_and_no_finding(nerq: Nerq, services: Any) -> None:
    services.advisory("demo", "1.0", identifier="GHSA-1", **MEDIUM)
    result = scan(nerq)
    assert (result.status, result.json["findings"]) == (0, [])
    assert "GHSA-1 (medium)" in nerq("scan", *AS_OF).out


@pytest.mark.parametrize(
    ("options", "status", "levels"),
    [
        ((), 1, ["deny", "deny"]),
        (("--warn", "vulnerability"), 1, ["deny", "warn"]),
        (("--warn", "vulnerability", "--warn", "score-below-threshold"), 0, ["warn", "warn"]),
        (("--allow", "vulnerability", "--allow", "score-below-threshold"), 0, []),
        (("--allow", "vulnerability"), 1, ["deny"]),
    ],
)
def test_options_give_rules_their_levels(
    nerq: Nerq, services: Any, options: tuple[str, ...], status: int, levels: list[str]
) -> None:
    affect(services, "GHSA-1", **HIGH)
    result = scan(nerq, *options)
    assert result.status == status
    assert [finding["level"] for finding in result.json["findings"]] == levels
    assert nerq("scan", *AS_OF, *options).status == status


def test_a_rule_that_is_not_there_and_two_levels_for_one_are_usage_errors(nerq: Nerq) -> None:
    unknown = nerq("scan", "--deny", "licenze")
    assert (unknown.status, unknown.out) == (2, "")
    assert "--deny: there is no rule 'licenze'" in unknown.err
    assert "did you mean 'licence'?" in unknown.err
    both = nerq("scan", "--deny", "licence", "--warn", "licence")
    assert both.status == 2
    assert "contradicts" in both.err
    preset = nerq("scan", "--policy", "prodution")
    assert preset.status == 2
    assert "the policies are research (30), sandbox (50), production (70), critical (80)" in preset.err


def test_report_only_states_what_would_fail_and_exits_0(nerq: Nerq, services: Any) -> None:
    affect(services, "GHSA-1", **HIGH)
    result = scan(nerq, "--report-only")
    reason = "report only: would exit 1: 1 below 70, 1 vulnerability"
    assert result.status == 0
    assert result.json["exit"] == {"code": 0, "reason": reason, "report_only": True, "judged_code": 1}
    table = nerq("scan", *AS_OF, "--report-only")
    assert table.status == 0
    assert "FAIL" in table.out
    assert "report only" in table.out
    assert table.out.splitlines()[-1] == f"exit 0 ({reason})"


def test_report_only_covers_what_could_not_be_checked_and_not_an_empty_project(
    nerq: Nerq, services: Any, project: Path
) -> None:
    services.silent()
    assert scan(nerq, "--strict").status == 3
    result = scan(nerq, "--strict", "--report-only")
    assert (result.status, result.json["exit"]["judged_code"], result.json["complete"]) == (0, 3, False)
    (project / "requirements.txt").unlink()
    assert scan(nerq, "--report-only").status == 4


@pytest.mark.parametrize(
    ("preset", "threshold"), [("research", 30), ("sandbox", 50), ("production", 70), ("critical", 80)]
)
def test_a_policy_has_a_threshold(nerq: Nerq, project: Path, preset: str, threshold: float) -> None:
    assert scan(nerq, "--policy", preset).json["threshold"] == threshold
    settings(project, f'preset = "{preset}"')
    assert scan(nerq).json["threshold"] == threshold


def test_a_threshold_of_a_group_and_of_a_package_holds_for_its_dependencies_alone(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.pypi("other", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\nother==1.0\n")
    settings(project, "[thresholds.packages]\nother = 100\n")
    result = scan(nerq)
    found = {one["name"]: (one["state"], one["threshold"]) for one in result.json["dependencies"]}
    assert found["other"][1] == 100
    assert found["other"][0] in ("below", "unknown")
    assert found["demo"] == ("ok", 70)
    assert "threshold 70 and others" in nerq("scan", *AS_OF).out
    settings(project, "[thresholds.groups]\nmain = 99.9\n")
    assert {one["threshold"] for one in scan(nerq).json["dependencies"]} == {99.9}


def test_a_dimension_below_its_threshold_fails_with_its_number(nerq: Nerq, project: Path) -> None:
    settings(project, "[thresholds.dimensions]\ndocumentation = 100\nsecurity = 100\n")
    result = scan(nerq)
    [finding] = result.json["findings"]
    assert finding["id"] == "score-below-threshold"
    assert "of 100 points" in finding["text"]
    assert result.json["exit"]["reason"] == "1 below their thresholds"
    assert finding["text"].split("; ")[0] in result.json["dependencies"][0]["reasons"]


def test_what_is_not_known_is_incomplete_at_warn_fails_at_deny_and_is_no_clean_pass_at_allow(
    nerq: Nerq, services: Any
) -> None:
    services.silent()
    for options, status in (((), 0), (("--strict",), 3), (("--deny", "score-unknown"), 1)):
        result = scan(nerq, *options)
        assert (result.status, result.json["complete"]) == (status, False)
        assert [finding["id"] for finding in result.json["findings"]] == ["score-unknown"]
    allowed = scan(nerq, "--allow", "score-unknown")
    assert (allowed.status, allowed.json["complete"], allowed.json["findings"]) == (0, False, [])
    assert "1 could not be judged (allowed)" in allowed.json["exit"]["reason"]
    assert "INCOMPLETE" in nerq("scan", *AS_OF, "--allow", "score-unknown").out


def test_a_licence_that_is_not_accepted_fails_and_one_that_is_not_known_leaves_the_run_incomplete(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.pypi("copyleft", "1.0", license_expression="GPL-3.0-only")
    registry.pypi("silent", "1.0", license_expression=None, license=None, classifiers=None)
    settings(project, '[rules.licence]\nallow = ["permissive"]\n')
    assert scan(nerq).status == 0  # MIT

    (project / "requirements.txt").write_text("copyleft==1.0\n")
    result = scan(nerq)
    [finding] = result.json["findings"]
    assert (result.status, finding["id"], finding["text"]) == (1, "licence", "GPL-3.0-only is not accepted")
    table = nerq("scan", *AS_OF).out
    assert "1 licence that is not accepted" in table
    assert "→ replace the dependency" in table
    assert scan(nerq, "--warn", "licence").status == 0
    assert "1 licence that is not accepted (warning)" in nerq("scan", *AS_OF, "--warn", "licence").out


def test_a_rule_whose_facts_were_not_read_does_not_read_as_passed(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.npm("x", "1.0.0")
    (project / "requirements.txt").unlink()
    (project / "package.json").write_text(json.dumps({"name": "app", "dependencies": {"x": "1.0.0"}}))
    result = scan(nerq, "--deny", "archived", "--strict")
    undecided = [finding for finding in result.json["findings"] if finding["id"] == "archived"]
    assert [(finding["level"], finding["undecided"], finding["name"]) for finding in undecided] in (
        [],
        [("warn", True, "x")],
    )
    assert result.json["complete"] is not bool(undecided)
    assert result.status == (3 if undecided else 0)


def test_an_install_script_is_reported_until_npm_is_told_about_it(nerq: Nerq, registry: Any, project: Path) -> None:
    (project / "requirements.txt").unlink()
    registry.npm("x", "1.0.0", scripts={"postinstall": "node setup.js"}, hasInstallScript=True)
    manifest: dict[str, Any] = {"name": "app", "dependencies": {"x": "1.0.0"}}
    (project / "package.json").write_text(json.dumps(manifest))

    def find() -> list[str]:
        result = scan(nerq, "--deny", "install-script", "--threshold", "0")
        return [finding["text"] for finding in result.json["findings"] if finding["id"] == "install-script"]

    assert find() == ["runs a script at installation (postinstall)"]
    decision: dict[str, Any]
    for decision in ({"x": True}, {"x": False}, {"x@1.0.0 || 2.0.0": True}):
        (project / "package.json").write_text(json.dumps(manifest | {"allowScripts": decision}))
        assert find() == []
    for decision in ({"x@2.0.0": True}, {"y": True}, {"x": "yes"}):
        (project / "package.json").write_text(json.dumps(manifest | {"allowScripts": decision}))
        assert len(find()) == 1
    (project / "package.json").write_text(json.dumps(manifest))
    for text in ("allowBuilds:\n  x: true\n", "onlyBuiltDependencies:\n  - x\n", "ignoredBuiltDependencies:\n  - x\n"):
        (project / "pnpm-workspace.yaml").write_text(text)
        assert find() == []
    (project / "pnpm-workspace.yaml").write_text("allowBuilds:\n  x: maybe\n")
    assert len(find()) == 1


def test_a_version_that_the_registry_removed_is_found(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.5\n")
    result = scan(nerq, "--deny", "vanished")
    assert result.status == 1
    assert "version 1.5 is not listed by the registry any more" in [one["text"] for one in result.json["findings"]]


def test_a_version_without_a_pin_is_found(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("demo>=1\n")
    result = scan(nerq, "--deny", "unpinned")
    assert [finding["text"] for finding in result.findings] == [">=1: no file fixes the version"]
    assert result.json["exit"]["reason"] == "1 unpinned dependency"


def test_a_version_is_too_new_for_the_least_age_of_the_settings(nerq: Nerq, project: Path) -> None:
    settings(project, '[rules.too-new]\nmin-age = "P60D"\n')
    (project / "requirements.txt").write_text("demo==2.0\n")  # a month old
    result = scan(nerq)
    [finding] = result.findings
    assert (result.status, finding["id"]) == (1, "too-new")
    assert finding["text"].endswith("the least age is 60 days")
    settings(project, '[rules.too-new]\nmin-age = "480h"\n')
    assert scan(nerq).status == 0


def test_what_a_project_weakens_is_named_in_every_report(nerq: Nerq, services: Any, project: Path) -> None:
    affect(services, "GHSA-1", **HIGH)
    settings(project, 'report-only = true\n[rules]\nvulnerability = "warn"\nscore-below-threshold = "allow"\n')
    result = scan(nerq)
    sentence = (
        "nerq.toml weakens the check: report-only = true; rules.score-below-threshold = allow (default deny); "
        "rules.vulnerability = warn (default deny)"
    )
    assert result.status == 0
    assert sentence in result.json["warnings"]
    assert sentence in result.err
    assert sentence in " ".join(nerq("scan", *AS_OF).out.split())
    assert scan(nerq, "--no-config").status == 1


def test_settings_below_the_root_are_listed_and_not_obeyed(nerq: Nerq, project: Path) -> None:
    for folder, name, text in (
        ("a", "nerq.toml", "threshold = 100"),
        ("b", ".nerq.toml", "threshold = 100"),
        ("c", "pyproject.toml", "[project]\nname = 'c'\n[tool.nerq]\nthreshold = 100"),
    ):
        (project / folder).mkdir()
        (project / folder / name).write_text(text)
        (project / folder / "requirements.txt").write_text("demo==1.0\n")
    result = scan(nerq, "--strict")
    assert (result.status, result.json["threshold"], result.json["complete"]) == (0, 70, True)
    notes = [note for file in result.json["dependency_files"] for note in file["notes"] if "does not apply" in note]
    reason = "in this directory does not apply: only the settings at the root of the scan do"
    assert notes == [f"nerq.toml {reason}", f".nerq.toml {reason}", f"[tool.nerq] of pyproject.toml {reason}"]
    for place in ("a", "a/../a"):
        report = scan(nerq, place).json
        assert not any("does not apply" in note for file in report["dependency_files"] for note in file["notes"])


def test_settings_above_the_root_that_apply_are_not_said_to_have_no_effect(nerq: Nerq, project: Path) -> None:
    settings(project, "threshold = 60")
    (project / "a").mkdir()
    (project / "a" / "requirements.txt").write_text("demo==1.0\n")
    report = scan(nerq, "a", ".").json
    assert report["threshold"] == 60
    assert {file["path"] for file in report["dependency_files"]} == {"a/requirements.txt", "requirements.txt"}
    assert not any("does not apply" in note for file in report["dependency_files"] for note in file["notes"])
