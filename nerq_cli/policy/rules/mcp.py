"""Rules about MCP servers: versions that are not fixed, and URLs without TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from nerq_cli.inventory import McpProblem, McpServer, Package, RegistrationProblemId
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput


def _iter_servers(rule_input: RuleInput, problem: McpProblem) -> Iterator[McpServer]:
    return (server for file in rule_input.dependency_files for server in file.mcp_servers if problem in server.problems)


def _find_unpinned(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each package and image of a server whose version the configuration does not fix."""
    for server in _iter_servers(rule_input, "unpinned"):
        for package in server.packages:
            if not package.is_pinned:
                version = package.requirement or "any version"
                text = f"the server {server.name} runs {version}: each start may run another one"
                yield _build_finding(server, package.package, text)
        if server.image is not None and not server.image.digest:
            text = f"the server {server.name} runs the image with the tag {server.image.tag or 'latest'}, which moves"
            yield _build_finding(server, server.image.package, text)


def _find_insecure(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each server on another machine that is reached without TLS, configured or registered."""
    yield from _find_registered("insecure-url")(rule_input)
    for server in _iter_servers(rule_input, "insecure-url"):
        yield _build_finding(server, server.remote_package, f"the server {server.name} is at {server.url}")


def _find_registered(problem_id: RegistrationProblemId) -> Callable[[RuleInput], Iterator[Finding]]:
    """Return the check of a rule about servers that were named as they are in the MCP registry."""

    def check(rule_input: RuleInput) -> Iterator[Finding]:
        for problem in rule_input.registration_problems:
            if problem.id == problem_id:
                package = problem.package
                yield Finding(
                    text=problem.text,
                    purl=package.purl,
                    name=package.name,
                    locations=problem.locations,
                    undecided=problem.undecided,
                )

    return check


def _build_finding(server: McpServer, package: Package, text: str) -> Finding:
    return Finding(text=text, purl=package.purl, name=package.name, locations=(server.location,))


MCP_UNPINNED: Final = PolicyRule(
    id="mcp-unpinned",
    level="warn",
    summary="The command of an MCP server does not fix the version that it runs.",
    explanation="`npx`, `uvx` and their relatives install a package when the client starts the server. Without an "
    "exact version they take the newest one, `@latest` included: a version that was published a minute ago runs with "
    "the rights of the user. The same holds for a container image without a tag or with the tag `latest`, and for a "
    "repository without a full commit.",
    hint="write the version that was checked: npx -y NAME@1.2.3, uvx NAME@1.2.3, IMAGE@sha256:...",
    headings=("MCP server without a fixed version", "MCP servers without fixed versions"),
    count_phrases=("unpinned MCP server", "unpinned MCP servers"),
    check=_find_unpinned,
)
MCP_INSECURE_URL: Final = PolicyRule(
    id="mcp-insecure-url",
    level="deny",
    summary="An MCP server on another machine is reached without TLS.",
    explanation="The URL begins with `http:` or `ws:`. Whoever is on the way can read what the client sends, tokens "
    "included, and answer in the place of the server, whose tools the client then calls. The addresses of the machine "
    "itself (`localhost`, `127.0.0.0/8`, `::1`) are no finding. The addresses that the MCP registry lists for a server "
    "named `mcp:NAME` count as well.",
    hint="use the https: or wss: address of the server",
    headings=("MCP server without TLS", "MCP servers without TLS"),
    count_phrases=("MCP server without TLS", "MCP servers without TLS"),
    check=_find_insecure,
)
MCP_DELETED: Final = PolicyRule(
    id="mcp-deleted",
    level="deny",
    summary="An MCP server was deleted from the MCP registry.",
    explanation="The registry deletes servers that are spam, malware or against its rules, and those that their "
    "publishers withdraw. Looked up are servers by their names in the registry (`mcp:NAME`), servers whose packages "
    "claim such a name, if the registry confirms it, and servers at URLs. A status that the registry does not state "
    "leaves the run incomplete.",
    hint="do not start it; look for the reason at its publisher",
    headings=("Deleted MCP server", "Deleted MCP servers"),
    count_phrases=("deleted MCP server", "deleted MCP servers"),
    check=_find_registered("deleted"),
)
MCP_DEPRECATED: Final = PolicyRule(
    id="mcp-deprecated",
    level="warn",
    summary="An MCP server is deprecated in the MCP registry.",
    explanation="Its publisher has marked it so: it gets no further versions, or another server replaces it. "
    "Looked up are the same servers as by `mcp-deleted`.",
    hint="use the server that its publisher names in its place",
    headings=("Deprecated MCP server", "Deprecated MCP servers"),
    count_phrases=("deprecated MCP server", "deprecated MCP servers"),
    check=_find_registered("deprecated"),
)
MCP_NAME_PROOF: Final = PolicyRule(
    id="mcp-name-proof",
    level="warn",
    summary="The package of an MCP server does not state the server's name.",
    explanation="The MCP registry lets a name be published only if the package states it: `mcpName` in package.json, "
    "`mcp-name:` in the README on PyPI. A package that does not, or not any more, may belong to somebody else than the "
    "server. The same holds for a package that claims a name for which the registry lists other packages. Where the "
    "registry of the package gives no answer about a name that was stated for it, the run is incomplete.",
    hint="compare the source repository of the package with that of the server",
    headings=(
        "MCP server whose package does not state its name",
        "MCP servers whose packages do not state their names",
    ),
    count_phrases=("MCP server without proof of its name", "MCP servers without proof of their names"),
    check=_find_registered("name-proof"),
)
