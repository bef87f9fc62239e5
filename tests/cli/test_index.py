"""``nerq index``: the command, and what it prints where its dependencies are missing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.cli import extras
from nerq_cli.methodology.packages import PACKAGES
from tests.cli.conftest import Registry, Result, Services


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in modules else find_spec("json"))


@pytest.mark.parametrize(
    ("missing", "options", "extra"),
    [
        (("polars",), (), "index"),
        (("distributed",), ("--scheduler", "tcp://127.0.0.1:1"), "cluster"),
    ],
)
def test_a_missing_extra_is_named(
    nerq: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    missing: tuple[str, ...],
    options: tuple[str, ...],
    extra: str,
) -> None:
    hide(monkeypatch, *missing)
    result = nerq("index", "score", str(tmp_path / "facts.parquet"), "-o", str(tmp_path / "scores.parquet"), *options)
    assert result.status == 2
    assert f"needs {missing[0]}" in result.err
    assert f'pip install "nerq-cli[{extra}]"' in result.err


def test_the_command_writes_scores_and_counts_them(nerq: Callable[..., Result], tmp_path: Path) -> None:
    pl: Any = pytest.importorskip("polars")
    from nerq_cli.bulk.fact_columns import build_row
    from nerq_cli.bulk.score import build_schema
    from nerq_cli.facts import Evidence

    facts, scores = tmp_path / "facts.parquet", tmp_path / "scores.parquet"
    pl.DataFrame([build_row("PyPI", "demo", "1.0", Evidence())], schema=build_schema()).write_parquet(facts)
    result = nerq("index", "score", str(facts), "-o", str(scores))
    assert result.status == 0
    assert result.out.startswith("1 row: 0 with a score, 0 of them provisional, 1 without")
    assert pl.read_parquet(scores)["verdict"].to_list() == ["insufficient data"]
    assert nerq("index", "score", str(tmp_path / "none.parquet"), "-o", str(scores)).status == 2


def gather_rows(path: Path) -> list[dict[str, Any]]:
    import polars as pl

    rows: list[dict[str, Any]] = pl.read_parquet(path).to_dicts()
    return rows


@pytest.fixture
def packages(registry: Registry, tmp_path: Path) -> Path:
    """A list of three packages, one of them twice and one that does not exist."""
    pytest.importorskip("polars")
    registry.most_used()
    registry.pypi("demo", "1.0.0", "2.0.0")
    registry.pypi("other", "0.1.0")
    path = tmp_path / "list.txt"
    path.write_text(
        "# packages\npypi:demo\npypi:demo==1.0.0\n\npkg:pypi/other@0.1.0 # old\npypi:no-such-demo-here\n",
        encoding="utf-8",
    )
    return path


def test_gathered_facts_give_the_scores_of_a_check(nerq: Callable[..., Result], packages: Path, tmp_path: Path) -> None:
    facts, scores = tmp_path / "facts.parquet", tmp_path / "scores.parquet"
    result = nerq("index", "gather", str(packages), "-o", str(facts))
    assert result.status == 0
    assert "4 rows" in result.out
    rows = gather_rows(facts)
    assert [(row["name"], row["version"]) for row in rows] == [
        ("demo", "2.0.0"),
        ("demo", "1.0.0"),
        ("other", "0.1.0"),
        ("no-such-demo-here", ""),
    ]
    assert [row["package_state"] for row in rows] == ["found", "found", "found", "absent"]
    assert nerq("index", "score", str(facts), "-o", str(scores)).status == 0
    for row, target in zip(
        gather_rows(scores), ("pypi:demo==2.0.0", "pypi:demo==1.0.0", "pypi:other==0.1.0"), strict=False
    ):
        [dependency] = nerq("check", target, "--format", "json").json["dependencies"]
        assert row["score"] == dependency["score"]
        assert row["grade"] == dependency["grade"]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith((".parts", ".tmp"))]


def test_a_gathering_that_broke_off_goes_on(
    nerq: Callable[..., Result], packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nerq_cli.application import index_gather

    defaults: Any = index_gather.gather_index.__kwdefaults__
    monkeypatch.setattr(index_gather.gather_index, "__kwdefaults__", {**defaults, "part_lines": 2})
    facts = tmp_path / "facts.parquet"
    calls: list[int] = []
    original = index_gather._gather_rows  # noqa: SLF001 - interrupted in the middle

    def stop_later(*arguments: Any) -> Any:
        calls.append(len(arguments[0]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(index_gather, "_gather_rows", stop_later)
    result = nerq("index", "gather", str(packages), "-o", str(facts))
    assert result.status == 130
    assert f"1 part is kept in {facts}.parts: run the same command again to go on" in result.err
    assert not facts.exists()
    content = packages.read_bytes()
    packages.unlink()
    packages.write_bytes(content)  # the same list, with another time
    assert nerq("index", "gather", str(packages), "-o", str(facts)).status == 0
    assert calls == [2, 2, 2]
    assert len(gather_rows(facts)) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks of POSIX")
def test_two_runs_do_not_gather_into_one_table(
    nerq: Callable[..., Result], packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nerq_cli.application import index_gather

    facts = tmp_path / "facts.parquet"
    original = index_gather._gather_rows  # noqa: SLF001 - another run in the middle
    statuses: list[int] = []

    def run_another(*arguments: Any) -> Any:
        monkeypatch.setattr(index_gather, "_gather_rows", original)
        result = nerq("index", "gather", str(packages), "-o", str(facts))
        assert "another run gathers into" in result.err
        statuses.append(result.status)
        return original(*arguments)

    monkeypatch.setattr(index_gather, "_gather_rows", run_another)
    assert nerq("index", "gather", str(packages), "-o", str(facts)).status == 0
    assert statuses == [2]
    assert len(gather_rows(facts)) == 4
    assert not (tmp_path / "facts.parquet.parts").exists()


def test_a_folder_of_the_user_is_left_as_it_is(nerq: Callable[..., Result], packages: Path, tmp_path: Path) -> None:
    folder = tmp_path / "facts.parquet.parts"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    result = nerq("index", "gather", str(packages), "-o", str(tmp_path / "facts.parquet"))
    assert result.status == 2
    assert "something else than parts" in result.err
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_list_is_a_file(nerq: Callable[..., Result], packages: Path, tmp_path: Path) -> None:
    result = nerq("index", "gather", str(packages.parent), "-o", str(tmp_path / "facts.parquet"))
    assert result.status == 2
    assert f"{packages.parent} is no file" in result.err


def test_the_help_states_the_time_of_a_part(nerq: Callable[..., Result]) -> None:
    pytest.importorskip("polars")
    from nerq_cli.application.index_gather import PART_DEADLINE, PART_LINES

    text = " ".join(nerq("index", "gather", "--help").out.split())
    assert f"Seconds that each part of {PART_LINES:,} lines may take" in text.replace("│ │ ", "")
    assert f"[default: {PART_DEADLINE:g}]" in text


def test_what_could_not_be_read_is_counted(nerq: Callable[..., Result], packages: Path, tmp_path: Path) -> None:
    arguments = ("index", "gather", str(packages), "-o", str(tmp_path / "facts.parquet"), "--offline")
    assert nerq(*arguments, "--strict").status == 3
    result = nerq(*arguments)
    assert result.status == 0
    assert "4 of them without package or advisories" in result.out
    assert {row["package_state"] for row in gather_rows(tmp_path / "facts.parquet")} == {"unknown"}


def test_what_a_registry_does_not_have_is_counted_apart(
    nerq: Callable[..., Result], packages: Path, tmp_path: Path
) -> None:
    arguments = ("index", "gather", str(packages), "-o", str(tmp_path / "facts.parquet"), "--strict")
    result = nerq(*arguments)
    assert result.status == 0
    assert "4 rows, 0 of them without package or advisories (not read), 1 not on its registry\n" in result.out
    packages.write_text("pypi:demo\npypi:demo==9.9\nnpm:no-such-demo\npypi:no-such-demo==1.0\n", encoding="utf-8")
    result = nerq(*arguments)
    assert result.status == 0
    assert "(not read), 2 not on their registry, 1 of a version that is not listed\n" in result.out
    packages.write_text("pypi:demo\n", encoding="utf-8")
    result = nerq(*arguments)
    assert result.out.startswith("1 row, 0 of them without package or advisories (not read)\n")
    assert result.err == "progress: 1 line\n"


def test_a_source_that_did_not_answer_is_named_and_asked_again(
    nerq: Callable[..., Result], packages: Path, registry: Registry, services: Services, tmp_path: Path
) -> None:
    facts = tmp_path / "facts.parquet"
    services.site.on("/osv/v1/querybatch", {"status": 500})
    arguments = ("index", "gather", str(packages), "-o", str(facts))
    result = nerq(*arguments)
    assert "3 of them without package or advisories" in result.out
    assert "warning: OSV: 6 of 6 not answered: " in result.err
    assert "HTTP 500" in result.err
    assert "note: run the same command again once they answer" in result.err
    services.speak()
    result = nerq(*arguments)
    assert "0 of them without package or advisories" in result.out
    assert result.err == "progress: 4 lines\n"
    registry.site.on("/pypi/demo/json", {"status": 503})
    result = nerq(*arguments, "--refresh")
    assert "0 of them without package or advisories" in result.out
    assert re.search(r"warning: PyPI: [0-9]+ of [0-9]+ not refreshed: .*HTTP 503", result.err)


def test_an_outage_in_an_earlier_run_is_over_for_other_packages(
    nerq: Callable[..., Result], packages: Path, registry: Registry, services: Services, tmp_path: Path
) -> None:
    for number in range(12):
        registry.pypi(f"pk{number}", "1.0")
    arguments = ("index", "gather", str(packages), "-o", str(tmp_path / "facts.parquet"))
    packages.write_text("".join(f"pypi:pk{number}\n" for number in range(9)), encoding="utf-8")
    services.site.on("/osv/v1/querybatch", {"status": 500})
    assert "9 of them without package or advisories" in nerq(*arguments).out
    services.speak()
    packages.write_text("pypi:pk9\npypi:pk10\npypi:pk11\n", encoding="utf-8")
    result = nerq(*arguments)
    assert "0 of them without package or advisories" in result.out
    assert result.err == "progress: 3 lines\n"


def test_parts_that_a_silent_source_left_unknown_are_gathered_once_more(
    nerq: Callable[..., Result],
    packages: Path,
    services: Services,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nerq_cli.application import index_gather

    defaults: Any = index_gather.gather_index.__kwdefaults__
    monkeypatch.setattr(index_gather.gather_index, "__kwdefaults__", {**defaults, "part_lines": 2})
    monkeypatch.setattr(index_gather, "RETRY_SECONDS", 0)
    original = index_gather._gather_rows  # noqa: SLF001 - an outage ends between two parts
    calls: list[list[str]] = []

    def gather(declarations: Any, *arguments: Any) -> Any:
        if calls:
            services.speak()
        calls.append([declaration.package.name for declaration in declarations])
        return original(declarations, *arguments)

    monkeypatch.setattr(index_gather, "_gather_rows", gather)
    services.site.on("/osv/v1/querybatch", {"status": 500})
    result = nerq("index", "gather", str(packages), "-o", str(tmp_path / "facts.parquet"))
    assert calls == [["demo", "demo"], ["other", "no-such-demo-here"], ["demo", "demo"]]
    assert "0 of them without package or advisories" in result.out
    assert result.err == "progress: 2 lines\nprogress: 4 lines\n"


@pytest.mark.parametrize("line", ["demo", "hf:acme/model", "pkg:gem/rails", "pypi:"])
def test_a_line_that_is_no_package_is_named(nerq: Callable[..., Result], tmp_path: Path, line: str) -> None:
    pytest.importorskip("polars")
    (tmp_path / "list.txt").write_text(f"\n{line}\n", encoding="utf-8")
    result = nerq("index", "gather", str(tmp_path / "list.txt"), "-o", str(tmp_path / "facts.parquet"))
    assert result.status == 2
    assert "list.txt:2: " in result.err
    assert nerq("index", "gather", str(tmp_path / "none.txt"), "-o", str(tmp_path / "facts.parquet")).status == 2


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("demo", "write pypi:demo or npm:demo"),
        ("hf:acme/model", "leave the line out"),
        ("github:a/b", "leave the line"),
    ],
)
def test_the_hint_for_a_line_is_one_that_helps(
    nerq: Callable[..., Result], tmp_path: Path, line: str, hint: str
) -> None:
    pytest.importorskip("polars")
    (tmp_path / "list.txt").write_text(f"{line}\n", encoding="utf-8")
    result = nerq("index", "gather", str(tmp_path / "list.txt"), "-o", str(tmp_path / "facts.parquet"))
    assert hint in result.err
    assert f"pypi:{line}" not in result.err or line == "demo"


def test_a_folder_that_is_not_there_is_named(nerq: Callable[..., Result], packages: Path, tmp_path: Path) -> None:
    result = nerq("index", "gather", str(packages), "-o", str(tmp_path / "none" / "facts.parquet"))
    assert result.status == 2
    assert f"{tmp_path / 'none'} is no folder" in result.err
    assert "remove" not in result.err
    for name in (".", "..", "", str(tmp_path)):
        result = nerq("index", "gather", str(packages), "-o", name)
        assert result.status == 2
        assert "is a folder" in result.err


def test_peers_are_grouped_by_what_packages_state(nerq: Callable[..., Result], tmp_path: Path) -> None:
    pl: Any = pytest.importorskip("polars")
    import json

    names = [f"demo-{number}" for number in range(40)]
    edition = {"methodology": "packages 2.0", "as_of": date(2026, 11, 29), "coverage": 0.5, "provisional": False}
    rows = [{"ecosystem": "PyPI", "name": name, "score": float(number), **edition} for number, name in enumerate(names)]
    rows += [{**rows[0], "score": 90.0}, {**rows[1], "score": None}, {**rows[1], "score": 99.0, "provisional": True}]
    stated: list[dict[str, Any]] = [
        {"ecosystem": "PyPI", "name": name, "categories": ["http", "rare"] if number < 20 else ["http"]}
        for number, name in enumerate(names)
    ]
    nothing: Any = None
    stated += [{**stated[0], "categories": ["HTTP", "rare", nothing]}, {**stated[0], "categories": nothing}]
    stated += [{**row, "categories": ["rare"]} for row in stated[:20]]  # a package in several rows counts once
    scores, categories, peers = tmp_path / "scores.parquet", tmp_path / "categories.parquet", tmp_path / "peers.json"
    pl.DataFrame(rows).write_parquet(scores)
    pl.DataFrame(stated).write_parquet(categories)
    arguments = ("index", "peers", str(scores), "--categories", str(categories), "--source", "a test", "-o", str(peers))
    result = nerq(*arguments)
    assert (result.status, result.out) == (0, f"1 group written to {peers}\n")
    table = json.loads(peers.read_text(encoding="utf-8"))
    assert table["date"] == "2026-11-29"
    assert table["methodology"] == "packages 2.0"
    assert table["groups"] == {"PyPI": {"http": [*map(float, range(1, 40)), 90.0]}}
    pl.DataFrame([*rows, {**rows[0], "methodology": "packages 1.0"}]).write_parquet(scores)
    assert nerq(*arguments).status == 2
    pl.DataFrame([{**row, "provisional": True} for row in rows]).write_parquet(scores)
    result = nerq(*arguments)
    assert result.status == 2
    assert "has no final score" in result.err


@pytest.mark.parametrize("stated", ["http", 7, [1]])
def test_categories_are_lists_of_texts(nerq: Callable[..., Result], tmp_path: Path, stated: object) -> None:
    pl: Any = pytest.importorskip("polars")
    row = {"ecosystem": "PyPI", "name": "demo", "score": 50.0, "methodology": "packages 2.0", "coverage": 0.5}
    scores, categories = tmp_path / "scores.parquet", tmp_path / "categories.parquet"
    pl.DataFrame([{**row, "as_of": date(2026, 11, 29), "provisional": False}]).write_parquet(scores)
    pl.DataFrame([{"ecosystem": "PyPI", "name": "demo", "categories": stated}]).write_parquet(categories)
    peers = tmp_path / "peers.json"
    result = nerq(
        "index", "peers", str(scores), "--categories", str(categories), "--source", "a test", "-o", str(peers)
    )
    assert result.status == 2
    assert f"{categories}: the column categories has the type" in result.err
    assert not peers.exists()


@pytest.mark.parametrize("wrong", ["scores", "categories"])
def test_a_table_without_the_columns_is_named_with_those_that_it_lacks(
    nerq: Callable[..., Result], tmp_path: Path, wrong: str
) -> None:
    pl: Any = pytest.importorskip("polars")
    row = {"ecosystem": "PyPI", "name": "demo", "score": 50.0, "methodology": "packages 2.0", "coverage": 0.5}
    tables = {
        "scores": pl.DataFrame([{**row, "as_of": date(2026, 11, 29), "provisional": False}]),
        "categories": pl.DataFrame([{"ecosystem": "PyPI", "name": "demo", "categories": ["http"]}]),
    }
    other = pl.DataFrame([{"ecosystem": "PyPI", "name": "demo", **{f"column_{number}": 1 for number in range(90)}}])
    arguments = ["index", "peers", "--source", "a test", "-o", str(tmp_path / "peers.json")]
    paths = {name: tmp_path / name for name in tables}
    for name, table in tables.items():
        paths[name].mkdir()
        table.write_parquet(paths[name] / "a.parquet")
    other.write_parquet(paths[wrong] / "b.parquet")
    arguments += ["--categories", str(paths["categories"]), str(paths["scores"])]
    result = nerq(*arguments)
    assert result.status == 2
    assert f"{paths[wrong] / 'b.parquet'} lacks columns: {'score' if wrong == 'scores' else 'categories'}" in result.err
    assert "column_1" not in result.err
    for path in paths[wrong].iterdir():
        path.unlink()
    assert f"{paths[wrong]} has no Parquet file" in nerq(*arguments).err
    paths[wrong].rmdir()
    assert f"{paths[wrong]} does not exist" in nerq(*arguments).err


def write_dump(folder: Path, modified: str = "2026-11-29T00:00:00Z") -> None:
    """Write the dump of OSV for PyPI: two advisories, one of them of a package that is not listed."""
    import json
    import zipfile

    with zipfile.ZipFile(folder / "all.zip", "w") as dump:
        for name in ("demo", "elsewhere"):
            record = {
                "id": f"OSV-2026-{name}",
                "modified": modified,
                "published": "2026-01-01T00:00:00Z",
                "affected": [{"package": {"ecosystem": "PyPI", "name": name}, "versions": ["1.0.0"]}],
                "database_specific": {"severity": "HIGH"},
            }
            dump.writestr(f"{record['id']}.json", json.dumps(record))


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_advisories_come_from_a_dump_where_one_is_given(
    nerq: Callable[..., Result], packages: Path, services: Services, tmp_path: Path, form: str
) -> None:
    dumps = tmp_path / "dumps" / "PyPI"
    dumps.mkdir(parents=True)
    write_dump(dumps)
    facts = tmp_path / "facts.parquet"
    source = dumps / "all.zip" if form == "zip" else tmp_path / "dumps"
    result = nerq("index", "gather", str(packages), "-o", str(facts), "--osv", str(source))
    assert (result.status, result.err) == (0, "progress: 4 lines\n")
    rows = {(row["name"], row["version"]): row for row in gather_rows(facts)}
    assert [advisory["id"] for advisory in rows["demo", "1.0.0"]["advisories"]] == ["OSV-2026-demo"]
    assert rows["demo", "1.0.0"]["advisories"][0]["severity"] == "high"
    assert rows["demo", "2.0.0"]["advisories"] == []
    assert {row["advisories_state"] for row in rows.values() if row["version"]} == {"found"}
    assert not [request.path for request in services.site.requests if request.path.startswith("/osv")]
    assert {path.name for path in tmp_path.iterdir() if "facts" in path.name} == {"facts.parquet"}


def test_a_dump_that_is_older_than_a_version_leaves_it_unknown(
    nerq: Callable[..., Result], packages: Path, tmp_path: Path
) -> None:
    write_dump(tmp_path, modified="2019-01-01T00:00:00Z")
    facts = tmp_path / "facts.parquet"
    arguments = ("index", "gather", str(packages), "-o", str(facts), "--osv", str(tmp_path / "all.zip"))
    assert nerq(*arguments, "--strict").status == 3
    assert [row["advisories_state"] for row in gather_rows(facts)][:2] == ["unknown", "lower bound"]


def test_a_dump_that_cannot_be_read_is_an_error(nerq: Callable[..., Result], packages: Path, tmp_path: Path) -> None:
    write_dump(tmp_path)
    dump = tmp_path / "all.zip"
    arguments = ("index", "gather", str(packages), "-o", str(tmp_path / "facts.parquet"), "--osv")
    dump.write_bytes(dump.read_bytes()[:-30])
    (tmp_path / "empty").mkdir()
    for path in (dump, tmp_path / "none.zip", tmp_path / "empty"):
        result = nerq(*arguments, str(path))
        assert result.status in {2, 3}
        assert path.name in result.err
        assert not (tmp_path / "facts.parquet").exists()
    write_dump(tmp_path)  # the run that failed stands in the way of no other one
    assert nerq(*arguments, str(dump)).status == 0


def write_peers(path: Path, **changes: Any) -> Path:
    """Write a table of scores by purpose as nerq index peers does."""
    import json

    table = {
        "date": "2026-11-29",
        "methodology": f"packages {PACKAGES.version}",
        "source": "our \x1b[31mindex",
        "coverage": [0.4, 0.6],
        "groups": {"PyPI": {"our-purpose": [float(number) for number in range(40)]}},
    }
    path.write_text(json.dumps({**table, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_report_compares_with_a_table_of_the_user(
    nerq: Callable[..., Result],
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    by_variable: bool,
) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0.0", keywords="our-purpose")
    peers = write_peers(tmp_path / "our.json")
    if by_variable:
        monkeypatch.setenv("NERQ_PEERS", str(peers))
    option = () if by_variable else ("--peers", str(peers))
    page = nerq("report", "pypi:demo", "--format", "json", *option).json
    outside = page["peers"]["outside"]
    assert page["peers"]["outside_reason"] is None
    assert (outside["category"], outside["count"], outside["table_date"]) == ("our-purpose", 40, "2026-11-29")
    assert "\x1b" not in outside["table_source"]
    text = nerq("report", "pypi:demo", "--format", "markdown", *option).out
    assert "among other packages" in text
    assert "--peers our.json" in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    "changes", [{"groups": {"PyPI": {"x": [2.0, 1.0]}}}, {"groups": {"PyPI": {"x": [101.0]}}}, {"coverage": "all"}]
)
def test_a_table_that_is_none_is_refused(nerq: Callable[..., Result], tmp_path: Path, changes: dict[str, Any]) -> None:
    for path in (write_peers(tmp_path / "our.json", **changes), tmp_path / "none.json", tmp_path):
        result = nerq("report", "pypi:demo", "--peers", str(path))
        assert result.status == 2
        assert f"{path} is no table of scores" in result.err


def test_scores_of_another_methodology_are_not_compared(
    nerq: Callable[..., Result], registry: Registry, tmp_path: Path
) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0.0", keywords="our-purpose")
    peers = write_peers(tmp_path / "our.json", methodology="packages 0.1")
    page = nerq("report", "pypi:demo", "--format", "json", "--peers", str(peers)).json
    assert page["peers"]["outside"] is None
    assert "packages 0.1" in page["peers"]["outside_reason"]


def test_facts_are_gathered_here_even_where_a_service_is_set(
    nerq: Callable[..., Result], packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_SERVICE", "http://127.0.0.1:9")
    arguments = ("index", "gather", str(packages), "-o", str(tmp_path / "facts.parquet"))
    assert nerq(*arguments).status == 0
    assert [row["package_state"] for row in gather_rows(tmp_path / "facts.parquet")][:3] == ["found"] * 3
    monkeypatch.setenv("NERQ_SERVICE_ONLY", "true")
    result = nerq(*arguments)
    assert result.status == 2
    assert "a service has scores and no facts" in result.err
