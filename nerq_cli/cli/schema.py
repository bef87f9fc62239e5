"""``nerq schema``: the JSON Schema of the JSON report."""

from __future__ import annotations

from typing import Annotated

import typer

from nerq_cli.cli.command import create_app

app = create_app()


@app.command()
def schema(
    *,
    compact: Annotated[bool, typer.Option("--compact", help="Print the schema of compact reports.")] = False,
) -> None:
    """Print the JSON Schema (2020-12) of the JSON report."""
    from nerq_cli.report.formats import json

    typer.echo(json.read_schema(compact=compact), nl=False)
