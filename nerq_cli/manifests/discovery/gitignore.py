"""The files that git ignores: nested ``.gitignore`` files and ``info/exclude``."""

from __future__ import annotations

import fnmatch
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec
    from pathspec.pattern import Pattern

#: Longest ignore file read, in characters.
_MAX_CHARACTERS = 1_000_000

#: Most wildcards in one name that the expressions of the library match quickly.
_MAX_BACKTRACKING = 2

#: Patterns that match everything, written with a slash.
_EVERYTHING = compile_late(r"^(!?)/\*\*(?:/\*\*)*(?=/?\s*$)")
#: Directories at any depth, written more than once: some releases of the library match nothing then.
_REPEATED = compile_late(r"(?<![^/!])(?:\*\*/){2,}")
#: The end of a pattern for the directories in a directory, where the library also matches the files in it.
_INNER_DIRECTORIES = compile_late(r"(?<=[^/!]/\*\*)/(?=\s*$)")


class _PatternLine(NamedTuple):
    """One pattern."""

    pattern: Pattern | LinearPattern
    #: What the pattern is compared with, see `_pattern_scope`.
    scope: Literal["to names", "to paths", "inside"]


class IgnoreRules(NamedTuple):
    """The patterns of one ignore file."""

    #: Absolute directory that the patterns are relative to.
    base: str
    #: Patterns in reverse order.
    lines: tuple[_PatternLine, ...]


def compile_rules(base: str, lines: Sequence[str]) -> IgnoreRules:
    """Compile patterns in git's syntax. An invalid pattern matches nothing, as with git."""
    with warnings.catch_warnings():  # future meaning of bracket expressions in Python
        warnings.simplefilter("ignore")
        lines = [rewrite_line(line) for line in reversed(lines)]
        pattern_lines = [
            _PatternLine(pattern, _pattern_scope(line)) for line in lines for pattern in _compile_line(line)
        ]
    return IgnoreRules(base, tuple(line for line in pattern_lines if line.pattern.include is not None))


def rewrite_line(line: str) -> str:
    """Return a pattern in a form that the library matches as git does."""
    line = _EVERYTHING.sub(r"\1**", _REPEATED.sub("**/", line))
    return _INNER_DIRECTORIES.sub("/*/", line)


def is_ignored(rules: Sequence[IgnoreRules], path: str, *, directory: bool = False) -> bool:
    """Whether git ignores an absolute path in a directory that it does not ignore.

    The rules are in order, those of the deepest directory last; the last line that matches decides.
    """
    for base, lines in reversed(rules):
        relative = path[len(base.rstrip(os.sep)) + 1 :].replace(os.sep, "/") + "/" * directory
        parent, _, name = relative.rstrip("/").rpartition("/")
        for line in lines:
            if _line_matches(line, relative, f"{parent}/" if parent else "", name + "/" * directory):
                return bool(line.pattern.include)
    return False


def _line_matches(line: _PatternLine, path: str, parent: str, name: str) -> bool:
    """Whether a line matches exactly this path.

    In the library a pattern also matches all paths below. Here the directories above have been checked before, and a
    negated pattern for a directory must not include its files again.
    """
    match = line.pattern.match_file
    if line.scope == "to names":
        return match(name) is not None
    if line.scope == "inside":
        return bool(parent) and match(parent) is not None
    return match(path) is not None and not (parent and match(parent) is not None)


def _pattern_scope(line: str) -> Literal["to names", "to paths", "inside"]:
    """Return what a pattern is compared with: the name, the whole path, or the directory of a path."""
    bare = line.strip().removeprefix("!").rstrip("/")
    if "/" not in bare.removeprefix("**/"):
        return "to names"
    return "inside" if bare.endswith("/**") else "to paths"


