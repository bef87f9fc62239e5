from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerq_cli.store import Cache, MemoryCache, Row, Store, get_default_directory

NOW = 1_800_000_000
ROW = Row(b'{"name":"demo"}', NOW, NOW + 3600, '"etag"')
PLACE = ("pypi-json", "https://pypi.example/pypi")

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and signals of POSIX")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    opened = Store.open(directory, now=NOW)
    yield opened
    opened.close()


@pytest.fixture(params=["disk", "memory"])
def cache(request: pytest.FixtureRequest, store: Store) -> Cache:
    return store if request.param == "disk" else MemoryCache()


def kept(directory: Path, *keys: str) -> dict[str, Row]:
    """What another run finds."""
    store = Store.open(directory, now=NOW)
    try:
        return store.get_many(*PLACE, keys)
    finally:
        store.close()


def rows(count: int, size: int = 3_400) -> dict[str, Row]:
    return {f"pypi/package-{n}": ROW._replace(value=bytes([n % 256]) * size) for n in range(count)}


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(  # noqa: S603 - the test's own code
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def left_in(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


# What a cache does


def test_what_is_put_is_found_again(cache: Cache) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW, "pypi/nothing": ROW._replace(value=None, validator="")})
    assert cache.get_many(*PLACE, ["pypi/demo", "pypi/nothing", "pypi/never-asked"]) == {
        "pypi/demo": ROW,
        "pypi/nothing": Row(None, NOW, NOW + 3600, ""),
    }


def test_a_later_answer_takes_the_place_of_an_earlier_one(cache: Cache) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    cache.put_many(*PLACE, {"pypi/demo": ROW._replace(value=b"new")})
    assert cache.get_many(*PLACE, ["pypi/demo"])["pypi/demo"].value == b"new"


@pytest.mark.parametrize("other", [("pypi-simple", PLACE[1]), (PLACE[0], "https://pypi.example/pypi#someone")])
def test_sources_and_scopes_do_not_see_each_other(cache: Cache, other: tuple[str, str]) -> None:
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    assert cache.get_many(*other, ["pypi/demo"]) == {}


def test_expired_answers_are_handed_out_too(cache: Cache) -> None:
    old = ROW._replace(expires_at=1)
    cache.put_many(*PLACE, {"pypi/demo": old})
    assert cache.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": old}


def test_nothing_is_found_for_nothing(cache: Cache) -> None:
    cache.put_many(*PLACE, {})
    assert cache.get_many(*PLACE, []) == {}


def test_info_counts_by_source_and_tells_the_ages(cache: Cache) -> None:
    cache.put_many(*PLACE, {"a": ROW, "b": ROW._replace(fetched_at=NOW - 50, value=None)})
    cache.put_many("npm-packument", "https://npm.example", {"c": ROW._replace(fetched_at=NOW + 5)})
    info = cache.get_info()
    assert (info.rows, info.oldest, info.newest) == ({"npm-packument": 1, "pypi-json": 2}, NOW - 50, NOW + 5)
    assert info.bytes > 0


def test_info_about_an_empty_cache_has_no_ages(cache: Cache) -> None:
    info = cache.get_info()
    assert (info.bytes, info.rows, info.oldest, info.newest) == (0, {}, None, None)


def test_clearing_forgets_everything(cache: Cache) -> None:
    cache.clear()
    cache.put_many(*PLACE, {"pypi/demo": ROW})
    cache.clear()
    assert cache.get_many(*PLACE, ["pypi/demo"]) == {}
    assert cache.get_info().rows == {}


def test_pruning_forgets_what_expired_long_ago(cache: Cache) -> None:
    cache.put_many(*PLACE, {"old": ROW._replace(expires_at=NOW - 101), "young": ROW._replace(expires_at=NOW - 99)})
    assert cache.prune_expired(NOW, older_than=100) == 1
    assert cache.get_many(*PLACE, ["old", "young"]).keys() == {"young"}


def test_pruning_an_empty_cache_forgets_nothing(cache: Cache) -> None:
    assert cache.prune_expired(NOW, older_than=0) == 0
    cache.close()
    assert cache.problem == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    put=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.builds(
            Row,
            value=st.none() | st.binary(max_size=300),
            fetched_at=st.integers(0, 2**40),
            expires_at=st.integers(0, 2**40),
            validator=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        ),
    )
)
def test_any_row_under_any_key_comes_back_the_same(cache: Cache, put: dict[str, Row]) -> None:
    cache.put_many(*PLACE, put)
    assert cache.get_many(*PLACE, list(put)) == put
    assert cache.problem == ""


