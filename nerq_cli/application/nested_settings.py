"""Settings files below the root of a scan: obeyed where they are stricter, if the root allows it; listed otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from nerq_cli.config import find_nested, read_directory_config
from nerq_cli.inventory import DependencyFile
from nerq_cli.policy.settings import SubtreePolicy
from nerq_cli.policy.waivers import Waiver, WaiverPaths

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.config import Config

#: Keys that one note lists.
_MAX_SHOWN: Final = 10
_WAIVERS: Final = "waivers"


def locate_waivers(settings_path: str, inputs: Inputs) -> WaiverPaths:
    """Return how the paths of waivers, which are relative to the settings file, relate to those of locations.

    Without a settings file of the project they are relative to the scanned directory.
    """
    prefix = ""
    if settings_path:
        relative = os.path.relpath(inputs.root, os.path.dirname(os.path.abspath(settings_path)))  # noqa: PTH100, PTH120 - pathlib keeps ".."
        prefix = "" if relative == "." or relative.startswith("..") else Path(relative).as_posix()
    return WaiverPaths(base=inputs.base, prefix=prefix)


def apply_nested_settings(
    dependency_files: Sequence[DependencyFile], options: ScanOptions, config: Config, root: Path
) -> tuple[tuple[DependencyFile, ...], ScanOptions]:
    """Return the files, the first one of each directory with notes about its settings, and the options with those.

    Args:
        dependency_files: the files of the scan.
        options: what the run does by the settings at the root.
        config: the settings at the root.
        root: directory that is scanned.

    Raises:
        ConfigError: a settings file that is obeyed is not valid.
    """
    first_files = list_directories(dependency_files)
    nested = list_nested_folders(first_files, root, config.path)
    if not config.nested:
        notes = {folder: [*_note_ignored(paths)] for folder, paths in nested.items()}
        return _add_notes(dependency_files, first_files, notes), options
    obeyed = read_nested_settings(nested, config)
    notes = {folder: [*_note_obeyed(entry, nested[folder][0])] for folder, entry in obeyed.items()}
    subtrees = tuple(
        SubtreePolicy(directory=folder, threshold=entry.config.threshold, policy=entry.config.policy)
        for folder, entry in reversed(obeyed.items())  # the deepest first
        if entry.obeyed
    )
    waivers = tuple(waiver for entry in obeyed.values() for waiver in entry.waivers)
    options = replace(
        options,
        policy=replace(options.policy, subtrees=subtrees) if subtrees else options.policy,
        waivers=(*waivers, *options.waivers),
        checks_fixes=options.checks_fixes or any(waiver.until_fixed for waiver in waivers),
    )
    return _add_notes(dependency_files, first_files, notes), options


class NestedSettings(NamedTuple):
    """The settings of a directory below the root."""

    #: Those around it, with what is stricter in the directory.
    config: Config
    #: Keys that were taken, and keys that were not.
    obeyed: tuple[str, ...]
    ignored: tuple[str, ...]
    #: Limited to the directory; empty unless the root allows them.
    waivers: tuple[Waiver, ...]
    #: Number of waivers that the root does not allow.
    ignored_waivers: int


def list_directories(dependency_files: Iterable[DependencyFile]) -> dict[str, str]:
    """Return the directories of files and those around them, each with the first file in or below it."""
    below: dict[str, str] = {}
    inside: dict[str, str] = {}
    for file in dependency_files:
        if file.path.startswith("<"):  # standard input
            continue
        parent, *others = PurePosixPath(file.path).parents
        inside.setdefault(parent.as_posix(), file.path)
        for folder in others:
            below.setdefault(folder.as_posix(), file.path)
    return {**below, **inside}


def list_nested_folders(
    folders: Iterable[str], root: Path, applied: str, *, start: Path | None = None
) -> dict[str, list[Path]]:
    """Return the directories below the root that have settings, with these files; outer directories first.

    Args:
        folders: directories, as in the paths of files.
        root: directory that is scanned.
        applied: path of the settings file that applies; empty if there is none.
        start: the directory that ``folders`` are relative to; by default the current one.
    """
    top = os.path.abspath(root)  # noqa: PTH100 - pathlib keeps ".."
    known = {top, *([os.path.dirname(os.path.abspath(applied))] if applied else [])}  # noqa: PTH100, PTH120 - as above
    found: dict[str, list[Path]] = {}
    for folder in sorted(folders, key=lambda folder: (len(PurePosixPath(folder).parts), folder)):
        path = Path(folder) if start is None else start / folder
        absolute = os.path.abspath(path)  # noqa: PTH100 - as above
        is_around = top.startswith(absolute.rstrip(os.sep) + os.sep)
        if absolute not in known and not is_around and (paths := [*find_nested([path])]):
            found[folder] = paths
    return found


def read_nested_settings(nested: Mapping[str, Sequence[Path]], config: Config) -> dict[str, NestedSettings]:
    """Return what the settings of directories, outer ones first, come to.

    Raises:
        ConfigError: a file is not valid.
    """
    from nerq_cli.config.stricter import merge_stricter

    results: dict[str, NestedSettings] = {}
    for folder, paths in nested.items():
        own = read_directory_config(paths[0].parent)
        if own is None:
            continue
        parents = (parent.as_posix() for parent in PurePosixPath(folder).parents)
        outer = next((results[parent].config for parent in parents if parent in results), config)
        merged = merge_stricter(outer, own)
        allows_waivers = config.nested == _WAIVERS
        waivers = tuple(replace(waiver, directory=folder) for waiver in own.waivers) if allows_waivers else ()
        results[folder] = NestedSettings(
            merged.config, merged.obeyed, merged.ignored, waivers, 0 if allows_waivers else len(own.waivers)
        )
    return results


def _note_ignored(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield f"{_name(path)} in this directory does not apply: only the settings at the root of the scan do"


def _note_obeyed(settings: NestedSettings, path: Path) -> Iterator[str]:
    name = path.as_posix()
    if settings.obeyed:
        yield f"{name} makes the check of its directory stricter: {_join(settings.obeyed)}"
    if settings.waivers:
        count = len(settings.waivers)
        yield f"{count} {'waiver' if count == 1 else 'waivers'} in {name} {'applies' if count == 1 else 'apply'} there"
    ignored = [*settings.ignored, *([_WAIVERS] if settings.ignored_waivers else [])]
    if ignored:
        yield f"{name}: not stricter than the settings around it, or not for a directory to decide: {_join(ignored)}"


def _name(path: Path) -> str:
    return f"[tool.nerq] of {path.name}" if path.name == "pyproject.toml" else path.name


def _join(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_MAX_SHOWN]) + ", …" * (len(keys) > _MAX_SHOWN)


def _add_notes(
    dependency_files: Sequence[DependencyFile], first_files: Mapping[str, str], notes: Mapping[str, Sequence[str]]
) -> tuple[DependencyFile, ...]:
    by_file: dict[str, list[str]] = {}
    for folder, texts in notes.items():
        by_file.setdefault(first_files[folder], []).extend(texts)
    return tuple(
        replace(file, setting_notes=tuple(by_file.pop(file.path))) if file.path in by_file else file
        for file in dependency_files
    )
