"""A format is one row of the table and one module: every command prints it, and files take its suffix."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from nerq_cli import report as formats
from nerq_cli.report import RenderOptions, ReportFormat
from nerq_cli.report.model import Report

Nerq = Callable[..., Any]


@pytest.fixture
def third_format(monkeypatch: pytest.MonkeyPatch, registry: Any, project: Path) -> None:
    """A format that counts, and a project with one dependency."""

    def render(report: Report, options: RenderOptions) -> bytes:
        cards = "none" if options.details is None else len(options.details)
        return (
            f"count {len(report.dependencies)}, list {report.list_only}, cards {cards}, all {options.show_all}, "
            f"top {options.top}, verbose {options.verbose}\n"
        ).encode()

    module = ModuleType("third_format")
    monkeypatch.setattr(module, "render", render, raising=False)
    monkeypatch.setitem(sys.modules, "third_format", module)
    row = ReportFormat(name="count", suffix=".count", module="third_format", has_lists=True)
    monkeypatch.setattr(formats, "FORMATS", MappingProxyType({**formats.FORMATS, "count": row}))
    registry.most_used()
    registry.pypi("demo-lib", "1.0")
    (project / "requirements.txt").write_text("demo-lib==1.0\n")


@pytest.mark.usefixtures("third_format")
@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        (("scan",), "count 1, list False, cards none, all False, top None, verbose False\n"),
        (("scan", "--all", "--top", "3", "-v"), "count 1, list False, cards none, all True, top 3, verbose True\n"),
        (("scan", "--list"), "count 1, list True, cards none, all False, top None, verbose False\n"),
        (("scan", "--explain", "demo-lib"), "count 1, list False, cards 1, all False, top None, verbose False\n"),
        (("check", "demo-lib"), "count 1, list False, cards 1, all False, top None, verbose False\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_new_format_is_printed_by_every_command_and_written_to_files(
    nerq: Nerq, project: Path, arguments: tuple[str, ...], content: str
) -> None:
    assert nerq(*arguments, "-f", "count", "-o", "report.count").out == content
    assert (project / "report.count").read_text() == content


@pytest.mark.usefixtures("third_format")
def test_an_unknown_format_or_suffix_names_those_there_are(nerq: Nerq) -> None:
    names, suffixes = (
        sorted(formats.FORMATS),
        sorted(suffix for row in formats.FORMATS.values() for suffix in row.suffixes),
    )
    assert "count" in names
    assert f"known formats: {', '.join(names)}" in nerq("scan", "-f", "pdf").err
    assert f"known suffixes: {', '.join(suffixes)}" in nerq("scan", "-o", "report.pdf").err
