"""``nerq db``: the advisory database, which knows without asking what is published about packages."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import NerqError, ResponseError, UsageError

if TYPE_CHECKING:
    from nerq_cli.sources.advisories.osv_dump import UpdateResult
    from nerq_cli.sources.advisories.osv_files import ReadStats
    from nerq_cli.store.advisory_db import AdvisoryDatabase

app = create_app("Keep advisories on disk, for scans without a network.")

#: Ecosystems by what people type.
_ECOSYSTEM_NAMES = {"pypi": "PyPI", "npm": "npm"}
_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3_600
Ecosystems = Annotated[
    list[str] | None,
    typer.Option("--ecosystem", "-e", help="Only this ecosystem: PyPI or npm; repeat it for both.  [default: both]"),
]


@app.command()
def update(
    *,
    ecosystem: Ecosystems = None,
    full: Annotated[bool, typer.Option("--full", help="Fetch everything, even where a few records would do.")] = False,
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
) -> None:
    """Fetch the published advisories, or only what has changed since the last time.

    They come from OSV's public dumps; NERQ_OSV_DUMPS_URL names a mirror of them.
    """
    ecosystem_names = _parse_ecosystems(ecosystem) or tuple(_ECOSYSTEM_NAMES.values())
    failures: list[NerqError] = []
    with _open_database(cache_dir) as database:
        for ecosystem_name in ecosystem_names:
            outcome = _update_ecosystem(database, ecosystem_name, full=full, quiet=quiet)
            if isinstance(outcome, NerqError):
                failures.append(outcome)
            else:
                typer.echo(_describe_outcome(outcome, _count_records(database, ecosystem_name)))
                _warn_unreadable(outcome.stats)
    for failure in failures[:-1]:
        sys.stderr.write(f"error: {failure}\n")
    if failures:
        raise failures[-1]


@app.command("import")
def import_files(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR…", help="OSV records: JSON, YAML, a zip, a folder.")],
    *,
    ecosystem: Ecosystems = None,
    add: Annotated[bool, typer.Option("--add", help="Keep what is there, and put these records beside it.")] = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Take in advisories from files, in place of all that is kept of the ecosystems they concern."""
    from nerq_cli.sources.advisories.osv_files import ReadStats, build_entries, read_advisories
    from nerq_cli.store.advisory_db import AdvisoryEntry, ImportInfo

    ecosystem_names, stats, counts = _parse_ecosystems(ecosystem), ReadStats(), dict[str, int]()

    def count_entries() -> Iterator[AdvisoryEntry]:
        for entry in build_entries(read_advisories(paths, stats), ecosystem_names):
            counts[entry.ecosystem] = counts.get(entry.ecosystem, 0) + 1
            yield entry
        if not counts:
            raise ResponseError(
                _describe_empty_import(paths, stats), hint="give records in the OSV format that concern PyPI or npm"
            )

    with _open_database(cache_dir) as database:
        stamp = ImportInfo(", ".join(path.name for path in paths)[:200], int(time.time()))
        is_written = (
            database.add_records(count_entries(), None) if add else database.replace_records(count_entries(), stamp)
        )
        if not is_written:
            raise UsageError(database.problem or "the advisory database could not be written")
    for name, count in sorted(counts.items()):
        typer.echo(f"{name}: {count:,} advisories imported")
    if stats.withdrawn_count:
        typer.echo(f"{stats.withdrawn_count:,} withdrawn records left out")
    _warn_unreadable(stats)


