"""The first rows of the table of dependencies. The script draws the others from the data, in the same shape."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from typing import Final

from nerq_cli.inventory import Dependency
from nerq_cli.policy import STATES
from nerq_cli.report import wording
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.html.head import build_state
from nerq_cli.report.html.markup import Child, Markup, element
from nerq_cli.report.model import Assessment, Report
from nerq_cli.signals.signal import days_between, format_age

#: Rows of the page as HTML; the script adds as many at a time.
PAGE_ROWS: Final = 100
#: Headings, empty for that of the names, with the key that the script sorts by; empty if it does not.
_COLUMNS: Final = (
    ("State", "state"),
    ("Score", "score"),
    ("", "name"),
    ("Age", "age"),
    ("Why", ""),
    ("Move to", ""),
)
_LIST_COLUMNS: Final = (("", "name"), ("Requirement", ""), ("Groups", ""), ("Where", ""))


def build_dependencies(report: Report) -> Markup:
    """Return the section of the table, worst first."""
    columns = _LIST_COLUMNS if report.list_only else _COLUMNS
    names = wording.name_column(assessment.dependency for assessment in report.dependencies)
    count = len(report.dependencies)
    shown = nsmallest(PAGE_ROWS, report.dependencies, key=sort_key)
    note = f"The first {PAGE_ROWS} of {count:,}, worst first." if count > PAGE_ROWS else None
    return element(
        "section",
        element("h2", "Dependencies", id="dependencies"),
        element("p", note, class_="sub", id="row-count") if note else None,
        element(
            "table",
            element(
                "thead",
                element(
                    "tr",
                    *(
                        element("th", heading or names, scope="col", role="columnheader", data_sort=key or None)
                        for heading, key in columns
                    ),
                    role="row",
                ),
                role="rowgroup",
            ),
            element("tbody", *(_build_row(report, assessment) for assessment in shown), role="rowgroup"),
            id="rows",
            class_="rows list" if report.list_only else "rows",
            role="table",
            aria_labelledby="dependencies",
        )
        if count
        else element("p", wording.describe_empty(report), class_="empty"),
        aria_labelledby="dependencies",
    )


def sort_key(assessment: Assessment) -> tuple[int, bool, float, str, str, str]:
    """Order by state, then what has advisories and passes, then the lowest score, then name and version.

    The script has the same order.
    """
    ceiling = wording.score_ceiling(assessment)
    package = assessment.dependency.package
    return (
        STATES.index(assessment.state) if assessment.state else len(STATES),
        assessment.state in ("ok", "skipped") and not assessment.advisories,
        -1.0 if ceiling is None else ceiling,
        package.name,
        package.ecosystem,
        assessment.dependency.version or "",
    )


def _build_row(report: Report, assessment: Assessment) -> Markup:
    cells = _list_cells(assessment.dependency) if report.list_only else _score_cells(report, assessment)
    return element(
        "tr",
        *(element("td", *children, class_=class_, role="cell") for class_, children in cells),
        role="row",
        class_="passed" if assessment.state in ("ok", "skipped") else None,
    )


def _list_cells(dependency: Dependency) -> Iterator[tuple[str, tuple[Child, ...]]]:
    yield "name", _name_children(dependency)
    yield "why", (wording.describe_requirement(dependency),)
    yield "why", (", ".join(dependency.groups),)
    yield "where", (element("code", wording.format_locations(dependency.locations)),)


def _score_cells(report: Report, assessment: Assessment) -> Iterator[tuple[str, tuple[Child, ...]]]:
    threshold = wording.find_threshold(assessment, report)
    yield "state", (build_state(assessment.state or "unknown", wording.label_below_of(assessment, report)),)
    yield "score num", (wording.format_score(assessment, UNICODE_GLYPHS),)
    yield "name", _name_children(assessment.dependency)
    age = format_age(days_between(assessment.released_at, report.as_of)) if assessment.released_at else ""
    yield "age num", (age,)
    reasons = assessment.reasons
    more = element("span", f" +{len(reasons) - 1} more", class_="sub") if len(reasons) > 1 else None
    reviews = [element("span", f"review: {text}", class_="sub") for text in wording.list_reviews(assessment)]
    yield "why", (reasons[0] if reasons else "", more, _build_worst_advisory(assessment), *reviews)
    yield "fix", tuple(_list_fix(assessment, threshold, report.as_of))


def _build_worst_advisory(assessment: Assessment) -> Markup | None:
    """Return the worst advisory and the number of others; None without any. It is shown also where nothing fails."""
    advisories = deduplicate_advisories(assessment.advisories)
    if not advisories:
        return None
    suffix = f" +{len(advisories) - 1}" if len(advisories) > 1 else ""
    kind = "malware" if advisories[0].malware else advisories[0].severity
    return element("span", element("code", advisories[0].id), f" {kind}{suffix}", class_="sub advisory-id")


def _name_children(dependency: Dependency) -> tuple[Child, ...]:
    place = wording.format_locations(dependency.locations)
    origin = "direct" if dependency.direct else f"via {', '.join(dependency.via)}" if dependency.via else "indirect"
    details = (wording.label_ecosystem(dependency), wording.label_kind(dependency), origin, place)
    return (
        element("strong", dependency.package.name, data_card=dependency.purl),
        " ",
        element("span", wording.shorten_version(dependency.version), class_="version") if dependency.version else None,
        element("span", " · ".join(filter(None, details)), class_="sub"),
    )


def _list_fix(assessment: Assessment, threshold: float, as_of: int) -> Iterator[Child]:
    upgrade = assessment.upgrade
    if upgrade is None:
        yield assessment.fix or None
        return
    yield element("span", upgrade.version, class_="version")
    details = [f"scores {wording.format_upgrade_score(upgrade)}"] if upgrade.value is not None else ["not scored"]
    if upgrade.value is not None and upgrade.value < threshold:
        details.append(f"still below {threshold:g}")
    if not upgrade.in_range:
        details.append("outside the declared range")
    if wait := wording.describe_wait(assessment.availability, as_of):
        details.append(wait)
    yield element("span", " · ".join(details), class_="sub")
