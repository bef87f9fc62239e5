"""Tables and lists of Markdown, with every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nerq_cli.report.markdown_text import escape

#: Longest text of a cell, in characters.
CELL_LIMIT: Final = 300


def write_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, cell_limit: int = CELL_LIMIT
) -> Iterator[str]:
    """Yield the lines of a table, its cells cut to some characters, then an empty one; nothing without rows."""
    is_empty = True
    for row in rows:
        if is_empty:
            yield _write_row(headings, cell_limit)
            yield f"|{' --- |' * len(headings)}\n"
            is_empty = False
        yield _write_row(row, cell_limit)
    if not is_empty:
        yield "\n"


def _write_row(cells: Sequence[str], cell_limit: int) -> str:
    return f"| {' | '.join(escape(cell, cell_limit) for cell in cells)} |\n"


def write_paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"{escape(text)}\n\n"
