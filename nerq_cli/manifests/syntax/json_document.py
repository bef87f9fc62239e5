"""JSON with positions: one reader for small files with every position, and for lock files of many megabytes.

`JsonReader` goes through a text from left to right. Objects and arrays are either stepped through, which gives the
offset of each key, or decoded whole by the standard library, which is about ten times faster. Where decoding fails,
`JsonReader.read_node` reads the same value strictly (RFC 8259) and raises the error with its position.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn, TypeAlias

import msgspec

from nerq_cli.manifests.syntax.problems import LineIndex
from nerq_cli.patterns import compile_late

#: Deepest nesting read, in levels.
MAX_DEPTH: Final = 100

_SPACE = compile_late(r"[ \t\n\r]*")
_OPEN_STRING = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*'
_UNCLOSED_STRING = compile_late(_OPEN_STRING)
_STRING = compile_late(_OPEN_STRING + '"')
_KEY = compile_late(rf'({_OPEN_STRING}")[ \t\n\r]*:[ \t\n\r]*')
_COMMA = compile_late(r"[ \t\n\r]*,[ \t\n\r]*(?=[^ \t\n\r\]}])")
_LITERAL = compile_late(r"(?:(true)|(false)|(null)|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))(?![\w.+-])")
#: Whole strings, which may hold brackets, and brackets.
_BRACKET: Final = compile_late(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
#: Surrogate escapes: a pair, which is one character, or half of a pair, which cannot be printed.
_SURROGATE_ESCAPE: Final = compile_late(
    r"(\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}", re.DOTALL
)

_IN_QUOTES: Final = "text stands in double quotes"
#: Common mistakes: pattern, message and hint.
_COMMON_MISTAKES: Final = tuple(
    (compile_late(pattern), message, hint)
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

JsonData: TypeAlias = "str | float | bool | list[JsonNode] | dict[str, JsonNode] | None"

_TYPE_NAMES: Final[dict[type, str]] = {
    str: "a string",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class JsonNode(msgspec.Struct, frozen=True):
    """One value with its position. Of members with the same key the last one counts, as in JavaScript."""

    data: JsonData
    #: Offset of the value in the text.
    offset: int
    #: Offset of its key, for a member of an object.
    key_offset: int = -1

    @property
    def kind(self) -> str:
        """The type of the value for a message, such as ``an array``."""
        return _TYPE_NAMES[type(self.data)]


class JsonObject(dict[str, Any]):
    """One object, decoded by the standard library, with the line it begins on."""

    __slots__ = ("line",)

    def __init__(self, members: Iterable[tuple[str, Any]], line: int) -> None:
        super().__init__(members)
        self.line = line

    def get_text(self, key: str) -> str:
        """Return the string under a key; empty if there is none."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def get_object(self, key: str) -> JsonObject:
        """Return the object under a key; an empty one if there is none."""
        value = self.get(key)
        return value if isinstance(value, JsonObject) else JsonObject((), self.line)

    def get_list(self, key: str) -> list[Any]:
        """Return the array under a key; an empty one if there is none."""
        value = self.get(key)
        return value if isinstance(value, list) else []

    def get_objects(self, key: str) -> list[JsonObject]:
        """Return the objects in the array under a key, without its other items."""
        return [item for item in self.get_list(key) if isinstance(item, JsonObject)]


