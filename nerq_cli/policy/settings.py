"""The settings of the policy: the level of each rule, what the rules compare with, and the thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, get_args

import msgspec

from nerq_cli.ecosystems import EcosystemId, get_ecosystem, normalise_name
from nerq_cli.insight.purpose import MINIMUM_SCORES
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.policy.findings import Level
from nerq_cli.units import DAY

#: Levels, the mildest first.
LEVELS: Final[tuple[Level, ...]] = ("allow", "warn", "deny")
#: Thresholds by name, for how much a project has to lose.
PRESETS: Final[Mapping[str, float]] = MappingProxyType({str(name): score for name, score in MINIMUM_SCORES.items()})
#: Level of an advisory by its severity. ``unknown`` is not mild: what is not known may be anything.
SEVERITY_LEVELS: Final[Mapping[str, Level]] = MappingProxyType(
    {"critical": "deny", "high": "deny", "medium": "warn", "low": "allow", "unknown": "warn"}
)
#: Severities of which only advisories with a fix count.
FIXABLE_SEVERITIES: Final = frozenset({"medium", "low"})
#: Age below which a version is too new, in seconds, as in the methodology.
MIN_AGE: Final = 7 * DAY
#: Ecosystem of the packages whose purls have this type.
PURL_TYPES: Final[Mapping[str, EcosystemId]] = MappingProxyType(
    {ecosystem.purl_type: ecosystem.id for ecosystem in map(get_ecosystem, get_args(EcosystemId))}
)
#: Ecosystem by the word before the name of a package: the type of its purls, or a prefix of targets (``hf``, ``pip``).
PREFIXES: Final[Mapping[str, EcosystemId]] = MappingProxyType(
    {
        prefix: ecosystem.id
        for ecosystem in map(get_ecosystem, get_args(EcosystemId))
        for prefix in (ecosystem.purl_type, *ecosystem.target_prefixes)
    }
)
#: Begins the key of a package in one ecosystem: ``npm:lodash``.
_ECOSYSTEM_SEPARATOR: Final = ":"


class VulnerabilityOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule ``vulnerability`` compares with."""

    #: By severity.
    levels: Mapping[str, Level] = SEVERITY_LEVELS
    only_fixable: frozenset[str] = FIXABLE_SEVERITIES
    #: Least level of an advisory in CISA's catalogue of exploited vulnerabilities, whatever its severity.
    kev: Level = "deny"
    #: Probability of exploitation (EPSS, 0 to 1) from which an advisory has the level ``deny``; None = no limit.
    epss: float | None = None


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of one run. The score that all dependencies must reach is not in it."""

    #: By id of the rule; a rule that is not listed has its default level.
    levels: Mapping[str, Level] = {}
    vulnerability: VulnerabilityOptions = VulnerabilityOptions()
    #: Age that a version must have, in seconds.
    min_age: int = MIN_AGE
    #: Licences that are accepted: SPDX identifiers, patterns of them or kinds of licence. Empty accepts every one.
    allowed_licences: tuple[str, ...] = ()
    #: Licences that are not.
    denied_licences: tuple[str, ...] = ()
    #: Patterns of names of packages that may run code when they are installed.
    allowed_scripts: tuple[str, ...] = ()
    #: Score that the dependencies of a group must reach, by full name, name or kind of the group.
    group_thresholds: Mapping[str, float] = {}
    #: Mean that each dimension of a score must reach.
    dimension_thresholds: Mapping[str, float] = {}
    #: Score that packages must reach, by pattern of the name: ``lodash``, ``npm:lodash``, ``@acme/*``.
    package_thresholds: Mapping[str, float] = {}
    #: Whether the run passes whatever it finds.
    report_only: bool = False
    #: Stricter policies of directories, the deepest directory first.
    subtrees: tuple[SubtreePolicy, ...] = ()

    def find_threshold(self, dependency: Dependency, threshold: float) -> float:
        """Return the score that a dependency must reach, 0 to 100; ``threshold`` is that of all others.

        A threshold of the package outweighs those of its groups. In several groups the highest one counts, and so does
        that of several directories.
        """
        own = self._find_own_threshold(dependency, threshold)
        if not self.subtrees:  # the usual case
            return own
        subtrees = self.select_subtrees(dependency.locations)
        return max((own, *(entry.policy.find_threshold(dependency, entry.threshold) for entry in subtrees)))

    def find_dimension_thresholds(self, dependency: Dependency) -> Mapping[str, float]:
        """Return the mean that each dimension of the score of a dependency must reach; of several the highest one."""
        subtrees = self.select_subtrees(dependency.locations) if self.subtrees else ()
        if not subtrees:
            return self.dimension_thresholds
        merged = dict(self.dimension_thresholds)
        for entry in subtrees:
            for name, points in entry.policy.dimension_thresholds.items():
                merged[name] = max(points, merged.get(name, 0.0))
        return merged

    def select_subtrees(self, locations: Iterable[Location]) -> tuple[SubtreePolicy, ...]:
        """Return the policies of the directories that hold these places, of each the deepest one."""
        if not self.subtrees:
            return ()
        found = (
            next((entry for entry in self.subtrees if is_inside(location.path, entry.directory)), None)
            for location in locations
        )
        return tuple({entry.directory: entry for entry in found if entry is not None}.values())

    def list_applicable(self, dependency: Dependency) -> tuple[PolicySettings, ...]:
        """Return the policies that apply to a dependency, each as strict as this one or stricter."""
        return tuple(entry.policy for entry in self.select_subtrees(dependency.locations)) or (self,)

    def _find_own_threshold(self, dependency: Dependency, threshold: float) -> float:
        if self.package_thresholds:
            pattern = find_package_pattern(self.package_thresholds, dependency.package)
            if pattern:
                return self.package_thresholds[pattern]
        if self.group_thresholds and dependency.groups:
            return max(self._find_group_threshold(group, threshold) for group in dependency.groups)
        return threshold

    @property
    def has_own_thresholds(self) -> bool:
        """Whether some dependencies have thresholds of their own."""
        return bool(self.package_thresholds or self.group_thresholds or self.subtrees)

    def describe_threshold(self, threshold: float) -> str:
        """Return the lowest passing score as text, after "below": a number if it is the same for all."""
        is_own = self.has_own_thresholds or self.dimension_thresholds
        return "their thresholds" if is_own else f"{threshold:g}"

    def _find_group_threshold(self, group: str, threshold: float) -> float:
        kind, _, name = group.partition(":")
        for key in (group, name, kind):
            if key in self.group_thresholds:
                return self.group_thresholds[key]
        return threshold


class SubtreePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of what is declared in a directory: as strict as that of the run, or stricter."""

    #: As in locations, without a slash at its end.
    directory: str
    #: Lowest passing score, 0 to 100, of what has none of its own.
    threshold: float
    policy: PolicySettings


