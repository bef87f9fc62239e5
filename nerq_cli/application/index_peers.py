"""Make a table of scores by purpose from the scores of an index."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from nerq_cli.errors import UsageError
from nerq_cli.insight.peers import MIN_MEMBERS, PeerTable, list_categories

#: Columns that are read of each table.
_SCORES: Final = ("ecosystem", "name", "score", "provisional", "coverage", "methodology", "as_of")
_CATEGORIES: Final = ("ecosystem", "name", "categories")


def build_peers(scores: Path, categories: Path, source: str) -> PeerTable:
    """Return the table of scores by purpose, as report pages compare with it.

    A package in several versions counts with its highest score, and one in several rows of categories once, with all of
    them. Provisional scores are left out: the evidence that they lack may lower them. So are groups of fewer than 30
    packages.

    Args:
        scores: What nerq index score wrote: a file, or a folder of parts.
        categories: A Parquet file with the columns ``ecosystem``, ``name`` and ``categories``, a list of texts: the
            classifiers and keywords that each package states.
        source: From what the scores were made, in words.

    Raises:
        UsageError: a file cannot be read, the categories are no lists of texts, no score is final, or the scores are of
            several methodologies or days.
    """
    import polars as pl

    from nerq_cli.bulk.files import check_columns, convert_errors, scan_files

    check_columns(scores, _SCORES)
    check_columns(categories, _CATEGORIES)
    with convert_errors(scores):
        table = scan_files(scores).filter(pl.col("score").is_not_null() & ~pl.col("provisional"))
        editions = table.select("methodology", "as_of").unique().collect()
        coverages = table.select(pl.col("coverage").sort()).collect()["coverage"]
        best = table.group_by(pl.col("ecosystem").cast(pl.String), "name").agg(pl.col("score").max())
    with convert_errors(categories):
        stated = scan_files(categories).select(pl.col("ecosystem").cast(pl.String), "name", "categories")
        data_type = stated.collect_schema()["categories"]
        if data_type not in {pl.List(pl.String), pl.List(pl.Null)}:
            raise UsageError(
                f"{categories}: the column categories has the type {data_type}, not a list of texts",
                hint='split texts first: pl.col("categories").str.split(",")',
            )
        rows = best.join(stated, on=["ecosystem", "name"]).sort("ecosystem", "name").collect()
    if not len(editions):
        raise UsageError(f"{scores} has no final score", hint="gather the facts that are missing: nerq index gather")
    if len(editions) != 1:
        raise UsageError(
            f"{scores} has scores of {len(editions)} methodologies and days", hint="score one table of facts at a time"
        )
    groups: dict[str, dict[str, list[float]]] = {}
    for (ecosystem, _, value), package_rows in groupby(rows.iter_rows(), key=itemgetter(0, 1, 2)):
        for category in list_categories(name for *_, names in package_rows for name in names or () if name):
            groups.setdefault(ecosystem, {}).setdefault(category, []).append(value)
    methodology, day = editions.row(0)
    assert isinstance(day, date)  # noqa: S101 - the type of the column
    last = len(coverages) - 1
    return PeerTable(
        date=day.isoformat(),
        methodology=methodology,
        source=source,
        coverage=(round(coverages[last // 20], 2), round(coverages[last - last // 20], 2)),
        groups={
            ecosystem: {
                category: tuple(sorted(values))
                for category, values in sorted(by_category.items())
                if len(values) >= MIN_MEMBERS
            }
            for ecosystem, by_category in sorted(groups.items())
        },
    )
