"""Reads the MCP servers of the user, which belong to no project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.mcp import mcp_format
from nerq_cli.manifests.mcp.user_files import list_user_configurations
from nerq_cli.manifests.read_file import CannotReadError, decode_text, read_bytes
from nerq_cli.problem import Problem


def read_user_configurations(home: Path) -> tuple[DependencyFile, ...]:
    """Return the configurations of a user that have servers or problems. Paths begin with ``~/``."""
    return tuple(file for file in _iter_configurations(home) if file.declarations or file.problems or file.mcp_servers)


def _iter_configurations(home: Path) -> Iterator[DependencyFile]:
    for path in list_user_configurations(home):
        name = f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else path.as_posix()
        try:
            text = decode_text(read_bytes(path))
        except CannotReadError as error:
            problem = Problem(path=name, line=error.line, message=str(error), hint=error.hint, level=error.level)
            yield DependencyFile(path=name, format=mcp_format.NAME, problems=(problem,))
        else:
            yield mcp_format.read(text, name)
