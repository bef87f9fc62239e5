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
    config: Annotated[bool, typer.Option("--config", help="Print the schema of settings files, for editors.")] = False,
) -> None:
    """Print the JSON Schema of reports, or of settings files."""
    if config:
        from json import dumps

        from nerq_cli.config.schema import build_schema

        typer.echo(dumps(build_schema(), indent=2, ensure_ascii=False))
        return
    from nerq_cli.report.formats import json

    typer.echo(json.read_schema(compact=compact), nl=False)
