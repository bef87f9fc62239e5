"""``nerq db``: the local advisory database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.cli.output import format_time, write_message
from nerq_cli.errors import NerqError, UsageError
from nerq_cli.units import DAY, HOUR

if TYPE_CHECKING:
    from nerq_cli.sources.advisories.osv_dump import UpdateResult
    from nerq_cli.sources.advisories.osv_files import ReadStats
    from nerq_cli.store.advisory_db import AdvisoryDatabase

app = create_app("Keep advisories on disk, for scans without a network.")

Ecosystems = Annotated[
    list[str] | None,
    typer.Option("--ecosystem", "-e", help="Only this ecosystem: PyPI or npm (repeatable).  [default: both]"),
]


@app.command()
def update(
    *,
    ecosystem: Ecosystems = None,
    full: Annotated[
        bool, typer.Option("--full", help="Fetch all advisories, even when few of them have changed.")
    ] = False,
    from_index: Annotated[
        str | None,
        typer.Option(
            "--from-index",
            metavar="NAME",
            help="Take them from this package on your own index, as nerq db export --wheel wrote it.",
        ),
    ] = None,
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
) -> None:
    """Fetch the published advisories, or only those changed since the last update.

    They come from OSV's public dumps; NERQ_OSV_DUMPS_URL sets a mirror. With --from-index they come from a wheel on the
    index that pip or uv is configured for. It is compared with the hash that the index states; nothing is installed.
    """
    if from_index is not None:
        _update_from_index(from_index, ecosystem, cache_dir, full=full, quiet=quiet)
        return
    from nerq_cli.application.advisories import update_ecosystem
    from nerq_cli.cli.progress import get_progress_factory
    from nerq_cli.ecosystems import ECOSYSTEMS

    ecosystem_ids = _parse_ecosystems(ecosystem) or tuple(row.id for row in ECOSYSTEMS)
    failures: list[NerqError] = []
    with _open_database(cache_dir) as database:
        for ecosystem_id in ecosystem_ids:
            outcome = update_ecosystem(database, ecosystem_id, get_progress_factory(quiet=quiet), full=full)
            if isinstance(outcome, NerqError):
                failures.append(outcome)
            else:
                typer.echo(_describe_update(outcome, database))
                _warn_left_out(outcome.stats)
    for failure in failures[:-1]:
        write_message("error", f"{failure}")
    if failures:
        raise failures[-1]


def _update_from_index(
    name: str, ecosystem: Sequence[str] | None, cache_dir: Path | None, *, full: bool, quiet: bool
) -> None:
    from nerq_cli.application.advisories import update_from_index
    from nerq_cli.cli.progress import get_progress_factory

    with _open_database(cache_dir) as database:
        outcome = update_from_index(
            database, name, _parse_ecosystems(ecosystem), get_progress_factory(quiet=quiet), full=full
        )
    for ecosystem_id, count in sorted(outcome.counts.items()):
        typer.echo(f"{ecosystem_id}: {_count_advisories(count)} from {outcome.label}")
    for ecosystem_id in outcome.unchanged:
        typer.echo(f"{ecosystem_id}: unchanged; {outcome.label} has none that are newer")


@app.command("export")
def export_advisories(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to write; nerq db import reads it.", show_default=False)
    ] = None,
    *,
    wheel: Annotated[
        Path | None,
        typer.Option("--wheel", metavar="DIR", help="Write a wheel without code there, for a package index."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the package in the wheel.")] = "nerq-advisories",
    cache_dir: options.CacheDir = None,
) -> None:
    """Write the advisory database to a file, for machines without a network.

    Give a FILE, or --wheel DIR: a package index can carry the wheel, and nerq db update --from-index NAME fetches it.
    """
    from nerq_cli.application.advisories import export_database, export_wheel

    if (file is None) == (wheel is None):
        raise UsageError("nerq db export needs a FILE or --wheel DIR", hint="nerq db export advisories.zip")
    if file is not None:
        from nerq_cli.cli.output import check_target

        check_target(file)
    with _open_database(cache_dir) as database:
        result = export_database(database, file) if file is not None else export_wheel(database, wheel or Path(), name)
    for ecosystem_id, count in sorted(result.counts.items()):
        typer.echo(f"{ecosystem_id}: {_count_advisories(count)} exported")
    typer.echo(f"written to {result.path}")


@app.command("import")
def import_files(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|DIR…", help="OSV records: JSON, YAML, a zip, a folder; or what nerq db export wrote."
        ),
    ],
    *,
    ecosystem: Ecosystems = None,
    add: Annotated[bool, typer.Option("--add", help="Add to the advisories in the database.")] = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Read advisories from files. They replace those in the database, for the ecosystems they concern."""
    from nerq_cli.application.advisories import import_advisories

    ecosystem_ids = _parse_ecosystems(ecosystem)
    with _open_database(cache_dir) as database:
        result = import_advisories(database, paths, ecosystem_ids, add=add)
    for name, count in sorted(result.counts.items()):
        typer.echo(f"{name}: {_count_advisories(count)} imported")
    if result.unevaluable:
        typer.echo(
            f"{_count_advisories(result.unevaluable)} without a version or range: what is affected stays unknown"
        )
    if result.ratings:
        typer.echo(f"{result.ratings:,} records without a package kept for the severity of their aliases")
    if result.stats.withdrawn_count:
        typer.echo(f"{result.stats.withdrawn_count:,} withdrawn records left out")
    _warn_left_out(result.stats)


