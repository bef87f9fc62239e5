"""Apply lock files to manifests: versions come from the lock file, direct dependencies from the manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.errors import Problem
from nerq_cli.inventory import (
    Declaration,
    DependencyFile,
    Drift,
    Edge,
    Importer,
    LockedPackage,
    Package,
)
from nerq_cli.resolve.graph import MAIN_GROUP, OPTIONAL_GROUP, Graph

#: Groups whose declarations are in no lock file.
_UNLOCKED_GROUPS: Final = ("build", "constraint")
_SHRINKWRAP: Final = "npm-shrinkwrap.json"
_PACKAGE_LOCK: Final = "package-lock.json"


def apply_lockfiles(dependency_files: Sequence[DependencyFile]) -> tuple[DependencyFile, ...]:
    """Return the files, with locked declarations moved from the manifests to their lock files.

    A manifest keeps the declarations that are in none of its lock files. npm ignores a package-lock.json beside an
    npm-shrinkwrap.json; so does this function.
    """
    lockfiles = {file.path: file for file in dependency_files if file.locked_packages or file.importers is not None}
    files_by_location = {_split_path(file.path): file for file in dependency_files if file.path not in lockfiles}
    updated_files: dict[str, DependencyFile] = {}
    remaining: dict[str, list[Declaration]] = {}
    #: Lock files of workspaces that have none of the manifests, and their paths by manifest.
    omitted: set[str] = set()
    unlisted: dict[str, list[str]] = {}
    for lockfile in lockfiles.values():
        shrinkwrap = _find_overriding_lockfile(lockfile.path)
        if shrinkwrap in lockfiles:
            updated_files[lockfile.path] = replace(lockfile, locked_packages=(), importers=None, lockfile=shrinkwrap)
            continue
        applier = _LockfileApplier(lockfile, files_by_location, frozenset(_split_path(path)[0] for path in lockfiles))
        if lockfile.members and not applier.source_files:
            omitted.add(lockfile.path)
            for _, manifest_path in lockfile.members:
                unlisted.setdefault(manifest_path, []).append(lockfile.path)
            continue
        updated_files[lockfile.path] = applier.apply()
        for dependency_file, unlocked in applier.unlocked:
            candidates = remaining.get(dependency_file.path, list(dependency_file.declarations))
            remaining[dependency_file.path] = [declaration for declaration in candidates if declaration in unlocked]
            current = updated_files.get(dependency_file.path, dependency_file)
            updated_files[dependency_file.path] = replace(
                current,
                declarations=tuple(remaining[dependency_file.path]),
                lockfile=current.lockfile or lockfile.path,
                locked_count=len(dependency_file.declarations) - len(remaining[dependency_file.path]),
            )
    return tuple(
        _note_unlisted(updated_files.get(file.path, file), unlisted.get(file.path, ()))
        for file in dependency_files
        if file.path not in omitted
    )


def _note_unlisted(dependency_file: DependencyFile, lockfiles: Sequence[str]) -> DependencyFile:
    """Return a manifest with a note on each lock file above it that does not have it."""
    if dependency_file.lockfile:
        return dependency_file
    notes = [
        Problem(path=dependency_file.path, message=f"{path} does not list this directory: not used", level="note")
        for path in lockfiles
    ]
    return replace(dependency_file, problems=(*dependency_file.problems, *notes))


def _find_overriding_lockfile(path: str) -> str:
    """Return the path of the lock file that npm prefers to this one; empty if there is none."""
    directory, name = _split_path(path)
    return f"{directory}/{_SHRINKWRAP}".lstrip("/") if name == _PACKAGE_LOCK else ""


def _split_path(path: str) -> tuple[str, str]:
    """Return the directory and the name of a file."""
    directory, _, name = path.rpartition("/")
    return directory, name


@dataclass
class _LockfileApplier:
    """Application of one lock file to its manifests."""

    lockfile: DependencyFile
    #: Files that are not lock files, by directory and name.
    dependency_files: Mapping[tuple[str, str], DependencyFile]
    #: Directories with a lock file.
    lockfile_directories: frozenset[str]
    #: Differences between the manifests and the lock file.
    drift: list[Drift] = field(default_factory=list)
    #: The manifests of the lock file, each with the declarations that are not locked.
    unlocked: list[tuple[DependencyFile, list[Declaration]]] = field(default_factory=list)

    @cached_property
    def entries_by_package(self) -> dict[Package, list[LockedPackage]]:
        """Return the entries of each package."""
        entries: dict[Package, list[LockedPackage]] = {}
        for entry in self.lockfile.locked_packages:
            entries.setdefault(entry.package, []).append(entry)
        return entries

    @cached_property
    def source_files(self) -> dict[str, DependencyFile]:
        """Return the manifests of the lock file by their directory, relative to it."""
        if self.lockfile.members:
            return self._find_governed_files()
        lockfile_directory = _split_path(self.lockfile.path)[0]
        file_names = {file_name.rpartition("/")[2] for file_name in self.lockfile.locked_filenames}
        files: dict[str, DependencyFile] = {}
        for path in dict.fromkeys(["", *(importer.path for importer in self.lockfile.importers or ())]):
            directory = _join_path(lockfile_directory, path)
            file = next(
                (
                    self.dependency_files[directory, file_name]
                    for file_name in file_names
                    if (directory, file_name) in self.dependency_files
                ),
                None,
            )
            if file is not None:
                files[path] = file
        if self.lockfile.importers is None and "" in files:
            files |= self._find_members(lockfile_directory, file_names, files[""])
        return files

    def _find_governed_files(self) -> dict[str, DependencyFile]:
        """Return the manifests of the members that the lock file was read for, if it has them."""
        paths = None if self.lockfile.importers is None else {importer.path for importer in self.lockfile.importers}
        manifests = {file.path: file for file in self.dependency_files.values()}
        return {
            member: manifests[path]
            for member, path in self.lockfile.members
            if path in manifests and (paths is None or member in paths)
        }

    @cached_property
    def local_names(self) -> frozenset[str]:
        """Return the names of the project and of the members of its workspace."""
        return frozenset(name for file in (self.lockfile, *self.source_files.values()) for name in file.local_names)

    def _find_members(
        self, lockfile_directory: str, file_names: Collection[str], root_file: DependencyFile
    ) -> dict[str, DependencyFile]:
        """Return the workspace members that the root manifest lists, for lock files without importers."""
        prefix = f"{lockfile_directory}/" if lockfile_directory else ""
        members: dict[str, DependencyFile] = {}
        for (directory, file_name), file in self.dependency_files.items():
            path = directory.removeprefix(prefix)
            is_candidate = (
                file_name in file_names
                and directory.startswith(prefix)
                and directory != lockfile_directory
                and directory not in self.lockfile_directories
            )
            if is_candidate and any(
                fnmatchcase(f"{path}/{file_name}", include.pattern) for include in root_file.includes
            ):
                members[path] = file
        return members

    def apply(self) -> DependencyFile:
        """Return the lock file with declarations for its entries and the locked declarations of its manifests."""
        locked_declarations: list[Declaration] = []
        importers = list(self.lockfile.importers or ())
        if self.lockfile.members:
            importers = [importer for importer in importers if importer.path in self.source_files]
        for path, dependency_file in self.source_files.items():
            importer = next((candidate for candidate in importers if candidate.path == path), Importer(path=path))
            importers = [candidate for candidate in importers if candidate.path != path]
            importers.append(self._lock_declarations(dependency_file, importer, locked_declarations))
        if self.lockfile.importers is None and not self.source_files:
            importers = [Importer(edges=tuple(_infer_direct_edges(self.lockfile.locked_packages)))]
        graph = Graph(self.lockfile, importers)
        entries = self.lockfile.locked_packages
        if self.lockfile.members:  # the other members require the rest
            entries = tuple(entry for entry in entries if entry.key in graph.nearest_direct)
        entry_declarations = [
            declaration for candidate in entries for declaration in self._declare_entry(candidate, graph)
        ]
        return replace(
            self.lockfile,
            locked_packages=entries,
            declarations=(*locked_declarations, *entry_declarations),
            importers=tuple(importers) if importers else self.lockfile.importers,
            drift=tuple(self.drift),
        )

    def _lock_declarations(
        self, dependency_file: DependencyFile, importer: Importer, locked_declarations: list[Declaration]
    ) -> Importer:
        """Add the locked declarations of one manifest to the list, and return its importer with their edges."""
        unlocked: list[Declaration] = []
        edge_groups: dict[Edge, list[str]] = {}
        for declaration in dependency_file.declarations:
            entry, edge = self._match_declaration(declaration, importer.edges)
            self._check_drift(declaration, entry, edge)
            if entry is None:
                unlocked.append(declaration)
                continue
            source = entry if entry.index or entry.extra_indexes else declaration
            locked_declarations.append(
                replace(
                    declaration,
                    locked_version=entry.version,
                    skip_reason=entry.skip_reason or declaration.skip_reason,
                    index=source.index,
                    extra_indexes=source.extra_indexes,
                    has_stated_index=bool(entry.index),
                )
            )
            edge = edge or Edge(target=entry.key, group=declaration.group, requirement=declaration.requirement)
            edge_groups.setdefault(edge, []).append(declaration.group)
        self.unlocked.append((dependency_file, unlocked))
        all_edges = dict.fromkeys([*importer.edges, *edge_groups])
        return Importer(path=importer.path, edges=tuple(_assign_groups(all_edges, edge_groups)))

    def _match_declaration(
        self, declaration: Declaration, edges: Sequence[Edge]
    ) -> tuple[LockedPackage | None, Edge | None]:
        """Return the entry that locks a declaration, and the edge of the lock file that leads to it."""
        entries = self.entries_by_package.get(declaration.package, ())
        if declaration.group in _UNLOCKED_GROUPS or not entries:
            return None, None
        by_key = {candidate.key: candidate for candidate in entries}
        matching_edges = [
            edge
            for edge in edges
            if edge.target in by_key and declaration.alias in (edge.alias, by_key[edge.target].alias)
        ]
        if matching_edges:
            # Deno locks several ranges of one package, all without an alias.
            matching_edges = (
                [edge for edge in matching_edges if edge.requirement == declaration.requirement]
                or [edge for edge in matching_edges if _allows_version(declaration, by_key[edge.target].version)]
                or matching_edges
            )
            edge = next(
                (candidate for candidate in matching_edges if candidate.group == declaration.group), matching_edges[0]
            )
            return by_key[edge.target], edge
        compatible_entries = [
            candidate for candidate in entries if _allows_version(declaration, candidate.version)
        ] or entries
        newest_version = get_ecosystem(declaration.ecosystem).sort_newest_first(
            [candidate.version for candidate in compatible_entries]
        )[0]
        return next(candidate for candidate in compatible_entries if candidate.version == newest_version), None

    def _check_drift(self, declaration: Declaration, entry: LockedPackage | None, edge: Edge | None) -> None:
        """Record a declaration that the locked version does not satisfy.

        A lock file with the same requirement is up to date, even if an override locks another version.
        """
        if declaration.skip_reason or declaration.group in _UNLOCKED_GROUPS:
            return
        if entry is None:
            # A lock file may omit what a marker or an option excludes.
            if (
                declaration.marker
                or declaration.group in ("peer", OPTIONAL_GROUP)
                or declaration.name in self.local_names
            ):
                return
        elif (
            (edge is not None and edge.requirement == declaration.requirement)
            or entry.skip_reason
            or _allows_version(declaration, entry.version)
        ):
            return
        locked_versions = tuple(
            sorted(locked_package.version for locked_package in self.entries_by_package.get(declaration.package, ()))
        )
        self.drift.append(
            Drift(
                package=declaration.package,
                requirement=declaration.requirement,
                locked_versions=locked_versions,
                location=declaration.location,
                lockfile=self.lockfile.path,
            )
        )

    def _declare_entry(self, entry: LockedPackage, graph: Graph) -> Iterator[Declaration]:
        """Yield a declaration of one entry for each of its groups.

        Yields nothing for the project itself and for a workspace member that no package depends on.
        """
        if entry.skip_reason and entry.name in self.lockfile.local_names and entry.key not in graph.nearest_direct:
            return
        edges = graph.direct_edges.get(entry.key, ())
        direct_key = graph.nearest_direct.get(entry.key)
        via = graph.entries[direct_key].name if direct_key is not None and not edges else ""
        groups = graph.groups.get(entry.key) or entry.groups or (MAIN_GROUP,)
        if entry.groups and not edges and self.lockfile.importers is None:
            groups = entry.groups  # more reliable than a graph with inferred direct dependencies
        requirement = next((edge.requirement for edge in edges if edge.requirement), "")
        for group in groups:
            yield Declaration(
                ecosystem=entry.ecosystem,
                name=entry.name,
                requirement=requirement if not self.source_files else "",
                group=OPTIONAL_GROUP if entry.optional and group == MAIN_GROUP and not edges else group,
                location=entry.location,
                marker=entry.marker,
                alias=entry.alias or next((edge.alias for edge in edges if edge.alias), ""),
                skip_reason=entry.skip_reason,
                index=entry.index,
                extra_indexes=entry.extra_indexes,
                has_stated_index=bool(entry.index),
                has_hash=entry.has_hash,
                indirect=not edges and (bool(graph.direct_edges) or bool(self.source_files)),
                locked_version=entry.version,
                via=via,
            )


def _infer_direct_edges(entries: Sequence[LockedPackage]) -> Iterator[Edge]:
    """Yield edges to the entries that no other entry depends on: the inferred direct dependencies."""
    if any(entry.edges is None for entry in entries):
        return
    target_keys = {edge.target for entry in entries for edge in entry.edges or ()}
    for entry in entries:
        if entry.key not in target_keys:
            yield from (Edge(target=entry.key, group=group) for group in entry.groups or (MAIN_GROUP,))


def _assign_groups(edges: Iterable[Edge], groups: Mapping[Edge, Sequence[str]]) -> Iterator[Edge]:
    """Yield the edges of a project with the groups of its manifest, which not every lock file has."""
    for edge in edges:
        declared_groups = groups.get(edge, ())
        if not declared_groups or edge.group in declared_groups:
            yield edge
        else:
            yield from (replace(edge, group=group) for group in dict.fromkeys(declared_groups))


def _join_path(directory: str, path: str) -> str:
    """Return a directory below another one, without dots."""
    parts: list[str] = []
    for part in f"{directory}/{path}".split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return ("/" if directory.startswith("/") else "") + "/".join(parts)


def _allows_version(declaration: Declaration, version: str) -> bool:
    return not declaration.requirement or get_ecosystem(declaration.ecosystem).satisfies(
        declaration.requirement, version, prereleases=True
    )
