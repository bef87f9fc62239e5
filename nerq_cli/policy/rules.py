"""The policy rules: a table, one row per rule, with its check and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.inventory import DependencyFile, Location, Package
from nerq_cli.policy.age import AgeRule
from nerq_cli.policy.age_mismatch import find_age_mismatches
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding

#: ``fail``: a finding fails the run; ``incomplete``: it leaves the run incomplete; ``warn``: it is shown.
Effect: TypeAlias = Literal["fail", "incomplete", "warn"]


class ForeignOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a package may come from, and that only the scanned project names."""

    package: Package
    #: URL of an index or registry without credentials, or "git: …", "URL: …" or "replaced by …".
    address: str
    #: The line that names the index; None if it is that of the dependency.
    named_at: Location | None
    #: Where the package is declared.
    locations: tuple[Location, ...]


class RuleInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows when the rules are checked."""

    assessments: Sequence[Assessment]
    dependency_files: Sequence[DependencyFile]
    #: Sorted by package.
    foreign_origins: Sequence[ForeignOrigin] = ()
    #: Minimum ages of releases.
    age_rules: Sequence[AgeRule] = ()


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    #: A word, the same in every format.
    id: str
    effect: Effect
    #: Heading above the findings, after their number: singular and plural.
    headings: tuple[str, str]
    #: Reason of the exit status, after a number: singular and plural.
    count_phrases: tuple[str, str]
    #: What to do.
    hint: str
    #: Whether findings with the same text are shown together: their text has the place, not their locations.
    is_grouped: bool = False
    #: Pure function that yields the findings, without an id.
    check: Callable[[RuleInput], Iterable[Finding]]


def _find_unregistered(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each package that its registry does not have."""
    locations_by_package: dict[Package, dict[Location, None]] = {}
    for assessment in rule_input.assessments:
        if assessment.in_registry is False:
            dependency = assessment.dependency
            locations_by_package.setdefault(dependency.package, {}).update(dict.fromkeys(dependency.locations))
    for package, locations in locations_by_package.items():
        yield Finding(
            text=f"{get_ecosystem(package.ecosystem).registry_name} has no package of this name",
            purl=package.purl,
            name=package.name,
            locations=tuple(locations),
        )


def _find_malicious(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each version that is recorded as malicious, whatever the threshold."""
    for assessment in rule_input.assessments:
        score = assessment.score
        reasons = [cap.reason for cap in score.caps if cap.limit == 0] if score is not None else []
        if reasons:
            dependency = assessment.dependency
            yield Finding(
                text=reasons[0], purl=dependency.purl, name=dependency.package.name, locations=dependency.locations
            )


def _find_drift(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each declaration that its lock file does not satisfy, and for each manifest that changed."""
    for drift in (drift for file in rule_input.dependency_files for drift in file.drift):
        if drift.package is None:
            changed = f"the {drift.setting} have" if drift.setting else f"{drift.location.path} has"
            text = f"{changed} changed since {drift.lockfile} was written"
            yield Finding(text=text, locations=(drift.location,))
            continue
        lockfile_content = f"holds {', '.join(drift.locked_versions)}" if drift.locked_versions else "does not have it"
        if drift.locked_requirement:
            lockfile_content += f" for {drift.locked_requirement}"
        yield Finding(
            text=f"{drift.requirement or 'any version'} is required, but {drift.lockfile} {lockfile_content}",
            purl=drift.package.purl,
            name=drift.package.name,
            locations=(drift.location,),
        )


def _find_foreign(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each package that may come from a place that only the project names."""
    for package, group in groupby(rule_input.foreign_origins, key=lambda origin: origin.package):
        origins = list(group)
        yield Finding(
            text=" and ".join(map(_describe_origin, origins)),
            purl=package.purl,
            name=package.name,
            locations=tuple(dict.fromkeys(location for origin in origins for location in origin.locations)),
        )


def _describe_origin(origin: ForeignOrigin) -> str:
    if ": " in origin.address or origin.address.startswith("replaced by"):
        return origin.address
    place = origin.named_at
    line = f":{place.line}" if place is not None and place.line else ""
    return f"may come from {origin.address}" + (f" ({place.path}{line})" if place is not None else "")


#: What to do about a version that is recorded as malicious: another version does not undo what it did.
MALWARE_HINT: Final = "remove it, and treat every machine that installed it as compromised"
#: The rules, in the order of a report.
RULES: Final[tuple[PolicyRule, ...]] = (
    PolicyRule(
        id="malicious",
        effect="fail",
        headings=("malicious version", "malicious versions"),
        count_phrases=("malicious version", "malicious versions"),
        hint=MALWARE_HINT,
        check=_find_malicious,
    ),
    PolicyRule(
        id="not-in-registry",
        effect="fail",
        headings=(
            "name that is not in the registry: anyone could register it",
            "names that are not in the registry: anyone could register them",
        ),
        count_phrases=("name in no public index", "names in no public index"),
        hint="correct it, or list it under private in [tool.nerq] if it is yours",
        check=_find_unregistered,
    ),
    PolicyRule(
        id="foreign-origin",
        effect="incomplete",
        headings=(
            "package that may come from a place that only this project names",
            "packages that may come from places that only this project names",
        ),
        count_phrases=("package of foreign origin", "packages of foreign origin"),
        hint="if you trust the place, name it in your own configuration of pip, uv or npm",
        is_grouped=True,
        check=_find_foreign,
    ),
    PolicyRule(
        id="lock-drift",
        effect="incomplete",
        headings=(
            "dependency that does not fit its lock file: the installed version is open",
            "dependencies that do not fit their lock files: the installed versions are open",
        ),
        count_phrases=("dependency that does not fit its lock file", "dependencies that do not fit their lock files"),
        hint="write the lock file anew",
        check=_find_drift,
    ),
    PolicyRule(
        id="age-policy-mismatch",
        effect="warn",
        headings=(
            "minimum age of releases that contradicts another one, or is in another unit",
            "minimum ages of releases that contradict each other, or are in another unit",
        ),
        count_phrases=("mismatch of minimum ages", "mismatches of minimum ages"),
        hint="set the same age for every tool, each in its unit",
        is_grouped=True,
        check=find_age_mismatches,
    ),
)


def find_problems(rule_input: RuleInput) -> tuple[Finding, ...]:
    """Return the findings of all rules, in the order of the table."""
    return tuple(replace(finding, id=rule.id) for rule in RULES for finding in rule.check(rule_input))


def group_by_rule(findings: Iterable[Finding]) -> dict[PolicyRule, list[Finding]]:
    """Return the findings of each rule that has any, in the order of the table."""
    grouped: dict[str, list[Finding]] = {rule.id: [] for rule in RULES}
    for finding in findings:
        grouped[finding.id].append(finding)
    return {rule: grouped[rule.id] for rule in RULES if grouped[rule.id]}


def describe_counts(findings: Iterable[Finding], effect: Effect) -> list[str]:
    """Return the number of findings of each rule with this effect, as phrases."""
    return [
        f"{len(group):,} {rule.count_phrases[len(group) > 1]}"
        for rule, group in group_by_rule(findings).items()
        if rule.effect == effect
    ]