class LinearPattern:
    """A pattern with many wildcards, matched in time linear in the length of a path.

    The regular expressions of the library take time that grows with a power of the number of wildcards.
    """

    def __init__(self, line: str) -> None:
        """Read one line in git's syntax.

        Raises:
            re.error: a bracket expression is not valid.
        """
        text = line.strip()
        #: False for a negated pattern.
        self.include = not text.startswith("!")
        text = text.removeprefix("!")
        self._directories_only = text.endswith("/")
        segments = text.strip("/").split("/")
        is_anchored = "/" in text.rstrip("/")
        self._segments = [
            None if segment == "**" else _compile_segment(segment)
            for segment in (segments if is_anchored else ["**", *segments])
        ]

    def match_file(self, path: str) -> bool | None:
        """Return True if a path, or a directory that holds it, matches; None if not."""
        parts = path.rstrip("/").split("/")
        for count in range(1, len(parts) + 1):
            is_directory = count < len(parts) or path.endswith("/")
            if (is_directory or not self._directories_only) and self._matches_exactly(
                parts[:count], is_directory=is_directory
            ):
                return True
        return None

    def _matches_exactly(self, parts: Sequence[str], *, is_directory: bool) -> bool:
        reachable = [True] + [False] * len(parts)
        for position, segment in enumerate(self._segments):
            if segment is not None:
                reachable = [False] + [
                    was and segment(part) is not None for was, part in zip(reachable, parts, strict=False)
                ]
            else:  # any number of directories; at the end of a pattern a directory, or at least one name
                least = int(position == len(self._segments) - 1 and not is_directory)
                first = reachable.index(True) if True in reachable else len(reachable)
                reachable = [index >= first + least for index in range(len(parts) + 1)]
        return reachable[-1]


def _compile_segment(segment: str) -> Callable[[str], object]:
    """Return the matcher of a name; ``fnmatch`` builds expressions that match without backtracking."""
    unescaped = re.sub(r"\\(.)", lambda match: f"[{match[1]}]", re.sub(r"\*+", "*", segment.replace("[^", "[!")))
    return re.compile(fnmatch.translate(unescaped)).match


def _compile_line(line: str) -> Sequence[Pattern | LinearPattern]:
    from pathspec import GitIgnoreSpec

    if any(segment.count("*") > _MAX_BACKTRACKING for segment in line.split("/") if segment.strip("*")) or (
        line.count("**") > _MAX_BACKTRACKING
    ):
        try:
            return (LinearPattern(line),)
        except re.error:
            return ()
    try:
        spec: GitIgnoreSpec = GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return ()
    return spec.patterns


def rules_in(folder: Path) -> tuple[IgnoreRules, ...]:
    """Return the rules of the ``.gitignore`` in a directory."""
    return _read_rules(folder, folder / ".gitignore")


def rules_of_work_tree(top: Path) -> tuple[IgnoreRules, ...]:
    """Return the rules of ``info/exclude``, for the top directory of a work tree."""
    return _read_rules(top, _common_directory(top / ".git") / "info" / "exclude")


def find_work_tree(folder: Path) -> Path | None:
    """Return the top directory of the work tree that holds a directory; None outside of one."""
    return next((directory for directory in (folder, *folder.parents) if (directory / ".git").exists()), None)


def rules_above(folder: Path) -> tuple[IgnoreRules, ...]:
    """Return the rules of the directories above, up to the top of the git work tree.

    None outside of a work tree. None if the directory itself is ignored: it was named on the command line.
    """
    parents = _up_to_work_tree(folder)
    if not parents:
        return ()
    rules = rules_of_work_tree(parents[0])
    for parent in parents:
        rules += rules_in(parent)
    return () if is_ignored(rules, str(folder), directory=True) else rules


def _up_to_work_tree(folder: Path) -> list[Path]:
    """Return the directories above, from the top of the work tree down; none outside of a work tree."""
    for count, directory in enumerate((folder, *folder.parents)):
        if (directory / ".git").exists():
            return list(folder.parents)[:count][::-1]
    return []


def find_git_directory(git: Path) -> Path:
    """Return the git directory of a work tree: ``.git``, or its target in submodules and linked work trees."""
    pointer = _read_text(git).removeprefix("gitdir:").strip()
    return git.parent / pointer if pointer else git


def _common_directory(git: Path) -> Path:
    """Return the directory that all work trees of a repository share."""
    directory = find_git_directory(git)
    return directory / _read_text(directory / "commondir").strip()


def _read_rules(base: Path, file: Path) -> tuple[IgnoreRules, ...]:
    lines = [line for line in _read_text(file).splitlines() if line.strip() and not line.startswith("#")]
    return (compile_rules(str(base), lines),) if lines else ()


def _read_text(file: Path) -> str:
    """Return the text of a small regular file, in any encoding; empty if there is none."""
    try:
        if not file.is_file():
            return ""
        with file.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
            return stream.read(_MAX_CHARACTERS)
    except (OSError, ValueError):  # the path may contain a NUL
        return ""
