"""The end of an output: what happens when nobody reads it, or it cannot be written."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # of typing, which takes several times as long to import as the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO


def write_stdout(text: str) -> int:
    """Write a text, and return the exit status."""
    return _call_writer(lambda: sys.stdout.write(text) and sys.stdout.flush(), 0)


def write_stdout_parts(parts: Iterable[bytes]) -> None:
    """Write the parts of an output; nothing more once its reader closed the pipe, which is no error."""
    try:
        sys.stdout.flush()
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        discard_stdout(0)


def flush_stdout(status: int) -> int:
    """Write buffered output, and return the status: here a closed pipe can still be handled."""
    return _call_writer(sys.stdout.flush, status)


def _call_writer(write: Callable[[], object], status: int) -> int:
    try:
        write()
    except BrokenPipeError:
        return discard_stdout(status)
    except OSError as error:
        from nerq_cli.errors import ExitStatus

        sys.stderr.write(f"error: the report cannot be written: {error.strerror}\n")
        return discard_stdout(ExitStatus.USAGE)
    return status


def discard_stdout(status: int) -> int:
    """Send the rest of stdout to the null device: its reader is closed (``nerq scan | head``)."""
    discard_stream(sys.stdout)
    return status


def discard_stream(stream: TextIO) -> None:
    """Send what a stream has in its buffer, and all that follows, to the null device."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
