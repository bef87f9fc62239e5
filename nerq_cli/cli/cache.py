"""``nerq cache``: show and empty the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.cli.output import format_time
from nerq_cli.errors import UsageError
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.store import Store

app = create_app("Show, empty or prune the cache.")


@app.command()
def info(*, cache_dir: options.CacheDir = None) -> None:
    """Show the path, size and content of the cache."""
    with _open_cache(cache_dir, only_read=True) as store:
        cache_info = store.get_info()
        if store.read_problem:
            return  # the error follows
        typer.echo(f"path    {cache_info.path}")
        typer.echo(f"size    {cache_info.bytes / 1e6:.1f} MB")
        for source, row_count in sorted(cache_info.rows.items()):
            typer.echo(f"{row_count:>7} {source}")
        if cache_info.oldest is not None and cache_info.newest is not None:
            typer.echo(f"oldest  {format_time(cache_info.oldest)}")
            typer.echo(f"newest  {format_time(cache_info.newest)}")


@app.command()
def clear(*, cache_dir: options.CacheDir = None) -> None:
    """Delete every response in the cache. The advisory database, which nerq db fills, and the history are kept."""
    with _open_cache(cache_dir) as store:
        directory = store.path.parent
        is_missing = not store.problem and not directory.exists()
        if not is_missing:
            from nerq_cli.application.fleet import forget_runs

            store.clear()
            forget_runs(directory)
    typer.echo(f"there is no cache at {directory}" if is_missing else "cache emptied")


@app.command()
def prune(
    *,
    cache_dir: options.CacheDir = None,
    days: Annotated[int, typer.Option("--days", min=0, help="Delete what expired more than this many days ago.")] = 30,
) -> None:
    """Delete entries that expired long ago."""
    from nerq_cli.application.session import read_clock

    with _open_cache(cache_dir) as store:
        removed_count = store.prune_expired(read_clock(), older_than=days * DAY)
    typer.echo(f"{removed_count} entries removed")


@contextmanager
def _open_cache(cache_dir: Path | None, *, only_read: bool = False) -> Iterator[Store]:
    """Open the cache for a block. A problem of the cache is an error here: the command is about nothing else.

    With ``only_read``, a cache that cannot be written is no problem.
    """
    from nerq_cli.application.session import open_store

    store = open_store(cache_dir)
    try:
        yield store
        problem = store.read_problem if only_read else store.problem
        if problem:
            raise UsageError(problem)
    finally:
        store.close()
