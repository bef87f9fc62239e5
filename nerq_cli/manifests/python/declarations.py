"""Declarations built from dependency specifiers, and the `DependencyFile` that holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from msgspec.structs import replace

from nerq_cli.ecosystems import GENERIC, PYPI
from nerq_cli.inventory import LOCAL_ARCHIVE, NOT_UNDERSTOOD, Declaration, DependencyFile, Include, Location
from nerq_cli.manifests.package_source import LOCAL, LOCAL_FILE, WORKSPACE, join_markers
from nerq_cli.manifests.python.pep508 import NotASpecifierError, Specifier, parse_specifier, validate_marker
from nerq_cli.manifests.syntax.quote import quote_requirement
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField
from nerq_cli.patterns import compile_late

#: Most dependencies read from one file: groups that include groups, and sums of lists, can declare billions.
MAX_DEPENDENCIES: Final = 50_000
#: Skip reasons of packages whose names are not sent wherever else they stand.
LOCAL_REASONS: Final = (LOCAL, WORKSPACE, LOCAL_FILE, LOCAL_ARCHIVE)
#: The keys of setup.cfg and arguments of ``setup()`` that declare lists, and the group of each (setuptools'
#: documentation, "Keywords" and "Configuring setuptools using setup.cfg files").
SETUP_GROUPS: Final = {"install_requires": "main", "setup_requires": "build", "tests_require": "dev"}

#: A name, and what makes it the start of a dependency specifier.
_NAME_BEFORE_VERSION = compile_late(
    r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)\s*(?:\[[^\[\]]{0,200}\]\s*)?(?:[=<>!~;@]|$)", re.ASCII
)

GroupMember = TypeVar("GroupMember", Declaration, Include)


def make_declaration(specifier: Specifier, group: str, location: Location) -> Declaration:
    """Return the declaration of a specifier in a group, at its place.

    A name that is guessed from an address is the name of no package; file names of archives state one, with a version.
    """
    return Declaration(
        ecosystem=PYPI if specifier.is_named or specifier.version else GENERIC,
        name=specifier.name,
        requirement=specifier.version,
        group=group,
        location=location,
        marker=specifier.marker,
        extras=specifier.extras,
        skip_reason=specifier.skip_reason,
        has_hash=specifier.has_hash,
    )


def parse_array(array: TomlField, group: str) -> Iterator[Declaration]:
    """Yield the declarations of a TOML array of specifiers; report those that are malformed."""
    for text, field in array.string_items():
        declaration = parse_field(text, field, group)
        if declaration:
            yield declaration


def make_unreadable(text: str, group: str, location: Location) -> Declaration | None:
    """Return a dependency of which only the name can be read; None if there is no name, or none of a dependency."""
    match = _NAME_BEFORE_VERSION.match(text)
    if match is None:
        return None
    return Declaration(
        ecosystem=PYPI, name=match[1], requirement="", group=group, location=location, skip_reason=NOT_UNDERSTOOD
    )


def parse_field(text: str, field: TomlField, group: str) -> Declaration | None:
    """Return the declaration of a specifier in a TOML string; None if it is malformed, which is reported."""
    try:
        return make_declaration(parse_specifier(text), group, Location(path=field.document.path, line=field.line))
    except NotASpecifierError as error:
        message = f"{quote_requirement(text)} is not a dependency specifier: {error}"
        field.report_problem(message, hint=error.hint, inner_offset=error.offset)
        return make_unreadable(text, group, Location(path=field.document.path, line=field.line))


def parse_line(document: TextDocument, text: str, line: int, group: str, *, marker: str = "") -> Declaration | None:
    """Return the declaration of a specifier on a line; None if it is malformed, which is reported.

    ``marker`` is a further condition on the dependency.
    """
    try:
        specifier = parse_specifier(text)
        markers = join_markers(specifier.marker, validate_marker(marker) if marker else "")
    except ValueError as error:
        start = document.lines[line - 1].find(text) if 0 < line <= len(document.lines) else -1
        column = start + 1 + getattr(error, "offset", 0) if start >= 0 else 0
        message = f"{quote_requirement(text)} is not a dependency specifier: {error}"
        document.add_problem(message, line, column=column, hint=getattr(error, "hint", ""))
        return make_unreadable(text, group, Location(path=document.path, line=line))
    return make_declaration(replace(specifier, marker=markers), group, Location(path=document.path, line=line))


def build_dependency_file(
    document: TextDocument | TomlDocument,
    format_: str,
    declarations: Iterable[Declaration],
    *,
    group: str,
    constraint: bool,
    includes: Iterable[Include] = (),
    own_names: Iterable[str] = (),
) -> DependencyFile:
    """Return what was read from a file.

    Args:
        document: the file, with its problems and notes.
        format_: the name of the format.
        declarations: what the file declares.
        group: the group that replaces ``main``, if the including file sets one; else empty.
        constraint: whether the file is read as a constraints file.
        includes: the files it includes.
        own_names: normalised names of the project's own packages, besides those with a local path.
    """
    declarations = tuple(islice(declarations, MAX_DEPENDENCIES + 1))
    if len(declarations) > MAX_DEPENDENCIES:
        message = f"more than {MAX_DEPENDENCIES:,} dependencies: the rest is not read"
        if isinstance(document, TomlDocument):
            document.add_problem(message, None)
        else:
            document.add_problem(message, 0)
        declarations = declarations[:MAX_DEPENDENCIES]
    local_names = {declaration.package.name for declaration in declarations if declaration.skip_reason in LOCAL_REASONS}
    return DependencyFile(
        path=document.path,
        format=format_,
        declarations=tuple(_set_group(declaration, group, constraint=constraint) for declaration in declarations),
        includes=tuple(replace(_set_group(include, group), constraint=constraint) for include in includes),
        constraint=constraint,
        local_names=tuple(sorted(local_names.union(own_names) - {""})),
        problems=document.problems,
        notes=document.notes,
    )


def _set_group(member: GroupMember, group: str, *, constraint: bool = False) -> GroupMember:
    if group:
        return replace(member, group=group) if member.group == "main" else member
    return replace(member, group="constraint") if constraint else member
