"""YAML with line numbers: mappings, lists and text.

Every scalar is text, so that 1.10 stays a version. The events come from libyaml, which the wheels of PyYAML include; a
PyYAML without it is about ten times slower (see `has_libyaml`). Aliases and anchors, with which a small file can expand
to a huge one, tags and, unless they are reported, repeated keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from yaml import Mark
    from yaml._yaml import Mark as FastMark

#: Deepest nesting read, in levels. Lock files need seven.
MAX_DEPTH: Final = 50
_DEEP: Final = f"nested more than {MAX_DEPTH} levels deep"
#: Most values and brackets read: five times those of a lock file of 20,000 packages.
MAX_EVENTS: Final = 3_000_000

#: Note for users whose PyYAML lacks libyaml.
SLOW_NOTE: Final = "read slowly: the PyYAML installed here has no libyaml; its wheels do"

_CONFLICT_MARKER = compile_late(r"^(?:<{7}|={7}|>{7}|\|{7})(?=\s|\Z)", re.MULTILINE)

#: Quoted text, comments and brackets.
_BRACKETS = compile_late(r"""'[^']*'|"(?:[^"\\]|\\.)*"|(?<!\S)#[^\n]*|[\[\]{}]""", re.DOTALL)


class YamlNode(NamedTuple):
    """One value."""

    data: YamlData
    #: Line of the value, or of its key for a member of a mapping; counted from 1.
    line: int

    @property
    def kind(self) -> str:
        """The type of the value for a message, such as ``a list``."""
        return {str: "text" if self.data else "nothing", list: "a list", dict: "a mapping"}[type(self.data)]


YamlData: TypeAlias = "str | list[YamlNode] | dict[str, YamlNode]"


#: The members of a mapping.
YamlMembers: TypeAlias = Mapping[str, YamlNode]
NO_MEMBERS: Final[YamlMembers] = {}


def get_text(node: YamlNode | None) -> str:
    """Return a scalar; empty if there is none."""
    return node.data if node is not None and isinstance(node.data, str) else ""


def get_members(node: YamlNode | None) -> YamlMembers:
    """Return the members of a mapping; none if there is no mapping."""
    return node.data if node is not None and isinstance(node.data, dict) else NO_MEMBERS


class NotYamlError(Exception):
    """The text is not YAML, or uses a refused feature."""

    def __init__(self, message: str, line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.hint = hint


def has_libyaml() -> bool:
    """Whether PyYAML is built with libyaml."""
    import yaml

    return hasattr(yaml, "CBaseLoader")


def find_conflict(text: str) -> int:
    """Return the line of the first merge conflict marker; 0 if there is none."""
    match = _CONFLICT_MARKER.search(text)
    return text.count("\n", 0, match.start()) + 1 if match else 0


def parse_documents(text: str, report: Callable[[str, int], None] | None = None) -> list[YamlNode]:
    """Return the documents of a YAML stream.

    Args:
        text: the stream.
        report: called with the message and the line of each repeated key, of which the last value counts (as in Yarn);
            by default a repeated key is an error.

    Raises:
        NotYamlError: the text is not YAML, or uses a refused feature.
    """
    import yaml

    line = find_conflict(text)
    if line:
        raise NotYamlError("this is a merge conflict marker", line, "choose one of the two versions")
    try:
        return _build_documents(yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)), report)
    except yaml.MarkedYAMLError as error:
        line = _mark_line(error.problem_mark or error.context_mark)
        deep = _too_deep(text, line)
        if deep:
            raise NotYamlError(_DEEP, deep) from None
        message = error.problem or str(error.context or "it cannot be parsed")
        raise NotYamlError(f"not valid YAML: {message}", line) from None
    except (yaml.YAMLError, UnicodeError):
        raise NotYamlError(
            "not valid YAML: it has characters that YAML does not allow", _unprintable_line(text)
        ) from None


def _build_documents(events: Iterator[Any], report: Callable[[str, int], None] | None) -> list[YamlNode]:
    """Return the documents of a stream of events.

    An open collection is a list of values and one of their lines; the values of a mapping are keys and values in turn.
    Types are compared by identity and nodes made without their constructor: a lock file has millions of events.
    """
    from yaml import events as kinds

    scalar, mapping_end, sequence_end = kinds.ScalarEvent, kinds.MappingEndEvent, kinds.SequenceEndEvent
    starts = (kinds.MappingStartEvent, kinds.SequenceStartEvent)
    values: list[YamlData] = []
    lines: list[int] = []
    open_collections: list[tuple[list[YamlData], list[int], int]] = []
    for count, event in enumerate(events):
        kind = type(event)
        if kind is scalar:
            if event.anchor or event.tag:
                raise _refused_error(event)
            values.append(event.value)
            lines.append(event.start_mark.line + 1)
        elif kind in starts:
            if event.anchor or event.tag:
                raise _refused_error(event)
            open_collections.append((values, lines, event.start_mark.line + 1))
            values, lines = [], []
            if len(open_collections) > MAX_DEPTH:
                raise NotYamlError(_DEEP, event.start_mark.line + 1)
        elif kind is mapping_end or kind is sequence_end:
            data: YamlData = (
                _build_mapping(values, lines, report) if kind is mapping_end else _make_nodes(values, lines)
            )
            values, lines, line = open_collections.pop()
            values.append(data)
            lines.append(line)
        elif kind is kinds.AliasEvent:
            raise _refused_error(event)
        if count > MAX_EVENTS:
            raise NotYamlError(f"more than {MAX_EVENTS:,} values in one file", _mark_line(event.start_mark))
    return _make_nodes(values, lines)


def _make_nodes(values: list[YamlData], lines: list[int]) -> list[YamlNode]:
    return [tuple.__new__(YamlNode, pair) for pair in zip(values, lines, strict=True)]


def _too_deep(text: str, last: int) -> int:
    """Return the line of the first bracket nested too deeply, up to the line ``last``; 0 if there is none.

    libyaml has a limit of its own, which differs between releases.
    """
    depth = 0
    for bracket in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        if depth > MAX_DEPTH:
            line = text.count("\n", 0, bracket.start()) + 1
            return line if line <= last else 0
    return 0


def _build_mapping(
    values: list[YamlData], lines: list[int], report: Callable[[str, int], None] | None
) -> dict[str, YamlNode]:
    """Return the members of a mapping, each with the line of its key."""
    keys, key_lines = values[::2], lines[::2]
    members: dict[str, YamlNode] = {}
    for key, line, node in zip(keys, key_lines, _make_nodes(values[1::2], key_lines), strict=True):
        if not isinstance(key, str):
            raise NotYamlError("a key must be text", line)
        if key in members:
            message = f'"{key[:60]}" is here twice, first in line {members[key].line}'
            if report is None:
                raise NotYamlError(message, line)
            report(message, line)
        members[key] = node
    return members


def _refused_error(event: Any) -> NotYamlError:  # noqa: ANN401 - the events have no common type with these fields
    construct = "a tag" if getattr(event, "tag", None) else "an anchor or alias"
    return NotYamlError(f"{construct} is not read in a lock file", _mark_line(event.start_mark))


def _mark_line(mark: Mark | FastMark | None) -> int:
    return mark.line + 1 if mark else 0


def _unprintable_line(text: str) -> int:
    match = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    return text.count("\n", 0, match.start()) + 1 if match else 0
