"""Lock files beside the files they settle: which version is installed, what is direct, and what brings the rest in.

The lock file has the say about versions, the manifest about what is direct. Values in, values out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from typing import Final

from nerq_cli.inventory import (
    Declared,
    Drift,
    Locked,
    Manifest,
    Need,
    Package,
    Root,
)
from nerq_cli.versions import newest_first, satisfies

_MAIN: Final = "main"
_OPTIONAL: Final = "optional"
#: Groups whose declarations no lock file holds.
_UNLOCKED: Final = ("build", "constraint")
#: Ways of one length that are followed when all ways to a package are looked for.
_MOST_WAYS: Final = 2_000
_SHRINKWRAP: Final = "npm-shrinkwrap.json"
_PACKAGE_LOCK: Final = "package-lock.json"


def settled(manifests: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """Return the manifests, with the declarations that lock files settle given to those at the versions they hold.

    A manifest keeps what none of its lock files holds. Where npm-shrinkwrap.json lies beside package-lock.json, npm
    reads only the former, and so does this.
    """
    locks = {one.path: one for one in manifests if one.locked or one.roots is not None}
    by_place = {_place(one.path): one for one in manifests if one.path not in locks}
    result: dict[str, Manifest] = {}
    left: dict[str, list[Declared]] = {}
    for lock in locks.values():
        rival = _overruled(lock.path)
        if rival in locks:
            result[lock.path] = replace(lock, locked=(), roots=None, settled_by=rival)
            continue
        work = _Lock(lock, by_place, frozenset(_place(path)[0] for path in locks))
        result[lock.path] = work.settled()
        for manifest, kept in work.kept:
            still = left.get(manifest.path, list(manifest.declared))
            left[manifest.path] = [item for item in still if item in kept]
            before = result.get(manifest.path, manifest)
            result[manifest.path] = replace(
                before,
                declared=tuple(left[manifest.path]),
                settled_by=before.settled_by or lock.path,
                settled=len(manifest.declared) - len(left[manifest.path]),
            )
    return tuple(result.get(one.path, one) for one in manifests)


def _overruled(path: str) -> str:
    """Return the path of the lock file that npm reads instead of this one; empty when there can be none."""
    folder, name = _place(path)
    return f"{folder}/{_SHRINKWRAP}".lstrip("/") if name == _PACKAGE_LOCK else ""


def _place(path: str) -> tuple[str, str]:
    """Return the directory and the name of a file."""
    folder, _, name = path.rpartition("/")
    return folder, name


@dataclass(frozen=True, slots=True)
class Step:
    """One package on a way through the graph, and the ``requirement`` it is asked for with ("" = not stated)."""

    name: str
    version: str
    requirement: str = ""


@dataclass
class Graph:
    """The graph of one lock file. ``roots`` are what the project and the members of its workspace ask for."""

    lock: Manifest
    roots: Sequence[Root]

    @cached_property
    def entries(self) -> dict[str, Locked]:
        """The entries by their keys."""
        return {one.key: one for one in self.lock.locked}

    @cached_property
    def direct(self) -> dict[str, list[Need]]:
        """What the roots ask for themselves, by key."""
        found: dict[str, list[Need]] = {}
        for root in self.roots:
            for need in root.needs:
                if need.to in self.entries:
                    found.setdefault(need.to, []).append(need)
        return found

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups each entry is reached from; what is only ever optional on the way is ``optional``."""
        names = list(dict.fromkeys((_MAIN, _OPTIONAL, *(n.group for some in self.direct.values() for n in some))))
        bits = {name: 1 << place for place, name in enumerate(names)}
        reached = dict.fromkeys(self.entries, 0)
        waiting: deque[str] = deque()

        def reach(key: str, mask: int) -> None:
            if key in reached and reached[key] | mask != reached[key]:
                reached[key] |= mask
                waiting.append(key)

        for key, needs in self.direct.items():
            for need in needs:
                reach(key, bits[need.group])
        while waiting:
            key = waiting.popleft()
            mask = reached[key]
            softer = (mask & ~bits[_MAIN]) | bits[_OPTIONAL] if mask & bits[_MAIN] else mask
            for need in self.entries[key].needs or ():
                reach(need.to, softer if need.group == _OPTIONAL else mask)
        return {
            key: tuple(name for name in names if mask & bits[name] and not (name == _OPTIONAL and mask & bits[_MAIN]))
            for key, mask in reached.items()
        }

    @cached_property
    def origins(self) -> dict[str, str]:
        """For each entry that is reached the key of the nearest direct dependency that brings it in."""
        found = {key: key for key in self.direct}
        waiting = deque(found)
        while waiting:
            key = waiting.popleft()
            for need in self.entries[key].needs or ():
                if need.to in self.entries and need.to not in found:
                    found[need.to] = found[key]
                    waiting.append(need.to)
        return found

    def paths(self, package: Package, *, most: int = 20) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """Yield ways from what is declared to a package, the shortest first, each with the group it begins in.

        They are built backwards from the package, and only so many of each length are kept: a dense graph has more
        ways than anybody could read. No way passes through a package twice, and at most ``most`` are yielded.
        """
        targets = {one.key for one in self.lock.locked if one.package == package}
        useful = self._leading_to(targets)
        before: dict[str, list[tuple[str, Need]]] = {}
        for key in sorted(useful):
            for need in self.entries[key].needs or ():
                if need.to in useful:
                    before.setdefault(need.to, []).append((key, need))
        ways: list[tuple[str, tuple[Need, ...]]] = [(key, ()) for key in sorted(targets)]
        while ways and most > 0:
            for key, way in ways:
                for need in self.direct.get(key, ()) if most > 0 else ():
                    most -= 1
                    yield need.group, tuple(self._step(one) for one in (need, *way))
            longer = (
                (key, (need, *way))
                for start, way in ways
                for key, need in before.get(start, ())
                if key not in targets and key != start and all(key != one.to for one in way)
            )
            ways = list(islice(longer, _MOST_WAYS))

    def _leading_to(self, targets: Iterable[str]) -> set[str]:
        """Return the keys from which one of the targets can be reached."""
        before: dict[str, list[str]] = {}
        for one in self.lock.locked:
            for need in one.needs or ():
                before.setdefault(need.to, []).append(one.key)
        found = set(targets)
        waiting = list(found)
        while waiting:
            for key in before.get(waiting.pop(), ()):
                if key not in found:
                    found.add(key)
                    waiting.append(key)
        return found

    def _step(self, need: Need) -> Step:
        entry = self.entries[need.to]
        return Step(need.alias or entry.name, entry.version, need.requirement)


