"""Globs that name several files at once, such as the workspaces of an npm project."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Final, NamedTuple

_WILDCARD: Final = re.compile(r"[*?\[]")


class Globs(NamedTuple):
    """Globs, made relative to one directory that they may not leave.

    ``lines`` are patterns as in a ``.gitignore`` there; ``base_directories`` the directories below which everything lies that
    they may match; ``outside_globs`` the globs that leave the directory and are left out.
    """

    lines: tuple[str, ...]
    base_directories: tuple[str, ...]
    outside_globs: tuple[str, ...]


def is_glob(pattern: str) -> bool:
    """Whether a pattern is more than a path: it has a wildcard, or takes out again what others let in."""
    return pattern.startswith("!") or _WILDCARD.search(pattern) is not None


def anchor_globs(globs: Iterable[str], directory: str) -> Globs:
    """Gather globs that are written in the directory ``directory``, a relative path."""
    lines, base_directories, outside_globs = [], [], []
    for glob in globs:
        negation = "!" if glob.startswith("!") else ""
        path = posixpath.normpath(posixpath.join(directory, glob.removeprefix("!")))
        if path.startswith(("../", "/")):
            outside_globs.append(glob)
            continue
        lines.append(f"{negation}/{path}")
        if not negation:
            base_directories.append("/".join(takewhile(lambda part: not _WILDCARD.search(part), path.split("/")[:-1])))
    return Globs(tuple(lines), tuple(dict.fromkeys(base_directories)), tuple(outside_globs))
