"""Lock files beside the files they settle: which version is installed, what is direct, and what brings the rest in.

The lock file has the say about versions, the manifest about what is direct. Values in, values out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from typing import Final

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.inventory import (
    Declaration,
    DependencyFile,
    Drift,
    Edge,
    Importer,
    LockedPackage,
    Package,
)

_MAIN: Final = "main"
_OPTIONAL: Final = "optional"
#: Groups whose declarations no lock file holds.
_UNLOCKED_GROUPS: Final = ("build", "constraint")
#: Ways of one length that are followed when all ways to a package are looked for.
_MAX_PATHS: Final = 2_000
_SHRINKWRAP: Final = "npm-shrinkwrap.json"
_PACKAGE_LOCK: Final = "package-lock.json"


def apply_lockfiles(dependency_files: Sequence[DependencyFile]) -> tuple[DependencyFile, ...]:
    """Return the manifests, with the declarations that lock files settle given to those at the versions they hold.

    A manifest keeps what none of its lock files holds. Where npm-shrinkwrap.json lies beside package-lock.json, npm
    reads only the former, and so does this.
    """
    lockfiles = {file.path: file for file in dependency_files if file.locked_packages or file.importers is not None}
    files_by_location = {_split_path(file.path): file for file in dependency_files if file.path not in lockfiles}
    updated_files: dict[str, DependencyFile] = {}
    remaining: dict[str, list[Declaration]] = {}
    for lockfile in lockfiles.values():
        shrinkwrap = _find_overriding_lockfile(lockfile.path)
        if shrinkwrap in lockfiles:
            updated_files[lockfile.path] = replace(lockfile, locked_packages=(), importers=None, lockfile=shrinkwrap)
            continue
        applier = _LockfileApplier(lockfile, files_by_location, frozenset(_split_path(path)[0] for path in lockfiles))
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
    return tuple(updated_files.get(file.path, file) for file in dependency_files)


def _find_overriding_lockfile(path: str) -> str:
    """Return the path of the lock file that npm reads instead of this one; empty when there can be none."""
    directory, name = _split_path(path)
    return f"{directory}/{_SHRINKWRAP}".lstrip("/") if name == _PACKAGE_LOCK else ""


def _split_path(path: str) -> tuple[str, str]:
    """Return the directory and the name of a file."""
    directory, _, name = path.rpartition("/")
    return directory, name


@dataclass(frozen=True, slots=True)
class Step:
    """One package on a way through the graph, and the ``requirement`` it is asked for with ("" = not stated)."""

    name: str
    version: str
    requirement: str = ""


@dataclass
class Graph:
    """The graph of one lock file. ``importers`` are what the project and the members of its workspace ask for."""

    lockfile: DependencyFile
    importers: Sequence[Importer]

    @cached_property
    def entries(self) -> dict[str, LockedPackage]:
        """The entries by their keys."""
        return {entry.key: entry for entry in self.lockfile.locked_packages}

    @cached_property
    def direct_edges(self) -> dict[str, list[Edge]]:
        """What the roots ask for themselves, by key."""
        edges: dict[str, list[Edge]] = {}
        for importer in self.importers:
            for edge in importer.edges:
                if edge.target in self.entries:
                    edges.setdefault(edge.target, []).append(edge)
        return edges

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups each entry is reached from; what is only ever optional on the way is ``optional``."""
        group_names = list(
            dict.fromkeys(
                (_MAIN, _OPTIONAL, *(edge.group for edge_list in self.direct_edges.values() for edge in edge_list))
            )
        )
        bits = {name: 1 << position for position, name in enumerate(group_names)}
        masks = dict.fromkeys(self.entries, 0)
        queue: deque[str] = deque()

        def add_groups(key: str, mask: int) -> None:
            if key in masks and masks[key] | mask != masks[key]:
                masks[key] |= mask
                queue.append(key)

        for key, edges in self.direct_edges.items():
            for outgoing in edges:
                add_groups(key, bits[outgoing.group])
        while queue:
            key = queue.popleft()
            mask = masks[key]
            optional_mask = (mask & ~bits[_MAIN]) | bits[_OPTIONAL] if mask & bits[_MAIN] else mask
            for outgoing in self.entries[key].edges or ():
                add_groups(outgoing.target, optional_mask if outgoing.group == _OPTIONAL else mask)
        return {
            key: tuple(
                name for name in group_names if mask & bits[name] and not (name == _OPTIONAL and mask & bits[_MAIN])
            )
            for key, mask in masks.items()
        }

    @cached_property
    def nearest_direct(self) -> dict[str, str]:
        """For each entry that is reached the key of the nearest direct dependency that brings it in."""
        nearest = {key: key for key in self.direct_edges}
        queue = deque(nearest)
        while queue:
            key = queue.popleft()
            for edge in self.entries[key].edges or ():
                if edge.target in self.entries and edge.target not in nearest:
                    nearest[edge.target] = nearest[key]
                    queue.append(edge.target)
        return nearest

    def find_paths(self, package: Package, *, limit: int = 20) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """Yield ways from what is declared to a package, the shortest first, each with the group it begins in.

        They are built backwards from the package, and only so many of each length are kept: a dense graph has more
        ways than anybody could read. No way passes through a package twice, and at most ``limit`` are yielded.
        """
        targets = {item.key for item in self.lockfile.locked_packages if item.package == package}
        relevant_keys = self._find_ancestors(targets)
        predecessors: dict[str, list[tuple[str, Edge]]] = {}
        for key in sorted(relevant_keys):
            for edge in self.entries[key].edges or ():
                if edge.target in relevant_keys:
                    predecessors.setdefault(edge.target, []).append((key, edge))
        partial_paths: list[tuple[str, tuple[Edge, ...]]] = [(key, ()) for key in sorted(targets)]
        while partial_paths and limit > 0:
            for key, partial_path in partial_paths:
                for edge in self.direct_edges.get(key, ()) if limit > 0 else ():
                    limit -= 1
                    yield edge.group, tuple(self._build_step(item) for item in (edge, *partial_path))
            extended_paths = (
                (key, (edge, *partial_path))
                for start, partial_path in partial_paths
                for key, edge in predecessors.get(start, ())
                if key not in targets and key != start and all(key != item.target for item in partial_path)
            )
            partial_paths = list(islice(extended_paths, _MAX_PATHS))

    def _find_ancestors(self, targets: Iterable[str]) -> set[str]:
        """Return the keys from which one of the targets can be reached."""
        parents: dict[str, list[str]] = {}
        for entry in self.lockfile.locked_packages:
            for edge in entry.edges or ():
                parents.setdefault(edge.target, []).append(entry.key)
        ancestors = set(targets)
        stack = list(ancestors)
        while stack:
            for key in parents.get(stack.pop(), ()):
                if key not in ancestors:
                    ancestors.add(key)
                    stack.append(key)
        return ancestors

    def _build_step(self, edge: Edge) -> Step:
        entry = self.entries[edge.target]
        return Step(edge.alias or entry.name, entry.version, edge.requirement)


