"""``nerq schema``: the JSON Schema of the JSON report."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

app = create_app()

#: Of these one can be given.
_OPTIONS: Final = ("--compact", "--config", "--compliance", "--compare", "--alternatives")


@app.command()
def schema(
    *,
    compact: Annotated[bool, typer.Option("--compact", help="Print the schema of compact reports.")] = False,
    config: Annotated[bool, typer.Option("--config", help="Print the schema of settings files, for editors.")] = False,
    compliance: Annotated[
        bool, typer.Option("--compliance", help="Print the schema of what nerq compliance prints.")
    ] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Print the schema of what nerq compare prints.")] = False,
    alternatives: Annotated[
        bool, typer.Option("--alternatives", help="Print the schema of what nerq alternatives prints.")
    ] = False,
) -> None:
    """Print the JSON Schema of reports, or of settings files."""
    if compact + config + compliance + compare + alternatives > 1:
        raise UsageError(f"{', '.join(_OPTIONS)} contradict each other", hint="give one of them")
    if config:
        from nerq_cli.config.schema import build_schema

        _print_schema(build_schema())
        return
    if compliance:
        from nerq_cli.report.compliance import build_schema as build_compliance_schema

        _print_schema(build_compliance_schema())
        return
    if compare:
        from nerq_cli.report.pages.compare import build_schema as build_compare_schema

        _print_schema(build_compare_schema())
        return
    if alternatives:
        from nerq_cli.report.pages.alternatives import build_schema as build_alternatives_schema

        _print_schema(build_alternatives_schema())
        return
    from nerq_cli.report.formats import json

    typer.echo(json.read_schema(compact=compact), nl=False)


def _print_schema(schema: object) -> None:
    from json import dumps

    typer.echo(dumps(schema, indent=2, ensure_ascii=False))
