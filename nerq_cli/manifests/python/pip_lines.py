"""The lines of a requirements file as pip sees them: joined where a backslash says so, with comments set apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

#: A comment starts at a line's beginning or after a space; elsewhere ``#`` belongs to an address.
_COMMENT_START = re.compile(r"(?:^|\s)#")
#: Package names and files that pip-compile lists after "via".
_VIA_ENTRY = re.compile(r"-[rc] .*|[A-Za-z0-9][\w.\-\[\],]*|[^(]*\((?:[^()]*/)?(?:pyproject\.toml|setup\.(?:py|cfg))\)")


class LogicalLine(NamedTuple):
    """One logical line: physical lines ``start_line`` to ``end_line``, counted from 1.

    ``text`` has neither comment nor space around it and begins at ``offset`` of the joined line. ``comments`` are the
    comments on the line and, indented, below it.
    """

    start_line: int
    end_line: int
    text: str
    offset: int
    comments: tuple[str, ...]


def split_logical_lines(lines: Sequence[str]) -> Iterator[LogicalLine]:
    """Yield the lines that say something."""
    pending_line: tuple[int, int, str, int] | None = None
    comments: list[str] = []
    for start_line, end_line, line_text in _join_lines(lines):
        body, comment = _split_comment(line_text)
        if text := body.strip():
            if pending_line:
                yield LogicalLine(*pending_line, tuple(comments))
            pending_line = (start_line, end_line, text, len(body) - len(body.lstrip()))
            comments = [comment] if comment else []
        elif comment and line_text[0].isspace():
            comments.append(comment)
    if pending_line:
        yield LogicalLine(*pending_line, tuple(comments))


def locate_offset(lines: Sequence[str], line: LogicalLine, offset: int) -> tuple[int, int]:
    """Return the physical line and column, both from 1, where a character of a logical line stands."""
    offset += line.offset
    for number in range(line.start_line, line.end_line):
        length = len(lines[number - 1].rstrip("\\"))
        if offset < length:
            return number, offset + 1
        offset -= length
    return line.end_line, offset + 1


def is_transitive(comments: Sequence[str]) -> bool:
    """Whether pip-compile's ``via`` says that only other packages, and no file of the project, ask for this one."""
    start = next((index for index, comment in enumerate(comments) if comment.split(" ", 1)[0] == "via"), None)
    if start is None:
        return False
    via_items = (*comments[start][len("via") :].split(", "), *comments[start + 1 :])
    requirers = [requirer for requirer in map(str.strip, via_items) if requirer]
    packages = [requirer for requirer in requirers if not requirer.startswith("-c ")]
    return (
        bool(packages)
        and all(map(_VIA_ENTRY.fullmatch, requirers))
        and not any(requirer.startswith("-r ") or requirer.endswith(")") for requirer in packages)
    )


def _join_lines(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Join what backslashes hold together; a comment ends it, whatever its last character is."""
    pieces: list[str] = []
    for number, line in enumerate(lines, 1):
        is_comment = "#" in line and line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            pieces.append(line.rstrip("\\"))
        elif pieces:
            yield number - len(pieces), number, "".join((*pieces, " " if is_comment else "", line))
            pieces = []
        else:
            yield number, number, line
    if pieces:
        yield len(lines) - len(pieces) + 1, len(lines), "".join(pieces)


def _split_comment(line: str) -> tuple[str, str]:
    match = _COMMENT_START.search(line) if "#" in line else None
    return (line, "") if match is None else (line[: match.start()], line[match.end() :].strip())
