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
from nerq_cli.inventory import Include, Manifest
from nerq_cli.manifests import FORMATS, READERS, format_of
from nerq_cli.manifests.gitignore import Rules, ignored, rules_of
from nerq_cli.manifests.globs import gathered, is_glob
from nerq_cli.manifests.links import Link, circles, connected
from nerq_cli.manifests.opening import LARGEST, CannotReadError, contents, is_directory, reason, text_of, within_limit
from nerq_cli.manifests.origins import masked
from nerq_cli.manifests.tree import files

if TYPE_CHECKING:
    from nerq_cli.manifests.workspace import Workspaces

#: The path that stands for standard input, and what it is called in messages.
STDIN: Final = "-"
STDIN_SHOWN: Final = "<stdin>"

_ENDINGS: Final = tuple(ending for one in FORMATS.values() for ending in one.endings)
_TOOLS: Final = ", ".join(one.tool for one in FORMATS.values() if one.tool)
#: What a search looks for, and what is read besides when somebody names it, in few enough words to be shown whole.
_SEARCHED: Final = ", ".join(
    (*(one.files for one in FORMATS.values() if one.endings and not one.tool), f"the lock files of {_TOOLS}")
)
_KNOWN: Final = "; ".join((_SEARCHED, *(one.files for one in FORMATS.values() if not one.endings)))
#: A lock file that is no text, and the one that Bun writes in its place since 1.2.
_BINARY: Final = "bun.lockb"
_BINARY_AS_TEXT: Final = "bun.lock"
_BINARY_PROBLEM: Final = "a binary lock file: not read, so the versions in use are not known"
_BINARY_HINT: Final = "bun install --save-text-lockfile writes bun.lock, which is read"
#: Formats by how early their files are read: those that say what others are for come before those.
_EARLIEST: Final = {name: place for place, name in enumerate(FORMATS)}
_REQUIREMENTS: Final = "requirements"
#: Formats that the workspace around a file has a say about.
_OF_MEMBERS: Final = ("package.json", "pyproject")
#: Lock files that need not hold everything that something in them needs.
_INCOMPLETE: Final = ("pdm.lock", "poetry.lock")
_LIKE_JSON: Final = "this looks like JSON, not like a requirements file"
_AS_JSON: Final = "name its kind with --as: package.json, package-lock.json, Pipfile.lock, bun.lock or sbom"
#: A file with fewer malformed lines than this is taken for a dependency file with mistakes in it.
_PROSE: Final = 3
#: Longest line repeated in a problem, in characters.
_SHOWN: Final = 300
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file to be read: ``path`` is what it is called in messages, ``file`` where it is.

    ``format`` names its reader, empty when there is none. ``root`` is the directory that was searched, or that holds
    the file: globs in it reach no further. ``group`` and ``constraint`` are what a file that includes it says of it.
    ``problem`` is why it cannot be read, where that is known before it is opened. ``searched`` says that a search
    turned it up by its name, and nobody said that it is a dependency file.
    """

    path: str
    file: Path
    root: Path
    format: str = ""
    group: str = ""
    constraint: bool = False
    problem: Problem | None = None
    searched: bool = False

    @property
    def key(self) -> str:
        """What tells it from all other files, whichever way it is reached."""
        return self.path if self.path == STDIN_SHOWN else os.path.realpath(self.file)


# --- Finding ---------------------------------------------------------------------------------------------------------


def find(
    paths: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    include: Sequence[str] = (),
    recursive: bool = True,
    root: Path | None = None,
    as_format: str = "",
    stdin_as: str = "requirements.txt",
) -> tuple[FoundFile, ...]:
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
    return _Search(root, exclude, as_format, include, recursive=recursive).everything(paths, stdin_as)


class _Search:
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
        self.exclude = [self._relative(pattern) for pattern in exclude]
        self.include = [self._relative(pattern) for pattern in include]
        self.recursive = recursive
        self.as_format = _named_format(as_format) if as_format else ""

    def everything(self, paths: Sequence[str], stdin_as: str) -> tuple[FoundFile, ...]:
        """Return all files that the paths stand for, each once."""
        found: dict[str, FoundFile] = {}
        for path in paths:
            for one in [self.stdin(stdin_as)] if path == STDIN else self.named(path):
                found.setdefault(one.key, one)
        return tuple(found.values())

    def stdin(self, stdin_as: str) -> FoundFile:
        """Return standard input, as a file in the directory it is read in."""
        name = self.as_format or _named_format(stdin_as)
        return FoundFile(path=STDIN_SHOWN, file=self.base / STDIN_SHOWN, root=self.base, format=name)

    def named(self, path: str) -> Iterator[FoundFile]:
        """Yield the file that somebody names, or the files in a directory."""
        file = self.base / path
        if not os.path.lexists(file):
            raise UsageError(f"{path}: no such file or directory", hint="paths are relative to the current directory")
        if is_directory(file):
            yield from self.below(file, file)
        else:
            yield self.one(file, root=file.parent, name=self.as_format or _surely(file))
            lock = file.with_name(f"{file.name}.lock")
            if not self.as_format and file.suffix == ".py" and os.path.lexists(lock):  # what uv locks a script's in
                yield self.one(lock, root=file.parent, name=format_of(PurePosixPath(lock)))

    def below(self, top: Path, root: Path, matches: Callable[[str], bool] = bool) -> Iterator[FoundFile]:
        """Yield the dependency files in a directory and its directories; ``matches`` is asked about absolute paths."""
        real = Path(os.path.realpath(top))
        kept = self._kept(real)
        for seen in files(real, lambda path: _is_wanted(path) and kept(path) and matches(path), self._excluded(real)):
            name = "" if seen.problem else format_of(PurePosixPath(seen.path))
            away = not seen.problem and not _is_inside(Path(seen.path), _project(real))
            problem = "a link that leads out of the project: not followed" if away else seen.problem
            file = self.one(top / Path(seen.path).relative_to(real), root=root, name=name, problem=problem)
            yield replace(file, searched=True)

    def one(self, file: Path, *, root: Path, name: str, problem: str = "") -> FoundFile:
        """Return a file of a format; or one of none, or with another problem."""
        path = self.called(file)
        if problem:
            return FoundFile(path=path, file=file, root=root, problem=Problem(path=path, message=problem))
        if not name and file.name == _BINARY:
            binary = Problem(path=path, message=_BINARY_PROBLEM, hint=_BINARY_HINT)
            return FoundFile(path=path, file=file, root=root, problem=binary)
        if not name:
            hint = f"known are {_KNOWN}; --as reads another file as one of them"
            unknown = Problem(path=path, message="not a dependency file of a known format", hint=hint)
            return FoundFile(path=path, file=file, root=root, problem=unknown)
        return FoundFile(path=path, file=file, root=root, format=name)

    def called(self, file: Path) -> str:
        """Return what a file is called: its path from the current directory when it is below, else as it was given."""
        normal = Path(os.path.normpath(file))
        if normal.is_relative_to(self.base):
            shown = normal.relative_to(self.base)
        else:
            shown = Path(os.path.relpath(normal, self.base)) if file.is_relative_to(self.base) else normal
        return os.fsencode(shown.as_posix()).decode(errors="replace")

    def _relative(self, pattern: str) -> str:
        """Return a pattern as a .gitignore has it: ``./vendor`` and an absolute path below the root are anchored."""
        bare = pattern.removeprefix("!")
        if bare.startswith("./"):
            bare = bare[1:]
        elif Path(bare).is_absolute() and Path(os.path.normpath(bare)).is_relative_to(self.base):
            bare = f"/{Path(os.path.normpath(bare)).relative_to(self.base).as_posix()}"
        return f"{'!' * pattern.startswith('!')}{bare}"

    def _kept(self, top: Path) -> Callable[[str], bool]:
        """Return what says of an absolute path whether it is to be kept: it or a directory it is in is included."""
        base = Path(os.path.realpath(self.base))
        start = base if top.is_relative_to(base) else top
        rules = (rules_of(str(start), self.include),)

        def kept(path: str) -> bool:
            if not self.recursive and Path(path).parent != top:
                return False
            above = [folder for folder in Path(path).parents if folder != start and folder.is_relative_to(start)]
            return not self.include or any(
                (ignored(rules, path), *(ignored(rules, str(folder), directory=True) for folder in above))
            )

        return kept

    def _excluded(self, top: Path) -> tuple[Rules, ...]:
        base = Path(os.path.realpath(self.base))
        return (rules_of(str(base if top.is_relative_to(base) else top), self.exclude),) if self.exclude else ()


def _is_wanted(path: str) -> bool:
    if path.endswith(f"{os.sep}{_BINARY}"):
        return not os.path.lexists(Path(path).with_name(_BINARY_AS_TEXT))
    return path.lower().endswith(_ENDINGS) and bool(format_of(PurePosixPath(path)))


def _surely(file: Path) -> str:
    """Return the format of a file that somebody names, for which less is enough than for one that lies around."""
    sure = (name for name, one in FORMATS.items() if one.surely and file.name.lower().endswith(one.surely))
    return format_of(PurePosixPath(file)) or next(sure, "")


def _named_format(name: str) -> str:
    """Return the format that is called this, or that a file of this name has.

    Raises:
        UsageError: there is none.
    """
    found = name if name in FORMATS else _surely(Path(name))
    if not found:
        raise UsageError(f"{name}: no such format", hint=f"known are {', '.join(FORMATS)}")
    return found


# --- Reading ---------------------------------------------------------------------------------------------------------


def load(  # noqa: PLR0913 - all that a command line can say of a search
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
) -> tuple[Manifest, ...]:
    """Read the dependency files that paths stand for, and all that they include; each once.

    What is wrong with a file is in its ``problems``. See `find` for the other arguments.

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
    search = _Search(root, exclude, as_format, include, recursive=recursive)
    found = search.everything(paths, stdin_as)
    if not found:
        raise NothingToScanError(
            f"no dependency file in {', '.join(paths) or 'no path'}", hint=f"looked for {_SEARCHED}"
        )
    reading = _Reading(search, stdin or _whole_stdin)
    reading.go_through(found, progress or (lambda _, __: None))
    return reading.result([one.key for one in found])


