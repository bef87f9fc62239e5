"""``nerq badge``: a badge with score, grade and date."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

_STATUSES: Final = (
    "Exit status: 0 written · 2 usage or configuration error, or a target that does not exist. A low or an unknown "
    "score fails nothing: the badge shows it."
)

app = create_app()


class Format(str, Enum):
    """What is written."""

    SVG = "svg"
    SHIELDS = "shields"


#: Formats by suffix.
_SUFFIXES: Final = {".svg": Format.SVG, ".json": Format.SHIELDS}


def _find_format(path: Path) -> Format:
    """Return the format of a file.

    Raises:
        UsageError: there is none with its suffix.
    """
    form = _SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            f"{path}: there is no format with the suffix {path.suffix!r}",
            hint=f"known suffixes: {', '.join(_SUFFIXES)}; or name the format: -f svg",
        )
    return form


@app.command(epilog=_STATUSES)
@options.with_read_options
def badge(
    *,
    target: Annotated[
        str | None,
        typer.Argument(
            help="A target of nerq check: requests==2.31.0, npm:lodash, hf:owner/model; with --project a directory.",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        bool, typer.Option("--project", help="Scan the project in the directory.  [default: this one]")
    ] = False,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="svg, or shields for the JSON that shields.io reads.  [default: by the suffix, else svg]",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to FILE, else to stdout.")
    ] = None,
    shared: options.ReportOptions,
) -> None:
    """Write a badge with score, grade and date.

    The image is made here and requests nothing. It is about one version and one day, and has in words when it is stale.
    """
    from nerq_cli.application.badge import describe_project, describe_target
    from nerq_cli.application.session import Session
    from nerq_cli.cli.output import Output, check_outputs, check_target, check_unread, write_file, write_warnings
    from nerq_cli.cli.stdout import write_stdout_parts
    from nerq_cli.report.badge import render_shields, render_svg

    if not project and not target:
        raise UsageError("there is no target", hint="name one: nerq badge requests==2.31.0, or nerq badge --project")
    if form is None:
        form = Format.SVG if output is None else _find_format(output)
    if output is not None:
        check_target(output)
        check_outputs([Output(form.value, output)])
    root = Path(target or ".") if project else Path()
    if project and not root.is_dir():
        raise UsageError(f"{root} is no directory", hint="--project takes the directory of a project")
    with Session.open(shared, root, shared.progress_factory) as session:
        if output is not None:
            check_unread([output], session.list_files())
        if project:
            from nerq_cli.application.read_dependencies import Inputs
            from nerq_cli.application.scan import run_scan

            scan_options = session.build_scan_options(allow_empty=True)
            report = run_scan(Inputs(paths=(str(root),)), scan_options, session).report
            made = describe_project(report, root.resolve().name)
        else:
            from nerq_cli.application.check import run_check

            result = run_check([target or ""], session)
            report, made = result.report, describe_target(result)
    content = render_svg(made) if form is Format.SVG else render_shields(made)
    if output is None:
        write_stdout_parts([content])
    else:
        write_file(output, [content])
    if not shared.quiet:
        write_warnings(report.warnings)
