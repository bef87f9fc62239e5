"""The report card in words, as part of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nerq_cli.insight.guidance import Answer, Check, Guidance
from nerq_cli.report.terminal.layout import Page, cell_width

_STYLES: Final[dict[Answer, str]] = {"no-objection": "good", "avoid": "bad", "unsettled": "doubt"}
_CONTINUATION: Final = " \\"
#: Cells before a command, and before its further lines.
_INDENT: Final = 2
_FURTHER_INDENT: Final = 6


def add_guidance(page: Page, guidance: Guidance) -> None:
    """Add verdict, key findings, uses, commands and licence."""
    _add_heading(page, "Is it safe to use?", f"for {guidance.purpose}")
    page.add_paragraph(page.safe_text(guidance.verdict, 0), _STYLES[guidance.answer])
    _add_list(page, "Key findings", guidance.findings)
    _add_list(page, "Who may use it: it meets what is asked of", guidance.suits)
    _add_list(page, "When to avoid it", guidance.avoid)
    if guidance.checks:
        _add_heading(page, "Verify it yourself")
    for check in guidance.checks:
        _add_check(page, check)
    _add_heading(page, "Licence")
    page.add_paragraph(page.safe_text(guidance.licence))


def _add_heading(page: Page, text: str, note: str = "") -> None:
    page.add_gap()
    page.add_line((text, "strong"), (f"  {note}" if note else "", "dim"))


def _add_list(page: Page, heading: str, texts: Sequence[str]) -> None:
    _add_heading(page, heading)
    for text in texts or ("nothing that is known",):
        page.add_paragraph(page.safe_text(text), indent=4, prefix="  -")


def _add_check(page: Page, check: Check) -> None:
    """Add a command, in lines that a POSIX shell reads as one, and what it shows."""
    command = page.safe_text(check.command, 0)
    for number, line in enumerate(_split_command(command, page.width - _FURTHER_INDENT - len(_CONTINUATION))):
        page.add_line((" " * (_FURTHER_INDENT if number else _INDENT), ""), (line, "action"))
    page.add_paragraph(page.safe_text(check.shows), "dim", indent=_FURTHER_INDENT)


def _split_command(command: str, width: int) -> list[str]:
    """Return the lines of a command; it is parted between words, never within quotes."""
    lines: list[str] = []
    line = ""
    quotes = 0
    for word in command.split(" "):
        fits = not line or cell_width(line) + 1 + cell_width(word) <= width
        if fits or quotes % 2:
            line = f"{line} {word}" if line else word
        else:
            lines.append(line + _CONTINUATION)
            line = word
        quotes += word.count("'")
    return [*lines, line]
