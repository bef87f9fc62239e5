"""``nerq index``: score a whole index from tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.cli.extras import require_extra

app = create_app("Score a whole index of packages from tables of facts.")


@app.callback()
def index() -> None:
    """Score a whole index of packages from tables of facts."""


@app.command()
def score(
    facts: Annotated[
        Path, typer.Argument(metavar="FACTS", help="A Parquet file of facts, or a folder of them.", show_default=False)
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where the scores go: a Parquet file; with --scheduler a folder."
        ),
    ],
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Score on the workers of this Dask scheduler: tcp://HOST:PORT or tls://HOST:PORT.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Measure ages from this moment (2026-11-21 or a full ISO 8601 time)."),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Score every row of a table of facts: the same scores as those of nerq scan, millions at a time.

    Nothing is asked of any service. With --scheduler each part of 250,000 rows is a task, and writes one file; parts
    that are there are kept, so that a run that broke off goes on.
    """
    require_extra("index", "nerq index", "polars")
    if scheduler is not None:
        require_extra("cluster", "nerq index score --scheduler", "polars", "distributed")
    from nerq_cli.application.index import score_index
    from nerq_cli.cli.output import check_target, write_message

    check_target(output)

    def report(done: int, rows: int) -> None:
        if not quiet:
            write_message("progress", f"{done:,} of {rows:,} rows")

    counts = score_index(facts, output, as_of=as_of, scheduler=scheduler, report=report)
    without = counts.rows - counts.scored
    typer.echo(
        f"{counts.rows:,} {'row' if counts.rows == 1 else 'rows'}: {counts.scored:,} with a score, {counts.provisional:,} of them provisional, "
        f"{without:,} without"
    )
    typer.echo(f"written to {output}")