# What it leaves on the disk


def test_another_run_finds_what_this_one_kept(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, {"pypi/demo": ROW})
    assert kept(directory, "pypi/demo") == {"pypi/demo": ROW}


def test_reading_creates_nothing(store: Store, directory: Path) -> None:
    store.get_many(*PLACE, ["pypi/demo"])
    store.get_info()
    store.prune_expired(NOW, older_than=0)
    store.clear()
    assert not directory.exists()
    assert store.problem == ""


def test_reading_leaves_the_files_as_they_were(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, rows(100))
    store.close()
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in directory.iterdir()}
    assert len(kept(directory, *rows(100))) == 100
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in directory.iterdir()} == before


@posix
def test_only_the_owner_may_read_it(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, {"pypi/demo": ROW})
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (directory, *directory.iterdir())}
    assert modes == {
        "cache": 0o700,
        "facts-3.sqlite3": 0o600,
        "facts-3.sqlite3-shm": 0o600,
        "facts-3.sqlite3-wal": 0o600,
    }


def test_one_file_is_left_after_closing(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, {"pypi/demo": ROW})
    store.close()
    store.close()
    assert left_in(directory) == ["facts-3.sqlite3"]


def test_clearing_gives_the_space_back(store: Store) -> None:
    store.put_many(*PLACE, rows(500))
    full = store.get_info().bytes
    store.clear()
    assert store.get_info().bytes < full / 10


def test_clearing_removes_files_that_were_set_aside(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, {"pypi/demo": ROW})
    (directory / "facts-3.sqlite3.1700000000").write_bytes(b"damaged")
    store.clear()
    store.close()
    assert left_in(directory) == ["facts-3.sqlite3"]


def test_clearing_works_beside_another_run_that_reads(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, rows(10))
    other = sqlite3.connect(directory / "facts-3.sqlite3")
    other.execute("BEGIN")
    assert other.execute("SELECT COUNT(*) FROM fact").fetchone() == (10,)
    store.clear()
    other.close()
    assert (store.get_info().rows, store.problem) == ({}, "")


def test_the_directory_may_have_any_name(tmp_path: Path) -> None:
    odd = tmp_path / "50% #1? ünïcode & spaces"
    store = Store.open(odd, now=NOW)
    store.put_many(*PLACE, {"pypi/demo": ROW})
    store.close()
    assert kept(odd, "pypi/demo") == {"pypi/demo": ROW}


def test_the_directory_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open(Path("here"), now=NOW)
    store.put_many(*PLACE, {"pypi/demo": ROW})
    store.close()
    assert kept(tmp_path / "here", "pypi/demo") == {"pypi/demo": ROW}


def test_the_environment_chooses_the_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path))
    assert get_default_directory() == tmp_path


def test_without_a_choice_it_is_the_cache_directory_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERQ_CACHE_DIR", "")
    assert get_default_directory().name in {"nerq-cli", "Cache"}


# Many runs at once, and runs that are killed

WRITER = """
import sys
from pathlib import Path
from nerq_cli.store import Row, Store
directory, name, now = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.stdin.readline()
for n in range(30):
    store = Store.open(directory, now=now)
    store.put_many("pypi-json", "scope", {f"{name}-{n}-{m}": Row(b"x" * 500, now, now) for m in range(20)})
    mine = [f"{name}-{k}-{m}" for k in range(n + 1) for m in range(20)]
    assert len(store.get_many("pypi-json", "scope", mine)) == len(mine)
    store.close()
    assert not store.problem, store.problem
"""


def test_parallel_runs_share_one_file_and_lose_nothing(directory: Path) -> None:
    writers = [run(WRITER, str(directory), str(n), str(NOW)) for n in range(4)]
    assert [writer.communicate("go\n", timeout=60)[1] for writer in writers] == ["", "", "", ""]
    store = Store.open(directory, now=NOW)
    assert store.get_info().rows == {"pypi-json": 4 * 30 * 20}
    store.close()
    assert left_in(directory) == ["facts-3.sqlite3"]


