from __future__ import annotations

import subprocess
import sys

import pytest

from nerq_cli.report import FORMATS, ReportFormat


@pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
def test_every_format_can_be_loaded_and_renders(form: ReportFormat) -> None:
    assert callable(form.load_module().render)


def test_names_and_suffixes_are_each_used_once() -> None:
    assert list(FORMATS) == [form.name for form in FORMATS.values()]
    assert len({form.suffix for form in FORMATS.values()}) == len(FORMATS)


def test_the_list_of_formats_imports_none_of_them() -> None:
    code = "import sys, nerq_cli.report; print(*(m for m in sys.modules if m in ('rich', 'msgspec')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"\n"


def test_the_json_report_needs_no_terminal_library() -> None:
    code = "import sys, nerq_cli.report.formats.json; print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"False\n"
