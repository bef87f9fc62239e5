"""What a report states against dependencies and files: one list, the worst first, for the formats that have one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.ecosystems import Kind
from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Dependency, Location, strip_purl_version
from nerq_cli.policy.findings import AppliedWaiver, Change, Finding
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.policy.rules import RULES, PolicyRule
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.identifiers import hash_parts
from nerq_cli.report.identity import keep_for_report
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.wording import describe_waiver, shorten_version
from nerq_cli.signals.advisories import describe_fix, describe_severity

#: ``error``: it fails the run, or would without its waiver; ``warning``: it does not; ``note``: an advisory that no
#: rule of the policy reports.
IssueLevel: TypeAlias = Literal["error", "warning", "note"]
_LEVELS: Final[tuple[IssueLevel, ...]] = ("error", "warning", "note")

_VULNERABILITY: Final = "vulnerability"
_BELOW_THRESHOLD: Final = "score-below-threshold"
_MALICIOUS: Final = "malicious"
#: Security severity of an advisory, on the scale of CVSS (0 to 10): the middle of the range that CVSS has for the word.
#: What is not known may be anything: it counts as medium.
ADVISORY_SEVERITIES: Final[Mapping[str, float]] = MappingProxyType(
    {"critical": 9.5, "high": 8.0, "medium": 5.5, "low": 2.0, "unknown": 5.5}
)
#: Security severity of the findings of a rule, on the same scale. Rules that are not listed are not about security.
RULE_SEVERITIES: Final[Mapping[str, float]] = MappingProxyType(
    {
        _MALICIOUS: 10.0,
        "not-on-index": 9.0,
        "lookalike": 8.0,
        "mcp-deleted": 8.0,
        "vanished": 7.5,
        "foreign-origin": 7.0,
        "provenance-lost": 7.0,
        "publisher-changed": 6.0,
        "mcp-name-proof": 6.0,
        _BELOW_THRESHOLD: 5.5,
        _VULNERABILITY: 5.5,
        "install-script": 4.0,
        "yanked": 4.0,
        "too-new": 4.0,
    }
)


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """One issue. Texts are sanitised; what they hold is still untrusted markup."""

    #: Id of the policy rule.
    rule: str
    level: IssueLevel
    text: str
    #: Package URL and name; empty if the issue concerns no single package.
    purl: str
    name: str
    version: str
    #: What the package is; empty if the issue concerns none.
    kind: Kind | Literal[""]
    #: Id and severity of the advisory; empty if it concerns none.
    advisory: str
    severity: str
    #: Most important first.
    locations: tuple[Location, ...]
    #: What to do; empty if it is not known.
    fix: str
    #: Severity on the scale of CVSS (0 to 10); 0 for what is not about security.
    security_severity: float
    waiver: AppliedWaiver | None
    change: Change
    #: Whether something could not be checked, and the run does not fail for it.
    undecided: bool
    #: Hexadecimal digits that stay the same while it is open: of the rule, the package without its version, the
    #: advisory and the file. A line that moves or a new version in which nothing changes leaves it as it is.
    fingerprint: str

    @property
    def is_open(self) -> bool:
        """Whether it counts: not waived, and not as in the run that it is compared with."""
        return self.waiver is None and self.change != "unchanged"

    @property
    def label(self) -> str:
        """Return name and version: ``requests 2.31.0``; empty if it concerns no single package."""
        return f"{self.name} {shorten_version(self.version)}".strip()

    @property
    def remark(self) -> str:
        """Return why an issue does not count, as a phrase; empty if it does."""
        if self.waiver is not None:
            return sanitize_text(describe_waiver(self.waiver), TEXT_LIMIT)
        return "as before" if self.change == "unchanged" else ""


@keep_for_report
def list_issues(report: Report) -> tuple[Issue, ...]:
    """Return the issues of a report: those that count first, then errors, then by severity and name."""
    issues = [*_list_findings(report), *_list_advisories(report)]
    issues.sort(key=_sort_key)
    return tuple(_number_fingerprints(issues))


def group_by_purl(issues: Iterable[Issue]) -> dict[str, list[Issue]]:
    """Return the issues by package URL, with or without a version."""
    grouped: dict[str, list[Issue]] = {}
    for issue in issues:
        grouped.setdefault(issue.purl, []).append(issue)
    return grouped


def select_issues(grouped: Mapping[str, Sequence[Issue]], dependency: Dependency) -> list[Issue]:
    """Return the issues about a version or about its whole package, in the order of the list."""
    own = [issue for purl in list_purls(dependency) for issue in grouped.get(purl, ())]
    return sorted(own, key=_sort_key)


def list_purls(dependency: Dependency) -> tuple[str, ...]:
    """Return the package URLs that an issue about a dependency may have."""
    return tuple(dict.fromkeys((sanitize_text(dependency.purl), sanitize_text(dependency.package.purl))))


def find_rules(issues: Iterable[Issue]) -> dict[str, PolicyRule]:
    """Return each rule that has issues, by its id, in the order of the policy."""
    used = {issue.rule for issue in issues}
    return {rule.id: rule for rule in RULES if rule.id in used}


def _sort_key(issue: Issue) -> tuple[bool, int, float, str, str, str, str]:
    return (
        not issue.is_open,
        _LEVELS.index(issue.level),
        -issue.security_severity,
        issue.name,
        issue.version,
        issue.rule,
        issue.advisory,
    )


def _list_findings(report: Report) -> Iterator[Issue]:
    by_purl: dict[str, Assessment] = {}
    kinds: dict[str, Kind] = {}  # of findings about a whole package too, which name no version
    for assessment in report.dependencies:
        by_purl.setdefault(assessment.dependency.purl, assessment)
        if assessment.dependency.kind != "package":
            kinds[assessment.dependency.package.purl] = kinds[assessment.dependency.purl] = assessment.dependency.kind
    for finding in report.findings:
        subject = by_purl.get(finding.purl)
        text = finding.text
        if finding.id == _BELOW_THRESHOLD and subject is not None:
            text = _add_reasons(text, subject)
        yield _build_issue(
            finding.id,
            msgspec.structs.replace(finding, text=text),
            level="error" if finding.level == "deny" else "warning",
            version=finding.version or ("" if subject is None else subject.dependency.version or ""),
            fix="" if subject is None else subject.fix,
            kind=kinds.get(finding.purl, "package") if finding.purl else "",
        )


def _list_advisories(report: Report) -> Iterator[Issue]:
    """Yield an issue for each advisory that no finding is about: what is known is in every format."""
    reported = {(finding.purl, finding.advisory) for finding in report.findings if finding.advisory}
    for assessment in report.dependencies:
        dependency = assessment.dependency
        for advisory in deduplicate_advisories(assessment.advisories) if assessment.advisories else ():
            if any((dependency.purl, id_) in reported for id_ in (advisory.id, *advisory.aliases)):
                continue
            fix = next(iter(find_newer_fixes(dependency.package.ecosystem, dependency.version or "", advisory)), "")
            finding = Finding(
                text=_describe_advisory(advisory, fix),
                purl=dependency.purl,
                name=dependency.package.name,
                advisory=advisory.id,
                severity="" if advisory.malware else advisory.severity,
                locations=dependency.locations,
            )
            yield _build_issue(
                _MALICIOUS if advisory.malware else _VULNERABILITY,
                finding,
                level="note",
                version=dependency.version or "",
                fix="" if advisory.malware else fix,
                kind=dependency.kind,
            )


def _describe_advisory(advisory: AffectingAdvisory, fix: str) -> str:
    summary = f": {advisory.summary}" if advisory.summary else ""
    if advisory.malware:
        return f"{advisory.id}, recorded as malicious{summary}"
    severity = describe_severity(advisory)
    exploited = "exploited in the wild" if advisory.exploited else ""
    parts = (advisory.id, severity, exploited, describe_fix(advisory, fix))
    return f"{', '.join(filter(None, parts))}{summary}"


#: Most reasons in the text of one issue.
_MAX_REASONS: Final = 3


def _add_reasons(text: str, assessment: Assessment) -> str:
    return f"{text}: {'; '.join(assessment.reasons[:_MAX_REASONS])}" if assessment.reasons else text


def describe_score(assessment: Assessment) -> str:
    """Return ``scores 45.0 of 100``, ``at most 45.0 of 100`` for a cap alone, or ``no score``."""
    score = assessment.score
    if score is not None and score.value is not None:
        return f"scores {score.value:.1f} of 100"
    if score is not None and score.caps:
        return f"at most {min(cap.limit for cap in score.caps):.1f} of 100"
    return "no score"


def _build_issue(
    rule_id: str, finding: Finding, *, level: IssueLevel, version: str, fix: str, kind: Kind | Literal[""]
) -> Issue:
    severity = finding.severity
    return Issue(
        rule=rule_id,
        level=level,
        text=sanitize_text(finding.text, TEXT_LIMIT),
        purl=sanitize_text(finding.purl),
        name=sanitize_text(finding.name),
        version=sanitize_text(version),
        kind=kind,
        advisory=sanitize_text(finding.advisory),
        severity=severity,
        locations=finding.locations,
        fix=sanitize_text(fix, TEXT_LIMIT),
        security_severity=ADVISORY_SEVERITIES.get(severity, 0.0) if severity else RULE_SEVERITIES.get(rule_id, 0.0),
        waiver=finding.waiver,
        change=finding.change,
        undecided=finding.undecided and level == "warning",
        fingerprint=hash_parts(
            rule_id,
            strip_purl_version(finding.purl),
            finding.advisory,
            finding.locations[0].path if finding.locations else "",
            "" if finding.purl else finding.text,
        ),
    )


def _number_fingerprints(issues: Sequence[Issue]) -> list[Issue]:
    """Return the issues with a number after a fingerprint that an issue before them has: versions of one package."""
    counts: dict[str, int] = {}
    numbered = []
    for issue in issues:
        count = counts[issue.fingerprint] = counts.get(issue.fingerprint, 0) + 1
        numbered.append(
            issue
            if count == 1
            else msgspec.structs.replace(issue, fingerprint=hash_parts(issue.fingerprint, str(count)))
        )
    return numbered
