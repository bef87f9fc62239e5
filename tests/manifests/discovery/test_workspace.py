from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.manifests.discovery.workspace import MAX_PARENTS, Workspaces, unlocked_names

Project = Callable[[Mapping[str, str | bytes]], Path]

UV = """\
[project]
name = "acme"
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
Acme_Core = { workspace = true }
acme-more = [{ workspace = true, marker = "sys_platform == 'linux'" }, { git = "https://git.example/more" }]
tool = { git = "https://git.example/tool" }
"""
MEMBER = '[project]\nname = "acme-api"\ndependencies = ["acme-core>=1", "acme-more", "tool", "httpx"]\n'
CATALOGS = """\
packages: ['pkgs/*']
catalog:
  chalk: ^4
catalogs:
  old: {ms: 2.0.0}
  odd: text
"""
CATALOG_JSON = '{"catalog": {"chalk": "^4"}}'
ASKING = '{"dependencies": {"chalk": "catalog:", "ms": "catalog:old", "other": "catalog:"}}'


def skips(manifest: DependencyFile) -> dict[str, str]:
    return {item.name: item.skip_reason for item in manifest.declarations if item.skip_reason}


def ranges(manifest: DependencyFile) -> dict[str, str]:
    return {item.name: item.requirement for item in manifest.declarations if not item.skip_reason}


@pytest.mark.parametrize("name", ["pnpm-workspace.yaml", ".yarnrc.yml", "package.json"])
def test_a_catalog_that_links_out_of_the_project_is_not_read(project: Project, name: str) -> None:
    home = project({"../outside": CATALOGS if name != "package.json" else CATALOG_JSON, "a/package.json": ASKING})
    (home / ".git").mkdir()
    (home / name).symlink_to(home.parent / "outside")
    [manifest] = load_dependency_files(["a"])
    assert ranges(manifest) == {}
    (home / name).unlink()
    (home.parent / "outside").rename(home / name)
    [manifest] = load_dependency_files(["a"])
    assert ranges(manifest)["chalk"] == "^4"


# --- uv --------------------------------------------------------------------------------------------------------------


def test_members_of_a_workspace_are_never_looked_up_wherever_the_search_begins(project: Project) -> None:
    project({"pyproject.toml": UV, "packages/api/pyproject.toml": MEMBER})
    [manifest] = load_dependency_files(["packages/api"])
    assert skips(manifest) == {"acme-core": "workspace member", "acme-more": "workspace member"}
    assert manifest.local_names == ("acme-api", "acme-core", "acme-more")
    assert manifest.notes == ()
    _, member = load_dependency_files(["."])
    assert skips(member) == skips(manifest)


def test_a_lock_file_above_is_read_for_the_member(project: Project) -> None:
    project({"pyproject.toml": UV, "packages/api/pyproject.toml": MEMBER, "uv.lock": "version = 1"})
    manifest, lock = load_dependency_files(["packages/api"])
    assert lock.path == "uv.lock"
    assert lock.members == (("packages/api", manifest.path),)
    assert [one.members for one in load_dependency_files(["."])] == [(), (), ()]


@pytest.mark.parametrize(
    "above", ["", "[project]\nname = 'workspace'\n", "[tool.uv.workspace", "[tool]\nuv = 'workspace'\n"]
)
def test_without_a_workspace_above_a_file_stands_for_itself(project: Project, above: str) -> None:
    project({"pyproject.toml": above, "api/pyproject.toml": MEMBER})
    [manifest] = load_dependency_files(["api"])
    assert skips(manifest) == {}


def test_nothing_above_the_repository_is_looked_at(project: Project) -> None:
    project({"pyproject.toml": UV, "api/.git/HEAD": "", "api/pyproject.toml": MEMBER})
    [manifest] = load_dependency_files(["api"])
    assert skips(manifest) == {}


def test_a_workspace_is_not_looked_for_without_end(project: Project) -> None:
    home = project({"pyproject.toml": UV})
    assert Workspaces().find_uv_workspace(home.joinpath(*"a" * (MAX_PARENTS - 1), "pyproject.toml")) is not None
    assert Workspaces().find_uv_workspace(home.joinpath(*"a" * MAX_PARENTS, "pyproject.toml")) is None


# --- Catalogs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pnpm-workspace.yaml", ".yarnrc.yml"])
@pytest.mark.parametrize("file", ["package.json", "pkgs/a/package.json"])
def test_versions_in_catalogs_are_found_where_the_workspace_keeps_them(project: Project, name: str, file: str) -> None:
    project({name: CATALOGS, file: ASKING})
    [manifest] = load_dependency_files([file])
    assert ranges(manifest) == {"chalk": "^4", "ms": "2.0.0"}
    assert skips(manifest) == {"other": "catalog default: not listed here"}


def test_bun_keeps_catalogs_in_the_package_json_above(project: Project) -> None:
    project({"package.json": '{"workspaces": {"catalog": {"chalk": "^4"}}}', "a/package.json": ASKING})
    [manifest] = load_dependency_files(["a"])
    assert ranges(manifest) == {"chalk": "^4"}


@pytest.mark.parametrize("text", ["catalog: [", "- catalog", "catalog: text", b"\xff catalog", "catalog: {}"])
def test_what_cannot_be_read_as_catalogs_holds_none(project: Project, text: str | bytes) -> None:
    project({"pnpm-workspace.yaml": text, "a/package.json": ASKING, "b/package.json": ASKING})
    assert [ranges(one) for one in load_dependency_files(["."])] == [{}, {}]


# --- Lock files ------------------------------------------------------------------------------------------------------

PDM_LOCK = """\
[metadata]
lock_version = "4.5.0"
[[package]]
name = "a"
version = "1"
dependencies = ["acme-app", "left-out"]
"""


def test_a_lock_file_may_lack_the_project_and_what_it_leaves_out(project: Project) -> None:
    text = '[project]\nname = "Acme.App"\n[tool.pdm.resolution]\nexcludes = ["Left_Out"]\n'
    home = project({"pdm.lock": PDM_LOCK, "pyproject.toml": text})
    assert unlocked_names(home / "pdm.lock") == {"acme-app", "left-out"}
    [manifest] = load_dependency_files(["pdm.lock"])
    assert manifest.problems == ()


def test_without_the_projects_own_file_what_is_missing_stays_a_problem(project: Project) -> None:
    project({"pdm.lock": PDM_LOCK})
    [manifest] = load_dependency_files(["pdm.lock"])
    assert len(manifest.problems) == 2
