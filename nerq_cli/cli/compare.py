"""``nerq compare``: targets of one kind side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nerq_cli.cli import options, page_output
from nerq_cli.cli.command import create_app
from nerq_cli.cli.page_output import PageFormat

app = create_app()


@app.command(epilog=page_output.STATUSES)
@options.with_read_options
def compare(
    *,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two to eight targets of one kind: pypi:requests pypi:httpx, requests==2.28.0 requests==2.32.3, "
            "hf:Qwen/Qwen3-4B hf:openai-community/gpt2.",
            show_default=False,
        ),
    ] = None,
    form: page_output.FormatOption = PageFormat.TABLE,
    output: page_output.OutputOption = None,
    shared: options.ReportOptions,
) -> None:
    """Show targets side by side: what decides, then the rest.

    The signals that decide come first, with the points of the score that each difference is worth; what is not known of
    a target comes last. Two versions of one package show what an upgrade gains.
    """
    from nerq_cli.application.compare import run_compare
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import check_unread

    outputs = page_output.parse_outputs(output)
    with Session.open(shared, Path(), shared.progress_factory) as session:
        check_unread((item.path for item in outputs), session.list_files())
        report = run_compare(targets or [], session)
    from nerq_cli.report.pages import compare as page

    page_output.write_page(page_output.list_renderers(page, report), form, outputs)
    page_output.write_exit(report.exit, report.exit_reason, report.warnings, shared, strict=report.strict)
    raise typer.Exit(report.exit)
