"""The tables of Poetry in pyproject.toml, and the translation of its version constraints to PEP 440."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, get_ecosystem, normalise_name
from nerq_cli.inventory import Declaration, Location
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import FileIndexes, PackageSource, join_markers
from nerq_cli.manifests.python.archive_names import guess_requirement
from nerq_cli.manifests.python.dependency_groups import DependencyGroup, label_extra
from nerq_cli.manifests.python.pep508 import MAX_LENGTH, validate_marker
from nerq_cli.manifests.python.pyproject_tools import read_git_source
from nerq_cli.manifests.python.python_locks import is_package_name
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.manifests.syntax.toml_document import TomlField
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from packaging.version import Version

_CLAUSE_PATTERN = compile_late(r"(~=|===?|!=|<>|[<>]=?|[=^~])?\s*v?([^\s,=<>~^]+)\s*,?\s*", re.IGNORECASE)
#: Poetry's operators of equality, and those of PEP 440.
_EQUALITY_OPERATORS = {"=": "==", "==": "==", "===": "===", "!=": "!=", "<>": "!="}
_WILDCARD_VERSION = compile_late(r"([0-9.!]*[0-9])(?:\.[*xX])+", re.ASCII)
_ANY_VERSION = compile_late(r"[*xX](?:\.[*xX])*")
_ALTERNATIVE_SEPARATOR = compile_late(r"\|\|?")
_PLATFORM_CLAUSE = compile_late(r"([!=]=)?\s*([\w.-]+)", re.ASCII)
#: Dots in a version from which on a marker compares ``python_full_version`` instead of ``python_version``.
_FULL_VERSION_DOTS: Final = 2
_CONSTRAINT_HINT = "constraints look like ^1.2, ~1.2, 1.2.*, >=1.2,<2.0 or ^1.2 || ^2.0"


class PoetryTables(msgspec.Struct, frozen=True, kw_only=True):
    """The content of Poetry's tables."""

    indexes: FileIndexes
    #: The dependencies of the project, with those of its extras.
    dependencies: Iterator[Declaration]
    #: The development groups by normalised name.
    groups: dict[str, DependencyGroup]


def read(tables: TomlField) -> PoetryTables:
    """Return the dependencies of ``[tool.poetry]`` and their indexes.

    Requirements are translated to PEP 440 (``^1.2.3`` becomes ``>=1.2.3,<2.0.0``), except that alternatives stay
    separated by ``||``: ``>=1,<2 || >=3,<4``.
    """
    indexes = _read_indexes(tables.get("source"))
    return PoetryTables(
        indexes=indexes,
        dependencies=_read_table(tables.get("dependencies"), indexes, _read_extras(tables.get("extras"))),
        groups=_read_groups(tables, indexes),
    )


def refine_declaration(
    declaration: Declaration, refinements: Iterable[Declaration], indexes: FileIndexes
) -> Iterator[Declaration]:
    """Yield a standard declaration as Poetry's table refines it: once for each of its entries for the package.

    Poetry installs what both requirements allow, where both markers hold (poetry-core, ``_enrich_dependency``). A URL
    of the standard declaration remains, else the source is that of the table.
    """
    if declaration.skip_reason:
        yield declaration
        return
    refined: dict[Declaration, None] = {}
    for refinement in refinements:
        marker = join_markers(declaration.marker, refinement.marker)
        refined_declaration = replace(
            declaration,
            requirement=_intersect(declaration.requirement, refinement.requirement),
            marker=marker,
            skip_reason=refinement.skip_reason,
        )
        source = PackageSource(index=refinement.index, extra_indexes=refinement.extra_indexes)
        if source != indexes.default_source:
            refined_declaration = replace(refined_declaration, index=source.index, extra_indexes=source.extra_indexes)
        refined[refined_declaration] = None
    yield from refined


def _intersect(requirement: str, refinement: str) -> str:
    """Return what both requirements allow, each clause once."""
    joined = get_ecosystem(PYPI).join_requirements(requirement, [refinement] if refinement else [])
    alternatives = (dict.fromkeys(clause.strip() for clause in text.split(",")) for text in joined.split("||"))
    return " || ".join(",".join(filter(None, clauses)) for clauses in alternatives)


