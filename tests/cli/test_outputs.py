"""Several reports in one run: where each goes, in which format, and what keeps it from being written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.report import FORMATS

Nerq = Callable[..., Any]
AS_OF = ("--as-of", "2026-11-21", "--no-strict")
#: A file for each format that has a suffix.
FILES = {
    "nerq.sarif": "sarif",
    "bom.cdx.json": "cyclonedx",
    "bom.spdx.json": "spdx",
    "report.md": "markdown",
    "gl-code-quality-report.json": "gitlab-codequality",
    "gl-dependency-scanning-report.json": "gitlab-dependency-scanning",
    "report.junit.xml": "junit",
    "report.csv": "csv",
    "report.json": "json",
    "report.txt": "table",
}


@pytest.fixture
def failing(registry: Any, project: Path) -> Path:
    """A project with a dependency that passes, and one with a vulnerability."""
    advisory = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "details": "A hole.", "fixed_in": ["2.0"]}
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [{**advisory, "link": "", "withdrawn": None}]})
    registry.pypi("other", "1.0")
    (project / "requirements.txt").write_text("demo==1.0\nother==1.0\n")
    return project


def outputs(*names: str) -> list[str]:
    return [argument for name in names for argument in ("-o", name)]


def test_one_run_writes_every_format_beside_the_printed_one(nerq: Nerq, failing: Path) -> None:
    result = nerq("scan", *AS_OF, "-f", "csv", *outputs(*FILES))
    assert result.status == 1
    assert result.out.startswith("ecosystem,name,version,")
    for name in FILES:
        assert "demo" in (failing / name).read_text()
    assert json.loads((failing / "nerq.sarif").read_bytes())["version"] == "2.1.0"
    assert json.loads((failing / "bom.cdx.json").read_bytes())["specVersion"] == "1.6"


def test_a_file_equals_what_is_printed_in_its_format(nerq: Nerq, failing: Path) -> None:
    for name, form in FILES.items():
        if form != "table":
            assert nerq("scan", *AS_OF, "-f", form, "-o", name).out == (failing / name).read_bytes().decode()


@pytest.mark.parametrize("separator", ["=", ":"])
def test_a_format_may_be_named(nerq: Nerq, failing: Path, separator: str) -> None:
    named = [f"{form}{separator}report-{number}.out" for number, form in enumerate(FORMATS)]
    assert nerq("scan", *AS_OF, "-q", *outputs(*named)).status == 1
    for number in range(len(FORMATS)):
        assert "demo" in (failing / f"report-{number}.out").read_text()
    content = json.loads((failing / f"report-{list(FORMATS).index('cyclonedx-1.7')}.out").read_bytes())
    assert content["specVersion"] == "1.7"


def test_a_name_before_the_separator_that_is_no_format_is_part_of_the_file(nerq: Nerq, failing: Path) -> None:
    assert nerq("scan", *AS_OF, "-q", "-o", "a=b.json").status == 1
    assert (failing / "a=b.json").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.json", "a.json"), "two reports would be written to a.json"),
        (("a.json", "./a.json"), "two reports would be written to a.json"),
        (("sarif=a.out", "csv=a.out"), "two reports would be written to a.out: sarif and csv"),
        (("a.json", "link.json"), "two reports would be written to link.json"),
        (("sarif=",), "no file is named"),
        (("folder.json",), "folder.json: cannot be written: it is a directory"),
        (("no/such/folder.json",), "cannot be written: its directory does not exist"),
        (("report.pdf",), "no report format has the suffix '.pdf'"),
        (("json=requirements.txt",), "this would overwrite a dependency file"),
        (("bom.cdx.json",), "this would overwrite a dependency file"),
        (("json=bom.cdx.json",), "this would overwrite a dependency file"),
        (("json=nerq.toml",), "this would overwrite a file of settings"),
        (("json=sub/.nerq.toml",), "this would overwrite a file of settings"),
        (("json=.npmrc",), "this would overwrite a file of settings"),
        (("json=renovate.json",), "this would overwrite a file of settings"),
        (("json=.git/config",), "this would overwrite a file of git"),
        (("json=.git/hooks/pre-commit",), "this would overwrite a file of git"),
        (("json=-",), "- is no name of a file"),
        (("-",), "- is no name of a file"),
    ],
)
def test_a_wrong_output_is_an_error_before_the_run(
    nerq: Nerq, failing: Path, site: Any, names: tuple[str, ...], message: str
) -> None:
    for folder in ("folder.json", "sub", ".git/hooks"):
        (failing / folder).mkdir(parents=True)
    (failing / "link.json").symlink_to("a.json")
    (failing / "bom.cdx.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}')
    before = sorted(failing.iterdir())
    site.requests.clear()
    result = nerq("scan", *AS_OF, *outputs(*names))
    assert result.status == 2
    assert message in result.err
    assert result.out == ""
    assert site.requests == []
    assert sorted(failing.iterdir()) == before


OTHER_WRITERS = [
    ("scan", "--record"),
    ("baseline", "-o"),
    ("exploited", "-f", "json", "-o"),
    ("check", "pypi:demo", "--record"),
    ("db", "export"),
]


@pytest.mark.parametrize("command", OTHER_WRITERS, ids=lambda command: command[0])
@pytest.mark.parametrize("name", ["requirements.txt", "nerq.toml", ".npmrc", ".git/config", "-"])
def test_no_command_overwrites_a_file_of_the_project(
    nerq: Nerq, failing: Path, site: Any, command: tuple[str, ...], name: str
) -> None:
    (failing / ".git").mkdir()
    for path in ("nerq.toml", ".npmrc", ".git/config"):
        (failing / path).write_text("")
    before = {path: path.read_bytes() for path in failing.rglob("*") if path.is_file()}
    site.requests.clear()
    result = nerq(*command, name)
    assert result.status == 2
    assert "would overwrite" in result.err or "is no name of a file" in result.err
    assert site.requests == []
    assert {path: path.read_bytes() for path in failing.rglob("*") if path.is_file()} == before


VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.org/vex/1",
    "author": "ann",
    "timestamp": "2026-01-01T00:00:00Z",
    "version": 1,
    "statements": [
        {
            "vulnerability": {"name": "PYSEC-2026-1"},
            "products": [{"@id": "pkg:pypi/demo@1.0"}],
            "status": "under_investigation",
        }
    ],
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "known.json"),
        ("--record", "known.json"),
        ("-o", "json=link.out"),
        ("-o", "json=named.settings"),
        ("--vex", "v.openvex.json", "-o", "v.openvex.json"),
        ("--baseline", "earlier.json", "-o", "earlier.json"),
        ("-o", "json=odd.list"),
        ("--record", "odd.list"),
    ],
)
def test_no_report_overwrites_what_its_run_reads(
    nerq: Nerq, failing: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    (failing / "odd.list").write_text("other==1.0\n")
    (failing / "requirements.txt").write_text("demo==1.0\n-r odd.list\n")
    (failing / "v.openvex.json").write_text(json.dumps(VEX))
    assert nerq("baseline", "-o", "known.json", *AS_OF[:2]).status == 0
    assert nerq("baseline", "-o", "earlier.json", *AS_OF[:2]).status == 0
    (failing / "link.out").symlink_to("known.json")
    (failing / "named.settings").write_text('baseline = "known.json"\n')
    monkeypatch.setenv("NERQ_CONFIG", "named.settings")
    before = {path: path.read_bytes() for path in failing.iterdir()}
    result = nerq("scan", *AS_OF, *arguments)
    assert result.status == 2, result.err
    assert "this would overwrite a file that the run reads" in result.err
    assert {path: path.read_bytes() for path in failing.iterdir()} == before


def test_no_report_overwrites_the_recording_that_it_is_made_from(nerq: Nerq, failing: Path) -> None:
    nerq("scan", *AS_OF, "-q", "--record", "evidence.nerq")
    before = (failing / "evidence.nerq").read_bytes()
    result = nerq("scan", "--replay", "evidence.nerq", "-o", "json=evidence.nerq")
    assert (result.status, (failing / "evidence.nerq").read_bytes()) == (2, before)
    assert "this would overwrite a file that the run reads" in result.err


def test_a_baseline_is_written_anew_and_overwrites_nothing_else_that_is_read(
    nerq: Nerq, failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (failing / "named.settings").write_text('baseline = "known.json"\n')
    monkeypatch.setenv("NERQ_CONFIG", "named.settings")
    for _ in range(2):
        assert nerq("baseline", "-o", "known.json", *AS_OF[:2]).status == 0
    assert nerq("baseline", "-o", "named.settings").status == 2
    assert (failing / "named.settings").read_text() == 'baseline = "known.json"\n'


def test_an_unknown_suffix_names_the_known_ones(nerq: Nerq, failing: Path) -> None:
    result = nerq("scan", *AS_OF, "-o", "report.pdf")
    for suffix in (".sarif", ".cdx.json", ".spdx.json", ".md", "junit.xml", ".csv"):
        assert suffix in result.err
    assert "-o FORMAT=FILE" in result.err


def test_a_bill_of_materials_of_an_earlier_run_is_replaced_and_not_scanned(nerq: Nerq, failing: Path) -> None:
    assert nerq("scan", *AS_OF, "-q", *outputs("bom.cdx.json", "bom.spdx.json")).status == 1
    first = [(failing / name).read_bytes() for name in ("bom.cdx.json", "bom.spdx.json")]
    assert nerq("scan", *AS_OF, "-q", *outputs("bom.cdx.json", "bom.spdx.json")).status == 1
    assert [(failing / name).read_bytes() for name in ("bom.cdx.json", "bom.spdx.json")] == first
    result = nerq("scan", "bom.cdx.json", *AS_OF, "-o", "bom.cdx.json")
    assert result.status == 2
    assert "would overwrite a file that the run reads" in result.err


def test_the_bill_of_materials_can_be_scanned(nerq: Nerq, failing: Path) -> None:
    nerq("scan", *AS_OF, "-q", "-o", "bom.cdx.json")
    listed = json.loads(nerq("scan", "--list", "bom.cdx.json", "-f", "json").out)
    assert [(one["name"], one["version"]) for one in listed["dependencies"]] == [("demo", "1.0"), ("other", "1.0")]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_directory_without_permission_is_an_error_before_the_run(nerq: Nerq, failing: Path) -> None:
    (failing / "closed").mkdir(mode=0o500)
    result = nerq("scan", *AS_OF, "-o", "closed/report.json")
    assert result.status == 2
    assert "no permission" in result.err


def test_a_file_that_cannot_be_written_keeps_no_other_from_being_written(
    nerq: Nerq, failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name == "a.json":
            raise PermissionError(13, "Permission denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    (failing / "a.json").write_text("earlier")
    result = nerq("scan", *AS_OF, "-f", "csv", *outputs("a.json", "b.json"))
    assert result.status == 2
    assert "a.json: cannot be written: Permission denied" in result.err
    assert (failing / "a.json").read_text() == "earlier"
    assert json.loads((failing / "b.json").read_bytes())["exit"]["code"] == 1
    assert result.out.startswith("ecosystem,")
    assert sorted(path.name for path in failing.iterdir()) == ["a.json", "b.json", "requirements.txt"]


@pytest.mark.parametrize("form", [name for name, row in FORMATS.items() if row.has_lists])
def test_a_list_is_printed_in_every_format_that_has_a_use_for_it(nerq: Nerq, failing: Path, form: str) -> None:
    result = nerq("scan", "--list", "-f", form)
    assert result.status == 0
    assert "demo" in result.out


@pytest.mark.parametrize("form", [name for name, row in FORMATS.items() if not row.has_lists])
@pytest.mark.parametrize("option", ["-f", "-o"])
def test_a_format_of_findings_has_no_list(nerq: Nerq, failing: Path, form: str, option: str) -> None:
    result = nerq("scan", "--list", option, form if option == "-f" else f"{form}=x.out")
    assert result.status == 2
    assert f"--list scores nothing, so that {form} would have nothing to report" in result.err
    assert "formats of lists: " in result.err


def test_a_scan_that_stops_on_a_problem_is_no_success_in_any_format(nerq: Nerq, failing: Path) -> None:
    (failing / "requirements.txt").write_text("demo==1.0\nnot a requirement\n")
    result = nerq("scan", *AS_OF, "--stop-on-problem", "-f", "sarif", *outputs("a.junit.xml"))
    assert result.status == 2
    [run] = json.loads(result.out)["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert "<error" in (failing / "a.junit.xml").read_text()


def test_strict_makes_what_is_not_known_an_error_in_junit(nerq: Nerq, failing: Path) -> None:
    (failing / "requirements.txt").write_text("demo==99\n")
    assert "<error" not in nerq("scan", *AS_OF, "-f", "junit").out
    result = nerq("scan", "--as-of", "2026-11-21", "--strict", "-f", "junit")
    assert result.status == 3
    assert "<error" in result.out


def test_the_check_of_a_package_is_printed_in_every_format(nerq: Nerq, failing: Path) -> None:
    for form in FORMATS:
        result = nerq("check", "pypi:demo==1.0", *AS_OF, "-f", form)
        assert result.status == 1
        assert "demo" in result.out


# --- the job summary of GitHub Actions


def test_the_summary_of_the_step_is_added_to(nerq: Nerq, failing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = failing / "summary.md"
    summary.write_text("earlier\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = nerq("scan", *AS_OF, "-f", "github")
    assert "::error file=requirements.txt,line=1,title=demo 1.0%3A " in result.out
    text = summary.read_text()
    assert text.startswith("earlier\n<!-- nerq report -->\n")
    assert "PYSEC-2026-1" in text


@pytest.mark.parametrize("arguments", [("-f", "markdown"), ("-o", "github=x.out"), ()])
def test_only_the_printed_format_of_github_writes_a_summary(
    nerq: Nerq, failing: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(failing / "summary.md"))
    nerq("scan", *AS_OF, *arguments)
    assert not (failing / "summary.md").exists()


def test_a_summary_never_exceeds_its_limit(nerq: Nerq, failing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = failing / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    summary.write_bytes(b"x" * 1_043_000)
    nerq("scan", *AS_OF, "-f", "github")
    assert 1_043_000 < summary.stat().st_size < 1_048_576
    summary.write_bytes(b"x" * 1_048_000)
    result = nerq("scan", *AS_OF, "-f", "github")
    assert "the job summary has no room left" in result.err
    assert summary.stat().st_size == 1_048_000


def test_a_summary_that_cannot_be_written_is_a_warning(
    nerq: Nerq, failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(failing))
    result = nerq("scan", *AS_OF, "-f", "github")
    assert result.status == 1
    assert "the job summary cannot be written" in result.err
