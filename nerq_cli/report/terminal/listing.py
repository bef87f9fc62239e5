"""The list screen: what is declared where, without asking anybody about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from nerq_cli.inventory import Dependency
from nerq_cli.report import wording
from nerq_cli.report.model import Report
from nerq_cli.report.terminal.layout import Column, Page, Span, add_table, fit_widths

_MAX_WIDTHS: Final = (44, 40, 28, 60)
_MIN_WIDTHS: Final = (44, 11, 6, 60)


def add_dependencies(page: Page, report: Report) -> None:
    """Add the dependencies by name, those left out of a scan on purpose after them, and the counts per group."""
    dependencies = sorted(
        (assessment.dependency for assessment in report.dependencies), key=lambda d: (d.package, d.version or "")
    )
    mixed = len({dependency.package.ecosystem for dependency in dependencies}) > 1
    active = [dependency for dependency in dependencies if not dependency.skip_reason]
    skipped = [dependency for dependency in dependencies if dependency.skip_reason]
    if active:
        _add_declared(page, active, mixed=mixed)
    if skipped:
        page.add_gap()
        _add_skipped(page, skipped, mixed=mixed)
    if not dependencies:
        page.add_line(("  no dependencies declared", ""))
    else:
        page.add_gap()
        page.add_paragraph(page.safe_text(count_groups(dependencies), 0), "dim")


def count_groups(dependencies: list[Dependency]) -> str:
    """Return how many dependencies each group has: ``main 30 · dev 12``, the largest first."""
    counts = Counter(group for dependency in dependencies for group in dependency.groups)
    return " · ".join(f"{group} {n:,}" for group, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _package_text(page: Page, dependency: Dependency, *, mixed: bool) -> str:
    version = f" {dependency.version}" if dependency.version else ""
    alias = f" (as {', '.join(dependency.aliases)})" if dependency.aliases else ""
    return page.safe_text(f"{wording.package_name(dependency, mixed=mixed)}{version}{alias}")


def _requirement_text(dependency: Dependency) -> str:
    if not dependency.direct and not dependency.requirement:  # a lock file's markers repeat those of its edges
        return f"via {', '.join(dependency.via)}" if dependency.via else "transitive"
    show_markers = dependency.markers and (dependency.requirement or dependency.resolution != "pinned")
    markers = f" ; {' or '.join(dependency.markers)}" if show_markers else ""
    return f"{dependency.requirement or 'any'}{markers}"


def _add_declared(page: Page, dependencies: list[Dependency], *, mixed: bool) -> None:
    rows = [
        (
            (_package_text(page, dependency, mixed=mixed), "strong"),
            (page.safe_text(_requirement_text(dependency)), ""),
            (page.safe_text(", ".join(dependency.groups)), ""),
            (page.safe_text(wording.format_locations(dependency.locations)), "dim"),
        )
        for dependency in dependencies
    ]
    _add_dependency_table(page, ("Package", "Requirement", "Groups", "Where"), rows)


def _add_skipped(page: Page, dependencies: list[Dependency], *, mixed: bool) -> None:
    rows = [
        (
            (_package_text(page, dependency, mixed=mixed), ""),
            (page.safe_text(dependency.skip_reason), ""),
            (page.safe_text(", ".join(dependency.groups)), ""),
            (page.safe_text(wording.format_locations(dependency.locations)), "dim"),
        )
        for dependency in dependencies
    ]
    _add_dependency_table(page, ("Skipped on purpose", "Why", "Groups", "Where"), rows)


def _add_dependency_table(
    page: Page, headings: tuple[str, str, str, str], rows: Sequence[tuple[Span, Span, Span, Span]]
) -> None:
    """Add a line each where names and places stay in one piece, otherwise two."""
    columns = tuple(map(Column, headings, _MAX_WIDTHS, _MIN_WIDTHS))
    widths = fit_widths(columns, rows, page.width - 2)
    if sum(widths) + 2 * len(widths) <= page.width:
        add_table(page, columns, rows, widths)
        return
    page.add_line((f"  {headings[0]}", "dim"))
    for name, requirement, group_names, location in rows:
        page.add_wrapped(("  ", ""), name, location)
        page.add_paragraph(f"{requirement[0]} ({group_names[0]})", requirement[1], indent=4)
