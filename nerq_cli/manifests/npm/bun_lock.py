"""bun.lock, the lock file of Bun: JSON with comments and trailing commas.

``packages`` maps the path of a package to an array: name and version, registry, metadata with dependencies, hash. The
path ``a/b`` is the b that a resolves. ``workspaces`` has the project and its members. Both are the same in versions 0,
1 and 2 (oven-sh/bun, ``src/install/lockfile/bun.lock.rs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

import msgspec

from nerq_cli.ecosystems import NPM
from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import LOCAL_ARCHIVE, DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.npm.node_modules import (
    MAX_PATH_LENGTH,
    NodeResolver,
    find_origin,
    find_skip_reason,
    is_supported_version,
    is_version,
    list_package_json_files,
    read_sections,
    report_missing,
)
from nerq_cli.manifests.npm.npm_spec import guess_archive_version, split_name
from nerq_cli.manifests.npm.package_json import dump_overrides_of_bun
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, PackageSource, find_directory, local_reason
from nerq_cli.manifests.syntax.json_comments import strip_comments
from nerq_cli.manifests.syntax.json_document import JsonReader, NotJsonError
from nerq_cli.manifests.syntax.problems import ProblemList
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.patterns import compile_late
from nerq_cli.resolve.settings import BUN_OVERRIDES

NAME: Final = "bun.lock"

_SUPPORTED_VERSIONS: Final = (0, 1, 2)
#: Prefix in place of a version for a package that is on no registry, and the reason shown for it.
_LOCAL_PREFIXES: Final[Mapping[str, str]] = {
    "workspace:": WORKSPACE,
    "root:": WORKSPACE,
    "link:": LOCAL,
    "file:": LOCAL,
}
_HASH_PATTERN = compile_late(r"sha\d+-[A-Za-z0-9+/=]+")
#: Value of a section that has been read entry by entry.
_PARSED_SECTION: Final = object()
_REGENERATE_HINT: Final = "bun install --lockfile-only writes it again"


def matches(path: PurePosixPath) -> bool:
    """Whether the file is a bun.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - Reader protocol
    """Return the packages of a bun.lock. Errors in the text are in ``problems``; nothing is raised."""
    reader = _BunLockReader(text.removeprefix("\ufeff"), path)
    reader.read_entries()
    packages = tuple(reader.read_packages())
    importers = reader.read_importers()
    return DependencyFile(
        path=path,
        format=NAME,
        locked_packages=packages,
        importers=importers,
        settings=reader.read_settings(),
        locked_filenames=list_package_json_files(importers),
        constraint=constraint,
        local_names=tuple(sorted({importer.name for importer in importers or ()} - {""})),
        problems=reader.problems.problems,
    )


class _BunEntry(msgspec.Struct, frozen=True):
    """One package."""

    name: str
    #: Version, or what Bun writes in its place: ``workspace:``, a path or a URL.
    version: str
    #: Items of the array after the first one.
    items: tuple[object, ...]
    #: Offsets of the entry in the text.
    start: int
    end: int

    @property
    def info(self) -> Mapping[str, object]:
        """The metadata of the package: dependencies, platforms."""
        return next((item for item in self.items if isinstance(item, dict)), {})


class _WorkspaceMember(msgspec.Struct, frozen=True):
    """The project or a member of its workspace."""

    fields: Mapping[str, object]
    start: int
    end: int

    @property
    def name(self) -> str:
        """The package name; empty if it has none."""
        name = self.fields.get("name")
        return name if isinstance(name, str) and name.isprintable() else ""


