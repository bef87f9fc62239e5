"""Assess dependencies: score their evidence, and judge the scores by the threshold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec.structs import replace

from nerq_cli import scoring, signals
from nerq_cli.application.scores import score_release
from nerq_cli.ecosystems.listing import count_newer
from nerq_cli.facts import AffectingAdvisory, Evidence, Fact, Found, LowerBound, Merged, PackageInfo, Unknown
from nerq_cli.inventory import RegistrationProblem, Release
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import State, judge_dependency
from nerq_cli.policy.age import AgeRule, Availability, check_availability, select_rules
from nerq_cli.policy.assessment import UNEVALUABLE, WithoutWaived, pack_metadata
from nerq_cli.policy.fix import suggest_fix
from nerq_cli.policy.marks import MARKED_RULES
from nerq_cli.policy.reviews import Review
from nerq_cli.policy.rules import RULES, find_level
from nerq_cli.policy.rules.scores import explain_dimensions
from nerq_cli.policy.rules.vulnerabilities import build_vulnerability
from nerq_cli.policy.settings import DEFAULT_POLICY, PolicySettings
from nerq_cli.policy.upgrade import find_uninstallable_fixes
from nerq_cli.policy.waivers import Waiver, WaiverPaths, apply_waivers
from nerq_cli.report.model import Assessment
from nerq_cli.signals.advisories import describe_severity, merge_advisories
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.evidence.registry_lookup import PackageFacts
    from nerq_cli.insight.provenance import ProvenanceFacts
    from nerq_cli.insight.watch import WatchedFacts
    from nerq_cli.inventory import Dependency, Package
    from nerq_cli.resolve.resolver import Resolution, Unsatisfied


class ScanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What one run does."""

    #: Moment that ages are measured from, in epoch seconds UTC.
    as_of: int
    #: Score a dependency must reach, 0-100.
    threshold: float
    #: Dependency groups to keep: full name (``extra:socks``), kind (``extra``) or name (``socks``); empty keeps all.
    groups: tuple[str, ...] = ()
    #: Leave the development groups out.
    no_dev: bool = False
    #: Python version that would install the packages.
    python: str = ""
    #: Fail when not everything could be checked.
    strict: bool = False
    #: List the dependencies, without evidence and scores.
    list_only: bool = False
    #: Score nothing when a dependency file has problems.
    stop_on_problem: bool = False
    #: Pass when there is no dependency file.
    allow_empty: bool = False
    #: Score the newest version of each package as well.
    score_latest: bool = False
    #: Look for versions to move to.
    find_upgrades: bool = True
    #: Levels of the rules, and thresholds of groups, packages and dimensions.
    policy: PolicySettings = DEFAULT_POLICY
    #: What the MCP registry states against servers that were named.
    registration_problems: tuple[RegistrationProblem, ...] = ()
    #: Minimum ages of the versions to move to.
    age_rules: tuple[AgeRule, ...] = ()
    #: Of the settings, then those of VEX documents.
    waivers: tuple[Waiver, ...] = ()
    #: How the paths of waivers relate to those of locations.
    waiver_paths: WaiverPaths = WaiverPaths()
    #: What people found in versions of dependencies.
    reviews: tuple[Review, ...] = ()
    #: Whether the run sees a part of the project only, so that a waiver without findings may still have a use.
    is_partial: bool = False
    #: Keep what the provenance of versions is read from, for pages about single targets.
    keep_provenance: bool = False
    #: Whether a waiver ends when a version that can be installed fixes the advisory.
    checks_fixes: bool = False
    #: Whether a later run is compared with this one: then what it compares beside scores is collected.
    keeps_facts: bool = False

    def judge(self, dependency: Dependency, score: scoring.Score | None) -> State:
        """Return the state of a dependency with this score."""
        threshold = self.policy.find_threshold(dependency, self.threshold)
        return judge_dependency(dependency, score, threshold, self.policy.find_dimension_thresholds(dependency))


#: Called with a version and whether it fixes an advisory.
AgeCheck: TypeAlias = "Callable[[str, bool], Availability | None]"


def make_age_check(dependency: Dependency, package_info: PackageInfo, options: ScanOptions) -> AgeCheck | None:
    """Return the check of versions of a package by the age rules that apply to a dependency; None without rules."""
    rules = select_rules(options.age_rules, dependency) if options.age_rules else ()
    if not rules:
        return None
    release_times: dict[str, int] = {}

    def check_age(version: str, is_fix: bool) -> Availability | None:  # noqa: FBT001 - one of two facts
        if not release_times and not package_info.date_problem:
            release_times.update(zip(package_info.versions, package_info.published, strict=False))
        released_at = release_times.get(version, 0)
        return check_availability(dependency.package, version, released_at, options.as_of, rules, is_fix=is_fix)

    return check_age


