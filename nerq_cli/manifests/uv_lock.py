"""uv.lock: what uv locked, the members of the workspace among it. So the whole graph is in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import PYPI, Locked, Manifest, Need, Root, normalise
from nerq_cli.manifests import origins
from nerq_cli.manifests.dependency_groups import label
from nerq_cli.manifests.origins import Origin, without_credentials
from nerq_cli.manifests.python_locks import Entry, LockFile, Table, any_of, by_name, entries, missing
from nerq_cli.manifests.toml_document import quoted

NAME: Final = "uv.lock"

#: The version of the format that is read; revisions of it stay readable (uv's documentation, "Lockfile versioning").
VERSION: Final = 1
#: Most dependencies that the extras of members take over from other extras, in one file.
MOST_INCLUDED: Final = 100_000
#: What the lock file of a script ends with, after the script's own name.
_OF_SCRIPT: Final = ".py.lock"
#: Where a source's package lies on disk.
_ON_DISK: Final = ("editable", "virtual", "directory", "path")
#: What a requirement's marker says when it is one of an extra's.
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
_REVISION = re.compile(r"[?&](?:rev|tag|branch)=([^&#]*)")


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a uv.lock, or the lock file of a script."""
    return path.name == NAME or path.name.endswith(_OF_SCRIPT)


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - not included
    """Read what uv locked. What is wrong with the file is in ``problems``; nothing is raised."""
    lock = LockFile(text, path)
    graph = _Graph(lock) if _is_known(lock) else None
    locked = tuple(graph.locked()) if graph else ()
    roots = tuple(graph.roots()) if graph else ()
    file = PurePosixPath(path).name
    return Manifest(
        path=path,
        format=NAME,
        locked=locked,
        roots=roots or None,
        locks=(file.removesuffix(".lock"),) if file.endswith(_OF_SCRIPT) else ("pyproject.toml",),
        constraint=constraint,
        locals=tuple(sorted({one.package.name for one in locked if one.skip in (origins.LOCAL, origins.WORKSPACE)})),
        problems=lock.problems,
    )


def _is_known(lock: LockFile) -> bool:
    if lock.problems:
        return False
    version = lock.root.values.get("version")
    if version is None:
        lock.report("no version: this is not a lock file of uv's, or not all of it", hint="lock the project again")
    elif version != VERSION or isinstance(version, bool):
        lock.report(f"version {quoted(str(version))} is not known", "version", hint=f"version {VERSION} is read")
    return not lock.problems


