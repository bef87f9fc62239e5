"""``nerq fix``: write the proposed versions into dependency files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.cli.stdout import write_stdout_parts
from nerq_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from nerq_cli.application.fix import FixPlan, PackageFix
    from nerq_cli.inventory import Location

_STATUSES: Final = (
    "Exit status: 0 nothing is left to fix · 1 without --write: there is something to fix; with it: something is left "
    "to you · 2 usage, configuration or manifest error, or a file that cannot be written · 3 not everything could be "
    "checked (with --strict) · 4 nothing to scan."
)

app = create_app()


@app.command(epilog=_STATUSES)
@options.with_run_options
def fix(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Files or directories to fix.  [default: this directory]", show_default=False),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", "-w", help="Write the files, in place of printing a diff; lock files never.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Fix this dependency only (repeatable).")
    ] = None,
    security_only: Annotated[
        bool, typer.Option("--security-only", help="Fix dependencies with advisories only.")
    ] = False,
    group: Annotated[
        list[str] | None, typer.Option("--group", "-g", help="Only this dependency group (repeatable).")
    ] = None,
    no_dev: Annotated[bool, typer.Option("--no-dev", help="Leave development dependencies out.")] = False,
    exclude: options.Exclude = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", help="Read only paths that match this pattern (repeatable).")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", "-r/-R", help="Search the directories below as well.")
    ] = True,
    shared: options.ReportOptions,
) -> None:
    """Write the proposed versions into dependency files.

    These are requirements files, pyproject.toml and package.json. Without --write, a unified diff is printed and
    nothing is written. The commands that write the lock files are printed; none is run.
    """
    from nerq_cli.application.fix import plan_fixes, write_files
    from nerq_cli.application.fix_conflicts import make_requirements_lookup
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.scan import run_scan
    from nerq_cli.application.select_dependencies import select_dependencies
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import write_incomplete, write_message, write_warnings
    from nerq_cli.manifests.discovery.load import load_dependency_files
    from nerq_cli.report.terminal.problems import print_problems

    inputs = Inputs(
        paths=tuple(paths or ["."]),
        exclude=tuple(exclude or ()),
        include=tuple(include or ()),
        recursive=recursive,
    )
    if "-" in inputs.paths:
        raise UsageError("standard input cannot be fixed", hint="name the file")
    with Session.open(shared, inputs.root, shared.progress_factory) as session:
        scan_options = session.build_scan_options(groups=group or (), no_dev=no_dev)
        report = run_scan(inputs, scan_options, session).report
        if report.dependency_problems:
            print_problems(report.dependency_problems, is_cut=True)
            raise typer.Exit(ExitStatus.USAGE)
        if not report.dependency_files:
            write_message("error", report.exit_reason)
            raise typer.Exit(report.exit)
        selected = select_dependencies(only or (), report.dependencies, option="--only")
        files = load_dependency_files(
            inputs.paths,
            exclude=(*session.config.exclude, *inputs.exclude),
            include=inputs.include,
            recursive=inputs.recursive,
        )
        plan = plan_fixes(
            selected if only else report.dependencies,
            files,
            as_of=scan_options.as_of,
            security_only=security_only,
            python=scan_options.python,
            find_requirements=make_requirements_lookup(session, report.dependencies),
        )
    if write:
        write_files(plan.files, inputs.root)
    else:
        for file in plan.files:
            _print_diff(file.diff)
    _print_plan(plan, is_written=write)
    if not shared.quiet:
        write_warnings([*report.warnings, *plan.notes])
        write_incomplete(report)
    if plan.has_rest or (plan.fixes and not write):
        raise typer.Exit(ExitStatus.BELOW)
    raise typer.Exit(ExitStatus.INCOMPLETE if scan_options.strict and not report.strict else ExitStatus.PASSED)


def _print_diff(diff: str) -> None:
    """Print a diff on stdout, byte for byte, so that ``git apply`` reads it.

    Excepted are lines that a terminal or a CI system would take for a command.
    """
    is_terminal = sys.stdout.isatty()
    write_stdout_parts(f"{_defuse_line(line, is_terminal=is_terminal)}\n".encode() for line in diff.split("\n")[:-1])


def _defuse_line(line: str, *, is_terminal: bool) -> str:
    from nerq_cli.report.sanitize import defuse_ci_commands, sanitize_text

    mark, content, ending = line[:1], line[1:].removesuffix("\r"), "\r" * line.endswith("\r")
    text = content if content.replace("\t", "").isprintable() else sanitize_text(content)
    return f"{mark}{defuse_ci_commands(text)}{'' if is_terminal else ending}"


def _print_plan(plan: FixPlan, *, is_written: bool) -> None:
    """Print on stderr what is changed, what is left, and what to run next."""
    from nerq_cli.report.sanitize import sanitize_text

    def print_lines(heading: str, lines: Iterable[str]) -> None:
        listed = list(dict.fromkeys(lines))
        if listed:
            typer.echo("\n".join([heading, *(f"  {sanitize_text(line)}" for line in listed)]), err=True)

    if not plan.fixes:
        typer.echo("nothing to fix", err=True)
    print_lines(
        "written:" if is_written else "would be written (--write writes it):",
        (line for fix in plan.fixes for line in _describe_edits(fix)),
    )
    print_lines("left to you:", (line for fix in plan.fixes for line in _describe_rest(fix)))
    print_lines("then run:" if plan.files else "run:", plan.commands)


def _describe_edits(fix: PackageFix) -> Iterator[str]:
    for line in fix.edited:
        old = line.old or "any version"
        yield f"{fix.package.name} {fix.current} -> {fix.proposed}: {_format_place(line.location)}{old} -> {line.new}"


def _describe_rest(fix: PackageFix) -> Iterator[str]:
    change = f" -> {fix.proposed}" if fix.proposed else ""
    for location, reason in fix.left:
        yield f"{fix.package.name} {fix.current}{change}: {_format_place(location)}{reason}"


def _format_place(location: Location | None) -> str:
    return "" if location is None else f"{location.path}{f':{location.line}' if location.line else ''}: "
