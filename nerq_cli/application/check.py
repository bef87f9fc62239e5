"""Check single packages that the user named."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from nerq_cli import targets
from nerq_cli.application.absence import describe_absence
from nerq_cli.application.build_report import build_report
from nerq_cli.application.report_alternatives import add_alternatives
from nerq_cli.application.scan import assess_declarations, finish_report
from nerq_cli.application.snapshots import record_report
from nerq_cli.ecosystems import is_repository
from nerq_cli.errors import ExitStatus
from nerq_cli.facts import McpRegistration
from nerq_cli.inventory import MCP_GROUP, Declaration, Package, RegistrationProblem
from nerq_cli.privacy import PrivacyRules, mark_withheld
from nerq_cli.report.model import Assessment, Report

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceProvider, EvidenceRun
    from nerq_cli.application.recording import Recorder
    from nerq_cli.application.session import Session

#: Begins a target that names a server in the MCP registry.
MCP_PREFIX: Final = "mcp:"
#: The packages that each ambiguous name may mean, one per ecosystem.
AmbiguousNames: TypeAlias = tuple[tuple[Assessment, ...], ...]


class CheckResult(msgspec.Struct, frozen=True):
    """What a check returns."""

    report: Report
    #: The assessments of the report whose name is ambiguous.
    ambiguous: AmbiguousNames = ()
    #: The MCP servers that targets name, where the registry has them.
    servers: tuple[McpRegistration, ...] = ()


class ParsedTargets(NamedTuple):
    """What targets name."""

    #: What each may mean.
    targets: list[Sequence[Declaration]]
    #: Sentences for the user.
    notes: list[str]
    problems: list[RegistrationProblem]
    #: The MCP servers among them that the registry has.
    servers: list[McpRegistration]


def run_check(names: Iterable[str], session: Session, *, recorder: Recorder | None = None) -> CheckResult:
    """Check the packages that targets name: ``requests==2.31.0``, ``npm:lodash``, ``pkg:pypi/flask``.

    A ``recorder`` keeps what the report is made from.

    Raises:
        UsageError: a target does not name a package.
        StaleDataError: the advisory database is needed, and older than the settings allow.
    """
    started_at = time.monotonic()
    rules, options = session.build_rules(()), session.build_scan_options()
    hub_url = session.endpoints["huggingface"].url
    run = session.open_run()
    parsed, notes, problems, servers = parse_targets(names, run, hub_url=hub_url)
    run.notes += notes
    options = replace(options, registration_problems=tuple(problems), keep_provenance=True)
    declarations = mark_targets(parsed, rules)
    if recorder is not None:
        recorder.begin(run, declarations, options)
    report, ambiguous = report_targets(declarations, options, run if recorder is None else recorder)
    record_report(report, session)
    # a replay has no cache: a recorded report has no scores from there
    report = add_alternatives(report, options, session=session, run=run if recorder is None else None)
    return CheckResult(finish_report(report, run, started_at), ambiguous, tuple(servers))


def parse_targets(names: Iterable[str], run: EvidenceRun, *, hub_url: str) -> ParsedTargets:
    """Return what each name may mean. Names of MCP servers are looked up.

    Args:
        names: As the user wrote them.
        run: Looks up MCP servers.
        hub_url: Address of the Hub.

    Raises:
        UsageError: a name is no target.
    """
    parsed: list[Sequence[Declaration]] = []
    notes: list[str] = []
    problems: list[RegistrationProblem] = []
    servers: list[McpRegistration] = []
    for name in names:
        if not name.strip().lower().startswith(MCP_PREFIX):
            parsed.append(targets.parse_target(name, hub_url=hub_url))
            continue
        from nerq_cli.application.registered_servers import resolve_target

        resolved = resolve_target(name, run)
        parsed.append(resolved.declarations)
        notes += resolved.notes
        problems += resolved.problems
        servers += [resolved.registration] if resolved.registration is not None else []
    return ParsedTargets(parsed, notes, problems, servers)


def check_packages(
    targets: Sequence[Sequence[Declaration]], rules: PrivacyRules, options: ScanOptions, provider: EvidenceProvider
) -> tuple[Report, AmbiguousNames]:
    """Score single packages, and report on them.

    A target is the package it names, or one package per ecosystem when the name fits several; an MCP server is all that
    the registry lists for it. The second result holds the targets of which more than one package exists, or of which
    one could not be looked up; the report has them too.
    """
    return report_targets(mark_targets(targets, rules), options, provider)


def mark_targets(targets: Sequence[Sequence[Declaration]], rules: PrivacyRules) -> list[list[Declaration]]:
    """Return the targets with the names marked that may not be sent.

    A name without an ecosystem that may not be sent to one registry is sent to none: it is the same name.
    """
    return [_withhold_all(list(mark_withheld(target, rules))) for target in targets]


def _withhold_all(target: list[Declaration]) -> list[Declaration]:
    reason = next((declaration.skip_reason for declaration in target if declaration.skip_reason), "")
    if not reason or any(declaration.group == MCP_GROUP for declaration in target):
        return target
    return [
        declaration if declaration.skip_reason else replace(declaration, skip_reason=reason) for declaration in target
    ]


def report_targets(
    targets: Sequence[Sequence[Declaration]], options: ScanOptions, provider: EvidenceProvider
) -> tuple[Report, AmbiguousNames]:
    """Return what ``check_packages`` does, for targets whose private names are marked."""
    declarations = [declaration for target in targets for declaration in target]
    by_package = group_by_package(assess_declarations(declarations, replace(options, score_latest=True), provider))
    assessments: list[Assessment] = []
    ambiguous: list[tuple[Assessment, ...]] = []
    for target in targets:
        candidates = [entry for declaration in target for entry in by_package[declaration.package]]
        is_server = any(declaration.group == MCP_GROUP for declaration in target)
        matches = candidates if is_server else select_matches(candidates)
        assessments += [assessment for assessment in matches if assessment not in assessments]
        if not is_server and len({assessment.dependency.package for assessment in matches}) > 1:
            ambiguous.append(tuple(matches))
    report = build_report((), assessments, options, sources=provider.describe_sources())
    return _refuse_absent(report), tuple(ambiguous)


def _refuse_absent(report: Report) -> Report:
    """Return a report with the exit status 2 if one of its targets does not exist. The cards stay in it.

    A package that the MCP registry names is no target: that it does not exist is a finding about the server.
    """
    targets = [item for item in report.dependencies if MCP_GROUP not in item.dependency.groups]
    absences = list(filter(None, map(describe_absence, targets)))
    if not absences:
        return report
    reasons = [*absences, *([report.exit_reason] if report.exit is ExitStatus.BELOW else [])]
    return replace(report, exit=ExitStatus.USAGE, judged_exit=ExitStatus.USAGE, exit_reason="; ".join(reasons))


def group_by_package(assessments: Iterable[Assessment]) -> dict[Package, list[Assessment]]:
    """Return the assessments of each package; those of a repository that was renamed under its old name as well."""
    by_package: dict[Package, list[Assessment]] = {}
    for assessment in assessments:
        package, aliases = assessment.dependency.package, assessment.dependency.aliases
        old_names = aliases if is_repository(package.ecosystem) else ()
        for name in (package.name, *old_names):
            by_package.setdefault(Package(ecosystem=package.ecosystem, name=name), []).append(assessment)
    return by_package


def select_matches(candidates: Sequence[Assessment]) -> Sequence[Assessment]:
    """Return the candidates that exist: those with a score, else those that may exist, else the first candidate."""
    existing = [
        entry for entry in candidates if entry.in_registry is not False and entry.state not in ("skipped", "not-judged")
    ]
    scored = [entry for entry in existing if not (entry.in_registry and entry.score is None)]
    return scored or existing or candidates[:1]
