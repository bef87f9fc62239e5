"""Rules about the age of versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.ecosystems import is_repository
from nerq_cli.policy.age_mismatch import find_age_mismatches
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.marks import read_mark
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput, build_finding, build_undecided, list_judged
from nerq_cli.signals.signal import format_count
from nerq_cli.units import DAY, HOUR


def _find_new(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each version younger than the least age, unless it is known to be a security fix."""
    min_age = rule_input.settings.min_age
    for assessment in list_judged(rule_input):
        if not assessment.released_at:
            yield build_undecided(assessment, "not known when it was published")
        elif rule_input.as_of - assessment.released_at < min_age and not read_mark(assessment.marks, TOO_NEW.id):
            age = max(0, rule_input.as_of - assessment.released_at)
            verb = "last changed" if is_repository(assessment.dependency.package.ecosystem) else "published"
            text = f"{verb} {_format_duration(age)} ago; the least age is {_format_duration(min_age)}"
            yield build_finding(assessment, text)


def _format_duration(seconds: int) -> str:
    days, hours = seconds // DAY, seconds // HOUR
    is_whole = bool(days) and not seconds % DAY
    return format_count(days, "day") if is_whole or days > 1 else format_count(hours, "hour")


TOO_NEW: Final = PolicyRule(
    id="too-new",
    level="allow",
    summary="The version in use is younger than the least age.",
    explanation="Most malicious versions are found within days. min-age is the age that a version must have (7d, P7D, "
    "168h, or minutes as a number). A version that fixes an advisory of the version before it is "
    "exempt. Of a repository of the Hugging Face Hub its last change counts.",
    hint="wait, or use the version before",
    headings=("version that is too new", "versions that are too new"),
    count_phrases=("version that is too new", "versions that are too new"),
    check=_find_new,
)
AGE_POLICY_MISMATCH: Final = PolicyRule(
    id="age-policy-mismatch",
    level="warn",
    summary="The age rules of the project's own tools contradict each other.",
    explanation="uv, pip, npm, pnpm, Yarn, Bun, Renovate and Dependabot each have a setting for the age that a version "
    "must have. Where they differ, one tool proposes what another one refuses. A number that seems to be in another "
    "unit, and a value that a tool cannot use, are findings as well.",
    hint="use the same age in each of them",
    headings=("contradiction between age rules", "contradictions between age rules"),
    count_phrases=("contradiction between age rules", "contradictions between age rules"),
    is_grouped=True,
    check=find_age_mismatches,
)
