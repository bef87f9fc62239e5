"""The lock file of a project also decides what its local packages (path dependencies) require."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.ecosystems import PYPI, get_ecosystem

Nerq = Callable[..., Any]

PUBLIC = "/".join(get_ecosystem(PYPI).get_artefact_url().split("/")[:3])
PYTHON_PACKAGE = """\
[project]
name = "lib"
version = "1.0"
dependencies = ["demo>=1"]

[project.optional-dependencies]
fast = ["other>=2"]

[build-system]
requires = ["setuptools"]
"""
NPM_PACKAGE = json.dumps(
    {"name": "lib", "version": "1.0.0", "dependencies": {"demo": "^1.0.0"}, "devDependencies": {"other": "^2.0.0"}}
)
UV_LOCK = """\
version = 1

[[package]]
name = "demo"
version = "1.5.0"
source = { registry = "INDEX/simple" }

[[package]]
name = "root"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "lib" }]

[package.metadata]
requires-dist = [{ name = "lib", directory = "libs/lib" }]

[[package]]
name = "lib"
version = "1.0"
source = { SOURCE = "libs/lib" }
dependencies = [{ name = "demo" }]

[package.metadata]
requires-dist = [
    { name = "demo", specifier = ">=1" },
    { name = "other", marker = "extra == 'fast'", specifier = ">=2" },
]
""".replace("INDEX", PUBLIC)
POETRY_LOCK = """\
[[package]]
name = "demo"
version = "1.5.0"
optional = false
python-versions = "*"
groups = ["main"]
files = []

[[package]]
name = "lib"
version = "1.0"
optional = false
python-versions = "*"
groups = ["main"]
files = []

[package.dependencies]
demo = ">=1"

[package.source]
type = "directory"
url = "libs/lib"

[metadata]
lock-version = "2.1"
python-versions = "*"
content-hash = ""
"""
PDM_LOCK = """\
[metadata]
groups = ["default"]
lock_version = "4.5.0"

[[package]]
name = "demo"
version = "1.5.0"
groups = ["default"]

[[package]]
name = "lib"
version = "1.0"
path = "./libs/lib"
groups = ["default"]
dependencies = ["demo>=1"]
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "tool"

[[packages]]
name = "demo"
version = "1.5.0"

[[packages]]
name = "lib"
directory = { path = "libs/lib" }
dependencies = [{ name = "demo" }]
"""
PACKAGE_LOCK = json.dumps(
    {
        "name": "root",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "root", "dependencies": {"lib": "file:libs/lib"}},
            "libs/lib": {
                "version": "1.0.0",
                "dependencies": {"demo": "^1.0.0"},
                "devDependencies": {"other": "^2.0.0"},
            },
            "node_modules/lib": {"resolved": "libs/lib", "link": True},
            "node_modules/demo": {"version": "1.5.0"},
            "node_modules/other": {"version": "2.5.0", "dev": True},
        },
    }
)
PNPM_LOCK = """\
lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      lib:
        specifier: file:libs/lib
        version: file:libs/lib

packages:

  demo@1.5.0:
    resolution: {integrity: sha512-AAAA}

  lib@file:libs/lib:
    resolution: {directory: libs/lib, type: directory}

snapshots:

  demo@1.5.0: {}

  lib@file:libs/lib:
    dependencies:
      demo: 1.5.0
"""
YARN_1_LOCK = """\
# yarn lockfile v1


demo@^1.0.0:
  version "1.5.0"

"lib@file:libs/lib":
  version "1.0.0"
  dependencies:
    demo "^1.0.0"
"""
YARN_1_LINK_LOCK = """\
# yarn lockfile v1


demo@^1.0.0:
  version "1.5.0"

"lib@link:libs/lib":
  version "0.0.0"
  uid ""
"""
YARN_4_LOCK = """\
__metadata:
  version: 8

"demo@npm:^1.0.0":
  version: 1.5.0
  resolution: "demo@npm:1.5.0"

"lib@PROTOCOL:./libs/lib::locator=root%40workspace%3A.":
  version: 0.0.0-use.local
  resolution: "lib@PROTOCOL:./libs/lib::locator=root%40workspace%3A."
  dependencies:
    demo: "npm:^1.0.0"

"root@workspace:.":
  version: 0.0.0-use.local
  resolution: "root@workspace:."
  dependencies:
    lib: "PROTOCOL:./libs/lib"
"""
BUN_LOCK = json.dumps(
    {
        "lockfileVersion": 1,
        "workspaces": {"": {"name": "root", "dependencies": {"lib": "file:libs/lib"}}},
        "packages": {
            "demo": ["demo@1.5.0", "", {}, "sha512-AAAA"],
            "lib": ["lib@file:libs/lib", {"dependencies": {"demo": "^1.0.0"}}],
        },
    }
)


PIPFILE_LOCK = json.dumps(
    {
        "_meta": {"pipfile-spec": 6, "sources": []},
        "default": {"demo": {"version": "==1.5.0"}, "lib": {"editable": True, "path": "./libs/lib"}},
    }
)
PIXI_LOCK = """\
version: 6
environments:
  default:
    channels: []
    indexes: [INDEX/simple]
    packages:
      linux-64:
      - pypi: INDEX/packages/demo-1.5.0-py3-none-any.whl
      - pypi: ./libs/lib
