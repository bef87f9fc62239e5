"""Resolve targets ``mcp:NAME``: from a server in the MCP registry to the packages that are scored."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.ecosystems import GENERIC, NPM, OTHER, PYPI, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.errors import UsageError
from nerq_cli.facts import Absent, Fact, Found, McpRegistration, Unknown
from nerq_cli.inventory import (
    NO_REGISTRATION,
    Declaration,
    Location,
    McpServerId,
    Package,
    RegistrationProblem,
    Release,
)
from nerq_cli.manifests.mcp.configuration import HOSTED_SERVER, explain_image
from nerq_cli.manifests.mcp.launchers import parse_image
from nerq_cli.manifests.mcp.servers import is_insecure
from nerq_cli.patterns import compile_late
from nerq_cli.sources.mcp_registry import check_ownership
from nerq_cli.targets import COMMAND_LINE

if TYPE_CHECKING:
    from nerq_cli.application.evidence_run import EvidenceRun

#: Group of the dependencies that a server stands for.
MCP_GROUP: Final = "mcp"
#: Namespace and name, or the name alone; then a version.
SERVER_TARGET: Final = compile_late(
    r"mcp:\s*(?P<name>[A-Za-z0-9][\w.-]{0,200}(?:/[A-Za-z0-9][\w.-]{0,200})?)(?:@(?P<version>[\w.+-]{1,200}))?",
    re.IGNORECASE,
)
_HINT: Final = "write mcp:io.github.owner/server, mcp:server or mcp:io.github.owner/server@1.0.2"
#: Ecosystems of the packages that are scored, by the type that the registry states.
_ECOSYSTEMS: Final[dict[str, EcosystemId]] = {"npm": NPM, "pypi": PYPI}
#: What the packages of other types are called, and whether a version of them has a package URL of the same type.
_TYPE_NAMES: Final[dict[str, tuple[str, bool]]] = {
    "nuget": ("NuGet packages", True),
    "cargo": ("Cargo packages", True),
    "mcpb": ("MCP bundles", False),
    "docker": ("container images", False),
    "oci": ("container images", False),
}
#: A text that may be the name or the address of a package, without a part that leads elsewhere.
_IDENTIFIER: Final = compile_late(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[A-Za-z0-9@][\w.@:/+~%?=&-]{0,400}", re.ASCII)
#: Types of container images.
_IMAGES: Final = frozenset({"docker", "oci"})
#: Most names that an error lists.
_MAX_SHOWN: Final = 5
_STATUS_TEXTS: Final = {
    "deprecated": "is deprecated in the MCP registry",
    "deleted": "was deleted from the MCP registry, which does so with spam and malware",
    "": "has no status that is known",
}


class AbsentServerError(UsageError):
    """The MCP registry has no such server, or not in this version."""


class PrivateServerError(UsageError):
    """The settings declare the name of a server private."""


class AmbiguousServerError(UsageError):
    """Several servers have a name; ``names`` are their full ones, sorted."""

    def __init__(self, name: str, names: Sequence[str]) -> None:
        shown = ", ".join(names[:_MAX_SHOWN])
        super().__init__(f"{len(names)} servers in the MCP registry are called {name}", hint=f"name one: {shown}")
        self.names = tuple(names)


class ResolvedServer(msgspec.Struct, frozen=True):
    """The dependencies that a server stands for, and sentences for the user."""

    declarations: tuple[Declaration, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[RegistrationProblem, ...] = ()
    #: None without an answer of the registry.
    registration: McpRegistration | None = None


def resolve_target(target: str, run: EvidenceRun) -> ResolvedServer:
    """Return the packages of a server in the MCP registry; without an answer the server itself, which is not judged.

    Raises:
        UsageError: the target has another form, its name is private, there is no such server, or several have the name.
    """
    match = SERVER_TARGET.fullmatch(target.strip())
    if match is None:
        raise UsageError(f"{target!r} names no MCP server", hint=_HINT)
    name, version = match["name"], match["version"] or "latest"
    if _is_private(name, run):
        raise PrivateServerError(f"{target!r} is not looked up: the settings declare the name private")
    if "/" not in name:
        found = run.search_servers(name)
        if isinstance(found, Unknown):
            return _build_unknown(name, found)
        if len(found) != 1:
            raise _explain_search(name, found)
        name = found[0].name
    fact: Fact[McpRegistration] = run.find_server(McpServerId(name=name, version=version))
    if isinstance(fact, Absent):
        raise AbsentServerError(f"the MCP registry has no server {name} in version {version}", hint=_HINT)
    if not isinstance(fact, Found):
        return _build_unknown(name, fact)
    server = fact.value
    declarations = tuple(_declare_packages(server)) or (
        _build_declaration(GENERIC, name, "", "MCP server: no package"),
    )
    packages = ", ".join(describe_package(*package) for package in server.packages)
    label = f"{server.name} {server.version}".strip()
    note = f"{label} in the MCP registry is {packages}" if packages else f"{label} has no package in the MCP registry"
    return ResolvedServer(declarations, (note,), tuple(_find_problems(server, declarations, run)), server)


def _is_private(name: str, run: EvidenceRun) -> bool:
    """Return whether a name of a server, or its last part, is one that the settings declare private for packages."""
    return any(
        run.is_declared_private(Package(ecosystem=ecosystem, name=normalise_name(ecosystem, part)))
        for part in (name, name.rpartition("/")[2])
        for ecosystem in (NPM, PYPI)
    )


def describe_package(kind: str, identifier: str, version: str) -> str:
    """Return a package as the registry lists it, as text: ``npm:@acme/files@1.0.0``."""
    return f"{kind}:{identifier}{f'@{version}' if version else ''}"


def label_server(server: McpRegistration) -> str:
    """Return a server as it is shown: ``mcp:io.github.acme/files 1.0.0``."""
    return f"mcp:{server.name} {server.version}".rstrip()


def format_target(server: McpRegistration) -> str:
    """Return the target that names this version of a server, quoted for a shell; the name alone where none can."""
    target = f"mcp:{server.name}@{server.version}"
    return shlex.quote(target if SERVER_TARGET.fullmatch(target) else f"mcp:{server.name}")


def describe_status(server: McpRegistration) -> str:
    """Return the status of a server in a word, empty if it is active."""
    return "" if server.status == "active" else server.status or "status not known"


def is_listed_package(package: Package, server: McpRegistration) -> bool:
    """Return whether the registry lists a package for a server, at whatever version."""
    return any(
        _ECOSYSTEMS.get(kind) == package.ecosystem and normalise_name(package.ecosystem, identifier) == package.name
        for kind, identifier, _ in server.packages
    )


def find_status_problem(server: McpRegistration, package: Package) -> RegistrationProblem | None:
    """Return what the status of a server is against it; None if it is active."""
    if server.status == "active":
        return None
    message = f": {server.status_message}" if server.status_message else ""
    return RegistrationProblem(
        id="deprecated" if server.status == "deprecated" else "deleted",
        text=f"{server.name} {_STATUS_TEXTS[server.status]}{message}",
        package=package,
        undecided=not server.status,
    )


def _explain_search(name: str, found: tuple[McpRegistration, ...]) -> UsageError:
    if not found:
        return AbsentServerError(f"the MCP registry has no server with the name {name}", hint=_HINT)
    return AmbiguousServerError(name, sorted(server.name for server in found))


def _build_unknown(name: str, fact: Unknown) -> ResolvedServer:
    reason = f"{NO_REGISTRATION}{fact.reason}"
    return ResolvedServer((_build_declaration(GENERIC, name, "", reason),))


def _build_declaration(ecosystem: EcosystemId, name: str, requirement: str, skip_reason: str = "") -> Declaration:
    return Declaration(
        ecosystem=ecosystem,
        name=name,
        requirement=requirement,
        group=MCP_GROUP,
        location=Location(path=COMMAND_LINE, line=0),
        skip_reason=skip_reason,
    )


def _declare_packages(server: McpRegistration) -> Iterator[Declaration]:
    """Yield the packages of a server, those that are scored first; then what is listed."""
    scored = [item for item in server.packages if _is_scored(*item)]
    for kind, identifier, version in scored:
        ecosystem = _ECOSYSTEMS[kind]
        yield _build_declaration(ecosystem, identifier, get_ecosystem(ecosystem).format_pin(version) if version else "")
    for kind, identifier, version in server.packages:
        image = parse_image(identifier) if kind in _IMAGES else None
        if image is not None:
            pin = image.version or version
            requirement = f"=={pin}" if pin and pin != "latest" else pin
            yield _build_declaration(image.package.ecosystem, image.package.name, requirement, explain_image(image))
        elif (kind, identifier, version) not in scored:
            yield _declare_listed(server, kind, identifier, version)
    for _, url in server.remotes:
        yield _declare_remote(url)


def _declare_remote(url: str) -> Declaration:
    return _build_declaration(GENERIC, url.partition("://")[2].strip("/"), "", HOSTED_SERVER)


def _declare_listed(server: McpRegistration, kind: str, identifier: str, version: str) -> Declaration:
    """Return a package that is not scored; for one that cannot exist the server itself."""
    if kind in _ECOSYSTEMS or not _IDENTIFIER.fullmatch(identifier):
        shown = describe_package(kind, identifier, version)
        reason = f"the MCP registry names a package that cannot exist: {shown}"
        return _build_declaration(GENERIC, server.name, "", reason)
    type_name, has_purl = _TYPE_NAMES.get(kind, (f"packages of the type {kind}" if kind else "such packages", False))
    address = identifier.partition("://")[2] or identifier
    name = f"{kind}/{address}" if has_purl else address
    requirement = f"=={version}" if version else ""
    return _build_declaration(OTHER if has_purl else GENERIC, name, requirement, f"{type_name} are not scored")


def _is_scored(kind: str, identifier: str, _version: str) -> bool:
    return kind in _ECOSYSTEMS and not get_ecosystem(_ECOSYSTEMS[kind]).find_name_error(identifier)


def _find_problems(
    server: McpRegistration, declarations: Sequence[Declaration], run: EvidenceRun
) -> Iterator[RegistrationProblem]:
    """Yield what the registry states against a server, and each package that does not state its name."""
    problem = find_status_problem(server, declarations[0].package)
    if problem is not None:
        yield problem
    for _, url in server.remotes:
        if is_insecure(url):
            text = f"{server.name} is at {url}"
            yield RegistrationProblem(id="insecure-url", text=text, package=_declare_remote(url).package)
    for declaration in declarations:
        version = get_ecosystem(declaration.ecosystem).parse_pin(declaration.requirement)
        if declaration.skip_reason or not version:
            continue
        release = Release(package=declaration.package, version=version)
        ownership = check_ownership(server.name, run.find_name_proof(release))
        label = f"{declaration.name} {version}"
        if ownership == "mismatch":
            text = f"{label} does not state that it is {server.name}: the registry's name may be someone else's"
            yield RegistrationProblem(id="name-proof", text=text, package=declaration.package)
        elif ownership == "unknown":
            text = f"it is not known whether {label} states that it is {server.name}"
            yield RegistrationProblem(id="name-proof", text=text, package=declaration.package, undecided=True)
