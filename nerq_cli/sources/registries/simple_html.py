"""The HTML form of a package index page: file links and their attributes (PEPs 503, 592, 740, 792).

A module of its own, because only mirrors send this form and the parser takes time to import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final, NamedTuple
from urllib.parse import unquote

import msgspec

from nerq_cli.errors import ResponseError
from nerq_cli.patterns import compile_late
from nerq_cli.sources.text import remove_comments


class Anchor(NamedTuple):
    """A link to a file."""

    filename: str
    requires_python: str | None
    #: Why the file was yanked, empty without a reason; None = not yanked.
    yanked: str | None
    provenance: str | None
    #: As written, with the hash of the file as its fragment.
    href: str = ""


class IndexPage(msgspec.Struct):
    """The content of a page."""

    anchors: list[Anchor] = []
    meta_tags: dict[str, str] = {}
    #: Whether any link has the attribute of PEP 740, and so whether the index writes it.
    has_provenance: bool = False


#: Complete elements that are read; quotes may contain ``>``. The parser needs quadratic time for broken ones.
_ELEMENT = compile_late(r"""<(?:a|meta)\s(?:[^"'<>]|"[^"]*"|'[^']*')*>""", re.IGNORECASE)


#: Elements read at most; the largest projects have about ten thousand.
_MAX_ELEMENTS: Final = 50_000


def read_page(html: str) -> IndexPage:
    """Return the content of an index page.

    Raises:
        ResponseError: it has more elements than the largest projects.
    """
    elements = _ELEMENT.findall(remove_comments(html))
    if len(elements) > _MAX_ELEMENTS:
        raise ResponseError("the index page has too many elements")
    parser = _IndexPageParser()
    parser.feed("".join(elements))
    parser.close()
    return parser.page


class _IndexPageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = IndexPage()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "meta":
            self.page.meta_tags[attributes.get("name") or ""] = attributes.get("content") or ""
        elif tag == "a" and attributes.get("href"):
            self.page.anchors.append(_read_anchor(attributes))
            self.page.has_provenance |= "data-provenance" in attributes


def _read_anchor(attributes: Mapping[str, str | None]) -> Anchor:
    path = re.split(r"[?#]", attributes["href"] or "", maxsplit=1)[0]
    return Anchor(
        unquote(path.rpartition("/")[2]),
        attributes.get("data-requires-python"),
        (attributes["data-yanked"] or "") if "data-yanked" in attributes else None,
        attributes.get("data-provenance"),
        attributes["href"] or "",
    )
