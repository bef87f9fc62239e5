"""The version. It imports nothing that a bare Python has not imported: scripts ask for it before each run."""

from __future__ import annotations

import sys

from nerq_cli import __version__
from nerq_cli.cli.shadowed_command import find_shadowed_command
from nerq_cli.cli.stdout import write_stdout


def print_version() -> int:
    """Print the version, and which other package has the same command; return the exit status."""
    if sys.stdout is None:  # closed by the parent process
        return 0
    lines = [f"nerq-cli {__version__}", find_shadowed_command()]
    return write_stdout("".join(f"{line}\n" for line in lines if line))
