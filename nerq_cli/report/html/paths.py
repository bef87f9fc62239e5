"""What brings a dependency in: one path from a direct dependency to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from nerq_cli.inventory import Dependency

#: Dependencies by the name of their package.
DependencyIndex: TypeAlias = dict[str, list[Dependency]]


def index_dependencies(dependencies: Iterable[Dependency]) -> DependencyIndex:
    """Return the dependencies by the name of their package."""
    index: DependencyIndex = {}
    for dependency in dependencies:
        index.setdefault(dependency.package.name, []).append(dependency)
    return index


def find_path(dependency: Dependency, index: DependencyIndex) -> tuple[str, ...]:
    """Return the names of a shortest path from a direct dependency to this one, both included.

    Where the files do not state what requires it, the path has what they state: the nearest direct dependency, or the
    dependency alone.
    """
    if dependency.direct:
        return (dependency.package.name,)
    ecosystem = dependency.package.ecosystem
    children: dict[str, str] = dict.fromkeys(sorted(dependency.parents), dependency.package.name)
    queue = list(children)
    for name in queue:  # grows while it is read
        known = [candidate for candidate in index.get(name, ()) if candidate.package.ecosystem == ecosystem]
        if any(candidate.direct for candidate in known):
            return _follow(name, dependency.package.name, children)
        for parent in sorted({parent for candidate in known for parent in candidate.parents}):
            if parent not in children and parent != dependency.package.name:
                children[parent] = name
                queue.append(parent)
    return (*dependency.via[:1], dependency.package.name)


def _follow(start: str, end: str, children: dict[str, str]) -> tuple[str, ...]:
    path = [start]
    while path[-1] != end:
        path.append(children[path[-1]])
    return tuple(path)
