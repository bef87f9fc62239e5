"""pylock.toml: the standard lock file of PEP 751, in which edges are optional.

The reader of `packaging` (since release 26) stops at the first error and has no line numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, LockedPackage
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import PackageSource
from nerq_cli.manifests.python.dependency_groups import label_extra, label_group
from nerq_cli.manifests.python.python_locks import (
    EntryIndex,
    LockEntry,
    LockFile,
    LockTable,
    index_entries,
    parse_format_version,
    read_entries,
    read_marker,
    read_specifier_edges,
    report_missing,
)
from nerq_cli.manifests.syntax.quote import quote_version
from nerq_cli.patterns import compile_late

NAME: Final = "pylock.toml"

#: The major version of the format that is read; minor versions are compatible (PEP 751, "lock-version").
VERSION: Final = 1
_FILE_NAME = compile_late(r"pylock\.(?:[^.]+\.)?toml")
_CHOICE_CLAUSE = compile_late(r"""["']([^"']+)["']\s+in\s+(extras|dependency_groups)\b""")
_CHOICE_VARIABLE = compile_late(r"\b(?:extras|dependency_groups)\b")
_OR_OPERATOR = compile_late(r"\bor\b")
#: Keys that distinguish packages of the same name and version.
_IDENTITY_KEYS: Final = ("marker", "requires-python", "index", "vcs", "directory", "archive")


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a pylock.toml, or a named one: pylock.docs.toml."""
    return bool(_FILE_NAME.fullmatch(path.name))


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - not included
    """Return the packages of a pylock.toml. Never raises."""
    lock = LockFile(text, path)
    dependency_file = lock.build_file(NAME, _read_packages(lock) if _is_supported(lock) else (), constraint=constraint)
    return replace(
        dependency_file,
        locked_groups=_list_groups(lock, PurePosixPath(path).name),
        content_hashes=_find_content_hashes(lock),
    )


def _list_groups(lock: LockFile, file_name: str) -> tuple[str, ...]:
    """Return the groups that a file is for, as far as it states them: one with a name may be for any."""
    extras, groups = (lock.root.get_strings(key) for key in ("extras", "dependency-groups"))
    default = () if file_name != NAME else ("main",)
    return (*default, *map(label_extra, extras), *map(label_group, groups))


def _find_content_hashes(lock: LockFile) -> tuple[str, ...]:
    """Return the hash of the manifest that PDM writes."""
    sha256 = lock.root.get_table("tool").get_table("pdm").get_table("hashes").values.get("sha256")
    return (f"sha256:{sha256}",) if isinstance(sha256, str) else ()


def _is_supported(lock: LockFile) -> bool:
    if lock.problems:
        return False
    version = lock.root.get_text("lock-version")
    if not version:
        lock.add_problem("no lock-version: not a lock file of PEP 751")
    elif parse_format_version(version)[0] != VERSION:
        hint = f"version {VERSION} of the format is supported"
        lock.add_problem(f"lock-version {quote_version(version)} is not supported", "lock-version", hint=hint)
    elif "packages" not in lock.root.values:
        lock.add_problem("no packages: the file is not complete")
    return not lock.problems


def _read_packages(lock: LockFile) -> Iterator[LockedPackage]:
    lock_entries = read_entries(lock, "packages", _read_source, _IDENTITY_KEYS)
    find_edges = _select_edge_reader(lock_entries)
    find_groups = _make_group_reader(lock)
    for entry in lock_entries:
        marker = _read_marker(entry.table)
        yield entry.make_package(
            None if find_edges is None else find_edges(entry.table),
            groups=find_groups(marker),
            marker=marker,
            hashed=_has_hashes(entry),
        )


