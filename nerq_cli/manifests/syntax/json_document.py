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
MAX_DEPTH: Final = 100

_SPACE = re.compile(r"[ \t\n\r]*")
_OPEN_STRING = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*'
_UNCLOSED_STRING = re.compile(_OPEN_STRING)
_STRING = re.compile(_OPEN_STRING + '"')
_KEY = re.compile(rf'({_OPEN_STRING}")[ \t\n\r]*:[ \t\n\r]*')
_LITERAL = re.compile(r"(?:(true)|(false)|(null)|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))(?![\w.+-])")

_IN_QUOTES: Final = "text stands in double quotes"
#: What people write that is no JSON, wherever it stands: a pattern, what it is, and what to do.
_COMMON_MISTAKES: Final = tuple(
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

JsonData: TypeAlias = "str | float | bool | list[JsonNode] | dict[str, JsonMember] | None"

_TYPE_NAMES: Final[dict[type, str]] = {
    str: "a string",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class JsonNode:
    """One value, and the offset it begins at. Of members with the same key the last one counts, as in JavaScript."""

    data: JsonData
    offset: int

    @property
    def kind(self) -> str:
        """What it is, for a message: ``an array``."""
        return _TYPE_NAMES[type(self.data)]


@dataclass(frozen=True, slots=True)
class JsonMember:
    """One member of an object: its value, and the offset its key begins at."""

    value: JsonNode
    offset: int


class NotJsonError(Exception):
    """The text is not JSON: what is wrong, at which offset, and what to do about it."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


class LineIndex:
    """The lines of a text, to turn offsets into what an editor shows."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line_number(self, offset: int) -> int:
        """Return the line an offset is in, counted from 1."""
        return bisect_right(self._starts, offset)

    def column_number(self, offset: int) -> int:
        """Return the place of an offset in its line, counted from 1."""
        return offset - self._starts[self.line_number(offset) - 1] + 1

    def line_text(self, offset: int) -> str:
        """Return the line an offset is in, without its end."""
        line = self.line_number(offset)
        end = self._starts[line] if line < len(self._starts) else len(self._text)
        return self._text[self._starts[line - 1] : end].rstrip("\r\n")


def parse_json(text: str) -> JsonNode:
    """Read a JSON text.

    Raises:
        NotJsonError: it is none, or is nested deeper than `DEEPEST`.
    """
    start = _skip_space(text, 0)
    if start == len(text):
        raise NotJsonError("the file is empty", 0)
    node, end = _parse_value(text, start, 0)
    offset = _skip_space(text, end)
    if offset < len(text):
        raise _describe_mistake(text, offset, "nothing may follow the end of the document")
    return node


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset  # it always matches


def _parse_value(text: str, offset: int, depth: int) -> tuple[JsonNode, int]:
    """Return the value that begins here, and where it ends."""
    mark = text[offset : offset + 1]
    if mark == '"':
        match = _STRING.match(text, offset)
        if match is None:
            raise _string_error(text, offset)
        return JsonNode(_decode_string(match[0]), offset), match.end()
    if mark in {"{", "["} and depth == MAX_DEPTH:
        raise NotJsonError(f"nested more than {MAX_DEPTH} levels deep", offset)
    if mark == "{":
        return _parse_object(text, offset, depth + 1)
    if mark == "[":
        return _parse_array(text, offset, depth + 1)
    match = _LITERAL.match(text, offset)
    if match is None:
        raise _describe_mistake(text, offset, "a value is expected here")
    return JsonNode(_parse_constant(match), offset), match.end()


def _parse_constant(match: re.Match[str]) -> float | bool | None:
    number = match[4]
    return float(number) if number else {"true": True, "false": False, "null": None}[match[0]]


def _decode_string(string: str) -> str:
    """Return the text of a JSON string; half a surrogate pair is replaced, because nothing can print it."""
    if "\\" not in string:
        return string[1:-1]
    text: str = json.loads(string)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parse_object(text: str, start: int, depth: int) -> tuple[JsonNode, int]:
    members: dict[str, JsonMember] = {}
    offset = _skip_space(text, start + 1)
    if text[offset : offset + 1] == "}":
        return JsonNode(members, start), offset + 1
    while True:
        key = _KEY.match(text, offset)
        if key is None:
            raise _key_error(text, offset)
        value, end = _parse_value(text, key.end(), depth)
        members[_decode_string(key[1])] = JsonMember(value, offset)
        offset, is_closed = _next_item(text, end, "}")
        if is_closed:
            return JsonNode(members, start), offset


def _parse_array(text: str, start: int, depth: int) -> tuple[JsonNode, int]:
    items: list[JsonNode] = []
    offset = _skip_space(text, start + 1)
    if text[offset : offset + 1] == "]":
        return JsonNode(items, start), offset + 1
    while True:
        value, end = _parse_value(text, offset, depth)
        items.append(value)
        offset, is_closed = _next_item(text, end, "]")
        if is_closed:
            return JsonNode(items, start), offset


def _next_item(text: str, end: int, closing: str) -> tuple[int, bool]:
    """Return where the next member or item begins, or where the container ends, and whether it does."""
    offset = _skip_space(text, end)
    mark = text[offset : offset + 1]
    if mark == closing:
        return offset + 1, True
    if mark != ",":
        raise _comma_error(text, offset, closing)
    next_offset = _skip_space(text, offset + 1)
    if text[next_offset : next_offset + 1] == closing:
        raise NotJsonError("JSON has no comma after the last one", offset, "remove the comma")
    return next_offset, False


# --- What went wrong -------------------------------------------------------------------------------------------------


def _describe_mistake(text: str, offset: int, default_message: str) -> NotJsonError:
    for pattern, message, hint in _COMMON_MISTAKES:
        if pattern.match(text, offset):
            return NotJsonError(message, offset, hint)
    return NotJsonError(default_message, offset)


def _string_error(text: str, offset: int) -> NotJsonError:
    match = _UNCLOSED_STRING.match(text, offset)
    end = match.end() if match else offset
    mark = text[end : end + 1]
    if mark == "\\" and end + 1 < len(text):
        return NotJsonError("this backslash begins nothing that JSON knows", end, "a backslash itself is written \\\\")
    if mark in {"", "\\", "\n", "\r"}:
        return NotJsonError("this string is never closed", offset, "a double quote is missing")
    return NotJsonError("a control character may not stand in a string", end, "write a tab as \\t")


def _key_error(text: str, offset: int) -> NotJsonError:
    key = _STRING.match(text, offset)
    if key is not None:
        return NotJsonError("a colon is missing after the key", _skip_space(text, key.end()))
    if text[offset : offset + 1] == '"':
        return _string_error(text, offset)
    if text[offset : offset + 1] in {"{", "["}:
        return NotJsonError("a key is missing here", offset)
    return _describe_mistake(text, offset, "a key in double quotes is expected here")


def _comma_error(text: str, offset: int, closing: str) -> NotJsonError:
    if _LITERAL.match(text, offset) or text[offset : offset + 1] in {'"', "{", "["}:
        return NotJsonError("a comma is missing before this", offset)
    if text[offset : offset + 1] in {"]", "}"}:
        return NotJsonError(f"the wrong bracket: {closing} is expected here", offset)
    return _describe_mistake(text, offset, f"a comma or {closing} is expected here")
