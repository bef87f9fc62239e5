"""Compares nerq's reading of lock files with the tools that write them.

    python docs/benchmarks/lockfiles.py --tools DIRECTORY [--only TOOL[/PROJECT]] [--keep DIRECTORY]

DIRECTORY has `node_modules` with npm's packages pnpm, yarn, @yarnpkg/cli-dist and bun, and a virtual environment `py`
with uv, poetry and pdm; npm is the one in PATH. Registries are those of the user's configuration.

Each tool locks some small projects. Then it installs them frozen, as written, after two edits of one requirement (to a
range that the locked version does not satisfy, and to another range that it does), and after an edit of an override.
Compared are whether the frozen installation is accepted with whether nerq reports no drift, and the tool's list of
packages with nerq's, apart from optional ones that the tool does not list because they are for another platform.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Longest run of a tool, in seconds.
TIMEOUT = 180
#: Reasons of packages that are part of the project, which the lists leave out.
LOCAL_REASONS = ("workspace member", "local path", "provided by this project")

#: Address that git replaces by the directory of the repository: Yarn 4 accepts no repository on disk.
GIT_ADDRESS = "https://git.example/x/"

#: Content of files by their path: text, bytes, or what is written as JSON.
Files = Mapping[str, Any]
Packages = set[tuple[str, str]]


@dataclass(frozen=True)
class Project:
    """One project: its files, and the requirement that is edited."""

    files: Files
    #: Name of the edited dependency, its requirement as text in the file, and what is written instead.
    edited: str = "ms"
    broken: str = "1.0.0"
    other: str = ">=1.0.0"
    #: Text of an override in the manifest, and what is written instead.
    override: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Tool:
    """One package manager."""

    name: str
    manifest: str
    lock: list[str]
    frozen: list[str]
    list_packages: Callable[[Path], Packages]
    projects: Mapping[str, Project]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command of the tool in a project."""
        environment = {**os.environ, **self.environment, "CI": "1", "NO_COLOR": "1", "FORCE_COLOR": "0"}
        return subprocess.run(
            command, cwd=folder, env=environment, text=True, capture_output=True, timeout=TIMEOUT, check=False
        )


def write(folder: Path, files: Files) -> None:
    """Write the files of a project."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2) + "\n", "utf-8")


def edit(folder: Path, manifest: str, project: Project, requirement: str) -> None:
    """Write another requirement for the edited dependency."""
    path = folder / manifest
    if manifest == "package.json":
        document = json.loads(path.read_text("utf-8"))
        sections = [document.get(key, {}) for key in ("dependencies", "devDependencies", "optionalDependencies")]
        section = next(section for section in sections if project.edited in section)
        section[project.edited] = requirement
        write(folder, {manifest: document})
    else:
        text = path.read_text("utf-8")
        pattern = rf'"{project.edited}[^";]*(;[^"]*)?"'
        path.write_text(
            re.sub(pattern, lambda match: f'"{project.edited}{requirement}{match[1] or ""}"', text, count=1)
        )


def nerq(folder: Path) -> tuple[bool, Packages, Packages]:
    """Return whether nerq reports drift, its list, and what is optional in it."""
    command = [sys.executable, "-m", "nerq_cli", "scan", "--list", "--offline", "--no-config", "--format", "json", "."]
    result = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    report = json.loads(result.stdout)
    items = [
        item
        for item in report["dependencies"]
        if not (item["skip_reason"] or "").startswith(LOCAL_REASONS) and item["groups"] != ["build"]
    ]
    packages = {(item["name"], item["version"] or "") for item in items}
    optional = {(item["name"], item["version"] or "") for item in items if item["groups"] == ["optional"]}
    for problem in (problem for file in report["dependency_files"] for problem in file["errors"]):
        print(f"    nerq: {problem}")
    return any(finding["id"] == "lock-drift" for finding in report["findings"]), packages, optional


# --- npm, pnpm, Yarn, Bun ---------------------------------------------------------------------------------------------


def package(dependencies: Files | None = None, **more: object) -> dict[str, object]:
    """Return a package.json."""
    return {"name": "root", "version": "1.0.0", "private": True, "dependencies": dependencies or {}, **more}


def pack(files: Files) -> bytes:
    """Return an archive as `npm pack` makes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def bundle() -> bytes:
    """Return the archive of a package with two packages in it: one that it requires, and one that this one requires."""
    fields = {"name": "bundler", "version": "1.0.0", "dependencies": {"debug": "^4.3.0", "isarray": "^2.0.0"}}
    return pack(
        {
            "package.json": {**fields, "bundleDependencies": ["debug"]},
            "index.js": "",
            "node_modules/debug/package.json": {"name": "debug", "version": "4.3.4", "dependencies": {"ms": "2.1.2"}},
            "node_modules/ms/package.json": {"name": "ms", "version": "2.1.2"},
        }
    )


