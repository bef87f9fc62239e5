"""JSON with positions: every value knows where it stands, and every mistake where it was made.

The standard library's parser forgets positions, so this one reads RFC 8259 itself: strictly, in linear time, and no
deeper than documents written by people go.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, TypeAlias

#: Deepest nesting read, in levels.
DEEPEST: Final = 100

_SPACE = re.compile(r"[ \t\n\r]*")
_OPEN_STRING = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*'
_UNCLOSED = re.compile(_OPEN_STRING)
_STRING = re.compile(_OPEN_STRING + '"')
_KEY = re.compile(rf'({_OPEN_STRING}")[ \t\n\r]*:[ \t\n\r]*')
_BARE = re.compile(r"(?:(true)|(false)|(null)|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))(?![\w.+-])")

_IN_QUOTES: Final = "text stands in double quotes"
#: What people write that is no JSON, wherever it stands: a pattern, what it is, and what to do.
_MISTAKES: Final = tuple(
    (re.compile(pattern), message, hint)
    for pattern, message, hint in (
        (r"\Z", "the file ends in the middle of a value", "a closing bracket is missing"),
        (r"(?:<{7}|={7}|>{7}|\|{7})(?:\s|\Z)", "this is a merge conflict marker", "choose one of the two versions"),
        (r"//|/\*|#", "JSON has no comments", "remove the comment"),
        (r"['`\u2018\u2019\u201c\u201d]", "these quotes are not JSON's", _IN_QUOTES),
        (r",", "a comma has nothing before it here", "remove the comma"),
        (r"[+.]|-?0\d|-?\d", "this is not a number in JSON", ""),
        (r"\w+", "this word means nothing in JSON", _IN_QUOTES),
        (r"[\]}]", "a value is missing here", ""),
    )
)

Data: TypeAlias = "str | float | bool | list[Node] | dict[str, Member] | None"

_KINDS: Final[dict[type, str]] = {
    str: "a string",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One value, and the offset it begins at. Of members with the same key the last one counts, as in JavaScript."""

    data: Data
    at: int

    @property
    def kind(self) -> str:
        """What it is, for a message: ``an array``."""
        return _KINDS[type(self.data)]


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object: its value, and the offset its key begins at."""

    value: Node
    at: int


class NotJsonError(Exception):
    """The text is not JSON: what is wrong, at which offset, and what to do about it."""

    def __init__(self, message: str, at: int, hint: str = "") -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


class Lines:
    """The lines of a text, to turn offsets into what an editor shows."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def number(self, at: int) -> int:
        """Return the line an offset is in, counted from 1."""
        return bisect_right(self._starts, at)

    def column(self, at: int) -> int:
        """Return the place of an offset in its line, counted from 1."""
        return at - self._starts[self.number(at) - 1] + 1

    def text(self, at: int) -> str:
        """Return the line an offset is in, without its end."""
        line = self.number(at)
        end = self._starts[line] if line < len(self._starts) else len(self._text)
        return self._text[self._starts[line - 1] : end].rstrip("\r\n")


def parse(text: str) -> Node:
    """Read a JSON text.

    Raises:
        NotJsonError: it is none, or is nested deeper than `DEEPEST`.
    """
    start = _after_space(text, 0)
    if start == len(text):
        raise NotJsonError("the file is empty", 0)
    node, end = _value(text, start, 0)
    at = _after_space(text, end)
    if at < len(text):
        raise _mistake(text, at, "nothing may follow the end of the document")
    return node


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at  # it always matches


def _value(text: str, at: int, depth: int) -> tuple[Node, int]:
    """Return the value that begins here, and where it ends."""
    mark = text[at : at + 1]
    if mark == '"':
        found = _STRING.match(text, at)
        if found is None:
            raise _bad_string(text, at)
        return Node(_decoded(found[0]), at), found.end()
    if mark in {"{", "["} and depth == DEEPEST:
        raise NotJsonError(f"nested more than {DEEPEST} levels deep", at)
    if mark == "{":
        return _object(text, at, depth + 1)
    if mark == "[":
        return _array(text, at, depth + 1)
    found = _BARE.match(text, at)
    if found is None:
        raise _mistake(text, at, "a value is expected here")
    return Node(_constant(found), at), found.end()


def _constant(found: re.Match[str]) -> float | bool | None:
    number = found[4]
    return float(number) if number else {"true": True, "false": False, "null": None}[found[0]]


def _decoded(string: str) -> str:
    """Return the text of a JSON string; half a surrogate pair is replaced, because nothing can print it."""
    if "\\" not in string:
        return string[1:-1]
    text: str = json.loads(string)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _object(text: str, start: int, depth: int) -> tuple[Node, int]:
    members: dict[str, Member] = {}
    at = _after_space(text, start + 1)
    if text[at : at + 1] == "}":
        return Node(members, start), at + 1
    while True:
        key = _KEY.match(text, at)
        if key is None:
            raise _bad_key(text, at)
        value, end = _value(text, key.end(), depth)
        members[_decoded(key[1])] = Member(value, at)
        at, closed = _next(text, end, "}")
        if closed:
            return Node(members, start), at


def _array(text: str, start: int, depth: int) -> tuple[Node, int]:
    items: list[Node] = []
    at = _after_space(text, start + 1)
    if text[at : at + 1] == "]":
        return Node(items, start), at + 1
    while True:
        value, end = _value(text, at, depth)
        items.append(value)
        at, closed = _next(text, end, "]")
        if closed:
            return Node(items, start), at


def _next(text: str, end: int, closing: str) -> tuple[int, bool]:
    """Return where the next member or item begins, or where the container ends, and whether it does."""
    at = _after_space(text, end)
    mark = text[at : at + 1]
    if mark == closing:
        return at + 1, True
    if mark != ",":
        raise _no_comma(text, at, closing)
    after = _after_space(text, at + 1)
    if text[after : after + 1] == closing:
        raise NotJsonError("JSON has no comma after the last one", at, "remove the comma")
    return after, False


# --- What went wrong -------------------------------------------------------------------------------------------------


def _mistake(text: str, at: int, otherwise: str) -> NotJsonError:
    for pattern, message, hint in _MISTAKES:
        if pattern.match(text, at):
            return NotJsonError(message, at, hint)
    return NotJsonError(otherwise, at)


def _bad_string(text: str, at: int) -> NotJsonError:
    found = _UNCLOSED.match(text, at)
    end = found.end() if found else at
    mark = text[end : end + 1]
    if mark == "\\" and end + 1 < len(text):
        return NotJsonError("this backslash begins nothing that JSON knows", end, "a backslash itself is written \\\\")
    if mark in {"", "\\", "\n", "\r"}:
        return NotJsonError("this string is never closed", at, "a double quote is missing")
    return NotJsonError("a control character may not stand in a string", end, "write a tab as \\t")


def _bad_key(text: str, at: int) -> NotJsonError:
    key = _STRING.match(text, at)
    if key is not None:
        return NotJsonError("a colon is missing after the key", _after_space(text, key.end()))
    if text[at : at + 1] == '"':
        return _bad_string(text, at)
    if text[at : at + 1] in {"{", "["}:
        return NotJsonError("a key is missing here", at)
    return _mistake(text, at, "a key in double quotes is expected here")


def _no_comma(text: str, at: int, closing: str) -> NotJsonError:
    if _BARE.match(text, at) or text[at : at + 1] in {'"', "{", "["}:
        return NotJsonError("a comma is missing before this", at)
    if text[at : at + 1] in {"]", "}"}:
        return NotJsonError(f"the wrong bracket: {closing} is expected here", at)
    return _mistake(text, at, f"a comma or {closing} is expected here")
