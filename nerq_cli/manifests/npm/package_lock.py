"""package-lock.json and npm-shrinkwrap.json, the lock files of npm.

Versions 2 and 3 map each folder to its package (``packages``). Version 1 nests the packages as their folders are nested
(``dependencies``); version 2 repeats that, which is read only if ``packages`` is missing. The format is in npm's
documentation of package-lock.json; dependencies are resolved as Node does. Entries that ``npm ci`` does not install are
left out: extraneous ones, and those without a version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM
from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.npm.node_modules import (
    MAX_PATH_LENGTH,
    NodeResolver,
    find_origin,
    is_supported_version,
    is_version,
    list_package_json_files,
    read_sections,
    report_missing,
)
from nerq_cli.manifests.npm.npm_spec import parse_spec
from nerq_cli.manifests.npm.package_json import build_workspace_glob, match_workspace_globs
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, PackageSource
from nerq_cli.manifests.syntax.json_document import MAX_DEPTH, JsonReader, NotJsonError
from nerq_cli.manifests.syntax.problems import ProblemList, list_examples
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.patterns import compile_late
from nerq_cli.resolve.settings import NPM_OVERRIDES

NAME: Final = "package-lock.json"
#: File names; packages publish the second one.
_FILE_NAMES: Final = (NAME, "npm-shrinkwrap.json")

#: Versions of the format with ``packages``, and without.
_FLAT_VERSIONS: Final = (2, 3)
_NESTED_VERSION: Final = 1
_NODE_MODULES: Final = "node_modules/"
#: Members of an entry that npm writes for a package that it knew of and did not install (npm/cli issue 4828).
_FLAGS: Final = frozenset({"dev", "optional", "devOptional", "peer", "extraneous", "ideallyInert"})
#: Absolute paths, and all paths with Windows separators.
_ABSOLUTE_PATH = compile_late(r"/|[^\\:]*[\\:]")
#: Number of missing packages that a note lists.
_MAX_EXAMPLES: Final = 5
_REGENERATE_HINT: Final = "npm install --package-lock-only writes it again"
_UNKNOWN_ORIGIN: Final = PackageSource()


def matches(path: PurePosixPath) -> bool:
    """Whether the file is a lock file of npm; not the copy in node_modules."""
    return path.name in _FILE_NAMES


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - Reader protocol
    """Return the packages of a lock file. Errors in the text are in ``problems``; nothing is raised.

    Keys are the paths of folders, as in versions 2 and 3 of the format. A version 1 file has no ``importers``.
    """
    reader = _PackageLockReader(text.removeprefix("\ufeff"), path)
    reader.read_entries()
    packages = tuple(reader.read_packages())
    importers = reader.importers
    return DependencyFile(
        path=path,
        format=NAME,
        locked_packages=packages,
        importers=importers,
        settings=((NPM_OVERRIDES, ""),) if reader.shows_overrides else (),
        locked_filenames=list_package_json_files(importers),
        constraint=constraint,
        local_names=tuple(sorted({reader.project_name, *(importer.name for importer in importers or ())} - {""})),
        problems=reader.problems.problems,
        notes=tuple(reader.build_notes()),
    )


class _FolderEntry(msgspec.Struct):
    """One folder with its package."""

    path: str
    #: Members of the entry, in the terms of version 3.
    fields: Mapping[str, object]
    #: Offsets of the entry in the text.
    start: int
    end: int
    #: Folder whose node_modules it is in.
    owner: str = ""
    #: Name in that node_modules; empty for a folder in none.
    install_name: str = ""
    package_name: str = ""

    def __post_init__(self) -> None:
        self.owner, self.install_name = _split_path(self.path)
        name = self.fields.get("name")
        is_usable = isinstance(name, str) and name and name.isprintable()
        self.package_name = str(name) if is_usable else self.install_name or _derive_name(self.path)

    def has_flag(self, flag: str) -> bool:
        """Whether a flag of the entry is true."""
        return self.fields.get(flag) is True

    @property
    def is_installed(self) -> bool:
        """Whether ``npm ci`` installs the package: it is not extraneous, and has more than flags."""
        return not self.has_flag("extraneous") and not (
            self.install_name and self.fields and self.fields.keys() <= _FLAGS
        )

    @property
    def is_in_project(self) -> bool:
        """Whether the folder is inside the project directory."""
        path = self.path
        return not (".." in path and ".." in path.split("/")) and not _ABSOLUTE_PATH.match(path)


class _PackageLockReader:
    """Reads one lock file: first all entries, then the packages and edges that they give."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.problems = ProblemList(path, text)
        self.project_name = ""
        self._header: dict[str, tuple[object, int]] = {}
        self._entries: dict[str, _FolderEntry] = {}
        self._is_nested = False
        self._lacks_project = False
        self._resolver = NodeResolver()
        self._missing_dependents: dict[str, str] = {}
        self._edges_by_path: dict[str, tuple[Edge, ...] | None] = {}
        self.importers: tuple[Importer, ...] | None = None

    @property
    def shows_overrides(self) -> bool:
        """Whether each version satisfies what is required of it, unless an override is in its place.

        A package with a lock file of its own (``hasShrinkwrap``) decides about the versions below it.
        """
        return self.has_edges and not any(entry.has_flag("hasShrinkwrap") for entry in self._entries.values())

    @property
    def has_edges(self) -> bool:
        """Whether the file states what its packages require; npm before 5 left that out."""
        return not self._is_nested or "requires" in self._header

    # --- From the text to entries

    def read_entries(self) -> None:
        """Read all entries, register each folder with the resolver, and find the edges."""
        json_reader = JsonReader(self.text)
        try:
            self._read_document(json_reader)
        except NotJsonError as error:
            self.problems.add_problem(f"not valid JSON: {error}", error.offset, hint=error.hint)
            self._entries.clear()
        for key, offset in json_reader.repeated_keys:
            self.problems.add_problem(f"{quote_text(key)} stands here twice", offset, hint=_REGENERATE_HINT)
        self._entries = {path: entry for path, entry in self._entries.items() if entry.is_installed}
        for entry in self._entries.values():
            self._register_folder(entry)
        self.importers = self._read_importers()
        self._edges_by_path = {entry.path: self._find_edges(entry) for entry in self._iter_package_entries()}

    def _read_document(self, json_reader: JsonReader) -> None:
        if not json_reader.in_object:
            json_reader.skip_value()
            json_reader.expect_end()
            self.problems.add_problem("a lock file of npm is an object", 0)
            return
        section_offsets: dict[str, tuple[int, int]] = {}
        for key, offset in json_reader.iter_members():
            if key in {"packages", "dependencies"}:
                section_offsets[key] = (offset, json_reader.offset)
            if key == "packages" and json_reader.in_object:
                self._read_flat(json_reader)
            elif key in {"packages", "dependencies"}:
                json_reader.skip_value()
            else:
                self._header[key] = (json_reader.read_value(), offset)
        json_reader.expect_end()
        self._set_project_name(self._header.get("name", ("", 0))[0])
        self._check_version(json_reader, section_offsets)

    def _check_version(self, json_reader: JsonReader, section_offsets: Mapping[str, tuple[int, int]]) -> None:
        """Report missing sections; for version 1 read the nested entries."""
        version, offset = self._header.get("lockfileVersion", (None, 0))
        if is_supported_version(version, _FLAT_VERSIONS):
            key_offset, value_offset = section_offsets.get("packages", (offset, -1))
            if value_offset < 0 and "dependencies" in section_offsets:
                self._is_nested = True
                self._read_nested(json_reader, *section_offsets["dependencies"])
            elif value_offset < 0 or not self.text.startswith(("{", "[]"), value_offset):
                self.problems.add_problem(
                    "a lock file of this version needs an object called packages", key_offset, hint=_REGENERATE_HINT
                )
            elif not self._entries:
                self._lacks_project = True  # npm writes no entry for a package.json with nothing in it
            elif "" not in self._entries:
                self.problems.add_problem(
                    "the project itself is missing from packages", key_offset, hint=_REGENERATE_HINT
                )
            return
        self._entries.clear()
        key_offset, value_offset = section_offsets.get("dependencies", (offset, -1))
        if is_supported_version(version, (_NESTED_VERSION,)) or (version is None and value_offset >= 0):
            self._is_nested = True
            self._read_nested(json_reader, key_offset, value_offset)
        elif version is None:
            self.problems.add_problem("no lockfileVersion: this is not a lock file of npm", offset)
        else:
            version_text = f"{version:g}" if isinstance(version, float) else "that is no number"
            hint = "versions 1, 2 and 3 are read: npm install --package-lock-only --lockfile-version 3"
            self.problems.add_problem(f"unknown lockfileVersion {version_text}", offset, hint=hint)

    def _read_flat(self, json_reader: JsonReader) -> None:
        for path, offset in json_reader.iter_members():
            fields = json_reader.read_value()
            if not isinstance(fields, dict):
                self.problems.add_problem(f"{quote_text(path)} must be an object", offset, hint=_REGENERATE_HINT)
            elif len(path) > MAX_PATH_LENGTH or not path.isprintable():
                self.problems.add_problem(
                    f"{quote_text(path)} cannot be the path of a folder", offset, hint=_REGENERATE_HINT
                )
            else:
                self._entries[path] = _FolderEntry(path, fields, offset, json_reader.offset)

    def _read_nested(self, json_reader: JsonReader, offset: int, value_offset: int) -> None:
        json_reader.offset = value_offset
        if value_offset < 0:
            return
        if json_reader.in_object:
            entries = sorted(self._iter_nested(json_reader, ""), key=lambda entry: entry.start)
            self._entries.update((entry.path, entry) for entry in entries)
        elif json_reader.read_value() != []:
            self.problems.add_problem("dependencies must be an object", offset, hint=_REGENERATE_HINT)

    def _iter_nested(self, json_reader: JsonReader, owner: str) -> Iterator[_FolderEntry]:
        """Yield the entries of a version 1 file below a folder."""
        for name, offset in json_reader.iter_members():
            path = f"{owner}{_NODE_MODULES}{name}"
            if len(path) > MAX_PATH_LENGTH or path.count(_NODE_MODULES) > MAX_DEPTH // 2:
                raise NotJsonError(f"nested more than {MAX_DEPTH} levels deep", offset)
            if not json_reader.in_object:
                json_reader.skip_value()
                self.problems.add_problem(f"{quote_text(name)} must be an object", offset, hint=_REGENERATE_HINT)
                continue
            fields: dict[str, object] = {}
            for key, _ in json_reader.iter_members():
                if key == "dependencies" and json_reader.in_object:
                    yield from self._iter_nested(json_reader, f"{path}/")
                else:
                    fields[key] = json_reader.read_value()
            yield _FolderEntry(path, _convert_to_flat(fields), offset, json_reader.offset)

    def _set_project_name(self, name: object) -> None:
        if isinstance(name, str) and name.isprintable():
            self.project_name = name

    # --- From entries to packages

    def _register_folder(self, entry: _FolderEntry) -> None:
        """Register a folder, or the target of a link, with the resolver."""
        target: _FolderEntry | None = entry
        if entry.has_flag("link"):
            target = self._entries.get(str(entry.fields.get("resolved", "")))
            if target is None or target.install_name or not target.path:
                self.problems.add_problem(
                    f"the link {quote_text(entry.path)} leads to no entry", entry.start, hint=_REGENERATE_HINT
                )
                return
        if entry.install_name and target is not None:
            self._resolver.add_package(entry.owner, entry.install_name, target.path, target.package_name)

    def _read_importers(self) -> tuple[Importer, ...] | None:
        """Return the project and its members; None if the file lacks their dependencies."""
        if self._lacks_project:
            return (Importer(name=self.project_name),)
        if self._is_nested or "" not in self._entries:
            return None
        return tuple(
            Importer(
                path=entry.path,
                name=entry.package_name if entry.path else self.project_name or entry.package_name,
                edges=self._resolve_edges(entry, entry.fields),
            )
            for entry in self._entries.values()
            if not entry.install_name and entry.is_in_project
        )

    def read_packages(self) -> Iterator[LockedPackage]:
        """Yield the packages in the order of the file."""
        for entry in self._iter_package_entries():
            package = self._make_package(entry)
            if package is not None:
                yield package

    def _iter_package_entries(self) -> Iterator[_FolderEntry]:
        return (entry for entry in self._entries.values() if entry.path and not entry.has_flag("link"))

    def _make_package(self, entry: _FolderEntry) -> LockedPackage | None:
        version = entry.fields.get("version")
        origin = self._find_origin(entry)
        error = _find_entry_error(entry, origin)
        if error:
            self.problems.add_problem(error, entry.start, hint=_REGENERATE_HINT)
            return None
        return LockedPackage(
            key=entry.path,
            ecosystem=NPM,
            name=entry.package_name,
            version=str(version or ""),
            location=Location(path=self.path, line=self.problems.line_index.line_number(entry.start)),
            edges=self._edges_by_path[entry.path],
            groups=_find_groups(entry),
            optional=entry.has_flag("optional") or entry.has_flag("devOptional"),
            marker="bundled" if entry.has_flag("inBundle") else "",
            alias=entry.install_name if entry.install_name != entry.package_name else "",
            skip_reason=origin.skip,
            index=origin.index,
            has_hash=bool(entry.fields.get("integrity")),
        )

    def _find_origin(self, entry: _FolderEntry) -> PackageSource:
        if not entry.install_name:
            is_member = entry.is_in_project and match_workspace_globs(self._workspace_globs, entry.path)
            return PackageSource(skip=WORKSPACE if is_member else LOCAL)
        resolved_url = entry.fields.get("resolved")
        if not isinstance(resolved_url, str) or not resolved_url:
            return _UNKNOWN_ORIGIN
        version = entry.fields.get("version")
        is_direct_url = (self._is_nested and version is None) or entry.path in self._resolver.direct_url_keys
        return find_origin(resolved_url, entry.package_name, str(version or ""), is_direct_url=is_direct_url)

    @cached_property
    def _workspace_globs(self) -> list[str]:
        """The globs of the members of the workspace."""
        root_entry = self._entries.get("")
        globs = None if root_entry is None else root_entry.fields.get("workspaces")
        globs = globs.get("packages") if isinstance(globs, dict) else globs
        return (
            [build_workspace_glob(glob) for glob in globs if isinstance(glob, str)] if isinstance(globs, list) else []
        )

    def _find_edges(self, entry: _FolderEntry) -> tuple[Edge, ...] | None:
        """Return the edges of a package; None for files before npm 5, which have no edges."""
        if not self.has_edges:
            return None
        fields = entry.fields
        edges = self._resolve_edges(
            entry, {**fields, "devDependencies": None} if "devDependencies" in fields else fields
        )
        if not self._is_nested or entry.has_flag("optional"):
            return edges
        # Version 1 marks packages as optional, not edges: the edges to such packages are optional.
        optional_keys = {edge.target for edge in edges if self._entries[edge.target].has_flag("optional")}
        return tuple(replace(edge, group="optional") if edge.target in optional_keys else edge for edge in edges)

    def _resolve_edges(self, entry: _FolderEntry, fields: Mapping[str, object]) -> tuple[Edge, ...]:
        requirements = read_sections(
            fields, lambda message: self.problems.add_problem(message, entry.start, hint=_REGENERATE_HINT)
        )
        edges, missing_names = self._resolver.find_edges(entry.path, requirements)
        for name in missing_names if _must_be_complete(entry) else ():
            if self._is_nested:
                self._missing_dependents.setdefault(name, entry.install_name)
            else:
                report_missing(self.problems, self.text, name, entry.start, entry.end)
        return edges

    def build_notes(self) -> Iterator[str]:
        """Yield a note on packages that a version 1 file lacks: npm 6 left out optional ones without a mark."""
        if self._missing_dependents:
            examples = [
                f"{quote_text(name)} (required by {dependent})" for name, dependent in self._missing_dependents.items()
            ]
            yield (
                "required but not in this file, as npm 6 leaves out optional packages: "
                f"{list_examples(examples, _MAX_EXAMPLES)}"
            )


