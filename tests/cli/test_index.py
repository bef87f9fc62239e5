"""``nerq index``: the command, and what it prints where its dependencies are missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.cli import extras
from tests.cli.conftest import Result


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