def _read_indexes(sources: TomlField) -> FileIndexes:
    """Return the indexes of ``[[tool.poetry.source]]``: primary, supplemental, and explicit ones (by name only).

    The source ``PyPI`` needs no address. ``default`` and ``secondary`` are the priorities before Poetry 1.5.
    """
    urls_by_name = {"pypi": ""}
    default_urls, primary_urls, supplemental_urls = [], [], []
    for source in sources.elements("an array of tables"):
        name = source.get("name").get_text().lower()
        url = package_source.strip_credentials(source.get("url").get_text())
        if not url and name != "pypi":
            source.report_problem("a source needs a name and a url")
            continue
        urls_by_name[name] = url
        priority = source.get("priority").value
        if source.get("default").value is True or priority == "default":
            default_urls.append(url)
        elif source.get("secondary").value is True or priority in ("secondary", "supplemental"):
            supplemental_urls.append(url)
        elif priority != "explicit":
            primary_urls.append(url)
    default_url, *extra_urls = (
        [*default_urls, *primary_urls, *supplemental_urls] if default_urls or primary_urls else ["", *supplemental_urls]
    )
    return FileIndexes(default=default_url, extra_indexes=tuple(filter(None, extra_urls)), by_name=urls_by_name)


def _read_groups(tables: TomlField, indexes: FileIndexes) -> dict[str, DependencyGroup]:
    groups: dict[str, DependencyGroup] = {}
    for name, field in tables.get("group").items():
        group = groups.setdefault(normalise_name(PYPI, name), DependencyGroup())
        group.declarations += _read_table(field.get("dependencies"), indexes)
        group.includes += [
            (normalise_name(PYPI, include_name), include_field)
            for include_name, include_field in field.get("include-groups").string_items()
        ]
    dev_dependencies = list(_read_table(tables.get("dev-dependencies"), indexes))
    if dev_dependencies:
        groups.setdefault("dev", DependencyGroup()).declarations += dev_dependencies
    return groups


def _read_extras(table: TomlField) -> dict[str, dict[str, None]]:
    """Return the groups of the extras that include each package, in order."""
    groups_by_package: dict[str, dict[str, None]] = {}
    for extra, packages in table.items():
        group = label_extra(extra)
        for name, _ in packages.string_items():
            groups_by_package.setdefault(normalise_name(PYPI, name), {})[group] = None
    return groups_by_package


def _read_table(
    table: TomlField, indexes: FileIndexes, extras: dict[str, dict[str, None]] | None = None
) -> Iterator[Declaration]:
    """Yield the declarations of a table; with ``extras``, optional ones are in the groups of their extras."""
    for name, field in table.items():
        if normalise_name(PYPI, name) == "python":
            continue
        if not is_package_name(name):
            field.report_problem(f"{quote_text(name)} cannot be the name of a package")
            continue
        for constraint_field in field.elements() if isinstance(field.value, list) else (field,):
            declaration = _read_constraint(name, constraint_field, indexes)
            if (
                declaration
                and extras is not None
                and isinstance(constraint_field.value, dict)
                and constraint_field.value.get("optional") is True
            ):
                groups = extras.get(declaration.package.name, ("optional",))
                yield from (replace(declaration, group=group) for group in groups)
            elif declaration:
                yield declaration


def _read_constraint(name: str, field: TomlField, indexes: FileIndexes) -> Declaration | None:
    """Return the declaration of one constraint, a string or a table; None if it is malformed, which is reported."""
    if not isinstance(field.value, (str, dict)):
        field.report_expected("a version constraint, a table or an array of tables")
        return None
    try:
        return (
            _read_plain(name, field, indexes) if isinstance(field.value, str) else _read_detailed(name, field, indexes)
        )
    except ValueError as error:
        field.report_problem(f"{quote_text(name)}: {error}", hint=_CONSTRAINT_HINT)
        return None


def _read_plain(name: str, field: TomlField, indexes: FileIndexes) -> Declaration:
    return Declaration(
        ecosystem=PYPI,
        name=name,
        requirement=translate_constraint(field.get_text()),
        group="main",
        location=Location(path=field.document.path, line=field.line),
        index=indexes.default,
        extra_indexes=indexes.extra_indexes,
    )


def _read_detailed(name: str, field: TomlField, indexes: FileIndexes) -> Declaration:
    declaration = _read_plain(name, field.get("version"), indexes)
    extras = tuple(sorted(extra for extra, _ in field.get("extras").string_items()))
    declaration = replace(declaration, location=Location(path=field.document.path, line=field.line), extras=extras)
    source = _read_source(field, indexes)
    return replace(
        source.apply_to(declaration),
        marker=_build_marker(field),
        requirement=source.requirement if source.skip else declaration.requirement,
    )


