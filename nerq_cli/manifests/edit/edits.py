"""Changes of a file, where they go, and what is left to the user. No text begins with a byte order mark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency that should have another version."""

    #: Normalised name.
    name: str
    version: str
    #: The line where it is declared, counted from 1.
    line: int


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of text and what replaces it."""

    #: Offset in the text of the file.
    start: int
    old: str
    new: str
    change: Change


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A change that is left to the user."""

    change: Change
    reason: str


class CannotEditError(Exception):
    """A declaration is in a form that is left to its author; the message is the reason."""


def try_edit(change: Change, make_edit: Callable[[], Edit]) -> Edit | Refusal:
    """Return an edit, or the reason why there is none."""
    try:
        return make_edit()
    except CannotEditError as error:
        return Refusal(change=change, reason=str(error))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with its pieces replaced. They do not overlap."""
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        pieces += (text[position : edit.start], edit.new)
        position = edit.start + len(edit.old)
    return "".join((*pieces, text[position:]))


def list_line_starts(lines: Sequence[str]) -> list[int]:
    """Return the offset of each line; ``lines`` have their ends."""
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    return starts
