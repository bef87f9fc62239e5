"""The terminal, or what stands in for it: how wide it is and whether it takes colour."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Final, Literal

from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

#: Columns of what is not a terminal, unless ``COLUMNS`` says otherwise.
PIPE_WIDTH: Final = 100
#: What ``--color`` takes.
COLORS: Final = ("auto", "always", "never")
_DUMB_TERMINALS: Final = frozenset({"dumb", "unknown"})


def make_console(*, stderr: bool = False, color: str | None = None, file: IO[str] | None = None) -> Console:
    """Return a console for stdout, stderr or a file.

    Colour: ``color`` (``always``, ``never``; ``auto`` and None leave it open) wins over ``NO_COLOR``, that over
    ``FORCE_COLOR`` (which does not reach a ``file``), and that over what the terminal is: a pipe, a file and
    ``TERM=dumb`` get no escape codes at all.

    Raises:
        UsageError: ``color`` is none of these words.
    """
    from rich.console import Console

    if color not in (None, *COLORS):
        raise UsageError(f"unknown colour setting {color!r}", hint=f"use one of {', '.join(COLORS)}")
    stream = file or (sys.stderr if stderr else sys.stdout)
    is_terminal = stream.isatty()
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() and int(columns) else None
    return Console(
        file=stream,
        width=width or (None if is_terminal else PIPE_WIDTH),
        force_terminal=is_terminal,
        force_jupyter=False,
        color_system=_choose_color_system(color, os.environ, is_terminal=is_terminal, to_file=file is not None),
        markup=False,
        emoji=False,
        highlight=False,
    )


def is_dumb(environment: Mapping[str, str]) -> bool:
    """Whether ``TERM`` names a terminal that can do nothing but print."""
    return environment.get("TERM", "").lower() in _DUMB_TERMINALS


def _choose_color_system(
    color: str | None, environment: Mapping[str, str], *, is_terminal: bool, to_file: bool
) -> Literal["auto", "standard"] | None:
    """Return which colours to use: those of the terminal, the standard sixteen where they are forced, or None."""
    if color == "never" or (color != "always" and environment.get("NO_COLOR")):
        return None
    if color == "always" or (environment.get("FORCE_COLOR", "0") not in ("", "0") and not to_file):
        return "standard"
    return "auto" if is_terminal and not is_dumb(environment) else None
