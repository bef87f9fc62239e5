"""The way out: another version of a package that is below the threshold, and what it would score.

The versions worth scoring are few: the smallest that fixes what can be fixed, the newest that the written range
admits, and the newest. Which of them is the way out is decided by their scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from nerq_cli import versions
from nerq_cli.facts import DEPRECATED, Evidence, Found, Project, Vulnerability
from nerq_cli.inventory import PYPI, Dependency, Ecosystem
from nerq_cli.policy.remedy import fixes_above, fixing_version
from nerq_cli.scoring.score import Score

#: How several requirements on one dependency are joined (see :class:`~nerq_cli.inventory.Dependency`).
_BETWEEN: Final = " · "


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another version of a package, scored as it would be if it were in use, at the same moment.

    ``value``, ``grade`` and ``provisional`` are those of its :class:`~nerq_cli.scoring.score.Score`; ``value`` is None
    where it could not be scored. ``in_range`` says that every requirement as written admits it, and ``outside`` gives
    the ranges that do not (an exact pin is none: it has no room for any other version). ``clears`` says that it would
    be ``ok``. ``fixes`` are the ids of the advisories on the version in use that this one is rid of.
    """

    version: str
    value: float | None
    grade: str | None
    provisional: bool
    in_range: bool
    outside: str = ""
    clears: bool = False
    fixes: tuple[str, ...] = ()


def candidates(
    dependency: Dependency, project: Project, advisories: Sequence[Vulnerability], *, python: str
) -> tuple[str, ...]:
    """Return the versions worth scoring, at most three, the smallest step first: within the written range, then not.

    All are final, newer than the one in use, neither yanked nor deprecated, and run on this Python (empty: on any)
    where the one in use does.
    """
    if dependency.version is None:
        return ()
    ecosystem = dependency.package.ecosystem
    newer = _Newer(ecosystem, dependency.version, project, python)
    wanted = {newer.first(newer.rows), newer.first(newer.rows, within=dependency)}
    fix = fixing_version(ecosystem, dependency.version, advisories)
    if fix and project.partial and fix not in project.versions and not versions.is_prerelease(ecosystem, fix):
        wanted.add(fix)
    elif fix:
        wanted.add(newer.first(newer.rows[::-1], least=fix))
    upwards = versions.newest_first(ecosystem, (one for one in wanted if one))[::-1]
    return tuple(sorted(upwards, key=lambda one: not _in_range(dependency, one)))


def alternative(
    dependency: Dependency,
    version: str,
    *,
    score: Score | None,
    clears: bool,
    advisories: Sequence[Vulnerability],
    evidence: Evidence,
) -> Alternative:
    """Describe another version by its score and evidence; ``advisories`` are those on the version in use."""
    return Alternative(
        version=version,
        value=None if score is None else score.value,
        grade=None if score is None else score.grade,
        provisional=score is not None and score.provisional,
        in_range=_in_range(dependency, version),
        outside=_BETWEEN.join(_outside(dependency, version)),
        clears=clears,
        fixes=tuple(one.id for one in advisories if _is_rid_of(dependency, version, one, evidence)),
    )


def choose(current: float | None, ranked: Sequence[Alternative], threshold: float) -> Alternative | None:
    """Return the way out of a score: the first that clears the threshold, else the one that helps most, else None.

    ``ranked`` has the smallest step first. What cannot be scored helps if it fixes something, and only where nothing
    is known to help.
    """
    clearing = next((one for one in ranked if one.clears), None)
    if clearing is not None:
        return clearing
    better = [(one.value, one) for one in ranked if one.value is not None and (current is None or one.value > current)]
    if better:
        # Provisional ones that would clear, were their advisories known: among them too, the smallest step.
        return max(better, key=lambda pair: min(pair[0], threshold))[1]
    return next((one for one in ranked if one.value is None and one.fixes), None)


class _Newer:
    """The final versions above one; each is looked at only when it is its turn, for some projects have thousands.

    ``rows`` are theirs in the project, newest first; not everybody can be sent to all of them.
    """

    def __init__(self, ecosystem: Ecosystem, version: str, project: Project, python: str) -> None:
        end = project.versions.index(version) if version in project.versions else len(project.versions)
        self.rows = [row for row in project.stable_rows if row < end]
        self._ecosystem = ecosystem
        self._project = project
        self._here = versions.precedence(ecosystem, version)
        self._python = python if ecosystem == PYPI and _admits(project, version, python) else ""

    def first(self, rows: Sequence[int], *, least: str = "", within: Dependency | None = None) -> str:
        """Return the first that anybody could be sent to, not under a version and within a range; else nothing."""
        if within is not None and any(versions.pin(self._ecosystem, one) for one in _written(within)):
            return ""
        for row in rows:
            one = self._project.versions[row]
            if least and not _at_least(self._ecosystem, one, least):
                continue
            if (within is None or _in_range(within, one)) and self._serves(row, one):
                return one
        return ""

    def _serves(self, row: int, one: str) -> bool:
        if self._project.flags[row] & DEPRECATED or versions.is_prerelease(self._ecosystem, one):
            return False
        if self._here is not None and versions.precedence(self._ecosystem, one) <= self._here:
            return False
        return not self._python or _admits(self._project, one, self._python)


def _admits(project: Project, version: str, python: str) -> bool:
    """Whether a version states that it runs on this Python, or states nothing."""
    row = project.versions.index(version) if version in project.versions else len(project.needs)
    need = project.needs[row] if row < len(project.needs) else -1
    wanted = project.interpreters[need] if 0 <= need < len(project.interpreters) else ""
    return not wanted or versions.satisfies(PYPI, wanted, python, prereleases=True)


def _at_least(ecosystem: Ecosystem, version: str, least: str) -> bool:
    return versions.newest_first(ecosystem, [version, least])[0] == version or versions.same(ecosystem, version, least)


def _written(dependency: Dependency) -> list[str]:
    return dependency.requirement.split(_BETWEEN)


def _unmet(dependency: Dependency, version: str) -> Iterator[str]:
    ecosystem = dependency.package.ecosystem
    return (one for one in _written(dependency) if not versions.satisfies(ecosystem, one, version))


def _in_range(dependency: Dependency, version: str) -> bool:
    return not any(_unmet(dependency, version))


def _outside(dependency: Dependency, version: str) -> Iterator[str]:
    ecosystem = dependency.package.ecosystem
    return (written for written in _unmet(dependency, version) if versions.pin(ecosystem, written) is None)


def _is_rid_of(dependency: Dependency, version: str, advisory: Vulnerability, evidence: Evidence) -> bool:
    """Whether an advisory no longer affects a version: what is said of the version itself counts first."""
    if isinstance(evidence.advisories, Found):
        named = {id_ for one in evidence.advisories.value for id_ in (one.id, *one.aliases)}
        return not named & {advisory.id, *advisory.aliases}
    ecosystem = dependency.package.ecosystem
    fixes = fixes_above(ecosystem, dependency.version or "", advisory)
    return bool(fixes) and _at_least(ecosystem, version, fixes[0])
