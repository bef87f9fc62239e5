"""The report in a browser, from the command line."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from nerq_cli.report.embedded import extract_report

Nerq = Callable[..., Any]
AS_OF = ("--as-of", "2026-11-21")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was started with, on a machine with a display."""
    addresses: list[str] = []

    def open_address(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_address)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    return addresses


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def pinned(project: Path, registry: Any) -> Path:
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    return project


def as_path(address: str) -> Path:
    assert address.startswith("file://")
    return Path(url2pathname(urlparse(address).path))


def test_the_report_that_was_written_is_opened(nerq: Nerq, pinned: Path, opened: list[str]) -> None:
    result = nerq("scan", *AS_OF, "-o", "other.json", "-o", "report.html", "--open")
    assert [as_path(address) for address in opened] == [(pinned / "report.html").resolve()]
    assert "report:" not in result.err
    assert b'"demo"' in extract_report((pinned / "report.html").read_bytes())


def test_without_one_it_is_written_to_a_temporary_file(
    nerq: Nerq, pinned: Path, opened: list[str], temporary: Path
) -> None:
    result = nerq("scan", *AS_OF, "--open")
    [path] = temporary.glob("nerq-*.html")
    assert [as_path(address) for address in opened] == [path]
    assert f"report: {path}\n" in result.err
    assert b'"demo"' in extract_report(path.read_bytes())
    assert "demo" in result.out


def test_a_card_is_opened_too(nerq: Nerq, pinned: Path, opened: list[str], temporary: Path) -> None:
    nerq("check", "pypi:demo==1.0", *AS_OF, "--open")
    assert b'"demo"' in extract_report(as_path(opened[0]).read_bytes())


@pytest.mark.parametrize(("variable", "value", "reason"), [("CI", "true", "CI run"), ("DISPLAY", "", "no display")])
def test_where_no_window_can_be_seen_nothing_is_scanned(
    nerq: Nerq,
    pinned: Path,
    registry: Any,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    reason: str,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    result = nerq("scan", *AS_OF, "--open")
    assert result.status == 2
    assert reason in result.err
    assert "hint: write the report with -o report.html" in result.err
    assert (opened, registry.paths) == ([], [])


@pytest.mark.parametrize("failure", [False, webbrowser.Error("none"), FileNotFoundError("none")], ids=repr)
def test_a_browser_that_does_not_start_is_a_warning(
    nerq: Nerq, pinned: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    def fail(_address: str) -> bool:
        if isinstance(failure, Exception):
            raise failure
        return bool(failure)

    monkeypatch.setattr(webbrowser, "open", fail)
    result = nerq("scan", *AS_OF, "-o", "report.html", "--open")
    assert result.status == 0
    assert f"warning: no browser could be started; the report is {(pinned / 'report.html').resolve()}" in result.err
