"""``nerq cache``: what is kept on disk, and getting rid of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.store import Store

app = typer.Typer(help="Show, empty or tidy the cache.", no_args_is_help=True, rich_markup_mode=None)

_DAY = 86_400


@app.command()
def info(*, cache_dir: options.CacheDir = None) -> None:
    """Show where the cache is, how large, and what is in it."""
    store = _open(cache_dir)
    found = store.info()
    typer.echo(f"path    {found.path}")
    typer.echo(f"size    {found.bytes / 1e6:.1f} MB")
    for source, rows in sorted(found.rows.items()):
        typer.echo(f"{rows:>7} {source}")
    if found.oldest is not None and found.newest is not None:
        typer.echo(f"oldest  {_when(found.oldest)}")
        typer.echo(f"newest  {_when(found.newest)}")
    _close(store)


@app.command()
def clear(*, cache_dir: options.CacheDir = None) -> None:
    """Delete everything that is cached."""
    store = _open(cache_dir)
    store.clear()
    _close(store)
    typer.echo("cache emptied")


@app.command()
def prune(
    *,
    cache_dir: options.CacheDir = None,
    days: Annotated[int, typer.Option("--days", min=0, help="Delete what expired more than this many days ago.")] = 30,
) -> None:
    """Delete what expired long ago."""
    store = _open(cache_dir)
    removed = store.prune(int(time.time()), older_than=days * _DAY)
    _close(store)
    typer.echo(f"{removed} entries removed")


def _open(cache_dir: Path | None) -> Store:
    from nerq_cli.store import Store, default_directory

    return Store.open(cache_dir or default_directory(), now=int(time.time()))


def _close(store: Store) -> None:
    problem = store.problem
    store.close()
    if problem:
        raise UsageError(problem)


def _when(moment: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
