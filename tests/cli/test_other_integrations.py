"""The template for GitLab, whose scripts are run, and the facts of the Dockerfile, which is not built."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nerq_cli.config.table import SETTINGS

ROOT = Path(__file__).parents[2]
JOB: dict[str, Any] = yaml.safe_load((ROOT / "integrations/gitlab/nerq.gitlab-ci.yml").read_text(encoding="utf-8"))[
    "nerq"
]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def list_instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: word and rest."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in lines]


@pytest.fixture
def run_job(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the script of the job, with this nerq or another program in the place of the installed one."""
    if sys.platform == "win32" or shutil.which("sh") is None:
        pytest.skip("the script needs a POSIX shell")

    def run(program: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        command = Path(f"{project}.nerq/bin/nerq")
        command.parent.mkdir(parents=True, exist_ok=True)
        text = f'PYTHONPATH="{os.environ.get("PYTHONPATH", "")}" exec "{sys.executable}" -m nerq_cli "$@"'
        command.write_text(f"#!/bin/sh\n{program or text}\n", encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        environment = {**os.environ, **JOB["variables"], "CI": "true", "CI_PROJECT_DIR": str(project)}
        environment["NERQ_CACHE_DIR"] = JOB["variables"]["NERQ_CACHE_DIR"].replace("$CI_PROJECT_DIR", str(project))
        return subprocess.run(  # noqa: S603 - the template's own words
            ["sh", "-e", "-c", "\n".join(JOB["script"])],  # noqa: S607 - any
            cwd=project,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_job_fails_for_a_finding_and_leaves_the_reports_that_it_announces(
    run_job: Callable[..., Any], registry: Any, project: Path
) -> None:
    registry.most_used()
    (project / "requirements.txt").write_text("absent-from-index==1.0\n", encoding="utf-8")
    result = run_job()
    assert result.returncode == 1, result.stderr
    reports = JOB["artifacts"]["reports"]
    quality = json.loads((project / reports["codequality"]).read_text(encoding="utf-8"))
    assert {issue["location"]["path"] for issue in quality} == {"requirements.txt"}
    scanning = json.loads((project / reports["dependency_scanning"]).read_text(encoding="utf-8"))
    assert scanning["scan"]["type"] == "dependency_scanning"
    assert all((project / path).is_file() for path in JOB["artifacts"]["paths"])
    assert JOB["artifacts"]["when"] == "always"
    assert (project / JOB["cache"]["paths"][0]).is_dir()


def test_a_merge_request_is_compared_with_its_base_and_no_variable_is_run(
    run_job: Callable[..., Any], project: Path
) -> None:
    hostile = '"; touch executed; $(touch executed)'
    result = run_job('printf "<%s>\\n" "$@"', CI_MERGE_REQUEST_DIFF_BASE_SHA=hostile, SCANNED_PATH=hostile)
    arguments = re.findall("^<(.*)>$", result.stdout, re.MULTILINE)
    assert arguments[:2] == ["scan", "--strict"]
    assert arguments[-3:] == [f"--since={hostile}", "--", hostile]
    assert not (project / "executed").exists()
    assert "--since" not in run_job('printf "<%s>\\n" "$@"').stdout


def test_nothing_is_imported_from_directories_that_the_pipeline_names(run_job: Callable[..., Any]) -> None:
    assert "PYTHONPATH=" not in run_job("env", PYTHONPATH="/evil").stdout


def test_its_own_variables_are_no_settings_that_do_not_exist() -> None:
    known = {setting.variable for setting in SETTINGS.values()} | {"NERQ_CACHE_DIR"}
    assert {name for name in JOB["variables"] if name.startswith("NERQ_")} <= known
    text = (ROOT / "integrations/gitlab/nerq.gitlab-ci.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"NERQ_[A-Z_]+", text)) <= known


def test_the_image_runs_nerq_without_rights() -> None:
    instructions = list_instructions()
    stages = [index for index, (word, _) in enumerate(instructions) if word == "FROM"]
    assert len(stages) == 2
    last = dict(instructions[stages[-1] :])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert json.loads(last["ENTRYPOINT"]) == ["nerq"]
    assert json.loads(last["CMD"]) == ["scan"]
    order = [word for word, _ in instructions[stages[-1] :]]
    assert order.index("USER") > max(index for index, word in enumerate(order) if word in ("RUN", "COPY"))


def test_the_image_has_nothing_of_the_build_but_the_environment() -> None:
    instructions = list_instructions()
    images = {rest.split()[0] for word, rest in instructions if word == "FROM"}
    assert len(images) == 1  # one Python: an environment works with the one that made it
    assert all(image.endswith("-slim") for image in images)
    last = instructions[[word for word, _ in instructions].index("FROM", 1) :]
    assert [rest for word, rest in last if word == "COPY"] == ["--from=build /opt/nerq /opt/nerq"]
    assert not {word for word, _ in instructions} & {"ADD", "ONBUILD", "EXPOSE"}


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    sources = [
        name
        for word, rest in list_instructions()
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    ]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert allowed[0] == "*"
    assert {f"!{name}" for name in sources} == {line for line in allowed if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sources)
    # what the build back end reads has to be there
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    match = re.search(r"license-files = \[(.*?)\]", project)
    assert match is not None
    assert set(re.findall(r'"(.*?)"', match[1])) <= set(sources)


def test_no_lists_of_packages_and_no_cache_of_pip_stay_in_the_image() -> None:
    for word, rest in list_instructions():
        if word == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest
        if word == "RUN" and "pip install" in rest:
            assert "--no-cache-dir" in rest
