"""The dependency graph of one lock file: groups, nearest direct dependencies, and paths to a package."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import count, pairwise
from typing import Final

import msgspec

from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage, Package

MAIN_GROUP: Final = "main"
OPTIONAL_GROUP: Final = "optional"
#: Edges tried while paths are built: enough for the shortest ones of any real graph.
_MAX_STEPS: Final = 100_000
#: Most groups of one project that are searched one by one for nearest direct dependencies and parents.
_MAX_SEARCHED_GROUPS: Final = 64


class Step(msgspec.Struct, frozen=True):
    """One package on a path through the graph."""

    name: str
    version: str
    #: Range that the previous package on the path requires; empty if not stated.
    requirement: str = ""


class DependencyPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path from a declared dependency to a package."""

    #: Group of the declared dependency.
    group: str
    #: Directory of the member or local package that declares it, relative to that of the lock file; empty for the root.
    member: str
    #: The packages on the path, with the declared one and the package itself.
    steps: tuple[Step, ...]


class Graph(msgspec.Struct, dict=True):
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
        for key, edges in self.direct_edges.items():
            for outgoing in edges:
                masks[key] |= bits[outgoing.group]
        queue = deque(self.direct_edges)
        while queue:
            key = queue.popleft()
            mask = masks[key]
            optional_mask = (mask & ~bits[MAIN_GROUP]) | bits[OPTIONAL_GROUP] if mask & bits[MAIN_GROUP] else mask
            for outgoing in self.entries[key].edges or ():
                target_mask = masks.get(outgoing.target)
                added_mask = optional_mask if outgoing.group == OPTIONAL_GROUP else mask
                if target_mask is not None and added_mask & ~target_mask:
                    masks[outgoing.target] = target_mask | added_mask
                    queue.append(outgoing.target)
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
        if group not in self._members:
            wanted = {group} if group in self._group_names else self._group_names
            wanted = {MAIN_GROUP, OPTIONAL_GROUP} if group in (MAIN_GROUP, OPTIONAL_GROUP) else wanted
            self._members[group] = {key for key, groups in self.groups.items() if not wanted.isdisjoint(groups)}
        members = self._members[group]
        reached = [parent for parent in parent_keys if parent in members]
        return tuple(sorted({self.entries[parent].name for parent in reached or parent_keys}))

    @cached_property
    def _members(self) -> dict[str, set[str]]:
        """The entries of the groups whose parents were searched."""
        return {}

    @cached_property
    def _group_names(self) -> frozenset[str]:
        """Return the groups that are searched one by one; none if there are too many."""
        names = frozenset(edge.group for edges in self.direct_edges.values() for edge in edges)
        return names | {OPTIONAL_GROUP} if len(names) <= _MAX_SEARCHED_GROUPS else frozenset()

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

    def find_paths(self, package: Package, *, limit: int = 20) -> Iterator[DependencyPath]:
        """Yield the paths from direct dependencies to a package, the shortest first.

        Paths are built backwards from the package, those first that can become the shortest. No path contains a package
        twice. At most ``limit`` paths are yielded, and the number of edges tried is limited, because a dense graph has
        exponentially many paths.
        """
        targets = {item.key for item in self.lockfile.locked_packages if item.package == package}
        distances = {key: distance for key, (_, distance) in self._nearest_by_group("").items()}
        # Length of the shortest path that a partial path can become, a number that keeps the order, and its keys.
        heap: list[tuple[int, int, tuple[str, ...]]] = [
            (distances[key], number, (key,)) for number, key in enumerate(sorted(targets)) if key in distances
        ]
        steps = count(len(heap))
        while heap and limit > 0:
            _, _, keys = heappop(heap)
            for member, edge in self._declaring_edges.get(keys[0], ())[:limit]:
                limit -= 1
                edges = (edge, *(self._find_edge(source, target) for source, target in pairwise(keys)))
                yield DependencyPath(
                    group=edge.group, member=member, steps=tuple(self._build_step(item) for item in edges)
                )
            for parent in self._parents.get(keys[0], ()):
                if parent in targets or parent in keys or parent not in distances:
                    continue
                step = next(steps)
                if step > _MAX_STEPS:
                    break
                heappush(heap, (len(keys) + distances[parent], step, (parent, *keys)))

    @cached_property
    def _declaring_edges(self) -> dict[str, list[tuple[str, Edge]]]:
        """Return the distinct edges from the importers by the key of their target, each with the importer's path."""
        edges: dict[str, dict[tuple[str, Edge], None]] = {}
        for importer in self.importers:
            for edge in importer.edges:
                edges.setdefault(edge.target, {})[importer.path, edge] = None
        return {target: list(pairs) for target, pairs in edges.items()}

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        """Return the keys of the entries with an edge to each entry, sorted."""
        parents: dict[str, list[str]] = {key: [] for key in self.entries}
        for key in sorted(self.entries):
            for target in dict.fromkeys([edge.target for edge in self.entries[key].edges or ()]):
                if target in parents:
                    parents[target].append(key)
        return parents

    def _find_edge(self, source: str, target: str) -> Edge:
        """Return the first edge from one entry to another."""
        return next(edge for edge in self.entries[source].edges or () if edge.target == target)

    def _build_step(self, edge: Edge) -> Step:
        entry = self.entries[edge.target]
        return Step(edge.alias or entry.name, entry.version, edge.requirement)
