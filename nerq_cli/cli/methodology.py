"""``nerq methodology``: how a score is computed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.methodology.types import Methodology

app = create_app()


@app.command()
def methodology(
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the documentation page instead.")] = False,
    diff: Annotated[
        str | None, typer.Option("--diff", metavar="VERSION", help="Print what moved since an earlier version.")
    ] = None,
) -> None:
    """Print every weight, curve, cap and grade behind a score."""
    from nerq_cli.methodology.packages import PACKAGES
    from nerq_cli.report.terminal import methodology_page

    if diff is not None:
        typer.echo("\n".join(_describe_changes(diff, PACKAGES)))
    elif markdown:
        typer.echo(methodology_page.render_markdown(PACKAGES), nl=False)
    else:
        from nerq_cli.report.terminal.console import stream_options

        sys.stdout.write(methodology_page.render_tree(PACKAGES, stream_options(sys.stdout)))


def _describe_changes(version: str, current: Methodology) -> Iterator[str]:
    """Yield the differences from an earlier version, a line each: added, removed or changed."""
    from nerq_cli.methodology.editions import compare, flatten, list_editions, read_edition

    if version not in list_editions():
        raise UsageError(f"there is no methodology {version!r}", hint=f"earlier versions: {', '.join(list_editions())}")
    yield f"methodology {version} to {current.version}"
    for key, before, after in compare(read_edition(version), flatten(current)):
        if not before:
            yield f"+ {key}: {after}"
        elif not after:
            yield f"- {key}: {before}"
        else:
            yield f"~ {key}: {before} -> {after}"
