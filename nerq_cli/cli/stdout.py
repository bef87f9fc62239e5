"""The end of an output: what happens when nobody reads it, or it cannot be written."""

from __future__ import annotations

import os
import sys


def flush_stdout(status: int) -> int:
    """Write buffered output, and return the status: here a closed pipe can still be handled."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return discard_stdout(status)
    except OSError as error:
        from nerq_cli.errors import ExitStatus

        sys.stderr.write(f"error: the report cannot be written: {error.strerror}\n")
        return discard_stdout(ExitStatus.USAGE)
    return status


def discard_stdout(status: int) -> int:
    """Send the rest of stdout to the null device: its reader is closed (``nerq scan | head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
