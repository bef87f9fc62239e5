"""``python -m nerq_cli`` imports nothing from the directory it is started in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["typing", "re", "json", "typer", "rich", "dataclasses", "httpx", "msgspec"])
def test_a_module_of_the_scanned_project_is_not_run(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("raise SystemExit('this file was run')\n")
    (tmp_path / "requirements.txt").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "NERQ_CACHE_DIR": str(tmp_path / "cache")}
    result = subprocess.run(
        [sys.executable, "-m", "nerq_cli", "scan", "--offline", "--no-cache"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this file was run" not in result.stdout + result.stderr
    assert result.returncode == 0
