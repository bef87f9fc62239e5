"""The version. It imports nothing that a bare Python has not imported: scripts ask for it before each run."""

from __future__ import annotations

import sys

from nerq_cli import __version__
from nerq_cli.cli.shadowed_command import find_shadowed_command
from nerq_cli.cli.stdout import flush_stdout


def print_version() -> int:
    """Print the version, and which other package has the same command; return the exit status."""
    if sys.stdout is None:  # closed by the parent process
        return 0
    warning = find_shadowed_command()
    sys.stdout.write(f"nerq-cli {__version__}\n{warning}{chr(10) if warning else ''}")
    return flush_stdout(0)
