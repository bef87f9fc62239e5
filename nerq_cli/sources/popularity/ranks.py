"""The shipped lists of the most popular packages: the rank of a name, and the popular name it resembles.

The lists were made in November 2026, ordered by downloads: ranks for PyPI, ranks and monthly downloads for npm.
``data/README.md`` describes their layout.
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

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.facts import Found, Popularity, SimilarName
from nerq_cli.inventory import Package
from nerq_cli.sources.popularity.typosquat import NameIndex, parse_scope

#: Label of this source in reports.
LABEL: Final = "list of popular packages"
#: The registries that there are lists of.
_LISTED_APIS: Final = ("pypi", "npm")
#: How many of the most popular names others are compared with.
_COMPARED_NAMES: Final = 5_000
#: Days of a month in the lists; downloads are reported by the week.
_WEEKS_SHARE: Final = 7 / 30
#: Downloads from PyPI in 30 days by rank, read from a mid-2025 edition of hugovk/top-pypi-packages; between these
#: ranks they fall about evenly on logarithmic scales.
_PYPI_DOWNLOADS: Final = ((1, 1.40e9), (100, 1.57e8), (700, 1.62e7), (15_000, 3.1e4))
_RANK_RANGES: Final = tuple(pairwise(_PYPI_DOWNLOADS))


class PopularList(NamedTuple):
    """One list: the day it was made (epoch seconds) and names by rank.

    An empty name fills a rank that the list leaves out. ``monthly_thousands`` are downloads in a month beside the
    names, empty when the list has none.
    """

    list_date: int
    names: list[str]
    ranks: dict[str, int]
    monthly_thousands: list[int]


@lru_cache(maxsize=2)
def load_list(ecosystem: EcosystemId) -> PopularList:
    """Return the list of an ecosystem, read once."""
    path = Path(__file__).with_name("data") / f"{get_ecosystem(ecosystem).purl_type}.z"
    date_text, drops, *names = zlib.decompress(path.read_bytes()).decode().split("\n")
    list_date = datetime.fromisoformat(date_text).replace(tzinfo=timezone.utc)
    ranks = {name: rank for rank, name in enumerate(names, 1) if name}
    return PopularList(int(list_date.timestamp()), names, ranks, list(accumulate(map(int, drops.split()), sub)))


def get_list_date(ecosystem: EcosystemId) -> int:
    """Return the day the list was made, in epoch seconds."""
    return load_list(ecosystem).list_date


def get_most_used(ecosystem: EcosystemId) -> str:
    """Return the first name of the list."""
    return next(filter(None, load_list(ecosystem).names))


def is_listed(package: Package) -> bool:
    """Whether a package is on the list at all; not one of an ecosystem without a list."""
    return package.registry_api in _LISTED_APIS and package.name in load_list(package.ecosystem).ranks


def _get_weekly_downloads(ecosystem: EcosystemId, rank: int) -> float:
    """Return downloads a week at a rank: from the list for npm, estimated for PyPI."""
    monthly_thousands = load_list(ecosystem).monthly_thousands
    return _WEEKS_SHARE * (
        1_000 * monthly_thousands[rank - 1] if monthly_thousands else _estimate_monthly_downloads(rank)
    )


def _estimate_monthly_downloads(rank: int) -> float:
    (low_rank, max_downloads), (high_rank, min_downloads) = next(
        (rank_range for rank_range in _RANK_RANGES if rank <= rank_range[1][0]), _RANK_RANGES[-1]
    )
    share = (log(rank) - log(low_rank)) / (log(high_rank) - log(low_rank))
    return exp(log(max_downloads) + share * (log(min_downloads) - log(max_downloads)))


@lru_cache(maxsize=2)
def _get_unlisted_popularity(ecosystem: EcosystemId) -> Found[Popularity]:
    """Return the popularity of every name that is not on the list."""
    popular_list = load_list(ecosystem)
    floor = _get_weekly_downloads(ecosystem, len(popular_list.names))
    popularity = Popularity(
        snapshot_date=popular_list.list_date,
        list_size=len(popular_list.ranks),
        min_downloads=floor,
        is_estimate=not popular_list.monthly_thousands,
    )
    return Found(popularity, LABEL, popular_list.list_date)


def get_popularity(package: Package) -> Found[Popularity]:
    """Return the popularity of a package; one that is not on the list has no rank."""
    unlisted = _get_unlisted_popularity(package.ecosystem)
    rank = load_list(package.ecosystem).ranks.get(package.name)
    if rank is None:
        return unlisted
    ranked = Popularity(
        snapshot_date=unlisted.retrieved_at,
        list_size=unlisted.value.list_size,
        min_downloads=unlisted.value.min_downloads,
        rank=rank,
        downloads=_get_weekly_downloads(package.ecosystem, rank),
        is_estimate=unlisted.value.is_estimate,
    )
    return Found(ranked, LABEL, unlisted.retrieved_at)


@lru_cache(maxsize=2)
def _load_name_index(ecosystem: EcosystemId) -> NameIndex:
    names = load_list(ecosystem).names
    return NameIndex(ecosystem, names[:_COMPARED_NAMES], filter(None, map(parse_scope, names)))


def find_similar_name(package: Package) -> SimilarName:
    """Return the popular name that a package's name looks like; none for a name that is popular itself."""
    if is_listed(package):
        return SimilarName()
    match = _load_name_index(package.ecosystem).find_match(package.name)
    if match is None:
        return SimilarName()
    rank = match.position + 1
    downloads = _get_weekly_downloads(package.ecosystem, rank)
    return SimilarName(
        name=load_list(package.ecosystem).names[match.position], rank=rank, similarity=match.reason, downloads=downloads
    )
