"""The shipped lists of the most popular packages: where a name stands, and which popular name it looks like.

The lists were made in November 2026, ordered by downloads: ranks for PyPI, ranks and downloads in a month for npm.
``data/README.md`` tells how they are laid out.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timezone
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, log
from operator import sub
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.facts import Found, Neighbour, Popularity
from nerq_cli.inventory import NPM, PURL_TYPES, Ecosystem, Package
from nerq_cli.sources.likeness import Names, scope

#: What people read of this source.
LABEL: Final = "list of popular packages"
#: How many of the most popular names others are compared with.
_NEIGHBOURHOOD: Final = 5_000
#: A month of the lists has 30 days; downloads are told by the week.
_WEEK: Final = 7 / 30
#: Downloads from PyPI in 30 days by rank, read from a mid-2025 edition of hugovk/top-pypi-packages; between these
#: ranks they fall about evenly on logarithmic scales.
_PYPI_DOWNLOADS: Final = ((1, 1.40e9), (100, 1.57e8), (700, 1.62e7), (15_000, 3.1e4))
_STRETCHES: Final = tuple(pairwise(_PYPI_DOWNLOADS))


class Shipped(NamedTuple):
    """One list: the day it was made (epoch seconds) and names by rank.

    An empty name keeps the place of a rank that the list leaves out. ``thousands`` of downloads in a month stand beside
    the names where the list has them; otherwise it is empty.
    """

    edition: int
    names: list[str]
    ranks: dict[str, int]
    thousands: list[int]


@lru_cache(maxsize=2)
def shipped(ecosystem: Ecosystem) -> Shipped:
    """Return the list of an ecosystem, read once."""
    path = Path(__file__).with_name("data") / f"{PURL_TYPES[ecosystem]}.z"
    made, falls, *names = zlib.decompress(path.read_bytes()).decode().split("\n")
    day = datetime.fromisoformat(made).replace(tzinfo=timezone.utc)
    ranks = {name: rank for rank, name in enumerate(names, 1) if name}
    return Shipped(int(day.timestamp()), names, ranks, list(accumulate(map(int, falls.split()), sub)))


def edition(ecosystem: Ecosystem) -> int:
    """Return the day the list was made, in epoch seconds."""
    return shipped(ecosystem).edition


def is_listed(package: Package) -> bool:
    """Whether a package is on the list at all."""
    return package.name in shipped(package.ecosystem).ranks


def _downloads(ecosystem: Ecosystem, rank: int) -> float:
    """Return downloads a week at a rank: from the list for npm, estimated for PyPI."""
    listed = shipped(ecosystem).thousands
    return _WEEK * (1_000 * listed[rank - 1] if listed else _estimate(rank))


def _estimate(rank: int) -> float:
    (low, most), (high, least) = next((one for one in _STRETCHES if rank <= one[1][0]), _STRETCHES[-1])
    share = (log(rank) - log(low)) / (log(high) - log(low))
    return exp(log(most) + share * (log(least) - log(most)))


@lru_cache(maxsize=2)
def _unlisted(ecosystem: Ecosystem) -> Found[Popularity]:
    """Return what is said of every name that is not on the list."""
    listed = shipped(ecosystem)
    floor = _downloads(ecosystem, len(listed.names))
    popularity = Popularity(edition=listed.edition, listed=len(listed.ranks), floor=floor, estimated=ecosystem != NPM)
    return Found(popularity, LABEL, listed.edition)


def popularity(package: Package) -> Found[Popularity]:
    """Return where a package stands; one that is not on the list has no rank."""
    rest = _unlisted(package.ecosystem)
    rank = shipped(package.ecosystem).ranks.get(package.name)
    if rank is None:
        return rest
    standing = Popularity(
        edition=rest.seen,
        listed=rest.value.listed,
        floor=rest.value.floor,
        rank=rank,
        downloads=_downloads(package.ecosystem, rank),
        estimated=rest.value.estimated,
    )
    return Found(standing, LABEL, rest.seen)


@lru_cache(maxsize=2)
def _neighbourhood(ecosystem: Ecosystem) -> Names:
    names = shipped(ecosystem).names
    return Names(ecosystem, names[:_NEIGHBOURHOOD], filter(None, map(scope, names)))


def neighbour(package: Package) -> Neighbour:
    """Return the popular name that a package's name looks like; none for a name that is popular itself."""
    if is_listed(package):
        return Neighbour()
    likeness = _neighbourhood(package.ecosystem).like(package.name)
    if likeness is None:
        return Neighbour()
    rank = likeness.place + 1
    downloads = _downloads(package.ecosystem, rank)
    return Neighbour(
        name=shipped(package.ecosystem).names[likeness.place], rank=rank, how=likeness.how, downloads=downloads
    )
