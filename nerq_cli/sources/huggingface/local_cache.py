"""The cache of the Hub's own client on this machine: which commit of a repository is really in use, without a network.

A repository is a folder ``models--org--name``: ``refs/<branch>`` is a file with the commit that was last downloaded for
the branch, and ``snapshots/<commit>`` is a folder with its files (huggingface_hub, docs/guides/manage-cache.md).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nerq_cli.ecosystems import huggingface
from nerq_cli.hub_facts import HubKind

#: Bytes of a file with a commit: 40 digits, and perhaps a line feed.
_MAX_REFERENCE: Final = 64


def find_cache_directory(environ: Mapping[str, str], home: Path) -> Path:
    """Return the folder of the cache, as huggingface_hub finds it (``constants.py``); it may not exist."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := environ.get(variable, "").strip():
            return _expand(value, home)
    if value := environ.get("HF_HOME", "").strip():
        return _expand(value, home) / "hub"
    cache_home = environ.get("XDG_CACHE_HOME", "").strip()
    return (_expand(cache_home, home) if cache_home else home / ".cache") / "huggingface" / "hub"


def find_cached_revision(kind: HubKind, name: str, revision: str, cache: Path) -> str:
    """Return the commit that the cache has for a revision, in lower case; empty if it has none, or cannot be read.

    Args:
        kind: What the repository is.
        name: ``org/name``, or a name without an owner.
        revision: Branch, tag or commit; empty stands for ``main``.
        cache: Folder of the cache.
    """
    ecosystem = next(one for one in huggingface.HUB_ECOSYSTEMS if one.kind == kind)
    revision = revision or huggingface.DEFAULT_REVISION
    # The checks also exclude "--", with which two names would have the same folder, and "..".
    if ecosystem.find_name_error(name) or not huggingface.is_revision(revision):
        return ""
    folder = cache / "--".join([f"{kind}s", *name.split("/")])
    try:
        if not _is_directory(folder):
            return ""
        commit = (revision if huggingface.is_commit(revision) else _read_reference(folder, revision)).lower()
        has_files = (
            bool(commit) and _is_directory(folder / "snapshots") and _is_directory(folder / "snapshots" / commit)
        )
    except (OSError, ValueError):
        return ""
    return commit if has_files else ""


def _read_reference(folder: Path, revision: str) -> str:
    """Return the commit in the file of a branch or tag; empty if it holds none."""
    path = folder / "refs"
    *parents, name = revision.split("/")
    for part in ("", *parents):
        path = path / part if part else path
        if not _is_directory(path):
            return ""
    # Not through a link, and without waiting for the other end of a pipe.
    descriptor = os.open(path / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        text = file.read(_MAX_REFERENCE).decode("ascii", errors="replace").strip()
    return text if huggingface.is_commit(text) else ""


def _is_directory(path: Path) -> bool:
    """Whether a path is a folder, and no link to one: the client makes no links to folders."""
    return stat.S_ISDIR(path.lstat().st_mode)


def _expand(value: str, home: Path) -> Path:
    """Return a path of a variable; ``~`` stands for the home folder."""
    if value == "~" or value.startswith(("~/", "~\\")):
        return home / value[2:]
    return Path(os.path.expandvars(value)) if "$" in value else Path(value)
