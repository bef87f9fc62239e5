"""Lock files, environments and several projects, as the commands show them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
PYPROJECT = """\
[project]
name = "app"
version = "1.0"
dependencies = ["alpha>=1"]

[dependency-groups]
test = ["tester"]
"""
UV_LOCK = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "alpha"
version = "1.0"
source = { registry = "https://registry.example/simple" }
dependencies = [{ name = "beta" }]

[[package]]
name = "app"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "alpha" }]

[package.dev-dependencies]
test = [{ name = "tester" }]

[package.metadata]
requires-dist = [{ name = "alpha", specifier = ">=1" }]

[package.metadata.requires-dev]
test = [{ name = "tester" }]

[[package]]
name = "beta"
version = "2.0"
source = { registry = "https://registry.example/simple" }

[[package]]
name = "tester"
version = "3.0"
source = { registry = "https://registry.example/simple" }
"""


@pytest.fixture
def locked(registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a lock file, whose registry is the one asked anyway."""
    text = UV_LOCK.replace("https://registry.example", registry.site.url)
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "uv.lock").write_text(text)
    monkeypatch.setenv("COLUMNS", "100")
    for name, versions in {"alpha": ("1.0", "1.1"), "beta": ("1.0", "2.0"), "tester": ("2.0", "3.0")}.items():
        registry.pypi(name, *versions)
    return project


def found(result: Any) -> dict[str, Any]:
    return {one["name"]: one for one in result.json["dependencies"]}


@pytest.mark.usefixtures("locked")
def test_a_scan_takes_the_versions_from_the_lock_file_and_says_so(nerq: Nerq) -> None:
    result = nerq("scan", *AS_OF, "--format", "json")
    assert result.status == 0
    shown = {name: (one["version"], one["direct"], one["via"], one["groups"]) for name, one in found(result).items()}
    assert shown == {
        "alpha": ("1.0", True, [], ["main"]),
        "beta": ("2.0", False, ["alpha"], ["main"]),
        "tester": ("3.0", True, [], ["dev:test"]),
    }
    files = {one["path"]: (one["dependency_count"], one["lockfile"]) for one in result.json["dependency_files"]}
    assert files == {"pyproject.toml": (2, "uv.lock"), "uv.lock": (3, None)}  # the project is not listed


@pytest.mark.usefixtures("locked")
def test_what_only_development_needs_can_be_left_out(nerq: Nerq) -> None:
    listed = nerq("scan", "--list", "--no-dev", "--format", "json")
    assert "tester" not in found(listed)
    assert "beta" in found(listed)
    [beta] = [item for item in listed.json["dependencies"] if item["name"] == "beta"]
    assert (beta["via"], beta["parents"]) == (["alpha"], ["alpha"])


def test_a_package_for_some_platforms_is_no_less_a_main_one(nerq: Nerq, locked: Path) -> None:
    text = (locked / "uv.lock").read_text()
    changed = text.replace('{ name = "beta" }', '{ name = "beta", marker = "sys_platform == \'win32\'" }')
    assert changed != text
    (locked / "uv.lock").write_text(changed)
    listed = nerq("scan", "--list", "--group", "main", "--format", "json")
    assert found(listed)["beta"]["groups"] == ["main"]


def test_a_lock_file_that_no_longer_fits_is_a_finding_and_leaves_the_run_incomplete(nerq: Nerq, locked: Path) -> None:
    (locked / "pyproject.toml").write_text(PYPROJECT.replace("alpha>=1", "alpha>=1.1"))
    result = nerq("scan", *AS_OF, "--format", "json")
    [finding] = result.findings
    assert (finding["id"], finding["name"]) == ("lock-drift", "alpha")
    assert result.status == 0
    assert result.json["complete"] is False
    assert nerq("scan", *AS_OF, "--strict").status == 3
    assert "uv.lock" in nerq("scan", *AS_OF).out


@pytest.mark.usefixtures("locked")
def test_why_shows_the_way_from_what_is_declared(nerq: Nerq) -> None:
    result = nerq("why", "beta")
    assert result.status == 0
    assert "beta 2.0: locked in uv.lock:25" in result.out
    assert "main: alpha 1.0 (>=1) → beta 2.0" in result.out
    assert "declared in pyproject.toml" in nerq("why", "alpha").out


@pytest.mark.usefixtures("locked")
def test_why_of_what_is_not_there_names_what_looks_like_it(nerq: Nerq) -> None:
    result = nerq("why", "bet")
    assert result.status == 2
    assert "did you mean beta?" in result.err


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' names no package"),
        (" ", "' ' names no package"),
        ("beta@2.0", "'beta@2.0' names a version"),
        ("npm:beta@9", "'npm:beta@9' names a version"),
        ("beta==2.0", "'beta==2.0' names a version"),
    ],
)
def test_why_explains_a_name_without_a_version(nerq: Nerq, name: str, message: str) -> None:
    result = nerq("why", name)
    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_why_names_the_member_of_the_workspace_that_declares(nerq: Nerq, project: Path) -> None:
    needs_leaf = {"dependencies": {"leaf": "^1"}}
    root = {"name": "app", "workspaces": ["packages/*"], **needs_leaf}
    members = {f"packages/{name}": {"name": name, "version": "1.0.0", **needs_leaf} for name in ("v", "w")}
    lock = {"lockfileVersion": 3, "packages": {"": root, **members, "node_modules/leaf": {"version": "1.0.0"}}}
    (project / "package-lock.json").write_text(json.dumps(lock))
    assert nerq("why", "npm:leaf").out.splitlines()[1:] == [
        "  main: leaf 1.0.0 (^1)",
        "  main of packages/v: leaf 1.0.0 (^1)",
        "  main of packages/w: leaf 1.0.0 (^1)",
    ]


def test_why_says_when_nothing_tells_what_brings_a_package_in(nerq: Nerq, project: Path) -> None:
    lock = {"_meta": {"pipfile-spec": 6, "sources": []}, "default": {"beta": {"version": "==2.0"}}, "develop": {}}
    (project / "Pipfile.lock").write_text(json.dumps(lock))
    assert "does not list what depends on it" in nerq("why", "beta").out


def test_why_shows_only_so_many_ways(nerq: Nerq, project: Path) -> None:
    middle = [f"m{n}" for n in range(5)]
    packages = {f"node_modules/{name}": {"version": "1.0.0", "dependencies": {"leaf": "^1"}} for name in middle}
    root = {"name": "app", "dependencies": dict.fromkeys(middle, "^1")}
    lock = {"lockfileVersion": 3, "packages": {"": root, **packages, "node_modules/leaf": {"version": "1.0.0"}}}
    (project / "package-lock.json").write_text(json.dumps(lock))
    result = nerq("why", "npm:leaf", "--most", "2")
    assert result.out.count(" → leaf 1.0.0") == 2
    assert "--most 4 shows more" in result.out


def test_a_broken_file_is_told_beside_the_answer(nerq: Nerq, locked: Path) -> None:
    (locked / "package.json").write_text("{")
    result = nerq("why", "beta")
    assert result.status == 2
    assert "alpha 1.0 (>=1) → beta 2.0" in result.out
    assert "package.json:1" in result.err


def test_every_project_is_counted_for_itself(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("alpha", "1.0", "1.1")
    for name in ("one", "two"):
        (project / name).mkdir()
        (project / name / "requirements.txt").write_text("alpha==1.1\n")
    result = nerq("scan", *AS_OF, "--format", "json")
    assert [(one["path"], one["summary"]["ok"]) for one in result.json["projects"]] == [("one", 1), ("two", 1)]
    assert result.json["summary"]["total"] == 1
    assert sum(path == "/pypi/alpha/json" for path in registry.paths) == 1
    assert "2 projects" in nerq("scan", *AS_OF).out


def test_what_is_installed_can_be_scanned(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("alpha", "1.0", "1.1")
    folder = project / ".venv" / "lib" / "python3.12" / "site-packages" / "alpha-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n")
    (project / ".venv" / "pyvenv.cfg").write_text("version = 3.12.1\n")
    for arguments in (("--env",), ("--env", ".venv"), ("--env", "--list")):
        result = nerq("scan", *arguments, *AS_OF, "--format", "json")
        assert [one["purl"] for one in result.json["dependencies"]] == ["pkg:pypi/alpha@1.0"], result.err


def test_no_environment_is_nothing_to_scan(nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert nerq("scan", "--env").status == 4


def test_a_bill_of_materials_is_read_when_it_is_named(nerq: Nerq, project: Path) -> None:
    component = {"type": "library", "name": "alpha", "version": "1.0", "purl": "pkg:pypi/alpha@1.0"}
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [component]}
    (project / "bom.json").write_text(json.dumps(bill))
    assert list(found(nerq("scan", "bom.json", "--list", "--format", "json"))) == ["alpha"]
    assert nerq("scan").status == 4


def test_a_package_that_a_lock_file_takes_from_elsewhere_is_never_asked_about(
    nerq: Nerq, registry: Any, services: Any, locked: Path
) -> None:
    text = (locked / "uv.lock").read_text()
    head, _, tail = text.partition('name = "beta"')
    (locked / "uv.lock").write_text(head + 'name = "beta"' + tail.replace(registry.site.url, "https://corp.example", 1))
    result = nerq("scan", *AS_OF, "--format", "json")
    assert found(result)["beta"]["state"] == "not-judged"
    assert result.json["complete"] is False
    sent = [request.path.encode() + request.body for request in (*registry.site.requests, *services.site.requests)]
    assert not any(b"beta" in one for one in sent)


def test_a_direct_dependency_that_its_lock_file_takes_from_elsewhere_is_never_asked_about(
    nerq: Nerq, registry: Any, services: Any, locked: Path
) -> None:
    text = (locked / "uv.lock").read_text()
    (locked / "uv.lock").write_text(text.replace(registry.site.url, "https://corp.example", 1))
    result = nerq("scan", *AS_OF, "--format", "json")
    assert found(result)["alpha"]["state"] == "not-judged"
    sent = [request.path.encode() + request.body for request in (*registry.site.requests, *services.site.requests)]
    assert [one for one in sent if b'"alpha"' in one or b"/alpha" in one] == []


def paths(result: Any) -> list[str]:
    return [one["path"] for one in result.json["dependency_files"]]


@pytest.fixture
def many(project: Path) -> Path:
    """Requirements files here and there."""
    for folder in ("", "vendor", "apps/web", "apps/api"):
        (project / folder).mkdir(parents=True, exist_ok=True)
        (project / folder / "requirements.txt").write_text("alpha==1.0\n")
    return project


def test_patterns_leave_out_however_they_are_written(nerq: Nerq, many: Path) -> None:
    kept = ["apps/api/requirements.txt", "apps/web/requirements.txt", "requirements.txt"]
    for pattern in ("vendor", "vendor/", "./vendor", "./vendor/", f"{many}/vendor", "/vendor"):
        assert sorted(paths(nerq("scan", "--list", "--exclude", pattern, "--format", "json"))) == kept, pattern


@pytest.mark.usefixtures("many")
def test_only_what_is_included_is_read(nerq: Nerq) -> None:
    listed = nerq("scan", "--list", "--include", "apps", "--exclude", "api", "--format", "json")
    assert paths(listed) == ["apps/web/requirements.txt"]
    assert paths(nerq("scan", "--list", "--include", "./apps/api", "--format", "json")) == ["apps/api/requirements.txt"]
    assert nerq("scan", "--list", "--include", "nowhere").status == 4


@pytest.mark.usefixtures("many")
def test_the_directories_below_can_be_left_alone(nerq: Nerq) -> None:
    assert paths(nerq("scan", "--list", "--no-recursive", "--format", "json")) == ["requirements.txt"]
    assert len(paths(nerq("scan", "--list", "--recursive", "--format", "json"))) == 4
