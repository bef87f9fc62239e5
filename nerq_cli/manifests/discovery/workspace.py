"""The workspace around a file: its members and catalogs.

A workspace is searched in the directories above a file, up to the repository, as package managers do. Its files are not
listed: they give the local names of the workspace and the versions in its catalogs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, Location, LockedPackage
from nerq_cli.manifests.discovery.find import is_inside, project_root
from nerq_cli.manifests.npm import install_scripts, package_json, pnpm_settings
from nerq_cli.manifests.npm.npm_spec import Catalogs, is_catalog_missing
from nerq_cli.manifests.package_source import WORKSPACE
from nerq_cli.manifests.python import pyproject_tools
from nerq_cli.manifests.read_file import CannotReadError, decode_text, read_bytes
from nerq_cli.manifests.syntax.json_document import NotJsonError, parse_json
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField
from nerq_cli.manifests.syntax.yaml_document import NotYamlError, YamlNode, get_members, get_text, parse_documents

#: Number of directories above a file that are searched.
MAX_PARENTS: Final = 16
_PNPM_WORKSPACE: Final = "pnpm-workspace.yaml"


class UvWorkspace(NamedTuple):
    """A workspace of uv."""

    #: Directory of its root.
    folder: Path
    #: Normalised names of its members.
    names: frozenset[str]


class Workspaces:
    """The workspaces of one run; each of their files is read once."""

    def __init__(self) -> None:
        self._uv_workspaces: dict[Path, UvWorkspace | None] = {}
        self._catalogs: dict[Path, Catalogs] = {}

    def complete_file(
        self, dependency_file: DependencyFile, text: str, file: Path, *, group: str = ""
    ) -> DependencyFile:
        """Return a pyproject.toml or package.json with the local names and catalogs of its workspace applied.

        Args:
            dependency_file: the file, read by itself.
            text: its content.
            file: its path on disk.
            group: the group that the file was read with.
        """
        if dependency_file.format == package_json.NAME:
            dependency_file = _add_overrides(self._apply_catalogs(dependency_file, text, file, group), file)
            dependency_file = _add_decided_scripts(dependency_file, file)
            return self._add_pnpm_settings(dependency_file, text, file)
        if (file.parent / "uv.toml").exists():  # uv reads its settings in place of those of the manifest
            dependency_file = replace(dependency_file, settings=())
        workspace = self.find_uv_workspace(file)
        return dependency_file if workspace is None else _apply_uv_workspace(dependency_file, workspace)

    def _apply_catalogs(self, dependency_file: DependencyFile, text: str, file: Path, group: str) -> DependencyFile:
        if not any(is_catalog_missing(item.skip_reason) for item in dependency_file.declarations):
            return dependency_file
        catalogs = self.find_catalogs(file)
        return package_json.read(
            text, dependency_file.path, constraint=dependency_file.constraint, group=group, workspace_catalogs=catalogs
        )

    def _add_pnpm_settings(self, dependency_file: DependencyFile, text: str, file: Path) -> DependencyFile:
        """Return the package.json beside a lock file of pnpm with the settings that the lock file repeats."""
        folder = file.parent
        if not any(folder.glob("pnpm-lock*.yaml")):
            return dependency_file
        workspace_text = _read_text(folder / _PNPM_WORKSPACE)
        if "configDependencies" in workspace_text or (not workspace_text and _has_workspace_above(file)):
            return dependency_file  # a package, or the root of another workspace, may change them
        try:
            manifest = pnpm_settings.convert_json(parse_json(text.removeprefix("\ufeff")))
            roots = [pnpm_settings.convert_yaml(root) for root in parse_documents(workspace_text)]
        except (NotJsonError, NotYamlError):
            return dependency_file
        workspace = next((root for root in roots if isinstance(root, dict)), {})
        settings = pnpm_settings.read_settings(
            manifest if isinstance(manifest, dict) else {},
            workspace,
            self.find_catalogs(file),
            lambda path: _read_text(folder / path),
        )
        return replace(dependency_file, settings=(*dependency_file.settings, *dict.fromkeys(settings)))

    def find_uv_workspace(self, file: Path) -> UvWorkspace | None:
        """Return the uv workspace above a pyproject.toml; None if there is none."""
        for folder in islice(_parent_directories(file), 1, None):
            if folder not in self._uv_workspaces:
                self._uv_workspaces[folder] = _read_uv_workspace(folder)
            if self._uv_workspaces[folder] is not None:
                return self._uv_workspaces[folder]
        return None

    def find_catalogs(self, file: Path) -> Catalogs:
        """Return the catalogs for a package.json: the nearest ones, of any tool."""
        for folder in _parent_directories(file):
            if folder not in self._catalogs:
                self._catalogs[folder] = _read_catalogs(folder)
            if self._catalogs[folder]:
                return self._catalogs[folder]
        return {}


def _add_decided_scripts(dependency_file: DependencyFile, file: Path) -> DependencyFile:
    """Return a package.json with the install scripts that the pnpm-workspace.yaml beside it decides about."""
    decided = tuple(install_scripts.read_pnpm_workspace(_read_text(file.parent / _PNPM_WORKSPACE)))
    if not decided:
        return dependency_file
    return replace(dependency_file, decided_scripts=(*dependency_file.decided_scripts, *decided))


def _add_overrides(dependency_file: DependencyFile, file: Path) -> DependencyFile:
    """Return a package.json with the overrides in the pnpm-workspace.yaml beside it."""
    text = _read_text(file.parent / _PNPM_WORKSPACE)
    if "overrides" not in text:
        return dependency_file
    path = (PurePosixPath(dependency_file.path).parent / _PNPM_WORKSPACE).as_posix()
    catalogs = _parse_yaml_catalogs(text)
    try:
        roots = parse_documents(text)
    except NotYamlError:
        return dependency_file
    references = {
        item.alias or item.name: item.requirement
        for item in dependency_file.declarations
        if item.group != "constraint" and not item.skip_reason
    }
    nodes = {
        key: node
        for root in roots
        for key, node in get_members(get_members(root).get("overrides")).items()
        if isinstance(node.data, str)
    }
    overrides = {
        key: package_json.make_override(
            key,
            get_text(node),
            Location(path=path, line=node.line),
            catalogs,
            references=references,
            is_conditional=not package_json.is_plain_override(key),
        )
        for key, node in nodes.items()
    }
    conditional_overrides = [
        (key, nodes[key].line)
        for key, override in overrides.items()
        if override is None and not package_json.is_plain_override(key)
    ]
    names = (
        package_json.find_overridden_name(key)
        for root in roots
        for key in get_members(get_members(root).get("overrides"))
    )
    return replace(
        dependency_file,
        declarations=(*dependency_file.declarations, *filter(None, overrides.values())),
        overridden_names=tuple(dict.fromkeys((*dependency_file.overridden_names, *filter(None, names)))),
        unlocked_problems=(
            *dependency_file.unlocked_problems,
            *package_json.make_override_note(path, conditional_overrides),
        ),
    )


def _has_workspace_above(file: Path) -> bool:
    return any((folder / _PNPM_WORKSPACE).exists() for folder in islice(_parent_directories(file), 1, None))


def apply_pdm_indexes(dependency_file: DependencyFile, lock: Path) -> DependencyFile:
    """Return a pdm.lock with the indexes of the pyproject.toml beside it: it does not say where its packages are from.

    Packages with a source of their own keep it.
    """
    indexes = pyproject_tools.read_indexes(
        TomlDocument(_read_text(lock.parent / "pyproject.toml"), "").root.get("tool")
    )
    if not indexes.changes_default:
        return dependency_file
    packages = []
    for package in dependency_file.locked_packages:
        source = indexes.source_for(package.package.name)
        packages.append(
            package
            if package.skip_reason or package.index
            else replace(package, index=source.index, extra_indexes=source.extra_indexes)
        )
    return replace(dependency_file, locked_packages=tuple(packages))


def drop_development_edges(dependency_file: DependencyFile, lock: Path) -> DependencyFile:
    """Return a yarn.lock of Yarn 2 or later in which nothing requires the development dependencies of a member.

    The entry of a member has its dependencies and devDependencies in one list: its package.json tells them apart. A
    development dependency that is also a peer dependency stays as the latter.
    """
    directories = {importer.name: importer.path for importer in dependency_file.importers or ()}
    names = {package.key: package.name for package in dependency_file.locked_packages}

    def select_edges(package: LockedPackage) -> Iterator[Edge]:
        groups: dict[str, set[str]] = {}
        text = _read_text(lock.parent / directories[package.name] / package_json.NAME)
        for item in package_json.read(text, "").declarations if '"devDependencies"' in text else ():
            groups.setdefault(item.alias or item.name, set()).add(item.group)
        for edge in package.edges or ():
            runtime_edge = _select_runtime_edge(edge, groups.get(edge.alias or names.get(edge.target, ""), ()))
            if runtime_edge is not None:
                yield runtime_edge

    packages = [
        replace(package, edges=tuple(select_edges(package)))
        if package.skip_reason == WORKSPACE and package.edges and package.name in directories
        else package
        for package in dependency_file.locked_packages
    ]
    return replace(dependency_file, locked_packages=tuple(packages))


def _select_runtime_edge(edge: Edge, groups: Collection[str]) -> Edge | None:
    """Return the edge of a member to a package that it declares in these groups; None for a development dependency."""
    if "dev" not in groups or not {"main", "optional"}.isdisjoint(groups):
        return edge
    return replace(edge, group="peer") if "peer" in groups else None


def unlocked_names(lock: Path) -> frozenset[str]:
    """Return the names that the lock file of a Python project may lack although an entry requires them.

    These are the name of the project, and PDM's ``resolution.excludes``.
    """
    root = TomlDocument(_read_text(lock.parent / "pyproject.toml"), "").root
    name_fields = [root.get("project").get("name"), root.get_path("tool", "poetry").get("name")]
    excluded_names = [name for name, _ in root.get_path("tool", "pdm", "resolution").get("excludes").string_items()]
    return frozenset(
        normalise_name(PYPI, name) for name in (*(field.get_text() for field in name_fields), *excluded_names)
    ) - {""}


def _apply_uv_workspace(dependency_file: DependencyFile, workspace: UvWorkspace) -> DependencyFile:
    """Mark the workspace members."""
    own_names = {item.package.name for item in dependency_file.declarations if item.package.name in workspace.names}
    return replace(
        dependency_file,
        declarations=tuple(
            replace(item, skip_reason=WORKSPACE) if item.package.name in own_names and not item.skip_reason else item
            for item in dependency_file.declarations
        ),
        local_names=tuple(sorted({*dependency_file.local_names, *own_names})),
    )


def _parent_directories(file: Path) -> Iterator[Path]:
    """Yield the directory of a file and those above, up to the repository."""
    folder = Path(os.path.realpath(file)).parent
    for directory in islice((folder, *folder.parents), MAX_PARENTS):
        yield directory
        if (directory / ".git").exists():
            return


def _read_text(file: Path) -> str:
    """Return the text of a file; empty if it cannot be read, or is a link that leads out of the project."""
    try:
        is_readable = file.exists() and is_inside(file, project_root(Path(os.path.realpath(file.parent))))
        return decode_text(read_bytes(file)) if is_readable else ""
    except (CannotReadError, OSError):
        return ""


def _read_uv_workspace(folder: Path) -> UvWorkspace | None:
    text = _read_text(folder / "pyproject.toml")
    if "workspace" not in text:
        return None
    uv = TomlDocument(text, "").root.get("tool").get("uv")
    if uv.get("workspace").value is None:
        return None
    return UvWorkspace(
        folder,
        frozenset(
            normalise_name(PYPI, name) for name, source in uv.get("sources").items() if _is_workspace_source(source)
        ),
    )


def _is_workspace_source(source: TomlField) -> bool:
    entries = source.elements() if isinstance(source.value, list) else iter([source])
    return any(entry.get("workspace").value is True for entry in entries)


def _read_catalogs(folder: Path) -> Catalogs:
    for name, parse_catalogs in _CATALOG_READERS.items():
        text = _read_text(folder / name)
        catalogs = parse_catalogs(text) if "catalog" in text else {}
        if any(catalogs.values()):
            return catalogs
    return {}


def _parse_yaml_catalogs(text: str) -> Catalogs:
    """Return the catalogs in a YAML file of pnpm or Yarn."""
    try:
        roots = [document.data for document in parse_documents(text) if isinstance(document.data, dict)]
    except NotYamlError:
        return {}
    catalogs: dict[str, dict[str, str]] = {}
    for root in roots:
        catalogs.setdefault("default", {}).update(_text_members(root.get("catalog")))
        for name, catalog in get_members(root.get("catalogs")).items():
            catalogs.setdefault(name, {}).update(_text_members(catalog))
    return catalogs


def _text_members(node: YamlNode | None) -> dict[str, str]:
    return {name: member.data for name, member in get_members(node).items() if isinstance(member.data, str)}


#: Files with catalogs, and their parsers.
_CATALOG_READERS: Final[Mapping[str, Callable[[str], Catalogs]]] = {
    _PNPM_WORKSPACE: _parse_yaml_catalogs,
    ".yarnrc.yml": _parse_yaml_catalogs,
    "package.json": package_json.read_catalogs,
}
