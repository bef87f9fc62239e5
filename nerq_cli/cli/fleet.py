"""``nerq fleet``: many repositories in one run."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app

_STATUSES: Final = (
    "Exit status, that of the worst project: 0 passed · 1 a project fails · 2 usage or configuration error, or a "
    "project or dependency file that cannot be read · 3 not everything could be checked (with --strict, and by default "
    "when CI is set) · 4 no project has anything to scan."
)


class FleetFormat(str, Enum):
    """How a fleet is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


_SUFFIXES: Final = {
    ".txt": FleetFormat.TABLE,
    ".json": FleetFormat.JSON,
    ".csv": FleetFormat.CSV,
    ".md": FleetFormat.MARKDOWN,
    ".html": FleetFormat.HTML,
}

app = create_app()


@app.command(epilog=_STATUSES)
@options.with_page_options
def fleet(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REPOSITORY]...",
            help="Checkouts, bare git repositories, or PATH@REF for a branch, tag or commit without its work tree.",
            show_default=False,
        ),
    ] = None,
    list_file: Annotated[
        Path | None,
        typer.Option(
            "--list", metavar="FILE", help="Read one PATH or PATH@REF on each line, relative to the directory of FILE."
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", metavar="N", min=1, help="Show N rows of each table.  [default: 20]")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", "-a", help="Show up to 1,000 rows of each table.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Judge every repository anew, also those of an interrupted run.")
    ] = False,
    form: Annotated[
        FleetFormat,
        typer.Option("--format", "-f", help=f"Format on stdout: {', '.join(item.value for item in FleetFormat)}."),
    ] = FleetFormat.TABLE,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="[FORMAT=]FILE",
            help=f"Also write to FILE, in FORMAT or the format of its suffix (repeatable): {', '.join(_SUFFIXES)}.",
        ),
    ] = None,
    shared: options.ReportOptions,
) -> None:
    """Scan many repositories at once; fail as the worst of them.

    Each package is asked about once over all of them. Each project is judged by its own settings, and those that accept
    more than the settings of this run are named. A name that one project withholds from registries is sent for none.
    """
    from nerq_cli.application.fleet import run_fleet
    from nerq_cli.application.fleet_sources import list_sources
    from nerq_cli.cli import page_output
    from nerq_cli.cli.output import check_unread, write_warnings
    from nerq_cli.report.pages import fleet as page

    outputs = page_output.parse_outputs(output, _SUFFIXES)
    sources = list_sources(paths or (), list_file)
    if list_file is not None:
        check_unread([item.path for item in outputs], [list_file])
    report = run_fleet(sources, shared, shared.progress_factory, fresh=fresh)
    page_output.write_page(
        {
            FleetFormat.TABLE: lambda render_options: page.render_text(
                report, render_options._replace(top=top, show_all=show_all)
            ),
            FleetFormat.JSON: lambda _: page.render_json(report),
            FleetFormat.CSV: lambda _: page.render_csv(report),
            FleetFormat.MARKDOWN: lambda _: page.render_markdown(report),
            FleetFormat.HTML: lambda _: page.render_html(report),
        },
        form,
        outputs,
    )
    if form is not FleetFormat.TABLE:  # the page ends with the status
        page_output.write_exit(report.exit, report.exit_reason, report.warnings, shared, strict=report.complete)
    elif not shared.quiet:
        write_warnings(report.warnings)
    raise typer.Exit(report.exit)
