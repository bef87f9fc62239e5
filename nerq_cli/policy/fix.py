"""What to do about a dependency: one short phrase for its row."""

from __future__ import annotations

from collections.abc import Iterable

from nerq_cli.ecosystems import versions
from nerq_cli.facts import AffectingAdvisory, PackageInfo
from nerq_cli.inventory import Dependency, Ecosystem
from nerq_cli.scoring.score import Score


def suggest_fix(
    dependency: Dependency,
    score: Score | None,
    package_info: PackageInfo | None,
    advisories: Iterable[AffectingAdvisory],
) -> str:
    """Return the way out where the evidence names one, else an empty string.

    An advisory names the version that fixes it; a yanked version has newer ones that are not; an unknown name may be
    private. A deprecated package without a named successor has no remedy that could be stated honestly.
    """
    if score is None or dependency.version is None:
        return ""
    fixing = find_fixing_version(dependency.package.ecosystem, dependency.version, advisories)
    if fixing:
        return fixing
    cap_ids = {cap.id for cap in score.caps}
    latest = package_info.newest_stable if package_info is not None else ""
    if latest and latest != dependency.version and cap_ids & {"yanked", "python-eol"}:
        return latest
    if "fresh" in cap_ids:
        return "wait a few days"
    return ""


def find_newer_fixes(ecosystem: Ecosystem, version: str, advisory: AffectingAdvisory) -> tuple[str, ...]:
    """Return the smallest version above this one that fixes an advisory, and the newest; one if they are the same.

    The smallest lies on the branch in use wherever a fix was made there. Empty where no newer version fixes it.
    """
    newer_fixes = versions.sort_newest_first(
        ecosystem, (fix for fix in advisory.fixed_in if _is_newer(ecosystem, fix, version))
    )
    if not newer_fixes:
        return ()
    return (
        (newer_fixes[-1],)
        if versions.is_same_version(ecosystem, newer_fixes[-1], newer_fixes[0])
        else (newer_fixes[-1], newer_fixes[0])
    )


def find_fixing_version(ecosystem: Ecosystem, version: str, advisories: Iterable[AffectingAdvisory]) -> str:
    """Return the smallest version that fixes every advisory that has a fix, or an empty string.

    For each advisory that is the smallest fixed version above the one in use; the largest of those fixes them all.
    """
    required_fixes = [fixes[0] for advisory in advisories if (fixes := find_newer_fixes(ecosystem, version, advisory))]
    return versions.sort_newest_first(ecosystem, required_fixes)[0] if required_fixes else ""


def _is_newer(ecosystem: Ecosystem, version: str, current: str) -> bool:
    return versions.sort_newest_first(ecosystem, [version, current])[0] == version and not versions.is_same_version(
        ecosystem, version, current
    )
