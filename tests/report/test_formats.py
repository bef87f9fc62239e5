from __future__ import annotations

import subprocess
import sys

import pytest

from nerq_cli.report import FORMATS, RenderOptions, ReportFormat
from nerq_cli.report.model import Report


@pytest.mark.parametrize("report_format", FORMATS.values(), ids=list(FORMATS))
def test_every_format_renders_scores_lists_and_cards(report_format: ReportFormat, calm: Report, listed: Report) -> None:
    assert b"attrs" in report_format.render(calm, RenderOptions(show_all=True))
    assert b"attrs" in report_format.render(listed, RenderOptions())
    assert b"attrs" in report_format.render(calm, RenderOptions(details=calm.dependencies))


def test_names_and_suffixes_are_each_used_once() -> None:
    assert list(FORMATS) == [report_format.name for report_format in FORMATS.values()]
    assert len({report_format.suffix for report_format in FORMATS.values()}) == len(FORMATS)


def test_the_list_of_formats_imports_none_of_them() -> None:
    code = "import sys, nerq_cli.report; print(*(m for m in sys.modules if m in ('rich', 'msgspec')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"\n"


def test_the_json_report_needs_no_terminal_library() -> None:
    code = "import sys, nerq_cli.report.formats.json; print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"False\n"
