"""From paths to dependency files, read: finds them, opens them, and follows what they include."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from nerq_cli.errors import NothingToScanError, Problem, UsageError
from nerq_cli.inventory import DependencyFile, Include
from nerq_cli.manifests.discovery.gitignore import IgnoreRules, compile_rules, is_ignored
from nerq_cli.manifests.discovery.globs import anchor_globs, is_glob
from nerq_cli.manifests.discovery.include_graph import IncludeEdge, connected_groups, find_cycles
from nerq_cli.manifests.discovery.walk import walk_files
from nerq_cli.manifests.formats import FORMATS, READERS, detect_format
from nerq_cli.manifests.package_source import mask_secrets
from nerq_cli.manifests.read_file import (
    MAX_BYTES,
    CannotReadError,
    decode_text,
    is_directory,
    os_error_reason,
    read_bytes,
    require_within_limit,
)

if TYPE_CHECKING:
    from nerq_cli.manifests.discovery.workspace import Workspaces

#: The path that stands for standard input, and what it is called in messages.
STDIN: Final = "-"
STDIN_LABEL: Final = "<stdin>"

_NAME_ENDINGS: Final = tuple(ending for file_format in FORMATS.values() for ending in file_format.name_endings)
_TOOLS: Final = ", ".join(file_format.tool for file_format in FORMATS.values() if file_format.tool)
#: What a search looks for, and what is read besides when somebody names it, in few enough words to be shown whole.
_SEARCHED_FILES: Final = ", ".join(
    (
        *(
            file_format.file_patterns
            for file_format in FORMATS.values()
            if file_format.name_endings and not file_format.tool
        ),
        f"the lock files of {_TOOLS}",
    )
)
_KNOWN_FILES: Final = "; ".join(
    (_SEARCHED_FILES, *(file_format.file_patterns for file_format in FORMATS.values() if not file_format.name_endings))
)
#: A lock file that is no text, and the one that Bun writes in its place since 1.2.
_BINARY_LOCK: Final = "bun.lockb"
_TEXT_LOCK: Final = "bun.lock"
_BINARY_PROBLEM: Final = "a binary lock file: not read, so the versions in use are not known"
_BINARY_HINT: Final = "bun install --save-text-lockfile writes bun.lock, which is read"
#: Formats by how early their files are read: those that say what others are for come before those.
_READ_ORDER: Final = {name: rank for rank, name in enumerate(FORMATS)}
_REQUIREMENTS: Final = "requirements"
#: Formats that the workspace around a file has a say about.
_WORKSPACE_FORMATS: Final = ("package.json", "pyproject")
#: Lock files that need not hold everything that something in them needs.
_INCOMPLETE_LOCKS: Final = ("pdm.lock", "poetry.lock")
_JSON_PROBLEM: Final = "this looks like JSON, not like a requirements file"
_JSON_HINT: Final = "name its kind with --as: package.json, package-lock.json, Pipfile.lock, bun.lock or sbom"
#: A file with fewer malformed lines than this is taken for a dependency file with mistakes in it.
_MIN_PROSE_PROBLEMS: Final = 3
#: Longest line repeated in a problem, in characters.
_MAX_LINE_LENGTH: Final = 300
_URL_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file to be read: ``path`` is what it is called in messages, ``file`` where it is.

    ``format`` names its reader, empty when there is none. ``root`` is the directory that was searched, or that holds
    the file: globs in it reach no further. ``group`` and ``constraint`` are what a file that includes it says of it.
    ``problem`` is why it cannot be read, where that is known before it is opened. ``from_search`` says that a search
    turned it up by its name, and nobody said that it is a dependency file.
    """

    path: str
    file: Path
    root: Path
    format: str = ""
    group: str = ""
    constraint: bool = False
    problem: Problem | None = None
    from_search: bool = False

    @property
    def key(self) -> str:
        """What tells it from all other files, whichever way it is reached."""
        return self.path if self.path == STDIN_LABEL else os.path.realpath(self.file)


# --- Finding ---------------------------------------------------------------------------------------------------------


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
    """Find the dependency files that paths stand for, each once, in the order of the paths.

    Args:
        paths: files, directories to search, or ``-`` for standard input.
        exclude: what to leave out of directories: patterns as in a ``.gitignore``, relative to ``root``.
        include: what to keep of directories, and nothing else, in the same patterns; empty keeps everything.
        recursive: whether to look into the directories in a directory.
        root: what paths are relative to, and shown relative to; by default the current directory.
        as_format: the format of all files named here, or a file name that tells it.
        stdin_as: the same for standard input.

    Raises:
        UsageError: a path does not exist, or there is no such format.
    """
    return _FileFinder(root, exclude, as_format, include, recursive=recursive).find_all(paths, stdin_as)


