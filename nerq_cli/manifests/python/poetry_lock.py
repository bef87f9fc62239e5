"""poetry.lock: the packages and their edges. The direct dependencies of the project are not in the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, LockedPackage
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import PackageSource
from nerq_cli.manifests.python.dependency_groups import label_extra, label_group
from nerq_cli.manifests.python.poetry import translate_constraint
from nerq_cli.manifests.python.python_locks import (
    EntryIndex,
    LockEntry,
    LockFile,
    LockTable,
    find_extras,
    index_entries,
    join_alternatives,
    match_entries,
    parse_format_version,
    read_entries,
    read_marker,
    report_missing,
)
from nerq_cli.manifests.syntax.quote import quote_text, quote_version
from nerq_cli.patterns import compile_late

NAME: Final = "poetry.lock"

#: Major versions of the format that are read, as by Poetry 2 (its ``_READ_VERSION_RANGE``).
SUPPORTED_VERSIONS: Final = (1, 2)
#: Packages that Poetry did not lock before 1.2, though others depend on them.
_UNLOCKED_NAMES: Final = frozenset({"distribute", "pip", "setuptools", "wheel"})
#: Keys that limit a dependency to some environments, or to an extra.
_CONDITION_KEYS: Final = ("markers", "python", "platform", "optional")
#: Keys of a dependency that comes from no index.
_DIRECT_KEYS: Final = frozenset({"git", "hg", "path", "file", "url"})
#: The version of a file that states none: Poetry before 1.1 did not write it.
_UNSTATED_VERSION: Final = "1.0"
_CONTENT_HASH = compile_late(r"[0-9a-f]{64}")
#: A constraint that is not in the notation of PEP 440.
_POETRY_NOTATION = compile_late(r"[\^|*]|~(?!=)|^\s*[0-9v]|(?<![<>!=~])=(?!=)")


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a poetry.lock."""
    return path.name == NAME


def read(
    text: str,
    path: str,
    *,
    constraint: bool = False,
    group: str = "",  # noqa: ARG001 - no file includes a lock file
    unlocked: Collection[str] = (),
) -> DependencyFile:
    """Return the packages of a poetry.lock. Never raises.

    ``unlocked`` are the normalised names of packages that may be missing, though others depend on them.
    """
    lock = LockFile(text, path, unlocked)
    dependency_file = lock.build_file(NAME, _read_packages(lock) if _is_supported(lock) else (), constraint=constraint)
    content_hash = lock.root.get_table("metadata").values.get("content-hash")
    is_hash = isinstance(content_hash, str) and _CONTENT_HASH.fullmatch(content_hash)
    return replace(dependency_file, content_hashes=(str(content_hash),) if is_hash else ())


def _is_supported(lock: LockFile) -> bool:
    """Return whether the file is complete (its metadata come last) and of a supported version; report if not."""
    if lock.problems:
        return False
    if "metadata" not in lock.root.values:
        hint = "the file may be truncated or not of Poetry: lock the project again"
        lock.add_problem("no [metadata] at the end of the file", hint=hint)
        return False
    version = _read_version(lock)
    if lock.problems:
        return False
    if parse_format_version(version)[0] not in SUPPORTED_VERSIONS:
        hint = "versions 1 and 2 of the format are supported"
        lock.add_problem(
            f"lock-version {quote_version(version)} is not supported", "metadata", "lock-version", hint=hint
        )
        return False
    return True


def _read_version(lock: LockFile) -> str:
    """Return the version of the format."""
    return lock.root.get_table("metadata").get_text("lock-version") or _UNSTATED_VERSION


def _read_packages(lock: LockFile) -> Iterator[LockedPackage]:
    lock_entries = read_entries(lock, "package", _read_source, ("source",))
    entries_by_name = index_entries(lock_entries)
    extra_groups = _read_extras(lock.root.get_table("extras"))
    unlocked_names = _UNLOCKED_NAMES if parse_format_version(_read_version(lock))[0] == 1 else ()
    hashes = _read_old_hashes(lock.root.get_table("metadata"))
    for entry in lock_entries:
        table = entry.table
        optional = table.values.get("optional") is True
        marker = _read_marker(table)
        yield entry.make_package(
            _find_edges(table, entries_by_name, unlocked_names),
            groups=_read_optional_groups(table, extra_groups.get(normalise_name(PYPI, entry.name), ()), marker)
            if optional
            else _read_groups(table),
            marker=marker,
            optional=optional,
            hashed=bool(table.values.get("files")) or bool(hashes.get(normalise_name(PYPI, entry.name))),
        )


