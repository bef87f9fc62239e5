"""The directories that may be scanned: those of the command line, else those that the client names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nerq_cli.errors import UsageError


def parse_root_uris(uris: Iterable[str]) -> tuple[Path, ...]:
    """Return the existing directories that file URLs of a client name; others are left out."""
    paths = []
    for uri in uris:
        parts = urlsplit(uri)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and "\0" not in url2pathname(parts.path):
            paths.append(Path(url2pathname(parts.path)))
    return resolve_roots(path for path in paths if _is_directory(path))


def resolve_roots(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return directories without symbolic links, each once.

    Raises:
        UsageError: one is no directory.
    """
    roots: dict[Path, None] = {}
    for path in paths:
        if not _is_directory(path):
            raise UsageError(f"{path} is no directory", hint="name a directory whose projects may be scanned")
        roots[Path(os.path.realpath(path))] = None
    return tuple(roots)


def find_directory(text: str, roots: Sequence[Path]) -> Path:
    """Return the directory or file that a path names, which lies below a root, with symbolic links resolved.

    Args:
        text: Absolute, or relative to the first root.
        roots: As ``resolve_roots`` returns them.

    Raises:
        UsageError: there are no roots, it lies elsewhere, or there is no such path.
    """
    if not roots:
        raise UsageError(
            "no directory may be scanned: the client names no roots",
            hint="start the server with --root DIRECTORY, or let the client offer its roots",
        )
    if "\0" in text:
        raise UsageError("the path has a null character")
    try:
        path = Path(os.path.realpath(roots[0] / text))
    except (OSError, ValueError) as error:
        raise UsageError("the path is none of this system") from error
    # The same answer for what exists elsewhere and what does not: a path is no question about other directories.
    if not is_allowed(path, roots):
        raise UsageError(
            f"{text!r} is outside of the directories that may be scanned", hint=f"they are {_list_roots(roots)}"
        )
    try:
        path.stat()
    except FileNotFoundError as error:
        raise UsageError(f"there is no {text!r} in {_list_roots(roots[:1])}") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no path of this system"
        raise UsageError(f"{text!r} cannot be read: {reason}") from error
    return path


def is_allowed(path: Path, roots: Sequence[Path]) -> bool:
    """Return whether a path lies below a root once symbolic links are resolved."""
    resolved = Path(os.path.realpath(path))
    return any(resolved.is_relative_to(root) for root in roots)


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, a directory that may not be searched
        return False


def _list_roots(roots: Sequence[Path]) -> str:
    return ", ".join(map(str, roots))
