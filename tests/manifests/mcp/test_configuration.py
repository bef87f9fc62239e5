"""The configuration files of MCP clients: every file and shape, damaged entries, secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pytest

from nerq_cli.inventory import McpServer
from nerq_cli.manifests.discovery.find import find_dependency_files
from nerq_cli.manifests.formats import FORMATS, MCP, detect_format
from nerq_cli.manifests.mcp.clients import CLIENT_FILES
from nerq_cli.manifests.mcp.configuration import MAX_SERVERS, McpConfiguration, read_mcp_configuration, to_declarations

NPX = {"command": "npx", "args": ["-y", "x@1.0.0"]}
SECRET = "s3cr3t-VALUE-0123456789"  # noqa: S105 - no password


TOKEN = "ghp_" + "a1b2c3d4e5" * 3


def read(path: str, content: object) -> McpConfiguration:
    return read_mcp_configuration(path, content if isinstance(content, str) else json.dumps(content))


def read_one(entry: object, path: str = ".mcp.json") -> McpServer:
    (server,) = read(path, {"mcpServers": {"a": entry}}).servers
    return server


#: Path, client, content with one server ``a`` that runs x@1.0.0 of npm.
FILES: list[tuple[str, str, object]] = [
    (".mcp.json", "Claude Code", {"mcpServers": {"a": NPX}}),
    (".mcp.json", "Claude Code", {"a": NPX}),
    (".claude/settings.json", "Claude Code", {"permissions": {}, "mcpServers": {"a": NPX}}),
    (".claude/settings.local.json", "Claude Code", {"mcpServers": {"a": NPX}}),
    ("/home/u/.claude.json", "Claude Code", {"projects": {"/p": {"mcpServers": {"a": NPX}}}}),
    ("p/.claude-plugin/plugin.json", "Claude Code", {"name": "p", "mcpServers": {"a": NPX}}),
    ("/etc/claude-code/managed-mcp.json", "Claude Code", {"mcpServers": {"a": NPX}}),
    ("claude_desktop_config.json", "Claude Desktop", {"mcpServers": {"a": NPX}}),
    (".vscode/mcp.json", "VS Code", {"inputs": [], "servers": {"a": {"type": "stdio", **NPX}}}),
    (".vscode/settings.json", "VS Code", {"mcp": {"servers": {"a": NPX}}}),
    ("/home/u/.config/Code/User/settings.json", "VS Code", {"mcp.servers": {"a": NPX}}),
    ("w.code-workspace", "VS Code", {"folders": [], "settings": {"mcp": {"servers": {"a": NPX}}}}),
    (".devcontainer/devcontainer.json", "VS Code", {"customizations": {"vscode": {"mcp": {"servers": {"a": NPX}}}}}),
    ("/home/u/.copilot/mcp-config.json", "VS Code", {"mcpServers": {"a": NPX}}),
    (".cursor/mcp.json", "Cursor", {"mcpServers": {"a": NPX}}),
    (".windsurf/mcp.json", "Windsurf", {"mcpServers": {"a": NPX}}),
    ("/home/u/.codeium/windsurf/mcp_config.json", "Windsurf", {"mcpServers": {"a": NPX}}),
    (".codex/config.toml", "Codex", '[mcp_servers.a]\ncommand = "npx"\nargs = ["-y", "x@1.0.0"]\n'),
    (".gemini/settings.json", "Gemini CLI", {"mcpServers": {"a": NPX}}),
    ("gemini-extension.json", "Gemini CLI", {"name": "e", "mcpServers": {"a": NPX}}),
    ("/home/u/.gemini/antigravity/mcp_config.json", "Antigravity", {"mcpServers": {"a": NPX}}),
    (".kiro/settings/mcp.json", "Kiro", {"powers": {"mcpServers": {"a": NPX}}}),
    (".kiro/agents/x.json", "Kiro", {"name": "x", "mcpServers": {"a": NPX}}),
    ("opencode.json", "opencode", {"mcp": {"a": {"type": "local", "command": ["npx", "-y", "x@1.0.0"]}}}),
    ("opencode.jsonc", "opencode", '// c\n{"mcp": {"a": {"command": ["npx", "x@1.0.0"],}}}'),
    ("/home/u/.aws/amazonq/mcp.json", "Amazon Q", {"mcpServers": {"a": NPX}}),
    ("cline_mcp_settings.json", "Cline", {"mcpServers": {"a": NPX}}),
    (".roo/mcp.json", "Roo Code", {"mcpServers": {"a": NPX}}),
    (".zed/settings.json", "Zed", {"context_servers": {"a": {"source": "custom", **NPX}}}),
    (
        "/home/u/.config/zed/settings.json",
        "Zed",
        {"context_servers": {"a": {"command": {"path": "npx", "args": ["-y", "x@1.0.0"], "env": {}}}}},
    ),
    (
        "/home/u/.config/goose/config.yaml",
        "Goose",
        "extensions:\n  a:\n    type: stdio\n    cmd: npx\n    args: [-y, x@1.0.0]\n",
    ),
    (
        ".continue/config.json",
        "Continue",
        {"experimental": {"modelContextProtocolServers": [{"name": "a", "transport": {"type": "stdio", **NPX}}]}},
    ),
    (".continue/config.yaml", "Continue", "mcpServers:\n  - name: a\n    command: npx\n    args: [x@1.0.0]\n"),
    (".junie/mcp/mcp.json", "Junie", {"mcpServers": {"a": NPX}}),
    ("tools/mcp.json", "MCP clients", {"servers": {"a": NPX}}),
    (
        "server.json",
        "MCP registry",
        {
            "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
            "name": "a",
            "packages": [
                {"registryType": "npm", "identifier": "x", "version": "1.0.0", "transport": {"type": "stdio"}}
            ],
        },
    ),
    ("manifest.json", "MCP bundle", {"manifest_version": "0.3", "name": "a", "server": {"mcp_config": NPX}}),
]


@pytest.mark.parametrize(("path", "client", "content"), FILES)
def test_every_file_and_shape_has_its_client_and_its_server(path: str, client: str, content: object) -> None:
    configuration = read(path, content)
    assert configuration.client == client
    assert not configuration.problems
    (server,) = configuration.servers
    assert (server.name, server.client, server.transport, server.problems) == ("a", client, "stdio", ())
    assert server.location.line > 0
    (declaration,) = to_declarations(configuration)
    assert (declaration.ecosystem, declaration.name, declaration.requirement) == ("npm", "x", "1.0.0")
    assert (declaration.group, declaration.skip_reason) == ("mcp", "")


def test_every_client_of_the_table_is_read_above() -> None:
    assert {row.client for row in CLIENT_FILES} - {client for _, client, _ in FILES} == {"Docker"}


@pytest.mark.parametrize("path", [path for path, _, _ in FILES if not path.startswith("/")])
def test_files_of_a_project_are_found_by_their_names(path: str) -> None:
    assert detect_format(PurePosixPath(f"/p/{path}")) == "mcp"


@pytest.mark.parametrize("path", ["package.json", "tsconfig.json", "settings.json", "config.toml", "a/mcp.json.txt"])
def test_other_files_are_not_found(path: str) -> None:
    assert detect_format(PurePosixPath(path)) != "mcp"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("manifest.json", {"name": "web app", "icons": []}),
        ("manifest.json", "{ no JSON"),
        ("server.json", {"packages": ["x"], "host": "x.example"}),
        (".vscode/settings.json", "{ no JSON"),
        (".claude/settings.json", {"permissions": {}}),
        (".mcp.json", ""),
        (".mcp.json", "{}"),
        (".mcp.json", {"mcpServers": None}),
    ],
)
def test_a_file_without_servers_has_no_problem(path: str, content: object) -> None:
    configuration = read(path, content)
    assert (configuration.servers, configuration.problems) == ((), ())


@pytest.mark.parametrize(
    "bad", [5, "text", [], None, {}, {"command": ""}, {"command": 5}, {"args": ["x"]}, {"url": ""}]
)
def test_an_unreadable_server_is_a_problem_and_the_others_are_read(bad: object) -> None:
    configuration = read(".mcp.json", json.dumps({"mcpServers": {"bad": bad, "good": NPX}}, indent=1))
    assert [(server.name, server.problems) for server in configuration.servers] == [
        ("bad", ("unreadable",)),
        ("good", ()),
    ]
    (problem,) = configuration.problems
    assert (problem.line, problem.level) == (3, "error")
    assert '"bad"' in problem.message
    assert [item.name for item in to_declarations(configuration)] == ["x"]


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', '{"mcpServers": 5}', '{"mcpServers": true}'])
def test_a_damaged_file_is_a_problem(text: str) -> None:
    configuration = read(".mcp.json", text)
    assert not configuration.servers
    assert [problem.level for problem in configuration.problems] == ["error"]


@pytest.mark.parametrize(
    ("entry", "transport", "problems"),
    [
        ({"url": "https://x.example/mcp"}, "http", ()),
        ({"serverUrl": "https://x.example/sse"}, "http", ()),
        ({"httpUrl": "https://x.example/mcp"}, "http", ()),
        ({"type": "streamable-http", "url": "https://x.example"}, "http", ()),
        ({"type": "streamable_https", "url": "https://x.example"}, "http", ()),
        ({"type": "sse", "url": "https://x.example"}, "sse", ()),
        ({"type": "ws", "url": "wss://x.example"}, "ws", ()),
        ({"url": "ws://x.example"}, "ws", ("insecure-url",)),
        ({"type": "carrier-pigeon", "url": "https://x.example"}, "http", ("transport",)),
        ({"url": "http://x.example"}, "http", ("insecure-url",)),
        ({"url": "HTTP://x.example"}, "http", ("insecure-url",)),
        ({"url": "http://10.0.0.1:80/"}, "http", ("insecure-url",)),
        ({"url": "http://localhost:3000/mcp"}, "http", ()),
        ({"url": "http://127.0.0.1/"}, "http", ()),
        ({"url": "http://[::1]:3000/"}, "http", ()),
        ({"url": "http://localhost.evil.example/"}, "http", ("insecure-url",)),
        ({"command": "npx", "args": None, "env": None}, "stdio", ()),
        ({"command": "npx x@1.0.0", "args": []}, "stdio", ()),
        ({"command": "npx", "args": ["x"]}, "stdio", ("unpinned",)),
        ({"command": "docker", "args": ["run", "x"]}, "stdio", ("unpinned",)),
        ({"command": "docker", "args": ["run", "x:1"]}, "stdio", ()),
        ({"command": "${TOOL}", "args": ["x"]}, "", ("variable",)),
        ({"command": "npx", "args": ["-y", "mcp-remote@1.0.0", "http://x.example"]}, "stdio", ("insecure-url",)),
    ],
)
def test_transport_and_problems_of_a_server(
    entry: Mapping[str, Any], transport: str, problems: tuple[str, ...]
) -> None:
    server = read_one(entry)
    assert (server.transport, server.problems) == (transport, problems)


def test_a_server_that_is_switched_off_is_listed_as_well() -> None:
    assert not read_one({**NPX, "disabled": True}).is_enabled
    assert not read_one({**NPX, "enabled": False}).is_enabled
    assert read_one({**NPX, "disabled": False}).is_enabled


def test_a_plugin_names_the_file_with_its_servers() -> None:
    for value in ("./servers.json", "${CLAUDE_PLUGIN_ROOT}/servers.json", ["servers.json"]):
        (include,) = read("p/.claude-plugin/plugin.json", {"mcpServers": value}).includes
        assert (include.pattern, include.format) == ("../servers.json", "mcp")
    assert read("p/.claude-plugin/plugin.json", {"mcpServers": "/etc/x.json"}).problems


def test_names_of_variables_and_headers_are_kept_and_no_value_is() -> None:
    entries = {
        "a": {
            "command": "npx",
            "args": ["-y", "x", "--api-key", SECRET, f"--token={SECRET}"],
            "env": {"API_KEY": SECRET},
        },
        "b": {"url": f"https://u:{SECRET}@x.example/mcp?key={SECRET}#{SECRET}", "headers": {"Authorization": SECRET}},
        "c": {"url": f"https://x.example/s/{SECRET}/mcp"},
        "d": {"command": f"TOKEN={SECRET} npx x", "args": f"-y {SECRET}"},
        "e": {"command": "docker", "args": ["run", "-e", f"TOKEN={SECRET}", "acme/x"]},
        "f": {"command": "uvx", "args": ["--index-url", f"https://u:{SECRET}@x.example/simple", "y"]},
        "g": {"command": "uvx", "args": ["--from", f"git+https://{SECRET}@git.example/a/b", "y"]},
        "h": {"command": "npx", "args": ["-y", f"https://u:{SECRET}@x.example/a.tgz?{SECRET}"]},
        "i": {"env": {"API_KEY": SECRET}},
        "j": SECRET,
        "k": {"command": "npx", "args": ["-y", "mcp-remote", f"https://x.example/?k={SECRET}"]},
    }
    for text in (json.dumps({"mcpServers": entries}), json.dumps({"mcpServers": entries}, indent=1)):
        configuration = read(".mcp.json", text)
        assert len(configuration.servers) == len(entries)
        assert SECRET not in repr(configuration)
        assert SECRET not in repr(to_declarations(configuration))
    by_name = {server.name: server for server in configuration.servers}
    assert by_name["a"].environment == ("API_KEY",)
    assert by_name["b"].headers == ("Authorization",)
    assert by_name["b"].url == "https://x.example/mcp"
    assert by_name["c"].url == "https://x.example/s/…/mcp"
    assert "literal-secret" in by_name["a"].problems
    assert configuration.notes


@pytest.mark.parametrize("value", ["${API_KEY}", "$API_KEY", "${input:key}", "<your key>", "YOUR_API_KEY", "", "xxx"])
def test_a_variable_is_no_secret(value: str) -> None:
    assert not read_one({**NPX, "env": {"API_KEY": value}}).problems


SECRETS: Final[dict[str, Any]] = {
    "option": {**NPX, "args": ["-y", "x", "--token", SECRET]},
    "option with a sign": {**NPX, "args": ["-y", "x", f"--api-key={SECRET}"]},
    "parameter": {"url": f"https://x.example/mcp?token={SECRET}"},
    "parameter of a bridge": {**NPX, "args": ["mcp-remote", f"https://x.example/mcp?api_key={SECRET}"]},
    "variable of a container": {"command": "docker", "args": ["run", "-e", f"GITHUB_TOKEN={SECRET}", "acme/x"]},
    "the same in one word": {"command": "docker", "args": ["run", f"--env=GITHUB_TOKEN={SECRET}", "acme/x"]},
    "password of a database": {**NPX, "args": ["x", "postgresql://u:hunter2@db.internal/x"]},
    "password in a URL": {"url": "https://u:hunter2@x.example/mcp"},
    "assignment": {"command": f"API_KEY={SECRET} npx x"},
    "assignment in a shell": {"command": "sh", "args": ["-c", f"API_KEY={SECRET} npx x"]},
    "header of a bridge": {**NPX, "args": ["mcp-remote", "https://x.example", "--header", f"Authorization: {SECRET}"]},
    "list of variables": {**NPX, "env": [f"API_KEY={SECRET}"]},
    "list of objects": {**NPX, "env": [{"name": "API_KEY", "value": SECRET}]},
    "nested headers": {"url": "https://x.example", "requestOptions": {"headers": {"X-Api-Key": SECRET}}},
    "key of the entry": {"url": "https://x.example", "auth": {"clientSecret": SECRET}},
    "token by its form": {**NPX, "args": ["x", "ghp_" + "a1" * 18]},
    "user that is a token": {"command": "uvx", "args": ["--from", f"git+https://{'a1' * 18}@git.example/a", "y"]},
}


@pytest.mark.parametrize("entry", SECRETS.values(), ids=SECRETS)
def test_a_secret_as_text_has_a_note(entry: dict[str, Any]) -> None:
    configuration = read(".mcp.json", {"mcpServers": {"x": entry}})
    assert configuration.notes == ('holds a secret as text ("x"): use a variable of the environment or of the client',)
    assert not any(text in repr(configuration) for text in (SECRET, "hunter2", "ghp_"))


@pytest.mark.parametrize(
    "entry",
    [
        {**NPX, "args": ["x", "--token", "${TOKEN}"]},
        {**NPX, "args": ["x", "--api-key=<your-key>", "--max-tokens", "4096", "--sort-key", "name"]},
        {**NPX, "args": ["x", "--token", "--verbose", "--key", "/etc/tls/key.pem", "--api-key", "OPENAI_API_KEY"]},
        {**NPX, "args": ["x", "--header", "Authorization: Bearer ${TOKEN}", "-e", "API_KEY"]},
        {**NPX, "args": ["x", "postgresql://u:${PASSWORD}@h/x", "postgresql://user:password@localhost/x"]},
        {**NPX, "env": {"MAX_TOKENS": "1000", "KEY": "name", "TOKEN_FILE": "/run/secrets/token"}},
        {"url": "https://x.example/mcp?token={token}&key=id&page=2"},
        {"url": "https://u@x.example/mcp"},
    ],
)
def test_what_stands_for_a_secret_has_no_note(entry: dict[str, Any]) -> None:
    assert read(".mcp.json", {"mcpServers": {"x": entry}}).notes == ()


def test_a_secret_in_a_document_of_the_registry_has_a_note() -> None:
    variable = {"name": "API_KEY", "description": "the key", "isSecret": True}
    package = {"registryType": "npm", "identifier": "x", "version": "1.0.0", "environmentVariables": [variable]}
    document: dict[str, Any] = {"name": "io.github.acme/x", "packages": [package]}
    assert read("server.json", document).notes == ()
    document["packages"] = [{**package, "environmentVariables": [{**variable, "value": SECRET}]}]
    assert read("server.json", document).notes
    option = {"type": "named", "name": "--token", "value": SECRET}
    document["packages"] = [{**package, "packageArguments": [option]}]
    assert read("server.json", document).notes


IMAGE_REASON = ": not scored, its label with the server's name is not read"


@pytest.mark.parametrize(
    ("image", "pin"),
    [("acme/x", "not pinned"), ("acme/x:latest", "not pinned"), (f"acme/x@sha256:{'a' * 64}", "by its digest")],
)
def test_an_image_states_how_it_is_pinned(image: str, pin: str) -> None:
    configuration = read(".mcp.json", {"mcpServers": {"a": {"command": "docker", "args": ["run", image]}}})
    [declaration] = to_declarations(configuration)
    assert declaration.skip_reason == f"container image ({pin}){IMAGE_REASON}"


@pytest.mark.parametrize(
    ("command", "purl"),
    [
        (["npx", "github:Acme/x#v1"], "pkg:github/acme/x"),
        (["npx", "acme/x"], "pkg:github/acme/x"),
        (["npx", "git+https://u:s3cret@github.com/acme/x.git"], "pkg:github/acme/x"),
        (["uvx", "--from", "git+https://github.com/acme/x@main", "tool"], "pkg:github/acme/x"),
        (["uvx", "--from", "git+https://git.example/acme/x.git@main", "tool"], "pkg:generic/git.example/acme/x"),
        (["npx", "https://x.example/0123456789abcdef0123456789abcdef/x.tgz"], "pkg:generic/x.example/%E2%80%A6/x.tgz"),
    ],
)
def test_a_repository_is_named_by_its_owner_or_its_address(command: list[str], purl: str) -> None:
    entry = {"command": command[0], "args": command[1:]}
    [declaration] = to_declarations(read(".mcp.json", {"mcpServers": {"a": entry}}))
    assert declaration.package.purl == purl
    assert "s3cret" not in repr(declaration)
    assert "0123456789abcdef" not in repr(declaration)


def test_images_urls_and_programs_are_listed_with_a_reason() -> None:
    configuration = read(
        ".mcp.json",
        {
            "mcpServers": {
                "image": {"command": "docker", "args": ["run", "ghcr.io/acme/x:1.2"]},
                "url": {"url": "https://x.example/mcp"},
                "program": {"command": "mcp-server"},
                "file": {"command": "node", "args": ["x.js"]},
            }
        },
    )
    rows = [(item.package.purl, item.requirement, item.skip_reason) for item in to_declarations(configuration)]
    assert rows == [
        (
            "pkg:docker/acme/x?repository_url=ghcr.io",
            "==1.2",
            f"container image (by a tag, which may move){IMAGE_REASON}",
        ),
        ("pkg:generic/x.example/mcp", "", "hosted server: not scored"),
        ("pkg:generic/program", "", "MCP server started by mcp-server: its package is not known"),
        ("pkg:generic/file", "", "local path: an MCP server of the project"),
    ]


def test_the_document_of_the_registry_lists_packages_and_remotes() -> None:
    document = {
        "$schema": "https://static.modelcontextprotocol.io/x",
        "name": "io.github.acme/x",
        "packages": [
            {"registryType": "pypi", "identifier": "x", "version": "1.0", "environmentVariables": [{"name": "KEY"}]},
            {"registry_type": "oci", "identifier": "docker.io/acme/x:1.0"},
            {"registryType": "nuget", "identifier": "Acme.X", "version": "1.0"},
            {"registryType": "mcpb", "identifier": "https://x.example/x.mcpb", "fileSha256": "ab"},
            {"registryType": "npm", "identifier": "y", "registryBaseUrl": "https://npm.example"},
            5,
        ],
        "remotes": [{"type": "sse", "url": "http://x.example/{tenant}/mcp", "headers": [{"name": "X-Key"}]}],
    }
    servers = read("server.json", document).servers
    assert [server.name for server in servers] == ["io.github.acme/x"] * 7
    pypi, oci, nuget, bundle, npm, bad, remote = servers
    assert (pypi.packages[0].requirement, pypi.environment, pypi.problems) == ("==1.0", ("KEY",), ())
    assert oci.image is not None
    assert oci.image.version == "1.0"
    assert nuget.packages[0].skip_reason == "nuget: not scored"
    assert bundle.packages[0].skip_reason == "URL: https://x.example/x.mcpb"
    assert npm.packages[0].index == "https://npm.example"
    assert npm.problems == ("unpinned",)
    assert bad.problems == ("unreadable",)
    assert (remote.transport, remote.headers, remote.problems) == ("sse", ("X-Key",), ("insecure-url",))


def test_codex_names_of_variables() -> None:
    text = (
        '[mcp_servers.a]\nurl = "https://x.example/mcp"\nbearer_token_env_var = "TOKEN"\n'
        '[mcp_servers.a.http_headers]\nX-Key = "v"\n[mcp_servers.b]\ncommand = "uvx"\nargs = ["y"]\nenabled = false\n'
    )
    first, second = read(".codex/config.toml", text).servers
    assert (first.environment, first.headers, first.location.line) == (("TOKEN",), ("X-Key",), 1)
    assert (second.is_enabled, second.location.line) == (False, 6)


def test_the_number_of_servers_is_bounded() -> None:
    configuration = read(".mcp.json", {"mcpServers": {f"s{number}": NPX for number in range(MAX_SERVERS + 2)}})
    assert len(configuration.servers) == MAX_SERVERS
    assert len(configuration.problems) == 1


@pytest.mark.parametrize("suffix", [".json", ".toml", ".yaml"])
@pytest.mark.parametrize(
    "text", ["\0", "[" * 5_000, "{" * 5_000, "a: &x [*x]", "a = " + "[" * 90 + "]" * 90, "\ufeff{}", "- a"]
)
def test_hostile_texts_raise_nothing(suffix: str, text: str) -> None:
    configuration = read(f"mcp{suffix}", text)
    assert not configuration.servers


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".json"])
def test_the_files_of_a_folder_of_servers_are_found(tmp_path: Path, ending: str) -> None:
    servers = {"name": "x", "schema": "v1", "mcpServers": [{"name": "a", **NPX}]}
    path = tmp_path / ".continue" / "mcpServers" / f"own{ending}"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(servers))
    (tmp_path / "other.yaml").write_text(json.dumps(servers))
    found = [item.path for item in find_dependency_files(["."], root=tmp_path)]
    assert found == [f".continue/mcpServers/own{ending}"]


@pytest.mark.parametrize("pattern", [pattern for row in CLIENT_FILES for pattern in row.project])
def test_a_search_looks_at_every_file_of_a_client(pattern: str) -> None:
    name = pattern if not pattern.endswith("/*") else f"{pattern[:-1]}x.yaml"
    assert name.lower().endswith(FORMATS[MCP].name_endings)


def test_a_dotted_key_of_a_workspace_is_read() -> None:
    entry = {"command": "npx", "args": ["x@1.0.0"]}
    configuration = read("app.code-workspace", {"settings": {"mcp.servers": {"a": entry}}})
    assert [server.name for server in configuration.servers] == ["a"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"mcpServers": {"a": {"command": "npx x"}}, "mcpServers": {"b": {"command": "npx y"}}}', 1),
        ('{"mcpServers": {"a": {"command": "npx x"}, "a": {"command": "npx y"}}}', 1),
        ('{"mcpServers": {"a": {"command": "npx x", "command": "npx y"}}}', 1),
        ('{"mcpServers": {"a": {"command": "npx x"}}, "color": 1, "color": 2}', 0),
    ],
)
def test_what_stands_twice_is_a_problem(text: str, count: int) -> None:
    configuration = read_mcp_configuration(".mcp.json", text)
    assert len(configuration.problems) == count
    assert all("stands twice" in problem.message for problem in configuration.problems)


def test_entries_beyond_the_limit_are_not_parsed() -> None:
    servers = {f"s{number}": {"command": "npx", "args": ["x"]} for number in range(MAX_SERVERS + 5)}
    configuration = read(".mcp.json", {"mcpServers": servers})
    assert len(configuration.servers) == MAX_SERVERS
    [problem] = configuration.problems
    assert "the rest is not read" in problem.message


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "npx", "args": ["--option", TOKEN, "x"]},
        {"command": "npx", "args": [f"x@{TOKEN}"]},
        {"command": "uvx", "args": [TOKEN]},
        {"command": "docker", "args": ["run", "-i", f"acme/{TOKEN}"]},
    ],
)
def test_a_token_in_the_place_of_a_package_is_not_kept(entry: dict[str, Any]) -> None:
    configuration = read(".mcp.json", {"mcpServers": {"a": entry}})
    text = repr((configuration, to_declarations(configuration))).lower()
    assert TOKEN.lower() not in text
    assert "looks like a secret" in text


def test_the_names_of_headers_in_a_list_have_no_values() -> None:
    headers = ["Authorization: Bearer s3cret", "X-Key=s3cret", "s3cr3tVALUE0123456789abcdef", "Accept", "a b: s3cret"]
    entry = {"url": "https://x.example", "headers": headers, "env": ["API_KEY", "TOKEN=s3cret"]}
    [server] = read(".mcp.json", {"mcpServers": {"a": entry}}).servers
    assert server.headers == ("Authorization", "X-Key", "Accept")
    assert server.environment == ("API_KEY", "TOKEN")
