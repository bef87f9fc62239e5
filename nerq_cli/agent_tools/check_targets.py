"""What is known of targets that an agent names: verdict first, then why, then what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.agent_tools.documents import (
    Advisory,
    AlternativeAnswer,
    CandidateAnswer,
    TargetAnswer,
    UpgradeAnswer,
    Verdict,
)
from nerq_cli.agent_tools.foreign_text import NAME_LIMIT, clean, clean_all, drop_author_words
from nerq_cli.application.absence import explain_absence
from nerq_cli.application.build_report import build_report
from nerq_cli.application.check import MCP_PREFIX
from nerq_cli.application.named_targets import (
    LookedUpTarget,
    describe_missing_sources,
    explain_no_score,
    look_up_targets,
)
from nerq_cli.application.registered_servers import AbsentServerError, AmbiguousServerError
from nerq_cli.application.report_alternatives import add_alternatives
from nerq_cli.ecosystems import get_ecosystem, get_prefix, is_repository
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.report.alternatives import describe_option
from nerq_cli.report.guidance import explain_assessment
from nerq_cli.report.wording import find_threshold, name_with_extras, shorten_version
from nerq_cli.signals.advisories import describe_fix, describe_severity

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.facts import AffectingAdvisory
    from nerq_cli.insight.alternatives import Option
    from nerq_cli.insight.purpose import Purpose
    from nerq_cli.inventory import Dependency, Package
    from nerq_cli.policy.upgrade import Upgrade
    from nerq_cli.report.model import Assessment, Report

_DIGITS: Final = 1
#: Entries of the lists of an answer.
MAX_REASONS: Final = 6
_MAX_ADVISORIES: Final = 8
_MAX_FIXES: Final = 3
_MAX_CANDIDATES: Final = 10
_GUESSED: Final = (
    "Do not install it, and do not try variants of the name: the owner of a guessed name decides what it contains."
)
_ASK: Final = "Ask the user before you install it."


class CheckedTargets(msgspec.Struct, frozen=True):
    """The answers about several targets, and the run that they are from."""

    answers: tuple[TargetAnswer, ...]
    report: Report
    #: The one assessment that each answer is about; None if there is none, or if there are several.
    assessments: tuple[Assessment | None, ...]
    #: Required sources that did not answer.
    missing: tuple[str, ...]
    warnings: tuple[str, ...]


def check_targets(names: Sequence[str], session: Session, purpose: Purpose) -> CheckedTargets:
    """Look up targets in one run, and answer about each. A name that is no target makes that answer ``invalid``."""
    run = session.open_run()
    options = replace(session.build_scan_options(), score_latest=True, keep_provenance=True)
    targets = look_up_targets(names, session, run, options)
    problems = tuple(
        problem if problem.id == "name-proof" else replace(problem, package=target.matches[0].dependency.package)
        for target in targets
        if target.matches
        for problem in target.problems
    )
    options = replace(options, registration_problems=problems)
    unique: dict[tuple[str, str], Assessment] = {}
    for target in targets:
        for item in target.matches:
            unique.setdefault(_key(item), item)
    report = build_report((), tuple(unique.values()), options, sources=run.describe_sources())
    report = add_alternatives(report, options, session=session, run=run)
    by_key = dict(zip(unique, report.dependencies, strict=True))
    answers: list[TargetAnswer] = []
    assessments: list[Assessment | None] = []
    for target in targets:
        matches = [by_key[_key(item)] for item in target.matches]
        answers.append(_answer(target, matches, report, purpose))
        assessments.append(matches[0] if matches and not target.is_ambiguous else None)
    return CheckedTargets(
        answers=tuple(answers),
        report=report,
        assessments=tuple(assessments),
        missing=tuple(clean_all(describe_missing_sources(run), MAX_REASONS)),
        warnings=tuple(clean_all((*report.warnings, *run.warnings), MAX_REASONS)),
    )


def _key(assessment: Assessment) -> tuple[str, str]:
    return assessment.dependency.purl, assessment.dependency.requirement


def list_missing(answers: Sequence[TargetAnswer], missing: Sequence[str]) -> list[str]:
    """Return why answers are incomplete: targets without a firm score, and sources that did not answer."""
    incomplete = [
        f"{answer.name or answer.target}: {'its score is provisional' if answer.score is not None else 'no score'}"
        for answer in answers
        if answer.status == "not-checked"
        or (answer.status == "checked" and (answer.score is None or answer.provisional))
    ]
    return clean_all((*incomplete, *missing), MAX_REASONS)


def _answer(target: LookedUpTarget, matches: Sequence[Assessment], report: Report, purpose: Purpose) -> TargetAnswer:
    if isinstance(target.error, (AbsentServerError, AmbiguousServerError)):
        return _answer_unclear_server(target, target.error, purpose)
    if target.error is not None or not matches:
        text = f"{target.error}" if target.error is not None else f"{target.text!r} names nothing that can be looked up"
        hint = clean(target.error.hint) if target.error is not None else ""
        return TargetAnswer(
            target=clean(target.text, NAME_LIMIT),
            status="invalid",
            verdict="unsettled",
            purpose=purpose,
            headline=_end(clean(text)),
            actions=[_start(hint)] if hint else [],
        )
    if target.is_ambiguous:
        return _answer_ambiguous(target, matches, report, purpose)
    assessment = matches[0]
    absence = explain_absence(assessment)
    if absence:
        return _answer_absent(target, assessment, absence, purpose)
    return _answer_known(target, assessment, report, purpose)


def _answer_unclear_server(
    target: LookedUpTarget, error: AbsentServerError | AmbiguousServerError, purpose: Purpose
) -> TargetAnswer:
    """Return the answer about a server that the MCP registry does not have, or of whose name it has several."""
    answer = TargetAnswer(
        target=clean(target.text, NAME_LIMIT),
        status="does-not-exist",
        verdict="avoid",
        purpose=purpose,
        headline=f"{clean(target.text, NAME_LIMIT)} is not in the MCP registry: do not install it.",
        reasons=[clean(f"{error}")],
        actions=[_GUESSED],
    )
    if isinstance(error, AbsentServerError):
        return answer
    names = [clean(f"{MCP_PREFIX}{name}", NAME_LIMIT) for name in error.names[:_MAX_CANDIDATES]]
    return replace(
        answer,
        status="ambiguous",
        verdict="unsettled",
        headline=_end(clean(f"{error}")),
        reasons=[],
        actions=["Ask again with the full name of the one that is meant."],
        candidates=[CandidateAnswer(target=name, score=None, headline="not looked up") for name in names],
    )


def _answer_ambiguous(
    target: LookedUpTarget, matches: Sequence[Assessment], report: Report, purpose: Purpose
) -> TargetAnswer:
    candidates = [
        CandidateAnswer(
            target=_name(item.dependency.package),
            score=_get_score(item),
            headline=clean(drop_author_words(explain_assessment(item, report, purpose).verdict)),
        )
        for item in matches
    ]
    names = " or ".join(candidate.target for candidate in candidates)
    return TargetAnswer(
        target=clean(target.text, NAME_LIMIT),
        status="ambiguous",
        verdict="unsettled",
        purpose=purpose,
        headline=f"{clean(target.text, NAME_LIMIT)} may be {names}: name the one that is meant.",
        actions=[f"Ask again with {names}."],
        candidates=candidates,
    )


def _answer_absent(target: LookedUpTarget, assessment: Assessment, absence: str, purpose: Purpose) -> TargetAnswer:
    dependency = assessment.dependency
    name = clean(target.text, NAME_LIMIT)
    if assessment.in_registry is False and not is_repository(dependency.package.ecosystem):
        registries = " or ".join(dict.fromkeys(package.ecosystem for package in target.packages))
        headline = f"{name} does not exist on {registries}: do not install it."
        actions = [
            _GUESSED,
            *_suggest_similar(target.packages),
            "Find the right name in the documentation of the project, or ask the user.",
        ]
    else:
        headline = f"{name} does not exist: do not install it."
        fix = clean(assessment.fix)
        newest = clean(assessment.latest, NAME_LIMIT)
        actions = [
            *([_end(_start(fix))] if fix else []),
            *([f"The newest version is {newest}."] if newest else []),
            "Ask again without a version, or with one that exists.",
        ]
    return TargetAnswer(
        target=name,
        status="does-not-exist",
        verdict="avoid",
        purpose=purpose,
        headline=headline,
        name=clean(dependency.package.name, NAME_LIMIT),
        latest=clean(assessment.latest, NAME_LIMIT) or None,
        reasons=clean_all([absence, *assessment.reasons], MAX_REASONS),
        actions=actions,
    )


def _suggest_similar(packages: Sequence[Package]) -> list[str]:
    """Return the popular names that a name which does not exist resembles."""
    from nerq_cli.sources.popularity.ranks import find_similar_name

    similar = [(package, find_similar_name(package)) for package in packages if not is_repository(package.ecosystem)]
    names = [f"{get_prefix(package.ecosystem)}:{found.name}" for package, found in similar if found.name]
    return [f"It resembles {' and '.join(names)}: check that one, if it is meant."] if names else []


def _answer_known(target: LookedUpTarget, assessment: Assessment, report: Report, purpose: Purpose) -> TargetAnswer:
    dependency, score = assessment.dependency, assessment.score
    guidance = explain_assessment(assessment, report, purpose)
    choice = report.alternatives.get(dependency.purl)
    alternatives = [] if choice is None else [build_alternative(option) for option in choice.options]
    has_facts = score is not None and (score.value is not None or bool(assessment.in_registry))
    is_checked = has_facts or guidance.answer == "avoid"
    ids = tuple(advisory.id for advisory in assessment.advisories)
    # what is said of single advisories is part of these
    findings = [text for text in guidance.findings if not (ids and text.startswith(ids))]
    reasons = clean_all([*findings, *target.notes], MAX_REASONS)
    return TargetAnswer(
        target=clean(target.text, NAME_LIMIT),
        status="checked" if is_checked else "not-checked",
        verdict=guidance.answer,
        purpose=purpose,
        headline=clean(drop_author_words(guidance.verdict)),
        name=_name(dependency.package),
        version=clean(dependency.version or "", NAME_LIMIT) or None,
        purl=clean(dependency.purl, 2 * NAME_LIMIT),
        score=_get_score(assessment),
        grade=score.grade if score is not None else None,
        low=_round(score.low if score is not None else None),
        high=_round(score.high if score is not None else None),
        provisional=score is not None and score.provisional,
        latest=clean(assessment.latest, NAME_LIMIT) or None,
        reasons=reasons or clean_all([explain_no_score(assessment)], 1),
        advisories=[_build_advisory(advisory, dependency) for advisory in assessment.advisories[:_MAX_ADVISORIES]],
        further_advisories=max(0, len(assessment.advisories) - _MAX_ADVISORIES),
        actions=_list_actions(assessment, report, guidance.answer, alternatives),
        upgrade=_build_upgrade(assessment),
        alternatives=alternatives,
    )


def _build_advisory(advisory: AffectingAdvisory, dependency: Dependency) -> Advisory:
    return Advisory(
        id=clean(advisory.id, NAME_LIMIT),
        severity=advisory.severity,
        malware=advisory.malware,
        exploited=advisory.exploited,
        fixed_in=clean_all(advisory.fixed_in, _MAX_FIXES, NAME_LIMIT),
        description=clean(_describe_advisory(advisory, dependency)),
        title=clean(advisory.summary, NAME_LIMIT),
    )


def _describe_advisory(advisory: AffectingAdvisory, dependency: Dependency) -> str:
    """Return ``critical, known to be exploited; fixed in 2.0``. Records of malware state no severity and no fix."""
    fixes = find_newer_fixes(dependency.package.ecosystem, dependency.version or "", advisory)
    kind = "malware" if advisory.malware else describe_severity(advisory)
    rating = f"{kind}, known to be exploited" if advisory.exploited else kind
    if fixes:
        fix = ", newest fix ".join((f"fixed in {fixes[0]}", *fixes[1:]))
    else:
        fix = "" if advisory.malware else describe_fix(advisory, "")
    return "; ".join(filter(None, (rating, fix)))


def _list_actions(
    assessment: Assessment, report: Report, verdict: Verdict, alternatives: Sequence[AlternativeAnswer]
) -> list[str]:
    dependency, upgrade = assessment.dependency, assessment.upgrade
    if verdict == "no-objection":
        pin = _format_pin(assessment)
        return [f"Install exactly this version: {pin}."] if pin else []
    actions = []
    if verdict == "avoid":
        version = f" {shorten_version(dependency.version)}" if dependency.version else ""
        actions.append(f"Do not install {clean(f'{name_with_extras(dependency)}{version}', NAME_LIMIT)}.")
    if any(advisory.malware for advisory in assessment.advisories):
        return [*actions, "It is recorded as malware: if it is installed, tell the user at once."]
    if upgrade is not None:
        number = "" if upgrade.value is None else f" (score {upgrade.value:.1f})"
        ids = upgrade.fixed_advisories
        further = f" and {len(ids) - _MAX_FIXES} more" if len(ids) > _MAX_FIXES else ""
        fixed = f"is not affected by {', '.join(ids[:_MAX_FIXES])}{further}, and " if ids else ""
        relation = _describe_relation(upgrade, find_threshold(assessment, report))
        actions.append(clean(f"Use version {upgrade.version}{number}: it {fixed}{relation}."))
    elif assessment.fix:
        fix = clean(assessment.fix)
        actions.append(f"Use version {fix}." if fix[0].isdigit() else _end(_start(fix)))
    if alternatives and verdict == "avoid":
        names = ", ".join(item.name for item in alternatives)
        actions.append(clean(f"Consider in its place: {names}; check the one that you choose.", 2 * NAME_LIMIT))
    if verdict == "unsettled":
        actions.append(_ASK)
    return actions


def _describe_relation(upgrade: Upgrade, threshold: float) -> str:
    if upgrade.passes:
        return f"reaches {threshold:g}"
    if upgrade.value is not None and upgrade.value < threshold:
        return f"stays below {threshold:g}"
    return f"reaches {threshold:g} only if what is not known does not lower it"


def _format_pin(assessment: Assessment) -> str:
    dependency = assessment.dependency
    if not dependency.version:
        return ""
    package = dependency.package
    if is_repository(package.ecosystem):
        return clean(f"{package.name} at {dependency.version}", 2 * NAME_LIMIT)
    separator = get_ecosystem(package.ecosystem).version_separator
    return clean(f"{package.name}{separator}{dependency.version}", 2 * NAME_LIMIT)


def _build_upgrade(assessment: Assessment) -> UpgradeAnswer | None:
    upgrade = assessment.upgrade
    if upgrade is None:
        return None
    return UpgradeAnswer(
        version=clean(upgrade.version, NAME_LIMIT),
        score=_round(upgrade.value),
        passes=upgrade.passes,
        fixes=clean_all(upgrade.fixed_advisories, _MAX_ADVISORIES, NAME_LIMIT),
    )


def build_alternative(option: Option) -> AlternativeAnswer:
    """Return an alternative as part of an answer."""
    return AlternativeAnswer(
        name=clean(describe_option(option), NAME_LIMIT),
        installed=bool(option.candidate.name),
        score=_round(option.value),
        reason=clean(option.candidate.reason),
        source=clean(option.candidate.source, NAME_LIMIT),
    )


def _get_score(assessment: Assessment) -> float | None:
    return _round(assessment.score.value if assessment.score is not None else None)


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DIGITS)


def _name(package: Package) -> str:
    return clean(f"{get_prefix(package.ecosystem)}:{package.name}", NAME_LIMIT)


def _start(text: str) -> str:
    return text[:1].upper() + text[1:]


def _end(text: str) -> str:
    return text if text.endswith((".", "…", "?")) else f"{text}."
