"""Local projects that a requirements file gives by their paths alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerq_cli.ecosystems import GENERIC, PYPI
from nerq_cli.inventory import Dependency
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.resolve.lockfile import apply_lockfiles
from nerq_cli.resolve.resolver import resolve


def read(root: Path) -> list[Dependency]:
    files = apply_lockfiles(load_dependency_files([str(root)]))
    return list(resolve((item for file in files for item in file.declarations), {}).dependencies)


@pytest.mark.parametrize(
    ("file_name", "text"),
    [
        ("pyproject.toml", '[project]\nname = "A_member"\ndynamic = ["version"]\n'),
        ("setup.cfg", "[metadata]\nname = a-member\n"),
        ("setup.py", "from setuptools import setup\nsetup(name='a.member')\n"),
    ],
)
@pytest.mark.parametrize(
    ("requirements", "line"),
    [
        ("requirements.txt", "-e ./packages/a[cli]"),
        ("requirements.txt", "file:packages/a/"),
        ("docs/requirements.txt", "../packages/a"),
        ("docs/requirements.txt", "./packages/a"),  # where pip runs above
    ],
)
def test_a_local_project_has_the_name_of_its_manifest(
    tmp_path: Path, file_name: str, text: str, requirements: str, line: str
) -> None:
    for path, content in ((requirements, line), (f"packages/a/{file_name}", text)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    [found] = read(tmp_path)
    assert (found.package.ecosystem, found.package.name) == (PYPI, "a-member")
    assert found.skip_reason.startswith("local path ")


def test_without_a_manifest_it_has_the_name_in_a_lock_file(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-e ./vendor/loc\n")
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "uv"\n[[packages]]\nname = "loc-lib"\n'
        'directory = { path = "vendor/loc", editable = true }\n'
    )
    [found] = read(tmp_path)
    assert (found.package.name, found.skip_reason) == ("loc-lib", "local path ./vendor/loc")


def test_a_path_without_a_manifest_keeps_its_last_part_as_name(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-e ./packages/a\n-e /opt/b\n")
    assert [(one.package.ecosystem, one.package.name) for one in read(tmp_path)] == [(GENERIC, "a"), (GENERIC, "b")]
