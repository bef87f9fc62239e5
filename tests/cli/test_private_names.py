"""A name whose registry is another one, or is not known, reaches no server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
CORP = "https://pkgs.corp.example"


@pytest.fixture
def registries(registry: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registries of the user, by the configuration of pip and npm and not by that of nerq."""
    for name in ("NERQ_PYPI_URL", "NERQ_NPM_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.site.url}/simple")
    monkeypatch.setenv("npm_config_registry", registry.site.url)
    registry.pypi("demo", "1.0")
    registry.npm("demo", "1.0.0")
    return registry


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


PYPROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["demo", "hidden"]\n'
PDM_LOCK = '[metadata]\nlock_version = "4.5.0"\n' + "".join(
    f'\n[[package]]\nname = "{name}"\nversion = "1.0"\ngroups = ["default"]\n' for name in ("demo", "hidden")
)


def pylock(source: str) -> str:
    return f'lock-version = "1.0"\ncreated-by = "pip"\n\n[[packages]]\nname = "hidden"\nversion = "1.0"\n{source}\n'


def manifest(**dependencies: str) -> str:
    return json.dumps({"name": "x", "dependencies": {"demo": "1.0.0", **dependencies}})


SCOPED = manifest(**{"@corp/hidden": "1.0.0"})
YARN_LOCK = (
    "__metadata:\n  version: 8\n\n"
    '"@corp/hidden@npm:1.0.0":\n  version: 1.0.0\n  resolution: "@corp/hidden@npm:1.0.0"\n\n'
    '"demo@npm:1.0.0":\n  version: 1.0.0\n  resolution: "demo@npm:1.0.0"\n\n'
    '"x@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "x@workspace:."\n  dependencies:\n'
    '    "@corp/hidden": "npm:1.0.0"\n    demo: "npm:1.0.0"\n'
)
WHEEL = "hidden-1.0-py3-none-any.whl"

PROJECTS: dict[str, dict[str, str]] = {
    "pdm.lock beside an index of PDM": {
        "pyproject.toml": f'{PYPROJECT}[[tool.pdm.source]]\nname = "corp"\nurl = "{CORP}/simple"\n',
        "pdm.lock": PDM_LOCK,
    },
    "pdm.lock beside an index that replaces the public one": {
        "pyproject.toml": f'{PYPROJECT}[[tool.pdm.source]]\nname = "pypi"\nurl = "{CORP}/simple"\n',
        "pdm.lock": PDM_LOCK,
    },
    "pdm.lock beside an index for some names": {
        "pyproject.toml": (
            f'{PYPROJECT}[[tool.pdm.source]]\nname = "corp"\nurl = "{CORP}/simple"\ninclude_packages = ["hid*"]\n'
        ),
        "pdm.lock": PDM_LOCK,
    },
    "pylock.toml with the URL of a file": {
        "pylock.toml": pylock(f'wheels = [{{ name = "{WHEEL}", url = "{CORP}/{WHEEL}", hashes = {{}} }}]')
    },
    "pylock.toml with the path of a file": {
        "pylock.toml": pylock(f'wheels = [{{ name = "{WHEEL}", path = "wheels/{WHEEL}", hashes = {{}} }}]')
    },
    "pylock.toml with the URL of a source archive": {
        "pylock.toml": pylock(f'sdist = {{ name = "hidden-1.0.tar.gz", url = "{CORP}/hidden-1.0.tar.gz" }}')
    },
    "a page of links": {"requirements.txt": f"--find-links {CORP}/links.html\ndemo\nhidden==1.0\n"},
    "a directory of archives": {"requirements.txt": "-f ./wheels\ndemo\nhidden==1.0\n"},
    "a directory of archives for uv": {"pyproject.toml": f'{PYPROJECT}[tool.uv]\nfind-links = ["./wheels"]\n'},
    "no index for uv": {"pyproject.toml": f"{PYPROJECT}[tool.uv]\nno-index = true\n"},
    "no index in uv.toml": {"pyproject.toml": PYPROJECT, "uv.toml": "no-index = true\n"},
    "a scope of Yarn": {
        "package.json": SCOPED,
        ".yarnrc.yml": f"npmScopes:\n  corp:\n    npmRegistryServer: {CORP}\n",
    },
    "a scope of Yarn beside its lock file": {
        "package.json": SCOPED,
        "yarn.lock": YARN_LOCK,
        ".yarnrc.yml": f"npmScopes:\n  corp:\n    npmRegistryServer: {CORP}\n",
    },
    "a registry of Yarn": {"package.json": manifest(hidden="1.0.0"), ".yarnrc.yml": f"npmRegistryServer: {CORP}\n"},
    "a registry of Yarn beside a public one of npm": {
        "package.json": manifest(hidden="1.0.0"),
        ".yarnrc.yml": f"npmRegistryServer: {CORP}\n",
        ".npmrc": "registry=https://registry.example/\n",
    },
    "a scope of Yarn 1": {"package.json": SCOPED, ".yarnrc": f'"@corp:registry" "{CORP}"\n'},
    "a scope of Bun": {"package.json": SCOPED, "bunfig.toml": f'[install.scopes]\n"@corp" = "{CORP}"\n'},
    "a scope of Bun with a token": {
        "package.json": SCOPED,
        "bunfig.toml": f'[install.scopes.corp]\nurl = "{CORP}"\ntoken = "$TOKEN"\n',
    },
    "a registry of Bun": {"package.json": manifest(hidden="1.0.0"), "bunfig.toml": f'[install]\nregistry = "{CORP}"\n'},
    "registries of pnpm": {"package.json": SCOPED, "pnpm-workspace.yaml": f'registries:\n  "@corp": {CORP}\n'},
    "an override at another address": {
        "package.json": json.dumps(
            {"name": "x", "dependencies": {"demo": "1.0.0"}, "overrides": {"hidden": f"{CORP}/hidden.tgz"}}
        )
    },
}


