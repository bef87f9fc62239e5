"""The packages in a ``node_modules`` directory, in the layouts of npm, Yarn and pnpm, from their package.json files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from nerq_cli.ecosystems import NPM
from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.npm.package_json import GROUPS
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, local_reason, strip_credentials, url_reason
from nerq_cli.manifests.read_file import CannotReadError, read_bytes
from nerq_cli.manifests.syntax.problems import list_examples
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem

#: Skip reason of a private package: registries reject those.
PRIVATE_REASON: Final = "marked private: on no registry"
#: Most packages read from one directory.
MAX_PACKAGES: Final = 100_000

_PACKAGE_JSON: Final = "package.json"
_NODE_MODULES: Final = "node_modules"
_PNPM_STORE: Final = ".pnpm"
_HIDDEN_LOCK: Final = ".package-lock.json"
_VERSION_PATTERN: Final = compile_late(r"[vV=]?\d[0-9A-Za-z.+-]{0,199}", re.ASCII)
#: Directory of a package from a registry in pnpm's store: name and version.
_REGISTRY_FOLDER: Final = compile_late(r"@?[^@]+@\d[^/]*")
_TARBALL_URL: Final = compile_late(r"(https?://.+?)/(?:@[^/]+(?:/|%2[fF]))?[^/]+/-/[^/]+\.tgz(?:[?#].*)?")
#: Groups whose packages may be missing.
_OPTIONAL_GROUPS: Final = frozenset({"optional", "peer", "dev"})
_MAX_EXAMPLES: Final = 5


class _InstalledPackage(msgspec.Struct, frozen=True):
    """One package."""

    #: Path with links resolved.
    real_path: str
    #: Path below the project directory.
    key: str
    install_name: str
    #: Its package.json.
    document: Mapping[str, Any]
    #: Reason why it is not looked up; empty if it is.
    skip: str


def read(path: Path, format_: str) -> DependencyFile:
    """Return the packages in a ``node_modules`` directory and in those below it."""
    reader = _NodeModulesReader(path)
    reader.read_tree()
    return reader.build_result(format_)


class _NodeModulesReader:
    """Reads one tree of packages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.real_root = os.path.realpath(path)
        self.project_directory = _get_parent(self.real_root)
        self.packages: dict[str, _InstalledPackage] = {}
        self.folder_packages: dict[str, dict[str, str]] = {}
        self.problems: list[Problem] = []
        self.local_names: set[str] = set()
        self.hidden_lock = _read_hidden_lock(path)

    def read_tree(self) -> None:
        """Read every package once, also if several links lead to it."""
        folder_queue = [self.real_root]
        while folder_queue:
            folder = folder_queue.pop()
            real_folder = os.path.realpath(folder)
            if real_folder != self.real_root and not self._is_inside_root(real_folder):
                continue
            package_paths = self.folder_packages.get(real_folder)
            if package_paths is None:
                package_paths = self.folder_packages[real_folder] = {}
                folder_queue.extend(self._read_folder(real_folder, package_paths))
                folder_queue.extend(_list_store_folders(real_folder))
            self.folder_packages[folder] = package_paths
            if len(self.packages) >= MAX_PACKAGES:
                self._report_problem(folder, f"more than {MAX_PACKAGES:,} packages: the rest is not read")
                return

    def _read_folder(self, folder: str, package_paths: dict[str, str]) -> Iterator[str]:
        """Read the packages in one directory; yield the ``node_modules`` directories inside them."""
        for name, real_path in _list_packages(folder):
            package_paths[name] = real_path
            if real_path not in self.packages:
                self._read_package(name, real_path, _join_path(folder, name))
                if self._is_inside_root(real_path):
                    yield _join_path(real_path, _NODE_MODULES)

    def build_result(self, format_: str) -> DependencyFile:
        """Return the result."""
        missing_dependents: dict[str, str] = {}
        valid_packages = [package for package in self.packages.values() if package.document]
        locked_packages = tuple(
            self._make_package(package, missing_dependents)
            for package in sorted(valid_packages, key=lambda package: package.key)
        )
        return DependencyFile(
            path=_decode_path(self.path.as_posix()),
            format=format_,
            locked_packages=locked_packages,
            importers=self._read_importers(),
            local_names=tuple(sorted(self.local_names)),
            problems=tuple(sorted(self.problems)),
            notes=tuple(_describe_missing(missing_dependents)),
        )

    def _read_package(self, name: str, real_path: str, path: str) -> None:
        """Read one package. A link out of the directory leads to a workspace member or to a local package."""
        if not self._is_inside_root(real_path):
            is_member = real_path.startswith(self.project_directory + os.sep)
            document, error = _read_document(Path(_join_path(real_path, _PACKAGE_JSON))) if is_member else ({}, "")
            valid_document = (
                document if not error and not self._find_document_error(document) else {"name": name, "version": ""}
            )
            key = f"{_NODE_MODULES}/{os.path.relpath(path, self.real_root)}".replace(os.sep, "/")
            self.local_names |= {name, valid_document["name"]}
            self.packages[real_path] = _InstalledPackage(
                real_path, key, name, valid_document, WORKSPACE if is_member else LOCAL
            )
            return
        key = f"{_NODE_MODULES}/{os.path.relpath(real_path, self.real_root)}".replace(os.sep, "/")
        document, error = _read_document(Path(real_path) / _PACKAGE_JSON)
        error = error or self._find_document_error(document)
        if error:
            self._report_problem(_join_path(real_path, _PACKAGE_JSON), error)
        self.packages[real_path] = _InstalledPackage(
            real_path, key, name, {} if error else document, self._find_skip_reason(key, document)
        )

    def _find_document_error(self, document: Mapping[str, Any]) -> str:
        name, version = document.get("name"), document.get("version")
        if not isinstance(name, str) or find_name_error(name):
            return f"no package: its name is {str(name)[:60]!r}"
        if not isinstance(version, str) or not _VERSION_PATTERN.fullmatch(version):
            return f"no version: {str(version)[:60]!r}"
        return ""

    def _find_skip_reason(self, key: str, document: Mapping[str, Any]) -> str:
        """Return why a package is not from a registry; empty if it is."""
        resolved_url = self.hidden_lock.get(key, {}).get("resolved")
        if isinstance(resolved_url, str) and resolved_url and not _TARBALL_URL.fullmatch(resolved_url):
            return url_reason(resolved_url)
        parts = key.split("/")
        if _PNPM_STORE in parts[1:-1]:
            store_folder = parts[parts.index(_PNPM_STORE) + 1]
            if not _REGISTRY_FOLDER.fullmatch(store_folder):
                is_path = "file+" in store_folder
                return local_reason(store_folder.partition("(")[0]) if is_path else "not from the npm registry"
        return PRIVATE_REASON if document.get("private") is True else ""

    def _make_package(self, package: _InstalledPackage, missing_dependents: dict[str, str]) -> LockedPackage:
        name, version = package.document["name"], package.document["version"]
        lock_entry = self.hidden_lock.get(package.key, {})
        resolved_url = lock_entry.get("resolved")
        tarball_match = _TARBALL_URL.fullmatch(resolved_url) if isinstance(resolved_url, str) else None
        folder = package.key.removeprefix(f"{_NODE_MODULES}/")
        return LockedPackage(
            key=package.key,
            ecosystem=NPM,
            name=name,
            version=version.lstrip("vV="),
            location=Location(path=_decode_path((self.path / folder / _PACKAGE_JSON).as_posix()), line=1),
            edges=()
            if package.skip == WORKSPACE
            else tuple(self._find_edges(package.real_path, package.document, name, missing_dependents)),
            groups=("dev",) if lock_entry.get("dev") is True else (),
            optional=lock_entry.get("optional") is True,
            alias=package.install_name if package.install_name != name else "",
            skip_reason=package.skip,
            index=strip_credentials(tarball_match[1]) if tarball_match else "",
            has_hash=isinstance(lock_entry.get("integrity"), str),
        )

    def _find_edges(
        self, real_path: str, document: Mapping[str, Any], dependent: str, missing_dependents: dict[str, str]
    ) -> Iterator[Edge]:
        """Yield the edges of a package, resolved as Node does."""
        optional_names = _get_object(document, "optionalDependencies")
        for section in ("dependencies", "optionalDependencies", "peerDependencies"):
            group = GROUPS[section]
            for name, specifier in _get_object(document, section).items():
                if group == "main" and name in optional_names:
                    continue
                edge = self._find_edge(real_path, name, specifier, group)
                if edge is not None:
                    yield edge
                elif group not in _OPTIONAL_GROUPS:
                    missing_dependents.setdefault(name, dependent)

    def _find_edge(self, real_path: str, name: str, specifier: object, group: str) -> Edge | None:
        target = self._resolve_package(real_path, name)
        if target is None or not target.document:
            return None
        requirement = specifier if isinstance(specifier, str) and ":" not in specifier and "/" not in specifier else ""
        alias = name if target.document["name"] != name else ""
        return Edge(target=target.key, group=group, requirement=requirement, alias=alias)

    def _resolve_package(self, real_path: str, name: str) -> _InstalledPackage | None:
        """Return the package that Node finds: beside the dependent, then in each directory above."""
        folder = real_path
        while len(folder) >= len(self.project_directory):
            package_path = self.folder_packages.get(_join_path(folder, _NODE_MODULES), {}).get(name)
            if package_path is not None:
                return self.packages.get(package_path)
            if not folder:
                break
            folder = _get_parent(folder)
        return None

    def _read_importers(self) -> tuple[Importer, ...] | None:
        """Return the project beside the directory and its members; None if its package.json cannot be read."""
        document, error = _read_document(Path(_join_path(self.project_directory, _PACKAGE_JSON)))
        if error:
            return None
        project = self._make_importer("", self.project_directory, document)
        self.local_names |= {project.name} - {""}
        members = sorted(
            (member for member in self.packages.values() if member.skip == WORKSPACE),
            key=lambda member: member.real_path,
        )
        paths = [os.path.relpath(member.real_path, self.project_directory).replace(os.sep, "/") for member in members]
        member_importers = [
            self._make_importer(path, member.real_path, member.document)
            for path, member in zip(paths, members, strict=True)
        ]
        return (project, *member_importers)

    def _make_importer(self, path: str, real_path: str, document: Mapping[str, Any]) -> Importer:
        requirements = (
            (group, *item) for section, group in GROUPS.items() for item in _get_object(document, section).items()
        )
        candidates = [self._find_edge(real_path, name, specifier, group) for group, name, specifier in requirements]
        name = document.get("name")
        edges = tuple(edge for edge in candidates if edge is not None)
        return Importer(path=path, name=name if isinstance(name, str) else "", edges=edges)

    def _is_inside_root(self, real_path: str) -> bool:
        return real_path.startswith(self.real_root + os.sep)

    def _report_problem(self, file: str, message: str) -> None:
        problem_path = self.path / os.path.relpath(file, self.real_root)
        self.problems.append(
            Problem(
                path=_decode_path(problem_path.as_posix()), message=message, hint="install it again", level="incomplete"
            )
        )


