"""What does the same job as the dependencies of a report that are below the threshold, without a request."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.wording import find_malware_reason

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.session import Session
    from nerq_cli.insight.alternatives import Candidate, Choice, Option, Subject
    from nerq_cli.inventory import Package

#: Candidates of one report that are scored from the cache: each takes about 4 ms of processor time.
_MAX_CACHED: Final = 3


def add_alternatives(
    report: Report, options: ScanOptions, *, session: Session | None = None, run: EvidenceRun | None = None
) -> Report:
    """Return a report with the alternatives to its dependencies below the threshold. No request is sent.

    They come from the shipped lists, and from evidence that was read. One that the report has is scored there; with a
    session and its run, others are scored where the cache has everything that their score needs.
    """
    below = [item for item in report.dependencies if item.state == "below" and not item.dependency.skip_reason]
    if not below:
        return report
    from nerq_cli.insight.alternatives import choose_options, list_candidates

    candidates = {item.dependency.purl: list_candidates(build_subject(item)) for item in below}
    if not any(candidates.values()):
        return report
    # the first of each dependency before the second ones
    named = [item for items in zip_longest(*candidates.values()) for item in items if item is not None and item.name]
    known = _index_scored(report, named) if named else {}
    has_project = bool(report.dependency_files)
    if session is not None and run is not None:
        missing = {(item.ecosystem, item.name): item for item in named if item.package not in known}
        known |= _score_cached(list(missing.values())[:_MAX_CACHED], session, run, options)
    in_report = {item.dependency.package for item in report.dependencies} if named and has_project else set()
    alternatives: dict[str, Choice] = {}
    for purl, group in candidates.items():
        if group:
            packages = in_report if has_project else None
            alternatives[purl] = choose_options(build_option(item, known.get(item.package), packages) for item in group)
    return replace(report, alternatives=alternatives)


def _index_scored(report: Report, candidates: Sequence[Candidate]) -> dict[Package, Assessment]:
    """Return the assessments of candidates that the report has: direct dependencies first."""
    wanted = {candidate.package for candidate in candidates}
    known: dict[Package, Assessment] = {}
    for item in report.dependencies:
        package = item.dependency.package
        if package in wanted and item.score is not None:
            first = known.setdefault(package, item)
            if item.dependency.direct and not first.dependency.direct:
                known[package] = item
    return known


def _score_cached(
    candidates: Sequence[Candidate], session: Session, run: EvidenceRun, options: ScanOptions
) -> dict[Package, Assessment]:
    """Return the assessments of the candidates that the cache has all evidence of."""
    from nerq_cli.fetch.run import NotCachedError

    known: dict[Package, Assessment] = {}
    groups = [candidates] if candidates else []
    while groups:
        group = groups.pop()
        try:
            known |= score_candidates(group, session, run.open_cached(), options)
        except NotCachedError:
            if len(group) > 1:
                groups += [[candidate] for candidate in group]
    return known


def build_subject(assessment: Assessment) -> Subject:
    """Return what alternatives to a target are looked for by. The maintainers of a malicious version are not heard."""
    from nerq_cli.insight.alternatives import Subject

    package = assessment.dependency.package
    metadata = assessment.metadata.value if assessment.metadata is not None else None
    messages = (metadata.deprecated or "", metadata.yanked_reason) if metadata is not None else ()
    if find_malware_reason(assessment):
        messages = ()
    return Subject(
        ecosystem=package.ecosystem, name=package.name, messages=tuple(filter(None, messages)), hub=assessment.hub
    )


def score_candidates(
    candidates: Sequence[Candidate], session: Session, run: EvidenceRun, options: ScanOptions
) -> dict[Package, Assessment]:
    """Return the assessment of each candidate at the version that would be installed today."""
    from nerq_cli.application.check import group_by_package
    from nerq_cli.application.scan import assess_declarations
    from nerq_cli.inventory import Declaration, Location
    from nerq_cli.privacy import mark_withheld
    from nerq_cli.targets import COMMAND_LINE

    declarations = [
        Declaration(
            ecosystem=candidate.ecosystem,
            name=candidate.name,
            requirement="",
            group="main",
            location=Location(path=COMMAND_LINE, line=0),
        )
        for candidate in candidates
    ]
    marked = mark_withheld(declarations, session.build_rules(()))
    by_package = group_by_package(assess_declarations(marked, replace(options, find_upgrades=False), run))
    return {
        candidate.package: by_package[candidate.package][0]
        for candidate in candidates
        if candidate.package in by_package
    }


def build_option(candidate: Candidate, assessment: Assessment | None, packages: Collection[Package] | None) -> Option:
    """Return a candidate with its score; ``packages`` are those of the project, None if none was read."""
    from nerq_cli.application.named_targets import explain_no_score
    from nerq_cli.insight.alternatives import Option

    in_project = None if packages is None or not candidate.name else candidate.package in packages
    if assessment is None:
        return Option(candidate=candidate, in_project=in_project)
    missing = f"{candidate.ecosystem} has no such name" if assessment.in_registry is False else ""
    return Option(
        candidate=candidate,
        version=assessment.dependency.version or "",
        score=assessment.score,
        reason=explain_no_score(assessment),
        in_project=in_project,
        excluded=missing or find_malware_reason(assessment),
    )
