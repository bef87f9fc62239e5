"""Untrusted XML: elements with their lines. Nothing is fetched.

A text with a document type is refused: entity bombs and external entities are declared there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Deepest nesting read, in levels.
MAX_DEPTH: Final = 100


class XmlElement(msgspec.Struct):
    """One element."""

    #: Name without the namespace.
    name: str
    namespace: str
    attributes: dict[str, str]
    #: Line of the start tag, counted from 1.
    line: int
    #: Text before the first child.
    text: str = ""
    children: list[XmlElement] = []

    def children_named(self, name: str) -> Iterator[XmlElement]:
        """Return the children of that name."""
        return (child for child in self.children if child.name == name)

    def first_child(self, name: str) -> XmlElement | None:
        """Return the first child of that name."""
        return next(self.children_named(name), None)

    def children_of(self, name: str) -> list[XmlElement]:
        """Return the children of the first child of that name."""
        parent = self.first_child(name)
        return [] if parent is None else parent.children


class NotXmlError(Exception):
    """The text is not XML, or is refused; line and column count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def parse(text: str) -> XmlElement:
    """Return the root element of an XML text.

    Raises:
        NotXmlError: the text is not XML, has a document type, or is nested deeper than `MAX_DEPTH`.
    """
    builder = _TreeBuilder()
    return builder.parse_root(text)


class _TreeBuilder:
    """Builds the elements of one document."""

    def __init__(self) -> None:
        from xml.parsers.expat import ParserCreate  # document types are refused below

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
            self._parser.Parse(text.encode("utf-8", "replace"), True)  # noqa: FBT003 - positional only
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
        raise self._make_error("a document type or an entity: refused, because it can be an attack")

    def _make_error(self, message: str) -> NotXmlError:
        return NotXmlError(message, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
