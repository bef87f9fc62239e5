"""What every command module needs: the application object that its functions register with."""

from __future__ import annotations

from typing import Final

import typer

from nerq_cli.errors import EXIT_MEANINGS

#: Printed below the help of commands that judge.
EXIT_STATUSES: Final = (
    "Exit status: " + " · ".join(f"{status.value} {meaning}" for status, meaning in EXIT_MEANINGS.items()) + "."
)


def create_app(summary: str | None = None) -> typer.Typer:
    """Return the application object of a command; one with subcommands has a summary of its own."""
    return typer.Typer(help=summary, add_completion=False, no_args_is_help=summary is not None, rich_markup_mode=None)
