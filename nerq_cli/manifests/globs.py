"""Globs that name several files at once, such as the workspaces of an npm project."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Final, NamedTuple

_MAGIC: Final = re.compile(r"[*?\[]")


class Globs(NamedTuple):
    """Globs, made relative to one directory that they may not leave.

    ``lines`` are patterns as in a ``.gitignore`` there; ``tops`` the directories below which everything lies that
    they may match; ``outside`` the globs that leave the directory and are left out.
    """

    lines: tuple[str, ...]
    tops: tuple[str, ...]
    outside: tuple[str, ...]


def is_glob(pattern: str) -> bool:
    """Whether a pattern is more than a path: it has a wildcard, or takes out again what others let in."""
    return pattern.startswith("!") or _MAGIC.search(pattern) is not None


def gathered(globs: Iterable[str], here: str) -> Globs:
    """Gather globs that are written in the directory ``here``, a relative path."""
    lines, tops, outside = [], [], []
    for glob in globs:
        mark = "!" if glob.startswith("!") else ""
        inside = posixpath.normpath(posixpath.join(here, glob.removeprefix("!")))
        if inside.startswith(("../", "/")):
            outside.append(glob)
            continue
        lines.append(f"{mark}/{inside}")
        if not mark:
            tops.append("/".join(takewhile(lambda part: not _MAGIC.search(part), inside.split("/")[:-1])))
    return Globs(tuple(lines), tuple(dict.fromkeys(tops)), tuple(outside))
