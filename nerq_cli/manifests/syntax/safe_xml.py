"""XML from strangers: elements with their lines, without document types, entities or anything fetched.

A document type is where entity bombs and external entities are declared, so a text that has one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Deepest nesting read, in levels.
MAX_DEPTH: Final = 100


@dataclass(slots=True)
class XmlElement:
    """One element: its name without the namespace, and what is in it. ``text`` is its own, before any child."""

    name: str
    namespace: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[XmlElement] = field(default_factory=list)

    def children_named(self, name: str) -> Iterator[XmlElement]:
        """Go through the children of that name."""
        return (child for child in self.children if child.name == name)

    def first_child(self, name: str) -> XmlElement | None:
        """Return the first child of that name."""
        return next(self.children_named(name), None)

    def children_of(self, name: str) -> list[XmlElement]:
        """Return the children of the first child of that name."""
        parent = self.first_child(name)
        return [] if parent is None else parent.children


class NotXmlError(Exception):
    """The text is not XML, or has in it what is refused: what is wrong, and where (counted from 1)."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def parse(text: str) -> XmlElement:
    """Read an XML text.

    Raises:
        NotXmlError: it is none, has a document type, or is nested deeper than `DEEPEST`.
    """
    builder = _TreeBuilder()
    return builder.parse_root(text)


class _TreeBuilder:
    """The elements of one document while it is read."""

    def __init__(self) -> None:
        from xml.parsers.expat import ParserCreate  # what is dangerous about it is refused below

        self._parser = ParserCreate(encoding="utf-8", namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start_element
        self._parser.EndElementHandler = self._end_element
        self._parser.CharacterDataHandler = self._add_text
        self._parser.StartDoctypeDeclHandler = self._refuse_declaration
        self._parser.EntityDeclHandler = self._refuse_declaration
        self._document = XmlElement("", "", {}, 0)
        self._open_elements = [self._document]

    def parse_root(self, text: str) -> XmlElement:
        """Read the text and return its root element."""
        from xml.parsers.expat import ExpatError, errors

        try:
            self._parser.Parse(text.encode("utf-8", "replace"), True)  # noqa: FBT003 - it takes no keywords
        except ExpatError as error:
            raise NotXmlError(errors.messages.get(error.code, str(error)), error.lineno, error.offset + 1) from error
        return self._document.children[0]

    def _start_element(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open_elements) > MAX_DEPTH:
            raise self._make_error(f"nested more than {MAX_DEPTH} levels deep")
        namespace, _, local_name = name.rpartition(" ")
        element = XmlElement(local_name, namespace, attributes, self._parser.CurrentLineNumber)
        self._open_elements[-1].children.append(element)
        self._open_elements.append(element)

    def _end_element(self, _name: str) -> None:
        self._open_elements.pop()

    def _add_text(self, data: str) -> None:
        element = self._open_elements[-1]
        if not element.children:
            element.text += data

    def _refuse_declaration(self, *_: object) -> None:
        raise self._make_error("a document type or an entity: refused, because it can be a trap")

    def _make_error(self, message: str) -> NotXmlError:
        return NotXmlError(message, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
