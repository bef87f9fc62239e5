"""CSV (RFC 4180): a row for each dependency, and for each that a comparison found removed. No cell is a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Final

from nerq_cli.inventory import Package
from nerq_cli.policy.baseline import DependencyChange
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.changes import describe_causes, find_changes, list_removed
from nerq_cli.report.issues import Issue, group_by_purl, list_issues, select_issues
from nerq_cli.report.licences import find_licence
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.sanitize import sanitize_text
from nerq_cli.report.wording import format_location, format_timestamp
from nerq_cli.signals.advisories import SEVERITIES

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

#: Columns, before one for each dimension of the methodology and those after them.
COLUMNS: Final = (
    "ecosystem",
    "name",
    "version",
    "requirement",
    "purl",
    "direct",
    "groups",
    "state",
    "score",
    "grade",
    "provisional",
    "coverage",
)
LAST_COLUMNS: Final = (
    "findings",
    "waived",
    "advisories",
    "worst_severity",
    "known_exploited",
    "fix",
    "fix_score",
    "latest_version",
    "releases_behind",
    "released_at",
    "licence",
    "reasons",
    "locations",
    "skip_reason",
    "kind",
    "review",
    "reviewed_by",
    "change",
    "version_before",
    "score_before",
    "score_moved_by",
)
#: Number of columns at the end about the run that this one is compared with.
_CHANGE_COLUMNS: Final = 4
#: What a spreadsheet takes for the start of a formula, also in its full-width form.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - these characters
_SEPARATOR: Final = "; "
#: Longest cell in characters; spreadsheets cut longer ones at 32,767.
_CELL_LIMIT: Final = 4_000


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the table as UTF-8 with a heading."""
    return b"".join(render_parts(report, options))


def render_parts(report: Report, options: RenderOptions) -> Iterator[bytes]:  # noqa: ARG001 - Renderer protocol
    """Yield the heading and the rows. A value that is not known is an empty cell."""
    dimensions = tuple(report.methodology.dimensions)
    issues, changes = group_by_purl(list_issues(report)), find_changes(report)
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow((*COLUMNS, *dimensions, *LAST_COLUMNS))
    for assessment in report.dependencies:
        own = select_issues(issues, assessment.dependency)
        own_changes = changes.get(assessment.dependency.purl, ())
        cells = (*_list_cells(assessment, own, dimensions), *_list_change_cells(report, own_changes))
        writer.writerow(map(_defuse, cells))
    for change in list_removed(report):
        package = Package(ecosystem=change.ecosystem, name=change.name)
        cells = (change.ecosystem, change.name, "", "", package.purl)
        blanks = len(COLUMNS) + len(dimensions) + len(LAST_COLUMNS) - len(cells) - _CHANGE_COLUMNS
        writer.writerow(map(_defuse, (*cells, *[""] * blanks, *_list_change_cells(report, (change,)))))
    yield buffer.getvalue().encode()


def _list_cells(assessment: Assessment, issues: list[Issue], dimensions: tuple[str, ...]) -> Iterator[str]:
    dependency, score = assessment.dependency, assessment.score
    yield from (dependency.package.ecosystem, dependency.package.name, dependency.version or "", dependency.requirement)
    yield from (dependency.purl, _word(dependency.direct), _SEPARATOR.join(dependency.groups), assessment.state or "")
    if score is None:
        yield from ("", "", "", "", *("" for _ in dimensions))
    else:
        yield from (_number(score.value), score.grade or "", _word(score.provisional), f"{score.coverage:.4f}")
        yield from (_number(score.dimensions.get(dimension)) for dimension in dimensions)
    yield _SEPARATOR.join(dict.fromkeys(issue.rule for issue in issues if issue.is_open and issue.level != "note"))
    yield _SEPARATOR.join(dict.fromkeys(issue.rule for issue in issues if not issue.is_open))
    advisories = deduplicate_advisories(assessment.advisories) if assessment.advisories else ()
    yield _SEPARATOR.join(advisory.id for advisory in advisories)
    yield max((advisory.severity for advisory in advisories), key=_rank_severity, default="")
    exploited = {advisory.exploited for advisory in advisories}
    yield "true" if True in exploited else "false" if exploited == {False} else ""
    upgrade = assessment.upgrade
    yield assessment.fix
    yield "" if upgrade is None else _number(upgrade.value)
    yield assessment.latest
    yield "" if assessment.releases_behind is None else str(assessment.releases_behind)
    yield format_timestamp(assessment.released_at)
    licence = find_licence(assessment)
    yield {"none": "NONE", "unknown": ""}.get(licence.kind, licence.value)
    yield _SEPARATOR.join(assessment.reasons)
    yield _SEPARATOR.join(map(format_location, dependency.locations))
    yield dependency.skip_reason
    yield dependency.kind
    review = assessment.review
    yield "" if review is None else review.verdict
    yield "" if review is None else _SEPARATOR.join(entry.who for entry in review.reviews)


def _list_change_cells(report: Report, changes: Sequence[DependencyChange]) -> Iterator[str]:
    """Yield the cells of the comparison, empty for what did not change; parts of several changes are in one order."""
    yield _SEPARATOR.join(change.kind for change in changes)
    yield _SEPARATOR.join(change.version_before or "" for change in changes)
    yield _SEPARATOR.join(_number(change.score_before) for change in changes)
    causes = [", ".join(describe_causes(report, change)) for change in changes]
    yield _SEPARATOR.join(causes) if any(causes) else ""


def _rank_severity(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _word(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "true" if value else "false"


def _defuse(text: str) -> str:
    """Return a cell that no spreadsheet computes: an apostrophe comes before what would begin a formula."""
    clean = sanitize_text(text, _CELL_LIMIT)
    return f"'{clean}" if clean.lstrip().startswith(_FORMULA_STARTS) else clean
