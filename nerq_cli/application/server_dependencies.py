"""The dependencies of MCP servers: nothing locks what ``npx`` or ``uvx`` installs beside the package of a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli.ecosystems import GITHUB, get_ecosystem
from nerq_cli.facts import Found
from nerq_cli.inventory import MCP_GROUP, Declaration, Release
from nerq_cli.resolve.resolver import resolve

if TYPE_CHECKING:
    from nerq_cli.application.evidence_run import EvidenceProvider
    from nerq_cli.evidence.registry_lookup import PackageFacts
    from nerq_cli.facts import Fact
    from nerq_cli.report.model import Assessment
    from nerq_cli.sources.deps_dev import DependencyTree


#: Begin the reasons of servers whose dependencies are not known, or not all of them.
_UNKNOWN: Final = "its dependencies are not known"
_PARTIAL: Final = "not all of its dependencies are known"
#: Why a server from a repository is not judged: what it installs is in files of the repository, which are not read.
_UNRESOLVED_REPOSITORY: Final = f"{_UNKNOWN}: no service resolves those of a repository"


class ServerDependencies:
    """Adds the resolved dependencies of MCP servers to declarations, and keeps those that are not known."""

    def __init__(self, provider: EvidenceProvider, *, python: str = "") -> None:
        """Use the evidence of a run; ``python`` is the full Python version in use."""
        self._provider = provider
        self._python = python
        #: Why not all dependencies of the version of a server are known.
        self._missing: dict[Release, str] = {}

    def add(self, declarations: Iterable[Declaration]) -> Iterator[Declaration]:
        """Yield all declarations, then the dependencies of each server that is a package, at the version in use."""
        servers: list[Declaration] = []
        for declaration in declarations:
            yield declaration
            if is_scored_server(declaration):
                servers.append(declaration)
        if not servers:
            return
        resolved, package_facts = resolve_servers(servers, self._provider, self._python)
        releases = list(dict.fromkeys(release for _, release in resolved))
        trees = self._provider.find_dependencies(releases, package_facts) if releases else {}
        for server, release in resolved:
            fact = trees.get(release)
            reason = _explain_missing(fact)
            if reason:
                self._missing[release] = reason
            if isinstance(fact, Found):
                yield from _declare_nodes(server, fact.value)

    def mark_unknown(self, assessments: Iterable[Assessment]) -> Iterator[Assessment]:
        """Yield the assessments; a server that passes is unknown if not all of its dependencies are known."""
        for assessment in assessments:
            dependency = assessment.dependency
            is_server = dependency.direct and MCP_GROUP in dependency.groups and dependency.release is not None
            reason = self._missing.get(dependency.release) if is_server and dependency.release is not None else None
            if is_server and dependency.package.ecosystem == GITHUB:
                reason = _UNRESOLVED_REPOSITORY
            if reason and assessment.state == "ok":
                yield replace(assessment, state="unknown", reasons=(reason, *assessment.reasons))
            else:
                yield assessment


def lacks_dependencies(assessment: Assessment) -> bool:
    """Return whether a server is not judged because not all of its dependencies are known."""
    return assessment.state == "unknown" and assessment.reasons[0].startswith((_UNKNOWN, _PARTIAL))


def is_scored_server(declaration: Declaration) -> bool:
    """Return whether a declaration is an MCP server that is scored as a package."""
    is_package = declaration.group == MCP_GROUP and declaration.package.registry_api in ("npm", "pypi")
    return is_package and not declaration.skip_reason


def resolve_servers(
    servers: Sequence[Declaration], provider: EvidenceProvider, python: str = ""
) -> tuple[list[tuple[Declaration, Release]], PackageFacts]:
    """Return the version that each server runs, where it is known, and what registries publish about the packages."""
    pins = ((server, get_ecosystem(server.ecosystem).parse_pin(server.requirement)) for server in servers)
    pinned = [Release(package=server.package, version=version) for server, version in pins if version]
    package_facts = provider.collect_packages(list(dict.fromkeys(item.package for item in servers)), pinned)
    resolved = [
        (server, dependency.release)
        for server in servers
        for dependency in resolve([server], package_facts.package_info, python=python or None).dependencies
        if dependency.release is not None
    ]
    return resolved, package_facts


def _explain_missing(fact: Fact[DependencyTree] | None) -> str:
    """Return why not all dependencies of a server are known; empty if they are."""
    if isinstance(fact, Found):
        return _PARTIAL if fact.value.is_partial else ""
    reason = fact.reason if fact is not None else "not looked up"
    return f"{_UNKNOWN}: {reason}"


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
