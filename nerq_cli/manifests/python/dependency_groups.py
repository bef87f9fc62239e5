"""Groups of dependencies that include one another, as PEP 735 and Poetry have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from nerq_cli.inventory import Declaration
from nerq_cli.manifests.syntax.toml_document import TomlField, quote_text

#: How many includes are followed in one file; groups that include all others grow with the square of their number.
MAX_INCLUDES = 100_000
#: How many groups are named in a hint.
_MAX_LISTED = 12


@dataclass(slots=True)
class DependencyGroup:
    """A development group: its own dependencies, and the groups it includes with the place where it says so."""

    declarations: list[Declaration] = field(default_factory=list)
    includes: list[tuple[str, TomlField]] = field(default_factory=list)


def label_group(name: str) -> str:
    """Return what a development group's dependencies belong to: ``dev`` for the group of that name."""
    return "dev" if name == "dev" else f"dev:{name}"


def expand_groups(groups: Mapping[str, DependencyGroup]) -> Iterator[Declaration]:
    """Give every group its own dependencies and those of the groups it includes, however far away.

    An include that leads to no group, or back to the group it stands in, is reported there and otherwise ignored.
    """
    remaining_includes = MAX_INCLUDES
    hint = _format_group_hint(groups)
    for name in groups:
        member_names = {name}
        queue = [name]
        for includer in queue:  # grows while it is gone through
            for target, include_field in groups[includer].includes if remaining_includes > 0 else ():
                remaining_includes -= 1
                if target not in groups:
                    include_field.report_problem(f"no group is called {quote_text(target)}", hint=hint)
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
        include_field.report_problem(
            f"the groups include one another more than {MAX_INCLUDES:,} times: not everything is read"
        )


def _format_group_hint(groups: Mapping[str, DependencyGroup]) -> str:
    names = sorted(groups)
    return (
        f"the groups here: {', '.join(map(quote_text, names[:_MAX_LISTED]))}{', …' if len(names) > _MAX_LISTED else ''}"
    )
