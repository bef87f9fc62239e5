from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.errors import ResponseError
from nerq_cli.sources.advisories import entry_reader, osv_files
from nerq_cli.sources.advisories.entry_reader import read_entries, serve
from nerq_cli.sources.advisories.osv_files import ReadStats, build_entries, read_advisories
from nerq_cli.store.advisory_db import AdvisoryEntry

COUNT = 40


def record(number: int) -> bytes:
    affected = {
        "package": {"ecosystem": ("PyPI", "npm")[number % 2], "name": f"demo-{number}"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": f"{number}.0.0"}]}],
    }
    fields: dict[str, Any] = {"withdrawn": "2026-01-01T00:00:00Z"} if number % 10 == 9 else {}
    severity = {"severity": "HIGH"} if number % 3 else {}
    return json.dumps(
        {
            "id": f"GHSA-{number}",
            "modified": "2026-01-01T00:00:00Z",
            "affected": [affected] if number % 7 else [],
            "database_specific": severity,
            **fields,
        }
    ).encode()


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(COUNT):
            archive.writestr(f"{number}.json", record(number) if number % 8 else b"{" * (1 + number % 16 // 8) + b"}")
    return tmp_path / "all.zip"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_reader, "_MIN_BYTES", 0)
    monkeypatch.setattr(entry_reader, "_BATCH_MEMBERS", 3)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Two cores, and the processes that were started."""
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    return processes


def read(*paths: Path, ecosystems: tuple[str, ...] = ()) -> tuple[list[AdvisoryEntry], ReadStats]:
    stats = ReadStats()
    return list(read_entries(paths, stats, ecosystems)), stats


def read_in_one_process(*paths: Path, ecosystems: tuple[str, ...] = ()) -> tuple[list[AdvisoryEntry], ReadStats]:
    stats = ReadStats()
    return list(build_entries(read_advisories(paths, stats), ecosystems)), stats


@pytest.mark.parametrize("ecosystems", [(), ("npm",)])
def test_further_processes_give_the_same_entries_in_the_same_order(
    dump: Path, started: list[subprocess.Popen[bytes]], ecosystems: tuple[str, ...]
) -> None:
    (dump.parent / "one.json").write_bytes(record(1))
    paths = (dump, dump.parent / "one.json", dump)
    assert read(*paths, ecosystems=ecosystems) == read_in_one_process(*paths, ecosystems=ecosystems)
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def test_the_further_processes_do_the_work(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_in_one_process(dump)
    monkeypatch.setattr(entry_reader, "_read_batch", None)
    assert read(dump) == expected


@pytest.mark.parametrize(
    "script",
    [
        "pass",
        "raise SystemExit(3)",
        "print('no batch at all' * 1000)",
        "import sys; sys.stdout.buffer.write((3).to_bytes(8, 'big') + b'abc')",
    ],
)
def test_what_a_process_does_not_decode_is_decoded_here(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(entry_reader, "_SCRIPT", script)
    assert read(dump) == read_in_one_process(dump)
    assert len(started) == 2


@pytest.mark.parametrize("executable", ["", "/no/such/python"])
def test_where_no_process_can_be_started_one_is_enough(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    assert read(dump) == read_in_one_process(dump)
    assert not started


def test_one_core_and_small_files_need_no_process(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_reader, "_MIN_BYTES", 10_000_000)
    assert read(dump) == read_in_one_process(dump)
    monkeypatch.setattr(entry_reader, "_MIN_BYTES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert read(dump) == read_in_one_process(dump)
    assert not started


def test_processes_end_with_the_reading_however_that_ends(dump: Path, started: list[subprocess.Popen[bytes]]) -> None:
    entries = read_entries([dump, dump.parent / "broken.zip"], ReadStats())
    next(entries)
    entries.close()  # type: ignore[attr-defined]
    (dump.parent / "broken.zip").write_bytes(b"PK")
    with pytest.raises(ResponseError, match="no zip file"):
        read(dump, dump.parent / "broken.zip")
    assert len(started) == 4
    assert all(process.returncode is not None for process in started)


def test_there_are_only_so_many_records(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osv_files, "MAX_RECORDS", 20)
    with pytest.raises(ResponseError, match="more than 20 records"):
        read(dump)


def test_only_so_many_damaged_records_are_named(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for number in range(50):
            archive.writestr(f"{number}.json", b"")
    _, stats = read(tmp_path / "bad.zip")
    assert (stats.unreadable_count, [problem.partition(":")[0] for problem in stats.problems]) == (
        50,
        [f"bad.zip/{number}.json" for number in range(5)],
    )


def test_no_module_of_the_current_directory_is_imported(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("zipfile", "msgspec", "json", "nerq_cli", "encodings", "gc"):
        (dump.parent / f"{name}.py").write_text(f"open('imported-{name}', 'w')")
    expected = read_in_one_process(dump)
    monkeypatch.chdir(dump.parent)
    monkeypatch.setattr(entry_reader, "_read_batch", None)
    assert read(dump) == expected
    assert not list(dump.parent.glob("imported-*"))


class Served:
    """In place of a process: a thread that serves, with pipes."""

    def __init__(self, *_: Any, **__: Any) -> None:
        source, stdin = os.pipe()
        stdout, target = os.pipe()
        self.stdin, self.stdout = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb")
        self.streams = os.fdopen(source, "rb"), os.fdopen(target, "wb")
        self.thread = threading.Thread(target=serve, args=self.streams)
        self.thread.start()

    def kill(self) -> None:
        self.stdin.close()
        self.thread.join()

    def communicate(self, **_: Any) -> None:
        for stream in (*self.streams, self.stdout):
            stream.close()


def test_jobs_are_served_until_there_are_no_more(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Served)
    assert read(dump, dump) == read_in_one_process(dump, dump)


def test_batches_are_small_in_bytes_as_well(
    dump: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_reader, "_BATCH_BYTES", 300)
    sizes = []
    read_batch = entry_reader._read_batch  # noqa: SLF001 - what it gets is observed

    def observe(*arguments: Any) -> Any:
        sizes.append(sum(member.size for member in arguments[2]))
        return read_batch(*arguments)

    monkeypatch.setattr(subprocess, "Popen", Served)
    monkeypatch.setattr(entry_reader, "_read_batch", observe)
    assert read(dump) == read_in_one_process(dump)
    assert max(sizes) <= 300
    assert len(sizes) > COUNT / 2