def _split_path(path: str) -> tuple[str, str]:
    """Split the path of a folder into its owner and its name in node_modules; the name is empty outside of one."""
    owner_path, separator, name = path.rpartition(_NODE_MODULES)
    return (
        (owner_path.removesuffix("/"), name)
        if separator and (not owner_path or owner_path.endswith("/"))
        else (path, "")
    )


def _derive_name(path: str) -> str:
    """Return the name of a folder, with its scope: the name of a package that states none."""
    parent, _, name = path.rpartition("/")
    scope = parent.rpartition("/")[2]
    return f"{scope}/{name}" if scope.startswith("@") else name


def _find_entry_error(entry: _FolderEntry, origin: PackageSource) -> str:
    """Return why the entry is invalid; empty if it is valid."""
    error = find_name_error(entry.install_name) or find_name_error(entry.package_name) if entry.install_name else ""
    if error:
        return f"{quote_text(entry.package_name)} is no package name: {error}"
    version = entry.fields.get("version")
    if is_version(version) or (version is None and origin.skip):
        return ""
    return f"{quote_text(entry.package_name)} has {'no version' if version is None else 'no version that can be one'}"


def _must_be_complete(entry: _FolderEntry) -> bool:
    """Whether the file must have all dependencies of an entry.

    Not for a folder outside of the project, which is installed by itself; not for a bundled package, whose publisher
    may leave some out.
    """
    return entry.is_in_project and not entry.has_flag("inBundle")