def is_inside(path: str, directory: str) -> bool:
    """Return whether a path of a location is in a directory, or is that."""
    return path == directory or path.startswith(f"{directory}/")


#: The policy without any setting.
DEFAULT_POLICY: Final = PolicySettings()


def find_package_pattern(patterns: Iterable[str], package: Package) -> str:
    """Return the pattern that a package matches, one without wildcards before the others; empty if none does.

    A pattern may begin with the ecosystem: ``npm:lodash``, ``hf:acme/*``. Names are compared in normalised form.
    """
    matching = [
        pattern
        for pattern in patterns
        if fnmatchcase(package.name, normalise_name(package.ecosystem, _remove_prefix(pattern, package.ecosystem)))
    ]
    return min(matching, key=has_wildcards, default="")


def _remove_prefix(pattern: str, ecosystem_id: EcosystemId) -> str:
    prefix, _, name = pattern.partition(_ECOSYSTEM_SEPARATOR)
    return name if PREFIXES.get(prefix) == ecosystem_id else pattern


def list_named_packages(pattern: str) -> list[Package]:
    """Return the packages that a pattern without wildcards matches, one in each ecosystem that it may be about."""
    prefix, colon, name = pattern.partition(_ECOSYSTEM_SEPARATOR)
    is_prefix = bool(colon) and prefix in PREFIXES
    ecosystems = [PREFIXES[prefix]] if is_prefix else PURL_TYPES.values()
    text = name if is_prefix else pattern
    return [Package(ecosystem=ecosystem, name=normalise_name(ecosystem, text)) for ecosystem in ecosystems]


def escape_pattern(name: str) -> str:
    """Return the pattern that matches this name alone."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def has_wildcards(pattern: str) -> bool:
    """Return whether a pattern may match several names."""
    return any(character in pattern for character in "*?[")
