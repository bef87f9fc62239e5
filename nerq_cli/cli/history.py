"""``nerq history``: how scores changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from nerq_cli.cli import options, page_output
from nerq_cli.cli.command import create_app
from nerq_cli.cli.page_output import PageFormat
from nerq_cli.errors import UsageError

_STATUSES: Final = (
    "Exit status: 0 shown · 2 there is no history of the target, or it cannot be read · 3 something that --reconstruct "
    "needs could not be read (with --strict, and by default when CI is set). A declining score fails nothing."
)
#: Steps of a target that are shown without ``--all``.
_MAX_STEPS: Final = 10

app = create_app()


@app.command(epilog=_STATUSES)
@options.with_read_options
def history(
    *,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Targets of nerq check: requests, requests==2.31.0, npm:lodash, hf:owner/model; with --project a "
            "directory.",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        bool, typer.Option("--project", help="Show the history of the project in the directory.  [default: this one]")
    ] = False,
    form: page_output.FormatOption = PageFormat.TABLE,
    output: page_output.OutputOption = None,
    reconstruct: Annotated[
        bool,
        typer.Option(
            "--reconstruct",
            help="Also score the version that was newest at each of the last 24 month ends, from evidence with dates.",
        ),
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", "-a", help="Show every step, not only the newest 10.")] = False,
    shared: options.ReportOptions,
) -> None:
    """Show how scores changed, and what moved them.

    Every scan and check leaves a snapshot of the day in the cache directory: daily for 90 days, weekly for a year, then
    monthly. A trend is judged over 90 days, and only over snapshots that can be compared.
    """
    from nerq_cli.application.history import read_histories, read_project_history, reconstruct_histories
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import check_unread

    outputs = page_output.parse_outputs(output)
    names = targets or []
    if project and len(names) > 1:
        raise UsageError("--project takes one directory", hint="run nerq history for each")
    if project and reconstruct:
        raise UsageError("--reconstruct is about packages", hint="name one: nerq history --reconstruct pypi:requests")
    if not project and not names:
        raise UsageError("there is no target", hint="name one: nerq history requests, or nerq history --project")
    root = Path(names[0] if project and names else ".")
    if project and not root.is_dir():
        raise UsageError(f"{root} is no directory", hint="--project takes the directory that was scanned")
    with Session.open(shared, root, shared.progress_factory) as session:
        check_unread((item.path for item in outputs), session.list_files())
        if project:
            report = read_project_history(root, session)
        else:
            report = reconstruct_histories(names, session) if reconstruct else read_histories(names, session)
    from nerq_cli.report.pages import history as page
    from nerq_cli.report.pages.history_document import render_json

    steps = None if show_all else _MAX_STEPS
    page_output.write_page(
        {
            PageFormat.TABLE: lambda render_options: page.render_text(report, render_options, steps=steps),
            PageFormat.JSON: lambda _: render_json(report),
            PageFormat.MARKDOWN: lambda _: page.render_markdown(report, steps=steps),
            PageFormat.HTML: lambda _: page.render_html(report),
        },
        form,
        outputs,
    )
    page_output.write_exit(report.exit, report.exit_reason, report.warnings, shared, strict=report.complete)
    raise typer.Exit(report.exit)