def _read_source(field: TomlField, indexes: FileIndexes) -> PackageSource:
    """Return the source of a package."""
    url, source = (field.get(key).get_text() for key in ("url", "source"))
    path = field.get("path").get_text() or field.get("file").get_text()
    if field.get("git").get_text():
        return read_git_source(field)
    if path:
        return PackageSource(skip=package_source.local_reason(path), requirement=guess_requirement(path))
    if url:
        return PackageSource(skip=package_source.url_reason(url), requirement=guess_requirement(url))
    return indexes.source_named(source) if source else indexes.default_source


def _build_marker(field: TomlField) -> str:
    """Return the environment marker of ``python``, ``platform`` and ``markers`` together."""
    python_marker = _join_alternatives(field.get("python").get_text(), _build_python_marker)
    platform_marker = _join_alternatives(field.get("platform").get_text(), _build_platform_marker)
    marker = join_markers(python_marker, platform_marker, field.get("markers").get_text())
    return validate_marker(marker) if marker else ""


def _join_alternatives(constraint: str, build_marker: Callable[[str], str]) -> str:
    markers = [build_marker(alternative.strip()) for alternative in _ALTERNATIVE_SEPARATOR.split(constraint)]
    return "" if "" in markers else " or ".join(markers)


def _build_python_marker(constraint: str) -> str:
    clauses = []
    for operator, version in re.findall(r"([<>=!~]+)([^,]+)", translate_constraint(constraint)):
        is_short = version.removesuffix(".*").count(".") < _FULL_VERSION_DOTS
        variable = "python_version" if is_short else "python_full_version"
        clauses.append(f'{variable} {operator} "{version}"')
    return " and ".join(clauses)


def _build_platform_marker(constraint: str) -> str:
    clauses = []
    for clause in filter(None, map(str.strip, constraint.split(","))):
        match = _PLATFORM_CLAUSE.fullmatch(clause)
        if not match:
            raise ValueError("not the name of a platform")
        clauses.append(f'sys_platform {match[1] or "=="} "{match[2]}"')
    return " and ".join(clauses)


def translate_constraint(constraint: str) -> str:
    """Return a version constraint of Poetry in the notation of PEP 440; empty if any version is allowed.

    Alternatives are separated by ``||``. Caret, tilde, wildcard and bare versions follow Poetry's manual, chapter
    "Dependency specification".

    Raises:
        ValueError: The constraint is malformed.
    """
    if len(constraint) > MAX_LENGTH:
        raise ValueError(f"the constraint is longer than {MAX_LENGTH} characters")
    if not constraint.strip():
        return ""
    translations = [
        _translate_alternative(alternative.strip()) for alternative in _ALTERNATIVE_SEPARATOR.split(constraint)
    ]
    return "" if "" in translations else " || ".join(translations)


def _translate_alternative(alternative: str) -> str:
    """Translate clauses that are separated by commas or space."""
    clauses: list[str] = []
    position = 0
    while position < len(alternative) or not clauses:
        clause = _CLAUSE_PATTERN.match(alternative, position)
        if not clause:
            raise ValueError("not a version constraint")
        clauses.append(_translate_clause(clause[1] or "==", clause[2]))
        position = clause.end()
    return ",".join(filter(None, clauses))


def _translate_clause(operator: str, version: str) -> str:
    """Translate one comparison. ``.*`` is dropped after operators other than equality."""
    if _ANY_VERSION.fullmatch(version):
        return ""
    wildcard = _WILDCARD_VERSION.fullmatch(version)
    base = wildcard[1] if wildcard else version
    parsed_version = _parse_version(base)
    if operator in _EQUALITY_OPERATORS:
        return f"{_EQUALITY_OPERATORS[operator]}{base}{'.*' if wildcard else ''}"
    lower = parsed_version.public if parsed_version.local else base
    numbers = parsed_version.release
    if operator == "^":
        bump_index = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    elif operator == "~" or (operator == "~=" and len(numbers) == 1):
        bump_index = min(1, len(numbers) - 1)
    else:
        return f"{operator}{lower}"
    upper = (*numbers[:bump_index], numbers[bump_index] + 1, *[0] * (len(numbers) - bump_index - 1))
    epoch = f"{parsed_version.epoch}!" if parsed_version.epoch else ""
    return f">={lower},<{epoch}{'.'.join(map(str, upper))}"


def _parse_version(text: str) -> Version:
    from packaging.version import Version

    try:
        return Version(text)
    except ValueError:  # InvalidVersion, or a number with more digits than Python converts
        raise ValueError("not a version") from None
