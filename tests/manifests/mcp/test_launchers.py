"""What the command of an MCP server runs: packages, images, files."""

from __future__ import annotations

import pytest

from nerq_cli.manifests.mcp.launchers import parse_command

#: Command, arguments, launcher, packages as ecosystem, name, requirement and whether it is pinned.
COMMANDS = [
    ("npx", ["-y", "@acme/server@1.2.3", "--flag"], "npx", [("npm", "@acme/server", "1.2.3", True)]),
    ("npx", ["--yes", "server"], "npx", [("npm", "server", "", False)]),
    ("npx", ["server@latest"], "npx", [("npm", "server", "latest", False)]),
    ("npx", ["server@^1.2.0"], "npx", [("npm", "server", "^1.2.0", False)]),
    (
        "npx",
        ["-p", "one@1.0.0", "--package=two", "run"],
        "npx",
        [("npm", "one", "1.0.0", True), ("npm", "two", "", False)],
    ),
    ("npx -y server@1.0.0", [], "npx", [("npm", "server", "1.0.0", True)]),
    ("npx -y", ["server@1.0.0"], "npx", [("npm", "server", "1.0.0", True)]),
    ("cmd", ["/c", "npx", "-y", "server@1.0.0"], "npx", [("npm", "server", "1.0.0", True)]),
    ("cmd.exe", ["/C", "npx -y server@1.0.0"], "npx", [("npm", "server", "1.0.0", True)]),
    ("powershell", ["-NoProfile", "-Command", "npx -y server"], "npx", [("npm", "server", "", False)]),
    ("C:\\Program Files\\nodejs\\npx.cmd", ["-y", "server"], "npx", [("npm", "server", "", False)]),
    ("/opt/node/bin/npx", ["-y", "server"], "npx", [("npm", "server", "", False)]),
    ("bunx", ["--bun", "server@2.0.0"], "bunx", [("npm", "server", "2.0.0", True)]),
    ("bun", ["x", "server"], "bunx", [("npm", "server", "", False)]),
    ("pnpm", ["dlx", "server@2.0.0"], "pnpm dlx", [("npm", "server", "2.0.0", True)]),
    ("pnpm", ["--silent", "dlx", "server"], "pnpm dlx", [("npm", "server", "", False)]),
    ("yarn", ["dlx", "-q", "server"], "yarn dlx", [("npm", "server", "", False)]),
    ("npm", ["exec", "--yes", "--", "server@1.0.0"], "npm exec", [("npm", "server", "1.0.0", True)]),
    ("deno", ["run", "-A", "npm:server@1.0.0"], "deno", [("npm", "server", "1.0.0", True)]),
    ("uvx", ["server"], "uvx", [("PyPI", "server", "", False)]),
    ("uvx", ["server@1.0"], "uvx", [("PyPI", "server", "==1.0", True)]),
    ("uvx", ["server@latest"], "uvx", [("PyPI", "server", "", False)]),
    ("uvx", ["--python", "3.12", "server==1.0"], "uvx", [("PyPI", "server", "==1.0", True)]),
    ("uvx", ["--from", "server[cli]>=1", "run-server"], "uvx", [("PyPI", "server", ">=1", False)]),
    (
        "uvx",
        ["--with", "b==2,c", "a==1"],
        "uvx",
        [("PyPI", "a", "==1", True), ("PyPI", "b", "==2", True), ("PyPI", "c", "", False)],
    ),
    ("uv", ["tool", "run", "server==1.0"], "uvx", [("PyPI", "server", "==1.0", True)]),
    ("uv", ["run", "--with", "mcp[cli]", "mcp", "run", "x.py"], "uv run", [("PyPI", "mcp", "", False)]),
    ("pipx", ["run", "--spec", "server==1.0", "x"], "pipx", [("PyPI", "server", "==1.0", True)]),
    ("pipx", ["run", "server"], "pipx", [("PyPI", "server", "", False)]),
    ("python3", ["-m", "uv", "tool", "run", "server"], "uvx", [("PyPI", "server", "", False)]),
    ("sh", ["-c", "cd /srv && exec uvx server"], "uvx", [("PyPI", "server", "", False)]),
    ("bash", ["-lc", "TOKEN=1 npx -y server"], "npx", [("npm", "server", "", False)]),
    ("env", ["A=b", "npx", "server"], "npx", [("npm", "server", "", False)]),
    ("/usr/bin/env", ["-u", "X", "uvx", "server"], "uvx", [("PyPI", "server", "", False)]),
]


