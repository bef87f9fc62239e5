"""The report: one document, built once, and the table of formats that print it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from nerq_cli.report.sanitize import defuse_ci_commands, defuse_json

if TYPE_CHECKING:
    from nerq_cli.report.model import Assessment, Report

__all__ = ["FORMATS", "RenderOptions", "Renderer", "ReportFormat"]

#: Width of an output that is not a terminal, in columns.
DEFAULT_WIDTH: Final = 100


class RenderOptions(NamedTuple):
    """What a format may need beside the report. A format ignores the options that it has no use for."""

    #: Width of a text, in terminal columns.
    width: int = DEFAULT_WIDTH
    #: Whether a text may contain escape sequences for colour.
    color: bool = False
    #: Encoding of a text; signs that it lacks are replaced by ASCII.
    encoding: str = "utf-8"
    #: Whether every dependency is shown, also those that pass.
    show_all: bool = False
    #: Rows of the table at most; None: no limit.
    top: int | None = None
    #: Whether all reasons, notes and sources are shown.
    verbose: bool = False
    #: Whether a document leaves out keys that have their default value.
    compact: bool = False
    #: Dependencies whose report card is printed in place of the table; None prints the table.
    details: tuple[Assessment, ...] | None = None


class Renderer(Protocol):
    """A module that prints a report in one format."""

    def render(self, report: Report, options: RenderOptions) -> bytes:
        """Return the report as the content of a file."""
        ...


class ReportFormat(NamedTuple):
    """A format of the report. Its module is imported when it is used."""

    #: Value of ``--format``.
    name: str
    #: Suffix of the files that ``--output`` writes in this format.
    suffix: str
    #: Name of the module, a :class:`Renderer`.
    module: str
    #: Whether programs read it: notices for people then go to stderr.
    machine_readable: bool = True

    def render(self, report: Report, options: RenderOptions) -> bytes:
        """Return the report in this format, without text that a CI system takes for a command."""
        return b"".join(self.render_parts(report, options))

    def render_parts(self, report: Report, options: RenderOptions) -> Iterator[bytes]:
        """Yield the parts of the same; there is one if the module has no function ``render_parts``."""
        module = import_module(self.module)
        render_parts = getattr(module, "render_parts", None)
        defuse = defuse_json if self.suffix == ".json" else defuse_ci_commands
        encoding = "utf-8" if self.machine_readable else options.encoding
        for part in (
            render_parts(report, options) if render_parts else [cast("Renderer", module).render(report, options)]
        ):
            yield defuse(part.decode(encoding)).encode(encoding)


FORMATS: Final[Mapping[str, ReportFormat]] = MappingProxyType(
    {
        report_format.name: report_format
        for report_format in (
            ReportFormat(name="table", suffix=".txt", module="nerq_cli.report.terminal", machine_readable=False),
            ReportFormat(name="json", suffix=".json", module="nerq_cli.report.formats.json"),
        )
    }
)
