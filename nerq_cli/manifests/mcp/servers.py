"""From the entry of a server in a configuration file to an `McpServer`, without any value that may be a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from nerq_cli.ecosystems import GENERIC, NPM, OTHER, PYPI, EcosystemId, get_ecosystem
from nerq_cli.inventory import Location, McpPackage, McpProblem, McpServer
from nerq_cli.manifests.mcp.addresses import clean_url, may_be_token
from nerq_cli.manifests.mcp.launchers import VARIABLE, Launch, parse_command, parse_image
from nerq_cli.manifests.mcp.literal_secrets import has_token, holds_secret
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.manifests.mcp.nodes import Node

#: Keys of the URL of a server; the first that is set counts. Gemini has ``httpUrl``, Windsurf ``serverUrl``.
URL_KEYS: Final = ("url", "serverUrl", "httpUrl", "uri", "endpoint")
COMMAND_KEYS: Final = ("command", "cmd")
#: Keys of objects or lists with the names of environment variables, and of headers.
_ENVIRONMENT_KEYS: Final = ("env", "envs", "environment", "env_keys", "env_vars", "environmentVariables")
_HEADER_KEYS: Final = ("headers", "http_headers", "env_http_headers", "httpHeaders")
#: Transports by their names in configuration files, in lower case and without separators.
_TRANSPORTS: Final = {
    **dict.fromkeys(("stdio", "local", "builtin"), "stdio"),
    **dict.fromkeys(("http", "https", "streamablehttp", "streamablehttps", "remote"), "http"),
    "sse": "sse",
    **dict.fromkeys(("ws", "wss", "websocket"), "ws"),
}
_INSECURE_SCHEMES: Final = frozenset({"http", "ws"})
_LOOPBACK: Final = compile_late(r"localhost|.*\.localhost|127(?:\.\d{1,3}){3}|::1|host\.docker\.internal")
#: Names of variables and headers.
_NAME: Final = compile_late(r"[A-Za-z_][\w.-]*", re.ASCII)
#: Longest name shown, in characters.
_MAX_NAME: Final = 200


def is_insecure(url: str) -> bool:
    """Whether a URL has no TLS and leads to another machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return url.lower().startswith(("http:", "ws:"))
    return parts.scheme.lower() in _INSECURE_SCHEMES and not _LOOPBACK.fullmatch(host)


def read_server(name: str, node: Node, client: str, path: str) -> McpServer:
    """Return the server of one entry. An entry that cannot be read has the problem ``unreadable``. Never raises."""
    location = Location(path=path, line=node.line)
    name = name[:_MAX_NAME]
    if not isinstance(node.data, dict):
        return McpServer(name=name, client=client, location=location, problems=("unreadable",))
    transport_node = node.get("transport")
    inner = transport_node if transport_node is not None and transport_node.members else node
    command_node = inner.get(*COMMAND_KEYS) or node.get(*COMMAND_KEYS)
    if command_node is not None and command_node.members:  # Zed: {"command": {"path": ..., "args": [...]}}
        inner, command_node = command_node, command_node.get("path", "command")
    words = _read_command(command_node)
    arguments = [*words[1:], *_read_arguments(inner), *(_read_arguments(node) if inner is not node else ())]
    url = inner.get_text(*URL_KEYS) or node.get_text(*URL_KEYS)
    launch = parse_command(words[0], arguments) if words else Launch(launcher="url" if url else "")
    problems: list[McpProblem] = []
    if not words and not url and not _is_described(node):
        problems.append("unreadable")
    if holds_secret(node):
        problems.append("literal-secret")
    stated_transport = inner.get_text("type") or node.get_text("transport", "type")
    return build_server(
        launch,
        name=name,
        client=client,
        location=location,
        url=url or launch.url,
        stated_transport=stated_transport,
        environment=_list_names(node, inner, _ENVIRONMENT_KEYS),
        headers=_list_names(node, inner, _HEADER_KEYS),
        problems=problems,
        is_enabled=_is_enabled(node),
    )


