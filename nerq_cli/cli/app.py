"""All commands together, and what becomes of the errors they meet."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from nerq_cli import __version__
from nerq_cli.cli import cache, check, db, methodology, scan, schema, why
from nerq_cli.cli.namesake import namesake
from nerq_cli.cli.options import ACTIVE
from nerq_cli.errors import EXIT_MEANINGS, Exit, NerqError

_EPILOG = "Exit status: " + " · ".join(f"{status.value} {meaning}" for status, meaning in EXIT_MEANINGS.items()) + "."

#: New objects before the garbage collector looks for circles among them. What a run reads is needed until it ends, and
#: looking through it every 700 objects (the default) takes a fifth of the time of a large one.
_GARBAGE = 100_000

app = typer.Typer(
    name="nerq",
    help="Trust scores for the packages your project depends on: how far, why, and what to do about it.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: half the start-up time, and the same text in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=_EPILOG)(scan.scan)
app.command(epilog=_EPILOG)(check.check)
app.command()(why.why)
app.command()(methodology.methodology)
app.command()(schema.schema)
app.add_typer(cache.app, name="cache")
app.add_typer(db.app, name="db")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer hands option values over by position
    if wanted:
        typer.echo(f"nerq-cli {__version__}")
        if other := namesake():
            typer.echo(other)
        raise typer.Exit


def _show_about(wanted: bool) -> None:  # noqa: FBT001 - see above
    if wanted:
        from nerq_cli.cli import about

        typer.echo(about.text(), nl=False)
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
    about: Annotated[
        bool,
        typer.Option(
            "--about", help="Show what this is and whose data it uses, and exit.", callback=_show_about, is_eager=True
        ),
    ] = False,
) -> None:
    """Trust scores for the packages your project depends on."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit status. Expected failures become a message, a hint and a status."""
    gc.set_threshold(_GARBAGE)
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # closed by whoever started us
            setattr(sys, stream, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we run
    try:
        app(args=_completed(arguments), prog_name="nerq")
    except SystemExit as leaving:
        return _flushed(leaving.code if isinstance(leaving.code, int) else Exit.USAGE)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _abandoned()
    except Exception as problem:
        if "--debug" in arguments:
            raise
        return _told(problem)
    return _flushed(Exit.PASSED)


def _completed(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a value for ``--env`` where it stands alone: the parser knows no optional values."""
    completed: list[str] = []
    for place, argument in enumerate(arguments):
        completed.append(argument)
        if argument == "--env" and (place + 1 == len(arguments) or arguments[place + 1].startswith("-")):
            completed.append(ACTIVE)
    return completed


def _told(problem: Exception) -> int:
    """Say what went wrong, and return the status that goes with it."""
    if isinstance(problem, NerqError):
        return _report(problem)
    if isinstance(problem, OSError):  # a full disk, a terminal that went away: not ours, and nothing to trace
        where = f": {problem.filename}" if problem.filename else ""
        sys.stderr.write(f"error: {problem.strerror or problem}{where}\n")
        return _abandoned(Exit.USAGE)
    sys.stderr.write(f"nerq: internal error: {type(problem).__name__}: {problem}\n")
    sys.stderr.write("hint: this is a bug in nerq-cli; run again with --debug and report what it prints\n")
    return Exit.INCOMPLETE


def _report(problem: NerqError) -> int:
    from nerq_cli.report.problems import render_problems

    problems = getattr(problem, "problems", ())
    if problems:
        render_problems(problems)
    else:
        sys.stderr.write(f"error: {problem}\n")
    if problem.hint:
        sys.stderr.write(f"hint: {problem.hint}\n")
    return problem.exit


def _flushed(status: int) -> int:
    """Write out what is buffered while a reader that went away can still be told apart from a failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _abandoned(status)
    except OSError as problem:
        sys.stderr.write(f"error: the report cannot be written: {problem.strerror}\n")
        return _abandoned(Exit.USAGE)
    return status


def _abandoned(status: int = Exit.PASSED) -> int:
    """Nobody takes our output any more (``nerq scan | head``): let nothing try to write what is left of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
