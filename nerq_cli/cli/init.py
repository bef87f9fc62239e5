"""``nerq init``: write a settings file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

_NAME: Final = "nerq.toml"
#: The command that records findings.
_BASELINE: Final = "baseline"

app = create_app()


@app.command()
def init(
    *,
    path: Annotated[str, typer.Argument(help="Directory of the project.")] = ".",
    baseline: Annotated[
        bool | None,
        typer.Option(
            "--baseline/--no-baseline",
            help="Record the findings of today, so that only new ones fail.  [default: ask, at a terminal]",
        ),
    ] = None,
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Write a settings file with every setting as a comment.

    It is called nerq.toml. A file that is there is never overwritten.
    """
    from nerq_cli.config.template import render_template

    directory = Path(path)
    if not directory.is_dir():
        raise UsageError(f"{path}: no such directory")
    _check_new(directory, records=bool(baseline))
    file = directory / _NAME
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(render_template())
    except FileExistsError as error:
        raise UsageError(f"{file} is there already", hint="edit it, or remove it first") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error
    typer.echo(f"wrote {file}")
    if _wants_baseline(directory, baseline):
        _record_baseline(directory)
        _set_baseline(file)


def _check_new(directory: Path, *, records: bool) -> None:
    """Raise UsageError if the directory has settings, or findings where some are to be recorded."""
    from nerq_cli.application.baseline_files import FILE_NAME
    from nerq_cli.config import find_nested

    for existing in find_nested([directory]):
        table = "[tool.nerq] of " if existing.name == "pyproject.toml" else ""
        raise UsageError(f"{table}{existing} is there already", hint="edit it, or remove it first")
    if records and os.path.lexists(directory / FILE_NAME):
        raise UsageError(
            f"{directory / FILE_NAME} is there already",
            hint=f"nerq init --no-baseline, then nerq {_BASELINE} writes it anew",
        )


def _wants_baseline(directory: Path, baseline: bool | None) -> bool:  # noqa: FBT001 - three states
    from nerq_cli.application.baseline_files import FILE_NAME

    if baseline is not None:
        return bool(baseline)
    if os.path.lexists(directory / FILE_NAME):
        return False
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        return False
    return typer.confirm("Record the findings of today, so that only new ones fail?", default=False)


def _record_baseline(directory: Path) -> None:
    """Run the command that records findings; its exit status ends this one if it recorded none."""
    from nerq_cli.cli.app import load_command

    command = load_command(_BASELINE)
    if status := command(args=[str(directory)], prog_name=f"nerq {_BASELINE}", standalone_mode=False):
        raise typer.Exit(status)


def _set_baseline(file: Path) -> None:
    """Set the file with the findings in the settings file that was just written."""
    from nerq_cli.config.template import set_baseline

    file.write_text(set_baseline(file.read_text(encoding="utf-8")), encoding="utf-8")
