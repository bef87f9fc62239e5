"""Syntax of the lock files of Yarn 1: keys, values and indentation, similar to YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, NoReturn

from nerq_cli.manifests.syntax.yaml_document import YamlNode
from nerq_cli.patterns import compile_late

_QUOTED_TEXT = r'"(?:[^"\\\x00-\x1f]|\\.)*"'
_TOKEN_SOURCE = rf'(?:{_QUOTED_TEXT}|[^\s":,#][^\s":,]*)'
_TOKEN_PATTERN = compile_late(_TOKEN_SOURCE, re.ASCII)
#: One line: indentation, then keys with a colon, or key and value, or nothing; then a comment.
_LINE_PATTERN = compile_late(
    rf'( *)(?! )(?:({_TOKEN_SOURCE}(?:, *{_TOKEN_SOURCE})*):|({_TOKEN_SOURCE}) +({_QUOTED_TEXT}|[^\s"]\S*))?'
    r"[ \t\r]*(?:(?<![^\s])#.*)?",
    re.ASCII,
)

#: Indentation, in spaces.
_ENTRY_INDENT: Final = 0
_FIELD_INDENT: Final = 2
_ITEM_INDENT: Final = 4


class _NotYarnError(Exception):
    """The line is not part of a lock file."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class ClassicEntry(NamedTuple):
    """One entry."""

    #: Requirements that it resolves, such as ``lodash@^4.0.0``.
    patterns: tuple[str, ...]
    #: First line of the entry, counted from 1.
    line: int
    fields: dict[str, YamlNode]


def parse_entries(text: str, report: Callable[[str, int], None]) -> Iterator[ClassicEntry]:
    """Yield the entries of a lock file, up to the first invalid line, which is reported.

    Repeated fields are reported as well; the first one counts.
    """
    entry: ClassicEntry | None = None
    section: dict[str, YamlNode] | None = None
    try:
        for number, line in enumerate(text.split("\n"), 1):
            indent, keys, key, value = _parse_line(line, number)
            if keys and indent == _ENTRY_INDENT:
                if entry is not None:
                    yield entry
                entry = ClassicEntry(
                    tuple(_unquote_token(token, number) for token in _TOKEN_PATTERN.findall(keys)), number, {}
                )
                section = None
            elif entry is not None and indent == _FIELD_INDENT and (keys or key):
                section = {} if keys else None
                node = YamlNode(_unquote_token(value, number), number) if section is None else YamlNode(section, number)
                _add_member(entry.fields, keys or key, node, report)
            elif section is not None and indent == _ITEM_INDENT and key:
                _add_member(section, key, YamlNode(_unquote_token(value, number), number), report)
            elif keys or key:
                _raise_misplaced(number)
    except _NotYarnError as error:
        report(str(error), error.line)
    if entry is not None:
        yield entry


def _parse_line(line: str, number: int) -> tuple[int, str, str, str]:
    """Return the indentation of a line, its keys, and its key and value; all empty for an empty line."""
    match = _LINE_PATTERN.fullmatch(line)
    if match is None:
        raise _NotYarnError("this is not a line of a yarn.lock", number)
    indent, keys, key, value = match.groups("")
    return len(indent), keys, key, value


def _raise_misplaced(number: int) -> NoReturn:
    raise _NotYarnError("this line is not allowed here", number)


def _add_member(members: dict[str, YamlNode], key: str, node: YamlNode, report: Callable[[str, int], None]) -> None:
    name = _unquote_token(key, node.line)
    first_node = members.setdefault(name, node)
    if first_node is not node:
        report(f'"{name[:60]}" is here twice, first in line {first_node.line}', node.line)


def _unquote_token(token: str, line: int) -> str:
    """Return the text of a token."""
    if token[0] != '"':
        return token
    if "\\" not in token:
        return token[1:-1]
    try:
        text: str = json.loads(token)
    except ValueError:
        raise _NotYarnError("unknown escape after this backslash", line) from None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
