"""The resolved dependencies of versions on deps.dev, and what a scan makes of them for MCP servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.facts import Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.deps_dev import MAX_NODES, NOT_INDEXED, DependencyNode, DependencyTree, collect_dependencies

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

OpenRun = Callable[..., FetchRun]
RELEASE = Release(package=Package(ecosystem="npm", name="@acme/demo"), version="1.0.0")
PATH = "/v3/systems/npm/packages/%40acme%2Fdemo/versions/1.0.0:dependencies"


def node(name: str, version: str = "1.0.0", system: str = "NPM", **fields: Any) -> dict[str, Any]:
    return {"versionKey": {"system": system, "name": name, "version": version}, "relation": "INDIRECT", **fields}


def look_up(open_run: OpenRun, site: Site, answer: Any, release: Release = RELEASE, path: str = PATH) -> Any:
    turn: Turn = answer if isinstance(answer, dict) and "status" in answer else {"body": answer}  # type: ignore[assignment]
    site.on(path, turn)
    return collect_dependencies(open_run(), [release], Endpoint(url=site.url))[release]


def test_the_resolved_tree_is_read_with_distances_and_parents(open_run: OpenRun, site: Site) -> None:
    nodes = [node("@acme/demo"), node("near", "2.1.0"), node("deep", "0.3.0"), node("near", "1.0.0")]
    edges = [
        {"toNode": 1, "requirement": "^2.0.0"},
        {"fromNode": 1, "toNode": 2},
        {"fromNode": 2, "toNode": 3},
        {"fromNode": 3, "toNode": 1},  # a circle
        {"toNode": 2},
        {"fromNode": 9, "toNode": 1},
        {"fromNode": 1},
    ]
    fact = look_up(open_run, site, {"nodes": nodes, "edges": edges})
    assert isinstance(fact, Found)
    assert fact.value == DependencyTree(
        (
            DependencyNode("deep", "0.3.0", 1, ("@acme/demo", "near")),
            DependencyNode("near", "1.0.0", 2, ("deep",)),
            DependencyNode("near", "2.1.0", 1, ("@acme/demo", "near")),
        )
    )
    assert len(site.requests) == 1


def test_python_packages_are_requested_with_their_system(open_run: OpenRun, site: Site) -> None:
    release = Release(package=Package(ecosystem="PyPI", name="demo"), version="1.0")
    path = "/v3/systems/pypi/packages/demo/versions/1.0:dependencies"
    nodes = [node("demo", "1.0", "PYPI"), node("idna", "3.7", "PYPI")]
    fact = look_up(open_run, site, {"nodes": nodes, "edges": [{"toNode": 1}]}, release, path)
    assert isinstance(fact, Found)
    assert fact.value == DependencyTree((DependencyNode("idna", "3.7", 1, ("demo",)),))


@pytest.mark.parametrize(
    ("nodes", "error"),
    [
        ([node("near")], "could not resolve"),
        ([node("near", errors=["no version"])], ""),
        ([node("near"), node("../x")], ""),
        ([node("near"), node("other", "1 2")], ""),
        ([node("near"), node("other", system="PYPI")], ""),
    ],
)
def test_what_is_missing_makes_a_tree_partial(
    open_run: OpenRun, site: Site, nodes: list[dict[str, Any]], error: str
) -> None:
    fact = look_up(open_run, site, {"nodes": [node("@acme/demo"), *nodes], "edges": [{"toNode": 1}], "error": error})
    assert isinstance(fact, Found)
    assert fact.value == DependencyTree((DependencyNode("near", "1.0.0", 1, ("@acme/demo",)),), is_partial=True)


def test_the_nearest_nodes_of_a_large_tree_are_kept(open_run: OpenRun, site: Site) -> None:
    count = MAX_NODES + 50
    nodes = [node("@acme/demo"), *(node(f"p{number:04}") for number in range(count))]
    edges = [{"fromNode": max(0, number - 1), "toNode": number} for number in range(1, count + 1)]
    fact = look_up(open_run, site, {"nodes": nodes, "edges": edges})
    assert isinstance(fact, Found)
    assert (len(fact.value.nodes), fact.value.is_partial) == (MAX_NODES, True)
    assert fact.value.nodes[-1].distance == MAX_NODES


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 404, "body": {}}, NOT_INDEXED),
        ({"status": 500, "body": {}}, None),
        ({"nodes": []}, None),
        ({"nodes": [7]}, None),
        ({"nodes": [{}], "edges": [{"toNode": "1"}]}, None),
        (b"<html>", None),
    ],
)
def test_without_a_readable_answer_the_tree_is_unknown(
    open_run: OpenRun, site: Site, answer: Any, expected: Unknown | None
) -> None:
    fact = look_up(open_run, site, answer)
    assert fact == expected if expected is not None else isinstance(fact, Unknown)
    assert isinstance(fact, Unknown)


def test_the_edges_of_a_dense_tree_are_followed_once(open_run: OpenRun, site: Site) -> None:
    count = 150
    nodes = [node("@acme/demo"), *(node(f"p{number:04}") for number in range(count))]
    edges = [{"fromNode": a, "toNode": b} for a in range(count + 1) for b in range(1, count + 1)]
    body = json.dumps({"nodes": nodes, "edges": edges}).encode()
    fact = look_up(open_run, site, body)
    assert isinstance(fact, Found)
    assert {one.distance for one in fact.value.nodes} == {1}
