"""The MCP registry over a socket: one server, a search in pages, failures, and the proof of ownership."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import Absent, Found, McpNameProof, McpRegistration, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import McpServerId, Package, Release
from nerq_cli.sources.mcp_registry import (
    MAX_PAGES,
    NAME_PROOF_SOURCE,
    check_ownership,
    fetch_registration,
    find_domain_servers,
    search_servers,
)

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

OpenRun = Callable[..., FetchRun]
NAME = "io.github.acme/files"
PATH = "/v0.1/servers/io.github.acme%2Ffiles/versions/latest?include_deleted=true"


def describe(name: str = NAME, status: str = "active", **fields: Any) -> dict[str, Any]:
    server = {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": name,
        "description": "Files",
        "version": "1.0.2",
        "repository": {"url": "https://code.example/acme/files", "source": "other"},
        "packages": [{"registryType": "npm", "identifier": "@acme/files", "version": "1.0.2"}],
        "remotes": [{"type": "streamable-http", "url": "https://mcp.example/files?key=SECRET"}],
        **fields,
    }
    official = {"status": status, "publishedAt": "2026-05-01T00:00:00Z", "isLatest": True}
    return {"server": server, "_meta": {"io.modelcontextprotocol.registry/official": official}}


def test_one_version_of_a_server(open_run: OpenRun, site: Site) -> None:
    site.on(PATH, {"body": describe()})
    fact = fetch_registration(open_run(), McpServerId(name=NAME), Endpoint(url=site.url))
    assert isinstance(fact, Found)
    assert fact.value == McpRegistration(
        name=NAME,
        version="1.0.2",
        status="active",
        repository="https://code.example/acme/files",
        packages=(("npm", "@acme/files", "1.0.2"),),
        remotes=(("streamable-http", "https://mcp.example/files"),),
        published_at=1_777_593_600,
    )


@pytest.mark.parametrize(("status", "expected"), [("deprecated", "deprecated"), ("deleted", "deleted"), ("new", "")])
def test_a_status_that_is_not_documented_is_not_known(
    open_run: OpenRun, site: Site, status: str, expected: str
) -> None:
    site.on(PATH, {"body": describe(status=status)})
    fact = fetch_registration(open_run(), McpServerId(name=NAME), Endpoint(url=site.url))
    assert isinstance(fact, Found)
    assert fact.value.status == expected


@pytest.mark.parametrize("fields", [{"packages": None, "remotes": 5}, {"packages": ["x", {}], "repository": []}])
def test_fields_of_other_types_are_left_out(open_run: OpenRun, site: Site, fields: dict[str, Any]) -> None:
    site.on(PATH, {"body": describe(**fields)})
    fact = fetch_registration(open_run(), McpServerId(name=NAME), Endpoint(url=site.url))
    assert isinstance(fact, Found)
    assert fact.value.name == NAME


def test_a_server_that_is_not_registered_is_absent(open_run: OpenRun, site: Site) -> None:
    site.on(PATH, {"status": 404, "body": {"error": "Server not found"}})
    assert isinstance(fetch_registration(open_run(), McpServerId(name=NAME), Endpoint(url=site.url)), Absent)


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 500},
        {"hang": True},
        {"body": b"<html>"},
        {"body": []},
        {"body": {}},
        {"body": describe("io.github.evil/files")},
    ],
)
def test_a_registry_without_a_usable_answer_is_unknown(open_run: OpenRun, site: Site, turn: Turn) -> None:
    site.on(PATH, turn)
    run = open_run(deadline_seconds=1.0)
    assert isinstance(fetch_registration(run, McpServerId(name=NAME), Endpoint(url=site.url)), Unknown)


def list_servers(*names: str, cursor: str = "") -> dict[str, Any]:
    return {"servers": [describe(name) for name in names], "metadata": {"count": len(names), "nextCursor": cursor}}


SEARCH = "/v0.1/servers?search=files&version=latest&limit=100"


def test_a_search_reads_all_pages_and_keeps_servers_of_the_name(open_run: OpenRun, site: Site) -> None:
    site.on(SEARCH, {"body": list_servers(NAME, "com.example/files-2", cursor="a b/c:1")})
    site.on(f"{SEARCH}&cursor=a+b%2Fc%3A1", {"body": list_servers("com.example/files")})
    found = search_servers(open_run(), "files", Endpoint(url=site.url))
    assert not isinstance(found, Unknown)
    assert [server.name for server in found] == [NAME, "com.example/files"]


def test_a_search_with_a_missing_page_is_unknown(open_run: OpenRun, site: Site) -> None:
    site.on(SEARCH, {"body": list_servers(NAME, cursor="2")})
    site.on(f"{SEARCH}&cursor=2", {"status": 500})
    assert isinstance(search_servers(open_run(deadline_seconds=2.0), "files", Endpoint(url=site.url)), Unknown)


def test_a_search_ends(open_run: OpenRun, site: Site) -> None:
    site.on(SEARCH, {"body": list_servers(cursor="0")})
    for number in range(MAX_PAGES + 1):
        site.on(f"{SEARCH}&cursor={number}", {"body": list_servers(cursor=f"{number + 1}")})
    assert isinstance(search_servers(open_run(), "files", Endpoint(url=site.url)), Unknown)
    assert len(site.requests) == MAX_PAGES


@pytest.mark.parametrize("turn", [{"body": {}}, {"body": {"servers": 5}}, {"body": b"no"}, {"status": 404}])
def test_a_search_without_a_list_is_unknown(open_run: OpenRun, site: Site, turn: Turn) -> None:
    site.on(SEARCH, turn)
    assert isinstance(search_servers(open_run(deadline_seconds=1.0), "files", Endpoint(url=site.url)), Unknown)


DOMAIN_SEARCH = "/v0.1/servers?search=com.acme&version=latest&limit=100&include_deleted=true"


def test_the_servers_of_a_domain_are_those_of_its_namespaces(open_run: OpenRun, site: Site) -> None:
    path = DOMAIN_SEARCH.replace("&include_deleted", "&cursor=2&include_deleted")
    site.on(DOMAIN_SEARCH, {"body": list_servers("com.acme/a", "com.acmeevil/b", "io.com.acme/c", cursor="2")})
    site.on(path, {"body": list_servers("com.acme.mcp/d")})
    found = find_domain_servers(open_run(), "com.acme", Endpoint(url=site.url))
    assert not isinstance(found, Unknown)
    assert [server.name for server in found] == ["com.acme/a", "com.acme.mcp/d"]


def test_the_servers_of_a_domain_are_unknown_without_an_answer(open_run: OpenRun, site: Site) -> None:
    site.on(DOMAIN_SEARCH, {"status": 500})
    found = find_domain_servers(open_run(deadline_seconds=2.0), "com.acme", Endpoint(url=site.url))
    assert isinstance(found, Unknown)


README = "# Files\n\n<!-- mcp-name: io.github.acme/files -->\n"


@pytest.mark.parametrize(
    ("ecosystem", "path", "body", "expected"),
    [
        (NPM, "/x/1.0", {"mcpName": NAME}, "match"),
        (NPM, "/x/1.0", {"mcpName": "io.github.evil/files"}, "mismatch"),
        (NPM, "/x/1.0", {"name": "x"}, "mismatch"),
        (NPM, "/x/1.0", {"mcpName": 5}, "mismatch"),
        (PYPI, "/pypi/x/1.0/json", {"info": {"description": README}}, "match"),
        (PYPI, "/pypi/x/1.0/json", {"info": {"description": f"mcp-name: {NAME}"}}, "match"),
        (PYPI, "/pypi/x/1.0/json", {"info": {"description": f"mcp-name: {NAME}-2\n"}}, "mismatch"),
        (PYPI, "/pypi/x/1.0/json", {"info": {"description": None}}, "mismatch"),
        (PYPI, "/pypi/x/1.0/json", {}, "unknown"),
        (NPM, "/x/1.0", b"no", "unknown"),
    ],
)
def test_the_name_in_a_package_proves_ownership(
    open_run: OpenRun, site: Site, ecosystem: EcosystemId, path: str, body: object, expected: str
) -> None:
    site.on(path, {"body": body})
    release = Release(package=Package(ecosystem=ecosystem, name="x"), version="1.0")
    facts = open_run(deadline_seconds=1.0).fetch(NAME_PROOF_SOURCE, [release], Endpoint(url=site.url))
    assert check_ownership(NAME, facts[release]) == expected


def test_a_version_that_is_not_there_proves_nothing() -> None:
    assert check_ownership(NAME, Absent("npm", 0)) == "unknown"
    assert check_ownership(NAME, Found(McpNameProof(), "npm", 0)) == "mismatch"
