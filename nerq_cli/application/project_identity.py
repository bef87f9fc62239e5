"""What tells one project from another: the names in its own manifests, and the address of its repository."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.discovery.gitignore import find_work_tree
from nerq_cli.patterns import compile_late

#: Largest file of git that is read, in bytes.
_MAX_BYTES: Final = 1024 * 1024
_ORIGIN: Final = compile_late(r'^\[remote "origin"\][^\[]*?^[ \t]*url[ \t]*=[ \t]*(\S+)', re.MULTILINE)
#: What precedes the path in ``https://user@host/acme/shop.git`` and ``git@host:acme/shop.git``.
_HOST: Final = compile_late(r"^(?:[a-z][a-z0-9+.-]*://[^/]*/|[^/:]+:(?!//))", re.IGNORECASE)


class ProjectIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of which project it is."""

    #: Names that the manifests in its own directory state, sorted; empty if none does.
    names: tuple[str, ...] = ()
    #: Irreversible hash of the path of its repository on whatever host; empty if none is known.
    repository: str = ""

    def differs(self, other: ProjectIdentity) -> bool | None:
        """Return whether they are two projects; None if that is not known.

        One repository is one project, also under another name; one name is one project, also in a copy elsewhere.
        """
        has_repositories = bool(self.repository and other.repository)
        if has_repositories and self.repository == other.repository:
            return False
        if self.names and other.names:
            return set(self.names).isdisjoint(other.names)
        return True if has_repositories else None


def identify_project(files: Iterable[DependencyFile], root: Path, base: str) -> ProjectIdentity:
    """Return the identity of a project. ``base`` is its directory, as in the paths of the files."""
    return ProjectIdentity(names=tuple(sorted(set(_iter_names(files, base)))), repository=_hash_repository(root))


def _iter_names(files: Iterable[DependencyFile], base: str) -> Iterable[str]:
    for file in files:
        if not file.locked_packages and PurePosixPath(file.path).parent == PurePosixPath(base or "."):
            yield from filter(None, (file.project_name, *file.local_names, *(name for name, _ in file.local_versions)))


def _hash_repository(root: Path) -> str:
    from hashlib import blake2b

    work_tree = find_work_tree(root.resolve())
    found = _ORIGIN.search(_read_config(work_tree / ".git")) if work_tree is not None else None
    if found is None:
        return ""
    path = _HOST.sub("", found[1]).strip("/").removesuffix(".git").casefold()
    return blake2b(path.encode(), digest_size=8).hexdigest() if path else ""


def _read_config(git: Path) -> str:
    """Return the configuration of a repository; ``git`` is a directory, or a file that names one."""
    if git.is_file():
        git = git.parent / _read(git).removeprefix("gitdir:").strip()
        git /= _read(git / "commondir").strip()
    return _read(git / "config")


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