class NotJsonError(Exception):
    """The text is not JSON."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def parse_json(text: str) -> JsonNode:
    """Read a JSON text with the position of every value.

    Raises:
        NotJsonError: the text is not JSON, or is nested deeper than `MAX_DEPTH`.
    """
    reader = JsonReader(text)
    node = reader.read_node()
    reader.expect_end()
    return node


class JsonReader:
    """Reads a JSON text from left to right. All methods raise `NotJsonError` where the text is not JSON.

    A caller of `iter_members` or `iter_items` consumes each value before it requests the next one: with `read_value`,
    `skip_value` or `read_node`, or by stepping through it.
    """

    def __init__(self, text: str) -> None:
        self.text = _replace_surrogates(text)
        #: Where the next value begins.
        self.offset = _skip_space(self.text, 0)
        #: Keys that occur twice in one object; the offset of the second key, or of the value that was decoded whole.
        self.repeated_keys: list[tuple[str, int]] = []
        self._depth = 0
        self._dict_decoder = _make_decoder(self._make_dict)

    @property
    def in_object(self) -> bool:
        """Whether the next value is an object."""
        return self.text.startswith("{", self.offset)

    def iter_members(self) -> Iterator[tuple[str, int]]:
        """Step through the object that begins here: yield each key and its offset."""
        keys: set[str] = set()
        for offset in self._iter_entries("}"):
            match = _KEY.match(self.text, offset)
            if match is None:
                raise _key_error(self.text, offset)
            key = _decode_string(match[1])
            if key in keys:
                self.repeated_keys.append((key, offset))
            keys.add(key)
            self.offset = match.end()
            yield key, offset

    def iter_items(self) -> Iterator[int]:
        """Step through the array that begins here: yield the offset of each item."""
        return self._iter_entries("]")

    def _iter_entries(self, closing: str) -> Iterator[int]:
        """Yield the offset of each member or item of the container that begins here."""
        if self._depth == MAX_DEPTH:
            raise NotJsonError(f"nested more than {MAX_DEPTH} levels deep", self.offset)
        text = self.text
        self._depth += 1
        offset = _skip_space(text, self.offset + 1)
        is_closed = text.startswith(closing, offset)
        while not is_closed:
            self.offset = offset
            yield offset
            comma = _COMMA.match(text, self.offset)
            if comma:
                offset = comma.end()
                continue
            offset = _skip_space(text, self.offset)
            is_closed = text.startswith(closing, offset)
            if not is_closed:
                raise _comma_error(text, offset, closing)
        self._depth -= 1
        self.offset = offset + 1

    def read_value(self) -> object:
        """Decode the next value whole. Numbers are floats."""
        return self._decode(self._dict_decoder)

    def skip_value(self) -> None:
        """Skip the next value."""
        self._decode(_SKIPPING_DECODER)

    def read_objects(self) -> object:
        """Decode the next value whole, with each object in it as a `JsonObject`."""
        line_index = LineIndex(self.text)
        starts = iter(self._find_object_starts())

        def make_object(pairs: list[tuple[str, object]]) -> JsonObject:
            start = next(starts)
            json_object = JsonObject(pairs, line_index.line_number(start))
            if len(json_object) < len(pairs):
                self._note_repeated_keys(pairs, start)
            return json_object

        return self._decode(_make_decoder(make_object))

    def read_node(self, key_offset: int = -1) -> JsonNode:
        """Read the next value with all positions; the slow and strict way."""
        text, start = self.text, self.offset
        mark = text[start : start + 1]
        data: JsonData
        if mark == "{":
            data = {key: self.read_node(offset) for key, offset in self.iter_members()}
        elif mark == "[":
            data = [self.read_node() for _ in self.iter_items()]
        elif mark == '"':
            match = _STRING.match(text, start)
            if match is None:
                raise _string_error(text, start)
            data, self.offset = _decode_string(match[0]), match.end()
        else:
            match = _LITERAL.match(text, start)
            if match is None:
                raise _mistake(text, start, "a value is expected here")
            data = float(match[4]) if match[4] else {"true": True, "false": False, "null": None}[match[0]]
            self.offset = match.end()
        return JsonNode(data, start, key_offset)

    def expect_end(self) -> None:
        """Check that nothing follows."""
        offset = _skip_space(self.text, self.offset)
        if offset < len(self.text):
            raise _mistake(self.text, offset, "nothing may follow the end of the document")

    def _decode(self, decoder: json.JSONDecoder) -> object:
        start, repeated_count = self.offset, len(self.repeated_keys)
        try:
            value, self.offset = decoder.raw_decode(self.text, start)
        except (ValueError, RecursionError, StopIteration) as error:
            self.read_node()
            del self.repeated_keys[repeated_count:]
            raise NotJsonError("not readable", start) from error
        return value

    def _make_dict(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            self._note_repeated_keys(pairs, self.offset)
        return members

    def _note_repeated_keys(self, pairs: list[tuple[str, object]], offset: int) -> None:
        keys: set[str] = set()
        for key, _ in pairs:
            if key in keys:
                self.repeated_keys.append((key, offset))
            keys.add(key)

    def _find_object_starts(self) -> list[int]:
        """Return the offsets of all objects from here on, in the order in which the objects end."""
        starts: list[int] = []
        open_brackets: list[int] = []
        for token in _BRACKET.finditer(self.text, self.offset):
            offset = token.start()
            mark = self.text[offset]
            if mark in "{[":
                open_brackets.append(offset)
                if len(open_brackets) > MAX_DEPTH:
                    raise NotJsonError(f"nested more than {MAX_DEPTH} levels deep", offset)
            elif mark != '"' and open_brackets:
                start = open_brackets.pop()
                if mark == "}":
                    starts.append(start)
        return starts


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _make_decoder(make_object: Any) -> json.JSONDecoder:  # noqa: ANN401 - as the standard library declares it
    return json.JSONDecoder(object_pairs_hook=make_object, parse_int=float, parse_constant=_refuse_constant)


_SKIPPING_DECODER: Final = _make_decoder(lambda _: None)


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset  # it always matches


def _decode_string(string: str) -> str:
    return str(json.loads(string)) if "\\" in string else string[1:-1]


def _replace_surrogates(text: str) -> str:
    """Return the text with halves of surrogate pairs replaced, every character still at its place."""
    if "\\u" not in text:
        return text
    return _SURROGATE_ESCAPE.sub(lambda match: match[1] or "\\ufffd", text)


# --- Errors ----------------------------------------------------------------------------------------------------------


def _mistake(text: str, offset: int, default_message: str) -> NotJsonError:
    if _skip_space(text, 0) == len(text):
        return NotJsonError("the file is empty", 0)
    for pattern, message, hint in _COMMON_MISTAKES:
        if pattern.match(text, offset):
            return NotJsonError(message, offset, hint)
    return NotJsonError(default_message, offset)


def _string_error(text: str, offset: int) -> NotJsonError:
    match = _UNCLOSED_STRING.match(text, offset)
    end = match.end() if match else offset
    mark = text[end : end + 1]
    if mark == "\\" and end + 1 < len(text):
        return NotJsonError("unknown escape after this backslash", end, "a backslash itself is written \\\\")
    if mark in {"", "\\", "\n", "\r"}:
        return NotJsonError("this string is never closed", offset, "a double quote is missing")
    return NotJsonError("a control character may not stand in a string", end, "write a tab as \\t")


def _key_error(text: str, offset: int) -> NotJsonError:
    key = _STRING.match(text, offset)
    if key is not None:
        return NotJsonError("a colon is missing after the key", _skip_space(text, key.end()))
    if text.startswith('"', offset):
        return _string_error(text, offset)
    if text.startswith(("{", "["), offset):
        return NotJsonError("a key is missing here", offset)
    return _mistake(text, offset, "a key in double quotes is expected here")


def _comma_error(text: str, offset: int, closing: str) -> NotJsonError:
    if text.startswith(",", offset):
        next_offset = _skip_space(text, offset + 1)
        if text.startswith(closing, next_offset):
            return NotJsonError("JSON has no comma after the last one", offset, "remove the comma")
        return _mistake(text, next_offset, "a value is expected here")
    if _LITERAL.match(text, offset) or text.startswith(('"', "{", "["), offset):
        return NotJsonError("a comma is missing before this", offset)
    if text.startswith(("]", "}"), offset):
        return NotJsonError(f"the wrong bracket: {closing} is expected here", offset)
    return _mistake(text, offset, f"a comma or {closing} is expected here")