@app.command()
def status(*, cache_dir: options.CacheDir = None) -> None:
    """Show which advisories are kept, and how old they are."""
    from nerq_cli.sources.advisories.local_database import read_snapshots

    with _open_database(cache_dir) as database:
        rows = database.get_status()
        valid_until = {snapshot.ecosystem: snapshot.valid_until for snapshot in read_snapshots(database).values()}
    if not rows:
        typer.echo("no advisories are kept; nerq db update fetches them")
    now = int(time.time())
    for ecosystem, stamp, records in rows:
        typer.echo(f"{ecosystem}: {records:,} advisories, {_describe_age(valid_until[ecosystem], now)}")
        typer.echo(f"  imported  {_format_time(stamp.imported_at)} from {stamp.source}")
        if stamp.newest:
            typer.echo(f"  newest    {_format_time(stamp.newest)}")


def _describe_age(valid_until: int, now: int) -> str:
    """Say up to when advisories speak, as scans count it."""
    return (
        f"{format_age(now - valid_until)} old"
        if valid_until
        else "single records, which do not tell what else there is"
    )


def format_age(seconds: int) -> str:
    """Return how long something has been, in days, or in hours below two days."""
    amount, unit = (
        (seconds // _DAY_SECONDS, "day") if seconds >= 2 * _DAY_SECONDS else (max(seconds, 0) // _HOUR_SECONDS, "hour")
    )
    return f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"


def _parse_ecosystems(names: Sequence[str] | None) -> tuple[str, ...]:
    for name in names or ():
        if name.lower() not in _ECOSYSTEM_NAMES:
            raise UsageError(f"--ecosystem {name} is not known", hint="write PyPI or npm")
    return tuple(dict.fromkeys(_ECOSYSTEM_NAMES[name.lower()] for name in names or ()))


def _update_ecosystem(
    database: AdvisoryDatabase, ecosystem: str, *, full: bool, quiet: bool
) -> UpdateResult | NerqError:
    """Update one ecosystem; a failure is returned, so that it does not stand in the way of the next."""
    from nerq_cli.cli.progress import create_progress
    from nerq_cli.sources import SOURCES
    from nerq_cli.sources.advisories.osv_dump import DumpClient

    source = SOURCES["osv-dumps"]
    url = os.environ.get(source.variable) or str(source.url)
    show_progress = None if quiet else create_progress(f"fetching {ecosystem} advisories (MB)")
    dumps = DumpClient(url, database.path.parent, progress=show_progress)
    try:
        return dumps.update_database(database, ecosystem, now=int(time.time()), full=full)
    except NerqError as error:
        return error
    finally:
        dumps.close()
        if show_progress:
            show_progress(1, 1)


def _describe_outcome(outcome: UpdateResult, records: int) -> str:
    changed_count = outcome.changed_count
    change_text = (
        "fetched anew" if changed_count is None else f"{changed_count:,} changed" if changed_count else "unchanged"
    )
    return f"{outcome.ecosystem}: {records:,} advisories ({change_text})"


def _count_records(database: AdvisoryDatabase, ecosystem: str) -> int:
    return next((row.records for row in database.get_status() if row.ecosystem == ecosystem), 0)


def _describe_empty_import(paths: Sequence[Path], stats: ReadStats) -> str:
    path_list = ", ".join(map(str, paths))
    if stats.problems:
        return f"{path_list}: no advisory can be read ({stats.problems[0]})"
    return f"{path_list}: no advisory in it"


def _warn_unreadable(stats: ReadStats) -> None:
    """Name the records that could not be read."""
    for record in stats.problems:
        sys.stderr.write(f"warning: {record}\n")
    if stats.unreadable_count > len(stats.problems):
        sys.stderr.write(f"warning: {stats.unreadable_count - len(stats.problems):,} more records cannot be read\n")


@contextmanager
def _open_database(cache_dir: Path | None) -> Iterator[AdvisoryDatabase]:
    from nerq_cli.store import get_default_directory
    from nerq_cli.store.advisory_db import AdvisoryDatabase

    database = AdvisoryDatabase.open(cache_dir or get_default_directory(), now=int(time.time()))
    try:
        yield database
        if database.problem:
            sys.stderr.write(f"warning: {database.problem}\n")
    finally:
        database.close()


def _format_time(timestamp: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
