"""The logical lines of a requirements file: joined at backslashes, with their comments apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nerq_cli.patterns import compile_late

#: A comment starts at the beginning of a line or after a space; elsewhere ``#`` belongs to an address.
_COMMENT_START = compile_late(r"(?:^|\s)#")
#: One entry of what pip-compile lists after "via": a package or a file.
_VIA_ENTRY = compile_late(
    r"-[rc] .*|[A-Za-z0-9][\w.\-\[\],]*|[^(]*\((?:[^()]*/)?(?:pyproject\.toml|setup\.(?:py|cfg))\)"
)


class LogicalLine(NamedTuple):
    """One logical line."""

    #: The first of its physical lines, from 1.
    start_line: int
    #: The last of its physical lines.
    end_line: int
    #: The text without comments and without the space around it.
    text: str
    #: Where the text begins in the joined line, in characters.
    offset: int
    #: The comments on the line, and indented ones below it.
    comments: tuple[str, ...]


def split_logical_lines(lines: Sequence[str]) -> Iterator[LogicalLine]:
    """Yield the logical lines that are not empty."""
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
    """Return the physical line and column, both from 1, of a character of a logical line."""
    offset += line.offset
    for number in range(line.start_line, line.end_line):
        length = len(lines[number - 1].rstrip("\\"))
        if offset < length:
            return number, offset + 1
        offset -= length
    return line.end_line, offset + 1


def is_transitive(comments: Sequence[str]) -> bool:
    """Return whether the ``via`` comment of pip-compile lists packages only, and no file of the project."""
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
    """Yield each logical line with its first and last number; a comment never continues on the next line."""
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
