"""Read the dependency files of an earlier commit, for a scan of what has changed since then.

The files that matter are written into a temporary directory of their own, where the same code searches and reads them
as in the work tree. No work tree is checked out, and the repository is not changed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.application.git_objects import GitFile, Repository
from nerq_cli.application.read_dependencies import Inputs, read_inputs
from nerq_cli.application.settings_files import SETTINGS_FILES
from nerq_cli.config import read_config
from nerq_cli.config.document import find_review_file
from nerq_cli.errors import ConfigError, NothingToScanError, UsageError
from nerq_cli.manifests.discovery.git_index import build_index
from nerq_cli.manifests.formats import FORMATS, detect_format
from nerq_cli.manifests.read_file import MAX_BYTES
from nerq_cli.manifests.references.find import has_reader
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerq_cli.config import Config
    from nerq_cli.inventory import DependencyFile
    from nerq_cli.policy.waivers import Waiver
    from nerq_cli.store import Cache

#: Directories that no search enters.
_INSTALLED: Final = ("node_modules/", "site-packages/")
#: Most bytes of one commit that are read.
_MAX_TOTAL: Final = 1 << 30
#: Submodules in submodules.
_MAX_DEPTH: Final = 5
#: Included files that include further ones.
_MAX_ROUNDS: Final = 20
#: Changes of reviews that a note lists.
_MAX_REVIEWS: Final = 5


class OldProject(msgspec.Struct, frozen=True, kw_only=True):
    """The dependency files of a project at an earlier commit."""

    dependency_files: tuple[DependencyFile, ...]
    #: The scanned directory as in the paths of the files.
    base: str
    #: ``main at 1a2b3c4d5``.
    label: str
    #: Files of settings that are the same in the work tree, as their paths are displayed.
    same_files: frozenset[str] = frozenset()
    #: Sentences about what could not be read there.
    notes: tuple[str, ...] = ()
    #: The waivers of the settings there, without their places; None if they are not read.
    waivers: frozenset[Waiver] | None = None


def read_old_project(
    inputs: Inputs,
    ref: str,
    *,
    reads_settings: bool = True,
    settings_files: Iterable[str] = (),
    open_cache: Callable[[], Cache | None] = lambda: None,
) -> OldProject:
    """Return the dependency files of the inputs where HEAD left a branch, tag or commit.

    Args:
        inputs: what is scanned in the work tree.
        ref: the branch, tag or commit.
        reads_settings: whether the settings of the project apply.
        settings_files: paths of further files of settings, to be compared with the commit.
        open_cache: opens the cache of what source files refer to, most of which are the same as now.

    Raises:
        UsageError: git is not installed, there is no such commit, the clone lacks objects, or the inputs are not in one
            repository.
    """
    if inputs.environments or "-" in inputs.paths:
        what = "installed packages are" if inputs.environments else "standard input is"
        raise UsageError(f"--since: {what} in no git history", hint="--baseline FILE compares with an earlier report")
    repository = Repository.find(inputs.root)
    commit = repository.resolve(ref)
    merge_base = repository.find_merge_base(ref, commit)
    files, submodules = repository.list_files(merge_base)
    label = f"{ref} at {repository.describe(merge_base)}"
    with tempfile.TemporaryDirectory(prefix="nerq-since-") as directory:
        tree = _Tree(repository, Path(os.path.realpath(directory)), files, submodules)
        old_inputs = tree.locate(inputs)
        notes = [
            f"the submodule {path} is not read from git, which lacks its commit: its dependencies count as new"
            for path in tree.unread_submodules
        ]
        dependency_files: tuple[DependencyFile, ...] = ()
        waivers: frozenset[Waiver] | None = None
        if old_inputs.paths:
            try:
                dependency_files = tree.read(old_inputs, open_cache)
            except NothingToScanError:
                notes.append(f"{label} has no dependency file: everything counts as new")
        else:
            notes.append(f"{label} has nothing at {', '.join(inputs.paths)}: everything counts as new")
        same_files = tree.find_same(settings_files)
        if reads_settings:
            waivers, weaker = _compare_settings(tree, inputs, label, dependency_files)
            notes += weaker
    errors = [problem for file in dependency_files for problem in file.problems if problem.level != "note"]
    if errors:
        paths = ", ".join(dict.fromkeys(problem.path for problem in errors[:3]))
        notes.append(f"{format_count(len(errors), 'problem')} in the dependency files of {label}: {paths}")
    return OldProject(
        dependency_files=dependency_files,
        base=inputs.base if tree.is_cwd_inside else tree.find_base(inputs.root),
        label=label,
        same_files=same_files,
        notes=tuple(notes),
        waivers=waivers,
    )


@contextmanager
def open_tree(repository: Repository, commit: str) -> Iterator[tuple[Path, Sequence[str]]]:
    """Give a directory with the dependency files and settings of a commit, and what they include, until the end.

    With it come the paths of the submodules that cannot be read.

    Raises:
        UsageError: the clone lacks objects.
    """
    files, submodules = repository.list_files(commit)
    with tempfile.TemporaryDirectory(prefix="nerq-tree-") as directory:
        tree = _Tree(repository, Path(os.path.realpath(directory)), files, submodules)
        located = tree.locate(Inputs(paths=(str(repository.root),)))
        if located.paths:
            with suppress(NothingToScanError):
                tree.read(located, lambda: None)
        yield tree.root, tuple(tree.unread_submodules)


class _Tree:
    """A temporary directory with some files of a commit."""

    def __init__(
        self, repository: Repository, directory: Path, files: Sequence[GitFile], submodules: Sequence[GitFile] = ()
    ) -> None:
        self._repository = repository
        self._files = {file.path: file for file in files}
        self._submodules = submodules
        #: The repository of each file of a submodule.
        self._repositories: dict[str, Repository] = {}
        #: Paths of the submodules whose files cannot be read.
        self.unread_submodules: list[str] = []
        self._written: set[str] = set()
        self._total = 0
        #: Files that links lead to, still to be written.
        self._link_targets: list[GitFile] = []
        self._scanned: list[str] = []
        self.root = directory / "tree"
        #: What links that lead out of the repository lead to in this tree: a reader reports them, and reads nothing.
        self._outside = directory / "outside"
        self._outside.touch()
        (self.root / ".git" / "info").mkdir(parents=True)  # marks the limit for links and includes
        self._copy_excludes()
        working = os.path.relpath(os.path.realpath(Path.cwd()), repository.root)
        self.is_cwd_inside = not _is_outside(working)
        self.working_directory = (
            Path(os.path.normpath(self.root / working)) if self.is_cwd_inside else directory / "cwd"
        )
        self.working_directory.mkdir(parents=True, exist_ok=True)

    def _copy_excludes(self) -> None:
        """Copy the ignore rules that are no part of a commit, so that both sides ignore the same files."""
        try:
            rules = (self._repository.root / ".git" / "info" / "exclude").read_bytes()
        except OSError:
            return
        (self.root / ".git" / "info" / "exclude").write_bytes(rules[: 1 << 20])

    def find_base(self, root: Path) -> str:
        """Return the path of a directory of the work tree in this one."""
        return (self.root / self._find_relative(root)).as_posix().rstrip("/")

    def _find_relative(self, path: Path | str) -> str:
        """Return a path relative to the root of the repository; ``.`` for that."""
        absolute = os.path.abspath(path)  # noqa: PTH100 - a link itself, not what it leads to
        if os.path.isdir(absolute):  # noqa: PTH112 - as above
            real = os.path.realpath(absolute)
        else:
            real = os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))  # noqa: PTH118, PTH119, PTH120
        return Path(os.path.relpath(real, self._repository.root)).as_posix()

    def locate(self, inputs: Inputs) -> Inputs:
        """Write the files that a scan of the inputs may read, and return the inputs in this directory.

        Raises:
            UsageError: a path is outside of the repository.
        """
        for path in inputs.paths:
            relative = self._find_relative(path)
            if _is_outside(relative):
                raise UsageError(f"--since: {path} is outside of the repository {self._repository.root}")
            self._scanned.append(relative)
        self._add_submodules(self._repository, "", self._submodules)
        endings = tuple({ending for row in FORMATS.values() for ending in row.name_endings})
        is_source = has_reader if not inputs.no_models else (lambda _: False)
        selected = [
            file
            for path, file in self._files.items()
            if self._is_needed(path, endings) or (is_source(path) and self.is_scanned(path))
        ]
        self._write(selected)
        # Every file of a commit is tracked: an ignore rule does not apply to it.
        (self.root / ".git" / "index").write_bytes(build_index(file.path for file in selected))
        paths = [
            os.path.relpath(self.root / path, self.working_directory) if self.is_cwd_inside else str(self.root / path)
            for path in self._scanned
            if os.path.lexists(self.root / path) and self._has_files(path)
        ]
        return replace(inputs, paths=tuple(paths))

    def _add_submodules(
        self, repository: Repository, prefix: str, submodules: Iterable[GitFile], depth: int = _MAX_DEPTH
    ) -> None:
        """Add the files of the submodules that are scanned, as far as git has their objects."""
        for entry in submodules:
            path = f"{prefix}{entry.path}"
            if not self.is_scanned(path):
                continue
            found = repository.find_submodule(entry.path) if depth else None
            try:
                files, nested = ([], []) if found is None else found.list_files(entry.object_id)
            except UsageError:
                found = None
            if found is None:
                self.unread_submodules.append(path)
                continue
            (self.root / path / ".git").mkdir(parents=True, exist_ok=True)  # a limit for includes, as in the work tree
            for file in files:
                self._files[f"{path}/{file.path}"] = file._replace(path=f"{path}/{file.path}")
                self._repositories[f"{path}/{file.path}"] = found
            self._add_submodules(found, f"{path}/", nested, depth - 1)

    def _read_objects(self, files: Iterable[GitFile]) -> Iterator[tuple[GitFile, bytes, int]]:
        """Yield each file with its content and size, those of one repository together."""
        groups: dict[Repository, list[GitFile]] = {}
        for file in files:
            groups.setdefault(self._repositories.get(file.path, self._repository), []).append(file)
        for repository, group in groups.items():
            yield from repository.read_files(group, MAX_BYTES)

    def _has_files(self, path: str) -> bool:
        prefix = "" if path == "." else f"{path}/"
        return path in self._files or any(file.startswith(prefix) for file in self._files)

    def find_same(self, paths: Iterable[str]) -> frozenset[str]:
        """Return the paths, relative to the current directory, of files that have not changed, also if they moved."""
        files = {path: found for path in paths if (found := self._find_old(self._find_relative(path)))}
        contents = {file: content for file, content, _ in self._read_objects(files.values())}
        return frozenset(path for path, file in files.items() if _has_content(path, contents[file]))

    def _find_old(self, path: str) -> GitFile | None:
        """Return the file at a path, or the one that was moved there: of the same name, and no longer at its place."""
        if path in self._files:
            return self._files[path]
        moved = [
            file
            for old_path, file in self._files.items()
            if old_path.rpartition("/")[2] == path.rpartition("/")[2]
            and not os.path.lexists(self._repository.root / old_path)
        ]
        return max(moved, key=lambda file: count_common_end(file.path, path), default=None)

    def is_scanned(self, path: str) -> bool:
        """Whether a path of the repository is in what is scanned."""
        return any(scanned == "." or f"{path}/".startswith(f"{scanned}/") for scanned in self._scanned)

    def _is_needed(self, path: str, endings: tuple[str, ...]) -> bool:
        name = path.rpartition("/")[2]
        if path in self._scanned or name in SETTINGS_FILES:
            return True
        if not name.lower().endswith(endings) or any(installed in path for installed in _INSTALLED):
            return False
        return bool(detect_format(PurePosixPath(path)))

    def _write(self, files: Sequence[GitFile]) -> None:
        """Write files, then the symbolic links that stay inside."""
        links: list[Path] = []
        new_files = [file for file in files if file.path not in self._written]
        for file, content, size in self._read_objects(new_files):
            self._written.add(file.path)
            self._total += len(content)
            if self._total > _MAX_TOTAL:
                raise UsageError(f"--since: the dependency files of that commit have more than {_MAX_TOTAL >> 20} MB")
            target = self.root / file.path
            # A crafted tree may have a link and a directory of the same name: nothing is written through a link.
            if os.path.realpath(target.parent) != str(target.parent) or os.path.lexists(target):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.is_link:
                self._link(target, os.fsdecode(content))
                links.append(target)
                continue
            target.write_bytes(content)
            if size > MAX_BYTES:  # the reader reports it as too large, as in the work tree
                os.truncate(target, size)
        targets, self._link_targets = self._link_targets, []
        if any(file.path not in self._written for file in targets):
            self._write(targets)
        for link in links:
            if not _is_below(link, self.root):
                link.unlink(missing_ok=True)
                link.symlink_to(self._outside)

    def _link(self, link: Path, destination: str) -> None:
        if os.path.isabs(destination):  # noqa: PTH117 - a text of git
            link.symlink_to(self._outside)
        elif destination and "\0" not in destination:
            link.symlink_to(destination)
            path = Path(os.path.relpath(os.path.normpath(link.parent / destination), self.root)).as_posix()
            if path in self._files:
                self._link_targets.append(self._files[path])

    def read(self, inputs: Inputs, open_cache: Callable[[], Cache | None]) -> tuple[DependencyFile, ...]:
        """Return the dependency files, with what they include, whatever its name."""
        from nerq_cli.application.session import hide_progress

        for _ in range(_MAX_ROUNDS):
            files = read_inputs(inputs, hide_progress, root=self.working_directory, open_cache=open_cache)
            missing = [file for file in self._list_includes(files) if file.path not in self._written]
            if not missing:
                break
            self._write(missing)
        return files

    def _list_includes(self, files: Sequence[DependencyFile]) -> Iterator[GitFile]:
        for file in files:
            directory = self.working_directory / Path(file.path).parent
            for include in file.includes:
                target = os.path.relpath(os.path.normpath(directory / include.pattern), self.root)
                found = self._files.get(Path(target).as_posix())
                if found is not None:
                    yield found


def count_common_end(one: str, other: str) -> int:
    """Return the number of equal parts at the end of two paths."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _has_content(path: str, content: bytes) -> bool:
    """Whether a file has this content, apart from line ends, which git may convert."""
    try:
        return Path(path).read_bytes().replace(b"\r\n", b"\n") == content.replace(b"\r\n", b"\n")
    except OSError:
        return False


