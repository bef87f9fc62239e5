"""``nerq compliance``: documentation readiness of packages, models, datasets and Spaces."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from nerq_cli.cli.output import Output
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.compliance import ComplianceReport

_STATUSES: Final = (
    "Exit status: 0 read · 2 usage or configuration error, or a target that does not exist · 3 something could not be "
    "read (with --strict, and by default when CI is set). A low readiness fails nothing."
)

app = create_app()


class Format(str, Enum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


#: Format of a file by its suffix.
_SUFFIXES: Final = {".txt": Format.TABLE, ".json": Format.JSON}


@app.command(epilog=_STATUSES)
@options.with_read_options
def compliance(
    *,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models, datasets, Spaces or packages: hf:Qwen/Qwen3-4B, hf-dataset:openai/gsm8k, "
            "hf-space:owner/name@COMMIT, pypi:requests==2.31.0, mcp:NAME.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="Format on stdout: table, json.")] = Format.TABLE,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="[FORMAT=]FILE",
            help=f"Also write to FILE, in FORMAT or the format of its suffix (repeatable): {', '.join(_SUFFIXES)}.",
        ),
    ] = None,
    no_jurisdictions: Annotated[
        bool, typer.Option("--no-jurisdictions", help="Leave the lines of the jurisdictions out of the table.")
    ] = False,
    shared: options.ReportOptions,
) -> None:
    """Show documentation readiness in 52 jurisdictions.

    First come the evidence keys of the documentation, each with the place where it stands, then licence and data
    handling, the class of the EU AI Act that the page points to, and a line for each jurisdiction. It is no legal
    verdict.
    """
    from nerq_cli.application.compliance import run_compliance
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import check_outputs, check_unread, write_message, write_warnings
    from nerq_cli.cli.stdout import write_stdout_parts
    from nerq_cli.report.terminal.console import stream_options

    outputs = [_parse_output(text) for text in output or ()]
    check_outputs(outputs)
    if not targets:
        raise UsageError("there is no target", hint="name one: nerq compliance hf:Qwen/Qwen3-4B")
    with Session.open(shared, Path(), shared.progress_factory) as session:
        check_unread((item.path for item in outputs), session.list_files())
        report = run_compliance(targets, session)
    _write_files(report, outputs, show_jurisdictions=not no_jurisdictions)
    content = _render(report, form, stream_options(sys.stdout), show_jurisdictions=not no_jurisdictions)
    write_stdout_parts([content])
    if report.exit is not ExitStatus.PASSED:
        write_message("error" if report.exit is ExitStatus.USAGE else f"exit {report.exit.value}", report.exit_reason)
    if not shared.quiet:
        write_warnings(report.warnings)
        if report.exit is ExitStatus.PASSED and not report.strict:
            advice = f"--strict makes this exit {ExitStatus.INCOMPLETE.value}"
            write_message("warning", f"{report.exit_reason}; {advice}")
    raise typer.Exit(report.exit)


def _parse_output(text: str) -> Output:
    """Return the file that ``--output`` names, with its format.

    Raises:
        UsageError: no format has its suffix, or the file is one that nothing may overwrite.
    """
    from nerq_cli.cli.output import Output, check_target

    name, separator, file_name = text.partition("=")
    if separator and name in [item.value for item in Format]:
        output = Output(Format(name).value, Path(file_name))
    elif (form := _SUFFIXES.get(Path(text).suffix.lower())) is not None:
        output = Output(form.value, Path(text))
    else:
        raise UsageError(
            f"{text}: there is no format with the suffix {Path(text).suffix!r}",
            hint=f"known suffixes: {', '.join(_SUFFIXES)}; or name the format: -o json=FILE",
        )
    check_target(output.path)
    return output


def _write_files(report: ComplianceReport, outputs: Sequence[Output], *, show_jurisdictions: bool) -> None:
    from nerq_cli.cli.output import write_file
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.terminal.console import file_options

    for output in outputs:
        content = _render(
            report, Format(output.format), file_options(RenderOptions()), show_jurisdictions=show_jurisdictions
        )
        write_file(output.path, [content])


def _render(report: ComplianceReport, form: Format, options: RenderOptions, *, show_jurisdictions: bool) -> bytes:
    if form is Format.JSON:
        from nerq_cli.report.compliance import render_json

        return render_json(report)
    from nerq_cli.report.sanitize import defuse_ci_commands
    from nerq_cli.report.terminal.compliance_page import render_report

    text = render_report(report, options, show_jurisdictions=show_jurisdictions)
    return defuse_ci_commands(text).encode(options.encoding, "backslashreplace")