def node_projects(repository: Path, tool: str) -> dict[str, Project]:
    """Return the twelve projects of npm's kind, with what only one tool has in that tool's form."""
    is_npm, is_pnpm, is_berry = tool.startswith("npm"), tool == "pnpm", tool == "yarn 4"
    link = "workspace:*" if tool in ("pnpm", "yarn 4", "bun") else "1.0.0"
    workspaces: dict[str, Any] = {} if is_pnpm else {"workspaces": ["packages/*"]}
    pnpm_workspace = {"pnpm-workspace.yaml": "packages:\n  - packages/*\n"} if is_pnpm else {}
    overrides: dict[str, Any] = {"ms": "2.1.2"}
    direct = {} if is_npm else {"isarray": "^1.0.0"}
    if is_pnpm:
        overrides = {"pnpm": {"overrides": {**overrides, "isarray": "2.0.5", "has-flag": "-"}}}
        direct["has-flag"] = "^4.0.0"
    elif tool.startswith("yarn"):
        overrides = {"resolutions": {**overrides, "isarray": "2.0.5"}}
    else:
        overrides = {"overrides": overrides | ({} if is_npm else {"isarray": "2.0.5"})}
    projects = {
        "alias": Project({"package.json": package({"old-ms": "npm:ms@^2.0.0", "ms": "^2.1.0"})}),
        "override": Project(
            {"package.json": package({"debug": "^4.3.0", **direct}, **overrides)},
            "debug",
            "3.1.0",
            override=('"ms": "2.1.2"', '"ms": "2.1.1"'),
        ),
        "workspace": Project(
            {
                "package.json": package({"ms": "^2.1.0"}, **workspaces),
                "packages/a/package.json": package({"b": link, "ms": "^2.0.0"}, name="a"),
                "packages/b/package.json": package({"isarray": "^2.0.0"}, name="b"),
                **pnpm_workspace,
            }
        ),
        "optional peer": Project(
            {
                "package.json": package(
                    {"debug": "^4.3.0", "ms": "^2.1.0"},
                    peerDependencies={"supports-color": "*"},
                    peerDependenciesMeta={"supports-color": {"optional": True}},
                )
            }
        ),
        "platform": Project({"package.json": package({"ms": "^2.1.0"}, optionalDependencies={"fsevents": "^2.3.0"})}),
        "git": Project({"package.json": package({"gitdep": f"git+file://{repository}#v1.0.0", "ms": "^2.1.0"})}),
        "tag": Project({"package.json": package({"ms": "latest", "isarray": "latest"})}),
        "bundled": Project(
            {"package.json": package({"debug": "^4.3.0", "ms": "^2.1.0"}, bundleDependencies=["debug"])}
        ),
        "packed bundle": Project(
            {"package.json": package({"bundler": "file:./bundler.tgz", "ms": "^2.1.3"}), "bundler.tgz": bundle()}
        ),
        "local package": Project(
            {
                "package.json": package({"lib": "file:./lib", "ms": "^2.1.0"}),
                "lib/package.json": {"name": "lib", "version": "1.0.0", "dependencies": {"isarray": "^2.0.0"}},
            }
        ),
        "peer": Project(
            {
                "package.json": package(
                    {"ajv-keywords": "^3.5.2", "ms": "^2.1.0"},
                    devDependencies={"ajv": "^6.12.0"},
                    peerDependencies={"ajv": ">=6"},
                )
            }
        ),
        "pre-release": Project(
            {"package.json": package({"ms": "^3.0.0-canary.0"})}, broken="^4.0.0-0", other=">=3.0.0-0"
        ),
        "catalog": Project({"package.json": package({"ms": "^2.1.0", "isarray": "^2.0.0"})}),
        "patched": Project({"package.json": package({"ms": "^2.1.0", "isarray": "2.0.5"})}),
    }
    if tool == "npm, version 1":  # npm since 7 refuses the lock files of these, as they have no version
        del projects["git"], projects["packed bundle"]
    patch = "diff --git a/index.js b/index.js\n--- a/index.js\n+++ b/index.js\n@@ -1,5 +1,6 @@\n+// patched\n"
    patch += " var toString = {}.toString;\n \n module.exports = Array.isArray || function (arr) {\n"
    patch += "   return toString.call(arr) == '[object Array]';\n };\n"
    cataloged = {"ms": "^2.1.0", "isarray": "catalog:"}
    if is_pnpm:
        catalog = "packages:\n  - packages/*\ncatalog:\n  isarray: ^2.0.0\n"
        projects["catalog"] = Project({"package.json": package(cataloged), "pnpm-workspace.yaml": catalog})
        patched = {"pnpm": {"patchedDependencies": {"isarray@2.0.5": "p.patch"}}}
    elif is_berry:
        git = {"gitdep": f"{GIT_ADDRESS}{repository.name}#tag=v1.0.0", "ms": "^2.1.0"}
        approved = f'approvedGitRepositories: ["{GIT_ADDRESS}**"]\n'
        projects["git"] = Project({"package.json": package(git), ".yarnrc.yml": approved})
        catalog = "catalog:\n  isarray: ^2.0.0\n"
        projects["catalog"] = Project({"package.json": package(cataloged), ".yarnrc.yml": catalog})
        dependency = {"ms": "^2.1.0", "isarray": "patch:isarray@npm%3A2.0.5#./p.patch"}
        projects["patched"] = Project({"package.json": package(dependency), "p.patch": patch})
        return projects
    elif tool == "bun":
        catalog = {"workspaces": {"packages": ["packages/*"], "catalog": {"isarray": "^2.0.0"}}}
        projects["catalog"] = Project({"package.json": package(cataloged, **catalog)})
        patched = {"patchedDependencies": {"isarray@2.0.5": "p.patch"}}
    else:
        del projects["catalog"], projects["patched"]
        return projects
    dependencies = {"ms": "^2.1.0", "isarray": "2.0.5"}
    projects["patched"] = Project({"package.json": package(dependencies, **patched), "p.patch": patch})
    return projects


