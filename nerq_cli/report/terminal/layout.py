"""Layout of styled text in terminal cells: paragraphs, tables, and the escape sequences for colour.

Rich's tables measure every cell several times and take many seconds for 10,000 rows; a row takes tens of microseconds
here. No markup is parsed, so that a package name cannot style the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
from rich.cells import cell_len, chop_cells, set_cell_size
from rich.color import ColorSystem
from rich.style import Style

from nerq_cli.report import RenderOptions
from nerq_cli.report.glyphs import ASCII_GLYPHS, UNICODE_GLYPHS
from nerq_cli.report.sanitize import sanitize_text

#: A text and its style, a key of :data:`STYLES`.
Span: TypeAlias = tuple[str, str]

STYLES: Final = {
    "": "none",
    "strong": "bold",
    "dim": "dim",
    "good": "bold green",
    "bad": "bold red",
    "fair": "green",
    "doubt": "bold yellow",
    "alarm": "bold black on yellow",
    "action": "cyan",
}

#: Longest text in one place, in characters.
MAX_SHOWN_LENGTH: Final = 300
#: Width from which a row takes one line, in cells.
WIDE_TABLE_WIDTH: Final = 100
_MIN_WIDTH: Final = 40
#: Lines that are joined to one text: a text of its own for each line takes several times the memory.
_BLOCK_LINES: Final = 10_000


_NON_ASCII_GLYPHS: Final = "✔✖–·→≤↑↓±█░├└│…"  # noqa: RUF001 - see above
_TO_ASCII: Final = str.maketrans(
    {"·": "|", "→": "->", "≤": "<=", "…": "...", "×": "x", "–": "-", "✖": "x", "✔": "+"}  # noqa: RUF001
    | {"↑": "^", "↓": "v", "±": "*"}
)


class Page:
    """Lines of styled text."""

    def __init__(self, options: RenderOptions) -> None:
        """Start an empty page with the options' width (at least 40 cells), colour and encoding."""
        self.width = max(options.width, _MIN_WIDTH)
        self._has_color = options.color
        self._encoding = _limited_encoding(options.encoding)
        self.glyphs = ASCII_GLYPHS if self._encoding else UNICODE_GLYPHS
        self._blocks: list[str] = []
        self._lines: list[str] = []

    def safe_text(self, text: str, limit: int = MAX_SHOWN_LENGTH) -> str:
        """Return a text sanitized, cut to ``limit`` characters (0: not cut), in characters of the encoding."""
        text = sanitize_text(text, limit)
        if text.isascii() or not self._encoding:
            return text
        return text.translate(_TO_ASCII).encode(self._encoding, "backslashreplace").decode(self._encoding)

    def cut_text(self, text: str, width: int, *, keep_end: bool = False) -> str:
        """Return a text of at most ``width`` cells; a longer one is cut at its end, or at its start (``keep_end``)."""
        if cell_width(text) <= width:
            return text
        available = width - len(self.glyphs.ellipsis)
        if not keep_end:
            return set_cell_size(text, available).rstrip() + self.glyphs.ellipsis
        while cell_width(text) > available:
            text = text[1:]
        return self.glyphs.ellipsis + text

    def add_line(self, *spans: Span) -> None:
        """Add a line without trailing spaces."""
        content = list(spans)
        while content and not content[-1][0].rstrip():
            content.pop()
        pieces = [self._color(text, style) for text, style in content[:-1]]
        if content:
            pieces.append(self._color(content[-1][0].rstrip(), content[-1][1]))
        if len(self._lines) >= _BLOCK_LINES:
            self._blocks.append("".join(self._lines[:-1]))
            del self._lines[:-1]
        self._lines.append("".join((*pieces, "\n")))

    def _color(self, text: str, style: str) -> str:
        return (
            _parse_style(style).render(text, color_system=ColorSystem.STANDARD) if self._has_color and style else text
        )

    def add_gap(self) -> None:
        """Add an empty line, unless the page is empty or ends with one."""
        if self._lines and self._lines[-1] != "\n":
            self.add_line()

    def add_paragraph(
        self, text: str, style: str = "", *, indent: int = 2, prefix: str = "", prefix_style: str = ""
    ) -> None:
        """Add a wrapped, indented text; ``prefix`` is printed within the indent of its first line."""
        for number, line in enumerate(wrap_text(text, self.width - indent)):
            self.add_line((pad_text("" if number else prefix, indent), "" if number else prefix_style), (line, style))

    def add_justified(self, left_spans: Sequence[Span], right_span: Span) -> None:
        """Add a line with ``right_span`` at its right end, or two lines where both do not fit into one."""
        left_width = sum(cell_width(text) for text, _ in left_spans)
        gap = self.width - left_width - cell_width(right_span[0])
        if gap < 1 and right_span[0]:
            self.add_line(*left_spans)
            self.add_line((" " * max(0, self.width - cell_width(right_span[0])), ""), right_span)
        else:
            self.add_line(*left_spans, (" " * gap, ""), right_span)

    def add_wrapped(self, prefix: Span, left_span: Span, right_span: Span) -> None:
        """Add ``left_span`` wrapped after ``prefix``; ``right_span`` ends its last line, or the line below."""
        indent = cell_width(prefix[0])
        *upper_lines, last_line = wrap_text(left_span[0], self.width - indent)
        for number, line in enumerate(upper_lines):
            self.add_line(prefix if number == 0 else (" " * indent, ""), (line, left_span[1]))
        self.add_justified([(" " * indent, "") if upper_lines else prefix, (last_line, left_span[1])], right_span)

    def to_text(self) -> str:
        """Return the lines, with escape sequences where the page has colour."""
        self._blocks = ["".join((*self._blocks, *self._lines))]  # the parts are freed before the text is encoded
        self._lines = []
        return self._blocks[0]