def _find_groups(entry: _FolderEntry) -> tuple[str, ...]:
    """Return the groups of a package. The flag dev comes before optional and peer."""
    if not entry.install_name:
        return ()
    if entry.has_flag("devOptional"):
        return ("dev", "optional")
    for group in ("dev", "optional", "peer"):
        if entry.has_flag(group):
            return (group,)
    return ("main",)


def _convert_to_flat(fields: Mapping[str, object]) -> dict[str, object]:
    """Return an entry of version 1 in the terms of version 3.

    Its ``version`` may be an alias (``npm:real@1.0.0``), or the URL of a package that is not from the registry.
    """
    flat = {"dependencies": fields.get("requires"), "inBundle": fields.get("bundled")}
    flat |= {key: fields.get(key) for key in ("resolved", "integrity", "dev", "optional", "version")}
    version = fields.get("version")
    if isinstance(version, str) and version.startswith("npm:"):
        flat["name"], _, flat["version"] = version.removeprefix("npm:").rpartition("@")
    elif isinstance(version, str) and not is_version(version):
        spec = parse_spec("", version, {})
        if spec.skip:
            flat["resolved"], flat["version"] = version, None
        if spec.skip and spec.name:  # the URL of a registry's archive, as version 3 has it
            flat["name"], flat["version"] = spec.name, spec.requirement
    return flat
