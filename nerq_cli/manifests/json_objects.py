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

from nerq_cli.manifests.json_document import DEEPEST, Lines, NotJsonError, parse

#: Strings, which may hold brackets of their own, and brackets.
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
#: A pair of escapes that make one character, or half of such a pair, which nothing can print.
_HALF: Final = re.compile(r"(\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..", re.DOTALL)


class Object(dict[str, Any]):
    """One JSON object and the line it begins on."""

    __slots__ = ("line",)

    def __init__(self, members: Iterable[tuple[str, Any]], line: int) -> None:
        super().__init__(members)
        self.line = line

    def text(self, key: str) -> str:
        """Return a string; empty when there is none."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def object(self, key: str) -> Object:
        """Return an object inside this one; an empty one when there is none."""
        value = self.get(key)
        return value if isinstance(value, Object) else Object((), self.line)

    def objects(self, key: str) -> list[Object]:
        """Return the objects of an array; other items are left out."""
        return [item for item in self.list(key) if isinstance(item, Object)]

    def list(self, key: str) -> list[Any]:
        """Return an array; an empty one when there is none."""
        value = self.get(key)
        return value if isinstance(value, list) else []


def decode(text: str) -> tuple[Any, list[tuple[str, int]]]:
    """Return the value of a JSON text, its objects as `Object`, and the keys that an object has twice with its line.

    Raises:
        NotJsonError: it is none, or is nested deeper than `DEEPEST`.
    """
    starts = iter(_starts(text))
    lines = [found.start() for found in re.finditer("\n", text)]
    twice: list[tuple[str, int]] = []

    def made(members: list[tuple[str, Any]]) -> Object:
        one = Object(members, bisect_right(lines, next(starts)) + 1)
        if len(one) < len(members):
            times = Counter(key for key, _ in members)
            twice.extend((key, one.line) for key, count in times.items() if count > 1)
        return one

    try:
        return json.loads(_whole(text), object_pairs_hook=made, parse_constant=_refused), twice
    except (ValueError, RecursionError, StopIteration) as error:
        parse(text)  # knows better what is wrong, and where
        at = getattr(error, "pos", 0)
        raise NotJsonError(getattr(error, "msg", str(error)), at) from error


def place(text: str, error: NotJsonError) -> tuple[int, int]:
    """Return line and column of a mistake, both counted from 1."""
    lines = Lines(text)
    return lines.number(error.at), lines.column(error.at)


def _starts(text: str) -> list[int]:
    """Return where the objects begin, in the order in which they end."""
    starts: list[int] = []
    waiting: list[int] = []
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in "{[":
            waiting.append(token.start())
            if len(waiting) > DEEPEST:
                raise NotJsonError(f"nested more than {DEEPEST} levels deep", token.start())
        elif mark in "}]" and waiting:
            start = waiting.pop()
            if mark == "}":
                starts.append(start)
    return starts


def _whole(text: str) -> str:
    """Return the text with halves of surrogate pairs replaced, every character still at its place."""
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _HALF.sub(lambda found: found[1] or "\\ufffd", text)


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
