"""Servers of packages, installed from the registries of this machine.

They are installed once into a folder of their own: ``NERQ_TEST_SERVERS``, or one in the directory for temporary files.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

import pytest
from real_servers.servers import run

_PYTHON_PACKAGES: Final = ("pypiserver", "devpi-server", "uv", "pip")
#: A dependency of Verdaccio asks for a dist-tag, which proxies of the registry may lack.
_NPM_PROJECT: Final = {"private": True, "dependencies": {"verdaccio": "^6"}, "overrides": {"node-fetch": "2.6.7"}}


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder that the servers are installed into."""
    name = f"nerq-test-servers-{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(os.environ.get("NERQ_TEST_SERVERS") or Path(tempfile.gettempdir()) / name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def python_tools(tools: Path) -> Path:
    """The folder of the commands that come from PyPI."""
    commands = tools / "python" / ("Scripts" if sys.platform == "win32" else "bin")
    if not (tools / "python-complete").exists():
        venv.create(tools / "python", clear=True, with_pip=True)
        run([commands / "python", "-m", "pip", "install", "--quiet", *_PYTHON_PACKAGES])
        (tools / "python-complete").touch()
    return commands


@pytest.fixture(scope="session")
def verdaccio_command(tools: Path) -> list[str]:
    """The command that starts Verdaccio."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no npm to install Verdaccio with")
    folder = tools / "npm"
    if not (tools / "npm-complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps(_NPM_PROJECT), encoding="utf-8")
        run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder)
        (tools / "npm-complete").touch()
    return [node, str(folder / "node_modules/verdaccio/bin/verdaccio")]