@dataclass
class _LockfileApplier:
    """One lock file, and the manifests around it by directory and name.

    ``lockfile_directories`` are the directories that have a lock file. ``unlocked`` fills with the manifests that this one settles, each
    with what it leaves to them.
    """

    lockfile: DependencyFile
    dependency_files: Mapping[tuple[str, str], DependencyFile]
    lockfile_directories: frozenset[str]
    drift: list[Drift] = field(default_factory=list)
    unlocked: list[tuple[DependencyFile, list[Declaration]]] = field(default_factory=list)

    @cached_property
    def entries_by_package(self) -> dict[Package, list[LockedPackage]]:
        """The entries of each package."""
        entries: dict[Package, list[LockedPackage]] = {}
        for entry in self.lockfile.locked_packages:
            entries.setdefault(entry.package, []).append(entry)
        return entries

    @cached_property
    def source_files(self) -> dict[str, DependencyFile]:
        """The manifests it was made from, by the directory of their root."""
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

    @cached_property
    def local_names(self) -> frozenset[str]:
        """The names that the project and the members of its workspace provide themselves."""
        return frozenset(name for file in (self.lockfile, *self.source_files.values()) for name in file.local_names)

    def _find_members(
        self, lockfile_directory: str, file_names: Collection[str], root_file: DependencyFile
    ) -> dict[str, DependencyFile]:
        """Return the members of the workspace, where only its manifest tells which directories they are in."""
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
        """Return the lock file with all that it settles."""
        locked_declarations: list[Declaration] = []
        importers = list(self.lockfile.importers or ())
        for path, dependency_file in self.source_files.items():
            importer = next((candidate for candidate in importers if candidate.path == path), None)
            unlocked: list[Declaration] = []
            edges: list[Edge] = list(importer.edges) if importer is not None else []
            edge_groups: dict[Edge, list[str]] = {}
            for declaration in dependency_file.declarations:
                entry, edge = self._match_declaration(declaration, edges)
                self._check_drift(declaration, entry, edge)
                if entry is None:
                    unlocked.append(declaration)
                    continue
                skip_reason, index = entry.skip_reason or declaration.skip_reason, entry.index or declaration.index
                locked_declarations.append(
                    replace(declaration, locked_version=entry.version, skip_reason=skip_reason, index=index)
                )
                edge = edge or Edge(target=entry.key, group=declaration.group, requirement=declaration.requirement)
                edge_groups.setdefault(edge, []).append(declaration.group)
            self.unlocked.append((dependency_file, unlocked))
            all_edges = dict.fromkeys([*edges, *edge_groups])
            importers = [candidate for candidate in importers if candidate.path != path]
            importers.append(Importer(path=path, edges=tuple(_assign_groups(all_edges, edge_groups))))
        if self.lockfile.importers is None and not self.source_files:
            importers = [Importer(edges=tuple(_infer_direct_edges(self.lockfile.locked_packages)))]
        graph = Graph(self.lockfile, importers)
        entry_declarations = [
            declaration
            for candidate in self.lockfile.locked_packages
            for declaration in self._declare_entry(candidate, graph)
        ]
        return replace(
            self.lockfile,
            declarations=(*locked_declarations, *entry_declarations),
            importers=tuple(importers) if importers else self.lockfile.importers,
            drift=tuple(self.drift),
        )

    def _match_declaration(
        self, declaration: Declaration, edges: Sequence[Edge]
    ) -> tuple[LockedPackage | None, Edge | None]:
        """Return the entry that a declaration is settled at, and the edge of the lock file that says so."""
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
        """Note where the manifest asks for what the lock file does not hold.

        A lock file that states the very same requirement was made from this one, whatever it settled on (overrides).
        """
        if declaration.skip_reason or declaration.group in _UNLOCKED_GROUPS:
            return
        if entry is None:
            # Where a marker or an option leaves something out, a lock file need not hold it.
            if declaration.marker or declaration.group in ("peer", _OPTIONAL) or declaration.name in self.local_names:
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
        """Yield what a lock file says of one package, once for each group it belongs to.

        The project itself, and a member of its workspace that nothing depends on, are no dependencies.
        """
        if entry.skip_reason and entry.name in self.lockfile.local_names and entry.key not in graph.nearest_direct:
            return
        edges = graph.direct_edges.get(entry.key, ())
        direct_key = graph.nearest_direct.get(entry.key)
        via = graph.entries[direct_key].name if direct_key is not None and not edges else ""
        groups = graph.groups.get(entry.key) or entry.groups or (_MAIN,)
        if entry.groups and not edges and self.lockfile.importers is None:
            groups = entry.groups  # the file knows better than a graph that begins at guesses
        requirement = next((edge.requirement for edge in edges if edge.requirement), "")
        for group in groups:
            yield Declaration(
                ecosystem=entry.ecosystem,
                name=entry.name,
                requirement=requirement if not self.source_files else "",
                group=_OPTIONAL if entry.optional and group == _MAIN and not edges else group,
                location=entry.location,
                marker=entry.marker,
                alias=entry.alias or next((edge.alias for edge in edges if edge.alias), ""),
                skip_reason=entry.skip_reason,
                index=entry.index,
                has_hash=entry.has_hash,
                indirect=not edges and (bool(graph.direct_edges) or bool(self.source_files)),
                locked_version=entry.version,
                via=via,
            )


def _infer_direct_edges(entries: Sequence[LockedPackage]) -> Iterator[Edge]:
    """Yield what the project itself must have asked for, where nothing else tells: what no other package needs."""
    if any(entry.edges is None for entry in entries):
        return
    target_keys = {edge.target for entry in entries for edge in entry.edges or ()}
    for entry in entries:
        if entry.key not in target_keys:
            yield from (Edge(target=entry.key, group=group) for group in entry.groups or (_MAIN,))


def _assign_groups(edges: Iterable[Edge], groups: Mapping[Edge, Sequence[str]]) -> Iterator[Edge]:
    """Yield the edges of a project in the groups that its manifest has them in; not every lock file tells."""
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