def assess_resolution(
    resolution: Resolution,
    package_facts: PackageFacts,
    evidence: Mapping[Release, Evidence],
    options: ScanOptions,
    package_advisories: Mapping[Package, LowerBound[tuple[AffectingAdvisory, ...]]] = MappingProxyType({}),
    scores: Mapping[Release, scoring.Score] = MappingProxyType({}),
) -> list[Assessment]:
    """Return the assessment of every dependency of a resolution, in its order.

    ``package_advisories`` affect every version of packages whose version in use is not known. Releases that are not in
    ``scores`` are scored here.
    """
    unsatisfied = {(item.package, location): item for item in resolution.unsatisfied for location in item.locations}
    assessments = [
        _assess_dependency(
            dependency,
            next(
                (
                    unsatisfied[dependency.package, location]
                    for location in dependency.locations
                    if (dependency.package, location) in unsatisfied
                ),
                None,
            )
            if unsatisfied
            else None,
            package_facts.package_info.get(dependency.package),
            evidence,
            options,
            package_advisories.get(dependency.package),
            scores,
        )
        for dependency in resolution.dependencies
    ]
    if not options.policy.has_own_thresholds:
        return assessments
    return [
        replace(assessment, threshold=options.policy.find_threshold(assessment.dependency, options.threshold))
        for assessment in assessments
    ]


def _assess_dependency(
    dependency: Dependency,
    unsatisfied: Unsatisfied | None,
    fact: Fact[PackageInfo] | None,
    evidence: Mapping[Release, Evidence],
    options: ScanOptions,
    package_advisories: LowerBound[tuple[AffectingAdvisory, ...]] | None,
    scores: Mapping[Release, scoring.Score],
) -> Assessment:
    if dependency.skip_reason:
        return _assess_skipped(dependency, evidence, options)
    release = dependency.release
    if release is None:
        assessment = (
            _assess_unresolved(dependency, fact)
            if unsatisfied is None
            else _assess_unsatisfied(dependency, unsatisfied)
        )
        return _add_package_advisories(assessment, fact, package_advisories, options)
    assessment = assess_release(dependency, evidence[release], options, scores.get(release))
    if unsatisfied is None or assessment.advisories or not (unsatisfied.nearest or unsatisfied.is_missing):
        return assessment
    if isinstance(fact, Found) and release.version in fact.value.versions:
        return assessment
    return replace(_assess_unsatisfied(dependency, unsatisfied), marks=assessment.marks, watched=assessment.watched)


def _assess_skipped(dependency: Dependency, evidence: Mapping[Release, Evidence], options: ScanOptions) -> Assessment:
    """Return the assessment of a dependency that is not looked up: what advisories on this machine have counts."""
    local_evidence = evidence.get(dependency.release) if dependency.release else None
    state = options.judge(dependency, None)
    unjudged = Assessment(dependency=dependency, state=state, reasons=(dependency.skip_reason,))
    if dependency.is_advisories_only:
        fact = None if local_evidence is None else local_evidence.advisories
        if not isinstance(fact, Found):
            return replace(unjudged, state="not-judged", reasons=(f"{dependency.skip_reason}: not known",))
        if not fact.value:
            return replace(unjudged, reasons=(f"{dependency.skip_reason}: none known",))
    if local_evidence is None or not isinstance(local_evidence.advisories, Found):
        return unjudged
    assessment = assess_release(dependency, local_evidence, options)
    if dependency.is_own and assessment.state != "below":  # the advisories of a public package of the same name
        return unjudged
    caps = assessment.score.caps if assessment.score is not None else ()
    reasons = (*(cap.reason for cap in caps), dependency.skip_reason)
    return replace(assessment, reasons=reasons, in_registry=None)


