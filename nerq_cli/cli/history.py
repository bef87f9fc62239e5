"""``nerq history``: how scores changed."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.report.history import HistoryReport

_STATUSES: Final = (
    "Exit status: 0 shown · 2 there is no history of the target, or it cannot be read. A declining score fails nothing."
)
#: Steps of a target that are shown without ``--all``.
_MAX_STEPS: Final = 10

app = create_app()


class Format(str, Enum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


@app.command(epilog=_STATUSES)
@options.with_history_options
def history(
    *,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Packages or models: requests, requests==2.31.0, npm:lodash; with --project a directory.",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        bool, typer.Option("--project", help="Show the history of the project in the directory.  [default: this one]")
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="Format on stdout: table, json, markdown.")
    ] = Format.TABLE,
    show_all: Annotated[bool, typer.Option("--all", "-a", help="Show every step, not only the newest 10.")] = False,
    shared: options.ReportOptions,
) -> None:
    """Show how scores changed, and what moved them.

    Every scan and check leaves a snapshot of the day in the cache directory: daily for 90 days, weekly for a year, then
    monthly. A trend is judged over 90 days, and only over snapshots that can be compared.
    """
    from nerq_cli.application.history import read_histories, read_project_history
    from nerq_cli.application.session import Session
    from nerq_cli.cli.stdout import write_stdout_parts

    names = targets or []
    if project and len(names) > 1:
        raise UsageError("--project takes one directory", hint="run nerq history for each")
    if not project and not names:
        raise UsageError("there is no target", hint="name one: nerq history requests, or nerq history --project")
    root = Path(names[0] if project and names else ".")
    if project and not root.is_dir():
        raise UsageError(f"{root} is no directory", hint="--project takes the directory that was scanned")
    with Session.open(shared, root) as session:
        report = read_project_history(root, session) if project else read_histories(names, session)
    write_stdout_parts([_render(report, form, None if show_all else _MAX_STEPS)])


def _render(report: HistoryReport, form: Format, steps: int | None) -> bytes:
    from nerq_cli.report.sanitize import defuse_ci_commands

    if form is Format.JSON:
        from nerq_cli.report.history import render_json

        return render_json(report)
    if form is Format.MARKDOWN:
        from nerq_cli.report.history_markdown import render_markdown

        return defuse_ci_commands(render_markdown(report, steps=steps).decode()).encode()
    from nerq_cli.report.terminal.console import stream_options
    from nerq_cli.report.terminal.history_page import render_text

    render_options = stream_options(sys.stdout)
    text = render_text(report, render_options, steps=steps)
    return defuse_ci_commands(text).encode(render_options.encoding, "backslashreplace")