def _is_outside(relative: str) -> bool:
    return relative == ".." or relative.startswith(("../", "..\\")) or os.path.isabs(relative)  # noqa: PTH117


def _is_below(path: Path, root: Path) -> bool:
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), ""))  # noqa: PTH118


def _compare_settings(
    tree: _Tree, inputs: Inputs, label: str, dependency_files: Sequence[DependencyFile]
) -> tuple[frozenset[Waiver] | None, tuple[str, ...]]:
    """Return the waivers of the old settings, without their places, and how the settings of now are weaker.

    A change must not lower its own bar unseen. The waivers are None if the old settings cannot be used.
    """
    from nerq_cli.config.weaker import find_weaker

    new = read_config(inputs.root)
    old_root = Path(tree.find_base(inputs.root))
    try:
        old = read_config(old_root)
        old_nested = _read_nested(old, dependency_files, old_root, tree.working_directory)
    except ConfigError:
        return None, (f"the settings of {label} cannot be used: whether those of now are weaker is not known",)
    notes: list[str] = []
    if weaker := list(find_weaker(old, new)):
        subject = f"{new.path} accepts" if new.path else "the default settings accept"
        notes.append(f"{subject} more than at {label}: {'; '.join(weaker)}")
    new_nested = _read_nested(new, dependency_files, inputs.root, None)
    for folder in sorted(old_nested.keys() | new_nested.keys()):
        # Without waivers, and with the rest of the root's: what is weaker there is stated above.
        before, after = (
            _find_nearest(folder, nested, replace(root, waivers=()))
            for nested, root in ((old_nested, old), (new_nested, new))
        )
        weaker = [text for text in find_weaker(before, after) if text not in weaker]
        if weaker:
            notes.append(f"the settings in {folder} accept more than at {label}: {'; '.join(weaker)}")
    notes += _compare_reviews(old_root, inputs.root, label)
    waivers = (waiver for config in (old, *old_nested.values()) for waiver in config.waivers)
    return frozenset(map(drop_place, waivers)), tuple(notes)


