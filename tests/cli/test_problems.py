"""One odd file or line never costs the scan: what can be read is scored, and each problem has its weight."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def packages(registry: Any) -> None:
    registry.pypi("demo", "1.0")
    registry.npm("demo", "1.0.0")


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)


MANIFEST = json.dumps({"name": "x", "dependencies": {"demo": "1.0.0"}})
PYPROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["demo==1.0"]\n'
PACKAGE_LOCK = json.dumps(
    {
        "name": "x",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "x", "dependencies": {"demo": "1.0.0"}},
            "node_modules/demo": {"version": "1.0.0", "dependencies": {"gone": "1.0.0"}},
        },
    }
)
UV_LOCK = (
    'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "x"\nversion = "1"\nsource = { virtual = "." }\n'
    'dependencies = [{ name = "demo" }]\n\n[[package]]\nname = "demo"\nversion = "1.0"\n'
    'source = { registry = "https://registry.example/simple" }\ndependencies = [{ name = "gone" }]\n'
)
DIST_INFO = "env/lib/python3.11/site-packages/"

#: What is wrong, the files, and the exit status without and with --strict.
SITUATIONS: dict[str, tuple[dict[str, str], int, int]] = {
    "a line": ({"requirements.txt": "demo==1.0\nother=1.0\n"}, 2, 2),
    "a line of a manifest": ({"pyproject.toml": PYPROJECT.replace('0"]', '0", "other=1.0"]')}, 2, 2),
    "a dependency of another type": ({"package.json": MANIFEST.replace("}}", ', "other": 1}}')}, 2, 2),
    "a file": ({"requirements.txt": "demo==1.0\n", "a/package.json": "{"}, 2, 2),
    "a lock file": ({"requirements.txt": "demo==1.0\n", "a/uv.lock": "version = "}, 2, 2),
    "a missing included file": ({"requirements.txt": "demo==1.0\n-r gone.txt\n"}, 0, 3),
    "an included file at a URL": ({"requirements.txt": "demo==1.0\n-r https://files.example/r.txt\n"}, 0, 3),
    "a constraints file at a URL": ({"requirements.txt": "demo==1.0\n-c https://files.example/c.txt\n"}, 0, 3),
    "an edge of package-lock to nowhere": ({"package.json": MANIFEST, "package-lock.json": PACKAGE_LOCK}, 0, 3),
    "an edge of uv.lock to nowhere": ({"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK}, 0, 3),
    "a template in a requirements file": ({"requirements.txt": "demo==1.0\n{{ cookiecutter.extra }}\n"}, 0, 0),
    "a template of a manifest": (
        {"requirements.txt": "demo==1.0\n", "t/pyproject.toml": "[project]\n{% if x %}\nname = 1\n{% endif %}\n"},
        0,
        0,
    ),
    "a template of a package.json": (
        {"requirements.txt": "demo==1.0\n", "t/package.json": '{"name": "x",\n<%= deps %>\n}'},
        0,
        0,
    ),
    "a template in a folder with a placeholder": (
        {"requirements.txt": "demo==1.0\n", "{{cookiecutter.name}}/pyproject.toml": "[project\n"},
        0,
        0,
    ),
    "prose with the name of a requirements file": (
        {"a/requirements.txt": "demo==1.0\n", "requirements.txt": "This is\nsome text about\nwhat we require here\n"},
        0,
        0,
    ),
    "a file that git ignores": ({"requirements.txt": "demo==1.0\n", ".gitignore": "a\n", "a/package.json": "{"}, 0, 0),
    "a file that the settings exclude": (
        {"requirements.txt": "demo==1.0\n", "nerq.toml": 'exclude = ["a"]\n', "a/package.json": "{"},
        0,
        0,
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_rest_is_scored_and_the_exit_status_weighs_it(nerq: Nerq, project: Path, situation: str) -> None:
    files, status, strict_status = SITUATIONS[situation]
    write(project, files)
    if situation == "a file that git ignores":
        (project / ".git").mkdir()
    result = nerq("scan", *AS_OF, "--format", "json")
    demos = [one for one in result.json["dependencies"] if one["name"] == "demo"]
    assert demos
    assert all(one["score"] is not None or one["state"] == "not-judged" for one in demos)
    assert result.status == status
    assert nerq("scan", *AS_OF, "--strict").status == strict_status
    assert (status == strict_status == 0) is not bool(result.json["errors"])


def test_a_dangling_link_leaves_the_run_incomplete(nerq: Nerq, project: Path) -> None:
    write(project, {"requirements.txt": "demo==1.0\n"})
    (project / "requirements-dev.txt").symlink_to("gone.txt")
    assert nerq("scan", *AS_OF).status == 0
    assert nerq("scan", *AS_OF, "--strict").status == 3


def test_a_damaged_line_is_listed_by_its_name_and_sent_nowhere(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    write(project, {"requirements.txt": "demo==1.0\nother=1.0\n", "package.json": '{"dependencies": {"third": 7}}'})
    result = nerq("scan", *AS_OF, "--format", "json")
    states = {one["name"]: (one["state"], *one["reasons"]) for one in result.json["dependencies"]}
    assert states["other"] == states["third"] == ("not-judged", "line not understood")
    assert [error["level"] for error in result.json["errors"]] == ["error", "error"]
    requests = [*registry.site.requests, *services.site.requests]
    assert not any(name in f"{one.path}{one.body!r}" for one in requests for name in ("other", "third"))


def test_a_problem_is_printed_with_its_place_beside_the_scores(nerq: Nerq, project: Path) -> None:
    write(project, {"requirements.txt": "demo==1.0\nother=1.0\n"})
    result = nerq("scan", *AS_OF)
    assert "requirements.txt:2:6: " in result.err
    assert "demo" in result.out
    assert "FAIL" in result.out
    assert "1 problem in dependency files: requirements.txt:2:6" in result.out


def test_stop_on_problem_scores_nothing_and_asks_nobody(nerq: Nerq, registry: Any, project: Path) -> None:
    write(project, {"requirements.txt": "demo==1.0\nother=1.0\n"})
    result = nerq("scan", *AS_OF, "--stop-on-problem")
    assert result.status == 2
    assert "nothing was scored" in result.err
    assert registry.paths == []


def test_stop_on_problem_does_not_stop_for_less(nerq: Nerq, registry: Any, project: Path) -> None:
    write(project, {"requirements.txt": "demo==1.0\n-r gone.txt\n"})
    assert nerq("scan", *AS_OF, "--stop-on-problem").status == 0
    assert registry.paths


def test_a_list_never_says_that_nothing_was_scored(nerq: Nerq, project: Path) -> None:
    write(project, {"requirements.txt": "demo==1.0\nother=1.0\n"})
    result = nerq("scan", "--list")
    assert result.status == 2
    assert "nothing was scored" not in result.out + result.err
    assert "not every dependency file could be read" in result.out


def test_a_lock_file_that_cannot_be_read_does_not_declare_nothing(nerq: Nerq, project: Path) -> None:
    write(project, {"uv.lock": "version = "})
    result = nerq("scan", *AS_OF)
    assert result.status == 2
    assert "no dependencies declared" not in result.out
    assert "nothing could be read" in result.out


def test_an_installed_package_without_metadata_leaves_the_run_incomplete(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.pypi("broken", "1.0")
    write(
        project,
        {
            "env/pyvenv.cfg": "home = /usr/bin\n",
            f"{DIST_INFO}demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
            f"{DIST_INFO}broken-1.0.dist-info/RECORD": "",
        },
    )
    assert nerq("scan", "--env", "env", *AS_OF).status == 0
    assert nerq("scan", "--env", "env", *AS_OF, "--strict").status == 3