def list_npm(folder: Path) -> Packages:
    """Return what `npm ls` lists from the lock file."""
    packages = set(_walk_npm(run_json(["npm", "ls", "--all", "--json", "--long", "--package-lock-only"], folder)))
    members = list_members(folder)
    return {(name, version) for name, version in packages if name not in members}


def list_members(folder: Path) -> set[str]:
    """Return the names of the members of a workspace, and of a local package."""
    paths = [*folder.glob("packages/*/package.json"), *folder.glob("lib/package.json")]
    return {json.loads(path.read_text("utf-8"))["name"] for path in paths}


def use_real_names(packages: Packages, folder: Path) -> Packages:
    """Return a list without members of the workspace, and with packages in place of aliases."""
    requirements = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"].items()
    real_names = {name: text[4:].rpartition("@")[0] for name, text in requirements if text.startswith("npm:")}
    members = list_members(folder)
    return {(real_names.get(name, name), version) for name, version in packages if name not in members}


def _walk_npm(node: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, child in node.get("dependencies", {}).items():
        if child.get("version"):
            yield child.get("name", name), child["version"]
        yield from _walk_npm(child)


def list_pnpm(folder: Path, command: list[str]) -> Packages:
    """Return what `pnpm list` lists of all projects."""
    packages: Packages = set()
    text = run_text([*command, "list", "--recursive", "--depth", "Infinity", "--json"], folder)
    while text.strip():  # a document for the workspace, and one for each project outside of it
        projects, end = json.JSONDecoder().raw_decode(text.strip())
        text = text.strip()[end:]
        for project in projects:
            packages.update(_walk_pnpm(project))
    members = list_members(folder)
    return {(name, version) for name, version in packages if name not in members}


def _walk_pnpm(node: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for section in ("dependencies", "devDependencies", "optionalDependencies"):
        for child in node.get(section, {}).values():
            version = child["version"]
            if not version.startswith("link:"):
                yield child["from"], version.rpartition("@")[2] if ":" not in version else ""
            yield from _walk_pnpm(child)


def list_yarn_classic(folder: Path, command: list[str]) -> Packages:
    """Return what `yarn list` lists."""
    output = run_text([*command, "list", "--json"], folder)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    pending = [tree for line in lines if line["type"] == "tree" for tree in line["data"]["trees"]]
    packages: Packages = set()
    while pending:
        tree = pending.pop()
        pending += tree.get("children", [])
        name, _, version = tree["name"].rpartition("@")
        if not tree.get("shadow"):
            packages.add((name, version))
    return use_real_names(packages, folder)


def list_yarn_berry(folder: Path, command: list[str]) -> Packages:
    """Return what `yarn info` lists."""
    output = run_text([*command, "info", "--all", "--recursive", "--json"], folder)
    packages: Packages = set()
    for line in map(json.loads, filter(None, output.splitlines())):
        locator, version = line["value"], line["children"]["Version"]
        if "@workspace:" not in locator:
            packages.add((locator[: locator.index("@", 1)], version))
    members = list_members(folder)
    return {(name, version) for name, version in packages if name not in members}


def list_bun(folder: Path, command: list[str]) -> Packages:
    """Return what `bun pm ls` lists."""
    output = run_text([*command, "pm", "ls", "--all"], folder)
    lines = re.findall(r"[├└]── (@?[^@\s]+)@(\S+)", output)
    return use_real_names({(name, version) for name, version in lines if not version.startswith("workspace:")}, folder)


# --- uv and Poetry ----------------------------------------------------------------------------------------------------


def pyproject(dependencies: Iterable[str], more: str = "", *, name: str = "root", extra: str = "") -> str:
    """Return a pyproject.toml."""
    lines = "".join(f'    "{dependency}",\n' for dependency in dependencies)
    head = f'[project]\nname = "{name}"\nversion = "1.0.0"\nrequires-python = ">=3.11,<4"\n'
    return f"{head}dependencies = [\n{lines}]\n{extra}\n{more}"


def python_projects(repository: Path, tool: str, index: str = "") -> dict[str, Project]:
    """Return the twelve projects of Python's kind."""
    is_uv, is_pdm = tool == "uv", tool == "pdm"
    base = ["idna>=3.4"]
    package_mode = {"uv": "", "pdm": "[tool.pdm]\ndistribution = false\n"}.get(
        tool, "[tool.poetry]\npackage-mode = false\n"
    )
    if index and tool == "poetry":
        package_mode += f'[[tool.poetry.source]]\nname = "index"\nurl = "{index}"\npriority = "primary"\n'
    settings = f"[tool.uv]\n{{}}\n{package_mode}" if is_uv else f"{{}}\n{package_mode}"

    def single(dependencies: Iterable[str], uv: str = "", pdm: str = "", extra: str = "") -> Project:
        text = pyproject(dependencies, settings.format(uv if is_uv else pdm if is_pdm else ""), extra=extra)
        override = ("4.12.2", "4.12.1") if "4.12.2" in text else ("", "")
        return Project({"pyproject.toml": text}, "idna", "<3", ">=3", override)

    path_source = (
        '[tool.uv.sources]\nlocal = { path = "local" }\n'
        if is_uv
        else package_mode
        if is_pdm
        else f'[tool.poetry.dependencies]\nlocal = {{ path = "local" }}\n{package_mode}'
    )
    local = pyproject(["six>=1.16"], name="local", extra='[build-system]\nrequires = ["setuptools"]\n')
    projects = {
        "alias": single(["Typing_Extensions>=4.5", *base]),
        "override": single(
            ["typing-extensions<4.10", "six>=1.15", *base],
            'override-dependencies = ["typing-extensions==4.12.2", "six ; sys_platform == \'never\'"]\n'
            'constraint-dependencies = ["idna<3.8"]',
            '[tool.pdm.resolution.overrides]\ntyping-extensions = "==4.12.2"\n',
        ),
        "optional peer": single(base, extra='[project.optional-dependencies]\nx = ["six>=1.16"]\n'),
        "platform": single(["colorama>=0.4 ; sys_platform == 'win32'", *base]),
        "git": single([f"gitdep @ git+file://{repository}@v1.0.0", *base]),
        "tag": single(["typing-extensions==4.*", "six~=1.16", *base]),
        "bundled": single(base, extra='[dependency-groups]\ndev = ["six>=1.16"]\n'),
        "peer": single(["six==1.16.0 ; python_version < '3.12'", "six>=1.17 ; python_version >= '3.12'", *base]),
        "local package": Project(
            {
                "pyproject.toml": pyproject(
                    ["local @ file:///${PROJECT_ROOT}/local" if is_pdm else "local", *base], path_source
                ),
                "local/pyproject.toml": local,
                "local/local.py": "",
            },
            "idna",
            "<3",
            ">=3",
        ),
        "catalog": single(["six>=1.16,<2", *base], 'constraint-dependencies = ["six<1.17"]'),
        "pre-release": single(["typing-extensions>=4.13.0rc1,<=4.13.0rc1", *base], 'prerelease = "allow"'),
    }
    if is_uv:
        members = {
            "pyproject.toml": pyproject(
                ["a", *base],
                '[tool.uv.sources]\na = { workspace = true }\n[tool.uv.workspace]\nmembers = ["packages/*"]\n',
            ),
            "packages/a/pyproject.toml": pyproject(["six>=1.16"], name="a"),
        }
        projects["workspace"] = Project(members, "idna", "<3", ">=3")
    if is_pdm:  # it clones no repository on disk, and has one version of a package
        del projects["git"], projects["peer"]
    return projects


def list_uv(folder: Path, command: list[str]) -> Packages:
    """Return what `uv export` lists."""
    arguments = ["export", "--frozen", "--all-packages", "--all-groups", "--all-extras", "--no-hashes", "--no-header"]
    output = run_text([*command, *arguments], folder)
    packages = set(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", output, re.MULTILINE))
    return packages | {(name, "") for name in re.findall(r"^([A-Za-z0-9._-]+) @ git", output, re.MULTILINE)}


def list_poetry(folder: Path, command: list[str]) -> Packages:
    """Return what `poetry show` lists."""
    output = run_text([*command, "show", "--all", "--no-truncate", "--no-ansi"], folder)
    rows = re.findall(r"^([A-Za-z0-9._-]+)\s+(?:\(!\)\s+)?(\S+)( [0-9a-f]{7})?( \S*local)?", output, re.MULTILINE)
    return {(name, version) for name, version, *_ in rows if name != "local"}


def list_pdm(folder: Path, command: list[str]) -> Packages:
    """Return what `pdm export` lists."""
    output = run_text([*command, "export", "--lockfile", "pdm.lock", "-G", ":all", "--no-hashes"], folder)
    packages = set(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", output, re.MULTILINE))
    return packages | {(name, "") for name in re.findall(r"^([A-Za-z0-9._-]+) @ git", output, re.MULTILINE)}


# --- The comparison ---------------------------------------------------------------------------------------------------


def run_text(command: list[str], folder: Path) -> str:
    """Return what a command prints."""
    environment = {**os.environ, "CI": "1", "NO_COLOR": "1", "FORCE_COLOR": "0"}
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, timeout=TIMEOUT, check=False
    ).stdout


def run_json(command: list[str], folder: Path) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON that a command prints."""
    return json.loads(run_text(command, folder) or "{}")


def make_repository(folder: Path) -> Path:
    """Return a new git repository with a package of npm's and of Python's kind, tagged v1.0.0."""
    repository = folder / "gitdep.git"
    files = {
        "package.json": {"name": "gitdep", "version": "1.0.0"},
        "index.js": "",
        "gitdep.py": "",
        "pyproject.toml": pyproject([], '[build-system]\nrequires = ["setuptools"]\n', name="gitdep"),
    }
    write(repository, files)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "Start"], ["tag", "v1.0.0"]):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    return repository


def make_tools(tools: Path, repository: Path, index: str) -> list[Tool]:
    """Return the tools that are installed."""
    modules, scripts = tools / "node_modules", tools / "py" / "bin"
    yarn_1 = ["node", str(modules / "yarn" / "bin" / "yarn.js")]
    yarn_4 = ["node", str(modules / "@yarnpkg" / "cli-dist" / "bin" / "yarn.js")]
    pnpm, bun = [str(modules / "pnpm" / "bin" / "pnpm.cjs")], [str(modules / ".bin" / "bun")]
    pnpm = ["node", *pnpm]
    uv, poetry, pdm = ([str(scripts / name)] for name in ("uv", "poetry", "pdm"))
    quiet = ["--ignore-scripts"]
    berry = {
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_ENABLE_GLOBAL_CACHE": "1",
        "YARN_NODE_LINKER": "node-modules",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository.parent}/.insteadOf",
        "GIT_CONFIG_VALUE_0": GIT_ADDRESS,
    }
    tools_by_name = [
        Tool(
            "npm",
            "package.json",
            ["npm", "install", "--no-audit", "--no-fund", *quiet],
            ["npm", "ci", "--no-audit", "--no-fund", *quiet],
            list_npm,
            node_projects(repository, "npm"),
        ),
        Tool(
            "npm, version 1",
            "package.json",
            ["npm", "install", "--lockfile-version=1", "--no-audit", "--no-fund", *quiet],
            ["npm", "ci", "--no-audit", "--no-fund", *quiet],
            list_npm,
            node_projects(repository, "npm, version 1"),
        ),
        Tool(
            "pnpm",
            "package.json",
            [*pnpm, "install", "--no-frozen-lockfile", *quiet],
            [*pnpm, "install", "--frozen-lockfile", *quiet],
            lambda folder: list_pnpm(folder, pnpm),
            node_projects(repository, "pnpm"),
        ),
        Tool(
            "yarn 1",
            "package.json",
            [*yarn_1, "install", "--non-interactive", *quiet],
            [*yarn_1, "install", "--frozen-lockfile", "--non-interactive", *quiet],
            lambda folder: list_yarn_classic(folder, yarn_1),
            node_projects(repository, "yarn 1"),
        ),
        Tool(
            "yarn 4",
            "package.json",
            [*yarn_4, "install", "--no-immutable", "--mode=skip-build"],
            [*yarn_4, "install", "--immutable", "--mode=skip-build"],
            lambda folder: list_yarn_berry(folder, yarn_4),
            node_projects(repository, "yarn 4"),
            berry,
        ),
        Tool(
            "bun",
            "package.json",
            [*bun, "install", "--save-text-lockfile", *quiet],
            [*bun, "install", "--frozen-lockfile", *quiet],
            lambda folder: list_bun(folder, bun),
            node_projects(repository, "bun"),
        ),
        Tool(
            "uv",
            "pyproject.toml",
            [*uv, "lock"],
            [*uv, "lock", "--check"],
            lambda folder: list_uv(folder, uv),
            python_projects(repository, "uv"),
        ),
        Tool(
            "poetry",
            "pyproject.toml",
            [*poetry, "lock", "--no-interaction"],
            [*poetry, "check", "--lock", "--no-interaction"],
            lambda folder: list_poetry(folder, poetry),
            python_projects(repository, "poetry", index),
            {"POETRY_VIRTUALENVS_IN_PROJECT": "1"},
        ),
        Tool(
            "pdm",
            "pyproject.toml",
            [*pdm, "lock", "-G", ":all"],
            [*pdm, "lock", "--check"],
            lambda folder: list_pdm(folder, pdm),
            python_projects(repository, "pdm"),
            {"PDM_CHECK_UPDATE": "0"},
        ),
    ]
    return [tool for tool in tools_by_name if shutil.which(tool.lock[0])]


def compare(tool: Tool, name: str, project: Project, folder: Path) -> str:
    """Return the agreements on one project of one tool."""
    write(folder, project.files)
    locked = tool.run(tool.lock, folder)
    if locked.returncode:
        print(f"{tool.name}/{name}: not locked: {(locked.stdout + locked.stderr).strip()[-600:]}")
        return "not locked"
    results = []
    edits = [("as written", None), ("broken", project.broken), ("other", project.other)]
    for label, requirement in edits + [("overridden", None)] * any(project.override):
        saved = (folder / tool.manifest).read_bytes()
        if label == "overridden":
            (folder / tool.manifest).write_text(saved.decode().replace(*project.override))
        elif requirement is not None:
            edit(folder, tool.manifest, project, requirement)
        drift, packages, optional = nerq(folder)
        frozen = tool.run(tool.frozen, folder)
        accepted = frozen.returncode == 0
        results.append(accepted != drift)
        if accepted == drift:
            detail = (frozen.stdout + frozen.stderr).strip()[-300:]
            print(f"{tool.name}/{name}, {label}: frozen {accepted}, drift {drift}\n    {detail}")
        if label == "as written":
            listed = tool.list_packages(folder)
            results.append(compare_lists(tool, name, packages, listed | (packages & optional)))
        (folder / tool.manifest).write_bytes(saved)
    return f"{sum(results)}/{len(results)}"


def compare_lists(tool: Tool, name: str, ours: Packages, theirs: Packages) -> bool:
    """Return whether two lists are equal; a package of a repository may lack its version in one of them."""
    names_without_version = {name for name, version in ours | theirs if not version}
    ours, theirs = (
        {(name, "" if name in names_without_version else version) for name, version in packages}
        for packages in (ours, theirs)
    )
    if ours != theirs:
        print(f"{tool.name}/{name}: only in nerq {sorted(ours - theirs)}, only in the tool {sorted(theirs - ours)}")
    return ours == theirs


def main() -> None:
    """Compare all projects of all tools, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--index", default="", help="index that Poetry uses; it asks no other file for one")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    only_tool, _, only_project = options.only.partition("/")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tools = make_tools(options.tools.resolve(), make_repository(Path(temporary)), options.index)
        tools = [tool for tool in tools if tool.name == (only_tool or tool.name)]
        names = list(dict.fromkeys(name for tool in tools for name in tool.projects))
        table: dict[str, dict[str, str]] = {name: {} for name in names}
        for tool in tools:
            for name, project in tool.projects.items():
                if name == (only_project or name):
                    place = folder / f"{tool.name} {name}".replace(" ", "-")
                    table[name][tool.name] = compare(tool, name, project, place)
    print("| project |", " | ".join(tool.name for tool in tools), "|")
    print("|---" * (len(tools) + 1) + "|")
    for name, row in table.items():
        print(f"| {name} |", " | ".join(row.get(tool.name, "-") for tool in tools), "|")


if __name__ == "__main__":
    main()
