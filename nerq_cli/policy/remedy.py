"""What to do about a dependency: one short phrase for its row."""

from __future__ import annotations

from collections.abc import Iterable

from nerq_cli import versions
from nerq_cli.facts import Project, Vulnerability
from nerq_cli.inventory import Dependency, Ecosystem
from nerq_cli.scoring.score import Score


def remedy(
    dependency: Dependency, score: Score | None, project: Project | None, advisories: Iterable[Vulnerability]
) -> str:
    """Return the way out where the evidence names one, else an empty string.

    An advisory names the version that fixes it; a yanked version has newer ones that are not; an unknown name may be
    private. A deprecated package without a named successor has no remedy that could be stated honestly.
    """
    if score is None or dependency.version is None:
        return ""
    fixed = fixing_version(dependency.package.ecosystem, dependency.version, advisories)
    if fixed:
        return fixed
    caps = {cap.id for cap in score.caps}
    latest = project.newest_stable if project is not None else ""
    if latest and latest != dependency.version and caps & {"yanked", "python-eol"}:
        return latest
    if "fresh" in caps:
        return "wait a few days"
    return ""


def fixes_above(ecosystem: Ecosystem, version: str, advisory: Vulnerability) -> tuple[str, ...]:
    """Return the smallest version above this one that fixes an advisory, and the newest; one if they are the same.

    The smallest lies on the branch in use wherever a fix was made there. Empty where no newer version fixes it.
    """
    above = versions.newest_first(ecosystem, (fix for fix in advisory.fixed_in if _newer(ecosystem, fix, version)))
    if not above:
        return ()
    return (above[-1],) if versions.same(ecosystem, above[-1], above[0]) else (above[-1], above[0])


def fixing_version(ecosystem: Ecosystem, version: str, advisories: Iterable[Vulnerability]) -> str:
    """Return the smallest version that fixes every advisory that has a fix, or an empty string.

    For each advisory that is the smallest fixed version above the one in use; the largest of those fixes them all.
    """
    needed = [fixes[0] for advisory in advisories if (fixes := fixes_above(ecosystem, version, advisory))]
    return versions.newest_first(ecosystem, needed)[0] if needed else ""


def _newer(ecosystem: Ecosystem, one: str, other: str) -> bool:
    return versions.newest_first(ecosystem, [one, other])[0] == one and not versions.same(ecosystem, one, other)