def build_server(  # noqa: PLR0913 - the parts of an entry
    launch: Launch,
    *,
    name: str,
    client: str,
    location: Location,
    url: str = "",
    stated_transport: str = "",
    environment: Sequence[str] = (),
    headers: Sequence[str] = (),
    problems: Iterable[McpProblem] = (),
    is_enabled: bool = True,
) -> McpServer:
    """Return the server that a launch or a URL stands for, with its problems."""
    launch = _hide_tokens(launch)
    transport, is_known = _normalise_transport(stated_transport, url, launch)
    found = dict.fromkeys(problems)
    if any(not package.is_pinned and not _is_elsewhere(package) for package in launch.packages) or (
        launch.image is not None and not launch.image.digest and launch.image.tag in {"", "latest"}
    ):
        found["unpinned"] = None
    if url and is_insecure(url):
        found["insecure-url"] = None
    if launch.has_variable or (launch.launcher in _IMAGE_LAUNCHERS and VARIABLE.search(url)):
        found["variable"] = None
    if not is_known:
        found["transport"] = None
    return McpServer(
        name=name,
        client=client,
        location=location,
        launcher=launch.launcher,
        packages=launch.packages,
        image=launch.image,
        url=clean_url(url) if url else "",
        transport=transport,
        environment=tuple(environment),
        headers=tuple(headers),
        problems=tuple(sorted(found)),
        is_enabled=is_enabled,
        is_local=launch.is_local,
    )


def _hide_tokens(launch: Launch) -> Launch:
    """Return a launch without names and versions that are tokens: they were the values of options not known here."""
    hidden = McpPackage(ecosystem=GENERIC, name="package", skip_reason=_HIDDEN)
    packages = [
        hidden if has_token(f"{item.name} {item.requirement} {item.skip_reason}") else item for item in launch.packages
    ]
    image = launch.image
    if image is not None and has_token(f"{image.name} {image.tag}"):
        image, packages = None, [*packages, hidden]
    if packages == [*launch.packages]:
        return launch
    return replace(launch, packages=tuple(dict.fromkeys(packages)), image=image)


#: Reason of a package whose name is not shown.
_HIDDEN: Final = "what it runs looks like a secret: not shown"
_IMAGE_LAUNCHERS: Final = frozenset({"docker", "podman", "nerdctl"})


def _is_elsewhere(package: McpPackage) -> bool:
    """Whether a package is in no state to be pinned by a version: at an address that is not a repository."""
    return package.skip_reason.startswith(("URL: ", "local"))


def _read_command(node: Node | None) -> list[str]:
    """Return the words of a command, which is a text or a list."""
    if node is None:
        return []
    if isinstance(node.data, str):
        return [node.data] if node.data.strip() else []
    return [item.data for item in node.items if isinstance(item.data, str)]


def _read_arguments(node: Node) -> list[str]:
    from nerq_cli.manifests.mcp.launchers import split_words

    arguments = node.get("args", "arguments")
    if arguments is None:
        return []
    if isinstance(arguments.data, str):
        return split_words(arguments.data)
    return [_format_item(item) for item in arguments.items]


def _format_item(item: Node) -> str:
    """Return an argument as text: numbers and booleans count as well."""
    data = item.data
    if isinstance(data, bool):
        return str(data).lower()
    return f"{data:g}" if isinstance(data, float) else data if isinstance(data, str) else ""


def _is_described(node: Node) -> bool:
    """Whether an entry has no command because the client has the server: an extension, or settings of one."""
    kind = node.get_text("type", "source")
    has_only_settings = bool(node.members) and set(node.members) <= {"settings", "enabled", "disabled", "source"}
    return kind in {"builtin", "platform", "extension", "inline_python"} or has_only_settings


def _is_enabled(node: Node) -> bool:
    disabled, enabled = node.get("disabled"), node.get("enabled")
    is_off = enabled is not None and enabled.data is False
    return not is_off and not (disabled is not None and disabled.data is True)


def _normalise_transport(stated: str, url: str, launch: Launch) -> tuple[str, bool]:
    """Return the transport of a server, and whether what the file states is one."""
    known = _TRANSPORTS.get(re.sub(r"[^a-z]", "", stated.lower()))
    if known:
        return known, True
    if url and launch.launcher == "url":
        return ("ws" if url.lower().startswith("ws") else "http"), not stated or _is_source(stated)
    return ("stdio" if launch.launcher else ""), not stated or _is_source(stated)


