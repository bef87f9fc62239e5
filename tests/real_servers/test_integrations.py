"""The pre-commit hooks with pre-commit itself, and the installation of the GitHub Action: pip installs nerq-cli."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from real_servers.servers import run

pytestmark = [
    pytest.mark.real_servers,
    pytest.mark.skipif(sys.platform == "win32", reason="the commands are at other places"),
]
ROOT = Path(__file__).parents[2]
CONFIGURATION = """\
repos:
  - repo: {repository}
    rev: {commit}
    hooks:
      - id: {hook}
        args: [{arguments}]
"""


def git(directory: Path, *arguments: str) -> str:
    """Run git with settings of its own, and return what it prints."""
    settings = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    return str(run(["git", *settings, *arguments], cwd=directory)).strip()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what this one has, changes that are not committed among it."""
    directory = tmp_path_factory.mktemp("source") / "nerq-cli"
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith("tests/"):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, directory / name)
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "--all")
    git(directory, "commit", "-q", "-m", "all")
    return directory


@pytest.fixture(scope="module")
def pre_commit(tools: Path) -> Path:
    """The command ``pre-commit``."""
    directory = tools / "pre-commit"
    if not (tools / "pre-commit-complete").exists():
        venv.create(directory, clear=True, with_pip=True)
        run([directory / "bin/python", "-m", "pip", "install", "--quiet", "pre-commit"])
        (tools / "pre-commit-complete").touch()
    return directory / "bin/pre-commit"


@pytest.fixture(scope="module")
def kept_environments(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Variables that keep the environments of hooks, and the cache of nerq, out of the home directory."""
    directory = tmp_path_factory.mktemp("kept")
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTHONPATH")}
    return {**kept, "PRE_COMMIT_HOME": str(directory), "NERQ_CACHE_DIR": str(directory / "cache")}


class Project:
    """A repository that uses a hook."""

    def __init__(self, directory: Path, source: Path, pre_commit: Path, environment: Mapping[str, str]) -> None:
        self.directory, self._source, self._pre_commit = directory, source, pre_commit
        self._environment = environment
        directory.mkdir()
        git(directory, "init", "-q", "-b", "main")

    def use_hook(self, hook: str, *arguments: str) -> None:
        """Write the configuration of pre-commit."""
        text = CONFIGURATION.format(
            repository=self._source.as_uri(),
            commit=git(self._source, "rev-parse", "HEAD"),
            hook=hook,
            arguments=", ".join(arguments),
        )
        (self.directory / ".pre-commit-config.yaml").write_text(text, encoding="utf-8")

    def run_hooks(self, **files: str) -> tuple[int, str]:
        """Stage files and run the hooks for them; return the exit status and what is printed."""
        for name, text in files.items():
            (self.directory / f"{name}.txt").write_text(text, encoding="utf-8")
        git(self.directory, "add", "--all")
        result = subprocess.run(  # noqa: S603 - the test's own words
            [str(self._pre_commit), "run", "--color=never", "--verbose"],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return result.returncode, result.stdout + result.stderr


@pytest.fixture
def project(tmp_path: Path, source: Path, pre_commit: Path, kept_environments: Mapping[str, str]) -> Any:
    """A repository without a dependency file."""
    return Project(tmp_path / "project", source, pre_commit, kept_environments)


def test_the_hook_of_the_project_scans_all_of_it(project: Project) -> None:
    project.use_hook("nerq", "--list")
    status, text = project.run_hooks(requirements="flask==3.0.0\n")
    assert (status, "flask" in text) == (0, True), text
    git(project.directory, "commit", "-q", "-m", "first")
    status, text = project.run_hooks(requirements_dev="pytest==8.0.0\n")
    assert (status, "flask" in text, "pytest" in text) == (0, True, True), text


def test_the_hook_of_files_scans_those_of_the_commit(project: Project) -> None:
    project.use_hook("nerq-files", "--list")
    assert project.run_hooks(requirements="flask==3.0.0\n")[0] == 0
    git(project.directory, "commit", "-q", "-m", "first")
    status, text = project.run_hooks(requirements_dev="pytest==8.0.0\n")
    assert (status, "flask" in text, "pytest" in text) == (0, False, True), text


@pytest.mark.parametrize("hook", ["nerq", "nerq-files"])
def test_a_hook_fails_the_commit(hook: str, project: Project) -> None:
    project.use_hook(hook, "--offline", "--strict")
    status, text = project.run_hooks(requirements="flask==3.0.0\n")
    assert status == 1, text
    assert "- exit code: 3" in text


@pytest.mark.parametrize("hook", ["nerq", "nerq-files"])
def test_a_hook_is_skipped_without_a_dependency_file(hook: str, project: Project) -> None:
    project.use_hook(hook, "--list")
    status, text = project.run_hooks(notes="flask==3.0.0\n")
    assert (status, "(no files to check)Skipped" in text) == (0, True), text


def test_the_action_installs_the_code_of_its_own_ref(tmp_path: Path, source: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    # Python and pip would import these modules if the directory were on their path.
    for name in ("venv", "pip", "json"):
        (workspace / f"{name}.py").write_text("raise SystemExit('executed')\n", encoding="utf-8")
    (tmp_path / "output").touch()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "ACTION_PATH": str(source),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "PIP_CONSTRAINT": "",
    }
    command = [sys.executable, "-I", source / "integrations/github/run.py", "install"]
    run(command, cwd=workspace, env=environment)
    version = run([tmp_path / "temp/nerq/venv/bin/nerq", "--version"], cwd=workspace)
    assert version.startswith("nerq")
    assert "day<<" in (tmp_path / "output").read_text(encoding="utf-8")


def test_the_files_that_the_dockerfile_copies_are_enough_for_an_installation(tmp_path: Path, source: Path) -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                copy = shutil.copytree if (source / name).is_dir() else shutil.copyfile
                (tmp_path / "context").mkdir(exist_ok=True)
                copy(source / name, tmp_path / "context" / name)
    venv.create(tmp_path / "opt", with_pip=True)
    environment = {**os.environ, "PYTHONPATH": "", "PIP_CONSTRAINT": ""}
    run([tmp_path / "opt/bin/pip", "install", "--quiet", "."], cwd=tmp_path / "context", env=environment)
    run([tmp_path / "opt/bin/pip", "uninstall", "--quiet", "--yes", "pip"], cwd=tmp_path)
    assert run([tmp_path / "opt/bin/nerq", "--version"], cwd=tmp_path, env=environment).startswith("nerq")