def _read_source(table: LockTable) -> PackageSource:
    vcs, archive = table.get_table("vcs"), table.get_table("archive")
    if vcs.get_text("url"):
        revision = vcs.get_text("commit-id") or vcs.get_text("requested-revision")
        return PackageSource(
            skip=package_source.repository_reason(vcs.get_text("url"), revision, vcs=vcs.get_text("type") or "git")
        )
    if archive.get_text("url"):
        return PackageSource(skip=package_source.url_reason(archive.get_text("url")))
    if archive.get_text("path"):
        return PackageSource(skip=package_source.local_reason(archive.get_text("path")))
    directory = table.get_table("directory")
    if vcs.values or archive.values or directory.values:
        path = package_source.find_directory(directory.get_text("path"))
        return PackageSource(skip=package_source.LOCAL, directory=path)
    index = package_source.strip_credentials(table.get_text("index"))
    artefacts = (*table.get_tables("wheels"), table.get_table("sdist"))
    urls = [artefact.get_text("url") for artefact in artefacts]
    return package_source.judge_by_files(index, urls) if index else _read_file_source(table)


def _read_file_source(table: LockTable) -> PackageSource:
    """Return the source of a package without an index, by the addresses of its files: their server, or a directory."""
    artefacts = [*table.get_tables("wheels"), table.get_table("sdist")]
    source = package_source.judge_by_servers(artefact.get_text("url") for artefact in artefacts)
    if source.index:
        return source
    return PackageSource(skip=package_source.LOCAL_FILE if any(item.get_text("path") for item in artefacts) else "")


def _read_marker(table: LockTable) -> str:
    """Return the marker; with variables of PEP 751 unchecked, because older releases of `packaging` reject them."""
    text = table.get_text("marker")
    return text if _CHOICE_VARIABLE.search(text) else read_marker(table, "marker")


def _has_hashes(entry: LockEntry) -> bool:
    artefacts = [*entry.table.get_tables("wheels"), entry.table.get_table("sdist"), entry.table.get_table("archive")]
    return any(artefact.values.get("hashes") for artefact in artefacts)


def _select_edge_reader(lock_entries: Iterable[LockEntry]) -> Callable[[LockTable], Iterator[Edge]] | None:
    """Return the function that reads the edges of a package; None if the file has no edges. PDM has its own table."""
    entries_by_name = index_entries(lock_entries)
    if any("dependencies" in entry.table.values for entry in lock_entries):
        return lambda table: _read_standard_edges(table, entries_by_name)
    if any(_get_pdm_table(entry.table).values for entry in lock_entries):
        return lambda table: read_specifier_edges(_get_pdm_table(table), "dependencies", entries_by_name)
    return None


def _get_pdm_table(table: LockTable) -> LockTable:
    return table.get_table("tool").get_table("pdm")


def _read_standard_edges(table: LockTable, entries_by_name: EntryIndex) -> Iterator[Edge]:
    """Yield the edges of a package: tables with the keys that identify their target."""
    for edge in table.get_tables("dependencies"):
        candidates = entries_by_name.get(normalise_name(PYPI, edge.get_text("name")), ())
        targets = [candidate for candidate in candidates if _matches_edge(edge, candidate.table)]
        if not targets:
            report_missing(edge, edge.get_text("name"))
        yield from (Edge(target=target.key) for target in targets)


def _matches_edge(edge: LockTable, package: LockTable) -> bool:
    return all(package.values.get(key) == value for key, value in edge.values.items() if key != "name")


def _make_group_reader(lock: LockFile) -> Callable[[str], list[str]]:
    """Return the function that finds the groups of a marker: none if the file has neither extras nor groups."""
    if not any(lock.root.get_strings(key) for key in ("extras", "dependency-groups")):
        return lambda _: []
    default_groups = {normalise_name(PYPI, group) for group in lock.root.get_strings("default-groups")}

    def read_marker_groups(marker: str) -> list[str]:
        group_names = ["main"] if any(not _CHOICE_CLAUSE.search(part) for part in _OR_OPERATOR.split(marker)) else []
        for name, kind in _CHOICE_CLAUSE.findall(marker):
            group = normalise_name(PYPI, name)
            group_names.append(
                label_extra(group) if kind == "extras" else "main" if group in default_groups else label_group(group)
            )
        return group_names

    return read_marker_groups
