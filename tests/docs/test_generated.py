"""Pages that the code writes are the ones in docs/. ``NERQ_UPDATE_GOLDEN=1`` writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import cast

import pytest
import typer
from typer.cli import get_docs_for_click
from typer.core import TyperGroup

from nerq_cli.cli import about
from nerq_cli.cli.app import app
from nerq_cli.errors import EXIT_MEANINGS
from nerq_cli.methodology import CAPS, SIGNALS
from nerq_cli.report import method

DOCS = Path(__file__).parents[2] / "docs"


def reference() -> str:
    """Return the page about the commands, as typer documents them."""
    group = cast("TyperGroup", typer.main.get_command(app))
    page = get_docs_for_click(obj=group, ctx=typer.Context(group), name="nerq")
    return re.sub(r"[ \t]+\n", "\n", page).rstrip() + "\n"


@pytest.mark.parametrize(
    ("name", "write"), [("cli", reference), ("methodology", method.markdown), ("data-sources", about.markdown)]
)
def test_a_generated_page_says_what_the_code_says(name: str, write: object) -> None:
    page = DOCS / "reference" / f"{name}.md"
    text = write() if callable(write) else ""
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text


def test_the_readme_tells_every_exit_status() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"| {status.value} |" in readme for status in EXIT_MEANINGS)


def test_the_methodology_page_names_every_signal_and_cap() -> None:
    page = (DOCS / "reference" / "methodology.md").read_text(encoding="utf-8")
    assert all(id_ in page for id_ in (*SIGNALS, *CAPS))


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [DOCS.parent / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
