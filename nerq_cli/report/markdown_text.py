"""Untrusted text in Markdown."""

from __future__ import annotations

import re
from typing import Final

from nerq_cli.patterns import compile_late
from nerq_cli.report.sanitize import sanitize_text

#: What Markdown or HTML may take for markup, as character references: those are text wherever they stand. A comment
#: follows what begins a mention or a reference (@user, #1, !1, ~label), and parts what becomes a link of its own.
_MARKUP: Final = compile_late(r"[@#!%^~$](?=\w)|:(?=//)|[wW]{3}(?=\.)|[\\`*_\[\]<>|~&$]")
_COMMENT: Final = "<!-- -->"
_REFERENCES: Final = "@#!%^~$"


def escape(text: str, limit: int = 0) -> str:
    """Return a text that Markdown and HTML show as it is: no markup, no link, no mention, no end of a table cell."""
    return _MARKUP.sub(_escape_match, sanitize_text(text, limit))


def _escape_match(match: re.Match[str]) -> str:
    text = match[0]
    if len(text) > 1:
        return f"{text}{_COMMENT}"
    following = match.string[match.end() : match.end() + 1]
    is_reference = text in _REFERENCES and (following.isalnum() or following == "_")
    return f"&#{ord(text)};{_COMMENT if is_reference or text == ':' else ''}"
