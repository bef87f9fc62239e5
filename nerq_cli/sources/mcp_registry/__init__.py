"""The MCP registry: one version of a server, a search by name, and the proof of ownership in packages.

Its API is that of modelcontextprotocol/registry, docs/reference/api/openapi.yaml: version v0.1, no credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlencode

from msgspec.structs import replace

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Fact, Found, McpNameProof, McpRegistration, McpSearchPage, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import McpServerId, Release
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.text import MAX_REASON, MAX_SUMMARY, clean_text, clean_url, decode_json, parse_timestamp

_INFO: Final = SOURCES["mcp-registry"]
LABEL: Final = _INFO.label
#: Servers on a page of a search, the highest number that the registry allows; and most pages read.
PAGE_SIZE: Final = 100
MAX_PAGES: Final = 10
#: Packages and remotes read of one server; real ones have a few.
_MAX_ITEMS: Final = 100
_STATES: Final = frozenset({"active", "deprecated", "deleted"})
#: Key of what the registry itself states about a server.
_OFFICIAL: Final = "io.modelcontextprotocol.registry/official"
_CLIENT_ERROR: Final = 400
_DECODER = build_json_decoder_late(dict[str, Any])
#: The statement in a README, followed by a space, a tag, or the end of a comment.
_README_NAME = compile_late(r"mcp-name:[ \t]*([A-Za-z0-9][\w./-]{0,199}?)(?=[\s<]|-->|$)", re.IGNORECASE)

#: Whether a package states the name under which the registry lists it.
Ownership: TypeAlias = Literal["match", "mismatch", "unknown"]


class _RegistrationSource:
    """One version of a server; ``latest`` is the newest. Deleted versions are included."""

    name = "mcp-registration"
    label = LABEL
    kind = McpRegistration
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = 2_000_000
    probe = False
    cooldown = _INFO.cooldown
    time_limits = _INFO.time_limits

    def requests(self, subjects: Sequence[McpServerId], endpoint: Endpoint) -> Iterator[Request[McpServerId]]:
        """Request one server at a time."""
        for server in subjects:
            path = f"{quote(server.name, safe='')}/versions/{quote(server.version, safe='')}"
            url = f"{endpoint.url}/v0.1/servers/{path}?include_deleted=true"
            yield Request(url=url, subjects=(server,), endpoint=endpoint)

    def parse(
        self, request: Request[McpServerId], response: Response
    ) -> Iterator[tuple[McpServerId, McpRegistration | None]]:
        """Read the server; one of another name is no answer."""
        [server] = request.subjects
        if response.status >= _CLIENT_ERROR:
            yield server, None
            return
        registration = _read_registration(decode_json(_DECODER, response.body))
        if registration is None or registration.name != server.name:
            raise ResponseError("the answer is not about the requested server")
        yield server, registration


class _SearchSource:
    """One page of the newest versions of servers whose names contain a text."""

    name = "mcp-search"
    label = LABEL
    kind = McpSearchPage
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = 10_000_000
    probe = False
    cooldown = _INFO.cooldown
    time_limits = _INFO.time_limits

    def requests(self, subjects: Sequence[McpServerId], endpoint: Endpoint) -> Iterator[Request[McpServerId]]:
        """Request one page at a time."""
        for page in subjects:
            query = {"search": page.name, "version": page.version, "limit": str(PAGE_SIZE)}
            query |= {"cursor": page.cursor} if page.cursor else {}
            query |= {"include_deleted": "true"} if page.includes_deleted else {}
            yield Request(url=f"{endpoint.url}/v0.1/servers?{urlencode(query)}", subjects=(page,), endpoint=endpoint)

    def parse(
        self, request: Request[McpServerId], response: Response
    ) -> Iterator[tuple[McpServerId, McpSearchPage | None]]:
        """Read one page. A server that cannot be read is left out."""
        [page] = request.subjects
        if response.status >= _CLIENT_ERROR:
            yield page, None
            return
        document = decode_json(_DECODER, response.body)
        items = document.get("servers")
        if not isinstance(items, list):
            raise ResponseError("the answer has no list of servers")
        metadata = _as_object(document.get("metadata"))
        cursor = metadata.get("nextCursor", metadata.get("next_cursor"))
        servers = (_read_registration(item) for item in items[: 10 * PAGE_SIZE])
        yield (
            page,
            McpSearchPage(
                servers=tuple(server for server in servers if server is not None),
                next_cursor=cursor if isinstance(cursor, str) and len(cursor) <= MAX_REASON else "",
            ),
        )


def _as_object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value[:_MAX_ITEMS] if isinstance(item, dict)] if isinstance(value, list) else []


def _read_registration(document: object) -> McpRegistration | None:
    """Return the server of a document; None if it has no name."""
    outer = _as_object(document)
    server = _as_object(outer.get("server")) or outer
    name = clean_text(server.get("name"), MAX_SUMMARY)
    if not name:
        return None
    official = _as_object(_as_object(outer.get("_meta")).get(_OFFICIAL))
    status = clean_text(official.get("status") or server.get("status"), MAX_SUMMARY).lower()
    return McpRegistration(
        name=name,
        version=clean_text(server.get("version"), MAX_SUMMARY),
        status=status if status in _STATES else "",
        status_message=clean_text(official.get("statusMessage"), MAX_REASON),
        repository=clean_url(_as_object(server.get("repository")).get("url")),
        packages=tuple(_read_package(item) for item in _as_objects(server.get("packages"))),
        remotes=tuple(
            (clean_text(item.get("type"), MAX_SUMMARY), url.partition("?")[0])
            for item in _as_objects(server.get("remotes"))
            if (url := clean_url(item.get("url")))
        ),
        published_at=parse_timestamp(official.get("publishedAt")),
    )


def _read_package(item: dict[str, Any]) -> tuple[str, str, str]:
    return (
        clean_text(item.get("registryType") or item.get("registry_type"), MAX_SUMMARY).lower(),
        clean_text(item.get("identifier"), MAX_REASON),
        clean_text(item.get("version"), MAX_SUMMARY),
    )


class _NameProofSource:
    """The names of MCP servers in the manifest (npm) or the README (PyPI) of one version of a package."""

    name = "mcp-name-proof"
    label = LABEL
    kind = McpNameProof
    max_age = SOURCES["npm"].max_age
    absent_max_age = SOURCES["npm"].absent_max_age
    limit = 25_000_000
    probe = False
    time_limits = SOURCES["npm"].time_limits

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Request the document of one version at a time from the registry that has it."""
        for release in subjects:
            version = quote(release.version, safe="")
            if release.package.registry_api == "npm":
                url = f"{endpoint.url}/{release.package.url_segment}/{version}"
            else:
                url = f"{endpoint.url}/pypi/{release.package.url_segment}/{version}/json"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, McpNameProof | None]]:
        """Read the names."""
        [release] = request.subjects
        if response.status >= _CLIENT_ERROR:
            yield release, None
            return
        document = decode_json(_DECODER, response.body)
        if release.package.registry_api == "npm":
            names = [clean_text(document.get("mcpName"), MAX_SUMMARY)]
        else:
            info = document.get("info")
            if not isinstance(info, dict):
                raise ResponseError("the answer has no metadata")
            description = info.get("description")
            names = _README_NAME.findall(description) if isinstance(description, str) else []
        yield release, McpNameProof(names=tuple(dict.fromkeys(filter(None, names)))[:_MAX_ITEMS])


