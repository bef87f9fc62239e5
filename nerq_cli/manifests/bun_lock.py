"""bun.lock: what Bun installs, in JSON with comments and a comma after every item.

``packages`` maps each package's place to an array: what it is, where from, what it needs, its hash. A place is a path
of names: ``a/b`` is the b that a finds. ``workspaces`` are the project and its members. Versions 0, 1 and 2 differ
for neither (oven-sh/bun, ``src/install/lockfile/bun.lock.rs``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import NPM, Location, Locked, Manifest, Need, Root
from nerq_cli.manifests.json_document import NotJsonError
from nerq_cli.manifests.json_walk import Problems, Walk, plain, quoted
from nerq_cli.manifests.node_modules import (
    LONGEST_PLACE,
    Folders,
    came_from,
    elsewhere,
    is_one_of,
    is_version,
    sections,
    unfound,
)
from nerq_cli.manifests.npm_spec import wrong_with
from nerq_cli.manifests.origins import LOCAL, WORKSPACE, Origin

NAME: Final = "bun.lock"

_VERSIONS: Final = (0, 1, 2)
#: What stands for a version where a package is not from the registry, and why it is never looked up.
_HERE: Final[Mapping[str, str]] = {"workspace:": WORKSPACE, "root:": WORKSPACE, "link:": LOCAL, "file:": LOCAL}
_HASH = re.compile(r"sha\d+-[A-Za-z0-9+/=]+")
#: Stands for a section that was gone through already.
_READ: Final = object()
_ANEW: Final = "bun install --lockfile-only writes it anew"


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a bun.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - all take it
    """Read what a bun.lock holds. What is wrong with it is in ``problems``; nothing is raised."""
    reading = _Reading(text.removeprefix("\ufeff"), path)
    reading.go_through()
    locked = tuple(reading.locked())
    roots = reading.roots()
    return Manifest(
        path=path,
        format=NAME,
        locked=locked,
        roots=roots,
        locks=tuple((PurePosixPath(root.path) / "package.json").as_posix() for root in roots or (Root(),)),
        constraint=constraint,
        locals=tuple(sorted({root.name for root in roots or ()} - {""})),
        problems=reading.problems.listed(),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One package: the name and what stands for its version, the rest of its array, and where it stands."""

    name: str
    version: str
    rest: tuple[object, ...]
    at: int
    end: int

    @property
    def info(self) -> Mapping[str, object]:
        """What it says about what it needs, and where it runs."""
        return next((item for item in self.rest if isinstance(item, dict)), {})


@dataclass(frozen=True, slots=True)
class _Member:
    """The project or a member of its workspace, and where it stands."""

    fields: Mapping[str, object]
    at: int
    end: int

    @property
    def name(self) -> str:
        """What it is called; empty when it has no name."""
        name = self.fields.get("name")
        return name if isinstance(name, str) and name.isprintable() else ""


