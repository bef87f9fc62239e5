"""Read dependency files and the files that they include, each once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import count, islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli.errors import NothingToScanError
from nerq_cli.garbage import pause_garbage_collection
from nerq_cli.inventory import NOT_UNDERSTOOD, Declaration, DependencyFile, Include, LockedPackage, Origin, locate_url
from nerq_cli.manifests.discovery.find import STDIN_LABEL, FileFinder, InputFile, is_inside, project_root
from nerq_cli.manifests.discovery.gitignore import compile_rules, is_ignored
from nerq_cli.manifests.discovery.globs import anchor_globs, is_glob
from nerq_cli.manifests.discovery.governing import lists_member
from nerq_cli.manifests.discovery.include_graph import IncludeEdge, connected_groups, find_cycles
from nerq_cli.manifests.discovery.local_projects import name_local_projects
from nerq_cli.manifests.formats import FORMATS, describe_searched_files, detect_format
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
from nerq_cli.manifests.syntax.quote import excerpt_line
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem

if TYPE_CHECKING:
    from nerq_cli.manifests.discovery.workspace import Workspaces

_REQUIREMENTS: Final = "requirements"
_PDM_LOCK: Final = "pdm.lock"
_YARN_LOCK: Final = "yarn.lock"
#: Formats of lock files that may omit the members of the workspace.
_FORMATS_WITHOUT_MEMBERS: Final = frozenset({_YARN_LOCK, "package-lock.json"})
#: What a template engine replaces (Jinja, Cookiecutter, ERB).
_TEMPLATE: Final = compile_late(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>")
_TEMPLATE_MESSAGE: Final = "a template"
#: Most indexes of one file whose lines are searched; real files name a few.
_MAX_ORIGINS: Final = 20
#: Formats whose own tools read the encoding from a comment.
_ENCODING_COMMENT_FORMATS: Final = frozenset({_REQUIREMENTS, "setup.py"})
_JSON_PROBLEM: Final = "this looks like JSON, not like a requirements file"
_JSON_HINT: Final = "name its kind with --as: package.json, package-lock.json, Pipfile.lock, bun.lock or sbom"
#: Fewest problems for which a file found by a search is taken for prose.
_MIN_PROSE_PROBLEMS: Final = 3
_URL_SCHEME: Final = compile_late(r"[A-Za-z][A-Za-z0-9+.-]+:")


def load_dependency_files(  # noqa: PLR0913 - the options of a search on the command line
    paths: Sequence[str],
    *,
    stdin: Callable[[], bytes] | None = None,
    stdin_as: str = "requirements.txt",
    exclude: Sequence[str] = (),
    include: Sequence[str] = (),
    recursive: bool = True,
    as_format: str = "",
    skipped_formats: Sequence[str] = (),
    root: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    is_source: Callable[[str], bool] | None = None,
    source_files: list[InputFile] | None = None,
) -> tuple[DependencyFile, ...]:
    """Return the dependency files at the paths and the files that they include, each once.

    Errors in a file are in its ``problems``.

    Args:
        paths: as in `find_dependency_files`, and so are the arguments not listed here.
        stdin: returns all of standard input.
        stdin_as: the format of standard input, or a file name that determines it.
        exclude: patterns of files to leave out.
        include: patterns of files to read; empty means all.
        recursive: whether to search the directories in a directory.
        as_format: the format of all files in ``paths``.
        skipped_formats: formats whose files a search leaves out.
        root: directory that paths are relative to; by default the current directory.
        progress: called with the number of files read and the number of files known.
        is_source: predicate on paths of files to list in ``source_files``; one may be a dependency file as well.
        source_files: filled with such files, in the order of the search, also where this raises an error.

    Raises:
        NothingToScanError: there is no dependency file.
        UsageError: a path does not exist, or there is no such format.
    """
    finder = FileFinder(
        root, exclude, as_format, include, recursive=recursive, is_source=is_source, skipped_formats=skipped_formats
    )
    input_files = finder.find_all(paths, stdin_as)
    if source_files is not None:
        source_files += finder.source_files.values()
    if not input_files:
        raise _nothing_found(paths, finder)
    loader = _FileLoader(finder, stdin or _read_stdin)
    loader.load_all(input_files, progress or (lambda _, __: None))
    dependency_files = loader.collect_results([file.key for file in input_files])
    if not dependency_files:
        raise _nothing_found(paths, finder)
    return _add_ignored(dependency_files, finder)


def _nothing_found(paths: Sequence[str], finder: FileFinder) -> NothingToScanError:
    hint = finder.describe_ignored() or f"looked for {describe_searched_files()}"
    return NothingToScanError(f"no dependency file in {', '.join(paths) or 'no path'}", hint=hint)


def _is_unrelated(dependency_file: DependencyFile) -> bool:
    """Whether a file has the name of a format that it has nothing of."""
    file_format = FORMATS.get(dependency_file.format)
    return (
        file_format is not None
        and file_format.may_have_other_content
        and not (dependency_file.declarations or dependency_file.includes or dependency_file.problems)
    )


def _add_ignored(dependency_files: Sequence[DependencyFile], finder: FileFinder) -> tuple[DependencyFile, ...]:
    """Return the files, the first one with what was left out though git may track it: a problem or a note."""
    first, *others = dependency_files
    description = finder.describe_ignored()
    if description and finder.has_unreadable_index:
        problem = Problem(path=first.path, message=description, hint="git status repairs it, or names its fault")
        first = replace(first, problems=(*first.problems, replace(problem, level="incomplete")))
    elif description:
        first = replace(first, notes=(*first.notes, description))
    return (first, *others)


def _read_stdin() -> bytes:
    if sys.stdin is None:  # a program without a console
        raise CannotReadError("there is no standard input")
    return sys.stdin.buffer.read(MAX_BYTES + 1)


class _FileLoader:
    """Reads a queue of files; each file may add the files that it includes."""

    def __init__(self, finder: FileFinder, stdin: Callable[[], bytes]) -> None:
        self.finder = finder
        self.stdin = stdin
        self.queue: list[tuple[bool, int, bool, int, InputFile]] = []
        self.sequence = count()
        self.read_order = {name: rank for rank, name in enumerate(FORMATS)}
        self.dependency_files: dict[str, DependencyFile] = {}
        self.texts: dict[str, str] = {}
        self.include_edges: dict[str, list[IncludeEdge]] = {}
        #: Keys of the files that a search found by their names, and that have another content.
        self.unrelated: set[str] = set()

    @cached_property
    def workspaces(self) -> Workspaces:
        """The workspaces around the files."""
        from nerq_cli.manifests.discovery.workspace import Workspaces

        return Workspaces()

    def load_all(self, input_files: Iterable[InputFile], progress: Callable[[int, int], None]) -> None:
        """Read the files and their includes. A file that is also included as constraints counts as requirements."""
        for input_file in input_files:
            self._enqueue(input_file, from_include=False)
        while self.queue:
            progress(len(self.dependency_files), len(self.dependency_files) + len(self.queue))
            file = heappop(self.queue)[-1]
            previous = self.dependency_files.get(file.key)
            if previous is None or (previous.constraint and not file.constraint):
                dependency_file = self.dependency_files[file.key] = self._read_dependency_file(file)
                self.include_edges[file.key] = []
                if file.from_search and _is_unrelated(dependency_file):
                    self.unrelated.add(file.key)
                self._follow_includes(file, dependency_file)
        progress(len(self.dependency_files), len(self.dependency_files))

    def collect_results(self, first_keys: Iterable[str]) -> tuple[DependencyFile, ...]:
        """Return all files read: first those found, then those included."""
        for cycle in find_cycles(self.include_edges):
            cycle_path = " -> ".join(self.dependency_files[key].path for key in cycle.path)
            self._add_problem(cycle.includer, cycle.include, CannotReadError(f"includes itself: {cycle_path}"))
        self._share_indexes()
        keys = [key for key in dict.fromkeys((*first_keys, *self.dependency_files)) if key not in self.unrelated]
        return name_local_projects([self.dependency_files[key] for key in keys])

    def _enqueue(self, file: InputFile, *, from_include: bool) -> None:
        """Queue a file: constraints last, and an included file before the same file from a search."""
        priority = (file.constraint, self.read_order.get(file.format, -1), not from_include, next(self.sequence))
        heappush(self.queue, (*priority, file))

    def _read_dependency_file(self, file: InputFile) -> DependencyFile:
        if file.problem:
            return DependencyFile(path=file.path, format=file.format, problems=(file.problem,))
        try:
            data = self._stdin_bytes() if file.path == STDIN_LABEL else read_bytes(file.file)
            text = decode_text(data, suggest_comment=file.format in _ENCODING_COMMENT_FORMATS)
        except CannotReadError as error:
            problem = Problem(path=file.path, line=error.line, message=str(error), hint=error.hint, level=error.level)
            return DependencyFile(path=file.path, format=file.format, problems=(problem,))
        if file.format == _REQUIREMENTS and not file.from_search and text.lstrip().startswith("{"):
            problem = Problem(path=file.path, line=1, message=_JSON_PROBLEM, hint=_JSON_HINT)
            return DependencyFile(path=file.path, format=file.format, problems=(problem,))
        with pause_garbage_collection():
            dependency_file = FORMATS[file.format].reader.read(
                text, file.path, constraint=file.constraint, group=file.group
            )
        if file.from_search and _is_prose(dependency_file):
            message = "not a requirements file by its content: left out"
            note = Problem(path=file.path, message=message, level="note")
            return DependencyFile(path=file.path, format=file.format, problems=(note,))
        if FORMATS[file.format].uses_workspace:
            dependency_file = self.workspaces.complete_file(dependency_file, text, file.file, group=file.group)
        if dependency_file.problems and FORMATS[file.format].may_lack_packages:
            dependency_file = _reread_lockfile(dependency_file, text, file.file)
        dependency_file = _apply_manifests(dependency_file, file.file)
        if dependency_file.includes:
            self.texts[file.key] = text
        if file.members and dependency_file.importers is None:
            may_have_members = dependency_file.format in _FORMATS_WITHOUT_MEMBERS
            members = tuple(pair for pair in file.members if may_have_members and lists_member(file.file, pair[0]))
            members += tuple(self._enqueue_siblings(file, members)) if members else ()
            file = replace(file, members=members or file.members)
            dependency_file = dependency_file if members else replace(dependency_file, importers=())
        return replace(
            dependency_file,
            origins=_locate_indexes(dependency_file, text),
            members=file.members,
            problems=tuple(_grade_problems(dependency_file, text)),
        )

    def _enqueue_siblings(self, lock: InputFile, members: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Queue the members of a workspace that the given ones require, and yield them as members.

        A lock file of Yarn 1 has neither the members nor what they require.
        """
        from nerq_cli.manifests.npm import package_json

        root_file = self.finder.make_file(
            lock.file.with_name(package_json.NAME), root=lock.root, name=package_json.NAME
        )
        includes = package_json.read(_read_text(root_file.file), root_file.path).includes
        siblings: dict[str, InputFile] = {}
        patterns = [include.pattern for include in includes if ".." not in include.pattern]
        for sibling in self._expand_globs(root_file, patterns):
            if sibling.problem:
                continue
            name = next(iter(package_json.read(_read_text(sibling.file), sibling.path).local_versions), ("",))[0]
            siblings.setdefault(name, sibling)
        pending = [self.dependency_files[path] for path in self.dependency_files if path in self._list_keys(members)]
        found: dict[str, InputFile] = {}
        while pending:
            for declaration in pending.pop().declarations:
                sibling_file = siblings.get(declaration.name)
                if sibling_file is not None and declaration.name not in found:
                    found[declaration.name] = sibling_file
                    pending.append(package_json.read(_read_text(sibling_file.file), sibling_file.path))
        known_paths = {path for _, path in members}
        for sibling in found.values():
            if sibling.path not in known_paths:
                self._enqueue(replace(sibling, from_search=False), from_include=True)
                member = Path(
                    os.path.relpath(os.path.realpath(sibling.file.parent), os.path.realpath(lock.file.parent))
                )
                yield member.as_posix(), sibling.path

    def _list_keys(self, members: Sequence[tuple[str, str]]) -> set[str]:
        """Return the keys of the manifests of members."""
        paths = {path for _, path in members}
        return {key for key, dependency_file in self.dependency_files.items() if dependency_file.path in paths}

    def _stdin_bytes(self) -> bytes:
        try:
            return require_within_limit(self.stdin())
        except OSError as error:
            raise CannotReadError(f"cannot be read: {os_error_reason(error)}") from error

    def _follow_includes(self, file: InputFile, dependency_file: DependencyFile) -> None:
        """Queue the includes of a file. Requirements files have no globs: a star is part of the name."""
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
            message, hint = "a file at an address is not fetched", "download it and name the copy"
            raise CannotReadError(message, hint=hint, level="incomplete")
        path = file.file.parent / include.pattern
        if not is_inside(path, project_root(Path(os.path.realpath(file.root)))):  # whether there is such a file or not
            message = f"lies outside of the project: {include.pattern}"
            raise CannotReadError(message, hint="name the file itself if it is to be read")
        if not os.path.lexists(path):
            hint = "environment variables are left as they are" if "${" in include.pattern else ""
            raise CannotReadError(f"no such file: {self.finder.display_path(path)}", hint=hint, level="incomplete")
        if is_directory(path):
            raise CannotReadError(f"a directory, not a file: {self.finder.display_path(path)}")
        name = include.format or detect_format(PurePosixPath(path))
        input_file = self.finder.make_file(path, root=file.root, name=name)
        return replace(input_file, group=include.group, constraint=include.constraint)

    def _expand_globs(self, file: InputFile, patterns: Sequence[str]) -> Iterator[InputFile]:
        """Yield the matches of globs in the directory that is searched."""
        folder = file.file.parent
        root = file.root if folder.is_relative_to(file.root) else folder
        globs = anchor_globs(patterns, folder.relative_to(root).as_posix())
        for glob in globs.outside_globs:
            self._add_note(file.key, f"{glob} leads out of the directory that is searched: not followed")
        rules = (compile_rules(os.path.realpath(root), globs.lines),)
        for base_directory in globs.base_directories:
            if is_directory(root / base_directory) and is_inside(root / base_directory, root):
                yield from self.finder.find_below(root / base_directory, root, lambda path: is_ignored(rules, path))

    def _add_problem(self, key: str, include: Include, error: CannotReadError) -> None:
        """Add a problem at the line of an include."""
        dependency_file = self.dependency_files[key]
        text = next(iter(self.texts[key].splitlines()[include.line - 1 : include.line]), "")
        problem = Problem(
            path=dependency_file.path,
            line=include.line,
            column=text.find(include.pattern) + 1,
            message=mask_secrets(str(error)),
            text=excerpt_line(text),
            hint=error.hint,
            level=error.level,
        )
        self.dependency_files[key] = replace(dependency_file, problems=(*dependency_file.problems, problem))

    def _add_note(self, key: str, note: str) -> None:
        dependency_file = self.dependency_files[key]
        self.dependency_files[key] = replace(dependency_file, notes=(*dependency_file.notes, note))

    def _share_indexes(self) -> None:
        """Apply the indexes of a requirements file to all files connected with it by includes, as pip does."""
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


