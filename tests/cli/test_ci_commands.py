"""No output of any command holds text that a CI system takes for a command of the job."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.report.sanitize import defuse_ci_commands, defuse_json

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
LIVE = re.compile(r"##[A-Za-z]*\[|^\s*::|section_(?:start|end):", re.MULTILINE)
MARKERS = [
    "##vso[task.setvariable variable=x]y",
    "##[error]x",
    "##teamcity[buildStop]",
    "::error::x",
    "section_start:1:x",
]
TEXTS = st.lists(st.sampled_from([*MARKERS, "#", ":", "::", "##", "[", "\n", " ", "a", "section_", "end:"])).map(
    "".join
)


@given(TEXTS)
def test_no_text_keeps_a_command(text: str) -> None:
    assert not LIVE.search(defuse_ci_commands(text))


@given(TEXTS)
def test_a_document_keeps_its_value(text: str) -> None:
    document = json.dumps({text: [text]}, indent=2)
    assert json.loads(defuse_json(document)) == {text: [text]}
    assert not LIVE.search(defuse_json(document))


@pytest.mark.parametrize("marker", MARKERS)
def test_no_command_passes_text_of_a_registry_or_a_file_on(
    nerq: Nerq, registry: Any, services: Any, project: Path, marker: str
) -> None:
    registry.npm("left", "1.0.0", "2.0.0", deprecated=marker, description=marker, license=marker)
    services.advisory("demo", "1.0", identifier="GHSA-1", summary=marker)
    registry.pypi("demo", "1.0", "2.0", summary=marker, yanked_reason=marker, yanked=True)
    folder = project / marker.replace("/", "_")
    folder.mkdir()
    (folder / "package.json").write_text('{"dependencies": {"left": "1.0.0"}}')
    (folder / "requirements.txt").write_text(f"demo==1.0\n{marker}\n")
    commands = [
        ("scan", "--keep-going", *AS_OF),
        ("scan", "--keep-going", *AS_OF, "-f", "json"),
        ("scan", "--keep-going", "-v", "--all", *AS_OF),
        ("scan", "--list"),
        ("scan", marker),
        ("check", marker),
        ("check", "npm:left@1.0.0", "pypi:demo==1.0", *AS_OF),
        ("why", marker),
        ("db", "import", marker),
        ("scan", "-o", f"{marker}.pdf"),
    ]
    for command in commands:
        result = nerq(*command)
        assert not LIVE.search(result.out), command
        assert not LIVE.search(result.err), command
    nerq("scan", "--keep-going", *AS_OF, "-o", "report.json", "-o", "report.txt")
    assert not LIVE.search((project / "report.json").read_text())
    assert not LIVE.search((project / "report.txt").read_text())