@app.command()
def status(*, cache_dir: options.CacheDir = None) -> None:
    """Show the number, age and origin of the advisories in the database, and of those shipped with nerq-cli."""
    from nerq_cli.application.advisories import read_status

    with _open_database(cache_dir) as database:
        rows = read_status(database)
    if not rows:
        typer.echo("the advisory database is empty; nerq db update fills it")
    for row in rows:
        age_text = "single records, without a date of the whole" if row.age is None else f"{format_age(row.age)} old"
        typer.echo(f"{row.ecosystem}: {_count_advisories(row.records)}, {age_text}")
        typer.echo(f"  imported  {format_time(row.import_info.imported_at)} from {row.import_info.source}")
        if row.unevaluable:
            typer.echo(f"  open      {_count_advisories(row.unevaluable)} without a version or range")
        if row.import_info.newest:
            typer.echo(f"  newest    {format_time(row.import_info.newest)}")
    typer.echo(f"shipped with nerq-cli: {_describe_editions()}")


def _describe_editions() -> str:
    from nerq_cli.sources.advisories.shipped_editions import read_editions

    first, *others = read_editions().values()
    return ", ".join(
        (
            f"{_count_advisories(first.records)} for {first.ecosystem} up to {first.date}",
            *(f"{edition.records:,} for {edition.ecosystem} up to {edition.date}" for edition in others),
        )
    )


def format_age(seconds: int) -> str:
    """Return an age in days, or in hours below two days."""
    amount, unit = (seconds // DAY, "day") if seconds >= 2 * DAY else (max(seconds, 0) // HOUR, "hour")
    return f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"


def _count_advisories(count: int) -> str:
    return "1 advisory" if count == 1 else f"{count:,} advisories"


def _parse_ecosystems(names: Sequence[str] | None) -> tuple[str, ...]:
    from nerq_cli.ecosystems import ECOSYSTEMS

    ids = {row.id.lower(): row.id for row in ECOSYSTEMS}
    for name in names or ():
        if name.lower() not in ids:
            raise UsageError(f"--ecosystem {name} is not known", hint=f"write {' or '.join(ids.values())}")
    return tuple(dict.fromkeys(ids[name.lower()] for name in names or ()))


def _describe_update(outcome: UpdateResult, database: AdvisoryDatabase) -> str:
    records = next((row.records for row in database.get_status() if row.ecosystem == outcome.ecosystem), 0)
    changed_count = outcome.changed_count
    change_text = (
        "fetched anew" if changed_count is None else f"{changed_count:,} changed" if changed_count else "unchanged"
    )
    return f"{outcome.ecosystem}: {_count_advisories(records)} ({change_text})"


def _warn_left_out(stats: ReadStats) -> None:
    for document in stats.other_documents:
        write_message("warning", f"{document}; it is left out")
    if stats.other_count > len(stats.other_documents):
        write_message("warning", f"{stats.other_count - len(stats.other_documents):,} more files are no records")


@contextmanager
def _open_database(cache_dir: Path | None) -> Iterator[AdvisoryDatabase]:
    from nerq_cli.application.advisories import open_database

    database = open_database(cache_dir)
    try:
        yield database
        if database.problem:
            write_message("warning", database.problem)
    finally:
        database.close()
