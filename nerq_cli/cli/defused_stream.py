"""A text stream on which no CI system finds a command."""

from __future__ import annotations

from typing import Any, TextIO

from nerq_cli.report.sanitize import defuse_ci_commands


class DefusedStream:
    """Writes to another stream. Messages quote file names, arguments and texts of registries."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        self.stream.write(defuse_ci_commands(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.stream, name)
