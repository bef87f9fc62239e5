"""Which age rules apply to a project: its files, those of the user, the defaults of the tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nerq_cli.application.age_rules import read_age_rules
from nerq_cli.inventory import Location
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.policy.age import AgeRule
from nerq_cli.units import DAY, MINUTE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(project: Path, *paths: str, **environ: str) -> tuple[AgeRule, ...]:
    rules, warnings = read_age_rules(
        load_dependency_files(paths or (".",)),
        Path(paths[0] if paths else "."),
        environ=environ,
        home=project.parent / "home",
        system_root=project.parent / "system",
    )
    assert not warnings
    return rules


def describe(rules: tuple[AgeRule, ...]) -> set[tuple[str, str, int | None, str]]:
    return {(rule.tool, rule.directory, rule.seconds, rule.location.path) for rule in rules}


def test_files_apply_to_the_directory_they_are_in_and_below(project: Path) -> None:
    write(
        project,
        {
            "uv.toml": 'exclude-newer = "7 days"',
            "requirements.txt": "a==1",
            "web/package.json": "{}",
            "web/.npmrc": "min-release-age=3",
            ".github/dependabot.yml": DEPENDABOT,
            "renovate.json": '{"minimumReleaseAge": "2 days"}',
            "unrelated/bunfig.toml": "[install]\nminimumReleaseAge = 5",
        },
    )
    assert describe(read(project)) == {
        ("uv", "", 7 * DAY, "uv.toml"),
        ("npm", "web", 3 * DAY, "web/.npmrc"),
        ("Renovate", "", 2 * DAY, "renovate.json"),
        ("Dependabot", "web", 4 * DAY, ".github/dependabot.yml"),
    }
    uv, npm = (next(rule for rule in read(project) if rule.tool == tool) for tool in ("uv", "npm"))
    assert uv.covers(Location(path="web/requirements.txt", line=1))
    assert npm.covers(Location(path="web/package.json", line=1))
    assert not npm.covers(Location(path="webs/package.json", line=1))


DEPENDABOT = """version: 2
updates:
- package-ecosystem: npm
  directory: /web
  cooldown: {default-days: 4}
