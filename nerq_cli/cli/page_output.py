"""Formats and files of the commands that print a page of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Protocol, TypeVar

import typer

from nerq_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from nerq_cli.cli.options import ReportOptions
    from nerq_cli.cli.output import Output
    from nerq_cli.report import RenderOptions

ReportT_contra = TypeVar("ReportT_contra", contravariant=True)
FormatT = TypeVar("FormatT", bound=Enum)


class PageFormat(str, Enum):
    """How a page is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


#: Format of a file by its suffix.
SUFFIXES: Final = {
    ".txt": PageFormat.TABLE,
    ".json": PageFormat.JSON,
    ".md": PageFormat.MARKDOWN,
    ".html": PageFormat.HTML,
}
STATUSES: Final = (
    "Exit status: 0 read · 2 usage or configuration error, or a target that does not exist · 3 something could not be "
    "read (with --strict, and by default when CI is set). A low score fails nothing."
)

FormatOption = Annotated[
    PageFormat,
    typer.Option("--format", "-f", help=f"Format on stdout: {', '.join(item.value for item in PageFormat)}."),
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="[FORMAT=]FILE",
        help=f"Also write to FILE, in FORMAT or the format of its suffix (repeatable): {', '.join(SUFFIXES)}.",
    ),
]


def parse_outputs(texts: Sequence[str] | None, suffixes: Mapping[str, Enum] = SUFFIXES) -> list[Output]:
    """Return the files to write, with their formats. ``suffixes`` has the format of a file by its suffix.

    Raises:
        UsageError: no format has the suffix of one, or it is a file that nothing may overwrite.
    """
    from nerq_cli.cli.output import check_outputs

    outputs = [_parse_output(text, suffixes) for text in texts or ()]
    check_outputs(outputs)
    return outputs


def _parse_output(text: str, suffixes: Mapping[str, Enum]) -> Output:
    from nerq_cli.cli.output import Output, check_target

    name, separator, file_name = text.partition("=")
    suffix = Path(text).suffix.lower()
    if separator and name in [item.value for item in suffixes.values()]:
        output = Output(name, Path(file_name))
    elif suffix in suffixes:
        output = Output(suffixes[suffix].value, Path(text))
    else:
        raise UsageError(
            f"{text}: there is no format with the suffix {suffix!r}",
            hint=f"known suffixes: {', '.join(suffixes)}; or name the format: -o json=FILE",
        )
    check_target(output.path)
    return output


class PageModule(Protocol[ReportT_contra]):
    """A module that renders a page in each format."""

    def render_text(self, report: ReportT_contra, options: RenderOptions, /) -> str:
        """Return the page as text."""

    def render_json(self, report: ReportT_contra, /) -> bytes:
        """Return the page as JSON."""

    def render_markdown(self, report: ReportT_contra, /) -> str:
        """Return the page as Markdown."""

    def render_html(self, report: ReportT_contra, /) -> str:
        """Return the page as HTML."""


def list_renderers(
    page: PageModule[ReportT_contra], report: ReportT_contra
) -> dict[PageFormat, Callable[[RenderOptions], str | bytes]]:
    """Return the renderers of a page for ``write_page``."""
    return {
        PageFormat.TABLE: lambda options: page.render_text(report, options),
        PageFormat.JSON: lambda _: page.render_json(report),
        PageFormat.MARKDOWN: lambda _: page.render_markdown(report),
        PageFormat.HTML: lambda _: page.render_html(report),
    }


def write_page(
    renderers: Mapping[FormatT, Callable[[RenderOptions], str | bytes]], form: FormatT, outputs: Sequence[Output]
) -> None:
    """Write a page to its files, then to stdout.

    Args:
        renderers: Return the page in each format.
        form: Format on stdout.
        outputs: Files.

    Raises:
        UsageError: a file cannot be written.
    """
    from nerq_cli.cli.output import write_file
    from nerq_cli.cli.stdout import write_stdout_parts
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.terminal.console import file_options, stream_options

    for output in outputs:
        options = file_options(RenderOptions())
        write_file(output.path, [_encode(renderers[type(form)(output.format)](options), options)])
    options = stream_options(sys.stdout)
    if form.value != PageFormat.TABLE.value:
        options = options._replace(encoding="utf-8")
    write_stdout_parts([_encode(renderers[form](options), options)])


def _encode(content: str | bytes, options: RenderOptions) -> bytes:
    from nerq_cli.report.sanitize import defuse_ci_commands

    if isinstance(content, bytes):
        return content
    return defuse_ci_commands(content).encode(options.encoding, "backslashreplace")


def write_exit(
    status: ExitStatus, reason: str, warnings: Sequence[str], shared: ReportOptions, *, strict: bool
) -> None:
    """Write to stderr what a run did not read, and its warnings."""
    from nerq_cli.cli.output import write_message, write_warnings

    if status is not ExitStatus.PASSED:
        write_message(f"exit {status.value}", reason)
    if shared.quiet:
        return
    write_warnings(warnings)
    if status is ExitStatus.PASSED and not strict:
        write_message("warning", f"{reason}; --strict makes this exit {ExitStatus.INCOMPLETE.value}")
