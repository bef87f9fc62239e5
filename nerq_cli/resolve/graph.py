"""The dependency graph of one lock file: groups, nearest direct dependencies, and paths to a package."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import Final

from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage, Package

MAIN_GROUP: Final = "main"
OPTIONAL_GROUP: Final = "optional"
#: Paths of one length that are extended in the search for all paths to a package.
_MAX_PATHS: Final = 2_000
#: Edges tried while paths are built: enough for the shortest ones of any real graph.
_MAX_STEPS: Final = 500_000


@dataclass(frozen=True, slots=True)
class Step:
    """One package on a path through the graph."""

    name: str
    version: str
    #: Range that the previous package on the path requires; empty if not stated.
    requirement: str = ""


@dataclass
class Graph:
    """The graph of one lock file."""

    lockfile: DependencyFile
    #: The project and the members of its workspace.
    importers: Sequence[Importer]

    @cached_property
    def entries(self) -> dict[str, LockedPackage]:
        """Return the entries by key."""
        return {entry.key: entry for entry in self.lockfile.locked_packages}

    @cached_property
    def direct_edges(self) -> dict[str, list[Edge]]:
        """Return the edges from the importers by the key of their target."""
        edges: dict[str, list[Edge]] = {}
        for importer in self.importers:
            for edge in importer.edges:
                if edge.target in self.entries:
                    edges.setdefault(edge.target, []).append(edge)
        return edges

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Return the groups that lead to each entry; ``optional`` if every path from ``main`` has an optional edge."""
        group_names = list(
            dict.fromkeys(
                (
                    MAIN_GROUP,
                    OPTIONAL_GROUP,
                    *(edge.group for edge_list in self.direct_edges.values() for edge in edge_list),
                )
            )
        )
        bits = {name: 1 << position for position, name in enumerate(group_names)}
        masks = dict.fromkeys(self.entries, 0)
        queue: deque[str] = deque()

        def add_groups(key: str, mask: int) -> None:
            if key in masks and masks[key] | mask != masks[key]:
                masks[key] |= mask
                queue.append(key)

        for key, edges in self.direct_edges.items():
            for outgoing in edges:
                add_groups(key, bits[outgoing.group])
        while queue:
            key = queue.popleft()
            mask = masks[key]
            optional_mask = (mask & ~bits[MAIN_GROUP]) | bits[OPTIONAL_GROUP] if mask & bits[MAIN_GROUP] else mask
            for outgoing in self.entries[key].edges or ():
                add_groups(outgoing.target, optional_mask if outgoing.group == OPTIONAL_GROUP else mask)
        return {
            key: tuple(
                name
                for name in group_names
                if mask & bits[name] and not (name == OPTIONAL_GROUP and mask & bits[MAIN_GROUP])
            )
            for key, mask in masks.items()
        }

    @cached_property
    def nearest_direct(self) -> dict[str, str]:
        """Return the key of the nearest direct dependency for each reachable entry."""
        nearest = {key: key for key in self.direct_edges}
        queue = deque(nearest)
        while queue:
            key = queue.popleft()
            for edge in self.entries[key].edges or ():
                if edge.target in self.entries and edge.target not in nearest:
                    nearest[edge.target] = nearest[key]
                    queue.append(edge.target)
        return nearest

    def find_paths(self, package: Package, *, limit: int = 20) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """Yield the group and the steps of paths from direct dependencies to a package, the shortest first.

        Paths are built backwards from the package. The number kept of each length and the number of steps tried are
        limited, because a dense graph has exponentially many paths. No path contains a package twice. At most ``limit``
        paths are yielded.
        """
        targets = {item.key for item in self.lockfile.locked_packages if item.package == package}
        relevant_keys = self._find_ancestors(targets)
        predecessors: dict[str, list[tuple[str, Edge]]] = {}
        for key in sorted(relevant_keys):
            for edge in self.entries[key].edges or ():
                if edge.target in relevant_keys:
                    predecessors.setdefault(edge.target, []).append((key, edge))
        partial_paths: list[tuple[str, tuple[Edge, ...]]] = [(key, ()) for key in sorted(targets)]
        steps = count()
        while partial_paths and limit > 0:
            for key, partial_path in partial_paths:
                for edge in self.direct_edges.get(key, ()) if limit > 0 else ():
                    limit -= 1
                    yield edge.group, tuple(self._build_step(item) for item in (edge, *partial_path))
            extended_paths = (
                (key, (edge, *partial_path))
                for start, partial_path in partial_paths
                for key, edge in predecessors.get(start, ())
                if next(steps) < _MAX_STEPS
                if key not in targets and key != start and all(key != item.target for item in partial_path)
            )
            partial_paths = list(islice(extended_paths, _MAX_PATHS))

    def _find_ancestors(self, targets: Iterable[str]) -> set[str]:
        """Return the keys of the targets and of all entries that lead to them."""
        parents: dict[str, list[str]] = {}
        for entry in self.lockfile.locked_packages:
            for edge in entry.edges or ():
                parents.setdefault(edge.target, []).append(entry.key)
        ancestors = set(targets)
        stack = list(ancestors)
        while stack:
            for key in parents.get(stack.pop(), ()):
                if key not in ancestors:
                    ancestors.add(key)
                    stack.append(key)
        return ancestors

    def _build_step(self, edge: Edge) -> Step:
        entry = self.entries[edge.target]
        return Step(edge.alias or entry.name, entry.version, edge.requirement)
