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
from nerq_cli.manifests.package_source import mask_secrets
from nerq_cli.manifests.syntax.json_document import LineIndex, NotJsonError, parse_json

#: After so many problems the rest are only counted: it is some other kind of file.
MAX_PROBLEMS: Final = 1_000
#: Lines longer than this are not repeated in a problem, in characters.
MAX_QUOTED_LINE: Final = 500
#: Longest piece of a text repeated in a message, in characters.
_MAX_QUOTE: Final = 60

_SPACE = re.compile(r"[ \t\n\r]*")
_KEY = re.compile(r'("[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")[ \t\n\r]*:[ \t\n\r]*')
_MEMBER_END = re.compile(r'[ \t\n\r]*(?:(\})|,[ \t\n\r]*(?="))')

_STRING: Final = r'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"?'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_NOT_LINE_END = re.compile(r"[^\n]")
_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=[ \t\n\r]*[\]}}])")


class JsonWalker:
    """A JSON text, and how far it has been read: ``offset`` is where the next value begins.

    Whoever goes through an object with `iter_members` deals with each value before asking for the next member: takes it
    whole, skips it, or goes through it in turn. ``repeated_keys`` are keys that stand in one object twice, and where.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.offset = self._start = _skip_space(text, 0)
        self.repeated_keys: list[tuple[str, int]] = []
        self._inner_repeats: list[str] = []
        self._value_decoder = json.JSONDecoder(
            object_pairs_hook=self._make_object, parse_int=float, parse_constant=_refuse_constant
        )
        self._skip_decoder = json.JSONDecoder(
            object_pairs_hook=_discard_pairs, parse_int=float, parse_constant=_refuse_constant
        )

    @property
    def in_object(self) -> bool:
        """Whether the value that begins here is an object."""
        return self.text.startswith("{", self.offset)

    def iter_members(self) -> Iterator[tuple[str, int]]:
        """Go through the object that begins here: yield each key and the offset it begins at.

        Raises:
            NotJsonError: this is not JSON.
        """
        text = self.text
        keys: set[str] = set()
        offset = _skip_space(text, self.offset + 1)
        if text.startswith("}", offset):
            self.offset = offset + 1
            return
        while True:
            key, self.offset = self._read_key(offset)
            if key in keys:
                self.repeated_keys.append((key, offset))
            keys.add(key)
            yield key, offset
            match = _MEMBER_END.match(text, self.offset)
            if match is None:
                self._raise_error(self.offset, '{"":""')
            offset = match.end()
            if match[1]:
                self.offset = offset
                return

    def read_value(self) -> object:
        """Return the value that begins here, and go behind it. Numbers are floats.

        Raises:
            NotJsonError: this is not JSON.
        """
        return self._decode_value(self._value_decoder)

    def skip_value(self) -> None:
        """Go behind the value that begins here.

        Raises:
            NotJsonError: this is not JSON.
        """
        self._decode_value(self._skip_decoder)

    def expect_end(self) -> None:
        """Make sure that nothing follows.

        Raises:
            NotJsonError: something does.
        """
        if _skip_space(self.text, self.offset) < len(self.text):
            self._raise_error(self.offset, '""')

    def _read_key(self, offset: int) -> tuple[str, int]:
        """Return the key that begins here, and where its value begins."""
        match = _KEY.match(self.text, offset)
        if match is None:
            self._raise_error(offset, "{")
        if "\\" not in match[1]:
            return match[1][1:-1], match.end()
        try:
            return str(json.loads(match[1])), match.end()
        except ValueError:
            self._raise_error(offset, "{")

    def _decode_value(self, decoder: json.JSONDecoder) -> object:
        start = self.offset
        try:
            value, self.offset = decoder.raw_decode(self.text, start)
        except (ValueError, RecursionError):
            self._raise_error(start, "" if start == self._start else '{"":')
        if self._inner_repeats:  # the decoder does not tell where
            self.repeated_keys += [(key, start) for key in self._inner_repeats]
            self._inner_repeats.clear()
        return value

    def _make_object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            keys: set[str] = set()
            for key, _ in pairs:
                if key in keys:
                    self._inner_repeats.append(key)
                keys.add(key)
        return members

    def _raise_error(self, offset: int, prefix: str) -> NoReturn:
        """Say what is wrong here; ``prefix`` is the shortest text that can come before it in a document."""
        try:
            parse_json(prefix + self.text[offset:])
        except NotJsonError as error:
            raise NotJsonError(str(error), max(offset + error.offset - len(prefix), 0), error.hint) from None
        raise NotJsonError("not readable", offset)


class ProblemList:
    """What is wrong with one file so far, each with its place."""

    def __init__(self, path: str, text: str) -> None:
        self.line_index = LineIndex(text)
        self._path = path
        self._problems: dict[Problem, None] = {}
        self._omitted = 0

    def add_problem(self, message: str, offset: int, *, hint: str = "") -> None:
        """Note a problem at an offset."""
        if len(self._problems) >= MAX_PROBLEMS:
            self._omitted += 1
            return
        text = self.line_index.line_text(offset)
        problem = Problem(
            path=self._path,
            line=self.line_index.line_number(offset),
            column=self.line_index.column_number(offset),
            message=mask_secrets(message),
            text=mask_secrets(text) if len(text) <= MAX_QUOTED_LINE else "",
            hint=hint,
        )
        self._problems[problem] = None

    def sorted_problems(self) -> tuple[Problem, ...]:
        """Return them in the order of their places; in the end how many more there are."""
        problems = sorted(self._problems, key=lambda problem: (problem.line, problem.column))
        if self._omitted:
            problems.append(Problem(path=self._path, message=f"and {self._omitted} more problems in this file"))
        return tuple(problems)


def strip_comments(text: str) -> str:
    """Return JSON with comments and commas after the last item as JSON without, every character still at its place."""
    if "//" in text or "/*" in text:
        text = _blank_matches(_COMMENT, text)
    return _blank_matches(_TRAILING_COMMA, text)


def quote_text(text: str) -> str:
    """Return text in quotes for a message: on one line, without anything secret, cut to a length that fits one."""
    text = mask_secrets(text)  # before it is cut: half an address hides what is secret in it
    short_text = text if len(text) <= _MAX_QUOTE else f"{text[:_MAX_QUOTE]}…"
    return f'"{short_text}"' if short_text.isprintable() else json.dumps(short_text)


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset  # it always matches


def _blank_matches(pattern: re.Pattern[str], text: str) -> str:
    """Return the text with spaces in place of what matches, save for line ends and whole strings."""
    pieces: list[str] = []
    position = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        if text[start] != '"':
            pieces += (text[position:start], _NOT_LINE_END.sub(" ", text[start:end]))
            position = end
    return "".join((*pieces, text[position:]))


def _discard_pairs(_pairs: list[tuple[str, object]]) -> None:
    return None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)
