"""uv.lock: the packages, the members of the workspace, and all edges between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import PackageSource, judge_by_files, strip_credentials
from nerq_cli.manifests.python.dependency_groups import label_extra, label_group
from nerq_cli.manifests.python.python_locks import (
    LockEntry,
    LockFile,
    LockTable,
    find_extras,
    index_entries,
    join_alternatives,
    match_entries,
    read_entries,
    report_missing,
)
from nerq_cli.manifests.python.uv_settings import UV_SETTINGS, dump_requirements, read_locked_python
from nerq_cli.manifests.syntax.quote import quote_text, quote_version
from nerq_cli.patterns import compile_late

NAME: Final = "uv.lock"

#: The version of the format that is read; its revisions are compatible (uv's documentation, "Lockfile versioning").
VERSION: Final = 1
#: Most dependencies that extras of members include from other extras, in one file.
MAX_INCLUDED_EDGES: Final = 100_000
#: The end of the name of a script's lock file.
_SCRIPT_SUFFIX: Final = ".py.lock"
#: Keys of a source with a local path.
_LOCAL_KEYS: Final = ("editable", "virtual", "directory", "path")
#: Keys of a requirement in the settings that is from a registry.
_REGISTRY_KEYS: Final = frozenset({"name", "specifier", "marker", "extras", "index"})
_REVISION_PARAMETER = compile_late(r"[?&](?:rev|tag|branch)=([^&#]*)")


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a uv.lock, or the lock file of a script."""
    return path.name == NAME or path.name.endswith(_SCRIPT_SUFFIX)


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - not included
    """Return the packages of a uv.lock. Never raises."""
    lock = LockFile(text, path)
    graph = _UvGraph(lock) if _is_supported(lock) else None
    packages = list(graph.read_packages()) if graph else []
    importers = list(graph.read_importers()) if graph else []
    settings = graph.read_settings() if graph else ()
    file_name = PurePosixPath(path).name
    locked_filename = file_name.removesuffix(".lock") if file_name.endswith(_SCRIPT_SUFFIX) else "pyproject.toml"
    return lock.build_file(
        NAME,
        packages,
        constraint=constraint,
        importers=importers,
        locked_filename=locked_filename,
        compares_requirements=True,
        compares_local_packages=True,
        settings=settings,
    )


def _is_supported(lock: LockFile) -> bool:
    if lock.problems:
        return False
    version = lock.root.values.get("version")
    if version is None:
        lock.add_problem("no version: not a lock file of uv, or truncated", hint="lock the project again")
    elif version != VERSION or isinstance(version, bool):
        lock.add_problem(
            f"version {quote_version(str(version))} is not supported", "version", hint=f"version {VERSION} is supported"
        )
    return not lock.problems


