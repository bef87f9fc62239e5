from __future__ import annotations

from collections.abc import Callable

import pytest

from nerq_cli.problem import Problem
from nerq_cli.report.model import Report
from nerq_cli.report.terminal.problems import format_position, print_problems, render_text

Screen = Callable[..., str]


def test_a_problem_shows_its_place_its_line_a_caret_and_a_hint(broken: Report, screen: Screen) -> None:
    assert screen(render_text, broken.errors) == (
        "requirements.txt:3:6: not a requirement: expected a version specifier after the name\n"
        "  3 | this is not a requirement\n"
        "    |      ^\n"
        "  hint: write 'this==1.0', or start the line with # for a comment\n"
    )


def test_problems_are_printed_to_stderr(broken: Report, capsys: pytest.CaptureFixture[str]) -> None:
    print_problems(broken.errors)
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("requirements.txt:3:6: not a requirement")


def test_what_is_not_known_of_a_place_is_left_out(screen: Screen) -> None:
    assert format_position(Problem(path="a", message="m")) == "a"
    assert format_position(Problem(path="a", line=2, message="m")) == "a:2"
    assert screen(render_text, [Problem(path="a", line=2, message="m", text="whole line")]) == (
        "a:2: m\n  2 | whole line\n"
    )
    assert screen(render_text, [Problem(path="a", message="m", text=" ")]) == "a: m\n"


def test_the_caret_stands_under_the_column_also_after_tabs_and_wide_characters(screen: Screen) -> None:
    lines = screen(render_text, [Problem(path="a", line=1, column=5, message="m", text="\t包b ==")]).splitlines()
    assert lines[1:] == ["  1 |  包b ==", "    |      ^"]


@pytest.mark.parametrize("column", [1, 30, 500, 1_000])
def test_a_line_too_long_for_the_screen_is_shown_around_the_caret(screen: Screen, column: int) -> None:
    text = "".join(chr(ord("a") + n % 26) for n in range(1_000))
    lines = screen(render_text, [Problem(path="a", line=1, column=column, message="m", text=text)]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1][lines[2].index("^")] == text[column - 1]


def test_hostile_words_do_no_harm(hostile: Report, screen: Screen) -> None:
    printed = screen(render_text, hostile.errors)
    assert "\x1b" not in printed
    assert len(printed.splitlines()) == 4
    assert "[bold]" in printed


def test_all_problems_are_printed_unless_a_command_that_prints_them_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problems = [Problem(path="a", line=number, message="m") for number in range(1, 31)]
    print_problems(problems)
    assert capsys.readouterr().err.count(": m\n") == 30
    print_problems(problems, is_cut=True)
    printed = capsys.readouterr().err
    assert printed.count(": m\n") == 10
    assert "20 more problems (nerq scan -f json prints all of them)" in printed