class _Graph:
    """The packages of one file, and what leads from one to another."""

    def __init__(self, lock: LockFile) -> None:
        self.manifest = lock.root.table("manifest")
        self.array = "package" if "package" in lock.root.values else "distribution"  # as uv called it before 0.4
        self.members = {normalise(PYPI, name) for name in self.manifest.strings("members")}
        self.entries = entries(lock, self.array, self._origin, ("source",))
        self.known = by_name(self.entries)
        for at, name in enumerate(self.manifest.strings("members")):
            if normalise(PYPI, name) not in self.known:
                missing(self.manifest, name, "members", at)
        self.edges = {entry.key: self._sections(entry.table) for entry in self.entries}
        self.left = MOST_INCLUDED
        self.asked = self._asked_extras()

    def locked(self) -> Iterator[Locked]:
        """Go through all packages, members of the workspace too."""
        needs = {entry.key: list(self._needs_of(entry)) for entry in self.entries}
        markers = self._markers()
        for entry in self.entries:
            forks = entry.table.strings("resolution-markers")
            artefacts = [*entry.table.tables("wheels"), entry.table.table("sdist")]
            yield entry.locked(
                needs[entry.key],
                marker=any_of(forks or markers.get(entry.key, ("",))),
                hashed=any(artefact.values.get("hash") for artefact in artefacts),
            )

    def roots(self) -> Iterator[Root]:
        """Go through the project and the members of its workspace, and what there is to install without a project."""
        for entry in self.entries:
            if entry.origin.skip == origins.WORKSPACE:
                needs = tuple(dict.fromkeys(self._asked_by(entry)))
                yield Root(path=_directory(entry.table.table("source")), name=entry.name, needs=needs)
        needs = tuple(dict.fromkeys(self._asked_by_none()))
        if needs:
            yield Root(needs=needs)

    def _origin(self, table: Table) -> Origin:
        source = table.table("source")
        registry, git, url = (source.text(key) for key in ("registry", "git", "url"))
        if registry:
            return Origin(index=without_credentials(registry)) if "://" in registry else Origin(skip=origins.LOCAL)
        if git:
            return Origin(skip=_of_repository(git))
        if url:
            return Origin(skip=origins.of_url(url))
        if any(key in source.values for key in _ON_DISK):
            return Origin(skip=origins.WORKSPACE if self._is_member(table, source) else origins.LOCAL)
        source.problem(f"{quoted(table.text('name'))} has no source known here")
        return Origin(skip="a source this file does not tell")

    def _is_member(self, table: Table, source: Table) -> bool:
        """Say whether a directory is a member's. Without a workspace the only one is the file's own."""
        if "path" in source.values:
            return False
        return normalise(PYPI, table.text("name")) in self.members if self.members else not _directory(source)

    def _sections(self, table: Table) -> dict[str, list[Table]]:
        """Return a package's edges, by the group they belong to."""
        extras, groups = table.table("optional-dependencies"), table.table("dev-dependencies")
        return {
            "main": table.tables("dependencies"),
            **{f"extra:{normalise(PYPI, extra)}": extras.tables(extra) for extra in extras.values},
            **{label(normalise(PYPI, group)): groups.tables(group) for group in groups.values},
        }

    def _asked_extras(self) -> Mapping[str, set[str]]:
        """Return the extras of each package that any edge asks for."""
        asked: dict[str, set[str]] = {}
        for sections in self.edges.values():
            for edge in (edge for section in sections.values() for edge in section):
                for extra in edge.strings("extra"):
                    for target in self._targets(edge):
                        asked.setdefault(target.key, set()).add(f"extra:{normalise(PYPI, extra)}")
        return asked

    def _needs_of(self, entry: Entry) -> Iterator[Need]:
        """Return what a package leads to by itself, and with the extras that are asked of it."""
        sections = self.edges[entry.key]
        for group in ("main", *sorted(self.asked.get(entry.key, ()))):
            for edge in sections.get(group, ()):
                yield from (Need(to=target.key) for target in self._found(edge))

    def _asked_by(self, member: Entry) -> Iterator[Need]:
        """Return what a member declares, group by group."""
        ranges = _ranges(member.table.table("metadata"))
        for group in self.edges[member.key]:
            for edge in self._spread(member, group):
                stated = ranges.get((group, normalise(PYPI, edge.text("name"))), "")
                yield from (Need(to=one.key, group=group, requirement=stated) for one in self._found(edge))

    def _spread(self, member: Entry, group: str) -> list[Table]:
        """Return the edges of a group, and of those extras of the member's own that it asks for."""
        sections = self.edges[member.key]
        own = normalise(PYPI, member.name)
        found: list[Table] = []
        seen, order = {group}, [group]
        for section in order:  # grows while it is gone through
            for edge in sections.get(section, ()):
                if normalise(PYPI, edge.text("name")) != own:
                    found.append(edge)
                    continue
                for extra in (f"extra:{normalise(PYPI, extra)}" for extra in edge.strings("extra")):
                    if extra not in seen and self._may_include(edge, len(sections.get(extra, ()))):
                        seen.add(extra)
                        order.append(extra)
        return found

    def _may_include(self, edge: Table, edges: int) -> bool:
        """Keep count of what extras take over from one another: it grows with the square of their number."""
        before = self.left
        self.left -= edges + 1
        if before >= 0 > self.left:
            edge.problem(f"extras include more than {MOST_INCLUDED:,} dependencies of others: the rest is not read")
        return self.left >= 0

    def _asked_by_none(self) -> Iterator[Need]:
        """Return what a script asks for, or a workspace whose root is no project."""
        groups = self.manifest.table("dependency-groups")
        sections = [("main", self.manifest.tables("requirements"))]
        sections += [(label(normalise(PYPI, group)), groups.tables(group)) for group in groups.values]
        for group, requirements in sections:
            for one in requirements:
                stated = one.text("specifier")
                for target in self._found(one, optional="marker" in one.values):
                    yield Need(to=target.key, group=group, requirement=stated)

    def _markers(self) -> Mapping[str, Iterable[str]]:
        """Return the markers of all edges that lead to each package; an edge without one is an empty one."""
        markers: dict[str, dict[str, None]] = {}
        for sections in self.edges.values():
            for edge in (edge for section in sections.values() for edge in section):
                for target in self._targets(edge):
                    markers.setdefault(target.key, {})[edge.text("marker")] = None
        return markers

    def _found(self, edge: Table, *, optional: bool = False) -> Sequence[Entry]:
        targets = self._targets(edge)
        if not targets and not optional:
            missing(edge, edge.text("name"))
        return targets

    def _targets(self, edge: Table) -> Sequence[Entry]:
        """Return the entry an edge leads to: version and source are given where the name is not enough."""
        candidates = self.known.get(normalise(PYPI, edge.text("name")), ())
        if len(candidates) <= 1:
            return candidates
        told = [key for key in ("version", "source") if key in edge.values]
        return [one for one in candidates if all(one.table.values.get(key) == edge.values[key] for key in told)]


def _ranges(metadata: Table) -> Mapping[tuple[str, str], str]:
    """Return which versions a member asks for, by group and package."""
    ranges: dict[tuple[str, str], dict[str, None]] = {}
    groups = metadata.table("requires-dev")
    sections = [("", metadata.tables("requires-dist"))]
    sections += [(label(normalise(PYPI, group)), groups.tables(group)) for group in groups.values]
    for section, requirements in sections:
        for one in requirements:
            extras = [f"extra:{normalise(PYPI, extra)}" for extra in _EXTRA.findall(one.text("marker"))]
            for group in [section] if section else extras or ["main"]:
                ranges.setdefault((group, normalise(PYPI, one.text("name"))), {})[one.text("specifier")] = None
    return {key: "" if "" in stated else " || ".join(stated) for key, stated in ranges.items()}


def _directory(source: Table) -> str:
    """Return the directory of a source, relative to that of the file; empty when it is the same."""
    stated = next((source.text(key) for key in _ON_DISK if key in source.values), "")
    path = PurePosixPath(stated.replace("\\", "/")).as_posix()
    return "" if path == "." else path


def _of_repository(git: str) -> str:
    address, _, commit = git.partition("#")
    asked = _REVISION.search(address)
    return origins.of_repository(address.partition("?")[0], commit or (asked[1] if asked else ""))
