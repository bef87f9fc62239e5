"""A setting that has changed since the project was locked is drift, where the tool's frozen installation refuses it.

Checksums and hashes are those that the tools wrote, and what is accepted is what the tools accept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
Edit = tuple[str, str, str]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def list_drift(nerq: Nerq) -> list[str]:
    report = nerq("scan", "--list", "--format", "json").json
    return [finding["text"] for finding in report["findings"] if finding["id"] == "lock-drift"]


def check(nerq: Nerq, folder: Path, edit: Edit, setting: str) -> None:
    """Edit a text of a file, and check that this setting has changed; none where it is empty."""
    name, old, new = edit
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    [lock] = [path.name for path in folder.iterdir() if "lock" in path.name]
    assert list_drift(nerq) == ([f"the {setting} have changed since {lock} was written"] if setting else [])


# --- pnpm


PNPM_MANIFEST = {"name": "root", "version": "1.0.0", "dependencies": {"ms": "2.1.2"}}
PNPM_SETTINGS = {
    "overrides": {"ms": "$ms"},
    "packageExtensions": {
        "debug": {
            "dependencies": {"once": "^1.4.0"},
            "peerDependenciesMeta": {"supports-color": {"optional": True}},
        }
    },
    "patchedDependencies": {"ms@2.1.2": "patches/ms.patch"},
}
PNPM_WORKSPACE = """\
overrides:
  ms: $ms
packageExtensions:
  debug:
    dependencies:
      once: ^1.4.0
    peerDependenciesMeta:
      supports-color:
        optional: true
patchedDependencies:
  ms@2.1.2: patches/ms.patch
"""
PATCH = """\
diff --git a/index.js b/index.js
--- a/index.js
+++ b/index.js
@@ -1,3 +1,4 @@
+// hello
 /**
  * Helpers.
  */
"""
PNPM_LOCK = """\
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

overrides:
  ms: 2.1.2

packageExtensionsChecksum: {checksum}

patchedDependencies:
  ms@2.1.2:{patch}

importers:

  .:
    dependencies:
      ms:
        specifier: 2.1.2
        version: 2.1.2(patch_hash=00)

packages:

  ms@2.1.2:
    resolution: {{integrity: sha512-AAAA}}

snapshots:

  ms@2.1.2(patch_hash=00): {{}}
