"""What each tool answers: the functions behind the tools, each with a session of its own thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli.agent_tools.check_targets import (
    MAX_REASONS,
    CheckedTargets,
    build_alternative,
    check_targets,
    list_missing,
)
from nerq_cli.agent_tools.documents import (
    AlternativesAnswer,
    CheckAnswer,
    CheckManyAnswer,
    CompareAnswer,
    ComparedTarget,
    Difference,
    ExplainAnswer,
    ExplainedSignal,
    TargetAnswer,
    Verdict,
)
from nerq_cli.agent_tools.foreign_text import NAME_LIMIT, NOTICE, clean, clean_all
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.insight.purpose import Purpose
    from nerq_cli.report.model import Assessment

_DIGITS: Final = 1
#: Points from which a signal is said to cost some.
_NOTICEABLE: Final = 0.05
#: Entries of the lists of an answer.
_MAX_SIGNALS: Final = 12
_MAX_DIFFERENCES: Final = 8
_MAX_NAMES: Final = 20
#: The same, for one of many answers.
_BRIEF: Final = 2
#: Verdicts, worst first, with the words for their number.
_COUNTED: Final[Mapping[Verdict, str]] = {
    "avoid": "to avoid",
    "unsettled": "not settled",
    "no-objection": "without objection",
}


def check_package(target: str, session: Session, purpose: Purpose) -> CheckAnswer:
    """Answer whether to install a target.

    Raises:
        UsageError: the text names no target.
    """
    checked = _check_one(target, session, purpose)
    missing = list_missing(checked.answers, checked.missing)
    return CheckAnswer(
        notice=NOTICE,
        complete=not missing,
        missing=missing,
        warnings=list(checked.warnings),
        result=checked.answers[0],
    )


def _check_one(target: str, session: Session, purpose: Purpose) -> CheckedTargets:
    checked = check_targets([target], session, purpose)
    (answer,) = checked.answers
    if answer.status == "invalid":
        raise UsageError(answer.headline, hint=" ".join(answer.actions))
    return checked


def check_many(targets: Sequence[str], session: Session, purpose: Purpose) -> CheckManyAnswer:
    """Answer the same for many targets in one run."""
    unique = list(dict.fromkeys(targets))
    checked = check_targets(unique, session, purpose)
    by_target = dict(zip(unique, checked.answers, strict=True))
    answers = [_shorten(by_target[target]) for target in targets]
    missing = list_missing(checked.answers, checked.missing)
    verdicts = Counter(answer.verdict for answer in checked.answers)
    counts = ", ".join(f"{verdicts[verdict]} {words}" for verdict, words in _COUNTED.items() if verdicts[verdict])
    absent = sum(answer.status == "does-not-exist" for answer in checked.answers)
    absent_text = f"; {absent} {'does' if absent == 1 else 'do'} not exist" if absent else ""
    return CheckManyAnswer(
        notice=NOTICE,
        complete=not missing,
        missing=missing,
        warnings=list(checked.warnings),
        headline=f"{len(unique)} checked for {purpose}: {counts}{absent_text}.",
        results=answers,
    )


def _shorten(answer: TargetAnswer) -> TargetAnswer:
    """Return an answer as one of many: what decides and what to do first."""
    advisories = answer.advisories[:_BRIEF]
    return replace(
        answer,
        reasons=answer.reasons[:_BRIEF],
        actions=answer.actions[:_BRIEF],
        alternatives=answer.alternatives[:_BRIEF],
        advisories=advisories,
        further_advisories=answer.further_advisories + len(answer.advisories) - len(advisories),
    )


def explain(target: str, session: Session, purpose: Purpose) -> ExplainAnswer:
    """Answer what a score is made of.

    Raises:
        UsageError: the text names no target.
    """
    from nerq_cli.report.guidance import explain_assessment
    from nerq_cli.report.wording import format_timestamp, label_methodology

    checked = _check_one(target, session, purpose)
    (answer,), (assessment,) = checked.answers, checked.assessments
    missing = list_missing(checked.answers, checked.missing)
    score = assessment.score if assessment is not None else None
    guidance = None
    if assessment is not None and answer.status != "does-not-exist":
        guidance = explain_assessment(assessment, checked.report, purpose)
    return ExplainAnswer(
        notice=NOTICE,
        complete=not missing,
        missing=missing,
        warnings=list(checked.warnings),
        result=answer,
        dimensions={id_: _round(value) for id_, value in score.dimensions.items()} if score is not None else {},
        caps=clean_all([f"at most {cap.limit:g}: {cap.reason}" for cap in score.caps], MAX_REASONS) if score else [],
        signals=_list_signals(assessment) if assessment is not None else [],
        suits=list(guidance.suits) if guidance is not None else [],
        avoid=clean_all(guidance.avoid, MAX_REASONS) if guidance is not None else [],
        # commands are not shortened: a part of one would be another command
        verify=[check.command for check in guidance.checks if clean(check.command, 500) == check.command]
        if guidance is not None
        else [],
        methodology=label_methodology(score.methodology) if score is not None else None,
        as_of=format_timestamp(checked.report.as_of),
    )


def _list_signals(assessment: Assessment) -> list[ExplainedSignal]:
    if assessment.score is None:
        return []
    parts = list(assessment.score.parts)
    costly = sorted((part for part in parts if part.lost_points >= _NOTICEABLE), key=lambda part: -part.lost_points)
    unknown = [part for part in parts if part.signal.state == "unknown"]
    return [
        ExplainedSignal(
            id=part.signal.id,
            name=part.spec.name,
            state="unknown" if part.signal.state == "unknown" else "known",
            value=_round(part.signal.value),
            lost_points=_round(part.lost_points) if part.signal.state == "known" else None,
            reason=clean(part.signal.reason),
            source=clean(part.signal.source, NAME_LIMIT),
        )
        for part in (*costly[:_MAX_SIGNALS], *unknown[:_MAX_SIGNALS])
    ]


def compare(targets: Sequence[str], session: Session) -> CompareAnswer:
    """Answer which of several targets has the higher score, and what decides.

    Raises:
        UsageError: one is no target or does not exist, two are the same, or their kinds differ.
    """
    from nerq_cli.application.compare import run_compare
    from nerq_cli.report.pages.compare import describe_cell

    report = run_compare(targets, session)
    comparison = report.comparison
    labels = [clean(side.label, NAME_LIMIT) for side in comparison.sides]
    best = comparison.outcome.best
    missing = [] if report.strict else clean_all([report.exit_reason], MAX_REASONS)
    return CompareAnswer(
        notice=NOTICE,
        complete=not missing,
        missing=missing,
        warnings=clean_all(report.warnings, MAX_REASONS),
        headline=clean(comparison.outcome.text, 2 * NAME_LIMIT),
        best=None if best is None else labels[best],
        certain=comparison.outcome.certain,
        targets=[
            ComparedTarget(
                target=clean(facts.target, NAME_LIMIT),
                label=label,
                purl=clean(facts.purl, 2 * NAME_LIMIT),
                score=_round(side.score.value if side.score is not None else None),
                grade=side.score.grade if side.score is not None else None,
                reason=clean(side.reason) or None,
                latest=clean(facts.latest, NAME_LIMIT) or None,
                advisories=clean_all([advisory.id for advisory in side.advisories], _MAX_NAMES, NAME_LIMIT),
                knows_advisories=side.knows_advisories and len(side.advisories) <= _MAX_NAMES,
            )
            for side, facts, label in zip(comparison.sides, report.facts, labels, strict=True)
        ],
        differences=[
            Difference(
                name=row.name,
                points=round(row.points, _DIGITS),
                values=[clean(describe_cell(cell), NAME_LIMIT) for cell in row.cells],
            )
            for row in [row for row in comparison.rows if row.group == "decides"][:_MAX_DIFFERENCES]
        ],
        changes=clean_all([change.text for change in comparison.changes], MAX_REASONS, 2 * NAME_LIMIT),
        not_known=[row.name for row in comparison.rows if row.group == "unknown"][:_MAX_NAMES],
    )


def alternatives(target: str, session: Session) -> AlternativesAnswer:
    """Answer what does the same job as a target.

    Raises:
        UsageError: the text names no target, the target does not exist, or it may be several.
    """
    from nerq_cli.application.alternatives import run_alternatives
    from nerq_cli.report.pages.alternatives import NONE_KNOWN

    report = run_alternatives(target, session)
    options = [build_alternative(option) for option in report.choice.options]
    names = ", ".join(item.name for item in options)
    missing = [] if report.complete else clean_all([report.exit_reason], MAX_REASONS)
    label = clean(report.label, NAME_LIMIT)
    return AlternativesAnswer(
        notice=NOTICE,
        complete=not missing,
        missing=missing,
        warnings=clean_all(report.warnings, MAX_REASONS),
        target=clean(report.target, NAME_LIMIT),
        headline=clean(f"In place of {label}: {names}.", 4 * NAME_LIMIT) if options else f"{label}: {NONE_KNOWN}",
        score=_round(report.score.value if report.score is not None else None),
        alternatives=options,
        further=report.choice.further,
        excluded=clean_all(
            [f"{option.candidate.name}: {option.excluded}" for option in report.choice.excluded], MAX_REASONS
        ),
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DIGITS)