KILLED = """
import sys
from pathlib import Path
from nerq_cli.store import Row, Store
store = Store.open(Path(sys.argv[1]), now=1)
for n in range(100_000):
    store.put_many("pypi-json", "scope", {f"{n}-{m}": Row(b"x" * 2_000, 1, 1) for m in range(50)})
    print(n, flush=True)
"""


@posix
@pytest.mark.parametrize("moment", [0.0, 0.003, 0.01, 0.05])
def test_a_run_killed_while_writing_leaves_a_sound_file(directory: Path, moment: float) -> None:
    writer = run(KILLED, str(directory))
    assert writer.stdout is not None
    assert writer.stdout.readline() == "0\n"
    time.sleep(moment)
    writer.send_signal(signal.SIGKILL)
    done = int((["0", *writer.communicate()[0].split()])[-1])
    store = Store.open(directory, now=NOW)
    found = store.get_many("pypi-json", "scope", [f"{n}-{m}" for n in range(done + 2) for m in range(50)])
    store.close()
    assert store.problem == ""
    assert len(found) % 50 == 0
    assert len(found) >= (done + 1) * 50
    with sqlite3.connect(directory / "facts-3.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


CREATED = """
import sys
from pathlib import Path
from nerq_cli.store import Row, Store
print("ready", flush=True)
for n in range(100_000):
    store = Store.open(Path(sys.argv[1]) / str(n), now=1)
    store.put_many("pypi-json", "scope", {"a": Row(b"x", 1, 1)})
    store.close()
"""


@posix
def test_a_run_killed_while_creating_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    writer = run(CREATED, str(tmp_path))
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(0.2)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    for directory in tmp_path.iterdir():
        store = Store.open(directory, now=NOW)
        store.put_many(*PLACE, {"pypi/demo": ROW})
        assert store.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW}
        assert store.problem == ""
        store.close()


def test_a_run_that_finds_the_file_made_meanwhile_uses_it(store: Store, directory: Path) -> None:
    other = Store.open(directory, now=NOW)
    other.put_many(*PLACE, {"a": ROW})
    store.put_many(*PLACE, {"b": ROW})
    assert other.get_many(*PLACE, ["a", "b"]).keys() == {"a", "b"}
    other.close()