def _read_text(file: Path) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        return decode_text(read_bytes(file))
    except CannotReadError:
        return ""


def _locate_indexes(dependency_file: DependencyFile, text: str) -> tuple[Origin, ...]:
    """Return where a file names the indexes of its declarations."""
    urls = dict.fromkeys((dependency_file.index, *dependency_file.extra_indexes))
    items: list[Declaration | LockedPackage] = [*dependency_file.declarations, *dependency_file.locked_packages]
    for item in items:
        if item.index or item.extra_indexes:
            urls.update(dict.fromkeys((item.index, *item.extra_indexes)))
    return tuple(
        Origin(url=url, location=locate_url(text, dependency_file.path, url))
        for url in islice(filter(None, urls), _MAX_ORIGINS)
    )


def _grade_problems(dependency_file: DependencyFile, text: str) -> Iterator[Problem]:
    """Yield the problems of a file; those that a template explains are notes: a program fills it before it is used."""
    lines = text.splitlines() if dependency_file.problems else []
    for problem in dependency_file.problems:
        line = lines[problem.line - 1] if 0 < problem.line <= len(lines) else ""
        is_template = _TEMPLATE.search(line) is not None or _TEMPLATE.search(dependency_file.path) is not None
        if is_template and problem.level == "error":
            yield replace(problem, message=f"{_TEMPLATE_MESSAGE}: {problem.message}", hint="", level="note")
        else:
            yield problem


