"""Another distribution, called ``nerq``, installs a ``nerq`` command too. Say so when both are here."""

from __future__ import annotations

import sys
from pathlib import Path


def find_shadowed_command(search_path: list[str] | None = None) -> str:
    """Return a warning when the distribution ``nerq`` is installed beside this one; empty when it is not.

    Looks at folder names only: importing the machinery that knows about installed packages costs more than the rest
    of ``--version``.
    """
    for entry in sys.path if search_path is None else search_path:
        for dist_info in Path(entry or ".").glob("nerq-[0-9]*.dist-info"):
            version = dist_info.name.removeprefix("nerq-").removesuffix(".dist-info")
            return (
                f"another package, nerq {version}, is installed here and brings a 'nerq' command of its own; "
                "use 'nerq-cli' to be sure of this one, or run: pip uninstall nerq && "
                "pip install --force-reinstall nerq-cli"
            )
    return ""
