"""A front end that is not the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FRONT_END = """
import sys
from pathlib import Path

from nerq_cli.application.read_dependencies import Inputs
from nerq_cli.application.scan import run_scan
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings

progress = []
settings = Settings(as_of="2026-11-21", cache_dir=Path("cache"))
with Session.open(settings, Path(), lambda label: progress.append(label)) as session:
    first, result = (
        run_scan(Inputs(paths=(".",)), session.build_scan_options(), session, explain=["demo"]) for _ in range(2)
    )
print([source.requests for scan in (first, result) for source in scan.report.sources if source.name == "PyPI"])
print([assessment.state for assessment in result.report.dependencies], len(result.selection), progress)
print([name for name in sys.modules if name.startswith(("nerq_cli.cli", "typer"))])
"""


def test_a_scan_needs_nothing_of_the_command_line(site: Any, tmp_path: Path) -> None:
    site.on(
        "/pypi/demo/json",
        {"body": {"info": {"name": "demo", "version": "1.0"}, "releases": {"1.0": []}, "vulnerabilities": []}},
    )
    (tmp_path / "requirements.txt").write_text("demo==1.0\n")
    services = ("OSV", "DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV", "NPM_DOWNLOADS", "PYPISTATS", "NPM", "PYPI")
    environment = {**os.environ, **{f"NERQ_{name}_URL": site.url for name in services}, "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", FRONT_END], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    requests, states, modules = done.stdout.splitlines()
    assert requests == "[3, 0]"  # the runs of one session share the cache, and each counts for itself
    assert states.endswith(f"1 {['reading dependency files', 'querying registries and services'] * 2}")
    assert modules == "[]"
    assert "/pypi/demo/json" in [request.path for request in site.requests]
