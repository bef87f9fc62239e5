"""Rules about reviews by people who sign for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.reviews import Verdict, describe_review
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput, build_finding


def _list_third_party(rule_input: RuleInput) -> Iterator[Assessment]:
    for assessment in rule_input.assessments:
        if assessment.state not in (None, "skipped") and not assessment.dependency.is_own:
            yield assessment


def _find_unreviewed(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each dependency whose version in use has no review that is ``ok``, or has an objection."""
    for assessment in _list_third_party(rule_input):
        review = assessment.review
        if review is None:
            yield build_finding(assessment, "nobody has reviewed it")
        elif review.verdict != "ok":
            objection = describe_review(review.reviews[0]) if review.verdict else review.reason
            yield build_finding(assessment, objection)


def _find_verdict(verdict: Verdict) -> Callable[[RuleInput], Iterator[Finding]]:
    def check(rule_input: RuleInput) -> Iterator[Finding]:
        for assessment in _list_third_party(rule_input):
            if assessment.review is not None and assessment.review.verdict == verdict:
                yield build_finding(assessment, describe_review(assessment.review.reviews[0]))

    return check


REVIEWED: Final = PolicyRule(
    id="reviewed",
    level="allow",
    summary="Nobody who signs for it has reviewed the version in use and found it ok.",
    explanation="nerq-reviews.toml has the reviews of a project, and names those of other teams. A review counts for "
    "its version or range of versions; a review of the differences between two versions counts if the first of them is "
    "reviewed itself. An objection by anyone outweighs what others found ok.",
    hint="review it, then: nerq review add NAME==VERSION --verdict ok",
    headings=("dependency without a review that is ok", "dependencies without a review that is ok"),
    count_phrases=("not reviewed", "not reviewed"),
    check=_find_unreviewed,
)
REVIEW_REJECTED: Final = PolicyRule(
    id="review-rejected",
    level="deny",
    summary="A review rejects the version in use.",
    explanation="Someone who signs for it states in nerq-reviews.toml, or in the reviews of another team that it "
    "names, that this version must not be used. The score is what it is without the review.",
    hint="move to a version that is not rejected, or settle it with the reviewer: a later review by the same person "
    "replaces the earlier one",
    headings=("rejected dependency", "rejected dependencies"),
    count_phrases=("rejected by a review", "rejected by reviews"),
    check=_find_verdict("reject"),
)
REVIEW_CONCERN: Final = PolicyRule(
    id="review-concern",
    level="warn",
    summary="A review has reservations about the version in use.",
    explanation="Someone who signs for it states a concern in nerq-reviews.toml, or in the reviews of another team "
    "that it names.",
    hint="read the notes of the review",
    headings=("dependency with a concern of a review", "dependencies with a concern of a review"),
    count_phrases=("with a concern of a review", "with concerns of reviews"),
    check=_find_verdict("concern"),
)
