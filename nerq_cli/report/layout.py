"""Laying out styled text in cells: wrapped, aligned, in what the terminal can show, printed in one go.

Rich's own tables measure every cell several times; ten thousand rows take it many seconds. Here a row costs tens of
microseconds, and no markup is ever read: what a package calls itself cannot style the screen.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from nerq_cli.report.clean import plain
from nerq_cli.report.console import is_dumb

#: A piece of text and the name of its style (a key of :data:`STYLES`).
Span: TypeAlias = tuple[str, str]

STYLES: Final = {
    "": "none",
    "strong": "bold",
    "dim": "dim",
    "good": "bold green",
    "bad": "bold red",
    "doubt": "bold yellow",
    "alarm": "bold black on yellow",
    "excused": "magenta",
    "action": "cyan",
}

#: Longest text shown in one place, in characters.
SHOWN_LIMIT: Final = 300
#: From this width on, a row of a wide table may take one line.
WIDE: Final = 100
_LEAST_WIDTH: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The signs a screen is drawn with. Each state has its own: nothing is told by colour alone."""

    ok: str
    below: str
    unknown: str
    waived: str
    skipped: str
    dot: str
    arrow: str
    at_most: str
    full: str
    empty: str
    fork: str
    corner: str
    stem: str


UNICODE: Final = Marks(
    ok="✔",
    below="✖",
    unknown="?",
    waived="⊘",
    skipped="–",  # noqa: RUF001 - an en dash, as nothing else uses it
    dot="·",
    arrow="→",
    at_most="≤",
    full="█",
    empty="░",
    fork="├─ ",
    corner="└─ ",
    stem="│  ",
)
ASCII: Final = Marks(
    ok="+",
    below="x",
    unknown="?",
    waived="-",
    skipped=".",
    dot="|",
    arrow="->",
    at_most="<=",
    full="#",
    empty=".",
    fork="|- ",
    corner="`- ",
    stem="|  ",
)
_SIGNS: Final = "✔✖⊘–·→≤█░├└│…"  # noqa: RUF001 - see above
_TO_ASCII: Final = str.maketrans({"·": "|", "→": "->", "≤": "<=", "…": "...", "×": "x", "–": "-", "✖": "x", "✔": "+"})  # noqa: RUF001


class Page:
    """Lines waiting to be printed, in the words and signs its console can show."""

    def __init__(self, console: Console) -> None:
        """Start an empty page as wide as the console (never under 40 cells)."""
        self.width = max(console.width, _LEAST_WIDTH)
        self._encoding = _poor_encoding(console)
        self.marks = ASCII if self._encoding else UNICODE
        self._console = console
        self._segments: list[Segment] = []

    def words(self, text: str, limit: int = SHOWN_LIMIT) -> str:
        """Return a text made safe, shortened to ``limit`` characters (0: not) and spelled in what can be shown."""
        text = plain(text, limit)
        if text.isascii() or not self._encoding:
            return text
        return text.translate(_TO_ASCII).encode(self._encoding, "backslashreplace").decode(self._encoding)

    def line(self, *spans: Span) -> None:
        """Add a line. Blank space at its end is left out."""
        kept = list(spans)
        while kept and not kept[-1][0].rstrip():
            kept.pop()
        for text, style in kept[:-1]:
            self._segments.append(Segment(text, _style(style)))
        if kept:
            self._segments.append(Segment(kept[-1][0].rstrip(), _style(kept[-1][1])))
        self._segments.append(Segment("\n"))

    def gap(self) -> None:
        """Add an empty line unless the page is empty or ends with one."""
        if len(self._segments) > 1 and self._segments[-2:] != [Segment("\n")] * 2:
            self.line()

    def paragraph(self, text: str, style: str = "", *, indent: int = 2, first: str = "", first_style: str = "") -> None:
        """Add a text wrapped to the page, indented; ``first`` stands before its first line, within the indent."""
        for number, line in enumerate(wrap(text, self.width - indent)):
            self.line((pad("" if number else first, indent), "" if number else first_style), (line, style))

    def apart(self, left: Sequence[Span], right: Span) -> None:
        """Add a line with something at its right end, or two lines where both do not fit into one."""
        used = sum(cells(text) for text, _ in left)
        gap = self.width - used - cells(right[0])
        if gap < 1 and right[0]:
            self.line(*left)
            self.line((" " * max(0, self.width - cells(right[0])), ""), right)
        else:
            self.line(*left, (" " * gap, ""), right)

    def split(self, start: Span, left: Span, right: Span) -> None:
        """Add ``left`` wrapped behind ``start``, and ``right`` at the right end of its last line or below it."""
        indent = cells(start[0])
        *above, last = wrap(left[0], self.width - indent)
        for number, line in enumerate(above):
            self.line(start if number == 0 else (" " * indent, ""), (line, left[1]))
        self.apart([(" " * indent, "") if above else start, (last, left[1])], right)

    def print(self) -> None:
        """Print what has been added."""
        self._console.print(Segments(self._segments), end="", crop=False)
        self._segments = []