def _is_source(stated: str) -> bool:
    """Whether a type is that of the entry in the client, and no transport."""
    return stated in {"custom", "extension", "platform", "frontend", "inline_python", "docker", "server"}


def _list_names(node: Node, inner: Node, keys: Sequence[str]) -> tuple[str, ...]:
    """Return the names in objects, and in lists of names or of objects with a name."""
    names: dict[str, None] = {}
    for holder in (node, inner):
        for key in keys:
            value = holder.get(key)
            if value is not None:
                names |= dict.fromkeys(value.members)
                names |= dict.fromkeys(_get_name(item) for item in value.items)
    variable = node.get_text("bearer_token_env_var")
    if variable and keys is _ENVIRONMENT_KEYS:
        names[variable] = None
    return tuple(name[:_MAX_NAME] for name in names if name and name.isprintable())


def _get_name(item: Node) -> str:
    """Return the name of a variable or header in a list, without a value after ``=`` or ``:``; empty for no name."""
    text = item.data if isinstance(item.data, str) else item.get_text("name", "key")
    name = re.split(r"[=:]", text, maxsplit=1)[0].strip()
    return name if _NAME.fullmatch(name) and not may_be_token(name) else ""


# --- server.json of the MCP registry, and bundles ---------------------------------------------------------------------

_REGISTRY_ECOSYSTEMS: Final[dict[str, EcosystemId]] = {"npm": NPM, "pypi": PYPI}


def read_registry_document(root: Node, client: str, path: str) -> Iterator[McpServer]:
    """Yield a server for each package and remote of a ``server.json``, with the name that the registry has."""
    holder = root.get("server")
    root = holder if holder is not None and holder.members else root
    name = root.get_text("name")[:_MAX_NAME] or "server"
    for key in ("packages", "remotes"):
        node = root.get(key)
        for item in node.items if node is not None else ():
            location = Location(path=path, line=item.line)
            if not item.members:
                yield McpServer(name=name, client=client, location=location, problems=("unreadable",))
                continue
            transport = item.get("transport")
            yield build_server(
                read_registry_package(item) if key == "packages" else Launch(launcher="url"),
                name=name,
                client=client,
                location=location,
                url=item.get_text("url") if key == "remotes" else "",
                stated_transport=(transport or item).get_text("type", "transport_type"),
                environment=_list_names(item, item, _ENVIRONMENT_KEYS),
                headers=_list_names(item, item, _HEADER_KEYS),
                problems=["literal-secret"] if holds_secret(item) else (),
            )


def read_registry_package(item: Node) -> Launch:
    """Return what a package of the registry's documents installs."""
    kind = item.get_text("registryType", "registry_type", "registry_name").lower()
    identifier, version = item.get_text("identifier", "name"), item.get_text("version")
    launcher = item.get_text("runtimeHint", "runtime_hint") or kind
    if kind in {"oci", "docker"}:
        return Launch(
            launcher="docker",
            image=parse_image(identifier if ":" in identifier or not version else f"{identifier}:{version}"),
        )
    ecosystem = _REGISTRY_ECOSYSTEMS.get(kind)
    if ecosystem is None or get_ecosystem(ecosystem).find_name_error(identifier):
        shown = clean_url(identifier) if "://" in identifier else identifier
        package = McpPackage(
            ecosystem=GENERIC if "://" in identifier else OTHER,
            name=shown.rpartition("/")[2] if "://" in identifier else f"{kind or 'generic'}/{shown}",
            requirement=f"=={version}" if version else "",
            skip_reason=f"URL: {shown}" if "://" in identifier else f"{kind or 'a registry'}: not scored",
            is_pinned=bool(version) or item.get("fileSha256", "file_sha256") is not None,
        )
        return Launch(launcher=launcher, packages=(package,))
    base_url = item.get_text("registryBaseUrl", "registry_base_url")
    package = McpPackage(
        ecosystem=ecosystem,
        name=identifier,
        requirement=get_ecosystem(ecosystem).format_pin(version) if version and version != "latest" else "",
        index="" if get_ecosystem(ecosystem).is_registry_url(base_url) or not base_url else clean_url(base_url),
        is_pinned=bool(version) and version != "latest",
    )
    return Launch(launcher=launcher, packages=(package,))
