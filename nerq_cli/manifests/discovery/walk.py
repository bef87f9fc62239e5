"""Walks a directory tree, without ignored files and installed packages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from nerq_cli.manifests.discovery.gitignore import (
    IgnoreRules,
    find_work_tree,
    is_ignored,
    rules_above,
    rules_in,
    rules_of_work_tree,
)
from nerq_cli.manifests.read_file import is_directory, os_error_reason

if TYPE_CHECKING:
    from nerq_cli.manifests.discovery.git_index import TrackedFiles

#: Deepest directory searched, in levels.
MAX_DEPTH: Final = 64
#: Directories of installed packages, caches and version control.
_SKIPPED_DIRECTORIES: Final = frozenset(
    {".git", ".hg", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv"}
    | {"__pycache__", "node_modules", "site-packages"}
)
#: Ignored directories that are searched for files to list where it is not known what git tracks.
_MAX_UNDECIDED: Final = 1_000
#: Entries of a virtual environment, of Python or of Conda.
_ENVIRONMENT_MARKERS: Final = frozenset({"pyvenv.cfg", "conda-meta"})


class WalkEntry(NamedTuple):
    """A file, or a directory that cannot be searched."""

    path: str
    #: Reason why the directory cannot be searched.
    problem: str = ""


class Ignored(msgspec.Struct):
    """What a search left out because of ignore files, where it is not known whether git tracks it."""

    #: Absolute paths of files.
    paths: list[str] = []
    #: Number of directories that were found in the search for them; it ends at ``_MAX_UNDECIDED``.
    directory_count: int = 0
    #: Path of an index that cannot be read, and why; empty where there is no work tree.
    index: str = ""
    problem: str = ""

    @property
    def has_more(self) -> bool:
        """Return whether the search ended early."""
        return self.directory_count > _MAX_UNDECIDED


#: What becomes of a file or directory. ``undecided``: an ignore file applies, and what git tracks is not known.
_Decision: TypeAlias = Literal["searched", "tracked", "left out", "undecided"]


class _Directory(NamedTuple):
    """A directory to search, with the ignore rules that apply in it."""

    folder: str
    rules: tuple[IgnoreRules, ...]
    #: The files that git tracks, to which the rules do not apply; None outside of a work tree.
    tracked: TrackedFiles | None
    depth: int = 0
    #: Whether the directory is ignored, so that only tracked files count.
    is_ignored: bool = False


def walk_files(
    top: Path,
    is_selected: Callable[[str], bool],
    exclude: tuple[IgnoreRules, ...] = (),
    ignored: Ignored | None = None,
) -> Iterator[WalkEntry]:
    """Yield the selected files below a directory, sorted by name: its own first, then those of its directories.

    Symbolic links to files count as files; links to directories are not followed. The directory itself is searched
    even if git ignores it. Ignore files do not apply to what git tracks; ``ignored`` takes the files that they apply to
    where there is no index that shows it.
    """
    ignored = Ignored() if ignored is None else ignored
    work_tree = find_work_tree(top)
    pending = [_Directory(str(top), rules_above(top), None if work_tree is None else _open_index(work_tree))]
    while pending:
        directory = pending.pop()
        try:
            with os.scandir(directory.folder) as entries:
                sorted_entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield WalkEntry(directory.folder, f"cannot be searched: {os_error_reason(error)}")
            continue
        entered = _enter(directory, {entry.name for entry in sorted_entries})
        if entered is None:
            continue
        yield from _selected_files(sorted_entries, entered, is_selected, exclude, ignored)
        subfolders = list(_subfolders(sorted_entries, entered, exclude, ignored))
        if subfolders and directory.depth == MAX_DEPTH:
            yield WalkEntry(directory.folder, f"more than {MAX_DEPTH} directories deep: those below were not searched")
        else:
            pending += reversed(subfolders)


def _open_index(work_tree: Path) -> TrackedFiles:
    from nerq_cli.manifests.discovery.git_index import TrackedFiles  # a scan of single files does without

    return TrackedFiles(work_tree)


def _enter(directory: _Directory, names: set[str]) -> _Directory | None:
    """Return a directory with the rules inside of it; None if it is not searched.

    A nested repository has only its own rules. In an environment only what git tracks counts.
    """
    if directory.depth and names & _ENVIRONMENT_MARKERS:
        if directory.tracked is None or not directory.tracked.has_files_below(directory.folder):
            return None
        directory = directory._replace(is_ignored=True)
    folder = Path(directory.folder)
    if ".git" in names:
        is_submodule = directory.tracked is not None and directory.tracked.is_submodule(directory.folder)
        if directory.is_ignored and not is_submodule:
            return None
        directory = directory._replace(rules=rules_of_work_tree(folder), tracked=_open_index(folder), is_ignored=False)
    return directory._replace(rules=directory.rules + rules_in(folder)) if ".gitignore" in names else directory


def _decide(directory: _Directory, path: str, ignored: Ignored, *, is_directory: bool) -> _Decision:
    if not directory.is_ignored and not is_ignored(directory.rules, path, directory=is_directory):
        return "searched"
    tracked = directory.tracked
    if tracked is None:
        return "undecided"
    is_tracked = tracked.has_files_below(path) if is_directory else tracked.has_file(path)
    if tracked.problem:
        ignored.index, ignored.problem = tracked.path, tracked.problem
        return "undecided"
    return "tracked" if is_tracked else "left out"


def _selected_files(
    entries: list[os.DirEntry[str]],
    directory: _Directory,
    is_selected: Callable[[str], bool],
    exclude: tuple[IgnoreRules, ...],
    ignored: Ignored,
) -> Iterator[WalkEntry]:
    for entry in entries:
        if not is_selected(entry.path) or is_directory(Path(entry.path)) or is_ignored(exclude, entry.path):
            continue
        decision = _decide(directory, entry.path, ignored, is_directory=False)
        if decision == "undecided":
            ignored.paths.append(entry.path)
        elif decision != "left out":
            yield WalkEntry(entry.path)


def _subfolders(
    entries: list[os.DirEntry[str]], directory: _Directory, exclude: tuple[IgnoreRules, ...], ignored: Ignored
) -> Iterator[_Directory]:
    for entry in entries:
        if (
            not entry.is_dir(follow_symlinks=False)
            or entry.name in _SKIPPED_DIRECTORIES
            or is_ignored(exclude, entry.path, directory=True)
        ):
            continue
        decision = _decide(directory, entry.path, ignored, is_directory=True)
        if decision == "undecided":
            ignored.directory_count += 1
            if ignored.directory_count > _MAX_UNDECIDED:
                continue
        if decision != "left out":
            yield _Directory(
                entry.path, directory.rules, directory.tracked, directory.depth + 1, is_ignored=decision != "searched"
            )
