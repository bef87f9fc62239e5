"""``nerq methodology``: how a score is computed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.methodology.types import Methodology

app = create_app()


@app.command()
def methodology(
    target: Annotated[
        Literal["packages", "models", "repositories"],
        typer.Argument(
            help="packages, models for all repositories of the Hugging Face Hub, or repositories for those on GitHub."
        ),
    ] = "packages",
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the documentation page instead.")] = False,
    diff: Annotated[
        str | None, typer.Option("--diff", metavar="VERSION", help="Print what moved since an earlier version.")
    ] = None,
) -> None:
    """Print every weight, curve, cap and grade behind a score."""
    from nerq_cli.report.terminal import methodology_page

    current = _load_methodology(target)
    if diff is not None:
        typer.echo("\n".join(_describe_changes(diff, current)))
    elif markdown:
        typer.echo(methodology_page.render_markdown(current), nl=False)
    else:
        from nerq_cli.report.terminal.console import stream_options

        sys.stdout.write(methodology_page.render_tree(current, stream_options(sys.stdout)))


def _load_methodology(target: str) -> Methodology:
    if target == "models":
        from nerq_cli.methodology.models import MODELS

        return MODELS
    if target == "repositories":
        from nerq_cli.methodology.repositories import REPOSITORIES

        return REPOSITORIES
    from nerq_cli.methodology.packages import PACKAGES

    return PACKAGES


def _describe_changes(version: str, current: Methodology) -> Iterator[str]:
    """Yield the differences from an earlier version, a line each: added, removed or changed."""
    from nerq_cli.methodology.editions import compare, flatten, list_editions, read_edition

    editions = list_editions(current.target)
    if version not in editions:
        raise UsageError(
            f"there is no earlier methodology {version!r}", hint=f"earlier versions: {', '.join(editions) or 'none'}"
        )
    yield f"methodology {version} to {current.version}"
    for key, before, after in compare(read_edition(version, current.target), flatten(current)):
        if not before:
            yield f"+ {key}: {after}"
        elif not after:
            yield f"- {key}: {before}"
        else:
            yield f"~ {key}: {before} -> {after}"
