from __future__ import annotations

import io
import os
import sys

import pytest

from nerq_cli.errors import UsageError
from nerq_cli.report import DEFAULT_WIDTH, RenderOptions
from nerq_cli.report.terminal.console import file_options, stream_options


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def has_color(stream: io.StringIO, color: str | None = None) -> bool:
    return stream_options(stream, color=color).color


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert has_color(Terminal())


def test_a_pipe_gets_no_escape_codes_and_a_hundred_columns() -> None:
    assert not has_color(io.StringIO())
    assert stream_options(io.StringIO()).width == DEFAULT_WIDTH == 100


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "unknown")])
def test_the_environment_can_ask_for_no_colours(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert not has_color(Terminal())


def test_colours_can_be_forced_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_color(io.StringIO(), "always")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert has_color(io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "0")
    assert not has_color(io.StringIO())


def test_no_color_wins_over_force_color_and_the_option_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not has_color(Terminal())
    assert has_color(Terminal(), "always")
    monkeypatch.delenv("NO_COLOR")
    assert not has_color(Terminal(), "never")


def test_the_old_windows_console_gets_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.delenv("WT_SESSION", raising=False)
    assert not has_color(Terminal())
    monkeypatch.setenv("WT_SESSION", "1")
    assert has_color(Terminal())


def test_force_color_does_not_reach_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert file_options(RenderOptions(color=True, encoding="ascii", width=7)) == RenderOptions()


def test_an_unknown_colour_setting_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'pink'"):
        stream_options(sys.stdout, color="pink")


@pytest.mark.parametrize(
    ("columns", "width"), [("72", 72), ("0", DEFAULT_WIDTH), ("wide", DEFAULT_WIDTH), ("", DEFAULT_WIDTH)]
)
def test_columns_sets_the_width_where_it_is_a_number(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert file_options(RenderOptions()).width == width
    assert stream_options(io.StringIO()).width == width


def test_a_terminal_is_as_wide_as_it_states(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream_options(Terminal()).width == DEFAULT_WIDTH
    monkeypatch.setattr(Terminal, "fileno", lambda _: 1)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((132, 40)))
    assert stream_options(Terminal()).width == 132


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("LC_ALL", "C"), ("LC_ALL", "POSIX")])
def test_the_environment_can_ask_for_ascii(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert stream_options(io.StringIO()).encoding == "ascii"


def test_the_encoding_is_that_of_the_stream() -> None:
    assert stream_options(io.TextIOWrapper(io.BytesIO(), encoding="cp437")).encoding == "cp437"
    assert stream_options(io.StringIO()).encoding == "utf-8"
