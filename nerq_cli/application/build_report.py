"""Build the one report of a run, from which every format prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.server_dependencies import lacks_dependencies
from nerq_cli.ecosystems import HF_DATASET, HF_KERNEL, HF_SPACE, get_prefix
from nerq_cli.errors import ExitStatus
from nerq_cli.facts import Found
from nerq_cli.inventory import MCP_GROUP, NO_REGISTRATION
from nerq_cli.manifests.formats import REFERENCES
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import rules
from nerq_cli.policy.baseline import compare, mark_findings, record_run
from nerq_cli.policy.reviews import ReviewIndex
from nerq_cli.policy.settings import escape_pattern
from nerq_cli.policy.verdict import decide_exit, report_only, select_incomplete
from nerq_cli.problem import Problem
from nerq_cli.report.model import Assessment, DependencyFileSummary, Report, SourceStatus
from nerq_cli.report.wording import count_assessments, suggest_token
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.inventory import Dependency, DependencyFile
    from nerq_cli.policy.baseline import Record
    from nerq_cli.policy.findings import Finding
    from nerq_cli.policy.reviews import Review


def build_report(
    dependency_files: Sequence[DependencyFile],
    assessments: Sequence[Assessment],
    options: ScanOptions,
    *,
    sources: Sequence[SourceStatus],
    foreign_origins: Sequence[rules.ForeignOrigin] = (),
    list_only: bool = False,
    earlier: Record | None = None,
    base: str = "",
) -> Report:
    """Return the report on these dependencies, with the exit status and its reason.

    Args:
        dependency_files: what was read.
        assessments: the dependencies.
        options: what the run does.
        sources: the sources that were used.
        foreign_origins: sorted by package.
        list_only: whether nothing was scored.
        earlier: the run to compare with; None for none.
        base: the scanned directory as in the locations, for the comparison.
    """
    if options.reviews and not list_only:
        assessments = add_reviews(assessments, options.reviews, options.as_of)
    problems = tuple(problem for file in dependency_files for problem in file.problems if problem.level != "note")
    error_count = sum(problem.level == "error" for problem in problems)
    notes = tuple(f"{file.path}: {note}" for file in dependency_files for note in file.notes)
    states = [assessment.state for assessment in assessments if assessment.state is not None]
    all_findings = check_rules(dependency_files, assessments, foreign_origins, options, list_only=list_only)
    comparison = None
    if earlier is not None and not list_only:
        record = record_run(assessments, (), PACKAGES.version, base=base)
        all_findings, comparison = mark_findings(earlier, record, all_findings, compare(earlier, record), base=base)
    incomplete_sources = [
        source for source in sources if source.state in ("partial", "unavailable") and not source.fallback
    ]
    incomplete = [
        *(describe_incomplete(source) for source in incomplete_sources if source.required),
        *_describe_problems(dependency_files),
        *notes,
        *_explain_skipped(assessments),
    ]
    optional_missing = [describe_incomplete(source) for source in incomplete_sources if not source.required]
    verdict = decide_exit(
        all_findings,
        threshold=options.policy.describe_threshold(options.threshold),
        below_count=states.count("below"),
        empty_reason="" if states else _explain_empty(dependency_files),
        problem_count=error_count,
        incomplete=incomplete,
        optional_missing=optional_missing,
        strict=options.strict,
    )
    shown_verdict = report_only(verdict) if options.policy.report_only else verdict
    shown_findings = tuple(finding for finding in all_findings if finding.level != "allow")
    notes_of_sources = [source.note for source in sources if source.note]
    status, reason = (
        shown_verdict.status,
        "; ".join((shown_verdict.reason, *notes_of_sources)),
    )
    if list_only and not error_count:
        status, reason = ExitStatus.PASSED, "listed, not scored"
    undecided = [finding for finding in all_findings if finding.undecided]
    return Report(
        version=__version__,
        methodology=PACKAGES,
        as_of=options.as_of,
        threshold=options.threshold,
        has_own_thresholds=options.policy.has_own_thresholds or bool(options.policy.dimension_thresholds),
        python=options.python,
        complete=not (list_only or problems or incomplete or optional_missing or undecided),
        strict=not (incomplete or select_incomplete(all_findings)),
        fails_incomplete=options.strict,
        exit=status,
        exit_reason=reason,
        judged_exit=None if list_only else verdict.status,
        report_only=options.policy.report_only,
        dependency_files=tuple(map(_summarise_file, dependency_files)),
        dependencies=tuple(assessments),
        findings=shown_findings,
        sources=tuple(sources),
        warnings=(*notes, *(comparison.notes if comparison is not None else ())),
        hints=(*_suggest_tokens(assessments), *_suggest_waivers(assessments, all_findings)),
        errors=problems,
        list_only=list_only,
        comparison=comparison,
    )


def add_reviews(assessments: Iterable[Assessment], reviews: Iterable[Review], as_of: int) -> list[Assessment]:
    """Return the assessments, those of packages that were reviewed with what their reviews come to."""
    index = ReviewIndex(reviews, datetime.fromtimestamp(as_of, timezone.utc).date().isoformat())
    return [
        replace(assessment, review=index.decide(dependency.package, dependency.version or ""))
        if (dependency := assessment.dependency).package in index
        else assessment
        for assessment in assessments
    ]


def _explain_empty(dependency_files: Sequence[DependencyFile]) -> str:
    return "the dependency files declare nothing" if dependency_files else "no dependency file is left"


def check_rules(
    dependency_files: Sequence[DependencyFile],
    assessments: Sequence[Assessment],
    foreign_origins: Sequence[rules.ForeignOrigin],
    options: ScanOptions,
    *,
    list_only: bool = False,
) -> tuple[Finding, ...]:
    """Return what the policy rules find, also at the level ``allow``."""
    has_errors = any(problem.level == "error" for file in dependency_files for problem in file.problems)
    return rules.find_findings(
        rules.RuleInput(
            assessments=assessments,
            dependency_files=dependency_files,
            foreign_origins=foreign_origins,
            registration_problems=options.registration_problems,
            settings=options.policy,
            as_of=options.as_of,
            threshold=options.threshold,
            age_rules=options.age_rules,
            waivers=() if list_only else options.waivers,
            waiver_paths=options.waiver_paths,
            is_partial=options.is_partial or not dependency_files or has_errors,
        )
    )


def build_empty_report(options: ScanOptions, reason: str) -> Report:
    """Return the report of a run that found no dependency file."""
    return Report(
        version=__version__,
        methodology=PACKAGES,
        as_of=options.as_of,
        threshold=options.threshold,
        python=options.python,
        complete=options.allow_empty,
        exit=ExitStatus.PASSED if options.allow_empty else ExitStatus.EMPTY,
        exit_reason=reason,
        dependency_files=(),
        dependencies=(),
    )


def drop_contents(file: DependencyFile) -> DependencyFile:
    """Return a file as far as a report is about it, with the number of its dependencies in place of these."""
    return replace(
        file,
        declarations=(),
        locked_packages=(),
        importers=None,
        patterns=(),
        missing_packages=(),
        locked_count=_count_dependencies(file),
    )


def _summarise_file(file: DependencyFile) -> DependencyFileSummary:
    return DependencyFileSummary(
        path=file.path,
        format=file.format,
        dependencies=_count_dependencies(file),
        problems=tuple(problem for problem in file.problems if problem.level != "note"),
        notes=(
            *file.notes,
            *file.setting_notes,
            *file.remarks,
            *(_format_note(problem) for problem in file.problems if problem.level == "note"),
        ),
        lockfile=file.lockfile,
    )


def _count_dependencies(file: DependencyFile) -> int:
    """Return the number of dependencies in a file; of a lock file each version once, without the project itself."""
    if not file.locked_packages:
        return len(file.declarations) + file.locked_count
    declared = {(item.package, item.locked_version, item.skip_reason) for item in file.declarations}
    return len(declared.intersection((item.package, item.version, item.skip_reason) for item in file.locked_packages))


def _format_note(problem: Problem) -> str:
    return f"line {problem.line}: {problem.message}" if problem.line else problem.message


def _explain_skipped(assessments: Sequence[Assessment]) -> Iterator[str]:
    """Yield why skipped dependencies make a run incomplete: nothing else is left."""
    if assessments and all(assessment.state == "skipped" for assessment in assessments):
        yield "everything was skipped, nothing was judged"


def _suggest_tokens(assessments: Sequence[Assessment]) -> Iterator[str]:
    """Yield each token that would settle dependencies, with their number; not those without advisory data as well."""
    by_token: dict[str, list[Assessment]] = {}
    for assessment in assessments:
        score = assessment.score
        if assessment.state != "unknown" or score is None or not score.token:
            continue
        if score.has_required_signal or score.methodology.target != PACKAGES.target:
            by_token.setdefault(score.token, []).append(assessment)
    for token, members in sorted(by_token.items()):
        count, _, noun = count_assessments(members).partition(" ")
        yield suggest_token(token, f"{count} unknown {noun}")


def _suggest_waivers(assessments: Sequence[Assessment], findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the way out for what cannot be judged, of which no finding is accepted yet."""
    rules_by_purl: dict[str, list[str]] = {}
    for item in findings:
        if item.undecided and item.is_open and item.level != "allow" and item.id in _UNDECIDED_RULES:
            rules_by_purl.setdefault(item.purl, []).append(item.id)
    assessments = [item for item in assessments if item.dependency.purl in rules_by_purl]
    yield from _suggest_hub_waivers(assessments, rules_by_purl)
    yield from _suggest_server_waivers(assessments, rules_by_purl)


