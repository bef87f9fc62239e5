"""Options that several commands share, written once."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from nerq_cli.report import FORMATS

#: What ``--env`` means without a value; no path is called that.
ACTIVE_ENVIRONMENT = "(active)"

_DAYS_PATTERN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*d?", re.ASCII)


class OptionalSource(str, Enum):
    """What is asked only when the user says so."""

    DOWNLOADS = "downloads"


def parse_days(text: str) -> float:
    """Return the days that ``7``, ``0.5`` or ``7d`` mean.

    Raises:
        typer.BadParameter: it is no such number.
    """
    match = _DAYS_PATTERN.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a number of days: write 7 or 7d")
    return float(match[1])


Threshold = Annotated[
    float | None,
    typer.Option("--threshold", "-t", min=0, max=100, help="Score a dependency must reach.  [default: 70]"),
]
Format = Annotated[str, typer.Option("--format", "-f", help=f"Format of the report on stdout: {', '.join(FORMATS)}.")]
Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        help="Also write the report to FILE, in the format of its suffix: "
        f"{', '.join(report_format.suffix for report_format in FORMATS.values())}.",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Use the cache only, and say how old it is.")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Ask again for everything, cached or not.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")]
CacheDir = Annotated[Path | None, typer.Option("--cache-dir", envvar="NERQ_CACHE_DIR", help="Where the cache lives.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0.1, help="Seconds the whole run may take to gather evidence.  [default: 30]"),
]
With = Annotated[
    list[OptionalSource] | None,
    typer.Option("--with", help="Ask for this as well, which takes many requests (repeatable)."),
]
MaxDbAge = Annotated[
    float | None,
    typer.Option(
        "--max-db-age",
        metavar="DAYS",
        parser=parse_days,
        help="Refuse an advisory database older than this many days (7 or 7d).  [default: use it, and say its age]",
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict/--no-strict", help="Exit 3 when something could not be checked.  [default: only when CI is set]"
    ),
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Judge ages as of this moment (2026-11-21 or a full ISO 8601 time).")
]
Python = Annotated[
    str | None, typer.Option("--python", help="Python version that would install.  [default: the one running nerq]")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no warnings, no hints: the report alone.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more: every reason, every source and how often it was asked.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something breaks.")]
