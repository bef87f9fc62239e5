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

from nerq_cli.errors import AnswerError
from nerq_cli.sources.text import without_comments


class Anchor(NamedTuple):
    """A link to a file. ``yanked`` is the reason (empty for none given), None when the file is not yanked."""

    filename: str
    requires_python: str | None
    yanked: str | None
    provenance: str | None


@dataclass(slots=True)
class IndexPage:
    """What a page says; ``provenance`` tells whether any link carries the mark of PEP 740, and so whether it could."""

    anchors: list[Anchor] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    provenance: bool = False


#: The whole elements that matter; quotes may hold a bare ``>``. The parser takes quadratic time over broken ones.
_ELEMENT = re.compile(r"""<(?:a|meta)\s(?:[^"'<>]|"[^"]*"|'[^']*')*>""", re.IGNORECASE)


#: Most elements read; the projects with the most files have some ten thousand.
_MOST: Final = 50_000


def read_page(html: str) -> IndexPage:
    """Read an index page, whatever else may be on it.

    Raises:
        AnswerError: no project has so many files.
    """
    elements = _ELEMENT.findall(without_comments(html))
    if len(elements) > _MOST:
        raise AnswerError("the index page is endless")
    parser = _Parser()
    parser.feed("".join(elements))
    parser.close()
    return parser.page


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = IndexPage()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "meta":
            self.page.marks[said.get("name") or ""] = said.get("content") or ""
        elif tag == "a" and said.get("href"):
            self.page.anchors.append(_anchor(said))
            self.page.provenance |= "data-provenance" in said


def _anchor(said: Mapping[str, str | None]) -> Anchor:
    path = re.split(r"[?#]", said["href"] or "", maxsplit=1)[0]
    return Anchor(
        unquote(path.rpartition("/")[2]),
        said.get("data-requires-python"),
        (said["data-yanked"] or "") if "data-yanked" in said else None,
        said.get("data-provenance"),
    )
