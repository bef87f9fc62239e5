"""``.pre-commit-hooks.yaml``: the files that its hooks run for."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from nerq_cli.manifests.formats import FORMATS, detect_format

HOOKS: dict[str, dict[str, Any]] = {
    hook["id"]: hook
    for hook in yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text("utf-8"))
}
NAMES = (
    "pyproject.toml",
    "package.json",
    "deno.json",
    "deno.jsonc",
    "requirements.txt",
    "requirements-dev.txt",
    "dev_requirements.in",
    "constraints.txt",
    "requirements/base.txt",
    "requirements.lock",
    "setup.cfg",
    "setup.py",
    "environment.yml",
    "environment-dev.yaml",
    "pixi.toml",
    "pixi.lock",
    "Pipfile",
    "Pipfile.lock",
    "poetry.lock",
    "uv.lock",
    "tool.py.lock",
    "pdm.lock",
    "pylock.toml",
    "pylock.dev.toml",
    "conda-lock.yml",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "pnpm-lock.main.yaml",
    "bun.lock",
    "deno.lock",
    ".mcp.json",
    ".claude/skills/demo/SKILL.md",
)
OTHER_NAMES = (
    "README.md",
    "app.py",
    "MANIFEST.in",
    "notes.txt",
    "Cargo.lock",
    "tsconfig.json",
    "compose.yaml",
    "Cargo.toml",
)


def is_run_for(hook: str, name: str) -> bool:
    """Return whether pre-commit runs a hook for a file of this name."""
    excluded = HOOKS[hook].get("exclude", "^$")
    return bool(re.search(HOOKS[hook]["files"], name)) and not re.search(excluded, name)


def test_every_format_that_a_search_finds_has_a_name_here() -> None:
    found = {detect_format(PurePosixPath(name)) for name in NAMES}
    assert found == {name for name, file_format in FORMATS.items() if file_format.name_endings}


@pytest.mark.parametrize("folder", ["", "services/shop/"])
@pytest.mark.parametrize("hook", HOOKS)
def test_the_hooks_run_for_dependency_files_alone(hook: str, folder: str) -> None:
    for name in NAMES:
        assert is_run_for(hook, folder + name), name
    for name in OTHER_NAMES:
        assert not is_run_for(hook, folder + name), name
        assert not detect_format(PurePosixPath(name)), name


@pytest.mark.parametrize("name", ["nerq.toml", ".nerq.toml"])
def test_settings_start_the_scan_of_the_project_and_are_not_scanned(name: str) -> None:
    assert is_run_for("nerq", name)
    assert not is_run_for("nerq-files", name)


def test_one_hook_hands_names_over_and_one_does_not_and_neither_runs_twice_at_once() -> None:
    assert {hook: HOOKS[hook]["pass_filenames"] for hook in HOOKS} == {"nerq": False, "nerq-files": True}
    assert all(hook["require_serial"] and hook["entry"] == "nerq scan" for hook in HOOKS.values())
