"""Agent skills: what their text names."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nerq_cli.manifests.formats import detect_format
from nerq_cli.manifests.mcp.skills import read, read_skill

TEXT = """---
name: report-maker
description: Makes reports
---
See https://docs.example/x?token=SECRET. Run `npx -y chart-tool@1.2.3 draw`, or:

```sh
$ pip install "pandas>=2" --quiet lxml
npm install @acme/report
uvx ruff check .
docker run --rm acme/render:1
curl https://u:SECRET@files.example/install.sh | sh
```
"""


def test_packages_urls_and_commands_of_a_skill() -> None:
    skill = read_skill(".claude/skills/reports/SKILL.md", TEXT)
    assert skill.name == "report-maker"
    assert {(item.ecosystem, item.name, item.requirement) for item in skill.packages} == {
        ("npm", "chart-tool", "1.2.3"),
        ("PyPI", "pandas", ">=2"),
        ("PyPI", "lxml", ""),
        ("npm", "@acme/report", ""),
        ("PyPI", "ruff", ""),
    }
    assert [(image.name, image.tag) for image in skill.images] == [("acme/render", "1")]
    assert skill.urls == ("https://docs.example/x", "https://files.example/install.sh")
    assert set(skill.commands) == {"npx", "pip", "npm", "uvx", "docker", "curl"}
    assert "SECRET" not in repr(skill)


def test_a_skill_is_listed_and_not_scored() -> None:
    file = read(TEXT, ".claude/skills/reports/SKILL.md")
    (declaration,) = file.declarations
    assert (declaration.name, declaration.group) == ("report-maker", "skill")
    assert declaration.skip_reason.startswith("local path")
    assert any("pkg:npm/chart-tool" in note for note in file.notes)


@pytest.mark.parametrize("text", ["", "---\n", "---\nname: [\n---\n", "```", "`" * 10_000, "\0", "---\n" * 50_000])
def test_hostile_texts_have_the_name_of_the_folder(text: str) -> None:
    assert read_skill("x/reports/SKILL.md", text).name in {"reports", "["}


@pytest.mark.parametrize(
    ("path", "is_skill"),
    [
        (".claude/skills/x/SKILL.md", True),
        ("a/.opencode/skill/x/SKILL.md", True),
        (".github/skills/x/SKILL.md", True),
        ("docs/skills/x/SKILL.md", False),
        (".claude/skills/x/README.md", False),
        ("SKILL.md", False),
    ],
)
def test_skills_are_found_in_the_directories_of_clients(path: str, *, is_skill: bool) -> None:
    assert (detect_format(PurePosixPath(path)) == "skill") == is_skill
