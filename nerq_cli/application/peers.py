"""Reads what a score is compared with: the project's other dependencies, its own past, and the shipped table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from nerq_cli.application.snapshots import name_project
from nerq_cli.errors import UsageError
from nerq_cli.insight.peers import (
    OutsideStanding,
    PeerTable,
    ProjectStanding,
    Standing,
    decode_table,
    load_table,
    stand_in_past,
    stand_in_project,
    stand_outside,
)
from nerq_cli.insight.snapshots import read_value

if TYPE_CHECKING:
    from nerq_cli.insight.snapshots import Snapshot
    from nerq_cli.inventory import Package
    from nerq_cli.scoring import Score
    from nerq_cli.store.history_rows import HistoryStore


#: Largest table of scores that is read; one of 6 million packages in three groups each has some 120 MB.
_MAX_TABLE_BYTES: Final = 500_000_000


class Present(NamedTuple):
    """The score that is compared."""

    #: 0-100; None without one.
    value: float | None
    #: Range that unknown facts leave.
    low: float | None
    high: float | None
    #: Kind of target and edition: ``packages 2.0``.
    methodology: str


class Others(NamedTuple):
    """Other packages that a score is compared with."""

    #: Classifiers about topics, and keywords, that the target states.
    categories: Iterable[str]
    #: Their scores; None for the shipped ones.
    table: PeerTable | None = None


def read_table(path: Path) -> PeerTable:
    """Return a table that nerq index peers wrote to a file.

    Raises:
        UsageError: it cannot be read, or is no such table.
    """
    try:
        with path.open("rb") as file:
            return decode_table(file.read(_MAX_TABLE_BYTES))  # more would be no JSON
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} is no table of scores: {reason}", hint="nerq index peers writes one") from error


def describe_present(score: Score | Snapshot) -> Present:
    """Return what of a score is compared."""
    methodology = score.methodology
    label = methodology if isinstance(methodology, str) else f"{methodology.target} {methodology.version}"
    return Present(score.value, score.low, score.high, label)


def find_standing(
    package: Package,
    version: str,
    present: Present,
    snapshots: Sequence[Snapshot],
    file: HistoryStore | None,
    root: Path,
    today: int,
    others: Others | None = None,
) -> Standing:
    """Return how the score of a package stands. Reads files only.

    Args:
        package: The target.
        version: Its version that has the score; empty = not known.
        present: Its score now.
        snapshots: Its past, oldest first, the present included.
        file: The history; None without one.
        root: Directory whose project is compared with, or one below it.
        today: Day (days since 1970-01-01 UTC) whose state of the project counts.
        others: The other packages to compare with; None for none.
    """
    outside: OutsideStanding | str = ""
    if others is not None:
        table = others.table or load_table()
        methodology, low, high = present.methodology, present.low, present.high
        outside = stand_outside(table, package.ecosystem, others.categories, methodology, low, high)
    return Standing(
        project=None
        if present.value is None
        else find_project_standing(package, version, present.value, file, root, today),
        past=stand_in_past(snapshots) if snapshots else None,
        outside=None if isinstance(outside, str) else outside,
        outside_reason=outside if isinstance(outside, str) else "",
    )


def find_project_standing(
    package: Package, version: str, value: float, file: HistoryStore | None, root: Path, today: int
) -> ProjectStanding | None:
    """Return the place of a score among the dependencies of the project of a directory, or of the nearest parent.

    None if no project there was scanned, or if it has no other dependency with a score.
    """
    if file is None:
        return None
    directory = Path(name_project(root))
    for path in (directory, *directory.parents):
        if rows := file.read_projects(str(path), today):
            [newest] = rows
            scores = _read_scores(file, newest.members, newest.day)
            name = f"{package.ecosystem}/{package.name}"
            lowest: dict[str, float] = {}
            for (member, _), score in scores.items():
                if score is not None:
                    lowest[member] = min(lowest.get(member, score), score)
            used = [(other, score) for (member, other), score in sorted(scores.items()) if member == name]
            return stand_in_project(path.name or str(path), newest.day, lowest, name, value, version=version, used=used)
    return None


def _read_scores(file: HistoryStore, members: Iterable[str], day: int) -> Mapping[tuple[str, str], float | None]:
    """Return the score on a day of each package and version of a project; None without one."""
    names = frozenset(members)
    scores: dict[str, float | None] = dict.fromkeys(names)
    for name, snapshot_day, numbers in file.read_numbers(names, day):
        if snapshot_day == day:
            scores[name] = read_value(numbers)
    return {(name.rpartition("@")[0], name.rpartition("@")[2]): value for name, value in scores.items()}
