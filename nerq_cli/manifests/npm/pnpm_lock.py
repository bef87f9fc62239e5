"""pnpm-lock.yaml, the lock file of pnpm, in versions 5, 6 and 9.

pnpm lists a package once per set of peers (``react-dom@18.3.1(react@18.3.1)``); here these are one entry with the edges
of all. Newer pnpm writes further documents for configuration and for pnpm itself; they are read as well.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from msgspec.structs import replace

from nerq_cli.ecosystems import NPM
from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.npm.npm_entries import (
    EntryKeys,
    extract_index,
    find_local_names,
    merge_entries,
    normalise_directory,
    strip_registry_credentials,
)
from nerq_cli.manifests.npm.npm_spec import Catalogs, parse_spec, split_name
from nerq_cli.manifests.npm.package_json import find_overridden_name
from nerq_cli.manifests.npm.pnpm_settings import Settings, read_locked_settings
from nerq_cli.manifests.package_source import (
    LOCAL,
    URL_PREFIX,
    WORKSPACE,
    find_directory,
    local_reason,
    repository_reason,
    url_reason,
)
from nerq_cli.manifests.syntax.problems import ProblemList, list_examples
from nerq_cli.manifests.syntax.quote import quote_text, quote_version
from nerq_cli.manifests.syntax.yaml_document import (
    NO_MEMBERS,
    SLOW_NOTE,
    NotYamlError,
    YamlMembers,
    YamlNode,
    get_text,
    has_libyaml,
    parse_documents,
)
from nerq_cli.patterns import compile_late

NAME: Final = "pnpm-lock.yaml"

#: Major versions of the format: pnpm 3 to 7 write 5, pnpm 8 writes 6, pnpm 9 and later write 9.
SUPPORTED_VERSIONS: Final = (5, 6, 9)
#: First version with edges in a section of their own, ``snapshots``.
_SNAPSHOT_VERSION: Final = 9

#: Sections of an importer, and the group of each.
GROUPS: Final[Mapping[str, str]] = {
    "dependencies": "main",
    "devDependencies": "dev",
    "optionalDependencies": "optional",
    "configDependencies": "dev:config",
    "packageManagerDependencies": "dev:package-manager",
}
_EDGE_SECTIONS: Final = (("dependencies", "main"), ("optionalDependencies", "optional"))
#: Key of a package by format version: name and version.
_KEY_TEMPLATES: Final[Mapping[int, str]] = {5: "/{}/{}", 6: "/{}@{}", 9: "{}@{}"}

_FILE_NAME = compile_late(r"pnpm-lock(?:\.[^/]+)?\.yaml")
_LOCK_VERSION = compile_late(r"(\d+)(?:\.\d+)?(?:-inlineSpecifiers)?", re.ASCII)
_SEMVER = compile_late(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]*)?", re.ASCII)
#: Key of a package from a registry; the host comes first if it is not the default registry.
_REGISTRY_KEY: Final[Mapping[int, re.Pattern[str]]] = {
    5: compile_late(r"([^/@]*)/((?:@[^/]+/)?[^/@]+)/([^/_]+)(?:_.*)?", re.DOTALL),
    6: compile_late(r"([^/@]*)/((?:@[^/]+/)?[^/@]+)@([^/]+)"),
}
_ABSOLUTE_PATH = compile_late(r"[/\\]|[A-Za-z]:")
_PLATFORM_FIELDS: Final = ("os", "cpu", "libc")
_REGENERATE_HINT: Final = "pnpm install --lockfile-only writes it again"


def matches(path: PurePosixPath) -> bool:
    """Whether the file is a pnpm-lock.yaml, or that of a Git branch (``git-branch-lockfile`` in pnpm's manual)."""
    return _FILE_NAME.fullmatch(path.name) is not None


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - Reader protocol
    """Return the packages of a pnpm-lock.yaml. Errors in the text are in ``problems``; nothing is raised."""
    reader = _PnpmLockReader(text, path)
    try:
        reader.read_documents(parse_documents(text, reader.problems.add_line_problem))
    except NotYamlError as error:
        reader.problems.add_line_problem(str(error), error.line, hint=error.hint)
    return reader.build_result()


class _PnpmEntry(NamedTuple):
    """One entry of the file."""

    key: str
    name: str
    version: str
    skip: str
    registry: str
    line: int
    #: Members of the package.
    package: YamlMembers
    #: Members with its edges; before version 9 the same as ``package``.
    snapshot: YamlMembers
    #: As in `LockedPackage`.
    directory: str


class _PnpmLockReader:
    """Reads one lock file, document by document."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.problems = ProblemList(path, text)
        self.keys = EntryKeys()
        self.packages: list[LockedPackage] = []
        self.importer_edges: dict[str, tuple[Edge, ...]] = {}
        self.linked_folders: dict[str, tuple[str, int]] = {}
        self.injected_names: dict[str, str] = {}
        self.bundling_packages: dict[str, None] = {}
        #: Registries of the entries that an importer requires by the URL of an archive there, by key.
        self.url_registries: dict[str, str] = {}
        self.overridden_names: dict[str, None] = {}
        self.settings: Settings = ()

    def read_documents(self, yaml_documents: list[YamlNode]) -> None:
        """Read all documents that are not empty; report a file without any."""
        nonempty_documents = [document for document in yaml_documents if document.data]
        if not nonempty_documents:
            self.problems.add_line_problem("the file is empty", hint=_REGENERATE_HINT)
        for document in nonempty_documents:
            if isinstance(document.data, dict):
                self._read_document(document.data, document.line)
            else:
                self.problems.add_line_problem(f"a lock file is a mapping, not {document.kind}", document.line)

    def build_result(self) -> DependencyFile:
        """Return the result of all documents."""
        entries = merge_entries(self.packages)
        if self.url_registries:
            entries = tuple(
                replace(entry, index=entry.index or self.url_registries.get(entry.key, "")) for entry in entries
            )
        packages = (*entries, *self._make_linked_packages())
        names = {**self.injected_names, **{path: name for path, (name, _) in self.linked_folders.items()}}
        importers = tuple(
            Importer(path=path, name=names.get(path, ""), edges=edges) for path, edges in self.importer_edges.items()
        )
        return DependencyFile(
            path=self.path,
            format=NAME,
            locked_packages=packages,
            importers=importers,
            locked_filenames=("package.json",),
            local_names=find_local_names((entry.name, entry.skip_reason) for entry in packages),
            overridden_names=tuple(self.overridden_names),
            compares_requirements=True,
            settings=self.settings,
            problems=self.problems.problems,
            notes=tuple(self._build_notes()),
        )

    def _read_document(self, root: YamlMembers, line: int) -> None:
        version_node = root.get("lockfileVersion")
        version_match = _LOCK_VERSION.fullmatch(get_text(version_node))
        if version_node is None:
            self.problems.add_line_problem("this is not a lock file of pnpm's: it has no lockfileVersion", line)
        elif version_match is None or int(version_match[1]) not in SUPPORTED_VERSIONS:
            version_list = ", ".join(map(str, SUPPORTED_VERSIONS))
            hint = f"known are versions {version_list}"
            self.problems.add_line_problem(
                f"unknown version of the lock file: {quote_version(get_text(version_node))}",
                version_node.line,
                hint=hint,
            )
        else:
            document = _DocumentReader(self, root, int(version_match[1]))
            document.read_document()

    def _make_linked_packages(self) -> Iterator[LockedPackage]:
        """Yield the linked directories; a workspace member has the edges of its runtime dependencies."""
        for path, (name, line) in self.linked_folders.items():
            edges = self.importer_edges.get(path)
            yield LockedPackage(
                key=_make_link_key(path),
                ecosystem=NPM,
                name=name,
                version="",
                location=Location(path=self.path, line=line),
                edges=tuple(edge for edge in edges or () if edge.group in {"main", "optional"}),
                skip_reason=LOCAL if edges is None else WORKSPACE,
            )

    def _build_notes(self) -> Iterator[str]:
        if self.bundling_packages:
            yield f"not listed in this file: what is bundled with {list_examples(list(self.bundling_packages))}"
        if not has_libyaml():
            yield SLOW_NOTE


class _DocumentReader:
    """Reads one document of a lock file."""

    def __init__(self, lockfile: _PnpmLockReader, root: YamlMembers, version: int) -> None:
        self.lockfile = lockfile
        self.report_problem = lockfile.problems.add_line_problem
        self.root = root
        self.version = version
        self.importers = self._read_importers()
        self.entries: dict[str, _PnpmEntry] = {}
        #: Edges between packages by name, reference and group: many packages have the same one.
        self._edge_cache: dict[tuple[str, str, str], Edge] = {}

    def read_document(self) -> None:
        """Read the packages, then the edges between them."""
        for raw_key, line, package, snapshot in self._iter_packages():
            entry = self._make_entry(raw_key, line, package, snapshot)
            if entry is not None:
                self.entries[raw_key] = entry
        self.lockfile.packages += map(self._make_package, self.entries.values())
        overrides = self._get_members(self.root, "overrides")
        if "settings" in self.root:  # the document of the project, since version 6
            self.lockfile.settings = read_locked_settings(self.root)
        self.lockfile.overridden_names |= dict.fromkeys(filter(None, map(find_overridden_name, overrides)))
        catalogs = self._read_catalogs()
        for path, importer in self.importers.items():
            edges = self._find_importer_edges(path, importer, catalogs)
            self.lockfile.importer_edges[path] = tuple(
                dict.fromkeys((*self.lockfile.importer_edges.get(path, ()), *edges))
            )

    # --- Packages ----------------------------------------------------------------------------------------------------

    def _iter_packages(self) -> Iterator[tuple[str, int, YamlMembers, YamlMembers]]:
        """Yield key, line, package members and snapshot members of each entry."""
        packages = self._get_members(self.root, "packages")
        if self.version < _SNAPSHOT_VERSION:
            for raw_key, node in packages.items():
                members = self._as_mapping(node, raw_key)
                yield raw_key, node.line, members, members
            return
        unmatched_packages = dict(packages)
        for raw_key, node in self._get_members(self.root, "snapshots").items():
            package_key = _strip_peers(raw_key)
            unmatched_packages.pop(package_key, None)
            package = packages.get(package_key)
            if package is None:
                self.report_problem(
                    f"{quote_text(package_key)} is in snapshots, but not in packages",
                    node.line,
                    hint=_REGENERATE_HINT,
                )
                yield raw_key, node.line, NO_MEMBERS, self._as_mapping(node, raw_key)
            else:
                yield raw_key, package.line, self._as_mapping(package, package_key), self._as_mapping(node, raw_key)
        if packages and "snapshots" not in self.root:
            self.report_problem("the snapshots are missing: the file is damaged", hint=_REGENERATE_HINT)
        for raw_key, node in unmatched_packages.items():
            if "snapshots" in self.root:
                self.report_problem(
                    f"{quote_text(raw_key)} is in packages, but not in snapshots", node.line, hint=_REGENERATE_HINT
                )
            yield raw_key, node.line, self._as_mapping(node, raw_key), NO_MEMBERS

    def _make_entry(self, raw_key: str, line: int, package: YamlMembers, snapshot: YamlMembers) -> _PnpmEntry | None:
        host, name, reference = self._split_key(raw_key)
        name = name or get_text(package.get("name"))
        error = find_name_error(name)
        if error:
            self.report_problem(f"{quote_text(raw_key)} names no package: {error}", line, hint=_REGENERATE_HINT)
            return None
        resolution = self._get_members(package, "resolution")
        if not resolution and package is not NO_MEMBERS:
            self.report_problem(
                f"{quote_text(raw_key)} has no resolution: the entry is damaged", line, hint=_REGENERATE_HINT
            )
        skip = self._find_skip_reason(name, reference, resolution)
        version = reference if _SEMVER.fullmatch(reference) else get_text(package.get("version"))
        index = "" if skip else _find_index(resolution, name, version, host)
        if skip == WORKSPACE:
            self.lockfile.injected_names[normalise_directory(get_text(resolution.get("directory")))] = name
        origin = get_text(package.get("id")) or reference  # version 5: the key without peers
        key = self.lockfile.keys.assign_key(name, origin if skip else version, index)
        directory = find_directory(get_text(resolution.get("directory"))) if skip == LOCAL else ""
        return _PnpmEntry(key, name, version, skip, index, line, package, snapshot, directory)

    def _split_key(self, raw_key: str) -> tuple[str, str, str]:
        """Return registry host (empty for the default one), name, and version or URL of a key."""
        if self.version >= _SNAPSHOT_VERSION:
            name, reference = split_name(_strip_peers(raw_key))
            return "", name, reference
        match = _REGISTRY_KEY[self.version].fullmatch(_strip_peers(raw_key))
        if match and _SEMVER.fullmatch(match[3]):
            return match[1], match[2], match[3]
        return "", "", _strip_peers(raw_key)

    def _find_skip_reason(self, name: str, reference: str, resolution: YamlMembers) -> str:
        """Return why a package is not from a registry; empty if it is."""
        kind, tarball = get_text(resolution.get("type")), get_text(resolution.get("tarball"))
        if kind == "git":
            return repository_reason(get_text(resolution.get("repo")), get_text(resolution.get("commit")))
        if kind == "directory":
            return WORKSPACE if normalise_directory(get_text(resolution.get("directory"))) in self.importers else LOCAL
        if tarball.startswith("file:"):
            return local_reason(tarball)
        if _SEMVER.fullmatch(reference):
            return f"{kind[:20]}: not from the npm registry" if kind else ""
        return url_reason(tarball) if tarball else parse_spec(name, reference, {}).skip or "not from the npm registry"

    def _make_package(self, entry: _PnpmEntry) -> LockedPackage:
        package, snapshot = entry.package, entry.snapshot
        bundle_node = package.get("bundledDependencies") or package.get("bundleDependencies")
        if bundle_node is not None and bundle_node.data and bundle_node.data != "false":
            self.lockfile.bundling_packages[entry.key] = None
        dev_node = snapshot.get("dev")
        return LockedPackage(
            key=entry.key,
            ecosystem=NPM,
            name=entry.name,
            version=entry.version,
            location=Location(path=self.lockfile.path, line=entry.line),
            edges=self._find_edges(entry),
            groups=() if dev_node is None else ("dev",) if dev_node.data == "true" else ("main",),
            optional=get_text(snapshot.get("optional")) == "true",
            marker=_format_platforms(package),
            skip_reason=entry.skip,
            index=entry.registry,
            has_hash="integrity" in self._get_members(package, "resolution"),
            directory=entry.directory,
        )

    # --- Edges -------------------------------------------------------------------------------------------------------

    def _find_edges(self, entry: _PnpmEntry) -> tuple[Edge, ...]:
        edges: list[Edge] = []
        peers = self._get_members(entry.package, "peerDependencies")
        sections = [
            (group, members)
            for section, group in _EDGE_SECTIONS
            if (members := self._get_members(entry.snapshot, section))
        ]
        for group, members in sections:
            for name, node in members.items():
                reference = get_text(node)
                peer_node = peers.get(name)
                edge = self._edge_cache.get((name, reference, group)) if peer_node is None else None
                if edge is None:
                    target = self._resolve_target(
                        name, reference, "", node.line, optional=group == "optional" or peer_node is not None
                    )
                    if target is None:
                        continue
                    if peer_node is None:
                        edge = Edge(target=target[0], group=group, alias=target[1])
                        self._edge_cache[name, reference, group] = edge
                    else:
                        edge = Edge(target=target[0], group="peer", requirement=get_text(peer_node), alias=target[1])
                edges.append(edge)
        return tuple(dict.fromkeys(edges) if len(sections) > 1 else edges)

    def _find_importer_edges(self, path: str, importer: YamlMembers, catalogs: Catalogs) -> Iterator[Edge]:
        specifiers = self._get_members(importer, "specifiers")
        if specifiers and importer.keys().isdisjoint(GROUPS):
            self.report_problem(
                "the versions of these specifiers are missing",
                importer["specifiers"].line,
                hint=_REGENERATE_HINT,
            )
        for section, group in GROUPS.items():
            for name, node in self._get_members(importer, section).items():
                fields = node.data if isinstance(node.data, dict) else {"version": node}
                specifier = get_text(fields.get("specifier") or specifiers.get(name))
                spec = parse_spec(name, specifier, catalogs)
                link_name = spec.name if spec.skip == WORKSPACE else name
                version = get_text(fields.get("version"))
                target = self._resolve_target(
                    name, version, path, node.line, optional=group == "optional", link_name=link_name
                )
                if target is not None:
                    yield Edge(target=target[0], group=group, requirement=spec.requirement, alias=target[1])
                if spec.skip.startswith(URL_PREFIX):
                    self._note_url_registry(name, version, specifier)

    def _note_url_registry(self, name: str, version: str, url: str) -> None:
        """Note the registry of an entry that is required by a URL: pnpm resolves one of a registry as its version."""
        entry = self._find_entry(name, version)
        if entry is not None and not entry.skip:
            self.lockfile.url_registries.setdefault(entry.key, extract_index(url, entry.name, entry.version))

    def _resolve_target(
        self, name: str, reference: str, base_directory: str, line: int, *, optional: bool, link_name: str = ""
    ) -> tuple[str, str] | None:
        """Return the key that a reference resolves to, and its alias; None if the file lacks it, which is reported.

        ``base_directory`` is the directory that links are relative to, ``link_name`` the package name of a link.
        """
        if reference.startswith("link:"):
            path, package_name = (
                normalise_directory(posixpath.join(base_directory, reference.removeprefix("link:"))),
                link_name or name,
            )
            self.lockfile.linked_folders.setdefault(path, (package_name, line))
            return _make_link_key(path), name if package_name != name else ""
        entry = self._find_entry(name, reference)
        if entry is not None:
            return entry.key, name if entry.name != name else ""
        if not reference:
            self.report_problem(
                f"{quote_text(name)} has no version here: the entry is damaged", line, hint=_REGENERATE_HINT
            )
        elif not optional:
            self.report_problem(
                f"{quote_text(name)} leads to {quote_text(reference)}, which is not in this file",
                line,
                hint=_REGENERATE_HINT,
                level="incomplete",
            )
        return None

    def _find_entry(self, name: str, reference: str) -> _PnpmEntry | None:
        return self.entries.get(_KEY_TEMPLATES[self.version].format(name, reference)) or self.entries.get(reference)

    # --- The document ------------------------------------------------------------------------------------------------

    def _read_importers(self) -> dict[str, YamlMembers]:
        """Return the projects of the workspace by directory. A single project may be at the top level."""
        importers_node = self.root.get("importers")
        if importers_node is None:
            if self.version >= _SNAPSHOT_VERSION:
                self.report_problem("the importers are missing: the file is damaged", hint=_REGENERATE_HINT)
                return {}
            return {"": self.root}
        importers: dict[str, YamlMembers] = {}
        for path, node in self._as_mapping(importers_node, "importers").items():
            if _ABSOLUTE_PATH.match(path):
                self.report_problem(f"{quote_text(path)} is not a directory of this project", node.line)
            else:
                importers[normalise_directory(path)] = self._as_mapping(node, path)
        return importers

    def _read_catalogs(self) -> Catalogs:
        return {
            name: {
                package: get_text(self._as_mapping(entry, package).get("specifier"))
                for package, entry in self._as_mapping(node, name).items()
            }
            for name, node in self._get_members(self.root, "catalogs").items()
        }

    def _get_members(self, holder: YamlMembers, key: str) -> YamlMembers:
        """Return the members of a mapping inside another one; none if it is missing. Other types are reported."""
        node = holder.get(key)
        return NO_MEMBERS if node is None else self._as_mapping(node, key)

    def _as_mapping(self, node: YamlNode, label: str) -> YamlMembers:
        if isinstance(node.data, dict):
            return node.data
        self.report_problem(f"{quote_text(label)} must be a mapping, not {node.kind}", node.line, hint=_REGENERATE_HINT)
        return NO_MEMBERS


def _strip_peers(key: str) -> str:
    """Return a key without the peers in parentheses at its end; others may be part of a path."""
    if not key.endswith(")"):
        return key
    end, depth = len(key), 0
    for bracket in reversed(list(re.finditer(r"[()]", key))):
        if depth == 0 and bracket.end() != end:
            break
        depth += 1 if bracket[0] == ")" else -1
        if depth == 0:
            end = bracket.start()
    return key[:end]


def _make_link_key(path: str) -> str:
    return f"link:{path or '.'}"


def _find_index(resolution: YamlMembers, name: str, version: str, host: str) -> str:
    """Return the registry of an entry: from its tarball URL, its own field, or its key."""
    tarball, registry = get_text(resolution.get("tarball")), get_text(resolution.get("registry"))
    index = extract_index(tarball, name, version) if tarball else ""
    if index:
        return index
    if registry:
        return strip_registry_credentials(registry.rstrip("/"))
    return f"https://{host.replace('+', ':')}" if host else ""


def _format_platforms(package: YamlMembers) -> str:
    """Return the platforms of a package: ``os: darwin, linux; cpu: arm64``."""
    parts = []
    for key in _PLATFORM_FIELDS:
        node = package.get(key)
        if node is not None and isinstance(node.data, list):
            parts.append(f"{key}: {', '.join(map(get_text, node.data))}")
        elif node is not None and isinstance(node.data, str):
            parts.append(f"{key}: {node.data}")
    return "; ".join(parts)
