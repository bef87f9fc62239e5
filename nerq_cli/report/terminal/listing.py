"""The list of ``--list``: what is declared where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias

from nerq_cli.inventory import Dependency
from nerq_cli.report import wording
from nerq_cli.report.model import Report
from nerq_cli.report.terminal.layout import Column, Page, Span, add_table, fit_widths

_MAX_WIDTHS: Final = (44, 19, 20, 40, 28, 60)
#: In narrower columns words break, and two lines for each dependency are easier to read.
_MIN_WIDTHS: Final = (44, 19, 20, 11, 16, 60)
#: The same of the column with reasons, which are sentences.
_MIN_REASON_WIDTH: Final = 24
_REASON: Final = "Why"
#: Digits of a digest that are shown.
_SHORT_DIGEST: Final = 12

#: Package, version, ecosystem, requirement, groups, location.
Row: TypeAlias = tuple[Span, Span, Span, Span, Span, Span]


def add_dependencies(page: Page, report: Report, *, limit: int | None = None) -> None:
    """Add the dependencies by name, then those that are skipped, then the counts per group.

    ``limit`` is the number of dependencies to show.
    """
    dependencies = sorted(
        (assessment.dependency for assessment in report.dependencies), key=lambda d: (d.package, d.version or "")
    )
    total_count, group_counts = len(dependencies), count_groups(dependencies)
    active = [dependency for dependency in dependencies if not dependency.skip_reason][:limit]
    skipped_limit = None if limit is None else limit - len(active)
    skipped = [dependency for dependency in dependencies if dependency.skip_reason][:skipped_limit]
    kinds = {dependency.kind for dependency in dependencies}
    del dependencies  # a million of them: the memory is needed for the text
    if active:
        _add_rows(page, (wording.name_column(active), "Version", "Eco", "Requirement", "Groups", "Where"), active)
    if skipped:
        page.add_gap()
        _add_rows(page, ("Skipped", "Version", "Eco", _REASON, "Groups", "Where"), skipped)
    if not total_count:
        page.add_line((f"  {wording.describe_empty(report)}", ""))
    else:
        page.add_gap()
        if hidden_count := total_count - len(active) - len(skipped):
            _, noun, plural = wording.name_kinds(kinds)
            page.add_paragraph(
                f"{hidden_count:,} {noun if hidden_count == 1 else plural} not shown (--top {limit})", "dim"
            )
        page.add_paragraph(page.safe_text(group_counts, 0), "dim")


def count_groups(dependencies: list[Dependency]) -> str:
    """Return the number of dependencies per group, largest first: ``main 30 · dev 12``."""
    counts = Counter(group for dependency in dependencies for group in dependency.groups)
    return " · ".join(f"{group} {n:,}" for group, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _build_row(page: Page, dependency: Dependency) -> Row:
    alias = f" (as {', '.join(dependency.aliases)})" if dependency.aliases else ""
    return (
        (page.safe_text(f"{wording.name_with_extras(dependency)}{alias}"), "strong"),
        (page.safe_text(_shorten_version(dependency.version or "")), ""),
        (f"{wording.label_ecosystem(dependency)} {wording.label_kind(dependency)}".rstrip(), "dim"),
        (page.safe_text(dependency.skip_reason or _requirement_text(dependency)), ""),
        (page.safe_text(", ".join(dependency.groups)), ""),
        (page.safe_text(wording.format_locations(dependency.locations)), "dim"),
    )


def _shorten_version(version: str) -> str:
    """Return a version as the table has it: of a digest (``sha256:…``) and of a commit the first digits."""
    algorithm, colon, digest = version.partition(":")
    return f"{algorithm}:{digest[:_SHORT_DIGEST]}" if colon else wording.shorten_version(version)


def _requirement_text(dependency: Dependency) -> str:
    if not dependency.direct and not dependency.requirement:  # a lock file's markers repeat those of its edges
        return f"via {', '.join(dependency.via)}" if dependency.via else "transitive"
    show_markers = dependency.markers and (dependency.requirement or dependency.resolution != "pinned")
    markers = f" ; {' or '.join(dependency.markers)}" if show_markers else ""
    return f"{wording.describe_requirement(dependency) or 'this commit'}{markers}"


def _add_rows(page: Page, headings: tuple[str, str, str, str, str, str], dependencies: Sequence[Dependency]) -> None:
    """Add a line per dependency where names and locations fit, else two.

    The rows are built twice: a million of them take more memory than the rest of the run.
    """
    min_widths = [*_MIN_WIDTHS]
    if headings[3] == _REASON:
        min_widths[3] = _MIN_REASON_WIDTH
    columns = tuple(map(Column, headings, _MAX_WIDTHS, min_widths))
    widths = fit_widths(columns, (_build_row(page, dependency) for dependency in dependencies), page.width - 2)
    rows = (_build_row(page, dependency) for dependency in dependencies)
    if sum(widths) + 2 * len(widths) <= page.width:
        add_table(page, columns, rows, widths)
        return
    page.add_line((f"  {headings[0]}", "dim"))
    for name, version, ecosystem, requirement, group_names, location in rows:
        page.add_wrapped(("  ", ""), (f"{name[0]} {version[0]}".rstrip(), name[1]), location)
        page.add_paragraph(f"{ecosystem[0]}  {requirement[0]} ({group_names[0]})", requirement[1], indent=4)
