"""``nerq scan``: score what a project depends on."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.errors import Exit, NothingToScanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from nerq_cli.cli.session import Settings, World
    from nerq_cli.config import Config
    from nerq_cli.inventory import Manifest
    from nerq_cli.pipeline import Options
    from nerq_cli.report.model import Assessed, Report


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
    from nerq_cli.cli.explain import named
    from nerq_cli.cli.printing import format_of, known_format
    from nerq_cli.cli.session import Settings, run_options
    from nerq_cli.cli.why import read

    started = time.monotonic()
    known_format(form)
    for path in output or ():
        format_of(path)
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
        downloads=options.Extra.DOWNLOADS in (also or ()),
        max_db_age=max_db_age,
        verbose=verbose,
    )
    targets = tuple(paths or (() if env else ["."]))
    config = _config(targets)
    wanted = replace(
        run_options(settings, config),
        groups=tuple(group or config.groups),
        no_dev=no_dev or bool(config.no_dev and not group),
        list_only=list_only,
        keep_going=keep_going,
        allow_empty=allow_empty,
    )
    excluded = (*config.exclude, *(exclude or ()))
    report, world = _run(
        lambda: (
            *(
                read(targets, excluded, read_as, include=include or (), recursive=recursive, quiet=quiet)
                if targets
                else ()
            ),
            *_installed(env or ()),
        ),
        wanted,
        settings,
        config,
        explain or (),
        _root(targets),
    )
    report = replace(report, elapsed=time.monotonic() - started, warnings=(*report.warnings, *world.warnings))
    cards = () if report.listed or not report.dependencies else named(explain or (), report.dependencies)
    _print(report, form, output or [], settings, cards, show_all=show_all)
    _last_words(report, form, settings, explained=bool(cards))
    raise typer.Exit(report.exit)


def _config(targets: Sequence[str]) -> Config:
    from nerq_cli.config import read_config

    return read_config(_root(targets))


def _root(targets: Sequence[str]) -> Path:
    first = Path("." if not targets or targets[0] == "-" else targets[0])
    return first if first.is_dir() else first.parent


def _run(
    read: Callable[[], tuple[Manifest, ...]],
    wanted: Options,
    settings: Settings,
    config: Config,
    explain: Sequence[str],
    root: Path,
) -> tuple[Report, World]:
    from nerq_cli import pipeline
    from nerq_cli.cli.explain import named
    from nerq_cli.cli.session import World

    world = World(settings, config, root, list(config.warnings))
    try:
        manifests = read()
    except NothingToScanError as nothing:
        return pipeline.empty(wanted, f"{nothing}"), world
    try:
        rules = world.rules(manifests)
        broken = any(manifest.problems for manifest in manifests) and not wanted.keep_going
        if explain and not broken:  # a slip of the pen is told before anything is asked
            named(explain, pipeline.scan(manifests, rules, replace(wanted, list_only=True), world).dependencies)
        return pipeline.scan(manifests, rules, wanted, world), world
    finally:
        world.close()


def _installed(environments: Sequence[str]) -> tuple[Manifest, ...]:
    if not environments:
        return ()
    from nerq_cli.locking import settled
    from nerq_cli.manifests.environment import installed

    return settled([installed(path) for text in environments for path in _environments(text)])


def _environments(text: str) -> list[Path]:
    """Return the environment that is meant, or the one at work here.

    Raises:
        NothingToScanError: none was named, and there is none here.
    """
    if text != options.ACTIVE:
        return [Path(text)]
    active = os.environ.get("VIRTUAL_ENV")
    python = [Path(active)] if active else [path for path in (Path(".venv"), Path("venv")) if path.is_dir()][:1]
    found = [*python, *(path for path in (Path("node_modules"),) if path.is_dir())]
    if not found:
        raise NothingToScanError("no environment is active, and there is no .venv and no node_modules here")
    return found


def _print(
    report: Report,
    form: str,
    output: Sequence[Path],
    settings: Settings,
    cards: Sequence[Assessed],
    *,
    show_all: bool,
) -> None:
    from nerq_cli.cli.printing import write_files
    from nerq_cli.report.console import make_console

    def draw(console: Console) -> None:
        _draw(report, console, settings, cards, show_all=show_all)

    if output:
        write_files(output, lambda name: _rendered(report, name, draw))
    if form == "json":
        sys.stdout.buffer.write(_rendered(report, form, draw))
        sys.stdout.buffer.flush()
        return
    draw(make_console())


def _draw(report: Report, console: Console, settings: Settings, cards: Sequence[Assessed], *, show_all: bool) -> None:
    """Print the report for people: the cards of what is to be explained, else the table."""
    if cards:
        from nerq_cli.cli.explain import draw

        draw(cards, report, console)
        return
    from nerq_cli.report.text import render

    render(report, console=console, show_all=show_all, verbose=settings.verbose)


def _rendered(report: Report, form: str, draw: Callable[[Console], None]) -> bytes:
    if form == "json":
        from nerq_cli.report.json_report import render as render_json

        return render_json(report)
    from io import StringIO

    from nerq_cli.report.console import make_console

    page = StringIO()
    draw(make_console(file=page))
    return page.getvalue().encode()


def _last_words(report: Report, form: str, settings: Settings, *, explained: bool) -> None:
    """Say on stderr what is wrong with the files, and what the report on stdout does not say to people."""
    from nerq_cli.cli.namesake import namesake
    from nerq_cli.cli.printing import say, warn

    if report.errors:
        from nerq_cli.report.problems import render_problems

        render_problems(report.errors)
        if not report.dependencies or report.listed:
            say("hint", "nothing was scored; --keep-going scores what could be read, and still exits 2")
    if settings.quiet:
        return
    warn([*(report.warnings if form == "json" or explained else ()), namesake()])
    if explained and form != "json" and report.exit is not Exit.PASSED:
        say(f"exit {report.exit.value}", report.exit_reason)
    if report.exit is Exit.PASSED and not report.complete and not report.listed:
        advice = "" if report.strictly else f"; --strict makes this exit {Exit.INCOMPLETE.value}"
        say("warning", f"{report.exit_reason}{advice}")
