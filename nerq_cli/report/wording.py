"""Texts about one dependency that several formats print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.ecosystems import (
    GITHUB,
    HF_KERNEL,
    EcosystemId,
    Kind,
    get_ecosystem,
    get_hub_ecosystem,
    get_prefix,
    is_commit,
    is_hub,
    is_repository,
)
from nerq_cli.ecosystems.huggingface import DEFAULT_REVISION, is_version_range
from nerq_cli.errors import ExitStatus
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.policy.age import format_wait
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.policy.reviews import VERDICTS, describe_review
from nerq_cli.policy.rules.scores import SCORE_BELOW_THRESHOLD
from nerq_cli.signals.advisories import describe_missing_fix
from nerq_cli.units import DAY, HOUR

if TYPE_CHECKING:
    from nerq_cli.facts import AffectingAdvisory
    from nerq_cli.methodology.types import Methodology
    from nerq_cli.policy import State
    from nerq_cli.policy.age import Availability
    from nerq_cli.policy.findings import AppliedWaiver, Finding
    from nerq_cli.policy.upgrade import Upgrade
    from nerq_cli.report.glyphs import Glyphs
    from nerq_cli.report.model import Assessment, Report, SourceStatus

#: Style of each state; None: only listed.
STATE_STYLES: Final = {
    "ok": "good",
    "below": "bad",
    "unknown": "doubt",
    "not-judged": "doubt",
    "skipped": "dim",
    None: "",
}

#: Digits of a commit in prose. The JSON report, package URLs and what is to be pasted have all of them.
_SHORT_COMMIT: Final = 12
#: Kinds in words, singular and plural.
KIND_NAMES: Final[Mapping[Kind, tuple[str, str]]] = {
    "package": ("package", "packages"),
    "repository": ("repository", "repositories"),
    "model": ("model", "models"),
    "dataset": ("dataset", "datasets"),
    "space": ("Space", "Spaces"),
    "kernel": ("kernel", "kernels"),
    "mcp-server": ("MCP server", "MCP servers"),
    "hosted-model": ("hosted model", "hosted models"),
}
#: What a token is for, by the start of the name of its environment variable; the others are for GitHub.
_TOKENS: Final = {"HF_": "a Hugging Face token", "HUGGING_FACE_": "a Hugging Face token"}
#: What is not known while a score is provisional, by the signal that a firm score requires: as part of a sentence and
#: as a phrase.
_UNCHECKED: Final = {
    "known_advisories": ("its advisories were not checked", "advisories not checked"),
    "file_scan": ("the scan of its files is not known", "file scan not known"),
}
_MINUTE: Final = 60
#: Age below a minute.
JUST_FETCHED: Final = "just fetched"


def check_target(dependency: Dependency) -> str:
    """Return the argument of ``nerq check``, quoted for a shell: ``pypi:pillow==9.5.0``, ``npm:lodash@4.17.15``."""
    import shlex

    package = dependency.package
    ecosystem = get_ecosystem(package.ecosystem)
    version = f"{ecosystem.version_separator}{dependency.version}" if dependency.version else ""
    return shlex.quote(f"{get_prefix(package.ecosystem)}:{package.name}{version}")


#: Kinds of targets whose day is that of their last change: they have no releases.
_CHANGING_KINDS: Final = frozenset({"repository", "model", "dataset", "space", "kernel"})


def name_change(kind: Kind) -> str:
    """Return what the day of a target is of: ``released`` or ``last changed``."""
    return "last changed" if kind in _CHANGING_KINDS else "released"


def name_with_extras(dependency: Dependency) -> str:
    """Return ``requests[socks]``."""
    extras = f"[{','.join(dependency.extras)}]" if dependency.extras else ""
    return f"{dependency.package.name}{extras}"


def describe_name(dependency: Dependency) -> str:
    """Return the name with alias and what brings it in: ``idna (via requests)``, ``lodash (as _)``."""
    return f"{name_with_extras(dependency)}{_origin_suffix(dependency)}"


def find_malware_reason(assessment: Assessment) -> str:
    """Return why a version counts as malicious; empty if it does not."""
    caps = assessment.score.caps if assessment.score is not None else ()
    return next((cap.reason for cap in caps if cap.limit == 0), "")


def package_label(dependency: Dependency) -> str:
    """Return name, version and range, or what brings it in: ``requests 2.34.2 (range >=2)``."""
    version = f" {shorten_version(dependency.version)}" if dependency.version else ""
    return f"{name_with_extras(dependency)}{version}{_range_suffix(dependency)}{_origin_suffix(dependency)}"


def _origin_suffix(dependency: Dependency) -> str:
    alias = f" (as {', '.join(dependency.aliases)})" if dependency.aliases else ""
    via = f" (via {', '.join(dependency.via)})" if dependency.via else ""
    return f"{alias}{via}"


def _range_suffix(dependency: Dependency) -> str:
    if is_repository(dependency.package.ecosystem):
        revision = _describe_revision_of(dependency)
        return f" ({revision})" if revision and dependency.resolution != "pinned" else ""
    if dependency.resolution == "range":
        return f" (range {dependency.requirement or 'any'})"
    if dependency.version is None and dependency.requirement:
        return f" ({dependency.requirement})"
    return ""


def describe_requirement(dependency: Dependency) -> str:
    """Return what the files require, as a phrase: ``>=2,<3``, ``any``; of a repository its revision."""
    if is_repository(dependency.package.ecosystem):
        return _describe_revision_of(dependency)
    return dependency.requirement or "any"


def _describe_revision_of(dependency: Dependency) -> str:
    if dependency.package.ecosystem == GITHUB and not dependency.requirement:
        return "floating: default branch"
    return describe_revision(dependency.requirement, dependency.package.ecosystem)


def describe_revision(revision: str, ecosystem: EcosystemId) -> str:
    """Return what a revision of a repository is: ``floating: main``, ``branch or tag v1``; empty for a commit.

    That of a kernel may be a range of versions (``versions >=1``). Names of branches and tags do not differ, and both
    can be moved.
    """
    if is_commit(revision):
        return ""
    if revision in ("", DEFAULT_REVISION):
        return f"floating: {DEFAULT_REVISION}"
    if ecosystem == HF_KERNEL and is_version_range(revision):
        return f"versions {revision}"
    return f"reference {revision}" if revision.startswith("refs/") else f"branch or tag {revision}"


def shorten_version(version: str) -> str:
    """Return a version as prose has it: a commit with 12 digits, any other one as it is."""
    return version[:_SHORT_COMMIT] if is_commit(version) else version


def format_locations(locations: tuple[Location, ...]) -> str:
    """Return the first location and the number of others: ``requirements.txt:27 +2``."""
    if not locations:
        return ""
    suffix = f" +{len(locations) - 1}" if len(locations) > 1 else ""
    return f"{format_location(locations[0])}{suffix}"


def format_location(location: Location) -> str:
    """Return ``path:line``, or the path alone where there is no line."""
    return f"{location.path}:{location.line}" if location.line else location.path


def score_ceiling(assessment: Assessment) -> float | None:
    """Return the score, else the lowest cap; None where there is neither."""
    if assessment.score is None:
        return None
    return (
        assessment.score.value
        if assessment.score.value is not None
        else min((cap.limit for cap in assessment.score.caps), default=None)
    )


def format_score(assessment: Assessment, glyphs: Glyphs) -> str:
    """Return the score as printed: ``63.0``, provisional ``~84.0``, a cap alone ``≤45.0``; empty without any."""
    maximum = score_ceiling(assessment)
    if assessment.score is None or maximum is None:
        return ""
    sign = glyphs.at_most if assessment.score.value is None else "~" * assessment.score.provisional
    return f"{sign}{maximum:.1f}"


def score_change(assessment: Assessment, glyphs: Glyphs) -> str:
    """Return the score now and after the upgrade: ``45.0 → 91.0``; empty where one is not known."""
    upgrade = assessment.upgrade
    return (
        ""
        if upgrade is None or upgrade.value is None
        else f"{format_score(assessment, glyphs)} {glyphs.arrow} {format_upgrade_score(upgrade)}"
    )


def describe_fix(assessment: Assessment, glyphs: Glyphs, threshold: float) -> list[str]:
    """Return the fix in parts: ``2.32.4``, ``(45.0 → 91.0)``, ``still below 70``, ``outside >=2,<2.20``."""
    upgrade = assessment.upgrade
    if upgrade is None:
        return [assessment.fix] if assessment.fix else []
    pieces = [upgrade.version]
    if change := score_change(assessment, glyphs):
        pieces.append(f"({change})")
    if upgrade.value is not None and upgrade.value < threshold:
        pieces.append(f"still below {threshold:g}")
    if upgrade.excluding_ranges:
        pieces.append(f"outside {upgrade.excluding_ranges}")
    return pieces


def describe_availability(assessment: Assessment, as_of: int) -> str:
    """Return when age rules let the proposed version be installed, and how today; empty if they do or have no say.

    How it can be installed today is part of it if it fixes an advisory.
    """
    availability = assessment.availability
    wait = describe_wait(availability, as_of)
    if availability is None or not wait:
        return ""
    rules = ", ".join(rule.place for rule in availability.rules)
    if availability.state == "unknown":
        problems = [f"{rule.place}: {rule.problem}" for rule in availability.rules if rule.problem]
        reason = "; ".join(problems) or f"its release date is not known ({rules})"
        return f"{wait}: {reason}"
    is_fix = bool(assessment.advisories if assessment.upgrade is None else assessment.upgrade.fixed_advisories)
    overrides = " and ".join(dict.fromkeys(availability.overrides))
    today = f", or today with: {overrides}" if is_fix else ""
    if availability.state == "never":
        return f"{wait}: {rules}{today}"
    return f"{wait} ({rules}){today}"


def describe_wait(availability: Availability | None, as_of: int) -> str:
    """Return when age rules let a version be installed: ``installable in 3 days``; empty if they do or have no say."""
    if availability is None or availability.state == "now":
        return ""
    if availability.state == "unknown":
        return "not known whether it can be installed today"
    if availability.state == "never":
        return "not installable while this date stands"
    return f"installable in {format_wait(availability.installable_at - as_of)}"


def format_availability(availability: Availability | None) -> str:
    """Return the mark of a version that cannot be installed today: ``+``, ``+?`` if that is not known; else empty."""
    if availability is None or availability.state == "now":
        return ""
    return "+?" if availability.state == "unknown" else "+"


def describe_latest(assessment: Assessment) -> str:
    """Return the newest version with its score: ``2.34.2 scores 93.1``; empty where it was not scored."""
    upgrade = assessment.latest_upgrade
    if upgrade is None:
        return ""
    return (
        f"{upgrade.version} scores {format_upgrade_score(upgrade)}"
        if upgrade.value is not None
        else f"{upgrade.version}: no score"
    )


def find_threshold(assessment: Assessment, report: Report) -> float:
    """Return the score that a dependency must reach."""
    return report.threshold if assessment.threshold is None else assessment.threshold


def group_findings(report: Report) -> dict[str, list[Finding]]:
    """Return the findings about each package URL that count, by rule; without those about the score."""
    grouped: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.purl and finding.is_open and not finding.undecided and finding.id != SCORE_BELOW_THRESHOLD.id:
            grouped.setdefault(finding.purl, []).append(finding)
    return grouped


def select_findings(grouped: Mapping[str, Sequence[Finding]], dependency: Dependency) -> list[Finding]:
    """Return the findings about a version or about its whole package: an MCP server stands for every version."""
    purls = dict.fromkeys((dependency.purl, dependency.package.purl)) if grouped else ()
    return [finding for purl in purls for finding in grouped.get(purl, ())]


def group_waived(report: Report) -> dict[str, list[Finding]]:
    """Return the waived findings about each package URL, with or without a version, by rule."""
    grouped: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.purl and finding.waiver is not None:
            grouped.setdefault(finding.purl, []).append(finding)
    return grouped


def select_waived(grouped: Mapping[str, Sequence[Finding]], dependency: Dependency) -> list[Finding]:
    """Return the waived findings about a version or about its whole package."""
    purls = dict.fromkeys((dependency.purl, dependency.package.purl)) if grouped else ()
    return [finding for purl in purls for finding in grouped.get(purl, ())]


def describe_waiver(waiver: AppliedWaiver) -> str:
    """Return ``waived until 2027-01-31 by ann: reason``; of a VEX document its author and path in place of the day."""
    by = f" by {waiver.owner}" if waiver.owner else ""
    if waiver.until:
        return f"waived until {waiver.until}{by}: {waiver.reason}"
    by = f" by {waiver.author}" if waiver.author else by
    path = f" ({waiver.location.path})" if waiver.location is not None else ""
    return f"waived{by}{path}: {waiver.reason}"


def describe_below(threshold: float) -> str:
    """Return the state ``below`` in words: ``below 70``; ``malicious`` where nothing else can fail."""
    return f"below {threshold:g}" if threshold else "malicious"


def has_own_thresholds(report: Report) -> bool:
    """Whether some dependencies, or the dimensions of their scores, have thresholds of their own."""
    return report.has_own_thresholds or any(entry.threshold is not None for entry in report.dependencies)


def label_below(report: Report) -> str:
    """Return the state ``below`` of several dependencies in words: ``below 70``, ``below their thresholds``."""
    return "below their thresholds" if has_own_thresholds(report) else describe_below(report.threshold)


def label_below_of(assessment: Assessment, report: Report) -> str:
    """Return the state ``below`` of one dependency in words; its score may reach the threshold, but no dimension."""
    threshold, ceiling = find_threshold(assessment, report), score_ceiling(assessment)
    is_dimension = report.has_own_thresholds and ceiling is not None and ceiling >= threshold
    if is_dimension and not find_malware_reason(assessment):
        return "below the threshold of a dimension"
    return describe_below(threshold)


class BelowCounts(NamedTuple):
    """Dependencies below their threshold, by what became of that."""

    #: Those that count against the run.
    open: int
    waived: int
    #: Those that are as in the run that this one is compared with.
    known: int

    @property
    def remark(self) -> str:
        """Return `` (and 2 waived, 1 known)``; empty if all count."""
        accepted = {"waived": self.waived, "known": self.known}
        parts = [f"{count:,} {word}" for word, count in accepted.items() if count]
        return f" (and {', '.join(parts)})" if parts else ""


def count_below(report: Report, accepted: Mapping[int, str] | None = None) -> BelowCounts:
    """Return the number of dependencies below their threshold, by what became of that.

    ``accepted`` is what `find_accepted_below` returns for the report, or for one that has all of its dependencies.
    """
    accepted = find_accepted_below(report) if accepted is None else accepted
    below = [accepted.get(id(entry), "") for entry in report.dependencies if entry.state == "below"]
    return BelowCounts(below.count(""), below.count("waived"), below.count("known"))


def find_accepted_below(report: Report) -> dict[int, str]:
    """Return ``waived`` or ``known`` by the id of each assessment whose score may therefore be below the threshold."""
    return find_accepted(report, SCORE_BELOW_THRESHOLD.id)


def find_accepted(report: Report, rule_id: str = "") -> dict[int, str]:
    """Return ``waived`` or ``known`` by the id of each assessment whose failures are all that.

    With ``rule_id``, the failures by other rules count only where there is none by this one.
    """
    denied: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.purl and finding.level == "deny":
            denied.setdefault(finding.purl, []).append(finding)
    accepted = {}
    for assessment in report.dependencies if denied else ():
        dependency = assessment.dependency
        purls = dict.fromkeys((dependency.purl, dependency.package.purl))
        group = [finding for purl in purls for finding in denied.get(purl, ())]
        group = [finding for finding in group if finding.id == rule_id] or group
        if group and not any(finding.is_open for finding in group):
            is_waived = all(finding.waiver is not None for finding in group)
            accepted[id(assessment)] = "waived" if is_waived else "known"
    return accepted


def format_upgrade_score(upgrade: Upgrade) -> str:
    """Return the score of an upgrade as printed: ``93.1``; ``~88.2`` when it is provisional or may yet fail."""
    return f"{'~' * (upgrade.provisional or upgrade.uncertain)}{upgrade.value:.1f}"


def describe_fixed_versions(dependency: Dependency, advisory: AffectingAdvisory) -> str:
    """Return the nearest and the newest fix: ``fixed in 1.26.18, newest fix 2.0.7``, or ``no fixed version named``."""
    fixes = find_newer_fixes(dependency.package.ecosystem, dependency.version or "", advisory)
    if not fixes:
        return describe_missing_fix(advisory)
    return ", newest fix ".join((f"fixed in {fixes[0]}", *fixes[1:]))


def state_glyph(assessment: Assessment, glyphs: Glyphs) -> str:
    """Return the sign of the state; empty for a dependency that is only listed."""
    return str(getattr(glyphs, assessment.state.replace("-", "_"))) if assessment.state else ""


def suggest_token(variable: str, subject: str) -> str:
    """Return what a token would settle, and the environment variable for it.

    One of the Hub settles what its account may see: without it, what is missing and what is private are the same.
    """
    service = next((text for start, text in _TOKENS.items() if variable.startswith(start)), "")
    return f"{service or 'a GitHub token'} ({variable}) {'may' if service else 'would'} settle {subject}"


def count_dependencies(dependencies: Iterable[Dependency]) -> str:
    """Return the number of dependencies with what they are: ``45 packages``, ``1 model``, ``12 dependencies``."""
    return _count_kinds(dependency.kind for dependency in dependencies)


def _count_kinds(kinds: Iterable[Kind]) -> str:
    counts = Counter(kinds)
    if len(counts) > 1:
        return f"{counts.total():,} dependencies"
    kind, count = next(iter(counts.items()), ("package", 0))
    return f"{count:,} {KIND_NAMES[kind][count != 1]}"


def count_assessments(assessments: Iterable[Assessment]) -> str:
    """Return the same of assessments."""
    return count_dependencies(assessment.dependency for assessment in assessments)


def count_state(report: Report, state: State) -> str:
    """Return the number of dependencies in a state, with what they are."""
    return count_assessments(assessment for assessment in report.dependencies if assessment.state == state)


def count_subjects(findings: Sequence[Finding], report: Report) -> str:
    """Return the number of dependencies that findings are about, one each, with what they are."""
    kinds = {assessment.dependency.purl: assessment.dependency.kind for assessment in report.dependencies}
    return _count_kinds(kinds.get(finding.purl, "package") for finding in findings)


def name_column(dependencies: Iterable[Dependency]) -> str:
    """Return the heading of a column with names of dependencies: ``Package``, ``Model``, or ``Dependency``."""
    return name_kinds({dependency.kind for dependency in dependencies})[0]


def name_changed(report: Report) -> tuple[str, str, str]:
    """Return what changed since the run that a report is compared with: as heading, in singular and in plural."""
    kinds = {assessment.dependency.package: assessment.dependency.kind for assessment in report.dependencies}
    changes = () if report.comparison is None else report.comparison.changes
    changed: set[Kind | None] = set()
    for change in changes:
        package = Package(ecosystem=change.ecosystem, name=change.name)
        likely_kind: Kind | None = get_hub_ecosystem(change.ecosystem).kind if is_hub(change.ecosystem) else None
        if get_ecosystem(change.ecosystem).registry_api in ("npm", "pypi"):
            likely_kind = "package"
        elif change.ecosystem == GITHUB:
            likely_kind = "repository"
        changed.add(kinds.get(package, likely_kind))
    return name_kinds(changed)


def name_kinds(kinds: Collection[Kind | None]) -> tuple[str, str, str]:
    """Return what dependencies of these kinds are called; None is a kind that is not known."""
    kind: Kind | None = next(iter(kinds)) if kinds else "package"
    if len(kinds) > 1 or kind is None:
        return "Dependency", "dependency", "dependencies"
    singular, plural = KIND_NAMES[kind]
    return f"{singular[:1].upper()}{singular[1:]}", singular, plural


def label_ecosystem(dependency: Dependency) -> str:
    """Return the word for the ecosystem beside the kind of a dependency: ``pypi``, ``npm``, ``hf``."""
    prefix = get_prefix(dependency.package.ecosystem)
    return prefix.partition("-")[0] if is_hub(dependency.package.ecosystem) else prefix


def label_kind(dependency: Dependency) -> str:
    """Return what a dependency is unless it is a package: ``model``, ``Space``, ``MCP server``."""
    return "" if dependency.kind == "package" else KIND_NAMES[dependency.kind][0]


def has_several_kinds(assessments: Iterable[Assessment]) -> bool:
    """Return whether a report is about more than packages."""
    return any(assessment.dependency.kind != "package" for assessment in assessments)


def label_methodology(methodology: Methodology) -> str:
    """Return the version of a methodology, with what it is for unless that is packages: ``2.0``, ``models 1.0``."""
    return methodology.version if methodology.target == "packages" else f"{methodology.target} {methodology.version}"


def describe_methodologies(report: Report) -> str:
    """Return the methodologies of the scores of a report: ``2.0``, ``models 1.0``, ``packages 2.0, models 1.0``."""
    used = {
        assessment.score.methodology.target: assessment.score.methodology
        for assessment in report.dependencies
        if assessment.score is not None
    }
    if not used.keys() - {report.methodology.target}:
        return label_methodology(report.methodology)
    ordered = sorted(used.values(), key=lambda methodology: methodology.target != report.methodology.target)
    if len(ordered) == 1:
        return label_methodology(ordered[0])
    return ", ".join(f"{methodology.target} {methodology.version}" for methodology in ordered)


def explain_unchecked(methodology: Methodology) -> str:
    """Return why a score is provisional while the signal is unknown that a firm one requires, as part of a sentence."""
    return _describe_unchecked(methodology)[0]


def name_unchecked(methodology: Methodology) -> str:
    """Return the same as a phrase: ``advisories not checked``."""
    return _describe_unchecked(methodology)[1]


def _describe_unchecked(methodology: Methodology) -> tuple[str, str]:
    id_ = methodology.required_signal
    name = methodology.signals[id_].name if id_ in methodology.signals else "evidence"
    return _UNCHECKED.get(id_, (f"its {name} is not known", f"{name} not known"))


def overall_verdict(report: Report) -> tuple[str, str]:
    """Return ``FAIL``, ``INCOMPLETE`` or ``PASS``, and its style. A run with unknown dependencies is no PASS."""
    status = report.exit if report.judged_exit is None else report.judged_exit
    if status in (ExitStatus.BELOW, ExitStatus.USAGE, ExitStatus.EMPTY):
        return "FAIL", "bad"
    if status != ExitStatus.PASSED or not report.complete:
        return "INCOMPLETE", "alarm"
    return "PASS", "good"


def describe_status(report: Report) -> str:
    """Return the result in a few words: ``passed``, ``exit 1``, ``report only, would fail (exit 1)``."""
    if report.exit is not ExitStatus.PASSED:
        return f"exit {report.exit.value}"
    if report.judged_exit is not None and report.judged_exit is not ExitStatus.PASSED:
        return f"report only, would fail (exit {report.judged_exit.value})"
    if report.list_only:
        return "listed, not scored"
    return "passed" if report.complete else "passed, but not everything was checked"


def describe_empty(report: Report) -> str:
    """Return why a report has no dependencies."""
    is_unread = any(file.notes and not file.dependencies for file in report.dependency_files)
    return "nothing could be read" if report.errors or is_unread else "no dependencies declared"


def format_age(seconds: int) -> str:
    """Return an age in seconds as text: ``just fetched``, ``14 min old``, ``3 h old``, ``2 days old``."""
    if seconds < _MINUTE:
        return JUST_FETCHED
    if seconds < 2 * HOUR:
        return f"{seconds // _MINUTE} min old"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR} h old"
    return f"{seconds // DAY} days old"


def describe_lookups(report: Report) -> list[str]:
    """Return where evidence was looked up instead of collected, with its age and the methodology there."""
    return [
        _describe_lookup(source, report.as_of)
        for source in report.sources
        if source.address and (source.methodology or source.unsent_packages)
    ]


def _describe_lookup(source: SourceStatus, as_of: int) -> str:
    counts = (
        f"{source.answered_subjects:,} of {source.subjects:,} packages and versions" if source.subjects else "nothing"
    )
    if source.unsent_packages:
        packages = "package is" if source.unsent_packages == 1 else "packages are"
        counts = f"{counts} ({source.unsent_packages:,} {packages} not sent, not known to be public)"
    parts = [f"looked up at {source.address}: {counts}"]
    if source.methodology:
        parts.append(f"methodology {source.methodology}")
    if source.answered_subjects:
        parts.append(_describe_oldest(source.oldest_response, as_of))
    if source.answered_subjects == source.subjects and not source.unsent_packages:
        return ", ".join(parts)
    return f"{', '.join(parts)}; the rest is {'computed here' if source.fallback else 'unknown'}"


def _describe_oldest(oldest: int, as_of: int) -> str:
    return f"oldest answer {format_age(max(0, as_of - oldest))}" if oldest else "of unknown age"


def format_timestamp(seconds: int) -> str:
    """Return epoch seconds as ISO 8601 in UTC: ``2026-11-21T02:40:00Z``; empty for 0 or a year out of range."""
    return _format_timestamp(seconds) if seconds else ""


@lru_cache(maxsize=4096)
def _format_timestamp(seconds: int) -> str:
    from datetime import datetime, timezone

    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return ""


def format_date(seconds: int) -> str:
    """Return the date of epoch seconds in UTC; empty for 0."""
    return format_timestamp(seconds)[:10]


def list_reviews(assessment: Assessment) -> list[str]:
    """Return the reviews of the version in use as sentences, or why none counts."""
    review = assessment.review
    if review is None:
        return []
    texts = [describe_review(entry) for entry in review.reviews]
    return [*texts, f"no review counts: {review.reason}"] if review.reason else texts


def describe_reviews(assessments: Iterable[Assessment]) -> str:
    """Return how many versions in use were reviewed, by verdict; empty if none was."""
    verdicts = [assessment.review.verdict for assessment in assessments if assessment.review is not None]
    counts = [f"{verdicts.count(verdict):,} {verdict}" for verdict in VERDICTS if verdict in verdicts]
    return f"reviewed: {', '.join(counts)}" if counts else ""
