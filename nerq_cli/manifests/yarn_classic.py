"""The syntax of Yarn 1's lock files: keys, values and indentation, much like YAML and not quite it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, NoReturn

from nerq_cli.manifests.yaml_document import Node

_QUOTED = r'"(?:[^"\\\x00-\x1f]|\\.)*"'
_TOKEN = rf'(?:{_QUOTED}|[^\s":,#][^\s":,]*)'
_TOKENS = re.compile(_TOKEN)
#: One line: its indentation, keys that a colon ends, or one key and its value; or nothing, or a comment.
_LINE = re.compile(
    rf'( *)(?! )(?:({_TOKEN}(?:, *{_TOKEN})*):|({_TOKEN}) +({_QUOTED}|[^\s"]\S*))?[ \t\r]*(?:(?<![^\s])#.*)?', re.ASCII
)

#: How deep things are indented, in spaces.
_ENTRY: Final = 0
_FIELD: Final = 2
_ITEM: Final = 4


class _NotYarnError(Exception):
    """A line that no Yarn 1 writes."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Block(NamedTuple):
    """One entry: the patterns it is for, the line it begins in, and what is said of it."""

    patterns: tuple[str, ...]
    line: int
    fields: dict[str, Node]


def blocks(text: str, report: Callable[[str, int], None]) -> Iterator[Block]:
    """Go through the entries of a lock file, up to the first line that is not one of a lock file's.

    That line is reported, and so are fields that are there twice, of which the first one counts.
    """
    block: Block | None = None
    section: dict[str, Node] | None = None
    try:
        for number, line in enumerate(text.split("\n"), 1):
            depth, keys, key, value = _read(line, number)
            if keys and depth == _ENTRY:
                if block is not None:
                    yield block
                block = Block(tuple(_plain(token, number) for token in _TOKENS.findall(keys)), number, {})
                section = None
            elif block is not None and depth == _FIELD and (keys or key):
                section = {} if keys else None
                node = Node(_plain(value, number), number) if section is None else Node(section, number)
                _add(block.fields, keys or key, node, report)
            elif section is not None and depth == _ITEM and key:
                _add(section, key, Node(_plain(value, number), number), report)
            elif keys or key:
                _misplaced(number)
    except _NotYarnError as error:
        report(str(error), error.line)
    if block is not None:
        yield block


def _read(line: str, number: int) -> tuple[int, str, str, str]:
    """Return how far a line is indented, and its keys, or its key and value; these are empty in an empty line."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise _NotYarnError("this is not a line of a lock file of Yarn's", number)
    indent, keys, key, value = found.groups("")
    return len(indent), keys, key, value


def _misplaced(number: int) -> NoReturn:
    raise _NotYarnError("this line stands where none of its kind can", number)


def _add(members: dict[str, Node], key: str, node: Node, report: Callable[[str, int], None]) -> None:
    name = _plain(key, node.line)
    first = members.setdefault(name, node)
    if first is not node:
        report(f'"{name[:60]}" is here twice, first in line {first.line}', node.line)


def _plain(token: str, line: int) -> str:
    """Return the text that a token stands for."""
    if token[0] != '"':
        return token
    if "\\" not in token:
        return token[1:-1]
    try:
        text: str = json.loads(token)
    except ValueError:
        raise _NotYarnError("a backslash begins nothing that is known here", line) from None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