def _poor_encoding(console: Console) -> str:
    """Return the encoding to stay within when the signs cannot be printed; empty when they can.

    ``TERM=dumb`` and an explicit ``LC_ALL=C`` ask for ASCII.
    """
    if is_dumb(os.environ) or os.environ.get("LC_ALL") in ("C", "POSIX"):
        return "ascii"
    try:
        _SIGNS.encode(console.encoding)
    except UnicodeEncodeError:
        return console.encoding
    except LookupError:
        return "ascii"
    return ""


@lru_cache(maxsize=32)
def _style(name: str) -> Style | None:
    return Style.parse(STYLES[name]) if name else None


def cells(text: str) -> int:
    """Return how many terminal cells a text takes (wide characters take two)."""
    return len(text) if text.isascii() else cell_len(text)


def pad(text: str, width: int) -> str:
    """Return a text filled up with spaces to a width in cells."""
    return text + " " * (width - cells(text))


def wrap(text: str, width: int) -> list[str]:
    """Break a text at spaces into lines of at most ``width`` cells; only a word longer than a line is broken itself.

    The dot between reasons stays at the end of a line, and a no-break space (which :func:`plain` never leaves in a
    text) becomes a space that holds. There is always at least one line.
    """
    if cells(text) <= width:
        return [text.replace("\xa0", " ")]
    lines: list[str] = []
    line = ""
    for word in text.replace(" ·", "\xa0·").split(" "):
        joined = f"{line} {word}" if line else word
        if cells(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *broken, line = chop_cells(word, width) if cells(word) > width else [word]
        lines.extend(broken)
    lines.append(line)
    return [done.replace("\xa0", " ") for done in lines]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, the most and the least cells it takes, and the side it leans to."""

    head: str
    most: int = 0
    least: int = 6
    right: bool = False


def table(
    page: Page, columns: Sequence[Column], rows: Sequence[Sequence[Span]], widths: Sequence[int] = (), indent: int = 2
) -> None:
    """Add a table with its headings; ``widths`` of the columns, where they have been worked out already."""
    widths = widths or fitting(columns, rows, page.width - indent)
    add_row(page, columns, widths, [(column.head, "dim") for column in columns], indent)
    for row in rows:
        add_row(page, columns, widths, row, indent)


def fitting(columns: Sequence[Column], rows: Iterable[Sequence[Span]], room: int) -> list[int]:
    """Return the width of each column: its content's, at most ``most``, the widest giving way until all fit.

    They may still be too wide together once each is down to its ``least``.
    """
    widths = [cells(column.head) for column in columns]
    for row in rows:
        for number, (text, _) in enumerate(row):
            if len(text) > widths[number] or not text.isascii():
                widths[number] = max(widths[number], cells(text))
    widths = [min(width, column.most or width) for width, column in zip(widths, columns, strict=True)]
    room -= 2 * (len(columns) - 1)
    while sum(widths) > room:
        loose = [number for number, column in enumerate(columns) if widths[number] > column.least]
        if not loose:
            break
        widths[max(loose, key=widths.__getitem__)] -= 1
    return widths


def add_row(page: Page, columns: Sequence[Column], widths: Sequence[int], row: Sequence[Span], indent: int = 2) -> None:
    """Add one row of a table, over as many lines as its longest cell needs."""
    wrapped = [wrap(text, width) for (text, _), width in zip(row, widths, strict=True)]
    for number in range(max(map(len, wrapped))):
        line = [
            (lines[number] if number < len(lines) else "", style)
            for lines, (_, style) in zip(wrapped, row, strict=True)
        ]
        page.line((" " * indent, ""), *_placed(line, columns, widths))


def _placed(line: Iterable[Span], columns: Sequence[Column], widths: Sequence[int]) -> Iterable[Span]:
    for (text, style), column, width in zip(line, columns, widths, strict=True):
        blank = " " * (width - cells(text))
        yield from ((blank, ""), (text, style)) if column.right else ((text, style), (blank, ""))
        yield "  ", ""
