"""deno.json and deno.jsonc, the manifest of Deno: the packages of its import map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import Declaration, DependencyFile, Location
from nerq_cli.manifests.npm.deno_specifiers import parse_specifier
from nerq_cli.manifests.syntax.json_comments import strip_comments
from nerq_cli.manifests.syntax.json_document import JsonNode, NotJsonError, parse_json
from nerq_cli.manifests.syntax.problems import ProblemList
from nerq_cli.manifests.syntax.quote import quote_text

NAME: Final = "deno.json"
_FILE_NAMES: Final = (NAME, "deno.jsonc")


def matches(path: PurePosixPath) -> bool:
    """Whether the file is a deno.json or deno.jsonc."""
    return path.name in _FILE_NAMES


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return the npm and JSR packages that a deno.json imports. Errors are in ``problems``; nothing is raised."""
    text = text.removeprefix("\ufeff")
    reader = _DenoJsonReader(text, path)
    declarations = tuple(reader.read_declarations(group or "main"))
    return DependencyFile(
        path=path,
        format=NAME,
        declarations=declarations,
        constraint=constraint,
        local_names=tuple(sorted(filter(None, [reader.name]))),
        problems=reader.problems.problems,
        notes=tuple(reader.notes),
    )


class _DenoJsonReader:
    """Reads one file."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.problems = ProblemList(path, text)
        self.notes: list[str] = []
        self._root: dict[str, JsonNode] = {}
        try:
            node = parse_json(strip_comments(text))
        except NotJsonError as error:
            self.problems.add_problem(f"not valid JSON: {error}", error.offset, hint=error.hint)
            return
        if isinstance(node.data, dict):
            self._root = node.data
        else:
            self.problems.add_problem(f"the file must be an object, not {node.kind}", node.offset)
        if "importMap" in self._root:
            self.notes.append("its imports are in another file (importMap): not listed here")

    @property
    def name(self) -> str:
        """The name of the project; empty if it has none."""
        node = self._root.get("name")
        return node.data if node is not None and isinstance(node.data, str) and node.data.isprintable() else ""

    def read_declarations(self, group: str) -> Iterator[Declaration]:
        """Yield the packages of ``imports`` and ``scopes``; paths and URLs are left out."""
        scopes = self._get_members(self._root, "scopes")
        for imports in (self._get_members(self._root, "imports"), *(self._get_members(scopes, key) for key in scopes)):
            for member in imports.values():
                yield from self._read_import(member, group)

    def _read_import(self, member: JsonNode, group: str) -> Iterator[Declaration]:
        specifier = parse_specifier(member.data) if isinstance(member.data, str) else None
        if specifier is None:
            return
        if specifier.error:
            self.problems.add_problem(
                f"{quote_text(specifier.name)} is no package name: {specifier.error}", member.offset
            )
            return
        yield Declaration(
            ecosystem=specifier.ecosystem,
            name=specifier.name,
            requirement=specifier.requirement,
            group=group,
            location=Location(path=self.path, line=self.problems.line_index.line_number(member.key_offset)),
            skip_reason=specifier.skip_reason,
        )

    def _get_members(self, holder: dict[str, JsonNode], key: str) -> dict[str, JsonNode]:
        """Return the members of an object inside another one; none if it is missing. Other types are reported."""
        node = holder.get(key)
        if node is None or node.data is None:
            return {}
        if isinstance(node.data, dict):
            return node.data
        self.problems.add_problem(f"{key[:60]} must be an object, not {node.kind}", node.offset)
        return {}