"""
OLD_LOCK = PNPM_LOCK.format(
    checksum="e0b03cfaedbb2b54dbe251eccaee369b",
    patch="\n    hash: 7nzzpqibh3kdrwou5avgnxuj54\n    path: patches/ms.patch",
)
SHA256 = "f42c966117a53710a83854e4f13ac1954b1e6f1edc35ee2014e080c1b6c7e181"
CHECKSUM = "sha256-nLt3nRRXvpQHJzn5NMYeO9Mymp4p4RSKZs9dD5MJ3JQ="
IN_MANIFEST = {"package.json": json.dumps({**PNPM_MANIFEST, "pnpm": PNPM_SETTINGS}), "patches/ms.patch": PATCH}
IN_WORKSPACE = {
    "package.json": json.dumps(PNPM_MANIFEST),
    "pnpm-workspace.yaml": PNPM_WORKSPACE,
    "patches/ms.patch": PATCH,
}
PNPM = {
    "pnpm 9": IN_MANIFEST | {"pnpm-lock.yaml": OLD_LOCK},
    "pnpm 10": IN_MANIFEST
    | {
        "pnpm-lock.yaml": PNPM_LOCK.format(checksum=CHECKSUM, patch=f"\n    hash: {SHA256}\n    path: patches/ms.patch")
    },
    "pnpm 12": IN_WORKSPACE | {"pnpm-lock.yaml": PNPM_LOCK.format(checksum=CHECKSUM, patch=f" {SHA256}")},
}


@pytest.mark.parametrize("name", PNPM)
@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ("hello", "hello", ""),
        ("$ms", "2.1.2", ""),
        ("$ms", "2.1.3", "overrides of pnpm"),
        ("overrides", "x", "overrides of pnpm"),
        ("^1.4.0", "^1.3.0", "package extensions of pnpm"),
        ("packageExtensions", "x", "package extensions of pnpm"),
        ("hello", "hallo", "patches of pnpm"),
        ("patchedDependencies", "x", "patches of pnpm"),
        ("ms@2.1.2", "ms", "patches of pnpm"),
    ],
)
def test_settings_of_pnpm(nerq: Nerq, project: Path, name: str, old: str, new: str, setting: str) -> None:
    write(project, PNPM[name])
    file = next(file for file, text in PNPM[name].items() if "lock" not in file and old in text)
    check(nerq, project, (file, old, new), setting)


def test_windows_line_ends_of_a_patch_are_no_change(nerq: Nerq, project: Path) -> None:
    write(project, PNPM["pnpm 10"])
    (project / "patches/ms.patch").write_bytes(PATCH.replace("\n", "\r\n").encode())
    assert list_drift(nerq) == []


def test_an_override_by_a_catalog_is_compared_as_the_catalog_has_it(nerq: Nerq, project: Path) -> None:
    files = dict(PNPM["pnpm 12"])
    files["pnpm-workspace.yaml"] = PNPM_WORKSPACE.replace("$ms", "'catalog:'") + "catalog:\n  ms: 2.1.2\n"
    write(project, files)
    assert list_drift(nerq) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pnpm-workspace.yaml", "configDependencies:\n  settings: 1.0.0+sha512-AAAA\n"),
        ("pnpm-lock.yaml", OLD_LOCK.replace("packageExt", "pnpmfileChecksum: 0a\n\npackageExt")),
        ("../pnpm-workspace.yaml", "sharedWorkspaceLockfile: false\npackages: ['*']\n"),
        ("package.json", json.dumps(PNPM_MANIFEST)[:-1]),
    ],
    ids=["configuration from a package", "a program", "another workspace root", "damaged manifest"],
)
def test_settings_that_may_come_from_elsewhere_are_not_compared(
    nerq: Nerq, project: Path, file: str, text: str
) -> None:
    write(project, {"package.json": json.dumps(PNPM_MANIFEST), "pnpm-lock.yaml": OLD_LOCK, file: text})
    assert list_drift(nerq) == []


# --- npm, Yarn and Bun


DEPENDENCIES = {"debug": "^4.3.0", "is-number": "^7.0.0"}


def manifest(**more: Any) -> str:
    return json.dumps({"name": "root", "version": "1.0.0", "dependencies": DEPENDENCIES, **more})


def npm_lock(ms: str) -> str:
    packages = {
        "": {"name": "root", "version": "1.0.0", "dependencies": DEPENDENCIES},
        "node_modules/debug": {"version": "4.4.3", "dependencies": {"ms": "^2.1.3"}},
        "node_modules/is-number": {"version": "7.0.0"},
        "node_modules/ms": {"version": ms},
    }
    return json.dumps({"name": "root", "lockfileVersion": 3, "packages": packages})


@pytest.mark.parametrize(
    ("locked", "overrides", "drifts"),
    [
        ("2.1.2", {"ms": "2.1.2"}, False),
        ("2.1.2", {"ms": "2.1.2 || 2.1.3"}, False),
        ("2.1.2", {"ms": "2.1.3"}, True),
        ("2.1.2", {}, True),
        ("2.1.2", {"ms": "2.1.2", "once": "1.4.0"}, False),
        ("2.1.2", {"ms": "2.1.2", "is-number": "7.0.0"}, True),
        ("2.1.2", {"ms": "2.1.2", "is-number": "^7.0.0"}, False),
        ("2.1.2", {"ms": "npm:ms@2.1.2"}, False),
        ("2.1.2", {"ms": "$is-number"}, True),
        ("2.1.3", {"ms": "2.1.2"}, True),
        ("2.1.3", {"ms": "^2.1.0"}, False),
        ("2.1.3", {"ms@^2": "2.1.2"}, True),
        ("2.1.3", {"ms@^1": "1.1.2"}, False),
        ("2.1.3", {"debug": {"ms": "2.1.2"}}, True),
        ("2.1.3", {"debug": {"ms": {".": "2.1.2"}}}, True),
        ("2.1.3", {"debug": {"ms": "2.1.3"}}, False),
        ("2.1.3", {"debug@^4": {"ms": "2.1.2"}}, True),
        ("2.1.3", {"debug@^3": {"ms": "2.1.2"}}, False),
        ("2.1.3", {"is-number": {"ms": "1.0.0"}}, False),
        ("2.1.3", {"is-number": {".": "7.0.0"}}, True),
        ("2.1.3", {"debug": "4.3.0"}, True),
        ("2.1.3", {"a": {"debug": {"ms": "1.0.0"}}}, False),
    ],
)
def test_overrides_of_npm(nerq: Nerq, project: Path, locked: str, overrides: dict[str, Any], *, drifts: bool) -> None:
    write(project, {"package.json": manifest(overrides=overrides), "package-lock.json": npm_lock(locked)})
    assert list_drift(nerq) == ["the overrides of npm have changed since package-lock.json was written"] * drifts


def test_what_a_package_with_a_lock_file_of_its_own_requires_is_not_compared(nerq: Nerq, project: Path) -> None:
    lock = npm_lock("2.1.2").replace('"version": "4.4.3"', '"version": "4.4.3", "hasShrinkwrap": true')
    write(project, {"package.json": manifest(), "package-lock.json": lock})
    assert list_drift(nerq) == []


@pytest.mark.parametrize(
    ("overrides", "drifts"),
    [({"ms": "2.1.2"}, False), ({"ms": "2.1.2 || 2.1.3"}, False), ({"ms": "2.1.3"}, True), ({}, False)],
)
def test_overrides_of_npm_beside_a_lock_file_of_version_1(
    nerq: Nerq, project: Path, overrides: dict[str, Any], *, drifts: bool
) -> None:
    packages = {
        "debug": {"version": "4.4.3", "requires": {"ms": "2.1.2"}},
        "is-number": {"version": "7.0.0"},
        "ms": {"version": "2.1.2"},
    }
    lock = {"name": "root", "lockfileVersion": 1, "requires": True, "dependencies": packages}
    write(project, {"package.json": manifest(overrides=overrides), "package-lock.json": json.dumps(lock)})
    assert list_drift(nerq) == ["the overrides of npm have changed since package-lock.json was written"] * drifts


def test_what_is_bundled_or_required_as_a_peer_may_have_another_version(nerq: Nerq, project: Path) -> None:
    packages = {
        "": {"name": "root", "dependencies": {"a": "1.0.0", "b": "1.0.0", "c": "latest"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"d": "^9.0.0"}, "bundleDependencies": ["d"]},
        "node_modules/a/node_modules/d": {"version": "1.0.0", "inBundle": True, "dependencies": {"b": "^9.0.0"}},
        "node_modules/b": {"version": "1.0.0", "peerDependencies": {"c": "^9.0.0"}},
        "node_modules/c": {"version": "1.0.0"},
    }
    requirements = {"dependencies": {"a": "1.0.0", "b": "1.0.0", "c": "latest"}}
    lock = {"lockfileVersion": 3, "packages": packages}
    write(project, {"package.json": json.dumps(requirements), "package-lock.json": json.dumps(lock)})
    assert list_drift(nerq) == []


YARN_4_LOCK = """\
__metadata:
  version: 8

