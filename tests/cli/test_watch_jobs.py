"""The scheduled jobs for GitHub and GitLab, whose scripts are run with this nerq and a stand-in for ``gh``."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Registry, Services

ROOT = Path(__file__).parents[2]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / "integrations/github/nerq-watch.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["watch"]["steps"]
JOB: dict[str, Any] = yaml.safe_load(
    (ROOT / "integrations/gitlab/nerq-watch.gitlab-ci.yml").read_text(encoding="utf-8")
)["nerq-watch"]
HIGH = {"database_specific": {"severity": "HIGH"}}
NERQ = f'exec "{sys.executable}" -m nerq_cli "$@"'
#: Keeps one issue in a file, and a line for each call.
GH = """\
echo "$1 $2" >> "$GH_LOG"
case "$1 $2" in
  "issue list") if [ -e "$GH_ISSUE" ]; then echo 7; fi ;;
  "issue close") rm "$GH_ISSUE" ;;
  "issue create" | "issue edit")
    while [ $# -gt 0 ]; do
      if [ "$1" = --body-file ]; then cp "$2" "$GH_ISSUE"; fi
      shift
    done ;;
esac
"""
#: Reads one key of a document, as the workflow does.
_READ_KEY = "import json, sys; print(json.dumps(json.load(open(sys.argv[2]))[sys.argv[1][1:]]))"
JQ = f"""exec "{sys.executable}" -c '{_READ_KEY}' "$2" "$3"
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="the scripts need bash")


def install(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Runner:
    """Runs the steps ``Watch`` and ``Issue`` as a runner of GitHub does."""

    def __init__(self, directory: Path, project: Path) -> None:
        self.directory, self.project = directory, project
        install(directory / "temp/nerq/bin/nerq", NERQ)
        install(directory / "bin/gh", GH)
        install(directory / "bin/jq", JQ)
        self.issue = directory / "issue.md"
        self.calls: list[str] = []

    def run(self) -> int:
        """Run one pass; return the status that the job would end with."""
        outputs, log = self.directory / "outputs", self.directory / "log"
        outputs.write_text("", encoding="utf-8")
        log.write_text("", encoding="utf-8")
        environment = {
            **os.environ,
            **WORKFLOW["jobs"]["watch"]["env"],
            "PATH": f"{self.directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CI": "true",
            "RUNNER_TEMP": str(self.directory / "temp"),
            "WATCH_DIRECTORY": str(self.directory / "watch"),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(self.directory / "summary.md"),
            "GH_LOG": str(log),
            "GH_ISSUE": str(self.issue),
        }
        shutil.rmtree(self.directory / "watch" / "cache", ignore_errors=True)  # each pass asks anew
        for name in ("Watch", "Issue", "Result"):
            [step] = [step for step in STEPS if step.get("name") == name]
            status = subprocess.run(  # noqa: S603 - the workflow's own words
                ["bash", "-e", "-o", "pipefail", "-c", step["run"]],  # noqa: S607 - any
                cwd=self.project,
                env=environment,
                check=False,
            ).returncode
            if status:
                break
            if name == "Watch":
                environment["STATUS"] = outputs.read_text(encoding="utf-8").partition("status=")[2].strip()
        self.calls = log.read_text(encoding="utf-8").splitlines()
        return status


@pytest.fixture
def runner(registry: Registry, project: Path, tmp_path: Path) -> Runner:
    registry.pypi("demo", "1.0", "2.0")
    registry.most_used()
    (project / "requirements.txt").write_text("demo==2.0\n", encoding="utf-8")
    return Runner(tmp_path / "runner", project)


def test_the_workflow_keeps_one_issue_up_to_date(runner: Runner, services: Services) -> None:
    assert runner.run() == 0
    assert runner.calls == ["issue list"]
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    assert runner.run() == 1
    assert runner.calls == ["issue list", "label create", "issue create"]
    assert "GHSA-1" in runner.issue.read_text(encoding="utf-8")
    assert runner.run() == 0
    assert runner.calls == ["issue list", "issue edit"]
    assert "### Open" in runner.issue.read_text(encoding="utf-8")
    services.advisory("demo", "2.0", identifier="GHSA-2", **HIGH)
    assert runner.run() == 1
    assert runner.calls == ["issue list", "issue edit", "issue comment"]
    services.silent()
    assert runner.run() == 3
    assert "GHSA-2" in runner.issue.read_text(encoding="utf-8")
    services.speak()
    services.affecting.clear()
    services.recorded.clear()
    assert runner.run() == 0
    assert runner.calls == ["issue list", "issue edit", "issue close"]
    assert not runner.issue.exists()


def test_a_project_that_cannot_be_read_leaves_the_issue(runner: Runner) -> None:
    (runner.project / "requirements.txt").write_text("=== nonsense ===\n", encoding="utf-8")
    assert (runner.run(), runner.calls) == (2, [])


def test_the_workflow_has_the_rights_that_it_needs_and_no_others() -> None:
    assert WORKFLOW["permissions"] == {}
    assert WORKFLOW["jobs"]["watch"]["permissions"] == {"contents": "read", "issues": "write"}
    scripts = "\n".join(step.get("run", "") for step in STEPS)
    assert "${{" not in scripts
    order = [step.get("name") or step["uses"].partition("@")[0] for step in STEPS]
    assert order.index("Issue") < order.index("actions/cache/save") < order.index("Result")


def test_the_job_for_gitlab_exits_as_the_pass_does(
    registry: Registry, services: Services, project: Path, run_gitlab: Callable[[], int]
) -> None:
    registry.pypi("demo", "1.0", "2.0")
    registry.most_used()
    (project / "requirements.txt").write_text("demo==2.0\n", encoding="utf-8")
    assert run_gitlab() == 0
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    assert run_gitlab() == 1
    document = json.loads((project / "nerq-watch.json").read_text(encoding="utf-8"))
    assert document["clean"] is False
    assert set(JOB["artifacts"]["paths"]) <= {path.name for path in project.iterdir()}
    assert JOB["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "schedule"'}]


@pytest.fixture
def run_gitlab(project: Path) -> Callable[[], int]:
    """Run the script of the job for GitLab, each time without the answers of the time before."""
    install(Path(f"{project}.nerq/bin/nerq"), f'PYTHONPATH="{os.environ.get("PYTHONPATH", "")}" {NERQ}')

    def run() -> int:
        directory = project / ".nerq-watch"
        for path in directory.glob("*.sqlite3*"):
            path.unlink()
        environment = {**os.environ, **JOB["variables"], "CI": "true", "CI_PROJECT_DIR": str(project)}
        environment["NERQ_CACHE_DIR"] = str(directory)
        return subprocess.run(  # noqa: S603 - the template's own words
            ["sh", "-e", "-c", "\n".join(JOB["script"])],  # noqa: S607 - any
            cwd=project,
            env=environment,
            check=False,
        ).returncode

    return run