def was_told(registries: Any, services: Any, name: str) -> bool:
    requests = [*registries.site.requests, *services.site.requests]
    return any(name in request.path or name in request.body.decode(errors="replace") for request in requests)


@pytest.mark.parametrize("situation", PROJECTS)
def test_a_project_that_takes_it_from_elsewhere(
    nerq: Nerq, registries: Any, services: Any, project: Path, situation: str
) -> None:
    write(project, PROJECTS[situation])
    result = nerq("scan", *AS_OF, "--format", "json")
    assert not was_told(registries, services, "hidden")
    for dependency in result.json["dependencies"]:
        if "hidden" in dependency["name"]:
            assert dependency["state"] == "not-judged"


USER_SETTINGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "pip without an index": ({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/srv/wheels"}, {}),
    "pip.conf without an index": (
        {},
        {".config/pip/pip.conf": "[global]\nno-index = true\nfind-links = /srv/wheels\n"},
    ),
    "uv without an index": ({"UV_NO_INDEX": "true"}, {}),
    "uv.toml without an index": ({}, {".config/uv/uv.toml": "no-index = true\n"}),
    "uv.toml without an index for pip": ({}, {".config/uv/uv.toml": "[pip]\nno-index = true\n"}),
    "a page of links of pip": ({"PIP_FIND_LINKS": f"{CORP}/links.html"}, {}),
    "a page of links in pip.conf": ({}, {".config/pip/pip.conf": f"[install]\nfind-links = {CORP}/links.html\n"}),
    "a page of links of uv": ({"UV_FIND_LINKS": f"/srv/wheels,{CORP}/links.html"}, {}),
    "a page of links in uv.toml": ({}, {".config/uv/uv.toml": f'find-links = ["{CORP}/links.html"]\n'}),
}


@pytest.mark.parametrize("situation", USER_SETTINGS)
def test_a_user_who_takes_it_from_elsewhere(
    nerq: Nerq,
    registries: Any,
    services: Any,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    situation: str,
) -> None:
    environment, files = USER_SETTINGS[situation]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    write(project.parent / "home", files)
    (project / "requirements.txt").write_text("hidden==1.0\n")
    status = nerq("scan", *AS_OF, "--strict").status
    assert status == 3
    assert not was_told(registries, services, "hidden")


def test_a_directory_of_archives_of_the_user_hides_the_names_in_it_only(
    nerq: Nerq, registries: Any, services: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project.parent, {f"wheels/{WHEEL}": ""})
    monkeypatch.setenv("PIP_FIND_LINKS", str(project.parent / "wheels"))
    (project / "requirements.txt").write_text("demo\nhidden==1.0\n")
    nerq("scan", *AS_OF)
    assert not was_told(registries, services, "hidden")
    assert was_told(registries, services, "demo")


TOOLS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "Yarn's variable": ({"YARN_NPM_REGISTRY_SERVER": "ADDRESS"}, {}),
    "Yarn's file": ({}, {".yarnrc.yml": "npmRegistryServer: ADDRESS\n"}),
    "Yarn's file with a variable": ({"CORP_URL": "ADDRESS"}, {".yarnrc.yml": 'npmRegistryServer: "${CORP_URL:-x}"\n'}),
    "Yarn 1's file": ({}, {".yarnrc": "registry ADDRESS\n"}),
    "Bun's variable": ({"BUN_CONFIG_REGISTRY": "ADDRESS"}, {}),
    "Bun's file": ({}, {".bunfig.toml": '[install]\nregistry = { url = "ADDRESS", token = "s3cret" }\n'}),
}


