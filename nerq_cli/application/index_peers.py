"""Make a table of scores by purpose from the scores of an index."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from nerq_cli.errors import UsageError
from nerq_cli.insight.peers import MIN_MEMBERS, PeerTable, list_categories


def build_peers(scores: Path, categories: Path, source: str) -> PeerTable:
    """Return the table of scores by purpose, as report pages compare with it.

    A package in several versions counts with its highest score. Groups of fewer than 30 packages are left out.

    Args:
        scores: What nerq index score wrote: a file, or a folder of parts.
        categories: A Parquet file with the columns ``ecosystem``, ``name`` and ``categories``, a list of texts: the
            classifiers and keywords that each package states.
        source: From what the scores were made, in words.

    Raises:
        UsageError: a file cannot be read, or the scores are of several methodologies or days.
    """
    import polars as pl

    from nerq_cli.bulk.files import convert_errors, scan_files

    with convert_errors(scores):
        table = scan_files(scores).filter(pl.col("score").is_not_null())
        editions = table.select("methodology", "as_of").unique().collect()
        coverages = table.select(pl.col("coverage").sort()).collect()["coverage"]
        best = table.group_by(pl.col("ecosystem").cast(pl.String), "name").agg(pl.col("score").max())
    with convert_errors(categories):
        stated = scan_files(categories).select(pl.col("ecosystem").cast(pl.String), "name", "categories")
        rows = best.join(stated, on=["ecosystem", "name"]).sort("ecosystem", "name").collect()
    if len(editions) != 1:
        raise UsageError(
            f"{scores} has scores of {len(editions)} methodologies and days", hint="score one table of facts at a time"
        )
    groups: dict[str, dict[str, list[float]]] = {}
    for ecosystem, _, value, names in rows.iter_rows():
        for category in list_categories(names or ()):
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
