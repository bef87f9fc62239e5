"""The lock file that governs a manifest: beside it, or at the root of the workspace that it is a member of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.manifests.read_file import CannotReadError, decode_text, read_bytes

#: Number of directories above a manifest that are searched.
MAX_PARENTS: Final = 16
_PACKAGE_JSON: Final = "package.json"
_YARN_LOCK: Final = "yarn.lock"
_UV_LOCK: Final = "uv.lock"
#: Lock files beside a manifest, by its format.
_LOCK_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    _PACKAGE_JSON: ("npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml", _YARN_LOCK, "bun.lock"),
    "pyproject": (_UV_LOCK, "poetry.lock", "pdm.lock", "pylock.toml", "pixi.lock"),
    "Pipfile": ("Pipfile.lock",),
    "pixi.toml": ("pixi.lock",),
    "deno.json": ("deno.lock",),
}
#: Lock files that have workspaces or local packages, by the format of the manifest of such a package.
_WORKSPACE_LOCK_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    _PACKAGE_JSON: _LOCK_NAMES[_PACKAGE_JSON],
    "pyproject": (*_LOCK_NAMES["pyproject"], "Pipfile.lock"),
    "deno.json": ("deno.lock",),
}


class GoverningLock(NamedTuple):
    """A lock file that has the versions of a manifest."""

    file: Path
    #: Directory of the manifest as POSIX path, relative to that of the lock file; empty for the same directory.
    member: str


def find_governing_locks(manifest: Path, manifest_format: str, *, searched: Path | None = None) -> list[GoverningLock]:
    """Return the lock files of a manifest: those beside it, else those of the nearest directory above that has any.

    Directories are searched up to the repository.

    Args:
        manifest: the manifest.
        manifest_format: its format.
        searched: the directory that was searched for files, whose lock files are known; None for a single file.
    """
    if manifest_format not in _LOCK_NAMES:
        return []
    folder = Path(os.path.realpath(manifest)).parent
    top = None if searched is None else Path(os.path.realpath(searched))
    for directory in _iter_parents(folder):
        is_own = directory == folder
        names = (_LOCK_NAMES if is_own else _WORKSPACE_LOCK_NAMES).get(manifest_format, ())
        locks = [directory / name for name in names if os.path.lexists(directory / name)]
        if not locks:
            continue
        if top is not None and directory.is_relative_to(top):
            return []  # found by the search
        member = "" if is_own else folder.relative_to(directory).as_posix()
        if not is_own and locks[0].name == _UV_LOCK:  # the others are exported from it
            locks = locks[:1]
        return [GoverningLock(lock, member) for lock in locks]
    return []


def _iter_parents(folder: Path) -> Iterator[Path]:
    for directory in islice((folder, *folder.parents), MAX_PARENTS):
        yield directory
        if os.path.lexists(directory / ".git"):
            return


def lists_member(lock: Path, member: str) -> bool:
    """Whether the package.json beside a lock file of Yarn 1, which does not list members, has a member."""
    from nerq_cli.manifests.npm import package_json

    manifest = lock.with_name(_PACKAGE_JSON)
    try:
        includes = package_json.read(decode_text(read_bytes(manifest)), manifest.name).includes
    except CannotReadError:
        return False
    return package_json.match_workspace_globs((include.pattern for include in includes), member)
