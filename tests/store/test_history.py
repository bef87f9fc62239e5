from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from nerq_cli.store.history import HistoryFile, Marks, ProjectRow, SnapshotRow

TODAY = 20_786
NAME = "PyPI/demo@1.0"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryFile]:
    file = HistoryFile.open(tmp_path, now=1)
    yield file
    file.close()


def row(day: int, mark: int = 1, numbers: bytes = b"12") -> SnapshotRow:
    return SnapshotRow(day, 900, mark, b"legend", (7, b"texts"), numbers)


def to_date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def test_a_snapshot_is_read_as_it_was_written(history: HistoryFile) -> None:
    history.put_snapshots({NAME: row(TODAY), "PyPI/demo-extra@1.0": row(TODAY)})
    assert history.read_snapshots(NAME) == [row(TODAY)]
    assert history.read_marks(TODAY, [NAME, "PyPI/other@1"]) == {NAME: Marks((900, 1), (900, 1))}
    assert history.read_marks(TODAY - 1, [NAME]) == {NAME: Marks(None, (900, 1))}
    assert history.list_versions("PyPI/demo") == [NAME]


def test_a_day_has_one_snapshot(history: HistoryFile) -> None:
    history.put_snapshots({NAME: row(TODAY, 1)})
    history.put_snapshots({NAME: row(TODAY, 2)})
    assert [snapshot.mark for snapshot in history.read_snapshots(NAME)] == [2]


def test_a_snapshot_like_the_last_one_refers_to_it(history: HistoryFile, tmp_path: Path) -> None:
    history.put_snapshots({NAME: row(TODAY, 1), "PyPI/other@1.0": row(TODAY, 2)})
    for day in range(TODAY + 1, TODAY + 200):
        history.put_snapshots({}, [NAME, "PyPI/unheard@1.0"], day)
    history.put_snapshots({NAME: row(TODAY + 200, 3)}, ["PyPI/other@1.0"], TODAY + 200)
    snapshots = history.read_snapshots(NAME)
    assert [(item.day, item.mark) for item in (snapshots[-2], snapshots[-1])] == [(TODAY + 199, 1), (TODAY + 200, 3)]
    assert [item._replace(day=TODAY) for item in snapshots[:-1]] == [row(TODAY, 1)] * (len(snapshots) - 1)
    assert history.read_snapshots("PyPI/other@1.0") == [row(TODAY, 2), row(TODAY + 200, 2)]
    assert history.read_snapshots("PyPI/unheard@1.0") == []
    assert [*history.read_numbers({NAME}, TODAY + 199)] == [(NAME, TODAY + 199, b"12"), (NAME, TODAY + 200, b"12")]
    with sqlite3.connect(tmp_path / "history.sqlite3") as connection:
        assert connection.execute("SELECT COUNT(*) FROM state").fetchone() == (3,)
    connection.close()


def test_snapshots_are_kept_daily_for_90_days_then_weekly_then_monthly(history: HistoryFile) -> None:
    for day in range(TODAY - 800, TODAY + 1):
        history.put_snapshots({NAME: row(day)._replace(texts=(day, b"texts"))})
    days = [snapshot.day for snapshot in history.read_snapshots(NAME)]
    assert [day for day in days if day >= TODAY - 90] == [*range(TODAY - 90, TODAY + 1)]
    weekly = [day for day in days if TODAY - 365 <= day < TODAY - 97]
    assert {to_date(day).weekday() for day in weekly} == {6}
    assert len(weekly) in (38, 39)
    monthly = [to_date(day) for day in days if day < TODAY - 372]
    assert len({(day.year, day.month) for day in monthly}) == len(monthly)
    assert len(monthly) in (14, 15)
    assert all(day.day >= 22 for day in monthly[:-1])  # the last Sunday, or the last day


def test_texts_that_no_snapshot_has_any_more_are_deleted(history: HistoryFile, tmp_path: Path) -> None:
    for day in range(TODAY - 200, TODAY + 1):
        history.put_snapshots({NAME: row(day)._replace(texts=(day, b"texts"))})
    kept = len(history.read_snapshots(NAME))
    with sqlite3.connect(tmp_path / "history.sqlite3") as connection:
        assert connection.execute("SELECT COUNT(*) FROM texts").fetchone() == (kept,)
        assert connection.execute("SELECT COUNT(*) FROM day").fetchone() == (kept,)
    connection.close()


def test_a_project_has_its_releases(history: HistoryFile) -> None:
    history.put_snapshots({NAME: row(TODAY), "npm/@acme/demo@2.0": row(TODAY)})
    made = ProjectRow(TODAY, 5, b"summary", (NAME, "npm/@acme/demo@2.0"))
    history.put_project("/project", made)
    assert history.read_projects("/project") == [made]
    assert history.read_project_mark("/project", TODAY) == 5
    assert history.read_project_mark("/project", TODAY - 1) is None
    assert history.read_projects("/other") == []
    history.put_project("/project", made._replace(day=TODAY + 1))
    assert history.read_projects("/project", TODAY + 9) == [made._replace(day=TODAY + 1)]
    assert history.read_projects("/project", TODAY) == [made]
    assert history.read_projects("/project", TODAY - 1) == []


def test_a_file_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE later (x)")
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    before = path.read_bytes()
    history = HistoryFile.open(tmp_path, now=1)
    history.put_snapshots({NAME: row(TODAY)})
    assert history.read_snapshots(NAME) == []
    assert "was written by a newer version of nerq-cli (format 9, this one has 1)" in history.read_problem
    history.close()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["history.sqlite3"]


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite3").write_bytes(b"no database " * 1000)
    history = HistoryFile.open(tmp_path, now=1)
    history.put_snapshots({NAME: row(TODAY)})
    assert history.read_snapshots(NAME) == [row(TODAY)]
    assert "is damaged" in history.read_problem
    history.close()
    assert (tmp_path / "history.sqlite3.1").exists()


def test_reading_creates_nothing(history: HistoryFile, tmp_path: Path) -> None:
    assert not history.read_snapshots(NAME)
    assert not history.read_projects("/x")
    assert not history.list_versions("PyPI/demo")
    assert [*tmp_path.iterdir()] == []