packages:
- pypi: INDEX/packages/demo-1.5.0-py3-none-any.whl
  name: demo
  version: 1.5.0
- pypi: ./libs/lib
  name: lib
  version: '1.0'
  requires_dist:
  - demo>=1
  - other>=2 ; extra == 'fast'
""".replace("INDEX", PUBLIC)


def npm_root(specifier: str) -> dict[str, str]:
    return {"package.json": json.dumps({"name": "root", "version": "1.0.0", "dependencies": {"lib": specifier}})}


def python_root(tool: str) -> dict[str, str]:
    return {"pyproject.toml": f'[project]\nname = "root"\nversion = "1.0"\ndependencies = ["lib"]\n{tool}'}


UV_ROOT = python_root('[tool.uv.sources]\nlib = { path = "libs/lib" }\n')
POETRY_ROOT = python_root('[tool.poetry.dependencies]\nlib = { path = "libs/lib" }\n')
PDM_ROOT = {
    "pyproject.toml": '[project]\nname = "root"\nversion = "1.0"\n'
    'dependencies = ["lib @ file:///${PROJECT_ROOT}/libs/lib"]\n'
}

PROJECTS = {
    "uv directory": UV_ROOT | {"uv.lock": UV_LOCK.replace("SOURCE", "directory")},
    "uv editable": UV_ROOT | {"uv.lock": UV_LOCK.replace("SOURCE", "editable")},
    "poetry": POETRY_ROOT | {"poetry.lock": POETRY_LOCK},
    "pdm": PDM_ROOT | {"pdm.lock": PDM_LOCK},
    "pylock": UV_ROOT | {"pylock.toml": PYLOCK},
    "pipenv": {"Pipfile": '[packages]\nlib = { path = "./libs/lib", editable = true }\n', "Pipfile.lock": PIPFILE_LOCK},
    "pixi": {"pixi.toml": '[pypi-dependencies]\nlib = { path = "./libs/lib" }\n', "pixi.lock": PIXI_LOCK},
    "npm": npm_root("file:libs/lib") | {"package-lock.json": PACKAGE_LOCK},
    "pnpm": npm_root("file:libs/lib") | {"pnpm-lock.yaml": PNPM_LOCK},
    "yarn 1": npm_root("file:libs/lib") | {"yarn.lock": YARN_1_LOCK},
    "yarn 1 link": npm_root("link:libs/lib") | {"yarn.lock": YARN_1_LINK_LOCK},
    "yarn 4 file": npm_root("file:./libs/lib") | {"yarn.lock": YARN_4_LOCK.replace("PROTOCOL", "file")},
    "yarn 4 portal": npm_root("portal:./libs/lib") | {"yarn.lock": YARN_4_LOCK.replace("PROTOCOL", "portal")},
    "bun": npm_root("file:libs/lib") | {"bun.lock": BUN_LOCK},
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def write_project(folder: Path, name: str) -> str:
    """Write a project with its local package, and return the path of the manifest of that package."""
    manifest = "libs/lib/package.json" if "package.json" in PROJECTS[name] else "libs/lib/pyproject.toml"
    write(folder, PROJECTS[name] | {manifest: PYTHON_PACKAGE if manifest.endswith("toml") else NPM_PACKAGE})
    return manifest


def list_report(nerq: Nerq, *arguments: str) -> dict[str, Any]:
    return nerq("scan", "--list", "--format", "json", *arguments).json  # type: ignore[no-any-return]


def list_versions(report: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(item["name"], item["version"]) for item in report["dependencies"] if item["name"] in ("demo", "other")]


@pytest.mark.parametrize("name", PROJECTS)
def test_the_lock_file_decides_what_a_local_package_requires(nerq: Nerq, project: Path, name: str) -> None:
    manifest = write_project(project, name)
    report = list_report(nerq)
    # What only an extra or the development of the local package needs is in no lock file but npm's.
    assert list_versions(report) == [("demo", "1.5.0"), ("other", "2.5.0" if name == "npm" else None)]
    demo = next(item for item in report["dependencies"] if item["name"] == "demo")
    assert demo["direct"]
    assert {place["path"] for place in demo["locations"]} >= {manifest}
    assert not report["findings"]
    [file] = [file for file in report["dependency_files"] if file["path"] == manifest]
    assert file["lockfile"] in PROJECTS[name]


# Yarn 1 has nothing of a link in its lock file.
@pytest.mark.parametrize("name", [name for name in PROJECTS if name != "yarn 1 link"])
def test_so_it_does_where_the_scan_starts_in_the_local_package(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_project(project, name)
    monkeypatch.chdir(project / "libs/lib")
    report = list_report(nerq, ".")
    assert list_versions(report) == [("demo", "1.5.0"), ("other", "2.5.0" if name == "npm" else None)]
    assert not [note for file in report["dependency_files"] for note in file["notes"]]


@pytest.mark.parametrize(
    ("name", "drifts"),
    [
        ("uv directory", True),
        ("yarn 4 portal", True),
        ("yarn 4 file", True),
        ("npm", True),
        ("poetry", False),
        ("pdm", False),
        ("pnpm", False),
        ("yarn 1", False),
        ("bun", False),
    ],
)
def test_a_changed_local_package_is_drift_where_the_tool_checks_it(
    nerq: Nerq, project: Path, name: str, *, drifts: bool
) -> None:
    manifest = project / write_project(project, name)
    manifest.write_text(manifest.read_text().replace("demo>=1", "demo<1").replace("^1.0.0", "^0.5.0"))
    report = list_report(nerq)
    assert [finding["id"] for finding in report["findings"]] == ["lock-drift"] * drifts


def test_a_local_package_with_a_lock_file_of_its_own_is_decided_by_that(nerq: Nerq, project: Path) -> None:
    write_project(project, "uv directory")
    own_lock = UV_LOCK.replace('"root"', '"x"').replace("1.5.0", "1.6.0").replace("SOURCE", "directory")
    own_lock = own_lock.replace('{ virtual = "." }', '{ directory = "../x" }').replace("libs/lib", ".")
    write(project, {"libs/lib/uv.lock": own_lock})
    report = list_report(nerq)
    assert list_versions(report) == [("demo", "1.5.0"), ("demo", "1.6.0"), ("other", None)]
    [file] = [file for file in report["dependency_files"] if file["path"] == "libs/lib/pyproject.toml"]
    assert file["lockfile"] == "libs/lib/uv.lock"


def test_a_package_beside_the_project_is_found_as_well(nerq: Nerq, project: Path) -> None:
    lock = UV_LOCK.replace("SOURCE", "directory").replace("libs/lib", "../lib")
    write(project, {f"app/{name}": text for name, text in UV_ROOT.items()})
    write(project, {"app/uv.lock": lock, "lib/pyproject.toml": PYTHON_PACKAGE})
    assert list_versions(list_report(nerq)) == [("demo", "1.5.0"), ("other", None)]


def test_setup_py_and_setup_cfg_are_manifests_of_a_local_package(nerq: Nerq, project: Path) -> None:
    write(project, PROJECTS["poetry"])
    write(project, {"libs/lib/setup.cfg": "[metadata]\nname = lib\n[options]\ninstall_requires =\n  demo>=1\n"})
    write(project, {"libs/lib/setup.py": "from setuptools import setup\nsetup()\n"})
    assert list_versions(list_report(nerq)) == [("demo", "1.5.0")]


def test_a_project_that_its_own_pipfile_installs_is_decided_by_the_lock_file(nerq: Nerq, project: Path) -> None:
    write(project, {"Pipfile": '[packages]\nlib = { path = ".", editable = true }\n', "pyproject.toml": PYTHON_PACKAGE})
    write(project, {"Pipfile.lock": PIPFILE_LOCK.replace("./libs/lib", ".")})
    assert list_versions(list_report(nerq)) == [("demo", "1.5.0"), ("other", None)]


def test_why_shows_the_paths_through_a_local_package(nerq: Nerq, project: Path) -> None:
    write_project(project, "pnpm")
    lines = nerq("why", "demo").out.splitlines()
    assert lines == [
        "demo: declared in libs/lib/package.json:1 (^1.0.0, main)",
        "demo 1.5.0: locked in pnpm-lock.yaml:13",
        "  main of libs/lib: demo 1.5.0",
        "  main: lib → demo 1.5.0",
    ]
    assert "lib: locked in pnpm-lock.yaml:16" in nerq("why", "lib").out.splitlines()


def test_a_link_of_pnpm_is_a_project_of_its_own(nerq: Nerq, project: Path) -> None:
    lock = "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      lib:\n"
    lock += "        specifier: link:libs/lib\n        version: link:libs/lib\n"
    write(project, npm_root("link:libs/lib") | {"pnpm-lock.yaml": lock, "libs/lib/package.json": NPM_PACKAGE})
    assert list_versions(list_report(nerq)) == [("demo", None), ("other", None)]


def test_an_absolute_path_is_not_one_of_the_project(nerq: Nerq, project: Path) -> None:
    lock = UV_LOCK.replace("SOURCE", "directory").replace("libs/lib", "/libs/lib")
    write(project, UV_ROOT | {"uv.lock": lock, "libs/lib/pyproject.toml": PYTHON_PACKAGE})
    assert list_versions(list_report(nerq)) == [("demo", None), ("demo", "1.5.0"), ("other", None)]
