"""JSON of many entries: walked where positions matter, taken whole where they do not.

`json_document` knows the place of every value, and takes a second for a lock file of ten megabytes. Here the standard
library's decoder reads whole entries, and only the way to them is read with positions. What is wrong is left for
`json_document` to say, from the spot where reading came to a halt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from nerq_cli.errors import Problem
from nerq_cli.manifests.json_document import Lines, NotJsonError, parse
from nerq_cli.manifests.origins import masked

#: After so many problems the rest are only counted: it is some other kind of file.
MOST_PROBLEMS: Final = 1_000
#: Lines longer than this are not repeated in a problem, in characters.
LONGEST_QUOTE: Final = 500
#: Longest piece of a text repeated in a message, in characters.
_SHOWN: Final = 60

_SPACE = re.compile(r"[ \t\n\r]*")
_KEY = re.compile(r'("[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")[ \t\n\r]*:[ \t\n\r]*')
_NEXT = re.compile(r'[ \t\n\r]*(?:(\})|,[ \t\n\r]*(?="))')

_STRING: Final = r'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"?'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_NOT_LINE_END = re.compile(r"[^\n]")
_LAST_COMMA = re.compile(rf"{_STRING}|,(?=[ \t\n\r]*[\]}}])")


class Walk:
    """A JSON text, and how far it has been read: ``at`` is where the next value begins.

    Whoever goes through an object with `members` deals with each value before asking for the next member: takes it
    whole, skips it, or goes through it in turn. ``repeated`` are keys that stand in one object twice, and where.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = self._first = _after_space(text, 0)
        self.repeated: list[tuple[str, int]] = []
        self._inner: list[str] = []
        self._taker = json.JSONDecoder(object_pairs_hook=self._object, parse_int=float, parse_constant=_refuse)
        self._skipper = json.JSONDecoder(object_pairs_hook=_nothing, parse_int=float, parse_constant=_refuse)

    @property
    def in_object(self) -> bool:
        """Whether the value that begins here is an object."""
        return self.text.startswith("{", self.at)

    def members(self) -> Iterator[tuple[str, int]]:
        """Go through the object that begins here: yield each key and the offset it begins at.

        Raises:
            NotJsonError: this is not JSON.
        """
        text = self.text
        keys: set[str] = set()
        at = _after_space(text, self.at + 1)
        if text.startswith("}", at):
            self.at = at + 1
            return
        while True:
            key, self.at = self._key(at)
            if key in keys:
                self.repeated.append((key, at))
            keys.add(key)
            yield key, at
            after = _NEXT.match(text, self.at)
            if after is None:
                self._halt(self.at, '{"":""')
            at = after.end()
            if after[1]:
                self.at = at
                return

    def take(self) -> object:
        """Return the value that begins here, and go behind it. Numbers are floats.

        Raises:
            NotJsonError: this is not JSON.
        """
        return self._decode(self._taker)

    def skip(self) -> None:
        """Go behind the value that begins here.

        Raises:
            NotJsonError: this is not JSON.
        """
        self._decode(self._skipper)

    def finish(self) -> None:
        """Make sure that nothing follows.

        Raises:
            NotJsonError: something does.
        """
        if _after_space(self.text, self.at) < len(self.text):
            self._halt(self.at, '""')

    def _key(self, at: int) -> tuple[str, int]:
        """Return the key that begins here, and where its value begins."""
        found = _KEY.match(self.text, at)
        if found is None:
            self._halt(at, "{")
        if "\\" not in found[1]:
            return found[1][1:-1], found.end()
        try:
            return str(json.loads(found[1])), found.end()
        except ValueError:
            self._halt(at, "{")

    def _decode(self, decoder: json.JSONDecoder) -> object:
        start = self.at
        try:
            value, self.at = decoder.raw_decode(self.text, start)
        except (ValueError, RecursionError):
            self._halt(start, "" if start == self._first else '{"":')
        if self._inner:  # the decoder does not tell where
            self.repeated += [(key, start) for key in self._inner]
            self._inner.clear()
        return value

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self._inner.append(key)
                seen.add(key)
        return members

    def _halt(self, at: int, before: str) -> NoReturn:
        """Say what is wrong here; ``before`` is the shortest text that can come before it in a document."""
        try:
            parse(before + self.text[at:])
        except NotJsonError as error:
            raise NotJsonError(str(error), max(at + error.at - len(before), 0), error.hint) from None
        raise NotJsonError("not readable", at)


class Problems:
    """What is wrong with one file so far, each with its place."""

    def __init__(self, path: str, text: str) -> None:
        self.lines = Lines(text)
        self._path = path
        self._found: dict[Problem, None] = {}
        self._more = 0

    def add(self, message: str, at: int, *, hint: str = "") -> None:
        """Note a problem at an offset."""
        if len(self._found) >= MOST_PROBLEMS:
            self._more += 1
            return
        text = self.lines.text(at)
        problem = Problem(
            path=self._path,
            line=self.lines.number(at),
            column=self.lines.column(at),
            message=masked(message),
            text=masked(text) if len(text) <= LONGEST_QUOTE else "",
            hint=hint,
        )
        self._found[problem] = None

    def listed(self) -> tuple[Problem, ...]:
        """Return them in the order of their places; in the end how many more there are."""
        found = sorted(self._found, key=lambda problem: (problem.line, problem.column))
        if self._more:
            found.append(Problem(path=self._path, message=f"and {self._more} more problems in this file"))
        return tuple(found)


def plain(text: str) -> str:
    """Return JSON with comments and commas after the last item as JSON without, every character still at its place."""
    if "//" in text or "/*" in text:
        text = _blanked(_COMMENT, text)
    return _blanked(_LAST_COMMA, text)


def quoted(text: str) -> str:
    """Return text in quotes for a message: on one line, without anything secret, cut to a length that fits one."""
    text = masked(text)  # before it is cut: half an address hides what is secret in it
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f'"{shown}"' if shown.isprintable() else json.dumps(shown)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at  # it always matches


def _blanked(pattern: re.Pattern[str], text: str) -> str:
    """Return the text with spaces in place of what matches, save for line ends and whole strings."""
    pieces: list[str] = []
    done = 0
    for found in pattern.finditer(text):
        start, end = found.span()
        if text[start] != '"':
            pieces += (text[done:start], _NOT_LINE_END.sub(" ", text[start:end]))
            done = end
    return "".join((*pieces, text[done:]))


def _nothing(_pairs: list[tuple[str, object]]) -> None:
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
