from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://x.example\x07click\x1b]8;;\x1b\\", "click"),
        ("\x1b]0;title never ends", "]0;title never ends"),
        ("\x9b2Jgone", "gone"),
        ("\x1bcreset", "reset"),
        ("\u202etxt.exe\u202c", "txt.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("two\r\nlines\tand\u2028more", "two  lines and more"),
        ("no\xa0break", "no break"),
        ("half\ud800", "half"),
        ("\x00\x07\x7f\x85", " "),
        ("[bold]markup[/bold] stays", "[bold]markup[/bold] stays"),
        ("这个包 é ✖", "这个包 é ✖"),
    ],
)
def test_what_could_command_a_terminal_is_taken_out_and_words_stay(hostile: str, shown: str) -> None:
    assert sanitize_text(hostile) == shown


@given(ANYTHING)
def test_nothing_unsafe_is_left_of_any_text(text: str) -> None:
    assert not {unicodedata.category(character) for character in sanitize_text(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(ANYTHING)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert sanitize_text(sanitize_text(text)) == sanitize_text(text)


@given(ANYTHING, st.integers(1, 50))
def test_a_limit_holds(text: str, limit: int) -> None:
    assert len(sanitize_text(text, limit)) <= limit


def test_a_shortened_text_says_so() -> None:
    assert sanitize_text("x" * 1_000_000, TEXT_LIMIT) == "x" * (TEXT_LIMIT - 1) + "…"
