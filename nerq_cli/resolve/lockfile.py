"""Apply lock files to manifests: versions come from the lock file, direct dependencies from the manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Final

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, get_ecosystem
from nerq_cli.inventory import (
    LOCAL_ARCHIVE,
    Declaration,
    DependencyFile,
    Drift,
    Edge,
    Importer,
    Location,
    LockedPackage,
    Package,
)
from nerq_cli.problem import Problem
from nerq_cli.resolve.graph import MAIN_GROUP, OPTIONAL_GROUP, Graph
from nerq_cli.resolve.settings import find_changed_settings

#: Groups whose declarations are in no lock file.
_UNLOCKED_GROUPS: Final = ("build", "constraint")
_PEER_GROUP: Final = "peer"
#: Files that declare the dependencies of a local package.
_PACKAGE_FILENAMES: Final[Mapping[EcosystemId, tuple[str, ...]]] = {
    NPM: ("package.json",),
    PYPI: ("pyproject.toml", "setup.cfg", "setup.py"),
}
_SHRINKWRAP: Final = "npm-shrinkwrap.json"
_PACKAGE_LOCK: Final = "package-lock.json"
#: Number of missing packages that a note lists.
_MAX_EXAMPLES: Final = 3


def apply_lockfiles(dependency_files: Sequence[DependencyFile]) -> tuple[DependencyFile, ...]:
    """Return the files, with locked declarations moved from the manifests to their lock files.

    A manifest keeps the declarations that are in none of its lock files. npm ignores a package-lock.json beside an
    npm-shrinkwrap.json; so does this function.
    """
    lockfiles = {file.path: file for file in dependency_files if _is_lockfile(file)}
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
        if lockfile.members and not applier.source_files and not applier.local_files:
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
        _declare_overrides(_note_unlisted(updated_files.get(file.path, file), unlisted.get(file.path, ())))
        for file in dependency_files
        if file.path not in omitted
    )


def _declare_overrides(dependency_file: DependencyFile) -> DependencyFile:
    """Return a file without a lock file with the exact overrides of packages that it does not declare.

    Another package may require them, at this version. What nothing decides without a lock file is a problem.
    """
    if dependency_file.lockfile:
        return dependency_file
    declared = {item.package for item in dependency_file.declarations if item.group not in _UNLOCKED_GROUPS}
    undeclared = [
        replace(item, group=MAIN_GROUP, indirect=True, override_of="")
        for item in dependency_file.declarations
        if item.override_of
        and item.package not in declared
        and get_ecosystem(item.ecosystem).parse_pin(item.requirement) is not None
    ]
    return replace(
        dependency_file,
        declarations=(*dependency_file.declarations, *undeclared),
        problems=(*dependency_file.problems, *dependency_file.unlocked_problems),
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


def _is_lockfile(file: DependencyFile) -> bool:
    """Whether a file decides versions: it has locked packages, or was read without problems and locks none."""
    is_empty_lockfile = bool(file.locked_filenames) and all(problem.level == "note" for problem in file.problems)
    return bool(file.locked_packages) or file.importers is not None or is_empty_lockfile


def _find_overriding_lockfile(path: str) -> str:
    """Return the path of the lock file that npm prefers to this one; empty if there is none."""
    directory, name = _split_path(path)
    return f"{directory}/{_SHRINKWRAP}".lstrip("/") if name == _PACKAGE_LOCK else ""


def _split_path(path: str) -> tuple[str, str]:
    """Return the directory and the name of a file."""
    directory, _, name = path.rpartition("/")
    return directory, name


class _LockfileApplier(msgspec.Struct, dict=True):
    """Application of one lock file to its manifests."""

    lockfile: DependencyFile
    #: Files that are not lock files, by directory and name.
    dependency_files: Mapping[tuple[str, str], DependencyFile]
    #: Directories with a lock file.
    lockfile_directories: frozenset[str]
    #: Differences between the manifests and the lock file.
    drift: list[Drift] = []
    #: The manifests of the lock file, each with the declarations that are not locked.
    unlocked: list[tuple[DependencyFile, list[Declaration]]] = []

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

    @cached_property
    def local_files(self) -> list[tuple[LockedPackage, DependencyFile]]:
        """Return the local packages outside of the workspace that have no lock file of their own, and their files."""
        base_directory = _split_path(self.lockfile.path)[0]
        member_directories = {member: _split_path(path)[0] for member, path in self.lockfile.members}
        directories: dict[str, LockedPackage] = {}
        for entry in self.lockfile.locked_packages:
            if entry.directory and not member_directories:
                directories[_join_path(base_directory, entry.directory)] = entry
            elif entry.directory and _join_path("", entry.directory) in member_directories:
                directories[member_directories[_join_path("", entry.directory)]] = entry
        known_paths = {file.path for file in self.source_files.values()}
        return [
            (directories[directory], file)
            for (directory, name), file in (self.dependency_files.items() if directories else ())
            if directory in directories
            and (directory == base_directory or directory not in self.lockfile_directories)
            and file.path not in known_paths
            and name in _PACKAGE_FILENAMES.get(directories[directory].ecosystem, ())
        ]

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
    def entries(self) -> dict[str, LockedPackage]:
        """Return the entries by key."""
        return {entry.key: entry for entry in self.lockfile.locked_packages}

    @cached_property
    def patterns(self) -> dict[str, list[Edge]]:
        """Return the requirements that the lock file resolves without stating who has them."""
        return self._group_edges(self.lockfile.patterns)

    @cached_property
    def removable_names(self) -> frozenset[str]:
        """Return the names whose packages an override may remove, so that the lock file lacks them."""
        root_file = self.source_files.get("")
        return frozenset((*self.lockfile.overridden_names, *(root_file.overridden_names if root_file else ())))

    @cached_property
    def overridden_names(self) -> frozenset[str]:
        """Return the names whose requirements in the lock file are those of overrides, or are not there at all."""
        return self.removable_names if self.lockfile.importers is None else frozenset(self.lockfile.overridden_names)

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
        for entry, dependency_file in self.local_files:
            importer = Importer(path=entry.directory, name=entry.name, edges=entry.edges or ())
            importers.append(self._lock_declarations(dependency_file, importer, locked_declarations, entry))
        if self.lockfile.importers is None and not self.source_files:
            importers = [Importer(edges=tuple(_infer_direct_edges(self.lockfile.locked_packages)))]
        graph = Graph(self.lockfile, importers)
        entries = self.lockfile.locked_packages
        if self.lockfile.members:  # the other members require the rest
            entries = tuple(entry for entry in entries if graph.find_nearest(entry.key, "")[0])
        entry_declarations = [
            declaration for candidate in entries for declaration in self._declare_entry(candidate, graph)
        ]
        self._check_content()
        self._check_settings(importers)
        problems, notes = self._judge_missing()
        return replace(
            self.lockfile,
            locked_packages=entries,
            declarations=(*locked_declarations, *entry_declarations, *self.lockfile.declarations),
            importers=tuple(importers) if importers else self.lockfile.importers,
            drift=tuple(self.drift),
            missing_packages=(),
            problems=(*self.lockfile.problems, *problems),
            notes=(*self.lockfile.notes, *notes),
        )

    def _judge_missing(self) -> tuple[list[Problem], list[str]]:
        """Return the problems and notes of packages that the lock file lacks and no member of the workspace provides.

        Entries are sorted by name: the file is damaged if one after the last is missing, or if it has problems.
        """
        missing_packages = [item for item in self.lockfile.missing_packages if item.name not in self.local_names]
        last_name = max((entry.name for entry in self.lockfile.locked_packages), default="")
        if self.lockfile.problems or any(item.name > last_name for item in missing_packages):
            return [item.problem for item in missing_packages], []
        names = list(dict.fromkeys(item.name for item in missing_packages))
        examples = ", ".join(names[:_MAX_EXAMPLES])
        if len(names) > _MAX_EXAMPLES:
            examples += f" and {len(names) - _MAX_EXAMPLES} more"
        note = f"required but not in this file, as what workspace members provide: {examples}"
        return [], [note] if names else []

    def _lock_declarations(
        self,
        dependency_file: DependencyFile,
        importer: Importer,
        locked_declarations: list[Declaration],
        local_package: LockedPackage | None = None,
    ) -> Importer:
        """Add the locked declarations of one manifest to the list, and return its importer with their edges.

        ``local_package`` is the entry of the manifest if it is none of the workspace: its extras and groups are locked
        only where another package requests them.
        """
        unlocked: list[Declaration] = []
        edge_groups: dict[Edge, list[str]] = {}
        has_edges = self.lockfile.importers is not None
        edges_by_name = self._group_edges(importer.edges) if has_edges else self.patterns
        if local_package is not None:
            edges_by_name = self._group_edges(importer.edges) or edges_by_name
        by_name = local_package is None or local_package.edges is None
        matches = [
            (declaration, *self._match_declaration(declaration, edges_by_name, by_name=by_name))
            for declaration in dependency_file.declarations
        ]
        # A name in several sections has one requirement in the lock file.
        locked_names = {_get_dependency_name(item) for item, _, edge in matches if _has_requirement(edge, item)}
        for declaration, entry, matched_edge in matches:
            if local_package is None or (
                self.lockfile.compares_local_packages and (entry is not None or declaration.group == MAIN_GROUP)
            ):
                self._check_drift(declaration, entry, matched_edge, locked_names)
            if entry is None:
                if not self._is_left_out(declaration):
                    unlocked.append(declaration)
                continue
            source = entry if entry.index or entry.extra_indexes else declaration
            locked_declarations.append(
                replace(
                    declaration,
                    name=declaration.name if declaration.package == entry.package else entry.name,
                    alias=declaration.alias
                    if declaration.package == entry.package
                    else entry.alias or declaration.name,
                    locked_version=entry.version,
                    # An address that is one of a registry is judged by it, as the entry states.
                    skip_reason=entry.skip_reason or ("" if entry.index else declaration.skip_reason),
                    index=source.index,
                    extra_indexes=source.extra_indexes,
                    has_stated_index=bool(entry.index),
                )
            )
            edge = matched_edge if has_edges or local_package is not None else None
            edge = edge or Edge(target=entry.key, group=declaration.group, requirement=declaration.requirement)
            edge_groups.setdefault(edge, []).append(declaration.group)
        self.unlocked.append((dependency_file, unlocked))
        all_edges = dict.fromkeys([*importer.edges, *edge_groups])
        return Importer(path=importer.path, edges=tuple(_assign_groups(all_edges, edge_groups)))

    def _group_edges(self, edges: Iterable[Edge]) -> dict[str, list[Edge]]:
        """Return the edges to entries by the name that their source uses."""
        edges_by_name: dict[str, list[Edge]] = {}
        for edge in edges:
            entry = self.entries.get(edge.target)
            if entry is not None:
                edges_by_name.setdefault(edge.alias or entry.package.name, []).append(edge)
                if entry.alias and entry.alias != edge.alias:
                    edges_by_name.setdefault(entry.alias, []).append(edge)
        return edges_by_name

    def _match_declaration(
        self, declaration: Declaration, edges_by_name: Mapping[str, Sequence[Edge]], *, by_name: bool
    ) -> tuple[LockedPackage | None, Edge | None]:
        """Return the entry that locks a declaration, and the edge of the lock file that leads to it.

        ``by_name``: without an edge, an entry of the same name is taken.
        """
        if declaration.group in _UNLOCKED_GROUPS:
            return None, None
        name = _get_dependency_name(declaration)
        matching_edges = [
            edge
            for edge in edges_by_name.get(name, ())
            if _is_same_dependency(declaration, self.entries[edge.target]) or name in self.overridden_names
        ]
        if matching_edges:
            edge = max(matching_edges, key=lambda candidate: self._rate_edge(declaration, candidate))
            return self.entries[edge.target], edge
        entries = self.entries_by_package.get(declaration.package, ()) if by_name else ()
        if not entries:
            return None, None
        compatible_entries = [
            candidate for candidate in entries if _allows_version(declaration, candidate.version)
        ] or entries
        newest_version = get_ecosystem(declaration.ecosystem).sort_newest_first(
            [candidate.version for candidate in compatible_entries]
        )[0]
        return next(candidate for candidate in compatible_entries if candidate.version == newest_version), None

    def _is_left_out(self, declaration: Declaration) -> bool:
        """Whether a declaration that is not locked is not installed: a peer dependency, or removed by an override."""
        is_removed = _get_dependency_name(declaration) in self.removable_names
        return declaration.group == _PEER_GROUP or (is_removed and declaration.group not in _UNLOCKED_GROUPS)

    def _rate_edge(self, declaration: Declaration, edge: Edge) -> tuple[bool, bool, bool]:
        """Return how well an edge fits a declaration: same requirement, a version in the range, same group."""
        return (
            _has_requirement(edge, declaration),
            _allows_version(declaration, self.entries[edge.target].version),
            edge.group == declaration.group,
        )

    def _check_drift(
        self,
        declaration: Declaration,
        entry: LockedPackage | None,
        edge: Edge | None,
        locked_names: Collection[str],
    ) -> None:
        """Record a declaration that a frozen installation from the lock file would refuse.

        A lock file with the same requirement is up to date, even if an override locks another version.
        """
        name = _get_dependency_name(declaration)
        is_skipped = bool(declaration.skip_reason) and not declaration.index_name
        if is_skipped or declaration.group in _UNLOCKED_GROUPS:
            return
        if entry is None:
            # A lock file may omit what a marker, an option or an override excludes.
            if (
                declaration.marker
                or declaration.group in (_PEER_GROUP, OPTIONAL_GROUP)
                or declaration.name in self.local_names
                or name in self.removable_names
                or (self.lockfile.locked_groups is not None and declaration.group not in self.lockfile.locked_groups)
            ):
                return
        elif (
            name in self.overridden_names
            or entry.skip_reason
            or _has_requirement(edge, declaration)
            or (self.lockfile.importers is None and not self.lockfile.compares_requirements and _is_tag(declaration))
            or (
                _allows_version(declaration, entry.version)
                and (declaration.group == _PEER_GROUP or name in locked_names or not self._compares_requirement(edge))
            )
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
                locked_requirement=edge.requirement if edge and self._compares_requirement(edge) else "",
                location=declaration.location,
                lockfile=self.lockfile.path,
            )
        )

    def _check_content(self) -> None:
        """Record that the manifest has changed since it was locked, unless it is known which declaration."""
        manifest = self.source_files.get("")
        if manifest is None or self.drift or not manifest.content_hashes:
            return
        locked_hash = next(iter(self.lockfile.content_hashes), "")
        hashes = [candidate for candidate in manifest.content_hashes if (":" in candidate) == (":" in locked_hash)]
        if locked_hash and hashes and locked_hash not in hashes:
            location = Location(path=manifest.path, line=0)
            self.drift.append(
                Drift(package=None, requirement="", locked_versions=(), location=location, lockfile=self.lockfile.path)
            )

    def _check_settings(self, importers: Iterable[Importer]) -> None:
        """Record the settings that have changed since the project was locked."""
        manifest = self.source_files.get("")
        if manifest is None or not self.lockfile.settings:
            return
        edges = [(importer.path, edge) for importer in importers for edge in importer.edges]
        edges += [(entry.key, edge) for entry in self.lockfile.locked_packages for edge in entry.edges or ()]
        location = Location(path=manifest.path, line=0)
        for setting in find_changed_settings(self.lockfile, manifest, edges):
            self.drift.append(
                Drift(
                    package=None,
                    setting=setting,
                    requirement="",
                    locked_versions=(),
                    location=location,
                    lockfile=self.lockfile.path,
                )
            )

    def _compares_requirement(self, edge: Edge | None) -> bool:
        """Whether a frozen installation compares the requirement of an edge with that of the manifest."""
        return self.lockfile.compares_requirements and (edge is None or bool(edge.requirement))

    def _declare_entry(self, entry: LockedPackage, graph: Graph) -> Iterator[Declaration]:
        """Yield a declaration of one entry for each of its groups.

        Yields nothing for the project itself, for a workspace member that no package depends on, and for what Yarn 1
        locks for an override that applies to no package. A file without edges does not state what depends on a member.
        """
        is_reached = bool(graph.find_nearest(entry.key, "")[0])
        is_pattern_of_override = self.lockfile.importers is None and entry.package.name in self.overridden_names
        is_local = entry.skip_reason not in ("", LOCAL_ARCHIVE) and entry.name in self.lockfile.local_names
        is_project = is_local and (entry.edges is not None or _join_path("", entry.directory or "-") == "")
        if not is_reached and (is_pattern_of_override or is_project):
            return
        edges = graph.direct_edges.get(entry.key, ())
        groups = graph.groups.get(entry.key) or entry.groups or (MAIN_GROUP,)
        if entry.groups and not edges and self.lockfile.importers is None:
            groups = entry.groups  # more reliable than a graph with inferred direct dependencies
        requirement = next((edge.requirement for edge in edges if edge.requirement), "")
        for group in groups:
            direct_key, distance = ("", 0) if edges else graph.find_nearest(entry.key, group)
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
                via=graph.entries[direct_key].name if direct_key else "",
                via_distance=distance,
                parents=graph.find_parents(entry.key, group),
            )


def _get_dependency_name(declaration: Declaration) -> str:
    """Return the name of a dependency in its manifest, normalised."""
    return declaration.alias or declaration.package.name


def _is_same_dependency(declaration: Declaration, entry: LockedPackage) -> bool:
    """Whether an entry that a declaration leads to by name is what it declares.

    What is at an address has the name that the package itself states in the lock file, and in the manifest only the one
    that it is installed under.
    """
    return entry.package == declaration.package or bool(entry.skip_reason and declaration.skip_reason)


def _has_requirement(edge: Edge | None, declaration: Declaration) -> bool:
    """Whether a lock file repeats the requirement of a declaration, or one of several for the same name."""
    if edge is None:
        return False
    return edge.requirement == declaration.requirement or any(
        _is_same_requirement(alternative, declaration.requirement) for alternative in edge.requirement.split(" || ")
    )


@lru_cache(maxsize=4_096)
def _is_same_requirement(first: str, second: str) -> bool:
    """Whether two requirements have the same comparisons, in any order and spacing."""
    return _split_comparisons(first) == _split_comparisons(second)


def _split_comparisons(requirement: str) -> frozenset[str]:
    return frozenset("".join(part.split()) for part in requirement.split(","))


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


def _is_tag(declaration: Declaration) -> bool:
    """Whether a requirement is none of versions, but a dist-tag: which version it was is not known."""
    return get_ecosystem(declaration.ecosystem).parse_requirement(declaration.requirement) is None


def _allows_version(declaration: Declaration, version: str) -> bool:
    return not declaration.requirement or get_ecosystem(declaration.ecosystem).satisfies(
        declaration.requirement, version, prereleases=True
    )