def _whole_stdin() -> bytes:
    if sys.stdin is None:  # as in a program without a console
        raise CannotReadError("there is no standard input")
    return sys.stdin.buffer.read(LARGEST + 1)


class _Reading:
    """Files while they are read: at any time one may name others, and say what they are for."""

    def __init__(self, search: _Search, stdin: Callable[[], bytes]) -> None:
        self.search = search
        self.stdin = stdin
        self.waiting: list[tuple[bool, int, bool, int, FoundFile]] = []
        self.arrivals = count()
        self.manifests: dict[str, Manifest] = {}
        self.texts: dict[str, str] = {}
        self.links: dict[str, list[Link]] = {}

    @cached_property
    def workspaces(self) -> Workspaces:
        """What lies above the files that are read."""
        from nerq_cli.manifests.workspace import Workspaces

        return Workspaces()

    def go_through(self, found: Iterable[FoundFile], progress: Callable[[int, int], None]) -> None:
        """Read these files and whatever they include, each once; as a constraints file only if it is nothing more."""
        for one in found:
            self._wait(one, included=False)
        while self.waiting:
            progress(len(self.manifests), len(self.manifests) + len(self.waiting))
            file = heappop(self.waiting)[-1]
            known = self.manifests.get(file.key)
            if known is None or (known.constraint and not file.constraint):
                manifest = self.manifests[file.key] = self._read(file)
                self.links[file.key] = []
                self._follow(file, manifest)
        progress(len(self.manifests), len(self.manifests))

    def result(self, first: Iterable[str]) -> tuple[Manifest, ...]:
        """Return everything read: the files found first, then those they include."""
        for circle in circles(self.links):
            way = " -> ".join(self.manifests[key].path for key in circle.way)
            self._report(circle.holder, circle.include, CannotReadError(f"includes itself: {way}"))
        self._share_indexes()
        return tuple(self.manifests[key] for key in dict.fromkeys((*first, *self.manifests)))

    def _wait(self, file: FoundFile, *, included: bool) -> None:
        """Queue a file: constraints last, and who includes it has the say about what it is."""
        place = (file.constraint, _EARLIEST.get(file.format, -1), not included, next(self.arrivals))
        heappush(self.waiting, (*place, file))

    def _read(self, file: FoundFile) -> Manifest:
        if file.problem:
            return Manifest(path=file.path, format=file.format, problems=(file.problem,))
        try:
            text = text_of(self._stdin() if file.path == STDIN_SHOWN else contents(file.file))
        except CannotReadError as error:
            problem = Problem(path=file.path, line=error.line, message=str(error), hint=error.hint)
            return Manifest(path=file.path, format=file.format, problems=(problem,))
        if file.format == _REQUIREMENTS and not file.searched and text.lstrip().startswith("{"):
            problem = Problem(path=file.path, line=1, message=_LIKE_JSON, hint=_AS_JSON)
            return Manifest(path=file.path, format=file.format, problems=(problem,))
        manifest = READERS[file.format].read(text, file.path, constraint=file.constraint, group=file.group)
        if file.searched and _is_prose(manifest):
            note = "does not read like a requirements file: left out"
            return Manifest(path=file.path, format=file.format, notes=(note,))
        if file.format in _OF_MEMBERS:
            manifest = self.workspaces.completed(manifest, text, file.file, searched=file.root, group=file.group)
        if manifest.problems and file.format in _INCOMPLETE:
            manifest = _without_own(manifest, text, file.file)
        if manifest.includes:
            self.texts[file.key] = text
        return manifest

    def _stdin(self) -> bytes:
        try:
            return within_limit(self.stdin())
        except OSError as error:
            raise CannotReadError(f"cannot be read: {reason(error)}") from error

    def _follow(self, file: FoundFile, manifest: Manifest) -> None:
        """Queue what a file includes. In a requirements file a star is a star; elsewhere it makes a glob."""
        globs: list[str] = []
        for include in manifest.includes:
            if file.format != _REQUIREMENTS and is_glob(include.pattern):
                globs.append(include.pattern)
            else:
                self._follow_one(file, include)
        for one in self._matching(file, globs) if globs else ():
            self._wait(one, included=True)

    def _follow_one(self, file: FoundFile, include: Include) -> None:
        try:
            target = self._target(file, include)
        except CannotReadError as error:
            self._report(file.key, include, error)
            return
        if file.format == target.format == _REQUIREMENTS:
            self.links[file.key].append(Link(include, target.key))
        self._wait(target, included=True)

    def _target(self, file: FoundFile, include: Include) -> FoundFile:
        if _ADDRESS.match(include.pattern):
            raise CannotReadError("a file at an address is not fetched", hint="download it and name the copy")
        path = file.file.parent / include.pattern
        if not os.path.lexists(path):
            hint = "environment variables are left as they are" if "${" in include.pattern else ""
            raise CannotReadError(f"no such file: {self.search.called(path)}", hint=hint)
        if is_directory(path):
            raise CannotReadError(f"a directory, not a file: {self.search.called(path)}")
        if not _is_inside(path, _project(Path(os.path.realpath(file.root)))):
            outside = f"lies outside of the project: {self.search.called(path)}"
            raise CannotReadError(outside, hint="name the file itself if it is to be read")
        name = include.format or format_of(PurePosixPath(path))
        found = self.search.one(path, root=file.root, name=name)
        return replace(found, group=include.group, constraint=include.constraint)

    def _matching(self, file: FoundFile, matching: Sequence[str]) -> Iterator[FoundFile]:
        """Yield what globs match in the directory that is searched."""
        folder = file.file.parent
        root = file.root if folder.is_relative_to(file.root) else folder
        globs = gathered(matching, folder.relative_to(root).as_posix())
        for glob in globs.outside:
            self._note(file.key, f"{glob} leads out of the directory that is searched: not followed")
        rules = (rules_of(os.path.realpath(root), globs.lines),)
        for top in globs.tops:
            if is_directory(root / top) and _is_inside(root / top, root):
                yield from self.search.below(root / top, root, lambda path: ignored(rules, path))

    def _report(self, key: str, include: Include, error: CannotReadError) -> None:
        """Note a problem at the line that names a file."""
        manifest = self.manifests[key]
        text = next(iter(self.texts[key].splitlines()[include.line - 1 : include.line]), "")
        problem = Problem(
            path=manifest.path,
            line=include.line,
            column=text.find(include.pattern) + 1,
            message=str(error),
            text=masked(text) if len(text) <= _SHOWN else "",
            hint=error.hint,
        )
        self.manifests[key] = replace(manifest, problems=(*manifest.problems, problem))

    def _note(self, key: str, note: str) -> None:
        manifest = self.manifests[key]
        self.manifests[key] = replace(manifest, notes=(*manifest.notes, note))

    def _share_indexes(self) -> None:
        """Let the indexes that a requirements file names hold for all files it is read together with, as pip does."""
        stating = [key for key, one in self.manifests.items() if one.index or one.extra_indexes]
        for group in connected(self.links) if stating else ():
            members = frozenset(group)
            told = [self.manifests[key] for key in stating if key in members]
            index = next((one.index for one in reversed(told) if one.index), "")
            extra = tuple(dict.fromkeys(url for one in told for url in one.extra_indexes))
            for key in group if told else ():
                self.manifests[key] = _coming_from(self.manifests[key], index, extra)


