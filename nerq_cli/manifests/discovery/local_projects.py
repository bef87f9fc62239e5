"""Name the local projects that a requirements file gives by their paths alone."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import GENERIC, PYPI
from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.manifests.package_source import LOCAL, find_directory

#: Start of the skip reason of a local project; its path follows.
_REASON: Final = f"{LOCAL} "


def name_local_projects(dependency_files: Sequence[DependencyFile]) -> tuple[DependencyFile, ...]:
    """Return the files, with the name of each local project that one gives by its path (``-e ./packages/a``).

    The name is the one in its manifest, or in a lock file that has its directory. A path without either keeps the last
    part of it as a name.
    """
    if not any(_is_unnamed(item) for file in dependency_files for item in file.declarations):  # the usual case
        return tuple(dependency_files)
    names: dict[str, str] = {}
    for directory, name in (item for file in dependency_files for item in _list_projects(file)):
        names.setdefault(directory, name)
    return tuple(
        replace(file, declarations=tuple(_name_project(item, names) for item in file.declarations))
        if any(map(_is_unnamed, file.declarations))
        else file
        for file in dependency_files
    )


def _is_unnamed(declaration: Declaration) -> bool:
    return declaration.ecosystem == GENERIC and declaration.skip_reason.startswith(_REASON)


def _list_projects(file: DependencyFile) -> Iterator[tuple[str, str]]:
    """Yield the directory and the name of each Python project that a file knows: its own first."""
    directory = posixpath.dirname(file.path)
    if file.project_name:
        yield posixpath.normpath(directory), file.project_name
    for entry in file.locked_packages:
        if entry.directory and entry.ecosystem == PYPI:
            yield posixpath.normpath(posixpath.join(directory, entry.directory)), entry.package.name


def _name_project(declaration: Declaration, names: Mapping[str, str]) -> Declaration:
    """Return the declaration of a local project with its name.

    pip takes a path relative to where it runs: mostly the directory of the file, or the one above (``docs``).
    """
    path = find_directory(declaration.skip_reason.removeprefix(_REASON)) if _is_unnamed(declaration) else ""
    if not path:
        return declaration
    directory = posixpath.dirname(declaration.location.path)
    for base in (directory, posixpath.dirname(directory)):
        name = names.get(posixpath.normpath(posixpath.join(base, path)))
        if name:
            return replace(declaration, ecosystem=PYPI, name=name)
    return declaration
