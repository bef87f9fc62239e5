"""MCP servers in a scan: found, left out, of the user; exit status, and no secret in any output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nerq_cli.report import FORMATS
from tests.cli.conftest import AS_OF, Registry, Result, Services

Nerq = Callable[..., Result]
SECRET = "s3cr3t-VALUE-0123456789"  # noqa: S105 - no password
PINNED = {"command": "npx", "args": ["-y", "x@1.0.0", SECRET], "env": {"API_KEY": SECRET}}
UNSAFE = {"url": f"http://u:{SECRET}@mcp.example/s/{SECRET}?k={SECRET}", "headers": {"Authorization": SECRET}}


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
    write(project / ".mcp.json", a=PINNED, b=UNSAFE, c=SECRET, d={"env": {"API_KEY": SECRET}})
    result = nerq("scan", "--as-of", AS_OF, "-f", form, "--verbose")
    assert SECRET not in result.out + result.err
    assert result.out
    requests = [*registry.site.requests, *services.site.requests]
    assert requests
    assert SECRET not in repr(requests)


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
