"""From findings to an exit status."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.errors import ExitStatus
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.verdict import Verdict, decide_exit, report_only

BELOW = Finding(id="score-below-threshold", text="45.0 of 70 points")
UNKNOWN = Finding(id="score-unknown", text="PyPI: connection refused", level="warn", undecided=True)
NOT_JUDGED = replace(UNKNOWN, id="not-judged")
UNPINNED = Finding(id="unpinned", text="no file fixes the version", level="warn")
UNLISTED = Finding(id="not-on-index", text="PyPI has no package of this name")
NO_LICENCE_KNOWN = Finding(id="licence", text="licence not known", level="warn", undecided=True)


def decide(*findings: Finding, threshold: str = "70", **more: Any) -> Verdict:
    return decide_exit(findings, threshold=threshold, **more)


@pytest.mark.parametrize(
    ("findings", "more", "status", "reason"),
    [
        ((), {}, ExitStatus.PASSED, "everything at or above the threshold"),
        (
            (),
            {"empty_reason": "the dependency files declare nothing"},
            ExitStatus.PASSED,
            "the dependency files declare nothing",
        ),
        ((BELOW,), {"strict": True}, ExitStatus.BELOW, "1 below 70"),
        ((BELOW, UNKNOWN), {"strict": True}, ExitStatus.BELOW, "1 below 70"),
        ((BELOW, BELOW, UNLISTED), {}, ExitStatus.BELOW, "2 below 70, 1 name in no public index"),
        ((BELOW,), {"threshold": "their thresholds"}, ExitStatus.BELOW, "1 below their thresholds"),
        ((BELOW,), {"problem_count": 2}, ExitStatus.USAGE, "2 problems in dependency files"),
        (
            (UNKNOWN, NOT_JUDGED),
            {"strict": True, "incomplete": ["PyPI: 1 of 2 answered"]},
            ExitStatus.INCOMPLETE,
            "not everything could be checked: 1 could not be judged; 1 not judged; PyPI: 1 of 2 answered",
        ),
        (
            (NO_LICENCE_KNOWN,),
            {"strict": True},
            ExitStatus.INCOMPLETE,
            "not everything could be checked: licence not decided for 1",
        ),
        (
            (UNKNOWN,),
            {},
            ExitStatus.PASSED,
            "nothing below the threshold, but not everything could be checked: 1 could not be judged",
        ),
        ((replace(UNKNOWN, level="deny"),), {}, ExitStatus.BELOW, "1 could not be judged"),
        (
            (UNPINNED, UNPINNED),
            {"strict": True},
            ExitStatus.PASSED,
            "everything at or above the threshold; 2 warnings: 2 unpinned dependencies",
        ),
        (
            (replace(BELOW, level="warn"),),
            {"below_count": 1},
            ExitStatus.PASSED,
            "nothing fails; 1 warning: 1 below 70",
        ),
        ((), {"below_count": 1}, ExitStatus.PASSED, "nothing fails"),
    ],
)
def test_findings_lead_to_an_exit_status(
    findings: tuple[Finding, ...], more: dict[str, Any], status: ExitStatus, reason: str
) -> None:
    assert decide(*findings, **more) == Verdict(status=status, reason=reason)


@pytest.mark.parametrize(
    ("finding", "why"),
    [
        (replace(UNKNOWN, level="allow"), "allowed"),
        (replace(UNKNOWN, waiver=AppliedWaiver(reason="read by hand")), "allowed"),
        (replace(UNKNOWN, change="unchanged"), "as before"),
    ],
)
def test_what_could_not_be_checked_and_is_accepted_passes_and_is_named(finding: Finding, why: str) -> None:
    verdict = decide(finding, strict=True)
    assert verdict.status is ExitStatus.PASSED
    assert verdict.reason.endswith(f"not everything could be checked: 1 could not be judged ({why})")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"waiver": AppliedWaiver(reason="not reachable")}, "nothing fails; 1 waived by a waiver"),
        ({"change": "unchanged"}, "nothing new or worse; 1 known, as before"),
    ],
)
def test_a_finding_that_is_accepted_does_not_fail(more: dict[str, Any], reason: str) -> None:
    assert decide(replace(BELOW, **more), below_count=1) == Verdict(status=ExitStatus.PASSED, reason=reason)


def test_what_is_known_is_counted_beside_what_fails() -> None:
    known, worse = replace(BELOW, change="unchanged"), replace(BELOW, change="worse")
    verdict = decide(known, known, worse, replace(BELOW, change="new"), below_count=4)
    assert verdict == Verdict(status=ExitStatus.BELOW, reason="2 below 70; 2 known, as before")


@pytest.mark.parametrize("strict", [True, False])
def test_known_and_waived_findings_are_counted_before_what_was_not_checked(strict: bool) -> None:  # noqa: FBT001
    waived = replace(BELOW, waiver=AppliedWaiver(reason="not reachable"))
    sources = [f"source {number}: 0 of 9 answered" for number in range(40)]
    verdict = decide(
        waived, replace(BELOW, change="unchanged"), UNPINNED, incomplete=sources, below_count=2, strict=strict
    )
    counts = "(1 known, as before; 1 waived by a waiver; 1 warning: 1 unpinned dependency)"
    start = f"not everything could be checked {counts}:" if strict else f"nothing new or worse {counts}, but not "
    assert verdict.reason.startswith(start)


@given(st.lists(st.sampled_from([BELOW, UNKNOWN, UNPINNED, replace(UNKNOWN, level="allow")])), st.booleans())
def test_a_run_with_anything_unknown_never_states_that_everything_is_fine(
    findings: list[Finding],
    strict: bool,  # noqa: FBT001
) -> None:
    verdict = decide(*findings, strict=strict)
    if any(finding.undecided for finding in findings) and verdict.status is ExitStatus.PASSED:
        assert "not everything could be checked" in verdict.reason
    assert (verdict.status is ExitStatus.BELOW) == (BELOW in findings)


@pytest.mark.parametrize("status", [ExitStatus.BELOW, ExitStatus.USAGE, ExitStatus.INCOMPLETE])
def test_a_run_that_only_reports_passes_and_states_what_would_fail(status: ExitStatus) -> None:
    shown = report_only(Verdict(status=status, reason="3 below 70"))
    assert shown == Verdict(status=ExitStatus.PASSED, reason=f"report only: would exit {status.value}: 3 below 70")


@pytest.mark.parametrize("status", [ExitStatus.PASSED, ExitStatus.EMPTY])
def test_a_run_that_only_reports_changes_neither_a_pass_nor_one_without_anything_to_scan(status: ExitStatus) -> None:
    verdict = Verdict(status=status, reason="so it is")
    assert report_only(verdict) == verdict