def test_two_runs_may_create_the_file_at_the_same_moment(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def overtaken(source: str, target: Path) -> None:
        monkeypatch.undo()
        other = Store.open(directory, now=NOW)
        other.put_many(*PLACE, {"a": ROW})
        other.close()
        real(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    store.put_many(*PLACE, {"b": ROW})
    assert store.get_many(*PLACE, ["a", "b"]).keys() == {"a", "b"}
    assert store.problem == ""


@pytest.mark.parametrize("there", [False, True])
def test_a_file_system_without_links_will_do(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    def no_links(*_: object) -> None:
        if there:
            (directory / "facts-3.sqlite3").symlink_to(
                next(directory.glob("facts-3.sqlite3.*")).rename(directory / "x")
            )
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    store.put_many(*PLACE, {"a": ROW})
    assert store.get_many(*PLACE, ["a"]) == {"a": ROW}
    assert store.problem == ""


def test_a_file_held_by_another_run_is_read_but_not_waited_for_twice(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.file._LOCK_TIMEOUT", 0.05)
    Store.put_many(store, *PLACE, {"a": ROW})
    store.close()
    waiting = Store.open(directory, now=NOW)
    holder = sqlite3.connect(directory / "facts-3.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting.put_many(*PLACE, {"b": ROW})
    holder.close()
    waiting.put_many(*PLACE, {"c": ROW})
    assert waiting.get_many(*PLACE, ["a", "b", "c"]) == {"a": ROW}
    assert waiting.problem.endswith("(database is locked): new answers are not kept")
    waiting.close()


def test_a_file_locked_against_readers_means_no_cache(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.store.file._LOCK_TIMEOUT", 0.05)
    store.put_many(*PLACE, {"a": ROW})
    store.close()
    holder = sqlite3.connect(directory / "facts-3.sqlite3", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    waiting = Store.open(directory, now=NOW)
    assert waiting.get_many(*PLACE, ["a"]) == {}
    assert waiting.problem.endswith("(database is locked): new answers are not kept")
    waiting.close()
    holder.close()


# Bad days


def assert_set_aside(directory: Path, said: str, content: bytes) -> None:
    """A run says it once, keeps the old content, works; the next one has nothing to say."""
    store = Store.open(directory, now=NOW)
    store.get_many(*PLACE, ["pypi/demo"])
    store.put_many(*PLACE, {"pypi/demo": ROW})
    store.put_many(*PLACE, {"pypi/other": ROW})
    assert store.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW}
    store.close()
    assert said in store.problem
    assert store.problem.count("set aside as facts-3.sqlite3.1800000000 and started anew") == 1
    assert (directory / "facts-3.sqlite3.1800000000").read_bytes() == content
    again = Store.open(directory, now=NOW)
    assert again.get_many(*PLACE, ["pypi/demo"]) == {"pypi/demo": ROW}
    assert again.problem == ""
    again.close()


def test_a_file_that_is_no_database_is_set_aside(directory: Path) -> None:
    directory.mkdir()
    (directory / "facts-3.sqlite3").write_bytes(b"my holiday photographs " * 1000)
    assert_set_aside(directory, "is damaged", b"my holiday photographs " * 1000)


def test_an_empty_file_is_set_aside(directory: Path) -> None:
    directory.mkdir()
    (directory / "facts-3.sqlite3").touch()
    assert_set_aside(directory, "is of another format", b"")


@pytest.mark.parametrize("version", [0, 1, 99])
def test_a_file_of_another_format_is_set_aside(directory: Path, version: int) -> None:
    directory.mkdir()
    file = directory / "facts-3.sqlite3"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE other (x)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    assert_set_aside(directory, "is of another format", file.read_bytes())


def test_a_file_without_its_tables_is_set_aside(directory: Path) -> None:
    directory.mkdir()
    file = directory / "facts-3.sqlite3"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    assert_set_aside(directory, "is damaged", file.read_bytes())


def test_a_file_cut_in_half_is_set_aside(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, rows(200))
    store.close()
    file = directory / "facts-3.sqlite3"
    half = file.read_bytes()[: file.stat().st_size // 2]
    file.write_bytes(half)
    damaged = Store.open(directory, now=NOW)
    damaged.get_many(*PLACE, list(rows(200)))
    damaged.put_many(*PLACE, {"pypi/demo": ROW})
    damaged.close()
    assert "is damaged" in damaged.problem
    assert kept(directory, "pypi/demo") == {"pypi/demo": ROW}


def test_a_log_left_beside_a_damaged_file_goes_with_it(directory: Path) -> None:
    directory.mkdir()
    (directory / "facts-3.sqlite3").write_bytes(b"x" * 5000)
    (directory / "facts-3.sqlite3-wal").write_bytes(b"log")
    store = Store.open(directory, now=NOW)
    store.close()
    assert {name.partition("-wal")[0] for name in left_in(directory)} == {"facts-3.sqlite3.1800000000"}


def test_two_runs_that_meet_a_damaged_file_set_it_aside_once(directory: Path) -> None:
    directory.mkdir()
    connection = sqlite3.connect(directory / "facts-3.sqlite3")
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    one, other = (Store.open(directory, now=NOW + n) for n in range(2))
    one.put_many(*PLACE, {"a": ROW})
    other.put_many(*PLACE, {"b": ROW})
    assert one.get_many(*PLACE, ["a", "b"]).keys() == {"a", "b"}
    assert "set aside" in one.problem
    assert other.problem == ""
    one.close()
    other.close()


def test_a_column_that_holds_what_it_cannot_is_damage(store: Store, directory: Path) -> None:
    store.put_many(*PLACE, {"a": ROW})
    other = sqlite3.connect(directory / "facts-3.sqlite3")
    with other:
        other.execute("UPDATE fact SET expires_at = 'tomorrow'")
    other.close()
    assert store.get_many(*PLACE, ["a"]) == {}
    assert "is damaged" in store.problem


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE fact SET value = X'7B7D' WHERE key = 'a'",
        "UPDATE fact SET value = NULL WHERE key = 'a'",
        "UPDATE fact SET key = 'c' WHERE key = 'a'",
        "UPDATE fact SET fetched_at = fetched_at - 64 WHERE key = 'a'",
        "UPDATE fact SET expires_at = expires_at + 4294967296 WHERE key = 'a'",
        "UPDATE fact SET validator = 'other' WHERE key = 'a'",
        "UPDATE fact SET checksum = checksum + 1 WHERE key = 'a'",
        "UPDATE fact SET checksum = 'text' WHERE key = 'a'",
    ],
)
def test_a_damaged_row_counts_as_missing_and_the_others_do_not(store: Store, directory: Path, damage: str) -> None:
    store.put_many(*PLACE, {"a": ROW, "b": ROW})
    with sqlite3.connect(directory / "facts-3.sqlite3") as other:
        assert other.execute(damage).rowcount == 1
    other.close()
    assert store.get_many(*PLACE, ["a", "b", "c"]) == {"b": ROW}
    assert store.problem == ""
    store.put_many(*PLACE, {"a": ROW})
    assert store.get_many(*PLACE, ["a", "b"]) == {"a": ROW, "b": ROW}


@pytest.mark.parametrize("column", ["source", "scope"])
def test_rows_are_not_found_under_a_damaged_place(store: Store, directory: Path, column: str) -> None:
    store.put_many(*PLACE, {"a": ROW})
    with sqlite3.connect(directory / "facts-3.sqlite3") as other:
        other.execute(f"UPDATE place SET {column} = 'other'")  # noqa: S608 - the test's own names
    other.close()
    place = ("other", PLACE[1]) if column == "source" else (PLACE[0], "other")
    assert store.get_many(*place, ["a"]) == {}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_makes_it_raise(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = Store.open(Path(name), now=NOW)
        store.put_many(*PLACE, rows(30, size=900))
        store.close()
        file = Path(name) / "facts-3.sqlite3"
        content = bytearray(file.read_bytes())
        for where in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=40)):
            content[where] = data.draw(st.integers(0, 255))
        for start in data.draw(st.lists(st.integers(0, len(content) - 200), max_size=3)):
            content[start : start + 200] = bytes(200)
        file.write_bytes(content)
        damaged = Store.open(Path(name), now=NOW)
        found = damaged.get_many(*PLACE, list(rows(30)))
        assert found.items() <= rows(30, size=900).items()
        damaged.put_many(*PLACE, {"pypi/demo": ROW})
        damaged.get_info()
        damaged.prune_expired(NOW, older_than=1)
        damaged.clear()
        damaged.close()


def test_a_full_disk_stops_the_writing_and_not_the_reading(store: Store) -> None:
    store.put_many(*PLACE, rows(20))
    connection = store._connection  # noqa: SLF001 - the only way to a disk that is full for SQLite alone
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 1")
    store.put_many(*PLACE, {"pypi/demo": ROW, **{f"new-{key}": row for key, row in rows(50).items()}})
    store.put_many(*PLACE, {"pypi/demo": ROW})
    assert store.get_many(*PLACE, ["pypi/demo", *rows(20)]) == rows(20)
    assert store.problem.endswith("(database or disk is full): new answers are not kept")


SMALL_FILES = """
import resource, sys
from pathlib import Path
from nerq_cli.store import Row, Store
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
store = Store.open(Path(sys.argv[1]), now=1)
for n in range(200):
    store.put_many("pypi-json", "scope", {f"{n}-{m}": Row(b"x" * 1_000, 1, 1) for m in range(10)})
assert store.get_many("pypi-json", "scope", ["0-0"])
print(store.problem)
store.close()
"""


@posix
def test_a_file_that_may_not_grow_stops_the_writing_and_not_the_reading(directory: Path) -> None:
    output, errors = run(SMALL_FILES, str(directory)).communicate()
    assert errors == ""
    assert output.endswith("(disk I/O error): new answers are not kept\n")
    assert kept(directory, "pypi/demo") == {}


def test_a_directory_whose_name_is_taken_means_no_cache(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    store = Store.open(tmp_path / "cache" / "nerq", now=NOW)
    assert store.problem.startswith(f"cannot use the cache {tmp_path}")
    store.put_many(*PLACE, {"pypi/demo": ROW})
    store.put_many(*PLACE, {"pypi/demo": ROW})
    assert store.get_many(*PLACE, ["pypi/demo"]) == {}
    assert store.problem.startswith(f"cannot use the cache {tmp_path}")
    assert store.problem.count("new answers are not kept") == 1
    store.close()


def test_a_directory_in_place_of_the_file_means_no_cache(directory: Path) -> None:
    (directory / "facts-3.sqlite3").mkdir(parents=True)
    store = Store.open(directory, now=NOW)
    store.put_many(*PLACE, {"pypi/demo": ROW})
    assert store.get_many(*PLACE, ["pypi/demo"]) == {}
    assert store.problem.startswith(f"cannot use the cache {directory}")
    store.close()


UNPRIVILEGED = """
import os, sys, tempfile, urllib.parse  # what is imported later may not be readable any more
from pathlib import Path
import nerq_cli.store
from nerq_cli.store import Row, Store
directory = Path(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
store = Store.open(directory, now=1)
print(sorted(store.get_many("pypi-json", "scope", ["a", "b"])))
store.put_many("pypi-json", "scope", {"b": Row(b"y", 1, 1)})
print(sorted(store.get_many("pypi-json", "scope", ["a", "b"])))
print("read problem:", store.read_problem)
store.clear()
print(store.problem.replace(str(directory), "CACHE"))
store.close()
"""


@pytest.fixture
def read_only() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:  # pytest's own directory may be entered by its owner only
        Path(name).chmod(0o755)
        directory = Path(name) / "cache"
        store = Store.open(directory, now=NOW)
        store.put_many("pypi-json", "scope", {"a": ROW})
        store.close()
        (directory / "facts-3.sqlite3").chmod(0o444)
        directory.chmod(0o555)
        yield directory
        directory.chmod(0o755)


@posix
def test_a_read_only_directory_is_read_and_not_written(read_only: Path) -> None:
    output, errors = run(UNPRIVILEGED, str(read_only)).communicate()
    assert errors == ""
    assert output.splitlines()[:2] == ["['a']", "['a']"]
    assert output.splitlines()[2] == "read problem: "
    assert "read-only cache CACHE/facts-3.sqlite3: new answers are not kept" in output
    assert left_in(read_only) == ["facts-3.sqlite3"]


@posix
def test_a_damaged_file_in_a_read_only_directory_means_no_cache(read_only: Path) -> None:
    (read_only / "facts-3.sqlite3").chmod(0o644)
    (read_only / "facts-3.sqlite3").write_bytes(b"x" * 5000)
    output, errors = run(UNPRIVILEGED, str(read_only)).communicate()
    assert errors == ""
    assert output.splitlines()[:2] == ["[]", "[]"]
    assert "cannot use the cache CACHE/facts-3.sqlite3 (Permission denied)" in output


@posix
def test_a_directory_that_may_not_be_entered_means_no_cache(read_only: Path) -> None:
    read_only.chmod(0o000)
    output, errors = run(UNPRIVILEGED, str(read_only)).communicate()
    assert errors == ""
    assert output.splitlines()[:2] == ["[]", "[]"]
    assert "cannot use the cache CACHE/facts-3.sqlite3 (Permission denied)" in output


def test_a_key_that_is_no_text_is_not_kept_and_does_not_raise(store: Store) -> None:
    store.put_many(*PLACE, {"a": ROW})
    assert store.get_many(*PLACE, ["\ud800"]) == {}
    assert store.get_many(*PLACE, ["\ud800"]) == {}
    store.put_many(*PLACE, {"\ud800": ROW})
    assert "surrogates not allowed" in store.problem


# How fast


def test_ten_thousand_answers_are_written_and_read_in_a_moment(store: Store, directory: Path) -> None:
    """Limits with room for a busy machine; the figures themselves stand in the module."""
    many = rows(10_000)
    start = time.perf_counter()
    store.put_many(*PLACE, many)
    written = time.perf_counter() - start
    store.close()
    start = time.perf_counter()
    again = Store.open(directory, now=NOW)
    opened = time.perf_counter() - start
    start = time.perf_counter()
    found = again.get_many(*PLACE, list(many))
    read = time.perf_counter() - start
    again.close()
    assert found == many
    print(f"written {written * 1e3:.0f} ms, opened {opened * 1e3:.1f} ms, read {read * 1e3:.0f} ms")  # noqa: T201 - shown on failure
    assert (written < 2, opened < 0.05, read < 0.6) == (True, True, True)


def test_a_file_that_another_one_writes_later_is_read(directory: Path) -> None:
    reader, writer = Store.open(directory, now=NOW), Store.open(directory, now=NOW)
    try:
        assert reader.get_many(*PLACE, ["demo"]) == {}
        writer.put_many(*PLACE, {"demo": ROW})
        assert reader.get_many(*PLACE, ["demo"]) == {"demo": ROW}
    finally:
        reader.close()
        writer.close()
