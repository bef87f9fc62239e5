"""The HTML form of a package index page: its file links and the marks around them (PEPs 503, 592, 740, 792).

Apart from the module that asks for such pages, because only mirrors answer with them and the parser takes time to load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final, NamedTuple
from urllib.parse import unquote

from nerq_cli.errors import ResponseError
from nerq_cli.sources.text import remove_comments


class Anchor(NamedTuple):
    """A link to a file. ``yanked`` is the reason (empty for none given), None when the file is not yanked."""

    filename: str
    requires_python: str | None
    yanked: str | None
    provenance: str | None


@dataclass(slots=True)
class IndexPage:
    """What a page says; ``has_provenance`` tells whether any link carries the mark of PEP 740, and so whether it could."""

    anchors: list[Anchor] = field(default_factory=list)
    meta_tags: dict[str, str] = field(default_factory=dict)
    has_provenance: bool = False


#: The whole elements that matter; quotes may hold a bare ``>``. The parser takes quadratic time over broken ones.
_ELEMENT = re.compile(r"""<(?:a|meta)\s(?:[^"'<>]|"[^"]*"|'[^']*')*>""", re.IGNORECASE)


#: Most elements read; the projects with the most files have some ten thousand.
_MAX_ELEMENTS: Final = 50_000


def read_page(html: str) -> IndexPage:
    """Read an index page, whatever else may be on it.

    Raises:
        AnswerError: no project has so many files.
    """
    elements = _ELEMENT.findall(remove_comments(html))
    if len(elements) > _MAX_ELEMENTS:
        raise ResponseError("the index page is endless")
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
    )
