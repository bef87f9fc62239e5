"""The dependencies of MCP servers: nothing locks what ``npx`` or ``uvx`` installs beside the package of a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.facts import Found
from nerq_cli.inventory import MCP_GROUP, Declaration, Release

if TYPE_CHECKING:
    from nerq_cli.application.evidence_run import EvidenceProvider
    from nerq_cli.sources.deps_dev import DependencyTree


def add_server_dependencies(declarations: Iterable[Declaration], provider: EvidenceProvider) -> Iterator[Declaration]:
    """Yield all declarations, then the resolved dependencies of each MCP server that is a package at one version."""
    servers: list[tuple[Declaration, Release]] = []
    for declaration in declarations:
        yield declaration
        if declaration.group == MCP_GROUP and not declaration.skip_reason:
            version = get_ecosystem(declaration.ecosystem).parse_pin(declaration.requirement)
            if version and declaration.package.registry_api in ("npm", "pypi"):
                servers.append((declaration, Release(package=declaration.package, version=version)))
    if not servers:
        return
    releases = list(dict.fromkeys(release for _, release in servers))
    package_facts = provider.collect_packages(list(dict.fromkeys(release.package for release in releases)), releases)
    trees = provider.find_dependencies(releases, package_facts)
    for server, release in servers:
        fact = trees.get(release)
        if isinstance(fact, Found):
            yield from _declare_nodes(server, fact.value)


def _declare_nodes(server: Declaration, tree: DependencyTree) -> Iterator[Declaration]:
    for node in tree.nodes:
        yield Declaration(
            ecosystem=server.ecosystem,
            name=node.name,
            requirement="",
            group=MCP_GROUP,
            location=server.location,
            indirect=True,
            locked_version=node.version,
            via=server.name,
            via_distance=node.distance,
            parents=node.parents,
        )