class _FileFinder:
    """Looks for files relative to one directory."""

    def __init__(
        self,
        root: Path | None,
        exclude: Sequence[str],
        as_format: str,
        include: Sequence[str] = (),
        *,
        recursive: bool = True,
    ) -> None:
        self.base = Path(os.path.normpath((root or Path()).absolute()))
        self.exclude = [self._anchor_pattern(pattern) for pattern in exclude]
        self.include = [self._anchor_pattern(pattern) for pattern in include]
        self.recursive = recursive
        self.as_format = _resolve_format(as_format) if as_format else ""

    def find_all(self, paths: Sequence[str], stdin_as: str) -> tuple[InputFile, ...]:
        """Return all files that the paths stand for, each once."""
        files_by_key: dict[str, InputFile] = {}
        for path in paths:
            for file in [self.stdin_file(stdin_as)] if path == STDIN else self.find_at(path):
                files_by_key.setdefault(file.key, file)
        return tuple(files_by_key.values())

    def stdin_file(self, stdin_as: str) -> InputFile:
        """Return standard input, as a file in the directory it is read in."""
        name = self.as_format or _resolve_format(stdin_as)
        return InputFile(path=STDIN_LABEL, file=self.base / STDIN_LABEL, root=self.base, format=name)

    def find_at(self, path: str) -> Iterator[InputFile]:
        """Yield the file that somebody names, or the files in a directory."""
        file = self.base / path
        if not os.path.lexists(file):
            raise UsageError(f"{path}: no such file or directory", hint="paths are relative to the current directory")
        if is_directory(file):
            yield from self.find_below(file, file)
        else:
            yield self.make_file(file, root=file.parent, name=self.as_format or _detect_explicit_format(file))
            lock = file.with_name(f"{file.name}.lock")
            if not self.as_format and file.suffix == ".py" and os.path.lexists(lock):  # what uv locks a script's in
                yield self.make_file(lock, root=file.parent, name=detect_format(PurePosixPath(lock)))

    def find_below(self, top: Path, root: Path, matches: Callable[[str], bool] = bool) -> Iterator[InputFile]:
        """Yield the dependency files in a directory and its directories; ``matches`` is asked about absolute paths."""
        real_path = Path(os.path.realpath(top))
        is_included = self._make_include_filter(real_path)
        for entry in walk_files(
            real_path,
            lambda path: _is_dependency_file(path) and is_included(path) and matches(path),
            self._exclude_rules(real_path),
        ):
            name = "" if entry.problem else detect_format(PurePosixPath(entry.path))
            leads_outside = not entry.problem and not _is_inside(Path(entry.path), _project_root(real_path))
            problem = "a link that leads out of the project: not followed" if leads_outside else entry.problem
            file = self.make_file(top / Path(entry.path).relative_to(real_path), root=root, name=name, problem=problem)
            yield replace(file, from_search=True)

    def make_file(self, file: Path, *, root: Path, name: str, problem: str = "") -> InputFile:
        """Return a file of a format; or one of none, or with another problem."""
        path = self.display_path(file)
        if problem:
            return InputFile(path=path, file=file, root=root, problem=Problem(path=path, message=problem))
        if not name and file.name == _BINARY_LOCK:
            binary_problem = Problem(path=path, message=_BINARY_PROBLEM, hint=_BINARY_HINT)
            return InputFile(path=path, file=file, root=root, problem=binary_problem)
        if not name:
            hint = f"known are {_KNOWN_FILES}; --as reads another file as one of them"
            format_problem = Problem(path=path, message="not a dependency file of a known format", hint=hint)
            return InputFile(path=path, file=file, root=root, problem=format_problem)
        return InputFile(path=path, file=file, root=root, format=name)

    def display_path(self, file: Path) -> str:
        """Return what a file is called: its path from the current directory when it is below, else as it was given."""
        normal = Path(os.path.normpath(file))
        if normal.is_relative_to(self.base):
            display = normal.relative_to(self.base)
        else:
            display = Path(os.path.relpath(normal, self.base)) if file.is_relative_to(self.base) else normal
        return os.fsencode(display.as_posix()).decode(errors="replace")

    def _anchor_pattern(self, pattern: str) -> str:
        """Return a pattern as a .gitignore has it: ``./vendor`` and an absolute path below the root are anchored."""
        bare = pattern.removeprefix("!")
        if bare.startswith("./"):
            bare = bare[1:]
        elif Path(bare).is_absolute() and Path(os.path.normpath(bare)).is_relative_to(self.base):
            bare = f"/{Path(os.path.normpath(bare)).relative_to(self.base).as_posix()}"
        return f"{'!' * pattern.startswith('!')}{bare}"

    def _make_include_filter(self, top: Path) -> Callable[[str], bool]:
        """Return what says of an absolute path whether it is to be kept: it or a directory it is in is included."""
        base = Path(os.path.realpath(self.base))
        start = base if top.is_relative_to(base) else top
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
        base = Path(os.path.realpath(self.base))
        return (compile_rules(str(base if top.is_relative_to(base) else top), self.exclude),) if self.exclude else ()


