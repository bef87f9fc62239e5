"""Poetry's own tables in pyproject.toml, and its version constraints in the terms of PEP 440."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nerq_cli.inventory import PYPI, Declared, Location, normalise
from nerq_cli.manifests import origins
from nerq_cli.manifests.dependency_groups import Group
from nerq_cli.manifests.origins import Indexes, Origin, all_of
from nerq_cli.manifests.pep508 import LONGEST, checked_marker
from nerq_cli.manifests.toml_document import Field, quoted

if TYPE_CHECKING:
    from packaging.version import Version

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_CLAUSE = re.compile(r"(~=|===?|!=|<>|[<>]=?|[=^~])?\s*v?([^\s,=<>~^]+)\s*,?\s*", re.IGNORECASE)
#: Poetry's operators of equality, and PEP 440's.
_EQUALITY = {"=": "==", "==": "==", "===": "===", "!=": "!=", "<>": "!="}
_WILDCARD = re.compile(r"([0-9.!]*[0-9])(?:\.[*xX])+", re.ASCII)
_ANYTHING = re.compile(r"[*xX](?:\.[*xX])*")
_ALTERNATIVES = re.compile(r"\|\|?")
_PLATFORM = re.compile(r"([!=]=)?\s*([\w.-]+)", re.ASCII)
#: A marker compares ``python_version`` with two numbers, ``python_full_version`` with more.
_SHORT: Final = 2
_HINT = "constraints look like ^1.2, ~1.2, 1.2.*, >=1.2,<2.0 or ^1.2 || ^2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poetry:
    """What Poetry's tables say: package indexes, what the project depends on, and its development groups."""

    indexes: Indexes
    main: Iterator[Declared]
    groups: dict[str, Group]


def read(tables: Field) -> Poetry:
    """Read what ``[tool.poetry]`` says about dependencies and where they come from.

    ``requirement`` of what is declared is PEP 440's, so that one rule matches all versions: ``^1.2.3`` becomes
    ``>=1.2.3,<2.0.0``. Alternatives stay apart as Poetry writes them: ``>=1,<2 || >=3,<4``.
    """
    indexes = _indexes(tables.get("source"))
    return Poetry(
        indexes=indexes,
        main=_table(tables.get("dependencies"), indexes, _extras(tables.get("extras"))),
        groups=_groups(tables, indexes),
    )


def enriching(items: Sequence[Declared], indexes: Indexes) -> dict[str, list[Origin]]:
    """Return what these items add to the same packages in ``[project]``: where they come from, if they say so.

    Poetry's manual calls this enriching: the project's requirement holds, Poetry's table tells the source.
    """
    stated: dict[str, dict[Origin, str]] = {}
    for item in items:
        origin = Origin(index=item.index, extra=item.extra_indexes, skip=item.skip)
        stated.setdefault(item.package.name, {}).setdefault(origin, item.marker)
    return {
        name: [replace(origin, marker=marker) for origin, marker in found.items()] if len(found) > 1 else list(found)
        for name, found in stated.items()
        if list(found) != [indexes.anywhere]
    }


def _indexes(sources: Field) -> Indexes:
    """Read ``[[tool.poetry.source]]``: primary ones are asked first, supplemental ones too, explicit ones by name only.

    One called PyPI needs no address; ``default`` and ``secondary`` are what priorities were called before Poetry 1.5.
    """
    named = {"pypi": ""}
    first, primary, last = [], [], []
    for source in sources.elements("an array of tables"):
        name = source.get("name").text().lower()
        url = origins.without_credentials(source.get("url").text())
        if not url and name != "pypi":
            source.problem("a source needs a name and a url")
            continue
        named[name] = url
        priority = source.get("priority").value
        if source.get("default").value is True or priority == "default":
            first.append(url)
        elif source.get("secondary").value is True or priority in ("secondary", "supplemental"):
            last.append(url)
        elif priority != "explicit":
            primary.append(url)
    main, *others = [*first, *primary, *last] if first or primary else ["", *last]
    return Indexes(default=main, extra=tuple(filter(None, others)), named=named)


def _groups(tables: Field, indexes: Indexes) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for name, field in tables.get("group").items():
        group = groups.setdefault(normalise(PYPI, name), Group())
        group.items += _table(field.get("dependencies"), indexes)
        group.includes += [(normalise(PYPI, other), where) for other, where in field.get("include-groups").strings()]
    old = list(_table(tables.get("dev-dependencies"), indexes))
    if old:
        groups.setdefault("dev", Group()).items += old
    return groups


def _extras(table: Field) -> dict[str, dict[str, None]]:
    """Map each package to the extras that ask for it, in order."""
    wanted: dict[str, dict[str, None]] = {}
    for extra, packages in table.items():
        group = f"extra:{normalise(PYPI, extra)}"
        for name, _ in packages.strings():
            wanted.setdefault(normalise(PYPI, name), {})[group] = None
    return wanted


def _table(table: Field, indexes: Indexes, extras: dict[str, dict[str, None]] | None = None) -> Iterator[Declared]:
    """Read a table of dependencies. With ``extras``, those marked optional belong to the extras that name them."""
    for name, field in table.items():
        if normalise(PYPI, name) == "python":
            continue
        if not _NAME.fullmatch(name):
            field.problem(f"{quoted(name)} cannot be the name of a package")
            continue
        for one in field.elements() if isinstance(field.value, list) else (field,):
            item = _item(name, one, indexes)
            if item and extras is not None and isinstance(one.value, dict) and one.value.get("optional") is True:
                groups = extras.get(item.package.name, ("optional",))
                yield from (replace(item, group=group) for group in groups)
            elif item:
                yield item


