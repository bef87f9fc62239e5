"""One session serves several requests; each has a run of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application.check import run_check
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
