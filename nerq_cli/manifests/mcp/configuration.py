"""Reads the configuration of an MCP client, and turns its servers into declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import msgspec

from nerq_cli.ecosystems import GENERIC
from nerq_cli.inventory import MCP_GROUP, Declaration, Include, Location, McpImage, McpServer
from nerq_cli.manifests.mcp.clients import CLIENT_FILES, ClientFiles, find_client_file
from nerq_cli.manifests.mcp.nodes import Node, parse_text
from nerq_cli.manifests.mcp.servers import COMMAND_KEYS, URL_KEYS, read_registry_document, read_server
from nerq_cli.manifests.package_source import LOCAL
from nerq_cli.manifests.syntax.problems import ProblemList
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.problem import Problem

#: Group of the declarations.
GROUP: Final = MCP_GROUP
#: Reason of a server at a URL. Nothing is sent to it.
HOSTED_SERVER: Final = "hosted server: not scored"
#: Most servers read from one file; real ones have a few dozen.
MAX_SERVERS: Final = 2_000
#: Row of a file that no row matches.
_ANY_CLIENT: Final = next(row for row in CLIENT_FILES if row.client == "MCP clients")
#: Keys of an entry that decide what is started.
_ENTRY_KEYS: Final = frozenset({*COMMAND_KEYS, *URL_KEYS, "args", "arguments"})
_BUNDLE_KEYS: Final = ("server.mcp_config",)
#: Variables that stand for the directory of a plugin.
_PLUGIN_ROOT: Final = re.compile(r"^\$\{[A-Z_]*PLUGIN_ROOT\}/")


class McpConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """The servers in one configuration file."""

    path: str
    client: str
    servers: tuple[McpServer, ...] = ()
    #: Further files with servers, which a plugin names.
    includes: tuple[Include, ...] = ()
    #: What cannot be read. No message has a value of the file.
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def read_mcp_configuration(path: str, text: str) -> McpConfiguration:
    """Return the servers in a configuration file, whose client and shape follow from its path.

    An entry that cannot be read is a problem of its own; the others are read. Nothing is raised, and no value of a
    variable, header, query or argument is kept.
    """
    row = find_client_file(PurePosixPath(path)) or _ANY_CLIENT
    text = text.removeprefix("\ufeff")
    if not row.is_candidate(text) or not text.strip():
        return McpConfiguration(path=path, client=row.client)
    problems = ProblemList(path, text)
    root = parse_text(text, path, problems)
    if root is None:
        return McpConfiguration(path=path, client=row.client, problems=problems.problems)
    reader = _ConfigurationReader(path, row, problems)
    reader.read(root)
    read_keys = {
        *_ENTRY_KEYS,
        *(part for key in row.keys for part in key.split(".")),
        *(s.name for s in reader.servers),
    }
    for key, line in root.repeated_keys:
        if key in read_keys:  # clients keep other settings in such a file as well
            message = f"{quote_text(key)} stands twice in one object: clients differ in which one they read"
            problems.add_line_problem(message, line)
    return McpConfiguration(
        path=path,
        client=row.client,
        servers=tuple(reader.servers),
        includes=tuple(reader.includes),
        problems=problems.problems,
        notes=tuple(_note_secrets(reader.servers)),
    )


class _ConfigurationReader:
    """Collects the servers of one file."""

    def __init__(self, path: str, row: ClientFiles, problems: ProblemList) -> None:
        self.path = path
        self.row = row
        self.problems = problems
        self.servers: list[McpServer] = []
        self.includes: list[Include] = []

    def read(self, root: Node) -> None:
        """Read all maps of servers in the document."""
        if root.data is None:
            return
        if not isinstance(root.data, dict):
            self.problems.add_line_problem(f"the file must be an object, not {root.kind}", root.line)
        elif self.row.client == "MCP registry":
            for server in read_registry_document(root, self.row.client, self.path):
                self._add_server(server)
        elif self.row.client == "MCP bundle":
            self._read_bundle(root)
        else:
            found = [node for key in self.row.keys for node in _find_nodes(root, key)]
            for node in found:
                self._read_servers(node)
            if not found and self.row.may_be_bare:
                self._read_bare(root)

    def _read_servers(self, node: Node) -> None:
        if isinstance(node.data, dict):
            for name, entry in node.data.items():
                self._read_entry(name, entry)
        elif isinstance(node.data, list):  # Continue: objects with names; a plugin: paths of files
            for position, entry in enumerate(node.data, 1):
                if isinstance(entry.data, str):
                    self._add_include(entry)
                else:
                    self._read_entry(entry.get_text("name") or f"server {position}", entry)
        elif isinstance(node.data, str):
            self._add_include(node)
        elif node.data is not None:
            self.problems.add_line_problem(f"the servers must be an object, not {node.kind}", node.line)

    def _read_bare(self, root: Node) -> None:
        """Read a file that is a map of servers itself: the entries that are servers."""
        for name, entry in root.members.items():
            if entry.get(*COMMAND_KEYS, *URL_KEYS) is not None:
                self._read_entry(name, entry)

    def _read_bundle(self, root: Node) -> None:
        """Read the manifest of a bundle (MCPB, before that DXT), which holds the files of its server."""
        name = root.get_text("name") or "bundle"
        for node in _find_nodes(root, _BUNDLE_KEYS[0]):
            self._read_entry(name, node)

    def _read_entry(self, name: str, entry: Node) -> None:
        if len(self.servers) == MAX_SERVERS:
            self.problems.add_line_problem(f"more than {MAX_SERVERS:,} servers: the rest is not read")
        elif self.row.client == "Docker":
            self._add_server(
                McpServer(
                    name=name,
                    client=self.row.client,
                    launcher="docker",
                    location=Location(path=self.path, line=entry.line),
                )
            )
        else:
            self._add_server(read_server(name, entry, self.row.client, self.path))

    def _add_server(self, server: McpServer) -> None:
        if len(self.servers) == MAX_SERVERS:
            self.problems.add_line_problem(f"more than {MAX_SERVERS:,} servers: the rest is not read")
            return
        self.servers.append(server)
        if "unreadable" in server.problems:
            message = f"{quote_text(server.name)} cannot be read: it has no command and no URL"
            self.problems.add_line_problem(message, server.location.line)

    def _add_include(self, node: Node) -> None:
        """Add a file that a plugin names, relative to its root: the directory above ``.claude-plugin``."""
        pattern = _PLUGIN_ROOT.sub("", str(node.data)).removeprefix("./")
        if pattern.startswith("/") or "$" in pattern or "://" in pattern or len(self.includes) >= MAX_SERVERS:
            self.problems.add_line_problem("the file with the servers is not one of the plugin", node.line)
            return
        prefix = "../" if PurePosixPath(self.path).parent.name == ".claude-plugin" else ""
        self.includes.append(Include(pattern=f"{prefix}{pattern}", line=node.line, format="mcp", group=GROUP))


def _find_nodes(root: Node, dotted_key: str) -> Iterator[Node]:
    """Yield the values at a path of keys, of which ``*`` is any key; and those under an end of the path as one key."""
    key, dot, rest = dotted_key.partition(".")
    if not dot:
        members = root.members.values() if key == "*" else filter(None, [root.members.get(key)])
        yield from members
        return
    if dotted_key in root.members:
        yield root.members[dotted_key]
    for member in root.members.values() if key == "*" else filter(None, [root.members.get(key)]):
        yield from _find_nodes(member, rest)


def _note_secrets(servers: list[McpServer]) -> Iterator[str]:
    names = [quote_text(server.name) for server in servers if "literal-secret" in server.problems]
    if names:
        shown = f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"  # noqa: PLR2004
        yield f"holds a secret as text ({shown}): use a variable of the environment or of the client"


def to_declarations(configuration: McpConfiguration, group: str = GROUP) -> tuple[Declaration, ...]:
    """Return the dependencies that servers are: packages, and images and URLs, which are listed and not scored."""
    return tuple(
        declaration for server in configuration.servers for declaration in _declare_server(server, group or GROUP)
    )


def _declare_server(server: McpServer, group: str) -> Iterator[Declaration]:
    for package in server.packages:
        yield Declaration(
            ecosystem=package.ecosystem,
            name=package.name,
            requirement=package.requirement,
            group=group,
            location=server.location,
            extras=package.extras,
            skip_reason=package.skip_reason,
            index=package.index,
        )
    if server.image is not None:
        version = server.image.version
        yield Declaration(
            ecosystem=server.image.package.ecosystem,
            name=server.image.package.name,
            requirement=f"=={version}" if version and version != "latest" else version,
            group=group,
            location=server.location,
            skip_reason=explain_image(server.image),
        )
    if server.url:
        yield Declaration(
            ecosystem=server.remote_package.ecosystem,
            name=server.remote_package.name,
            requirement="",
            group=group,
            location=server.location,
            skip_reason=HOSTED_SERVER,
        )
    if not (server.packages or server.image or server.url) and "unreadable" not in server.problems:
        yield Declaration(
            ecosystem=GENERIC,
            name=server.name,
            requirement="",
            group=group,
            location=server.location,
            skip_reason=_explain_program(server),
        )


def explain_image(image: McpImage) -> str:
    """Return why an image is not scored, and how it is pinned. Its labels are in the image, which is not read."""
    is_tag = bool(image.tag) and image.tag != "latest"
    pin = "by its digest" if image.digest else "by a tag, which may move" if is_tag else "not pinned"
    return f"container image ({pin}): not scored, its label with the server's name is not read"


def _explain_program(server: McpServer) -> str:
    if server.is_local:
        return f"{LOCAL}: an MCP server of the project"
    if "variable" in server.problems:
        return "MCP server whose command is in a variable: not scored"
    if server.client == "Docker":
        return "MCP server of Docker's catalog: not scored"
    return f"MCP server started by {server.launcher or 'its client'}: its package is not known"
