"""Problems in dependency files: position, message, source line, caret, hint."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from nerq_cli.problem import Problem
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.terminal.layout import Page

#: Characters before the caret in a line that is too long.
_CONTEXT_BEFORE: Final = 20
#: Problems of each dependency file that are printed, and the command that prints all of them.
_MAX_PROBLEMS: Final = 10
_COMMAND: Final = "nerq scan -f json"


def print_problems(problems: Iterable[Problem], *, is_cut: bool = False) -> None:
    """Print problems to stderr: all of them, or those that a scan reports in JSON cut to some of each file."""
    from nerq_cli.report.terminal.console import stream_options

    sys.stderr.write(render_text(problems, stream_options(sys.stderr), limit=_MAX_PROBLEMS if is_cut else None))


def render_text(problems: Iterable[Problem], options: RenderOptions, *, limit: int | None = None) -> str:
    """Return problems as text, each with its line and a caret; of each file at most ``limit``, if given."""
    from nerq_cli.report.terminal.layout import Page

    page = Page(options)
    counts: Counter[str] = Counter()
    for problem in problems:
        counts[problem.path] += 1
        if limit is not None and counts[problem.path] > limit:
            continue
        style = "bad" if problem.level == "error" else "doubt"
        page.add_line(
            (f"{page.safe_text(format_position(problem), 0)}: ", "strong"), (page.safe_text(problem.message), style)
        )
        if problem.text.strip():
            _add_source_line(page, problem)
        if problem.hint:
            page.add_paragraph(page.safe_text(problem.hint), "action", indent=8, prefix="  hint:")
    for path, count in counts.items():
        if limit is not None and count > limit:
            more = format_count(count - limit, "more problem")
            page.add_line((f"{page.safe_text(path, 0)}: {more} ({_COMMAND} prints all of them)", "dim"))
    return page.to_text()


def format_position(problem: Problem) -> str:
    """Return ``path:line:column``, without the parts that are not known."""
    return ":".join([problem.path, *(str(number) for number in (problem.line, problem.column) if number)])


def _add_source_line(page: Page, problem: Problem) -> None:
    from nerq_cli.report.terminal.layout import cell_width

    start = max(0, problem.column - 1)
    before_caret = page.safe_text(problem.text[:start][-page.width :], 0)
    after_caret = page.safe_text(problem.text[start : start + page.width], 0).rstrip()
    number = str(problem.line or "")
    before_caret, after_caret = _trim_around_caret(
        before_caret, after_caret, page.width - len(number) - 5, page.safe_text("…")
    )
    page.add_line((f"  {number} | ", "dim"), (before_caret + after_caret, ""))
    if problem.column <= len(problem.text) and problem.column:
        page.add_line((f"  {' ' * len(number)} | {' ' * cell_width(before_caret)}", "dim"), ("^", "bad"))


def _trim_around_caret(before_caret: str, after_caret: str, available: int, ellipsis: str) -> tuple[str, str]:
    """Return the texts on both sides of a caret, cut to ``available`` cells together."""
    from rich.cells import set_cell_size

    from nerq_cli.report.terminal.layout import cell_width

    if cell_width(before_caret) + cell_width(after_caret) <= available:
        return before_caret, after_caret
    if len(before_caret) > _CONTEXT_BEFORE:
        before_caret = ellipsis + before_caret[-_CONTEXT_BEFORE:]
    available_after = available - cell_width(before_caret)
    if cell_width(after_caret) > available_after:
        after_caret = set_cell_size(after_caret, available_after - len(ellipsis)).rstrip() + ellipsis
    return before_caret, after_caret
