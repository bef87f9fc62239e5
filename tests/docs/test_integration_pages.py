"""The pages about integrations show what the files of the integrations have."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/how-to/ci.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def document_action() -> str:
    """Return the page about the inputs and outputs of the action."""
    lines = [
        "# The GitHub Action",
        "",
        "[Run it in CI](../how-to/ci.md#github) has an example. Every input has a default.",
        "",
        "| input | meaning | default |",
        "|---|---|---|",
    ]
    for name, value in ACTION["inputs"].items():
        default = str(value["default"])
        lines.append(f"| `{name}` | {' '.join(value['description'].split())} | {f'`{default}`' if default else ''} |")
    lines += ["", "| output | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {' '.join(value['description'].split())} |" for name, value in ACTION["outputs"].items()]
    return "\n".join(lines) + "\n"


def test_the_page_about_the_action_has_its_inputs_and_outputs() -> None:
    page = ROOT / "docs/reference/github-action.md"
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(document_action(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == document_action()


def test_the_example_of_a_workflow_uses_inputs_of_the_action_and_the_least_permissions() -> None:
    [workflow] = [example for example in EXAMPLES if "jobs" in example]
    [job] = workflow["jobs"].values()
    [step] = [step for step in job["steps"] if "/nerq-cli@" in step["uses"]]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert workflow["permissions"] == {}
    assert job["permissions"] == {"contents": "read", "pull-requests": "write", "security-events": "write"}
    [upload] = [step for step in job["steps"] if step["uses"].startswith("github/codeql-action/upload-sarif@")]
    assert upload["with"]["sarif_file"] == step["with"]["sarif"]
    assert upload["if"].startswith("always()")


def test_the_example_of_pre_commit_uses_a_hook_that_exists() -> None:
    hooks = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    [configuration] = [example for example in EXAMPLES if "repos" in example]
    assert {hook["id"] for repository in configuration["repos"] for hook in repository["hooks"]} <= hooks
    assert set(re.findall(r"^\| `(nerq[\w-]*)` \|", PAGE, re.MULTILINE)) == hooks


def test_links_to_files_of_integrations_lead_somewhere() -> None:
    for link in re.findall(r"\]\((\.\./[^)#]+)", PAGE):
        assert (ROOT / "docs/how-to" / link).exists(), link


def test_the_template_for_gitlab_is_named_as_it_is() -> None:
    [include] = [example for example in EXAMPLES if "include" in example]
    names = {path.name for path in (ROOT / "integrations/gitlab").iterdir()}
    assert {entry["local"] for entry in include["include"]} <= names