def _limited_encoding(encoding: str) -> str:
    """Return the encoding where it lacks the signs; empty where it has them."""
    try:
        _NON_ASCII_GLYPHS.encode(encoding)
    except UnicodeEncodeError:
        return encoding
    except LookupError:
        return "ascii"
    return ""


@lru_cache(maxsize=32)
def _parse_style(name: str) -> Style:
    return Style.parse(STYLES[name])


def cell_width(text: str) -> int:
    """Return the width of a text in terminal cells; wide characters take two."""
    return len(text) if text.isascii() else cell_len(text)


def pad_text(text: str, width: int) -> str:
    """Return a text padded with spaces to a width in cells."""
    return text + " " * (width - cell_width(text))


def wrap_text(text: str, width: int) -> list[str]:
    """Return the lines of a text, at least one, each of at most ``width`` cells.

    Lines break at spaces; a longer word is broken itself. A line never starts with the dot between reasons. A no-break
    space does not break and is printed as a space.
    """
    if cell_width(text) <= width:
        return [text.replace("\xa0", " ")]
    lines: list[str] = []
    line = ""
    for word in text.replace(" ·", "\xa0·").split(" "):
        candidate = f"{line} {word}" if line else word
        if cell_width(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        *full_pieces, line = chop_cells(word, width) if cell_width(word) > width else [word]
        lines.extend(full_pieces)
    lines.append(line)
    return [text_line.replace("\xa0", " ") for text_line in lines]


class Column(msgspec.Struct, frozen=True):
    """A column of a table."""

    heading: str
    #: Cells; 0: no limit.
    max_width: int = 0
    #: Cells.
    min_width: int = 6
    align_right: bool = False
    #: Whether a cell that is too long loses its start, not its end.
    keep_end: bool = False


def add_table(
    page: Page, columns: Sequence[Column], rows: Iterable[Sequence[Span]], widths: Sequence[int] = (), indent: int = 2
) -> None:
    """Add a table with its headings; ``widths`` are those of the columns where they are known already."""
    if not widths:
        rows = list(rows)
        widths = fit_widths(columns, rows, page.width - indent)
    add_row(page, columns, widths, [(column.heading, "dim") for column in columns], indent)
    for row in rows:
        add_row(page, columns, widths, row, indent)


def fit_widths(columns: Sequence[Column], rows: Iterable[Sequence[Span]], available: int, gap: int = 2) -> list[int]:
    """Return the width of each column: that of its widest cell, reduced until all fit into ``available`` cells.

    The widest column is reduced first; none below its ``min_width``, so that the sum may exceed ``available``.
    """
    widths = [cell_width(column.heading) for column in columns]
    for row in rows:
        for number, (text, _) in enumerate(row):
            if len(text) > widths[number] or not text.isascii():
                widths[number] = max(widths[number], cell_width(text))
    widths = [min(width, column.max_width or width) for width, column in zip(widths, columns, strict=True)]
    available -= gap * (len(columns) - 1)
    while sum(widths) > available:
        shrinkable = [number for number, column in enumerate(columns) if widths[number] > column.min_width]
        if not shrinkable:
            break
        widths[max(shrinkable, key=widths.__getitem__)] -= 1
    return widths


def add_row(page: Page, columns: Sequence[Column], widths: Sequence[int], row: Sequence[Span], indent: int = 2) -> None:
    """Add one row of a table; cells wrap."""
    cell_lines = [wrap_text(text, width) for (text, _), width in zip(row, widths, strict=True)]
    for number in range(max(map(len, cell_lines))):
        line = [
            (lines[number] if number < len(lines) else "", style)
            for lines, (_, style) in zip(cell_lines, row, strict=True)
        ]
        page.add_line((" " * indent, ""), *_align_cells(line, columns, widths))


def add_cut_row(page: Page, columns: Sequence[Column], widths: Sequence[int], row: Sequence[Span], gap: int) -> None:
    """Add one row of a table on one line; cells that are too long are cut."""
    spans: list[Span] = [(" ", "")]
    for (text, style), column, width in zip(row, columns, widths, strict=True):
        cell = page.cut_text(text, width, keep_end=column.keep_end)
        spans += [(cell, style), (" " * (width - cell_width(cell) + gap), "")]
    page.add_line(*spans)


def _align_cells(line: Iterable[Span], columns: Sequence[Column], widths: Sequence[int]) -> Iterable[Span]:
    for (text, style), column, width in zip(line, columns, widths, strict=True):
        padding = " " * (width - cell_width(text))
        yield from ((padding, ""), (text, style)) if column.align_right else ((text, style), (padding, ""))
        yield "  ", ""
