"""Score a whole index from a table of facts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nerq_cli.application.settings import parse_as_of
from nerq_cli.errors import UsageError
from nerq_cli.methodology.packages import PACKAGES

if TYPE_CHECKING:
    from nerq_cli.bulk.files import ScoreCounts


def score_index(
    facts: Path,
    output: Path,
    *,
    as_of: str | None = None,
    scheduler: str | None = None,
    report: Callable[[int, int], None] = lambda _, __: None,
) -> ScoreCounts:
    """Score a table of facts, in this process or on the workers of a Dask scheduler.

    Args:
        facts: A Parquet file, or a folder of them.
        output: The Parquet file to write; with a scheduler, a folder of parts.
        as_of: Moment of the ages, ISO 8601; now by default.
        scheduler: Address of a Dask scheduler.
        report: Called with the number of rows that are done and of all rows; with a scheduler only.

    Raises:
        UsageError: the facts cannot be read, the scores cannot be written, or the cluster is not there.
    """
    from nerq_cli.bulk.files import count_rows, count_scores, remove_temporary, score_file

    moment = parse_as_of(as_of)
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent} is no folder", hint="make it first")
    if _is_among(output, facts):
        raise UsageError(f"{output} would be among the facts, or replace them", hint="choose another name")
    if scheduler is None:
        if output.is_dir():
            raise UsageError(f"{output} is a folder", hint="choose another name")
        score_file(facts, output, PACKAGES, moment)
        return count_scores(output)

    from nerq_cli.bulk.cluster import score_on_cluster
    from nerq_cli.bulk.parts import plan_parts

    rows, done = count_rows(facts), 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        report(done, rows)

    score_on_cluster(scheduler, lambda: plan_parts(facts, output, rows, moment), add)
    remove_temporary(output)
    counts = count_scores(output)
    if counts.rows != rows:
        raise UsageError(f"{output} has {counts.rows:,} of {rows:,} rows", hint="remove it, and run again")
    return counts


def _is_among(output: Path, facts: Path) -> bool:
    """Return whether a file is one of the facts, or lies in their folder."""
    if facts.is_dir():
        return output.resolve().parent == facts.resolve() or output.resolve() == facts.resolve()
    return output.exists() and facts.exists() and output.samefile(facts)
