"""What is wrong in a file, shown the way compilers do: place, message, the line itself and a caret under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from nerq_cli.errors import Problem

if TYPE_CHECKING:
    from rich.console import Console

    from nerq_cli.report.layout import Page

#: Characters kept on the left of the caret in a line too long for the screen.
_BEFORE: Final = 20
#: Problems shown of one file; who has more has another kind of file, or a mistake repeated.
_MOST: Final = 10


def render_problems(problems: Iterable[Problem], console: Console | None = None) -> None:
    """Print problems, each with its line and a caret, to a console (stderr when none is given)."""
    from nerq_cli.report.console import make_console
    from nerq_cli.report.layout import Page

    page = Page(console or make_console(stderr=True))
    counts: Counter[str] = Counter()
    for problem in problems:
        counts[problem.path] += 1
        if counts[problem.path] > _MOST:
            continue
        page.line((f"{page.words(place(problem), 0)}: ", "strong"), (page.words(problem.message), "bad"))
        if problem.text.strip():
            _add_text(page, problem)
        if problem.hint:
            page.paragraph(page.words(problem.hint), "action", indent=8, first="  hint:")
    for path, count in counts.items():
        if count > _MOST:
            page.line(
                (f"{page.words(path, 0)}: {count - _MOST:,} more problems (the JSON report has all of them)", "dim")
            )
    page.print()


def place(problem: Problem) -> str:
    """Return ``path:line:column``, as far as they are known."""
    return ":".join([problem.path, *(str(number) for number in (problem.line, problem.column) if number)])


def _add_text(page: Page, problem: Problem) -> None:
    from nerq_cli.report.layout import cells

    start = max(0, problem.column - 1)
    before = page.words(problem.text[:start][-page.width :], 0)
    rest = page.words(problem.text[start : start + page.width], 0).rstrip()
    number = str(problem.line or "")
    before, rest = _window(before, rest, page.width - len(number) - 5, page.words("…"))
    page.line((f"  {number} | ", "dim"), (before + rest, ""))
    if problem.column:
        page.line((f"  {' ' * len(number)} | {' ' * cells(before)}", "dim"), ("^", "bad"))


def _window(before: str, rest: str, room: int, ellipsis: str) -> tuple[str, str]:
    """Return as much of a line on both sides of a caret as fits into ``room`` cells."""
    from rich.cells import set_cell_size

    from nerq_cli.report.layout import cells

    if cells(before) + cells(rest) <= room:
        return before, rest
    if len(before) > _BEFORE:
        before = ellipsis + before[-_BEFORE:]
    left = room - cells(before)
    if cells(rest) > left:
        rest = set_cell_size(rest, left - len(ellipsis)).rstrip() + ellipsis
    return before, rest
