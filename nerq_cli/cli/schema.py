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
    PREFLIGHT = "preflight"
    PROBLEM = "problem"


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
    Document.PREFLIGHT: "nerq_cli.serve.preflight",
    Document.PROBLEM: "nerq_cli.serve.problems",
}
#: Documents that are read.
_FILES: Final = (Document.CONFIG.value, Document.REVIEWS.value)
#: Documents that ``nerq serve`` sends.
_RESPONSES: Final = (Document.PREFLIGHT.value, Document.PROBLEM.value)
_PRINTED: Final = tuple(item.value for item in _MODULES if item.value not in (*_FILES, *_RESPONSES))


@app.command()
def schema(
    document: Annotated[
        Document,
        typer.Argument(
            help=f"report, compact (of --compact), {', '.join(_FILES)} (files that are read), "
            f"{', '.join(_RESPONSES)} (responses of nerq serve), or what a command of the name prints: "
            f"{', '.join(_PRINTED)}."
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
