"""How a score stands: in a project, against its own past, and among packages for the same purpose. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import ceil, floor
from typing import Final

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.insight.snapshots import Snapshot

#: Members of a group below which it is too small to compare with.
MIN_MEMBERS: Final = 30
#: Snapshots below which there is no past to compare with.
_MIN_SNAPSHOTS: Final = 2
#: Words for the first places.
_PLACES: Final = ("", "second ", "third ", "fourth ", "fifth ")
_MAX_SCORE: Final = 100.0
_SEPARATOR: Final = " :: "
_FILE: Final = "peers.json"
NO_TABLE: Final = "no table of scores of other packages is shipped"


class ProjectStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a score among the dependencies of a project."""

    #: Name of its directory: a page may be published, and the path is private.
    name: str
    #: Day of its newest scan (days since 1970-01-01 UTC).
    day: int
    #: Whether the project depends on the package, in whatever version.
    is_member: bool
    #: The version of the target.
    version: str = ""
    #: The versions of the package that the project uses, each with its score (0-100) on that day; None without one.
    used: tuple[tuple[str, float | None], ...] = ()
    #: Packages with a score, the target included.
    count: int
    #: Others with a lower score, and with the same one.
    lower: int
    equal: int

    @property
    def is_used(self) -> bool:
        """Whether the project uses the version of the target."""
        return self.is_member and (not self.used or any(version == self.version for version, _ in self.used))


class PastStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a score among its own earlier ones, of the same methodology."""

    #: Days since 1970-01-01 UTC, without the newest snapshot.
    first_day: int
    last_day: int
    #: Earlier snapshots with a score.
    count: int
    #: Earlier scores (0-100).
    lowest: float
    highest: float
    #: The newest score.
    value: float


class OutsideStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a score among packages of other projects that state the same purpose."""

    #: Classifier or keyword that they share.
    category: str
    #: Packages of the group with a score.
    count: int
    #: Percent of them with a score below the lowest, and at or below the highest score that is possible for the target.
    above: int
    up_to: int
    #: ISO date of the table.
    date: str
    #: From what it was made.
    source: str
    #: Coverage (0-1) that nine of ten of its scores lie between.
    coverage: tuple[float, float]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a score stands. None = there is nothing to compare with."""

    project: ProjectStanding | None = None
    past: PastStanding | None = None
    outside: OutsideStanding | None = None
    #: Why there is no comparison with other packages; empty if there is one, or if none was asked for.
    outside_reason: str = ""


class PeerTable(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of packages by purpose: those of popular ones are shipped, ``nerq index peers`` makes others."""

    #: ISO date.
    date: str
    #: Kind of target and edition: ``packages 2.0``.
    methodology: str
    #: From what the scores were made.
    source: str
    #: Coverage (0-1) that nine of ten scores lie between.
    coverage: tuple[float, float]
    #: Ascending scores by ecosystem, then by classifier or keyword.
    groups: Mapping[str, Mapping[str, tuple[float, ...]]]


_DECODER: Final = build_json_decoder_late(PeerTable)


def decode_table(content: bytes) -> PeerTable:
    """Return a table that nerq index peers wrote.

    Raises:
        ValueError: it is none.
    """
    table = _DECODER.decode(content)
    for groups in table.groups.values():
        for category, scores in groups.items():
            if list(scores) != sorted(scores) or (scores and not 0.0 <= scores[0] <= scores[-1] <= _MAX_SCORE):
                raise ValueError(f"the scores of {category!r} are not 0-100, ascending")
    return table


@lru_cache(maxsize=1)
def load_table() -> PeerTable | None:
    """Return the shipped table; None if there is none."""
    from importlib.resources import files

    path = files("nerq_cli.insight") / "data" / _FILE
    return _DECODER.decode(path.read_bytes()) if path.is_file() else None