@pytest.mark.parametrize(("command", "arguments", "launcher", "packages"), COMMANDS)
def test_packages_of_a_command(
    command: str, arguments: list[str], launcher: str, packages: list[tuple[str, str, str, bool]]
) -> None:
    launch = parse_command(command, arguments)
    found = [(item.ecosystem, item.name, item.requirement, item.is_pinned) for item in launch.packages]
    assert (launch.launcher, found) == (launcher, packages)
    assert not launch.is_local or launcher == "uv run"


@pytest.mark.parametrize(
    ("command", "arguments", "name", "tag", "digest"),
    [
        ("docker", ["run", "-i", "--rm", "acme/x"], "acme/x", "", ""),
        ("docker", ["run", "-i", "--rm", "-e", "TOKEN", "ghcr.io/acme/x:1.2", "serve"], "ghcr.io/acme/x", "1.2", ""),
        ("docker", ["run", "-ie", "TOKEN", "--name=y", "acme/x:latest"], "acme/x", "latest", ""),
        ("podman", ["container", "run", "--mount", "type=bind,src=/a", "acme/x"], "acme/x", "", ""),
        (
            "docker",
            ["--context", "c", "run", "host:5000/x@sha256:" + "a" * 64],
            "host:5000/x",
            "",
            "sha256:" + "a" * 64,
        ),
        ("sh", ["-c", "docker run --rm acme/x:3"], "acme/x", "3", ""),
    ],
)
def test_image_of_a_command(command: str, arguments: list[str], name: str, tag: str, digest: str) -> None:
    image = parse_command(command, arguments).image
    assert image is not None
    assert (image.name, image.tag, image.digest) == (name, tag, digest)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("node", ["dist/index.js"]),
        ("python", ["server.py"]),
        ("uv", ["--directory", "/srv", "run", "server.py"]),
        ("./run.sh", []),
        ("npx", ["./server"]),
        ("uvx", ["--from", "./server", "x"]),
        ("npm", ["run", "mcp"]),
        ("docker", ["compose", "run", "x"]),
    ],
)
def test_files_of_the_project_are_local(command: str, arguments: list[str]) -> None:
    launch = parse_command(command, arguments)
    assert launch.is_local
    assert not launch.packages
    assert launch.image is None


@pytest.mark.parametrize(("command", "arguments"), [("python", ["-m", "mcp_server_time"]), ("mcp-server-x", ["a"])])
def test_programs_without_a_known_package_are_no_package(command: str, arguments: list[str]) -> None:
    launch = parse_command(command, arguments)
    assert not launch.packages
    assert not launch.is_local
    assert launch.launcher


@pytest.mark.parametrize(
    ("command", "arguments", "skip_reason", "is_pinned"),
    [
        ("npx", ["gitlab:acme/x"], "git: gitlab:acme/x", False),
        ("npx", ["github:acme/x#semver:^1"], "git: github:acme/x @ ^1", False),
        ("uvx", ["--from", "git+https://u:p@git.example/a/x@v1", "x"], "git: https://git.example/a/x @ v1", False),
        (
            "uvx",
            ["--from", "git+https://git.example/x@" + "a" * 40, "x"],
            "git: https://git.example/x @ " + "a" * 40,
            True,
        ),
        ("uvx", ["--from", "x @ https://files.example/x-1.0.zip", "x"], "URL: https://files.example/x-1.0.zip", True),
        ("uvx", ["--from", "x @ git+https://git.example/x@v1.0", "x"], "git: https://git.example/x @ v1.0", False),
        ("npx", ["x@${VERSION}"], "its version is in a variable", False),
        ("npx", ["$PACKAGE"], "its name is in a variable", False),
        ("uvx", ["x==${VERSION}"], "its name or version is in a variable", False),
        ("uvx", ["x=>1"], "line not understood", False),
    ],
)
def test_what_is_not_on_a_registry_has_a_reason(
    command: str, arguments: list[str], skip_reason: str, *, is_pinned: bool
) -> None:
    (package,) = parse_command(command, arguments).packages
    assert (package.skip_reason, package.is_pinned) == (skip_reason, is_pinned)
    assert "u:p" not in repr(package)


