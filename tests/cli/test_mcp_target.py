"""Targets ``mcp:NAME``: from the MCP registry to the package that is scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import AS_OF, Registry, Result

Nerq = Callable[..., Result]
NAME = "io.github.acme/files"
PATH = "/v0.1/servers/io.github.acme%2Ffiles/versions/latest?include_deleted=true"


def describe(*packages: tuple[str, str, str], status: str = "active", name: str = NAME) -> dict[str, Any]:
    rows = [{"registryType": kind, "identifier": id_, "version": version} for kind, id_, version in packages]
    official = {"status": status}
    return {
        "server": {"name": name, "version": "1.0.0", "packages": rows},
        "_meta": {"io.modelcontextprotocol.registry/official": official},
    }


@pytest.fixture
def mcp(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Registries of packages, and the MCP registry on the same site."""
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", registry.site.url)
    return registry


def check(nerq: Nerq, target: str) -> Result:
    return nerq("check", target, "--as-of", AS_OF, "-f", "json")


def test_a_server_is_scored_as_its_package(mcp: Registry, nerq: Nerq) -> None:
    mcp.npm("@acme/files", "1.0.0")
    mcp.site.on(PATH, {"body": describe(("npm", "@acme/files", "1.0.0"))})
    mcp.site.on("/@acme%2Ffiles/1.0.0", {"body": {"mcpName": NAME}})
    result = check(nerq, f"mcp:{NAME}")
    (entry,) = result.json["dependencies"]
    assert (entry["name"], entry["version"]) == ("@acme/files", "1.0.0")
    assert entry["score"] == check(nerq, "npm:@acme/files@1.0.0").json["dependencies"][0]["score"]
    assert f"{NAME} 1.0.0 in the MCP registry is npm:@acme/files@1.0.0" in result.err
    assert "does not state" not in result.err


@pytest.mark.parametrize(
    ("body", "part"), [({"mcpName": "io.github.evil/x"}, "does not state that it is"), (b"<html>", "it is not known")]
)
def test_a_package_that_does_not_prove_the_name(mcp: Registry, nerq: Nerq, body: object, part: str) -> None:
    mcp.npm("files", "1.0.0")
    mcp.site.on(PATH, {"body": describe(("npm", "files", "1.0.0"))})
    mcp.site.on("/files/1.0.0", {"body": body})
    assert part in check(nerq, f"mcp:{NAME}").err


@pytest.mark.parametrize(("status", "part"), [("deprecated", "is deprecated"), ("deleted", "was deleted")])
def test_the_status_of_a_server_is_shown(mcp: Registry, nerq: Nerq, status: str, part: str) -> None:
    mcp.pypi("files", "1.0")
    mcp.site.on(PATH, {"body": describe(("pypi", "files", "1.0"), status=status)})
    result = check(nerq, f"mcp:{NAME}")
    assert part in result.err
    assert result.json["dependencies"][0]["name"] == "files"


def test_a_short_name_is_searched(mcp: Registry, nerq: Nerq) -> None:
    search = "/v0.1/servers?search=files&version=latest&limit=100"
    mcp.pypi("files", "1.0")
    mcp.site.on(search, {"body": {"servers": [describe()], "metadata": {}}})
    mcp.site.on(PATH, {"body": describe(("pypi", "files", "1.0"))})
    assert check(nerq, "mcp:files").json["dependencies"][0]["name"] == "files"


def test_a_short_name_of_several_servers_is_refused(mcp: Registry, nerq: Nerq) -> None:
    search = "/v0.1/servers?search=files&version=latest&limit=100"
    mcp.site.on(search, {"body": {"servers": [describe(), describe(name="com.example/files")], "metadata": {}}})
    result = check(nerq, "mcp:files")
    assert result.status == 2
    assert "com.example/files, io.github.acme/files" in result.err


def test_a_server_that_is_not_registered_is_an_error(mcp: Registry, nerq: Nerq) -> None:
    mcp.site.on(PATH, {"status": 404})
    result = check(nerq, f"mcp:{NAME}")
    assert result.status == 2
    assert "has no server" in result.err


def test_a_registry_that_fails_leaves_the_server_unjudged(mcp: Registry, nerq: Nerq) -> None:
    mcp.site.on(PATH, {"status": 500})
    result = nerq("check", f"mcp:{NAME}", "--as-of", AS_OF, "-f", "json", "--strict", "--timeout", "2")
    assert result.status == 3
    (entry,) = result.json["dependencies"]
    assert entry["score"] is None
    assert entry["skip_reason"].startswith("MCP registry: ")


def test_images_and_remotes_are_listed(mcp: Registry, nerq: Nerq) -> None:
    mcp.site.on(PATH, {"body": describe(("oci", "ghcr.io/acme/files:1.0", ""))})
    (entry,) = check(nerq, f"mcp:{NAME}").json["dependencies"]
    assert "not scored" in entry["skip_reason"]


@pytest.mark.parametrize("target", ["mcp:", "mcp:/", "mcp:a/b/c", "mcp:a b", "mcp:../x", "mcp:a@", "mcp:\x1b[0m"])
def test_other_forms_are_refused(nerq: Nerq, target: str) -> None:
    result = nerq("check", target)
    assert result.status == 2
    assert "\x1b" not in result.err


def test_a_server_is_not_recorded(nerq: Nerq) -> None:
    assert nerq("check", f"mcp:{NAME}", "--record", "x.nerq").status == 2


@pytest.mark.parametrize(("identifier", "version"), [("ghcr.io/acme/files:1.2", ""), ("ghcr.io/acme/files", "1.2")])
def test_an_image_is_listed_with_its_tag(mcp: Registry, nerq: Nerq, identifier: str, version: str) -> None:
    mcp.site.on(PATH, {"body": describe(("oci", identifier, version))})
    result = check(nerq, f"mcp:{NAME}")
    (entry,) = result.json["dependencies"]
    assert (entry["name"], entry["requirement"]) == ("docker/ghcr.io/acme/files", "==1.2")
    assert entry["purl"].startswith("pkg:docker/ghcr.io/acme/files")
    assert f"oci:{identifier}@" not in result.err or version


def test_a_server_without_a_package_is_described(mcp: Registry, nerq: Nerq) -> None:
    mcp.site.on(PATH, {"body": describe()})
    assert f"{NAME} 1.0.0 has no package in the MCP registry" in check(nerq, f"mcp:{NAME}").err
