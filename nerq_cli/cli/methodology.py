"""``nerq methodology``: how a score comes about."""

from __future__ import annotations

from typing import Annotated

import typer


def methodology(
    *, markdown: Annotated[bool, typer.Option("--markdown", help="Print the documentation page instead.")] = False
) -> None:
    """Print every weight, curve, cap and grade behind a score."""
    from nerq_cli.report import method

    if markdown:
        typer.echo(method.render_markdown(), nl=False)
    else:
        from nerq_cli.report.console import make_console

        method.print_tree(make_console())
