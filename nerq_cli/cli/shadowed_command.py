"""Find the other distribution that installs a ``nerq`` command: its name is ``nerq``."""

from __future__ import annotations

import sys
from pathlib import Path


def find_shadowed_command(search_path: list[str] | None = None) -> str:
    """Return a warning when the distribution ``nerq`` is installed too, else an empty string.

    Only folder names are read: importing ``importlib.metadata`` takes longer than the rest of ``--version``.
    """
    for entry in sys.path if search_path is None else search_path:
        for dist_info in Path(entry or ".").glob("nerq-[0-9]*.dist-info"):
            version = dist_info.name.removeprefix("nerq-").removesuffix(".dist-info")
            return (
                f"another package, nerq {version}, also installs a 'nerq' command; "
                "run this one as 'nerq-cli', or run: pip uninstall nerq && "
                "pip install --force-reinstall nerq-cli"
            )
    return ""
