"""XML from strangers: elements with their lines, without document types, entities or anything fetched.

A document type is where entity bombs and external entities are declared, so a text that has one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Deepest nesting read, in levels.
DEEPEST: Final = 100


@dataclass(slots=True)
class Element:
    """One element: its name without the namespace, and what is in it. ``text`` is its own, before any child."""

    name: str
    namespace: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Go through the children of that name."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        """Return the first child of that name."""
        return next(self.all(name), None)

    def within(self, name: str) -> list[Element]:
        """Return the children of the first child of that name."""
        holder = self.first(name)
        return [] if holder is None else holder.children


class NotXmlError(Exception):
    """The text is not XML, or has in it what is refused: what is wrong, and where (counted from 1)."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def parse(text: str) -> Element:
    """Read an XML text.

    Raises:
        NotXmlError: it is none, has a document type, or is nested deeper than `DEEPEST`.
    """
    builder = _Builder()
    return builder.root_of(text)


class _Builder:
    """The elements of one document while it is read."""

    def __init__(self) -> None:
        from xml.parsers.expat import ParserCreate  # what is dangerous about it is refused below

        self._parser = ParserCreate(encoding="utf-8", namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._document = Element("", "", {}, 0)
        self._open = [self._document]

    def root_of(self, text: str) -> Element:
        """Read the text and return its root element."""
        from xml.parsers.expat import ExpatError, errors

        try:
            self._parser.Parse(text.encode("utf-8", "replace"), True)  # noqa: FBT003 - it takes no keywords
        except ExpatError as error:
            raise NotXmlError(errors.messages.get(error.code, str(error)), error.lineno, error.offset + 1) from error
        return self._document.children[0]

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > DEEPEST:
            raise self._mistake(f"nested more than {DEEPEST} levels deep")
        namespace, _, bare = name.rpartition(" ")
        element = Element(bare, namespace, attributes, self._parser.CurrentLineNumber)
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _characters(self, data: str) -> None:
        element = self._open[-1]
        if not element.children:
            element.text += data

    def _refuse(self, *_: object) -> None:
        raise self._mistake("a document type or an entity: refused, because it can be a trap")

    def _mistake(self, message: str) -> NotXmlError:
        return NotXmlError(message, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
