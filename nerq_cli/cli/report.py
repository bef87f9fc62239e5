"""``nerq report``: the page about one target."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nerq_cli.cli import options, page_output
from nerq_cli.cli.command import create_app
from nerq_cli.cli.page_output import PageFormat
from nerq_cli.errors import UsageError
from nerq_cli.insight.purpose import DEFAULT_PURPOSE, Purpose

app = create_app()


@app.command(epilog=page_output.STATUSES)
@options.with_read_options
def report(
    *,
    target: Annotated[
        str | None,
        typer.Argument(
            help="A package, model, dataset, Space, kernel or MCP server: requests==2.31.0, npm:lodash, "
            "hf:owner/model, mcp:server.",
            show_default=False,
        ),
    ] = None,
    purpose: Annotated[
        Purpose, typer.Option("--for", help="What it is to be used for: the verdict is about that.")
    ] = DEFAULT_PURPOSE,
    peers: Annotated[
        Path | None,
        typer.Option(
            "--peers",
            metavar="FILE",
            help="Compare with this table of scores, which nerq index peers wrote, instead of the shipped one.  "
            "[env var: NERQ_PEERS]",
        ),
    ] = None,
    form: page_output.FormatOption = PageFormat.TABLE,
    output: page_output.OutputOption = None,
    shared: options.ReportOptions,
) -> None:
    """Write the page about a target: verdict, evidence, history.

    Every sentence follows from a fact about this target, with its source and day; what is not known is stated as that.
    nerq check shows the short form.
    """
    from nerq_cli.application.report_page import run_report
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import check_unread

    outputs = page_output.parse_outputs(output)
    if peers is None and (named := os.environ.get("NERQ_PEERS", "").strip()):
        peers = Path(named)
    if not target:
        raise UsageError("there is no target", hint="name one: nerq report requests==2.31.0")
    with Session.open(shared, Path(), shared.progress_factory) as session:
        check_unread((item.path for item in outputs), (*session.list_files(), *([peers] if peers else ())))
        made = run_report(target, session, purpose, peers)
    from nerq_cli.report.pages import report as page

    page_output.write_page(page_output.list_renderers(page, made), form, outputs)
    page_output.write_exit(made.exit, made.exit_reason, made.warnings, shared, strict=made.strict)
    raise typer.Exit(made.exit)