def _list_packages(folder: str) -> Iterator[tuple[str, str]]:
    """Yield name and real path of the packages in a directory, with scoped ones."""
    for entry in _scan_folder(folder):
        if entry.name.startswith("@"):
            scope_entries = (
                [] if entry.is_symlink() else _scan_folder(entry.path)
            )  # installers link packages, never scopes
            yield from (
                (f"{entry.name}/{scope_entry.name}", _resolve_link(scope_entry))
                for scope_entry in scope_entries
                if _is_package(scope_entry)
            )
        elif _is_package(entry):
            yield entry.name, _resolve_link(entry)


def _list_store_folders(folder: str) -> Iterator[str]:
    """Yield the directories of pnpm's store, which the links in ``node_modules`` lead to."""
    for entry in _scan_folder(_join_path(folder, _PNPM_STORE)):
        if entry.is_dir(follow_symlinks=False):
            yield entry.path if entry.name == _NODE_MODULES else _join_path(entry.path, _NODE_MODULES)


def _join_path(folder: str, name: str) -> str:
    return f"{folder}{os.sep}{name}"


def _get_parent(path: str) -> str:
    return path.rpartition(os.sep)[0]


def _scan_folder(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # missing, or not readable
        return []


def _is_package(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:  # a link to itself
        return False


def _resolve_link(entry: os.DirEntry[str]) -> str:
    return os.path.realpath(entry.path) if entry.is_symlink() else entry.path


def _read_document(file: Path) -> tuple[Mapping[str, Any], str]:
    """Return a package.json, or why it cannot be read."""
    try:
        document = json.loads(read_bytes(file).decode("utf-8-sig"))
    except CannotReadError as error:
        return {}, str(error)
    except (ValueError, RecursionError):
        return {}, "not valid JSON"
    return (document, "") if isinstance(document, dict) else ({}, "not a package.json")


def _read_hidden_lock(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the entries of the lock file that npm writes into ``node_modules``."""
    document, _ = _read_document(path / _HIDDEN_LOCK)
    return {key: value for key, value in _get_object(document, "packages").items() if isinstance(value, dict)}


def _get_object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _describe_missing(missing_dependents: Mapping[str, str]) -> Iterator[str]:
    if missing_dependents:
        examples = [f"{name} for {dependent}" for name, dependent in sorted(missing_dependents.items())]
        yield f"{len(missing_dependents)} required but not installed: {list_examples(examples, _MAX_EXAMPLES)}"


def _decode_path(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")
