from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.report import RenderOptions
from nerq_cli.report.glyphs import ASCII_GLYPHS, UNICODE_GLYPHS
from nerq_cli.report.sanitize import sanitize_text
from nerq_cli.report.terminal.layout import (
    Column,
    Page,
    add_table,
    cell_width,
    fit_widths,
    pad_text,
    wrap_text,
)

WORDS = st.text(st.sampled_from("ab 这é·"), max_size=60).map(sanitize_text)


def page_of(width: int = 40, encoding: str = "utf-8", *, color: bool = False) -> Page:
    return Page(RenderOptions(width=width, encoding=encoding, color=color))


@given(WORDS, st.integers(2, 30))
def test_no_wrapped_line_is_wider_than_asked(text: str, width: int) -> None:
    assert all(cell_width(line) <= width for line in wrap_text(text, width))


@given(WORDS, st.integers(2, 30))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    assert "".join(wrap_text(text, width)).replace(" ", "") == text.replace(" ", "")


def test_a_line_never_starts_with_the_dot_between_reasons() -> None:
    assert wrap_text("one two · three", 7) == ["one", "two ·", "three"]


def test_a_no_break_space_holds_words_together_and_ends_up_a_space() -> None:
    assert wrap_text("aa bb\xa0cc", 6) == ["aa", "bb cc"]
    assert wrap_text("bb\xa0cc", 6) == ["bb cc"]


def test_the_lines_of_a_long_page_stay_in_order_with_their_gaps() -> None:
    page, expected = page_of(), []
    for number in range(25_000):
        page.add_line((f"line {number}", ""))
        expected.append(f"line {number}\n")
        if number % 9_999 == 0:
            page.add_gap()
            page.add_gap()
            expected.append("\n")
    assert page.to_text() == page.to_text() == "".join(expected)


def test_wide_characters_count_double() -> None:
    assert cell_width("这é") == 3
    assert pad_text("这", 4) == "这  "


def test_columns_are_as_wide_as_their_content_and_line_up_under_wide_characters() -> None:
    page = page_of()
    add_table(page, (Column("A"), Column("B", align_right=True)), [(("这个", ""), ("1", "")), (("x", ""), ("22", ""))])
    assert page.to_text() == "  A      B\n  这个   1\n  x     22\n"


def test_the_widest_column_gives_way_and_its_cells_wrap() -> None:
    page = page_of(40)
    add_table(page, (Column("A"), Column("B")), [(("short", ""), ("many words " * 6, ""))])
    assert max(map(len, page.to_text().splitlines())) <= 40


def test_columns_stop_shrinking_at_their_least() -> None:
    columns = (Column("A", min_width=8), Column("B", min_width=9))
    assert fit_widths(columns, [(("a" * 30, ""), ("b" * 30, ""))], 10) == [8, 9]


def test_a_column_is_never_wider_than_its_most() -> None:
    assert fit_widths((Column("A", max_width=5),), [(("a" * 30, ""),)], 80) == [5]


def test_what_does_not_fit_beside_goes_to_the_right_end_of_the_next_line() -> None:
    page = page_of(40)
    page.add_justified([("left", "")], ("right", ""))
    page.add_justified([("x" * 38, "")], ("right", ""))
    assert page.to_text().splitlines() == ["left" + " " * 31 + "right", "x" * 38, " " * 35 + "right"]


def test_gaps_neither_pile_up_nor_start_a_page() -> None:
    page = page_of()
    page.add_gap()
    page.add_line(("a", ""))
    page.add_gap()
    page.add_gap()
    page.add_line(("b", ""))
    page.add_line(("   ", ""))
    page.add_gap()
    assert page.to_text() == "a\n\nb\n\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437"])
def test_an_encoding_without_the_signs_gets_ascii_ones_and_keeps_its_own_letters(encoding: str) -> None:
    page = page_of(encoding=encoding)
    assert page.glyphs is ASCII_GLYPHS
    page.add_line((page.safe_text("é · 包 → …"), ""))
    accent = "\\xe9" if encoding == "ascii" else "é"
    assert page.to_text() == f"{accent} | \\u5305 -> ...\n"


def test_a_console_that_can_show_them_gets_the_signs() -> None:
    assert page_of().glyphs is UNICODE_GLYPHS


def test_an_encoding_that_python_lacks_gets_ascii() -> None:
    assert page_of(encoding="no-such-encoding").safe_text("包") == "\\u5305"


def test_colour_is_written_as_escape_sequences_and_text_without_style_stays_as_it_is() -> None:
    page = page_of(color=True)
    page.add_line(("plain ", ""), ("word", "bad"))
    assert page.to_text() == "plain \x1b[1;31mword\x1b[0m\n"


def test_a_page_is_never_narrower_than_forty_cells() -> None:
    assert page_of(3).width == 40


def test_markup_in_a_text_is_printed_as_it_stands() -> None:
    page = page_of()
    page.add_paragraph("[bold]x[/bold] [link=https://x.example]y", "bad")
    assert "[bold]x[/bold]" in page.to_text()
