"""Find what does the same job as a target, and score it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.compare import label_target
from nerq_cli.application.named_targets import assess_targets, explain_missing, explain_no_score
from nerq_cli.application.report_alternatives import build_option, build_subject, score_candidates
from nerq_cli.ecosystems import get_prefix, is_repository
from nerq_cli.errors import ExitStatus, NothingToScanError, UsageError
from nerq_cli.insight.alternatives import Choice, choose_options, list_candidates, select_scored
from nerq_cli.inventory import DependencyFile, Package
from nerq_cli.report.pages.alternatives import AlternativesReport

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.session import Session
    from nerq_cli.report.model import Assessment


def run_alternatives(name: str, session: Session, *, project: str | None = None) -> AlternativesReport:
    """Return the alternatives to a target, each with its own score.

    Args:
        name: As the user wrote it.
        session: Has the settings.
        project: Directory whose dependencies are read, without a request; None reads none.

    Raises:
        UsageError: the name is no target, does not exist, or may be several things; or there is no such directory.
    """
    options = replace(session.build_scan_options(), find_upgrades=False)
    run = session.open_run()
    (target,), notes = assess_targets([name], session, run, options, command="alternatives")
    assessment = target.assessment
    packages = _read_project(project, notes) if not is_repository(assessment.dependency.package.ecosystem) else None
    choice, shown = find_alternatives(assessment, session, run, options, packages)
    missing = explain_missing([assessment, *shown], run)
    if missing:
        status = ExitStatus.INCOMPLETE if options.strict else ExitStatus.PASSED
        reason = f"not everything could be read: {'; '.join(missing)}"
    else:
        status, reason = ExitStatus.PASSED, "read"
    package = assessment.dependency.package
    return AlternativesReport(
        version=__version__,
        as_of=options.as_of,
        target=target.text,
        label=f"{get_prefix(package.ecosystem)}:{label_target(assessment)}",
        purl=assessment.dependency.purl,
        score=assessment.score,
        reason=explain_no_score(assessment),
        threshold=options.threshold,
        choice=choice,
        complete=not missing,
        exit=status,
        exit_reason=reason,
        warnings=tuple(dict.fromkeys((*run.warnings, *notes))),
    )


def find_alternatives(
    assessment: Assessment,
    session: Session,
    run: EvidenceRun,
    options: ScanOptions,
    packages: frozenset[Package] | None = None,
) -> tuple[Choice, list[Assessment]]:
    """Return the alternatives to a target, and the assessments of those that are shown.

    ``packages`` are those that the project depends on, which are preferred.
    """
    candidates = list_candidates(build_subject(assessment))
    scored = score_candidates(select_scored(candidates), session, run, options)
    choice = choose_options([build_option(item, scored.get(item.package), packages) for item in candidates])
    return choice, [scored[item.candidate.package] for item in choice.options if item.candidate.package in scored]


def _read_project(project: str | None, notes: list[str]) -> frozenset[Package] | None:
    """Return the packages that a project depends on; None if there are no dependency files."""
    if project is None:
        return None
    from nerq_cli.application.read_dependencies import Inputs, read_inputs
    from nerq_cli.application.session import hide_progress

    try:
        dependency_files = read_inputs(Inputs(paths=(project,), no_models=True, no_mcp=True), hide_progress)
    except NothingToScanError:
        return None
    problems = sum(problem.level == "error" for file in dependency_files for problem in file.problems)
    if problems:
        notes.append(f"{project}: not all dependencies of the project could be read ({problems} problems)")
    return frozenset(_iter_packages(dependency_files))


def _iter_packages(dependency_files: Sequence[DependencyFile]) -> Iterator[Package]:
    for file in dependency_files:
        for declaration in file.declarations:
            yield declaration.package
        for locked_package in file.locked_packages:
            yield locked_package.package


def check_project(project: str) -> None:
    """Raise UsageError if there is no such file or directory."""
    if not Path(project).exists():
        raise UsageError(f"{project}: there is no such file or directory")
