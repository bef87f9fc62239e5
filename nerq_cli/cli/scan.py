"""``nerq scan``: score what a project depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import EXIT_STATUSES, create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.report.model import Report


app = create_app()


@app.command(epilog=EXIT_STATUSES)
@options.with_report_options
def scan(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files or directories to scan, - for stdin.  [default: this directory]", show_default=False
        ),
    ] = None,
    read_as: Annotated[
        str, typer.Option("--as", help="Read the given files, or stdin, as this kind of file (requirements.txt, ...).")
    ] = "",
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="[PATH]",
            help="Scan installed packages: a virtual environment or node_modules (repeatable).  "
            "[default: the active environment, else .venv, and node_modules]",
        ),
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="List the dependencies only; no network.")] = False,
    show_all: Annotated[bool, typer.Option("--all", "-a", help="Show the dependencies that pass as well.")] = False,
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="N", min=1, help="Show the N worst dependencies only; with --list the first N."),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            "--explain",
            metavar="NAME",
            help="Show the report card of this dependency in place of the table (repeatable).",
        ),
    ] = None,
    group: options.Group = None,
    no_dev: options.NoDev = False,
    no_mcp: options.NoMcp = False,
    no_models: options.NoModels = False,
    possible_models: options.PossibleModels = False,
    user_config: options.UserConfig = False,
    exclude: options.Exclude = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", help="Read only paths that match this pattern (repeatable).")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", "-r/-R", help="Search the directories below as well.")
    ] = True,
    stop_on_problem: Annotated[
        bool, typer.Option("--stop-on-problem", help="Score nothing when a dependency file has problems.")
    ] = False,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Exit 0 when there is nothing to scan.")] = False,
    baseline: options.Baseline = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="REF",
            help="Compare with the commit where HEAD left this branch, tag or commit: only what is new or worse fails.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every reason, and every source with its requests.")
    ] = False,
    record: options.Record = None,
    record_private: options.RecordPrivate = False,
    replay: options.Replay = None,
    rescore: options.Rescore = False,
    shared: options.ReportOptions,
) -> None:
    """Score a project's dependencies; fail below the threshold."""
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.scan import run_scan
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import write_report, write_warnings
    from nerq_cli.report import RenderOptions

    if no_mcp and user_config:
        raise UsageError("--no-mcp and --user-config contradict each other", hint="leave one of them out")
    if no_models and possible_models:
        raise UsageError("--no-models and --possible-models contradict each other", hint="leave one of them out")
    outputs = shared.check_formats(paths or (), list_only=list_only)
    if list_only and explain:
        raise UsageError("--list and --explain contradict each other", hint="leave one of them out")
    if list_only and (since is not None or baseline):
        option = "--baseline" if since is None else "--since"
        raise UsageError(f"--list and {option} contradict each other", hint="leave one of them out")
    if since is not None and baseline:
        raise UsageError("--since and --baseline contradict each other", hint="leave one of them out")
    recording = options.RecordingOptions(record, record_private, replay, rescore)
    if record is not None or replay is not None or record_private or rescore:
        given = {
            "a path": paths,
            "--as": read_as,
            "--env": env,
            "--list": list_only,
            "--group": group,
            "--no-dev": no_dev,
            "--no-mcp": no_mcp,
            "--no-models": no_models,
            "--possible-models": possible_models,
            "--user-config": user_config,
            "--exclude": exclude,
            "--include": include,
            "--no-recursive": not recursive,
            "--stop-on-problem": stop_on_problem,
            "--allow-empty": allow_empty,
            "--since": since is not None,
            "--baseline": baseline,
        }
        recording.check(shared, [name for name, value in given.items() if value], outputs)
    if record is not None and list_only:
        raise UsageError("--list scores nothing that --record could keep", hint="leave one of them out")
    if replay is not None:
        from nerq_cli.application.recording import replay_file
        from nerq_cli.application.select_dependencies import select_dependencies

        replayed = replay_file(replay, command="scan", rescore=rescore)
        details = select_dependencies(explain or (), replayed.report.dependencies)
        render_options = RenderOptions(
            show_all=show_all, top=top, verbose=verbose, details=details or None, compact=shared.compact
        )
        write_report(replayed.report, shared.form, outputs, render_options)
        shared.show(replayed.report, outputs, render_options)
        _print_notices(replayed.report, shared, has_details=bool(details), stopped=False)
        write_warnings(replayed.notices)
        raise typer.Exit(replayed.report.exit)
    inputs = Inputs(
        paths=tuple(paths or (() if env else ["."])),
        environments=tuple(env or ()),
        read_as=read_as,
        exclude=tuple(exclude or ()),
        include=tuple(include or ()),
        recursive=recursive,
        no_mcp=no_mcp,
        no_models=no_models,
        possible_models=possible_models,
        user_config=user_config,
    )
    with Session.open(shared, inputs.root, shared.progress_factory) as session:
        recording.check_files(session, outputs, "" if since is not None else baseline)
        scan_options = session.build_scan_options(
            groups=group or (),
            no_dev=no_dev,
            list_only=list_only,
            stop_on_problem=stop_on_problem,
            allow_empty=allow_empty,
        )
        recorder = recording.create_recorder(session, "scan")
        result = run_scan(
            inputs,
            scan_options,
            session,
            explain=explain or (),
            since=since,
            baseline=baseline,
            recorder=recorder,
        )
    report = result.report
    render_options = RenderOptions(
        show_all=show_all, top=top, verbose=verbose, details=result.selection or None, compact=shared.compact
    )
    write_report(report, shared.form, outputs, render_options)
    shared.show(report, outputs, render_options)
    stopped = stop_on_problem and report.list_only and not list_only
    _print_notices(report, shared, has_details=bool(result.selection), stopped=stopped)
    recording.write(recorder, report, quiet=shared.quiet)
    raise typer.Exit(report.exit)


def _print_notices(report: Report, shared: options.ReportOptions, *, has_details: bool, stopped: bool) -> None:
    """Print on stderr the problems of the files, and the warnings that the report on stdout does not show."""
    from nerq_cli.cli.output import write_exit_reason, write_incomplete, write_message, write_warnings
    from nerq_cli.cli.shadowed_command import find_shadowed_command
    from nerq_cli.report import FORMATS

    machine_readable = FORMATS[shared.form].machine_readable
    if report.errors:
        from nerq_cli.report.terminal.problems import print_problems

        print_problems(report.errors, is_cut=True)
        if stopped:
            write_message("hint", "nothing was scored; without --stop-on-problem what can be read is")
    if shared.quiet:
        return
    write_warnings([*(report.warnings if machine_readable or has_details else ()), find_shadowed_command()])
    if has_details and not machine_readable:
        write_exit_reason(report)
    write_incomplete(report)