@pytest.mark.parametrize(
    ("command", "arguments", "revision"),
    [
        ("npx", ["github:Acme/x"], ""),
        ("npx", ["-y", "acme/x"], ""),
        ("npx", ["acme/x#v1"], "v1"),
        ("npx", ["git+ssh://git@github.com/acme/x.git"], ""),
        ("npx", ["server@github:acme/x"], ""),
        ("uvx", ["--from", "git+https://u:p@github.com/acme/x", "x"], ""),
        ("uvx", ["--from", "git+https://github.com/acme/x.git@" + "a" * 40, "x"], "a" * 40),
        ("uvx", ["--from", "git+https://github.com/acme/x@v1#subdirectory=server", "x"], "v1"),
        ("uvx", ["--from", "x @ git+https://github.com/acme/x@v1", "x"], "v1"),
        ("pipx", ["run", "--spec", "git+https://github.com/acme/x", "x"], ""),
    ],
)
def test_a_repository_on_github_is_named_by_its_owner(command: str, arguments: list[str], revision: str) -> None:
    (package,) = parse_command(command, arguments).packages
    assert (package.package.purl, package.requirement, package.skip_reason) == ("pkg:github/acme/x", revision, "")
    assert package.is_pinned == (revision == "a" * 40)
    assert "u:p" not in repr(package)


def test_a_registry_of_the_command_is_the_index_of_its_packages() -> None:
    (package,) = parse_command("npx", ["--registry", "https://u:p@npm.example/", "x"]).packages
    assert package.index == "https://npm.example/"
    (package,) = parse_command("uvx", ["--index-url=https://u:p@pypi.example/simple", "x"]).packages
    assert package.index == "https://pypi.example/simple"


def test_a_bridge_has_the_url_that_it_forwards_to() -> None:
    assert parse_command("npx", ["-y", "mcp-remote", "https://x.example/mcp", "--header", "A:b"]).url == (
        "https://x.example/mcp"
    )
    assert not parse_command("npx", ["-y", "server", "https://x.example/mcp"]).url


@pytest.mark.parametrize(
    "command", ["", " ", "''", '"', "cmd /c", "sh -c", "npx", "uvx", "docker run", "env", "\0", "-"]
)
def test_commands_without_content_have_no_package(command: str) -> None:
    launch = parse_command(command, [])
    assert not launch.packages
    assert launch.image is None


def test_commands_inside_of_one_another_are_read_up_to_a_depth() -> None:
    assert not parse_command("sh", ["-c", "env " * 50 + "npx x"]).packages
    assert not parse_command("npx", ["x" * 30_000]).packages


@pytest.mark.parametrize(
    ("command", "packages", "image"),
    [
        ("op run -- npx -y x@1.0.0", ["x"], ""),
        ("doppler run -- uvx y==1.0", ["y"], ""),
        ("npx -y supergateway --stdio 'npx -y x@1.0.0'", ["supergateway", "x"], ""),
        ("uvx mcp-proxy -- docker run -i acme/z:1", ["mcp-proxy"], "acme/z"),
        ("npx concurrently 'npx a@1.0.0' 'npx b@1.0.0'", ["concurrently", "a", "b"], ""),
        ("npx -y x@1.0.0 --directory /home/npx", ["x"], ""),
        ("npx -y x@1.0.0 /data/docker", ["x"], ""),
    ],
)
def test_a_command_among_the_arguments_of_another_one_is_read(command: str, packages: list[str], image: str) -> None:
    launch = parse_command(command, [])
    assert [package.name for package in launch.packages] == packages
    assert (launch.image.name if launch.image else "") == image


def test_many_commands_within_each_other_end() -> None:
    assert parse_command("npx", ["a", "npx"] * 40).packages
    assert parse_command("npx", ["a", "npx"] * 400).packages
