"""Every place that only the scanned project names is a finding on each package that it may supply, and never asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.ecosystems import PYPI, get_ecosystem

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
PAGE = "https://pkgs.example/simple"
PUBLIC = "/".join(get_ecosystem(PYPI).get_artefact_url().split("/")[:3])


@pytest.fixture(autouse=True)
def most_used(registry: Any) -> None:
    registry.pypi("requests", "2.31.0")
    registry.pypi("demo", "1.0")
    registry.npm("lodash", "4.17.21")
    registry.npm("@acme/web", "1.0.0")


def find_origins(nerq: Nerq, *arguments: str) -> tuple[int, dict[str, str]]:
    result = nerq("scan", *AS_OF, "--format", "json", "--strict", *arguments)
    found = [finding for finding in result.json["findings"] if finding["id"] == "foreign-origin"]
    return result.status, {finding["name"]: finding["text"] for finding in found}


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)


MANIFEST = json.dumps({"name": "x", "dependencies": {"lodash": "4.17.21", "@acme/web": "1.0.0"}})
PYPROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["requests==2.31.0"]\n'
ARCHIVE = "https://files.example/lodash.tgz"


def manifest(**fields: Any) -> str:
    return json.dumps({"name": "x", "dependencies": {"lodash": "4.17.21"}, **fields})


PLACES: dict[str, tuple[dict[str, str], str, str]] = {
    "extra index": (
        {"requirements.txt": "--extra-index-url https://user:secret@pkgs.example/simple\nrequests==2.31.0\n"},
        "requests",
        f"may come from {PAGE} (requirements.txt:1)",
    ),
    "extra index in an included file": (
        {"requirements.txt": "-r more.txt\nrequests==2.31.0\n", "more.txt": f"\n--extra-index-url {PAGE}\n"},
        "requests",
        f"may come from {PAGE} (more.txt:2)",
    ),
    "index": (
        {"requirements.txt": f"-i {PAGE}\nrequests==2.31.0\n"},
        "requests",
        f"may come from {PAGE} (requirements.txt:1)",
    ),
    "find-links": (
        {"requirements.txt": "--find-links https://files.example/links.html\nrequests==2.31.0\n"},
        "requests",
        "may come from https://files.example/links.html (requirements.txt:1)",
    ),
    "constraint": (
        {
            "requirements.txt": "-c constraints.txt\nrequests==2.31.0\n",
            "constraints.txt": "requests @ https://files.example/requests-2.31.0.tar.gz\n",
        },
        "requests",
        "URL: https://files.example/requests-2.31.0.tar.gz",
    ),
    "uv index": (
        {"pyproject.toml": f'{PYPROJECT}[[tool.uv.index]]\nname = "corp"\nurl = "{PAGE}"\n'},
        "requests",
        f"may come from {PAGE} (pyproject.toml:7)",
    ),
    "uv index in uv.toml": (
        {"pyproject.toml": PYPROJECT, "uv.toml": f'[[index]]\nurl = "{PAGE}"\n'},
        "requests",
        f"may come from {PAGE} (uv.toml:2)",
    ),
    "uv find-links": (
        {"pyproject.toml": f'{PYPROJECT}[tool.uv]\nfind-links = ["{PAGE}"]\n'},
        "requests",
        f"may come from {PAGE} (pyproject.toml:6)",
    ),
    "uv override": (
        {
            "pyproject.toml": f'{PYPROJECT}[tool.uv]\noverride-dependencies = ["requests @ git+https://code.example/r"]\n'
        },
        "requests",
        "git: https://code.example/r",
    ),
    "Poetry source": (
        {"pyproject.toml": f'{PYPROJECT}[[tool.poetry.source]]\nname = "corp"\nurl = "{PAGE}"\n'},
        "requests",
        f"may come from {PAGE} (pyproject.toml:7)",
    ),
    "PDM source": (
        {"pyproject.toml": f'{PYPROJECT}[[tool.pdm.source]]\nname = "corp"\nurl = "{PAGE}"\n'},
        "requests",
        f"may come from {PAGE} (pyproject.toml:7)",
    ),
    "PDM override": (
        {
            "pyproject.toml": f'{PYPROJECT}[tool.pdm.resolution.overrides]\nrequests = "https://files.example/r.tar.gz"\n'
        },
        "requests",
        "URL: https://files.example/r.tar.gz",
    ),
    "static addresses of PDM": (
        {
            "pyproject.toml": PYPROJECT,
            "pdm.lock": '[metadata]\nlock_version = "4.5.0"\n\n[[package]]\nname = "requests"\nversion = "2.31.0"\n'
            'files = [\n    {url = "https://pkgs.example/a/requests-2.31.0.tar.gz", hash = "sha256:00"},\n]\n',
        },
        "requests",
        "may come from https://pkgs.example (pdm.lock:8)",
    ),
    "static addresses of PDM before 2.8": (
        {
            "pyproject.toml": PYPROJECT,
            "pdm.lock": '[[package]]\nname = "requests"\nversion = "2.31.0"\n\n[metadata]\nlock_version = "4.2"\n\n'
            '[metadata.files]\n"requests 2.31.0" = [\n'
            '    {url = "https://pkgs.example/a/requests-2.31.0.tar.gz", hash = "sha256:00"},\n]\n',
        },
        "requests",
        "may come from https://pkgs.example (pdm.lock:10)",
    ),
    "npm override": ({"package.json": manifest(overrides={"lodash": ARCHIVE})}, "lodash", f"URL: {ARCHIVE}"),
    "npm override of one version": (
        {"package.json": manifest(overrides={"lodash@^4": "github:a/lodash"})},
        "lodash",
        "git: github:a/lodash",
    ),
    "npm override below another package": (
        {"package.json": manifest(overrides={"demo": {"lodash": ARCHIVE}})},
        "lodash",
        f"URL: {ARCHIVE}",
    ),
    "npm override by another package": (
        {"package.json": manifest(overrides={"lodash": "npm:lowdash@1.0.0"})},
        "lodash",
        "replaced by lowdash",
    ),
    "Yarn resolution": ({"package.json": manifest(resolutions={"**/lodash": ARCHIVE})}, "lodash", f"URL: {ARCHIVE}"),
    "pnpm override": (
        {"package.json": manifest(pnpm={"overrides": {"a>lodash": ARCHIVE}})},
        "lodash",
        f"URL: {ARCHIVE}",
    ),
    "pnpm override in the workspace": (
        {"package.json": manifest(), "pnpm-workspace.yaml": f"overrides:\n  lodash: {ARCHIVE}\n"},
        "lodash",
        f"URL: {ARCHIVE}",
    ),
    "npmrc": (
        {"package.json": MANIFEST, ".npmrc": "registry=https://npm.corp.example/\n"},
        "lodash",
        "may come from https://npm.corp.example (.npmrc:1)",
    ),
    "npmrc for a scope": (
        {"package.json": MANIFEST, ".npmrc": "# ours\n@acme:registry=https://npm.corp.example/\n"},
        "@acme/web",
        "may come from https://npm.corp.example (.npmrc:2)",
    ),
    "Yarn registry": (
        {"package.json": MANIFEST, ".yarnrc.yml": "npmRegistryServer: https://npm.corp.example\n"},
        "lodash",
        "may come from https://npm.corp.example (.yarnrc.yml:1)",
    ),
    "Yarn scope": (
        {
            "package.json": MANIFEST,
            ".yarnrc.yml": "npmScopes:\n  acme:\n    npmRegistryServer: https://npm.corp.example\n",
        },
        "@acme/web",
        "may come from https://npm.corp.example (.yarnrc.yml:3)",
    ),
    "Yarn 1": (
        {"package.json": MANIFEST, ".yarnrc": '"@acme:registry" "https://npm.corp.example"\n'},
        "@acme/web",
        "may come from https://npm.corp.example (.yarnrc:1)",
    ),
    "Bun scope": (
        {"package.json": MANIFEST, "bunfig.toml": '[install.scopes]\nacme = { url = "https://npm.corp.example" }\n'},
        "@acme/web",
        "may come from https://npm.corp.example (bunfig.toml:2)",
    ),
    "pnpm registries": (
        {"package.json": MANIFEST, "pnpm-workspace.yaml": 'registries:\n  "@acme": https://npm.corp.example\n'},
        "@acme/web",
        "may come from https://npm.corp.example (pnpm-workspace.yaml:2)",
    ),
    "package-lock": (
        {
            "package.json": manifest(),
            "package-lock.json": json.dumps(
                {
                    "name": "x",
                    "lockfileVersion": 3,
                    "packages": {
                        "": {"name": "x", "dependencies": {"lodash": "4.17.21"}},
                        "node_modules/lodash": {
                            "version": "4.17.21",
                            "resolved": "https://npm.corp.example/lodash/-/lodash-4.17.21.tgz",
                        },
                    },
                }
            ),
        },
        "lodash",
        "may come from https://npm.corp.example (package-lock.json:1)",
    ),
    "a dependency at an address": (
        {"requirements.txt": "demo @ git+https://user:secret@code.example/demo@v1\n"},
        "demo",
        "git: https://code.example/demo @ v1",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_is_a_finding_that_fails_a_strict_run(nerq: Nerq, project: Path, place: str) -> None:
    files, name, text = PLACES[place]
    write(project, files)
    status, origins = find_origins(nerq)
    assert status == 3
    assert origins.get(name) == text
    assert "secret" not in str(origins)


@pytest.mark.parametrize(
    "place", [name for name in PLACES if "override" in name or name in ("constraint", "Yarn resolution")]
)
def test_what_another_source_replaces_is_not_judged_as_the_public_package(
    nerq: Nerq, registry: Any, project: Path, place: str
) -> None:
    files, name, _ = PLACES[place]
    write(project, files)
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = [one for one in result.json["dependencies"] if one["name"] == name]
    assert dependency["state"] == "not-judged"
    assert not any(name in path for path in registry.paths)


def test_the_terminal_names_the_packages_the_place_and_the_line(nerq: Nerq, project: Path) -> None:
    lines = "\n".join(f"{name}==1.0" for name in ("flask", "numpy", "pandas", "requests"))
    write(project, {"requirements.txt": f"--extra-index-url {PAGE}\n{lines}\n"})
    printed = nerq("scan", *AS_OF).out
    assert "4 packages that may come from places that only this project names" in printed
    assert "flask, numpy, pandas, requests" in printed
    assert printed.count(f"may come from {PAGE} (requirements.txt:1)") == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PIP_EXTRA_INDEX_URL", PAGE), ("UV_INDEX", f"corp={PAGE}"), ("PIP_FIND_LINKS", PAGE), ("UV_FIND_LINKS", PAGE)],
)
def test_what_the_user_names_too_is_none(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    write(project, {"requirements.txt": f"--extra-index-url {PAGE}\nrequests==2.31.0\n"})
    assert find_origins(nerq)[1] == {}


def test_what_the_user_declares_private_and_the_projects_own_are_none(nerq: Nerq, project: Path) -> None:
    text = f"--extra-index-url {PAGE}\nrequests==2.31.0\nacme-x==1.0\n./lib\n"
    write(project, {"requirements.txt": text, "nerq.toml": 'private = ["acme-*"]\n'})
    assert set(find_origins(nerq)[1]) == {"requests"}


def test_a_lock_file_that_states_the_registry_leaves_no_choice(nerq: Nerq, project: Path, registry: Any) -> None:
    lock = (
        'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "x"\nversion = "1"\n'
        'source = { virtual = "." }\ndependencies = [{ name = "demo" }]\n\n'
        f'[[package]]\nname = "demo"\nversion = "1.0"\nsource = {{ registry = "{registry.site.url}" }}\n'
    )
    index = f'[[tool.uv.index]]\nname = "corp"\nurl = "{PAGE}"\n'
    write(project, {"pyproject.toml": PYPROJECT.replace("requests==2.31.0", "demo") + index, "uv.lock": lock})
    assert find_origins(nerq)[1] == {}
    assert any("demo" in path for path in registry.paths)


def test_static_addresses_of_the_public_index_leave_no_choice_either(nerq: Nerq, project: Path) -> None:
    address = f"{PUBLIC}/packages/demo-1.0.tar.gz"
    lock = (
        '[metadata]\nlock_version = "4.5.0"\n\n[[package]]\nname = "demo"\nversion = "1.0"\n'
        f'files = [{{url = "{address}", hash = "sha256:00"}}]\n'
    )
    index = f'[[tool.pdm.source]]\nname = "corp"\nurl = "{PAGE}"\n'
    write(project, {"pyproject.toml": PYPROJECT.replace("requests==2.31.0", "demo") + index, "pdm.lock": lock})
    assert find_origins(nerq)[1] == {}


@pytest.mark.parametrize("lockfile", ["yarn.lock", "pnpm-lock.yaml", "uv.lock"])
def test_the_artefact_of_another_package_in_a_lock_file_is_one_also_on_the_registry_in_use(
    nerq: Nerq, project: Path, registry: Any, lockfile: str
) -> None:
    tarball = f"{registry.site.url}/eslint-scope/-/eslint-scope-3.7.2.tgz"
    wheel = f"{registry.site.url}/packages/bad-2.0-py3-none-any.whl"
    locks = {
        "yarn.lock": f'lodash@4.17.21:\n  version "4.17.21"\n  resolved "{tarball}#abc"\n',
        "pnpm-lock.yaml": (
            "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      lodash:\n"
            "        specifier: 4.17.21\n        version: 4.17.21\npackages:\n  lodash@4.17.21:\n"
            f"    resolution: {{integrity: sha512-x, tarball: '{tarball}'}}\nsnapshots:\n  lodash@4.17.21: {{}}\n"
        ),
        "uv.lock": (
            'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "x"\nversion = "1"\n'
            'source = { virtual = "." }\ndependencies = [{ name = "demo" }]\n\n[[package]]\nname = "demo"\n'
            f'version = "1.0"\nsource = {{ registry = "{registry.site.url}" }}\n'
            f'wheels = [{{ url = "{wheel}", hash = "sha256:00" }}]\n'
        ),
    }
    pyproject = PYPROJECT.replace("requests==2.31.0", "demo==1.0")
    manifest_name = "pyproject.toml" if lockfile == "uv.lock" else "package.json"
    write(project, {manifest_name: pyproject if lockfile == "uv.lock" else manifest(), lockfile: locks[lockfile]})
    status, origins = find_origins(nerq)
    name, address = ("demo", wheel) if lockfile == "uv.lock" else ("lodash", tarball)
    assert status == 3
    assert list(origins) == [name]
    assert address in origins[name]
    assert not any(name in path for path in registry.paths)
