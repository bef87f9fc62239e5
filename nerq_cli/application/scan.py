"""The order of the stages: read, ask, settle versions, ask about those, score, judge, look for a way out, report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol, TypeAlias

from nerq_cli import __version__, methodology, policy, scoring, signals
from nerq_cli.ecosystems import versions
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.evidence.registry_lookup import RegistryFacts
from nerq_cli.facts import Evidence, Fact, Found, PackageInfo, Unknown
from nerq_cli.inventory import Declaration, Dependency, DependencyFile, Package, Release
from nerq_cli.policy import findings, upgrade
from nerq_cli.policy.fix import suggest_fix
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.privacy import EXTRA_INDEX_REASON, OTHER_INDEX_REASON, PrivacyRules, mark_withheld
from nerq_cli.report.model import Assessment, DependencyFileSummary, Report, SourceStatus
from nerq_cli.report.wording import score_ceiling
from nerq_cli.resolve.resolver import CONSTRAINT_GROUP, Declarations, Resolution, Unsatisfied, resolve

#: How many packages are held in memory at a time; what is known of them is dropped once they are scored.
BATCH_SIZE: Final = 1_000
_DEV: Final = "dev"

#: The answers to each name that more than one ecosystem has.
AmbiguousNames: TypeAlias = tuple[tuple[Assessment, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """What a run is asked to do. ``as_of`` is the moment it judges from (epoch seconds UTC).

    ``groups`` are the dependency groups to keep (empty = all), by full name (``extra:socks``), kind (``extra``) or
    name alone (``socks``). ``python`` is the Python version that would install. ``strict`` makes a run that could not
    check everything fail. ``score_latest`` scores the newest version of each package as well.
    """

    as_of: int
    threshold: float = methodology.DEFAULT_THRESHOLD
    groups: tuple[str, ...] = ()
    no_dev: bool = False
    python: str = ""
    strict: bool = False
    list_only: bool = False
    keep_going: bool = False
    allow_empty: bool = False
    score_latest: bool = False


class EvidenceProvider(Protocol):
    """The part of the world that can be asked about packages. Tests hand in one made of dictionaries."""

    def projects(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> RegistryFacts:
        """Ask about packages; of some of them no other versions matter than those ``pinned``."""
        ...

    def evidence(self, releases: Sequence[Release], projects: RegistryFacts) -> Mapping[Release, Evidence]:
        """Ask about the versions in use, and about those that might take their place."""
        ...

    def sources(self) -> tuple[SourceStatus, ...]:
        """Say how each source did."""
        ...


def scan_project(
    dependency_files: Sequence[DependencyFile], rules: PrivacyRules, options: ScanOptions, provider: EvidenceProvider
) -> Report:
    """Score everything the dependency files declare, and report on it.

    Problems in the files end the run before anything is asked, unless the options say to keep going. Never raises for
    what a file, a registry or the network says.

    Raises:
        UsageError: a group was asked for that no file has.
    """
    problems = [problem for dependency_file in dependency_files for problem in dependency_file.problems]
    _check_groups(dependency_files, options)
    declarations = list(mark_withheld(select_groups(_iter_declarations(dependency_files), options), rules))
    if options.list_only or (problems and not options.keep_going):
        resolution = resolve(declarations, {}, python=options.python or None)
        assessments = [Assessment(dependency=dependency, state=None) for dependency in resolution.dependencies]
        return _build_report(dependency_files, assessments, options, sources=(), list_only=True)
    assessments = list(assess_declarations(declarations, options, provider))
    return _build_report(dependency_files, assessments, options, sources=provider.sources())


def check_packages(
    targets: Sequence[Sequence[Declaration]], rules: PrivacyRules, options: ScanOptions, provider: EvidenceProvider
) -> tuple[Report, AmbiguousNames]:
    """Score single packages that a person named, and report on them.

    Each target is the package it names, or one package per ecosystem where the name could be of either; the second
    result holds those of which more than one exists, or which could not all be asked about. They are in the report
    all the same.
    """
    declarations = list(mark_withheld((declaration for target in targets for declaration in target), rules))
    by_package: dict[Package, list[Assessment]] = {}
    for assessment in assess_declarations(declarations, replace(options, score_latest=True), provider):
        by_package.setdefault(assessment.dependency.package, []).append(assessment)
    assessments: list[Assessment] = []
    ambiguous: list[tuple[Assessment, ...]] = []
    for target in targets:
        candidates = [assessment for declaration in target for assessment in by_package[declaration.package]]
        existing = [
            assessment
            for assessment in candidates
            if assessment.in_registry is not False and assessment.state != "skipped"
        ]
        matches = (
            [assessment for assessment in existing if not (assessment.in_registry and assessment.score is None)]
            or existing
            or candidates[:1]
        )
        assessments += [assessment for assessment in matches if assessment not in assessments]
        if len({assessment.dependency.package for assessment in matches}) > 1:
            ambiguous.append(tuple(matches))
    return _build_report((), assessments, options, sources=provider.sources()), tuple(ambiguous)


def _iter_declarations(dependency_files: Iterable[DependencyFile]) -> Iterator[Declaration]:
    return (declaration for dependency_file in dependency_files for declaration in dependency_file.declarations)


def _check_groups(dependency_files: Sequence[DependencyFile], options: ScanOptions) -> None:
    """Refuse a group that no file has: a slip of the pen must not scan nothing and pass."""
    groups = {declaration.group for declaration in _iter_declarations(dependency_files)}
    group_names = {name for group in groups for name in (group, *group.split(":", 1))}
    for group in options.groups:
        if groups and group not in group_names:
            raise UsageError(f"no group is called {group!r}", hint=f"the groups here: {', '.join(sorted(groups))}")
    if options.no_dev and options.groups and not any(select_groups(_iter_declarations(dependency_files), options)):
        raise UsageError("--no-dev leaves nothing of the groups asked for", hint="leave one of the two out")


def select_groups(declarations: Iterable[Declaration], options: ScanOptions) -> Iterator[Declaration]:
    """Yield the declarations of the groups that were asked for. Constraints stay: they narrow versions."""
    for declaration in declarations:
        kind, _, name = declaration.group.partition(":")
        if declaration.group == CONSTRAINT_GROUP:
            yield declaration
        elif options.no_dev and kind == _DEV:
            continue
        elif not options.groups or {declaration.group, kind, name} & set(options.groups):
            yield declaration


def assess_declarations(
    declarations: Sequence[Declaration], options: ScanOptions, provider: EvidenceProvider
) -> Iterator[Assessment]:
    """Yield every dependency with its score and state, a batch of packages at a time."""
    resolver = Declarations(declarations, python=options.python or None)
    for packages in _split_batches(resolver.packages, BATCH_SIZE):
        queryable_packages = resolver.filter_queryable(packages)
        projects = provider.projects(queryable_packages, resolver.find_pinned_releases(queryable_packages))
        resolution = resolver.resolve_packages(packages, projects.package_info)
        yield from _assess_batch(resolution, projects, options, provider)


def _split_batches(packages: Iterable[Package], size: int) -> Iterator[list[Package]]:
    iterator = iter(packages)
    while batch := list(islice(iterator, size)):
        yield batch


def _assess_batch(
    resolution: Resolution, projects: RegistryFacts, options: ScanOptions, provider: EvidenceProvider
) -> Iterator[Assessment]:
    unsatisfied_requirements = {
        (item.package, location): item for item in resolution.unsatisfied for location in item.locations
    }
    releases = [item.release for item in resolution.dependencies if item.release is not None and not item.skip_reason]
    evidence = provider.evidence(releases, projects)
    assessments: list[Assessment] = []
    for dependency in resolution.dependencies:
        unsatisfied = next(
            (
                requirement
                for dependency_location in dependency.locations
                if (requirement := unsatisfied_requirements.get((dependency.package, dependency_location)))
            ),
            None,
        )
        if dependency.skip_reason:
            assessments.append(Assessment(dependency=dependency, state="skipped", reasons=(dependency.skip_reason,)))
        elif unsatisfied is not None and (dependency.release is None or not _is_listed(dependency, projects)):
            assessments.append(_assess_unsatisfied(dependency, unsatisfied))
        elif dependency.release is None:
            assessments.append(_assess_unresolved(dependency, projects.package_info.get(dependency.package)))
        else:
            assessments.append(_assess_release(dependency, evidence[dependency.release], options))
    return _add_upgrades(assessments, evidence, projects, options, provider)


def _add_upgrades(
    assessments: Sequence[Assessment],
    known_evidence: Mapping[Release, Evidence],
    projects: RegistryFacts,
    options: ScanOptions,
    provider: EvidenceProvider,
) -> Iterator[Assessment]:
    """Yield the dependencies again, those below the threshold with the version to move to.

    All versions that might serve are asked about at once; where nothing needs one, nothing is asked.
    """
    candidate_list = [_find_upgrade_candidates(assessment, known_evidence, options) for assessment in assessments]
    releases = [
        Release(package=candidates.package, version=version)
        for candidates in candidate_list
        for version in candidates.versions
    ]
    missing_releases = [release for release in dict.fromkeys(releases) if release not in known_evidence]
    evidence = (
        {**known_evidence, **provider.evidence(missing_releases, projects)} if missing_releases else known_evidence
    )
    for assessment, candidates in zip(assessments, candidate_list, strict=True):
        yield _add_upgrade(assessment, candidates, evidence, options) if candidates.versions else assessment


@dataclass(frozen=True, slots=True)
class _UpgradeCandidates:
    """Other versions of a package that are worth scoring: what may be a way out, the smallest step first; the newest.

    ``latest`` is empty where nobody wants to see it.
    """

    package: Package
    upgrade_versions: tuple[str, ...] = ()
    latest: str = ""

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
    is_below = assessment.state == "below"
    upgrade_versions = (
        upgrade.find_candidates(assessment.dependency, fact.value, assessment.advisories, python=options.python)
        if is_below
        else ()
    )
    include_latest = assessment.latest in upgrade_versions or (
        options.score_latest and assessment.latest != assessment.dependency.version
    )
    return _UpgradeCandidates(package, upgrade_versions, assessment.latest if include_latest else "")


def _add_upgrade(
    assessment: Assessment,
    candidates: _UpgradeCandidates,
    known_evidence: Mapping[Release, Evidence],
    options: ScanOptions,
) -> Assessment:
    evidence = {
        version: known_evidence[Release(package=candidates.package, version=version)] for version in candidates.versions
    }
    upgrades = {
        version: _score_upgrade(assessment, version, version_evidence, options)
        for version, version_evidence in evidence.items()
    }
    ranked_upgrades = [
        upgrades[version] for version in candidates.upgrade_versions if not _is_yanked(evidence[version])
    ]
    best_upgrade = upgrade.choose(score_ceiling(assessment), ranked_upgrades, options.threshold)
    fix = assessment.fix if best_upgrade is None else best_upgrade.version
    return replace(assessment, fix=fix, upgrade=best_upgrade, latest_upgrade=upgrades.get(candidates.latest))


def _score_upgrade(assessment: Assessment, version: str, evidence: Evidence, options: ScanOptions) -> Upgrade:
    """Score another version exactly as if it were the one in use."""
    upgrade_assessment = _assess_release(replace(assessment.dependency, version=version), evidence, options)
    return upgrade.describe(
        assessment.dependency,
        version,
        score=upgrade_assessment.score,
        passes=upgrade_assessment.state == "ok",
        advisories=assessment.advisories,
        evidence=evidence,
    )


def _is_yanked(evidence: Evidence) -> bool:
    """Whether a version turns out to be yanked: where not all versions are listed, only its own page tells."""
    return isinstance(evidence.metadata, Found) and bool(evidence.metadata.value.yanked)


def _is_listed(dependency: Dependency, projects: RegistryFacts) -> bool:
    fact = projects.package_info.get(dependency.package)
    return isinstance(fact, Found) and dependency.version in fact.value.versions


def _assess_unsatisfied(dependency: Dependency, unsatisfied: Unsatisfied) -> Assessment:
    nearest = ", ".join(unsatisfied.nearest)
    return Assessment(
        dependency=dependency,
        state="unknown",
        reasons=(unsatisfied.reason,),
        fix=f"nearest: {nearest}" if nearest else "",
        in_registry=True,
    )


def _assess_unresolved(dependency: Dependency, fact: Fact[PackageInfo] | None) -> Assessment:
    """A range whose package could not be read: score nothing, and say why."""
    measurement = signals.measure_signals(
        dependency.package.ecosystem, "", Evidence() if fact is None else Evidence(package_info=fact), as_of=0
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


def _is_in_registry(fact: Fact[PackageInfo] | None) -> bool | None:
    return None if fact is None or isinstance(fact, Unknown) else isinstance(fact, Found)


def _assess_release(dependency: Dependency, evidence: Evidence, options: ScanOptions) -> Assessment:
    measurement = signals.measure_signals(
        dependency.package.ecosystem, dependency.version or "", evidence, options.as_of
    )
    score = scoring.compute_score(measurement)
    package_info = evidence.package_info.value if isinstance(evidence.package_info, Found) else None
    advisories = evidence.advisories.value if isinstance(evidence.advisories, Found) else ()
    return Assessment(
        dependency=dependency,
        state=policy.judge_dependency(dependency, score, options.threshold),
        score=score,
        reasons=_collect_reasons(score, evidence),
        fix=suggest_fix(dependency, score, package_info, advisories),
        latest=package_info.newest_stable if package_info else "",
        releases_behind=None if package_info is None else versions.count_newer(package_info, dependency.version or ""),
        released_at=_find_release_time(package_info, dependency.version or ""),
        advisories=advisories,
        in_registry=_is_in_registry(evidence.package_info),
    )


def _find_release_time(package_info: PackageInfo | None, version: str) -> int:
    if package_info is None or package_info.date_problem or version not in package_info.versions:
        return 0
    return package_info.published[package_info.versions.index(version)]


def _collect_reasons(score: scoring.Score, evidence: Evidence) -> tuple[str, ...]:
    reasons = tuple(reason.text for reason in score.reasons)
    if score.verdict and not any(score.verdict == reason for reason in reasons):
        reasons = (score.verdict, *reasons)
    if score.provisional:
        unknown_reason = evidence.advisories.reason if not isinstance(evidence.advisories, Found) else ""
        reasons = (*reasons, f"advisories not checked: {unknown_reason}")
    return reasons


def _build_report(
    dependency_files: Sequence[DependencyFile],
    assessments: Sequence[Assessment],
    options: ScanOptions,
    *,
    sources: tuple[SourceStatus, ...],
    list_only: bool = False,
) -> Report:
    problems = tuple(problem for dependency_file in dependency_files for problem in dependency_file.problems)
    states = [assessment.state for assessment in assessments if assessment.state is not None]
    notes = (
        f"{dependency_file.path}: {note}" for dependency_file in dependency_files for note in dependency_file.notes
    )
    incomplete_sources = [
        source for source in sources if source.state in ("partial", "unavailable") and not source.fallback
    ]
    report_findings = (
        *findings.find_unregistered(
            assessment.dependency for assessment in assessments if assessment.in_registry is False
        ),
        *findings.find_drift(drift for dependency_file in dependency_files for drift in dependency_file.drift),
    )
    incomplete = [
        *(_describe_incomplete(source) for source in incomplete_sources if source.required),
        *findings.describe_counts(report_findings, failing=False),
        *notes,
        *_explain_skipped(assessments),
    ]
    optional_missing = [_describe_incomplete(source) for source in incomplete_sources if not source.required]
    status, reason = policy.decide_exit(
        states,
        threshold=options.threshold,
        problem_count=len(problems),
        findings=findings.describe_counts(report_findings),
        incomplete=incomplete,
        optional_missing=optional_missing,
        strict=options.strict,
    )
    reason = "; ".join((reason, *(source.note for source in sources if source.note)))
    if list_only and not problems:
        status, reason = ExitStatus.PASSED, "listed, not scored"
    return Report(
        version=__version__,
        methodology=methodology.VERSION,
        as_of=options.as_of,
        threshold=options.threshold,
        python=options.python,
        complete=not (list_only or problems or incomplete or optional_missing or "unknown" in states),
        strict=not (incomplete or "unknown" in states),
        exit=status,
        exit_reason=reason,
        dependency_files=tuple(
            DependencyFileSummary(
                path=file.path,
                format=file.format,
                dependencies=len(file.locked_packages) or len(file.declarations) + file.locked_count,
                problems=file.problems,
                notes=file.notes,
                lockfile=file.lockfile,
            )
            for file in dependency_files
        ),
        dependencies=tuple(assessments),
        findings=report_findings,
        sources=sources,
        warnings=tuple(f"{file.path}: {note}" for file in dependency_files for note in file.notes),
        errors=problems,
        list_only=list_only,
    )


def _explain_skipped(assessments: Sequence[Assessment]) -> Iterator[str]:
    """Say what was left out on the word of the scanned files alone, and when that leaves nothing to judge."""
    other_index_count = sum(
        assessment.dependency.skip_reason.startswith((OTHER_INDEX_REASON, EXTRA_INDEX_REASON))
        for assessment in assessments
    )
    if other_index_count:
        yield f"{other_index_count} from an index that only the scanned files name"
    if assessments and all(assessment.state == "skipped" for assessment in assessments):
        yield "everything was skipped, nothing was judged"


def _describe_incomplete(source: SourceStatus) -> str:
    """Say of a source that it did not answer everything it was asked."""
    description = f"{source.name}: {source.answered_subjects} of {source.subjects} answered"
    return description + (f" ({source.reason})" if source.reason else "")


def build_empty_report(options: ScanOptions, reason: str) -> Report:
    """Return the report of a run that found no dependency file at all."""
    return Report(
        version=__version__,
        methodology=methodology.VERSION,
        as_of=options.as_of,
        threshold=options.threshold,
        python=options.python,
        complete=options.allow_empty,
        exit=ExitStatus.PASSED if options.allow_empty else ExitStatus.EMPTY,
        exit_reason=reason,
        dependency_files=(),
        dependencies=(),
    )
