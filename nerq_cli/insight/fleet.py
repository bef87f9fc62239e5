"""A fleet: many projects, and the packages they use, as numbers. Pure."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from sys import intern
from typing import Final, Literal, TypeAlias

import msgspec

#: State of a project. ``incomplete``: nothing fails, and not everything could be checked; ``empty``: nothing to scan.
ProjectState: TypeAlias = Literal["failing", "unreadable", "incomplete", "empty", "passed"]
#: The worst first.
STATES: Final[tuple[ProjectState, ...]] = ("failing", "unreadable", "incomplete", "empty", "passed")

#: How a project moved since the last run. ``new``: there is none; ``unclear``: by other rules, or less was checked.
Direction: TypeAlias = Literal["worse", "better", "same", "new", "unclear"]
#: Points that the median moves by before a project counts as better or worse.
_MOVED: Final = 1.0


class VersionUse(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One dependency of a project, as far as a fleet reports it."""

    ecosystem: str
    name: str
    #: Empty if not known.
    version: str
    purl: str
    #: 0 to 100; None if it was not scored.
    score: float | None
    grade: str
    #: Score stands for less than everything: ``~``.
    provisional: bool
    #: By the settings of the project.
    state: str
    direct: bool
    #: First reason; empty if it passes.
    reason: str
    #: Ids of the advisories that affect the version, the worst first.
    advisories: tuple[str, ...]
    malware: bool
    #: Whether one of them is known to be exploited.
    exploited: bool
    #: Version to move to, or an instruction; empty if none is known.
    fix: str
    latest: str


class RuleCount(msgspec.Struct, frozen=True, array_like=True):
    """Findings of one rule at one level that count."""

    rule: str
    level: str
    count: int


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """What a project was at its last run, and how it moved since."""

    direction: Direction
    #: Days since 1970-01-01 UTC; None without an earlier run.
    day: int | None = None
    below: int | None = None
    lowest: float | None = None
    median: float | None = None
    dependencies: int | None = None


class FleetProject(msgspec.Struct, frozen=True, kw_only=True):
    """One project of a fleet: its row."""

    name: str
    #: Directory, as it was given.
    path: str
    #: Branch, tag or commit; empty for the files of a checkout.
    ref: str = ""
    #: Id of the commit that was read; empty for a checkout.
    commit: str = ""
    state: ProjectState
    #: Exit status of ``nerq scan`` about it.
    exit: int
    reason: str
    #: Whether everything could be checked.
    complete: bool = False
    dependency_files: int = 0
    #: Dependencies of third parties, scored or not.
    dependencies: int = 0
    #: Of these with a score.
    scored: int = 0
    #: Of these below the threshold of the project.
    below: int = 0
    #: Of these below the threshold of the fleet, whatever the project's settings are.
    below_fleet: int = 0
    lowest: float | None = None
    #: Name and version of the dependency with the lowest score.
    lowest_name: str = ""
    median: float | None = None
    #: Score that a dependency of the project must reach.
    threshold: float | None = None
    findings: tuple[RuleCount, ...] = ()
    #: Findings that waivers accept.
    waived: int = 0
    #: What the project's settings accept or leave out beyond those of the fleet.
    weaker: tuple[str, ...] = ()
    #: Dependencies that are not looked up because another project of the fleet keeps their names private.
    withheld: int = 0
    #: Names of these other projects, sorted.
    withheld_by: tuple[str, ...] = ()
    #: Names of the projects that a name is not looked up for because this one keeps it private.
    withheld_from: tuple[str, ...] = ()
    #: Problems in its files.
    problems: tuple[str, ...] = ()
    #: Editions of the methodologies of its scores.
    methodology: str = ""
    trend: Trend | None = None


class ProjectResult(msgspec.Struct, frozen=True):
    """A judged project, with its dependencies."""

    project: FleetProject
    uses: tuple[VersionUse, ...] = ()
    #: What the history keeps of it: summary and checksum, if anything was scored.
    summary: bytes = b""
    #: Names of its releases in the history.
    members: tuple[str, ...] = ()


class FleetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a package in use."""

    use: VersionUse
    #: Indexes of the projects that use it, ascending.
    projects: Sequence[int]
    #: Number of those that depend on it directly.
    direct: int
    #: Whether its score, or its malware, is below the threshold of the fleet.
    is_below: bool


class FleetPackage(msgspec.Struct, frozen=True, kw_only=True):
    """One package, with the versions in use: the worst first."""

    ecosystem: str
    name: str
    versions: tuple[FleetVersion, ...]
    #: Number of projects that use any of them.
    projects: int

    @property
    def known_count(self) -> int:
        """Return the number of versions, of those that are known."""
        return sum(bool(version.use.version) for version in self.versions)

    @property
    def worst(self) -> FleetVersion:
        """Return the version with the lowest score."""
        return self.versions[0]

    @property
    def is_below(self) -> bool:
        """Whether a version in use is below the threshold of the fleet."""
        return any(version.is_below for version in self.versions)


class _Users:
    """Who uses a version."""

    __slots__ = ("direct", "projects", "use")

    def __init__(self, use: VersionUse) -> None:
        self.use = use
        self.projects = array("I")
        self.direct = 0


class Portfolio:
    """Adds up projects as they are judged. It holds each version once, however many projects use it."""

    def __init__(self, threshold: float) -> None:
        """Start an empty portfolio; ``threshold`` is the score that a dependency must reach (0 to 100)."""
        self._threshold = threshold
        self._versions: dict[tuple[str, str, str], _Users] = {}
        self.dependency_count = 0

    def add(self, index: int, uses: Iterable[VersionUse]) -> None:
        """Add the dependencies of the project with this index; each project once."""
        for use in uses:
            self.dependency_count += 1
            key = (intern(use.ecosystem), use.name, use.version)
            users = self._versions.get(key)
            if users is None:
                users = self._versions[key] = _Users(use)
            elif _is_more_telling(use, users.use):
                users.use = use
            if not users.projects or users.projects[-1] != index:
                users.projects.append(index)
                users.direct += use.direct

    @property
    def version_count(self) -> int:
        """Number of different versions, of those that are known."""
        return sum(bool(version) for _, _, version in self._versions)

    def list_packages(self) -> list[FleetPackage]:
        """Return all packages, the worst first: malware, what is exploited, then by the lowest score."""
        groups: dict[tuple[str, str], list[_Users]] = {}
        for (ecosystem, name, _), users in self._versions.items():
            groups.setdefault((ecosystem, name), []).append(users)
        packages = [
            FleetPackage(
                ecosystem=ecosystem,
                name=name,
                versions=tuple(
                    FleetVersion(
                        use=users.use,
                        projects=sorted(users.projects),
                        direct=users.direct,
                        is_below=is_below(users.use, self._threshold),
                    )
                    for users in sorted(group, key=_rank_users)
                ),
                projects=len(group[0].projects)
                if len(group) == 1
                else len({project for users in group for project in users.projects}),
            )
            for (ecosystem, name), group in groups.items()
        ]
        return sorted(packages, key=_rank_package)


def _is_more_telling(use: VersionUse, other: VersionUse) -> bool:
    """Whether one project knows more of a version than another: a score, or a version to move to. Ties by text."""
    ranks = [
        (item.score is not None, not item.provisional, bool(item.fix), item.fix, item.state, item.reason)
        for item in (use, other)
    ]
    return ranks[0] > ranks[1]


def is_below(use: VersionUse, threshold: float) -> bool:
    """Return whether a version is malware, or its score is below a threshold (0 to 100)."""
    return use.malware or (use.score is not None and use.score < threshold)


def _rank_use(use: VersionUse) -> tuple[bool, bool, bool, float]:
    return not use.malware, not use.exploited, use.score is None, 0.0 if use.score is None else use.score


def _rank_users(users: _Users) -> tuple[bool, bool, bool, float, int, str]:
    return (*_rank_use(users.use), -len(users.projects), users.use.version)


def _rank_package(package: FleetPackage) -> tuple[bool, bool, bool, float, int, str, str]:
    return (*_rank_use(package.worst.use), -package.projects, package.ecosystem, package.name)


def rank_project(project: FleetProject) -> tuple[int, int, float, str]:
    """Return the key that sorts projects, the worst first."""
    lowest = 101.0 if project.lowest is None else project.lowest
    return STATES.index(project.state), -project.below, lowest, project.name


def count_states(projects: Iterable[FleetProject]) -> dict[ProjectState, int]:
    """Return the number of projects in each state, the worst first."""
    counts = Counter(project.state for project in projects)
    return {state: counts[state] for state in STATES}


def judge_trend(
    project: FleetProject,
    *,
    day: int,
    below: int,
    lowest: float | None,
    median: float | None,
    dependencies: int,
    is_comparable: bool,
) -> Trend:
    """Return how a project moved since its last run.

    More dependencies below the threshold are worse, fewer are better; of as many the median decides, and it must move
    by at least a point. Without the same methodology, or where one run could check less, it is unclear.
    """
    direction: Direction = "same"
    if not is_comparable or project.state in ("unreadable", "empty"):
        direction = "unclear"
    elif project.below != below:
        direction = "worse" if project.below > below else "better"
    elif project.median is not None and median is not None and abs(project.median - median) >= _MOVED:
        direction = "worse" if project.median < median else "better"
    return Trend(direction=direction, day=day, below=below, lowest=lowest, median=median, dependencies=dependencies)


def count_directions(projects: Iterable[FleetProject]) -> dict[Direction, int]:
    """Return the number of projects that moved in each direction."""
    counts = Counter("new" if project.trend is None else project.trend.direction for project in projects)
    directions: tuple[Direction, ...] = ("worse", "better", "same", "unclear", "new")
    return {direction: counts[direction] for direction in directions}


def iter_drifting(packages: Iterable[FleetPackage]) -> Iterator[FleetPackage]:
    """Yield the packages of which projects use several versions, those with most versions first."""
    several = [package for package in packages if package.known_count > 1]
    yield from sorted(several, key=lambda package: (-package.known_count, -package.projects, package.name))
