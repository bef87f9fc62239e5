"""Upgrades: other versions of a package that is below the threshold, with their scores.

The candidates are the smallest version that fixes the advisories, the newest in the declared range, and the newest; of
all versions, and of those that the age rules of the project let its tools install today. Their scores decide which one
is suggested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.ecosystems import Ecosystem, get_ecosystem
from nerq_cli.ecosystems.listing import Listing
from nerq_cli.facts import DEPRECATED, AffectingAdvisory, Evidence, Found, PackageInfo
from nerq_cli.inventory import Dependency
from nerq_cli.policy import State
from nerq_cli.policy.age import Availability
from nerq_cli.policy.fix import find_fixing_version, find_newer_fixes
from nerq_cli.scoring.score import Score
from nerq_cli.signals.advisories import merge_advisories

if TYPE_CHECKING:
    from nerq_cli.insight.provenance import ProvenanceFacts

#: How several requirements on one dependency are joined (see :class:`~nerq_cli.inventory.Dependency`).
_REQUIREMENT_SEPARATOR: Final = " · "


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """Another version of a package, scored at the same moment as the version in use."""

    version: str
    #: Score, 0 to 100; None if it could not be scored.
    value: float | None
    grade: str | None
    provisional: bool
    #: Whether facts that are not known may take the score below the threshold that it reaches.
    uncertain: bool = False
    #: Whether every declared requirement allows the version.
    in_range: bool
    #: The declared ranges that exclude the version, without exact pins.
    excluding_ranges: str = ""
    #: Whether the state would be ``ok``.
    passes: bool = False
    #: Ids of the advisories that affect the version in use and not this one.
    fixed_advisories: tuple[str, ...] = ()
    #: What its provenance is read from; None unless the options of the run keep it.
    provenance: ProvenanceFacts | None = None
    #: Whether age rules let it be installed; None without rules.
    availability: Availability | None = None
    #: When it was published (epoch seconds UTC; 0 = not known).
    released_at: int = 0

    @property
    def is_available(self) -> bool:
        """Whether no age rule leaves it out today."""
        return self.availability is None or self.availability.state == "now"


def find_candidates(
    dependency: Dependency,
    package_info: PackageInfo,
    advisories: Sequence[AffectingAdvisory],
    *,
    python: str,
    is_available: Callable[[str], bool] | None = None,
) -> tuple[str, ...]:
    """Return at most six versions to score: those in the declared range first, each group in ascending order.

    All are final, newer than the one in use, neither yanked nor deprecated, and run on this Python if the one in use
    does. An empty ``python`` allows any. Where ``is_available`` is False for one of the three versions of a project
    without age rules, those of the versions for which it is True are added.
    """
    if dependency.version is None:
        return ()
    ecosystem = get_ecosystem(dependency.package.ecosystem)
    newer_versions = _NewerVersions(ecosystem, dependency.version, package_info, python)
    fix = find_fixing_version(ecosystem.id, dependency.version, advisories)
    candidates = _find_steps(dependency, newer_versions, fix)
    if is_available is not None and not all(map(is_available, candidates)):
        newer_versions.rows = [row for row in newer_versions.rows if is_available(package_info.versions[row])]
        candidates |= _find_steps(dependency, newer_versions, fix)
    ascending = ecosystem.sort_newest_first(candidates)[::-1]
    return tuple(sorted(ascending, key=lambda version: not _is_in_range(dependency, version)))


def _find_steps(dependency: Dependency, newer_versions: _NewerVersions, fix: str) -> set[str]:
    """Return the smallest version that fixes the advisories, the newest in the range, and the newest."""
    candidates = {
        newer_versions.find_first(newer_versions.rows),
        newer_versions.find_first(newer_versions.rows, dependency=dependency),
    }
    if fix and newer_versions.is_unlisted(fix):
        candidates.add(fix)
    elif fix:
        candidates.add(newer_versions.find_first(newer_versions.rows[::-1], minimum=fix))
    return candidates - {""}


def find_uninstallable_fixes(
    dependency: Dependency,
    package_info: PackageInfo,
    advisories: Sequence[AffectingAdvisory],
    *,
    python: str,
    is_excluded: Callable[[str], bool] | None = None,
) -> tuple[str, ...]:
    """Return the ids of the advisories that newer versions fix, of which none can be installed.

    A version can be installed if it is listed, final, neither yanked nor deprecated, and runs on this Python if the one
    in use does; and if ``is_excluded`` is not True for it. Advisories that share an id or alias are one. A list of some
    versions only decides nothing.
    """
    if dependency.version is None or package_info.partial:
        return ()
    ecosystem = get_ecosystem(dependency.package.ecosystem)
    newer_versions = _NewerVersions(ecosystem, dependency.version, package_info, python)
    if is_excluded is not None:
        newer_versions.rows = [row for row in newer_versions.rows if not is_excluded(package_info.versions[row])]
    uninstallable = []
    for advisory in merge_advisories(advisories):
        fixes = find_newer_fixes(ecosystem.id, dependency.version, advisory)
        rows = [row for row in newer_versions.rows if package_info.versions[row] in advisory.fixed_in]
        if fixes and not (
            newer_versions.find_first(rows) or newer_versions.find_first(rows=newer_versions.rows, minimum=fixes[-1])
        ):
            uninstallable.append(advisory.id)
    return tuple(uninstallable)


def describe(
    dependency: Dependency,
    version: str,
    *,
    score: Score | None,
    state: State,
    advisories: Sequence[AffectingAdvisory],
    evidence: Evidence,
    check_age: Callable[[str, bool], Availability | None] | None = None,
    released_at: int = 0,
) -> Upgrade:
    """Describe another version by its score and evidence; ``advisories`` are those on the version in use.

    ``check_age`` is called with the version and whether it fixes an advisory; None without age rules.
    """
    fixed = tuple(advisory.id for advisory in advisories if _is_fixed(dependency, version, advisory, evidence))
    return Upgrade(
        version=version,
        value=None if score is None else score.value,
        grade=None if score is None else score.grade,
        provisional=score is not None and score.provisional,
        uncertain=score is not None and score.value is not None and state == "unknown",
        in_range=_is_in_range(dependency, version),
        excluding_ranges=_REQUIREMENT_SEPARATOR.join(_find_excluding_ranges(dependency, version)),
        passes=state == "ok",
        fixed_advisories=fixed,
        availability=None if check_age is None else check_age(version, bool(fixed)),
        released_at=released_at,
    )


def choose(current: float | None, upgrades: Sequence[Upgrade], threshold: float) -> Upgrade | None:
    """Return the first upgrade that passes, else the one with the highest score above the current one, else None.

    ``upgrades`` are in the order of :func:`find_candidates`. Of those that pass, one that can be installed today is
    preferred. Without any higher score, the first upgrade without a score that fixes an advisory is returned.
    """
    passing = [upgrade for upgrade in upgrades if upgrade.passes]
    if passing:
        return next((upgrade for upgrade in passing if upgrade.is_available), passing[0])
    improvements = [
        (upgrade.value, upgrade)
        for upgrade in upgrades
        if upgrade.value is not None and (current is None or upgrade.value > current)
    ]
    if improvements:
        # Scores above the threshold are provisional here: the first of them is chosen.
        return max(improvements, key=lambda pair: (min(pair[0], threshold), pair[1].is_available))[1]
    return next((upgrade for upgrade in upgrades if upgrade.value is None and upgrade.fixed_advisories), None)


class _NewerVersions:
    """The final versions above the one in use. Versions are checked lazily, because some packages have thousands."""

    def __init__(self, ecosystem: Ecosystem, version: str, package_info: PackageInfo, python: str) -> None:
        end = package_info.versions.index(version) if version in package_info.versions else len(package_info.versions)
        #: Indexes of the versions, newest first.
        self.rows = [row for row in package_info.stable_rows if row < end]
        self._ecosystem = ecosystem
        self._package_info = package_info
        self._current_precedence = ecosystem.parse_version(version)
        self._python = python if self._supports_python(version, python) else ""

    def is_unlisted(self, version: str) -> bool:
        """Return whether a final version is missing because only some are listed."""
        package_info = self._package_info
        is_missing = package_info.partial and version not in package_info.versions
        return is_missing and not self._ecosystem.is_prerelease(version)

    def find_first(self, rows: Sequence[int], *, minimum: str = "", dependency: Dependency | None = None) -> str:
        """Return the first usable version at or above a minimum and in the range of a dependency; else empty."""
        if dependency is not None and any(
            self._ecosystem.parse_pin(candidate) for candidate in _split_requirements(dependency)
        ):
            return ""
        for row in rows:
            candidate = self._package_info.versions[row]
            if minimum and not self._ecosystem.is_at_least(candidate, minimum):
                continue
            if (dependency is None or _is_in_range(dependency, candidate)) and self._is_usable(row, candidate):
                return candidate
        return ""

    def _is_usable(self, row: int, version: str) -> bool:
        if self._package_info.flags[row] & DEPRECATED or self._ecosystem.is_prerelease(version):
            return False
        if self._current_precedence is not None and self._ecosystem.parse_version(version) <= self._current_precedence:
            return False
        return not self._python or self._supports_python(version, self._python)

    def _supports_python(self, version: str, python: str) -> bool:
        """Return whether a version states that it runs on this Python, or states nothing."""
        versions = self._package_info.versions
        listing = Listing(self._ecosystem, self._package_info, python)
        return version not in versions or listing.supports_interpreter(versions.index(version))


def _split_requirements(dependency: Dependency) -> list[str]:
    return dependency.requirement.split(_REQUIREMENT_SEPARATOR)


def _find_unmet_requirements(dependency: Dependency, version: str) -> Iterator[str]:
    ecosystem = get_ecosystem(dependency.package.ecosystem)
    return (
        requirement for requirement in _split_requirements(dependency) if not ecosystem.satisfies(requirement, version)
    )


def _is_in_range(dependency: Dependency, version: str) -> bool:
    return not any(_find_unmet_requirements(dependency, version))


def _find_excluding_ranges(dependency: Dependency, version: str) -> Iterator[str]:
    ecosystem = get_ecosystem(dependency.package.ecosystem)
    return (
        requirement
        for requirement in _find_unmet_requirements(dependency, version)
        if ecosystem.parse_pin(requirement) is None
    )


def _is_fixed(dependency: Dependency, version: str, advisory: AffectingAdvisory, evidence: Evidence) -> bool:
    """Return whether an advisory does not affect a version; its own evidence outweighs the advisory's fixes."""
    if isinstance(evidence.advisories, Found):
        advisory_ids = {id_ for affecting in evidence.advisories.value for id_ in (affecting.id, *affecting.aliases)}
        return not advisory_ids & {advisory.id, *advisory.aliases}
    ecosystem = get_ecosystem(dependency.package.ecosystem)
    fixes = find_newer_fixes(ecosystem.id, dependency.version or "", advisory)
    return bool(fixes) and ecosystem.is_at_least(version, fixes[0])