class _BunLockReader:
    """Reads one lock file: first all entries, then the packages and edges that they give."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.problems = ProblemList(path, text)
        self._header: dict[str, tuple[object, int]] = {}
        self._members: dict[str, _WorkspaceMember] = {}
        self._entries: dict[str, _BunEntry] = {}
        self._resolver = NodeResolver()

    # --- From the text to entries

    def read_entries(self) -> None:
        """Read all entries, and register each path with the resolver."""
        json_reader = JsonReader(strip_comments(self.text))
        try:
            self._read_document(json_reader)
        except NotJsonError as error:
            self.problems.add_problem(f"not valid JSON: {error}", error.offset, hint=error.hint)
            self._clear_entries()
        for key, offset in json_reader.repeated_keys:
            self.problems.add_problem(f"{quote_text(key)} stands here twice", offset, hint=_REGENERATE_HINT)
        self._resolver = NodeResolver(self._read_catalogs())
        for path, entry in self._entries.items():
            owner, name = _split_path(path)
            self._resolver.add_package(owner, name, path, entry.name)

    def _clear_entries(self) -> None:
        self._entries.clear()
        self._members.clear()

    def _read_document(self, json_reader: JsonReader) -> None:
        if not json_reader.in_object:
            json_reader.skip_value()
            json_reader.expect_end()
            self.problems.add_problem("a lock file of Bun is an object", 0)
            return
        readers = {"workspaces": self._read_member, "packages": self._read_entry}
        for key, offset in json_reader.iter_members():
            if key in readers and json_reader.in_object:
                self._header[key] = (_PARSED_SECTION, offset)
                for path, path_offset in json_reader.iter_members():
                    readers[key](path, json_reader, path_offset)
            else:
                self._header[key] = (json_reader.read_value(), offset)
        json_reader.expect_end()
        self._check_header()

    def _check_header(self) -> None:
        version, offset = self._header.get("lockfileVersion", (None, 0))
        if version is None:
            self.problems.add_problem("no lockfileVersion: this is not a lock file of Bun", offset)
            self._clear_entries()
        elif not is_supported_version(version, _SUPPORTED_VERSIONS):
            version_text = f"{version:g}" if isinstance(version, float) else "that is no number"
            self.problems.add_problem(
                f"unknown lockfileVersion {version_text}", offset, hint="versions 0, 1 and 2 are read"
            )
            self._clear_entries()
        else:
            for key in ("workspaces", "packages"):
                value, key_offset = self._header.get(key, (None, offset))
                if value is not _PARSED_SECTION:
                    self.problems.add_problem(
                        f"a lock file of Bun has an object called {key}", key_offset, hint=_REGENERATE_HINT
                    )
            if "" not in self._members and self._header.get("workspaces", (None, 0))[0] is _PARSED_SECTION:
                self.problems.add_problem(
                    "the project itself is missing", self._header["workspaces"][1], hint=_REGENERATE_HINT
                )

    def _read_member(self, path: str, json_reader: JsonReader, offset: int) -> None:
        fields = json_reader.read_value()
        if not isinstance(fields, dict):
            self.problems.add_problem(f"{quote_text(path)} must be an object", offset, hint=_REGENERATE_HINT)
        elif not _is_project_path(path):
            self.problems.add_problem(f"{quote_text(path)} is no folder of this project", offset, hint=_REGENERATE_HINT)
        else:
            self._members[path] = _WorkspaceMember(fields, offset, json_reader.offset)

    def _read_entry(self, path: str, json_reader: JsonReader, offset: int) -> None:
        items = json_reader.read_value()
        if not isinstance(items, list) or not items or not isinstance(items[0], str):
            self.problems.add_problem(
                f"{quote_text(path)} must be an array that begins with name@version", offset, hint=_REGENERATE_HINT
            )
        elif len(path) > MAX_PATH_LENGTH or not path.isprintable() or not path:
            self.problems.add_problem(
                f"{quote_text(path)} cannot be the place of a package", offset, hint=_REGENERATE_HINT
            )
        else:
            name, version = split_name(items[0])
            self._entries[path] = _BunEntry(name, version, tuple(items[1:]), offset, json_reader.offset)

    def _read_catalogs(self) -> dict[str, dict[str, str]]:
        named_catalogs = self._header.get("catalogs", ({}, 0))[0]
        catalogs = dict(named_catalogs) if isinstance(named_catalogs, dict) else {}
        catalogs["default"] = self._header.get("catalog", ({}, 0))[0]
        return {
            name: {package: specifier for package, specifier in specifiers.items() if isinstance(specifier, str)}
            for name, specifiers in catalogs.items()
            if isinstance(specifiers, dict)
        }

    # --- From entries to packages

    def read_importers(self) -> tuple[Importer, ...] | None:
        """Return the project and its members; None if the file has none."""
        importers = [
            Importer(
                path=path,
                name=member.name,
                edges=self._resolve_edges(member.name if path else "", member.fields, member),
            )
            for path, member in self._members.items()
        ]
        return tuple(importers) or None

    def read_settings(self) -> tuple[tuple[str, str], ...]:
        """Return the settings that the file repeats."""
        overrides = self._header.get("overrides", ({}, 0))[0]
        return ((BUN_OVERRIDES, dump_overrides_of_bun(overrides)),) if isinstance(overrides, dict) else ()

    def read_packages(self) -> Iterator[LockedPackage]:
        """Yield the packages in the order of the file."""
        for path, entry in self._entries.items():
            origin = self._find_origin(entry)
            error = _find_entry_error(entry, origin)
            if error:
                self.problems.add_problem(error, entry.start, hint=_REGENERATE_HINT)
            else:
                yield self._make_package(path, entry, origin)

    def _make_package(self, path: str, entry: _BunEntry, origin: PackageSource) -> LockedPackage:
        install_name = _split_path(path)[1]
        member = self._members.get(entry.version.partition(":")[2]) if origin.skip == WORKSPACE else None
        fields = entry.info if member is None else member.fields
        version = fields.get("version") if origin.skip else entry.version
        if not origin.directory:  # Bun installs the development dependencies of a directory
            fields = {**fields, "devDependencies": None}
        if origin.skip == LOCAL_ARCHIVE:  # a path in place of the version
            version = guess_archive_version(entry.name, entry.version)
        return LockedPackage(
            key=path,
            ecosystem=NPM,
            name=entry.name,
            version=version if is_version(version) else "",
            location=Location(path=self.path, line=self.problems.line_index.line_number(entry.start)),
            edges=self._resolve_edges(path, fields, entry),
            optional="os" in entry.info or "cpu" in entry.info,
            marker="bundled" if entry.info.get("bundled") is True else "",
            alias=install_name if install_name != entry.name else "",
            skip_reason=origin.skip,
            index=origin.index,
            has_hash=any(isinstance(item, str) and _HASH_PATTERN.fullmatch(item) for item in entry.items[1:]),
            directory=origin.directory,
        )

    def _find_origin(self, entry: _BunEntry) -> PackageSource:
        for prefix, reason in _LOCAL_PREFIXES.items():
            if entry.version.startswith(prefix):
                skip = local_reason(entry.version) if reason == LOCAL else reason
                path = entry.version.removeprefix("file:")
                return PackageSource(skip=skip, directory=find_directory(path) if prefix == "file:" else "")
        if not is_version(entry.version):
            return PackageSource(skip=find_skip_reason(entry.name, entry.version))
        address = entry.items[0] if entry.items else ""
        if not isinstance(address, str) or not address:  # the default registry
            return PackageSource()
        return find_origin(address, entry.name, entry.version, is_direct_url=False)

    def _resolve_edges(
        self, path: str, fields: Mapping[str, object], holder: _BunEntry | _WorkspaceMember
    ) -> tuple[Edge, ...]:
        requirements = read_sections(
            fields, lambda message: self.problems.add_problem(message, holder.start, hint=_REGENERATE_HINT)
        )
        edges, missing_names = self._resolver.find_edges(path, requirements)
        for name in missing_names if fields.get("bundled") is not True else ():
            report_missing(self.problems, self.text, name, holder.start, holder.end)
        return edges


def _find_entry_error(entry: _BunEntry, origin: PackageSource) -> str:
    """Return why the entry is invalid; empty if it is valid."""
    is_member = origin.skip == WORKSPACE and entry.name.isprintable()
    error = "" if is_member else find_name_error(entry.name)
    if error:
        return f"{quote_text(entry.name)} is no package name: {error}"
    return (
        "" if origin.skip or is_version(entry.version) else f"{quote_text(entry.name)} has no version that can be one"
    )


def _split_path(path: str) -> tuple[str, str]:
    """Split a path into the path of the dependent and the name, which may have a scope."""
    owner, _, name = path.rpartition("/")
    parent, _, scope = owner.rpartition("/")
    return (parent, f"{scope}/{name}") if scope.startswith("@") else (owner, name)


def _is_project_path(path: str) -> bool:
    """Whether a relative path stays inside the project."""
    parts = path.split("/")
    return ".." not in parts and not path.startswith("/") and path.isprintable() and not set(path) & set("\\:")
