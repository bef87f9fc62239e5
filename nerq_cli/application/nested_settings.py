"""List the settings files below the root of a scan, which do not apply."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from nerq_cli.config import find_nested
from nerq_cli.inventory import DependencyFile


def note_nested_settings(dependency_files: Sequence[DependencyFile], root: Path) -> tuple[DependencyFile, ...]:
    """Return the files, the first one of each directory with a note about settings beside it that do not apply."""
    first_files = {Path(file.path).parent: file.path for file in reversed(dependency_files)}
    notes: dict[str, list[str]] = {}
    for path in find_nested([directory for directory in first_files if directory.absolute() != root.absolute()]):
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
