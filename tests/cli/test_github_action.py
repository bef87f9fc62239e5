"""The steps of ``action.yml``, run as a runner of GitHub Actions runs them, with the API on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
RUN_STEPS = [step for step in ACTION["runs"]["steps"] if "run" in step]
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
SHA = "0123456789abcdef0123456789abcdef01234567"
COMMENTS = "/api/repos/acme/shop/issues/7/comments"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="the stand-in for a runner needs bash"
)


class Runner:
    """A stand-in for a runner: variables, files for outputs and the summary, and the steps that run a script."""

    def __init__(self, directory: Path, workspace: Path, api: Any) -> None:
        self.directory, self.workspace, self.api = directory, workspace, api
        self.inputs = {name: str(value.get("default", "")) for name, value in ACTION["inputs"].items()}
        self.inputs |= {"token": "token-of-the-job"}
        self.event: dict[str, Any] = {}
        self.event_name = "push"
        self.outputs: dict[str, dict[str, str]] = {}
        self.log = ""
        self.variables: dict[str, str] = {}
        (directory / "temp").mkdir(parents=True)

    @property
    def summary(self) -> str:
        """The summary of the job."""
        path = self.directory / "summary.md"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @property
    def requests(self) -> list[tuple[str, str]]:
        """What the API was asked: method and path."""
        return [(request.method, request.path) for request in self.api.requests]

    def install_stand_in(self, program: str = "") -> None:
        """Put a command in the place where the step ``install`` puts it: this nerq, or another program."""
        command = self.directory / "temp/nerq/venv/bin/nerq"
        command.parent.mkdir(parents=True)
        text = f'PYTHONPATH="{os.environ.get("PYTHONPATH", "")}" exec "{sys.executable}" -m nerq_cli "$@"'
        command.write_text(f"#!/bin/sh\n{program or text}\n", encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    def open_pull_request(self, **head: Any) -> None:
        """Let the event be a pull request, of the repository itself if nothing else is given."""
        repository = {"repo": {"full_name": "acme/shop"}}
        self.event_name = "pull_request"
        self.event = {
            "pull_request": {
                "number": 7,
                "base": {"sha": SHA, **repository},
                "head": {"sha": SHA, **repository, **head},
            }
        }

    def run(self, *names: str) -> int:
        """Run steps by their ids, and return the exit status of the first that fails."""
        for name in names:
            step = next(step for step in RUN_STEPS if step["id"] == name)
            status = self._run_step(step)
            if status:
                return status
        return 0

    def _run_step(self, step: Mapping[str, Any]) -> int:
        output = self.directory / "output"
        output.write_text("", encoding="utf-8")
        (self.directory / "event.json").write_text(json.dumps(self.event), encoding="utf-8")
        kept = ("PATH", "PYTHONPATH", "HOME", "LANG")
        environment = {
            **{name: value for name, value in os.environ.items() if name in kept or name.startswith("NERQ_")},
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": f"{self.api.url}/api",
            "GITHUB_EVENT_NAME": self.event_name,
            "GITHUB_EVENT_PATH": str(self.directory / "event.json"),
            "GITHUB_JOB": "dependencies",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_STEP_SUMMARY": str(self.directory / "summary.md"),
            "GITHUB_WORKFLOW": "check",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.directory / "temp"),
            **self.variables,
            **{name: EXPRESSION.sub(self._evaluate, str(value)) for name, value in step.get("env", {}).items()},
        }
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        result = subprocess.run(  # noqa: S603 - the action's own words
            script, cwd=self.workspace, env=environment, capture_output=True, text=True, check=False
        )
        self.log += result.stdout + result.stderr
        self.outputs[step["id"]] = read_outputs(output.read_text(encoding="utf-8"))
        return result.returncode

    def _evaluate(self, match: re.Match[str]) -> str:
        values = {
            "github.action_path": str(ROOT),
            "steps.python.outputs.python-path": sys.executable,
            **{f"inputs.{name}": value for name, value in self.inputs.items()},
            **{
                f"steps.{step}.outputs.{name}": value
                for step, outputs in self.outputs.items()
                for name, value in outputs.items()
            },
        }
        return values[match[1]] if match[1] in values or not match[1].startswith("steps.") else ""


def read_outputs(text: str) -> dict[str, str]:
    """Return the outputs that a step wrote."""
    return {match[1]: match[3] for match in re.finditer(r"^(.+?)<<(\S+)\n(.*?)\n\2$", text, re.DOTALL | re.MULTILINE)}


@pytest.fixture
def runner(tmp_path: Path, project: Path, other_site: Any) -> Runner:
    """A runner whose workspace is the project."""
    other_site.on("/api/user", {"status": 403, "body": {}})
    other_site.on(f"{COMMENTS}?per_page=100&page=1", {"body": []})
    other_site.on(COMMENTS, {"status": 201, "body": {"html_url": "https://code.example/acme/shop/7#1"}})
    return Runner(tmp_path / "runner", project, other_site)


@pytest.fixture
def failing(runner: Runner, registry: Any, project: Path) -> Runner:
    """A runner with nerq, in a project with a dependency that is in no index."""
    registry.most_used()
    (project / "requirements.txt").write_text("absent-from-index==1.0\n", encoding="utf-8")
    runner.install_stand_in()
    return runner


def test_no_input_is_put_into_a_script_and_every_foreign_action_is_pinned() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert all(re.search(r"@[0-9a-f]{40} # v\d", line) for line in text.splitlines() if "uses:" in line)


def test_every_input_and_output_is_described_and_used() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    for name, value in ACTION["inputs"].items():
        assert value["description"]
        assert "default" in value
        assert f"inputs.{name}" in text
    script = (ROOT / "integrations/github/run.py").read_text(encoding="utf-8")
    for name, value in ACTION["outputs"].items():
        assert value["description"]
        assert f'"{name}"' in script


def test_a_finding_fails_the_last_step_and_is_annotated_in_the_summary_and_the_reports(failing: Runner) -> None:
    assert failing.run("scan") == 0
    outputs = failing.outputs["scan"]
    assert (outputs["exit-code"], outputs["result"]) == ("1", "failed")
    assert json.loads(Path(outputs["json"]).read_text(encoding="utf-8"))["exit"]["code"] == 1
    assert "absent-from-index" in Path(outputs["markdown"]).read_text(encoding="utf-8")
    assert "::error file=requirements.txt,line=1" in failing.log
    assert "absent-from-index" in failing.summary
    assert failing.run("finish") == 1
    assert "::error title=nerq::nerq ended with exit status 1 (failed)" in failing.log


def test_the_table_is_printed_where_the_runner_obeys_no_command(failing: Runner) -> None:
    failing.run("scan")
    match = re.search(r"^::stop-commands::(\w{32})\n(.*)^::\1::$", failing.log, re.DOTALL | re.MULTILINE)
    assert match is not None
    assert "absent-from-index" in match[2]


def test_a_project_that_passes_ends_with_0(runner: Runner, registry: Any, project: Path) -> None:
    (project / "requirements.txt").write_text("# nothing yet\n", encoding="utf-8")
    runner.install_stand_in()
    assert runner.run("scan", "comment", "finish") == 0
    assert runner.outputs["scan"]["result"] == "passed"


def test_it_is_strict_unless_told_otherwise(runner: Runner, project: Path) -> None:
    runner.install_stand_in('printf "%s\\n" "$@"')
    runner.run("scan")
    assert "\n--strict\n" in f"\n{runner.log}"
    runner.log = ""
    runner.inputs["strict"] = "false"
    runner.run("scan")
    assert "\n--no-strict\n" in f"\n{runner.log}"


def test_inputs_reach_nerq_as_they_are(runner: Runner, project: Path) -> None:
    runner.install_stand_in('printf "<%s>\\n" "$@"')
    hostile = '$(touch executed) `touch executed` "; touch executed; #'
    runner.inputs |= {
        "paths": f"a b\n{hostile}\n--allow-empty\n",
        "threshold": hostile,
        "args": f"--group\n{hostile}",
        "sarif": "nerq.sarif",
        "outputs": "report.html\ncyclonedx=bom.json",
        "report-only": "true",
        "baseline": "nerq-baseline.json",
    }
    assert runner.run("scan") == 0
    arguments = re.findall(r"^<(.*)>$", runner.log, re.MULTILINE)
    assert arguments[:3] == ["scan", "--strict", "--report-only"]
    assert f"--threshold={hostile}" in arguments
    assert "--baseline=nerq-baseline.json" in arguments
    assert {"--output=sarif=nerq.sarif", "--output=report.html", "--output=cyclonedx=bom.json"} <= set(arguments)
    # after -- a path is no option
    assert arguments[-6:] == ["--group", hostile, "--", "a b", hostile, "--allow-empty"]
    assert not (project / "executed").exists()


def test_nerq_sees_no_input_as_a_variable_and_its_own_cache(runner: Runner) -> None:
    runner.install_stand_in("env")
    runner.run("scan")
    assert "\nINPUT_" not in runner.log
    assert f"NERQ_CACHE_DIR={runner.directory / 'temp/nerq/cache'}" in runner.log


def test_nerq_imports_nothing_from_directories_that_the_job_names(failing: Runner, project: Path) -> None:
    (project / "typer.py").write_text("raise SystemExit('executed')\n", encoding="utf-8")
    failing.variables["PYTHONPATH"] = str(project)
    assert failing.run("scan") == 0
    assert failing.outputs["scan"]["result"] == "failed"
    assert "executed" not in failing.log


@pytest.mark.parametrize("name", ["strict", "report-only"])
def test_another_word_than_true_or_false_is_an_error(name: str, runner: Runner) -> None:
    runner.install_stand_in("exit 0")
    runner.inputs[name] = "yes\n::set-env name=A::b"
    assert runner.run("scan") == 2
    assert f"::error title=nerq::the input {name} is" in runner.log
    assert "\n::set-env" not in runner.log


def test_a_crash_is_no_pass(runner: Runner) -> None:
    runner.install_stand_in("kill -9 $$")
    assert runner.run("scan") == 0
    assert runner.outputs["scan"]["result"] == "incomplete"
    assert runner.run("finish") == 3


def test_without_a_scan_the_last_step_fails(runner: Runner) -> None:
    assert runner.run("finish") == 3


def test_a_version_that_is_no_version_is_not_installed(runner: Runner) -> None:
    for version in ("--index-url=https://packages.example", "1.0 evil", "https://packages.example/a.whl", "../a"):
        runner.inputs["version"] = version
        assert runner.run("install") == 2
        assert "the input version is" in runner.log
    assert not (runner.directory / "temp/nerq/venv").exists()


# --- what is compared ---


def make_repository(directory: Path, *, depth: int = 0) -> str:
    """Make a repository of two commits, or its shallow clone, and return the first commit."""

    def git(*arguments: str, cwd: Path = directory) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
        command = ["git", *settings, *arguments]
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - the test's own words

    source = directory.parent / "source" if depth else directory
    source.mkdir(exist_ok=True)
    git("init", "-q", "-b", "main", cwd=source)
    git("commit", "-q", "--allow-empty", "-m", "one", cwd=source)
    first = git("rev-parse", "HEAD", cwd=source)
    git("commit", "-q", "--allow-empty", "-m", "two", cwd=source)
    if depth:
        git("clone", "-q", f"--depth={depth}", source.as_uri(), str(directory / "clone"))
    return first


def test_a_pull_request_is_compared_with_its_base(runner: Runner, project: Path) -> None:
    runner.install_stand_in('printf "<%s>\\n" "$@"')
    runner.open_pull_request()
    runner.event["pull_request"]["base"]["sha"] = first = make_repository(project)
    runner.run("scan")
    assert f"<--since={first}>" in runner.log
    assert runner.outputs["scan"]["since"] == first


def test_without_history_everything_is_judged_and_the_remedy_shown(runner: Runner, project: Path) -> None:
    runner.install_stand_in('printf "<%s>\\n" "$@"')
    runner.open_pull_request()
    runner.event["pull_request"]["base"]["sha"] = make_repository(project, depth=1)
    runner.inputs["working-directory"] = "clone"
    assert runner.run("scan") == 0
    assert "<--since" not in runner.log
    assert "::warning title=nerq::every dependency is judged" in runner.log
    assert "fetch-depth: 0" in runner.log


@pytest.mark.parametrize(
    ("since", "baseline", "expected"),
    [("", "", ""), ("v1.0", "", "<--since=v1.0>"), ("auto", "old.json", ""), ("--help", "", "<--since=--help>")],
)
def test_the_input_since_decides(since: str, baseline: str, expected: str, runner: Runner, project: Path) -> None:
    runner.install_stand_in('printf "<%s>\\n" "$@"')
    runner.open_pull_request()
    runner.event["pull_request"]["base"]["sha"] = make_repository(project)
    runner.inputs |= {"since": since, "baseline": baseline}
    runner.run("scan")
    assert "".join(re.findall("^<--since.*>$", runner.log, re.MULTILINE)) == expected


def test_a_base_that_is_no_commit_is_not_given_to_git(runner: Runner) -> None:
    runner.install_stand_in('printf "<%s>\\n" "$@"')
    runner.open_pull_request()
    runner.event["pull_request"]["base"]["sha"] = "--upload-pack=touch executed"
    assert runner.run("scan") == 0
    assert "<--since" not in runner.log


# --- the comment ---


def find_marker(runner: Runner) -> str:
    """Return the first line of the comment that was written."""
    body = json.loads(next(request.body for request in runner.api.requests if request.method == "POST"))["body"]
    return str(body.splitlines()[0])


def test_a_comment_is_written_once_and_then_replaced(failing: Runner) -> None:
    failing.open_pull_request()
    failing.inputs["since"] = ""
    assert failing.run("scan", "comment") == 0
    assert failing.outputs["comment"]["comment-url"] == "https://code.example/acme/shop/7#1"
    posted = next(request for request in failing.api.requests if request.method == "POST")
    assert posted.headers["authorization"] == "Bearer token-of-the-job"
    body = json.loads(posted.body)["body"]
    assert "absent-from-index" in body
    assert f"Report of commit {SHA[:12]}." in body
    marker = find_marker(failing)
    assert re.fullmatch("<!-- nerq report [0-9a-f]{16} -->", marker)
    # A person who copies the marker into a comment does not have it replaced.
    copied = {"id": 1, "body": f"{marker}\ncopied", "user": {"type": "User", "login": "eve"}}
    quoted = {"id": 2, "body": f"> {marker}", "user": {"type": "Bot", "login": "robot[bot]"}}
    own = {"id": 3, "body": f"{marker}\nold", "user": {"type": "Bot", "login": "robot[bot]"}}
    other = [{"id": n, "body": "Looks good", "user": None} for n in range(10, 110)]
    failing.api.on(f"{COMMENTS}?per_page=100&page=1", {"body": other})
    failing.api.on(f"{COMMENTS}?per_page=100&page=2", {"body": [copied, quoted, own]})
    failing.api.on("/api/repos/acme/shop/issues/comments/3", {"body": {"html_url": "https://code.example/3"}})
    assert failing.run("comment") == 0
    assert failing.requests[-1] == ("PATCH", "/api/repos/acme/shop/issues/comments/3")
    assert failing.outputs["comment"]["comment-url"] == "https://code.example/3"


def test_jobs_and_keys_have_comments_of_their_own(failing: Runner) -> None:
    failing.open_pull_request()
    failing.inputs["since"] = ""
    failing.run("scan", "comment")
    first = find_marker(failing)
    failing.api.requests.clear()
    failing.inputs["comment-key"] = "the other -->"
    failing.run("comment")
    assert find_marker(failing) != first


@pytest.mark.parametrize(("mode", "methods"), [("auto", ["GET", "GET"]), ("always", ["GET", "GET", "POST"])])
def test_a_run_that_passes_writes_a_comment_only_where_it_always_should(
    mode: str, methods: list[str], runner: Runner, registry: Any, project: Path
) -> None:
    (project / "requirements.txt").write_text("", encoding="utf-8")
    runner.install_stand_in()
    runner.open_pull_request()
    runner.inputs |= {"comment": mode, "since": ""}
    assert runner.run("scan", "comment") == 0
    assert [method for method, _ in runner.requests] == methods


def test_a_run_without_a_report_replaces_the_comment_of_an_older_commit(runner: Runner) -> None:
    runner.open_pull_request()
    runner.install_stand_in("exit 2")
    assert runner.run("scan", "comment", "finish") == 2
    body = json.loads(runner.api.requests[-1].body)["body"]
    assert f"the dependencies of commit {SHA[:12]} were not judged" in body
    assert "were not judged" in runner.summary


def test_a_failed_installation_is_stated_in_the_comment(runner: Runner) -> None:
    runner.open_pull_request()
    assert runner.run("comment") == 0
    assert "The step before the scan failed" in json.loads(runner.api.requests[-1].body)["body"]


@pytest.mark.parametrize("status", [403, 404])
def test_a_missing_permission_is_explained_and_fails_nothing(status: int, failing: Runner) -> None:
    failing.open_pull_request()
    failing.inputs["since"] = ""
    failing.api.on(COMMENTS, {"status": status, "body": {"message": "Resource not accessible by integration"}})
    assert failing.run("scan", "comment") == 0
    assert "::warning title=nerq::no comment: the API answered" in failing.log
    assert "pull-requests: write" in failing.log
    assert "comment-url" not in failing.outputs["comment"]
    assert "absent-from-index" in failing.summary


def test_an_api_that_fails_is_asked_again_and_a_comment_is_sent_once(failing: Runner) -> None:
    failing.open_pull_request()
    failing.inputs["since"] = ""
    failing.api.on(f"{COMMENTS}?per_page=100&page=1", {"status": 502}, {"body": []})
    failing.api.on(COMMENTS, {"status": 502})
    assert failing.run("scan", "comment") == 0
    assert [method for method, _ in failing.requests] == ["GET", "GET", "GET", "POST"]
    assert "no comment: the API answered 502" in failing.log


def test_the_token_follows_no_redirect(failing: Runner, site: Any) -> None:
    failing.open_pull_request()
    failing.inputs["since"] = ""
    failing.run("scan")
    site.requests.clear()
    moved = {"status": 302, "headers": {"Location": f"{site.url}/elsewhere"}}
    failing.api.on(f"{COMMENTS}?per_page=100&page=1", moved)
    assert failing.run("comment") == 0
    assert site.requests == []
    assert "no comment: the API answered 302" in failing.log


@pytest.mark.parametrize("head", [{"repo": {"full_name": "eve/shop"}}, {"repo": None}])
def test_the_pull_request_of_a_fork_has_the_summary_alone(head: dict[str, Any], failing: Runner) -> None:
    failing.open_pull_request(**head)
    failing.inputs["since"] = ""
    assert failing.run("scan", "comment") == 0
    assert failing.requests == []
    assert "::notice title=nerq::no comment: the workflow of a fork" in failing.log
    assert "absent-from-index" in failing.summary


def test_a_push_writes_no_comment(failing: Runner) -> None:
    assert failing.run("scan", "comment") == 0
    assert failing.requests == []


def test_a_report_is_cut_to_the_size_of_a_comment(runner: Runner, tmp_path: Path) -> None:
    runner.open_pull_request()
    report = tmp_path / "long.md"
    report.write_text("<!-- nerq report -->\n## nerq\n<details>\n" + "| é | row |\n" * 20_000, encoding="utf-8")
    runner.outputs["scan"] = {"exit-code": "1", "markdown": str(report)}
    assert runner.run("comment") == 0
    body = json.loads(runner.api.requests[-1].body)["body"]
    assert 60_000 < len(body) <= 65_536
    assert "Cut to fit a comment" in body
    assert body.count("<!-- nerq report") == 1


def test_the_expressions_in_conditions_name_steps_and_inputs_that_exist() -> None:
    ids = {step["id"] for step in ACTION["runs"]["steps"]}
    text: Callable[[Mapping[str, Any]], str] = json.dumps
    for step in ACTION["runs"]["steps"]:
        assert set(re.findall(r"steps\.([\w-]+)\.", text(step))) <= ids
        assert set(re.findall(r"inputs\.([\w-]+)", text(step))) <= set(ACTION["inputs"])


# --- with the comparison itself ---


def test_a_pull_request_fails_for_what_it_adds_and_not_for_what_was_there(
    runner: Runner, registry: Any, project: Path
) -> None:
    registry.most_used()
    (project / "requirements.txt").write_text("absent-before==1.0\n", encoding="utf-8")
    runner.install_stand_in()
    runner.open_pull_request()
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false", "commit"]
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=project, check=True)  # noqa: S607
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)  # noqa: S607
    subprocess.run([*commit, "-q", "-m", "one"], cwd=project, check=True)  # noqa: S603 - the test's own words
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True)  # noqa: S607
    runner.event["pull_request"]["base"]["sha"] = head.stdout.strip()
    assert runner.run("scan", "finish") == 0, runner.log
    (project / "requirements-more.txt").write_text("absent-after==1.0\n", encoding="utf-8")
    assert runner.run("scan", "finish") == 1, runner.log
    assert "::error file=requirements-more.txt,line=1" in runner.log
    assert "::error file=requirements.txt,line=1" not in runner.log