def _item(name: str, field: Field, indexes: Indexes) -> Declared | None:
    """Read one constraint of one package: a string, or a table that says more."""
    if not isinstance(field.value, (str, dict)):
        field.expected("a version constraint, a table or an array of tables")
        return None
    try:
        return _plain(name, field, indexes) if isinstance(field.value, str) else _detailed(name, field, indexes)
    except ValueError as error:
        field.problem(str(error), hint=_HINT)
        return None


def _plain(name: str, field: Field, indexes: Indexes) -> Declared:
    return Declared(
        ecosystem=PYPI,
        name=name,
        requirement=pep440(field.text()),
        group="main",
        location=Location(path=field.document.path, line=field.line),
        index=indexes.default,
        extra_indexes=indexes.extra,
    )


def _detailed(name: str, field: Field, indexes: Indexes) -> Declared:
    item = _plain(name, field.get("version"), indexes)
    extras = tuple(sorted(extra for extra, _ in field.get("extras").strings()))
    item = replace(item, location=Location(path=field.document.path, line=field.line), extras=extras)
    origin = _origin(field, indexes)
    return replace(origin.given_to(item), marker=_marker(field), requirement="" if origin.skip else item.requirement)


def _origin(field: Field, indexes: Indexes) -> Origin:
    """Read where the package comes from, if not from where all the others do."""
    git, path, url, source = (field.get(key).text() for key in ("git", "path", "url", "source"))
    if git:
        revision = next(filter(None, (field.get(key).text() for key in ("rev", "tag", "branch"))), "")
        return Origin(skip=origins.of_repository(git, revision))
    if path or field.get("file").text():
        return Origin(skip=origins.LOCAL)
    if url:
        return Origin(skip=origins.of_url(url))
    return indexes.called(source) if source else indexes.anywhere


def _marker(field: Field) -> str:
    """Build the environment marker that ``python``, ``platform`` and ``markers`` amount to together."""
    python = _alternatives(field.get("python").text(), _python_marker)
    platform = _alternatives(field.get("platform").text(), _platform_marker)
    marker = all_of(python, platform, field.get("markers").text())
    return checked_marker(marker) if marker else ""


def _alternatives(constraint: str, marker: Callable[[str], str]) -> str:
    markers = [marker(alternative.strip()) for alternative in _ALTERNATIVES.split(constraint)]
    return "" if "" in markers else " or ".join(markers)


def _python_marker(constraint: str) -> str:
    clauses = []
    for operator, version in re.findall(r"([<>=!~]+)([^,]+)", pep440(constraint)):
        short = version.removesuffix(".*").count(".") < _SHORT
        variable = "python_version" if short else "python_full_version"
        clauses.append(f'{variable} {operator} "{version}"')
    return " and ".join(clauses)


def _platform_marker(constraint: str) -> str:
    clauses = []
    for clause in filter(None, map(str.strip, constraint.split(","))):
        stated = _PLATFORM.fullmatch(clause)
        if not stated:
            raise ValueError(f"{quoted(clause)} is not the name of a platform")
        clauses.append(f'sys_platform {stated[1] or "=="} "{stated[2]}"')
    return " and ".join(clauses)


def pep440(constraint: str) -> str:
    """Translate a version constraint of Poetry's to PEP 440, alternatives joined by ``||``; empty when any will do.

    Caret, tilde, wildcard and bare versions mean what Poetry's manual says, chapter "Dependency specification".

    Raises:
        ValueError: Poetry would not understand it either.
    """
    if len(constraint) > LONGEST:
        raise ValueError(f"the constraint is longer than {LONGEST} characters")
    if not constraint.strip():
        return ""
    sets = [_set(alternative.strip()) for alternative in _ALTERNATIVES.split(constraint)]
    return "" if "" in sets else " || ".join(sets)


def _set(alternative: str) -> str:
    """Translate clauses that must all hold, separated by commas or space."""
    clauses: list[str] = []
    position = 0
    while position < len(alternative) or not clauses:
        clause = _CLAUSE.match(alternative, position)
        if not clause:
            raise ValueError(f"{quoted(alternative)} is not a version constraint")
        clauses.append(_clause(clause[1] or "==", clause[2]))
        position = clause.end()
    return ",".join(filter(None, clauses))


def _clause(operator: str, version: str) -> str:
    """Translate one comparison. Poetry's own operators are ranges; a ``.*`` after any but equality is dropped."""
    if _ANYTHING.fullmatch(version):
        return ""
    wildcard = _WILDCARD.fullmatch(version)
    base = wildcard[1] if wildcard else version
    stated = _version(base)
    if operator in _EQUALITY:
        return f"{_EQUALITY[operator]}{base}{'.*' if wildcard else ''}"
    lower = stated.public if stated.local else base
    numbers = stated.release
    if operator == "^":
        kept = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    elif operator == "~" or (operator == "~=" and len(numbers) == 1):
        kept = min(1, len(numbers) - 1)
    else:
        return f"{operator}{lower}"
    upper = (*numbers[:kept], numbers[kept] + 1, *[0] * (len(numbers) - kept - 1))
    epoch = f"{stated.epoch}!" if stated.epoch else ""
    return f">={lower},<{epoch}{'.'.join(map(str, upper))}"


def _version(text: str) -> Version:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        raise ValueError(f"{quoted(text)} is not a version") from None
