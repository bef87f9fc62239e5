"""``nerq schema``: the JSON Schema of the JSON report."""

from __future__ import annotations

import typer

from nerq_cli.cli.command import create_app

app = create_app()


@app.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of the JSON report."""
    from nerq_cli.report.formats import json

    typer.echo(json.read_schema(), nl=False)
