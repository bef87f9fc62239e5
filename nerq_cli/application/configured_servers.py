"""Look up the MCP servers of configuration files in the MCP registry: by the names that packages claim, and by URLs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from nerq_cli.application.registered_servers import describe_package, find_status_problem, is_listed_package
from nerq_cli.application.server_dependencies import is_scored_server, resolve_servers
from nerq_cli.ecosystems import GENERIC
from nerq_cli.facts import Absent, Fact, Found, McpNameProof, McpRegistration, Unknown
from nerq_cli.inventory import (
    Declaration,
    DependencyFile,
    Location,
    McpServer,
    McpServerId,
    Package,
    RegistrationProblem,
    Release,
)
from nerq_cli.manifests.mcp.addresses import clean_url
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.application.evidence_run import EvidenceRun

#: Names in the MCP registry: a domain in reverse, and a name.
_REGISTERED_NAME: Final = compile_late(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}\.[A-Za-z0-9.-]{1,199}/[A-Za-z0-9._-]{1,200}")
#: Clients whose files state names of the MCP registry.
_PACKAGING: Final = frozenset({"MCP registry", "MCP bundle"})
#: Top-level domains without public hosts: RFC 2606, RFC 6761, RFC 6762, RFC 8375, ICANN's ``internal``, and usual ones
#: of local networks.
_LOCAL_DOMAINS: Final = frozenset(
    {"alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain"}
    | {"localhost", "onion", "private", "test"}
)
#: Second levels of country domains below which names are registered.
_SECOND_LEVELS: Final = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})
_COUNTRY_LENGTH: Final = 2
_MIN_DOMAIN_LABELS: Final = 2
_HOST: Final = compile_late(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
#: Most names that a sentence lists.
_MAX_SHOWN: Final = 3
#: Order of registered servers with the same URL: what an active one states counts.
_STATUS_ORDER: Final = {"active": 0, "": 1, "deprecated": 2, "deleted": 3}


def look_up_servers(
    files: Sequence[DependencyFile], declarations: Iterable[Declaration], run: EvidenceRun, *, python: str = ""
) -> tuple[tuple[DependencyFile, ...], tuple[RegistrationProblem, ...]]:
    """Return the files with remarks about their servers, and what the MCP registry has against these.

    The registry receives the names that public packages state on the registries of packages, and the registered
    domains of public hosts. A name that only a file of the project states is not sent.

    Args:
        files: with their servers.
        declarations: those of the run, with the reasons for which some are not looked up.
        run: sends the requests.
        python: the full Python version in use.
    """
    servers = [server for file in files for server in file.mcp_servers]
    if not servers:
        return tuple(files), ()
    lookup = _Lookup(run)
    scored = [declaration for declaration in declarations if is_scored_server(declaration)]
    lookup.check_packages(scored, servers, python)
    lookup.check_urls(servers)
    remarks = {path: tuple(dict.fromkeys(texts)) for path, texts in lookup.remarks.items()}
    return tuple(replace(file, remarks=remarks.get(file.path, ())) for file in files), tuple(lookup.list_problems())


class _Lookup:
    """Collects what the MCP registry has about servers."""

    def __init__(self, run: EvidenceRun) -> None:
        self._run = run
        #: Sentences by the path of the file that they are about.
        self.remarks: dict[str, list[str]] = defaultdict(list)
        self._problems: dict[RegistrationProblem, set[Location]] = defaultdict(set)

    def list_problems(self) -> Iterator[RegistrationProblem]:
        """Yield each problem once, with all its places."""
        for problem, locations in self._problems.items():
            yield replace(problem, locations=tuple(sorted(locations)))

    def check_packages(self, scored: Sequence[Declaration], servers: Sequence[McpServer], python: str) -> None:
        """Compare the names that packages state with those of the project's files, and with the registry."""
        if not scored:
            return
        resolved, package_facts = resolve_servers(scored, self._run, python)
        releases = list(dict.fromkeys(release for _, release in resolved))
        proofs = self._run.find_name_proofs(releases, package_facts)
        stated = _find_stated_names(servers)
        claims = [(item, release, name) for item, release in resolved for name in _list_names(proofs.get(release))]
        ids = [McpServerId(name=name) for name in dict.fromkeys(name for _, _, name in claims)]
        records = self._run.find_servers(ids) if ids else {}
        for declaration, release in resolved:
            expected = stated.get((declaration.location, release.package), "")
            proof = proofs.get(release)
            if expected and isinstance(proof, Found) and expected not in proof.value.names:
                text = f"{_label(release)} does not state that it is {expected}: the name may be another package's"
                self._add_mismatch(text, release.package, declaration.location)
            elif expected and proof is not None and not isinstance(proof, Found):
                text = f"it is not known whether {_label(release)} states that it is {expected}"
                problem = RegistrationProblem(id="name-proof", text=text, package=release.package, undecided=True)
                self._problems[problem].add(declaration.location)
        for declaration, release, name in claims:
            self._check_claim(declaration.location, release, name, records[McpServerId(name=name)])

    def _check_claim(self, location: Location, release: Release, name: str, fact: Fact[McpRegistration]) -> None:
        claim = f"{_label(release)} claims to be {name}"
        if isinstance(fact, Unknown):
            self.remarks[location.path].append(f"{claim}: not checked, MCP registry: {fact.reason}")
            return
        if isinstance(fact, Absent):
            self.remarks[location.path].append(f"{claim}: the MCP registry has no such server")
            return
        server = fact.value
        if is_listed_package(release.package, server):
            self.remarks[location.path].append(f"{claim}: the MCP registry confirms it")
            problem = find_status_problem(server, release.package)
            if problem is not None:
                self._problems[problem].add(location)
            return
        packages = [describe_package(*package) for package in server.packages]
        listed = ", ".join(packages[:_MAX_SHOWN]) + (" and others" if len(packages) > _MAX_SHOWN else "")
        text = f"{claim}, and the MCP registry lists {listed or 'no package'} for that name"
        self._add_mismatch(text, release.package, location)

    def check_urls(self, servers: Sequence[McpServer]) -> None:
        """Look for the servers at URLs among the remote servers of their domains."""
        namespaces: dict[str, list[McpServer]] = defaultdict(list)
        for server in servers:
            namespace = find_namespace(server.url) if server.url else ""
            if namespace and not self._is_private(server):
                namespaces[namespace].append(server)
        for namespace, members in namespaces.items():
            found = self._run.find_domain_servers(namespace)
            if isinstance(found, Unknown):
                continue  # the report states that the registry did not answer
            for server in members:
                self._check_url(server, found)

    def _is_private(self, server: McpServer) -> bool:
        host = Package(ecosystem=GENERIC, name=urlsplit(server.url).hostname or "")
        return any(map(self._run.is_declared_private, (server.remote_package, host)))

    def _check_url(self, server: McpServer, registered: Sequence[McpRegistration]) -> None:
        address = _normalise_url(server.url)
        matching = [
            item for item in registered if address in {_normalise_url(clean_url(url)) for _, url in item.remotes}
        ]
        if not matching:
            return
        record = min(matching, key=lambda item: (_STATUS_ORDER[item.status], item.name))
        domain = ".".join(reversed(record.name.partition("/")[0].split(".")))
        text = f"{server.remote_package.name} is {record.name} in the MCP registry, published by {domain}"
        self.remarks[server.location.path].append(text)
        problem = find_status_problem(record, server.remote_package)
        if problem is not None:
            self._problems[problem].add(server.location)

    def _add_mismatch(self, text: str, package: Package, location: Location) -> None:
        self._problems[RegistrationProblem(id="name-proof", text=text, package=package)].add(location)


