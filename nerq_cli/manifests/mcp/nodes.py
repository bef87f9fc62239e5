"""One shape for JSON, TOML and YAML: values with the lines of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from nerq_cli.manifests.syntax.json_document import JsonNode
    from nerq_cli.manifests.syntax.problems import LineIndex, ProblemList
    from nerq_cli.manifests.syntax.toml_document import TomlField
    from nerq_cli.manifests.syntax.yaml_document import YamlNode

NodeData: TypeAlias = "str | float | bool | list[Node] | dict[str, Node] | None"

#: Deepest nesting of TOML that is read, in levels; servers have four.
_MAX_DEPTH: Final = 50
_EMPTY_TEXTS: Final = ("", "~", "null")


class Node(NamedTuple):
    """One value."""

    data: NodeData
    #: Line of its key, else of the value; counted from 1.
    line: int
    #: Of the root of JSON: the keys that an object has twice, each with its line. The last value counts.
    repeated_keys: tuple[tuple[str, int], ...] = ()

    def get(self, *keys: str) -> Node | None:
        """Return the value under the first of these keys that has one; None without an object or a value."""
        nodes = (self.members.get(key) for key in keys)
        return next((node for node in nodes if node is not None and node.data is not None), None)

    def get_text(self, *keys: str) -> str:
        """Return the text under the first of these keys that has a value; empty if it is no text."""
        node = self.get(*keys)
        return node.data.strip() if node is not None and isinstance(node.data, str) else ""

    @property
    def items(self) -> list[Node]:
        """The items of a list; none of another value."""
        return self.data if isinstance(self.data, list) else []

    @property
    def members(self) -> dict[str, Node]:
        """The members of an object; none of another value."""
        return self.data if isinstance(self.data, dict) else {}

    @property
    def kind(self) -> str:
        """The type of the value for a message."""
        kinds: dict[type, str] = {str: "text", bool: "a boolean", list: "a list", dict: "an object", type(None): "null"}
        return kinds.get(type(self.data), "a number")


def parse_text(text: str, path: str, problems: ProblemList) -> Node | None:
    """Return the content of a file, by the ending of its name; None if it cannot be read, which is a problem."""
    if path.endswith(".toml"):
        return _parse_toml(text, path, problems)
    if path.endswith((".yaml", ".yml")):
        return _parse_yaml(text, problems)
    return _parse_json(text, problems)


def _parse_json(text: str, problems: ProblemList) -> Node | None:
    from nerq_cli.manifests.syntax.json_comments import strip_comments
    from nerq_cli.manifests.syntax.json_document import JsonReader, NotJsonError

    try:
        reader = JsonReader(strip_comments(text))
        root = reader.read_node()
        reader.expect_end()
    except NotJsonError as error:
        problems.add_problem(f"not valid JSON: {error}", error.offset, hint=error.hint)
        return None
    repeated = tuple((key, problems.line_index.line_number(offset)) for key, offset in reader.repeated_keys)
    return _convert_json(root, problems.line_index)._replace(repeated_keys=repeated)


def _convert_json(node: JsonNode, line_index: LineIndex) -> Node:
    data = node.data
    line = line_index.line_number(node.offset if node.key_offset < 0 else node.key_offset)
    if isinstance(data, dict):
        return Node({key: _convert_json(member, line_index) for key, member in data.items()}, line)
    if isinstance(data, list):
        return Node([_convert_json(item, line_index) for item in data], line)
    return Node(data, line)


def _parse_toml(text: str, path: str, problems: ProblemList) -> Node | None:
    from nerq_cli.manifests.syntax.toml_document import TomlDocument

    document = TomlDocument(text, path)
    for problem in document.problems:
        problems.add_line_problem(problem.message, problem.line, column=problem.column, hint=problem.hint)
    return None if document.problems else _convert_toml(document.root, document.root.value, _MAX_DEPTH)


def _convert_toml(field: TomlField, value: object, depth: int) -> Node:
    """Return a value of a TOML document; None for what is nested too deeply to be a server."""
    if depth == 0:
        return Node(None, field.line)
    if isinstance(value, dict):
        return Node({key: _convert_toml(child, child.value, depth - 1) for key, child in field.items()}, field.line)
    if isinstance(value, list):
        return Node([_convert_toml(child, child.value, depth - 1) for child in field.elements()], field.line)
    if isinstance(value, (str, bool)):
        return Node(value, field.line)
    return Node(float(value) if isinstance(value, (int, float)) else str(value), field.line)


def _parse_yaml(text: str, problems: ProblemList) -> Node | None:
    from nerq_cli.manifests.syntax.yaml_document import NotYamlError, parse_documents

    try:
        documents = parse_documents(text)
    except NotYamlError as error:
        problems.add_line_problem(str(error), error.line, hint=error.hint)
        return None
    return _convert_yaml(documents[0]) if documents else Node(None, 0)


def _convert_yaml(node: YamlNode) -> Node:
    data = node.data
    if isinstance(data, dict):
        return Node({key: _convert_yaml(member) for key, member in data.items()}, node.line)
    if isinstance(data, list):
        return Node([_convert_yaml(item) for item in data], node.line)
    if data in _EMPTY_TEXTS:
        return Node(None, node.line)
    return Node({"true": True, "false": False}.get(data, data), node.line)
