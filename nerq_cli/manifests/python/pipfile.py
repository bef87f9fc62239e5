"""Pipfile: the dependencies declared for Pipenv, by category."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI
from nerq_cli.inventory import Declaration, DependencyFile, Location
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import FileIndexes, PackageSource, join_markers
from nerq_cli.manifests.python.archive_names import guess_requirement, guess_tag_requirement
from nerq_cli.manifests.python.declarations import build_dependency_file
from nerq_cli.manifests.python.dependency_groups import label_group
from nerq_cli.manifests.python.pep508 import MAX_LENGTH, validate_marker
from nerq_cli.manifests.python.python_locks import VCS_KEYS, is_package_name, split_extras
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField
from nerq_cli.patterns import compile_late

NAME: Final = "Pipfile"

#: The default categories, and their groups.
CATEGORY_GROUPS: Final = {"packages": "main", "dev-packages": "dev"}
#: The tables that are not categories.
SETTINGS_TABLES: Final = frozenset({"source", "sources", "requires", "scripts", "pipenv"})
#: Keys that are variables of a marker: ``sys_platform = "== 'win32'"``.
_MARKER_KEYS: Final = (
    "os_name",
    "sys_platform",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_version",
    "python_full_version",
    "implementation_name",
    "implementation_version",
)
_BARE_VERSION = compile_late(r"\s*v?[0-9]")
_VERSION_HINT: Final = 'versions look like "*", "==1.2.3", "~=1.2" or ">=1.2,<2"'


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a Pipfile."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a Pipfile declares; ``group`` replaces ``main``. Never raises."""
    document = TomlDocument(text, path)
    if not document.root.value and not document.problems:
        document.add_note("the file declares nothing")
    indexes = _read_indexes(document.root.get("source"))
    declarations = _read_declarations(document.root, indexes)
    return build_dependency_file(document, NAME, declarations, group=group, constraint=constraint)


def get_group(category: str) -> str:
    """Return the group of a category."""
    return CATEGORY_GROUPS.get(category) or label_group(category)


def read_source(get_text: Callable[[str], str], indexes: FileIndexes) -> PackageSource:
    """Return the source in a table of a Pipfile or Pipfile.lock; ``get_text`` returns the string at a key, or ""."""
    vcs = next(filter(get_text, VCS_KEYS), "")
    if vcs:
        revision = get_text("ref")
        return PackageSource(
            skip=package_source.repository_reason(get_text(vcs), revision, vcs=vcs),
            requirement=guess_tag_requirement(revision),
        )
    url = get_text("file") or get_text("url")
    if url:
        return PackageSource(skip=package_source.url_reason(url), requirement=guess_requirement(url))
    if get_text("path"):
        return PackageSource(
            skip=package_source.local_reason(get_text("path")), requirement=guess_requirement(get_text("path"))
        )
    return indexes.source_named(get_text("index")) if get_text("index") else indexes.default_source


def _read_indexes(sources: TomlField) -> FileIndexes:
    """Return the indexes of ``[[source]]``: the first is the default (since Pipenv 2022)."""
    urls, urls_by_name = [], {}
    for source in sources.elements("an array of tables"):
        url = package_source.strip_credentials(source.get("url").get_text())
        if not url:
            source.report_problem("a source needs a url")
            continue
        urls.append(url)
        urls_by_name[source.get("name").get_text().lower()] = url
    return FileIndexes(default=urls[0] if urls else "", by_name=urls_by_name)


def _read_declarations(root: TomlField, indexes: FileIndexes) -> Iterator[Declaration]:
    for category, table in root.items():
        if category in SETTINGS_TABLES:
            continue
        group = get_group(category)
        for name, field in table.items():
            declaration = _read_declaration(name, field, indexes)
            if declaration:
                yield replace(declaration, group=group)


def _read_declaration(raw_name: str, field: TomlField, indexes: FileIndexes) -> Declaration | None:
    """Return the declaration of one dependency, a version or a table; None if it is malformed, which is reported."""
    name, extras = split_extras(raw_name)
    if not is_package_name(name):
        field.report_problem(f"{quote_text(raw_name)} cannot be the name of a package")
        return None
    if not isinstance(field.value, (str, dict)):
        field.report_expected("a version or a table")
        return None
    is_table = isinstance(field.value, dict)
    version = field.get("version") if is_table else field
    try:
        declaration = Declaration(
            ecosystem=PYPI,
            name=name,
            requirement=_parse_requirement(version.get_text()),
            group="main",
            location=Location(path=field.document.path, line=field.line),
            marker=_build_marker(field) if is_table else "",
            extras=tuple(
                sorted({*extras, *(extra for extra, _ in field.get("extras").string_items())} if is_table else extras)
            ),
        )
    except ValueError as error:
        field.report_problem(f"{quote_text(raw_name)}: {error}", hint=_VERSION_HINT)
        return None
    source = read_source(lambda key: field.get(key).get_text(), indexes) if is_table else indexes.default_source
    return replace(
        source.apply_to(declaration), requirement=source.requirement if source.skip else declaration.requirement
    )


def _build_marker(field: TomlField) -> str:
    """Return the marker of ``markers`` and of the keys of single variables."""
    single_markers = (f"{key} {field.get(key).get_text()}" for key in _MARKER_KEYS if field.get(key).get_text())
    marker = join_markers(field.get("markers").get_text(), *single_markers)
    return validate_marker(marker) if marker else ""


def _parse_requirement(version: str) -> str:
    """Return the version range; a bare number is an exact version."""
    from packaging.specifiers import SpecifierSet

    if version.strip() in ("", "*"):
        return ""
    if len(version) > MAX_LENGTH:
        raise ValueError(f"the version is longer than {MAX_LENGTH} characters")
    requirement = f"=={version.strip()}" if _BARE_VERSION.match(version) else version.strip()
    try:
        SpecifierSet(requirement)
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python converts
        raise ValueError("not a version or a range of versions") from None
    return requirement
