"""Globs for several files, such as the workspaces of an npm project."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from itertools import takewhile
from typing import Final, NamedTuple

from nerq_cli.patterns import compile_late

_WILDCARD: Final = compile_late(r"[*?\[]")


class Globs(NamedTuple):
    """Globs relative to one directory."""

    #: Patterns in ``.gitignore`` syntax.
    lines: tuple[str, ...]
    #: Directories that contain all possible matches.
    base_directories: tuple[str, ...]
    #: Globs that lead out of the directory: not in ``lines``.
    outside_globs: tuple[str, ...]


def is_glob(pattern: str) -> bool:
    """Whether a pattern has a wildcard or is negated."""
    return pattern.startswith("!") or _WILDCARD.search(pattern) is not None


def anchor_globs(globs: Iterable[str], directory: str) -> Globs:
    """Return globs written in a directory (a relative path) relative to the top directory."""
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
