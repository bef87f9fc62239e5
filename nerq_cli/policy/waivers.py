"""Waivers: findings that are accepted for a time, by the settings of a project or by a VEX document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timezone
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import OTHER, EcosystemId, find_purl_package, get_ecosystem
from nerq_cli.inventory import Location, Package
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.settings import find_package_pattern, has_wildcards, is_inside, list_named_packages

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

#: Days before the end of a waiver from which on the report warns.
NOTICE_DAYS: Final = 14


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """One waiver: what it waives, why and until when. It names a rule or an advisory."""

    #: Pattern of package names, which may begin with an ecosystem: ``npm:lodash``. Empty for findings that are about no
    #: package, in the files of ``path``.
    package: str = ""
    #: Pattern of file paths (.gitignore syntax), relative to the directory of the settings. Empty for every file.
    path: str = ""
    #: Directory that the waiver is limited to, as in locations; empty for the whole project.
    directory: str = ""
    #: Range of versions, or one version; empty for all.
    version: str = ""
    #: Id of the one rule whose findings it waives; empty if it names an advisory.
    rule: str = ""
    #: Ids of one advisory, each of which names it; empty if the waiver names a rule.
    advisories: tuple[str, ...] = ()
    reason: str
    #: Last day that it applies (ISO 8601); empty for a statement of a VEX document, which has no end.
    until: str = ""
    owner: str = ""
    #: Whether it ends as soon as an installable version fixes the advisory.
    until_fixed: bool = False
    #: Status of the advisory in OpenVEX; empty if none was decided.
    status: str = ""
    #: Justification of ``not_affected`` in OpenVEX; empty if there is none.
    justification: str = ""
    #: Author of the VEX document.
    author: str = ""
    #: Whether it waives. A VEX statement that does not, such as ``affected``, ends what earlier ones state.
    waives: bool = True
    #: Product that a VEX statement about a part of it names; empty if it applies to the scanned project.
    product: str = ""
    location: Location | None = None

    @property
    def target(self) -> str:
        """Return the rule or the advisory that it names."""
        return self.rule or self.advisories[0]

    @property
    def label(self) -> str:
        """Return what it waives: ``npm:lodash <4.17.21, GHSA-35jh-r3h4-6jhm``."""
        subject = f"{self.package} {self.version}".strip()
        return ", ".join(filter(None, (subject, self.path, self.target)))


class WaiverUse(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one waiver in a run."""

    waiver: Waiver
    #: Days that it still applies; 0 on its last day, below 0 after it. None if it has no end.
    days_left: int | None = None
    #: Number of findings that it matches, whether it has ended or not.
    matched_count: int = 0
    #: Number of findings that it waives.
    waived_count: int = 0
    #: Number of findings that it matches, and that nothing waives because it has ended.
    open_count: int = 0
    #: The version that ended it, if it applies until one fixes the advisory.
    fixed_by: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether its last day has passed."""
        return self.days_left is not None and self.days_left < 0


class WaiverPaths(msgspec.Struct, frozen=True):
    """How the paths of locations become relative to the directory of the settings."""

    #: The scanned directory as in locations; empty for the current directory.
    base: str = ""
    #: The scanned directory relative to that of the settings; empty if they are the same.
    prefix: str = ""

    def matches(self, waiver: Waiver, path: str) -> bool:
        """Return whether the pattern of a waiver matches a path of a location."""
        start = waiver.directory or self.base
        relative = path.removeprefix(f"{start}/") if start else path
        if start and relative == path:  # outside of what is scanned
            return False
        if self.prefix and not waiver.directory:
            relative = f"{self.prefix}/{relative}"
        return _compile_path(waiver.path).match_file(relative)


@lru_cache(maxsize=256)
def _compile_path(pattern: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    # A path is relative to the settings, also one without a slash, which .gitignore would search for everywhere.
    return GitIgnoreSpec.from_lines([pattern if pattern.startswith(("/", "**")) else f"/{pattern}"])


class _Tally(msgspec.Struct):
    """The counts of one waiver."""

    matched: int = 0
    waived: int = 0
    open: int = 0
    fixed_by: str = ""


def apply_waivers(
    findings: Iterable[Finding],
    waivers: Sequence[Waiver],
    as_of: int,
    paths: WaiverPaths | None = None,
    old_names: Mapping[Package, Sequence[Package]] = MappingProxyType({}),
) -> tuple[tuple[Finding, ...], tuple[WaiverUse, ...]]:
    """Return the findings, those that a waiver applies to with it, and what became of each waiver.

    No finding is left out. Of several waivers of the settings the one that applies longest counts; they outweigh VEX
    documents, of which the last statement decides.

    Args:
        findings: what the rules found.
        waivers: those of the settings, and VEX statements in the order of their time.
        as_of: moment that decides which waivers have ended, in epoch seconds UTC.
        paths: how the paths of waivers and those of locations relate; None if they are the same.
        old_names: the packages as which others were known before they were renamed, which waivers may name.
    """
    if not waivers:
        return tuple(findings), ()
    today = datetime.fromtimestamp(as_of, timezone.utc).date()
    days = [_count_days(waiver, today) for waiver in waivers]
    tallies = [_Tally() for _ in waivers]
    index = _Index(waivers, paths or WaiverPaths(), old_names)
    applied = tuple(_apply(finding, index.find(finding), waivers, days, tallies) for finding in findings)
    uses = tuple(
        WaiverUse(
            waiver=waiver,
            days_left=days_left,
            matched_count=tally.matched,
            waived_count=tally.waived,
            open_count=tally.open,
            fixed_by=tally.fixed_by,
        )
        for waiver, days_left, tally in zip(waivers, days, tallies, strict=True)
    )
    return applied, uses


def _apply(
    finding: Finding,
    rows: Sequence[int],
    waivers: Sequence[Waiver],
    days: Sequence[int | None],
    tallies: Sequence[_Tally],
) -> Finding:
    """Return a finding with the waiver that applies; ``rows`` are the indexes of those that match."""
    if not rows:
        return finding
    in_force, ended, statements = [], [], []
    for row in rows:
        days_left = days[row]
        tallies[row].matched += 1
        if days_left is None:
            statements.append(row)
        elif days_left < 0 or (waivers[row].until_fixed and finding.fix):
            ended.append(row)
        else:
            in_force.append((days_left, -row))
    chosen = -max(in_force)[1] if in_force else statements[-1] if statements else None
    if chosen is not None and waivers[chosen].waives:
        tallies[chosen].waived += 1
        return replace(finding, waiver=_describe(waivers[chosen]))
    for row in ended:
        tallies[row].open += 1
        if waivers[row].until_fixed and finding.fix:
            tallies[row].fixed_by = finding.fix
    return finding


def _count_days(waiver: Waiver, today: date) -> int | None:
    return (date.fromisoformat(waiver.until) - today).days if waiver.until else None


def _describe(waiver: Waiver) -> AppliedWaiver:
    return AppliedWaiver(
        reason=waiver.reason,
        until=waiver.until,
        owner=waiver.owner,
        status=waiver.status,
        justification=waiver.justification,
        author=waiver.author,
        location=waiver.location,
    )


class _Index:
    """Finds the waivers of a finding by its rule or advisory and its package: there may be thousands of each."""

    def __init__(
        self, waivers: Sequence[Waiver], paths: WaiverPaths, old_names: Mapping[Package, Sequence[Package]]
    ) -> None:
        self._waivers = waivers
        self._old_names = old_names
        self._paths = paths
        #: Those without a package, by rule.
        self._of_files: dict[str, list[int]] = {}
        self._by_package: dict[tuple[str, Package], list[int]] = {}
        #: Those whose pattern has wildcards.
        self._by_target: dict[str, list[int]] = {}
        self._targets: set[str] = set()
        for row, waiver in enumerate(waivers):
            if not waiver.package:
                self._of_files.setdefault(waiver.rule, []).append(row)
                continue
            packages = [] if has_wildcards(waiver.package) else list_named_packages(waiver.package)
            for target in (waiver.rule, *map(str.upper, waiver.advisories)):
                self._targets.add(target)
                for package in packages:
                    self._by_package.setdefault((target, package), []).append(row)
                if not packages:
                    self._by_target.setdefault(target, []).append(row)

    def find(self, finding: Finding) -> list[int]:
        """Return the indexes of the waivers that match, in their order."""
        if not finding.purl:
            return [row for row in self._of_files.get(finding.id, ()) if self._is_in_place(self._waivers[row], finding)]
        targets = self._targets.intersection((finding.id, *map(str.upper, finding.advisory_ids)))
        if not targets:
            return []
        package = find_package(finding)
        packages = (package, *self._old_names.get(package, ()))
        rows = {row for target in targets for one in packages for row in self._by_package.get((target, one), ())}
        patterns = {row for target in targets for row in self._by_target.get(target, ())}
        rows.update(
            row for row in patterns if any(find_package_pattern((self._waivers[row].package,), one) for one in packages)
        )
        return [
            row
            for row in sorted(rows)
            if _covers(self._waivers[row], package, finding.version) and self._is_in_place(self._waivers[row], finding)
        ]

    def _is_in_place(self, waiver: Waiver, finding: Finding) -> bool:
        """Return whether a waiver that is limited to files or a directory covers the places of a finding.

        A dependency must be declared in such files only. A finding without a package needs one of its files to match:
        a contradiction between two files is about each of them.
        """
        paths = [location.path for location in finding.locations]
        if waiver.directory and not (paths and all(is_inside(path, waiver.directory) for path in paths)):
            return False
        if not waiver.path:
            return True
        matches = [self._paths.matches(waiver, path) for path in paths]
        return bool(matches) and (all(matches) if finding.purl else any(matches))


def count_days_left(waiver: Waiver, as_of: int) -> int | None:
    """Return the days that a waiver still applies at a moment (epoch seconds UTC), as ``WaiverUse.days_left``."""
    return _count_days(waiver, datetime.fromtimestamp(as_of, timezone.utc).date())


def find_package(finding: Finding) -> Package:
    """Return the package that a finding is about."""
    purl_type, _, path = finding.purl.removeprefix("pkg:").partition("/")
    found = find_purl_package(purl_type, *path.partition("@")[0].rpartition("/")[::2])
    return Package(ecosystem=OTHER if found is None else found[0], name=finding.name)


def _covers(waiver: Waiver, package: Package, version: str) -> bool:
    """Return whether a waiver of a package covers a version."""
    if not waiver.version:
        return True
    if not version:
        return False
    # VEX documents name single versions, which a text that is also a range must not widen
    return covers_version(package.ecosystem, waiver.version, version, is_range=bool(waiver.until))


def covers_version(ecosystem_id: EcosystemId, text: str, version: str, *, is_range: bool = True) -> bool:
    """Return whether a text, which is a version or (with ``is_range``) a range, covers a version.

    Of a local build the public version counts as well.
    """
    ecosystem = get_ecosystem(ecosystem_id)
    public_version = ecosystem.get_public_version(version)  # of a local build
    if ecosystem.is_same_version(text, version) or ecosystem.is_same_version(text, public_version):
        return True
    return is_range and ecosystem.satisfies(text, public_version, prereleases=True)
