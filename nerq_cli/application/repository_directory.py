"""Where in its git repository a run takes place."""

from __future__ import annotations

import os
from pathlib import Path


def find_repository_directory() -> str:
    """Return the current directory relative to the root of its git repository, with slashes.

    Empty at the root, outside of a repository, and in one whose root is the home directory or above it: that holds
    settings, and no project. Only names are looked up: git is not run, and nothing of the repository is read.
    """
    current = Path(os.path.realpath(os.curdir))
    home = Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 - Path.home() may raise
    for directory in (current, *current.parents):
        if directory != current and home.is_relative_to(directory):
            break
        if os.path.lexists(directory / ".git"):
            return "" if directory == current else current.relative_to(directory).as_posix()
    return ""
