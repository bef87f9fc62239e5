"""``nerq cache``: what is kept on disk, and getting rid of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.store import Store

app = create_app("Show, empty or prune the cache.")

_DAY_SECONDS = 86_400


@app.command()
def info(*, cache_dir: options.CacheDir = None) -> None:
    """Show where the cache is, how large, and what is in it."""
    store = _open_store(cache_dir)
    cache_info = store.get_info()
    typer.echo(f"path    {cache_info.path}")
    typer.echo(f"size    {cache_info.bytes / 1e6:.1f} MB")
    for source, row_count in sorted(cache_info.rows.items()):
        typer.echo(f"{row_count:>7} {source}")
    if cache_info.oldest is not None and cache_info.newest is not None:
        typer.echo(f"oldest  {_format_time(cache_info.oldest)}")
        typer.echo(f"newest  {_format_time(cache_info.newest)}")
    _close_store(store)


@app.command()
def clear(*, cache_dir: options.CacheDir = None) -> None:
    """Delete everything that is cached."""
    store = _open_store(cache_dir)
    store.clear()
    _close_store(store)
    typer.echo("cache emptied")


@app.command()
def prune(
    *,
    cache_dir: options.CacheDir = None,
    days: Annotated[int, typer.Option("--days", min=0, help="Delete what expired more than this many days ago.")] = 30,
) -> None:
    """Delete what expired long ago."""
    store = _open_store(cache_dir)
    removed_count = store.prune_expired(int(time.time()), older_than=days * _DAY_SECONDS)
    _close_store(store)
    typer.echo(f"{removed_count} entries removed")


def _open_store(cache_dir: Path | None) -> Store:
    from nerq_cli.store import Store, get_default_directory

    return Store.open(cache_dir or get_default_directory(), now=int(time.time()))


def _close_store(store: Store) -> None:
    problem = store.problem
    store.close()
    if problem:
        raise UsageError(problem)


def _format_time(timestamp: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
