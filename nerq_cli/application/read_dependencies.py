"""Read what a scan is about: dependency files, lock files and installed environments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.errors import NothingToScanError
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.manifests.formats import MCP, REFERENCES, SKILL
from nerq_cli.resolve.lockfile import apply_lockfiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerq_cli.application.session import ProgressFactory
    from nerq_cli.inventory import DependencyFile
    from nerq_cli.manifests.discovery.find import InputFile
    from nerq_cli.store import Cache

#: Stands for the active environment among ``Inputs.environments``.
ACTIVE_ENVIRONMENT: Final = "(active)"
_STDIN: Final = "-"


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What to read."""

    #: Files and directories; ``-`` is standard input.
    paths: tuple[str, ...] = ()
    #: Directories of virtual environments and ``node_modules``.
    environments: tuple[str, ...] = ()
    #: Format of the files, or a file name that implies it; empty detects it.
    read_as: str = ""
    #: Patterns of paths to leave out, as in a ``.gitignore``.
    exclude: tuple[str, ...] = ()
    #: Patterns of the only paths to read; empty reads all.
    include: tuple[str, ...] = ()
    #: Search the directories below as well.
    recursive: bool = True
    #: Leave out the configurations of MCP clients and agent skills that a search finds.
    no_mcp: bool = False
    #: Leave out the models, datasets, Spaces and kernels that source files refer to.
    no_models: bool = False
    #: List the references that are only possible as well; they are not looked up.
    possible_models: bool = False
    #: Read the user's own configurations of MCP clients as well.
    user_config: bool = False

    @property
    def root(self) -> Path:
        """The directory of the first path: where the project's configuration is looked for."""
        path = Path(self.paths[0] if self.paths and self.paths[0] != _STDIN else ".")
        return path if path.is_dir() else path.parent

    @property
    def base(self) -> str:
        """The same as paths in a report begin; empty for the current directory."""
        root, current = Path(os.path.normpath(self.root.absolute())), Path(os.path.normpath(Path.cwd()))
        if not self.root.is_absolute() or root.is_relative_to(current):
            root = Path(os.path.relpath(root, current))
        return "" if root == Path() else root.as_posix()


def read_inputs(
    inputs: Inputs,
    create_progress: ProgressFactory,
    *,
    root: Path | None = None,
    open_cache: Callable[[], Cache | None] = lambda: None,
    notes: list[str] | None = None,
) -> tuple[DependencyFile, ...]:
    """Read dependency files and environments, with the versions from their lock files, and references in source files.

    Args:
        inputs: what to read.
        create_progress: where progress is shown.
        root: directory that paths are relative to; by default the current directory.
        open_cache: opens the cache of what source files refer to; it is closed again.
        notes: gets sentences about source files that were not searched, if there is nothing else.

    Raises:
        NothingToScanError: there is no dependency file or no environment.
        UsageError: a path does not exist, or there is no such format.
    """
    other_files: tuple[DependencyFile, ...] = ()
    if inputs.user_config:
        from nerq_cli.manifests.discovery.user_configurations import read_user_configurations

        other_files = read_user_configurations(Path.home())
    sources: list[InputFile] = []
    nothing: NothingToScanError | None = None
    dependency_files: tuple[DependencyFile, ...] = ()
    try:
        if inputs.paths:
            dependency_files = _load_files(inputs, create_progress, root, sources)
    except NothingToScanError as error:
        nothing = error
    if sources:
        from nerq_cli.application.model_references import find_references

        top = inputs.root if root is None else root / inputs.root
        other_files += find_references(sources, top, open_cache, possible=inputs.possible_models)
    if nothing is not None and not any(file.declarations or file.format != REFERENCES for file in other_files):
        if notes is not None:
            notes += [f"{problem.path}: {problem.message}" for file in other_files for problem in file.problems]
        raise nothing
    return (*apply_lockfiles(dependency_files), *other_files, *_read_environments(inputs.environments))


def _load_files(
    inputs: Inputs, create_progress: ProgressFactory, root: Path | None, sources: list[InputFile]
) -> tuple[DependencyFile, ...]:
    is_source = None
    if not inputs.no_models and not inputs.read_as:
        from nerq_cli.manifests.references.find import has_reader

        is_source = has_reader
    return load_dependency_files(
        is_source=is_source,
        source_files=sources,
        paths=inputs.paths,
        stdin_as=inputs.read_as or "requirements.txt",
        as_format="" if inputs.paths == (_STDIN,) else inputs.read_as,
        exclude=inputs.exclude,
        include=inputs.include,
        recursive=inputs.recursive,
        skipped_formats=(MCP, SKILL) if inputs.no_mcp else (),
        root=root,
        progress=create_progress("reading dependency files"),
    )


def _read_environments(environments: tuple[str, ...]) -> tuple[DependencyFile, ...]:
    if not environments:
        return ()
    from nerq_cli.manifests.discovery.installed import read_installed

    return apply_lockfiles(
        [read_installed(path) for environment in environments for path in _find_environments(environment)]
    )


def _find_environments(environment: str) -> list[Path]:
    if environment != ACTIVE_ENVIRONMENT:
        return [Path(environment)]
    active_path = os.environ.get("VIRTUAL_ENV")
    python_environments = (
        [Path(active_path)] if active_path else [path for path in (Path(".venv"), Path("venv")) if path.is_dir()][:1]
    )
    paths = [*python_environments, *(path for path in (Path("node_modules"),) if path.is_dir())]
    if not paths:
        raise NothingToScanError("no environment is active, and there is no .venv and no node_modules here")
    return paths
