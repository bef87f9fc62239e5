"""Parts on a cluster: a killed worker loses nothing, and what is not there is an error for the user."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

pl = pytest.importorskip("polars")
distributed = pytest.importorskip("distributed")

import nerq_cli
from nerq_cli.application.index import score_index
from nerq_cli.bulk.cluster import score_on_cluster
from nerq_cli.bulk.fact_columns import build_row
from nerq_cli.bulk.parts import plan_parts
from nerq_cli.bulk.score import build_schema
from nerq_cli.errors import UsageError
from tests.bulk.conftest import NOW, draw_evidence

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform == "win32", reason="kills a process with SIGKILL"),
]
ROWS = 8_000
PART_ROWS = 400
#: Seconds that a process may take to start on a busy machine.
START_TIMEOUT = 60
SOURCE = Path(nerq_cli.__file__).parents[1]


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


class Cluster:
    """A scheduler and its workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{find_free_port()}"
        self.workers: list[subprocess.Popen[bytes]] = []
        options = ("--host", "127.0.0.1", "--port", self.address.rpartition(":")[2])
        self.scheduler = self.start("dask_scheduler", *options, "--dashboard-address", "127.0.0.1:0")

    def start(self, module: str, *arguments: str, path: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program of Dask; ``path`` is where it imports nerq-cli from."""
        return subprocess.Popen(  # noqa: S603 - programs of the environment of the tests
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(path or SOURCE), "POLARS_MAX_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start_worker(self, path: Path | None = None) -> subprocess.Popen[bytes]:
        options = ("--nthreads", "1", "--no-nanny", "--dashboard-address", "127.0.0.1:0")
        arguments = (self.address, *options, "--local-directory", str(self.folder))
        self.workers.append(self.start("dask_worker", *arguments, path=path))
        if len(self.workers) == 1:
            with distributed.Client(self.address, timeout=START_TIMEOUT, set_as_default=False) as client:
                client.wait_for_workers(1, timeout=START_TIMEOUT)
        return self.workers[-1]

    def stop_workers(self) -> None:
        while self.workers:
            stop(self.workers.pop())


def stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler without workers, for all tests."""
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield started
    finally:
        stop(started.scheduler)


@pytest.fixture
def cluster(scheduler: Cluster) -> Iterator[Cluster]:
    try:
        yield scheduler
    finally:
        scheduler.stop_workers()


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_killed_worker_loses_nothing(cluster: Cluster, facts: Path, tmp_path: Path) -> None:
    killed = cluster.start_worker()
    done: list[int] = []

    def kill_once(rows: int) -> None:
        done.append(rows)
        if len(done) == 2:
            cluster.start_worker()
            killed.kill()

    parts = plan_parts(facts, tmp_path / "scores", ROWS, NOW, PART_ROWS)
    score_on_cluster(cluster.address, lambda: parts, kill_once)
    assert sum(done) == ROWS
    score_index(facts, tmp_path / "whole.parquet", as_of="2026-09-21")
    together = pl.read_parquet(tmp_path / "scores" / "*.parquet")
    assert together.equals(pl.read_parquet(tmp_path / "whole.parquet"))
    assert not [path for path in (tmp_path / "scores").iterdir() if path.suffix == ".tmp" and path.stat().st_size == 0][
        1:
    ]


def test_a_run_that_broke_off_goes_on(cluster: Cluster, facts: Path, tmp_path: Path) -> None:
    class Stopped(Exception):  # noqa: N818 - stands for an interrupt
        pass

    def stop(_: int) -> None:
        raise Stopped

    cluster.start_worker()
    output = tmp_path / "scores"
    parts = plan_parts(facts, output, ROWS, NOW, PART_ROWS)
    with pytest.raises(Stopped):
        score_on_cluster(cluster.address, lambda: parts, stop)
    finished = {path.name: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    assert finished
    score_on_cluster(cluster.address, lambda: plan_parts(facts, output, ROWS, NOW, PART_ROWS), lambda _: None)
    assert pl.scan_parquet(output / "*.parquet").select(pl.len()).collect().item() == ROWS
    assert finished.items() <= {path.name: path.stat().st_mtime_ns for path in output.glob("*.parquet")}.items()


def test_the_command_scores_on_the_cluster(cluster: Cluster, facts: Path, tmp_path: Path) -> None:
    cluster.start_worker()
    reports: list[tuple[int, int]] = []
    counts = score_index(
        facts,
        tmp_path / "scores",
        as_of="2026-09-21",
        scheduler=cluster.address,
        report=lambda done, rows: reports.append((done, rows)),
    )
    assert counts.rows == ROWS
    assert reports == [(ROWS, ROWS)]


def test_a_part_that_fails_names_its_reason(cluster: Cluster, facts: Path, tmp_path: Path) -> None:
    parts = plan_parts(facts, tmp_path / "scores", ROWS, NOW, PART_ROWS)
    cluster.start_worker()
    (tmp_path / "scores" / "_nerq.json").unlink()
    (tmp_path / "scores").rmdir()
    with pytest.raises(UsageError, match="scores"):
        score_on_cluster(cluster.address, lambda: parts, lambda _: None)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "nonsense://there", "tcp://127.0.0.1:x"])