#: Rules about dependencies that are not judged, which a waiver accepts.
_UNDECIDED_RULES: Final = frozenset({"score-unknown", "not-judged", "foreign-origin"})


def _suggest_server_waivers(
    assessments: Sequence[Assessment], rules_by_purl: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield the way out for MCP servers that are not judged, or not with all of their dependencies."""
    servers = [item for item in assessments if item.dependency.direct and MCP_GROUP in item.dependency.groups]
    listed = [item for item in servers if item.state == "not-judged"]
    unresolved = [item for item in servers if lacks_dependencies(item)]

    def accept(items: Sequence[Assessment]) -> str:
        return f"Accept each with: {_format_waive(items[0].dependency, rules_by_purl)}"

    unanswered = [item for item in listed if item.reasons and item.reasons[0].startswith(NO_REGISTRATION)]
    if unanswered:  # an outage is nothing to accept
        subject = _count(unanswered, "MCP server is", "MCP servers are")
        yield f"{subject} not judged: {unanswered[0].reasons[0]}. Try again later"
    unclear = [item for item in listed if item.dependency.package.registry_api in ("npm", "pypi")]
    if unclear:
        subject = _count(unclear, "MCP server is", "MCP servers are")
        yield f"{subject} not scored: {unclear[0].reasons[0]}. {accept(unclear)}"
    others = [item for item in listed if item not in unanswered and item not in unclear]
    if others:
        subject = _count(others, "MCP server is", "MCP servers are")
        yield f"{subject} not scored: no registry of packages has what they run. {accept(others)}"
    unread = [
        item for item in servers if item.state == "unknown" and item.github is not None and item not in unresolved
    ]
    if unread:
        subject = _count(unread, "MCP server from a repository is", "MCP servers from repositories are")
        yield f"{subject} not judged: {unread[0].reasons[0]}. {accept(unread)}"
    if unresolved:
        subject = _count(unresolved, "MCP server has", "MCP servers have")
        yield f"{subject} dependencies that are not known. {accept(unresolved)}"


def _count(items: Sequence[object], singular: str, plural: str) -> str:
    return f"{len(items):,} {singular if len(items) == 1 else plural}"


def _format_waive(dependency: Dependency, rules_by_purl: Mapping[str, Sequence[str]]) -> str:
    """Return the command that accepts what is not judged of a dependency, as a shell reads it."""
    import shlex  # few reports have such a command

    package = dependency.package
    target = shlex.quote(f"{get_prefix(package.ecosystem)}:{escape_pattern(package.name)}")
    purls = dict.fromkeys((dependency.purl, package.purl))
    options = dict.fromkeys(f"--rule {id_}" for purl in purls for id_ in rules_by_purl.get(purl, ()))
    return f"nerq waive {target} {' '.join(options)} --until 90d --reason TEXT"


def _suggest_hub_waivers(
    assessments: Sequence[Assessment], rules_by_purl: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield the way out for repositories that are not judged because scans of their files are not known."""
    unscanned = [
        assessment.dependency
        for assessment in assessments
        if assessment.state == "unknown"
        and assessment.in_registry
        and assessment.dependency.package.ecosystem in (HF_DATASET, HF_KERNEL, HF_SPACE)
        and assessment.hub is not None
        and isinstance(assessment.hub.repository, Found)
        and assessment.score is not None
        and assessment.score.value is not None
        and not assessment.score.has_required_signal
    ]
    if unscanned:
        subject = _count(unscanned, "dataset, Space or kernel is", "datasets, Spaces and kernels are")
        yield (
            f"{subject} not judged: scans of files that may hold code are not done, or were not read. Try again "
            f"later, or look at the files and accept each with: {_format_waive(unscanned[0], rules_by_purl)}"
        )


def _describe_problems(dependency_files: Iterable[DependencyFile]) -> Iterator[str]:
    """Yield how many problems leave the list of dependencies incomplete."""
    formats = [file.format for file in dependency_files for problem in file.problems if problem.level == "incomplete"]
    unsearched_count = formats.count(REFERENCES)
    if count := len(formats) - unsearched_count:
        verb = "leads" if count == 1 else "lead"
        yield f"{format_count(count, 'reference')} in dependency files {verb} nowhere"
    if unsearched_count:
        yield f"{format_count(unsearched_count, 'source file')} not searched for models, or not all of it"


def describe_incomplete(source: SourceStatus) -> str:
    """Return how much a source answered: ``OSV: 3 of 4 answered``."""
    text = f"{source.name}: {source.answered_subjects - source.outdated} of {source.subjects} answered"
    return f"{text}, {source.outdated} from the cache" if source.outdated else text
