"""What lies above a file and has a say about it: the workspace that it is a member of.

A tool that is started in a member's directory looks upwards for the workspace, and so does this, up to the repository's
own directory. Nothing that is found there is listed or looked up: it tells which names are the workspace's own, and
which versions its catalogs stand for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.inventory import PYPI, Manifest, normalise
from nerq_cli.manifests import package_json
from nerq_cli.manifests.npm_spec import Catalogs, awaits_catalog
from nerq_cli.manifests.opening import CannotReadError, contents, text_of
from nerq_cli.manifests.origins import WORKSPACE
from nerq_cli.manifests.toml_document import Document, Field
from nerq_cli.manifests.yaml_document import Node, NotYamlError, documents

#: How many directories upwards a workspace is looked for.
HIGHEST: Final = 16
_UV_LOCK: Final = "uv.lock"


class UvWorkspace(NamedTuple):
    """A workspace of uv's: the directory of its root, and the names its members have for each other."""

    folder: Path
    names: frozenset[str]


class Workspaces:
    """The workspaces around the files of one run; each of their own files is read once."""

    def __init__(self) -> None:
        self._uv: dict[Path, UvWorkspace | None] = {}
        self._catalogs: dict[Path, Catalogs] = {}

    def completed(self, manifest: Manifest, text: str, file: Path, *, searched: Path, group: str = "") -> Manifest:
        """Return what a pyproject.toml or a package.json declares, with what the workspace around it says of that.

        Args:
            manifest: what the file says by itself.
            text: the whole file.
            file: where it is.
            searched: the directory whose files are read as well.
            group: what the file was read with.
        """
        if manifest.format == package_json.NAME:
            return self._with_catalogs(manifest, text, file, group)
        around = self.of_uv(file)
        return manifest if around is None else _in_uv(manifest, around, file, searched)

    def _with_catalogs(self, manifest: Manifest, text: str, file: Path, group: str) -> Manifest:
        if not any(awaits_catalog(item.skip) for item in manifest.declared):
            return manifest
        around = self.catalogs(file)
        return package_json.read(text, manifest.path, constraint=manifest.constraint, group=group, around=around)

    def of_uv(self, file: Path) -> UvWorkspace | None:
        """Return the workspace that lies above a pyproject.toml; None where there is none."""
        for folder in islice(_upwards(file), 1, None):
            if folder not in self._uv:
                self._uv[folder] = _uv_workspace(folder)
            if self._uv[folder] is not None:
                return self._uv[folder]
        return None

    def catalogs(self, file: Path) -> Catalogs:
        """Return the catalogs that hold for a package.json: the nearest ones, whichever tool they are for."""
        for folder in _upwards(file):
            if folder not in self._catalogs:
                self._catalogs[folder] = _catalogs_in(folder)
            if self._catalogs[folder]:
                return self._catalogs[folder]
        return {}


def unlocked(lock: Path) -> frozenset[str]:
    """Return the names that the lock file of a Python project may lack though something in it needs them.

    These are the project's own name, and what PDM is told to leave out (its ``resolution.excludes``).
    """
    root = Document(_text(lock.parent / "pyproject.toml"), "").root
    own = [root.get("project").get("name"), root.at("tool", "poetry").get("name")]
    excluded = [name for name, _ in root.at("tool", "pdm", "resolution").get("excludes").strings()]
    return frozenset(normalise(PYPI, name) for name in (*(field.text() for field in own), *excluded)) - {""}


def _in_uv(manifest: Manifest, around: UvWorkspace, file: Path, searched: Path) -> Manifest:
    """Mark what comes from the workspace, and say where versions stand that nobody reads in this run."""
    own = {item.package.name for item in manifest.declared if item.package.name in around.names}
    lock = around.folder / _UV_LOCK
    notes = manifest.notes
    if lock.exists() and not around.folder.is_relative_to(os.path.realpath(searched)):
        where = Path(os.path.relpath(lock, os.path.realpath(file.parent))).as_posix()
        notes = (
            *notes,
            f"a member of a workspace: the versions in use are in {where}, which is not read along with it",
        )
    return replace(
        manifest,
        declared=tuple(
            replace(item, skip=WORKSPACE) if item.package.name in own and not item.skip else item
            for item in manifest.declared
        ),
        locals=tuple(sorted({*manifest.locals, *own})),
        notes=notes,
    )


def _upwards(file: Path) -> Iterator[Path]:
    """Go through a file's directory and those above, up to the repository's."""
    folder = Path(os.path.realpath(file)).parent
    for one in islice((folder, *folder.parents), HIGHEST):
        yield one
        if (one / ".git").exists():
            return


def _text(file: Path) -> str:
    """Return the text of a file; empty where it cannot be read, of which nothing is to be said here."""
    try:
        return text_of(contents(file)) if file.exists() else ""
    except (CannotReadError, OSError):
        return ""


def _uv_workspace(folder: Path) -> UvWorkspace | None:
    text = _text(folder / "pyproject.toml")
    if "workspace" not in text:
        return None
    uv = Document(text, "").root.get("tool").get("uv")
    if uv.get("workspace").value is None:
        return None
    return UvWorkspace(
        folder, frozenset(normalise(PYPI, name) for name, at in uv.get("sources").items() if _is_own(at))
    )


def _is_own(source: Field) -> bool:
    stated = source.elements() if isinstance(source.value, list) else iter([source])
    return any(one.get("workspace").value is True for one in stated)


def _catalogs_in(folder: Path) -> Catalogs:
    for name, read in _CATALOGS.items():
        text = _text(folder / name)
        found = read(text) if "catalog" in text else {}
        if any(found.values()):
            return found
    return {}


def _in_yaml(text: str) -> Catalogs:
    """Read catalogs as pnpm and Yarn keep them."""
    try:
        roots = [one.data for one in documents(text) if isinstance(one.data, dict)]
    except NotYamlError:
        return {}
    catalogs: dict[str, dict[str, str]] = {}
    for root in roots:
        catalogs.setdefault("default", {}).update(_texts(root.get("catalog")))
        for name, catalog in _members(root.get("catalogs")).items():
            catalogs.setdefault(name, {}).update(_texts(catalog))
    return catalogs


def _members(node: Node | None) -> Mapping[str, Node]:
    return node.data if node is not None and isinstance(node.data, dict) else {}


def _texts(node: Node | None) -> dict[str, str]:
    return {name: one.data for name, one in _members(node).items() if isinstance(one.data, str)}


#: The files that hold catalogs, and what reads them.
_CATALOGS: Final[Mapping[str, Callable[[str], Catalogs]]] = {
    "pnpm-workspace.yaml": _in_yaml,
    ".yarnrc.yml": _in_yaml,
    "package.json": package_json.catalogs,
}
