"""``nerq why``: the dependency paths from a project to one package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.inventory import Declaration, DependencyFile, Package
    from nerq_cli.resolve.graph import DependencyPath, Step

#: Paths shown by default; a widely used package may have thousands.
_MAX_PATHS = 20

app = create_app()


@app.command()
def why(
    *,
    name: Annotated[str, typer.Argument(help="A package: requests, npm:lodash, pkg:npm/lodash.")],
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Files or directories to look in.  [default: this directory]", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--most", min=1, help="Number of paths to show.")] = _MAX_PATHS,
    exclude: options.Exclude = None,
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Show what depends on a package, from lock files; no network."""
    from nerq_cli.application.read_dependencies import Inputs, read_inputs
    from nerq_cli.application.select_dependencies import find_packages, suggest_names
    from nerq_cli.cli.progress import create_progress
    from nerq_cli.manifests.formats import REFERENCES
    from nerq_cli.report.sanitize import sanitize_text
    from nerq_cli.report.terminal.problems import print_problems

    inputs = Inputs(paths=tuple(paths or ["."]), exclude=tuple(exclude or ()))
    dependency_files = read_inputs(inputs, create_progress)
    packages = find_packages(name, dependency_files)
    lines = [line for package in packages for line in explain_package(package, dependency_files, limit)]
    for line in lines:
        typer.echo(sanitize_text(line))
    all_problems = [(file, problem) for file in dependency_files for problem in file.problems]
    if problems := tuple(problem for _, problem in all_problems if problem.level != "note"):
        print_problems(problems, is_cut=True)
    if any(problem.level != "note" and file.format != REFERENCES for file, problem in all_problems):
        raise typer.Exit(UsageError.exit)
    if not lines:
        declarations = [declaration for file in dependency_files for declaration in file.declarations]
        known_names = [text for entry in declarations for text in (entry.package.name, entry.alias) if text]
        raise UsageError(f"{name!r} is in none of the dependency files", hint=suggest_names(name, known_names))


def explain_package(package: Package, dependency_files: Iterable[DependencyFile], limit: int) -> Iterator[str]:
    """Yield the lines about a package: where it is declared and locked, and the paths that lead to it."""
    for dependency_file in dependency_files:
        yield from _describe_declarations(package, dependency_file)
        yield from _describe_locked(package, dependency_file, limit)


def _describe_declarations(package: Package, dependency_file: DependencyFile) -> Iterator[str]:
    for declaration in dependency_file.declarations:
        is_entry = bool(dependency_file.locked_packages) and declaration.location.path == dependency_file.path
        if declaration.package == package and not is_entry:
            requirement = _describe_requirement(declaration)
            location = f"{declaration.location.path}:{declaration.location.line}"
            yield f"{package.name}: declared in {location} ({requirement}, {declaration.group})"


def _describe_requirement(declaration: Declaration) -> str:
    from nerq_cli.ecosystems import is_hub
    from nerq_cli.report.wording import describe_revision

    if is_hub(declaration.ecosystem):
        return describe_revision(declaration.requirement, declaration.ecosystem) or declaration.requirement
    return declaration.requirement or "any version"


def _describe_locked(package: Package, dependency_file: DependencyFile, limit: int) -> Iterator[str]:
    from nerq_cli.resolve.graph import Graph

    entries = [
        locked_package for locked_package in dependency_file.locked_packages if locked_package.package == package
    ]
    for locked_package in entries:
        location = locked_package.location
        name = f"{package.name} {locked_package.version}".rstrip()  # a directory has no version
        yield f"{name}: locked in {location.path}:{location.line}"
    if not entries:
        return
    graph = Graph(dependency_file, dependency_file.importers or ())
    dependency_paths = list(graph.find_paths(package, limit=limit + 1))
    yield from map(_format_path, dependency_paths[:limit])
    if len(dependency_paths) > limit:
        yield f"  and more paths: --most {2 * limit} shows more of them"
    if not dependency_paths:
        has_edges = any(locked_package.edges is not None for locked_package in dependency_file.locked_packages)
        reason = "nothing that is declared depends on it" if has_edges else "this file does not list what depends on it"
        yield f"  {reason}"


def _format_path(path: DependencyPath) -> str:
    declared = f"{path.group} of {path.member}" if path.member else path.group
    return f"  {declared}: {' → '.join(map(_format_step, path.steps))}"


def _format_step(step: Step) -> str:
    return " ".join(filter(None, (step.name, step.version, f"({step.requirement})" if step.requirement else "")))
