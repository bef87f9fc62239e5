"""``nerq why``: the ways from what a project declares to one package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.inventory import Manifest, Package
    from nerq_cli.locking import Step

#: Ways that are shown; a widely used package may have thousands.
_MOST = 20


def why(
    *,
    name: Annotated[str, typer.Argument(help="A package: requests, npm:lodash, pkg:npm/lodash.")],
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Files or directories to look in.  [default: this directory]", show_default=False),
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Show at most so many ways.")] = _MOST,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Leave out paths that match this pattern (repeatable).")
    ] = None,
    debug: options.Debug = False,  # noqa: ARG001 - read where expected failures are met
) -> None:
    """Show what brings a package in, by the lock files; no network."""
    from nerq_cli.report.clean import plain
    from nerq_cli.report.problems import render_problems

    manifests = read(paths or ["."], exclude or ())
    packages = _packages(name, manifests)
    lines = [line for package in packages for line in explained(package, manifests, most)]
    for line in lines:
        typer.echo(plain(line))
    if problems := tuple(problem for manifest in manifests for problem in manifest.problems):
        render_problems(problems)
        raise typer.Exit(UsageError.exit)
    if not lines:
        raise UsageError(f"{name!r} is in none of the dependency files", hint=_nearest(packages, manifests))


def read(
    paths: Sequence[str],
    exclude: Sequence[str] = (),
    read_as: str = "",
    *,
    include: Sequence[str] = (),
    recursive: bool = True,
    quiet: bool = False,
) -> tuple[Manifest, ...]:
    """Read dependency files, with the versions that their lock files settle.

    Raises:
        NothingToScanError: there is no dependency file.
        UsageError: a path does not exist.
    """
    from nerq_cli.cli.progress import progress
    from nerq_cli.locking import settled
    from nerq_cli.manifests import load

    manifests = load(
        paths,
        stdin_as=read_as or "requirements.txt",
        as_format="" if list(paths) == ["-"] else read_as,
        exclude=exclude,
        include=include,
        recursive=recursive,
        progress=None if quiet else progress("reading dependency files"),
    )
    return settled(manifests)


def _packages(name: str, manifests: Iterable[Manifest]) -> list[Package]:
    """Return the packages that are meant: those that the project calls so itself, else those of this name."""
    from nerq_cli.manifests import target

    aliased = [item.package for manifest in manifests for item in manifest.declared if item.alias == name]
    return list(dict.fromkeys(aliased)) or [item.package for item in target.read(name)]


def explained(package: Package, manifests: Iterable[Manifest], most: int) -> Iterator[str]:
    """Yield what is to be said of a package: where it is declared, and the ways that lead to it."""
    for manifest in manifests:
        yield from _declared(package, manifest)
        yield from _locked(package, manifest, most)


def _declared(package: Package, manifest: Manifest) -> Iterator[str]:
    for item in manifest.declared:
        if item.package == package and (not item.locked or item.location.path != manifest.path):
            wanted = item.requirement or "any version"
            yield f"{package.name}: declared in {item.location.path}:{item.location.line} ({wanted}, {item.group})"


def _locked(package: Package, manifest: Manifest, most: int) -> Iterator[str]:
    from nerq_cli.locking import Graph

    entries = [one for one in manifest.locked if one.package == package]
    for one in entries:
        yield f"{package.name} {one.version}: locked in {one.location.path}:{one.location.line}"
    if not entries:
        return
    graph = Graph(manifest, manifest.roots or ())
    ways = list(graph.paths(package, most=most + 1))
    yield from (f"  {group}: {' → '.join(map(_step, way))}" for group, way in ways[:most])
    if len(ways) > most:
        yield f"  and more ways: --most {2 * most} shows more of them"
    if not ways:
        edges = any(one.needs is not None for one in manifest.locked)
        yield f"  {'nothing that is declared leads to it' if edges else 'this file does not tell what brings it in'}"


def _step(step: Step) -> str:
    return f"{step.name} {step.version}{f' ({step.requirement})' if step.requirement else ''}"


def _nearest(packages: Iterable[Package], manifests: Iterable[Manifest]) -> str:
    from difflib import get_close_matches

    items = [item for manifest in manifests for item in manifest.declared]
    names = {name for item in items for name in (item.package.name, item.alias) if name}
    close = [match for package in packages for match in get_close_matches(package.name, names, n=3)]
    return f"did you mean {' or '.join(dict.fromkeys(close))}?" if close else "nerq scan --list prints every name"