@pytest.mark.parametrize("situation", TOOLS)
def test_the_registry_of_the_users_tool_is_the_one_that_is_asked(
    nerq: Nerq, registries: Any, project: Path, monkeypatch: pytest.MonkeyPatch, situation: str
) -> None:
    monkeypatch.delenv("npm_config_registry")
    registries.npm("hidden", "1.0.0")
    environment, files = TOOLS[situation]
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("ADDRESS", registries.site.url))
    write(project.parent / "home", {name: text.replace("ADDRESS", registries.site.url) for name, text in files.items()})
    write(project, {"package.json": manifest(hidden="1.0.0")})
    nerq("scan", *AS_OF)
    assert any(request.path == "/hidden" for request in registries.site.requests)


def test_the_public_registry_of_npm_gives_way_to_that_of_another_tool(
    nerq: Nerq, registries: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nerq_cli.ecosystems import NPM
    from nerq_cli.sources.endpoints import get_public_registry_url

    monkeypatch.setenv("npm_config_registry", get_public_registry_url(NPM))
    monkeypatch.setenv("YARN_NPM_REGISTRY_SERVER", registries.site.url)
    write(project, {"package.json": manifest(hidden="1.0.0")})
    nerq("scan", *AS_OF)
    assert any(request.path == "/hidden" for request in registries.site.requests)


@pytest.mark.parametrize(
    "target",
    ["acme_zeta", "ACME.Zeta", "acme-zeta@1.0", "@Acme/zeta", "npm:Acme-zeta", "pkg:npm/%40Acme/zeta", "mcp:acme-zeta"],
)
def test_a_private_name_is_sent_nowhere_in_any_spelling(
    registries: Any, nerq: Nerq, project: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", registries.site.url)
    (project / "nerq.toml").write_text('private = ["acme-*", "@acme/*"]\n')
    result = nerq("check", target, *AS_OF)
    assert "private" in result.out + result.err
    assert not [path for path in registries.paths if "zeta" in path.lower()]


@pytest.mark.parametrize(
    "target",
    [
        "pkg:npm/%2e%2e%2fhidden",
        "pkg:npm/%40a/%2e%2e%2fhidden",
        "pkg:pypi/hidden%00-x",
        "pkg:pypi/hidden%20x",
        "pkg:pypi/hidden@..%2f..%2fx",
        "npm:..%2fhidden",
    ],
)
def test_a_name_that_no_package_has_is_not_sent(registries: Any, nerq: Nerq, target: str) -> None:
    result = nerq("check", target, *AS_OF)
    assert result.status == 2
    assert "hidden" in result.err or ".." in result.err
    assert not [path for path in registries.paths if "hidden" in path or ".." in path]
