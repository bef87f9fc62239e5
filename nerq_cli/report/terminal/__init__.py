"""The report as text for people: the table of a scan, the list of ``--list``, report cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Report


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report cards that the options name, else the list or the table."""
    if options.details is None:
        from nerq_cli.report.terminal import summary

        text = summary.render_text(report, options)
    else:
        from nerq_cli.report.terminal import detail

        text = "".join(detail.render_text(assessment, report, options) for assessment in options.details)
    return text.encode(options.encoding, "backslashreplace")
