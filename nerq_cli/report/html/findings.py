"""The findings by rule: those that fail the run first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nerq_cli.inventory import Location
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.rules import PolicyRule, group_by_rule
from nerq_cli.report import wording
from nerq_cli.report.html.head import find_verdict
from nerq_cli.report.html.markup import Child, Markup, element, join
from nerq_cli.report.html.paths import DependencyIndex, find_path, index_dependencies
from nerq_cli.report.model import Report

#: Findings of a rule, and of all rules, that the page has as HTML. The script draws the others from the data.
_MAX_OF_RULE: Final = 20
_MAX_OF_ALL: Final = 200


def build_findings(report: Report) -> Markup | None:
    """Return the section of the findings; without any it is left out, unless that is good news."""
    groups = group_by_rule(report.findings)
    if not groups:
        is_news = find_verdict(report) == "PASS" and report.dependencies
        return _build_section(element("p", "No policy rule found anything.", class_="empty")) if is_news else None
    index = index_dependencies(assessment.dependency for assessment in report.dependencies)
    numbers = {id(finding): number for number, finding in enumerate(report.findings)}
    remaining_count = _MAX_OF_ALL
    sections: list[tuple[int, Markup]] = []
    for rule, findings in groups.items():
        ranked = sorted(findings, key=_rank)
        limit = min(_MAX_OF_RULE, remaining_count)
        remaining_count -= len(ranked[:limit])
        rest = [numbers[id(finding)] for finding in ranked[limit:]]
        sections.append((_rank(ranked[0]), _build_rule(rule, ranked, ranked[:limit], rest, index)))
    sections.sort(key=lambda section: section[0])
    return _build_section(*(section for _, section in sections))


def _build_section(*children: Child) -> Markup:
    return element("section", element("h2", "Findings", id="findings"), *children, aria_labelledby="findings")


def _rank(finding: Finding) -> int:
    """Return a sort key: what fails the run first, then what did so before, then warnings, then what is waived."""
    if finding.waiver is not None:
        return 3
    if finding.level != "deny":
        return 2
    return 0 if finding.fails else 1


def _build_rule(
    rule: PolicyRule,
    findings: Sequence[Finding],
    shown: Sequence[Finding],
    rest: Sequence[int],
    index: DependencyIndex,
) -> Markup:
    heading_id = f"rule-{rule.id}"
    return element(
        "section",
        element(
            "h3",
            _build_level(findings[0]),
            " ",
            element("span", f"{len(findings):,} {rule.headings[len(findings) > 1]}"),
            id=heading_id,
        ),
        element("p", _describe_statuses(findings), class_="sub"),
        element("p", element("span", "→ ", aria_hidden="true"), rule.hint, class_="hint"),
        element("ul", *(_build_finding(finding, index) for finding in shown), class_="findings"),
        element(
            "p",
            f"{len(rest):,} more: drawn by the script of this page, and in the JSON report.",
            class_="more",
            data_rest=Markup(" ".join(map(str, rest))),
        )
        if rest
        else None,
        class_="rule",
        aria_labelledby=heading_id,
        data_rule=rule.id,
    )


def _build_level(finding: Finding) -> Markup:
    level = "waived" if finding.waiver is not None else finding.level
    return element("span", level, class_=f"level level-{level}")


def _describe_statuses(findings: Sequence[Finding]) -> str | None:
    """Return how many findings fail the run, warn, are as before, or are waived; None if all of them fail."""
    words = ("fail the run", "not new", "warn", "waived")
    counts = [sum(_rank(finding) == rank for finding in findings) for rank in range(len(words))]
    if counts[0] == len(findings):
        return None
    return " · ".join(f"{count:,} {word}" for count, word in zip(counts, words, strict=True) if count)


def _build_finding(finding: Finding, index: DependencyIndex) -> Markup:
    title: list[Child] = [element("strong", finding.name or finding.text, data_card=finding.purl or None)]
    if finding.version:
        title += [" ", element("span", wording.shorten_version(finding.version), class_="version")]
    title += [
        element("span", chip, class_=f"chip chip-{chip}")
        for chip in (finding.severity, finding.change, "waived" if finding.waiver is not None else "")
        if chip
    ]
    return element(
        "li",
        element("p", *title, class_="title"),
        element(
            "div",
            element("p", finding.text) if finding.name else None,
            _build_path(finding, index),
            element("p", _list_locations(finding.locations), class_="where") if finding.locations else None,
            None if finding.waiver is None else element("p", _describe_waiver(finding.waiver), class_="waiver"),
        ),
    )


def _build_path(finding: Finding, index: DependencyIndex) -> Markup | None:
    """Return the path to the package of a finding, if another package brings it in."""
    for dependency in index.get(finding.name, ()):
        if finding.purl in (dependency.purl, dependency.package.purl) and not dependency.direct:
            return element("p", " → ".join(find_path(dependency, index)), class_="path")
    return None


def _list_locations(locations: Sequence[Location]) -> Markup:
    return join(element("code", wording.format_locations(tuple(locations))))


def _describe_waiver(waiver: AppliedWaiver) -> str:
    until = f" until {waiver.until}" if waiver.until else ""
    owner = f" by {waiver.owner}" if waiver.owner else ""
    place = f" ({wording.format_location(waiver.location)})" if waiver.location is not None else ""
    return f"waived{until}{owner}: {waiver.reason}{place}"
