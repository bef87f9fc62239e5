"""Advisories whose records were not read, beside others, and of commits."""

from __future__ import annotations

import pytest

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.signals.advisories import describe_advisories, describe_fix, describe_severity, merge_advisories
from tests.signals.repositories.conftest import found, replace, score, signal

UNREAD = AffectingAdvisory("GHSA-1", unread=("GHSA-1",))


@pytest.mark.parametrize(
    ("other", "is_open"),
    [
        (AffectingAdvisory("PYSEC-1", aliases=("GHSA-1",), severity="high"), False),
        (AffectingAdvisory("PYSEC-1", aliases=("GHSA-1",), severity="unknown"), True),
        (AffectingAdvisory("PYSEC-1", aliases=("GHSA-1",), unread=("PYSEC-1",)), True),
    ],
)
def test_a_read_record_with_a_severity_settles_an_unread_one(other: AffectingAdvisory, *, is_open: bool) -> None:
    for records in ((UNREAD, other), (other, UNREAD)):
        [merged] = merge_advisories(records)
        assert bool(merged.unread) is is_open


def test_what_is_not_known_is_named() -> None:
    assert describe_severity(UNREAD) == "severity and fix not known: its record was not read"
    assert not describe_fix(UNREAD, "")
    alias = AffectingAdvisory("PYSEC-1", unread=("GHSA-1",))
    assert describe_severity(alias) == "severity not known: the record of GHSA-1 was not read"
    assert describe_fix(alias, "") == "no fixed version named"
    assert describe_fix(alias, "2.0") == "fixed in 2.0"
    assert describe_severity(AffectingAdvisory("PYSEC-1")) == "of unknown severity"
    high = AffectingAdvisory("A", severity="high")
    assert describe_advisories((high, UNREAD)) == "2 known advisories (1 high, 1 of a severity that was not read)"


def test_an_unread_advisory_leaves_the_score_of_a_commit_open() -> None:
    evidence = replace(advisories=found((UNREAD,), "OSV"))
    assert signal(evidence, "known_advisories").state == "unknown"
    result = score(evidence)
    assert (result.provisional, result.grade, result.low) == (True, None, 0)
