"""``nerq baseline`` and ``nerq scan --baseline``: an earlier run in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
HIGH: dict[str, Any] = {"database_specific": {"severity": "HIGH"}}
FILE = "nerq-baseline.json"


@pytest.fixture(autouse=True)
def demo(registry: Any, services: Any, project: Path) -> Path:
    """A project with a dependency that passes and one that fails."""
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    registry.pypi("other", "1.0", "1.1")
    services.advisory("other", "1.0", identifier="GHSA-1", **HIGH)
    (project / "requirements.txt").write_text("demo==1.0\nother==1.0\n")
    return project


def scan(nerq: Nerq, *options: str) -> Any:
    return nerq("scan", *AS_OF, "--format", "json", *options)


def record(nerq: Nerq, *options: str) -> None:
    result = nerq("baseline", *AS_OF, *options)
    assert result.status == 0, result.err


def kinds(result: Any) -> list[tuple[str, str]]:
    return [(one["kind"], one["name"]) for one in result.json["comparison"]["changes"]]


def test_a_team_begins_without_a_failing_build_and_new_findings_fail(nerq: Nerq, project: Path, services: Any) -> None:
    assert scan(nerq).status == 1
    result = nerq("baseline", *AS_OF)
    assert (result.status, result.out) == (0, "")
    assert "wrote nerq-baseline.json: 2 packages, 2 findings that would fail" in result.err
    result = scan(nerq, "--baseline", FILE)
    assert result.status == 0
    assert result.json["exit"]["reason"].startswith("nothing new or worse; 2 known, as before")
    assert [finding["change"] for finding in result.json["findings"]] == ["unchanged", "unchanged"]
    assert (kinds(result), result.json["comparison"]["baseline"]) == ([], FILE)
    services.advisory("other", "1.0", identifier="GHSA-2", **HIGH)
    result = scan(nerq, "--baseline", FILE, "--no-cache")
    assert result.status == 1
    assert {(finding["id"], finding["advisory"], finding["change"]) for finding in result.json["findings"]} == {
        ("score-below-threshold", None, "worse"),
        ("vulnerability", "GHSA-1", "unchanged"),
        ("vulnerability", "GHSA-2", "new"),
    }


def test_what_was_mended_is_counted(nerq: Nerq, project: Path) -> None:
    record(nerq)
    (project / "requirements.txt").write_text("demo==1.0\nother==1.1\n")
    result = scan(nerq, "--baseline", FILE)
    assert (result.status, kinds(result)) == (0, [("upgraded", "other")])
    assert result.json["comparison"]["findings"] == {
        "new": 0,
        "worse": 0,
        "unchanged": 0,
        "resolved": 2,
        "unchecked": 0,
    }
    [change] = result.json["comparison"]["changes"]
    assert change["score_before"] < change["score_after"]
    assert change["caps"][0]["limit_after"] is None
    assert change["signals"]


@pytest.mark.parametrize("options", [(), ("--compact",)])
def test_a_report_is_a_baseline_with_the_same_comparison(nerq: Nerq, project: Path, options: tuple[str, ...]) -> None:
    record(nerq)
    (project / "report.json").write_text(scan(nerq, *options).out)
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    from_baseline, from_report = (scan(nerq, "--baseline", name).json for name in (FILE, "report.json"))
    for document in (from_baseline, from_report):
        document["comparison"]["baseline"] = ""
    [[change], [other_change]] = (document["comparison"].pop("changes") for document in (from_baseline, from_report))
    assert from_baseline["comparison"] == from_report["comparison"]
    signals, other_signals = change.pop("signals"), other_change.pop("signals")
    assert change == other_change
    assert [one["id"] for one in signals] == [one["id"] for one in other_signals]
    for one, other in zip(signals, other_signals, strict=True):  # a report rounds the parts so that their sum fits
        assert one["points_before"] == pytest.approx(other["points_before"], abs=0.011)
    assert from_baseline["findings"] == from_report["findings"]


def test_an_html_report_is_a_baseline(nerq: Nerq, project: Path) -> None:
    assert nerq("scan", *AS_OF, "--output", "report.html").status == 1
    result = scan(nerq, "--baseline", "report.html")
    assert (result.status, kinds(result)) == (0, [])
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    assert kinds(scan(nerq, "--baseline", "report.html")) == [("upgraded", "demo")]


def test_the_file_is_sorted_has_a_line_for_each_dependency_and_no_time(nerq: Nerq, project: Path) -> None:
    record(nerq)
    first = (project / FILE).read_bytes()
    lines = first.decode().splitlines()
    assert sum('"ecosystem":"PyPI","name":"demo","version":"1.0"' in line for line in lines) == 1
    document = json.loads(first)
    assert [one["name"] for one in document["dependencies"]] == ["demo", "other"]
    assert "2026-11" not in first.decode()
    assert nerq("baseline", "--as-of", "2026-11-21", "--quiet").err == ""
    assert (project / FILE).read_bytes() == first
    (project / "requirements.txt").write_text("# a comment\n\nother==1.0\ndemo==2.0\n")
    record(nerq)
    changed = {*lines} ^ {*(project / FILE).read_text().splitlines()}
    assert len(changed) == 2
    assert all('"name":"demo"' in line for line in changed)


def test_the_file_goes_beside_what_is_scanned_or_where_the_user_wants(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "web").mkdir()
    (project / "requirements.txt").rename(project / "web" / "requirements.txt")
    (project / ".git").mkdir()
    record(nerq, "web")
    record(nerq, "web", "--output", "here.json")
    assert (project / "web" / FILE).read_bytes() == (project / "here.json").read_bytes()
    monkeypatch.chdir(project / "web")
    record(nerq, "--output", "there.json")
    assert (project / "web" / "there.json").read_bytes() == (project / "here.json").read_bytes()
    assert kinds(scan(nerq, "--baseline", "../here.json")) == []
    result = nerq("baseline", *AS_OF, "--output", "missing/x.json")
    assert result.status == 2
    assert "cannot be written" in result.err


def test_nothing_is_recorded_of_files_that_cannot_be_read(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n===\n")
    result = nerq("baseline", *AS_OF)
    assert result.status == 2
    assert "nothing was recorded" in result.err
    assert not (project / FILE).exists()
    (project / "requirements.txt").unlink()
    assert nerq("baseline", *AS_OF).status == 4
    assert nerq("baseline", "nowhere").status == 2


def test_what_was_not_known_when_it_was_written_is_new_when_it_fails(
    nerq: Nerq, project: Path, registry: Any, services: Any
) -> None:
    services.silent()
    scripts = {path: list(script) for path, script in registry.site.scripts.items()}
    for path in scripts:
        registry.site.on(path, {"status": 404 if "other" not in path else 500})
    result = nerq("baseline", *AS_OF)
    assert "not everything could be checked" in result.err
    services.speak()
    for path, script in scripts.items():
        registry.site.on(path, *script)
    result = scan(nerq, "--baseline", FILE, "--no-cache")
    assert result.status == 1
    assert {finding["change"] for finding in result.json["findings"] if finding["name"] == "other"} == {"new"}
    assert f"not everything could be checked when {FILE} was written" in result.json["comparison"]["notes"]


def test_a_known_finding_whose_package_cannot_be_checked_is_not_resolved(
    nerq: Nerq, project: Path, registry: Any, services: Any
) -> None:
    record(nerq)
    services.silent()
    for path in list(registry.site.scripts):
        registry.site.on(path, {"status": 500})
    result = scan(nerq, "--baseline", FILE, "--no-cache", "--strict")
    assert result.status == 3
    assert result.json["complete"] is False
    counts = result.json["comparison"]["findings"]
    assert (counts["resolved"], counts["unchecked"]) == (0, 2)


def test_a_waived_finding_is_not_known(nerq: Nerq, project: Path) -> None:
    report = scan(nerq).json
    for finding in report["findings"]:
        finding["waiver"] = {"reason": "r", "until": "2026-12-01", "owner": None, "location": None}
    (project / "report.json").write_text(json.dumps(report))
    assert scan(nerq, "--baseline", "report.json").status == 1


# --- settings


def test_a_baseline_of_the_settings_applies_and_is_a_weakening(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(nerq)
    (project / "nerq.toml").write_text(f'baseline = "{FILE}"\n')
    result = scan(nerq)
    assert result.status == 0
    assert f"nerq.toml weakens the check: baseline = {FILE}" in result.json["warnings"]
    assert f"baseline = {FILE}" in result.err
    assert scan(nerq, "--baseline", "").status == 1
    assert scan(nerq, "--no-config").status == 1
    shown = json.loads(nerq("config", "show", "--format", "json").out)["settings"]
    assert {"key": "baseline", "value": FILE, "origin": "nerq.toml:1"} in shown
    monkeypatch.chdir(project.parent)
    assert scan(nerq, "project").status == 0
    assert nerq("baseline", "project", *AS_OF, "--quiet").status == 0


def test_the_environment_names_a_baseline(nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    record(nerq)
    monkeypatch.setenv("NERQ_BASELINE", FILE)
    assert scan(nerq).status == 0


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "link.json"])
def test_settings_of_a_project_name_no_file_outside(nerq: Nerq, project: Path, name: str) -> None:
    record(nerq, "--output", "../outside.json")
    (project / "link.json").symlink_to("../outside.json")
    (project / "nerq.toml").write_text(f'baseline = "{name}"\n')
    result = scan(nerq)
    assert (result.status, result.out) == (2, "")
    assert "the baseline must be in the directory of the settings file or below it" in result.err


def test_init_records_a_baseline(nerq: Nerq, project: Path) -> None:
    assert nerq("init", "--baseline").status == 0
    assert (project / "nerq.toml").exists()
    assert (project / FILE).exists()
    assert scan(nerq).status == 0
    origins = {one["key"]: one for one in json.loads(nerq("config", "show", "--format", "json").out)["settings"]}
    assert origins["baseline"]["value"] == FILE
    for name in ("nerq.toml", "requirements.txt", FILE):
        (project / name).unlink()
    assert nerq("init", "--baseline").status == 4


# --- files that cannot be used


def test_init_keeps_a_baseline_that_is_there(nerq: Nerq, project: Path) -> None:
    (project / "nerq-baseline.json").write_text("kept")
    result = nerq("init", "--baseline")
    assert result.status == 2
    assert "nerq-baseline.json is there already" in result.err
    assert not (project / "nerq.toml").exists()
    assert nerq("init", "--no-baseline").status == 0
    assert (project / "nerq-baseline.json").read_text() == "kept"


def fail(nerq: Nerq, project: Path, content: bytes | None) -> str:
    if content is not None:
        (project / "x.json").write_bytes(content)
    result = scan(nerq, "--baseline", "x.json")
    assert (result.status, result.out) == (2, "")
    assert "Traceback" not in result.err
    return str(result.err)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file to compare with"),
        (b"", "is damaged"),
        (b"{", "is damaged"),
        (b"[]", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"{}", "is no report of nerq-cli and no baseline"),
        (b'{"schema_version": "one"}', "is damaged"),
        (b'{"schema_version": 2, "dependencies": 7}', "was written by a newer version of nerq-cli (schema 2"),
        (b'{"nerq_baseline": 2}', "was written by a newer version of nerq-cli (baseline format 2"),
        (b'{"schema_version": 1, "list_only": true}', "only lists dependencies"),
        (b'{"schema_version": 1, "tool": {"methodology": "2"}}', "is damaged"),
        (b'{"nerq_baseline": 1, "dependencies": [{"name": "a"}]}', "is damaged"),
        (b'{"nerq_baseline": 1, "dependencies": [{"name": "a", "ecosystem": "COBOL"}]}', "is damaged"),
        (b"<!doctype html><title>x</title>", "x.json cannot be compared with: it holds no report of nerq-cli"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_usage_error(
    nerq: Nerq, project: Path, content: bytes | None, words: str
) -> None:
    assert words in fail(nerq, project, content)


def test_a_directory_and_a_file_that_is_too_large_are_usage_errors(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "x.json").mkdir()
    assert "cannot be read" in fail(nerq, project, None)
    (project / "x.json").rmdir()
    monkeypatch.setattr("nerq_cli.application.baseline_files.MAX_BYTES", 10)
    assert "is larger than" in fail(nerq, project, b" " * 11)


def test_scores_of_another_methodology_are_not_compared_but_findings_are(nerq: Nerq, project: Path) -> None:
    record(nerq)
    document = json.loads((project / FILE).read_bytes())
    document["methodology"] = "1.0"
    for dependency in document["dependencies"]:
        dependency["score"] = 99.0
    (project / FILE).write_text(json.dumps(document))
    result = scan(nerq, "--baseline", FILE)
    assert (result.status, kinds(result)) == (0, [])
    assert result.json["comparison"]["scores_compared"] is False
    assert f"scores are not compared: those of {FILE} are by methodology 1.0" in " ".join(result.json["warnings"])
    assert "scores are not compared" in " ".join(nerq("scan", *AS_OF, "--baseline", FILE).out.split())


def test_further_keys_of_the_same_version_are_ignored(nerq: Nerq, project: Path) -> None:
    record(nerq)
    document = json.loads((project / FILE).read_bytes())
    document["more"] = {"a": 1}
    for dependency in document["dependencies"]:
        dependency["more"] = [1]
    (project / FILE).write_text(json.dumps(document))
    assert scan(nerq, "--baseline", FILE).status == 0


def test_words_of_a_baseline_cannot_style_the_terminal(nerq: Nerq, project: Path) -> None:
    hostile = "\x1b[31mred\u202e::error::x"
    dependency: dict[str, Any] = {
        "ecosystem": "PyPI",
        "name": hostile,
        "version": hostile,
        "projects": [hostile],
        "state": hostile,
    }
    dependency |= {"score": 50.0, "signals": {hostile: [1, 2]}, "caps": {hostile: 1}}
    (project / "x.json").write_text(
        json.dumps({"nerq_baseline": 1, "methodology": hostile, "dependencies": [dependency]})
    )
    for options in (("--format", "json"), ()):
        result = nerq("scan", *AS_OF, "--baseline", "x.json", *options)
        assert result.status == 1
        for text in (result.out, result.err):
            assert "\x1b[31m" not in text
            assert "\u202e" not in text
            assert not any(line.startswith("::error") for line in text.splitlines())


@pytest.mark.parametrize("has_repository", [True, False])
def test_a_part_of_the_project_is_compared_with_that_part(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch, *, has_repository: bool
) -> None:
    if has_repository:
        (project / ".git").mkdir()
    record(nerq)
    (project / "sub").mkdir()
    (project / "sub" / "requirements.txt").write_text("other==1.0\n")
    monkeypatch.chdir(project / "sub")
    below = scan(nerq, "--baseline", f"../{FILE}")
    monkeypatch.chdir(project)
    for result in (scan(nerq, "sub", "--baseline", FILE), below):
        assert result.status == 1
        assert {finding["change"] for finding in result.json["findings"]} == {"new"}
        assert kinds(result) == [("added", "other")]
        assert result.json["comparison"]["findings"]["resolved"] == 0
    record(nerq)
    again = scan(nerq, "sub", "--baseline", FILE)
    assert (again.status, kinds(again)) == (0, [])


def test_a_baseline_of_a_part_is_that_of_this_part_of_the_project(nerq: Nerq, project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "requirements.txt").write_text("other==1.0\n")
    for target in ("sub/b.json", "b.json"):
        record(nerq, "sub", "--output", target)
        result = scan(nerq, "--baseline", target)
        assert result.status == 1
        # other 1.0 is in one directory more, and worse
        assert kinds(result) == [("added", "demo"), ("added", "other")]


@pytest.mark.parametrize("is_report", [True, False])
def test_what_is_not_scanned_is_neither_removed_nor_resolved(nerq: Nerq, project: Path, *, is_report: bool) -> None:
    (project / "requirements-dev.txt").write_text("other==1.0\n")
    (project / "requirements.txt").write_text("demo==1.0\n")
    if is_report:
        (project / FILE).write_text(scan(nerq).out)
    else:
        record(nerq)
    result = scan(nerq, "requirements.txt", "--baseline", FILE)
    assert kinds(result) == []
    assert result.json["comparison"]["findings"]["resolved"] == 0
    assert any("were not scanned" in warning for warning in result.json["warnings"])
    (project / "requirements-dev.txt").unlink()
    result = scan(nerq, "requirements.txt", "--baseline", FILE)
    assert kinds(result) == [("removed", "other")]
    assert result.json["comparison"]["findings"]["resolved"] == 2


def test_a_file_that_was_moved_is_compared_with_the_scanned_directory(nerq: Nerq, project: Path) -> None:
    record(nerq)
    (project / "ci").mkdir()
    (project / FILE).rename(project / "ci" / "b.json")
    result = scan(nerq, "--baseline", "ci/b.json")
    assert (result.status, kinds(result)) == (0, [])


def test_another_threshold_moves_no_score(nerq: Nerq) -> None:
    record(nerq)
    result = scan(nerq, "--threshold", "100", "--baseline", FILE)
    assert kinds(result) == []
    assert result.status == 1


def test_a_baseline_that_is_not_used_is_no_weakening(nerq: Nerq, project: Path) -> None:
    record(nerq)
    (project / "nerq.toml").write_text(f'baseline = "{FILE}"\nthreshold = 50\n')
    assert scan(nerq).json["warnings"][0] == (
        f"nerq.toml weakens the check: threshold = 50 (default 70); baseline = {FILE}"
    )
    for options in (("--baseline", ""), ("--baseline", FILE)):
        assert "nerq.toml weakens the check: threshold = 50 (default 70)" in scan(nerq, *options).json["warnings"]
    (project / "nerq.toml").write_text(f'baseline = "{FILE}"\n')
    assert not [warning for warning in scan(nerq, "--baseline", "").json["warnings"] if "weakens" in warning]
