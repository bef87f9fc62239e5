"""Scan a project: read its dependency files, resolve versions, collect evidence, score, judge, and report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from nerq_cli.application.assess import assess_resolution
from nerq_cli.application.build_report import build_empty_report, build_report, drop_contents
from nerq_cli.application.foreign_origins import list_foreign_origins
from nerq_cli.application.named_versions import list_by_package
from nerq_cli.application.nested_settings import apply_nested_settings, locate_waivers
from nerq_cli.application.project_identity import ProjectIdentity, identify_project
from nerq_cli.application.report_alternatives import add_alternatives
from nerq_cli.application.repositories import (
    assess_repositories,
    find_loaders,
    list_repositories,
    split_declarations,
)
from nerq_cli.application.repository_directory import find_repository_directory
from nerq_cli.application.scores import score_compactly, score_releases
from nerq_cli.application.select_dependencies import select_dependencies
from nerq_cli.application.server_dependencies import ServerDependencies
from nerq_cli.application.snapshots import record_report
from nerq_cli.application.upgrades import add_upgrades
from nerq_cli.errors import NothingToScanError, UsageError
from nerq_cli.facts import AffectingAdvisory, LowerBound
from nerq_cli.inventory import Declaration, DependencyFile, McpServer, Package, RegistrationProblem, Release
from nerq_cli.policy.baseline import Record
from nerq_cli.policy.waivers import Waiver
from nerq_cli.privacy import PrivacyRules, mark_withheld
from nerq_cli.report.model import Assessment, Report
from nerq_cli.resolve.resolver import CONSTRAINT_GROUP, Declarations, Resolution, get_dependency_key, resolve
from nerq_cli.vulnerabilities.matching import match_advisories

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.baseline_files import ChosenBaseline
    from nerq_cli.application.evidence_run import EvidenceProvider, EvidenceRun
    from nerq_cli.application.known_assessments import KnownAssessments
    from nerq_cli.application.old_run import OldRun
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.recording import Recorder
    from nerq_cli.application.scores import Scorer
    from nerq_cli.application.session import Session
    from nerq_cli.evidence.registry_lookup import PackageFacts
    from nerq_cli.policy.rules import ForeignOrigin

#: Packages held in memory at a time; their evidence is dropped once they are scored.
_NO_VERSION: Final = "the version in use is not known"
BATCH_SIZE: Final = 1_000
#: Packages from which a second process saves more time than it takes (decision 0011).
MIN_SHARED: Final = 4_000
_DEV: Final = "dev"


class ScanResult(msgspec.Struct, frozen=True):
    """What a scan returns."""

    report: Report
    #: The dependencies of the report to explain one by one.
    selection: tuple[Assessment, ...] = ()
    #: MCP servers of the configuration of clients.
    mcp_servers: tuple[McpServer, ...] = ()
    #: Waivers in force, also those of settings in directories below.
    waivers: tuple[Waiver, ...] = ()
    #: Which project it is; None where only a pass that is compared with the next needs it.
    identity: ProjectIdentity | None = None


def run_scan(
    inputs: Inputs,
    options: ScanOptions,
    session: Session,
    *,
    explain: Sequence[str] = (),
    since: str | None = None,
    baseline: str | None = None,
    recorder: Recorder | None = None,
    read_files: Sequence[DependencyFile] | None = None,
) -> ScanResult:
    """Read and scan the inputs.

    Args:
        inputs: what to read.
        options: what to do.
        session: where evidence comes from.
        explain: names of dependencies to select from the report.
        since: branch, tag or commit to compare with; None for none.
        baseline: file of an earlier run to compare with; empty for none, None for what the settings name.
        recorder: keeps what the report is made from.
        read_files: the dependency files of the inputs, if they were read before; None or empty reads them.

    Raises:
        UsageError: a path, a group or a name to explain does not exist, or there is nothing to compare with.
        StaleDataError: the advisory database is needed, and older than the settings allow.
    """
    started_at = time.monotonic()
    selection: tuple[Assessment, ...] = ()
    described = _Described()
    run = session.open_run()
    base = inputs.base
    since = None if options.list_only else since
    chosen = None if options.list_only else _choose_baseline(session, baseline, has_other=since is not None)
    inputs = replace(
        inputs,
        no_mcp=inputs.no_mcp or bool(session.config.no_mcp and not inputs.user_config),
        no_models=inputs.no_models or bool(session.config.no_models and not inputs.possible_models),
    )
    options = replace(
        options,
        is_partial=_is_partial(inputs, options),
        waiver_paths=locate_waivers(session.config.path if session.obeys_project else "", inputs),
    )
    inputs = replace(inputs, exclude=(*session.config.exclude, *inputs.exclude))
    try:
        dependency_files = session.name_indexes(read_files or _read_files(inputs, session, since, run.notes))
        dependency_files = session.add_cached_commits(dependency_files)
        options = session.select_vex(options, dependency_files, base)
        if session.obeys_project or (session.config.nested and not session.settings.no_config):
            dependency_files, options = apply_nested_settings(dependency_files, options, session.config, inputs.root)
    except NothingToScanError as error:
        report = build_empty_report(options, f"{error}")
    else:
        rules = session.build_rules(dependency_files)
        age_rules = () if options.list_only else session.read_age_rules(dependency_files, inputs.root)
        options = replace(options, age_rules=age_rules)
        earlier: Record | OldRun | None = None
        if since is not None:
            from nerq_cli.application.old_run import open_old_run

            earlier = open_old_run(inputs, since, session, dependency_files, options.age_rules)
        elif chosen is not None:
            earlier = chosen.place(inputs, dependency_files)
        if explain and not _must_stop(
            dependency_files, options
        ):  # a misspelt name is reported before any request is sent
            listing = scan_project(dependency_files, rules, replace(options, list_only=True), run)
            select_dependencies(explain, listing.dependencies)
            del listing
        described = _describe_project(dependency_files, inputs, options)
        run.expected_count = sum(len(file.declarations) for file in dependency_files)
        project = _prepare_project(dependency_files, rules, options)
        del dependency_files  # a lock file is as large in memory as the report about it
        provider: EvidenceProvider = run
        has_servers = any(file.mcp_servers for file in project.dependency_files)
        if has_servers and not options.list_only and not _must_stop(project.dependency_files, options):
            project, problems = _look_up_servers(project, options, run)
            options = replace(options, registration_problems=problems)
        if recorder is not None:
            project = replace(project, declarations=iter(declarations := tuple(project.declarations)))
            recorder.begin(run, [declarations], options, project.dependency_files, project.foreign_origins)
            provider = recorder
        report = _scan_prepared(
            project, options, provider, session.scorer, earlier=earlier, base=base, recorder=recorder
        )
        if report.dependencies and not report.list_only:
            selection = select_dependencies(explain, report.dependencies)
        record_report(report, session, project=None if options.is_partial else inputs.root)
    return ScanResult(
        # a replay has no cache: a recorded report has no scores from there
        finish_report(
            add_alternatives(report, options, session=session, run=None if recorder is not None else run),
            run,
            started_at,
        ),
        selection,
        described.mcp_servers,
        options.waivers,
        described.identity,
    )


class _Described(NamedTuple):
    """What a result has of the files of a project."""

    mcp_servers: tuple[McpServer, ...] = ()
    identity: ProjectIdentity | None = None


def _describe_project(files: Sequence[DependencyFile], inputs: Inputs, options: ScanOptions) -> _Described:
    servers = tuple(server for file in files for server in file.mcp_servers)
    return _Described(servers, identify_project(files, inputs.root, inputs.base) if options.keeps_facts else None)


def _choose_baseline(session: Session, baseline: str | None, *, has_other: bool) -> ChosenBaseline | None:
    """Return the recorded run to compare with; the settings of the session lose one that is not used."""
    if session.config.baseline and (has_other or baseline is not None):
        from nerq_cli.config.layers import drop_weakening

        session.config = drop_weakening(session.config, "baseline")
    if has_other or not (baseline or session.config.baseline):
        return None
    from nerq_cli.application.baseline_files import read_chosen_baseline

    return read_chosen_baseline(session, baseline)


def _read_files(inputs: Inputs, session: Session, since: str | None, notes: list[str]) -> tuple[DependencyFile, ...]:
    """Return the dependency files; none if a change since a commit removed the last one. Add notes about other files.

    Raises:
        NothingToScanError: there is no dependency file, nor was there one.
    """
    from nerq_cli.application.read_dependencies import read_inputs  # a check of single packages does without

    try:
        return read_inputs(inputs, session.create_progress, open_cache=session.open_second_cache, notes=notes)
    except NothingToScanError:
        if since is None:
            raise
        from nerq_cli.application.since import read_old_project

        old_files = read_old_project(inputs, since, reads_settings=False).dependency_files
        if not old_files or any(os.path.lexists(file.path) for file in old_files):  # left out, not removed
            raise
        return ()


def _is_partial(inputs: Inputs, options: ScanOptions) -> bool:
    """Whether the run sees a part of a project only: not one directory as a whole."""
    is_directory = len(inputs.paths) == 1 and Path(inputs.paths[0]).is_dir() and not inputs.environments
    is_selected = (
        inputs.include or inputs.exclude or inputs.read_as or inputs.no_mcp or inputs.no_models or options.groups
    )
    is_cut = bool(is_selected) or options.no_dev
    return is_cut or not is_directory or not inputs.recursive


def finish_report(report: Report, run: EvidenceRun, started_at: float) -> Report:
    """Return a report with the warnings of its run and the time it took. Without a network no token would help."""
    return replace(
        report,
        elapsed=time.monotonic() - started_at,
        warnings=(*report.warnings, *run.warnings),
        hints=() if run.is_offline else report.hints,
        offline=run.is_offline,
        directory=find_repository_directory(),
    )


def scan_project(
    dependency_files: Sequence[DependencyFile],
    rules: PrivacyRules,
    options: ScanOptions,
    provider: EvidenceProvider,
    scorer: Scorer = score_releases,
    *,
    earlier: Record | OldRun | None = None,
    base: str = "",
) -> Report:
    """Score all dependencies that the files declare, and report on them; beside those of an earlier run, if given.

    With ``options.stop_on_problem``, problems in the files end the run before any request is sent. ``base`` is the
    scanned directory as in the paths of the files.

    Raises:
        UsageError: no file has a group of the options.
    """
    project = _prepare_project(dependency_files, rules, options)
    return _scan_prepared(project, options, provider, scorer, earlier=earlier, base=base)


def report_declarations(
    declarations: Iterable[Declaration],
    options: ScanOptions,
    provider: EvidenceProvider,
    *,
    dependency_files: Sequence[DependencyFile],
    foreign_origins: Sequence[ForeignOrigin],
    earlier: Record | None = None,
    base: str = "",
) -> Report:
    """Score declarations that were read and selected before, and report on them; beside an earlier run, if given."""
    project = _Project(
        declarations=iter(declarations),
        dependency_files=tuple(dependency_files),
        foreign_origins=tuple(foreign_origins),
    )
    return _scan_prepared(project, options, provider, score_compactly, earlier=earlier, base=base)


class _Project(msgspec.Struct, frozen=True):
    """What a scan needs of the dependency files once they are read."""

    #: To be read once; they are in memory no longer than they are needed.
    declarations: Iterator[Declaration]
    #: Without their contents.
    dependency_files: tuple[DependencyFile, ...]
    foreign_origins: tuple[ForeignOrigin, ...]


def _prepare_project(dependency_files: Sequence[DependencyFile], rules: PrivacyRules, options: ScanOptions) -> _Project:
    """Return the project of these files.

    Raises:
        UsageError: no file has a group of the options.
    """
    _check_groups(dependency_files, options)
    selected = list(select_groups(_iter_declarations(dependency_files), options))
    return _Project(
        foreign_origins=list_foreign_origins(selected, dependency_files, rules),
        declarations=mark_withheld(selected, rules),
        dependency_files=tuple(map(drop_contents, dependency_files)),
    )


def _look_up_servers(
    project: _Project, options: ScanOptions, run: EvidenceRun
) -> tuple[_Project, tuple[RegistrationProblem, ...]]:
    """Return the project with what the MCP registry confirms of its servers, and what it has against them."""
    from nerq_cli.application.configured_servers import look_up_servers  # most projects have no server

    declarations = tuple(project.declarations)
    files, problems = look_up_servers(project.dependency_files, declarations, run, python=options.python)
    return replace(project, declarations=iter(declarations), dependency_files=files), problems


def _scan_prepared(
    project: _Project,
    options: ScanOptions,
    provider: EvidenceProvider,
    scorer: Scorer,
    *,
    earlier: Record | OldRun | None,
    base: str,
    recorder: Recorder | None = None,
) -> Report:
    dependency_files, foreign_origins = project.dependency_files, project.foreign_origins
    if options.list_only or _must_stop(dependency_files, options):
        declarations, repositories = split_declarations(project.declarations)
        resolution = resolve(declarations, {}, python=options.python or None)
        dependencies = (*resolution.dependencies, *list_repositories(repositories))
        assessments = [Assessment(dependency=dependency, state=None) for dependency in dependencies]
        return build_report(
            dependency_files, assessments, options, sources=(), foreign_origins=foreign_origins, list_only=True
        )
    servers = ServerDependencies(provider, python=options.python)
    if isinstance(earlier, Record) or earlier is None:
        declared = servers.add(project.declarations)
        assessments = list(servers.mark_unknown(assess_declarations(declared, options, provider, scorer)))
        del declared
    else:  # its declarations are compared with these
        declarations = list(servers.add(project.declarations))
        assessments = list(servers.mark_unknown(assess_declarations(declarations, options, provider, scorer)))
        earlier = earlier.assess(declarations, assessments, options, provider, scorer)
    if recorder is not None and earlier is not None:
        recorder.keep_earlier(earlier, base)
    sources = provider.describe_sources()
    return build_report(
        dependency_files,
        assessments,
        options,
        sources=sources,
        foreign_origins=foreign_origins,
        earlier=earlier,
        base=base,
    )


def _must_stop(dependency_files: Iterable[DependencyFile], options: ScanOptions) -> bool:
    """Whether errors in the files end the run."""
    return options.stop_on_problem and any(
        problem.level == "error" for dependency_file in dependency_files for problem in dependency_file.problems
    )


def _iter_declarations(dependency_files: Iterable[DependencyFile]) -> Iterator[Declaration]:
    return (declaration for dependency_file in dependency_files for declaration in dependency_file.declarations)


def _check_groups(dependency_files: Sequence[DependencyFile], options: ScanOptions) -> None:
    """Raise UsageError for a group that no file has: with a misspelt group nothing would be scanned, and pass."""
    groups = {declaration.group for declaration in _iter_declarations(dependency_files)}
    group_names = {name for group in groups for name in (group, *group.split(":", 1))}
    for group in options.groups:
        if groups and group not in group_names:
            raise UsageError(f"there is no group {group!r}", hint=f"groups found: {', '.join(sorted(groups))}")
    if options.no_dev and options.groups and not any(select_groups(_iter_declarations(dependency_files), options)):
        raise UsageError("--no-dev leaves out every group of --group", hint="leave one of the two out")


def select_groups(declarations: Iterable[Declaration], options: ScanOptions) -> Iterator[Declaration]:
    """Yield the declarations of the groups of the options, and all constraints, which narrow versions."""
    for declaration in declarations:
        kind, _, name = declaration.group.partition(":")
        if declaration.group == CONSTRAINT_GROUP:
            yield declaration
        elif options.no_dev and kind == _DEV:
            continue
        elif not options.groups or {declaration.group, kind, name} & set(options.groups):
            yield declaration


def assess_declarations(
    declarations: Iterable[Declaration],
    options: ScanOptions,
    provider: EvidenceProvider,
    scorer: Scorer = score_releases,
) -> Iterator[Assessment]:
    """Yield every dependency with its score and state, a batch of packages at a time; repositories come last."""
    declarations, repositories = split_declarations(declarations)
    loaders = find_loaders(declarations) if repositories else ()
    resolver = Declarations(declarations, python=options.python or None)
    del declarations
    packages = resolver.packages
    batches = [*_split_batches(packages, BATCH_SIZE)]

    known: KnownAssessments | None = getattr(provider, "known", None)

    def assess(batch: Sequence[Package], batch_provider: EvidenceProvider) -> list[Assessment]:
        shared, batch = known.split(batch, resolver, options) if known is not None else ([], batch)
        assessments = _assess_batch(batch, resolver, options, batch_provider, scorer) if batch else []
        return sorted((*shared, *assessments), key=_get_key) if shared else assessments

    results: Iterator[list[Assessment]] = (assess(batch, provider) for batch in batches)
    if len(packages) >= MIN_SHARED:
        from nerq_cli.application import second_core

        if second_core.is_useful(provider):
            results = second_core.assess_batches(batches, assess, provider)
    for batch, assessments in zip(batches, results, strict=True):
        if known is not None:
            known.add(assessments, resolver, options)
        resolver.drop_packages(batch)
        yield from assessments
    if repositories:
        yield from assess_repositories(repositories, loaders, options, provider)


def _get_key(assessment: Assessment) -> tuple[str, str, str, str, str]:
    return get_dependency_key(assessment.dependency)


def _assess_batch(
    packages: Sequence[Package],
    resolver: Declarations,
    options: ScanOptions,
    provider: EvidenceProvider,
    scorer: Scorer,
) -> list[Assessment]:
    """Return the assessments of the dependencies on some packages."""
    queryable_packages = resolver.filter_queryable(packages)
    package_facts = provider.collect_packages(queryable_packages, resolver.find_pinned_releases(queryable_packages))
    resolution, package_advisories = _resolve(resolver, packages, package_facts, provider)
    dependencies = [(item, item.release) for item in resolution.dependencies]
    releases = [release for item, release in dependencies if release and not item.skip_reason]
    evidence = dict(provider.collect_evidence(releases, package_facts))
    skipped_releases = [
        release for item, release in dependencies if release and item.skip_reason and release not in evidence
    ]
    if skipped_releases:
        evidence.update(provider.find_local_evidence(skipped_releases))
    embedded_releases = [release for item, release in dependencies if release and item.is_advisories_only]
    if embedded_releases:
        facts = provider.find_advisories(embedded_releases, package_facts)
        evidence.update({release: fact for release, fact in facts.items() if release not in releases})
    scores = scorer({release: evidence[release] for release in dict.fromkeys(releases)}, options.as_of)
    assessments = assess_resolution(resolution, package_facts, evidence, options, package_advisories, scores)
    return list(add_upgrades(assessments, evidence, package_facts, options, provider, scorer))


def _list_open(resolution: Resolution) -> list[Package]:
    """Return the packages that are looked up and have a dependency without a version in use."""
    return sorted({item.package for item in resolution.dependencies if item.release is None and not item.skip_reason})


def _resolve(
    resolver: Declarations, packages: Sequence[Package], package_facts: PackageFacts, provider: EvidenceProvider
) -> tuple[Resolution, dict[Package, LowerBound[tuple[AffectingAdvisory, ...]]]]:
    """Return the resolution of a batch, and the advisories of the packages without a version in use.

    Registries remove malicious versions. A range that only removed versions satisfied is judged by the worst of them,
    and one that no named version satisfies by the advisories that affect every version. An advisory that names a pin,
    if only as its fix, shows that it is no typing error.
    """
    package_infos = package_facts.package_info
    resolution = resolver.resolve_packages(packages, package_infos)
    open_packages = sorted({*_list_open(resolution), *(item.package for item in resolution.unsatisfied)})
    neighbours = [
        Release(package=item.package, version=version) for item in resolution.unsatisfied for version in item.nearest
    ]
    records = provider.find_package_records(open_packages, neighbours, package_facts) if open_packages else {}
    if not records:
        return resolution, {}
    named_versions = list_by_package(records, package_infos)
    resolution = resolver.resolve_packages(packages, package_infos, named_versions.by_severity, named_versions.real)
    package_advisories = {}
    for package in _list_open(resolution):
        fact = records.get(package)
        # no version: the advisories that affect every one
        if fact is not None and (advisories := match_advisories(fact.value, package, "")):
            package_advisories[package] = LowerBound(advisories, fact.source, fact.retrieved_at, _NO_VERSION)
    return resolution, package_advisories


def _split_batches(packages: Iterable[Package], size: int) -> Iterator[list[Package]]:
    iterator = iter(packages)
    while batch := list(islice(iterator, size)):
        yield batch
