"""Dependency groups that include each other (PEP 735 and Poetry)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Declaration
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.manifests.syntax.toml_document import TomlField

#: Most includes followed in one file: groups that include all others grow with the square of their number.
MAX_INCLUDES = 100_000
#: Most groups listed in a hint.
_MAX_LISTED = 12


class DependencyGroup(msgspec.Struct):
    """A development group."""

    #: The dependencies that it declares itself.
    declarations: list[Declaration] = []
    #: The names of the groups it includes, with the places of the includes.
    includes: list[tuple[str, TomlField]] = []


def label_group(name: str) -> str:
    """Return the label of a development group: ``dev``, or ``dev:name``."""
    group = normalise_name(PYPI, name)
    return "dev" if group == "dev" else f"dev:{group}"


def label_extra(name: str) -> str:
    """Return the label of an extra: ``extra:name``."""
    return f"extra:{normalise_name(PYPI, name)}"


def expand_groups(groups: Mapping[str, DependencyGroup]) -> Iterator[Declaration]:
    """Yield the dependencies of every group, with those of the groups it includes, at any depth.

    An include of a group that does not exist, or of the group itself, is reported and ignored.
    """
    remaining_includes = MAX_INCLUDES
    hint = _format_group_hint(groups)
    for name in groups:
        member_names = {name}
        queue = [name]
        for includer in queue:  # extended in the loop
            for target, include_field in groups[includer].includes if remaining_includes > 0 else ():
                remaining_includes -= 1
                if target not in groups:
                    include_field.report_problem(f"there is no group {quote_text(target)}", hint=hint)
                elif target == name:
                    include_field.report_problem(f"group {quote_text(includer)} is itself part of {quote_text(target)}")
                elif target not in member_names:
                    member_names.add(target)
                    queue.append(target)
        group = label_group(name)
        yield from (
            replace(declaration, group=group) for member in queue for declaration in groups[member].declarations
        )
    if remaining_includes <= 0:
        include_field = next(include_field for group in groups.values() for _, include_field in group.includes)
        include_field.report_problem(f"more than {MAX_INCLUDES:,} includes of groups: the rest is not read")


def _format_group_hint(groups: Mapping[str, DependencyGroup]) -> str:
    names = sorted(groups)
    return (
        f"the groups here: {', '.join(map(quote_text, names[:_MAX_LISTED]))}{', …' if len(names) > _MAX_LISTED else ''}"
    )
