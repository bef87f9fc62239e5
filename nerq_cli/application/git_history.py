"""Find since when a file of a git repository has versions of packages, from the commits of the current branch.

Nothing is checked out, fetched or executed; see ``git_objects``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from nerq_cli.application.git_objects import GitFile, Repository
from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.errors import NerqError, UsageError
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.manifests.read_file import MAX_BYTES

if TYPE_CHECKING:
    from nerq_cli.inventory import DependencyFile, Release

#: Most commits of one file that are read, and most bytes of its versions together.
MAX_COMMITS: Final = 500
MAX_TOTAL: Final = 1 << 28
#: Most commits that are searched for the name that a file had before.
_MAX_RENAMES: Final = 20
#: Most files of one commit that are compared to find a renamed one.
_MAX_COMPARED: Final = 1_000
#: Mode of a symbolic link in a tree, and the id of no object.
_LINK_MODE: Final = "120000"
_NO_OBJECT: Final = "0"

#: ``exact``: since a commit; ``at-least``: since it or longer, earlier commits were not read; ``not-committed``: no
#: commit has it; ``unknown``: there is no history to read.
UseState: TypeAlias = Literal["exact", "at-least", "not-committed", "unknown"]


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Since when one file has a version."""

    path: str
    state: UseState
    #: Time of the commit (epoch seconds UTC); 0 if not known.
    since: int = 0
    #: Id of the commit; empty if not known.
    commit: str = ""
    #: Why it is not exact; empty if it is.
    reason: str = ""


class _Version(NamedTuple):
    """A file as one commit left it."""

    commit: str
    #: Epoch seconds UTC.
    committed_at: int
    #: None if the commit deleted it, or made it a link.
    file: GitFile | None
    #: Whether the commit before does not have the file.
    is_added: bool = False


def find_uses(path: str, releases: Sequence[Release], root: Path) -> dict[Release, Use]:
    """Return since when a file has each of these versions without interruption.

    Only commits of the current branch count: what a merged branch had before counts from the merge. A version that the
    file does not state exactly is not found there. ``root`` is the directory that the path is relative to.
    """
    target = root / path
    try:
        repository = Repository.find(target.parent)
        versions = _list_versions(repository, _locate(repository, target))
        ends_early = repository.is_shallow
    except (NerqError, OSError, ValueError):
        return {
            release: Use(path=path, state="unknown", reason="there is no git history to read") for release in releases
        }
    uses, oldest, reason = _walk(repository, versions, path, releases)
    if not reason and len(versions) > MAX_COMMITS:
        reason = f"only the last {MAX_COMMITS} commits of the file were read"
    if not reason and ends_early:
        reason = "this clone is shallow: earlier commits are not in it"
    open_releases = (release for release in releases if release not in uses)
    return uses | {release: _end(path, oldest.get(release), reason) for release in open_releases}


def _walk(
    repository: Repository, versions: Sequence[_Version], path: str, releases: Sequence[Release]
) -> tuple[dict[Release, Use], dict[Release, _Version], str]:
    """Read the versions of a file, newest first, until none has one of the releases any more.

    Returns the uses whose start was found, the oldest version read of each release, and why reading ended early.
    """
    uses: dict[Release, Use] = {}
    oldest: dict[Release, _Version] = {}
    try:
        for version, found in _read_versions(repository, versions[:MAX_COMMITS], path, releases):
            open_releases = [release for release in releases if release not in uses]
            oldest.update((release, version) for release in open_releases if release in found)
            uses |= {release: _end(path, oldest.get(release)) for release in open_releases if release not in found}
            if len(uses) == len(releases):
                break
    except UsageError:
        return uses, oldest, "an earlier version of the file cannot be read, or is too large"
    return uses, oldest, ""


def _end(path: str, version: _Version | None, reason: str = "") -> Use:
    if version is None:
        if reason:
            return Use(path=path, state="unknown", reason=reason)
        return Use(path=path, state="not-committed", reason="the last commit of the file does not have it")
    state: UseState = "at-least" if reason else "exact"
    return Use(path=path, state=state, since=version.committed_at, commit=version.commit, reason=reason)


def _locate(repository: Repository, target: Path) -> str:
    """Return the path of a file in its repository.

    Raises:
        ValueError: it is outside, or its name has a line end.
    """
    relative = (Path(target.parent.resolve()) / target.name).relative_to(repository.root).as_posix()
    if "\n" in relative:
        message = "a path with a line end"
        raise ValueError(message)
    return relative