"debug@npm:^4.3.0":
  version: 4.4.3
  resolution: "debug@npm:4.4.3"
  dependencies:
    ms: "npm:^2.1.3"

"is-number@npm:^7.0.0":
  version: 7.0.0
  resolution: "is-number@npm:7.0.0"

"ms@npm:{ms}":
  version: 2.1.{patch}
  resolution: "ms@npm:2.1.{patch}"

"root@workspace:.":
  version: 0.0.0-use.local
  resolution: "root@workspace:."
  dependencies:
    debug: "npm:^4.3.0"
    is-number: "npm:^7.0.0"
"""


@pytest.mark.parametrize(
    ("ms", "resolutions", "drifts"),
    [
        ("2.1.2", {"ms": "2.1.2"}, False),
        ("2.1.2", {"ms": "npm:2.1.2"}, False),
        ("2.1.2", {"**/ms": "2.1.2"}, False),
        ("2.1.2", {"debug/ms": "2.1.2"}, False),
        ("2.1.2", {"ms@npm:^2.1.3": "2.1.2"}, False),
        ("2.1.2", {"ms": "2.1.2", "once": "1.4.0"}, False),
        ("2.1.2", {"ms": "2.1.2", "is-number": "^7.0.0"}, False),
        ("2.1.2", {"ms": "2.1.2", "is-number": "7.0.0"}, True),
        ("2.1.2", {"ms": "2.1.3"}, True),
        ("2.1.2", {"ms": "2.1.2 || 2.1.3"}, True),
        ("2.1.2", {}, True),
        ("^2.1.3", {}, False),
        ("^2.1.3", {"ms": "2.1.3"}, True),
    ],
)
def test_resolutions_of_yarn_4(
    nerq: Nerq, project: Path, ms: str, resolutions: dict[str, str], *, drifts: bool
) -> None:
    lock = YARN_4_LOCK.format(ms=ms, patch=ms[-1])
    write(project, {"package.json": manifest(resolutions=resolutions), "yarn.lock": lock})
    assert list_drift(nerq) == ["the resolutions of Yarn have changed since yarn.lock was written"] * drifts


@pytest.mark.parametrize("resolutions", [{"ms": "2.1.2"}, {"ms": "2.1.3"}, {}, {"is-number": "7.0.0"}])
def test_yarn_1_does_not_compare_resolutions(nerq: Nerq, project: Path, resolutions: dict[str, str]) -> None:
    lock = (
        '# yarn lockfile v1\n\n\ndebug@^4.3.0:\n  version "4.4.3"\n  dependencies:\n    ms "^2.1.3"\n\n'
        'is-number@^7.0.0:\n  version "7.0.0"\n\nms@2.1.2, ms@^2.1.3:\n  version "2.1.2"\n'
    )
    write(project, {"package.json": manifest(resolutions=resolutions), "yarn.lock": lock})
    assert list_drift(nerq) == []


@pytest.mark.parametrize(
    ("fields", "drifts"),
    [
        ({"overrides": {"ms": "2.1.2"}}, False),
        ({"resolutions": {"ms": "2.1.2"}}, False),
        ({"overrides": {"ms": "npm:ms@2.1.2"}}, False),
        ({"overrides": {"ms": "2.1.3"}}, True),
        ({"overrides": {"ms": "2.1.2", "once": "1.4.0"}}, True),
        ({}, True),
    ],
)
def test_overrides_of_bun(nerq: Nerq, project: Path, fields: dict[str, Any], *, drifts: bool) -> None:
    packages = {
        "debug": ["debug@4.4.3", "", {"dependencies": {"ms": "^2.1.3"}}, "sha512-AAAA"],
        "is-number": ["is-number@7.0.0", "", {}, "sha512-AAAA"],
        "ms": ["ms@2.1.2", "", {}, "sha512-AAAA"],
    }
    workspaces = {"": {"name": "root", "dependencies": DEPENDENCIES}}
    lock = {"lockfileVersion": 1, "workspaces": workspaces, "overrides": {"ms": "2.1.2"}, "packages": packages}
    write(project, {"package.json": manifest(**fields), "bun.lock": json.dumps(lock)})
    assert list_drift(nerq) == ["the overrides of Bun have changed since bun.lock was written"] * drifts


# --- uv


UV_MANIFEST = """\
[project]
name = "root"
version = "1.0"
dependencies = ["typing-extensions<4.10", "idna>=3"]

