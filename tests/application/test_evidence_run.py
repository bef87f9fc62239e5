"""One session serves several requests; each has a run of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.application.check import run_check
from nerq_cli.application.evidence_run import compute_default_deadline
from nerq_cli.application.read_dependencies import Inputs
from nerq_cli.application.scan import run_scan
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings

SERVICES = ("OSV", "DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV", "NPM", "PYPI")


@pytest.fixture
def session(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in SERVICES:
        monkeypatch.setenv(f"NERQ_{name}_URL", site.url)
    monkeypatch.setenv("HOME", str(tmp_path))
    info = {"name": "demo", "version": "1.0"}
    site.on("/pypi/demo/json", {"body": {"info": info, "releases": {"1.0": []}, "vulnerabilities": []}})
    return Session.open(Settings(as_of="2026-11-21", cache_dir=tmp_path / "cache", timeout=20.0), tmp_path)


def test_each_request_has_statistics_of_its_own(session: Session) -> None:
    with session:
        reports = [run_check(["pypi:demo==1.0"], session).report for _ in range(2)]
    first, second = ({status.name: status for status in report.sources}["PyPI"] for report in reports)
    assert first.requests > first.from_cache == 0
    assert second.subjects == first.subjects
    assert second.from_cache > 0


def test_a_run_that_requests_nothing_opens_nothing(session: Session, tmp_path: Path) -> None:
    with session:
        assert session.open_run().describe_sources() == ()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("count", "seconds"), [(0, 30), (1, 30), (1_000, 30), (1_001, 60), (10_000, 300)])
def test_the_default_deadline_grows_with_the_number_of_dependencies(count: int, seconds: float) -> None:
    assert compute_default_deadline(count) == seconds


@pytest.mark.parametrize(
    ("timeout", "lines", "label"),
    [
        (None, 1, "querying registries and services"),
        (None, 1_500, "querying registries and services, 60 s at most"),
        (5.0, 1_500, "querying registries and services"),
    ],
)
def test_a_long_deadline_is_stated_and_one_that_the_user_sets_stays(
    session: Session, tmp_path: Path, timeout: float | None, lines: int, label: str
) -> None:
    labels: list[str] = []
    path = tmp_path / "requirements.txt"
    path.write_text("demo==1.0\n" * lines)
    session.config = replace(session.config, timeout=timeout)
    session.create_progress = labels.append
    with session:
        run_scan(Inputs(paths=(str(path),)), session.build_scan_options(), session)
    assert labels[-1] == label
