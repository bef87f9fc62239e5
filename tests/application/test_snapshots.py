"""What a run leaves in the history: one snapshot a day, and nothing twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nerq_cli.application.scores import score_release
from nerq_cli.application.snapshots import record_scores
from nerq_cli.facts import Evidence, Found, PackageInfo
from nerq_cli.insight.snapshots import compute_mark, unpack_row
from nerq_cli.inventory import Package, Release
from nerq_cli.scoring import Score
from nerq_cli.store.history import HistoryFile
from nerq_cli.units import DAY

TODAY = 20_786
NAME = "PyPI/demo@1.0"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryFile]:
    file = HistoryFile.open(tmp_path, now=1)
    yield file
    file.close()


@pytest.fixture
def score() -> Score:
    published = TODAY * DAY - 100 * DAY
    info = PackageInfo(
        name="demo",
        versions=("1.0",),
        published=(published,),
        flags=(0,),
        interpreter_indexes=(0,),
        interpreters=("",),
        publishers=2,
    )
    release = Release(package=Package(ecosystem="PyPI", name="demo"), version="1.0")
    return score_release(release, Evidence(package_info=Found(info, "PyPI", TODAY * DAY)), TODAY * DAY)


def count_states(path: Path) -> int:
    connection = sqlite3.connect(path / "history.sqlite3")
    [(count,)] = connection.execute("SELECT COUNT(*) FROM state").fetchall()
    connection.close()
    return int(count)


def test_a_score_that_did_not_change_is_stored_once_and_shown_for_each_day(
    history: HistoryFile, score: Score, tmp_path: Path
) -> None:
    for day in range(3):
        record_scores(history, {NAME: score}, TODAY + day)
        record_scores(history, {NAME: score}, TODAY + day)
    snapshots = [unpack_row(row, "1.0") for row in history.read_snapshots(NAME)]
    assert [snapshot.day for snapshot in snapshots if snapshot] == [TODAY, TODAY + 1, TODAY + 2]
    assert {snapshot.high for snapshot in snapshots if snapshot} == {score.high}
    assert count_states(tmp_path) == 1


def test_a_change_is_stored_and_a_run_that_knew_less_is_not(history: HistoryFile, score: Score, tmp_path: Path) -> None:
    record_scores(history, {NAME: score}, TODAY)
    record_scores(history, {NAME: replace(score, high=50.0)}, TODAY + 1)
    record_scores(history, {NAME: replace(score, high=40.0, coverage=0.01)}, TODAY + 1)
    record_scores(history, {NAME: replace(score, high=30.0, coverage=0.01)}, TODAY + 2)
    snapshots = [unpack_row(row, "1.0") for row in history.read_snapshots(NAME)]
    assert [snapshot.high for snapshot in snapshots if snapshot] == [score.high, 50.0, 30.0]
    assert count_states(tmp_path) == 3


def test_the_mark_is_of_what_a_report_shows_first(score: Score) -> None:
    mark = compute_mark(score)
    assert compute_mark(replace(score)) == mark
    for change in (
        {"value": 1.0},
        {"low": 1.0},
        {"high": 1.0},
        {"total": 99.0},
        {"coverage": 0.99},
        {"grade": "Z"},
        {"reason_texts": ("other",)},
        {"verdict": "other"},
    ):
        assert compute_mark(replace(score, **change)) != mark, change