class _UvGraph:
    """The packages of one file and the edges between them."""

    def __init__(self, lock: LockFile) -> None:
        self.manifest_table = lock.root.get_table("manifest")
        self.requires_python = lock.root.get_text("requires-python")
        self.array_name = "package" if "package" in lock.root.values else "distribution"  # the name before uv 0.4
        self.members = {normalise_name(PYPI, name) for name in self.manifest_table.get_strings("members")}
        self.entries = read_entries(lock, self.array_name, self._read_source, ("source",))
        self.entries_by_name = index_entries(self.entries)
        for index, name in enumerate(self.manifest_table.get_strings("members")):
            if normalise_name(PYPI, name) not in self.entries_by_name:
                report_missing(self.manifest_table, name, "members", index)
        self.sections_by_key = {entry.key: self._read_sections(entry.table) for entry in self.entries}
        self.remaining_includes = MAX_INCLUDED_EDGES
        self.requested_extras = self._find_requested_extras()

    def read_packages(self) -> Iterator[LockedPackage]:
        """Yield all packages, with the members of the workspace."""
        edges_by_key = {entry.key: list(self._find_edges(entry)) for entry in self.entries}
        markers = self._collect_markers()
        for entry in self.entries:
            forks = entry.table.get_strings("resolution-markers")
            artefacts = [*entry.table.get_tables("wheels"), entry.table.get_table("sdist")]
            yield entry.make_package(
                edges_by_key[entry.key],
                marker=join_alternatives(forks or markers.get(entry.key, ("",))),
                hashed=any(artefact.values.get("hash") for artefact in artefacts),
            )

    def read_importers(self) -> Iterator[Importer]:
        """Yield the project and the members of its workspace, and the requirements without a project."""
        for entry in self.entries:
            if entry.source.skip == package_source.WORKSPACE:
                edges = tuple(dict.fromkeys(self._read_member_edges(entry)))
                yield Importer(path=_get_directory(entry.table.get_table("source")), name=entry.name, edges=edges)
        edges = tuple(dict.fromkeys(self._read_workspace_edges()))
        if edges:
            yield Importer(edges=edges)

    def read_settings(self) -> tuple[tuple[str, str], ...]:
        """Return the settings of the project that the file repeats."""
        # The versions of a workspace are those that all members support.
        settings = [*(() if len(self.members) > 1 else read_locked_python(self.requires_python))]
        for name, key, _ in UV_SETTINGS:
            tables = self.manifest_table.get_tables(key) if key != "excludes" else []
            # Where [tool.uv.sources] gives a requirement another source, its version is left out.
            if all(table.values.keys() <= _REGISTRY_KEYS for table in tables):
                items = [(table.get_text("name"), table.get_text("specifier")) for table in tables]
                items += [(text, "") for text in self.manifest_table.get_strings(key)] if key == "excludes" else []
                settings.append((name, dump_requirements(items)))
        return tuple(settings)

    def _read_source(self, table: LockTable) -> PackageSource:
        source = table.get_table("source")
        registry, repository, url = (source.get_text(key) for key in ("registry", "git", "url"))
        if registry:
            if "://" not in registry:
                return PackageSource(skip=package_source.LOCAL)
            artefacts = (*table.get_tables("wheels"), table.get_table("sdist"))
            return judge_by_files(strip_credentials(registry), (artefact.get_text("url") for artefact in artefacts))
        if repository:
            return PackageSource(skip=_describe_repository(repository))
        if url:
            return PackageSource(skip=package_source.url_reason(url))
        if any(key in source.values for key in _LOCAL_KEYS):
            is_member = self._is_member(table, source)
            return PackageSource(
                skip=package_source.WORKSPACE if is_member else package_source.local_reason(source.get_text("path")),
                directory="" if is_member else package_source.find_directory(_get_directory(source)),
            )
        source.report_problem(f"{quote_text(table.get_text('name'))} has no known source")
        return PackageSource(skip="an unknown source")

    def _is_member(self, table: LockTable, source: LockTable) -> bool:
        """Return whether a package is a workspace member; without a workspace, the directory of the file is."""
        if "path" in source.values:
            return False
        return (
            normalise_name(PYPI, table.get_text("name")) in self.members if self.members else not _get_directory(source)
        )

    def _read_sections(self, table: LockTable) -> dict[str, list[LockTable]]:
        """Return the edges of a package by group."""
        extras, groups = table.get_table("optional-dependencies"), table.get_table("dev-dependencies")
        return {
            "main": table.get_tables("dependencies"),
            **{label_extra(extra): extras.get_tables(extra) for extra in extras.values},
            **{label_group(group): groups.get_tables(group) for group in groups.values},
        }

    def _find_requested_extras(self) -> Mapping[str, set[str]]:
        """Return the extras of each package that any edge requests."""
        extras_by_key: dict[str, set[str]] = {}
        for sections in self.sections_by_key.values():
            for edge in (edge for section in sections.values() for edge in section):
                for extra in edge.get_strings("extra"):
                    for target in self._match_targets(edge):
                        extras_by_key.setdefault(target.key, set()).add(label_extra(extra))
        return extras_by_key

    def _find_edges(self, entry: LockEntry) -> Iterator[Edge]:
        """Yield the edges of a package, with those of its requested extras; a local package states their ranges."""
        sections = self.sections_by_key[entry.key]
        ranges = _read_ranges(entry.table.get_table("metadata")) if "metadata" in entry.table.values else {}
        for group in ("main", *sorted(self.requested_extras.get(entry.key, ()))):
            for target, requirement in self._find_required(sections.get(group, ()), group, ranges):
                yield Edge(target=target.key, requirement=requirement)

    def _read_member_edges(self, member: LockEntry) -> Iterator[Edge]:
        """Yield what a member declares, group by group."""
        ranges = _read_ranges(member.table.get_table("metadata"))
        for group in self.sections_by_key[member.key]:
            for target, requirement in self._find_required(self._expand_extras(member, group), group, ranges):
                yield Edge(target=target.key, group=group, requirement=requirement)

    def _find_required(
        self, edges: Iterable[LockTable], group: str, ranges: Mapping[tuple[str, str], Sequence[str]]
    ) -> Iterator[tuple[LockEntry, str]]:
        """Yield the entries that the edges of a group lead to, each with the declared ranges that it may be for."""
        targets_by_name: dict[str, list[LockEntry]] = {}
        for edge in edges:
            targets_by_name.setdefault(normalise_name(PYPI, edge.get_text("name")), []).extend(self._find_targets(edge))
        for name, targets in targets_by_name.items():
            alternatives = ranges.get((group, name), ())
            matches = [(specifier, match_entries(targets, specifier)) for specifier in alternatives]
            for target in targets:
                own_alternatives = [specifier for specifier, entries in matches if target in entries]
                yield target, " || ".join(own_alternatives or alternatives)

    def _expand_extras(self, member: LockEntry, group: str) -> list[LockTable]:
        """Return the edges of a group, with those of the member's own extras that the group includes."""
        sections = self.sections_by_key[member.key]
        own_name = normalise_name(PYPI, member.name)
        edges: list[LockTable] = []
        section_names, queue = {group}, [group]
        for section in queue:  # extended in the loop
            for edge in sections.get(section, ()):
                if normalise_name(PYPI, edge.get_text("name")) != own_name:
                    edges.append(edge)
                    continue
                for extra in (label_extra(extra) for extra in edge.get_strings("extra")):
                    if extra not in section_names and self._reserve_includes(edge, len(sections.get(extra, ()))):
                        section_names.add(extra)
                        queue.append(extra)
        return edges

    def _reserve_includes(self, edge: LockTable, edge_count: int) -> bool:
        """Return whether the limit of included edges allows more: they grow with the square of the extras."""
        previous_count = self.remaining_includes
        self.remaining_includes -= edge_count + 1
        if previous_count >= 0 > self.remaining_includes:
            edge.report_problem(
                f"extras include more than {MAX_INCLUDED_EDGES:,} dependencies of other extras: the rest is not read"
            )
        return self.remaining_includes >= 0

    def _read_workspace_edges(self) -> Iterator[Edge]:
        """Yield the requirements of a script, or of a workspace whose root is not a project."""
        groups = self.manifest_table.get_table("dependency-groups")
        sections = [("main", self.manifest_table.get_tables("requirements"))]
        sections += [(label_group(group), groups.get_tables(group)) for group in groups.values]
        for group, requirements in sections:
            for requirement in requirements:
                specifier = requirement.get_text("specifier")
                for target in self._find_targets(requirement, optional="marker" in requirement.values):
                    yield Edge(target=target.key, group=group, requirement=specifier)

    def _collect_markers(self) -> Mapping[str, Iterable[str]]:
        """Return the markers of the edges to each package; the marker of an edge without one is empty."""
        markers: dict[str, dict[str, None]] = {}
        for sections in self.sections_by_key.values():
            for edge in (edge for section in sections.values() for edge in section):
                for target in self._match_targets(edge):
                    markers.setdefault(target.key, {})[edge.get_text("marker")] = None
        return markers

    def _find_targets(self, edge: LockTable, *, optional: bool = False) -> Sequence[LockEntry]:
        targets = self._match_targets(edge)
        if not targets and not optional:
            report_missing(edge, edge.get_text("name"))
        return targets

    def _match_targets(self, edge: LockTable) -> Sequence[LockEntry]:
        """Return the entries an edge leads to; it has version and source if the name is ambiguous."""
        candidates = self.entries_by_name.get(normalise_name(PYPI, edge.get_text("name")), ())
        if len(candidates) <= 1:
            return candidates
        identity_keys = [key for key in ("version", "source") if key in edge.values]
        return [
            candidate
            for candidate in candidates
            if all(candidate.table.values.get(key) == edge.values[key] for key in identity_keys)
        ]