def _compare_reviews(old_root: Path, root: Path, label: str) -> Iterator[str]:
    """Yield which reviews that are ``ok`` are new, or no longer object, and which imports are new or changed."""
    path = find_review_file(root)
    if path is None:
        return
    from nerq_cli.config.reviews import read_own_reviews

    today = date.max  # the run itself refuses reviews of the future
    new = read_own_reviews(path, today)
    old_path = find_review_file(old_root)
    try:
        old = None if old_path is None else read_own_reviews(old_path, today)
    except ConfigError:
        yield f"the reviews of {label} cannot be used: which of those of now are new is not known"
        return
    known = {replace(review, location=None) for review in old.reviews} if old is not None else set()
    added = [review for review in new.reviews if replace(review, location=None) not in known]
    kept = {replace(review, location=None) for review in new.reviews}
    changes = [f"ok of {review.label} by {review.who}" for review in added if review.verdict == "ok"]
    changes += [
        f"without {review.verdict} of {review.label} by {review.who}"
        for review in sorted(known - kept, key=lambda review: review.label)
        if review.verdict != "ok"
    ]
    old_imports = set(old.imports) if old is not None else set()
    changes += [f"import {entry.name}" for entry in new.imports if entry not in old_imports]
    if changes:
        more = f"; and {len(changes) - _MAX_REVIEWS} more" if len(changes) > _MAX_REVIEWS else ""
        yield f"{new.path} accepts more than at {label}: {'; '.join(changes[:_MAX_REVIEWS])}{more}"


def drop_place(waiver: Waiver) -> Waiver:
    """Return a waiver without the place of its table, to compare it with those of another state of the file."""
    return replace(waiver, location=None)


def _read_nested(
    config: Config, dependency_files: Sequence[DependencyFile], root: Path, start: Path | None
) -> dict[str, Config]:
    """Return the settings of the directories below the root that are obeyed, each with its own waivers."""
    if not config.nested:
        return {}
    from nerq_cli.application.nested_settings import list_directories, list_nested_folders, read_nested_settings

    folders = list_nested_folders(list_directories(dependency_files), root, config.path, start=start)
    return {
        folder: replace(entry.config, waivers=entry.waivers)
        for folder, entry in read_nested_settings(folders, config).items()
    }


def _find_nearest(folder: str, nested: Mapping[str, Config], root: Config) -> Config:
    folders = (folder, *(parent.as_posix() for parent in PurePosixPath(folder).parents))
    return next((nested[name] for name in folders if name in nested), root)
