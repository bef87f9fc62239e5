"""The table of commands, and the one place that turns errors into messages and exit statuses."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup

from nerq_cli.cli.command import EXIT_STATUSES
from nerq_cli.cli.defused_stream import DefusedStream
from nerq_cli.cli.stdout import discard_stdout, flush_stdout
from nerq_cli.cli.version import print_version
from nerq_cli.errors import ExitStatus, NerqError

#: Commands in the order of ``--help``: the module in this folder, and what it does.
COMMANDS: Final = {
    "scan": "Score a project's dependencies; fail below the threshold.",
    "fleet": "Scan many repositories at once; fail as the worst of them.",
    "check": "Show the report card of a package, model or MCP server.",
    "report": "Write the page about a target: verdict, evidence, history.",
    "compare": "Show targets side by side: what decides, then the rest.",
    "alternatives": "Show what does the same job as a target, with scores.",
    "compliance": "Show documentation readiness in 52 jurisdictions.",
    "history": "Show how scores changed, and what moved them.",
    "watch": "Show what changed since the last pass; fail if it got worse.",
    "badge": "Write a badge with score, grade and date.",
    "fix": "Write the proposed versions into dependency files.",
    "exploited": "List advisories known to be exploited, with dates.",
    "why": "Show what depends on a package, from lock files; no network.",
    "mcp": "Serve coding agents over MCP: they ask before they install.",
    "methodology": "Print every weight, curve, cap and grade behind a score.",
    "schema": "Print the JSON Schema of a document.",
    "config": "Show the settings in force, and where each comes from.",
    "waive": "Accept findings about a package or a file for a time.",
    "review": "Record what people found in versions of dependencies.",
    "init": "Write a settings file with every setting as a comment.",
    "baseline": "Record the findings of today, so that only new ones fail.",
    "evidence": "Show what a recording holds.",
    "serve": "Serve scores over HTTP, for CI jobs, agents and people.",
    "cache": "Show, empty or prune the cache.",
    "db": "Keep advisories on disk, for scans without a network.",
    "index": "Score a whole index of packages from tables of facts.",
    "completion": "Print a script that completes command lines in a shell.",
}

#: New objects between two runs of the garbage collector. Most objects of a run live until its end; with the default
#: of 700, looking for cycles among them takes a fifth of the time of a large scan.
_GC_THRESHOLD: Final = 250_000


class CommandGroup(TyperGroup):
    """The commands of ``COMMANDS``. A module is imported when its command is run, which keeps start-up short."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=summary) for name, summary in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 - types of Typer's private copy of Click
        """Return the name, the command and the arguments of a command line."""
        name, command, arguments = super().resolve_command(ctx, args)
        return name, load_command(name) if name in COMMANDS else command, arguments


def load_command(name: str) -> TyperCommand | TyperGroup:
    """Import the module of a command, and return the command."""
    return cast("TyperCommand | TyperGroup", typer.main.get_command(import_module(f"nerq_cli.cli.{name}").app))


app = typer.Typer(
    name="nerq",
    cls=CommandGroup,
    help="Trust scores for the packages your project depends on: how far, why, and what to do about it.",
    epilog=EXIT_STATUSES,
    no_args_is_help=True,
    add_completion=False,  # nerq completion prints scripts that start no Python, and changes no file of a shell
    rich_markup_mode=None,  # plain help: half the start-up time, and the same text in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_requested: bool) -> None:  # noqa: FBT001 - typer hands option values over by position
    if is_requested:
        raise typer.Exit(print_version())


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
            "--about",
            help="Show what nerq-cli is and which data it uses, and exit.",
            callback=_show_about,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Trust scores for the packages your project depends on."""


def run_command_line(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status. An error becomes a message, a hint and a status."""
    gc.set_threshold(_GC_THRESHOLD)
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # closed by the parent process
            setattr(sys, stream, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the process ends
    sys.stdout, sys.stderr = DefusedStream(sys.stdout), DefusedStream(sys.stderr)
    try:
        return _run(arguments)
    finally:
        sys.stdout, sys.stderr = sys.stdout.stream, sys.stderr.stream


def _run(arguments: Sequence[str]) -> int:
    try:
        app(args=_complete_env_option(arguments), prog_name="nerq")
    except SystemExit as system_exit:
        return flush_stdout(system_exit.code if isinstance(system_exit.code, int) else ExitStatus.USAGE)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        return discard_stdout(ExitStatus.PASSED)
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _report_error(error)
    return flush_stdout(ExitStatus.PASSED)


def _complete_env_option(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a value after a bare ``--env``: the parser has no options with an optional value."""
    result: list[str] = []
    for index, argument in enumerate(arguments):
        result.append(argument)
        if argument == "--env" and (index + 1 == len(arguments) or arguments[index + 1].startswith("-")):
            from nerq_cli.application.read_dependencies import ACTIVE_ENVIRONMENT

            result.append(ACTIVE_ENVIRONMENT)
    return result


def _report_error(error: Exception) -> int:
    """Print an error, and return its exit status."""
    if isinstance(error, NerqError):
        return _print_error(error)
    if isinstance(error, ImportError):
        from nerq_cli.cli.extras import explain_missing_module

        if explanation := explain_missing_module(error):
            return _print_error(explanation)
    if isinstance(error, OSError):  # a full disk or a closed terminal: no bug, and no traceback needed
        location = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"error: {error.strerror or error}{location}\n")
        return discard_stdout(ExitStatus.USAGE)
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
