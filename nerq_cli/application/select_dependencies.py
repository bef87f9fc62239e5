"""Select dependencies of a report by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.report.model import Assessment


def select_dependencies(names: Iterable[str], dependencies: Sequence[Assessment]) -> tuple[Assessment, ...]:
    """Return the dependencies with these names, each once, in the order of the names.

    A name is a target without a version (``requests``, ``npm:lodash``, ``pkg:npm/lodash``) or an npm alias.

    Raises:
        UsageError: a name is not a valid target, or no dependency has it.
    """
    selected_by_id: dict[int, Assessment] = {}
    for name in names:
        matches = [
            assessment for assessment in dependencies if name in assessment.dependency.aliases
        ] or _find_by_target(name, dependencies)
        if not matches:
            raise UsageError(f"{name!r} is not among the dependencies scanned", hint=_suggest_names(name, dependencies))
        selected_by_id |= {id(assessment): assessment for assessment in matches}
    return tuple(selected_by_id.values())


def _find_by_target(name: str, dependencies: Iterable[Assessment]) -> list[Assessment]:
    from nerq_cli import targets

    declarations = targets.parse_target(name)
    if any(entry.requirement for entry in declarations):
        raise UsageError(
            f"--explain {name!r} names a version",
            hint=f"leave it out: {declarations[0].name}; the version in use is explained",
        )
    packages = {entry.package for entry in declarations}
    return [entry for entry in dependencies if entry.dependency.package in packages]


def _suggest_names(name: str, dependencies: Iterable[Assessment]) -> str:
    """Return a hint with the most similar names of the scan."""
    from difflib import get_close_matches

    from nerq_cli.report.sanitize import sanitize_text

    names = {
        assessment.dependency.package.name.lower(): assessment.dependency.package.name for assessment in dependencies
    }
    base_name = name.rpartition(":")[2].lower()
    suggestions = [sanitize_text(names[match]) for match in get_close_matches(base_name, names, n=3)]
    return f"did you mean {' or '.join(suggestions)}?" if suggestions else "nerq scan --list prints every name"
