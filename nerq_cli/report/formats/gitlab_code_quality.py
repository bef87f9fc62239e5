"""Code quality of GitLab: a list of issues (Code Climate's, reduced to what GitLab reads)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.inventory import Location
from nerq_cli.report.changes import describe_changes
from nerq_cli.report.gaps import Gap, is_fully_checked, list_gaps
from nerq_cli.report.identifiers import hash_parts
from nerq_cli.report.issues import Issue, list_issues
from nerq_cli.report.model import Report
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.uris import name_place

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

#: Check name of what could not be checked.
_NOT_CHECKED: Final = "not-checked"
#: Severities of GitLab, by the least security severity of an issue that fails the run.
_SEVERITIES: Final = ((9.0, "blocker"), (7.0, "critical"), (0.0, "major"))


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the issues, the worst first. What could not be checked is an issue: the format has no other place."""
    changes = describe_changes(report)
    entries = [_build_issue(issue, report, changes.get(issue.purl, "")) for issue in list_issues(report)]
    if not is_fully_checked(report):
        entries = [_build_gap(gap, number, report) for number, gap in enumerate(list_gaps(report))] + entries
    encoded = msgspec.json.encode(entries)
    return (encoded if options.compact else msgspec.json.format(encoded, indent=2)) + b"\n"


def _build_issue(issue: Issue, report: Report, change: str) -> dict[str, Any]:
    """Return an entry. What differs from the earlier run is in its text, for which the format has no other place."""
    label = f"{issue.label}: " if issue.name else ""
    fix = f". Fix: {issue.fix}" if issue.fix else ""
    remark = f" ({issue.remark or issue.change})" if issue.remark or issue.change else ""
    moved = f". Change: {change}" if change else ""
    return {
        "description": sanitize_text(f"{label}{issue.text}{fix}{remark}{moved}", TEXT_LIMIT),
        "check_name": issue.rule,
        "fingerprint": issue.fingerprint,
        "severity": _choose_severity(issue),
        "location": _build_location(issue.locations, report),
    }


def _choose_severity(issue: Issue) -> str:
    if not issue.is_open or issue.level == "note":
        return "info"
    if issue.level == "warning":
        return "minor"
    return next(name for least, name in _SEVERITIES if issue.security_severity >= least)


def _build_gap(gap: Gap, number: int, report: Report) -> dict[str, Any]:
    locations = () if gap.location is None else (gap.location,)
    return {
        "description": sanitize_text(f"not checked: {gap.text}", TEXT_LIMIT),
        "check_name": _NOT_CHECKED,
        "fingerprint": hash_parts(_NOT_CHECKED, gap.text, str(number), locations[0].path if locations else ""),
        "severity": {"error": "critical", "warning": "major"}.get(gap.level, "info"),
        "location": _build_location(locations, report),
    }


def _build_location(locations: tuple[Location, ...], report: Report) -> dict[str, Any]:
    """Return a place, which GitLab requires: the first dependency file if there is no other."""
    paths = [place.path for place in locations] + [file.path for file in report.dependency_files]
    line = locations[0].line if locations else 0
    return {"path": name_place(paths[0] if paths else ""), "lines": {"begin": line or 1}}
