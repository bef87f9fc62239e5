"""Annotations of GitHub Actions: workflow commands on stdout. The job summary is Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerq_cli.report.gaps import is_fully_checked, list_gaps
from nerq_cli.report.issues import Issue, list_issues
from nerq_cli.report.model import Report
from nerq_cli.report.sanitize import defuse_ci_commands, sanitize_text
from nerq_cli.report.uris import is_file_path
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.inventory import Location
    from nerq_cli.report import RenderOptions

#: Annotations of each level that a step may have: further ones are dropped.
MAX_ANNOTATIONS: Final = 10
#: Longest text of an annotation, in characters.
_TEXT_LIMIT: Final = 1_000


def render(report: Report, options: RenderOptions) -> bytes:  # noqa: ARG001 - Renderer protocol
    """Return one workflow command a line, the worst first, and a last line that counts what has none."""
    issues = [issue for issue in list_issues(report) if issue.is_open]
    lines: dict[str, list[str]] = {"error": [], "warning": [], "note": []}
    hidden = 0
    if not is_fully_checked(report):
        hidden += _add_gaps(lines, report)
    for issue in issues:
        if len(lines[issue.level]) < MAX_ANNOTATIONS:
            lines[issue.level].append(_format_issue(issue))
        else:
            hidden += 1
    if hidden:  # in the place of the last notice, which there is room for
        hidden += len(lines["note"]) - len(lines["note"][: MAX_ANNOTATIONS - 1])
        text = f"{format_count(hidden, 'further finding')}: the job summary has them, as far as they fit"
        lines["note"] = [*lines["note"][: MAX_ANNOTATIONS - 1], format_command("notice", text, title="nerq")]
    result = [line for group in lines.values() for line in group]
    # No command: it has to begin with other characters than ::.
    result.append(f"nerq: exit {report.exit.value}: {defuse_ci_commands(sanitize_text(report.exit_reason))}")
    return "".join(f"{line}\n" for line in result).encode()


def _add_gaps(lines: dict[str, list[str]], report: Report) -> int:
    """Add one annotation for the run, and one for each problem of a file; return how many do not fit."""
    hidden = 0
    for number, gap in enumerate(list_gaps(report)):
        if number and gap.location is None:
            continue  # the first one has the reason of the exit status
        level = "error" if gap.level == "error" else "warning"
        if len(lines[level]) < MAX_ANNOTATIONS:
            text = gap.text if number else f"not everything could be checked: {gap.text}"
            lines[level].append(format_command(level, text, title="nerq: not checked", location=gap.location))
        else:
            hidden += 1
    return hidden


def _format_issue(issue: Issue) -> str:
    label = f"{issue.label}: " if issue.name else ""
    fix = f". Fix: {issue.fix}" if issue.fix else ""
    location = next((place for place in issue.locations if is_file_path(place.path)), None)
    title = f"{issue.label}: {issue.rule}" if issue.name else issue.rule
    level = "notice" if issue.level == "note" else issue.level
    return format_command(level, f"{label}{issue.text}{fix}", title=title, location=location)


def format_command(level: str, text: str, *, title: str, location: Location | None = None) -> str:
    """Return a workflow command: ``::error file=requirements.txt,line=3,title=…::text``."""
    properties = {"title": title}
    if location is not None and is_file_path(location.path):
        properties = {"file": location.path, **({"line": str(location.line)} if location.line else {}), **properties}
    pairs = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items())
    return f"::{level} {pairs}::{_escape_data(text)}"


def _escape_data(text: str) -> str:
    """Return a text as the data of a command, without commands of other CI systems."""
    clean = defuse_ci_commands(sanitize_text(text, _TEXT_LIMIT))
    return clean.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
