"""The verdict on a run: its exit status and the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from nerq_cli.errors import ExitStatus
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import describe_counts

#: Statuses that a run which only reports does not exit with. Nothing to scan stays an error: nothing was checked.
_REPORTED: Final = frozenset({ExitStatus.BELOW, ExitStatus.USAGE, ExitStatus.INCOMPLETE})


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The exit status of a run, and why."""

    status: ExitStatus
    reason: str


def decide_exit(
    findings: Sequence[Finding],
    *,
    threshold: str,
    below_count: int = 0,
    empty_reason: str = "",
    problem_count: int = 0,
    incomplete: Sequence[str] = (),
    optional_missing: Sequence[str] = (),
    strict: bool = False,
) -> Verdict:
    """Return the exit status and its reason.

    Problems in files come first (the list of dependencies is in doubt), then failures, then incomplete checks. The
    numbers of known and waived findings precede what was not checked, so that a text which is cut has them.

    Args:
        findings: what the rules found, also at the level ``allow``.
        threshold: lowest passing score, as text.
        below_count: number of dependencies below their threshold, whatever the level of the rule.
        empty_reason: why there is no dependency; empty if there are some.
        problem_count: number of problems in dependency files.
        incomplete: what could not be checked, beside findings.
        optional_missing: missing evidence that decides no state; never fails the run.
        strict: whether an incomplete run fails.
    """
    details = [*_describe_known(count_known(findings)), *describe_waived(findings)]
    if problem_count:
        noun = "problem" if problem_count == 1 else "problems"
        reason = "; ".join((f"{problem_count} {noun} in dependency files", *describe_waived(findings)))
        return Verdict(status=ExitStatus.USAGE, reason=reason)
    failures = [finding for finding in findings if finding.fails]
    if failures:
        reason = "; ".join((", ".join(describe_counts(failures, threshold)), *details))
        return Verdict(status=ExitStatus.BELOW, reason=reason)
    unchecked = [*describe_counts(select_incomplete(findings), threshold), *incomplete]
    details += describe_warnings(findings, threshold)
    brackets = f" ({'; '.join(details)})" if details else ""
    if unchecked and strict:
        reason = f"not everything could be checked{brackets}: {'; '.join(unchecked)}"
        return Verdict(status=ExitStatus.INCOMPLETE, reason=reason)
    undecided = select_accepted(findings)
    accepted = [finding for finding in undecided if not _is_known(finding)]
    known_unchecked = [finding for finding in undecided if _is_known(finding)]
    unchecked += [f"{phrase} (allowed)" for phrase in describe_counts(accepted, threshold)]
    unchecked += [f"{phrase} (as before)" for phrase in describe_counts(known_unchecked, threshold)]
    unchecked += optional_missing
    known = count_known(findings)
    result = "nothing new or worse" if known else "nothing fails" if below_count else "nothing below the threshold"
    if unchecked:
        reason = f"{result}{brackets}, but not everything could be checked: {'; '.join(unchecked)}"
        return Verdict(status=ExitStatus.PASSED, reason=reason)
    if empty_reason:
        result = empty_reason
    elif not known and not below_count:
        result = "everything at or above the threshold"
    return Verdict(status=ExitStatus.PASSED, reason="; ".join((result, *details)))


def count_known(findings: Sequence[Finding]) -> int:
    """Return the number of findings that would fail the run if the run that it is compared with did not have them."""
    return sum(finding.level == "deny" and _is_known(finding) for finding in findings)


def _describe_known(count: int) -> Iterator[str]:
    if count:
        yield f"{count:,} known, as before"


def _is_known(finding: Finding) -> bool:
    """Whether it is as before, and neither a setting nor a waiver accepts it."""
    return finding.level != "allow" and finding.waiver is None and finding.change == "unchanged"


def report_only(verdict: Verdict) -> Verdict:
    """Return the verdict of a run that passes whatever it found; its reason has what would fail."""
    if verdict.status not in _REPORTED:
        return verdict
    reason = f"report only: would exit {verdict.status.value}: {verdict.reason}"
    return Verdict(status=ExitStatus.PASSED, reason=reason)


def select_incomplete(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that leave a run incomplete, so that it fails with ``--strict``."""
    return [
        finding
        for finding in findings
        if finding.undecided and finding.level != "allow" and finding.is_open and not finding.fails
    ]


def select_accepted(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings about what could not be checked and is accepted: allowed, waived or as before."""
    return [finding for finding in findings if finding.undecided and (finding.level == "allow" or not finding.is_open)]


def describe_waived(findings: Sequence[Finding]) -> list[str]:
    """Return one text with the number of findings that each file waives: ``3 waived by nerq.toml``; else nothing."""
    counts: dict[str, int] = {}
    for finding in findings:
        if finding.waiver is not None and finding.level != "allow":
            path = finding.waiver.location.path if finding.waiver.location is not None else "a waiver"
            counts[path] = counts.get(path, 0) + 1
    return [", ".join(f"{count:,} waived by {path}" for path, count in counts.items())] if counts else []


def describe_warnings(findings: Sequence[Finding], threshold: str) -> list[str]:
    """Return one text with the number of findings at the level ``warn`` of each rule; empty if there is none."""
    warnings = [
        finding for finding in findings if finding.level == "warn" and finding.is_open and not finding.undecided
    ]
    if not warnings:
        return []
    noun = "warning" if len(warnings) == 1 else "warnings"
    return [f"{len(warnings):,} {noun}: {', '.join(describe_counts(warnings, threshold))}"]
