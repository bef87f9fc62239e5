"""The rules about MCP servers."""

from __future__ import annotations

import pytest

from nerq_cli.ecosystems import NPM
from nerq_cli.inventory import DependencyFile, Location, McpImage, McpPackage, McpProblem, McpServer
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import RuleInput, find_findings

HERE = Location(path=".mcp.json", line=3)


def find(server: McpServer) -> list[Finding]:
    file = DependencyFile(path=".mcp.json", format="mcp", mcp_servers=(server,))
    return list(find_findings(RuleInput(assessments=(), dependency_files=(file,))))


def make_server(
    *problems: McpProblem, url: str = "", image: McpImage | None = None, requirement: str = ""
) -> McpServer:
    package = McpPackage(ecosystem=NPM, name="x", requirement=requirement, is_pinned=requirement == "1.0.0")
    packages = () if url or image else (package,)
    return McpServer(
        name="s", client="Cursor", location=HERE, packages=packages, url=url, image=image, problems=problems
    )


@pytest.mark.parametrize(
    ("server", "purl", "part"),
    [
        (make_server("unpinned"), "pkg:npm/x", "any version"),
        (make_server("unpinned", requirement="latest"), "pkg:npm/x", "latest"),
        (make_server("unpinned", image=McpImage(name="acme/x")), "pkg:docker/acme/x", "tag latest"),
    ],
)
def test_an_unpinned_server_is_a_warning(server: McpServer, purl: str, part: str) -> None:
    (finding,) = find(server)
    assert (finding.id, finding.level, finding.purl, finding.locations) == ("mcp-unpinned", "warn", purl, (HERE,))
    assert part in finding.text
    assert not finding.undecided


def test_a_url_without_tls_is_denied() -> None:
    (finding,) = find(make_server("insecure-url", url="http://x.example/mcp"))
    assert (finding.id, finding.level, finding.purl) == ("mcp-insecure-url", "deny", "pkg:generic/x.example/mcp")


@pytest.mark.parametrize("problem", ["variable", "transport", "literal-secret", "unreadable"])
def test_other_problems_are_no_finding_of_these_rules(problem: McpProblem) -> None:
    assert not find(make_server(problem))
    assert not find(make_server(requirement="1.0.0"))
