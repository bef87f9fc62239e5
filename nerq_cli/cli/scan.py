"""``nerq scan``: score what a project depends on."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.errors import ExitStatus, NothingToScanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nerq_cli.application.scan import ScanOptions
    from nerq_cli.application.session import Session, Settings
    from nerq_cli.config import Config
    from nerq_cli.inventory import DependencyFile
    from nerq_cli.report.model import Report


def scan(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files or directories to scan, - for stdin.  [default: this directory]", show_default=False
        ),
    ] = None,
    read_as: Annotated[
        str, typer.Option("--as", help="Read the files named, or stdin, as this kind of file (requirements.txt, ...).")
    ] = "",
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="[PATH]",
            help="Scan what is installed: a virtual environment or node_modules (repeatable).  "
            "[default: the active environment, else .venv, and node_modules]",
        ),
    ] = None,
    threshold: options.Threshold = None,
    list_only: Annotated[bool, typer.Option("--list", help="List the dependencies only; no network.")] = False,
    show_all: Annotated[bool, typer.Option("--all", "-a", help="Show the dependencies that pass as well.")] = False,
    top: Annotated[
        int | None, typer.Option("--top", metavar="N", min=1, help="Show the N worst dependencies only.")
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            "--explain",
            metavar="NAME",
            help="Show the report card of this dependency in place of the table (repeatable).",
        ),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", "-g", help="Only this dependency group (repeatable).")
    ] = None,
    no_dev: Annotated[bool, typer.Option("--no-dev", help="Leave development dependencies out.")] = False,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Leave out paths that match this pattern (repeatable).")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", help="Read only paths that match this pattern (repeatable).")
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option("--recursive/--no-recursive", "-r/-R", help="Look into the directories below as well."),
    ] = True,
    form: options.Format = "table",
    output: options.Output = None,
    strict: options.Strict = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Scan what can be read although a dependency file has problems.")
    ] = False,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Exit 0 when there is nothing to scan.")] = False,
    offline: options.Offline = False,
    refresh: options.Refresh = False,
    no_cache: options.NoCache = False,
    cache_dir: options.CacheDir = None,
    timeout: options.Timeout = None,
    also: options.With = None,
    max_db_age: options.MaxDbAge = None,
    as_of: options.AsOf = None,
    python: options.Python = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,  # noqa: ARG001 - read where expected failures are met
) -> None:
    """Score the dependencies a project declares, and fail when one is below the threshold."""
    from nerq_cli.application.session import Settings, build_scan_options
    from nerq_cli.cli.explain import select_dependencies
    from nerq_cli.cli.output import check_format, find_format, write_report
    from nerq_cli.cli.why import load_dependency_files
    from nerq_cli.report import RenderOptions

    started_at = time.monotonic()
    check_format(form)
    for path in output or ():
        find_format(path)
    if list_only and explain:
        raise UsageError("--list and --explain contradict each other", hint="leave one of them out")
    settings = Settings(
        threshold=threshold,
        offline=offline,
        refresh=refresh,
        no_cache=no_cache,
        cache_dir=cache_dir,
        timeout=timeout,
        strict=strict,
        as_of=as_of,
        python=python,
        quiet=quiet,
        downloads=options.OptionalSource.DOWNLOADS in (also or ()),
        max_db_age=max_db_age,
        verbose=verbose,
    )
    scan_paths = tuple(paths or (() if env else ["."]))
    config = _read_project_config(scan_paths)
    scan_options = replace(
        build_scan_options(settings, config),
        groups=tuple(group or config.groups),
        no_dev=no_dev or bool(config.no_dev and not group),
        list_only=list_only,
        keep_going=keep_going,
        allow_empty=allow_empty,
    )
    exclude_patterns = (*config.exclude, *(exclude or ()))
    report, session = _run_scan(
        lambda: (
            *(
                load_dependency_files(
                    scan_paths, exclude_patterns, read_as, include=include or (), recursive=recursive, quiet=quiet
                )
                if scan_paths
                else ()
            ),
            *_read_environments(env or ()),
        ),
        scan_options,
        settings,
        config,
        explain or (),
        _find_root(scan_paths),
    )
    report = replace(report, elapsed=time.monotonic() - started_at, warnings=(*report.warnings, *session.warnings))
    selection = (
        () if report.list_only or not report.dependencies else select_dependencies(explain or (), report.dependencies)
    )
    write_report(
        report,
        form,
        output or (),
        RenderOptions(show_all=show_all, top=top, verbose=verbose, details=selection or None),
    )
    _print_notices(report, form, settings, has_details=bool(selection))
    raise typer.Exit(report.exit)


def _read_project_config(paths: Sequence[str]) -> Config:
    from nerq_cli.config import read_config

    return read_config(_find_root(paths))


def _find_root(paths: Sequence[str]) -> Path:
    path = Path("." if not paths or paths[0] == "-" else paths[0])
    return path if path.is_dir() else path.parent


def _run_scan(
    read_files: Callable[[], tuple[DependencyFile, ...]],
    scan_options: ScanOptions,
    settings: Settings,
    config: Config,
    explain_names: Sequence[str],
    root: Path,
) -> tuple[Report, Session]:
    from nerq_cli.application import scan as pipeline
    from nerq_cli.application.session import Session
    from nerq_cli.cli.explain import select_dependencies

    session = Session(settings, config, root, list(config.warnings))
    try:
        dependency_files = read_files()
    except NothingToScanError as error:
        return pipeline.build_empty_report(scan_options, f"{error}"), session
    try:
        rules = session.build_rules(dependency_files)
        has_problems = (
            any(dependency_file.problems for dependency_file in dependency_files) and not scan_options.keep_going
        )
        if explain_names and not has_problems:  # a slip of the pen is told before anything is asked
            select_dependencies(
                explain_names,
                pipeline.scan_project(
                    dependency_files, rules, replace(scan_options, list_only=True), session
                ).dependencies,
            )
        return pipeline.scan_project(dependency_files, rules, scan_options, session), session
    finally:
        session.close()


def _read_environments(environments: Sequence[str]) -> tuple[DependencyFile, ...]:
    if not environments:
        return ()
    from nerq_cli.manifests.discovery.installed import read_installed
    from nerq_cli.resolve.lockfile import apply_lockfiles

    return apply_lockfiles([read_installed(path) for text in environments for path in _find_environments(text)])


def _find_environments(text: str) -> list[Path]:
    """Return the environment that is meant, or the one at work here.

    Raises:
        NothingToScanError: none was named, and there is none here.
    """
    if text != options.ACTIVE_ENVIRONMENT:
        return [Path(text)]
    active_path = os.environ.get("VIRTUAL_ENV")
    python_environments = (
        [Path(active_path)] if active_path else [path for path in (Path(".venv"), Path("venv")) if path.is_dir()][:1]
    )
    environments = [*python_environments, *(path for path in (Path("node_modules"),) if path.is_dir())]
    if not environments:
        raise NothingToScanError("no environment is active, and there is no .venv and no node_modules here")
    return environments


def _print_notices(report: Report, form: str, settings: Settings, *, has_details: bool) -> None:
    """Say on stderr what is wrong with the files, and what the report on stdout does not say to people."""
    from nerq_cli.cli.output import write_message, write_warnings
    from nerq_cli.cli.shadowed_command import find_shadowed_command
    from nerq_cli.report import FORMATS

    machine_readable = FORMATS[form].machine_readable
    if report.errors:
        from nerq_cli.report.terminal.problems import print_problems

        print_problems(report.errors)
        if not report.dependencies or report.list_only:
            write_message("hint", "nothing was scored; --keep-going scores what could be read, and still exits 2")
    if settings.quiet:
        return
    write_warnings([*(report.warnings if machine_readable or has_details else ()), find_shadowed_command()])
    if has_details and not machine_readable and report.exit is not ExitStatus.PASSED:
        write_message(f"exit {report.exit.value}", report.exit_reason)
    if report.exit is ExitStatus.PASSED and not report.complete and not report.list_only:
        advice = "" if report.strict else f"; --strict makes this exit {ExitStatus.INCOMPLETE.value}"
        write_message("warning", f"{report.exit_reason}{advice}")
