from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.store.history import HistoryFile
from nerq_cli.store.history_rows import HistoryStore, Marks, ProjectRow, SnapshotRow
from nerq_cli.store.postgres_connection import PostgresConnection
from nerq_cli.store.postgres_history import PostgresHistory

pytestmark = pytest.mark.postgres

TODAY = 20_786
NAME = "PyPI/demo@1.0"


@pytest.fixture
def history(url: str) -> Iterator[PostgresHistory]:
    opened = PostgresHistory(PostgresConnection(url))
    yield opened
    assert opened.problem == ""
    opened.close()


def row(day: int, mark: int = 1, numbers: bytes = b"12") -> SnapshotRow:
    return SnapshotRow(day, 900, mark, b"legend", (-7, b"texts"), numbers)


def test_a_snapshot_is_read_as_it_was_written(history: PostgresHistory) -> None:
    history.put_snapshots({NAME: row(TODAY), "PyPI/demo-extra@1.0": row(TODAY)})
    assert history.read_snapshots(NAME) == [row(TODAY)]
    assert history.read_marks(TODAY, [NAME, "PyPI/other@1"]) == {NAME: Marks((900, 1), (900, 1))}
    assert history.read_marks(TODAY - 1, [NAME]) == {NAME: Marks(None, (900, 1))}
    assert history.list_versions("PyPI/demo") == [NAME]


def write_all(store: HistoryStore) -> list[object]:
    """Write the snapshots of three years, of packages and of a project; return everything that is read."""
    names = [NAME, "PyPI/other@1.0", "npm/@scope/name@2.0"]
    for day in range(TODAY - 1_000, TODAY + 1):
        changed = {name: row(day, day // 10)._replace(texts=(day // 10, b"%d" % (day // 10))) for name in names[:2]}
        if day % 10 == 0:
            store.put_snapshots(changed, [names[2]], day)
        else:
            store.put_snapshots({names[2]: row(day, day)} if day % 7 == 0 else {}, names[:2], day)
        if day % 3 == 0:
            store.put_project("/project", ProjectRow(day, day, b"summary", tuple(names[: 1 + day % 2])))
    store.put_snapshots({NAME: row(TODAY, 99)})
    return [
        *(store.read_snapshots(name) for name in names),
        *(store.read_marks(day, [*names, "PyPI/none@1"]) for day in (TODAY, TODAY - 500, TODAY + 1)),
        sorted(store.read_numbers({NAME, "npm/@scope/name@2.0", "PyPI/none@1"}, TODAY - 30)),
        [day for _, day, _ in store.read_numbers({NAME}, 0)],
        store.list_versions("PyPI/other"),
        store.list_versions("npm/@scope/name"),
        store.read_projects("/project"),
        store.read_projects("/project", TODAY - 100),
        store.read_projects("/other"),
        [store.read_project_mark("/project", day) for day in range(TODAY - 3, TODAY + 1)],
    ]


def test_it_keeps_and_thins_out_what_the_file_does(history: PostgresHistory, tmp_path: Path) -> None:
    file = HistoryFile.open(tmp_path, now=1)
    expected = write_all(file)
    file.close()
    assert write_all(history) == expected


def test_texts_and_states_that_no_snapshot_has_any_more_are_deleted(
    history: PostgresHistory, server: Any, url: str
) -> None:
    for day in range(TODAY - 200, TODAY + 1):
        history.put_snapshots({NAME: row(day)._replace(texts=(day, b"texts"))})
    kept = len(history.read_snapshots(NAME))
    assert kept < 150
    counts = "SELECT (SELECT COUNT(*) FROM nerq.texts), (SELECT COUNT(*) FROM nerq.state)"
    assert server.execute(url, counts) == [(kept, kept)]


def test_the_kept_days_of_a_month_are_its_last(history: PostgresHistory) -> None:
    for day in range(TODAY - 800, TODAY + 1):
        history.put_snapshots({NAME: row(day)})
    monthly = [
        date(1970, 1, 1) + timedelta(days=snapshot.day)
        for snapshot in history.read_snapshots(NAME)
        if snapshot.day < TODAY - 372
    ]
    assert len({(day.year, day.month) for day in monthly}) == len(monthly)
    assert all(day.day >= 22 for day in monthly[:-1])


def test_two_processes_write_snapshots_at_once(url: str, server: Any) -> None:
    stores = [PostgresHistory(PostgresConnection(url)) for _ in range(2)]
    names = [f"PyPI/package-{n}@1" for n in range(60)]

    def write(store: PostgresHistory, order: list[str]) -> None:
        for day in range(TODAY, TODAY + 10):
            store.put_snapshots({name: row(day, day) for name in order})

    threads = [threading.Thread(target=write, args=pair) for pair in zip(stores, (names, names[::-1]), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.problem for store in stores] == ["", ""]
    assert server.execute(url, "SELECT COUNT(*) FROM nerq.snapshot") == [(600,)]
    assert server.execute(url, "SELECT COUNT(*) FROM nerq.legend") == [(1,)]
    for store in stores:
        store.close()


@pytest.mark.parametrize("name", ["PyPI/a\0b@1", "PyPI/\ud800@1", f"PyPI/{'a' * 5_000}@1"])
def test_a_name_that_cannot_be_stored_leaves_the_others(history: PostgresHistory, name: str) -> None:
    history.put_snapshots({name: row(TODAY), NAME: row(TODAY)}, [name], TODAY)
    history.put_project(name, ProjectRow(TODAY, 1, b"", (NAME,)))
    history.put_project("/project", ProjectRow(TODAY, 1, b"", (NAME, name)))
    assert history.read_snapshots(name) == []
    assert history.read_snapshots(NAME) == [row(TODAY)]
    assert history.read_marks(TODAY, [name, NAME]).keys() == {NAME}
    assert history.list_versions(name) == []
    assert history.read_projects(name) == []
    assert history.read_project_mark(name, TODAY) is None
    assert [*history.read_numbers({name}, 0)] == []
    assert history.read_projects("/project") == [ProjectRow(TODAY, 1, b"", (NAME,))]


def test_a_server_that_is_away_leaves_nothing_to_read_and_a_problem(url: str, server: Any) -> None:
    history = PostgresHistory(PostgresConnection(url))
    history.put_snapshots({NAME: row(TODAY)})
    server.stop()
    try:
        assert history.read_snapshots(NAME) == []
        history.put_snapshots({NAME: row(TODAY + 1)})
        assert history.problem.startswith("cannot connect to the store postgresql://127.0.0.1:")
        assert history.read_problem == "the history cannot be read at present"
    finally:
        server.start()
    history.close()


def test_a_write_that_the_server_refuses_leaves_the_history_readable(url: str, server: Any) -> None:
    history = PostgresHistory(PostgresConnection(url))
    history.put_snapshots({NAME: row(TODAY)})
    server.execute(url, "ALTER TABLE nerq.snapshot ADD CONSTRAINT full_disk CHECK (day < 0) NOT VALID")
    history.put_snapshots({NAME: row(TODAY + 1)})
    assert "full_disk" in history.problem
    assert history.read_snapshots(NAME) == [row(TODAY)]
    assert history.read_problem == ""
    server.execute(url, "DROP TABLE nerq.texts CASCADE")
    assert history.read_snapshots(NAME) == []
    assert history.read_problem == "the history cannot be read at present"
    history.close()
