"""pyproject.toml: the dependencies in its standard tables, and in those of tools.

The standards are PEP 621 (``[project]``), PEP 735 (``[dependency-groups]``) and PEP 518 (``[build-system]``); the tools
are Poetry, PDM, Hatch, uv, Rye, pixi, Flit and setuptools. No build backend is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Declaration, DependencyFile, Include
from nerq_cli.manifests import package_source
from nerq_cli.manifests.python import pixi, poetry, pyproject_tools, uv_settings
from nerq_cli.manifests.python.content_hashes import list_content_hashes
from nerq_cli.manifests.python.declarations import MAX_DEPENDENCIES, build_dependency_file, parse_array, parse_field
from nerq_cli.manifests.python.dependency_groups import DependencyGroup, expand_groups, label_extra, label_group
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField

NAME: Final = "pyproject"

#: Fields that ``[project]`` may leave to Poetry's tables, and the groups of what these declare.
_DYNAMIC_GROUPS: Final = {"dependencies": ("main",), "optional-dependencies": ("extra", "optional")}


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a pyproject.toml."""
    return path.name == "pyproject.toml"


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a pyproject.toml declares; ``group`` replaces ``main``. Never raises.

    Requirements are as written, except that Poetry's constraints are translated (see `poetry.translate_constraint`).
    """
    document = TomlDocument(text, path)
    reader = _PyprojectReader(document.root)
    dependency_file = build_dependency_file(
        document,
        NAME,
        reader.read_declarations(),
        group=group,
        constraint=constraint,
        includes=reader.read_includes(),
        own_names=reader.own_names | pyproject_tools.find_local_names(reader.sources),
    )
    return replace(
        dependency_file,
        overridden_names=tuple(pyproject_tools.find_overridden_names(reader.tool)),
        settings=tuple(
            uv_settings.read_settings(reader.tool.get("uv"), reader.project_table.get("requires-python").get_text())
        )
        if document.root.value
        else (),
        content_hashes=tuple(list_content_hashes(document.root.value)) if isinstance(document.root.value, dict) else (),
        project_name=min(reader.own_names, default=""),
        local_versions=tuple(reader.read_versions()),
    )


class _PyprojectReader:
    """Reads one pyproject.toml."""

    def __init__(self, root: TomlField) -> None:
        self.root = root
        self.tool = root.get("tool")
        self.project_table = root.get("project")
        self.poetry_tables = poetry.read(self.tool.get("poetry"))
        self.indexes = pyproject_tools.read_indexes(self.tool) | self.poetry_tables.indexes
        self.sources = pyproject_tools.read_sources(self.tool, self.indexes)
        name_fields = (
            self.project_table.get("name"),
            self.tool.get_path("poetry", "name"),
            *pyproject_tools.find_name_fields(self.tool),
        )
        self.own_names = {normalise_name(PYPI, field.get_text()) for field in name_fields} - {""}

    def read_versions(self) -> Iterator[tuple[str, str]]:
        """Yield the name and version of the project, if both are stated."""
        for table in (self.project_table, self.tool.get("poetry")):
            name, version = normalise_name(PYPI, table.get("name").get_text()), table.get("version").get_text()
            if name in self.own_names and version:
                yield name, version

    def read_declarations(self) -> Iterator[Declaration]:
        """Yield the declarations of all tables."""
        dynamic_fields = {name for name, _ in self.project_table.get("dynamic").string_items()}
        dynamic_groups = [
            group for field, groups in _DYNAMIC_GROUPS.items() if field in dynamic_fields for group in groups
        ]
        yield from self._refine_with_poetry(self._read_main(), self.poetry_tables.dependencies, *dynamic_groups)
        yield from expand_groups(self._read_groups())
        yield from package_source.assign_sources(self._read_other_tables(), self.indexes, self.sources)
        yield from self._exclude_own_names(pixi.read_tables(self.tool.get("pixi")))

    def read_includes(self) -> Iterator[Include]:
        """Yield the files of dynamic dependencies; add a note for dynamic ones without a file."""
        includes = list(pyproject_tools.read_includes(self.tool))
        yield from includes
        known_fields = {"dependencies" if include.group == "main" else "optional-dependencies" for include in includes}
        if self.tool.get_path("poetry", "dependencies").value is not None:
            known_fields |= {"dependencies", "optional-dependencies"}
        for name, _ in self.project_table.get("dynamic").string_items():
            if name in ("dependencies", "optional-dependencies") and name not in known_fields:
                self.root.document.add_note(f"{name} are dynamic: not listed here")

    def _read_main(self) -> Iterator[Declaration]:
        yield from parse_array(self.project_table.get("dependencies"), "main")
        for extra, field in self.project_table.get("optional-dependencies").items():
            yield from self._exclude_own_names(parse_array(field, label_extra(extra)))
        yield from self._exclude_own_names(pyproject_tools.read_flit(self.tool))

    def _read_groups(self) -> dict[str, DependencyGroup]:
        """Return the standard groups merged with those of Poetry."""
        standard_groups = _read_standard_groups(self.root.get("dependency-groups"))
        names = dict.fromkeys((*standard_groups, *self.poetry_tables.groups))
        pairs = [
            (name, standard_groups.get(name, DependencyGroup()), self.poetry_tables.groups.get(name, DependencyGroup()))
            for name in names
        ]
        groups = {
            name: DependencyGroup(includes=standard_group.includes + poetry_group.includes)
            for name, standard_group, poetry_group in pairs
        }
        group_declarations = (
            (group_name, declaration)
            for group_name, standard_group, poetry_group in pairs
            for declaration in self._refine_with_poetry(
                self._exclude_own_names(standard_group.declarations), poetry_group.declarations
            )
        )
        for name, declaration in islice(group_declarations, MAX_DEPENDENCIES + 1):
            groups[name].declarations.append(declaration)
        return groups

    def _read_other_tables(self) -> Iterator[Declaration]:
        yield from parse_array(self.root.get_path("build-system", "requires"), "build")
        yield from self._exclude_own_names(pyproject_tools.read_development(self.tool))
        yield from pyproject_tools.read_constraints(self.tool)

    def _exclude_own_names(self, declarations: Iterable[Declaration]) -> Iterator[Declaration]:
        """Leave out the project itself, which extras and groups name to include its other extras."""
        return (declaration for declaration in declarations if declaration.package.name not in self.own_names)

    def _refine_with_poetry(
        self, declarations: Iterable[Declaration], poetry_declarations: Iterable[Declaration], *dynamic_groups: str
    ) -> Iterator[Declaration]:
        """Yield the standard declarations as Poetry's table refines them.

        What only that table has is a dependency if there are no standard ones, or the group of it is dynamic: one of
        ``dynamic_groups``.
        """
        standard_declarations = list(islice(declarations, MAX_DEPENDENCIES + 1))
        names = {declaration.package.name for declaration in standard_declarations}
        refinements: dict[str, list[Declaration]] = {}
        poetry_only: list[Declaration] = []
        for declaration in islice(poetry_declarations, MAX_DEPENDENCIES + 1):
            if declaration.package.name in names:
                refinements.setdefault(declaration.package.name, []).append(declaration)
            elif not standard_declarations or declaration.group.partition(":")[0] in dynamic_groups:
                poetry_only.append(declaration)
            else:
                self.root.document.add_note("packages that only a table of Poetry has: not installed, not listed here")
        for declaration in package_source.assign_sources(standard_declarations, self.indexes, self.sources):
            name = declaration.package.name
            if name in refinements and name not in self.sources:
                yield from poetry.refine_declaration(declaration, refinements[name], self.poetry_tables.indexes)
            else:
                yield declaration
        yield from poetry_only


def _read_standard_groups(table: TomlField) -> dict[str, DependencyGroup]:
    """Return the groups of ``[dependency-groups]`` by normalised name (PEP 735)."""
    groups: dict[str, DependencyGroup] = {}
    for raw_name, field in table.items():
        name = normalise_name(PYPI, raw_name)
        if name in groups:
            field.report_problem(
                f"group {quote_text(raw_name)} is here twice: case, hyphens, dots and underscores are ignored"
            )
        group = groups.setdefault(name, DependencyGroup())
        for element in field.elements("an array of strings and include-group tables"):
            if isinstance(element.value, dict):
                group.includes += _read_include(element)
            elif isinstance(element.value, str):
                declaration = parse_field(element.value, element, label_group(name))
                group.declarations += [declaration] if declaration else []
            else:
                element.report_expected("a string or an include-group table")
    return groups


def _read_include(field: TomlField) -> Iterator[tuple[str, TomlField]]:
    target = field.get("include-group")
    if isinstance(field.value, dict) and len(field.value) == 1 and isinstance(target.value, str):
        yield normalise_name(PYPI, target.value), field
    else:
        field.report_problem("a table in a group must be an include", hint='write { include-group = "name" }')
