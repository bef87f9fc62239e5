"""pdm.lock: the packages and their edges. The direct dependencies of the project are not in the file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, LockedPackage
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import PackageSource
from nerq_cli.manifests.python.dependency_groups import label_extra, label_group
from nerq_cli.manifests.python.python_locks import (
    VCS_KEYS,
    EntryIndex,
    LockEntry,
    LockFile,
    LockTable,
    index_entries,
    join_alternatives,
    parse_format_version,
    read_entries,
    read_marker,
    read_specifier_edges,
)
from nerq_cli.manifests.syntax.quote import quote_version
from nerq_cli.patterns import compile_late

NAME: Final = "pdm.lock"

#: The major version of the format that is read, and its newest minor version (``PDMLock.compatibility`` in PDM).
VERSION: Final = (4, 5)
_CONTENT_HASH = compile_late(r"sha256:[0-9a-f]{64}")
#: Keys that distinguish packages of the same name and version.
_SOURCE_KEYS: Final = (*VCS_KEYS, "revision", "path", "url", "subdirectory")


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a pdm.lock."""
    return path.name == NAME


def read(
    text: str,
    path: str,
    *,
    constraint: bool = False,
    group: str = "",  # noqa: ARG001 - no file includes a lock file
    unlocked: Collection[str] = (),
) -> DependencyFile:
    """Return the packages of a pdm.lock. Never raises.

    ``unlocked`` are the normalised names of packages that may be missing, though others depend on them.
    """
    lock = LockFile(text, path, unlocked)
    dependency_file = lock.build_file(NAME, _read_packages(lock) if _is_supported(lock) else (), constraint=constraint)
    metadata = lock.root.get_table("metadata").values
    content_hash = metadata.get("content_hash")
    # With lock_inputs, PDM compares those in place of the hash.
    is_hash = isinstance(content_hash, str) and "lock_inputs" not in metadata and _CONTENT_HASH.fullmatch(content_hash)
    return replace(
        dependency_file,
        content_hashes=(str(content_hash),) if is_hash else (),
        locked_groups=_list_locked_groups(lock),
    )


def _list_locked_groups(lock: LockFile) -> tuple[str, ...] | None:
    """Return the groups that the file was made for; None if it does not state them.

    By its name alone a group may be an extra or one of development.
    """
    names = lock.root.get_table("metadata").get_strings("groups")
    labels = (("main",) if name == "default" else (label_extra(name), label_group(name)) for name in names)
    return tuple(chain.from_iterable(labels)) or None


def _is_supported(lock: LockFile) -> bool:
    if lock.problems:
        return False
    version = lock.root.get_table("metadata").get_text("lock_version")
    major, minor = parse_format_version(version)
    if not version:
        lock.add_problem("no lock_version in [metadata]: not a lock file of PDM, or truncated")
    elif major != VERSION[0] or minor > VERSION[1]:
        hint = f"versions {VERSION[0]}.0 to {VERSION[0]}.{VERSION[1]} of the format are supported"
        lock.add_problem(
            f"lock_version {quote_version(version)} is not supported", "metadata", "lock_version", hint=hint
        )
    return not lock.problems


def _read_packages(lock: LockFile) -> Iterator[LockedPackage]:
    packages = list(_group_entries(read_entries(lock, "package", _read_source, ("extras", *_SOURCE_KEYS))))
    entries_by_name = index_entries(package[0] for package in packages)
    file_hashes = lock.root.get_table("metadata").get_table("files")
    for package in packages:
        first_entry = package[0]
        yield first_entry.make_package(
            _find_edges(package, entries_by_name),
            groups=_read_groups(package),
            marker=join_alternatives(read_marker(entry.table, "marker") for entry in package),
            hashed=any(entry.table.values.get("files") for entry in package)
            or bool(file_hashes.values.get(f"{first_entry.name} {first_entry.version}")),
        )


def _group_entries(lock_entries: Iterable[LockEntry]) -> Iterable[Sequence[LockEntry]]:
    """Return the entries of each package: one for itself, and one for every set of its extras."""
    packages: dict[tuple[str, ...], list[LockEntry]] = {}
    for entry in lock_entries:
        source_values = (repr(entry.table.values.get(key)) for key in _SOURCE_KEYS)
        packages.setdefault((normalise_name(PYPI, entry.name), entry.version, *source_values), []).append(entry)
    return packages.values()


def _find_edges(package: Sequence[LockEntry], entries_by_name: EntryIndex) -> Iterator[Edge]:
    return chain.from_iterable(read_specifier_edges(entry.table, "dependencies", entries_by_name) for entry in package)


def _read_source(table: LockTable) -> PackageSource:
    vcs = next((key for key in VCS_KEYS if key in table.values), "")
    if vcs:
        revision = table.get_text("revision") or table.get_text("ref")
        return PackageSource(skip=package_source.repository_reason(table.get_text(vcs), revision, vcs=vcs))
    if table.get_text("path"):
        path = table.get_text("path")
        return PackageSource(skip=package_source.local_reason(path), directory=package_source.find_directory(path))
    url = table.get_text("url")
    if url:
        return PackageSource(skip=package_source.url_reason(url))
    return package_source.judge_by_servers(_iter_file_urls(table))


def _iter_file_urls(table: LockTable) -> Iterator[str]:
    """Yield the addresses of the files of a package (PDM's strategy ``static_urls``).

    PDM before 2.8 has the files at the end of the lock file.
    """
    by_package = table.lock.root.get_table("metadata").get_table("files").values
    for files in (table.values.get("files"), by_package.get(f"{table.get_text('name')} {table.get_text('version')}")):
        for file in files if isinstance(files, list) else ():
            if isinstance(file, dict) and isinstance(url := file.get("url"), str):
                yield url


def _read_groups(package: Sequence[LockEntry]) -> list[str]:
    """Return the groups of a package whose kind is certain.

    PDM lists extras and development groups together. Only ``default`` and ``dev`` are certain; if there are others,
    only ``default`` is returned.
    """
    group_names = {group for entry in package for group in entry.table.get_strings("groups")}
    if group_names <= {"default", "dev"}:
        return [group for name, group in (("default", "main"), ("dev", "dev")) if name in group_names]
    return ["main"] if "default" in group_names else []
