"""The configuration files of MCP clients, as a format of dependency files."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.mcp.clients import find_project_file

NAME: Final = "mcp"


def matches(path: PurePosixPath) -> bool:
    """Whether the file is one in which a client keeps its servers. Some may have another content."""
    return find_project_file(path) is not None


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return the servers of a file, and as declarations what they run. Errors are in ``problems``."""
    from nerq_cli.manifests.mcp.configuration import read_mcp_configuration, to_declarations

    configuration = read_mcp_configuration(path, text)
    return DependencyFile(
        path=path,
        format=NAME,
        declarations=to_declarations(configuration, group),
        includes=configuration.includes,
        constraint=constraint,
        mcp_servers=configuration.servers,
        problems=configuration.problems,
        notes=configuration.notes,
    )
