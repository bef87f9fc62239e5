from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from nerq_cli.inventory import Location
from nerq_cli.policy.findings import Finding
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.formats import github
from nerq_cli.report.model import Report

Golden = Callable[[str, bytes], None]
Many = Callable[[int], Report]
REPORTS = [
    "mixed",
    "calm",
    "doubtful",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "waived",
    "attack",
    "compared",
    "models",
    "hostile_models",
]


def parse(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands as the runner reads them: split at the first colons and commas, then unescaped."""
    commands = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+)(?: ([^:]*))?::(.*)", line)
        if match:
            pairs = dict(pair.split("=", 1) for pair in (match[2] or "").split(",") if pair)
            commands.append((match[1], {key: unquote(value) for key, value in pairs.items()}, unquote(match[3])))
    return commands


def render(report: Report) -> str:
    return FORMATS["github"].render(report, RenderOptions()).decode()


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


@pytest.mark.parametrize("name", ["mixed", "waived"])
def test_the_commands_read_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"formats/{name}.github.txt", render(request.getfixturevalue(name)).encode())


def test_every_line_but_the_last_is_an_annotation(any_report: Report) -> None:
    lines = render(any_report).splitlines()
    assert len(parse("\n".join(lines))) == len(lines) - 1
    assert lines[-1].startswith("nerq: exit ")


def test_an_annotation_has_its_place(findings: Report) -> None:
    [found] = [one for one in parse(render(findings)) if one[1]["title"] == "pillow 9.5.0: score-below-threshold"]
    level, properties, text = found
    assert level == "error"
    assert (properties["file"], properties["line"]) == ("requirements.txt", "27")
    assert text.startswith("pillow 9.5.0: 65.0 of 70 points: 2 known advisories")


def test_no_level_has_more_annotations_than_a_step_may_have(many: Many) -> None:
    commands = parse(render(many(200)))
    for level in ("error", "warning", "notice"):
        assert sum(command[0] == level for command in commands) <= github.MAX_ANNOTATIONS
    assert sum(command[0] == "error" for command in commands) == github.MAX_ANNOTATIONS
    assert "further findings: the job summary has them" in commands[-1][2]


def test_waived_findings_have_no_annotation(waived: Report) -> None:
    texts = [text for _, _, text in parse(render(waived))]
    assert not any("GHSA-56pw-mpj4-fxww affects it" in text for text in texts)
    assert any("GHSA-x84v-xcm2-53pg affects it" in text for text in texts)


def test_special_characters_are_escaped_where_they_would_end_a_part(calm: Report) -> None:
    finding = Finding(
        id="malicious", text="100%, a: b", name="x:y,z", locations=(Location(path="a,b:c%0A.txt", line=2),)
    )
    [(_, properties, text)] = parse(render(replace(calm, findings=(finding,))))
    assert properties == {"file": "a,b:c%0A.txt", "line": "2", "title": "x:y,z: malicious"}
    assert text == "x:y,z: 100%, a: b"


def test_no_author_writes_a_command(attack: Report) -> None:
    for line in render(attack).splitlines():
        assert line.startswith(("::error ", "::warning ", "::notice ", "nerq: "))
        properties = line.partition(" ")[2].partition("::")[0]
        assert set(re.findall(r"(?:^|,)([a-z]+)=", properties)) <= {"file", "line", "title"}
    assert all("\n" not in text and "\r" not in text for _, _, text in parse(render(attack)))


def test_an_incomplete_run_has_an_annotation(doubtful: Report) -> None:
    level, _, text = parse(render(doubtful))[0]
    assert level == "warning"
    assert text.startswith("not everything could be checked: ")
