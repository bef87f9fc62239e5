"""Walks a directory tree, without ignored files and installed packages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.manifests.discovery.gitignore import IgnoreRules, is_ignored, rules_above, rules_in, rules_of_work_tree
from nerq_cli.manifests.read_file import is_directory, os_error_reason

#: Deepest directory searched, in levels.
MAX_DEPTH: Final = 64
#: Directories of installed packages, caches and version control.
_SKIPPED_DIRECTORIES: Final = frozenset(
    {".git", ".hg", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv"}
    | {"__pycache__", "node_modules", "site-packages"}
)
#: Entries of a virtual environment, of Python or of Conda.
_ENVIRONMENT_MARKERS: Final = frozenset({"pyvenv.cfg", "conda-meta"})


class WalkEntry(NamedTuple):
    """A file, or a directory that cannot be searched."""

    path: str
    #: Reason why the directory cannot be searched.
    problem: str = ""


class _Directory(NamedTuple):
    """A directory to search, with the ignore rules that apply in it."""

    folder: str
    rules: tuple[IgnoreRules, ...]
    depth: int = 0


def walk_files(
    top: Path, is_selected: Callable[[str], bool], exclude: tuple[IgnoreRules, ...] = ()
) -> Iterator[WalkEntry]:
    """Yield the selected files below a directory, sorted by name: its own first, then those of its directories.

    Symbolic links to files count as files; links to directories are not followed. The directory itself is searched
    even if git ignores it.
    """
    pending = [_Directory(str(top), rules_above(top))]
    while pending:
        directory = pending.pop()
        try:
            with os.scandir(directory.folder) as entries:
                sorted_entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield WalkEntry(directory.folder, f"cannot be searched: {os_error_reason(error)}")
            continue
        names = {entry.name for entry in sorted_entries}
        if directory.depth and names & _ENVIRONMENT_MARKERS:
            continue
        directory = directory._replace(rules=_rules_inside(directory, names))
        yield from _selected_files(sorted_entries, directory.rules, is_selected, exclude)
        subfolders = _subfolders(sorted_entries, directory.rules, exclude)
        if subfolders and directory.depth == MAX_DEPTH:
            yield WalkEntry(directory.folder, f"more than {MAX_DEPTH} directories deep: those below were not searched")
        else:
            pending += [_Directory(folder, directory.rules, directory.depth + 1) for folder in reversed(subfolders)]


def _rules_inside(directory: _Directory, names: set[str]) -> tuple[IgnoreRules, ...]:
    """Return the rules inside a directory. A nested repository has only its own."""
    rules = rules_of_work_tree(Path(directory.folder)) if ".git" in names else directory.rules
    return rules + rules_in(Path(directory.folder)) if ".gitignore" in names else rules


def _selected_files(
    entries: list[os.DirEntry[str]],
    rules: tuple[IgnoreRules, ...],
    is_selected: Callable[[str], bool],
    exclude: tuple[IgnoreRules, ...],
) -> Iterator[WalkEntry]:
    for entry in entries:
        if (
            is_selected(entry.path)
            and not is_directory(Path(entry.path))
            and not is_ignored(exclude, entry.path)
            and not is_ignored(rules, entry.path)
        ):
            yield WalkEntry(entry.path)


def _subfolders(
    entries: list[os.DirEntry[str]], rules: tuple[IgnoreRules, ...], exclude: tuple[IgnoreRules, ...]
) -> list[str]:
    return [
        entry.path
        for entry in entries
        if entry.is_dir(follow_symlinks=False)
        and entry.name not in _SKIPPED_DIRECTORIES
        and not is_ignored(exclude, entry.path, directory=True)
        and not is_ignored(rules, entry.path, directory=True)
    ]
