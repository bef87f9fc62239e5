"""The policy rules: a table, one row per rule, with its check and its words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import is_repository
from nerq_cli.inventory import Location, Package
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding, Level
from nerq_cli.policy.rules.age import AGE_POLICY_MISMATCH, TOO_NEW
from nerq_cli.policy.rules.licences import LICENCE, NO_LICENCE
from nerq_cli.policy.rules.mcp import (
    MCP_DELETED,
    MCP_DEPRECATED,
    MCP_INSECURE_URL,
    MCP_NAME_PROOF,
    MCP_UNPINNED,
)
from nerq_cli.policy.rules.origins import FOREIGN_ORIGIN, PROVENANCE_LOST, PUBLISHER_CHANGED
from nerq_cli.policy.rules.project import INSTALL_SCRIPT, LOCK_DRIFT, UNPINNED
from nerq_cli.policy.rules.registry import (
    ARCHIVED,
    DEPRECATED,
    INACTIVE,
    LOOKALIKE,
    NOT_ON_INDEX,
    VANISHED,
    YANKED,
)
from nerq_cli.policy.rules.reviews import REVIEW_CONCERN, REVIEW_REJECTED, REVIEWED
from nerq_cli.policy.rules.rule import ForeignOrigin, PolicyRule, RuleInput
from nerq_cli.policy.rules.scores import NOT_JUDGED, SCORE_BELOW_THRESHOLD, SCORE_UNKNOWN
from nerq_cli.policy.rules.vulnerabilities import MALICIOUS, MALWARE_HINT, VULNERABILITY
from nerq_cli.policy.rules.waivers import WAIVER_EXPIRED, WAIVER_UNUSED
from nerq_cli.policy.settings import LEVELS, PolicySettings, SubtreePolicy
from nerq_cli.policy.waivers import Waiver, apply_waivers

__all__ = [
    "MALICIOUS",
    "MALWARE_HINT",
    "RULES",
    "WAIVABLE_RULES",
    "ForeignOrigin",
    "PolicyRule",
    "RuleInput",
    "describe_counts",
    "find_findings",
    "find_level",
    "group_by_rule",
]

#: The rules, in the order of a report.
RULES: Final[tuple[PolicyRule, ...]] = (
    SCORE_BELOW_THRESHOLD,
    MALICIOUS,
    VULNERABILITY,
    REVIEW_REJECTED,
    REVIEW_CONCERN,
    REVIEWED,
    NOT_ON_INDEX,
    VANISHED,
    LOOKALIKE,
    PROVENANCE_LOST,
    PUBLISHER_CHANGED,
    INSTALL_SCRIPT,
    YANKED,
    DEPRECATED,
    ARCHIVED,
    INACTIVE,
    TOO_NEW,
    LICENCE,
    NO_LICENCE,
    UNPINNED,
    MCP_UNPINNED,
    MCP_INSECURE_URL,
    MCP_DELETED,
    MCP_DEPRECATED,
    MCP_NAME_PROOF,
    AGE_POLICY_MISMATCH,
    WAIVER_EXPIRED,
    WAIVER_UNUSED,
    SCORE_UNKNOWN,
    NOT_JUDGED,
    FOREIGN_ORIGIN,
    LOCK_DRIFT,
)
#: Rules about what became of the waivers of the others, whose findings nothing waives.
_WAIVER_RULES: Final = (WAIVER_EXPIRED, WAIVER_UNUSED)
#: Ids of the rules whose findings may be waived.
WAIVABLE_RULES: Final = tuple(rule.id for rule in RULES if rule not in _WAIVER_RULES)
_POSITIONS: Final[Mapping[str, int]] = MappingProxyType({rule.id: position for position, rule in enumerate(RULES)})


def find_level(rule: PolicyRule, settings: PolicySettings) -> Level:
    """Return the level of a rule."""
    return settings.levels.get(rule.id, rule.level)


def find_findings(rule_input: RuleInput) -> tuple[Finding, ...]:
    """Return the findings of all rules, in the order of the table.

    One at the level ``allow`` is returned only if it means that something could not be checked. Those that a waiver
    applies to have it.
    """
    if rule_input.settings.subtrees:
        findings: Iterable[Finding] = _check_directories(rule_input)
    else:
        findings = (finding for rule in RULES if rule not in _WAIVER_RULES for finding in _check_rule(rule, rule_input))
    if not rule_input.waivers:
        return tuple(findings)
    waived, uses = apply_waivers(
        findings,
        _select_waivers(rule_input),
        rule_input.as_of,
        rule_input.waiver_paths,
        _list_old_names(rule_input.assessments),
    )
    rule_input = msgspec.structs.replace(rule_input, waiver_uses=uses)
    about_waivers = [finding for rule in _WAIVER_RULES for finding in _check_rule(rule, rule_input)]
    return tuple(sorted((*waived, *about_waivers), key=lambda finding: _POSITIONS[finding.id]))


def _select_waivers(rule_input: RuleInput) -> list[Waiver]:
    """Return the waivers without the VEX statements on parts of a product that is not the scanned project."""
    return [waiver for waiver in rule_input.waivers if not waiver.product]


def _list_old_names(assessments: Iterable[Assessment]) -> dict[Package, list[Package]]:
    """Return the old names of the repositories of the Hub that were renamed: the settings may have those."""
    dependencies = (assessment.dependency for assessment in assessments)
    return {
        dependency.package: [Package(ecosystem=dependency.package.ecosystem, name=name) for name in dependency.aliases]
        for dependency in dependencies
        if dependency.aliases and is_repository(dependency.package.ecosystem)
    }


def _check_directories(rule_input: RuleInput) -> list[Finding]:
    """Return the findings, each by the policy of the directory that it is about; of several the strictest.

    Rules that look at a whole project see all of it with each of the policies.
    """
    settings = rule_input.settings
    by_directory: dict[str, list[Assessment]] = {}
    for assessment in rule_input.assessments:
        for directory in _list_directories(settings, assessment.dependency.locations):
            by_directory.setdefault(directory, []).append(assessment)
    found: dict[tuple[object, ...], Finding] = {}
    everywhere = SubtreePolicy(directory="", threshold=rule_input.threshold, policy=replace(settings, subtrees=()))
    for subtree in (everywhere, *settings.subtrees):
        part = replace(
            rule_input,
            settings=subtree.policy,
            threshold=subtree.threshold,
            assessments=by_directory.get(subtree.directory, ()),
        )
        for rule in RULES:
            if rule in _WAIVER_RULES:
                continue
            for finding in _check_rule(rule, part):
                if subtree.directory in _list_directories(settings, finding.locations):
                    text = "" if finding.purl else finding.text
                    key = (finding.id, finding.purl, finding.version, finding.advisory, finding.locations, text)
                    found[key] = max(found.get(key, finding), finding, key=_rank_strictness)
    return sorted(found.values(), key=lambda finding: _POSITIONS[finding.id])


def _list_directories(settings: PolicySettings, locations: Iterable[Location]) -> list[str]:
    """Return the directories whose policies apply to these places; empty stands for all others."""
    return [subtree.directory for subtree in settings.select_subtrees(locations)] or [""]


def _rank_strictness(finding: Finding) -> tuple[int, bool]:
    return LEVELS.index(finding.level), not finding.undecided


def _check_rule(rule: PolicyRule, rule_input: RuleInput) -> Iterator[Finding]:
    level = find_level(rule, rule_input.settings)
    if level == "allow" and not rule.leaves_incomplete:
        return
    for finding in rule.check(rule_input):
        if finding.undecided:  # what could not be checked does not break the rule
            yield replace(finding, id=rule.id, level="warn")
        elif rule.has_own_levels:
            yield replace(finding, id=rule.id)
        else:
            yield replace(finding, id=rule.id, level=level, undecided=rule.leaves_incomplete)


def group_by_rule(findings: Iterable[Finding]) -> dict[PolicyRule, list[Finding]]:
    """Return the findings of each rule that has any, in the order of the table."""
    grouped: dict[str, list[Finding]] = {rule.id: [] for rule in RULES}
    for finding in findings:
        grouped[finding.id].append(finding)
    return {rule: grouped[rule.id] for rule in RULES if grouped[rule.id]}


def describe_counts(findings: Iterable[Finding], threshold: str = "their thresholds") -> list[str]:
    """Return the number of findings of each rule, as phrases; ``threshold`` is the lowest passing score as text."""
    phrases: list[str] = []
    for rule, group in group_by_rule(findings).items():
        broken = [finding for finding in group if rule.leaves_incomplete or not finding.undecided]
        if broken:
            phrase = rule.count_phrases[len(broken) > 1].format(threshold=threshold)
            phrases.append(f"{len(broken):,} {phrase}")
        if undecided_count := len(group) - len(broken):
            phrases.append(f"{rule.id} not decided for {undecided_count:,}")
    return phrases
