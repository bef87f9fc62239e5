"""A project on disk, made of texts, to be looked at from inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Return a function that writes files below a new current directory, and returns that directory."""
    home = tmp_path / "project"
    home.mkdir()
    monkeypatch.chdir(home)

    def write(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            file = home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return home

    return write