def assess_release(
    dependency: Dependency, evidence: Evidence, options: ScanOptions, score: scoring.Score | None = None
) -> Assessment:
    """Return the assessment of a dependency whose version is known; of a local build that of its public version.

    ``score`` is that of the evidence; without one it is computed.
    """
    release = dependency.release or Release(package=dependency.package, version="")
    version = release.version
    if score is None:
        score = score_release(release, evidence, options.as_of)
    state = options.judge(dependency, score)
    package_info = evidence.package_info.value if isinstance(evidence.package_info, Found) else None
    advisories = evidence.advisories.value if isinstance(evidence.advisories, Found) else ()
    assessment = Assessment(
        dependency=dependency,
        state=state,
        score=score,
        # The sum of a tuple and empty ones is the same tuple: most dependencies share that of their score.
        reasons=(
            tuple(explain_dimensions(score, options.policy.find_dimension_thresholds(dependency)))
            + tuple(explain_range(score, state))
            + _collect_reasons(score, evidence, state)
            + tuple(_explain_local_build(dependency, version))
        ),
        fix=suggest_fix(dependency, score, package_info, advisories),
        latest=package_info.newest_stable if package_info else "",
        latest_released_at=_find_release_time(package_info, package_info.newest_stable) if package_info else 0,
        releases_behind=None if package_info is None else count_newer(package_info, version),
        released_at=_find_release_time(package_info, version),
        advisories=advisories,
        packed_metadata=pack_metadata(evidence.metadata),
        uninstallable_fixes=_find_uninstallable_fixes(dependency, package_info, advisories, options)
        if advisories and package_info is not None and options.checks_fixes
        else (),
        marks=_collect_marks(release, evidence, options),
        in_registry=_is_in_registry(evidence.package_info),
        watched=_collect_facts(release, evidence, options) if options.keeps_facts else None,
        provenance=_collect_provenance(version, evidence) if options.keep_provenance else None,
    )
    if state == "below" and advisories and options.waivers:
        return replace(assessment, without_waived=_score_without_waived(assessment, release, evidence, options))
    return assessment


def _find_uninstallable_fixes(
    dependency: Dependency,
    package_info: PackageInfo,
    advisories: Sequence[AffectingAdvisory],
    options: ScanOptions,
) -> tuple[str, ...]:
    """Return the ids of the advisories whose fixes cannot be installed yet, also because of the project's age rules."""
    check_age = make_age_check(dependency, package_info, options)

    def is_excluded(version: str) -> bool:
        availability = None if check_age is None else check_age(version, True)  # noqa: FBT003 - it fixes an advisory
        return availability is not None and availability.state in ("later", "never")

    return find_uninstallable_fixes(
        dependency,
        package_info,
        advisories,
        python=options.python,
        is_excluded=None if check_age is None else is_excluded,
    )


def _score_without_waived(
    assessment: Assessment, release: Release, evidence: Evidence, options: ScanOptions
) -> WithoutWaived | None:
    """Return the score without the advisories that waivers name; None if they name none. Malware always counts."""
    waivers = [waiver for waiver in options.waivers if waiver.advisories and not waiver.product]
    advisories = [advisory for advisory in merge_advisories(assessment.advisories) if not advisory.malware]
    if not waivers or not advisories or not isinstance(evidence.advisories, Found):
        return None
    findings = (build_vulnerability(assessment, advisory, "deny") for advisory in advisories)
    applied, _ = apply_waivers(findings, waivers, options.as_of, options.waiver_paths)
    waived = [finding for finding in applied if finding.waiver is not None]
    ids = tuple(id_ for finding in waived for id_ in finding.advisory_ids)
    if not ids:
        return None
    remaining = tuple(
        advisory
        for advisory in assessment.advisories
        if advisory.malware or not {advisory.id, *advisory.aliases} & {*ids}
    )
    fact = msgspec.structs.replace(evidence.advisories, value=remaining)
    score = score_release(release, msgspec.structs.replace(evidence, advisories=fact), options.as_of)
    passes = options.judge(assessment.dependency, score) == "ok"
    return WithoutWaived(value=score.value, advisories=len(waived), ids=ids, passes=passes)


def _assess_unsatisfied(dependency: Dependency, unsatisfied: Unsatisfied) -> Assessment:
    nearest = ", ".join(unsatisfied.nearest)
    return Assessment(
        dependency=dependency,
        state="unknown",
        reasons=(unsatisfied.reason,),
        fix=f"nearest: {nearest}" if nearest else "",
        in_registry=True,
        is_missing_version=unsatisfied.is_missing,
    )


def _assess_unresolved(dependency: Dependency, fact: Fact[PackageInfo] | None) -> Assessment:
    """Return an assessment without a score: the version in use is not known, so there is nothing to score."""
    measurement = signals.measure_package(
        PACKAGES, dependency.package.ecosystem, "", Evidence() if fact is None else Evidence(package_info=fact), as_of=0
    )
    reason = measurement.no_score_reason or (
        fact.reason if fact is not None and not isinstance(fact, Found) else "no version"
    )
    return Assessment(
        dependency=dependency,
        state="unknown",
        reasons=(measurement.no_score_reason or f"version in use not known: {reason}",),
        in_registry=_is_in_registry(fact),
    )


