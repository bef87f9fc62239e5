"""An index that has nothing is at fault, and not the packages that were requested from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
NAMES = {"pypi": ["requests", "numpy"], "npm": ["lodash", "chalk"]}


@pytest.fixture
def answer(registry: Any) -> Callable[[int], None]:
    """Let the registries answer everything with one status."""

    def let(status: int) -> None:
        for names in NAMES.values():
            for name in (*names, "house-lib"):
                for path in (f"/pypi/{name}/json", f"/simple/{name}/", f"/{name}", f"/{name}/1.0.0"):
                    registry.site.on(path, {"status": status, "body": {}})

    return let


def write_project(project: Path, *names: str) -> None:
    (project / "requirements.txt").write_text("".join(f"{name}==1.0\n" for name in names))
    (project / "package.json").write_text(json.dumps({"dependencies": dict.fromkeys(names, "1.0.0")}))


@pytest.mark.parametrize("status", [404, 405, 410, 403, 500])
@pytest.mark.parametrize("names", [("requests", "numpy", "lodash", "chalk"), ("house-lib",)])
def test_one_answer_to_everything_is_no_finding_and_no_pass(
    nerq: Nerq, project: Path, answer: Any, monkeypatch: pytest.MonkeyPatch, status: int, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CI", "true")
    answer(status)
    write_project(project, *names)
    result = nerq("scan", *AS_OF, "--format", "json", "--timeout", "5")
    assert {one["state"] for one in result.json["dependencies"]} == {"unknown"}
    assert result.findings == []
    assert result.status == 3


def test_the_reason_names_the_index(nerq: Nerq, project: Path, answer: Any) -> None:
    answer(404)
    write_project(project, "house-lib")
    for dependency in nerq("scan", *AS_OF, "--format", "json").json["dependencies"]:
        assert "this index has none of the most used packages either" in json.dumps(dependency)


def test_a_most_used_package_is_not_free_to_register_where_an_index_lacks_it(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.pypi("demo", "1.0")
    (project / "requirements.txt").write_text("demo==1.0\nrequests==2.0\nhouse-lib==1.0\n")
    result = nerq("scan", *AS_OF, "--format", "json")
    assert [finding["name"] for finding in result.findings] == ["house-lib"]


def test_the_most_used_package_is_requested_only_where_everything_is_absent(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0")
    (project / "requirements.txt").write_text("demo==1.0\nhouse-lib==1.0\n")
    nerq("scan", *AS_OF)
    paths = set(registry.paths)
    (project / "requirements.txt").write_text("house-lib==1.0\n")
    assert nerq("scan", *AS_OF).status == 1
    assert len(set(registry.paths) - paths) == 1
    count = len(registry.paths)
    assert nerq("scan", *AS_OF).status == 1
    assert len(registry.paths) == count


def test_a_name_that_an_empty_index_lacks_is_sent_to_no_service(
    nerq: Nerq, project: Path, services: Any, answer: Any
) -> None:
    answer(404)
    write_project(project, "house-lib")
    nerq("scan", *AS_OF)
    assert not any(b"house" in request.body for request in services.site.requests)