def _apply_indexes(dependency_file: DependencyFile, index: str, extra_indexes: tuple[str, ...]) -> DependencyFile:
    from nerq_cli.manifests.python.requirements import set_indexes

    index = dependency_file.index or index
    declarations = set_indexes(dependency_file.declarations, index, extra_indexes)
    return replace(dependency_file, declarations=declarations, index=index, extra_indexes=extra_indexes)


def _apply_manifests(dependency_file: DependencyFile, file: Path) -> DependencyFile:
    """Return a lock file with what only the manifests that it locks state."""
    if dependency_file.format == _PDM_LOCK:
        from nerq_cli.manifests.discovery.workspace import apply_pdm_indexes

        return apply_pdm_indexes(dependency_file, file)
    if dependency_file.format == _YARN_LOCK and dependency_file.importers:
        from nerq_cli.manifests.discovery.workspace import drop_development_edges

        return drop_development_edges(dependency_file, file)
    return dependency_file


def _reread_lockfile(dependency_file: DependencyFile, text: str, file: Path) -> DependencyFile:
    """Read a lock file again with the names that it may lack; its other problems remain."""
    from nerq_cli.manifests.discovery.workspace import unlocked_names
    from nerq_cli.manifests.python import pdm_lock, poetry_lock

    read_lockfile = pdm_lock.read if dependency_file.format == pdm_lock.NAME else poetry_lock.read
    return read_lockfile(
        text, dependency_file.path, constraint=dependency_file.constraint, unlocked=unlocked_names(file)
    )


def _is_prose(dependency_file: DependencyFile) -> bool:
    """Whether a file with the name of a requirements file is prose: most of its lines are malformed."""
    problems = len(dependency_file.problems)
    items = sum(declaration.skip_reason != NOT_UNDERSTOOD for declaration in dependency_file.declarations)
    return dependency_file.format == _REQUIREMENTS and problems >= _MIN_PROSE_PROBLEMS and problems > 2 * items
