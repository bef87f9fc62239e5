"""From the paths on a command line to the dependency files to read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
from msgspec.structs import replace

from nerq_cli.errors import UsageError
from nerq_cli.manifests.discovery.gitignore import IgnoreRules, compile_rules, is_ignored
from nerq_cli.manifests.discovery.governing import find_governing_locks
from nerq_cli.manifests.discovery.walk import Ignored, walk_files
from nerq_cli.manifests.formats import FORMATS, describe_known_files, detect_explicit_format, detect_format
from nerq_cli.manifests.read_file import is_directory
from nerq_cli.problem import Problem

#: Path of standard input on a command line, and its name in messages.
STDIN: Final = "-"
STDIN_LABEL: Final = "<stdin>"

#: Binary lock file of Bun, and the text file that replaces it since Bun 1.2.
_BINARY_LOCK: Final = "bun.lockb"
_TEXT_LOCK: Final = "bun.lock"
_BINARY_PROBLEM: Final = "a binary lock file: not read, so the versions in use are not known"
#: Paths that one sentence lists.
_MAX_SHOWN: Final = 5
_BINARY_HINT: Final = "bun install --save-text-lockfile writes bun.lock, which is read"


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to read."""

    #: Path in messages.
    path: str
    #: Path on disk.
    file: Path
    #: Directory that was searched, or that holds the file: globs in the file reach no further.
    root: Path
    #: Name of the format; empty if none matches.
    format: str = ""
    #: Group that the including file puts the declarations in.
    group: str = ""
    #: Whether the including file reads it as a pip constraints file.
    constraint: bool = False
    #: Reason why it cannot be read, if known before it is opened.
    problem: Problem | None = None
    #: Whether a search found it by its name: it may be another kind of file.
    from_search: bool = False
    #: The members of its workspace that it is read for, with the paths of their manifests; empty means all.
    members: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Identity of the file, the same for every path that leads to it."""
        return self.path if self.path == STDIN_LABEL else os.path.realpath(self.file)


def find_dependency_files(
    paths: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    include: Sequence[str] = (),
    recursive: bool = True,
    root: Path | None = None,
    as_format: str = "",
    stdin_as: str = "requirements.txt",
) -> tuple[InputFile, ...]:
    """Return the dependency files at the paths, each once, in the order of the paths.

    Args:
        paths: files, directories to search, or ``-`` for standard input.
        exclude: ``.gitignore`` patterns relative to ``root``: these files are left out of a search.
        include: ``.gitignore`` patterns relative to ``root``: only these files are found; empty means all.
        recursive: whether to search the directories in a directory.
        root: directory that paths are relative to; by default the current directory.
        as_format: the format of all files in ``paths``, or a file name that determines it.
        stdin_as: the same for standard input.

    Raises:
        UsageError: a path does not exist, or there is no such format.
    """
    return FileFinder(root, exclude, as_format, include, recursive=recursive).find_all(paths, stdin_as)


class FileFinder:
    """Finds files relative to one directory. The arguments are those of `find_dependency_files`."""

    def __init__(
        self,
        root: Path | None,
        exclude: Sequence[str],
        as_format: str,
        include: Sequence[str] = (),
        *,
        recursive: bool = True,
        is_source: Callable[[str], bool] | None = None,
        skipped_formats: Sequence[str] = (),
    ) -> None:
        """Take the arguments of `find_dependency_files`, and the predicate on paths of files to list as source.

        A file may be both.
        """
        self.is_source = is_source or (lambda _: False)
        #: The files that ``is_source`` selects among those searched or named.
        self.source_files: dict[str, InputFile] = {}
        self._ignored = Ignored()
        self.base = Path(os.path.normpath((root or Path()).absolute()))
        self.exclude = [self._anchor_pattern(pattern) for pattern in exclude]
        self.include = [self._anchor_pattern(pattern) for pattern in include]
        self.recursive = recursive
        self.skipped_formats = skipped_formats
        self.as_format = _resolve_format(as_format) if as_format else ""

    def find_all(self, paths: Sequence[str], stdin_as: str) -> tuple[InputFile, ...]:
        """Return the files at all paths, each once: of a file and a link to it the one with the more specific name."""
        files_by_key: dict[str, InputFile] = {}
        for path in paths:
            for file in [self._make_stdin_file(stdin_as)] if path == STDIN else self._find_at(path):
                known = files_by_key.setdefault(file.key, file)
                if known is not file and _rate_name(file) > _rate_name(known):
                    files_by_key[file.key] = file
        for manifest in tuple(files_by_key.values()):
            for lock in self._find_governing_locks(manifest):
                known = files_by_key.get(lock.key, lock)
                members = (
                    tuple(dict.fromkeys((*known.members, *lock.members))) if known.members and lock.members else ()
                )
                files_by_key[lock.key] = replace(known, members=members)
        return tuple(files_by_key.values())

    def _find_governing_locks(self, manifest: InputFile) -> Iterator[InputFile]:
        """Yield the lock files of a manifest that the search does not find."""
        if manifest.problem or self.as_format or manifest.path == STDIN_LABEL:
            return
        searched = manifest.root if manifest.from_search else None
        for lock in find_governing_locks(manifest.file, manifest.format, searched=searched):
            file = Path(os.path.relpath(lock.file, os.path.realpath(self.base)))
            path = self.base / file
            problem = _find_link_problem(path, Path(os.path.realpath(path.parent)))
            name = detect_format(PurePosixPath(path))
            members = ((lock.member, manifest.path),) if lock.member else ()
            yield replace(self.make_file(path, root=path.parent, name=name, problem=problem), members=members)

    def _make_stdin_file(self, stdin_as: str) -> InputFile:
        name = self.as_format or _resolve_format(stdin_as)
        return InputFile(path=STDIN_LABEL, file=self.base / STDIN_LABEL, root=self.base, format=name)

    def _find_at(self, path: str) -> Iterator[InputFile]:
        file = self.base / path
        if not os.path.lexists(file):
            raise UsageError(f"{path}: no such file or directory", hint="paths are relative to the current directory")
        if is_directory(file):
            yield from self.find_below(file, file)
            return
        name = self.as_format or detect_explicit_format(PurePosixPath(file))
        if not self.as_format and self.is_source(str(file)):
            self._add_source(self.make_file(file, root=file.parent, name=name))
            if not name:
                return
        yield self.make_file(file, root=file.parent, name=name)
        lock = file.with_name(f"{file.name}.lock")
        if not self.as_format and file.suffix == ".py" and os.path.lexists(lock):  # uv's lock file for a script
            problem = _find_link_problem(lock, Path(os.path.realpath(file.parent)))
            yield self.make_file(lock, root=file.parent, name=detect_format(PurePosixPath(lock)), problem=problem)

    def find_below(self, top: Path, root: Path, matches: Callable[[str], bool] = bool) -> Iterator[InputFile]:
        """Yield the dependency files below a directory whose absolute path ``matches``."""
        real_path = Path(os.path.realpath(top))
        is_included = self._make_include_filter(real_path)
        for entry in walk_files(
            real_path,
            lambda path: (_is_dependency_file(path) or self.is_source(path)) and is_included(path) and matches(path),
            self._exclude_rules(real_path),
            self._ignored,
        ):
            name = "" if entry.problem else detect_format(PurePosixPath(entry.path))
            is_source = not entry.problem and self.is_source(entry.path)
            is_skipped = name in self.skipped_formats
            if is_skipped and not is_source:
                continue
            problem = entry.problem or _find_link_problem(Path(entry.path), real_path)
            file = self.make_file(top / Path(entry.path).relative_to(real_path), root=root, name=name, problem=problem)
            file = replace(file, from_search=True)
            if is_source and not problem:
                self._add_source(file)
            if not is_source or (_is_dependency_file(entry.path) and not is_skipped):
                yield file

    def describe_ignored(self) -> str:
        """Return what the searches left out because of ignore files, though git may track it; empty for nothing."""
        paths = list(dict.fromkeys(self._ignored.paths))
        if not paths:
            return ""
        shown = ", ".join(self.display_path(Path(path)) for path in paths[:_MAX_SHOWN])
        count = f"{'at least ' * self._ignored.has_more}{len(paths):,} file{'s' * (len(paths) > 1)}"
        reason = (
            f"git's index shows which ones are tracked, and {self._ignored.problem}"
            if self._ignored.problem
            else "there is no git repository that shows which ones are tracked"
        )
        return f".gitignore leaves out {count} ({shown}{', …' * (len(paths) > _MAX_SHOWN)}): {reason}"

    @property
    def has_unreadable_index(self) -> bool:
        """Whether git's index, which decides what was left out, cannot be read."""
        return bool(self._ignored.problem)

    def _add_source(self, file: InputFile) -> None:
        self.source_files.setdefault(file.key, file)

    def make_file(self, file: Path, *, root: Path, name: str, problem: str = "") -> InputFile:
        """Return the file with its format, or with the problem that keeps it from being read."""
        path, hint = self.display_path(file), ""
        if not problem and not name:
            if file.name == _BINARY_LOCK:
                problem, hint = _BINARY_PROBLEM, _BINARY_HINT
            else:
                problem = "not a dependency file of a known format"
                hint = f"known are {describe_known_files()}; --as reads another file as one of them"
        if problem:
            return InputFile(path=path, file=file, root=root, problem=Problem(path=path, message=problem, hint=hint))
        return InputFile(path=path, file=file, root=root, format=name)

    def display_path(self, file: Path) -> str:
        """Return the path for messages: relative to the base directory if it is below or was given so."""
        normal = Path(os.path.normpath(file))
        if normal.is_relative_to(self.base):
            display = normal.relative_to(self.base)
        else:
            display = Path(os.path.relpath(normal, self.base)) if file.is_relative_to(self.base) else normal
        return os.fsencode(display.as_posix()).decode(errors="replace")

    def _anchor_pattern(self, pattern: str) -> str:
        """Return a pattern in ``.gitignore`` syntax; ``./vendor`` and absolute paths below the base are anchored."""
        bare = pattern.removeprefix("!")
        if bare.startswith("./"):
            bare = bare[1:]
        elif Path(bare).is_absolute() and Path(os.path.normpath(bare)).is_relative_to(self.base):
            bare = f"/{Path(os.path.normpath(bare)).relative_to(self.base).as_posix()}"
        return f"{'!' * pattern.startswith('!')}{bare}"

    def _make_include_filter(self, top: Path) -> Callable[[str], bool]:
        """Return a predicate on absolute paths: whether ``include`` matches the path or a directory above it."""
        start = self._pattern_base(top)
        rules = (compile_rules(str(start), self.include),)

        def is_included(path: str) -> bool:
            if not self.recursive and Path(path).parent != top:
                return False
            parents = [folder for folder in Path(path).parents if folder != start and folder.is_relative_to(start)]
            return not self.include or any(
                (is_ignored(rules, path), *(is_ignored(rules, str(folder), directory=True) for folder in parents))
            )

        return is_included

    def _exclude_rules(self, top: Path) -> tuple[IgnoreRules, ...]:
        return (compile_rules(str(self._pattern_base(top)), self.exclude),) if self.exclude else ()

    def _pattern_base(self, top: Path) -> Path:
        base = Path(os.path.realpath(self.base))
        return base if top.is_relative_to(base) else top


