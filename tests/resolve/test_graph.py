"""Paths to a package in a dense graph: the shortest first, in bounded time."""

from __future__ import annotations

import json
import time
from pathlib import Path

from nerq_cli.ecosystems import NPM
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage, Package
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.resolve.graph import Graph

SIZE = 100


def test_paths_in_a_complete_graph_are_found_in_bounded_time(tmp_path: Path, capfd: object) -> None:
    from nerq_cli.cli.app import run_command_line

    names = [f"p{number:03}" for number in range(SIZE)]
    packages: dict[str, object] = {"": {"name": "site", "dependencies": {"p000": "1.0.0"}}}
    for name in names:
        dependencies = {other: "1.0.0" for other in names if other != name}
        packages[f"node_modules/{name}"] = {"version": "1.0.0", "dependencies": dependencies}
    lock = {"name": "site", "lockfileVersion": 3, "packages": packages}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    assert load_dependency_files([str(tmp_path)])
    started_at = time.monotonic()
    assert run_command_line(["why", "p099", str(tmp_path)]) == 0
    assert time.monotonic() - started_at < 10
    shown = capfd.readouterr().out.splitlines()  # type: ignore[attr-defined]
    assert "p000 1.0.0 (1.0.0)" in shown[1]
    assert shown[1].count("→") == 1


def test_the_shortest_paths_in_a_complete_graph_come_first() -> None:
    keys = [f"p{number:03}" for number in range(200)]
    entries = tuple(
        LockedPackage(
            key=key,
            ecosystem=NPM,
            name=key,
            version="1.0.0",
            location=Location(path="package-lock.json", line=1),
            edges=tuple(Edge(target=other) for other in keys if other != key),
        )
        for key in keys
    )
    lockfile = DependencyFile(path="package-lock.json", format="package-lock.json", locked_packages=entries)
    graph = Graph(lockfile, [Importer(edges=(Edge(target="p000"),))])
    paths = [path.steps for path in graph.find_paths(Package(ecosystem=NPM, name="p199"), limit=20)]
    assert [len(steps) for steps in paths] == [2, *[3] * 19]
    assert all((steps[0].name, steps[-1].name) == ("p000", "p199") for steps in paths)
    assert len({tuple(step.name for step in steps) for steps in paths}) == 20
