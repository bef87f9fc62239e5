"""A lock format is its module and one row in the table: nothing else has to be changed for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, cast

import pytest

from nerq_cli.ecosystems import NPM
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.formats import FORMATS, FileFormat, describe_searched_files

NAME = "orbit.lock"


class OrbitLock(ModuleType):
    """The module of a format: lines of a name and a version; the first line is a workspace member."""

    NAME = NAME

    def matches(self, path: PurePosixPath) -> bool:
        return path.name == NAME

    def read(self, text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
        assert (constraint, group) == (False, "")
        (_, member, _), *rows = [(number, *line.split()) for number, line in enumerate(text.splitlines(), 1)]
        packages = tuple(
            LockedPackage(
                key=str(name),
                ecosystem=NPM,
                name=str(name),
                version=str(version),
                location=Location(path=path, line=line),
            )
            for line, name, version in cast("list[tuple[int, str, str]]", rows)
        )
        return DependencyFile(
            path=path,
            format=NAME,
            locked_packages=packages,
            importers=(Importer(name=str(member), edges=tuple(Edge(target=one.key) for one in packages)),),
            local_names=(str(member),),
        )


@pytest.fixture
def orbit_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module, and its row in the table."""
    monkeypatch.setitem(sys.modules, "orbit_lock", OrbitLock("orbit_lock"))
    row = FileFormat(ecosystems=(NPM,), module="orbit_lock", name_endings=(NAME,), file_patterns=NAME, tool="Orbit")
    monkeypatch.setitem(FORMATS, NAME, row)


@pytest.mark.usefixtures("orbit_lock")
def test_a_lock_format_in_the_table_is_scanned_and_its_workspace_members_stay_private(
    nerq: Callable[..., Any], registry: Any, services: Any, project: Path
) -> None:
    registry.npm("left", "1.0.0")
    registry.npm("acme-secret", "1.0.0")
    project.joinpath(NAME).write_text("acme-secret 1.0.0\nleft 1.0.0\n", encoding="utf-8")
    manifest = '{"name": "site", "dependencies": {"acme-secret": "^1.0.0"}}'
    project.joinpath("package.json").write_text(manifest, encoding="utf-8")
    result = nerq("scan", "--as-of", "2026-11-21", "--format", "json")
    by_name = {one["name"]: one for one in result.json["dependencies"]}
    assert by_name["left"]["state"] == "ok"
    assert by_name["left"]["score"] is not None
    assert by_name["acme-secret"]["reasons"] == ["provided by this project"]
    sent = [f"{request.path} {request.body!r}" for request in (*registry.site.requests, *services.site.requests)]
    assert any("left" in request for request in sent)
    assert not any("secret" in request for request in sent)


@pytest.mark.usefixtures("orbit_lock")
def test_messages_name_what_the_table_lists() -> None:
    assert "Deno, Orbit" in describe_searched_files()
