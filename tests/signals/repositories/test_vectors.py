"""Worked numbers, computed by hand: repositories on GitHub from evidence to grade.

Weights within the dimensions: advisories 35, hygiene 30, pinning 20, age 15 · status 25, commits 35, last commit 25,
issues 15 · README 50, guides 50 · licence 45, terms 25, policy 30 · owner 30, adoption 50, origin 20. Dimensions: 35,
30, 10, 15, 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from nerq_cli.facts import Absent, AffectingAdvisory, Metadata, Scorecard, Unknown
from nerq_cli.github_facts import GithubEvidence, GithubFile, GithubFiles, GithubReference
from nerq_cli.units import DAY
from tests.signals.repositories.conftest import HEALTHY, NOW, change, found, replace, score, signal

LIMITED = Unknown("HTTP 429", "GitHub", "GITHUB_TOKEN")
WEAK = ("Code-Review", "Branch-Protection", "Token-Permissions")
#: Without a token.
ANONYMOUS = change("repository", closed_items=None, open_issues=None, security_policy=None)


@dataclass(frozen=True)
class Case:
    """A repository, and what comes of it."""

    evidence: GithubEvidence
    #: Security, maintenance, documentation, compliance, community.
    dimensions: tuple[float | None, ...]
    coverage: float
    total: float | None
    value: float | None
    grade: str | None
    caps: tuple[str, ...] = ()


def advise(*severities: str) -> GithubEvidence:
    advisories = tuple(
        AffectingAdvisory(f"GHSA-{number}", severity=severity) for number, severity in enumerate(severities)
    )
    return replace(advisories=found(advisories, "OSV"))


CASES = {
    # adoption: .6 * 25 * log10(10000) + .4 * 30 * log10(1000) = 96; community: (3000 + 4800 + 2000) / 100 = 98
    # total: 35 + 30 + 10 + 15 + 9.8
    "healthy, pinned to a commit": Case(HEALTHY, (100, 100, 100, 100, 98), 1, 99.8, 99.8, "A+"),
    # pinning 30: (3500 + 3000 + 600 + 1500) / 100 = 86; total: 30.1 + 64.8
    "no revision": Case(replace(reference=GithubReference()), (86, 100, 100, 100, 98), 1, 94.9, 94.9, "A+"),
    # pinning does not apply
    "named as a target": Case(
        replace(reference=GithubReference(is_target=True)), (100, 100, 100, 100, 98), 1, 99.8, 99.8, "A+"
    ),
    # known: 1 - .30 * 15 / 100 (issues) - .15 * 30 / 100 (policy); range: issues and policy 0
    # low: 35 + 25.5 + 10 + 10.5 + 9.8
    "without a token": Case(ANONYMOUS, (100, 100, 100, 100, 98), 0.91, 99.8, 99.8, "A+"),
    # status 15: (375 + 3500 + 2500 + 1500) / 100 = 78.75; total: 35 + 23.625 + 10 + 15 + 9.8
    "archived": Case(change("hosted", archived=True), (100, 78.8, 100, 100, 98), 1, 93.43, 55, "D", ("archived",)),
    # commits 10, last commit 10: (2500 + 350 + 250 + 1500) / 100 = 46; total: 35 + 13.8 + 34.8
    "no commit for six years": Case(
        change("repository", commits_90d=0, last_commit=NOW - 2_200 * DAY),
        (100, 46, 100, 100, 98),
        1,
        83.6,
        69,
        "C",
        ("stale",),
    ),
    # age: 10 + 20 * 20 / 30 = 23.33; security: (3500 + 3000 + 2000 + 350) / 100 = 88.5; adoption at most 50: 75
    # total: 30.975 + 30 + 10 + 15 + 7.5
    "twenty days old": Case(
        change("hosted", created_at=NOW - 20 * DAY), (88.5, 100, 100, 100, 75), 1, 93.48, 69, "C", ("young",)
    ),
    # advisories 100 * .5 * .85 = 42.5: (1487.5 + 6500) / 100 = 79.875; cap 65 - 4; total: 27.956 + 64.8
    "a high and a medium advisory": Case(
        advise("high", "medium"), (79.9, 100, 100, 100, 98), 1, 92.76, 61, "C", ("high",)
    ),
    # advisories 15: (525 + 6500) / 100 = 70.25; total: 24.588 + 64.8
    "a critical advisory": Case(advise("critical"), (70.3, 100, 100, 100, 98), 1, 89.39, 40, "E", ("critical",)),
    # licence 10, terms unknown: (450 + 3000) / 75 = 46; coverage 1 - .15 * .25; total: 35 + 30 + 10 + 6.9 + 9.8
    "no licence": Case(
        replace(metadata=found(Metadata(version="", licence_expression=""))),
        (100, 100, 100, 46, 98),
        0.9625,
        91.7,
        74,
        "B",
        ("no-licence",),
    ),
    # A fork 30 of a person 70: (2100 + 4800 + 600) / 100 = 75; Scorecard mean 1: 20 + 30 / 3 = 30
    # security: (3500 + 900 + 2000 + 1500) / 100 = 79; total: 27.65 + 30 + 10 + 15 + 7.5
    "a fork of a person, badly protected": Case(
        replace(
            change("hosted", fork=True, is_organisation=False),
            scorecard=found(Scorecard("x", NOW, dict.fromkeys(WEAK, 1))),
        ),
        (79, 100, 100, 100, 75),
        1,
        90.15,
        90.2,
        "A+",
    ),
    # advisories unknown: the score is provisional, without a grade; coverage 1 - .35 * .35; total over the known
    "OSV without an answer": Case(
        replace(advisories=Unknown("HTTP 500", "OSV")), (100, 100, 100, 100, 98), 0.8775, 99.8, 99.8, None
    ),
    "disabled": Case(change("hosted", disabled=True), (100, 100, 100, 100, 98), 1, None, None, None),
    "no such revision": Case(
        replace(revision=Absent("GitHub", NOW, "no tag v9")), (100, 100, 100, 100, 98), 1, None, None, None
    ),
    "nothing read": Case(GithubEvidence(hosted=LIMITED, repository=LIMITED), (None,) * 5, 0, None, None, None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_computed_by_hand(name: str) -> None:
    case, result = CASES[name], score(CASES[name].evidence)
    dimensions = tuple(None if value is None else pytest.approx(value, abs=0.051) for value in case.dimensions)
    assert tuple(result.breakdown.dimensions.values()) == dimensions
    assert result.coverage == pytest.approx(case.coverage, abs=0.0005)
    assert result.total == (None if case.total is None else pytest.approx(case.total, abs=0.0051))
    assert (result.value, result.grade) == (case.value, case.grade)
    assert tuple(cap.id for cap in result.caps) == case.caps


def test_what_is_not_known_widens_the_range_only() -> None:
    result = score(ANONYMOUS)
    assert result.low == pytest.approx(90.8)
    assert result.high == pytest.approx(99.8)
    assert signal(ANONYMOUS, "closed_issues").state == "unknown"


@pytest.mark.parametrize(
    ("evidence", "id_", "state", "part"),
    [
        (replace(files=found(GithubFiles(()))), "readme", "known", "no README"),
        (
            replace(files=found(GithubFiles((GithubFile(".github", is_directory=True),)))),
            "readme",
            "unknown",
            ".github",
        ),
        (replace(files=found(GithubFiles((GithubFile("README"),)))), "readme", "unknown", "size"),
        (replace(files=LIMITED), "guides", "unknown", "HTTP 429"),
        (change("hosted", archived=None), "status", "unknown", "nothing recorded"),
        (change("hosted", stars=None), "adoption", "unknown", "stars or forks"),
        (change("hosted", created_at=None), "adoption", "unknown", "age not stated"),
        (change("hosted", created_at=None), "age", "unknown", "date of creation"),
        (change("hosted", is_organisation=None), "owner", "unknown", "kind of owner"),
        (change("hosted", fork=None), "origin", "unknown", "not in the answer"),
        (change("repository", last_commit=None), "last_commit", "unknown", "commits not read"),
        (change("repository", commits_90d=None), "commits", "unknown", ""),
        (replace(reference=GithubReference(revision="v1")), "pinning", "known", "v1, which can be moved"),
        (
            replace(metadata=found(Metadata(version="", licence_text="a text that GitHub does not recognise"))),
            "licence",
            "known",
            "",
        ),
    ],
)
def test_a_part_that_was_not_read_is_unknown(evidence: GithubEvidence, id_: str, state: str, part: str) -> None:
    measured = signal(evidence, id_)
    assert (measured.state, part in measured.reason) == (state, True)
