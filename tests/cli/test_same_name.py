"""A dependency named like the scanned project is the project only where the project provides that version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def malware(registry: Any, services: Any, nerq: Nerq, tmp_path: Path) -> None:
    services.silent()
    registry.pypi("demo", "3.0")
    registry.npm("demo", "3.0.0")
    registry.npm("bad", "1.0.0", "2.0.0")
    for ecosystem, version in (("PyPI", "2.0"), ("npm", "2.0.0")):
        record = {
            "id": f"MAL-2026-{len(ecosystem)}",
            "modified": "2026-11-20T00:00:00Z",
            "affected": [{"package": {"ecosystem": ecosystem, "name": "bad"}, "versions": [version]}],
        }
        path = tmp_path / f"{ecosystem}.json"
        path.write_text(json.dumps(record))
        assert nerq("db", "import", "--add", str(path)).status == 0


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)


MEMBER = '{"name": "bad", "version": "1.0.0"}'
HIDING: dict[str, dict[str, str]] = {
    "a manifest among the fixtures": {
        "requirements.txt": "bad==2.0\ndemo==3.0\n",
        "tests/fixtures/a/pyproject.toml": '[project]\nname = "bad"\nversion = "9"\n',
    },
    "a manifest without a version": {
        "requirements.txt": "bad==2.0\ndemo==3.0\n",
        "a/setup.cfg": "[metadata]\nname = bad\n",
    },
    "a package that depends on its own name": {
        "package.json": '{"name": "bad", "dependencies": {"bad": "2.0.0", "demo": "3.0.0"}}'
    },
    "an alias of a name in the workspace": {
        "package.json": '{"workspaces": ["es"], "dependencies": {"demo": "3.0.0", "zz": "npm:bad@2.0.0"}}',
        "es/package.json": MEMBER,
    },
    "an entry of the lock file from the registry": {
        "package.json": '{"name": "x", "workspaces": ["es"], "dependencies": {"demo": "3.0.0"}}',
        "es/package.json": MEMBER,
        "package-lock.json": json.dumps(
            {
                "name": "x",
                "lockfileVersion": 3,
                "packages": {
                    "": {"name": "x", "workspaces": ["es"], "dependencies": {"demo": "3.0.0"}},
                    "es": {"name": "bad", "version": "1.0.0"},
                    "node_modules/bad": {"resolved": "es", "link": True},
                    "node_modules/demo": {
                        "version": "3.0.0",
                        "resolved": "REGISTRY/demo/-/demo-3.0.0.tgz",
                        "dependencies": {"bad": "2.0.0"},
                    },
                    "node_modules/demo/node_modules/bad": {
                        "version": "2.0.0",
                        "resolved": "REGISTRY/bad/-/bad-2.0.0.tgz",
                    },
                },
            }
        ),
    },
}


@pytest.mark.parametrize("hiding", HIDING)
def test_a_name_in_the_tree_hides_no_malware(nerq: Nerq, registry: Any, project: Path, hiding: str) -> None:
    write(project, {name: text.replace("REGISTRY", registry.site.url) for name, text in HIDING[hiding].items()})
    result = nerq("scan", *AS_OF, "--format", "json")
    assert result.status == 1
    assert [finding["name"] for finding in result.json["findings"] if finding["id"] == "malicious"] == ["bad"]


@pytest.mark.parametrize("requirement", ["^1.0.0", "1.0.0", "*", "workspace:*"])
def test_a_member_that_the_requirement_means_is_the_project(nerq: Nerq, project: Path, requirement: str) -> None:
    dependencies = {"demo": "3.0.0", "bad": requirement}
    write(
        project,
        {
            "package.json": json.dumps({"name": "x", "workspaces": ["es"], "dependencies": dependencies}),
            "es/package.json": MEMBER,
        },
    )
    result = nerq("scan", *AS_OF, "--format", "json")
    assert {one["name"]: one["state"] for one in result.json["dependencies"]}["bad"] == "skipped"


def test_another_version_than_the_projects_is_a_third_party_and_is_not_asked_for(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    write(project, {"package.json": '{"name": "mine", "version": "1.0.0", "dependencies": {"mine": "2.0.0"}}'})
    result = nerq("scan", *AS_OF, "--format", "json", "--strict")
    assert (result.status, result.json["dependencies"][0]["state"]) == (3, "not-judged")
    requests = [*registry.site.requests, *services.site.requests]
    assert not any("mine" in f"{one.path}{one.body!r}" for one in requests)


def test_the_card_of_malware_says_so_first(nerq: Nerq, registry: Any) -> None:
    printed = nerq("check", "npm:bad@2.0.0", *AS_OF).out
    assert "bad 2.0.0 is malicious: " in printed


def test_a_local_build_says_what_it_was_judged_as(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("torch", "1.13.0")
    write(project, {"requirements.txt": "torch==1.13.0+cu117\n"})
    assert "built from: torch 1.13.0+cu117" in nerq("scan", *AS_OF).out
    assert "judged as 1.13.0, what the build +cu117 changes is not known" in " ".join(
        nerq("check", "pypi:torch==1.13.0+cu117", *AS_OF).out.split()
    )
