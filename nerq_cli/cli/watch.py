"""``nerq watch``: what changed in a project since the last pass."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from nerq_cli.cli import options, page_output
from nerq_cli.cli.command import create_app
from nerq_cli.cli.page_output import PageFormat
from nerq_cli.errors import UsageError

_STATUSES: Final = (
    "Exit status: 0 nothing got worse past the policy · 1 something did; at the first pass: something fails it · 2 "
    "usage, configuration or manifest error, or a state that cannot be used · 3 not everything could be checked (with "
    "--strict, and by default when CI is set) · 4 nothing to scan."
)

app = create_app()


@app.command(epilog=_STATUSES)
@options.with_page_options
def watch(
    *,
    path: Annotated[str, typer.Argument(help="Directory or file to scan.")] = ".",
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="File of the last pass, which is written anew.  [default: one for each project in the cache "
            "directory]",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--no-update", help="Leave the state as it is: the next pass shows the same changes again.")
    ] = False,
    notice_days: Annotated[
        int, typer.Option("--waiver-days", metavar="N", min=0, help="Show waivers that end within N days.")
    ] = 14,
    limit: Annotated[
        int,
        typer.Option(
            "--markdown-limit",
            metavar="BYTES",
            min=600,
            help="Size of the Markdown at most, in bytes; the worst comes first.",
        ),
    ] = 65_536,
    form: page_output.FormatOption = PageFormat.TABLE,
    output: page_output.OutputOption = None,
    shared: options.ReportOptions,
) -> None:
    """Show what changed since the last pass; fail if it got worse.

    One pass, for cron and scheduled pipelines: advisories, scores with the signals that moved them, releases,
    publishers, versions that vanished, models that moved, MCP servers and waivers. Nothing is sent anywhere but the
    requests of a scan.
    """
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.session import Session
    from nerq_cli.application.watch import run_watch
    from nerq_cli.application.watch_state import find_state_path, read_state
    from nerq_cli.cli.output import check_recording, check_unread, write_warnings
    from nerq_cli.report.pages import watch as page

    outputs = page_output.parse_outputs(output)
    inputs = Inputs(paths=(path,))
    if path == "-" or not Path(path).exists():
        raise UsageError(f"{path}: no such file or directory")
    if state is not None:
        check_recording(state, outputs)
    with Session.open(shared, inputs.root, shared.progress_factory) as session:
        state_path = find_state_path(session, Path(path), state)
        check_unread([*(item.path for item in outputs), state_path], [path, *session.list_files()])
        earlier = read_state(state_path, inputs.root)
        result = run_watch(inputs, session.build_scan_options(), session, earlier, notice_days=notice_days)
    report = result.report
    if report.problems:
        from nerq_cli.report.terminal.problems import print_problems

        print_problems(report.problems, is_cut=True)
    page_output.write_page(
        {
            PageFormat.TABLE: lambda render_options: page.render_text(report, render_options),
            PageFormat.JSON: lambda _: page.render_json(report),
            PageFormat.MARKDOWN: lambda _: page.render_markdown(report, limit),
            PageFormat.HTML: lambda _: page.render_html(report),
        },
        form,
        outputs,
    )
    # After the page: what could not be shown is shown by the next pass.
    if result.state is not None and not keep:
        _write_state(state_path, result.state, is_cached=state is None)
    if form is not PageFormat.TABLE:  # the page ends with the status
        page_output.write_exit(report.exit, report.exit_reason, report.warnings, shared, strict=report.strict)
    elif not shared.quiet:
        write_warnings(report.warnings)
    raise typer.Exit(report.exit)


def _write_state(path: Path, content: bytes, *, is_cached: bool) -> None:
    from nerq_cli.cli.output import write_file

    if is_cached:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path.parent}: cannot be created: {error.strerror}") from error
    write_file(path, [content])