def _read_ranges(metadata: LockTable) -> Mapping[tuple[str, str], Sequence[str]]:
    """Return the version ranges that a member declares, by group and package; none if one allows any version."""
    ranges: dict[tuple[str, str], dict[str, None]] = {}
    groups = metadata.get_table("requires-dev")
    sections = [("", metadata.get_tables("requires-dist"))]
    sections += [(label_group(group), groups.get_tables(group)) for group in groups.values]
    for section, requirements in sections:
        for requirement in requirements:
            extras = find_extras(requirement.get_text("marker"))
            for group in [section] if section else extras or ["main"]:
                ranges.setdefault((group, normalise_name(PYPI, requirement.get_text("name"))), {})[
                    requirement.get_text("specifier")
                ] = None
    return {key: () if "" in specifiers else tuple(specifiers) for key, specifiers in ranges.items()}


def _get_directory(source: LockTable) -> str:
    """Return the directory of a source, relative to that of the file; empty if it is the same."""
    raw_path = next((source.get_text(key) for key in _LOCAL_KEYS if key in source.values), "")
    path = PurePosixPath(raw_path.replace("\\", "/")).as_posix()
    return "" if path == "." else path


def _describe_repository(url_with_commit: str) -> str:
    address, _, commit = url_with_commit.partition("#")
    match = _REVISION_PARAMETER.search(address)
    return package_source.repository_reason(address.partition("?")[0], commit or (match[1] if match else ""))
