"""The repositories of a fleet: checkouts, and commits of git repositories, which need no work tree."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.application.git_objects import Repository
from nerq_cli.errors import UsageError
from nerq_cli.patterns import compile_late

#: Largest list that is read, in bytes.
_MAX_BYTES: Final = 64 << 20
_DEFAULT_REF: Final = "HEAD"
_GIT_DIRECTORY: Final = ".git"
#: Start of a comment after a path.
_COMMENT: Final = compile_late(r"\s#")
#: Start of the messages of the module that reads git objects, which belong to another command.
_OPTION: Final = "--since: "
#: Hints that are about options of that command.
_FOREIGN_HINT: Final = compile_late(r"--(?:baseline|since)\b")
#: Full id of a commit.
_COMMIT: Final = compile_late(r"[0-9a-f]{40}|[0-9a-f]{64}")


class FleetSource(NamedTuple):
    """One repository of a fleet."""

    #: How reports name it: the name of its directory, or more of its path where several have that name.
    name: str
    #: As it was given, without the reference.
    path: str
    #: Branch, tag or commit whose tree is read; empty for the files of a checkout.
    ref: str = ""

    @property
    def key(self) -> str:
        """Return what identifies it in the history: its real path, with the reference."""
        # Bytes that are not UTF-8 are written out: the history would store no project any more.
        real_path = os.fsencode(self.directory).decode(errors="backslashreplace")
        return f"{real_path}@{self.ref}" if self.ref else real_path

    @property
    def directory(self) -> Path:
        """Return its real path: for the ``.git`` of a checkout, whose commits are read, that of the checkout."""
        path = _find_real_path(self.path)
        return path.parent if self.ref and path.name == _GIT_DIRECTORY else path

    @property
    def shown_ref(self) -> str:
        """Return the reference as names have it: a bare repository stands for its ``HEAD``."""
        is_default = self.ref == _DEFAULT_REF and _find_real_path(self.path).name != _GIT_DIRECTORY
        return "" if is_default and is_bare(Path(self.path)) else self.ref


def list_sources(paths: Sequence[str], list_file: Path | None = None) -> tuple[FleetSource, ...]:
    """Return the repositories that the arguments and a list name, each once, in their order.

    The list has one ``PATH`` or ``PATH@REF`` on a line, relative to its own directory; ``#`` begins a comment, at the
    start of a line or after a space, unless there is such a path.

    Raises:
        UsageError: there is none, or the list cannot be read.
    """
    given = [_parse(path, Path()) for path in paths]
    if list_file is not None:
        given += [_parse(line, list_file.parent) for line in _read_list(list_file)]
    if not given:
        raise UsageError("no repository is named", hint="nerq fleet DIRECTORY..., or --list FILE")
    unique: dict[str, FleetSource] = {}
    for source in given:
        unique.setdefault(source.key, source)
    return tuple(_name_apart(list(unique.values())))


def _read_list(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{path} has more than {_MAX_BYTES >> 20} MB")
    for line in content.decode("utf-8-sig", "surrogateescape").splitlines():
        text = line.strip()
        if not os.path.lexists(path.parent / text):
            text = _COMMENT.split(f" {text}", maxsplit=1)[0].strip()
        if text:
            yield text


def _parse(text: str, directory: Path) -> FleetSource:
    if not text:
        raise UsageError("a repository has an empty name", hint="the current directory is .")
    path, ref = text, ""
    if not os.path.lexists(directory / text) and "@" in text:
        path, _, ref = text.rpartition("@")
    full_path = str(directory / path)
    if not ref and is_bare(Path(full_path)):
        ref = _DEFAULT_REF
    return FleetSource("", full_path, ref)


def is_bare(path: Path) -> bool:
    """Return whether a directory is a git repository without a work tree."""
    return (
        os.path.isfile(path / "HEAD")  # noqa: PTH113 - pathlib raises for a name that is too long
        and _is_directory(path / "objects")
        and _is_directory(path / "refs")
        and not os.path.lexists(path / ".git")
    )


def _is_directory(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - as above


def _find_real_path(path: str) -> Path:
    """Return a path without links; as it is if no system has such a path."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # a name that is too long, or with a zero byte
        return Path(path)


def _name_apart(sources: Sequence[FleetSource]) -> Iterator[FleetSource]:
    """Yield the sources with names that differ."""
    parts = [source.directory.parts for source in sources]
    refs = [source.shown_ref for source in sources]
    depths = [1] * len(sources)
    names = [_join_name(items, 1, ref) for items, ref in zip(parts, refs, strict=True)]
    while len(set(names)) < len(names):
        taken: dict[str, int] = {}
        for name in names:
            taken[name] = taken.get(name, 0) + 1
        is_longer = False
        for index, name in enumerate(names):
            if taken[name] > 1 and depths[index] < len(parts[index]):
                depths[index] += 1
                is_longer = True
        names = [_join_name(items, depth, ref) for items, depth, ref in zip(parts, depths, refs, strict=True)]
        if not is_longer:
            break
    for source, name in zip(sources, names, strict=True):
        yield source._replace(name=name)


def _join_name(parts: Sequence[str], depth: int, ref: str) -> str:
    name = "/".join(parts[-depth:]).replace("//", "/") or "/"
    name = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return f"{name}@{ref}" if ref else name


class Checkout(NamedTuple):
    """A directory with the files of a repository."""

    root: Path
    #: Id of the commit; empty for the files of a work tree.
    commit: str = ""
    #: Paths of the submodules whose objects the repository lacks.
    unread_submodules: Sequence[str] = ()


@contextmanager
def open_checkout(source: FleetSource, commit: str = "") -> Iterator[Checkout]:
    """Give a directory with the files of a repository: the checkout itself, or some files of a commit, until the end.

    Args:
        source: the repository.
        commit: the commit that its reference named before; empty resolves the reference.

    Raises:
        UsageError: there is no such directory or commit, or git cannot read it.
    """
    path = Path(source.path)
    if not _is_directory(path):
        what = "is not a directory" if os.path.lexists(path) else "does not exist"
        raise UsageError(f"{source.path} {what}")
    if not os.access(path, os.R_OK | os.X_OK):
        raise UsageError(f"{source.path}: no permission to read it")
    if not source.ref:
        yield Checkout(path)
        return
    from nerq_cli.application.since import open_tree

    if shutil.which("git") is None:
        raise UsageError(f"git is needed to read {source.ref}, and is not installed")
    with _explain_git_errors():
        repository = _find_repository(path)
        commit = commit if _COMMIT.fullmatch(commit) else repository.resolve(source.ref)
        tree = open_tree(repository, commit)
        root, unread_submodules = tree.__enter__()
    try:
        yield Checkout(root, commit, unread_submodules)
    finally:
        tree.__exit__(None, None, None)


def _find_repository(path: Path) -> Repository:
    if not is_bare(path):
        return Repository.find(path)
    return Repository.find_bare(path)


@contextmanager
def _explain_git_errors() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        hint = "" if _FOREIGN_HINT.search(error.hint) else error.hint
        raise UsageError(f"{error}".removeprefix(_OPTION), hint=hint) from error
