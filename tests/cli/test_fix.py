"""``nerq fix``: the proposed versions in dependency files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
AS_OF = ("--as-of", "2026-11-21")
HOLE = {"id": "PYSEC-2026-1", "aliases": [], "details": "A hole.", "fixed_in": ["2.0"], "link": "", "withdrawn": None}


@pytest.fixture
def hole(registry: Any) -> None:
    """A project whose version 1.0 has an advisory, which 2.0 fixes."""
    registry.pypi("demo", "1.0", "2.0", "3.0", vulnerabilities={"1.0": [HOLE]})


REQUIREMENTS = "# top\r\n-r base.txt\r\ndemo == 1.0 ; python_version > '3'  # why\r\nother==1.0"


def test_a_dry_run_prints_a_diff_that_git_applies_and_writes_nothing(
    nerq: Nerq, registry: Any, hole: None, project: Path
) -> None:
    registry.pypi("other", "1.0")
    registry.pypi("based", "1.0", "2.0", vulnerabilities={"1.0": [{**HOLE, "id": "PYSEC-2026-2"}]})
    (project / "requirements.txt").write_bytes(REQUIREMENTS.encode())
    (project / "base.txt").write_text("based[x]==1.0\n")
    result = nerq("fix", *AS_OF)
    assert result.status == 1
    assert "-demo == 1.0 ; python_version > '3'  # why" in result.out
    assert "+demo == 2.0 ; python_version > '3'  # why" in result.out
    assert "demo 1.0 -> 2.0: requirements.txt:3: == 1.0 -> == 2.0" in result.err
    assert (project / "requirements.txt").read_bytes() == REQUIREMENTS.encode()
    patch = project / "x.patch"
    patch.write_bytes(result.out.encode())
    subprocess.run(["git", "apply", "--check", str(patch)], check=True, cwd=project)  # noqa: S607


def test_write_changes_the_versions_and_no_other_byte(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    registry.pypi("other", "1.0")
    registry.pypi("based", "1.0", "2.0", vulnerabilities={"1.0": [{**HOLE, "id": "PYSEC-2026-2"}]})
    (project / "requirements.txt").write_bytes(b"\xef\xbb\xbf" + REQUIREMENTS.encode())
    (project / "base.txt").write_text("based[x]==1.0\n")
    (project / "requirements.txt").chmod(0o640)
    result = nerq("fix", "--write", *AS_OF)
    assert result.status == 0
    assert result.out == ""
    expected = b"\xef\xbb\xbf" + REQUIREMENTS.replace("demo == 1.0", "demo == 2.0").encode()
    assert (project / "requirements.txt").read_bytes() == expected
    assert (project / "requirements.txt").stat().st_mode & 0o777 == 0o640
    assert (project / "base.txt").read_text() == "based[x]==2.0\n"
    assert sorted(os.listdir(project)) == ["base.txt", "requirements.txt"]
    again = nerq("fix", *AS_OF)
    assert (again.status, again.out) == (0, "")
    assert "nothing to fix" in again.err