REGISTRATION_SOURCE: Final[Source[McpServerId, McpRegistration]] = _RegistrationSource()
SEARCH_SOURCE: Final[Source[McpServerId, McpSearchPage]] = _SearchSource()
NAME_PROOF_SOURCE: Final[Source[Release, McpNameProof]] = _NameProofSource()


def fetch_registration(run: FetchRun, server: McpServerId, endpoint: Endpoint) -> Fact[McpRegistration]:
    """Return one version of a server by its full name."""
    return run.fetch(REGISTRATION_SOURCE, [server], endpoint)[server]


def search_servers(run: FetchRun, name: str, endpoint: Endpoint) -> tuple[McpRegistration, ...] | Unknown:
    """Return the servers whose names have this last part, or are this name; Unknown if a page is missing."""
    servers = _read_pages(run, McpServerId(name=name), endpoint)
    if isinstance(servers, Unknown):
        return servers
    return tuple(server for server in servers if name in {server.name, server.name.rpartition("/")[2]})


def find_domain_servers(run: FetchRun, namespace: str, endpoint: Endpoint) -> tuple[McpRegistration, ...] | Unknown:
    """Return the servers in the namespaces of a domain, deleted ones included; Unknown if a page is missing.

    The registry accepts a remote server only if its host is in the domain of the namespace.

    Args:
        run: sends the requests.
        namespace: the domain in reverse: ``com.example``.
        endpoint: the registry.
    """
    servers = _read_pages(run, McpServerId(name=namespace, includes_deleted=True), endpoint)
    if isinstance(servers, Unknown):
        return servers
    return tuple(server for server in servers if f"{server.name.partition('/')[0]}.".startswith(f"{namespace}."))


def _read_pages(run: FetchRun, first_page: McpServerId, endpoint: Endpoint) -> tuple[McpRegistration, ...] | Unknown:
    """Return the newest versions of the servers on all pages of a search, each name once."""
    found: dict[str, McpRegistration] = {}
    page = first_page
    for _ in range(MAX_PAGES):
        fact = run.fetch(SEARCH_SOURCE, [page], endpoint)[page]
        if isinstance(fact, Unknown):
            return fact
        if not isinstance(fact, Found):
            return Unknown("the registry has no search", LABEL)
        found |= {server.name: server for server in fact.value.servers}
        if not fact.value.next_cursor or fact.value.next_cursor == page.cursor:
            return tuple(found.values())
        page = replace(first_page, cursor=fact.value.next_cursor)
    return Unknown(f"more than {MAX_PAGES} pages of servers with this name", LABEL)


def check_ownership(registered_name: str, proof: Fact[McpNameProof]) -> Ownership:
    """Return whether a package states the name of a server. A package that states none is no match."""
    if not isinstance(proof, Found):
        return "unknown"
    return "match" if registered_name in proof.value.names else "mismatch"
