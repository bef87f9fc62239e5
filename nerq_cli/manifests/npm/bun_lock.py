"""bun.lock: what Bun installs, in JSON with comments and a comma after every item.

``packages`` maps each package's place to an array: what it is, where from, what it needs, its hash. A place is a path
of names: ``a/b`` is the b that a finds. ``workspaces`` are the project and its members. Versions 0, 1 and 2 differ
for neither (oven-sh/bun, ``src/install/lockfile/bun.lock.rs``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.ecosystems import NPM
from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.npm.node_modules import (
    MAX_PATH_LENGTH,
    NodeResolver,
    describe_missing,
    find_origin,
    find_skip_reason,
    is_supported_version,
    is_version,
    read_sections,
)
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, PackageSource
from nerq_cli.manifests.syntax.json_comments import strip_comments
from nerq_cli.manifests.syntax.json_document import JsonReader, NotJsonError
from nerq_cli.manifests.syntax.problems import ProblemList, quote_text

NAME: Final = "bun.lock"

_SUPPORTED_VERSIONS: Final = (0, 1, 2)
#: What stands for a version where a package is not from the registry, and why it is never looked up.
_LOCAL_PREFIXES: Final[Mapping[str, str]] = {
    "workspace:": WORKSPACE,
    "root:": WORKSPACE,
    "link:": LOCAL,
    "file:": LOCAL,
}
_HASH_PATTERN = re.compile(r"sha\d+-[A-Za-z0-9+/=]+")
#: Stands for a section that was gone through already.
_PARSED_SECTION: Final = object()
_REGENERATE_HINT: Final = "bun install --lockfile-only writes it anew"


def matches(path: PurePosixPath) -> bool:
    """Say whether this file is a bun.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - all take it
    """Read what a bun.lock holds. What is wrong with it is in ``problems``; nothing is raised."""
    reader = _BunLockReader(text.removeprefix("\ufeff"), path)
    reader.read_entries()
    packages = tuple(reader.read_packages())
    importers = reader.read_importers()
    return DependencyFile(
        path=path,
        format=NAME,
        locked_packages=packages,
        importers=importers,
        locked_filenames=tuple(
            (PurePosixPath(importer.path) / "package.json").as_posix() for importer in importers or (Importer(),)
        ),
        constraint=constraint,
        local_names=tuple(sorted({importer.name for importer in importers or ()} - {""})),
        problems=reader.problems.problems,
    )


@dataclass(frozen=True, slots=True)
class _BunEntry:
    """One package: the name and what stands for its version, the rest of its array, and where it stands."""

    name: str
    version: str
    items: tuple[object, ...]
    start: int
    end: int

    @property
    def info(self) -> Mapping[str, object]:
        """What it says about what it needs, and where it runs."""
        return next((item for item in self.items if isinstance(item, dict)), {})


@dataclass(frozen=True, slots=True)
class _WorkspaceMember:
    """The project or a member of its workspace, and where it stands."""

    fields: Mapping[str, object]
    start: int
    end: int

    @property
    def name(self) -> str:
        """What it is called; empty when it has no name."""
        name = self.fields.get("name")
        return name if isinstance(name, str) and name.isprintable() else ""


class _BunLockReader:
    """One lock file, and what was found in it and wrong with it so far."""

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
        """Read the text, find all entries, and tell what lies where."""
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
            name, version = _split_name_version(items[0])
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
        """Return the project and its members; None where the file has none."""
        importers = [
            Importer(
                path=path,
                name=member.name,
                edges=self._resolve_edges(member.name if path else "", member.fields, member),
            )
            for path, member in self._members.items()
        ]
        return tuple(importers) or None

    def read_packages(self) -> Iterator[LockedPackage]:
        """Go through the packages in the order of the file."""
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
        return LockedPackage(
            key=path,
            ecosystem=NPM,
            name=entry.name,
            version=version if is_version(version) else "",
            location=Location(path=self.path, line=self.problems.line_index.line_number(entry.start)),
            edges=self._resolve_edges(path, {**fields, "devDependencies": None}, entry),
            optional="os" in entry.info or "cpu" in entry.info,
            marker="bundled" if entry.info.get("bundled") is True else "",
            alias=install_name if install_name != entry.name else "",
            skip_reason=origin.skip,
            index=origin.index,
            has_hash=any(isinstance(item, str) and _HASH_PATTERN.fullmatch(item) for item in entry.items[1:]),
        )

    def _find_origin(self, entry: _BunEntry) -> PackageSource:
        for prefix, reason in _LOCAL_PREFIXES.items():
            if entry.version.startswith(prefix):
                return PackageSource(skip=reason)
        if not is_version(entry.version):
            return PackageSource(skip=find_skip_reason(entry.name, entry.version))
        address = entry.items[0] if entry.items else ""
        if not isinstance(address, str) or not address:  # that is the default one
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
            message, hint = describe_missing(name)
            match = re.compile(rf'"{re.escape(name)}"\s*:').search(self.text, holder.start, holder.end)
            self.problems.add_problem(message, holder.start if match is None else match.start(), hint=hint)
        return edges


def _find_entry_error(entry: _BunEntry, origin: PackageSource) -> str:
    """Return why this cannot be an entry; empty when it can."""
    is_member = origin.skip == WORKSPACE and entry.name.isprintable()
    error = "" if is_member else find_name_error(entry.name)
    if error:
        return f"{quote_text(entry.name)} is no package name: {error}"
    return (
        "" if origin.skip or is_version(entry.version) else f"{quote_text(entry.name)} has no version that can be one"
    )


def _split_name_version(identifier: str) -> tuple[str, str]:
    """Split ``name@version``; the name may begin with an at sign itself."""
    at = identifier.find("@", 1)
    return (identifier, "") if at < 0 else (identifier[:at], identifier[at + 1 :])


def _split_path(path: str) -> tuple[str, str]:
    """Split the place of a package into that of its owner and its name there, which may have a scope."""
    owner, _, name = path.rpartition("/")
    parent, _, scope = owner.rpartition("/")
    return (parent, f"{scope}/{name}") if scope.startswith("@") else (owner, name)


def _is_project_path(path: str) -> bool:
    """Whether a folder is one of the project's own."""
    parts = path.split("/")
    return ".." not in parts and not path.startswith("/") and path.isprintable() and not set(path) & set("\\:")
