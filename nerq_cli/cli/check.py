"""``nerq check``: everything known about single packages."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerq_cli.pipeline import Ambiguous
    from nerq_cli.report.model import Assessed, Report


def check(
    *,
    targets: Annotated[
        list[str],
        typer.Argument(help="Packages: requests, requests==2.31.0, npm:lodash@4.17.21, pkg:pypi/flask@3.0.0."),
    ],
    threshold: options.Threshold = None,
    form: options.Format = "table",
    output: options.Output = None,
    strict: options.Strict = None,
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
    debug: options.Debug = False,  # noqa: ARG001 - read where expected failures are met
) -> None:
    """Show a report card: the score of a package, every signal behind it, and what would raise it."""
    from nerq_cli import pipeline
    from nerq_cli.cli.printing import format_of, known_format
    from nerq_cli.cli.session import Settings, World, run_options
    from nerq_cli.config import read_config
    from nerq_cli.manifests import target

    started = time.monotonic()
    known_format(form)
    for path in output or ():
        format_of(path)
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
    )
    here = Path()
    config = read_config(here)
    named = [target.read(text) for text in targets]
    world = World(settings, config, here, list(config.warnings))
    try:
        report, ambiguous = pipeline.check(named, world.rules(()), run_options(settings, config), world)
    finally:
        world.close()
    report = replace(report, elapsed=time.monotonic() - started, warnings=(*report.warnings, *world.warnings))
    unsettled = {id(one) for answers in ambiguous for one in answers}
    settled = replace(report, dependencies=tuple(one for one in report.dependencies if id(one) not in unsettled))
    _print(report if form == "json" else settled, form, output or [])
    if not quiet:
        from nerq_cli.cli.namesake import namesake
        from nerq_cli.cli.printing import warn

        warn([*report.warnings, namesake()])
    raise typer.Exit(_asked_back(ambiguous) if ambiguous else report.exit)


def _asked_back(ambiguous: Ambiguous) -> int:
    """Ask which package was meant; both answers are on the screen."""
    from nerq_cli.cli.printing import say

    for answers in ambiguous:
        name = answers[0].dependency.package.name
        where = " and ".join(
            f"{one.dependency.package.ecosystem}{'' if one.found else ' (could not be asked)'}" for one in answers
        )
        for one in answers:
            typer.echo(_in_short(one))
        say("error", f"{name} could be meant on {where}")
        typed = [f"{one.dependency.package.ecosystem.lower()}:{one.dependency.package.name}" for one in answers]
        say("hint", "say which: " + "   ".join(f"nerq check {text}" for text in typed))
    return Exit.USAGE


def _in_short(one: Assessed) -> str:
    """Return one answer in a line: where, what, how far it can be trusted."""
    dependency, score = one.dependency, one.score
    number = "?" if score is None or score.value is None else f"{'~' if score.provisional else ''}{score.value:.1f}"
    name = f"{dependency.package.ecosystem}: {dependency.package.name} {dependency.version or ''}".rstrip()
    return f"{name}  {number}  {one.reasons[0] if one.reasons else one.state}"


def _print(report: Report, form: str, output: Sequence[Path]) -> None:
    from nerq_cli.cli.explain import draw, page
    from nerq_cli.cli.printing import write_files

    def rendered(name: str) -> bytes:
        if name == "json":
            from nerq_cli.report.json_report import render

            return render(report)
        return page(report.dependencies, report)

    if output:
        write_files(output, rendered)
    if form == "json":
        sys.stdout.buffer.write(rendered("json"))
        sys.stdout.buffer.flush()
        return
    from nerq_cli.report.console import make_console

    draw(report.dependencies, report, make_console())
