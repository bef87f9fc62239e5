"""Inline script metadata (PEP 723): the dependencies a single Python file states in a comment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import Manifest
from nerq_cli.manifests import origins, pep508, pyproject_tools
from nerq_cli.manifests.page import Page, regrouped
from nerq_cli.manifests.pip_mistakes import shown
from nerq_cli.manifests.toml_document import Document

NAME: Final = "script"

_START: Final = "# /// script"
_END: Final = "# ///"


def wants(path: PurePosixPath) -> bool:  # noqa: ARG001 - every reader is asked the same
    """Say no: there are many Python files, and one that states its dependencies is named by whoever runs it."""
    return False


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
    """Read what a script declares. What is wrong with it is in ``problems``; nothing is raised, nothing executed.

    ``group`` takes the place of ``main``. Sources and indexes of uv hold as they do in pyproject.toml.
    """
    page = Page(text, path)
    document = Document(_toml(page), path)
    root, tool = document.root, document.root.get("tool")
    indexes = pyproject_tools.indexes(tool)
    sources = pyproject_tools.sources(tool, indexes)
    declared = [
        *origins.place(pep508.declared(root.get("dependencies"), "main"), indexes, sources),
        *origins.place(pyproject_tools.constraints(tool), indexes, sources),
    ]
    beside = (origins.LOCAL, origins.WORKSPACE)
    provided = {name for name, stated in sources.items() if any(origin.skip in beside for origin in stated)}
    provided |= {item.package.name for item in declared if item.skip in beside}
    problems = (*page.problems, *(_in_comment(problem, page) for problem in document.problems))
    return Manifest(
        path=path,
        format=NAME,
        declared=tuple(regrouped(item, group, constraint=constraint) for item in declared),
        constraint=constraint,
        locals=tuple(sorted(provided)),
        problems=tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))),
        notes=(*page.notes, *document.notes),
    )


def _toml(page: Page) -> str:
    """Return the block's content, every line where it stands in the file; empty when there is no block."""
    blocks = []
    number = 0
    while number < len(page.lines):
        number += 1
        if page.lines[number - 1] == _START:
            last = _last(page.lines, number)
            if last == number:
                page.report("this block is never closed", number, hint=f"end it with a line {_END}")
            else:
                blocks.append((number, last))
                number = last
    for first, _ in blocks[1:]:
        page.report("a second block of script metadata: one is allowed", first, hint="put everything into the first")
    if not blocks:
        if not page.problems:
            page.note("no inline script metadata: it declares nothing")
        return ""
    first, last = blocks[0]
    return "\n" * first + "\n".join(line[2:] for line in page.lines[first : last - 1])


def _last(lines: list[str], first: int) -> int:
    """Return the line that closes a block, the last one to do so among its comments; the first when none does."""
    last = first
    for number in range(first + 1, len(lines) + 1):
        line = lines[number - 1]
        if line != "#" and not line.startswith("# "):
            break
        if line == _END:
            last = number
    return last


def _in_comment(problem: Problem, page: Page) -> Problem:
    """Return a problem of the block's content as one of the file: two characters further to the right."""
    if not 0 < problem.line <= len(page.lines):
        return problem
    column = problem.column + len("# ") if problem.column else 0
    return replace(problem, column=column, text=shown(page.lines[problem.line - 1], column))
