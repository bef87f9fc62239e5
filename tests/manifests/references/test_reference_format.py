"""References as declarations."""

from __future__ import annotations

import pytest

from nerq_cli.manifests.references.reference_format import KERNEL_RANGE, read


@pytest.mark.parametrize(
    ("version", "requirement", "skip_reason"),
    [
        ("1", "v1", ""),
        ('"1"', "v1", ""),
        ('"==0.1.2"', "v0.1.2", ""),
        ('">=0.0.1"', ">=0.0.1", KERNEL_RANGE),
        ('"~=0.1"', "~=0.1", KERNEL_RANGE),
        ('">=0.1.2,<0.2.0"', ">=0.1.2,<0.2.0", KERNEL_RANGE),
    ],
)
def test_a_range_of_versions_of_a_kernel_is_no_branch(version: str, requirement: str, skip_reason: str) -> None:
    files = {
        "pyproject.toml": f'[tool.kernels.dependencies]\n"acme/kernel" = {version}\n',
        "a.py": f'from kernels import get_kernel\nget_kernel("acme/kernel", version={version})\n',
    }
    for path, text in files.items():
        declarations = read(text, path).declarations
        assert [(item.requirement, item.skip_reason) for item in declarations] == [(requirement, skip_reason)]


def test_the_revision_of_a_kernel_is_kept_as_written() -> None:
    text = 'from kernels import get_kernel\nget_kernel("acme/kernel", revision="1")\n'
    assert [item.requirement for item in read(text, "a.py").declarations] == ["1"]
