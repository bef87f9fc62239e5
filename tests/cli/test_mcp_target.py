"""Targets ``mcp:NAME``: from the MCP registry to the package that is scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import AS_OF, Registry, Result
from tests.conftest import Turn

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


def find_finding(result: Result) -> dict[str, Any]:
    [finding] = [item for item in result.json["findings"] if item["id"].startswith("mcp-")]
    found: dict[str, Any] = finding
    return found


@pytest.mark.parametrize(
    ("body", "part", "undecided"),
    [
        ({"mcpName": "io.github.evil/x"}, "files 1.0.0 does not state that it is io.github.acme/files", False),
        (b"<html>", "it is not known whether files 1.0.0 states", True),
    ],
)
def test_a_package_that_does_not_prove_the_name_is_a_finding(
    mcp: Registry, nerq: Nerq, body: object, part: str, *, undecided: bool
) -> None:
    mcp.npm("files", "1.0.0")
    mcp.site.on(PATH, {"body": describe(("npm", "files", "1.0.0"))})
    mcp.site.on("/files/1.0.0", {"body": body})
    result = check(nerq, f"mcp:{NAME}")
    finding = find_finding(result)
    assert (finding["id"], finding["level"], finding["purl"]) == ("mcp-name-proof", "warn", "pkg:npm/files")
    assert part in finding["text"]
    assert finding.get("undecided", False) == undecided


@pytest.mark.parametrize(
    ("status", "part", "rule", "level"),
    [
        ("deprecated", "is deprecated", "mcp-deprecated", "warn"),
        ("deleted", "was deleted", "mcp-deleted", "deny"),
        ("new-word", "has no status that is known", "mcp-deleted", "warn"),
    ],
)
def test_the_status_of_a_server_is_a_finding(
    mcp: Registry, nerq: Nerq, status: str, part: str, rule: str, level: str
) -> None:
    mcp.pypi("files", "1.0")
    mcp.site.on(PATH, {"body": describe(("pypi", "files", ""), status=status)})
    result = check(nerq, f"mcp:{NAME}")
    finding = find_finding(result)
    assert (finding["id"], finding["level"]) == (rule, level)
    assert part in finding["text"]
    assert result.json["dependencies"][0]["name"] == "files"


def test_a_deleted_server_fails_and_is_shown_with_its_card(mcp: Registry, nerq: Nerq) -> None:
    mcp.site.on(PATH, {"body": describe(("oci", "ghcr.io/acme/files:1.0", ""), status="deleted")})
    result = nerq("check", f"mcp:{NAME}", "--as-of", AS_OF, "-q")
    assert result.status == 1
    assert "was deleted from the MCP registry" in result.out
    assert '"mcp-deleted"' in nerq("check", f"mcp:{NAME}", "--as-of", AS_OF, "-f", "sarif").out


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


@pytest.mark.parametrize("turn", [{"status": 500}, {"body": describe(name="io.github.acme/another")}])
def test_an_odd_answer_about_one_server_keeps_no_other_from_being_looked_up(
    mcp: Registry, nerq: Nerq, turn: Turn
) -> None:
    """The deleted server is named in the same command, and in one of its own shortly after."""
    packages = ("oci", "ghcr.io/acme/files:1.0", "")
    mcp.site.on("/v0.1/servers/io.github.acme%2Fodd/versions/latest?include_deleted=true", turn)
    mcp.site.on(PATH, {"body": describe(packages, status="deleted")})
    options = ("--as-of", AS_OF, "-f", "json", "--timeout", "20")
    both = nerq("check", "mcp:io.github.acme/odd", f"mcp:{NAME}", *options)
    assert both.status == 1
    assert both.json["complete"] is False
    alone = nerq("check", "mcp:io.github.acme/odd", *options, "--strict")
    assert alone.status == 3
    assert nerq("check", f"mcp:{NAME}", *options, "--refresh").status == 1


def test_images_and_remotes_are_listed(mcp: Registry, nerq: Nerq) -> None:
    mcp.site.on(PATH, {"body": describe(("oci", "ghcr.io/acme/files:1.0", ""))})
    (entry,) = check(nerq, f"mcp:{NAME}").json["dependencies"]
    assert "not scored" in entry["skip_reason"]


@pytest.mark.parametrize("target", ["mcp:", "mcp:/", "mcp:a/b/c", "mcp:a b", "mcp:../x", "mcp:a@", "mcp:\x1b[0m"])
def test_other_forms_are_refused(nerq: Nerq, target: str) -> None:
    result = nerq("check", target)
    assert result.status == 2
    assert "\x1b" not in result.err


@pytest.mark.parametrize("status", ["active", "deleted"])
def test_a_recording_gives_the_same_report(mcp: Registry, nerq: Nerq, tmp_path: Path, status: str) -> None:
    mcp.npm("files", "1.0.0")
    mcp.site.on(PATH, {"body": describe(("npm", "files", "1.0.0"), status=status)})
    mcp.site.on("/files/1.0.0", {"body": {"mcpName": "io.github.evil/x"}})
    recording = str(tmp_path / "evidence.nerq")
    options = ("--record", recording, "--record-private")
    first = nerq("check", f"mcp:{NAME}", "--as-of", AS_OF, "-f", "json", *options)
    count = len(mcp.site.requests)
    second = nerq("check", "--replay", recording, "-f", "json")
    assert (second.out, second.status) == (first.out, first.status)
    assert "digest differs" not in second.err
    assert f"{NAME} 1.0.0 in the MCP registry is npm:files@1.0.0" in second.err
    assert len(mcp.site.requests) == count


@pytest.mark.parametrize(("identifier", "version"), [("ghcr.io/acme/files:1.2", ""), ("ghcr.io/acme/files", "1.2")])
def test_an_image_is_listed_with_its_tag(mcp: Registry, nerq: Nerq, identifier: str, version: str) -> None:
    mcp.site.on(PATH, {"body": describe(("oci", identifier, version))})
    result = check(nerq, f"mcp:{NAME}")
    (entry,) = result.json["dependencies"]
    assert (entry["name"], entry["requirement"]) == ("docker/ghcr.io/acme/files", "==1.2")
    assert entry["purl"] == "pkg:docker/acme/files@1.2?repository_url=ghcr.io"
    assert f"oci:{identifier}@" not in result.err or version


def test_a_server_without_a_package_is_described(mcp: Registry, nerq: Nerq) -> None:
    mcp.site.on(PATH, {"body": describe()})
    assert f"{NAME} 1.0.0 has no package in the MCP registry" in check(nerq, f"mcp:{NAME}").err


def test_a_server_with_several_packages_has_a_card_for_each(mcp: Registry, nerq: Nerq) -> None:
    """They are parts of one server, judged together, and not meanings of one name."""
    mcp.npm("left-pad", "1.3.0")
    mcp.pypi("idna", "3.7")
    packages = (("npm", "left-pad", "1.3.0"), ("pypi", "idna", "3.7"), ("oci", "ghcr.io/acme/files:1.0", ""))
    mcp.site.on(PATH, {"body": describe(*packages)})
    result = check(nerq, f"mcp:{NAME}")
    assert result.status in {0, 1}
    names = {entry["name"]: entry["score"] for entry in result.json["dependencies"]}
    assert set(names) == {"left-pad", "idna", "docker/ghcr.io/acme/files"}
    assert names["left-pad"] is not None
    assert names["idna"] is not None
    shown = nerq("check", f"mcp:{NAME}", "--as-of", AS_OF, "--offline")
    assert "may be the package" not in shown.err
    assert "left-pad 1.3.0" in shown.out
    assert "idna 3.7" in shown.out


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (("npm", "../../x", "1.3.0"), "the MCP registry names a package that cannot exist: npm:../../x@1.3.0"),
        (("nuget", "../../x", ""), "the MCP registry names a package that cannot exist: nuget:../../x"),
        (("pypi", "", "1.0"), "the MCP registry names a package that cannot exist: pypi:@1.0"),
    ],
)
def test_a_package_that_cannot_exist_is_refused(
    mcp: Registry, nerq: Nerq, package: tuple[str, str, str], reason: str
) -> None:
    mcp.site.on(PATH, {"body": describe(package)})
    (entry,) = check(nerq, f"mcp:{NAME}").json["dependencies"]
    assert (entry["purl"], entry["skip_reason"]) == (f"pkg:generic/{NAME}", reason)


@pytest.mark.parametrize(
    ("package", "purl", "reason"),
    [
        (("nuget", "Acme.Files", "1.0"), "pkg:nuget/Acme.Files@1.0", "NuGet packages are not scored"),
        (
            ("mcpb", "https://registry.example/files.mcpb", ""),
            "pkg:generic/registry.example/files.mcpb",
            "MCP bundles are not scored",
        ),
        (("wibble", "files", "1"), "pkg:generic/files@1", "packages of the type wibble are not scored"),
    ],
)
def test_packages_of_other_types_are_listed_by_their_names(
    mcp: Registry, nerq: Nerq, package: tuple[str, str, str], purl: str, reason: str
) -> None:
    mcp.site.on(PATH, {"body": describe(package)})
    (entry,) = check(nerq, f"mcp:{NAME}").json["dependencies"]
    assert (entry["purl"], entry["skip_reason"]) == (purl, reason)


def test_every_remote_is_listed_and_one_without_tls_is_a_finding(mcp: Registry, nerq: Nerq) -> None:
    document = describe()
    document["server"]["remotes"] = [
        {"type": "streamable-http", "url": "https://mcp.acme.example/mcp"},
        {"type": "sse", "url": "http://mcp.acme.example/sse"},
        {"type": "sse", "url": "http://localhost:8000/sse"},
    ]
    mcp.site.on(PATH, {"body": document})
    result = check(nerq, f"mcp:{NAME}")
    names = [entry["name"] for entry in result.json["dependencies"]]
    assert sorted(names) == ["localhost:8000/sse", "mcp.acme.example/mcp", "mcp.acme.example/sse"]
    finding = find_finding(result)
    assert (finding["id"], finding["level"]) == ("mcp-insecure-url", "deny")
    assert finding["text"].endswith(f"{NAME} is at http://mcp.acme.example/sse")
    assert result.status == 1


# --- badge, comparison and page are about the server


@pytest.fixture
def servers(mcp: Registry) -> Registry:
    """One server that was deleted, one that is deprecated, and one that is active; the same package for each."""
    mcp.pypi("good", "2.0")
    for name, status in (("gone", "deleted"), ("old", "deprecated"), ("here", "active")):
        path = f"/v0.1/servers/io.github.acme%2F{name}/versions/latest?include_deleted=true"
        document = describe(("pypi", "good", "2.0"), status=status, name=f"io.github.acme/{name}")
        mcp.site.on(path, {"body": document})
    return mcp


@pytest.mark.parametrize(
    ("name", "label", "part", "is_green"),
    [
        ("gone", "nerq mcp:io.github.acme/gone 1.0.0", "deleted from the MCP registry on", False),
        ("old", "nerq mcp:io.github.acme/old 1.0.0", "deprecated, ", False),
        ("here", "nerq mcp:io.github.acme/here 1.0.0", " A", True),
    ],
)
def test_a_badge_is_about_the_server(
    servers: Registry, nerq: Nerq, name: str, label: str, part: str, *, is_green: bool
) -> None:
    badge = nerq("badge", f"mcp:io.github.acme/{name}", "--as-of", AS_OF, "-f", "shields").json
    assert badge["label"] == label
    assert part in badge["message"]
    assert (badge["color"] == "#1a7f37") == is_green
    assert servers.site.requests


def test_a_badge_of_several_packages_has_the_lowest_score(mcp: Registry, nerq: Nerq) -> None:
    mcp.npm("left-pad", "1.3.0")
    mcp.pypi("idna", "3.7")
    mcp.site.on(PATH, {"body": describe(("npm", "left-pad", "1.3.0"), ("pypi", "idna", "3.7"))})
    badge = nerq("badge", f"mcp:{NAME}", "--as-of", AS_OF, "-f", "shields").json
    lowest = min(entry["score"] for entry in check(nerq, f"mcp:{NAME}").json["dependencies"])
    assert f"{lowest:.1f}" in badge["message"]
    packages = (("npm", "left-pad", "1.3.0"), ("oci", "ghcr.io/acme/files:1.0", ""))
    mcp.site.on(PATH, {"body": describe(*packages)})
    badge = nerq("badge", f"mcp:{NAME}", "--as-of", AS_OF, "-f", "shields", "--refresh").json
    assert "unknown: 1 of 2 packages scored" in badge["message"]


def test_a_comparison_names_servers_and_never_prefers_a_deleted_one(servers: Registry, nerq: Nerq) -> None:
    names = ("mcp:io.github.acme/gone", "mcp:io.github.acme/here")
    document = nerq("compare", *names, "--as-of", AS_OF, "-f", "json").json
    labels = [target["label"] for target in document["targets"]]
    assert labels == ["mcp:io.github.acme/gone 1.0.0 (deleted)", "mcp:io.github.acme/here 1.0.0"]
    assert document["outcome"]["best"] is None
    assert document["outcome"]["text"].startswith(
        "mcp:io.github.acme/gone 1.0.0 (deleted) was deleted from the MCP registry: do not use it, whatever the score."
    )
    assert not document["changes"]
    servers.pypi("better", "1.0")
    assert "(deprecated)" in nerq("compare", "mcp:io.github.acme/old", names[1], "--as-of", AS_OF).out


def test_a_page_is_about_the_server(servers: Registry, nerq: Nerq) -> None:
    document = nerq("report", "mcp:io.github.acme/gone", "--as-of", AS_OF, "-f", "json").json
    assert document["target"]["server"] == "mcp:io.github.acme/gone 1.0.0"
    assert "was deleted from the MCP registry" in document["takeaways"][0]
    assert {use["answer"] for use in document["uses"]} == {"avoid"}
    assert all(use["text"].startswith("Do not use mcp:io.github.acme/gone 1.0.0 for ") for use in document["uses"])
    assert document["avoid"][0].startswith("anywhere (")
    assert "nerq badge mcp:io.github.acme/gone@1.0.0 " in document["badge"]["command"]
    assert "nerq report mcp:io.github.acme/gone@1.0.0 " in document["addresses"]["command"]
    assert "deleted" in document["badge"]["message"]
    page = nerq("report", "mcp:io.github.acme/gone", "--as-of", AS_OF).out
    assert page.startswith("mcp:io.github.acme/gone 1.0.0")
    html = nerq("report", "mcp:io.github.acme/gone", "--as-of", AS_OF, "-f", "html").out
    assert '"name":"mcp:io.github.acme/gone 1.0.0"' in html
    assert "reviewRating" not in html
    active = nerq("report", "mcp:io.github.acme/here", "--as-of", AS_OF, "-f", "json").json
    assert active["takeaways"][0] == (
        "mcp:io.github.acme/here 1.0.0 runs good 2.0: score and signals are those of the package."
    )
    assert nerq("report", "pypi:good==2.0", "--as-of", AS_OF, "-f", "json").json["target"]["server"] is None
    assert servers.site.requests


def test_a_page_of_a_server_of_several_packages_has_the_lowest(mcp: Registry, nerq: Nerq) -> None:
    mcp.npm("left-pad", "1.3.0")
    mcp.pypi("idna", "3.7")
    packages = (("npm", "left-pad", "1.3.0"), ("pypi", "idna", "3.7"))
    mcp.site.on(PATH, {"body": describe(*packages, status="deleted")})
    result = nerq("report", f"mcp:{NAME}", "--as-of", AS_OF, "-f", "json")
    scores = {entry["name"]: entry["score"] for entry in check(nerq, f"mcp:{NAME}").json["dependencies"]}
    assert result.json["target"]["name"] == min(scores, key=scores.__getitem__)
    assert "has the packages npm:left-pad and pypi:idna: read is " in result.err
    assert result.json["verdict"]["text"].startswith(f"Do not use mcp:{NAME} 1.0.0 for production")


@pytest.mark.parametrize("purpose", ["research", "sandbox", "production"])
def test_a_deleted_server_is_for_no_purpose(servers: Registry, nerq: Nerq, purpose: str) -> None:
    shown = nerq("check", "mcp:io.github.acme/gone", "--for", purpose, "--as-of", AS_OF).out
    assert "Do not use good 2.0 for " in shown
    assert "anywhere (io.github.acme/gone was deleted" in shown
    assert servers.site.requests
