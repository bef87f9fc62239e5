"""``nerq baseline``: record the findings of today, so that only new ones fail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import ExitStatus, UsageError

app = create_app()


@app.command()
def baseline(
    *,
    path: Annotated[str, typer.Argument(help="Directory or file to scan.")] = ".",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.  [default: nerq-baseline.json in PATH]"),
    ] = None,
    group: options.Group = None,
    no_dev: options.NoDev = False,
    exclude: options.Exclude = None,
    threshold: options.Threshold = None,
    preset: options.Preset = None,
    deny: options.Deny = None,
    warn: options.Warn = None,
    allow: options.Allow = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use the cache only, and show its age.")] = False,
    no_config: options.NoConfig = False,
    cache_dir: options.CacheDir = None,
    timeout: options.Timeout = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Record what was known at this moment.")] = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Record the findings of today, so that only new ones fail.

    The file has the dependencies, their scores and the findings, for nerq scan --baseline FILE. It is sorted and has no
    time in it: it changes only where what it records does.
    """
    from nerq_cli.application.baseline_files import FILE_NAME, render_baseline
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.scan import run_scan
    from nerq_cli.application.session import Session
    from nerq_cli.application.settings import Settings
    from nerq_cli.cli.output import (
        check_recording,
        check_unread,
        list_read_files,
        write_file,
        write_message,
        write_warnings,
    )
    from nerq_cli.cli.progress import get_progress_factory
    from nerq_cli.report.terminal.problems import print_problems
    from nerq_cli.report.wording import count_assessments
    from nerq_cli.signals.signal import format_count

    settings = Settings(
        threshold=threshold,
        preset=preset,
        deny=deny,
        warn=warn,
        allow=allow,
        offline=offline,
        no_config=no_config,
        cache_dir=cache_dir,
        timeout=timeout,
        as_of=as_of,
    )
    inputs = Inputs(paths=(path,), exclude=tuple(exclude or ()))
    if not Path(path).exists():
        raise UsageError(f"{path}: no such file or directory")
    target = output or inputs.root / FILE_NAME
    check_recording(target, ())
    with Session.open(settings, inputs.root, get_progress_factory(quiet=quiet)) as session:
        check_unread([target], [*inputs.paths, *session.list_files()])
        scan_options = session.build_scan_options(groups=group or (), no_dev=no_dev)
        report = run_scan(inputs, scan_options, session, baseline="").report
    if report.errors:
        print_problems(report.errors, is_cut=True)
    if report.exit in (ExitStatus.USAGE, ExitStatus.EMPTY):
        write_message("error", f"nothing was recorded: {report.exit_reason}")
        raise typer.Exit(report.exit)
    check_unread([target], list_read_files(report))
    write_file(target, [render_baseline(report, base=inputs.base, root=inputs.root, target=target)])
    if not quiet:
        write_warnings(report.warnings)
        if not report.complete:
            write_message("warning", "not everything could be checked; what was not known is recorded as such")
        failing = sum(finding.fails for finding in report.findings)
        dependencies = count_assessments(report.dependencies)
        typer.echo(f"wrote {target}: {dependencies}, {format_count(failing, 'finding')} that would fail", err=True)