def _add_package_advisories(
    assessment: Assessment,
    fact: Fact[PackageInfo] | None,
    advisories: LowerBound[tuple[AffectingAdvisory, ...]] | None,
    options: ScanOptions,
) -> Assessment:
    """Return the assessment of an unknown version with the advisories that affect every version."""
    if advisories is None:
        return assessment
    evidence = Evidence(advisories=advisories)
    if fact is not None:
        evidence = msgspec.structs.replace(evidence, package_info=fact)
    score = assess_release(assessment.dependency, evidence, options).score
    return replace(
        assessment,
        state=options.judge(assessment.dependency, score),
        score=score,
        reasons=(*(cap.reason for cap in (score.caps if score is not None else ())), *assessment.reasons),
        fix="",
        advisories=advisories.value,
    )


def _collect_provenance(version: str, evidence: Evidence) -> ProvenanceFacts:
    from nerq_cli.insight.provenance import ProvenanceFacts

    fact, metadata, repository = evidence.package_info, evidence.metadata, evidence.repository
    attested_repository = metadata.value.attested_repository if isinstance(metadata, Found) else None
    if attested_repository is None and isinstance(repository, Found) and repository.value.link_status == "attested":
        attested_repository = repository.value.name
    return ProvenanceFacts(
        version=version,
        info=fact.value if isinstance(fact, Found) else None,
        metadata=metadata.value if isinstance(metadata, Found) else None,
        repository=attested_repository,
        # deps.dev adds the attestations of this version, and of the one before, to a list that has none
        lists_all=isinstance(fact, Found)
        and fact.value.has_attestation_data
        and not (isinstance(fact, Merged) and "has_attestation_data" in fact.origins),
        reason="" if isinstance(fact, Found) else fact.reason,
    )


def _collect_marks(release: Release, evidence: Evidence, options: ScanOptions) -> int | None:
    """Return what the rules in force look at beside the score; None if none of them looks at more."""
    rule_ids = list_marked_rules(options.policy)
    if not rule_ids:
        return None
    from nerq_cli.policy.marks import collect_marks

    return collect_marks(release.package.ecosystem, release.version, evidence, options.as_of, rule_ids)


def _collect_facts(release: Release, evidence: Evidence, options: ScanOptions) -> WatchedFacts:
    from nerq_cli.application.watched_facts import collect_facts

    return collect_facts(release, evidence, options.as_of)


def list_marked_rules(settings: PolicySettings) -> list[str]:
    """Return the ids of the rules in force that look at more than a score."""
    if not settings.levels and not settings.subtrees:  # by default none is in force
        return []
    policies = [policy for policy in (settings, *(entry.policy for entry in settings.subtrees)) if policy.levels]
    return [
        rule.id
        for rule in RULES
        if rule.id in MARKED_RULES and any(find_level(rule, policy) != "allow" for policy in policies)
    ]


def _is_in_registry(fact: Fact[PackageInfo] | None) -> bool | None:
    return None if fact is None or isinstance(fact, Unknown) else isinstance(fact, Found)


def _find_release_time(package_info: PackageInfo | None, version: str) -> int:
    if package_info is None or package_info.date_problem or version not in package_info.versions:
        return 0
    return package_info.published[package_info.versions.index(version)]


def _explain_local_build(dependency: Dependency, version: str) -> Iterator[str]:
    if dependency.local_build:
        yield f"judged as {version}; what the local build {dependency.local_build} changes was not checked"


def explain_range(score: scoring.Score, state: State) -> Iterator[str]:
    """Yield why a score that is not provisional gives no verdict."""
    if state == "unknown" and score.value is not None and score.has_required_signal:
        unknown_count = sum(signal.state == "unknown" for signal in score.signals)
        cause = "; ".join(score.doubts) or format_count(unknown_count, "unknown signal")
        yield f"may score {score.low:.1f} to {score.high:.1f}: {cause}"


def _collect_reasons(score: scoring.Score, evidence: Evidence, state: State) -> tuple[str, ...]:
    reasons = score.reason_texts
    if score.verdict and score.verdict not in reasons:
        reasons = (score.verdict, *reasons)
    if score.has_required_signal:
        return reasons
    fact = evidence.advisories
    texts: tuple[str, ...] = ()
    if isinstance(fact, Found):
        texts = tuple(f"{item.id}: {describe_severity(item)}" for item in merge_advisories(fact.value) if item.unread)
    if isinstance(fact, LowerBound):
        texts = (*texts, f"there may be further advisories: {fact.reason}")
    elif not isinstance(fact, Found):
        texts = (f"advisories not checked: {fact.reason}",)
    # Where it is why there is no verdict, it comes first: some formats have one reason.
    is_decisive = state == "unknown" and score.value is not None
    reasons = (*texts, *reasons) if is_decisive else (*reasons, *texts)
    if isinstance(fact, Unknown) and fact.unevaluable:
        more = f" and {len(fact.unevaluable) - 1} more" if len(fact.unevaluable) > 1 else ""
        reasons = (f"{fact.unevaluable[0]}{more} {UNEVALUABLE}", *reasons)
    return reasons
