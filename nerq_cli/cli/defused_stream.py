"""A text stream on which no CI system finds a command, and whose reader may end early."""

from __future__ import annotations

from typing import Any, TextIO

from nerq_cli.cli.stdout import discard_stream
from nerq_cli.report.sanitize import defuse_ci_commands


class DefusedStream:
    """Writes to another stream. Messages quote file names, arguments and texts of registries.

    What is written after the reader has closed a pipe is discarded: a command ends as it would have with a reader.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        try:
            self.stream.write(defuse_ci_commands(text))
        except BrokenPipeError:
            discard_stream(self.stream)
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer."""
        try:
            self.stream.flush()
        except BrokenPipeError:
            discard_stream(self.stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.stream, name)
