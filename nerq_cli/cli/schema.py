"""``nerq schema``: the JSON Schemas of what nerq prints and reads."""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import Annotated, Final

import typer

from nerq_cli.cli.command import create_app

app = create_app()


class Document(str, Enum):
    """A document that has a schema."""

    REPORT = "report"
    COMPACT = "compact"
    CONFIG = "config"
    COMPLIANCE = "compliance"
    COMPARE = "compare"
    ALTERNATIVES = "alternatives"
    HISTORY = "history"
    REVIEWS = "reviews"
    PAGE = "page"
    WATCH = "watch"
    FLEET = "fleet"


#: Modules whose ``build_schema`` returns the schema of a document.
_MODULES: Final = {
    Document.CONFIG: "nerq_cli.config.schema",
    Document.COMPLIANCE: "nerq_cli.report.compliance",
    Document.COMPARE: "nerq_cli.report.pages.compare",
    Document.ALTERNATIVES: "nerq_cli.report.pages.alternatives",
    Document.HISTORY: "nerq_cli.report.pages.history_document",
    Document.REVIEWS: "nerq_cli.config.reviews",
    Document.PAGE: "nerq_cli.report.pages.report",
    Document.WATCH: "nerq_cli.report.pages.watch",
    Document.FLEET: "nerq_cli.report.pages.fleet_document",
}
#: Documents that are read.
_FILES: Final = (Document.CONFIG.value, Document.REVIEWS.value)


@app.command()
def schema(
    document: Annotated[
        Document,
        typer.Argument(
            help=f"report, compact (of --compact), {', '.join(_FILES)} (files that are read), or what a command "
            f"of the name prints: {', '.join(item.value for item in _MODULES if item not in _FILES)}."
        ),
    ] = Document.REPORT,
) -> None:
    """Print the JSON Schema of a document."""
    if (module := _MODULES.get(document)) is not None:
        from json import dumps

        typer.echo(dumps(import_module(module).build_schema(), indent=2, ensure_ascii=False))
        return
    from nerq_cli.report.formats import json

    typer.echo(json.read_schema(compact=document is Document.COMPACT), nl=False)
