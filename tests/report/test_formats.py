from __future__ import annotations

import re
import subprocess
import sys
import unicodedata

import pytest
from msgspec.structs import replace

from nerq_cli.report import FORMATS, RenderOptions, ReportFormat, find_format_by_suffix
from nerq_cli.report.model import Report


@pytest.mark.parametrize("report_format", FORMATS.values(), ids=list(FORMATS))
def test_every_format_renders_scores_lists_and_cards(report_format: ReportFormat, calm: Report, listed: Report) -> None:
    if report_format.has_lists:  # others have what is wrong
        assert b"attrs" in report_format.render(calm, RenderOptions(show_all=True))
    if report_format.has_lists:
        assert b"attrs" in report_format.render(listed, RenderOptions())
        assert b"attrs" in report_format.render(calm, RenderOptions(details=calm.dependencies))


def test_names_and_suffixes_are_each_used_once() -> None:
    assert list(FORMATS) == [report_format.name for report_format in FORMATS.values()]
    suffixes = [suffix for report_format in FORMATS.values() for suffix in report_format.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix == suffix.lower() for suffix in suffixes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.json", "json"),
        ("bom.cdx.json", "cyclonedx"),
        ("BOM.CDX.JSON", "cyclonedx"),
        ("bom.spdx.json", "spdx"),
        ("nerq.sarif", "sarif"),
        ("nerq.sarif.json", "sarif"),
        ("report.md", "markdown"),
        ("gl-code-quality-report.json", "gitlab-codequality"),
        ("gl-dependency-scanning-report.json", "gitlab-dependency-scanning"),
        ("junit.xml", "junit"),
        ("report.junit.xml", "junit"),
        ("report.csv", "csv"),
        ("decisions.openvex.json", "openvex"),
        ("report.txt", "table"),
    ],
)
def test_the_longest_suffix_decides(name: str, expected: str) -> None:
    found = find_format_by_suffix(name)
    assert found is not None
    assert found.name == expected


def test_other_suffixes_have_no_format() -> None:
    assert find_format_by_suffix("report.pdf") is None
    assert find_format_by_suffix("report") is None


REPORTS = [
    "mixed",
    "doubtful",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "attack",
    "models",
    "hostile_models",
]


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("report_format", FORMATS.values(), ids=list(FORMATS))
def test_the_same_report_gives_the_same_bytes_whatever_time_it_took(
    request: pytest.FixtureRequest, report_format: ReportFormat, name: str
) -> None:
    report: Report = request.getfixturevalue(name)
    options = RenderOptions(show_all=True)
    content = report_format.render(report, options)
    content.decode("utf-8")
    if report_format.machine_readable:
        assert content == report_format.render(replace(report, elapsed=99.0), options)


@pytest.mark.parametrize("report_format", FORMATS.values(), ids=list(FORMATS))
def test_no_format_has_control_or_bidirectional_characters(report_format: ReportFormat, attack: Report) -> None:
    text = report_format.render(attack, RenderOptions(show_all=True)).decode()
    assert not [
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\r\n"
    ]


@pytest.mark.parametrize("report_format", FORMATS.values(), ids=list(FORMATS))
def test_no_format_has_a_command_of_a_ci_system_of_an_author(report_format: ReportFormat, attack: Report) -> None:
    text = report_format.render(attack, RenderOptions(show_all=True)).decode()
    own = ("::error ", "::warning ", "::notice ") if report_format.notation == "commands" else ()
    for line in text.splitlines():
        assert not line.lstrip().startswith("::") or line.startswith(own)
        assert not re.search(r"##[A-Za-z]{0,20}\[|section_(start|end):", line)


@pytest.mark.parametrize("name", ["doubtful", "broken", "listed"])
@pytest.mark.parametrize(
    "form", ["sarif", "cyclonedx", "spdx", "markdown", "github", "gitlab", "gitlab-dependency-scanning", "junit"]
)
def test_a_run_that_could_not_check_everything_never_reads_as_a_clean_one(
    request: pytest.FixtureRequest, form: str, name: str
) -> None:
    text = FORMATS[form].render(request.getfixturevalue(name), RenderOptions()).decode()
    signs = {
        "sarif": '"executionSuccessful":false',
        "cyclonedx": "nerq:not-checked",
        "spdx": "warning: " if name != "broken" else "error: ",
        "markdown": "listed, not scored" if name == "listed" else "**Not everything was checked:**",
        "github": "not everything could be checked",
        "gitlab": '"check_name": "not-checked"',
        "gitlab-dependency-scanning": '"status": "failure"',
        "junit": "<error" if name == "broken" else "<skipped",
    }
    assert signs[form] in text


@pytest.mark.parametrize("form", ["sarif", "gitlab-dependency-scanning", "junit", "github", "gitlab", "markdown"])
def test_a_complete_run_reads_as_one(form: str, calm: Report) -> None:
    text = FORMATS[form].render(calm, RenderOptions()).decode()
    for sign in ('"executionSuccessful":false', '"failure"', "<skipped", "<error", "not-checked", "Not everything"):
        assert sign not in text or (form == "sarif" and sign == "not-checked")


@pytest.mark.parametrize("form", [name for name in FORMATS if name not in ("table", "json")])
def test_a_known_advisory_is_in_every_format(form: str, findings: Report) -> None:
    text = FORMATS[form].render(findings, RenderOptions()).decode()
    assert "GHSA-56pw-mpj4-fxww" in text


def test_formats_import_no_parser_or_terminal_library() -> None:
    code = (
        "import sys, importlib\n"
        "from nerq_cli.report import FORMATS\n"
        "for f in FORMATS.values():\n"
        "    f.name == 'table' or importlib.import_module(f.module)\n"
        "print(*(m for m in ('rich', 'xml', 'html', 'email', 'httpx', 'packaging') if m in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"\n"


def test_the_list_of_formats_imports_none_of_them() -> None:
    code = "import sys, nerq_cli.report; print(*(m for m in sys.modules if m in ('rich', 'msgspec')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"\n"


def test_the_json_report_needs_no_terminal_library() -> None:
    code = "import sys, nerq_cli.report.formats.json; print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"False\n"
