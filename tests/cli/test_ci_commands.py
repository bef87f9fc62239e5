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
# Buildkite takes colours out of a line before it looks for a group.
COLORS = r"(?:\x1b\[[0-9;]*[mK])*"
LIVE = re.compile(
    r"##[A-Za-z]*\[|^\s*::(?![ \n])|section_(?:start|end):|travis_(?:fold|time):"
    rf"|^{COLORS}(?:(?:---|\+\+\+|~~~){COLORS}[ \t]|\^\^\^{COLORS}[ \t]{COLORS}\+\+\+)",
    re.MULTILINE,
)
MARKERS = [
    "##vso[task.setvariable variable=x]y",
    "##[error]x",
    "##teamcity[buildStop]",
    "::error::x",
    "section_start:1:x",
    "travis_fold:start:x",
    "travis_time:end:x",
    "--- x",
    "+++ x",
    "~~~ x",
    "^^^ +++",
]
PIECES = ["#", ":", "::", "##", "[", "\n", " ", "a", "section_", "end:", "travis_", "fold:", "-", "--", "+", "~", "^"]
TEXTS = st.lists(st.sampled_from([*MARKERS, *PIECES, "\x1b[1m"])).map("".join)


@given(TEXTS)
def test_no_text_keeps_a_command(text: str) -> None:
    assert not LIVE.search(defuse_ci_commands(text))


@given(TEXTS)
def test_a_document_keeps_its_value(text: str) -> None:
    document = json.dumps({text: [text]}, indent=2)
    assert json.loads(defuse_json(document.encode())) == {text: [text]}
    assert not LIVE.search(defuse_json(document.encode()).decode())


@pytest.mark.parametrize(
    "text",
    [
        ":: Internet :: WWW/HTTP",
        "Topic ::\n  :: Internet",
        "::\n",
        "| --- | --- |",
        "---",
        "---\nname: x\n---\n",
        "a --- b",
        "~~~~ x",
        "++ x",
        "section_3: x",
        "std::x",
        "# # a",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert defuse_ci_commands(text) == text


@pytest.mark.parametrize("text", ["::", "  ::", "::\t", "::::", ":::a", "::\x1b[1merror::x", "x\n::group::"])
def test_what_may_begin_a_command_of_github_is_parted(text: str) -> None:
    assert defuse_ci_commands(text) != text


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b]1338;url=https://host.example/x.png;alt=x\x07",
        "\x1b]1339;url=https://host.example/;content=x\x07",
        "\x1b]1337;File=name=eA==;inline=1:QUJD\x07",
        "\x1b]8;;https://host.example/\x1b\\",
        "\x1b[8mha:QUJD\x1b[0m",
        "\x1b_bk;t=1\x07",
        "\x1b]1338;url=https://host.example/never-ends",
    ],
)
def test_escape_sequences_that_ci_systems_read_are_taken_out(
    nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch, sequence: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    registry.pypi("demo", "1.0", "2.0", summary=f"{sequence}x", yanked_reason=sequence, yanked=True)
    (project / "requirements.txt").write_text(f"demo==1.0\na b {sequence}\n")
    for command in (("scan", *AS_OF), ("check", "pypi:demo==1.0", *AS_OF), ("check", sequence)):
        result = nerq(*command)
        for output in (result.out, result.err):
            assert not re.search(r"\x1b(?!\[[0-9;]*m)|\x07|\x1b\[8m", output), command


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
        ("scan", *AS_OF),
        ("scan", *AS_OF, "-f", "json"),
        ("scan", "-v", "--all", *AS_OF),
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
    nerq("scan", *AS_OF, "-o", "report.json", "-o", "report.txt")
    assert not LIVE.search((project / "report.json").read_text())
    assert not LIVE.search((project / "report.txt").read_text())
