"""Groups of dependencies that include one another, as PEP 735 and Poetry have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from nerq_cli.inventory import Declared
from nerq_cli.manifests.toml_document import Field, quoted

#: How many includes are followed in one file; groups that include all others grow with the square of their number.
MOST_INCLUDES = 100_000
#: How many groups are named in a hint.
_FEW = 12


@dataclass(slots=True)
class Group:
    """A development group: its own dependencies, and the groups it includes with the place where it says so."""

    items: list[Declared] = field(default_factory=list)
    includes: list[tuple[str, Field]] = field(default_factory=list)


def label(name: str) -> str:
    """Return what a development group's dependencies belong to: ``dev`` for the group of that name."""
    return "dev" if name == "dev" else f"dev:{name}"


def spread(groups: Mapping[str, Group]) -> Iterator[Declared]:
    """Give every group its own dependencies and those of the groups it includes, however far away.

    An include that leads to no group, or back to the group it stands in, is reported there and otherwise ignored.
    """
    left = MOST_INCLUDES
    known = _known(groups)
    for name in groups:
        reached = {name}
        order = [name]
        for including in order:  # grows while it is gone through
            for target, where in groups[including].includes if left > 0 else ():
                left -= 1
                if target not in groups:
                    where.problem(f"no group is called {quoted(target)}", hint=known)
                elif target == name:
                    where.problem(f"group {quoted(including)} is itself part of {quoted(target)}")
                elif target not in reached:
                    reached.add(target)
                    order.append(target)
        group = label(name)
        yield from (replace(item, group=group) for part in order for item in groups[part].items)
    if left <= 0:
        where = next(where for group in groups.values() for _, where in group.includes)
        where.problem(f"the groups include one another more than {MOST_INCLUDES:,} times: not everything is read")


def _known(groups: Mapping[str, Group]) -> str:
    names = sorted(groups)
    return f"the groups here: {', '.join(map(quoted, names[:_FEW]))}{', …' if len(names) > _FEW else ''}"
