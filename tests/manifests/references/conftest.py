"""The corpus: files that refer to something, and look-alikes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[2] / "data" / "references"


class Expected(NamedTuple):
    kind: str
    name: str
    revision: str
    certainty: str


class Snippet(NamedTuple):
    #: File of the corpus and number of the snippet in it.
    id: str
    path: str
    text: str
    expected: frozenset[Expected]


def read_corpus(name: str) -> list[Snippet]:
    """Return the snippets of a file: ``### path | kind name [@revision] [~certainty]; …`` and then the content."""
    snippets = []
    for number, part in enumerate(("\n" + (DATA / name).read_text(encoding="utf-8")).split("\n### ")[1:]):
        head, _, text = part.partition("\n")
        path, _, references = head.partition(" |")
        expected = frozenset(parse_expected(item) for item in references.split(";") if item.strip())
        snippets.append(Snippet(f"{name}:{number}", path, text, expected))
    return snippets


def parse_expected(text: str) -> Expected:
    """Return one expected reference."""
    kind, name, *rest = text.split()
    revision = next((word[1:] for word in rest if word.startswith("@")), "")
    certainty = next((word[1:] for word in rest if word.startswith("~")), "certain")
    return Expected(kind, name, revision, certainty)
