"""Untrusted text, made safe to print and to export."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from nerq_cli.patterns import compile_late

#: Longest free text in a report (a reason, a summary, a line of a file), in characters.
TEXT_LIMIT: Final = 1_000

# Whole terminal sequences (ECMA-48 CSI, terminated OSC and DCS, two-character escapes), so that no "[31m" is left over.
_ESCAPE_SEQUENCE: Final = compile_late(
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


#: Commands that CI systems read anywhere in a line of the output of a job: Azure Pipelines, GitHub and TeamCity (one
#: form), GitLab, Travis CI. Parted before the last character.
_CI_MARKER: Final = compile_late(r"##(?=[A-Za-z]{0,20}\[)|section_(?=(?:start|end):)|travis_(?=(?:fold|time):)")
#: GitHub's at the start of a line, after white space. A name without a space follows the colons: the runner looks up
#: what stands before the first space, so that "Topic :: Internet :: WWW/HTTP" is none wherever a line breaks it. What
#: ends with the colons may go on in the next piece of the output.
_GITHUB_COMMAND: Final = compile_late(r"^([ \t]*):(?=:(?![ \n]))", re.MULTILINE)
#: Groups of Buildkite at the start of a line, in which its agent ignores colours. Parted after the first character.
#: A line of dashes alone, a rule in Markdown, is none.
_COLORS: Final = r"(?:\x1b\[[0-9;]*[mK])*"
_BUILDKITE_GROUP: Final = compile_late(
    rf"^{_COLORS}(?:-(?=--{_COLORS}[ \t])|\+(?=\+\+{_COLORS}[ \t])|~(?=~~{_COLORS}[ \t])"
    rf"|\^(?=\^\^{_COLORS}[ \t]{_COLORS}\+\+\+))",
    re.MULTILINE,
)


def defuse_ci_commands(text: str) -> str:
    """Return a text in which no CI system finds a command: a space parts the characters that mark one."""
    if "##" in text or "section_" in text or "travis_" in text:
        text = _CI_MARKER.sub(lambda match: f"{match[0][:-1]} {match[0][-1]}", text)
    if "::" in text:
        text = _GITHUB_COMMAND.sub(r"\1: ", text)
    return _BUILDKITE_GROUP.sub(r"\g<0> ", text)


def defuse_json(content: bytes) -> bytes:
    """Return a JSON document of the same value, in UTF-8, in which no CI system finds a command."""
    if b"##" not in content and b"section_" not in content and b"travis_" not in content:
        return content
    return _CI_MARKER.sub(lambda match: f"{match[0][:-1]}\\u{ord(match[0][-1]):04x}", content.decode()).encode()


def _safe_character(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _UNSAFE_CATEGORIES else character
