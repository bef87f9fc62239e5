"""Parts on a cluster: a killed worker loses nothing, and what is not there is an error for the user."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

pl = pytest.importorskip("polars")
distributed: Any = pytest.importorskip("distributed")

from nerq_cli.application.index import score_index
from nerq_cli.bulk.cluster import score_on_cluster
from nerq_cli.bulk.fact_columns import build_row
from nerq_cli.bulk.parts import plan_parts
from nerq_cli.bulk.score import build_schema
from nerq_cli.errors import UsageError
from tests.bulk.conftest import NOW, draw_evidence

pytestmark = [
    # Processes and sockets of distributed that it closes when it is finalised.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed"),
    pytest.mark.filterwarnings("ignore::FutureWarning:distributed"),
    pytest.mark.skipif(sys.platform == "win32", reason="kills a process with SIGKILL"),
]
ROWS = 20_000
PART_ROWS = 500


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = Random(6)
    rows = []
    for number in range(200):
        ecosystem, version, evidence = draw_evidence(random)
        rows.append(build_row(ecosystem, f"demo-{number}", version, evidence))
    table = pl.DataFrame(rows, schema=build_schema())
    path = tmp_path_factory.mktemp("facts") / "facts.parquet"
    pl.concat([table] * (ROWS // len(table))).write_parquet(path, row_group_size=PART_ROWS)
    return path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as started:
        yield started


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_killed_worker_loses_nothing(cluster: Any, facts: Path, tmp_path: Path) -> None:
    with distributed.Client(cluster, set_as_default=False) as client:
        pids = [*client.run(os.getpid).values()]
    assert len(pids) == 2
    done: list[int] = []

    def kill_once(rows: int) -> None:
        done.append(rows)
        if len(done) == 2:
            os.kill(pids[0], signal.SIGKILL)

    parts = plan_parts(facts, tmp_path / "scores", ROWS, NOW, PART_ROWS)
    score_on_cluster(cluster.scheduler_address, parts, kill_once)
    assert sum(done) == ROWS
    score_index(facts, tmp_path / "whole.parquet", as_of="2026-09-21")
    together = pl.read_parquet(tmp_path / "scores" / "*.parquet")
    assert together.equals(pl.read_parquet(tmp_path / "whole.parquet"))
    assert not [path for path in (tmp_path / "scores").iterdir() if path.suffix == ".tmp" and path.stat().st_size == 0][
        1:
    ]


def test_a_run_that_broke_off_goes_on(cluster: Any, facts: Path, tmp_path: Path) -> None:
    class Stopped(Exception):  # noqa: N818 - stands for an interrupt
        pass

    def stop(_: int) -> None:
        raise Stopped

    output = tmp_path / "scores"
    parts = plan_parts(facts, output, ROWS, NOW, PART_ROWS)
    with pytest.raises(Stopped):
        score_on_cluster(cluster.scheduler_address, parts, stop)
    finished = {path.name: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    assert finished
    score_on_cluster(cluster.scheduler_address, plan_parts(facts, output, ROWS, NOW, PART_ROWS), lambda _: None)
    assert pl.scan_parquet(output / "*.parquet").select(pl.len()).collect().item() == ROWS
    assert finished.items() <= {path.name: path.stat().st_mtime_ns for path in output.glob("*.parquet")}.items()


def test_the_command_scores_on_the_cluster(cluster: Any, facts: Path, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    counts = score_index(
        facts,
        tmp_path / "scores",
        as_of="2026-09-21",
        scheduler=cluster.scheduler_address,
        report=lambda done, rows: reports.append((done, rows)),
    )
    assert counts.rows == ROWS
    assert reports == [(ROWS, ROWS)]


def test_a_part_that_fails_names_its_reason(cluster: Any, facts: Path, tmp_path: Path) -> None:
    parts = plan_parts(facts, tmp_path / "scores", ROWS, NOW, PART_ROWS)
    (tmp_path / "scores" / "_nerq.json").unlink()
    (tmp_path / "scores").rmdir()
    with pytest.raises(UsageError, match="scores"):
        score_on_cluster(cluster.scheduler_address, parts, lambda _: None)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "nonsense://there", "tcp://127.0.0.1:x"])
def test_a_scheduler_that_is_not_there_is_an_error(facts: Path, tmp_path: Path, address: str) -> None:
    address = address.format(port=find_free_port())
    with pytest.raises(UsageError, match="no scheduler answers"):
        score_on_cluster(address, plan_parts(facts, tmp_path / "scores", ROWS, NOW), lambda _: None, timeout=0.5)


def test_a_scheduler_without_workers_is_an_error(facts: Path, tmp_path: Path) -> None:
    with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None, processes=True) as empty:
        parts = plan_parts(facts, tmp_path / "scores", ROWS, NOW)
        with pytest.raises(UsageError, match="has no worker"):
            score_on_cluster(empty.scheduler_address, parts, lambda _: None, timeout=0.5)