[tool.uv]
override-dependencies = ["typing-extensions==4.12.2"]
constraint-dependencies = ["idna<3.8", "six>1"]
exclude-dependencies = ["six"]
build-constraint-dependencies = ["setuptools<80"]
"""
UV_LOCK = """\
version = 1

[manifest]
constraints = [
    { name = "idna", specifier = "<3.8" },
    { name = "six", specifier = ">1" },
]
overrides = [{ name = "typing-extensions", specifier = "==4.12.2" }]
excludes = ["six"]
build-constraints = [{ name = "setuptools", specifier = "<80" }]

[[package]]
name = "idna"
version = "3.7"
source = { registry = "https://registry.example/simple" }

[[package]]
name = "root"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "idna" }, { name = "typing-extensions" }]

[package.metadata]
requires-dist = [
    { name = "idna", specifier = ">=3" },
    { name = "typing-extensions", specifier = "<4.10" },
]

[[package]]
name = "typing-extensions"
version = "4.12.2"
source = { registry = "https://registry.example/simple" }
"""


@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ("4.12.2", "4.12.2", ""),
        ("4.12.2", "4.12.1", "override-dependencies of uv"),
        ("override", "x", "override-dependencies of uv"),
        ("idna<3.8", "idna<3.9", "constraint-dependencies of uv"),
        ("idna<3.8", "idna<3.8,>1", "constraint-dependencies of uv"),
        ("six>1", "six>1.0", ""),
        ('"idna<3.8", "six>1"', '"Six > 1", "idna < 3.8"', ""),
        ("exclude", "x", "exclude-dependencies of uv"),
        ("setuptools<80", "setuptools<81", "build-constraint-dependencies of uv"),
    ],
)
def test_settings_of_uv(nerq: Nerq, project: Path, old: str, new: str, setting: str) -> None:
    write(project, {"pyproject.toml": UV_MANIFEST, "uv.lock": UV_LOCK})
    check(nerq, project, ("pyproject.toml", old, new), setting)


@pytest.mark.parametrize(
    ("override", "locked", "drifts"),
    [
        ("six @ https://files.example/six-1.17.0.tar.gz", 'url = "https://files.example/six-1.17.0.tar.gz"', False),
        ("six>=1", 'git = "https://code.example/six"', False),
        ("six>=1 ; sys_platform == 'x'", 'marker = "sys_platform == \'x\'", specifier = ">=1"', False),
        ("six>=1 ; sys_platform == 'x'", "marker = \"sys_platform == 'x'\"", True),
    ],
)
def test_an_override_of_uv_with_another_source(
    nerq: Nerq, project: Path, override: str, locked: str, *, drifts: bool
) -> None:
    text = UV_MANIFEST.replace("typing-extensions==4.12.2", override)
    lock = UV_LOCK.replace('{ name = "typing-extensions", specifier = "==4.12.2" }', f'{{ name = "six", {locked} }}')
    lock = lock.replace("4.12.2", "4.9.0")
    write(project, {"pyproject.toml": text, "uv.lock": lock})
    assert list_drift(nerq) == ["the override-dependencies of uv have changed since uv.lock was written"] * drifts


@pytest.mark.parametrize(
    ("locked", "declared", "drifts"),
    [
        (">=3.11", ">=3.11", False),
        (">=3.11", ">= 3.11.0", False),
        (">=3.11, <4", "<4,>=3.11", False),
        (">=3.11, <4", "~=3.11", False),
        (">=3.11", ">=3.12", True),
        (">=3.11", ">=3.11,<4", True),
        (">=3.11", "", False),
        ("", ">=3.11", False),
    ],
)
def test_python_versions_of_uv(nerq: Nerq, project: Path, locked: str, declared: str, *, drifts: bool) -> None:
    lock = UV_LOCK.replace("[manifest]", f'requires-python = "{locked}"\n\n[manifest]' if locked else "[manifest]")
    text = UV_MANIFEST.replace("[tool.uv]", f'requires-python = "{declared}"\n[tool.uv]' if declared else "[tool.uv]")
    write(project, {"pyproject.toml": text, "uv.lock": lock})
    assert list_drift(nerq) == ["the supported Python versions have changed since uv.lock was written"] * drifts


def test_python_versions_of_a_workspace_are_those_that_all_members_support(nerq: Nerq, project: Path) -> None:
    head = 'requires-python = ">=3.12"\n\n[manifest]\nmembers = ["root", "member"]'
    member = '\n[[package]]\nname = "member"\nversion = "1.0"\nsource = { virtual = "member" }\n'
    text = UV_MANIFEST.replace("[tool.uv]", 'requires-python = ">=3.11"\n[tool.uv]')
    write(project, {"pyproject.toml": text, "uv.lock": UV_LOCK.replace("[manifest]", head) + member})
    assert list_drift(nerq) == []


def test_settings_in_a_uv_toml_are_not_compared(nerq: Nerq, project: Path) -> None:
    text = UV_MANIFEST.partition("[tool.uv]")[0]
    write(project, {"pyproject.toml": text, "uv.lock": UV_LOCK, "uv.toml": "", "requirements.txt": ""})
    assert list_drift(nerq) == []
