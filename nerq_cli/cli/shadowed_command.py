"""Find the other distribution that installs a ``nerq`` command: its name is ``nerq``."""

from __future__ import annotations

import os
import sys


def find_shadowed_command(search_path: list[str] | None = None) -> str:
    """Return a warning when the distribution ``nerq`` is installed too, else an empty string.

    Only folder names are read: importing ``importlib.metadata`` takes longer than the rest of ``--version``.
    """
    for entry in sys.path if search_path is None else search_path:
        for name in _list_folder(entry or "."):
            version = name.removeprefix("nerq-").removesuffix(".dist-info")
            if name == f"nerq-{version}.dist-info" and version[:1].isdigit() and version.isprintable():
                return (
                    f"another package, nerq {version}, also installs a 'nerq' command; "
                    "run this one as 'nerq-cli', or run: pip uninstall nerq && "
                    "pip install --force-reinstall nerq-cli"
                )
    return ""


def _list_folder(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208 - importing pathlib doubles the time of ``--version``
    except OSError:
        return []
