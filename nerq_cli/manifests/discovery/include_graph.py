"""What includes what: the circles in it, and which files belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from nerq_cli.inventory import Include


class IncludeEdge(NamedTuple):
    """A file that another one includes, by its key."""

    include: Include
    target: str


class IncludeCycle(NamedTuple):
    """A file that includes itself, by way of others: ``include`` stands in ``includer`` and closes it.

    ``path`` leads from the file back to itself.
    """

    includer: str
    include: Include
    path: tuple[str, ...]


def find_cycles(graph: Mapping[str, Sequence[IncludeEdge]]) -> Iterator[IncludeCycle]:
    """Yield each circle once, at the link that closes it."""
    visited: set[str] = set()
    for start in graph:
        if start not in visited:
            yield from _cycles_from(start, graph, visited)


def _cycles_from(start: str, graph: Mapping[str, Sequence[IncludeEdge]], visited: set[str]) -> Iterator[IncludeCycle]:
    """Walk depth first, without recursion: files may include one another in long chains."""
    path, edge_iterators = [start], [iter(graph[start])]
    while path:
        edge = next(edge_iterators[-1], None)
        if edge is None:
            visited.add(path.pop())
            edge_iterators.pop()
        elif edge.target in path:
            yield IncludeCycle(path[-1], edge.include, (*path[path.index(edge.target) :], edge.target))
        elif edge.target not in visited:
            path.append(edge.target)
            edge_iterators.append(iter(graph.get(edge.target, ())))


def connected_groups(graph: Mapping[str, Sequence[IncludeEdge]]) -> Iterator[list[str]]:
    """Yield the files that include one another, directly or not, in either direction: each group once."""
    adjacent: dict[str, list[str]] = {}
    for includer, edges in graph.items():
        for edge in edges:
            adjacent.setdefault(includer, []).append(edge.target)
            adjacent.setdefault(edge.target, []).append(includer)
    visited: set[str] = set()
    for start in adjacent:
        if start not in visited:
            visited.add(start)
            group = [start]
            for member in group:  # which grows
                new_members = [key for key in dict.fromkeys(adjacent[member]) if key not in visited]
                visited.update(new_members)
                group += new_members
            yield group
