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
from nerq_cli.cli.shadowed_command import find_shadowed_command
from nerq_cli.errors import EXIT_MEANINGS, ExitStatus, NerqError

_EPILOG = "Exit status: " + " · ".join(f"{status.value} {meaning}" for status, meaning in EXIT_MEANINGS.items()) + "."

#: New objects before the garbage collector looks for circles among them. What a run reads is needed until it ends, and
#: looking through it every 700 objects (the default) takes a fifth of the time of a large one.
_GC_THRESHOLD = 100_000

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


def _show_version(is_requested: bool) -> None:  # noqa: FBT001 - typer hands option values over by position
    if is_requested:
        typer.echo(f"nerq-cli {__version__}")
        if warning := find_shadowed_command():
            typer.echo(warning)
        raise typer.Exit


def _show_about(is_requested: bool) -> None:  # noqa: FBT001 - see above
    if is_requested:
        from nerq_cli.cli import about

        typer.echo(about.render_text(), nl=False)
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


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit status. Expected failures become a message, a hint and a status."""
    gc.set_threshold(_GC_THRESHOLD)
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # closed by whoever started us
            setattr(sys, stream, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we run
    try:
        app(args=_complete_env_option(arguments), prog_name="nerq")
    except SystemExit as system_exit:
        return _flush_stdout(system_exit.code if isinstance(system_exit.code, int) else ExitStatus.USAGE)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        return _discard_stdout()
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _report_error(error)
    return _flush_stdout(ExitStatus.PASSED)


def _complete_env_option(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a value for ``--env`` where it stands alone: the parser knows no optional values."""
    result: list[str] = []
    for index, argument in enumerate(arguments):
        result.append(argument)
        if argument == "--env" and (index + 1 == len(arguments) or arguments[index + 1].startswith("-")):
            from nerq_cli.application.read_dependencies import ACTIVE_ENVIRONMENT

            result.append(ACTIVE_ENVIRONMENT)
    return result


def _report_error(error: Exception) -> int:
    """Say what went wrong, and return the status that goes with it."""
    if isinstance(error, NerqError):
        return _print_error(error)
    if isinstance(error, OSError):  # a full disk, a terminal that went away: not ours, and nothing to trace
        location = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"error: {error.strerror or error}{location}\n")
        return _discard_stdout(ExitStatus.USAGE)
    sys.stderr.write(f"nerq: internal error: {type(error).__name__}: {error}\n")
    sys.stderr.write("hint: this is a bug in nerq-cli; run again with --debug and report what it prints\n")
    return ExitStatus.INCOMPLETE


def _print_error(error: NerqError) -> int:
    from nerq_cli.report.terminal.problems import print_problems

    problems = getattr(error, "problems", ())
    if problems:
        print_problems(problems)
    else:
        sys.stderr.write(f"error: {error}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")
    return error.exit


def _flush_stdout(status: int) -> int:
    """Write out what is buffered while a reader that went away can still be told apart from a failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _discard_stdout(status)
    except OSError as error:
        sys.stderr.write(f"error: the report cannot be written: {error.strerror}\n")
        return _discard_stdout(ExitStatus.USAGE)
    return status


def _discard_stdout(status: int = ExitStatus.PASSED) -> int:
    """Nobody takes our output any more (``nerq scan | head``): let nothing try to write what is left of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