def stand_in_project(
    name: str,
    day: int,
    scores: Mapping[str, float],
    package: str,
    value: float,
    *,
    version: str = "",
    used: Iterable[tuple[str, float | None]] = (),
) -> ProjectStanding | None:
    """Return the place of a score among the dependencies of a project; None if it has no other with a score.

    Args:
        name: Name of the directory of the project.
        day: Day of the scan.
        scores: The lowest score of each package of the project.
        package: Name of the target, as in ``scores``. The target takes the place of the version that the project uses.
        value: Score of the target.
        version: Version of the target.
        used: Versions of the package that the project uses, each with its score; None without one.
    """
    used = tuple(used)
    others = [score for other, score in scores.items() if other != package]
    if not others:
        return None
    return ProjectStanding(
        name=name,
        day=day,
        is_member=package in scores or bool(used),
        version=version,
        used=used,
        count=len(others) + 1,
        lower=sum(score < value for score in others),
        equal=sum(score == value for score in others),
    )


def stand_in_past(snapshots: Sequence[Snapshot]) -> PastStanding | None:
    """Return the place of the newest score among the earlier ones of its methodology; None with fewer than two."""
    scored = [item for item in snapshots if item.value is not None and item.methodology == snapshots[-1].methodology]
    if len(scored) < _MIN_SNAPSHOTS or scored[-1] is not snapshots[-1]:
        return None
    values = [item.value for item in scored[:-1] if item.value is not None]
    return PastStanding(
        first_day=scored[0].day,
        last_day=scored[-2].day,
        count=len(values),
        lowest=min(values),
        highest=max(values),
        value=scored[-1].value or 0.0,
    )


def stand_outside(
    table: PeerTable | None,
    ecosystem: str,
    categories: Iterable[str],
    methodology: str,
    low: float | None,
    high: float | None,
) -> OutsideStanding | str:
    """Return the place of a score among the group of the deepest category; a reason if there is none.

    Args:
        table: The shipped table, or one of the user.
        ecosystem: Id of the ecosystem.
        categories: Classifiers or keywords that the target states.
        methodology: Of the score, as in the table.
        low: Lowest score (0-100) that is possible for the target.
        high: Highest one.
    """
    if table is None:
        return NO_TABLE
    if table.methodology != methodology:
        return f"the table has scores of the methodology {table.methodology}, and this one is of {methodology}"
    if low is None or high is None:
        return "there is no score to compare"
    stated = [*_list_categories(categories)]
    if not stated:
        return "it states no classifier about its topic, and no keyword"
    groups = table.groups.get(ecosystem, {})
    fitting = [name for name in stated if len(groups.get(name, ())) >= MIN_MEMBERS]
    if not fitting:
        return f"no classifier or keyword of it has {MIN_MEMBERS} members in the table of {table.date}"
    category = min(fitting, key=lambda name: (-name.count(_SEPARATOR), len(groups[name]), name))
    scores = groups[category]
    return OutsideStanding(
        category=category,
        count=len(scores),
        above=floor(100 * bisect_left(scores, low) / len(scores)),
        up_to=ceil(100 * bisect_right(scores, high) / len(scores)),
        date=table.date,
        source=table.source,
        coverage=table.coverage,
    )


def _list_categories(categories: Iterable[str]) -> Iterator[str]:
    """Yield each category, and those that a classifier lies under. Keywords have no case."""
    seen: set[str] = set()
    for category in categories:
        parts = category.split(_SEPARATOR)
        names = [_SEPARATOR.join(parts[:length]) for length in range(len(parts), 1, -1)] or [category.strip().lower()]
        for name in names:
            if name and name not in seen:
                seen.add(name)
                yield name


def list_categories(categories: Iterable[str]) -> tuple[str, ...]:
    """Return the groups of a package that states these classifiers or keywords."""
    return tuple(_list_categories(categories))


def describe_place(standing: ProjectStanding) -> str:
    """Return the place in a project in words: ``third lowest of 214``."""
    higher = standing.count - 1 - standing.lower - standing.equal
    is_low = standing.lower <= higher
    place = standing.lower if is_low else higher
    word = _PLACES[place] if place < len(_PLACES) else f"{_format_ordinal(place + 1)} "
    text = f"{word}{'lowest' if is_low else 'highest'} of {standing.count}"
    if not standing.equal:
        return text
    return f"{text}, as {'one other' if standing.equal == 1 else f'{standing.equal} others'}"


def _format_ordinal(number: int) -> str:
    """Return an ordinal number: ``21st``, ``112th``."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    is_teen = number // 10 % 10 == 1
    return f"{number}{'th' if is_teen else endings.get(number % 10, 'th')}"