def _list_versions(repository: Repository, path: str) -> list[_Version]:
    """Return the versions of a file, also under its earlier names, newest first; at least one more than are read.

    Raises:
        UsageError: git failed, or the repository has no commit with the file.
    """
    versions = _list_versions_at(repository, path, "HEAD")
    position = renames = 0
    while position < min(len(versions), MAX_COMMITS) and renames < _MAX_RENAMES:
        version = versions[position]
        position += 1
        if not version.is_added or version.file is None:
            continue
        renames += 1
        if old_path := _find_old_path(repository, version.commit, version.file.path):
            try:
                versions[position:] = _list_versions_at(repository, old_path, f"{version.commit}^1")
            except UsageError:  # the clone ends here
                break
    return versions


def _find_old_path(repository: Repository, commit: str, path: str) -> str:
    """Return the path that a file had before a commit added it; empty if the commit renamed none to it."""
    result = repository.run(
        "diff-tree",
        "-r",
        "-z",
        "-M",
        f"-l{_MAX_COMPARED}",
        "--diff-filter=R",
        "--name-status",
        "--no-ext-diff",
        "--no-textconv",
        f"{commit}^1",
        commit,
    )
    if result.returncode:  # the first commit, or the clone lacks the one before
        return ""
    fields = result.stdout.decode("utf-8", "surrogateescape").split("\0")
    for _, old_path, new_path in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        if new_path == path and "\n" not in old_path:
            return old_path
    return ""


def _list_versions_at(repository: Repository, path: str, commit: str) -> list[_Version]:
    """Return the versions of a file in a commit and those before it, newest first.

    Raises:
        UsageError: git failed, or there is no commit with the file.
    """
    result = repository.run(
        "--literal-pathspecs",
        "log",
        "--first-parent",
        "-m",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--no-show-signature",
        "--no-notes",
        "--no-color",
        "--format=commit %H %ct",
        f"--max-count={MAX_COMMITS + 1}",
        commit,
        "--",
        path,
    )
    versions = list(_parse_log(result.stdout.decode("ascii", "replace"), path))
    if result.returncode or not versions:
        raise UsageError(f"{path} has no history")
    return versions


def _parse_log(text: str, path: str) -> Iterator[_Version]:
    commit, committed_at = "", 0
    for line in text.splitlines():
        if line.startswith("commit "):
            _, commit, moment = line.split(" ")
            committed_at = int(moment)
        elif line.startswith(":") and commit:
            old_mode, mode, _, object_id = line.split(" ")[:4]
            is_file = object_id.strip(_NO_OBJECT) and mode != _LINK_MODE
            is_added = not old_mode.strip(f":{_NO_OBJECT}")
            yield _Version(commit, committed_at, GitFile(path, object_id) if is_file else None, is_added)
            commit = ""


def _read_versions(
    repository: Repository, versions: Sequence[_Version], path: str, releases: Sequence[Release]
) -> Iterator[tuple[_Version, set[Release]]]:
    """Yield each version of a file with those of the releases that it has.

    Raises:
        UsageError: the clone lacks a version, or it is too large.
    """
    contents = repository.read_files((version.file for version in versions if version.file), MAX_BYTES)
    total = 0
    known: dict[str, set[Release]] = {}
    for version in versions:
        if version.file is None:
            yield version, set()
            continue
        _, content, size = next(contents)
        total += size
        if size > MAX_BYTES or total > MAX_TOTAL:
            raise UsageError(f"{path} is too large")
        if version.file.object_id not in known:
            known[version.file.object_id] = _find_releases(path, content, releases)
        yield version, known[version.file.object_id]


def _find_releases(path: str, content: bytes, releases: Sequence[Release]) -> set[Release]:
    candidates = {release for release in releases if release.version.encode() in content}
    if not candidates:
        return set()
    with tempfile.TemporaryDirectory(prefix="nerq-history-") as directory:
        (Path(directory) / ".git").mkdir()  # marks the limit for includes
        file = Path(directory, Path(path).name)
        file.write_bytes(content)
        try:
            dependency_files = load_dependency_files([str(file)])
        except NerqError:
            return set()
        return candidates.intersection(_list_releases(dependency_files))


def _list_releases(dependency_files: Iterable[DependencyFile]) -> Iterator[Release]:
    from nerq_cli.inventory import Release

    for file in dependency_files:
        for entry in file.locked_packages:
            yield Release(
                package=entry.package, version=get_ecosystem(entry.ecosystem).get_public_version(entry.version)
            )
        for item in file.declarations:
            version = item.locked_version or get_ecosystem(item.ecosystem).parse_pin(item.requirement)
            if version:
                yield Release(package=item.package, version=get_ecosystem(item.ecosystem).get_public_version(version))
