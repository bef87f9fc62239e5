"""Tables as files: what is not a table of facts is refused, and scores are written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

pl = pytest.importorskip("polars")

from nerq_cli.application.index import score_index
from nerq_cli.bulk.fact_columns import build_row
from nerq_cli.bulk.files import remove_temporary, scan_facts, write_scores
from nerq_cli.bulk.parts import plan_parts, score_part
from nerq_cli.bulk.score import build_schema
from nerq_cli.errors import UsageError
from nerq_cli.methodology.packages import PACKAGES
from tests.bulk.conftest import NOW, draw_evidence

AS_OF = "2026-09-21"


def build_facts(count: int = 50) -> Any:
    random = Random(5)
    items = [draw_evidence(random) for _ in range(count)]
    rows = [
        build_row(ecosystem, f"demo-{number}", version, evidence)
        for number, (ecosystem, version, evidence) in enumerate(items)
    ]
    return pl.DataFrame(rows, schema=build_schema())


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.parquet"
    build_facts().write_parquet(path)
    return path


def test_the_rows_of_the_scores_are_those_of_the_facts_in_their_order(facts: Path, tmp_path: Path) -> None:
    counts = score_index(facts, tmp_path / "scores.parquet", as_of=AS_OF)
    scores = pl.read_parquet(tmp_path / "scores.parquet")
    assert counts.rows == len(scores) == 50
    assert counts.scored == scores["score"].is_not_null().sum()
    keys = ["ecosystem", "name", "version"]
    assert scores.select(keys).to_dicts() == pl.read_parquet(facts).select(keys).to_dicts()


def test_the_same_facts_give_the_same_bytes(facts: Path, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        score_index(facts, tmp_path / name, as_of=AS_OF)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_texts_stand_for_categories_and_further_columns_are_left_out(facts: Path, tmp_path: Path) -> None:
    score_index(facts, tmp_path / "one.parquet", as_of=AS_OF)
    table = pl.read_parquet(facts)
    categories = [name for name, data_type in table.schema.items() if isinstance(data_type, pl.Enum)]
    texts = table.with_columns(
        pl.col(categories).cast(pl.String), pl.lit("x").alias("notes"), pl.col("stars").cast(pl.Int32)
    )
    texts.write_parquet(tmp_path / "texts.parquet")
    score_index(tmp_path / "texts.parquet", tmp_path / "two.parquet", as_of=AS_OF)
    assert pl.read_parquet(tmp_path / "one.parquet").equals(pl.read_parquet(tmp_path / "two.parquet"))


def test_files_of_a_folder_may_have_columns_in_other_types_and_orders(facts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "facts"
    folder.mkdir()
    table = pl.read_parquet(facts)
    categories = [name for name, data_type in table.schema.items() if isinstance(data_type, pl.Enum)]
    table[:20].write_parquet(folder / "a.parquet")
    texts = table[20:40].with_columns(pl.col(categories).cast(pl.String), pl.lit("x").alias("notes"))
    texts.write_parquet(folder / "b.parquet")
    table[40:].select(reversed(table.columns)).write_parquet(folder / "c.parquet")
    score_index(facts, tmp_path / "one.parquet", as_of=AS_OF)
    score_index(folder, tmp_path / "two.parquet", as_of=AS_OF)
    assert pl.read_parquet(tmp_path / "one.parquet").equals(pl.read_parquet(tmp_path / "two.parquet"))


@pytest.mark.parametrize("content", ["without a column", "empty"])
def test_the_file_of_a_folder_that_is_no_table_of_facts_is_named(facts: Path, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "facts"
    folder.mkdir()
    table = pl.read_parquet(facts)
    table.write_parquet(folder / "a.parquet")
    if content == "empty":
        (folder / "b.parquet").touch()
    else:
        table.drop("stars").write_parquet(folder / "b.parquet")
    with pytest.raises(UsageError) as caught:
        score_index(folder, tmp_path / "scores.parquet", as_of=AS_OF)
    assert str(folder / "b.parquet") in str(caught.value)
    if content != "empty":
        assert str(caught.value).endswith("lacks columns: stars")


def test_a_folder_of_files_is_one_table(facts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "facts"
    folder.mkdir()
    table = pl.read_parquet(facts)
    table[:20].write_parquet(folder / "a.parquet")
    table[20:].write_parquet(folder / "b.parquet")
    score_index(facts, tmp_path / "one.parquet", as_of=AS_OF)
    score_index(folder, tmp_path / "two.parquet", as_of=AS_OF)
    assert pl.read_parquet(tmp_path / "one.parquet").equals(pl.read_parquet(tmp_path / "two.parquet"))


def test_a_table_without_rows_has_no_scores(tmp_path: Path) -> None:
    build_facts(0).write_parquet(tmp_path / "facts.parquet")
    counts = score_index(tmp_path / "facts.parquet", tmp_path / "scores.parquet", as_of=AS_OF)
    assert (counts.rows, counts.scored) == (0, 0)


def test_a_missing_state_is_unknown(facts: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(facts)
    states = [name for name in table.columns if name.endswith("_state")]
    without = table.with_columns(pl.lit(None).cast(table.schema[name]).alias(name) for name in states)
    without.write_parquet(tmp_path / "without.parquet")
    assert score_index(tmp_path / "without.parquet", tmp_path / "scores.parquet", as_of=AS_OF).scored == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop("stars"), "lacks columns: stars"),
        (lambda table: table.drop("stars", "rank", "yanked", "readme", "types", "licence"), "and 1 more"),
        (lambda table: table.with_columns(pl.lit("somewhere").alias("package_state")), "parquet: "),
        (lambda table: table.with_columns(pl.lit("many").alias("stars")), "parquet: "),
    ],
)
def test_other_tables_are_refused_and_nothing_is_written(
    facts: Path, tmp_path: Path, change: Any, message: str
) -> None:
    change(pl.read_parquet(facts)).write_parquet(tmp_path / "other.parquet")
    before = {*tmp_path.iterdir()}
    with pytest.raises(UsageError, match=message):
        score_index(tmp_path / "other.parquet", tmp_path / "scores.parquet", as_of=AS_OF)
    assert {*tmp_path.iterdir()} == before


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "facts.parquet").write_text("name\n", encoding="utf-8")
    with pytest.raises(UsageError, match="parquet: "):
        score_index(tmp_path / "facts.parquet", tmp_path / "scores.parquet")
    with pytest.raises(UsageError, match="does not exist"):
        score_index(tmp_path / "none.parquet", tmp_path / "scores.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no Parquet file"):
        score_index(tmp_path / "empty", tmp_path / "scores.parquet")


def test_the_facts_are_not_replaced_by_the_scores(facts: Path, tmp_path: Path) -> None:
    before = facts.read_bytes()
    with pytest.raises(UsageError, match="or replace them"):
        score_index(facts, facts)
    (tmp_path / "link.parquet").symlink_to(facts)
    with pytest.raises(UsageError, match="or replace them"):
        score_index(facts, tmp_path / "link.parquet")
    with pytest.raises(UsageError, match="is no folder"):
        score_index(facts, tmp_path / "none" / "scores.parquet")
    with pytest.raises(UsageError, match="is a folder"):
        score_index(facts, tmp_path)
    assert facts.read_bytes() == before


def test_the_scores_do_not_go_among_the_facts(facts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "facts"
    folder.mkdir()
    facts.rename(folder / "a.parquet")
    for output in (folder / "a.parquet", folder / "scores.parquet", folder):
        with pytest.raises(UsageError, match="among the facts"):
            score_index(folder, output)
    assert [path.name for path in folder.iterdir()] == ["a.parquet"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe")
def test_scores_are_no_pipe(facts: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no file"):
        score_index(facts, tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_stays_and_its_file_keeps_its_mode(facts: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.parquet"
    target.touch(mode=0o640)
    mode = target.stat().st_mode
    (tmp_path / "link.parquet").symlink_to(target)
    score_index(facts, tmp_path / "link.parquet", as_of=AS_OF)
    assert (tmp_path / "link.parquet").is_symlink()
    assert len(pl.read_parquet(target)) == 50
    assert target.stat().st_mode == mode


def test_names_are_no_patterns(facts: Path, tmp_path: Path) -> None:
    for name in ("a[1].parquet", "b*"):
        copy = tmp_path / name
        copy.write_bytes(facts.read_bytes())
        assert score_index(copy, tmp_path / f"scores {name}", as_of=AS_OF).rows == 50
    (tmp_path / "[folder]").mkdir()
    facts.rename(tmp_path / "[folder]" / "a.parquet")
    assert score_index(tmp_path / "[folder]", tmp_path / "scores.parquet", as_of=AS_OF).rows == 50


@pytest.mark.parametrize("kept", [0, 3, 200, -1])  # -1: all but the last byte
def test_a_file_that_ends_too_early_is_refused(facts: Path, tmp_path: Path, kept: int) -> None:
    content = facts.read_bytes()
    facts.write_bytes(content[:kept])
    with pytest.raises(UsageError, match="parquet: "):
        score_index(facts, tmp_path / "scores.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["facts.parquet"]


@pytest.mark.parametrize("kept", [0, 200, -1])
def test_a_part_that_ends_too_early_is_computed_again(facts: Path, tmp_path: Path, kept: int) -> None:
    first, *_ = plan_parts(facts, tmp_path / "parts", 50, NOW, part_rows=17)
    score_part(first)
    path = Path(first.output)
    content = path.read_bytes()
    path.write_bytes(content[:kept])
    score_part(first)
    assert path.read_bytes() == content


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    for name in (".part-00001.parquet.x1.tmp", "part-00001.parquet", "notes.tmp"):
        (tmp_path / name).touch()
    remove_temporary(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"part-00001.parquet", "notes.tmp"}


def test_parts_together_are_the_whole(facts: Path, tmp_path: Path) -> None:
    score_index(facts, tmp_path / "whole.parquet", as_of=AS_OF)
    parts = plan_parts(facts, tmp_path / "parts", 50, NOW, part_rows=17)
    assert [score_part(part) for part in parts] == [17, 17, 16]
    together = pl.read_parquet(tmp_path / "parts" / "*.parquet")
    assert together.equals(pl.read_parquet(tmp_path / "whole.parquet"))


def test_a_part_that_is_there_is_kept(facts: Path, tmp_path: Path) -> None:
    first, *_ = plan_parts(facts, tmp_path / "parts", 50, NOW, part_rows=17)
    score_part(first)
    changed_at = Path(first.output).stat().st_mtime_ns
    again, *_ = plan_parts(facts, tmp_path / "parts", 50, NOW, part_rows=17)
    assert score_part(again) == 17
    assert Path(first.output).stat().st_mtime_ns == changed_at


def test_parts_of_another_run_are_not_taken_for_done(facts: Path, tmp_path: Path) -> None:
    [part] = plan_parts(facts, tmp_path / "parts", 50, NOW)
    [part] = plan_parts(facts, tmp_path / "parts", 50, NOW - 86_400)  # the first one left no part
    score_part(part)
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(facts.read_bytes())
    assert len(plan_parts(copy, tmp_path / "parts", 50, NOW - 86_400)) == 1
    with pytest.raises(UsageError, match="something else"):
        plan_parts(facts, tmp_path / "parts", 50, NOW)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="something else"):
        plan_parts(facts, tmp_path / "full", 50, NOW)
    with pytest.raises(UsageError, match="is a file"):
        plan_parts(facts, facts, 50, NOW)
    (tmp_path / "parts" / "_nerq.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read"):
        plan_parts(facts, tmp_path / "parts", 50, NOW)


def test_a_worker_of_another_release_does_nothing(facts: Path, tmp_path: Path) -> None:
    import msgspec

    from nerq_cli.bulk.task import run_task

    part = plan_parts(facts, tmp_path / "parts", 50, NOW)[0]
    with pytest.raises(UsageError, match=r"has 0\.0\.0"):
        run_task("0.0.0", msgspec.json.encode(part))
    assert not Path(part.output).exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
    ],
)
def test_scores_that_cannot_be_written_leave_nothing(
    facts: Path, tmp_path: Path, monkeypatch: Any, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", fail)
    with pytest.raises(UsageError, match="No space left"):
        write_scores(scan_facts(facts), facts, tmp_path / "scores.parquet", PACKAGES, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["facts.parquet"]
