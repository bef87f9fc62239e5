"""Find dependencies by the name that a user gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.inventory import Dependency, DependencyFile, Package
    from nerq_cli.report.model import Assessment


def select_dependencies(
    names: Iterable[str], dependencies: Sequence[Assessment], *, option: str = "--explain"
) -> tuple[Assessment, ...]:
    """Return the dependencies with these names, each once, in the order of the names.

    A name is a target without a version (``requests``, ``npm:lodash``, ``pkg:npm/lodash``), an npm alias or the name of
    a repository (``acme/model``). ``option`` is the one that named it, for messages.

    Raises:
        UsageError: a name is not a valid target, or no dependency has it.
    """
    selected_by_id: dict[int, Assessment] = {}
    for name in names:
        matches = [
            assessment for assessment in dependencies if _has_name(assessment.dependency, name)
        ] or _find_by_target(name, dependencies, option)
        if not matches:
            known_names = [assessment.dependency.package.name for assessment in dependencies]
            raise UsageError(f"{name!r} is not among the dependencies scanned", hint=suggest_names(name, known_names))
        selected_by_id |= {id(assessment): assessment for assessment in matches}
    return tuple(selected_by_id.values())


def _has_name(dependency: Dependency, name: str) -> bool:
    """Return whether a name that is no target stands for a dependency."""
    return name in dependency.aliases or ("/" in name and name == dependency.package.name)


def _find_by_target(name: str, dependencies: Iterable[Assessment], option: str) -> list[Assessment]:
    from nerq_cli import targets

    declarations = targets.parse_target(name)
    if any(entry.requirement for entry in declarations):
        raise UsageError(
            f"{option} {name!r} names a version",
            hint=f"leave it out: {declarations[0].name} stands for the version in use",
        )
    packages = {entry.package for entry in declarations}
    return [entry for entry in dependencies if entry.dependency.package in packages]


def find_packages(name: str, dependency_files: Iterable[DependencyFile]) -> list[Package]:
    """Return the packages with this alias in the dependency files, else those that the name stands for as a target.

    A name with a slash is that of a repository as well, as the files have it: ``acme/model``.

    Raises:
        UsageError: the name is neither an alias nor a valid target, or has a version.
    """
    from nerq_cli import targets

    aliased_packages = [
        declaration.package
        for dependency_file in dependency_files
        for declaration in dependency_file.declarations
        if name and (declaration.alias == name or (declaration.name == name and "/" in name))
    ]
    if aliased_packages:
        return list(dict.fromkeys(aliased_packages))
    declarations = targets.parse_target(name)
    if any(declaration.requirement for declaration in declarations):
        hint = f"leave it out: {declarations[0].name}; all versions in use are shown"
        raise UsageError(f"{name!r} names a version", hint=hint)
    return [declaration.package for declaration in declarations]


def suggest_names(name: str, known_names: Iterable[str]) -> str:
    """Return a hint with the known names that are most similar to the name of a target."""
    from difflib import get_close_matches

    from nerq_cli.report.sanitize import sanitize_text

    names = {known_name.lower(): known_name for known_name in known_names}
    matches = get_close_matches(name.rpartition(":")[2].lower(), names, n=3)
    suggestions = " or ".join(sanitize_text(names[match]) for match in matches)
    return f"did you mean {suggestions}?" if suggestions else "nerq scan --list prints every name"
