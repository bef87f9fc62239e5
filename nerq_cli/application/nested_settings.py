"""List the settings files below the root of a scan, which do not apply."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nerq_cli.config import find_nested
from nerq_cli.inventory import DependencyFile
from nerq_cli.policy.waivers import WaiverPaths

if TYPE_CHECKING:
    from nerq_cli.application.read_dependencies import Inputs


def locate_waivers(settings_path: str, inputs: Inputs) -> WaiverPaths:
    """Return how the paths of waivers, which are relative to the settings file, relate to those of locations.

    Without a settings file of the project they are relative to the scanned directory.
    """
    prefix = ""
    if settings_path:
        relative = os.path.relpath(inputs.root, os.path.dirname(os.path.abspath(settings_path)))  # noqa: PTH100, PTH120 - pathlib keeps ".."
        prefix = "" if relative == "." or relative.startswith("..") else Path(relative).as_posix()
    return WaiverPaths(base=inputs.base, prefix=prefix)


def note_nested_settings(
    dependency_files: Sequence[DependencyFile], root: Path, applied: str
) -> tuple[DependencyFile, ...]:
    """Return the files, the first one of each directory with a note about settings beside it that do not apply.

    Args:
        dependency_files: the files of the scan.
        root: directory that is scanned.
        applied: path of the settings file that applies; empty if there is none.
    """
    first_files = {Path(file.path).parent: file.path for file in reversed(dependency_files)}
    known = {os.path.abspath(root), *([os.path.abspath(os.path.dirname(applied))] if applied else [])}  # noqa: PTH100, PTH120 - pathlib keeps ".."
    notes: dict[str, list[str]] = {}
    for path in find_nested(folder for folder in first_files if os.path.abspath(folder) not in known):  # noqa: PTH100 - see above
        table = "[tool.nerq] of " if path.name == "pyproject.toml" else ""
        notes.setdefault(first_files[path.parent], []).append(
            f"{table}{path.name} in this directory does not apply: only the settings at the root of the scan do"
        )
    if not notes:
        return tuple(dependency_files)
    return tuple(
        replace(file, setting_notes=tuple(notes.pop(file.path))) if file.path in notes else file
        for file in dependency_files
    )
