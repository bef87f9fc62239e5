"""What a terminal, a pipe or a file can show: its width, colour and encoding."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, TextIO

from nerq_cli.errors import UsageError
from nerq_cli.report import DEFAULT_WIDTH, RenderOptions

#: Values that ``color`` may have.
COLORS: Final = ("auto", "always", "never")
_DUMB_TERMINALS: Final = frozenset({"dumb", "unknown"})


def stream_options(stream: TextIO, options: RenderOptions | None = None, color: str | None = None) -> RenderOptions:
    """Return the options with the width, the colour and the encoding of stdout or stderr.

    Colour: ``color`` (``always``, ``never``; ``auto`` and None decide nothing) precedes ``NO_COLOR``, which precedes
    ``FORCE_COLOR``. Without these a terminal has colour; a pipe and ``TERM=dumb`` have none.
    ``TERM=dumb`` and ``LC_ALL=C`` limit the encoding to ASCII.

    Raises:
        UsageError: ``color`` is another word.
    """
    if color not in (None, *COLORS):
        raise UsageError(f"unknown colour setting {color!r}", hint=f"use one of {', '.join(COLORS)}")
    return (options or RenderOptions())._replace(
        width=_find_width(stream),
        color=_has_color(color, os.environ, is_terminal=stream.isatty()),
        encoding="ascii" if _is_limited_to_ascii(os.environ) else stream.encoding or "utf-8",
    )


def file_options(options: RenderOptions) -> RenderOptions:
    """Return the options for a file: no colour, UTF-8, and the width that ``COLUMNS`` sets."""
    return options._replace(width=_read_columns() or DEFAULT_WIDTH, color=False, encoding="utf-8")


def _find_width(stream: TextIO) -> int:
    if (columns := _read_columns()) or not stream.isatty():
        return columns or DEFAULT_WIDTH
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError):  # no descriptor, or one that is not a terminal
        return DEFAULT_WIDTH


def _read_columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else 0


def _has_color(color: str | None, environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    if color in ("always", "never"):
        return color == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    # The old Windows console prints escape sequences as they are; Windows Terminal sets WT_SESSION.
    return is_terminal and not _is_dumb(environment) and (os.name != "nt" or "WT_SESSION" in environment)


def _is_limited_to_ascii(environment: Mapping[str, str]) -> bool:
    return _is_dumb(environment) or environment.get("LC_ALL") in ("C", "POSIX")


def _is_dumb(environment: Mapping[str, str]) -> bool:
    return environment.get("TERM", "").lower() in _DUMB_TERMINALS
