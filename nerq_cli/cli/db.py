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
from nerq_cli.errors import AnswerError, NerqError, UsageError

if TYPE_CHECKING:
    from nerq_cli.sources.advisory_dump import Outcome
    from nerq_cli.sources.advisory_files import Tally
    from nerq_cli.store.advisory_db import AdvisoryDatabase

app = typer.Typer(
    help="Keep published advisories on disk, for scans without a network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

#: Ecosystems by what people type.
_KNOWN = {"pypi": "PyPI", "npm": "npm"}
_DAY = 86_400
_HOUR = 3_600
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
    chosen = _chosen(ecosystem) or tuple(_KNOWN.values())
    failures: list[NerqError] = []
    with _database(cache_dir) as database:
        for one in chosen:
            outcome = _updated(database, one, full=full, quiet=quiet)
            if isinstance(outcome, NerqError):
                failures.append(outcome)
            else:
                typer.echo(_in_words(outcome, _records(database, one)))
                _warn(outcome.tally)
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
    from nerq_cli.sources.advisory_files import Tally, advisories, entries
    from nerq_cli.store.advisory_db import Entry, Stamp

    chosen, tally, counts = _chosen(ecosystem), Tally(), dict[str, int]()

    def counted() -> Iterator[Entry]:
        for entry in entries(advisories(paths, tally), chosen):
            counts[entry.ecosystem] = counts.get(entry.ecosystem, 0) + 1
            yield entry
        if not counts:
            raise AnswerError(_nothing(paths, tally), hint="give records in the OSV format that concern PyPI or npm")

    with _database(cache_dir) as database:
        stamp = Stamp(", ".join(path.name for path in paths)[:200], int(time.time()))
        written = database.add(counted(), None) if add else database.replace(counted(), stamp)
        if not written:
            raise UsageError(database.problem or "the advisory database could not be written")
    for name, count in sorted(counts.items()):
        typer.echo(f"{name}: {count:,} advisories imported")
    if tally.withdrawn:
        typer.echo(f"{tally.withdrawn:,} withdrawn records left out")
    _warn(tally)


@app.command()
def status(*, cache_dir: options.CacheDir = None) -> None:
    """Show which advisories are kept, and how old they are."""
    from nerq_cli.sources.kept_advisories import editions

    with _database(cache_dir) as database:
        rows = database.status()
        until = {edition.ecosystem: edition.until for edition in editions(database).values()}
    if not rows:
        typer.echo("no advisories are kept; nerq db update fetches them")
    now = int(time.time())
    for ecosystem, stamp, records in rows:
        typer.echo(f"{ecosystem}: {records:,} advisories, {_old(until[ecosystem], now)}")
        typer.echo(f"  imported  {_when(stamp.imported_at)} from {stamp.source}")
        if stamp.newest:
            typer.echo(f"  newest    {_when(stamp.newest)}")


def _old(until: int, now: int) -> str:
    """Say up to when advisories speak, as scans count it."""
    return f"{age(now - until)} old" if until else "single records, which do not tell what else there is"


def age(seconds: int) -> str:
    """Return how long something has been, in days, or in hours below two days."""
    number, unit = (seconds // _DAY, "day") if seconds >= 2 * _DAY else (max(seconds, 0) // _HOUR, "hour")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _chosen(names: Sequence[str] | None) -> tuple[str, ...]:
    for name in names or ():
        if name.lower() not in _KNOWN:
            raise UsageError(f"--ecosystem {name} is not known", hint="write PyPI or npm")
    return tuple(dict.fromkeys(_KNOWN[name.lower()] for name in names or ()))


def _updated(database: AdvisoryDatabase, ecosystem: str, *, full: bool, quiet: bool) -> Outcome | NerqError:
    """Update one ecosystem; a failure is returned, so that it does not stand in the way of the next."""
    from nerq_cli.cli.progress import progress
    from nerq_cli.sources.advisory_dump import DUMPS, VARIABLE, Dumps

    url = os.environ.get(VARIABLE) or DUMPS
    shown = None if quiet else progress(f"fetching {ecosystem} advisories (MB)")
    dumps = Dumps(url, database.path.parent, progress=shown)
    try:
        return dumps.update(database, ecosystem, now=int(time.time()), whole=full)
    except NerqError as failure:
        return failure
    finally:
        dumps.close()
        if shown:
            shown(1, 1)


def _in_words(outcome: Outcome, records: int) -> str:
    changed = outcome.changed
    how = "fetched anew" if changed is None else f"{changed:,} changed" if changed else "unchanged"
    return f"{outcome.ecosystem}: {records:,} advisories ({how})"


def _records(database: AdvisoryDatabase, ecosystem: str) -> int:
    return next((one.records for one in database.status() if one.ecosystem == ecosystem), 0)


def _nothing(paths: Sequence[Path], tally: Tally) -> str:
    named = ", ".join(map(str, paths))
    if tally.damaged:
        return f"{named}: no advisory can be read ({tally.damaged[0]})"
    return f"{named}: no advisory in it"


def _warn(tally: Tally) -> None:
    """Name the records that could not be read."""
    for one in tally.damaged:
        sys.stderr.write(f"warning: {one}\n")
    if tally.unreadable > len(tally.damaged):
        sys.stderr.write(f"warning: {tally.unreadable - len(tally.damaged):,} more records cannot be read\n")


@contextmanager
def _database(cache_dir: Path | None) -> Iterator[AdvisoryDatabase]:
    from nerq_cli.store import default_directory
    from nerq_cli.store.advisory_db import AdvisoryDatabase

    database = AdvisoryDatabase.open(cache_dir or default_directory(), now=int(time.time()))
    try:
        yield database
        if database.problem:
            sys.stderr.write(f"warning: {database.problem}\n")
    finally:
        database.close()


def _when(moment: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
