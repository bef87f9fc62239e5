"""Recording keeps what is recorded where a source has no answer, and never asks a registry about the whole panel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from panel import panel, record

from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session.open(Settings(offline=True, cache_dir=tmp_path / "cache"), tmp_path)


def test_a_source_without_an_answer_changes_nothing_that_is_recorded(session: Session) -> None:
    rows = [row for row in panel.read_panel() if row.package.name in ("requests", "lodash")]
    with session:
        assert record.record(session, rows, {}) == [row.recorded for row in rows]


def test_a_list_of_packages_replaces_what_it_has(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("# ecosystem\nPyPI\tsix\t2.0\t2026-11\t\n", encoding="utf-8")
    rows = [row for row in panel.read_panel() if row.package.name == "six"]
    with session:
        [recorded] = record.record(session, rows, record.read_list(path))
    assert (recorded.newest, recorded.newest_month, recorded.downloads) == ("2.0", "2026-11", None)


@pytest.mark.parametrize("names", [[], ["six", "rich", "attrs", "click", "flask", "trio"]])
def test_registries_are_asked_about_a_few_named_packages_only(names: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "panel.record", "--online", "--cache-dir", str(tmp_path), *names]
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=60, check=False
    )
    assert done.returncode == 2
    assert "takes 1 to 5 packages" in done.stderr
