"""TOML with positions: the values with their names and lines.

`tomli` parses the text but returns no positions. One pass of a scanner over the same text, which is valid by then,
records the offset of every key and array item. The scanner distinguishes strings, comments and brackets only.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from nerq_cli.manifests.package_source import mask_secrets
from nerq_cli.manifests.syntax.quote import excerpt_line
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem, ProblemLevel

#: Number of problems after which reading stops: such a file has another format.
MAX_PROBLEMS = 1_000
#: Longest name or string that a message quotes, in characters.
_MAX_NAME_LENGTH = 60

_TOKEN = compile_late(
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
#: A key of 100 parts: the time of TOML parsers grows with the square of their number.
_DEEP_KEY = compile_late(r"""(?<![\w."'-])(?:[\w"'-]+[ \t]*\.[ \t]*){100}""")
#: From the opening of a multi-line string to its first visible character.
_BEFORE_TEXT = compile_late(r"(?:\"{3}|'{3})(?:\\?\s)*")

_TYPE_NAMES = {
    dict: "a table",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
}


class Position(msgspec.Struct):
    """The position of a value and of its parts."""

    #: Offset of the value in the text.
    offset: int
    #: Positions by key of a table, or by index of an array.
    children: dict[str | int, Position] = {}

    def child(self, key: str | int, offset: int) -> Position:
        """Return the position of one part; add it if it is new."""
        position = self.children.get(key)
        if position is None:
            position = self.children[key] = Position(offset)
        return position


class _Bracket(msgspec.Struct):
    """An open array or inline table."""

    position: Position
    is_array: bool
    #: Index of the current item of an array.
    index: int = 0


class _Scanner(msgspec.Struct):
    """The state of the statement being read: its keys so far, its open brackets, the position of its value."""

    root: Position = msgspec.field(default_factory=lambda: Position(0))
    #: Table of the last header; at first the root.
    table: Position = msgspec.field(default_factory=lambda: Position(0))
    keys: list[tuple[str, int]] = []
    brackets: list[_Bracket] = []
    target: Position | None = None
    header: int = 0

    def __post_init__(self) -> None:
        self.table = self.root

    def take_word(self, text: str, offset: int) -> None:
        """Process a key, or a value without brackets."""
        if self.brackets and self.brackets[-1].is_array:
            self._item_position(offset + _leading_length(text))
        elif self.target is None:
            self.keys.append((_parse_key(text), offset))

    def take_mark(self, mark: str, offset: int) -> None:
        """Process one of ``[ ] { } = ,`` or the end of a line."""
        if mark == "=":
            self.target = self._key_position()
        elif mark in "[{":
            self._open_bracket(mark, offset)
        elif mark in "]}":
            self._close_bracket()
        elif mark == ",":
            self.brackets[-1].index += 1
            self.target = None
        elif not self.brackets:  # end of the statement
            self.target = None

    def _item_position(self, offset: int) -> Position:
        bracket = self.brackets[-1]
        return bracket.position.child(bracket.index, offset)

    def _key_position(self) -> Position:
        position = self.brackets[-1].position if self.brackets else self.table
        for key, offset in self.keys:
            position = position.child(key, offset)
        self.keys.clear()
        return position

    def _open_bracket(self, mark: str, offset: int) -> None:
        if not self.brackets and self.target is None:
            self.header += 1
            return
        position = self._item_position(offset) if self.target is None else self.target
        self.brackets.append(_Bracket(position, is_array=mark == "["))
        self.target = None

    def _close_bracket(self) -> None:
        if self.brackets:
            self.brackets.pop()
        elif self.keys:  # of the two brackets that close [[a.b]], the first
            self.table = self._header_position(in_array=self.header > 1)
            self.header = 0

    def _header_position(self, *, in_array: bool) -> Position:
        position = self.root
        for key, offset in self.keys:
            position = _last_item(position).child(key, offset)
        _, offset = self.keys[0]
        self.keys.clear()
        return position.child(len(position.children), offset) if in_array else position


def _last_item(position: Position) -> Position:
    """Return the position of the last item of an array of tables, else the position itself."""
    return position.children[len(position.children) - 1] if 0 in position.children else position


def _leading_length(text: str) -> int:
    opening = _BEFORE_TEXT.match(text)
    return opening.end() if opening and "\n" in opening[0] else 0


def _parse_key(text: str) -> str:
    if text[0] not in "\"'":
        return text
    if text[0] == "'" or "\\" not in text:
        return text[1:-1]
    import tomli

    return next(iter(tomli.loads(f"{text}=0")))


def locate_values(text: str) -> Position:
    """Return the positions in a valid TOML text whose lines end in a bare newline. Linear in its length."""
    scanner = _Scanner()
    for token in _TOKEN.finditer(text):
        if token.lastindex == 1:
            scanner.take_word(token[1], token.start())
        elif token.lastindex:
            scanner.take_mark(token[2], token.start())
    return scanner.root


class TomlField:
    """One value of the document with its name and position. The value of a missing one is None, which TOML lacks.

    The methods that expect a type report any other as a problem, and treat the value as missing.
    """

    __slots__ = ("document", "name", "place", "value")

    def __init__(self, document: TomlDocument, name: str, value: object, position: Position) -> None:
        self.document = document
        self.name = name
        self.value = value
        self.place = position

    @property
    def line(self) -> int:
        """The line of its key, counted from 1; of the value for an array item."""
        return self.document.line_at(self.place.offset)

    def get_path(self, *keys: str) -> TomlField:
        """Return the value at a path of keys."""
        current = self
        for key in keys:
            current = current.get(key)
        return current

    def get(self, key: str) -> TomlField:
        """Return the value under a key of a table."""
        return self._child(key, _join_name(self.name, key), self._as_table().get(key))

    def items(self) -> Iterator[tuple[str, TomlField]]:
        """Yield the keys and values of a table."""
        for key, value in self._as_table().items():
            if self.document.too_many_problems:
                return
            yield key, self._child(key, _join_name(self.name, key), value)

    def elements(self, expected_type: str = "an array") -> Iterator[TomlField]:
        """Yield the items of an array."""
        if not isinstance(self.value, list):
            self.report_expected(expected_type)
            return
        name = f"an item of {self.name}"
        for index, value in enumerate(self.value):
            if self.document.too_many_problems:
                return
            yield self._child(index, name, value)

    def string_items(self) -> Iterator[tuple[str, TomlField]]:
        """Yield the strings of an array of strings."""
        for element in self.elements("an array of strings"):
            if isinstance(element.value, str):
                yield element.value, element
            else:
                element.report_expected("a string")

    def get_text(self) -> str:
        """Return a string; empty if there is none."""
        if isinstance(self.value, str):
            return self.value
        self.report_expected("a string")
        return ""

    def report_expected(self, expected_type: str) -> None:
        """Report a value of another type. A missing value is not a problem."""
        if self.value is not None:
            kind = _TYPE_NAMES.get(type(self.value), "a date or time")
            self.report_problem(f"{self.name or 'the file'} must be {expected_type}, here it is {kind}")

    def report_problem(
        self, message: str, *, hint: str = "", inner_offset: int = 0, level: ProblemLevel = "error"
    ) -> None:
        """Report a problem at this value; ``inner_offset`` is the offset in a string."""
        offset = self.place.offset + self._inner_offset(inner_offset)
        self.document.add_problem(message, offset, hint=hint, level=level)

    def _as_table(self) -> dict[str, object]:
        if isinstance(self.value, dict):
            return self.value
        self.report_expected("a table")
        return {}

    def _inner_offset(self, inner_offset: int) -> int:
        """Return the characters from the start of a string to one inside it; 0 if escapes make that unknown."""
        text = self.value if isinstance(self.value, str) else ""
        return inner_offset + 1 if text and self.document.text.startswith(text, self.place.offset + 1) else 0

    def _child(self, key: str | int, name: str, value: object) -> TomlField:
        return TomlField(self.document, name, value, self.place.children.get(key, self.place))


def _join_name(name: str, key: str) -> str:
    return f"{name}.{key[:_MAX_NAME_LENGTH]}" if name else key[:_MAX_NAME_LENGTH]


class TomlDocument:
    """A TOML file with the problems and notes collected while it is read. Reading never raises.

    ``root`` is the top-level table, empty if the text is not TOML.
    """

    def __init__(self, text: str, path: str) -> None:
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.path = path
        self.root = TomlField(self, "", {}, Position(0))
        self._lines = self.text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]
        self._problems: dict[Problem, None] = {}
        self._notes: dict[str, None] = {}
        self._parse_text()

    @property
    def too_many_problems(self) -> bool:
        """Whether reading should stop."""
        return len(self._problems) >= MAX_PROBLEMS

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The distinct problems, sorted by line and column."""
        return tuple(sorted(self._problems, key=lambda problem: (problem.line, problem.column)))

    @property
    def notes(self) -> tuple[str, ...]:
        """The distinct notes, in the order they were added."""
        return tuple(self._notes)

    def add_note(self, sentence: str) -> None:
        """Add a note for the user about what cannot be read from the file."""
        self._notes[sentence] = None

    def line_at(self, offset: int) -> int:
        """Return the line of an offset, counted from 1."""
        return bisect_right(self._starts, offset)

    def add_problem(self, message: str, offset: int | None, *, hint: str = "", level: ProblemLevel = "error") -> None:
        """Add a problem at an offset; None means the whole file."""
        if self.too_many_problems:
            return
        line = 0 if offset is None else self.line_at(offset)
        column = 0 if offset is None else offset - self._starts[line - 1] + 1
        text = self._lines[line - 1] if line else ""
        problem = Problem(
            path=self.path,
            line=line,
            column=column,
            message=mask_secrets(message),
            text=excerpt_line(text),
            hint=hint,
            level=level,
        )
        self._problems[problem] = None

    def _parse_text(self) -> None:
        import tomli

        deep_key = _DEEP_KEY.search(self.text)
        if deep_key:
            self.add_problem("a key of more than 100 parts", deep_key.start())
            return
        try:
            data = tomli.loads(self.text)
        except RecursionError:
            self.add_problem("nested too deeply to be read", None)
        except tomli.TOMLDecodeError as error:
            hint = "strings stand in quotes, every key once in its table, and brackets are closed"
            self.add_problem(f"not valid TOML: {error.msg}", min(error.pos, len(self.text)), hint=hint)
        except ValueError as error:  # Python refuses integers of thousands of digits
            self.add_problem(f"not readable: {error}", None)
        else:
            self.root = TomlField(self, "", data, locate_values(self.text))
