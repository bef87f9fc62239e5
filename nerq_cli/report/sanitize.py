"""Untrusted text, made safe to print and to export."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Longest free text in a report (a reason, a summary, a line of a file), in characters.
TEXT_LIMIT: Final = 1_000

# Whole terminal sequences (ECMA-48 CSI, terminated OSC and DCS, two-character escapes), so that no "[31m" is left over.
_ESCAPE_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]"
)
#: Control, format (bidirectional marks, zero-width characters) and surrogate characters.
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs"})


def sanitize_text(text: str, limit: int = 0) -> str:
    """Return a text without control, escape and bidirectional characters, with every kind of white space as a space.

    A ``limit`` above 0 is the length in characters to which the text is cut first, ellipsis included.
    """
    if limit and len(text) > limit:
        text = f"{text[: limit - 1]}…"
    if text.isprintable():
        return text
    return "".join(map(_safe_character, _ESCAPE_SEQUENCE.sub("", text)))


def _safe_character(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _UNSAFE_CATEGORIES else character
