"""What a run could not check, for formats that have a place for it: no such run reads as clean."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from nerq_cli.ecosystems import get_prefix
from nerq_cli.errors import ExitStatus
from nerq_cli.inventory import Location
from nerq_cli.report.model import Assessment, Report, SourceStatus
from nerq_cli.report.wording import count_state

#: States of a source that did not answer everything.
_INCOMPLETE_STATES: Final = ("partial", "unavailable")
#: Rules whose findings are the states of dependencies.
_STATE_RULES: Final = frozenset({"score-unknown", "not-judged"})


class Gap(msgspec.Struct, frozen=True):
    """One thing that was not checked."""

    #: ``error``: it ended the run or fails it; ``warning``: something that counts is not known; ``note``: something
    #: that decides no state is not known.
    level: Literal["error", "warning", "note"]
    text: str
    location: Location | None = None


def is_fully_checked(report: Report) -> bool:
    """Whether the run ended, and everything that decides a state is known."""
    return (
        _find_status(report) in (ExitStatus.PASSED, ExitStatus.BELOW)
        and report.strict
        and not report.list_only
        and not report.errors
        and not report.count_state("unknown")
        and not report.count_state("not-judged")
    )


def list_gaps(report: Report) -> list[Gap]:
    """Return what was not checked: by the exit status, in files, by sources, of dependencies; then the warnings."""
    gaps: list[Gap] = []
    status = _find_status(report)
    if status not in (ExitStatus.PASSED, ExitStatus.BELOW):
        gaps.append(Gap("error", report.exit_reason))
    elif report.list_only:
        gaps.append(Gap("warning", report.exit_reason))
    elif not report.complete and status is ExitStatus.PASSED:
        gaps.append(Gap("note" if is_fully_checked(report) else "warning", report.exit_reason))
    for problem in report.errors:
        hint = f" ({problem.hint})" if problem.hint else ""
        level: Literal["error", "warning"] = "error" if problem.level == "error" else "warning"
        gaps.append(Gap(level, f"{problem.message}{hint}", Location(path=problem.path, line=problem.line)))
    gaps += [
        Gap("warning" if source.required else "note", _describe_source(source))
        for source in report.sources
        if source.state in _INCOMPLETE_STATES and not source.fallback
    ]
    if report.count_state("unknown"):
        gaps.append(Gap("warning", f"{count_state(report, 'unknown')} could not be judged"))
    if report.count_state("not-judged"):
        gaps.append(Gap("warning", f"{count_state(report, 'not-judged')} not judged"))
    gaps += [Gap("warning", warning) for warning in report.warnings]
    if not gaps and not is_fully_checked(report):
        gaps.append(Gap("warning", "not everything could be checked"))
    return gaps


def list_unchecked(report: Report) -> list[str]:
    """Return what was not checked, with the reason: sources, then dependencies, then what could not be decided."""
    texts = [
        _describe_unanswered(source)
        for source in report.sources
        if source.state in _INCOMPLETE_STATES and not source.fallback
    ]
    texts += [
        f"{_label_dependency(entry)}: {entry.reasons[0] if entry.reasons else 'not judged'}"
        for entry in report.dependencies
        if entry.state in ("unknown", "not-judged")
    ]
    for finding in report.findings:
        if finding.undecided and finding.is_open and finding.id not in _STATE_RULES:
            label = f"{finding.name} {finding.version}".strip()
            texts.append(f"{finding.id}: {label}: {finding.text}" if label else f"{finding.id}: {finding.text}")
    return list(dict.fromkeys(texts))


def _label_dependency(entry: Assessment) -> str:
    package = entry.dependency.package
    return f"{get_prefix(package.ecosystem)}:{package.name} {entry.dependency.version or ''}".rstrip()


def _describe_unanswered(source: SourceStatus) -> str:
    reason = f": {source.reason}" if source.reason else ""
    count = source.subjects - source.answered_subjects
    lookups = [f"{count:,} of {source.subjects:,} lookups not answered"] if count > 0 else []
    if source.outdated:
        lookups.append(f"{source.outdated:,} of {source.subjects:,} from the cache, not refreshed")
    details = f" ({', '.join(lookups)})" if lookups else ""
    return f"{source.name}{reason}{details}"


def _find_status(report: Report) -> ExitStatus:
    """Return the exit status, of a run that only reports the one that it would have."""
    return report.exit if report.judged_exit is None else report.judged_exit


def _describe_source(source: SourceStatus) -> str:
    reason = f": {source.reason}" if source.reason else ""
    return f"{source.name}: {source.answered_subjects:,} of {source.subjects:,} answered{reason}"
