"""The contributor pages name what exists, and leave out nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "contributing"
RECIPES = ("format", "source", "output-format", "signal", "policy-rule", "ecosystem", "command", "panel-row")
TREE = re.compile(r"```\n(nerq_cli/.*?)```", re.DOTALL)


def test_the_tree_of_the_architecture_page_has_every_folder_and_module() -> None:
    found = TREE.search((PAGES / "architecture.md").read_text(encoding="utf-8"))
    assert found is not None
    words = set(re.findall(r"[\w-]+(?:\.py)?", found[1]))
    top = {path for path in (ROOT / "nerq_cli").iterdir() if not path.name.startswith("_")}
    below = {path for path in top if path.is_dir() for path in path.iterdir() if path.is_dir()}
    folders = {path.name for path in top | below if path.is_dir() and not path.name.startswith("_")}
    modules = {path.name for path in top if path.suffix == ".py"}
    assert folders - {"data"} <= words
    assert modules <= words


@pytest.mark.parametrize("kind", RECIPES)
def test_each_thing_that_can_be_added_has_a_recipe_of_at_most_a_page(kind: str) -> None:
    names = [path.stem for path in PAGES.glob("add-*.md")]
    [name] = [name for name in names if name in (f"add-a-{kind}", f"add-an-{kind}")]
    assert f"({name}.md)" in (PAGES / "index.md").read_text(encoding="utf-8")
    assert len((PAGES / f"{name}.md").read_text(encoding="utf-8").splitlines()) <= 60


def test_no_recipe_is_without_a_thing_to_add() -> None:
    assert len(list(PAGES.glob("add-*.md"))) == len(RECIPES)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    paths = re.findall(r"`((?:nerq_cli|tests|docs)/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []
