"""MCP servers of a scan in the MCP registry: what packages claim, what servers at URLs are, and what is not sent."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import AS_OF, Registry, Result, Services

Nerq = Callable[..., Result]
NAME = "io.github.acme/files"
PATH = "/mcp_registry/v0.1/servers/io.github.acme%2Ffiles/versions/latest?include_deleted=true"
SEARCH = "/mcp_registry/v0.1/servers?search=com.acme&version=latest&limit=100&include_deleted=true"
URL = "https://mcp.acme.com/mcp"


def describe(*packages: tuple[str, str], name: str = NAME, status: str = "active", url: str = "") -> dict[str, Any]:
    rows = [{"registryType": kind, "identifier": id_, "version": "1.0.0"} for kind, id_ in packages]
    remotes = [{"type": "streamable-http", "url": url}] if url else []
    return {
        "server": {"name": name, "version": "1.0.0", "packages": rows, "remotes": remotes},
        "_meta": {"io.modelcontextprotocol.registry/official": {"status": status}},
    }


def write(project: Path, *, path: str = ".mcp.json", **servers: object) -> None:
    (project / path).write_text(json.dumps({"mcpServers": servers}))


def scan(nerq: Nerq, *options: str) -> Result:
    return nerq("scan", "--as-of", AS_OF, "-f", "json", *options)


def select_mcp(result: Result) -> list[tuple[str, str, str]]:
    """Return rule, level and text of the findings about servers."""
    return [(item["id"], item["level"], item["text"]) for item in result.findings if item["id"].startswith("mcp-")]


def read_notes(result: Result) -> list[str]:
    return [note for file in result.json["dependency_files"] for note in file["notes"]]


def list_registry_requests(services: Services) -> list[str]:
    return [request.path for request in services.site.requests if request.path.startswith("/mcp_registry")]


@pytest.fixture
def claim(registry: Registry, services: Services, project: Path) -> Services:
    """A server that is the npm package ``files``, which claims a name that the MCP registry has for it."""
    registry.npm("files", "1.0.0")
    registry.most_used()
    registry.site.on("/files/1.0.0", {"body": {"name": "files", "version": "1.0.0", "mcpName": NAME}})
    services.site.on(PATH, {"body": describe(("npm", "files"))})
    write(project, a={"command": "npx", "args": ["-y", "files@1.0.0"]})
    return services


@pytest.mark.usefixtures("claim")
def test_a_claim_that_the_registry_confirms_is_stated(nerq: Nerq) -> None:
    result = scan(nerq)
    assert select_mcp(result) == []
    assert f"files 1.0.0 claims to be {NAME}: the MCP registry confirms it" in read_notes(result)


def test_a_claim_to_the_name_of_another_package_is_a_finding(nerq: Nerq, claim: Services) -> None:
    claim.site.on(PATH, {"body": describe(("npm", "@acme/files"), ("oci", "ghcr.io/acme/files"))})
    result = scan(nerq)
    text = (
        f"files 1.0.0 claims to be {NAME}, and the MCP registry lists npm:@acme/files@1.0.0, "
        "oci:ghcr.io/acme/files@1.0.0 for that name"
    )
    assert select_mcp(result) == [("mcp-name-proof", "warn", text)]
    assert result.json["findings"][0]["locations"][0]["path"] == ".mcp.json"
    assert scan(nerq, "--deny", "mcp-name-proof").status == 1


@pytest.mark.parametrize(
    ("answer", "end"),
    [({"status": 404}, "the MCP registry has no such server"), ({"status": 500}, "not checked, MCP registry")],
)
def test_a_claim_that_cannot_be_compared_is_stated(nerq: Nerq, claim: Services, answer: Any, end: str) -> None:
    claim.site.on(PATH, answer)
    result = scan(nerq, "--timeout", "3")
    assert any(f"files 1.0.0 claims to be {NAME}: {end}" in note for note in read_notes(result))
    assert select_mcp(result) == []
    assert not result.json["complete"]


@pytest.mark.parametrize(
    ("status", "finding", "exit_status"), [("deleted", "mcp-deleted", 1), ("deprecated", "mcp-deprecated", 0)]
)
def test_the_status_of_a_confirmed_server_counts(
    nerq: Nerq, claim: Services, status: str, finding: str, exit_status: int
) -> None:
    claim.site.on(PATH, {"body": describe(("npm", "files"), status=status)})
    result = scan(nerq)
    assert [row[0] for row in select_mcp(result)] == [finding]
    assert result.status == exit_status


def test_an_unpinned_server_is_looked_up_in_its_newest_version(nerq: Nerq, claim: Services, project: Path) -> None:
    claim.site.on(PATH, {"body": describe(("npm", "files"), status="deleted")})
    write(project, a={"command": "npx", "args": ["files"]})
    assert "mcp-deleted" in [row[0] for row in select_mcp(scan(nerq))]


def test_a_recording_has_what_the_registry_states(nerq: Nerq, claim: Services, tmp_path: Path) -> None:
    claim.site.on(PATH, {"body": describe(("npm", "files"), status="deleted")})
    recording = str(tmp_path / "evidence.nerq")
    first = scan(nerq, "--record", recording, "--record-private")
    count = len(claim.site.requests)
    second = nerq("scan", "--replay", recording, "-f", "json")
    assert (second.out, second.status) == (first.out, 1)
    assert len(claim.site.requests) == count


@pytest.mark.usefixtures("claim")
def test_a_warm_cache_needs_no_request(nerq: Nerq, registry: Registry, claim: Services) -> None:
    first = scan(nerq)
    count = len(registry.site.requests), len(claim.site.requests)
    assert scan(nerq).json["findings"] == first.json["findings"]
    assert (len(registry.site.requests), len(claim.site.requests)) == count


def test_a_private_package_and_its_claim_are_not_sent(nerq: Nerq, claim: Services, project: Path) -> None:
    (project / ".nerq.toml").write_text('private = ["files"]\n')
    scan(nerq)
    assert list_registry_requests(claim) == []


def test_the_name_in_a_server_json_is_compared_and_not_sent(
    nerq: Nerq, registry: Registry, claim: Services, project: Path
) -> None:
    (project / ".mcp.json").unlink()
    secret = "com.secret-corp/internal"  # noqa: S105 - a name
    package = {"registryType": "npm", "identifier": "files", "version": "1.0.0"}
    document = {"$schema": "https://x.example/server.schema.json", "name": secret, "packages": [package]}
    (project / "server.json").write_text(json.dumps(document))
    result = scan(nerq)
    text = f"files 1.0.0 does not state that it is {secret}: the name may be another package's"
    assert ("mcp-name-proof", "warn", text) in select_mcp(result)
    sent = repr([*registry.site.requests, *claim.site.requests])
    assert "secret-corp" not in sent


def test_a_server_json_whose_package_states_its_name_is_no_finding(nerq: Nerq, claim: Services, project: Path) -> None:
    (project / ".mcp.json").unlink()
    package = {"registryType": "npm", "identifier": "files", "version": "1.0.0"}
    (project / "server.json").write_text(json.dumps({"$schema": "x", "name": NAME, "packages": [package]}))
    assert select_mcp(scan(nerq)) == []
    assert list_registry_requests(claim) == [PATH]


def test_a_stated_name_that_cannot_be_compared_leaves_the_run_incomplete(
    nerq: Nerq, registry: Registry, claim: Services, project: Path
) -> None:
    assert list_registry_requests(claim) == []
    (project / ".mcp.json").unlink()
    registry.site.on("/files/1.0.0", {"body": b"<html>"})
    package = {"registryType": "npm", "identifier": "files", "version": "1.0.0"}
    (project / "server.json").write_text(json.dumps({"$schema": "x", "name": NAME, "packages": [package]}))
    [finding] = [item for item in scan(nerq, "--timeout", "3").findings if item["id"] == "mcp-name-proof"]
    assert finding["undecided"]
    assert finding["text"] == f"it is not known whether files 1.0.0 states that it is {NAME}"


# --- servers at URLs --------------------------------------------------------------------------------------------------


def answer_search(services: Services, *servers: dict[str, Any]) -> None:
    services.site.on(SEARCH, {"body": {"servers": list(servers), "metadata": {}}})


def test_a_hosted_server_is_found_by_its_url(nerq: Nerq, services: Services, project: Path) -> None:
    write(project, a={"url": f"{URL}/?token=s3cret"})
    answer_search(services, describe(name="com.acme/x", url=URL), describe(name="com.acme/y", url="https://acme.com/y"))
    result = scan(nerq)
    assert "mcp.acme.com/mcp is com.acme/x in the MCP registry, published by acme.com" in read_notes(result)
    assert select_mcp(result) == []
    assert result.json["dependencies"][0]["skip_reason"] == "hosted server: not scored"
    assert list_registry_requests(services) == [SEARCH]


@pytest.mark.parametrize(
    ("status", "finding", "exit_status"), [("deleted", "mcp-deleted", 1), ("deprecated", "mcp-deprecated", 0)]
)
def test_the_status_of_a_hosted_server_counts(
    nerq: Nerq, services: Services, project: Path, status: str, finding: str, exit_status: int
) -> None:
    write(project, a={"url": URL})
    answer_search(services, describe(name="com.acme/x", url=URL, status=status))
    result = scan(nerq)
    assert [row[0] for row in select_mcp(result)] == [finding]
    assert result.status == exit_status
    answer_search(services, describe(name="com.acme/x", url=URL, status=status), describe(name="com.acme/y", url=URL))
    assert select_mcp(scan(nerq, "--no-cache")) == []  # an active record of the same address


def test_a_server_in_the_namespace_of_another_domain_does_not_count(
    nerq: Nerq, services: Services, project: Path
) -> None:
    write(project, a={"url": URL})
    answer_search(services, describe(name="com.acmeevil/x", url=URL, status="deleted"))
    assert select_mcp(scan(nerq)) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/mcp",
        "https://mcp.internal/mcp",
        "https://mcp/mcp",
        "https://10.0.0.7/mcp",
        "https://[::1]/mcp",
        "https://mcp.corp.example/mcp",
        "https://mcp.${DOMAIN}/mcp",
    ],
)
def test_hosts_that_are_not_public_are_not_sent(nerq: Nerq, services: Services, project: Path, url: str) -> None:
    write(project, a={"url": url})
    scan(nerq)
    assert list_registry_requests(services) == []


@pytest.mark.parametrize("pattern", ["*acme.com", "mcp.acme.com/*"])
def test_a_host_that_is_declared_private_is_not_sent(
    nerq: Nerq, services: Services, project: Path, pattern: str
) -> None:
    (project / ".nerq.toml").write_text(f'private = ["{pattern}"]\n')
    write(project, a={"url": URL})
    scan(nerq)
    assert list_registry_requests(services) == []


def test_only_the_registered_domain_is_sent(nerq: Nerq, services: Services, project: Path) -> None:
    write(project, a={"url": "https://secret-project.eu.acme.co.uk/team/mcp"})
    scan(nerq)
    [path] = list_registry_requests(services)
    assert "search=uk.co.acme&" in path
    assert "secret" not in path


def test_nothing_is_sent_when_dependencies_are_listed(nerq: Nerq, services: Services, project: Path) -> None:
    write(project, a={"url": URL})
    nerq("scan", "--list")
    scan(nerq, "--offline")
    assert list_registry_requests(services) == []


# --- the way out ------------------------------------------------------------------------------------------------------

SERVERS = {
    "url": {"url": "https://mcp.example/@owner/server/mcp"},
    "port": {"url": "http://localhost:8080/mcp"},
    "hostile": {"url": "https://mcp.example/a*b/[c]/$(touch x);'q"},
    "image": {"command": "docker", "args": ["run", "-i", "ghcr.io/acme/files:1.0"]},
    "digest": {"command": "docker", "args": ["run", f"acme/files@sha256:{'a' * 64}"]},
    "github": {"command": "npx", "args": ["-y", f"github:owner/repo#{'b' * 40}"]},
    "archive": {"command": "npx", "args": ["-y", "https://code.example/x.tgz"]},
    "program": {"command": "server-program"},
    "variable": {"command": "${SERVER}"},
    "package": {"command": "npx", "args": ["-y", "x@1.0.0"]},
}


@pytest.mark.parametrize("name", SERVERS)
def test_the_command_of_the_hint_accepts_a_server(registry: Registry, nerq: Nerq, project: Path, name: str) -> None:
    registry.npm("x", "1.0.0")
    write(project, a=SERVERS[name])
    result = scan(nerq, "--strict")
    assert result.status == 3
    [hint] = [text for text in result.json["hints"] if "nerq waive" in text]
    assert nerq(*shlex.split(hint[hint.index("nerq waive") :])[1:]).status == 0
    accepted = scan(nerq, "--strict")
    assert accepted.status == 0
    assert not any("nerq waive" in text for text in accepted.json["hints"])
    assert not accepted.json["complete"]


# --- beside an earlier state ------------------------------------------------------------------------------------------

GIT = shutil.which("git") or ""


@pytest.mark.skipif(not GIT, reason="git is not installed")
def test_a_deleted_server_that_is_new_fails_beside_an_earlier_state(
    nerq: Nerq, claim: Services, registry: Registry, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim.site.on(PATH, {"body": describe(("npm", "files"), status="deleted")})
    registry.npm("other", "1.0.0")
    added = (project / ".mcp.json").read_text()
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@mail.example")

    def run_git(*arguments: str) -> None:
        subprocess.run([GIT, *arguments], check=True, capture_output=True, timeout=60)  # noqa: S603 - of the test

    write(project, b={"command": "npx", "args": ["other@1.0.0"]})
    run_git("init", "-q", "-b", "main")
    run_git("add", "-A")
    run_git("commit", "-q", "-m", "first")
    (project / ".mcp.json").write_text(added)
    result = scan(nerq, "--since", "main", "--no-strict")
    assert result.status == 1
    assert ("mcp-deleted", "new") in [(item["id"], item["change"]) for item in result.json["findings"]]
    run_git("add", "-A")
    run_git("commit", "-q", "-m", "second")
    assert scan(nerq, "--since", "main", "--no-strict").status == 0
