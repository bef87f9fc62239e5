"""Rules about scores: below the threshold, without a score, not looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from nerq_cli.policy import estimate_dimension
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput, build_finding
from nerq_cli.policy.settings import PolicySettings
from nerq_cli.scoring.score import Score


def _find_below(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each dependency below its threshold; none for what only malware fails."""
    settings = rule_input.settings
    for assessment in rule_input.assessments:
        if assessment.state == "below":
            threshold = settings.find_threshold(assessment.dependency, rule_input.threshold)
            if assessment.threshold is not None:  # another directory may require more
                threshold = max(threshold, assessment.threshold)
            if text := explain_below(assessment, threshold, settings):
                yield _add_without_waived(build_finding(assessment, text), assessment)


def _add_without_waived(finding: Finding, assessment: Assessment) -> Finding:
    """Return the finding with the score without waived advisories; their waivers apply to it if that passes."""
    without = assessment.without_waived
    if without is None or without.value is None:
        return finding
    noun = "advisory" if without.advisories == 1 else f"{without.advisories} advisories"
    text = f"{finding.text}; {without.value:.1f} without the waived {noun}"
    return replace(finding, text=text, advisory_ids=without.ids if without.passes else ())


def explain_below(assessment: Assessment, threshold: float, settings: PolicySettings) -> str:
    """Return why a dependency is below its threshold, with the numbers; empty if its score is not."""
    score = assessment.score
    if score is None or assessment.dependency.is_own:
        return ""
    lowest_cap = min((cap.limit for cap in score.caps), default=100.0)
    value = lowest_cap if score.value is None else score.value
    sign = "at most " if score.value is None else ""
    reasons = [f"{sign}{value:.1f} of {threshold:g} points"] if value < threshold else []
    return "; ".join([*reasons, *explain_dimensions(score, settings.find_dimension_thresholds(assessment.dependency))])


def explain_dimensions(score: Score, thresholds: Mapping[str, float]) -> Iterator[str]:
    """Yield each dimension of a score that is below its threshold, with the numbers."""
    for name, minimum in thresholds.items():
        _, high = estimate_dimension(score, name)
        if high < minimum:
            mean = score.dimensions.get(name)
            points = f"at most {high:.1f}" if mean is None else f"{mean:.1f}"
            yield f"{name} {points} of {minimum:g} points"


def _find_unknown(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each dependency that the evidence does not suffice to judge."""
    for assessment in rule_input.assessments:
        if assessment.state == "unknown":
            yield build_finding(assessment, assessment.reasons[0] if assessment.reasons else "not enough evidence")


def _find_not_judged(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each third-party dependency that is not looked up."""
    for assessment in rule_input.assessments:
        if assessment.state == "not-judged":
            reasons = assessment.reasons or (assessment.dependency.skip_reason,)
            yield build_finding(assessment, reasons[0] or "not looked up")


SCORE_BELOW_THRESHOLD: Final = PolicyRule(
    id="score-below-threshold",
    level="deny",
    summary="The score of a dependency is below the threshold.",
    explanation="The whole range of the score decides: a dependency fails when no evidence that is missing could lift "
    "it to the threshold, and a cap below the threshold fails it even without a score. Groups, packages and dimensions "
    "of a score may have thresholds of their own; a threshold of a package outweighs those of its groups, and of "
    "several groups the highest one counts.",
    hint="take the fix that the table names, if there is one, or see why: nerq check NAME",
    headings=("dependency below its threshold", "dependencies below their thresholds"),
    count_phrases=("below {threshold}", "below {threshold}"),
    is_in_table=True,
    check=_find_below,
)
SCORE_UNKNOWN: Final = PolicyRule(
    id="score-unknown",
    level="warn",
    summary="The evidence does not suffice to judge a dependency.",
    explanation="Too little is known for a score, or what is not known could take the score below the threshold. A run "
    "with such a dependency is incomplete: it exits 3 with --strict. At the level deny it fails, and at the level "
    "allow it passes, but does not count as complete.",
    hint="see what is missing: nerq check NAME",
    headings=("dependency that could not be judged", "dependencies that could not be judged"),
    count_phrases=("could not be judged", "could not be judged"),
    leaves_incomplete=True,
    is_in_table=True,
    check=_find_unknown,
)
NOT_JUDGED: Final = PolicyRule(
    id="not-judged",
    level="warn",
    summary="A third party's package is not looked up.",
    explanation="It comes from a URL, a repository, an archive or an index that is not asked, so that nothing is known "
    "about it. A run with such a dependency is incomplete: it exits 3 with --strict. At the level deny it fails, and "
    "at the level allow it passes, but does not count as complete.",
    hint="use a release of an index, or accept the package with a waiver",
    headings=("dependency that was not judged", "dependencies that were not judged"),
    count_phrases=("not judged", "not judged"),
    leaves_incomplete=True,
    is_in_table=True,
    check=_find_not_judged,
)
