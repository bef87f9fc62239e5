"""Preflights of MCP servers, which their registry names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.conftest import AS_OF, Client, Registry

NAME = "io.github.acme/files"
PATH = "/v0.1/servers/io.github.acme%2Ffiles/versions/latest?include_deleted=true"
SEARCH = "/v0.1/servers?search=files&version=latest&limit=100"


def describe(*packages: tuple[str, str, str], status: str = "active", name: str = NAME) -> dict[str, Any]:
    rows = [{"registryType": kind, "identifier": id_, "version": version} for kind, id_, version in packages]
    return {
        "server": {"name": name, "version": "1.0.0", "packages": rows},
        "_meta": {"io.modelcontextprotocol.registry/official": {"status": status}},
    }


@pytest.fixture
def mcp(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Registries of packages, and the MCP registry on the same site."""
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", registry.site.url)
    registry.most_used()
    registry.npm("@acme/files", "1.0.0")
    registry.site.on(PATH, {"body": describe(("npm", "@acme/files", "1.0.0"))})
    registry.site.on("/@acme%2Ffiles/1.0.0", {"body": {"mcpName": NAME}})
    return registry


@pytest.fixture
def client(mcp: Registry, start_service: Callable[..., Client]) -> Client:
    return start_service()


def test_a_server_is_answered_as_its_package(client: Client, nerq: Callable[..., Any]) -> None:
    reply = client.get("/v1/preflight", target=f"mcp:{NAME}", include="history")
    assert reply.json["server"] == f"mcp:{NAME} 1.0.0"
    assert reply.json["purl"] == "pkg:npm/%40acme/files@1.0.0"
    assert reply.json["score"] == client.get("/v1/preflight", target="npm:@acme/files@1.0.0").json["score"]
    assert any("in the MCP registry is npm:@acme/files@1.0.0" in text for text in reply.json["warnings"])
    assert client.get(f"/badge/mcp:{NAME}.svg").body.decode() == nerq("badge", f"mcp:{NAME}", "--as-of", AS_OF).out
    page = client.get(f"/v1/packages/mcp:{NAME}")
    assert page.json["target"]["server"] == f"mcp:{NAME} 1.0.0"


def test_a_deleted_server_is_refused_for_every_purpose(client: Client, mcp: Registry) -> None:
    mcp.site.on(PATH, {"body": describe(("npm", "@acme/files", "1.0.0"), status="deleted")})
    document = client.get("/v1/preflight", target=f"mcp:{NAME}", for_="research").json
    assert document["verdict"]["answer"] == "avoid"
    assert [finding["rule"] for finding in document["findings"] if finding["fails"]] == ["mcp-deleted"]


def test_a_short_name_of_one_server_is_that_server(client: Client, mcp: Registry) -> None:
    mcp.site.on(SEARCH, {"body": {"servers": [describe()], "metadata": {}}})
    assert client.get("/v1/preflight", target="mcp:files").json["server"] == f"mcp:{NAME} 1.0.0"


def test_a_short_name_of_several_servers_is_300(client: Client, mcp: Registry) -> None:
    mcp.site.on(SEARCH, {"body": {"servers": [describe(), describe(name="com.example/files")], "metadata": {}}})
    reply = client.get("/v1/preflight", target="mcp:files")
    assert (reply.status, reply.json["type"]) == (300, "urn:nerq:problem:ambiguous-target")
    assert [item["target"] for item in reply.json["candidates"]] == ["mcp:com.example/files", f"mcp:{NAME}"]
    assert client.request("GET", reply.json["candidates"][1]["href"]).json["server"] == f"mcp:{NAME} 1.0.0"


def test_a_server_that_nobody_registered_is_404(client: Client, mcp: Registry) -> None:
    mcp.site.on(PATH, {"status": 404})
    assert client.get("/v1/preflight", target=f"mcp:{NAME}").status == 404


def test_a_registry_that_is_silent_is_503(client: Client, mcp: Registry) -> None:
    mcp.site.on(PATH, {"status": 500})
    reply = client.get("/v1/preflight", target=f"mcp:{NAME}")
    assert (reply.status, reply.json["type"]) == (503, "urn:nerq:problem:no-answer")
    assert reply.headers["retry-after"]


def test_a_server_without_a_scored_package_has_a_reason_in_place_of_a_score(client: Client, mcp: Registry) -> None:
    mcp.site.on(PATH, {"body": describe(("oci", "registry.example/acme/files:1.0", ""))})
    document = client.get("/v1/preflight", target=f"mcp:{NAME}", include="history").json
    assert document["score"] is None
    assert document["score_reason"]
    assert document["history"] is None
    assert document["complete"] is True


def test_servers_and_packages_may_be_in_one_batch(client: Client) -> None:
    targets = [f"mcp:{NAME}", "npm:@acme/files", "mcp:com.example/nothing", "mcp:a b"]
    results = client.post("/v1/preflight:batch", {"targets": targets}).json["results"]
    assert [entry["status"] for entry in results] == [200, 200, 404, 400]
