"""pyproject.toml: the standard tables, and those of the tools that keep dependencies in it.

Standard are PEP 621 (``[project]``), PEP 735 (``[dependency-groups]``) and PEP 518 (``[build-system]``); the tools are
Poetry, PDM, Hatch, uv, Flit and setuptools. Everything is read from the text; no build backend is asked.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import PYPI, Declared, Include, Manifest, normalise
from nerq_cli.manifests import origins, pep508, poetry, pyproject_tools
from nerq_cli.manifests.dependency_groups import Group, label, spread
from nerq_cli.manifests.toml_document import Document, Field, quoted

NAME: Final = "pyproject"

#: Most dependencies read from one file. Groups and sources multiply: a small file can ask for billions.
MOST_DEPENDENCIES: Final = 50_000


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a pyproject.toml."""
    return path.name == "pyproject.toml"


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
    """Read what a pyproject.toml declares. What is wrong with it is in ``problems``; nothing is raised.

    Versions are as written, except that Poetry's constraints are translated to PEP 440 (see `poetry.pep440`).
    ``group`` takes the place of ``main`` where the file that includes this one says so.
    """
    document = Document(text, path)
    project = _Project(document.root)
    declared = list(islice(project.declared(), MOST_DEPENDENCIES + 1))
    if len(declared) > MOST_DEPENDENCIES:
        document.report(f"more than {MOST_DEPENDENCIES:,} dependencies: the rest is not read", None)
        del declared[MOST_DEPENDENCIES:]
    includes = list(project.includes())
    return Manifest(
        path=path,
        format=NAME,
        declared=tuple(replace(d, group=group) if group and d.group == "main" else d for d in declared),
        includes=tuple(replace(i, group=group) if group and i.group == "main" else i for i in includes),
        constraint=constraint,
        locals=tuple(sorted(project.provided(declared))),
        problems=document.problems,
        notes=document.notes,
    )


class _Project:
    """One pyproject.toml: its names, where its packages come from, and what it declares."""

    def __init__(self, root: Field) -> None:
        self.root = root
        self.tool = root.get("tool")
        self.project = root.get("project")
        self.poetry = poetry.read(self.tool.get("poetry"))
        self.indexes = pyproject_tools.indexes(self.tool) | self.poetry.indexes
        self.sources = pyproject_tools.sources(self.tool, self.indexes)
        stated = (self.project.get("name"), self.tool.at("poetry", "name"), *pyproject_tools.names(self.tool))
        self.names = {normalise(PYPI, field.text()) for field in stated} - {""}

    def declared(self) -> Iterator[Declared]:
        """Go through everything declared anywhere in the file."""
        yield from self._enriched(self._main(), self.poetry.main)
        yield from spread(self._groups())
        yield from origins.place(self._others(), self.indexes, self.sources)

    def includes(self) -> Iterator[Include]:
        """Go through the files that hold dynamic dependencies, and note what is dynamic without one."""
        files = list(pyproject_tools.files(self.tool))
        yield from files
        listed = {"dependencies" if file.group == "main" else "optional-dependencies" for file in files}
        if self.tool.at("poetry", "dependencies").value is not None:
            listed |= {"dependencies", "optional-dependencies"}
        for name, _ in self.project.get("dynamic").strings():
            if name in ("dependencies", "optional-dependencies") and name not in listed:
                self.root.document.note(f"{name} are dynamic: not listed here")

    def provided(self, declared: Iterable[Declared]) -> set[str]:
        """Return the names of the packages that are the project's own, or lie beside it on disk."""
        beside = (origins.LOCAL, origins.WORKSPACE)
        by_source = (name for name, stated in self.sources.items() if any(origin.skip in beside for origin in stated))
        return {*self.names, *by_source, *(item.package.name for item in declared if item.skip in beside)}

    def _main(self) -> Iterator[Declared]:
        yield from pep508.declared(self.project.get("dependencies"), "main")
        for extra, field in self.project.get("optional-dependencies").items():
            yield from self._foreign(pep508.declared(field, f"extra:{normalise(PYPI, extra)}"))
        yield from self._foreign(pyproject_tools.flit(self.tool))

    def _groups(self) -> dict[str, Group]:
        """Read the standard's groups and Poetry's: those of the same name are one."""
        standard = _standard_groups(self.root.get("dependency-groups"))
        names = dict.fromkeys((*standard, *self.poetry.groups))
        pairs = [(name, standard.get(name, Group()), self.poetry.groups.get(name, Group())) for name in names]
        groups = {name: Group(includes=own.includes + others.includes) for name, own, others in pairs}
        items = (
            (n, item) for n, own, others in pairs for item in self._enriched(self._foreign(own.items), others.items)
        )
        for name, item in islice(items, MOST_DEPENDENCIES + 1):
            groups[name].items.append(item)
        return groups

    def _others(self) -> Iterator[Declared]:
        yield from pep508.declared(self.root.at("build-system", "requires"), "build")
        yield from self._foreign(pyproject_tools.development(self.tool))
        yield from pyproject_tools.constraints(self.tool)

    def _foreign(self, items: Iterable[Declared]) -> Iterator[Declared]:
        """Leave out the project itself: extras and groups name it to take over other extras of its own."""
        return (item for item in items if item.package.name not in self.names)

    def _enriched(self, items: Iterable[Declared], by_poetry: Iterable[Declared]) -> Iterator[Declared]:
        """Merge what Poetry's table says of packages that the standard's declares; the others are Poetry's alone."""
        stated = list(islice(items, MOST_DEPENDENCIES + 1))
        names = {item.package.name for item in stated}
        both: list[Declared] = []
        alone: list[Declared] = []
        for item in islice(by_poetry, MOST_DEPENDENCIES + 1):
            (both if item.package.name in names else alone).append(item)
        sources = ChainMap(self.sources, poetry.enriching(both, self.poetry.indexes))
        yield from origins.place(stated, self.indexes, sources)
        yield from alone


def _standard_groups(table: Field) -> dict[str, Group]:
    """Read ``[dependency-groups]``. Names are normalised, as PEP 735 has them compared."""
    groups: dict[str, Group] = {}
    for written, field in table.items():
        name = normalise(PYPI, written)
        if name in groups:
            field.problem(f"group {quoted(written)} is here twice: case, hyphens, dots and underscores do not count")
        group = groups.setdefault(name, Group())
        for element in field.elements("an array of strings and include-group tables"):
            if isinstance(element.value, dict):
                group.includes += _include(element)
            elif isinstance(element.value, str):
                item = pep508.declare(element.value, element, label(name))
                group.items += [item] if item else []
            else:
                element.expected("a string or an include-group table")
    return groups


def _include(field: Field) -> Iterator[tuple[str, Field]]:
    target = field.get("include-group")
    if isinstance(field.value, dict) and len(field.value) == 1 and isinstance(target.value, str):
        yield normalise(PYPI, target.value), field
    else:
        field.problem("the only table a group may hold is an include", hint='write { include-group = "name" }')
