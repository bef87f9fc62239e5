"""Rules about waivers. What applies them finds what these rules report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.inventory import Package
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding, Level
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput
from nerq_cli.policy.settings import find_package_pattern, has_wildcards, list_named_packages
from nerq_cli.policy.waivers import NOTICE_DAYS, Waiver, WaiverUse


def _find_expired(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each waiver that has ended and matters, and a warning for each that ends soon."""
    for use in rule_input.waiver_uses:
        if use.open_count:
            level = rule_input.settings.levels.get(WAIVER_EXPIRED.id, WAIVER_EXPIRED.level)
            yield _build_finding(use.waiver, _describe_end(use), level)
        elif use.waived_count and use.days_left is not None and use.days_left <= NOTICE_DAYS:
            yield _build_finding(
                use.waiver, f"{_describe(use.waiver)} ends on {use.waiver.until}: {use.waiver.reason}", "warn"
            )


def _find_unused(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each waiver of the settings that no finding of the whole project needs.

    A waiver of what could not be checked may have a use.
    """
    if rule_input.is_partial:
        return
    unchecked: set[Package] | None = None
    for use in rule_input.waiver_uses:
        waiver = use.waiver
        if not waiver.until:
            continue
        if use.has_ended and use.matched_count and not use.open_count:
            yield _build_finding(waiver, f"{_describe(waiver)} ended on {waiver.until}, and another one applies")
        elif not use.matched_count:
            if unchecked is None:
                unchecked = {entry.dependency.package for entry in rule_input.assessments if _is_unchecked(entry)}
            if not (waiver.package and _matches_any(waiver.package, unchecked)):
                end = f", which ended on {waiver.until}" if use.has_ended else ""
                yield _build_finding(waiver, f"no finding matches {_describe(waiver)}{end}")


def _is_unchecked(assessment: Assessment) -> bool:
    """Whether more evidence could lead to further findings about a dependency."""
    if assessment.state in ("unknown", "not-judged"):
        return True
    return assessment.score is not None and not assessment.score.has_required_signal


def _matches_any(pattern: str, packages: set[Package]) -> bool:
    if has_wildcards(pattern):
        return any(find_package_pattern((pattern,), package) for package in packages)
    return not packages.isdisjoint(list_named_packages(pattern))


def _build_finding(waiver: Waiver, text: str, level: Level = "deny") -> Finding:
    locations = () if waiver.location is None else (waiver.location,)
    return Finding(text=text, level=level, name=waiver.package or waiver.path, locations=locations)


def _describe(waiver: Waiver) -> str:
    target = f"the rule {waiver.rule}" if waiver.rule else waiver.target
    places = [f" in {place}" for place in (waiver.version, waiver.package and waiver.path) if place]
    return f"the waiver of {target}{''.join(places)}"


def _describe_end(use: WaiverUse) -> str:
    waiver = use.waiver
    if use.fixed_by and not use.has_ended:
        return f"{_describe(waiver)} ended: {use.fixed_by} fixes the advisory: {waiver.reason}"
    return f"{_describe(waiver)} ended on {waiver.until}: {waiver.reason}"


WAIVER_EXPIRED: Final = PolicyRule(
    id="waiver-expired",
    level="deny",
    summary="A waiver has ended, or ends soon.",
    explanation="A waiver applies until the day that it names, and one with until-fixed only as long as no version "
    "that can be installed fixes the advisory. What it waives counts again after that. From 14 days ahead the report "
    "warns, whatever the level. A waiver that has ended and that no finding needs is unused.",
    hint="mend what was waived, or decide again and write a new day",
    headings=("waiver that has ended or ends soon", "waivers that have ended or end soon"),
    count_phrases=("waiver that has ended or ends soon", "waivers that have ended or end soon"),
    has_own_levels=True,
    check=_find_expired,
)
WAIVER_UNUSED: Final = PolicyRule(
    id="waiver-unused",
    level="warn",
    summary="A waiver waives nothing.",
    explanation="No finding of the run matches it: what it waived was mended, or the waiver has a mistake. A run that "
    "sees a part of the project only, such as one group, reports none, and neither does one that could not check the "
    "package. Statements of VEX documents are not reported.",
    hint="remove it",
    headings=("unused waiver", "unused waivers"),
    count_phrases=("unused waiver", "unused waivers"),
    check=_find_unused,
)
