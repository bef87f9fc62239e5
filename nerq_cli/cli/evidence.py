"""``nerq evidence``: show what a recording holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.application.recording_file import Answer, Recording

app = create_app("Show what a recording holds.")


@app.callback()
def evidence() -> None:
    """Show what a recording holds."""


@app.command()
def show(
    *,
    file: Annotated[Path, typer.Argument(help="A recording: evidence.nerq.")],
    name: Annotated[
        str, typer.Argument(help="Only answers about this package: requests, npm:lodash.", show_default=False)
    ] = "",
    content: Annotated[
        bool, typer.Option("--content", help="Print the value of each answer below it, as JSON.")
    ] = False,
) -> None:
    """List each answer with its state, source, date and SHA-256."""
    from nerq_cli.application.recording_file import read_recording
    from nerq_cli.report.sanitize import sanitize_text

    recording = read_recording(file)
    answers = _select_answers(recording, name)
    if not name:
        for line in _describe_recording(recording):
            typer.echo(sanitize_text(line))
    for answer in answers:
        typer.echo(sanitize_text(_describe_answer(answer)))
        if content and answer.sha256:
            typer.echo(f"  {sanitize_text(recording.values[answer.sha256].decode())}")


@app.command()
def verify(
    *,
    file: Annotated[Path, typer.Argument(help="A recording: evidence.nerq.")],
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Compare this JSON report with the recorded one as well."),
    ] = None,
) -> None:
    """Verify every digest, and that the report follows from the answers.

    Exit status: 0 all is as recorded, 2 it is not, or cannot be verified.
    """
    from nerq_cli.application.recording import replay_file
    from nerq_cli.application.recording_file import compute_sha256, read_recording
    from nerq_cli.report.sanitize import sanitize_text

    manifest = read_recording(file).manifest
    replay = replay_file(file, command=manifest.command)
    answers = len(replay.recording.answers)
    typer.echo(sanitize_text(f"sha256      {replay.recording.sha256}"))
    typer.echo(f"answers     {answers:,}, each with the digest that the recording states")
    if replay.notices:
        raise UsageError(
            f"{file}: {replay.notices[0]}", hint="verify it with the version that nerq evidence show names"
        )
    if not manifest.has_report_digest:
        message = f"{file} has no digest of the report: private names are left out of it"
        raise UsageError(message, hint="--record-private keeps them")
    typer.echo(f"report      {manifest.report_sha256}, which follows from the answers")
    if report is not None:
        try:
            content = report.read_bytes()
        except OSError as error:
            raise UsageError(f"{report}: cannot be read: {error.strerror}") from error
        if compute_sha256(content) != manifest.report_sha256:
            raise UsageError(f"{report} is not the report of this recording: its digest differs")
        typer.echo(sanitize_text(f"file        {report} is that report"))


def _select_answers(recording: Recording, name: str) -> list[Answer]:
    if not name:
        return list(recording.answers)
    from nerq_cli import targets
    from nerq_cli.application.select_dependencies import suggest_names

    packages = {(item.ecosystem, item.package.name) for item in targets.parse_target(name)}
    versions = {item.requirement.removeprefix("==") for item in targets.parse_target(name)} - {""}
    answers = [
        answer
        for answer in recording.answers
        if (answer.ecosystem, answer.name) in packages and (not versions or answer.version in {"", *versions})
    ]
    if not answers:
        known_names = [answer.name for answer in recording.answers]
        raise UsageError(f"{name!r} is not in the recording", hint=suggest_names(name, known_names))
    return answers


def _describe_recording(recording: Recording) -> list[str]:
    from nerq_cli.cli.output import format_time

    manifest = recording.manifest
    return [
        f"sha256      {recording.sha256}",
        f"command     nerq {manifest.command}, exit {manifest.exit}",
        f"as of       {format_time(manifest.as_of)}",
        f"nerq-cli    {manifest.version}, methodology {manifest.methodology}",
        *(f"shipped     {name}: {date}" for name, date in manifest.shipped_data.items()),
        f"left out    {manifest.left_out} private packages",
        f"report      {manifest.report_sha256 if manifest.has_report_digest else 'another one, without private names'}",
        "",
    ]


def _describe_answer(answer: Answer) -> str:
    from nerq_cli.cli.output import format_time

    subject = f"{answer.ecosystem}:{answer.name}{f'@{answer.version}' if answer.version else ''}"
    sources = [(answer.source, answer.retrieved_at)]
    sources += sorted({(origin.source, origin.retrieved_at) for origin in (answer.origins or {}).values()} - {*sources})
    places = ", ".join(f"{source}{f' {format_time(at)}' if at else ''}" for source, at in sources if source)
    return "  ".join(filter(None, (subject, answer.field, answer.state, places, answer.reason, answer.sha256)))