"""


def test_the_files_around_the_scanned_directory_count_up_to_the_root_of_its_repository(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        project,
        {"uv.toml": 'exclude-newer = "7 days"', "app/requirements.txt": "a==1", "pkg/requirements.txt": "b==1"},
    )
    monkeypatch.chdir(project / "app")
    assert not read(project)
    (project / ".git").mkdir()
    assert describe(read(project)) == {("uv", "", 7 * DAY, "../uv.toml")}
    assert describe(read(project, "../pkg")) == {("uv", "", 7 * DAY, "../uv.toml")}
    assert describe(read(project, str(project / "pkg"))) == {("uv", str(project), 7 * DAY, str(project / "uv.toml"))}


def test_settings_of_the_user_apply_where_their_tool_installs(project: Path) -> None:
    home = project.parent / "home"
    write(
        home,
        {
            ".npmrc": "min-release-age=5",
            ".yarnrc.yml": "npmMinimalAgeGate: 6d",
            ".bunfig.toml": "[install]\nminimumReleaseAge = 86400",
            ".config/uv/uv.toml": 'exclude-newer = "8 days"',
            ".config/pip/pip.conf": "[global]\nuploaded-prior-to = P9D",
            ".config/pnpm/config.yaml": "minimumReleaseAge: 1",
            ".config/pypoetry/config.toml": "[solver]\nmin-release-age = 2",
        },
    )
    write(project, {"a/requirements.txt": "a==1", "b/package.json": "{}", "c/package.json": "{}", "c/yarn.lock": ""})
    rules = read(project)
    assert describe(rules) == {
        ("pip", "a", 9 * DAY, "~/.config/pip/pip.conf"),
        ("npm", "b", 5 * DAY, "~/.npmrc"),
        ("Yarn", "c", 6 * DAY, "~/.yarnrc.yml"),
    }
    assert all(rule.is_user for rule in rules)


@pytest.mark.parametrize(
    ("variable", "value", "tool", "seconds", "files"),
    [
        ("UV_EXCLUDE_NEWER", "P3D", "uv", 3 * DAY, {"pyproject.toml": "[tool.uv]\n", "uv.lock": "version = 1\n"}),
        ("PIP_UPLOADED_PRIOR_TO", "P3D", "pip", 3 * DAY, {"requirements.txt": "a==1"}),
        ("POETRY_SOLVER_MIN_RELEASE_AGE", "3", "Poetry", 3 * DAY, {"pyproject.toml": '[tool.poetry]\nname = "x"\n'}),
        ("NPM_CONFIG_MIN_RELEASE_AGE", "3", "npm", 3 * DAY, {"package.json": "{}"}),
        (
            "pnpm_config_minimum_release_age",
            "3",
            "pnpm",
            3 * MINUTE,
            {"package.json": '{"packageManager": "pnpm@10.1"}'},
        ),
        ("YARN_NPM_MINIMAL_AGE_GATE", "3d", "Yarn", 3 * DAY, {"package.json": '{"packageManager": "yarn@4.9"}'}),
    ],
)
def test_a_variable_counts_before_the_files_of_the_user(
    project: Path, variable: str, value: str, tool: str, seconds: int, files: dict[str, str]
) -> None:
    write(project.parent / "home", {".npmrc": "min-release-age=5", ".yarnrc.yml": "npmMinimalAgeGate: 6d"})
    write(project, files)
    [rule] = (rule for rule in read(project, **{variable: value}) if rule.tool == tool)
    assert (rule.seconds, rule.location.path, rule.is_user) == (seconds, "environment", True)


def test_a_project_cannot_make_a_rule_of_the_user_weaker(project: Path) -> None:
    write(project.parent / "home", {".npmrc": "min-release-age=5"})
    write(project, {"package.json": "{}", ".npmrc": "min-release-age=0\nmin-release-age-exclude[]=*"})
    rules = read(project)
    assert {(rule.seconds, rule.is_user, bool(rule.exceptions)) for rule in rules} == {
        (0, False, True),
        (5 * DAY, True, False),
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"package.json": "{}", "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, 1),
        ({"package.json": '{"packageManager": "pnpm@11.2.0"}'}, 1),
        ({"package.json": '{"packageManager": "pnpm@10.30.0"}', "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, 0),
        ({"package.json": "{}", "pnpm-workspace.yaml": "minimumReleaseAge: 0\n"}, 0),
        ({"package.json": '{"packageManager": "yarn@4.15.0"}'}, 1),
        ({"package.json": '{"packageManager": "yarn@4.14.9"}'}, 0),
        ({"package.json": "{}", "yarn.lock": '__metadata:\n  version: 10\n  cacheKey: "10"\n'}, 1),
        ({"package.json": "{}", "yarn.lock": '__metadata:\n  version: 8\n  cacheKey: "10"\n'}, 0),
        ({"package.json": "{}", "bun.lock": '{"lockfileVersion": 1, "workspaces": {}, "packages": {}}'}, 0),
        ({"package.json": "{}", "package-lock.json": '{"lockfileVersion": 3, "packages": {}}'}, 0),
    ],
)
def test_defaults_of_the_tools(project: Path, files: dict[str, str], expected: int) -> None:
    write(project, files)
    defaults = [rule for rule in read(project) if rule.is_default]
    assert [rule.seconds for rule in defaults] == [DAY] * expected


def test_the_lock_file_of_a_workspace_decides_for_its_members(project: Path) -> None:
    write(
        project,
        {
            "package.json": '{"workspaces": ["p/*"]}',
            "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
            "p/a/package.json": "{}",
            "p/b/package.json": "{}",
        },
    )
    assert describe(read(project)) == {("pnpm", "", DAY, "pnpm-workspace.yaml")}


def test_a_link_that_leads_out_of_the_project_is_not_read(project: Path) -> None:
    write(project.parent, {"outside.toml": 'exclude-newer = "7 days"'})
    (project / "uv.toml").symlink_to(project.parent / "outside.toml")
    write(project, {"requirements.txt": "a==1"})
    rules, warnings = read_age_rules(load_dependency_files(["."]), Path(), environ={}, home=project.parent / "home")
    assert not rules
    assert warnings == (f"{project}/uv.toml is a link that leads out of the project: not read",)


def test_a_rule_does_not_bind_projects_of_other_tools_below(project: Path) -> None:
    write(
        project,
        {
            ".npmrc": "min-release-age=7",
            "package.json": "{}",
            "package-lock.json": '{"lockfileVersion": 3, "packages": {}}',
            "member/package.json": "{}",
            "web/package.json": "{}",
            "web/pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
            "web/deep/package.json": "{}",
            "own/package.json": "{}",
            "own/package-lock.json": '{"lockfileVersion": 3, "packages": {}}',
            "uv.toml": 'exclude-newer = "7 days"',
            "pyproject.toml": "[project]\nname = 'a'\nversion = '1'\n",
            "lib/pyproject.toml": "[project]\nname = 'b'\nversion = '1'\n",
            "lib/uv.lock": "version = 1\n",
            "old/pyproject.toml": "[project]\nname = 'c'\nversion = '1'\n",
            "old/poetry.lock": "",
            "old/requirements.txt": "demo\n",
        },
    )
    rules = {rule.tool: rule for rule in read(project)}

    def list_bound(tool: str, name: str) -> list[str]:
        folders = ("", "member/", "web/", "web/deep/", "own/", "lib/", "old/")
        return [folder for folder in folders if rules[tool].covers(Location(path=f"{folder}{name}", line=1))]

    assert list_bound("npm", "package.json") == ["", "member/", "lib/", "old/"]
    assert list_bound("pnpm", "package.json") == ["web/", "web/deep/"]  # its default
    assert list_bound("uv", "pyproject.toml") == ["", "member/", "web/", "web/deep/", "own/", "lib/"]


def test_presets_of_renovate_that_are_not_read_are_warned_of(project: Path) -> None:
    write(project, {"requirements.txt": "a==1", ".github/renovate.json": '{"extends": ["github>acme/x"]}'})
    rules, warnings = read_age_rules(load_dependency_files(["."]), Path(), environ={}, home=project.parent / "home")
    assert rules == ()
    assert warnings == (
        ".github/renovate.json:1: the preset github>acme/x of Renovate is not read: it may have a minimumReleaseAge",
    )
