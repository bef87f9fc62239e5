"""References as declarations."""

from __future__ import annotations

import json

import pytest

from nerq_cli.manifests.references.reference_format import read


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("1", "v1"),
        ('"1"', "v1"),
        ('"==0.1.2"', "v0.1.2"),
        ('">=0.0.1"', ">=0.0.1"),
        ('"~=0.1"', "~=0.1"),
        ('">=0.1.2,<0.2.0"', ">=0.1.2,<0.2.0"),
    ],
)
def test_a_range_of_versions_of_a_kernel_is_kept_as_written(version: str, requirement: str) -> None:
    files = {
        "pyproject.toml": f'[tool.kernels.dependencies]\n"acme/kernel" = {version}\n',
        "a.py": f'from kernels import get_kernel\nget_kernel("acme/kernel", version={version})\n',
    }
    for path, text in files.items():
        declarations = read(text, path).declarations
        assert [(item.requirement, item.skip_reason) for item in declarations] == [(requirement, "")]


@pytest.mark.parametrize(
    "entry",
    [
        {"repo_id": "acme/kernel", "sha": "a" * 40, "variants": {}},
        {"dependency": {"repo-id": "acme/kernel", "version": 1}, "lock": {"commit": "a" * 40}},  # kernels 0.17
    ],
)
def test_a_lock_file_of_kernels_has_their_commits(entry: object) -> None:
    declarations = read(json.dumps([entry, 3, {"dependency": 3}]), "kernels.lock").declarations
    assert [(item.name, item.requirement) for item in declarations] == [("acme/kernel", "a" * 40)]


def test_the_revision_of_a_kernel_is_kept_as_written() -> None:
    text = 'from kernels import get_kernel\nget_kernel("acme/kernel", revision="1")\n'
    assert [item.requirement for item in read(text, "a.py").declarations] == ["1"]
