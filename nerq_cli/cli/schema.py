"""``nerq schema``: the JSON Schema of the JSON report."""

from __future__ import annotations

from typing import Annotated

import typer

from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

app = create_app()


@app.command()
def schema(
    *,
    compact: Annotated[bool, typer.Option("--compact", help="Print the schema of compact reports.")] = False,
    config: Annotated[bool, typer.Option("--config", help="Print the schema of settings files, for editors.")] = False,
    compliance: Annotated[
        bool, typer.Option("--compliance", help="Print the schema of what nerq compliance prints.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="Print the schema of what nerq history prints.")] = False,
) -> None:
    """Print the JSON Schema of reports, or of settings files."""
    if compact + config + compliance + history > 1:
        raise UsageError(
            "--compact, --config, --compliance and --history contradict each other", hint="give one of them"
        )
    if config:
        from nerq_cli.config.schema import build_schema

        _print_schema(build_schema())
        return
    if compliance:
        from nerq_cli.report.compliance import build_schema as build_compliance_schema

        _print_schema(build_compliance_schema())
        return
    if history:
        from nerq_cli.report.history import build_schema as build_history_schema

        _print_schema(build_history_schema())
        return
    from nerq_cli.report.formats import json

    typer.echo(json.read_schema(compact=compact), nl=False)


def _print_schema(schema: object) -> None:
    from json import dumps

    typer.echo(dumps(schema, indent=2, ensure_ascii=False))
