"""Rules about advisories: known vulnerabilities, malware."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding, Level
from nerq_cli.policy.fix import find_fixing_version
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput, build_finding, build_undecided
from nerq_cli.policy.settings import LEVELS, PolicySettings
from nerq_cli.signals.advisories import describe_fix, describe_severity, get_severity, merge_advisories

#: The signal of advisories.
_ADVISORIES: Final = "known_advisories"
#: What to do about a version that is recorded as malicious: another version does not undo what it did.
MALWARE_HINT: Final = "remove it, and treat every machine that installed it as compromised"


def _find_malicious(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each version that is recorded as malicious, whatever the threshold."""
    for assessment in rule_input.assessments:
        score = assessment.score
        reasons = [cap.reason for cap in score.caps if cap.limit == 0] if score is not None else []
        if reasons:
            records = merge_advisories(advisory for advisory in assessment.advisories if advisory.malware)
            # A waiver of one record must not waive another one: of several none has ids.
            ids = (records[0].id, *records[0].aliases) if len(records) == 1 else ()
            finding = build_finding(assessment, reasons[0])
            yield replace(finding, advisory=min((record.id for record in records), default=""), advisory_ids=ids)


def _find_vulnerabilities(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each vulnerability of a version in use whose level is not ``allow``."""
    # A dependency whose advisories are not known is unknown or below the threshold, which are other rules.
    is_below_accepted = rule_input.settings.levels.get("score-below-threshold", "deny") != "deny"
    for assessment in rule_input.assessments:
        if (
            assessment.state is None or assessment.dependency.is_own
        ):  # the advisories of a public package of the same name
            continue
        for advisory, level in list_vulnerabilities(assessment, rule_input.settings):
            if not advisory.unread:
                yield build_vulnerability(assessment, advisory, level)
        for advisory, level in list_unread(assessment, rule_input.settings):
            yield replace(build_vulnerability(assessment, advisory, level), undecided=level != "deny")
        score = assessment.score
        if score is None or score.methodology.required_signal != _ADVISORIES:  # no advisories are about it
            continue
        if is_below_accepted and assessment.state == "below" and not score.has_required_signal:
            yield build_undecided(assessment, "not all of its advisories are known")


def build_vulnerability(assessment: Assessment, advisory: AffectingAdvisory, level: Level) -> Finding:
    """Return the finding about a vulnerability of the version in use."""
    return replace(
        build_finding(assessment, _describe_advisory(assessment, advisory), level),
        advisory=advisory.id,
        severity=get_severity(advisory),
        advisory_ids=(advisory.id, *advisory.aliases),
        fix=_find_installable_fix(assessment, advisory),
    )


def list_vulnerabilities(assessment: Assessment, settings: PolicySettings) -> Iterator[tuple[AffectingAdvisory, Level]]:
    """Yield each vulnerability of the version in use with its level, if that is not ``allow``; the worst first."""
    if not assessment.advisories or _is_off(settings):
        return
    for advisory in merge_advisories(assessment.advisories):
        if not advisory.malware:
            level = choose_level(assessment, advisory, settings)
            if level != "allow":
                yield advisory, level


def list_unread(assessment: Assessment, settings: PolicySettings) -> Iterator[tuple[AffectingAdvisory, Level]]:
    """Yield each vulnerability whose severity was not read, with its level, unless no severity has another than allow.

    What it would be with its severity is not decided, whatever the level of an unknown severity.
    """
    if not any(advisory.unread for advisory in assessment.advisories) or _is_off(settings):
        return
    for advisory in merge_advisories(assessment.advisories):
        if not advisory.unread or advisory.malware:
            continue
        if set(settings.vulnerability.levels.values()) != {"allow"}:
            yield advisory, choose_level(assessment, advisory, settings)


def is_denied(assessment: Assessment, settings: PolicySettings) -> bool:
    """Return whether a vulnerability of the version in use fails the run."""
    return any(
        level == "deny"
        for applicable in settings.list_applicable(assessment.dependency)
        for _, level in list_vulnerabilities(assessment, applicable)
    )


def choose_level(assessment: Assessment, advisory: AffectingAdvisory, settings: PolicySettings) -> Level:
    """Return the level of an advisory: by its severity, raised if it is exploited or likely to be."""
    options = settings.vulnerability
    severity = get_severity(advisory)
    level = options.levels[severity]
    dependency = assessment.dependency
    if severity in options.only_fixable and not find_fixing_version(
        dependency.package.ecosystem, dependency.version or "", [advisory]
    ):
        level = "allow"
    if advisory.exploited:
        level = max(level, options.kev, key=LEVELS.index)
    if options.epss is not None and advisory.epss is not None and advisory.epss >= options.epss:
        level = "deny"
    limit = settings.levels.get(VULNERABILITY.id, "deny")
    return min(level, limit, key=LEVELS.index)


def _is_off(settings: PolicySettings) -> bool:
    return settings.levels.get(VULNERABILITY.id) == "allow"


def _find_installable_fix(assessment: Assessment, advisory: AffectingAdvisory) -> str:
    """Return the smallest newer version that fixes an advisory; empty if none does or can be installed."""
    ids, dependency = {advisory.id, *advisory.aliases}, assessment.dependency
    if not ids.isdisjoint(assessment.uninstallable_fixes):
        return ""
    return find_fixing_version(dependency.package.ecosystem, dependency.version or "", [advisory])


def _describe_advisory(assessment: Assessment, advisory: AffectingAdvisory) -> str:
    """Return ``GHSA-…, high, exploited in the wild, fixed in 2.3.1: what it is about``."""
    dependency = assessment.dependency
    fix = find_fixing_version(dependency.package.ecosystem, dependency.version or "", [advisory])
    parts = [
        advisory.id,
        describe_severity(advisory),
        *(["exploited in the wild"] if advisory.exploited else []),
        *([f"exploit probability {advisory.epss:.0%}"] if advisory.epss is not None else []),
        describe_fix(advisory, fix),
    ]
    return ", ".join(filter(None, parts)) + (f": {advisory.summary}" if advisory.summary else "")


MALICIOUS: Final = PolicyRule(
    id="malicious",
    level="deny",
    summary="A version is recorded as malicious.",
    explanation="A malware record names exactly this version, or the registry removed the package for security; or a "
    "scanner of the Hugging Face Hub found a virus in a file of the repository. The "
    "threshold has no effect. Registries delete such versions, so that a lock file may be the last place with one.",
    hint=f"{MALWARE_HINT}; of a repository of the Hub examine the reported file first, which may be a false alarm",
    headings=("malicious version", "malicious versions"),
    count_phrases=("malicious version", "malicious versions"),
    check=_find_malicious,
)
VULNERABILITY: Final = PolicyRule(
    id="vulnerability",
    level="deny",
    summary="A known vulnerability affects the version in use.",
    explanation="Each severity has a level of its own: critical and high deny, medium and unknown warn, low allow. Of "
    "the severities under only-fixable (medium and low) an advisory counts only when a newer version fixes it. One in "
    "CISA's catalogue of exploited vulnerabilities has at least the level of kev (deny), and one whose exploit "
    "probability reaches epss (no limit by default) is denied. A level for the whole rule is the highest that any "
    "advisory may have. Records that share an id or alias are one vulnerability.",
    hint="move to a fixed version",
    headings=("known vulnerability", "known vulnerabilities"),
    count_phrases=("vulnerability", "vulnerabilities"),
    has_own_levels=True,
    is_in_table=True,
    check=_find_vulnerabilities,
)
