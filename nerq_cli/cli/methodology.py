"""``nerq methodology``: how a score is computed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nerq_cli.cli.command import create_app

app = create_app()


@app.command()
def methodology(
    *, markdown: Annotated[bool, typer.Option("--markdown", help="Print the documentation page instead.")] = False
) -> None:
    """Print every weight, curve, cap and grade behind a score."""
    from nerq_cli.methodology.packages import PACKAGES
    from nerq_cli.report.terminal import methodology_page

    if markdown:
        typer.echo(methodology_page.render_markdown(PACKAGES), nl=False)
    else:
        from nerq_cli.report.terminal.console import stream_options

        sys.stdout.write(methodology_page.render_tree(PACKAGES, stream_options(sys.stdout)))
