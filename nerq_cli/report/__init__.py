"""The report: one document, built once, and the table of formats that print it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, cast

from nerq_cli.report.sanitize import defuse_ci_commands, defuse_json

if TYPE_CHECKING:
    from nerq_cli.report.model import Assessment, Report

__all__ = ["FORMATS", "RenderOptions", "Renderer", "ReportFormat", "find_format_by_suffix"]

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
    #: Variant of a format, such as the version of its specification; empty for the usual one.
    variant: str = ""
    #: Bytes that a document may have, for a format that leaves out what does not fit; 0: its own limit.
    size_limit: int = 0
    #: Whether a document has its long lists as columns, which are small when compressed (``report/columns.py``).
    packed: bool = False
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
    #: Further suffixes of such files.
    other_suffixes: tuple[str, ...] = ()
    #: See :class:`RenderOptions`.
    variant: str = ""
    #: ``json``: commands of CI systems in a text are escaped; ``text``: they are parted; ``commands``: the format is
    #: made of them, and defuses what it puts in.
    notation: Literal["json", "text", "commands"] = "text"
    #: Whether its readers look up files from the root of the repository, wherever in it the run was.
    has_repository_paths: bool = False
    #: Whether it has a use for dependencies without scores (``--list``).
    has_lists: bool = False

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return all suffixes, in lower case; none for a format that ``--output`` has to name."""
        return tuple(filter(None, (self.suffix, *self.other_suffixes)))

    def render(self, report: Report, options: RenderOptions) -> bytes:
        """Return the report in this format, without text that a CI system takes for a command."""
        return b"".join(self.render_parts(report, options))

    def render_parts(self, report: Report, options: RenderOptions) -> Iterator[bytes]:
        """Yield the parts of the same; there is one if the module has no function ``render_parts``."""
        module = import_module(self.module)
        if self.has_repository_paths and report.directory:
            from nerq_cli.report.relocation import relocate_report

            report = relocate_report(report)
        options = options._replace(variant=self.variant)
        render_parts = getattr(module, "render_parts", None)
        encoding = "utf-8" if self.machine_readable else options.encoding
        parts = render_parts(report, options) if render_parts else [cast("Renderer", module).render(report, options)]
        if self.notation == "commands":
            yield from parts
            return
        if self.notation == "json":
            yield from map(defuse_json, parts)
            return
        for part in parts:
            yield defuse_ci_commands(part.decode(encoding)).encode(encoding)


_FORMATS: Final = "nerq_cli.report.formats"
FORMATS: Final[Mapping[str, ReportFormat]] = MappingProxyType(
    {
        report_format.name: report_format
        for report_format in (
            ReportFormat(
                name="table", suffix=".txt", module="nerq_cli.report.terminal", machine_readable=False, has_lists=True
            ),
            ReportFormat(name="json", suffix=".json", module=f"{_FORMATS}.json", notation="json", has_lists=True),
            ReportFormat(
                name="sarif",
                suffix=".sarif",
                other_suffixes=(".sarif.json",),
                module=f"{_FORMATS}.sarif",
                notation="json",
                has_repository_paths=True,
            ),
            ReportFormat(
                name="cyclonedx",
                suffix=".cdx.json",
                module=f"{_FORMATS}.cyclonedx",
                notation="json",
                has_lists=True,
            ),
            ReportFormat(
                name="cyclonedx-1.6",
                suffix="",
                module=f"{_FORMATS}.cyclonedx",
                variant="1.6",
                notation="json",
                has_lists=True,
            ),
            ReportFormat(
                name="cyclonedx-1.7",
                suffix="",
                module=f"{_FORMATS}.cyclonedx",
                variant="1.7",
                notation="json",
                has_lists=True,
            ),
            ReportFormat(
                name="spdx",
                suffix=".spdx.json",
                module=f"{_FORMATS}.spdx",
                notation="json",
                has_lists=True,
            ),
            ReportFormat(
                name="markdown",
                suffix=".md",
                other_suffixes=(".markdown",),
                module=f"{_FORMATS}.markdown",
                has_lists=True,
            ),
            ReportFormat(
                name="github",
                suffix="",
                module=f"{_FORMATS}.github",
                notation="commands",
                has_repository_paths=True,
            ),
            ReportFormat(
                name="gitlab",
                suffix="",
                module=f"{_FORMATS}.gitlab_code_quality",
                notation="json",
                has_repository_paths=True,
            ),
            ReportFormat(
                name="gitlab-codequality",
                suffix="gl-code-quality-report.json",
                other_suffixes=(".codequality.json",),
                module=f"{_FORMATS}.gitlab_code_quality",
                notation="json",
                has_repository_paths=True,
            ),
            ReportFormat(
                name="gitlab-dependency-scanning",
                suffix="gl-dependency-scanning-report.json",
                module=f"{_FORMATS}.gitlab_dependency_scanning",
                notation="json",
                has_repository_paths=True,
            ),
            ReportFormat(name="junit", suffix="junit.xml", module=f"{_FORMATS}.junit", has_repository_paths=True),
            ReportFormat(
                name="openvex",
                suffix=".openvex.json",
                module=f"{_FORMATS}.openvex",
                notation="json",
            ),
            ReportFormat(name="csv", suffix=".csv", module=f"{_FORMATS}.csv", has_lists=True),
            ReportFormat(name="html", suffix=".html", module="nerq_cli.report.html", has_lists=True),
        )
    }
)


def find_format_by_suffix(name: str) -> ReportFormat | None:
    """Return the format with the longest suffix that a file name ends with; None if there is none."""
    lower_name = name.lower()
    matches = [
        (len(suffix), report_format)
        for report_format in FORMATS.values()
        for suffix in report_format.suffixes
        if lower_name.endswith(suffix)
    ]
    return max(matches, key=lambda match: match[0])[1] if matches else None