class _Reading:
    """One lock file, and what was found in it and wrong with it so far."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.problems = Problems(path, text)
        self._header: dict[str, tuple[object, int]] = {}
        self._members: dict[str, _Member] = {}
        self._entries: dict[str, _Entry] = {}
        self._folders = Folders()

    # --- From the text to entries

    def go_through(self) -> None:
        """Read the text, find all entries, and tell what lies where."""
        walk = Walk(plain(self.text))
        try:
            self._document(walk)
        except NotJsonError as error:
            self.problems.add(f"not valid JSON: {error}", error.at, hint=error.hint)
            self._forget()
        for key, at in walk.repeated:
            self.problems.add(f"{quoted(key)} stands here twice", at, hint=_ANEW)
        self._folders = Folders(self._catalogs())
        for place, entry in self._entries.items():
            owner, name = _split(place)
            self._folders.put(owner, name, place, entry.name)

    def _forget(self) -> None:
        self._entries.clear()
        self._members.clear()

    def _document(self, walk: Walk) -> None:
        if not walk.in_object:
            walk.skip()
            walk.finish()
            self.problems.add("a lock file of Bun is an object", 0)
            return
        readers = {"workspaces": self._take_member, "packages": self._take_entry}
        for key, at in walk.members():
            if key in readers and walk.in_object:
                self._header[key] = (_READ, at)
                for place, place_at in walk.members():
                    readers[key](place, walk, place_at)
            else:
                self._header[key] = (walk.take(), at)
        walk.finish()
        self._check()

    def _check(self) -> None:
        version, at = self._header.get("lockfileVersion", (None, 0))
        if version is None:
            self.problems.add("no lockfileVersion: this is not a lock file of Bun", at)
            self._forget()
        elif not is_one_of(version, _VERSIONS):
            shown = f"{version:g}" if isinstance(version, float) else "that is no number"
            self.problems.add(f"unknown lockfileVersion {shown}", at, hint="versions 0, 1 and 2 are read")
            self._forget()
        else:
            for key in ("workspaces", "packages"):
                stated, key_at = self._header.get(key, (None, at))
                if stated is not _READ:
                    self.problems.add(f"a lock file of Bun has an object called {key}", key_at, hint=_ANEW)
            if "" not in self._members and self._header.get("workspaces", (None, 0))[0] is _READ:
                self.problems.add("the project itself is missing", self._header["workspaces"][1], hint=_ANEW)

    def _take_member(self, place: str, walk: Walk, at: int) -> None:
        fields = walk.take()
        if not isinstance(fields, dict):
            self.problems.add(f"{quoted(place)} must be an object", at, hint=_ANEW)
        elif not _is_inside(place):
            self.problems.add(f"{quoted(place)} is no folder of this project", at, hint=_ANEW)
        else:
            self._members[place] = _Member(fields, at, walk.at)

    def _take_entry(self, place: str, walk: Walk, at: int) -> None:
        items = walk.take()
        if not isinstance(items, list) or not items or not isinstance(items[0], str):
            self.problems.add(f"{quoted(place)} must be an array that begins with name@version", at, hint=_ANEW)
        elif len(place) > LONGEST_PLACE or not place.isprintable() or not place:
            self.problems.add(f"{quoted(place)} cannot be the place of a package", at, hint=_ANEW)
        else:
            name, version = _split_at(items[0])
            self._entries[place] = _Entry(name, version, tuple(items[1:]), at, walk.at)

    def _catalogs(self) -> dict[str, dict[str, str]]:
        named = self._header.get("catalogs", ({}, 0))[0]
        catalogs = dict(named) if isinstance(named, dict) else {}
        catalogs["default"] = self._header.get("catalog", ({}, 0))[0]
        return {
            name: {one: text for one, text in listed.items() if isinstance(text, str)}
            for name, listed in catalogs.items()
            if isinstance(listed, dict)
        }

    # --- From entries to packages

    def roots(self) -> tuple[Root, ...] | None:
        """Return the project and its members; None where the file has none."""
        found = [
            Root(path=place, name=member.name, needs=self._needs(member.name if place else "", member.fields, member))
            for place, member in self._members.items()
        ]
        return tuple(found) or None

    def locked(self) -> Iterator[Locked]:
        """Go through the packages in the order of the file."""
        for place, entry in self._entries.items():
            origin = self._origin(entry)
            wrong = _wrong_with(entry, origin)
            if wrong:
                self.problems.add(wrong, entry.at, hint=_ANEW)
            else:
                yield self._locked(place, entry, origin)

    def _locked(self, place: str, entry: _Entry, origin: Origin) -> Locked:
        known_as = _split(place)[1]
        member = self._members.get(entry.version.partition(":")[2]) if origin.skip == WORKSPACE else None
        fields = entry.info if member is None else member.fields
        version = fields.get("version") if origin.skip else entry.version
        return Locked(
            key=place,
            ecosystem=NPM,
            name=entry.name,
            version=version if is_version(version) else "",
            location=Location(path=self.path, line=self.problems.lines.number(entry.at)),
            needs=self._needs(place, {**fields, "devDependencies": None}, entry),
            optional="os" in entry.info or "cpu" in entry.info,
            marker="bundled" if entry.info.get("bundled") is True else "",
            alias=known_as if known_as != entry.name else "",
            skip=origin.skip,
            index=origin.index,
            hashed=any(isinstance(item, str) and _HASH.fullmatch(item) for item in entry.rest[1:]),
        )

    def _origin(self, entry: _Entry) -> Origin:
        for beginning, reason in _HERE.items():
            if entry.version.startswith(beginning):
                return Origin(skip=reason)
        if not is_version(entry.version):
            return Origin(skip=elsewhere(entry.name, entry.version))
        address = entry.rest[0] if entry.rest else ""
        if not isinstance(address, str) or not address:  # that is the default one
            return Origin()
        return came_from(address, entry.name, entry.version, as_asked=False)

    def _needs(self, place: str, fields: Mapping[str, object], where: _Entry | _Member) -> tuple[Need, ...]:
        asked = sections(fields, lambda message: self.problems.add(message, where.at, hint=_ANEW))
        needs, missing = self._folders.needs(place, asked)
        for name in missing if fields.get("bundled") is not True else ():
            message, hint = unfound(name)
            found = re.compile(rf'"{re.escape(name)}"\s*:').search(self.text, where.at, where.end)
            self.problems.add(message, where.at if found is None else found.start(), hint=hint)
        return needs


def _wrong_with(entry: _Entry, origin: Origin) -> str:
    """Return why this cannot be an entry; empty when it can."""
    ours = origin.skip == WORKSPACE and entry.name.isprintable()
    wrong = "" if ours else wrong_with(entry.name)
    if wrong:
        return f"{quoted(entry.name)} is no package name: {wrong}"
    return "" if origin.skip or is_version(entry.version) else f"{quoted(entry.name)} has no version that can be one"


def _split_at(what: str) -> tuple[str, str]:
    """Split ``name@version``; the name may begin with an at sign itself."""
    at = what.find("@", 1)
    return (what, "") if at < 0 else (what[:at], what[at + 1 :])


def _split(place: str) -> tuple[str, str]:
    """Split the place of a package into that of its owner and its name there, which may have a scope."""
    owner, _, name = place.rpartition("/")
    above, _, scope = owner.rpartition("/")
    return (above, f"{scope}/{name}") if scope.startswith("@") else (owner, name)


def _is_inside(place: str) -> bool:
    """Whether a folder is one of the project's own."""
    parts = place.split("/")
    return ".." not in parts and not place.startswith("/") and place.isprintable() and not set(place) & set("\\:")
