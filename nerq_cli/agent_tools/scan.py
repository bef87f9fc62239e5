"""The dependencies of a project, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nerq_cli.agent_tools.documents import Outcome, ScanAnswer, ScannedDependency, ScannedFinding
from nerq_cli.agent_tools.foreign_text import NAME_LIMIT, NOTICE, SENTENCE_LIMIT, clean, clean_all
from nerq_cli.agent_tools.roots import is_allowed
from nerq_cli.application.read_dependencies import Inputs
from nerq_cli.application.scan import run_scan
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.policy import STATES
from nerq_cli.report.gaps import list_unchecked
from nerq_cli.report.wording import format_locations

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.report.model import Assessment, Report

_MAX_FINDINGS: Final = 20
_MAX_REASONS: Final = 2
_MAX_MISSING: Final = 6
_OUTCOMES: Final[Mapping[ExitStatus, Outcome]] = {
    ExitStatus.PASSED: "passed",
    ExitStatus.BELOW: "failed",
    ExitStatus.INCOMPLETE: "incomplete",
    ExitStatus.EMPTY: "empty",
}
#: Rules whose findings repeat the state of a dependency.
_REPEATED: Final = frozenset({"score-below-threshold", "score-unknown", "not-judged"})
_ATTENTION: Final = ("below", "unknown", "not-judged")


def scan_directory(path: Path, session: Session, roots: Sequence[Path], *, no_dev: bool, limit: int) -> ScanAnswer:
    """Scan a project, and return what needs attention.

    Args:
        path: Directory or file, below a root.
        session: Of that directory.
        roots: The directories that may be read.
        no_dev: Leave development dependencies out.
        limit: Dependencies to return.

    Raises:
        UsageError: a file that decides about the project lies outside of the roots.
    """
    result = run_scan(Inputs(paths=(str(path),)), session.build_scan_options(no_dev=no_dev), session)
    report = result.report
    _check_files(report, roots)
    attention = [item for item in report.dependencies if item.state in _ATTENTION]
    attention.sort(key=lambda item: (_ATTENTION.index(item.state or ""), _get_value(item), not item.dependency.direct))
    findings = [finding for finding in report.findings if finding.is_open and finding.id not in _REPEATED]
    findings.sort(key=lambda finding: not finding.fails)
    outcome: Outcome = _OUTCOMES.get(report.exit, "error")
    if outcome == "passed" and not report.strict:
        outcome = "incomplete"
    missing = clean_all(_list_missing(report), _MAX_MISSING)
    return ScanAnswer(
        notice=NOTICE,
        complete=report.complete,
        missing=missing,
        warnings=clean_all(report.warnings, _MAX_MISSING),
        headline=clean(f"{outcome}: {report.exit_reason}", 2 * SENTENCE_LIMIT),
        outcome=outcome,
        directory=clean(str(path), 2 * NAME_LIMIT),
        threshold=report.threshold,
        accepted=sum(finding.waiver is not None for finding in report.findings),
        files=len(report.dependency_files),
        dependencies=len(report.dependencies),
        states={state: report.count_state(state) for state in STATES},
        worst=[_describe(item) for item in attention[:limit]],
        further=max(0, len(attention) - limit),
        findings=[
            ScannedFinding(
                rule=finding.id,
                text=clean(finding.text),
                fails=finding.fails,
                package=clean(f"{finding.name} {finding.version}".strip(), NAME_LIMIT) or None,
            )
            for finding in findings[:_MAX_FINDINGS]
        ],
        further_findings=max(0, len(findings) - _MAX_FINDINGS),
    )


def _list_missing(report: Report) -> list[str]:
    """Return what was not read or decided. What fails is not part of it: that was read."""
    if report.complete:
        return []
    texts = [f"{problem.path}: {problem.message}" for problem in report.errors]
    texts += [*list_unchecked(report), *report.warnings]
    if report.exit is ExitStatus.EMPTY:
        texts.append(report.exit_reason)
    elif report.dependencies and report.count_state("skipped") == len(report.dependencies):
        texts.append("everything was skipped, nothing was judged")
    return texts or ["not everything could be checked"]


def _check_files(report: Report, roots: Sequence[Path]) -> None:
    """Raise UsageError if the report rests on a dependency file outside of the roots: a lock file above them."""
    paths = [path for file in report.dependency_files for path in (file.path, file.lockfile)]
    outside = next((path for path in paths if path and not is_allowed(Path(path), roots)), None)
    if outside is not None:
        raise UsageError(
            "the project depends on a file outside of the directories that may be scanned",
            hint="start the server with --root at the top of its repository",
        )


def _describe(assessment: Assessment) -> ScannedDependency:
    dependency = assessment.dependency
    score = assessment.score
    fix = assessment.upgrade.version if assessment.upgrade is not None else assessment.fix
    return ScannedDependency(
        name=clean(dependency.package.name, NAME_LIMIT),
        version=clean(dependency.version or "", NAME_LIMIT) or None,
        purl=clean(dependency.purl, 2 * NAME_LIMIT),
        state=assessment.state,
        score=round(float(score.value), 1) if score is not None and score.value is not None else None,
        direct=dependency.direct,
        reasons=clean_all(assessment.reasons, _MAX_REASONS),
        fix=clean(fix) or None,
        location=clean(format_locations(dependency.locations), NAME_LIMIT) or None,
    )


def _get_value(assessment: Assessment) -> float:
    score = assessment.score
    return 101.0 if score is None or score.value is None else float(score.value)
