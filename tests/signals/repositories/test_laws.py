"""What must hold for every repository on GitHub, whatever is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.facts import Absent, AffectingAdvisory, Found, Metadata, Repository, Scorecard, Unknown
from nerq_cli.github_facts import (
    GithubEvidence,
    GithubFile,
    GithubFiles,
    GithubReference,
    GithubRevision,
    HostedRepository,
)
from nerq_cli.methodology.repositories import REPOSITORIES
from nerq_cli.scoring import Score, compute_score
from nerq_cli.signals.repositories import measure_github_repository
from nerq_cli.units import DAY
from tests.signals.repositories.conftest import NOW, SHA

DOWN = Unknown("connection refused", "GitHub")
TIMES = st.sampled_from([None, NOW + DAY, *(NOW - days * DAY for days in (0, 5, 29, 200, 800, 2_500))])
MAYBE = st.sampled_from([None, False, True])
COUNTS = st.sampled_from([None, 0, 1, 99, 10**6])


def facts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values.map(lambda value: Found(value, "GitHub", NOW)) | st.just(DOWN)


EVIDENCE = st.builds(
    GithubEvidence,
    hosted=facts(
        st.builds(
            HostedRepository,
            name=st.just("github.com/acme/demo"),
            archived=MAYBE,
            disabled=st.sampled_from([None, False, False, True]),
            fork=MAYBE,
            stars=COUNTS,
            forks=COUNTS,
            created_at=TIMES,
            is_organisation=MAYBE,
            description=st.sampled_from([None, "", "Does things"]),
            homepage=st.sampled_from([None, "", "https://demo.example"]),
            taken_down=st.sampled_from([False, False, True]),
        )
    ),
    repository=facts(
        st.builds(
            Repository,
            name=st.just("github.com/acme/demo"),
            link_status=st.just("attested"),
            archived=MAYBE,
            stars=COUNTS,
            commits_90d=COUNTS,
            last_commit=TIMES,
            open_items=COUNTS,
            closed_items=COUNTS,
            security_policy=MAYBE,
        )
    ),
    revision=st.just(Found(GithubRevision(SHA, NOW), "GitHub", NOW)) | st.just(Absent("GitHub", NOW, "none")),
    files=facts(
        st.lists(
            st.sampled_from(
                [
                    GithubFile("README.md", 0),
                    GithubFile("readme", 2_000),
                    GithubFile("SECURITY.md", 1),
                    GithubFile("docs", is_directory=True),
                    GithubFile("CHANGES"),
                ]
            ),
            max_size=4,
        ).map(lambda files: GithubFiles(tuple(files)))
    ),
    scorecard=facts(
        st.dictionaries(
            st.sampled_from(["Code-Review", "Maintained", "Security-Policy", "Branch-Protection", "Signed-Releases"]),
            st.sampled_from([0, 5, 10]),
        ).map(lambda checks: Scorecard("github.com/acme/demo", NOW, checks))
    ),
    metadata=facts(
        st.sampled_from(["MIT", "AGPL-3.0-only", "", None]).map(
            lambda licence: Metadata(version=SHA, licence_expression=licence)
        )
    ),
    advisories=facts(
        st.lists(
            st.builds(
                AffectingAdvisory,
                id=st.sampled_from(["GHSA-1", "GHSA-2", "CVE-2026-1"]),
                severity=st.sampled_from(["low", "medium", "high", "critical", "unknown"]),
                exploited=MAYBE,
                epss=st.sampled_from([None, 0.2, 0.9]),
                malware=st.sampled_from([False, False, True]),
            ),
            max_size=2,
        ).map(tuple)
    ),
    reference=st.builds(GithubReference, is_target=st.booleans(), revision=st.sampled_from(["", "main", "v1", SHA])),
)


def score(evidence: GithubEvidence) -> Score:
    return compute_score(REPOSITORIES, measure_github_repository(REPOSITORIES, evidence, NOW))


def passes(result: Score) -> bool:
    """Return whether a score lets a dependency pass the default threshold, as the policy judges it."""
    if result.value is None or result.low is None or result.provisional:
        return False
    return result.low >= REPOSITORIES.threshold and all(cap.limit >= REPOSITORIES.threshold for cap in result.caps)


def lose_one(evidence: GithubEvidence) -> Iterator[tuple[str, GithubEvidence]]:
    """Yield the evidence without the answer of one request, and without what depends on it."""
    replace = msgspec.structs.replace
    yield "repository", replace(evidence, hosted=DOWN, repository=DOWN, metadata=DOWN)
    yield "revision", replace(evidence, revision=DOWN, files=DOWN, advisories=DOWN)
    for field in ("files", "scorecard", "metadata", "advisories"):
        yield field, replace(evidence, **{field: DOWN})


@given(EVIDENCE)
def test_no_evidence_raises_and_every_signal_is_explained(evidence: GithubEvidence) -> None:
    measurement = measure_github_repository(REPOSITORIES, evidence, NOW)
    assert [signal.id for signal in measurement.signals] == list(REPOSITORIES.signals)
    for signal in measurement.signals:
        assert signal.reason
        assert (signal.value is None) == (signal.state != "known")
        assert signal.value is None or 0 <= signal.value <= 100
        assert signal.state != "known" or (signal.source and signal.retrieved_at)
    result = score(evidence)
    assert all(result.value is None or result.value <= cap.limit for cap in result.caps)


@given(EVIDENCE)
def test_losing_an_answer_lets_nothing_pass(evidence: GithubEvidence) -> None:
    if passes(score(evidence)):
        return
    for name, lost in lose_one(evidence):
        assert not passes(score(lost)), name


@given(EVIDENCE)
def test_losing_an_answer_activates_no_cap_that_lets_less_through(evidence: GithubEvidence) -> None:
    lowest = min((cap.limit for cap in score(evidence).caps), default=100.0)
    for name, lost in lose_one(evidence):
        assert min((cap.limit for cap in score(lost).caps), default=100.0) >= lowest, name


@given(EVIDENCE)
def test_the_same_evidence_gives_the_same_bytes(evidence: GithubEvidence) -> None:
    one, other = (msgspec.json.encode(measure_github_repository(REPOSITORIES, evidence, NOW)) for _ in range(2))
    assert one == other
