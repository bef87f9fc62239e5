"""Lists of words, written as text."""

from __future__ import annotations


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())
