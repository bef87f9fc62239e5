"""The list screen: what is declared where, without asking anybody about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from nerq_cli.inventory import Dependency
from nerq_cli.report import phrases
from nerq_cli.report.layout import Column, Page, Span, fitting, table
from nerq_cli.report.model import Report

_MOST: Final = (44, 40, 28, 60)
_LEAST: Final = (44, 11, 6, 60)


def body(page: Page, report: Report) -> None:
    """Add the dependencies by name, those left out of a scan on purpose after them, and the counts per group."""
    found = sorted((one.dependency for one in report.dependencies), key=lambda d: (d.package, d.version or ""))
    mixed = len({dependency.package.ecosystem for dependency in found}) > 1
    asked = [dependency for dependency in found if not dependency.skip]
    skipped = [dependency for dependency in found if dependency.skip]
    if asked:
        _declared(page, asked, mixed=mixed)
    if skipped:
        page.gap()
        _skipped(page, skipped, mixed=mixed)
    if not found:
        page.line(("  no dependencies declared", ""))
    else:
        page.gap()
        page.paragraph(page.words(groups(found), 0), "dim")


def groups(dependencies: list[Dependency]) -> str:
    """Return how many dependencies each group has: ``main 30 · dev 12``, the largest first."""
    counts = Counter(group for dependency in dependencies for group in dependency.groups)
    return " · ".join(f"{group} {n:,}" for group, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _name(page: Page, dependency: Dependency, *, mixed: bool) -> str:
    version = f" {dependency.version}" if dependency.version else ""
    alias = f" (as {', '.join(dependency.aliases)})" if dependency.aliases else ""
    return page.words(f"{phrases.name(dependency, mixed=mixed)}{version}{alias}")


def _wanted(dependency: Dependency) -> str:
    if not dependency.direct and not dependency.requirement:  # a lock file's markers repeat those of its edges
        return f"via {', '.join(dependency.via)}" if dependency.via else "transitive"
    stated = dependency.markers and (dependency.requirement or dependency.how != "pinned")
    markers = f" ; {' or '.join(dependency.markers)}" if stated else ""
    return f"{dependency.requirement or 'any'}{markers}"


def _declared(page: Page, dependencies: list[Dependency], *, mixed: bool) -> None:
    rows = [
        (
            (_name(page, dependency, mixed=mixed), "strong"),
            (page.words(_wanted(dependency)), ""),
            (page.words(", ".join(dependency.groups)), ""),
            (page.words(phrases.where(dependency.locations)), "dim"),
        )
        for dependency in dependencies
    ]
    _table(page, ("Package", "Requirement", "Groups", "Where"), rows)


def _skipped(page: Page, dependencies: list[Dependency], *, mixed: bool) -> None:
    rows = [
        (
            (_name(page, dependency, mixed=mixed), ""),
            (page.words(dependency.skip), ""),
            (page.words(", ".join(dependency.groups)), ""),
            (page.words(phrases.where(dependency.locations)), "dim"),
        )
        for dependency in dependencies
    ]
    _table(page, ("Skipped on purpose", "Why", "Groups", "Where"), rows)


def _table(page: Page, heads: tuple[str, str, str, str], rows: Sequence[tuple[Span, Span, Span, Span]]) -> None:
    """Add a line each where names and places stay in one piece, otherwise two."""
    columns = tuple(map(Column, heads, _MOST, _LEAST))
    widths = fitting(columns, rows, page.width - 2)
    if sum(widths) + 2 * len(widths) <= page.width:
        table(page, columns, rows, widths)
        return
    page.line((f"  {heads[0]}", "dim"))
    for name, what, groups_, place in rows:
        page.split(("  ", ""), name, place)
        page.paragraph(f"{what[0]} ({groups_[0]})", what[1], indent=4)
