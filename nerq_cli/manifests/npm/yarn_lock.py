"""yarn.lock, the lock file of Yarn 1 ("classic") and of Yarn 2 and later ("berry").

Entries are listed under the requirements that they resolve (patterns such as ``lodash@^4.0.0``), so an edge is found by
its pattern. ``resolutions`` in package.json remove patterns: then the edge leads to all entries of the name. Berry
also lists the members of the workspace, which are the roots. Classic has no roots and leaves the members out, so that
an entry may require what only the workspace provides. An empty file is a lock file of classic without packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import unquote

from nerq_cli.ecosystems import NPM
from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import (
    LOCAL_ARCHIVE,
    DependencyFile,
    Edge,
    Importer,
    Location,
    LockedPackage,
    MissingPackage,
)
from nerq_cli.manifests.npm.npm_entries import (
    EntryKeys,
    extract_index,
    find_local_names,
    merge_entries,
    normalise_directory,
)
from nerq_cli.manifests.npm.npm_spec import parse_spec, split_name
from nerq_cli.manifests.npm.yarn_classic import parse_entries
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, find_directory
from nerq_cli.manifests.syntax.problems import MAX_PROBLEMS, ProblemList
from nerq_cli.manifests.syntax.quote import quote_text, quote_version
from nerq_cli.manifests.syntax.yaml_document import (
    NO_MEMBERS,
    SLOW_NOTE,
    NotYamlError,
    YamlMembers,
    YamlNode,
    find_conflict,
    get_members,
    get_text,
    has_libyaml,
    parse_documents,
)
from nerq_cli.patterns import compile_late
from nerq_cli.resolve.settings import YARN_RESOLUTIONS, dump_mapping

NAME: Final = "yarn.lock"

#: The only version of the classic format.
CLASSIC_VERSION: Final = "1"
#: Versions of the berry format: Yarn 2 wrote 4, Yarn 3 wrote 5 and 6, Yarn 4 writes 7 to 10.
BERRY_VERSIONS: Final = frozenset(map(str, range(4, 11)))

_HEADER_PATTERN = compile_late(r"^# yarn lockfile v(\S+)", re.MULTILINE)
_METADATA_PATTERN = compile_late(r"""^["']?__metadata["']?:""", re.MULTILINE)
_PATTERN_SEPARATOR = compile_late(r"(?<!\s)\s*,\s*")
_ARCHIVE_URL = compile_late(r"(?:^|&)__archiveUrl=([^&]+)")
_LOCATOR_PARAMETER = compile_late(r"(?:^|&)locator=([^&]+)")
_COMMIT_PREFIX = compile_late(r"#commit=")
_ABSOLUTE_PATH = compile_late(r"[/\\]|[A-Za-z]:")
#: Most resolutions nested in one another (``patch:`` in ``patch:`` in ``virtual:``).
_MAX_WRAPPINGS: Final = 4
_REGENERATE_HINT: Final = "yarn install writes it again"


def matches(path: PurePosixPath) -> bool:
    """Whether the file is a yarn.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - Reader protocol
    """Return the packages of a yarn.lock. Errors in the text are in ``problems``; nothing is raised."""
    text = text.removeprefix("\ufeff")
    reader = _YarnLockReader(text, path)
    is_berry = _METADATA_PATTERN.search(text) is not None
    try:
        entries = list(reader.read_berry(text) if is_berry else reader.read_classic(text))
    except NotYamlError as error:
        reader.problems.add_line_problem(str(error), error.line, hint=error.hint)
        entries = []
    graph = _EntryGraph(reader, entries)
    packages = merge_entries(graph.build_packages())
    missing_packages = tuple(graph.find_missing_packages())
    if is_berry:
        graph.report_missing()
    return DependencyFile(
        path=path,
        format=NAME,
        locked_packages=packages,
        importers=tuple(graph.build_importers()) if is_berry else None,
        patterns=() if is_berry else tuple(graph.build_patterns()),
        missing_packages=() if is_berry else missing_packages,
        compares_requirements=True,
        settings=((YARN_RESOLUTIONS, dump_mapping(graph.find_replaced_specifiers())),) if is_berry else (),
        compares_local_packages=is_berry,
        locked_filenames=("package.json",),
        local_names=find_local_names((entry.name, entry.skip) for entry in entries),
        problems=reader.problems.problems,
        notes=(SLOW_NOTE,) if is_berry and not has_libyaml() else (),
    )


class _EntryOrigin(NamedTuple):
    """The origin of an entry."""

    #: Package name.
    name: str
    #: Reason why it is not from a registry; empty if it is.
    skip: str = ""
    #: Registry that the entry names; empty for the default one.
    registry: str = ""
    #: URL or path of a package that is not from a registry.
    reference: str = ""
    #: Version that the resolution names; empty if it names none.
    version: str = ""
    #: As in `LockedPackage`.
    directory: str = ""


class _YarnEntry(NamedTuple):
    """One entry."""

    #: Requirements that it resolves.
    patterns: tuple[str, ...]
    key: str
    name: str
    version: str
    skip: str
    registry: str
    line: int
    fields: YamlMembers
    #: Berry's identifier of the entry; empty in classic files.
    resolution: str = ""
    #: Directory of a workspace member; None for other packages.
    member_directory: str | None = None
    #: As in `LockedPackage`.
    directory: str = ""


class _YarnLockReader:
    """Reads the entries of one lock file."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.problems = ProblemList(path, text)
        self.keys = EntryKeys()

    # --- Classic -----------------------------------------------------------------------------------------------------

    def read_classic(self, text: str) -> Iterator[_YarnEntry]:
        """Yield the entries of a classic lock file."""
        line = find_conflict(text)
        if line:
            raise NotYamlError("this is a merge conflict marker", line, "choose one of the two versions")
        header = _HEADER_PATTERN.search(text)
        if header is not None and header[1] != CLASSIC_VERSION:
            line = text.count("\n", 0, header.start()) + 1
            raise NotYamlError(
                f"unknown version of the lock file: {quote_version(header[1])}", line, "known is version 1"
            )
        for patterns, line, fields in parse_entries(
            text, partial(self.problems.add_line_problem, hint=_REGENERATE_HINT)
        ):
            entry = self._make_classic_entry(patterns, line, fields)
            if entry is not None:
                yield entry

    def _make_classic_entry(self, patterns: tuple[str, ...], line: int, fields: YamlMembers) -> _YarnEntry | None:
        version, resolved_url = get_text(fields.get("version")), get_text(fields.get("resolved"))
        if not version:
            self.problems.add_line_problem(
                f"{quote_text(patterns[0])} has no version: the entry is damaged", line, hint=_REGENERATE_HINT
            )
            return None
        origin = _find_classic_origin(patterns, resolved_url, get_text(fields.get("name")), version)
        return self._make_entry(patterns, origin, version, line, fields)

    # --- Berry -------------------------------------------------------------------------------------------------------

    def read_berry(self, text: str) -> Iterator[_YarnEntry]:
        """Yield the entries of a berry lock file."""
        root, *extra_documents = parse_documents(text, partial(self.problems.add_line_problem, hint=_REGENERATE_HINT))
        if extra_documents:
            raise NotYamlError("a lock file is one document", extra_documents[0].line, _REGENERATE_HINT)
        if not isinstance(root.data, dict):
            raise NotYamlError(f"a lock file is a mapping, not {root.kind}", root.line, _REGENERATE_HINT)
        metadata = root.data.get("__metadata")
        metadata_fields = get_members(metadata)
        version_node = metadata_fields.get("version")
        if get_text(version_node) not in BERRY_VERSIONS:
            version_list = ", ".join(sorted(BERRY_VERSIONS, key=int))
            line = (version_node or metadata or root).line
            message = f"unknown version of the lock file: {quote_version(get_text(version_node))}"
            raise NotYamlError(message, line, f"known are versions {version_list}")
        member_count = 0
        for key, node in root.data.items():
            entry = None if key == "__metadata" else self._make_berry_entry(key, node)
            if entry is not None:
                member_count += entry.member_directory is not None
                yield entry
        if not member_count:
            self.problems.add_line_problem("the project itself is missing: the file is damaged", hint=_REGENERATE_HINT)

    def _make_berry_entry(self, key: str, node: YamlNode) -> _YarnEntry | None:
        if not isinstance(node.data, dict):
            self.problems.add_line_problem(
                f"{quote_text(key)} must be a mapping, not {node.kind}", node.line, hint=_REGENERATE_HINT
            )
            return None
        resolution, version = get_text(node.data.get("resolution")), get_text(node.data.get("version"))
        if not resolution or not version:
            missing_field = "version" if resolution else "resolution"
            self.problems.add_line_problem(
                f"{quote_text(key)} has no {missing_field}: the entry is damaged", node.line, hint=_REGENERATE_HINT
            )
            return None
        origin = _find_berry_origin(resolution)
        patterns = tuple(_PATTERN_SEPARATOR.split(key.strip()))
        if origin.skip != WORKSPACE:
            return self._make_entry(patterns, origin, origin.version or version, node.line, node.data, resolution)
        directory = origin.reference.removeprefix("workspace:")
        if _ABSOLUTE_PATH.match(directory):
            message = f"{quote_text(directory)} is not a directory of this project"
            self.problems.add_line_problem(message, node.line)
            return None
        return self._make_entry(patterns, origin, "", node.line, node.data, resolution, normalise_directory(directory))

    def _make_entry(
        self,
        patterns: tuple[str, ...],
        origin: _EntryOrigin,
        version: str,
        line: int,
        fields: YamlMembers,
        resolution: str = "",
        member_directory: str | None = None,
    ) -> _YarnEntry | None:
        """Return the entry; None if its name is invalid, which is reported."""
        error = find_name_error(origin.name)
        if error:
            label = quote_text(resolution or patterns[0])
            self.problems.add_line_problem(f"{label} names no package: {error}", line, hint=_REGENERATE_HINT)
            return None
        key = self.keys.assign_key(origin.name, origin.reference if origin.skip else version, origin.registry)
        version = "" if version == "0.0.0-use.local" else version
        return _YarnEntry(
            patterns,
            key,
            origin.name,
            version,
            origin.skip,
            origin.registry,
            line,
            fields,
            resolution,
            member_directory,
            origin.directory,
        )


class _EntryGraph:
    """The entries of one file and the edges between them."""

    def __init__(self, reader: _YarnLockReader, entries: list[_YarnEntry]) -> None:
        self.path = reader.path
        self.problems = reader.problems
        self.report_problem = reader.problems.add_line_problem
        self.entries = entries
        self.missing_edges: dict[tuple[str, str, int], None] = {}
        self.replaced_names: dict[str, None] = {}
        self.by_pattern: dict[str, _YarnEntry] = {}
        self.by_name: dict[str, dict[str, _YarnEntry]] = {}
        self.bound_entries: dict[str, list[tuple[str, _YarnEntry]]] = {}
        for entry in entries:
            for pattern in entry.patterns:
                self._index_pattern(pattern, entry)
        self.entry_edges = [tuple(dict.fromkeys(self._find_edges(entry))) for entry in entries]
        self.target_keys = {edge.target for edges in self.entry_edges for edge in edges}
        self.optional_keys = self.target_keys - {
            edge.target for edges in self.entry_edges for edge in edges if edge.group != "optional"
        }

    def build_packages(self) -> Iterator[LockedPackage]:
        """Yield the packages, with the workspace members that an edge leads to."""
        for entry, edges in zip(self.entries, self.entry_edges, strict=True):
            if entry.member_directory is not None and entry.key not in self.target_keys:
                continue
            conditions = get_text(entry.fields.get("conditions"))
            names = [split_name(pattern)[0] for pattern in entry.patterns]
            is_berry = bool(entry.resolution)
            yield LockedPackage(
                key=entry.key,
                ecosystem=NPM,
                name=entry.name,
                version=entry.version,
                location=Location(path=self.path, line=entry.line),
                edges=edges,
                optional=bool(conditions) or (is_berry and entry.key in self.optional_keys),
                marker=conditions,
                alias="" if entry.name in names else names[0],
                skip_reason=entry.skip,
                index=entry.registry,
                has_hash=_is_hashed(entry.fields),
                directory=entry.directory,
            )

    def build_importers(self) -> Iterator[Importer]:
        """Yield the members of the workspace."""
        for entry, edges in zip(self.entries, self.entry_edges, strict=True):
            if entry.member_directory is not None:
                yield Importer(path=entry.member_directory, name=entry.name, edges=edges)

    def build_patterns(self) -> Iterator[Edge]:
        """Yield the requirements that the entries resolve."""
        for entry in self.entries:
            for pattern in entry.patterns:
                yield _make_edge(entry, *split_name(pattern), "main")

    def find_replaced_specifiers(self) -> dict[str, list[str]]:
        """Return the names whose requirements a resolution replaces, and the specifiers that the file has for each."""
        return {
            name: sorted(
                split_name(pattern)[1].removeprefix("npm:")
                for entry in self.by_name[name].values()
                for pattern in entry.patterns
                if split_name(pattern)[0] == name
            )
            for name in self.replaced_names
        }

    def report_missing(self) -> None:
        """Report each edge whose target is missing."""
        for name, specifier, line in self.missing_edges:
            self.report_problem(_describe_missing(name, specifier), line, hint=_REGENERATE_HINT, level="incomplete")

    def find_missing_packages(self) -> Iterator[MissingPackage]:
        """Yield the target of each edge that has none in this file."""
        for name, specifier, line in islice(self.missing_edges, MAX_PROBLEMS):
            message = _describe_missing(name, specifier)
            problem = self.problems.make_line_problem(message, line, hint=_REGENERATE_HINT, level="incomplete")
            yield MissingPackage(name=name, problem=problem)

    def _index_pattern(self, pattern: str, entry: _YarnEntry) -> None:
        first_entry = self.by_pattern.setdefault(pattern, entry)
        if first_entry is not entry:
            self.report_problem(f"{quote_text(pattern)} is here twice, first in line {first_entry.line}", entry.line)
        name, _ = split_name(pattern)
        self.by_name.setdefault(name, {})[entry.key] = entry
        base_pattern, separator, parameters = pattern.partition("::")
        if separator:
            locator = _LOCATOR_PARAMETER.search(parameters)
            self.bound_entries.setdefault(base_pattern, []).append((unquote(locator[1]) if locator else "", entry))

    def _find_edges(self, entry: _YarnEntry) -> Iterator[Edge]:
        meta = self._get_members(entry, "dependenciesMeta")
        dependencies = self._get_members(entry, "dependencies")
        for name, node in dependencies.items():
            yield from self._resolve_edges(
                entry, name, node, "optional" if meta and _is_optional(meta.get(name)) else "main"
            )
        for name, node in self._get_members(entry, "optionalDependencies").items():
            yield from self._resolve_edges(entry, name, node, "optional")
        peers = self._get_members(entry, "peerDependencies")
        peers_meta = self._get_members(entry, "peerDependenciesMeta") if peers else NO_MEMBERS
        for name, node in peers.items():
            # The file does not state which package provides a peer; a single candidate is certain.
            candidates = self.by_name.get(name, {})
            if len(candidates) == 1 and name not in dependencies and not _is_optional(peers_meta.get(name)):
                yield _make_edge(next(iter(candidates.values())), name, get_text(node), "peer")

    def _resolve_edges(self, entry: _YarnEntry, name: str, node: YamlNode, group: str) -> Iterator[Edge]:
        specifier = get_text(node)
        target = self.by_pattern.get(f"{name}@{specifier}") or self.by_pattern.get(f"{name}@npm:{specifier}")
        if target is not None:
            yield _make_edge(target, name, specifier, group)
            return
        candidates = self._find_bound_entries(entry, f"{name}@{specifier}")
        if not candidates:
            candidates = list(self.by_name.get(name, {}).values())
            if candidates and ":" not in specifier.removeprefix("npm:"):
                self.replaced_names[name] = None
        if not candidates and group == "main":
            self.missing_edges[name, specifier, node.line] = None
        yield from (_make_edge(candidate, name, specifier, group) for candidate in candidates)

    def _find_bound_entries(self, entry: _YarnEntry, pattern: str) -> list[_YarnEntry]:
        """Return the targets of a pattern relative to the dependent: ``file:``, ``link:``, ``portal:``, ``patch:``."""
        candidates = self.bound_entries.get(pattern, [])
        matches = [candidate for locator, candidate in candidates if locator == entry.resolution]
        return matches or [candidate for _, candidate in candidates]

    def _get_members(self, entry: _YarnEntry, key: str) -> YamlMembers:
        node = entry.fields.get(key)
        if node is None:
            return NO_MEMBERS
        if isinstance(node.data, dict):
            return node.data
        self.report_problem(f"{key} must be a mapping, not {node.kind}", node.line, hint=_REGENERATE_HINT)
        return NO_MEMBERS


def _make_edge(entry: _YarnEntry, name: str, specifier: str, group: str) -> Edge:
    return Edge(
        target=entry.key, group=group, requirement=_parse_requirement(name, specifier), alias=_find_alias(entry, name)
    )


def _describe_missing(name: str, specifier: str) -> str:
    return f"{quote_text(f'{name}@{specifier}')} is required here, but not in this file"


def _find_alias(entry: _YarnEntry, name: str) -> str:
    return name if name != entry.name else ""


def _parse_requirement(name: str, specifier: str) -> str:
    """Return the range of a specifier; empty if it has none."""
    requirement = specifier.removeprefix("npm:")
    return (
        parse_spec(name, specifier, {}).requirement
        if ":" in requirement or "@" in requirement or "/" in requirement
        else requirement
    )


def _find_classic_origin(patterns: tuple[str, ...], resolved_url: str, real_name: str, version: str) -> _EntryOrigin:
    """Return the origin of a classic entry, from its patterns and its URL."""
    name, specifier = split_name(patterns[0])
    for pattern in patterns:
        spec = parse_spec(*split_name(pattern), {})
        name = spec.name
        if not spec.skip:  # all patterns resolve to the same artefact
            break
    name = real_name or name
    if not spec.skip:
        return _EntryOrigin(name, registry=extract_index(resolved_url, name, version) if resolved_url else "")
    skip = (
        spec.skip
        if spec.skip in (LOCAL, LOCAL_ARCHIVE) or not resolved_url
        else parse_spec(name, resolved_url, {}).skip or spec.skip
    )
    directory = "" if resolved_url else _find_directory(specifier)
    return _EntryOrigin(name, skip=skip, reference=resolved_url or specifier, directory=directory)


def _find_berry_origin(resolution: str) -> _EntryOrigin:
    """Return the origin of a berry entry, from its resolution."""
    name, full_reference = split_name(resolution)
    for _ in range(_MAX_WRAPPINGS):
        if full_reference.startswith("virtual:"):
            full_reference = full_reference.partition("#")[2]
        elif full_reference.startswith("patch:"):
            name, full_reference = split_name(unquote(full_reference.removeprefix("patch:").partition("#")[0]))
    reference, _, parameters = full_reference.partition("::")
    if reference.startswith("npm:"):
        archive = _ARCHIVE_URL.search(parameters)
        version = reference.removeprefix("npm:")  # Yarn installs this one, whatever the field states
        registry = extract_index(unquote(archive[1]), name, version) if archive else ""
        return _EntryOrigin(name, version=version, registry=registry)
    if reference.startswith("workspace:"):
        return _EntryOrigin(name, skip=WORKSPACE, reference=reference)
    spec = parse_spec(name, _COMMIT_PREFIX.sub("#", reference), {})
    name, skip = spec.name, spec.skip or "not from the npm registry"  # the name that the archive's own URL has
    locator = _LOCATOR_PARAMETER.search(parameters)
    if locator is None:
        return _EntryOrigin(name, skip=skip, reference=reference)
    dependent = unquote(locator[1])
    member = split_name(dependent)[1].removeprefix("workspace:")
    directory = _find_directory(reference)
    return _EntryOrigin(
        name,
        skip=skip,
        reference=f"{reference} of {dependent}",
        # Yarn installs nothing for a link.
        directory=f"{member}/{directory}" if directory and ":" not in member and reference[:5] != "link:" else "",
    )


def _find_directory(reference: str) -> str:
    protocol, _, path = reference.partition(":")
    return find_directory(path.partition("#")[0]) if protocol in ("file", "portal", "link") else ""


def _is_hashed(fields: YamlMembers) -> bool:
    return "integrity" in fields or "checksum" in fields or "#" in get_text(fields.get("resolved"))


def _is_optional(meta: YamlNode | None) -> bool:
    return get_text(get_members(meta).get("optional")) == "true"
