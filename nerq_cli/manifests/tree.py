"""A directory and what is below it, without what git ignores and what installers put there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.manifests.gitignore import Rules, ignored, rules_above, rules_in, rules_of_work_tree
from nerq_cli.manifests.opening import is_directory, reason

#: How many directories deep a search goes.
DEEPEST: Final = 64
#: Directories nobody keeps dependency files of their own in: installed packages, caches, version control.
_NEVER: Final = frozenset(
    {".git", ".hg", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv"}
    | {"__pycache__", "node_modules", "site-packages"}
)
#: What tells a directory to be a virtual environment, of Python or of Conda.
_ENVIRONMENT: Final = frozenset({"pyvenv.cfg", "conda-meta"})


class Seen(NamedTuple):
    """A file that is wanted, or a directory that cannot be searched: then ``problem`` says why."""

    path: str
    problem: str = ""


class _Place(NamedTuple):
    """A directory to be searched, and the ignore rules that apply in it."""

    folder: str
    rules: tuple[Rules, ...]
    depth: int = 0


def files(top: Path, wanted: Callable[[str], bool], exclude: tuple[Rules, ...] = ()) -> Iterator[Seen]:
    """Yield the wanted files below a directory: its own first, then those of its directories, each by name.

    Symbolic links to files are files; those to directories are not followed, whatever they point at is found where
    it is. The directory itself is searched even where git would ignore it.
    """
    waiting = [_Place(str(top), rules_above(top))]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place.folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Seen(place.folder, f"cannot be searched: {reason(error)}")
            continue
        names = {entry.name for entry in inside}
        if place.depth and names & _ENVIRONMENT:
            continue
        place = place._replace(rules=_rules(place, names))
        yield from _files(inside, place.rules, wanted, exclude)
        below = _folders(inside, place.rules, exclude)
        if below and place.depth == DEEPEST:
            yield Seen(place.folder, f"more than {DEEPEST} directories deep: what is below was not searched")
        else:
            waiting += [_Place(folder, place.rules, place.depth + 1) for folder in reversed(below)]


def _rules(place: _Place, names: set[str]) -> tuple[Rules, ...]:
    """Return the rules inside a directory. A repository inside another one has just its own."""
    rules = rules_of_work_tree(Path(place.folder)) if ".git" in names else place.rules
    return rules + rules_in(Path(place.folder)) if ".gitignore" in names else rules


def _files(
    inside: list[os.DirEntry[str]], rules: tuple[Rules, ...], wanted: Callable[[str], bool], exclude: tuple[Rules, ...]
) -> Iterator[Seen]:
    for entry in inside:
        if (
            wanted(entry.path)
            and not is_directory(Path(entry.path))
            and not ignored(exclude, entry.path)
            and not ignored(rules, entry.path)
        ):
            yield Seen(entry.path)


def _folders(inside: list[os.DirEntry[str]], rules: tuple[Rules, ...], exclude: tuple[Rules, ...]) -> list[str]:
    return [
        entry.path
        for entry in inside
        if entry.is_dir(follow_symlinks=False)
        and entry.name not in _NEVER
        and not ignored(exclude, entry.path, directory=True)
        and not ignored(rules, entry.path, directory=True)
    ]