def _is_dependency_file(path: str) -> bool:
    if path.endswith(f"{os.sep}{_BINARY_LOCK}"):
        return not os.path.lexists(Path(path).with_name(_TEXT_LOCK))
    return path.lower().endswith(_NAME_ENDINGS) and bool(detect_format(PurePosixPath(path)))


def _detect_explicit_format(file: Path) -> str:
    """Return the format of a file that somebody names, for which less is enough than for one that lies around."""
    candidates = (
        name
        for name, file_format in FORMATS.items()
        if file_format.certain_endings and file.name.lower().endswith(file_format.certain_endings)
    )
    return detect_format(PurePosixPath(file)) or next(candidates, "")


def _resolve_format(name: str) -> str:
    """Return the format that is called this, or that a file of this name has.

    Raises:
        UsageError: there is none.
    """
    file_format = name if name in FORMATS else _detect_explicit_format(Path(name))
    if not file_format:
        raise UsageError(f"{name}: no such format", hint=f"known are {', '.join(FORMATS)}")
    return file_format


# --- Reading ---------------------------------------------------------------------------------------------------------


def load_dependency_files(  # noqa: PLR0913 - all that a command line can say of a search
    paths: Sequence[str],
    *,
    stdin: Callable[[], bytes] | None = None,
    stdin_as: str = "requirements.txt",
    exclude: Sequence[str] = (),
    include: Sequence[str] = (),
    recursive: bool = True,
    as_format: str = "",
    root: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[DependencyFile, ...]:
    """Read the dependency files that paths stand for, and all that they include; each once.

    What is wrong with a file is in its ``problems``. See `find_dependency_files` for the other arguments.

    Args:
        paths: files, directories to search, or ``-`` for standard input.
        stdin: returns all of standard input.
        stdin_as: the format of standard input, or a file name that tells it.
        exclude: what to leave out of directories.
        include: what to keep of them, and nothing else; empty keeps everything.
        recursive: whether to look into the directories in a directory.
        as_format: the format of all files named here.
        root: what paths are relative to; by default the current directory.
        progress: is told how many files are read, of how many.

    Raises:
        NothingToScanError: there is no dependency file.
        UsageError: a path does not exist, or there is no such format.
    """
    finder = _FileFinder(root, exclude, as_format, include, recursive=recursive)
    input_files = finder.find_all(paths, stdin_as)
    if not input_files:
        raise NothingToScanError(
            f"no dependency file in {', '.join(paths) or 'no path'}", hint=f"looked for {_SEARCHED_FILES}"
        )
    loader = _FileLoader(finder, stdin or _read_stdin)
    loader.load_all(input_files, progress or (lambda _, __: None))
    return loader.collect_results([file.key for file in input_files])


def _read_stdin() -> bytes:
    if sys.stdin is None:  # as in a program without a console
        raise CannotReadError("there is no standard input")
    return sys.stdin.buffer.read(MAX_BYTES + 1)


class _FileLoader:
    """Files while they are read: at any time one may name others, and say what they are for."""

    def __init__(self, finder: _FileFinder, stdin: Callable[[], bytes]) -> None:
        self.finder = finder
        self.stdin = stdin
        self.queue: list[tuple[bool, int, bool, int, InputFile]] = []
        self.sequence = count()
        self.dependency_files: dict[str, DependencyFile] = {}
        self.texts: dict[str, str] = {}
        self.include_edges: dict[str, list[IncludeEdge]] = {}

    @cached_property
    def workspaces(self) -> Workspaces:
        """What lies above the files that are read."""
        from nerq_cli.manifests.discovery.workspace import Workspaces

        return Workspaces()

    def load_all(self, input_files: Iterable[InputFile], progress: Callable[[int, int], None]) -> None:
        """Read these files and whatever they include, each once; as a constraints file only if it is nothing more."""
        for input_file in input_files:
            self._enqueue(input_file, from_include=False)
        while self.queue:
            progress(len(self.dependency_files), len(self.dependency_files) + len(self.queue))
            file = heappop(self.queue)[-1]
            previous = self.dependency_files.get(file.key)
            if previous is None or (previous.constraint and not file.constraint):
                dependency_file = self.dependency_files[file.key] = self._read_dependency_file(file)
                self.include_edges[file.key] = []
                self._follow_includes(file, dependency_file)
        progress(len(self.dependency_files), len(self.dependency_files))

    def collect_results(self, first_keys: Iterable[str]) -> tuple[DependencyFile, ...]:
        """Return everything read: the files found first, then those they include."""
        for cycle in find_cycles(self.include_edges):
            cycle_path = " -> ".join(self.dependency_files[key].path for key in cycle.path)
            self._add_problem(cycle.includer, cycle.include, CannotReadError(f"includes itself: {cycle_path}"))
        self._share_indexes()
        return tuple(self.dependency_files[key] for key in dict.fromkeys((*first_keys, *self.dependency_files)))

    def _enqueue(self, file: InputFile, *, from_include: bool) -> None:
        """Queue a file: constraints last, and who includes it has the say about what it is."""
        priority = (file.constraint, _READ_ORDER.get(file.format, -1), not from_include, next(self.sequence))
        heappush(self.queue, (*priority, file))

    def _read_dependency_file(self, file: InputFile) -> DependencyFile:
        if file.problem:
            return DependencyFile(path=file.path, format=file.format, problems=(file.problem,))
        try:
            text = decode_text(self._stdin_bytes() if file.path == STDIN_LABEL else read_bytes(file.file))
        except CannotReadError as error:
            problem = Problem(path=file.path, line=error.line, message=str(error), hint=error.hint)
            return DependencyFile(path=file.path, format=file.format, problems=(problem,))
        if file.format == _REQUIREMENTS and not file.from_search and text.lstrip().startswith("{"):
            problem = Problem(path=file.path, line=1, message=_JSON_PROBLEM, hint=_JSON_HINT)
            return DependencyFile(path=file.path, format=file.format, problems=(problem,))
        dependency_file = READERS[file.format].read(text, file.path, constraint=file.constraint, group=file.group)
        if file.from_search and _is_prose(dependency_file):
            note = "does not read like a requirements file: left out"
            return DependencyFile(path=file.path, format=file.format, notes=(note,))
        if file.format in _WORKSPACE_FORMATS:
            dependency_file = self.workspaces.complete_file(
                dependency_file, text, file.file, search_root=file.root, group=file.group
            )
        if dependency_file.problems and file.format in _INCOMPLETE_LOCKS:
            dependency_file = _reread_lockfile(dependency_file, text, file.file)
        if dependency_file.includes:
            self.texts[file.key] = text
        return dependency_file

    def _stdin_bytes(self) -> bytes:
        try:
            return require_within_limit(self.stdin())
        except OSError as error:
            raise CannotReadError(f"cannot be read: {os_error_reason(error)}") from error

    def _follow_includes(self, file: InputFile, dependency_file: DependencyFile) -> None:
        """Queue what a file includes. In a requirements file a star is a star; elsewhere it makes a glob."""
        globs: list[str] = []
        for include in dependency_file.includes:
            if file.format != _REQUIREMENTS and is_glob(include.pattern):
                globs.append(include.pattern)
            else:
                self._follow_include(file, include)
        for input_file in self._expand_globs(file, globs) if globs else ():
            self._enqueue(input_file, from_include=True)

    def _follow_include(self, file: InputFile, include: Include) -> None:
        try:
            target = self._resolve_include(file, include)
        except CannotReadError as error:
            self._add_problem(file.key, include, error)
            return
        if file.format == target.format == _REQUIREMENTS:
            self.include_edges[file.key].append(IncludeEdge(include, target.key))
        self._enqueue(target, from_include=True)

    def _resolve_include(self, file: InputFile, include: Include) -> InputFile:
        if _URL_SCHEME.match(include.pattern):
            raise CannotReadError("a file at an address is not fetched", hint="download it and name the copy")
        path = file.file.parent / include.pattern
        if not os.path.lexists(path):
            hint = "environment variables are left as they are" if "${" in include.pattern else ""
            raise CannotReadError(f"no such file: {self.finder.display_path(path)}", hint=hint)
        if is_directory(path):
            raise CannotReadError(f"a directory, not a file: {self.finder.display_path(path)}")
        if not _is_inside(path, _project_root(Path(os.path.realpath(file.root)))):
            message = f"lies outside of the project: {self.finder.display_path(path)}"
            raise CannotReadError(message, hint="name the file itself if it is to be read")
        name = include.format or detect_format(PurePosixPath(path))
        input_file = self.finder.make_file(path, root=file.root, name=name)
        return replace(input_file, group=include.group, constraint=include.constraint)

    def _expand_globs(self, file: InputFile, patterns: Sequence[str]) -> Iterator[InputFile]:
        """Yield what globs match in the directory that is searched."""
        folder = file.file.parent
        root = file.root if folder.is_relative_to(file.root) else folder
        globs = anchor_globs(patterns, folder.relative_to(root).as_posix())
        for glob in globs.outside_globs:
            self._add_note(file.key, f"{glob} leads out of the directory that is searched: not followed")
        rules = (compile_rules(os.path.realpath(root), globs.lines),)
        for base_directory in globs.base_directories:
            if is_directory(root / base_directory) and _is_inside(root / base_directory, root):
                yield from self.finder.find_below(root / base_directory, root, lambda path: is_ignored(rules, path))

    def _add_problem(self, key: str, include: Include, error: CannotReadError) -> None:
        """Note a problem at the line that names a file."""
        dependency_file = self.dependency_files[key]
        text = next(iter(self.texts[key].splitlines()[include.line - 1 : include.line]), "")
        problem = Problem(
            path=dependency_file.path,
            line=include.line,
            column=text.find(include.pattern) + 1,
            message=str(error),
            text=mask_secrets(text) if len(text) <= _MAX_LINE_LENGTH else "",
            hint=error.hint,
        )
        self.dependency_files[key] = replace(dependency_file, problems=(*dependency_file.problems, problem))

    def _add_note(self, key: str, note: str) -> None:
        dependency_file = self.dependency_files[key]
        self.dependency_files[key] = replace(dependency_file, notes=(*dependency_file.notes, note))

    def _share_indexes(self) -> None:
        """Let the indexes that a requirements file names hold for all files it is read together with, as pip does."""
        index_keys = [
            key
            for key, dependency_file in self.dependency_files.items()
            if dependency_file.index or dependency_file.extra_indexes
        ]
        for group in connected_groups(self.include_edges) if index_keys else ():
            members = frozenset(group)
            index_files = [self.dependency_files[key] for key in index_keys if key in members]
            index = next(
                (dependency_file.index for dependency_file in reversed(index_files) if dependency_file.index), ""
            )
            extra_indexes = tuple(
                dict.fromkeys(url for dependency_file in index_files for url in dependency_file.extra_indexes)
            )
            for key in group if index_files else ():
                self.dependency_files[key] = _apply_indexes(self.dependency_files[key], index, extra_indexes)


def _apply_indexes(dependency_file: DependencyFile, index: str, extra_indexes: tuple[str, ...]) -> DependencyFile:
    from nerq_cli.manifests.python.requirements import set_indexes

    index = dependency_file.index or index
    declarations = set_indexes(dependency_file.declarations, index, extra_indexes)
    return replace(dependency_file, declarations=declarations, index=index, extra_indexes=extra_indexes)


def _reread_lockfile(dependency_file: DependencyFile, text: str, file: Path) -> DependencyFile:
    """Read a lock file again, knowing what it may lack; what else is wrong with it stays."""
    from nerq_cli.manifests.discovery.workspace import unlocked_names
    from nerq_cli.manifests.python import pdm_lock, poetry_lock

    read_lockfile = pdm_lock.read if dependency_file.format == pdm_lock.NAME else poetry_lock.read
    return read_lockfile(
        text, dependency_file.path, constraint=dependency_file.constraint, unlocked=unlocked_names(file)
    )


def _is_prose(dependency_file: DependencyFile) -> bool:
    """Whether a file that only a search turned up is something else by a familiar name: most of it makes no sense."""
    problems, items = len(dependency_file.problems), len(dependency_file.declarations)
    return dependency_file.format == _REQUIREMENTS and problems >= _MIN_PROSE_PROBLEMS and problems > 2 * items


def _project_root(folder: Path) -> Path:
    """Return the repository a directory lies in, else the directory itself: as far as its files may lead.

    A scanned project must not make us read, send out or print what lies beside it.
    """
    repositories = (directory for directory in (folder, *folder.parents) if (directory / ".git").exists())
    return next(repositories, folder.parent if folder.name == "requirements" else folder)


def _is_inside(path: Path, root: Path) -> bool:
    """Whether a path stays below a directory once symbolic links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
