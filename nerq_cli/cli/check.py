"""``nerq check``: the report cards of single packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from nerq_cli.cli import options
from nerq_cli.cli.command import EXIT_STATUSES, create_app
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.insight.purpose import Purpose

if TYPE_CHECKING:
    from nerq_cli.application.check import AmbiguousNames
    from nerq_cli.application.recording import Recorder
    from nerq_cli.report.model import Assessment


app = create_app()


@app.command(epilog=EXIT_STATUSES)
@options.with_report_options
def check(
    *,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Packages: requests, requests==2.31.0, npm:lodash@4.17.21, pkg:pypi/flask@3.0.0; models: "
            "hf:owner/name@REVISION; also hf-dataset:, hf-space:, hf-kernel:, github:owner/name@v1, mcp:SERVER, and "
            "addresses of repositories.",
            show_default=False,
        ),
    ] = None,
    purpose: Annotated[
        Purpose | None,
        typer.Option("--for", help="Add in words whether it suits this purpose, why, and how to verify it yourself."),
    ] = None,
    record: options.Record = None,
    record_private: options.RecordPrivate = False,
    replay: options.Replay = None,
    rescore: options.Rescore = False,
    shared: options.ReportOptions,
) -> None:
    """Show the report card of a package, model or MCP server.

    A card has the score, every signal behind it, and what would raise it. With --for it also has, in words, whether
    the target suits that purpose: this changes no exit status. A target that does not exist is an error.
    """
    from nerq_cli.application.check import run_check
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import write_exit_reason, write_incomplete, write_report, write_warnings
    from nerq_cli.cli.shadowed_command import find_shadowed_command
    from nerq_cli.report import FORMATS, RenderOptions

    outputs = shared.check_formats()
    recording = options.RecordingOptions(record, record_private, replay, rescore)
    if record is not None or replay is not None or record_private or rescore:
        recording.check(shared, ["a package"] if targets else [], outputs)
    recorder: Recorder | None = None
    notices: tuple[str, ...] = ()
    if replay is not None:
        from nerq_cli.application.recording import replay_file

        replayed = replay_file(replay, command="check", rescore=rescore)
        report, ambiguous, notices = replayed.report, replayed.ambiguous, replayed.notices
    elif not targets:
        raise UsageError(
            "there is no target to check", hint="name one: nerq check requests, or nerq check hf:owner/name"
        )
    else:
        with Session.open(shared, Path(), shared.progress_factory) as session:
            recording.check_files(session, outputs, "")
            recorder = recording.create_recorder(session, "check")
            result = run_check(targets, session, recorder=recorder)
        report, ambiguous = result.report, result.ambiguous
    scored_report = report
    if purpose is not None:
        report = replace(report, purpose=purpose)
    ambiguous_ids = {id(assessment) for candidates in ambiguous for assessment in candidates}
    details = tuple(assessment for assessment in report.dependencies if id(assessment) not in ambiguous_ids)
    render_options = RenderOptions(details=details, compact=shared.compact)
    write_report(report, shared.form, outputs, render_options)
    shared.show(report, outputs, render_options)
    if not shared.quiet:
        write_warnings([*report.warnings, find_shadowed_command()])
        if not ambiguous:
            write_exit_reason(report)
            write_incomplete(report)
    write_warnings(notices)
    recording.write(recorder, scored_report, quiet=shared.quiet)
    on_stderr = FORMATS[shared.form].machine_readable
    raise typer.Exit(_report_ambiguous(ambiguous, on_stderr=on_stderr) if ambiguous else report.exit)


def _report_ambiguous(ambiguous: AmbiguousNames, *, on_stderr: bool) -> int:
    """Print the candidates of each ambiguous name, and the error."""
    from nerq_cli.cli.output import write_message

    for candidates in ambiguous:
        name = candidates[0].dependency.package.name
        ecosystems = " and ".join(
            f"{assessment.dependency.package.ecosystem}{'' if assessment.in_registry else ' (no usable answer)'}"
            for assessment in candidates
        )
        for assessment in candidates:
            typer.echo(_summarise_assessment(assessment), err=on_stderr)
        write_message("error", f"{name} may be the package on {ecosystems}")
        target_texts = [
            f"{assessment.dependency.package.ecosystem.lower()}:{assessment.dependency.package.name}"
            for assessment in candidates
        ]
        write_message("hint", "name one: " + "   ".join(f"nerq check {text}" for text in target_texts))
    return ExitStatus.USAGE


def _summarise_assessment(assessment: Assessment) -> str:
    """Return one line: ecosystem, package, score and the first reason."""
    dependency, score = assessment.dependency, assessment.score
    score_text = "?" if score is None or score.value is None else f"{'~' if score.provisional else ''}{score.value:.1f}"
    name = f"{dependency.package.ecosystem}: {dependency.package.name} {dependency.version or ''}".rstrip()
    return f"{name}  {score_text}  {assessment.reasons[0] if assessment.reasons else assessment.state}"