@dataclass
class _Lock:
    """One lock file, and the manifests around it by directory and name.

    ``homes`` are the directories that have a lock file. ``kept`` fills with the manifests that this one settles, each
    with what it leaves to them.
    """

    lock: Manifest
    manifests: Mapping[tuple[str, str], Manifest]
    homes: frozenset[str]
    drift: list[Drift] = field(default_factory=list)
    kept: list[tuple[Manifest, list[Declared]]] = field(default_factory=list)

    @cached_property
    def by_package(self) -> dict[Package, list[Locked]]:
        """The entries of each package."""
        found: dict[Package, list[Locked]] = {}
        for one in self.lock.locked:
            found.setdefault(one.package, []).append(one)
        return found

    @cached_property
    def partners(self) -> dict[str, Manifest]:
        """The manifests it was made from, by the directory of their root."""
        here = _place(self.lock.path)[0]
        names = {name.rpartition("/")[2] for name in self.lock.locks}
        found: dict[str, Manifest] = {}
        for path in dict.fromkeys(["", *(root.path for root in self.lock.roots or ())]):
            folder = _joined(here, path)
            one = next((self.manifests[folder, name] for name in names if (folder, name) in self.manifests), None)
            if one is not None:
                found[path] = one
        if self.lock.roots is None and "" in found:
            found |= self._members(here, names, found[""])
        return found

    @cached_property
    def own(self) -> frozenset[str]:
        """The names that the project and the members of its workspace provide themselves."""
        return frozenset(name for one in (self.lock, *self.partners.values()) for name in one.locals)

    def _members(self, here: str, names: Collection[str], top: Manifest) -> dict[str, Manifest]:
        """Return the members of the workspace, where only its manifest tells which directories they are in."""
        start = f"{here}/" if here else ""
        found: dict[str, Manifest] = {}
        for (folder, name), one in self.manifests.items():
            path = folder.removeprefix(start)
            inside = name in names and folder.startswith(start) and folder != here and folder not in self.homes
            if inside and any(fnmatchcase(f"{path}/{name}", include.pattern) for include in top.includes):
                found[path] = one
        return found

    def settled(self) -> Manifest:
        """Return the lock file with all that it settles."""
        taken: list[Declared] = []
        roots = list(self.lock.roots or ())
        for path, manifest in self.partners.items():
            root = next((one for one in roots if one.path == path), None)
            kept: list[Declared] = []
            needs: list[Need] = list(root.needs) if root is not None else []
            groups: dict[Need, list[str]] = {}
            for item in manifest.declared:
                entry, need = self._match(item, needs)
                self._compare(item, entry, need)
                if entry is None:
                    kept.append(item)
                    continue
                skip, index = entry.skip or item.skip, entry.index or item.index
                taken.append(replace(item, locked=entry.version, skip=skip, index=index))
                need = need or Need(to=entry.key, group=item.group, requirement=item.requirement)
                groups.setdefault(need, []).append(item.group)
            self.kept.append((manifest, kept))
            both = dict.fromkeys([*needs, *groups])
            roots = [one for one in roots if one.path != path]
            roots.append(Root(path=path, needs=tuple(_regrouped(both, groups))))
        if self.lock.roots is None and not self.partners:
            roots = [Root(needs=tuple(_asked_by_none_else(self.lock.locked)))]
        graph = Graph(self.lock, roots)
        items = [item for one in self.lock.locked for item in self._items(one, graph)]
        return replace(
            self.lock,
            declared=(*taken, *items),
            roots=tuple(roots) if roots else self.lock.roots,
            drift=tuple(self.drift),
        )

    def _match(self, item: Declared, needs: Sequence[Need]) -> tuple[Locked | None, Need | None]:
        """Return the entry that a declaration is settled at, and the edge of the lock file that says so."""
        entries = self.by_package.get(item.package, ())
        if item.group in _UNLOCKED or not entries:
            return None, None
        by_key = {one.key: one for one in entries}
        stated = [need for need in needs if need.to in by_key and item.alias in (need.alias, by_key[need.to].alias)]
        if stated:
            need = next((one for one in stated if one.group == item.group), stated[0])
            return by_key[need.to], need
        fitting = [one for one in entries if _fits(item, one.version)] or entries
        newest = newest_first(item.ecosystem, [one.version for one in fitting])[0]
        return next(one for one in fitting if one.version == newest), None

    def _compare(self, item: Declared, entry: Locked | None, need: Need | None) -> None:
        """Note where the manifest asks for what the lock file does not hold.

        A lock file that states the very same requirement was made from this one, whatever it settled on (overrides).
        """
        if item.skip or item.group in _UNLOCKED:
            return
        if entry is None:
            # Where a marker or an option leaves something out, a lock file need not hold it.
            if item.marker or item.group in ("peer", _OPTIONAL) or item.name in self.own:
                return
        elif (need is not None and need.requirement == item.requirement) or entry.skip or _fits(item, entry.version):
            return
        held = tuple(sorted(one.version for one in self.by_package.get(item.package, ())))
        self.drift.append(
            Drift(
                package=item.package,
                requirement=item.requirement,
                locked=held,
                location=item.location,
                lock=self.lock.path,
            )
        )

    def _items(self, entry: Locked, graph: Graph) -> Iterator[Declared]:
        """Yield what a lock file says of one package, once for each group it belongs to.

        The project itself, and a member of its workspace that nothing depends on, are no dependencies.
        """
        if entry.skip and entry.name in self.lock.locals and entry.key not in graph.origins:
            return
        needs = graph.direct.get(entry.key, ())
        origin = graph.origins.get(entry.key)
        via = graph.entries[origin].name if origin is not None and not needs else ""
        groups = graph.groups.get(entry.key) or entry.groups or (_MAIN,)
        if entry.groups and not needs and self.lock.roots is None:
            groups = entry.groups  # the file knows better than a graph that begins at guesses
        asked = next((need.requirement for need in needs if need.requirement), "")
        for group in groups:
            yield Declared(
                ecosystem=entry.ecosystem,
                name=entry.name,
                requirement=asked if not self.partners else "",
                group=_OPTIONAL if entry.optional and group == _MAIN and not needs else group,
                location=entry.location,
                marker=entry.marker,
                alias=entry.alias or next((need.alias for need in needs if need.alias), ""),
                skip=entry.skip,
                index=entry.index,
                hashed=entry.hashed,
                indirect=not needs and (bool(graph.direct) or bool(self.partners)),
                locked=entry.version,
                via=via,
            )


def _asked_by_none_else(entries: Sequence[Locked]) -> Iterator[Need]:
    """Yield what the project itself must have asked for, where nothing else tells: what no other package needs."""
    if any(one.needs is None for one in entries):
        return
    needed = {need.to for one in entries for need in one.needs or ()}
    for one in entries:
        if one.key not in needed:
            yield from (Need(to=one.key, group=group) for group in one.groups or (_MAIN,))


def _regrouped(needs: Iterable[Need], groups: Mapping[Need, Sequence[str]]) -> Iterator[Need]:
    """Yield the edges of a project in the groups that its manifest has them in; not every lock file tells."""
    for need in needs:
        stated = groups.get(need, ())
        if not stated or need.group in stated:
            yield need
        else:
            yield from (replace(need, group=group) for group in dict.fromkeys(stated))


def _joined(folder: str, path: str) -> str:
    """Return a directory below another one, without dots."""
    parts: list[str] = []
    for part in f"{folder}/{path}".split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return ("/" if folder.startswith("/") else "") + "/".join(parts)


def _fits(item: Declared, version: str) -> bool:
    return not item.requirement or satisfies(item.ecosystem, item.requirement, version, prereleases=True)
