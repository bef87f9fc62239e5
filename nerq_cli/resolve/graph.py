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
#: Most groups of one project that are searched one by one for nearest direct dependencies and parents.
_MAX_SEARCHED_GROUPS: Final = 64


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

    def find_nearest(self, key: str, group: str) -> tuple[str, int]:
        """Return the key of the nearest direct dependency of a group that leads to an entry, and its distance in edges.

        If none of the group does, it is the nearest one of all groups; without any the key is empty.
        """
        name = group if group in self._group_names else ""
        return self._nearest_by_group(name).get(key) or self._nearest_by_group("").get(key) or ("", 0)

    def find_parents(self, key: str, group: str) -> tuple[str, ...]:
        """Return the sorted names of the entries of a group that have an edge to an entry."""
        parent_keys = self._parents.get(key, ())
        wanted = {group} if group in self._group_names else frozenset(self._group_names)
        if group in (MAIN_GROUP, OPTIONAL_GROUP):
            wanted = {MAIN_GROUP, OPTIONAL_GROUP}
        reached = [parent for parent in parent_keys if not wanted.isdisjoint(self.groups[parent])]
        return tuple(sorted({self.entries[parent].name for parent in reached or parent_keys}))

    @cached_property
    def _group_names(self) -> frozenset[str]:
        """Return the groups that are searched one by one; none if there are too many."""
        names = frozenset(edge.group for edges in self.direct_edges.values() for edge in edges)
        return names | {OPTIONAL_GROUP} if len(names) <= _MAX_SEARCHED_GROUPS else frozenset()

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        """Return the keys of the entries with an edge to each entry."""
        parents: dict[str, list[str]] = {}
        for entry in self.lockfile.locked_packages:
            for edge in entry.edges or ():
                parents.setdefault(edge.target, []).append(entry.key)
        return parents

    @cached_property
    def _nearest(self) -> dict[str, dict[str, tuple[str, int]]]:
        return {}

    def _nearest_by_group(self, group: str) -> dict[str, tuple[str, int]]:
        """Return the nearest direct dependency of a group, and its distance, for each entry; of all groups if empty."""
        if group not in self._nearest:
            groups = {MAIN_GROUP, OPTIONAL_GROUP} if group == OPTIONAL_GROUP else {group}
            nearest = {
                key: (key, 0)
                for key, edges in self.direct_edges.items()
                if not group or any(edge.group in groups for edge in edges)
            }
            queue = deque(nearest)
            while queue:
                key = queue.popleft()
                direct_key, distance = nearest[key]
                for edge in self.entries[key].edges or ():
                    if edge.target in self.entries and edge.target not in nearest:
                        nearest[edge.target] = (direct_key, distance + 1)
                        queue.append(edge.target)
            self._nearest[group] = nearest
        return self._nearest[group]

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
        ancestors = set(targets)
        stack = list(ancestors)
        while stack:
            for key in self._parents.get(stack.pop(), ()):
                if key not in ancestors:
                    ancestors.add(key)
                    stack.append(key)
        return ancestors

    def _build_step(self, edge: Edge) -> Step:
        entry = self.entries[edge.target]
        return Step(edge.alias or entry.name, entry.version, edge.requirement)
