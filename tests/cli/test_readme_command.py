"""The first command of the README, on a machine that reaches the registries and nothing else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SERVICES = ("OSV", "DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV")
#: Versions on the registries, those that the example pins first.
PYPI_VERSIONS = {
    "flask": ("2.3.2", "3.1.3"),
    "requests": ("2.31.0", "2.34.0"),
    "sqlalchemy": ("2.0.46", "2.0.47"),
    "pydantic": ("2.12.5",),
    "python-dateutil": ("2.9.0.post0",),
    "jinja2": ("3.1.2", "3.1.6"),
    "pillow": ("9.5.0", "10.0.0", "10.0.1", "12.0.0"),
    "pyyaml": ("6.0.1", "6.0.3"),
    "gunicorn": ("20.1.0", "23.0.0"),
    "nose": ("1.3.7",),
    "boto3": ("1.44.8",),
    "pytest": ("9.2.0",),
    "ruff": ("0.17.6",),
    "hatchling": ("1.33.0",),
}
NPM_VERSIONS = {
    "react": ("18.3.1", "19.2.0"),
    "react-dom": ("18.3.1", "19.2.0"),
    "axios": ("0.21.1", "1.13.2"),
    "lodash": ("4.17.15", "4.17.19", "4.17.21"),
    "moment": ("2.30.1",),
    "left-pad": ("1.3.0",),
    "vite": ("5.4.21", "7.2.4"),
    "typescript": ("5.4.5", "5.9.3"),
    "eslint": ("8.57.1", "9.39.1"),
}


@pytest.fixture
def registries_alone(registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example project, its packages on the registries, and services at a port that nobody listens on."""
    shutil.copytree(EXAMPLES, project, dirs_exist_ok=True)
    for name, versions in PYPI_VERSIONS.items():
        registry.pypi(name, *versions)
    for name, versions in NPM_VERSIONS.items():
        registry.npm(name, *versions)
    registry.most_used()
    for service in SERVICES:
        monkeypatch.setenv(f"NERQ_{service}_URL", "http://127.0.0.1:9/nothing")
    return registry


def test_it_ends_with_findings_one_line_about_services_and_every_dependency(
    nerq: Callable[..., Any], registries_alone: Any
) -> None:
    result = nerq("scan", "--as-of", "2026-11-21")
    printed = result.out.replace("\xa0", " ")
    assert result.status == 1
    for name, identifier, version in (
        ("pillow", "PYSEC-2023-175", "10.0.1"),
        ("lodash", "NSWG-ECO-516", "4.17.19"),
    ):
        assert re.search(rf" ~[0-9.]+ +{name} .* {identifier} .* {re.escape(version)} ", printed), name
    [line] = [line for line in printed.splitlines() if line.startswith("  not checked")]
    assert line.startswith("  not checked (connection refused): ")
    after = " ".join(printed[printed.index(line) :].split())
    for service in ("deps.dev", "OSV", "EPSS"):
        assert service in after.partition("exit 1")[0], service
    names = {*PYPI_VERSIONS, *NPM_VERSIONS, "orders-com…", "@orders/ui"} - {"python-dateutil"} | {"python-dat…"}
    for name in names:
        assert re.search(rf"^ . .{{7}}{re.escape(name)} ", printed, re.MULTILINE), name
    assert "PyPI are of 2024-10-10" in " ".join(printed.split())
    assert "npm are of 2020-07-13" in " ".join(printed.split())
