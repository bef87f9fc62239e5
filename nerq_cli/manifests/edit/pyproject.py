"""Edits of pyproject.toml: PEP 621, dependency groups, and the tables of Poetry, uv and PDM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, NamedTuple

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.manifests.edit.edits import CannotEditError, Change, Edit, Refusal, list_line_starts, try_edit
from nerq_cli.manifests.edit.ranges import rewrite_pep440, rewrite_poetry
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField
from nerq_cli.patterns import compile_late

#: Name and extras of a requirement.
_NAME: Final = compile_late(r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?")
_LITERAL: Final = compile_late(r"""(?:"([^"\\\r\n]*)"|'([^'\r\n]*)')""")
#: From a key to the string that is its value.
_KEY_AND_LITERAL: Final = compile_late(r"""[^=\r\n]*=[ \t]*(?:"([^"\\\r\n]*)"|'([^'\r\n]*)')""")


class _Place(NamedTuple):
    """A string of the file that has the requirement of one dependency."""

    name: str
    #: Offset of the text in quotes, in the text of the file.
    start: int
    #: The text in quotes.
    text: str
    line: int
    is_poetry: bool = False


def find_edits(text: str, changes: Iterable[Change]) -> Iterator[Edit | Refusal]:
    """Yield an edit for each change, or why there is none; a line may declare a dependency several times."""
    places = list(_Scanner(text).find_places())
    for change in changes:
        matching = [place for place in places if (place.name, place.line) == (change.name, change.line)]
        if not matching:
            yield Refusal(change=change, reason="it is not in a table that is written")
        yield from (try_edit(change, partial(_make_edit, place, change)) for place in matching)


def _make_edit(place: _Place, change: Change) -> Edit:
    if place.is_poetry:
        new = rewrite_poetry(place.text, change.version)
        return Edit(start=place.start, old=place.text, new=new, change=change)
    match = _NAME.match(place.text)
    rest = place.text[match.end() :].partition(";")[0] if match is not None else "@"
    if match is None or "@" in rest:
        raise CannotEditError("the requirement is not in a form that is written")
    opening = rest[: len(rest) - len(rest.lstrip(" \t("))]
    version = rest[len(opening) :].rstrip(" \t)")
    if not version:  # what stands before a marker
        opening = ""
    start = place.start + match.end() + len(opening)
    return Edit(start=start, old=version, new=rewrite_pep440(version, change.version), change=change)


class _Scanner:
    """Finds the strings with requirements."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.document = TomlDocument(text, "pyproject.toml")
        # Every line of the document ends in one character.
        self._starts = list_line_starts([f"{line}\n" for line in self.document.text.split("\n")])
        self._original_starts = list_line_starts(_split_lines(text))

    def find_places(self) -> Iterator[_Place]:
        """Yield every string with a requirement."""
        root = self.document.root
        project, tool = root.get("project"), root.get("tool")
        yield from self._find_in_array(project.get("dependencies"))
        tables = (
            project.get("optional-dependencies"),
            root.get("dependency-groups"),
            tool.get_path("pdm", "dev-dependencies"),
        )
        for table in tables:
            for array in _list_values(table):
                yield from self._find_in_array(array)
        yield from self._find_in_array(root.get_path("build-system", "requires"))
        yield from self._find_in_array(tool.get_path("uv", "dev-dependencies"))
        poetry = tool.get("poetry")
        yield from self._find_in_poetry(poetry.get("dependencies"))
        yield from self._find_in_poetry(poetry.get("dev-dependencies"))
        for group in _list_values(poetry.get("group")):
            yield from self._find_in_poetry(group.get("dependencies"))

    def _find_in_array(self, array: TomlField) -> Iterator[_Place]:
        for element in array.elements() if isinstance(array.value, list) else ():
            match = _LITERAL.match(self.text, self._locate(element.place.offset))
            if match is None or not isinstance(element.value, str):
                continue
            requirement = _NAME.match(element.value)
            content = match[1] if match[1] is not None else match[2]
            if requirement is not None and content == element.value:
                yield _Place(normalise_name(PYPI, requirement["name"]), match.start() + 1, content, element.line)

    def _find_in_poetry(self, table: TomlField) -> Iterator[_Place]:
        for key, field in table.items() if isinstance(table.value, dict) else ():
            alternatives = list(field.elements()) if isinstance(field.value, list) else [field]
            for alternative in alternatives:
                line = alternative.line if isinstance(field.value, list) else field.line
                value = alternative.get("version") if isinstance(alternative.value, dict) else alternative
                if not isinstance(value.value, str):
                    continue
                match = _KEY_AND_LITERAL.match(self.text, self._locate(value.place.offset))
                content = None if match is None else match[1] if match[1] is not None else match[2]
                if match is not None and content == value.value:
                    yield _Place(
                        normalise_name(PYPI, key), match.end() - 1 - len(content), content, line, is_poetry=True
                    )

    def _locate(self, offset: int) -> int:
        """Return the offset in the text of the file of one in the document."""
        line = self.document.line_at(offset)
        return self._original_starts[line - 1] + offset - self._starts[line - 1]


def _list_values(table: TomlField) -> list[TomlField]:
    return [field for _, field in table.items()] if isinstance(table.value, dict) else []


def _split_lines(text: str) -> list[str]:
    pieces = text.split("\n")
    return [f"{piece}\n" for piece in pieces[:-1]] + pieces[-1:]
