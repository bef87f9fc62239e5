"""JSON of many megabytes, where every object knows the line it begins on.

The standard library's decoder does the work. It hands over each object when that ends, and one pass over the brackets
of the text has noted by then, in the same order, where those objects begin.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from nerq_cli.manifests.syntax.json_document import MAX_DEPTH, LineIndex, NotJsonError, parse_json

#: Strings, which may hold brackets of their own, and brackets.
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
#: A pair of escapes that make one character, or half of such a pair, which nothing can print.
_SURROGATE_ESCAPE: Final = re.compile(r"(\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..", re.DOTALL)


class JsonObject(dict[str, Any]):
    """One JSON object and the line it begins on."""

    __slots__ = ("line",)

    def __init__(self, members: Iterable[tuple[str, Any]], line: int) -> None:
        super().__init__(members)
        self.line = line

    def get_text(self, key: str) -> str:
        """Return a string; empty when there is none."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def get_object(self, key: str) -> JsonObject:
        """Return an object inside this one; an empty one when there is none."""
        value = self.get(key)
        return value if isinstance(value, JsonObject) else JsonObject((), self.line)

    def get_objects(self, key: str) -> list[JsonObject]:
        """Return the objects of an array; other items are left out."""
        return [item for item in self.get_list(key) if isinstance(item, JsonObject)]

    def get_list(self, key: str) -> list[Any]:
        """Return an array; an empty one when there is none."""
        value = self.get(key)
        return value if isinstance(value, list) else []


def decode_json(text: str) -> tuple[Any, list[tuple[str, int]]]:
    """Return the value of a JSON text, its objects as `JsonObject`, and the keys that an object has twice with its line.

    Raises:
        NotJsonError: it is none, or is nested deeper than `DEEPEST`.
    """
    starts = iter(_object_starts(text))
    line_ends = [match.start() for match in re.finditer("\n", text)]
    repeated_keys: list[tuple[str, int]] = []

    def make_object(members: list[tuple[str, Any]]) -> JsonObject:
        json_object = JsonObject(members, bisect_right(line_ends, next(starts)) + 1)
        if len(json_object) < len(members):
            key_counts = Counter(key for key, _ in members)
            repeated_keys.extend((key, json_object.line) for key, count in key_counts.items() if count > 1)
        return json_object

    try:
        return json.loads(
            _replace_surrogates(text), object_pairs_hook=make_object, parse_constant=_refuse_constant
        ), repeated_keys
    except (ValueError, RecursionError, StopIteration) as error:
        parse_json(text)  # knows better what is wrong, and where
        offset = getattr(error, "pos", 0)
        raise NotJsonError(getattr(error, "msg", str(error)), offset) from error


def error_position(text: str, error: NotJsonError) -> tuple[int, int]:
    """Return line and column of a mistake, both counted from 1."""
    line_index = LineIndex(text)
    return line_index.line_number(error.offset), line_index.column_number(error.offset)


def _object_starts(text: str) -> list[int]:
    """Return where the objects begin, in the order in which they end."""
    starts: list[int] = []
    open_brackets: list[int] = []
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in "{[":
            open_brackets.append(token.start())
            if len(open_brackets) > MAX_DEPTH:
                raise NotJsonError(f"nested more than {MAX_DEPTH} levels deep", token.start())
        elif mark in "}]" and open_brackets:
            start = open_brackets.pop()
            if mark == "}":
                starts.append(start)
    return starts


def _replace_surrogates(text: str) -> str:
    """Return the text with halves of surrogate pairs replaced, every character still at its place."""
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _SURROGATE_ESCAPE.sub(lambda match: match[1] or "\\ufffd", text)


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
