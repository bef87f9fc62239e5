"""Leaves a snapshot of each scored release, and of a scanned project, in the history."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nerq_cli.store.history_rows import HistoryStore, Marks, ProjectRow, SnapshotRow
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.insight.snapshots import ProjectSummary
    from nerq_cli.inventory import Release
    from nerq_cli.report.model import Report
    from nerq_cli.scoring import Score

_SEPARATOR: Final = "\n"


def name_release(release: Release) -> str:
    """Return the name of a release in the history: ``PyPI/requests@2.31.0``."""
    return f"{release.package.ecosystem}/{release.package.name}@{release.version}"


def name_project(root: Path) -> str:
    """Return the name of a project in the history: its real path."""
    return os.path.realpath(root)


def record_report(report: Report, session: Session, *, project: Path | None = None) -> None:
    """Keep the scores of a report, and the report on a whole project as one. Failures are no errors of the run.

    A run about another day than today leaves none: its evidence is that of today.
    """
    history = session.history
    if history is None or report.list_only or session.settings.as_of is not None:
        return
    scores: dict[str, Score] = {}
    for assessment in report.dependencies:
        release = assessment.dependency.release
        if assessment.score is not None and release is not None:
            scores[name_release(release)] = assessment.score
    day = report.as_of // DAY
    record_scores(history, scores, day)
    if project is not None and scores:
        _record_project(history, report, name_project(project), sorted(scores), day)


def record_scores(history: HistoryStore, scores: dict[str, Score], day: int) -> None:
    """Keep the scores that differ from those of the same day, unless the earlier ones rest on more evidence.

    A score that is as it was in the last snapshot is not stored again: its day refers to that one.
    """
    from nerq_cli.insight.snapshots import compute_mark, pack_score, scale_coverage

    if not scores or not history.is_writable:
        return
    earlier = history.read_marks(day, [*scores])
    rows: dict[str, SnapshotRow] = {}
    repeated: list[str] = []
    for name, score in scores.items():
        today, last = earlier.get(name, Marks(None, None))
        mark = compute_mark(score)
        if today is not None and (scale_coverage(score) < today[0] or mark == today[1]):
            continue
        if last is not None and mark == last[1]:
            repeated.append(name)
        else:
            rows[name] = pack_score(score, day, mark)
    history.put_snapshots(rows, repeated, day)


def _record_project(history: HistoryStore, report: Report, path: str, names: list[str], day: int) -> None:
    from nerq_cli.insight.snapshots import pack_summary

    summary = pack_summary(summarise_report(report))
    mark = zlib.crc32(_SEPARATOR.join(names).encode(), zlib.crc32(summary))
    if history.read_project_mark(path, day) != mark:
        history.put_project(path, ProjectRow(day, mark, summary, tuple(names)))


def summarise_report(report: Report) -> ProjectSummary:
    """Return a report on a project in numbers. The project's own packages are left out."""
    from nerq_cli.insight.snapshots import ProjectSummary

    entries = [entry for entry in report.dependencies if not entry.dependency.is_own]
    scored = [
        (entry.score.value, f"{entry.dependency.package.name} {entry.dependency.version or ''}".strip())
        for entry in entries
        if entry.score is not None and entry.score.value is not None
    ]
    lowest, lowest_name = min(scored, default=(None, ""))
    methodologies = {
        f"{entry.score.methodology.target} {entry.score.methodology.version}" for entry in entries if entry.score
    }
    return ProjectSummary(
        dependencies=len(entries),
        scored=len(scored),
        below=sum(entry.state == "below" for entry in entries),
        lowest=lowest,
        median=_find_median(sorted(value for value, _ in scored)) if scored else None,
        lowest_name=lowest_name,
        threshold=report.threshold,
        complete=report.complete,
        methodology=", ".join(sorted(methodologies)),
    )


def _find_median(values: Sequence[float]) -> float:
    """Return the median of sorted values, with one decimal; ``statistics`` takes 10 ms to import."""
    middle = len(values) // 2
    return round((values[middle] + values[~middle]) / 2, 1)
