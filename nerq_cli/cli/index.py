"""``nerq index``: score a whole index from tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.cli.extras import require_extra

_GATHER_STATUSES: Final = (
    "Exit status: 0 written · 2 the list names something else than packages, or a file cannot be used · 3 not every "
    "package could be read (with --strict, and by default when CI is set); the table is written."
)

app = create_app("Score a whole index of packages from tables of facts.")


@app.callback()
def index() -> None:
    """Score a whole index of packages from tables of facts."""


@contextmanager
def _explain_interrupt(folder: Path | None) -> Iterator[None]:
    """Write a note when the user interrupts a run whose parts in a folder are kept; None = it keeps none."""
    try:
        yield
    except KeyboardInterrupt:
        if folder is not None and (count := len(list(folder.glob("part-*.parquet")))):
            from nerq_cli.cli.output import write_message

            noun = "part is" if count == 1 else "parts are"
            write_message("note", f"{count:,} {noun} kept in {folder}: run the same command again to go on")
        raise


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

    Nothing is asked of any service. With --scheduler each part of 300,000 rows is a task, and writes one file; parts
    that are there are kept, so that a run that broke off goes on.
    """
    if scheduler is not None:
        require_extra("cluster", "nerq index score --scheduler")
    require_extra("index")
    from nerq_cli.application.index import score_index
    from nerq_cli.cli.output import check_target, write_message

    check_target(output)

    def report(done: int, rows: int) -> None:
        if not quiet:
            write_message("progress", f"{done:,} of {rows:,} rows")

    with _explain_interrupt(None if scheduler is None else output):
        counts = score_index(facts, output, as_of=as_of, scheduler=scheduler, report=report)
    noun = "row" if counts.rows == 1 else "rows"
    typer.echo(
        f"{counts.rows:,} {noun}: {counts.scored:,} with a score, {counts.provisional:,} of them provisional, "
        f"{counts.rows - counts.scored:,} without"
    )
    typer.echo(f"written to {output}")


@app.command(epilog=_GATHER_STATUSES)
@options.with_gather_options
def gather(
    list_file: Annotated[
        Path,
        typer.Argument(
            metavar="LIST",
            help="One target a line: pypi:requests==2.31.0, npm:lodash, pkg:npm/lodash@4.17.21; # begins a comment.",
            show_default=False,
        ),
    ],
    *,
    output_file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The Parquet file to write.")],
    osv: Annotated[
        list[Path] | None,
        typer.Option(
            "--osv",
            metavar="DIR|ZIP",
            help="A dump of OSV (all.zip, or a folder of records), instead of requests to OSV (repeatable).",
        ),
    ] = None,
    shared: options.ReportOptions,
) -> None:
    """Gather the facts about listed packages into a table for nerq index score.

    A target without a version means the newest one. The sources, the cache and the limits are those of nerq check; with
    --offline the advisories come from the database of nerq db update. A run that broke off goes on where it was when
    the command is run again.

    With --osv the advisories of the ecosystems in the dump come from there, and OSV is not asked.
    """
    require_extra("index")
    from nerq_cli.application.index_gather import gather_index
    from nerq_cli.application.session import Session
    from nerq_cli.application.settings import resolve_strict
    from nerq_cli.bulk.parts import name_parts
    from nerq_cli.cli.output import check_target, check_unread, write_message, write_warnings

    check_target(output_file)
    check_unread([output_file], [list_file, *(osv or ())])

    def report(done: int) -> None:
        if not shared.quiet:
            write_message("progress", f"{done:,} {'line' if done == 1 else 'lines'}")

    with _explain_interrupt(name_parts(output_file)), Session.open(shared, Path(), shared.progress_factory) as session:
        strict = resolve_strict(session.config)
        result = gather_index(list_file, output_file, session, strict=strict, osv=osv or (), report=report)
    write_warnings((*result.warnings, *result.unanswered))
    if result.unanswered and not shared.offline:
        write_message(
            "note",
            "run the same command again once they answer: it asks for what was not answered, and takes the rest from "
            "the cache",
        )
    noun = "row" if result.rows == 1 else "rows"
    absent = ""
    if result.absent:
        absent += f", {result.absent:,} not on {'its' if result.absent == 1 else 'their'} registry"
    if result.unlisted:
        versions = "a version that is" if result.unlisted == 1 else "versions that are"
        absent += f", {result.unlisted:,} of {versions} not listed"
    typer.echo(
        f"{result.rows:,} {noun}, {result.incomplete:,} of them without package or advisories (not read){absent}"
    )
    typer.echo(f"written to {output_file}")
    raise typer.Exit(result.exit)


@app.command()
def peers(
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES", help="What nerq index score wrote: a file, or a folder of parts.", show_default=False
        ),
    ],
    *,
    categories: Annotated[
        Path,
        typer.Option(
            "--categories",
            metavar="FILE",
            help="A Parquet file with the columns ecosystem, name and categories, a list of classifiers and keywords.",
        ),
    ],
    source: Annotated[
        str, typer.Option("--source", help="From what the scores were made, in words; report pages show it.")
    ],
    output_file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The JSON file to write.")],
) -> None:
    """Write a table of scores by purpose, in the form that report pages compare a score with.

    A group is a classifier or a keyword with 30 scored packages or more; provisional scores are left out. The table has
    scores and no names.
    """
    require_extra("index")
    import msgspec

    from nerq_cli.application.index_peers import build_peers
    from nerq_cli.cli.output import check_target, check_unread, write_file

    check_target(output_file)
    check_unread([output_file], [scores, categories])
    table = build_peers(scores, categories, source)
    write_file(output_file, [msgspec.json.encode(table), b"\n"])
    count = sum(map(len, table.groups.values()))
    typer.echo(f"{count:,} {'group' if count == 1 else 'groups'} written to {output_file}")
