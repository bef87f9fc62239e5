"""A TOML file as its author sees it: the values, what each of them is called, and the line it stands on.

TOML parsers return values and forget where they stood. Here `tomli` decides what the file says, and one pass of a
scanner over the same text, by then known to be valid, notes where every key and every array item begins. The scanner
only has to tell strings, comments and brackets apart; it interprets nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from nerq_cli.errors import Problem
from nerq_cli.manifests.origins import masked

#: Lines longer than this are not repeated in a problem: no screen shows them, and a file may hold a million of them.
LONGEST_QUOTE = 500
#: After so many problems reading stops: it is some other kind of file.
MOST_PROBLEMS = 1_000
#: Characters of a name, or of a string, that a message has room for.
_LONGEST_NAME = 60

_TOKEN = re.compile(
    r"""
      \#[^\n]*                                                                      # comment
    | ( \"{3} [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* \"{3,5}                    # multi-line basic string
      | '{3} .*? '{3,5}                                                             # multi-line literal string
      | " [^"\\\n]* (?: \\. [^"\\\n]* )* "
      | ' [^'\n]* '
      | [\w+-]+                                                                     # bare key, or part of a value
      )
    | ( [\[\]{}=,\n] )
    """,
    re.VERBOSE | re.DOTALL,
)
#: A key of a hundred parts, for which TOML parsers need a time that grows with the square of their number.
_DEEP_KEY = re.compile(r"""(?<![\w."'-])(?:[\w"'-]+[ \t]*\.[ \t]*){100}""")
#: What may stand between the opening of a multi-line string and its first visible character.
_BEFORE_TEXT = re.compile(r"(?:\"{3}|'{3})(?:\\?\s)*")

_KINDS = {
    dict: "a table",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
}


@dataclass(slots=True)
class Place:
    """Where a value begins (offset in the text), and the places of its parts: keys of a table, indices of an array."""

    offset: int
    parts: dict[str | int, Place] = field(default_factory=dict)

    def part(self, key: str | int, offset: int) -> Place:
        """Return the place of one part, noting it when it is met for the first time."""
        place = self.parts.get(key)
        if place is None:
            place = self.parts[key] = Place(offset)
        return place


@dataclass(slots=True)
class _Bracket:
    """An array or inline table the scanner is inside of. ``index`` counts the items of an array."""

    place: Place
    array: bool
    index: int = 0


@dataclass(slots=True)
class _Scanner:
    """What has been seen of the statement being read: its keys so far, its open brackets, where its value goes."""

    root: Place = field(default_factory=lambda: Place(0))
    table: Place = field(init=False)
    keys: list[tuple[str, int]] = field(default_factory=list)
    brackets: list[_Bracket] = field(default_factory=list)
    target: Place | None = None
    header: int = 0

    def __post_init__(self) -> None:
        self.table = self.root

    def word(self, text: str, offset: int) -> None:
        """Take a key, or a value without brackets."""
        if self.brackets and self.brackets[-1].array:
            self._item(offset + _leading(text))
        elif self.target is None:
            self.keys.append((_key(text), offset))

    def mark(self, mark: str, offset: int) -> None:
        """Take one of ``[ ] { } = ,`` or the end of a line."""
        if mark == "=":
            self.target = self._named()
        elif mark in "[{":
            self._open(mark, offset)
        elif mark in "]}":
            self._close()
        elif mark == ",":
            self.brackets[-1].index += 1
            self.target = None
        elif not self.brackets:  # a line ends, and the statement with it
            self.target = None

    def _item(self, offset: int) -> Place:
        bracket = self.brackets[-1]
        return bracket.place.part(bracket.index, offset)

    def _named(self) -> Place:
        place = self.brackets[-1].place if self.brackets else self.table
        for key, offset in self.keys:
            place = place.part(key, offset)
        self.keys.clear()
        return place

    def _open(self, mark: str, offset: int) -> None:
        if not self.brackets and self.target is None:
            self.header += 1
            return
        place = self._item(offset) if self.target is None else self.target
        self.brackets.append(_Bracket(place, array=mark == "["))
        self.target = None

    def _close(self) -> None:
        if self.brackets:
            self.brackets.pop()
        elif self.keys:  # of the two brackets that close [[a.b]], the first
            self.table = self._headed(in_array=self.header > 1)
            self.header = 0

    def _headed(self, *, in_array: bool) -> Place:
        place = self.root
        for key, offset in self.keys:
            place = _last(place).part(key, offset)
        _, offset = self.keys[0]
        self.keys.clear()
        return place.part(len(place.parts), offset) if in_array else place


def _last(place: Place) -> Place:
    """Return the place of the last item of an array of tables, where headers that name the array go on."""
    return place.parts[len(place.parts) - 1] if 0 in place.parts else place


def _leading(text: str) -> int:
    before = _BEFORE_TEXT.match(text)
    return before.end() if before and "\n" in before[0] else 0


def _key(text: str) -> str:
    if text[0] not in "\"'":
        return text
    if text[0] == "'" or "\\" not in text:
        return text[1:-1]
    import tomli

    return next(iter(tomli.loads(f"{text}=0")))


def locate(text: str) -> Place:
    """Return where everything stands in a valid TOML text (lines end in a bare newline). Linear in its length."""
    scanner = _Scanner()
    for token in _TOKEN.finditer(text):
        if token.lastindex == 1:
            scanner.word(token[1], token.start())
        elif token.lastindex:
            scanner.mark(token[2], token.start())
    return scanner.root


class Field:
    """One value of the document with its name and its place. A missing one has the value None, which TOML lacks.

    The methods that want a certain type report any other as a problem, and then go on as if the value were missing.
    """

    __slots__ = ("document", "name", "place", "value")

    def __init__(self, document: Document, name: str, value: object, place: Place) -> None:
        self.document = document
        self.name = name
        self.value = value
        self.place = place

    @property
    def line(self) -> int:
        """The line it begins on; where a key and its value stand on different lines, that of the key."""
        return self.document.line(self.place.offset)

    def at(self, *keys: str) -> Field:
        """Return what these keys lead to."""
        found = self
        for key in keys:
            found = found.get(key)
        return found

    def get(self, key: str) -> Field:
        """Return one value of a table."""
        return self._part(key, _joined(self.name, key), self._table().get(key))

    def items(self) -> Iterator[tuple[str, Field]]:
        """Go through a table."""
        for key, value in self._table().items():
            if self.document.hopeless:
                return
            yield key, self._part(key, _joined(self.name, key), value)

    def elements(self, what: str = "an array") -> Iterator[Field]:
        """Go through an array."""
        if not isinstance(self.value, list):
            self.expected(what)
            return
        name = f"an item of {self.name}"
        for index, value in enumerate(self.value):
            if self.document.hopeless:
                return
            yield self._part(index, name, value)

    def strings(self) -> Iterator[tuple[str, Field]]:
        """Go through an array of strings."""
        for element in self.elements("an array of strings"):
            if isinstance(element.value, str):
                yield element.value, element
            else:
                element.expected("a string")

    def text(self) -> str:
        """Return a string; empty when there is none."""
        if isinstance(self.value, str):
            return self.value
        self.expected("a string")
        return ""

    def expected(self, what: str) -> None:
        """Report a value that is not what it must be. A missing value is no problem."""
        if self.value is not None:
            kind = _KINDS.get(type(self.value), "a date or time")
            self.problem(f"{self.name or 'the file'} must be {what}, here it is {kind}")

    def problem(self, message: str, *, hint: str = "", inside: int = 0) -> None:
        """Report a problem at this place; ``inside`` is how many characters into a string it lies."""
        self.document.report(message, self.place.offset + self._depth(inside), hint=hint)

    def _table(self) -> dict[str, object]:
        if isinstance(self.value, dict):
            return self.value
        self.expected("a table")
        return {}

    def _depth(self, inside: int) -> int:
        """Count the characters from the place of a string to one inside it; 0 where escapes make that a guess."""
        text = self.value if isinstance(self.value, str) else ""
        return inside + 1 if text and self.document.text.startswith(text, self.place.offset + 1) else 0

    def _part(self, key: str | int, name: str, value: object) -> Field:
        return Field(self.document, name, value, self.place.parts.get(key, self.place))


def _joined(name: str, key: str) -> str:
    return f"{name}.{key[:_LONGEST_NAME]}" if name else key[:_LONGEST_NAME]


class Document:
    """A TOML file that has been read, and what was found wrong with it so far. Reading one never raises.

    ``root`` is the top-level table, empty where the text is no TOML.
    """

    def __init__(self, text: str, path: str) -> None:
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.path = path
        self.root = Field(self, "", {}, Place(0))
        self._lines = self.text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]
        self._problems: dict[Problem, None] = {}
        self._notes: dict[str, None] = {}
        self._read()

    @property
    def hopeless(self) -> bool:
        """Whether so much is wrong that going on would help nobody."""
        return len(self._problems) >= MOST_PROBLEMS

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, each thing once, from top to bottom. After `MOST_PROBLEMS` the rest of the file is unread."""
        return tuple(sorted(self._problems, key=lambda problem: (problem.line, problem.column)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file leaves open, each thing once."""
        return tuple(self._notes)

    def note(self, sentence: str) -> None:
        """Note something the file cannot tell."""
        self._notes[sentence] = None

    def line(self, offset: int) -> int:
        """Return the line, counted from 1, an offset in the text lies on."""
        return bisect_right(self._starts, offset)

    def report(self, message: str, offset: int | None, *, hint: str = "") -> None:
        """Note a problem at an offset in the text; None means the file as a whole."""
        if self.hopeless:
            return
        line = 0 if offset is None else self.line(offset)
        column = 0 if offset is None else offset - self._starts[line - 1] + 1
        text = self._lines[line - 1] if line else ""
        quote = masked(text) if len(text) <= LONGEST_QUOTE else ""
        problem = Problem(path=self.path, line=line, column=column, message=masked(message), text=quote, hint=hint)
        self._problems[problem] = None

    def _read(self) -> None:
        import tomli

        deep = _DEEP_KEY.search(self.text)
        if deep:
            self.report("a key of more than 100 parts", deep.start())
            return
        try:
            data = tomli.loads(self.text)
        except RecursionError:
            self.report("nested too deeply to be read", None)
        except tomli.TOMLDecodeError as error:
            hint = "strings stand in quotes, every key once in its table, and brackets are closed"
            self.report(f"not valid TOML: {error.msg}", min(error.pos, len(self.text)), hint=hint)
        except ValueError as error:  # what Python itself refuses: an integer of thousands of digits
            self.report(f"not readable: {error}", None)
        else:
            self.root = Field(self, "", data, locate(self.text))


def quoted(text: str) -> str:
    """Return text in quotes for a message, on one line and cut to a length that fits one."""
    shown = text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
    return '"' + shown.replace("\n", "\\n") + '"'
