"""MCP servers in a scan: found, left out, of the user; exit status, and no secret in any output."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.report import FORMATS
from tests.cli.conftest import AS_OF, Registry, Result, Services

Nerq = Callable[..., Result]
SECRET = "s3cr3t-VALUE-0123456789"  # noqa: S105 - no password
PINNED = {"command": "npx", "args": ["-y", "x@1.0.0", SECRET], "env": {"API_KEY": SECRET}}
UNSAFE = {"url": f"http://u:{SECRET}@mcp.example/s/{SECRET}?k={SECRET}", "headers": {"Authorization": SECRET}}

#: Every place of an entry that may have a secret.
SECRETIVE: dict[str, object] = {
    "archive": {"command": "npx", "args": ["-y", f"https://code.example/{SECRET}/x.tgz?t={SECRET}"]},
    "repository": {"command": "npx", "args": ["-y", f"git+https://{SECRET}@github.com/a/b#main"]},
    "python": {"command": "uvx", "args": ["--from", f"git+https://u:{SECRET}@git.example/a/b@main", "b"]},
    "index": {"command": "uvx", "args": ["--index-url", f"https://u:{SECRET}@i.example/{SECRET}/", "y==1.0"]},
    "registry": {"command": "npx", "args": ["--registry", f"https://u:{SECRET}@n.example/{SECRET}/", "x@1.0.0"]},
    "image": {"command": "docker", "args": ["run", "-e", f"T={SECRET}", "--env-file", SECRET, "a/b:1", SECRET]},
    "shell": {"command": "sh", "args": ["-c", f"TOKEN={SECRET} npx -y x@1.0.0 --token {SECRET}"]},
    "text": {"command": f"npx -y x@1.0.0 --token={SECRET}"},
    "inner": {"command": "op", "args": ["run", "--account", SECRET, "--", "npx", "-y", "x@1.0.0", SECRET]},
    "bridge": {"command": "npx", "args": ["mcp-remote", f"https://mcp.example/{SECRET}", "--header", f"X: {SECRET}"]},
    "lists": {"command": "npx", "args": ["x@1.0.0"], "headers": [SECRET, f"A: {SECRET}"], "env": [f"B={SECRET}"]},
    "program": {"command": f"/opt/{SECRET}/server", "args": [SECRET]},
    "settings": {"url": "https://mcp.example/o", "oauth": {"clientSecret": SECRET}, "auth": SECRET, "cwd": SECRET},
}


def write(path: Path, **servers: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"mcpServers": servers}))


def test_a_server_that_is_a_package_is_scored_as_that_package(registry: Registry, nerq: Nerq, project: Path) -> None:
    registry.npm("x", "1.0.0")
    write(project / ".cursor/mcp.json", a=PINNED)
    result = nerq("scan", "--as-of", AS_OF, "-f", "json")
    (entry,) = result.json["dependencies"]
    assert (entry["name"], entry["version"], entry["groups"]) == ("x", "1.0.0", ["mcp"])
    assert entry["score"] is not None
    checked = nerq("check", "npm:x@1.0.0", "--as-of", AS_OF, "-f", "json").json["dependencies"][0]
    assert entry["score"] == checked["score"]


def test_a_url_without_tls_fails_and_a_moving_version_warns(registry: Registry, nerq: Nerq, project: Path) -> None:
    registry.npm("x", "1.0.0")
    write(project / ".mcp.json", a=UNSAFE)
    assert nerq("scan", "--as-of", AS_OF).status == 1
    assert nerq("scan", "--as-of", AS_OF, "--allow", "mcp-insecure-url").status == 0
    write(project / ".mcp.json", a={"command": "npx", "args": ["x"]})
    result = nerq("scan", "--as-of", AS_OF, "-f", "json", "--no-strict")
    assert "mcp-unpinned" in [finding["id"] for finding in result.findings]
    assert nerq("scan", "--as-of", AS_OF, "--deny", "mcp-unpinned").status == 1


def test_what_is_not_scored_leaves_a_run_incomplete(nerq: Nerq, project: Path) -> None:
    write(project / ".mcp.json", a={"url": "https://x.example/mcp"})
    assert nerq("scan", "--as-of", AS_OF, "--strict").status == 3
    assert nerq("scan", "--as-of", AS_OF, "--strict", "--no-mcp").status == 4


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_no_output_and_no_request_has_a_secret(
    registry: Registry, nerq: Nerq, project: Path, services: Services, form: str
) -> None:
    registry.npm("x", "1.0.0")
    write(project / ".mcp.json", a=PINNED, b=UNSAFE, c=SECRET, d={"env": {"API_KEY": SECRET}}, **SECRETIVE)
    result = nerq("scan", "--as-of", AS_OF, "-f", form, "--verbose")
    assert SECRET not in result.out + result.err
    assert result.out
    requests = [*registry.site.requests, *services.site.requests]
    assert requests
    assert SECRET not in repr(requests)


def test_no_recording_has_a_secret(registry: Registry, nerq: Nerq, project: Path, tmp_path: Path) -> None:
    registry.npm("x", "1.0.0")
    write(project / ".mcp.json", a=PINNED, b=UNSAFE, **SECRETIVE)
    recording = tmp_path / "evidence.nerq"
    nerq("scan", "--as-of", AS_OF, "--record", str(recording), "--record-private")
    with zipfile.ZipFile(recording) as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    assert any(b"mcp-remote" in content for content in contents)
    assert not any(SECRET.encode() in content for content in contents)


def test_servers_are_left_out_on_request_and_by_a_setting(nerq: Nerq, project: Path) -> None:
    write(project / ".mcp.json", a=PINNED)
    skill = project / ".claude/skills/s/SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("text")
    (project / "requirements.txt").write_text("y==1.0\n")
    listed = nerq("scan", "--list", "-f", "json").json["dependencies"]
    assert {entry["name"] for entry in listed} == {"x", "y", "s"}
    names = [entry["name"] for entry in nerq("scan", "--list", "--no-mcp", "-f", "json").json["dependencies"]]
    assert names == ["y"]
    (project / ".nerq.toml").write_text("no-mcp = true\n")
    result = nerq("scan", "--list", "-f", "json")
    assert [entry["name"] for entry in result.json["dependencies"]] == ["y"]
    assert "no-mcp = true" in result.err


def test_servers_of_the_user_are_read_on_request(nerq: Nerq, project: Path) -> None:
    write(Path.home() / ".cursor/mcp.json", mine=PINNED)
    assert nerq("scan", "--list").status == 4
    result = nerq("scan", "--list", "--user-config", "-f", "json")
    (entry,) = result.json["dependencies"]
    assert entry["name"] == "x"
    assert [place["path"] for place in entry["locations"]] == ["~/.cursor/mcp.json"]
    assert nerq("scan", "--list", "--user-config", "--no-mcp").status == 2


def test_files_of_other_programs_are_not_mentioned(nerq: Nerq, project: Path) -> None:
    (project / "manifest.json").write_text('{"name": "web app"}')
    (project / "server.json").write_text("{ no JSON")
    assert nerq("scan", "--list").status == 4
    (project / "requirements.txt").write_text("y==1.0\n")
    assert "manifest.json" not in nerq("scan", "--list").out


def test_a_damaged_entry_is_reported_and_the_others_are_scored(nerq: Nerq, project: Path) -> None:
    write(project / ".mcp.json", a=PINNED, b=5)
    result = nerq("scan", "--list", "-f", "json")
    assert [entry["name"] for entry in result.json["dependencies"]] == ["x"]
    assert result.status == 2


# --- the dependencies of a server ------------------------------------------------------------------------------------

TREE_PATH = "/deps_dev/v3/systems/pypi/packages/demo/versions/1.0:dependencies"
SELF = {"versionKey": {"system": "PYPI", "name": "demo", "version": "1.0"}, "relation": "SELF"}


@pytest.fixture
def server(registry: Registry, services: Services, project: Path) -> None:
    """A server of PyPI that requires ``near``, which requires ``deep``."""
    for name in ("demo", "near", "deep"):
        registry.pypi(name, "1.0", "2.0")
    registry.most_used()
    keys = [("demo", "SELF"), ("near", "DIRECT"), ("deep", "INDIRECT")]
    nodes = [
        {"versionKey": {"system": "PYPI", "name": name, "version": "1.0"}, "relation": relation}
        for name, relation in keys
    ]
    edges = [{"toNode": 1, "requirement": ">=1"}, {"fromNode": 1, "toNode": 2, "requirement": ""}]
    services.site.on(TREE_PATH, {"body": {"nodes": nodes, "edges": edges}})
    write(project / ".mcp.json", a={"command": "uvx", "args": ["demo==1.0"]})


def scan(nerq: Nerq, *options: str) -> Result:
    return nerq("scan", "--as-of", AS_OF, "-f", "json", *options)


@pytest.mark.usefixtures("server")
def test_an_advisory_of_a_dependency_of_a_server_fails(nerq: Nerq, services: Services) -> None:
    assert scan(nerq, "--no-cache").status == 0
    severity = {"database_specific": {"severity": "CRITICAL"}}
    services.advisory("deep", "1.0", identifier="GHSA-aaaa-bbbb-cccc", **severity)
    result = scan(nerq, "--no-cache")
    assert result.status == 1
    rows = {entry["name"]: entry for entry in result.json["dependencies"]}
    assert {name: (row["direct"], row["via"], row["groups"]) for name, row in rows.items()} == {
        "demo": (True, [], ["mcp"]),
        "near": (False, ["demo"], ["mcp"]),
        "deep": (False, ["demo"], ["mcp"]),
    }
    assert rows["deep"]["state"] == "below"
    assert rows["deep"]["locations"] == [{"path": ".mcp.json", "line": rows["demo"]["locations"][0]["line"]}]


@pytest.mark.usefixtures("server")
def test_the_dependencies_of_a_server_are_requested_once_and_kept(
    nerq: Nerq, services: Services, tmp_path: Path
) -> None:
    recording = str(tmp_path / "evidence.nerq")
    first = scan(nerq, "--record", recording, "--record-private")
    count = len(services.site.requests)
    assert [request.path for request in services.site.requests].count(TREE_PATH) == 1
    assert scan(nerq).json["dependencies"] == first.json["dependencies"]
    assert scan(nerq, "--offline").json["dependencies"] == first.json["dependencies"]
    assert nerq("scan", "--replay", recording, "-f", "json").out == first.out
    assert len(services.site.requests) == count


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": 404, "body": {}}, "its dependencies are not known: not indexed by deps.dev"),
        ({"body": {"nodes": [SELF], "edges": [], "error": "x"}}, "not all of its dependencies are known"),
    ],
)
def test_a_server_with_dependencies_that_are_not_known_is_unknown(
    nerq: Nerq, services: Services, answer: dict[str, Any], reason: str
) -> None:
    services.site.on(TREE_PATH, answer)
    result = scan(nerq)
    (row,) = result.json["dependencies"]
    assert (row["name"], row["state"], row["reasons"][0]) == ("demo", "unknown", reason)
    assert row["score"] is not None
    assert not result.json["complete"]
    assert scan(nerq, "--strict").status == 3
    assert scan(nerq, "--strict", "--allow", "score-unknown").status == 0
    assert scan(nerq, "--no-strict").status == 0


@pytest.mark.usefixtures("server")
def test_a_waiver_accepts_dependencies_that_are_not_known(nerq: Nerq, services: Services) -> None:
    services.site.on(TREE_PATH, {"status": 404, "body": {}})
    assert nerq("waive", "pypi:demo", "--rule", "score-unknown", "--until", "90d", "--reason", "read it").status == 0
    assert nerq("scan", "--strict", "-f", "json").status == 0


def test_the_dependencies_of_a_server_without_a_version_are_those_of_its_newest_one(
    registry: Registry, services: Services, nerq: Nerq, project: Path
) -> None:
    for name in ("demo", "near"):
        registry.pypi(name, "1.0", "2.0")
    nodes = [
        {"versionKey": {"system": "PYPI", "name": name, "version": version}, "relation": relation}
        for name, version, relation in (("demo", "2.0", "SELF"), ("near", "1.0", "DIRECT"))
    ]
    path = TREE_PATH.replace("versions/1.0", "versions/2.0")
    services.site.on(path, {"body": {"nodes": nodes, "edges": [{"toNode": 1, "requirement": ">=1"}]}})
    write(project / ".mcp.json", a={"command": "uvx", "args": ["demo"]})
    rows = {entry["name"]: entry["version"] for entry in scan(nerq).json["dependencies"]}
    assert rows == {"demo": "2.0", "near": "1.0"}


@pytest.mark.usefixtures("server")
def test_a_private_dependency_of_a_server_is_not_looked_up(
    nerq: Nerq, registry: Registry, services: Services, project: Path
) -> None:
    (project / ".nerq.toml").write_text('private = ["deep"]\n')
    result = scan(nerq)
    assert "deep" not in [entry["name"] for entry in result.json["dependencies"]]
    assert (
        "MCP server demo 1.0: not all of its dependencies are looked up, some are declared private"
        in result.json["warnings"]
    )
    assert not any("deep" in request.path for request in registry.site.requests)
    assert not any(b"deep" in request.body for request in services.site.requests)


@pytest.mark.usefixtures("server")
def test_a_private_server_is_not_sent(nerq: Nerq, services: Services, project: Path) -> None:
    (project / ".nerq.toml").write_text('private = ["demo"]\n')
    scan(nerq)
    assert TREE_PATH not in [request.path for request in services.site.requests]


@pytest.mark.usefixtures("server")
def test_the_dependencies_of_a_server_are_no_change_of_the_project(nerq: Nerq, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    baseline.write_text(scan(nerq).out)
    result = scan(nerq, "--baseline", str(baseline))
    assert result.json["comparison"]["changes"] == []