def _coming_from(manifest: Manifest, index: str, extra_indexes: tuple[str, ...]) -> Manifest:
    from nerq_cli.manifests.requirements import coming_from

    index = manifest.index or index
    declared = coming_from(manifest.declared, index, extra_indexes)
    return replace(manifest, declared=declared, index=index, extra_indexes=extra_indexes)


def _without_own(manifest: Manifest, text: str, file: Path) -> Manifest:
    """Read a lock file again, knowing what it may lack; what else is wrong with it stays."""
    from nerq_cli.manifests import pdm_lock, poetry_lock
    from nerq_cli.manifests.workspace import unlocked

    read = pdm_lock.read if manifest.format == pdm_lock.NAME else poetry_lock.read
    return read(text, manifest.path, constraint=manifest.constraint, unlocked=unlocked(file))


def _is_prose(manifest: Manifest) -> bool:
    """Whether a file that only a search turned up is something else by a familiar name: most of it makes no sense."""
    problems, items = len(manifest.problems), len(manifest.declared)
    return manifest.format == _REQUIREMENTS and problems >= _PROSE and problems > 2 * items


def _project(folder: Path) -> Path:
    """Return the repository a directory lies in, else the directory itself: as far as its files may lead.

    A scanned project must not make us read, send out or print what lies beside it.
    """
    around = (one for one in (folder, *folder.parents) if (one / ".git").exists())
    return next(around, folder.parent if folder.name == "requirements" else folder)


def _is_inside(path: Path, root: Path) -> bool:
    """Whether a path stays below a directory once symbolic links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
