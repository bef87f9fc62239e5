"""Installed packages: a Python environment by its metadata, a ``node_modules`` by its package.json files.

Only files inside the directory are read, except the package.json beside a ``node_modules``, which has the direct
dependencies. Nothing is imported or executed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.discovery.embedded_sboms import add_embedded_components
from nerq_cli.manifests.formats import ENVIRONMENT, NODE_MODULES
from nerq_cli.manifests.npm import installed_npm
from nerq_cli.manifests.python import installed_python
from nerq_cli.manifests.read_file import is_directory, os_error_reason
from nerq_cli.problem import Problem

_HINT: Final = "name a virtual environment, its site-packages, or a node_modules directory"


def read_installed(path: Path) -> DependencyFile:
    """Return the packages installed in a directory. Errors are in ``problems``; nothing is raised.

    Args:
        path: a virtual environment, a site-packages directory, or a ``node_modules`` directory.
    """
    try:
        if path.name == NODE_MODULES and path.is_dir():
            return installed_npm.read(path, NODE_MODULES)
        folders = installed_python.find_folders(path)
        if folders:
            return add_embedded_components(installed_python.read(path, folders, ENVIRONMENT))
    except OSError as error:
        return _problem_file(path, f"cannot be read: {os_error_reason(error)}")
    if not is_directory(path):
        return _problem_file(path, "no such directory")
    candidates = [name for name in (".venv", "venv", NODE_MODULES) if is_directory(path / name)]
    suggestion = " and ".join(_display_path(path / name) for name in candidates)
    return _problem_file(path, "no installed packages", f"there is {suggestion}" if candidates else _HINT)


def _problem_file(path: Path, message: str, hint: str = _HINT) -> DependencyFile:
    name = _display_path(path)
    return DependencyFile(path=name, format=ENVIRONMENT, problems=(Problem(path=name, message=message, hint=hint),))


def _display_path(path: Path) -> str:
    return os.fsencode(path.as_posix()).decode(errors="replace")
