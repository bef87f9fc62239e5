"""A healthy repository on GitHub, and what tests change of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nerq_cli import scoring
from nerq_cli.facts import Found, Metadata, Repository, Scorecard
from nerq_cli.github_facts import (
    GithubEvidence,
    GithubFile,
    GithubFiles,
    GithubReference,
    GithubRevision,
    HostedRepository,
)
from nerq_cli.methodology.repositories import REPOSITORIES
from nerq_cli.scoring import Score
from nerq_cli.signals.repositories import measure_github_repository
from nerq_cli.signals.signal import Measurement, Signal
from nerq_cli.units import DAY

#: 2026-01-01
NOW: Final = 1_767_225_600
SHA: Final = "0123456789abcdef0123456789abcdef01234567"
CHECKS: Final = dict.fromkeys(("Code-Review", "Branch-Protection", "Token-Permissions", "Binary-Artifacts"), 9)
HOSTED: Final = HostedRepository(
    name="github.com/Acme/demo",
    archived=False,
    disabled=False,
    fork=False,
    private=False,
    stars=9_999,
    forks=999,
    licence="MIT",
    created_at=NOW - 3_000 * DAY,
    is_organisation=True,
    description="Does things",
    homepage="https://demo.example",
)
HEALTH: Final = Repository(
    name="github.com/Acme/demo",
    link_status="attested",
    archived=False,
    stars=9_999,
    commits_90d=40,
    last_commit=NOW - DAY,
    open_items=20,
    closed_items=80,
    open_issues=15,
    security_policy=True,
)
FILES: Final = (
    GithubFile("README.md", 3_000),
    GithubFile("CONTRIBUTING.md", 900),
    GithubFile("CHANGELOG.md", 9_000),
    GithubFile("LICENSE", 1_000),
    GithubFile("src", is_directory=True),
)


def found(value: Any, source: str = "GitHub") -> Any:
    return Found(value, source, NOW)


HEALTHY: Final = GithubEvidence(
    hosted=found(HOSTED),
    repository=found(HEALTH),
    revision=found(GithubRevision(commit=SHA, committed_at=NOW - DAY)),
    files=found(GithubFiles(FILES)),
    scorecard=found(Scorecard("github.com/acme/demo", NOW - DAY, {**CHECKS}), "Scorecard"),
    metadata=found(Metadata(version=SHA, licence_expression="MIT")),
    advisories=found((), "OSV"),
    reference=GithubReference(revision=SHA),
)


def replace(evidence: GithubEvidence = HEALTHY, **facts: Any) -> GithubEvidence:
    """Return evidence with other facts."""
    return msgspec.structs.replace(evidence, **facts)


def change(field: str, evidence: GithubEvidence = HEALTHY, **fields: Any) -> GithubEvidence:
    """Return evidence with other fields of one of its facts."""
    value = getattr(evidence, field).value
    return replace(evidence, **{field: found(msgspec.structs.replace(value, **fields))})


def measure(evidence: GithubEvidence) -> Measurement:
    return measure_github_repository(REPOSITORIES, evidence, NOW)


def score(evidence: GithubEvidence) -> Score:
    return scoring.compute_score(REPOSITORIES, measure(evidence))


def signal(evidence: GithubEvidence, id_: str) -> Signal:
    return next(item for item in measure(evidence).signals if item.id == id_)


def caps(evidence: GithubEvidence) -> set[str]:
    return {flag.cap for flag in measure(evidence).flags if not flag.possible}