def project_root(folder: Path) -> Path:
    """Return the repository that holds a directory, else the directory itself: the limit for links and includes.

    Without it a scanned project could have files outside of it read and their content printed.
    """
    repositories = (directory for directory in (folder, *folder.parents) if (directory / ".git").exists())
    return next(repositories, folder.parent if folder.name == "requirements" else folder)


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path is below a directory after symbolic links are resolved."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _find_link_problem(file: Path, root: Path) -> str:
    """Return the problem of a file that was not named and that is a link out of the project; empty if it is none."""
    leads_out = os.path.exists(file) and not is_inside(file, project_root(root))  # noqa: PTH110 - as in is_inside
    return "a link that leads out of the project: not followed" if leads_out else ""


def _rate_name(file: InputFile) -> tuple[bool, bool]:
    """Return how well a name shows what a file is for: a constraints file that also has another name is none."""
    from nerq_cli.manifests.python.requirements import is_constraints_name

    return not is_constraints_name(PurePosixPath(file.file)), not file.file.is_symlink()


def _is_dependency_file(path: str) -> bool:
    if path.endswith(f"{os.sep}{_BINARY_LOCK}"):
        return not os.path.lexists(Path(path).with_name(_TEXT_LOCK))
    return bool(detect_format(PurePosixPath(path)))


def _resolve_format(name: str) -> str:
    """Return the format with this name, or the format of a file with this name.

    Raises:
        UsageError: there is none.
    """
    file_format = name if name in FORMATS else detect_explicit_format(PurePosixPath(name))
    if not file_format:
        raise UsageError(f"{name}: no such format", hint=f"known are {', '.join(FORMATS)}")
    return file_format
