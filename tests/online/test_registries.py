"""The registries that this machine's own configuration leads to. Left out by default: ``pytest -m online``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.online


@pytest.mark.parametrize("target", ["pypi:packaging", "npm:semver"])
def test_a_package_everybody_knows_is_found(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nerq_cli", "check", target, "--format", "json", "--cache-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    [dependency] = json.loads(done.stdout)["dependencies"]
    assert dependency["in_registry"] is True
    assert dependency["version"]
