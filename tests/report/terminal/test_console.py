from __future__ import annotations

import io
import sys

import pytest

from nerq_cli.errors import UsageError
from nerq_cli.report.terminal.console import PIPE_WIDTH, make_console
from nerq_cli.report.terminal.layout import Page


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def coloured(monkeypatch: pytest.MonkeyPatch, out: io.StringIO, color: str | None = None) -> bool:
    monkeypatch.setattr(sys, "stdout", out)
    page = Page(make_console(color=color))
    page.add_line(("word", "bad"))
    page.print_lines()
    return "\x1b" in out.getvalue()


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert coloured(monkeypatch, Terminal())


def test_a_pipe_gets_no_escape_codes_and_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not coloured(monkeypatch, io.StringIO())
    assert make_console().width == PIPE_WIDTH


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "unknown")])
def test_the_environment_can_ask_for_no_colours(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert not coloured(monkeypatch, Terminal())


def test_colours_can_be_forced_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coloured(monkeypatch, io.StringIO(), "always")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured(monkeypatch, io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "0")
    assert not coloured(monkeypatch, io.StringIO())


def test_no_color_wins_over_force_color_and_the_option_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not coloured(monkeypatch, Terminal())
    assert coloured(monkeypatch, Terminal(), "always")
    monkeypatch.delenv("NO_COLOR")
    assert not coloured(monkeypatch, Terminal(), "never")


def test_force_color_does_not_reach_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = io.StringIO()
    page = Page(make_console(file=file))
    page.add_line(("word", "bad"))
    page.print_lines()
    assert file.getvalue() == "word\n"


def test_an_unknown_colour_setting_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'pink'"):
        make_console(color="pink")


@pytest.mark.parametrize(("columns", "width"), [("72", 72), ("0", PIPE_WIDTH), ("wide", PIPE_WIDTH), ("", PIPE_WIDTH)])
def test_columns_sets_the_width_where_it_is_a_number(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert make_console(file=io.StringIO()).width == width


def test_stderr_has_a_console_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page(make_console(stderr=True))
    page.add_line(("problem", ""))
    page.print_lines()
    assert capsys.readouterr() == ("", "problem\n")