def _read_source(table: LockTable) -> PackageSource:
    source = table.get_table("source")
    kind, url = source.get_text("type"), source.get_text("url")
    if kind == "legacy":
        return PackageSource(index=package_source.strip_credentials(url))
    if kind in ("git", "hg"):
        revision = source.get_text("resolved_reference") or source.get_text("reference")
        return PackageSource(skip=package_source.repository_reason(url, revision, vcs=kind))
    if kind in ("directory", "file"):
        is_directory = kind == "directory"
        skip = package_source.LOCAL if is_directory else package_source.local_reason(url)
        return PackageSource(skip=skip, directory=package_source.find_directory(url) if is_directory else "")
    if kind == "url":
        return PackageSource(skip=package_source.url_reason(url))
    if source.values:
        source.report_problem(f"{quote_text(kind)} is an unknown type of source")
        return PackageSource(skip="a source of an unknown type")
    return PackageSource()


def _read_marker(table: LockTable) -> str:
    """Return the marker; if groups have different markers, one that is true if any of them is."""
    if not isinstance(table.values.get("markers"), dict):
        return read_marker(table, "markers")
    markers = table.get_table("markers")
    return join_alternatives(read_marker(markers, group) for group in table.get_strings("groups") or markers.values)


def _read_groups(table: LockTable) -> list[str]:
    """Return the groups of a package: a list since version 2.1 of the format, one category in 1.x."""
    groups = table.get_strings("groups") or list(filter(None, [table.get_text("category")]))
    return ["main" if group == "main" else label_group(group) for group in groups]


def _read_optional_groups(table: LockTable, extras: tuple[str, ...], marker: str) -> list[str]:
    """Return the groups of an optional package, with the extras that include it instead of ``main``."""
    extra_groups = list(extras) or find_extras(marker) or ["optional"]
    return [
        group_name for group in _read_groups(table) for group_name in (extra_groups if group == "main" else [group])
    ]


def _read_extras(table: LockTable) -> Mapping[str, tuple[str, ...]]:
    groups_by_package: dict[str, tuple[str, ...]] = {}
    for extra in table.values:
        for name in table.get_strings(extra):
            package = normalise_name(PYPI, name)
            groups_by_package[package] = (*groups_by_package.get(package, ()), label_extra(extra))
    return groups_by_package


def _read_old_hashes(metadata: LockTable) -> Mapping[str, object]:
    """Return the artefacts by package, where Poetry before 1.3 writes them."""
    return {
        normalise_name(PYPI, name): hashes
        for key in ("files", "hashes")
        for name, hashes in metadata.get_table(key).values.items()
    }


def _find_edges(table: LockTable, entries_by_name: EntryIndex, unlocked_names: Collection[str]) -> Iterator[Edge]:
    dependencies = table.get_table("dependencies")
    for name, constraints in dependencies.values.items():
        candidates = entries_by_name.get(normalise_name(PYPI, name), ())
        for index, constraint in enumerate(constraints) if isinstance(constraints, list) else [(None, constraints)]:
            keys = (name,) if index is None else (name, index)
            if not isinstance(constraint, (str, dict)):
                dependencies.report_problem("a dependency must be a version constraint or a table", *keys)
            elif candidates:
                yield from _read_edges(
                    LockTable(table.lock, (*dependencies.key_path, *keys), _as_table(constraint)), candidates
                )
            elif (
                not any(map(_as_table(constraint).get, _CONDITION_KEYS))
                and normalise_name(PYPI, name) not in unlocked_names
            ):
                report_missing(dependencies, name, *keys)


def _as_table(constraint: str | dict[str, object]) -> dict[str, object]:
    return {"version": constraint} if isinstance(constraint, str) else constraint


def _read_edges(constraint: LockTable, candidates: Sequence[LockEntry]) -> Iterator[Edge]:
    """Yield the edges of one constraint."""
    try:
        requirement = _normalise_constraint(constraint.get_text("version"))
    except ValueError as error:
        constraint.report_problem(str(error))
        return
    is_direct = not _DIRECT_KEYS.isdisjoint(constraint.values)
    same_kind = [entry for entry in candidates if bool(entry.source.skip) == is_direct] or candidates
    group = "optional" if constraint.values.get("optional") is True else "main"
    for entry in match_entries(same_kind, requirement):
        yield Edge(target=entry.key, group=group, requirement=requirement)


@lru_cache(maxsize=4096)
def _normalise_constraint(constraint: str) -> str:
    """Return a constraint in the notation of PEP 440, which most locked constraints have already."""
    return translate_constraint(constraint) if _POETRY_NOTATION.search(constraint) else constraint
