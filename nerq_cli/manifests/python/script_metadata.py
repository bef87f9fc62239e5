"""Inline script metadata (PEP 723): the dependencies in a comment of a Python script."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests import package_source
from nerq_cli.manifests.python import pyproject_tools
from nerq_cli.manifests.python.declarations import build_dependency_file, parse_array
from nerq_cli.manifests.syntax.quote import excerpt_line
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.manifests.syntax.toml_document import TomlDocument
from nerq_cli.problem import Problem

NAME: Final = "script"

_BLOCK_START: Final = "# /// script"
_BLOCK_END: Final = "# ///"


def matches(path: PurePosixPath) -> bool:  # noqa: ARG001 - part of the protocol
    """Return False: scripts are read only when they are named on the command line."""
    return False


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a script declares; ``group`` replaces ``main``. Never raises, and executes nothing.

    The sources and indexes of uv apply as in pyproject.toml.
    """
    script = TextDocument(text, path)
    document = TomlDocument(_extract_toml(script), path)
    root, tool = document.root, document.root.get("tool")
    indexes = pyproject_tools.read_indexes(tool)
    sources = pyproject_tools.read_sources(tool, indexes)
    declarations = [
        *package_source.assign_sources(parse_array(root.get("dependencies"), "main"), indexes, sources),
        *package_source.assign_sources(pyproject_tools.read_constraints(tool), indexes, sources),
    ]
    problems = (*script.problems, *(_shift_problem(problem, script) for problem in document.problems))
    dependency_file = build_dependency_file(
        document,
        NAME,
        declarations,
        group=group,
        constraint=constraint,
        own_names=pyproject_tools.find_local_names(sources),
    )
    return replace(
        dependency_file,
        problems=tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))),
        notes=(*script.notes, *document.notes),
    )


def _extract_toml(script: TextDocument) -> str:
    """Return the content of the block on the same lines as in the file; empty if there is no block."""
    blocks = []
    number = 0
    # Each start of a block that is not closed costs a search to the end of the comment.
    while number < len(script.lines) and not script.too_many_problems:
        number += 1
        if script.lines[number - 1] == _BLOCK_START:
            end = _find_block_end(script.lines, number)
            if end == number:
                script.add_problem("this block is not closed", number, hint=f"end it with a line {_BLOCK_END}")
            else:
                blocks.append((number, end))
                number = end
    for start, _ in blocks[1:]:
        script.add_problem("a second block of script metadata: only one is allowed", start, hint="merge the two blocks")
    if not blocks:
        if not script.problems:
            script.add_note("no inline script metadata")
        return ""
    start, end = blocks[0]
    return "\n" * start + "\n".join(line[2:] for line in script.lines[start : end - 1])


def _find_block_end(lines: list[str], start: int) -> int:
    """Return the last line that closes a block; ``start`` if no line closes it."""
    end = start
    for number in range(start + 1, len(lines) + 1):
        line = lines[number - 1]
        if line != "#" and not line.startswith("# "):
            break
        if line == _BLOCK_END:
            end = number
    return end


def _shift_problem(problem: Problem, script: TextDocument) -> Problem:
    """Return a problem of the content with its place in the file, two columns to the right."""
    if not 0 < problem.line <= len(script.lines):
        return problem
    column = problem.column + len("# ") if problem.column else 0
    return replace(problem, column=column, text=excerpt_line(script.lines[problem.line - 1]))
