"""The files below a home directory in which clients keep the MCP servers of a user."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from nerq_cli.manifests.mcp.clients import CLIENT_FILES

#: Most files of one pattern: plugins are some dozens.
_MAX_MATCHES: Final = 500


def list_user_configurations(home: Path) -> tuple[Path, ...]:
    """Return the files below a home directory, and those of the machine, that may have servers; sorted, each once."""
    return tuple(sorted({path for pattern in _list_patterns() for path in _find_files(home, pattern)}))


def _list_patterns() -> Iterator[str]:
    return (pattern for row in CLIENT_FILES for pattern in row.home)


def _find_files(home: Path, pattern: str) -> Iterator[Path]:
    """Yield the files of a pattern. A directory that cannot be read has none."""
    try:
        if pattern.startswith("/"):
            matches = [Path(pattern)]
        elif "*" in pattern:
            matches = list(islice(home.glob(pattern), _MAX_MATCHES))
        else:
            matches = [home / pattern]
        yield from (path for path in matches if path.is_file())
    except OSError:
        return
