"""What a scan has in memory while it collects evidence, and afterwards."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application.evidence_run import EvidenceRun
from nerq_cli.application.read_dependencies import Inputs
from nerq_cli.application.scan import run_scan
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.inventory import DependencyFile
from nerq_cli.scoring.breakdown import PackedBreakdown

Nerq = Callable[..., Any]
NAMES = [f"memory-{number}" for number in range(30)]


@pytest.fixture
def lockfile(registry: Any, project: Path) -> Path:
    for name in NAMES:
        registry.npm(name, "1.0.0")
    packages: dict[str, Any] = {"": {"name": "app", "dependencies": dict.fromkeys(NAMES, "1.0.0")}}
    packages |= {f"node_modules/{name}": {"version": "1.0.0"} for name in NAMES}
    path = project / "package-lock.json"
    path.write_text(json.dumps({"name": "app", "lockfileVersion": 3, "packages": packages}))
    return path


def test_the_contents_of_a_lock_file_are_dropped_before_evidence_is_collected(
    nerq: Nerq, lockfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = EvidenceRun.collect_packages
    in_memory: list[int] = []

    def collect(self: EvidenceRun, *arguments: Any) -> Any:
        files = [item for item in gc.get_objects() if isinstance(item, DependencyFile) and item.path == lockfile.name]
        in_memory.append(sum(len(file.declarations) + len(file.locked_packages) for file in files))
        assert files  # without their contents
        return original(self, *arguments)

    monkeypatch.setattr(EvidenceRun, "collect_packages", collect)
    [file] = json.loads(nerq("scan", lockfile.name, "--format", "json").out)["dependency_files"]
    assert file["dependency_count"] == len(NAMES)
    assert in_memory == [0]


@pytest.mark.usefixtures("lockfile")
@pytest.mark.parametrize("no_cache", [False, True])
def test_scores_are_packed_whether_they_are_computed_or_read(*, no_cache: bool) -> None:
    inputs = Inputs(paths=(".",))
    with Session.open(Settings(no_cache=no_cache), inputs.root) as session:
        for _ in range(2):
            dependencies = run_scan(inputs, session.build_scan_options(), session).report.dependencies
            assert len(dependencies) == len(NAMES)
            assert all(item.score and isinstance(item.score.breakdown, PackedBreakdown) for item in dependencies)
            assert all(item.metadata and item.metadata.value.version == "1.0.0" for item in dependencies)
