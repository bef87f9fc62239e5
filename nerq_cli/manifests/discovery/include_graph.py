"""The graph of includes between files: its cycles and its connected groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from nerq_cli.inventory import Include


class IncludeEdge(NamedTuple):
    """An include, and the key of the included file."""

    include: Include
    target: str


class IncludeCycle(NamedTuple):
    """A file that includes itself through others."""

    #: Key of the file whose include closes the cycle.
    includer: str
    include: Include
    #: Keys from the file back to itself.
    path: tuple[str, ...]


def find_cycles(graph: Mapping[str, Sequence[IncludeEdge]]) -> Iterator[IncludeCycle]:
    """Yield each cycle once, at the include that closes it."""
    visited: set[str] = set()
    for start in graph:
        if start not in visited:
            yield from _cycles_from(start, graph, visited)


def _cycles_from(start: str, graph: Mapping[str, Sequence[IncludeEdge]], visited: set[str]) -> Iterator[IncludeCycle]:
    """Walk depth first, without recursion: chains of includes may be long."""
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
    """Yield the groups of files that are connected by includes, in either direction."""
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
            for member in group:  # grows in the loop
                new_members = [key for key in dict.fromkeys(adjacent[member]) if key not in visited]
                visited.update(new_members)
                group += new_members
            yield group
