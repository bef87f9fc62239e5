"""Pipfile: the dependencies of a project as Pipenv has them declared, category by category."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import PYPI, Declared, Location, Manifest, normalise
from nerq_cli.manifests import origins
from nerq_cli.manifests.dependency_groups import label
from nerq_cli.manifests.origins import Indexes, Origin, all_of
from nerq_cli.manifests.pep508 import LONGEST, checked_marker
from nerq_cli.manifests.python_locks import is_name, without_extras
from nerq_cli.manifests.toml_document import Document, Field, quoted

NAME: Final = "Pipfile"

#: The categories that are there without being asked for, and the group each stands for.
CATEGORIES: Final = {"packages": "main", "dev-packages": "dev"}
#: The tables that are no category.
SETTINGS: Final = frozenset({"source", "sources", "requires", "scripts", "pipenv"})
#: Keys that are markers by themselves: ``sys_platform = "== 'win32'"``.
_MARKERS: Final = (
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
_VCS: Final = ("git", "hg", "svn", "bzr")
_BARE = re.compile(r"\s*v?[0-9]")
_HINT: Final = 'versions look like "*", "==1.2.3", "~=1.2" or ">=1.2,<2"'


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a Pipfile."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
    """Read what a Pipfile declares. What is wrong with it is in ``problems``; nothing is raised.

    ``group`` takes the place of ``main`` where the file that includes this one says so.
    """
    document = Document(text, path)
    if not document.root.value and not document.problems:
        document.note("the file declares nothing")
    indexes = _indexes(document.root.get("source"))
    declared = tuple(_declared(document.root, indexes))
    return Manifest(
        path=path,
        format=NAME,
        declared=tuple(replace(one, group=group) if group and one.group == "main" else one for one in declared),
        constraint=constraint,
        locals=tuple(sorted({one.package.name for one in declared if one.skip == origins.LOCAL})),
        problems=document.problems,
        notes=document.notes,
    )


def group_of(category: str) -> str:
    """Return the group a category of other than the two usual ones stands for."""
    return CATEGORIES.get(category) or label(normalise(PYPI, category))


def source_of(name: str, indexes: Indexes) -> Origin:
    """Return where a package comes from that names a source, or none: then the first one, and no other."""
    return indexes.called(name) if name else indexes.anywhere


def _indexes(sources: Field) -> Indexes:
    """Read ``[[source]]``. Since 2022 Pipenv takes from the first what names no other."""
    urls, named = [], {}
    for source in sources.elements("an array of tables"):
        url = origins.without_credentials(source.get("url").text())
        if not url:
            source.problem("a source needs a url")
            continue
        urls.append(url)
        named[source.get("name").text().lower()] = url
    return Indexes(default=urls[0] if urls else "", named=named)


def _declared(root: Field, indexes: Indexes) -> Iterator[Declared]:
    for category, table in root.items():
        if category in SETTINGS:
            continue
        group = group_of(category)
        for name, field in table.items():
            item = _item(name, field, indexes)
            if item:
                yield replace(item, group=group)


def _item(written: str, field: Field, indexes: Indexes) -> Declared | None:
    """Read one dependency: a version, or a table that says more."""
    name, extras = without_extras(written)
    if not is_name(name):
        field.problem(f"{quoted(written)} cannot be the name of a package")
        return None
    if not isinstance(field.value, (str, dict)):
        field.expected("a version or a table")
        return None
    detailed = isinstance(field.value, dict)
    version = field.get("version") if detailed else field
    try:
        item = Declared(
            ecosystem=PYPI,
            name=name,
            requirement=_requirement(version.text()),
            group="main",
            location=Location(path=field.document.path, line=field.line),
            marker=_marker(field) if detailed else "",
            extras=tuple(
                sorted({*extras, *(extra for extra, _ in field.get("extras").strings())} if detailed else extras)
            ),
        )
    except ValueError as error:
        field.problem(str(error), hint=_HINT)
        return None
    origin = _origin(field, indexes) if detailed else indexes.anywhere
    return replace(origin.given_to(item), requirement="" if origin.skip else item.requirement)


def _origin(field: Field, indexes: Indexes) -> Origin:
    repository = next((key for key in _VCS if field.get(key).text()), "")
    if repository:
        return Origin(skip=origins.of_repository(field.get(repository).text(), field.get("ref").text(), vcs=repository))
    address = field.get("file").text() or field.get("url").text()
    if address:
        return Origin(skip=origins.of_url(address))
    if field.get("path").text():
        return Origin(skip=origins.LOCAL)
    return source_of(field.get("index").text(), indexes)


def _marker(field: Field) -> str:
    """Build the marker that ``markers`` and the keys named after single ones amount to together."""
    single = (f"{key} {field.get(key).text()}" for key in _MARKERS if field.get(key).text())
    marker = all_of(field.get("markers").text(), *single)
    return checked_marker(marker) if marker else ""


def _requirement(version: str) -> str:
    """Return the versions asked for; a bare number means exactly that one, as for Pipenv."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if version.strip() in ("", "*"):
        return ""
    if len(version) > LONGEST:
        raise ValueError(f"the version is longer than {LONGEST} characters")
    requirement = f"=={version.strip()}" if _BARE.match(version) else version.strip()
    try:
        SpecifierSet(requirement)
    except InvalidSpecifier:
        raise ValueError(f"{quoted(version)} is not a version or a range of them") from None
    return requirement
