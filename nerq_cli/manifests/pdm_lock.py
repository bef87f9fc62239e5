"""pdm.lock: what PDM locked. It knows each package's edges, but not what the project itself asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import PYPI, Locked, Manifest, Need, normalise
from nerq_cli.manifests import origins
from nerq_cli.manifests.origins import Origin
from nerq_cli.manifests.python_locks import (
    Entries,
    Entry,
    LockFile,
    Table,
    any_of,
    by_name,
    entries,
    marker_of,
    numbered,
    specified_needs,
)
from nerq_cli.manifests.toml_document import quoted

NAME: Final = "pdm.lock"

#: The major version of the format that is read, and the newest minor one: PDM itself refuses any that is newer than
#: it knows (``PDMLock.compatibility`` in PDM).
VERSION: Final = (4, 5)
_VCS: Final = ("git", "hg", "svn", "bzr")
#: What tells two packages of the same name and version apart.
_SOURCE: Final = (*_VCS, "revision", "path", "url", "subdirectory")


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a pdm.lock."""
    return path.name == NAME


def read(
    text: str,
    path: str,
    *,
    constraint: bool = False,
    group: str = "",  # noqa: ARG001 - not included
    unlocked: Collection[str] = (),
) -> Manifest:
    """Read what PDM locked. What is wrong with the file is in ``problems``; nothing is raised.

    ``unlocked`` are normalised names that the file may lack, though something in it needs them.
    """
    lock = LockFile(text, path, unlocked)
    return lock.manifest(NAME, _locked(lock) if _is_known(lock) else (), constraint=constraint)


def _is_known(lock: LockFile) -> bool:
    if lock.problems:
        return False
    version = lock.root.table("metadata").text("lock_version")
    major, minor = numbered(version)
    if not version:
        lock.report("no lock_version in [metadata]: this is not a lock file of PDM's, or not all of it")
    elif major != VERSION[0] or minor > VERSION[1]:
        hint = f"versions {VERSION[0]}.0 to {VERSION[0]}.{VERSION[1]} of the format are read"
        lock.report(f"lock_version {quoted(version)} is not known", "metadata", "lock_version", hint=hint)
    return not lock.problems


def _locked(lock: LockFile) -> Iterator[Locked]:
    packages = list(_merged(entries(lock, "package", _origin, ("extras", *_SOURCE))))
    known = by_name(package[0] for package in packages)
    older = lock.root.table("metadata").table("files")
    for package in packages:
        one = package[0]
        yield one.locked(
            _needs(package, known),
            groups=_groups(package),
            marker=any_of(marker_of(entry.table, "marker") for entry in package),
            hashed=any(entry.table.values.get("files") for entry in package)
            or bool(older.values.get(f"{one.name} {one.version}")),
        )


def _merged(found: Iterable[Entry]) -> Iterable[Sequence[Entry]]:
    """Bring the entries of each package together: one for itself, and one for every set of its extras."""
    packages: dict[tuple[str, ...], list[Entry]] = {}
    for entry in found:
        source = (repr(entry.table.values.get(key)) for key in _SOURCE)
        packages.setdefault((normalise(PYPI, entry.name), entry.version, *source), []).append(entry)
    return packages.values()


def _needs(package: Sequence[Entry], known: Entries) -> Iterator[Need]:
    return chain.from_iterable(specified_needs(entry.table, "dependencies", known) for entry in package)


def _origin(table: Table) -> Origin:
    vcs = next((key for key in _VCS if key in table.values), "")
    if vcs:
        revision = table.text("revision") or table.text("ref")
        return Origin(skip=origins.of_repository(table.text(vcs), revision, vcs=vcs))
    if table.text("path"):
        return Origin(skip=origins.LOCAL)
    url = table.text("url")
    return Origin(skip=origins.of_url(url)) if url else Origin()


def _groups(package: Sequence[Entry]) -> list[str]:
    """Return the groups of a package, as far as the file tells which kind they are of.

    PDM lists extras and development groups in one row. Only ``default`` and ``dev`` say what they are; of a package
    that other groups ask for as well it can only be told that it is in ``default``.
    """
    named = {group for entry in package for group in entry.table.strings("groups")}
    if named <= {"default", "dev"}:
        return [group for name, group in (("default", "main"), ("dev", "dev")) if name in named]
    return ["main"] if "default" in named else []
