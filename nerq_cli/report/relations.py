"""What requires what, as far as lock files state it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nerq_cli.ecosystems import normalise_name
from nerq_cli.inventory import Dependency


class Relations(msgspec.Struct, frozen=True):
    """Edges between the dependencies of a report, which are numbered in its order."""

    #: The direct dependencies.
    direct: tuple[int, ...]
    #: By dependency, what it requires.
    children: dict[int, list[int]]
    #: Dependencies that are required by a package of which several versions are in use: not known by which.
    unclear: tuple[int, ...]


def find_relations(dependencies: Sequence[Dependency]) -> Relations:
    """Return the edges of the dependencies.

    A lock file has several versions of one name on occasion. An edge from that name is stated if one of them is in the
    same files as the dependency, and left out otherwise.
    """
    numbers: dict[tuple[str, str], list[int]] = {}
    for number, dependency in enumerate(dependencies):
        package = dependency.package
        numbers.setdefault((package.ecosystem, package.name), []).append(number)
    children: dict[int, list[int]] = {}
    unclear = []
    for number, dependency in enumerate(dependencies):
        ecosystem = dependency.package.ecosystem
        for name in dependency.parents:
            candidates = numbers.get((ecosystem, normalise_name(ecosystem, name)), [])
            if len(candidates) > 1:
                paths = {location.path for location in dependency.locations}
                candidates = [
                    candidate
                    for candidate in candidates
                    if paths.intersection(location.path for location in dependencies[candidate].locations)
                ]
                if len(candidates) != 1:
                    unclear.append(number)
                    continue
            for candidate in candidates:
                if number not in children.setdefault(candidate, []):
                    children[candidate].append(number)
    direct = tuple(number for number, dependency in enumerate(dependencies) if dependency.direct)
    return Relations(direct, children, tuple(dict.fromkeys(unclear)))