def test_a_scheduler_that_is_not_there_is_an_error(facts: Path, tmp_path: Path, address: str) -> None:
    address = address.format(port=find_free_port())
    with pytest.raises(UsageError, match="no scheduler answers"):
        score_on_cluster(
            address, lambda: plan_parts(facts, tmp_path / "scores", ROWS, NOW), lambda _: None, timeout=0.5
        )
    assert not (tmp_path / "scores").exists()


def test_a_scheduler_without_workers_is_an_error(cluster: Cluster, facts: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores"
    with pytest.raises(UsageError, match="has no worker"):
        score_on_cluster(cluster.address, lambda: plan_parts(facts, scores, ROWS, NOW), lambda _: None, timeout=1)
    assert not scores.exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"nerq_cli/__init__.py": "__version__ = '0.0.0'\n", "nerq_cli/errors.py": ""}, r"has nerq-cli 0\.0\.0"),
        ({"polars.py": "raise ImportError('no polars')\n"}, "lacks what it needs"),
        ({"nerq_cli.py": "raise ImportError('no nerq-cli')\n"}, "lacks what it needs"),
    ],
)
def test_a_worker_that_lacks_something_names_it(
    cluster: Cluster, facts: Path, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    other = tmp_path / "other"
    for name, content in files.items():
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(content, encoding="utf-8")
    if "polars.py" in files:
        (other / "nerq_cli").symlink_to(SOURCE / "nerq_cli")
    elif "nerq_cli/errors.py" in files:
        (other / "nerq_cli" / "errors.py").write_bytes((SOURCE / "nerq_cli" / "errors.py").read_bytes())
    cluster.start_worker(other)
    with pytest.raises(UsageError, match=message):
        score_on_cluster(cluster.address, lambda: plan_parts(facts, tmp_path / "scores", ROWS, NOW), lambda _: None)


def test_a_cluster_that_loses_its_last_worker_is_an_error(cluster: Cluster, facts: Path, tmp_path: Path) -> None:
    worker = cluster.start_worker()
    parts = plan_parts(facts, tmp_path / "scores", ROWS, NOW, PART_ROWS)
    with pytest.raises(UsageError, match="no worker left"):
        score_on_cluster(cluster.address, lambda: parts, lambda _: worker.kill(), timeout=3)


def test_a_scheduler_that_goes_away_is_an_error(facts: Path, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.start_worker()
    parts = plan_parts(facts, tmp_path / "scores", ROWS, NOW, PART_ROWS)
    try:
        with pytest.raises(UsageError, match="went away"):
            score_on_cluster(cluster.address, lambda: parts, lambda _: cluster.scheduler.kill())
    finally:
        cluster.stop_workers()
        stop(cluster.scheduler)
