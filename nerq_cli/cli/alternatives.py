"""``nerq alternatives``: what does the same job as a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nerq_cli.cli import options, page_output
from nerq_cli.cli.command import create_app
from nerq_cli.cli.page_output import PageFormat
from nerq_cli.errors import UsageError

app = create_app()


@app.command(epilog=page_output.STATUSES)
@options.with_read_options
def alternatives(
    *,
    target: Annotated[
        str | None,
        typer.Argument(help="A package or a model: pypi:toml, npm:request@2.88.2, hf:owner/model.", show_default=False),
    ] = None,
    project: Annotated[
        str, typer.Option("--project", metavar="PATH", help="Project whose dependencies are preferred.")
    ] = ".",
    no_project: Annotated[bool, typer.Option("--no-project", help="Read no project.")] = False,
    form: page_output.FormatOption = PageFormat.TABLE,
    output: page_output.OutputOption = None,
    shared: options.ReportOptions,
) -> None:
    """Show what does the same job as a target, with scores.

    At most three, each with the reason why it does the same job, the source of that, and its own score at the version
    that one would take: what the maintainers name, what is built in, what curated lists name.
    """
    from nerq_cli.application.alternatives import check_project, run_alternatives
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import check_unread

    outputs = page_output.parse_outputs(output)
    if not target:
        raise UsageError("there is no target", hint="name one: nerq alternatives npm:request")
    if not no_project:
        check_project(project)
    with Session.open(shared, Path(), shared.progress_factory) as session:
        check_unread((item.path for item in outputs), session.list_files())
        report = run_alternatives(target, session, project=None if no_project else project)
    from nerq_cli.report.pages import alternatives as page

    page_output.write_page(page_output.list_renderers(page, report), form, outputs)
    page_output.write_exit(report.exit, report.exit_reason, report.warnings, shared, strict=report.complete)
    raise typer.Exit(report.exit)