def _find_stated_names(servers: Iterable[McpServer]) -> Mapping[tuple[Location, Package], str]:
    """Return the names of the MCP registry that files state for packages, by the place of the package."""
    return {
        (server.location, package.package): server.name
        for server in servers
        if server.client in _PACKAGING and _REGISTERED_NAME.fullmatch(server.name)
        for package in server.packages
    }


def _list_names(proof: Fact[McpNameProof] | None) -> list[str]:
    names = proof.value.names if isinstance(proof, Found) else ()
    return [name for name in names if _REGISTERED_NAME.fullmatch(name)][:_MAX_SHOWN]


def _label(release: Release) -> str:
    return f"{release.package.name} {release.version}"


def find_namespace(url: str) -> str:
    """Return the registered domain of a public host in reverse (``com.example``); empty for all other hosts."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    labels = host.split(".")
    if not _HOST.fullmatch(host) or labels[-1] in _LOCAL_DOMAINS:
        return ""
    is_country = len(labels[-1]) == _COUNTRY_LENGTH and labels[-2] in _SECOND_LEVELS
    count = _MIN_DOMAIN_LABELS + is_country
    return ".".join(reversed(labels[-count:])) if len(labels) >= count else ""


def _normalise_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    port = {"https": ":443", "http": ":80"}.get(scheme.lower(), "")
    host = re.sub(f"{port}$", "", host.lower()) if port else host.lower()
    return f"{scheme.lower()}{separator}{host}{slash}{path}".rstrip("/")
