"""``nerq check``: everything known about single packages."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.errors import ExitStatus

if TYPE_CHECKING:
    from nerq_cli.application.scan import AmbiguousNames
    from nerq_cli.report.model import Assessment


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
    from nerq_cli import targets as target
    from nerq_cli.application import scan
    from nerq_cli.application.session import Session, Settings, build_scan_options
    from nerq_cli.cli.output import check_format, find_format, write_report
    from nerq_cli.config import read_config
    from nerq_cli.report import RenderOptions

    started_at = time.monotonic()
    check_format(form)
    for path in output or ():
        find_format(path)
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
    )
    directory = Path()
    config = read_config(directory)
    declarations = [target.parse_target(text) for text in targets]
    session = Session(settings, config, directory, list(config.warnings))
    try:
        report, ambiguous = scan.check_packages(
            declarations, session.build_rules(()), build_scan_options(settings, config), session
        )
    finally:
        session.close()
    report = replace(report, elapsed=time.monotonic() - started_at, warnings=(*report.warnings, *session.warnings))
    ambiguous_ids = {id(assessment) for candidates in ambiguous for assessment in candidates}
    details = tuple(assessment for assessment in report.dependencies if id(assessment) not in ambiguous_ids)
    write_report(report, form, output or (), RenderOptions(details=details))
    if not quiet:
        from nerq_cli.cli.output import write_warnings
        from nerq_cli.cli.shadowed_command import find_shadowed_command

        write_warnings([*report.warnings, find_shadowed_command()])
    raise typer.Exit(_report_ambiguous(ambiguous) if ambiguous else report.exit)


def _report_ambiguous(ambiguous: AmbiguousNames) -> int:
    """Ask which package was meant; both answers are on the screen."""
    from nerq_cli.cli.output import write_message

    for candidates in ambiguous:
        name = candidates[0].dependency.package.name
        ecosystems = " and ".join(
            f"{assessment.dependency.package.ecosystem}{'' if assessment.in_registry else ' (could not be asked)'}"
            for assessment in candidates
        )
        for assessment in candidates:
            typer.echo(_summarise_assessment(assessment))
        write_message("error", f"{name} could be meant on {ecosystems}")
        target_texts = [
            f"{assessment.dependency.package.ecosystem.lower()}:{assessment.dependency.package.name}"
            for assessment in candidates
        ]
        write_message("hint", "say which: " + "   ".join(f"nerq check {text}" for text in target_texts))
    return ExitStatus.USAGE


def _summarise_assessment(assessment: Assessment) -> str:
    """Return one answer in a line: where, what, how far it can be trusted."""
    dependency, score = assessment.dependency, assessment.score
    score_text = "?" if score is None or score.value is None else f"{'~' if score.provisional else ''}{score.value:.1f}"
    name = f"{dependency.package.ecosystem}: {dependency.package.name} {dependency.version or ''}".rstrip()
    return f"{name}  {score_text}  {assessment.reasons[0] if assessment.reasons else assessment.state}"
