"""Find the version that each failing dependency should move to, and score it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from nerq_cli.application.assess import AgeCheck, assess_release, make_age_check
from nerq_cli.application.scores import score_releases
from nerq_cli.facts import Evidence, Found, PackageInfo
from nerq_cli.inventory import Package, Release
from nerq_cli.policy import upgrade
from nerq_cli.policy.rules.vulnerabilities import is_denied
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.report.model import Assessment
from nerq_cli.report.wording import score_ceiling

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceProvider
    from nerq_cli.application.scores import Scorer
    from nerq_cli.evidence.registry_lookup import PackageFacts
    from nerq_cli.scoring import Score


def add_upgrades(
    assessments: Sequence[Assessment],
    known_evidence: Mapping[Release, Evidence],
    package_facts: PackageFacts,
    options: ScanOptions,
    provider: EvidenceProvider,
    scorer: Scorer = score_releases,
) -> Iterator[Assessment]:
    """Yield the assessments, those that fail by score or by an advisory with the version to move to.

    The evidence for all candidates is collected in one call; without candidates there is none.
    """
    if not options.find_upgrades:
        yield from assessments
        return
    candidate_list = [
        _find_upgrade_candidates(assessment, known_evidence, options)
        if options.score_latest or _fails(assessment, options)
        else None
        for assessment in assessments
    ]
    releases = [
        Release(package=candidates.package, version=version)
        for candidates in candidate_list
        if candidates is not None
        for version in candidates.versions
    ]
    missing_releases = [release for release in dict.fromkeys(releases) if release not in known_evidence]
    evidence = (
        {**known_evidence, **provider.collect_evidence(missing_releases, package_facts)}
        if missing_releases
        else known_evidence
    )
    scores = scorer({release: evidence[release] for release in releases}, options.as_of) if releases else {}
    for assessment, candidates in zip(assessments, candidate_list, strict=True):
        result = assessment
        if candidates is not None and candidates.versions:
            result = _add_upgrade(assessment, candidates, evidence, options, scores)
        yield _add_availability(result, known_evidence, options) if options.age_rules and result.fix else result


def _is_available(check_age: AgeCheck, is_fix: bool, version: str) -> bool:  # noqa: FBT001 - bound by position
    availability = check_age(version, is_fix)
    return availability is None or availability.state == "now"


def _add_availability(assessment: Assessment, evidence: Mapping[Release, Evidence], options: ScanOptions) -> Assessment:
    """Return the assessment with whether age rules let the proposed version be installed."""
    if assessment.upgrade is not None:
        return replace(assessment, availability=assessment.upgrade.availability)
    release = assessment.dependency.release
    fact = evidence[release].package_info if release is not None and release in evidence else None
    if " " in assessment.fix:  # an instruction
        return assessment
    check_age = make_age_check(
        assessment.dependency, fact.value if isinstance(fact, Found) else PackageInfo(name=""), options
    )
    return (
        assessment
        if check_age is None
        else replace(assessment, availability=check_age(assessment.fix, bool(assessment.advisories)))
    )


class _UpgradeCandidates(msgspec.Struct, frozen=True):
    """Other versions of a package to score."""

    package: Package
    #: Versions that may lift the package above the threshold, the smallest step first.
    upgrade_versions: tuple[str, ...] = ()
    #: The newest stable version; empty when its score is not needed.
    latest: str = ""
    #: Check of versions by the age rules; None without rules.
    check_age: AgeCheck | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        return (
            (*self.upgrade_versions, self.latest)
            if self.latest and self.latest not in self.upgrade_versions
            else self.upgrade_versions
        )


def _find_upgrade_candidates(
    assessment: Assessment, evidence: Mapping[Release, Evidence], options: ScanOptions
) -> _UpgradeCandidates:
    package, release = assessment.dependency.package, assessment.dependency.release
    fact = evidence[release].package_info if assessment.score is not None and release is not None else None
    if not isinstance(fact, Found):
        return _UpgradeCandidates(package)
    check_age = make_age_check(assessment.dependency, fact.value, options)
    upgrade_versions = (
        upgrade.find_candidates(
            assessment.dependency,
            fact.value,
            assessment.advisories,
            python=options.python,
            is_available=None if check_age is None else partial(_is_available, check_age, bool(assessment.advisories)),
        )
        if _fails(assessment, options)
        else ()
    )
    include_latest = assessment.latest in upgrade_versions or (
        options.score_latest and assessment.latest != assessment.dependency.version
    )
    return _UpgradeCandidates(package, upgrade_versions, assessment.latest if include_latest else "", check_age)


def _fails(assessment: Assessment, options: ScanOptions) -> bool:
    """Whether a dependency fails by its score or by an advisory."""
    return assessment.state == "below" or is_denied(assessment, options.policy)


def _add_upgrade(
    assessment: Assessment,
    candidates: _UpgradeCandidates,
    known_evidence: Mapping[Release, Evidence],
    options: ScanOptions,
    scores: Mapping[Release, Score],
) -> Assessment:
    evidence = {
        version: known_evidence[Release(package=candidates.package, version=version)] for version in candidates.versions
    }
    upgrades = {
        version: _score_upgrade(
            assessment,
            version,
            version_evidence,
            options,
            scores[Release(package=candidates.package, version=version)],
            candidates.check_age,
        )
        for version, version_evidence in evidence.items()
    }
    ranked_upgrades = [
        upgrades[version] for version in candidates.upgrade_versions if not _is_yanked(evidence[version])
    ]
    threshold = options.threshold if assessment.threshold is None else assessment.threshold
    best_upgrade = upgrade.choose(score_ceiling(assessment), ranked_upgrades, threshold)
    fix = assessment.fix if best_upgrade is None else best_upgrade.version
    return replace(assessment, fix=fix, upgrade=best_upgrade, latest_upgrade=upgrades.get(candidates.latest))


def _score_upgrade(
    assessment: Assessment,
    version: str,
    evidence: Evidence,
    options: ScanOptions,
    score: Score,
    check_age: AgeCheck | None,
) -> Upgrade:
    """Score another version by the same rules as the version in use."""
    upgrade_assessment = assess_release(replace(assessment.dependency, version=version), evidence, options, score)
    state = upgrade_assessment.state or "unknown"
    if state == "ok" and is_denied(upgrade_assessment, options.policy):
        state = "below"
    described = upgrade.describe(
        assessment.dependency,
        version,
        score=upgrade_assessment.score,
        state=state,
        advisories=assessment.advisories,
        evidence=evidence,
        check_age=check_age,
        released_at=upgrade_assessment.released_at,
    )
    return msgspec.structs.replace(described, provenance=upgrade_assessment.provenance)


def _is_yanked(evidence: Evidence) -> bool:
    """Return whether the version's own page marks it as yanked; a list of versions may lack the mark."""
    return isinstance(evidence.metadata, Found) and bool(evidence.metadata.value.yanked)
