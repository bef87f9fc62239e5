"""A third party that is not looked up is no pass, and what this machine knows of it counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def good_package(registry: Any) -> None:
    registry.pypi("demo", "1.0")


def scan(nerq: Nerq, project: Path, *lines: str, strict: bool = False) -> tuple[int, dict[str, Any], Any]:
    (project / "requirements.txt").write_text("".join(f"{line}\n" for line in ("demo==1.0", *lines)))
    result = nerq("scan", *AS_OF, "--format", "json", *(["--strict"] if strict else []))
    return result.status, {one["name"]: one for one in result.json["dependencies"]}, result.json


LINES = [
    "fork @ git+https://code.example/a/fork@v1.2.3",
    "fork @ https://files.example/fork-1.2.3-py3-none-any.whl",
    "fork @ https://files.example/fork-1.2.3.tar.gz",
    "fork @ file:///croot/fork_1700000000000/work",
    "fork==1.2.3+corp.1",
    "--extra-index-url https://pkgs.example/simple\nfork==1.2.3",
]


@pytest.mark.parametrize("line", LINES)
def test_it_is_counted_and_leaves_the_run_incomplete(nerq: Nerq, registry: Any, project: Path, line: str) -> None:
    status, by_name, report = scan(nerq, project, line, strict=True)
    assert (status, by_name["fork"]["state"]) == (3, "not-judged")
    assert report["summary"]["not_judged"] >= 1
    assert report["complete"] is False
    assert not any("fork" in path for path in registry.paths)
    printed = nerq("scan", *AS_OF).out
    assert "INCOMPLETE" in printed
    assert "not judged" in printed


@pytest.mark.parametrize("line", [LINES[1], LINES[4], LINES[5]])
@pytest.mark.parametrize("known", [("MAL-2026-1", "", 0.0), ("GHSA-1", "CRITICAL", None)])
def test_what_the_local_database_has_counts_and_no_name_is_sent(
    nerq: Nerq, registry: Any, services: Any, project: Path, line: str, known: tuple[str, str, Any]
) -> None:
    id_, severity, score = known
    record = {
        "id": id_,
        "modified": "2026-11-20T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "fork"}, "versions": ["1.2.3"]}],
        "database_specific": {"severity": severity},
    }
    (project / "record.json").write_text(json.dumps(record))
    assert nerq("db", "import", str(project / "record.json")).status == 0
    status, by_name, report = scan(nerq, project, line)
    assert (status, by_name["fork"]["state"], by_name["fork"]["score"]) == (1, "below", score)
    assert by_name["fork"]["advisories"][0]["id"] == id_
    assert ("malicious" in {finding["id"] for finding in report["findings"]}) is (score == 0.0)
    requests = [*registry.site.requests, *services.site.requests]
    assert not any("fork" in request.path or b"fork" in request.body for request in requests)


ARCHIVES = {
    "requirements.txt": "./vendor/fork-1.2.3-py3-none-any.whl\n",
    "requirements-b.txt": "fork @ file:./vendor/fork-1.2.3.tar.gz\n",
    "Pipfile": '[packages]\nfork = {path = "./vendor/fork-1.2.3-py3-none-any.whl"}\n',
    "pyproject.toml": (
        '[project]\nname = "own"\ndependencies = ["fork"]\n'
        '[tool.uv.sources]\nfork = {path = "vendor/fork-1.2.3-py3-none-any.whl"}\n'
    ),
    "poetry/pyproject.toml": (
        '[tool.poetry]\nname = "own"\n[tool.poetry.dependencies]\nfork = {path = "vendor/fork-1.2.3.tar.gz"}\n'
    ),
    "pylock.toml": (
        'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "fork"\nversion = "1.2.3"\n'
        '[packages.archive]\npath = "vendor/fork-1.2.3.tar.gz"\n'
    ),
    "uv.lock": (
        'version = 1\n[[package]]\nname = "fork"\nversion = "1.2.3"\n'
        'source = { path = "vendor/fork-1.2.3-py3-none-any.whl" }\n'
        '[[package]]\nname = "own"\nversion = "0"\nsource = { virtual = "." }\ndependencies = [{ name = "fork" }]\n'
    ),
    "poetry.lock": (
        '[[package]]\nname = "fork"\nversion = "1.2.3"\n[package.source]\ntype = "file"\n'
        'url = "vendor/fork-1.2.3.tar.gz"\n[metadata]\nlock-version = "2.1"\n'
    ),
    "package.json": '{"name": "own", "dependencies": {"fork": "file:vendor/fork-1.2.3.tgz"}}',
    "package-lock.json": (
        '{"lockfileVersion": 3, "packages": {"": {"dependencies": {"fork": "file:vendor/fork-1.2.3.tgz"}}, '
        '"node_modules/fork": {"version": "1.2.3", "resolved": "file:vendor/fork-1.2.3.tgz"}}}'
    ),
    "pnpm-lock.yaml": (
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      fork:\n"
        "        specifier: file:vendor/fork-1.2.3.tgz\n        version: file:vendor/fork-1.2.3.tgz\n"
        "packages:\n  fork@file:vendor/fork-1.2.3.tgz:\n    version: 1.2.3\n"
        "    resolution: {integrity: sha512-x, tarball: file:vendor/fork-1.2.3.tgz}\n"
        "snapshots:\n  fork@file:vendor/fork-1.2.3.tgz: {}\n"
    ),
    "yarn.lock": (
        '# yarn lockfile v1\n\n"fork@file:vendor/fork-1.2.3.tgz":\n  version "1.2.3"\n'
        '  resolved "file:vendor/fork-1.2.3.tgz#abc"\n'
    ),
    "bun.lock": (
        '{"lockfileVersion": 1, "workspaces": {"": {"dependencies": {"fork": "file:vendor/fork-1.2.3.tgz"}}}, '
        '"packages": {"fork": ["fork@file:vendor/fork-1.2.3.tgz", {}]}}'
    ),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_local_archive_is_a_third_party_and_judged_by_the_local_database(
    nerq: Nerq, registry: Any, services: Any, project: Path, name: str
) -> None:
    registry.npm("good", "1.0.0")
    for folder, good in (("py", "demo==1.0\n"), ("js", '{"dependencies": {"good": "1.0.0"}}')):
        (project / folder).mkdir()
        (project / folder / ("requirements.txt" if folder == "py" else "package.json")).write_text(good)
    file = project / "app" / name
    file.parent.mkdir(parents=True)
    file.write_text(ARCHIVES[name])
    result = nerq("scan", *AS_OF, "--format", "json", "--strict")
    [fork] = [one for one in result.json["dependencies"] if one["name"] == "fork"]
    assert (result.status, fork["state"]) == (3, "not-judged")
    affected = [{"package": {"ecosystem": one, "name": "fork"}, "versions": ["1.2.3"]} for one in ("PyPI", "npm")]
    record = {"id": "MAL-2026-1", "modified": "2026-11-20T00:00:00Z", "affected": affected}
    (project / "record.json").write_text(json.dumps(record))
    assert nerq("db", "import", str(project / "record.json")).status == 0
    result = nerq("scan", *AS_OF, "--format", "json", "--exclude", "record.json")
    [fork] = [one for one in result.json["dependencies"] if one["name"] == "fork"]
    assert (result.status, fork["state"], fork["version"]) == (1, "below", "1.2.3")
    requests = [*registry.site.requests, *services.site.requests]
    assert not any("fork" in request.path or b"fork" in request.body for request in requests)


def test_a_local_directory_is_the_projects_own(nerq: Nerq, project: Path) -> None:
    (project / "app").mkdir()
    (project / "app/package.json").write_text('{"dependencies": {"fork": "file:libs/fork", "b": "file:./c.tgz/d"}}')
    status, by_name, report = scan(nerq, project, "./libs/own", "./vendor.whl/other", strict=True)
    assert status == 0
    assert [one["state"] for one in by_name.values() if one["name"] != "demo"] == ["skipped"] * 4
    assert report["summary"]["not_judged"] == 0


def test_a_local_build_of_a_public_package_is_judged_as_what_it_is_built_from(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    registry.pypi("torch", "1.13.0", "2.0")
    services.advisory("torch", "1.13.0", identifier="GHSA-2", database_specific={"severity": "CRITICAL"})
    status, by_name, _ = scan(nerq, project, "torch==1.13.0+cu117")
    plain_status, plain, _ = scan(nerq, project, "torch==1.13.0")
    assert status == plain_status == 1
    assert by_name["torch"]["state"] == plain["torch"]["state"] == "below"
    assert by_name["torch"]["score"] == plain["torch"]["score"]
    assert by_name["torch"]["version"] == "1.13.0+cu117"
    assert any("what the local build +cu117 changes was not checked" in text for text in by_name["torch"]["reasons"])


def test_only_what_is_the_projects_own_or_declared_private_is_skipped(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["acme-*"]\n')
    status, by_name, report = scan(nerq, project, "acme-billing==1.0", "-e ./libs/own", strict=True)
    assert status == 0
    assert by_name["acme-billing"]["state"] == "skipped"
    assert report["summary"]["not_judged"] == 0


OVERRIDES = {
    "uv": (
        "pyproject.toml",
        '[project]\nname = "x"\ndependencies = [{}]\n[tool.uv]\noverride-dependencies = ["fork==1.2.3"]\n',
    ),
    "PDM": (
        "pyproject.toml",
        '[project]\nname = "x"\nversion = "1"\ndependencies = [{}]\n[tool.pdm.resolution.overrides]\nfork = "1.2.3"\n',
    ),
    "npm": ("package.json", '{{"name": "x", "dependencies": {{{}}}, "overrides": {{"fork": "1.2.3"}}}}'),
    "Yarn": ("package.json", '{{"name": "x", "dependencies": {{{}}}, "resolutions": {{"**/fork": "1.2.3"}}}}'),
    "pnpm": (
        "package.json",
        '{{"name": "x", "dependencies": {{{}}}, "pnpm": {{"overrides": {{"fork": "npm:fork@1.2.3"}}}}}}',
    ),
}


@pytest.mark.parametrize("requirement", [">=2", "==2.0.0", ""])
@pytest.mark.parametrize("tool", OVERRIDES)
def test_an_override_decides_the_version_in_use(
    nerq: Nerq, registry: Any, services: Any, project: Path, tool: str, requirement: str
) -> None:
    services.silent()
    file_name, template = OVERRIDES[tool]
    ecosystem = "PyPI" if file_name == "pyproject.toml" else "npm"
    (registry.pypi if ecosystem == "PyPI" else registry.npm)("fork", "1.2.3", "2.0.0")
    affected = {"package": {"ecosystem": ecosystem, "name": "fork"}, "versions": ["1.2.3"]}
    record = {"id": "MAL-2026-1", "modified": "2026-11-20T00:00:00Z", "affected": [affected]}
    (project / "record.json").write_text(json.dumps(record))
    assert nerq("db", "import", str(project / "record.json")).status == 0
    declared = f'"fork{requirement}"' if ecosystem == "PyPI" else f'"fork": "{requirement.removeprefix("==")}"'
    (project / file_name).write_text(template.format(declared if requirement else ""))
    report = nerq("scan", *AS_OF, "--format", "json").json
    [found] = report["dependencies"]
    assert (found["name"], found["version"], found["direct"]) == ("fork", "1.2.3", bool(requirement))
    assert "malicious" in {finding["id"] for finding in report["findings"]}


RANGE_OVERRIDES: dict[str, dict[str, Any]] = {
    "npm": {"overrides": {"fork": "~1.2.0"}},
    "npm, as another dependency": {"overrides": {"fork": "$other"}, "devDependencies": {"other": "~1.2.0"}},
    "Yarn": {"resolutions": {"fork": "~1.2.0"}},
    "pnpm": {"pnpm": {"overrides": {"fork": "1.2.x"}}},
    "pnpm-workspace.yaml": {},
}


@pytest.mark.parametrize("tool", RANGE_OVERRIDES)
def test_an_override_with_a_range_replaces_what_is_declared(
    nerq: Nerq, registry: Any, services: Any, project: Path, tool: str
) -> None:
    services.silent()
    registry.npm("fork", "1.2.3", "2.0.0")
    registry.npm("other", "1.2.0")
    manifest = {"name": "x", "dependencies": {"fork": "^2.0.0"}, **RANGE_OVERRIDES[tool]}
    (project / "package.json").write_text(json.dumps(manifest))
    if tool == "pnpm-workspace.yaml":
        (project / tool).write_text("overrides:\n  fork: ~1.2.0\n")
    report = nerq("scan", *AS_OF, "--format", "json").json
    found = {item["name"]: (item["version"], item["direct"]) for item in report["dependencies"]}
    assert found["fork"] == ("1.2.3", True)
    assert not [file["errors"] for file in report["dependency_files"] if file["errors"]]


@pytest.mark.parametrize("is_locked", [False, True])
@pytest.mark.parametrize(
    ("overrides", "workspace"), [({"fork@^2": "1.2.3"}, ""), ({"a": {"fork": "1.2.3"}}, ""), ({}, "a>fork")]
)
def test_an_override_of_some_packages_only_is_named_where_no_lock_file_applies_it(
    nerq: Nerq, registry: Any, project: Path, overrides: dict[str, Any], workspace: str, *, is_locked: bool
) -> None:
    registry.npm("fork", "1.2.3", "2.0.0")
    manifest = {"name": "x", "dependencies": {"fork": "^2.0.0"}, "overrides": overrides}
    (project / "package.json").write_text(json.dumps(manifest))
    if workspace:
        (project / "pnpm-workspace.yaml").write_text(f"overrides:\n  {workspace}: 1.2.3\n")
    if is_locked:
        packages = {"": {"dependencies": {"fork": "^2.0.0"}}, "node_modules/fork": {"version": "2.0.0"}}
        (project / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    result = nerq("scan", *AS_OF, "--list")
    text = " ".join(result.out.split())
    note = 'overrides below other packages, or of some versions only, decide nothing without a lock file: "fork"'
    assert (note in text) is not is_locked
    assert result.status == 0


NPM_ADDRESSES = [
    "https://registry.example/fork/-/fork-1.2.3.tgz",
    "https://code.example/owner/fork/tar.gz/v1.2.3",
    "https://code.example/owner/fork/archive/refs/tags/v1.2.3.tar.gz",
    "https://files.example/fork-1.2.3.tgz",
    "git+https://code.example/owner/fork.git#v1.2.3",
    "git+https://code.example/owner/fork.git#semver:1.2.3",
    "owner/fork#1.2.3",
]
PYTHON_ADDRESSES = [
    "git+https://code.example/owner/fork@1.2.3",
    "git+https://code.example/owner/fork.git@v1.2.3#egg=fork",
    "https://files.example/fork-1.2.3.tar.gz",
    "file:///home/x/croot/fork_1.2.3/work",
]


@pytest.mark.parametrize("file_name", ["package.json", "requirements.txt", "pyproject.toml"])
def test_the_local_database_knows_packages_at_addresses_with_a_version(
    nerq: Nerq, registry: Any, services: Any, project: Path, file_name: str
) -> None:
    ecosystem = "npm" if file_name == "package.json" else "PyPI"
    affected = {"package": {"ecosystem": ecosystem, "name": "fork"}, "versions": ["1.2.3"]}
    record = {"id": "MAL-2026-1", "modified": "2026-11-20T00:00:00Z", "affected": [affected]}
    (project / "record.json").write_text(json.dumps(record))
    assert nerq("db", "import", str(project / "record.json")).status == 0
    for address in NPM_ADDRESSES if ecosystem == "npm" else PYTHON_ADDRESSES:
        texts = {
            "package.json": json.dumps({"name": "x", "dependencies": {"fork": address}}),
            "requirements.txt": f"fork @ {address}\n",
            "pyproject.toml": f'[project]\nname = "x"\ndependencies = ["fork @ {address}"]\n',
        }
        (project / file_name).write_text(texts[file_name])
        report = nerq("scan", *AS_OF, "--format", "json").json
        [found] = report["dependencies"]
        assert (found["name"], found["version"], found["state"]) == ("fork", "1.2.3", "below"), address
        assert "malicious" in {finding["id"] for finding in report["findings"]}, address
    requests = [*registry.site.requests, *services.site.requests]
    assert not any("fork" in request.path or b"fork" in request.body for request in requests)
