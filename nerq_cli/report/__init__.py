"""What a run found out, and how it is printed: one document, built once, and a module per format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Final

__all__ = ["FORMATS", "ReportFormat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFormat:
    """A way to print a report: its name, the suffix of its files, and the module that is imported when it is used."""

    name: str
    suffix: str
    module: str

    def load_module(self) -> ModuleType:
        """Import the module. Its ``render`` prints a report."""
        return import_module(self.module)


FORMATS: Final[Mapping[str, ReportFormat]] = MappingProxyType(
    {
        report_format.name: report_format
        for report_format in (
            ReportFormat(name="table", suffix=".txt", module="nerq_cli.report.terminal.summary"),
            ReportFormat(name="json", suffix=".json", module="nerq_cli.report.formats.json"),
        )
    }
)
