"""JSON with comments and trailing commas, as Bun writes it."""

from __future__ import annotations

import re
from typing import Final

from nerq_cli.patterns import compile_late

_LENIENT_STRING: Final = r'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"?'
_COMMENT = compile_late(rf"{_LENIENT_STRING}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TRAILING_COMMA = compile_late(rf"{_LENIENT_STRING}|,(?=[ \t\n\r]*[\]}}])")
_NOT_LINE_END = compile_late(r"[^\n]")


def strip_comments(text: str) -> str:
    """Return JSON without comments and trailing commas, every other character at its place."""
    if "//" in text or "/*" in text:
        text = _blank_matches(_COMMENT, text)
    return _blank_matches(_TRAILING_COMMA, text)


def _blank_matches(pattern: re.Pattern[str], text: str) -> str:
    """Return the text with spaces in place of the matches, except for line ends and strings."""
    pieces: list[str] = []
    position = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        if text[start] != '"':
            pieces += (text[position:start], _NOT_LINE_END.sub(" ", text[start:end]))
            position = end
    return "".join((*pieces, text[position:]))
