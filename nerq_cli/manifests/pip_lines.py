"""The lines of a requirements file as pip sees them: joined where a backslash says so, with comments set apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

#: A comment starts at a line's beginning or after a space; elsewhere ``#`` belongs to an address.
_COMMENT = re.compile(r"(?:^|\s)#")
#: Package names and files that pip-compile lists after "via".
_ORIGIN = re.compile(r"-[rc] .*|[A-Za-z0-9][\w.\-\[\],]*|[^(]*\((?:[^()]*/)?(?:pyproject\.toml|setup\.(?:py|cfg))\)")


class Line(NamedTuple):
    """One logical line: physical lines ``first`` to ``last``, counted from 1.

    ``text`` has neither comment nor space around it and begins at ``offset`` of the joined line. ``remarks`` are the
    comments on the line and, indented, below it.
    """

    first: int
    last: int
    text: str
    offset: int
    remarks: tuple[str, ...]


def logical(lines: Sequence[str]) -> Iterator[Line]:
    """Yield the lines that say something."""
    held: tuple[int, int, str, int] | None = None
    remarks: list[str] = []
    for first, last, joined in _joined(lines):
        body, comment = _uncommented(joined)
        if text := body.strip():
            if held:
                yield Line(*held, tuple(remarks))
            held = (first, last, text, len(body) - len(body.lstrip()))
            remarks = [comment] if comment else []
        elif comment and joined[0].isspace():
            remarks.append(comment)
    if held:
        yield Line(*held, tuple(remarks))


def place(lines: Sequence[str], line: Line, offset: int) -> tuple[int, int]:
    """Return the physical line and column, both from 1, where a character of a logical line stands."""
    offset += line.offset
    for number in range(line.first, line.last):
        length = len(lines[number - 1].rstrip("\\"))
        if offset < length:
            return number, offset + 1
        offset -= length
    return line.last, offset + 1


def brought_in(remarks: Sequence[str]) -> bool:
    """Whether pip-compile's ``via`` says that only other packages, and no file of the project, ask for this one."""
    start = next((index for index, remark in enumerate(remarks) if remark.split(" ", 1)[0] == "via"), None)
    if start is None:
        return False
    listed = (*remarks[start][len("via") :].split(", "), *remarks[start + 1 :])
    origins = [origin for origin in map(str.strip, listed) if origin]
    packages = [origin for origin in origins if not origin.startswith("-c ")]
    return (
        bool(packages)
        and all(map(_ORIGIN.fullmatch, origins))
        and not any(origin.startswith("-r ") or origin.endswith(")") for origin in packages)
    )


def _joined(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Join what backslashes hold together; a comment ends it, whatever its last character is."""
    pieces: list[str] = []
    for number, line in enumerate(lines, 1):
        comment = "#" in line and line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            pieces.append(line.rstrip("\\"))
        elif pieces:
            yield number - len(pieces), number, "".join((*pieces, " " if comment else "", line))
            pieces = []
        else:
            yield number, number, line
    if pieces:
        yield len(lines) - len(pieces) + 1, len(lines), "".join(pieces)


def _uncommented(joined: str) -> tuple[str, str]:
    match = _COMMENT.search(joined) if "#" in joined else None
    return (joined, "") if match is None else (joined[: match.start()], joined[match.end() :].strip())
