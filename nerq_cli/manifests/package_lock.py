"""package-lock.json and npm-shrinkwrap.json: what npm installs, folder by folder.

Versions 2 and 3 map every folder to its package (``packages``); version 1 nests the packages as the folders are
(``dependencies``), and so does version 2 once more, which is not read. The format is that of npm's documentation of
package-lock.json; what is found from where is as Node does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import NPM, Location, Locked, Manifest, Need, Root
from nerq_cli.manifests.json_document import DEEPEST, NotJsonError
from nerq_cli.manifests.json_walk import Problems, Walk, quoted
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

NAME: Final = "package-lock.json"
#: The file names it goes by; the second one is for packages that publish it.
_FILES: Final = (NAME, "npm-shrinkwrap.json")

#: Versions of the format with ``packages``, and without.
_FLAT: Final = (2, 3)
_NESTED: Final = 1
_FOLDER: Final = "node_modules/"
#: A path from the root of a file system, be it of Windows, or one that only Windows understands.
_FOREIGN = re.compile(r"/|[^\\:]*[\\:]")
#: Names of missing packages that fit into a note.
_NAMED: Final = 5
_ANEW: Final = "npm install --package-lock-only writes it anew"
_UNSTATED: Final = Origin()


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a lock file of npm; the copy that npm keeps in node_modules is not."""
    return path.name in _FILES


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - all take it
    """Read what a lock file of npm holds. What is wrong with it is in ``problems``; nothing is raised.

    Keys are the paths of folders, as versions 2 and 3 of the format write them. A version 1 file has no ``roots``.
    """
    reading = _Reading(text.removeprefix("\ufeff"), path)
    reading.go_through()
    locked = tuple(reading.locked())
    roots = reading.roots
    return Manifest(
        path=path,
        format=NAME,
        locked=locked,
        roots=roots,
        locks=tuple((PurePosixPath(root.path) / "package.json").as_posix() for root in roots or (Root(),)),
        constraint=constraint,
        locals=tuple(sorted({reading.own_name, *(root.name for root in roots or ())} - {""})),
        problems=reading.problems.listed(),
        notes=tuple(reading.notes()),
    )


@dataclass(slots=True)
class _Entry:
    """One folder: what is in it as version 3 writes it, and where in the file that stands, from here to there.

    ``known_as`` is what it is called in the node_modules of its ``owner``; empty for a folder that is in none.
    """

    place: str
    fields: Mapping[str, object]
    at: int
    end: int
    owner: str = field(init=False)
    known_as: str = field(init=False)
    package: str = field(init=False)

    def __post_init__(self) -> None:
        self.owner, self.known_as = _split(self.place)
        stated = self.fields.get("name")
        usable = isinstance(stated, str) and stated and stated.isprintable()
        self.package = str(stated) if usable else self.known_as or _last_of(self.place)

    def has(self, flag: str) -> bool:
        """Whether the entry is marked as this."""
        return self.fields.get(flag) is True

    @property
    def is_ours(self) -> bool:
        """Whether this folder is in the project, and not in another one beside it."""
        place = self.place
        return not (".." in place and ".." in place.split("/")) and not _FOREIGN.match(place)


class _Reading:
    """One lock file, and what was found in it and wrong with it so far."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.problems = Problems(path, text)
        self.own_name = ""
        self._header: dict[str, tuple[object, int]] = {}
        self._entries: dict[str, _Entry] = {}
        self._nested = False
        self._folders = Folders()
        self._unfound: dict[str, str] = {}
        self._edges: dict[str, tuple[Need, ...] | None] = {}
        self.roots: tuple[Root, ...] | None = None

    # --- From the text to entries

    def go_through(self) -> None:
        """Read the text, find all entries, and tell what lies where."""
        walk = Walk(self.text)
        try:
            self._document(walk)
        except NotJsonError as error:
            self.problems.add(f"not valid JSON: {error}", error.at, hint=error.hint)
            self._entries.clear()
        for key, at in walk.repeated:
            self.problems.add(f"{quoted(key)} stands here twice", at, hint=_ANEW)
        for entry in self._entries.values():
            self._settle(entry)
        self.roots = self._roots()
        self._edges = {entry.place: self._edges_of(entry) for entry in self._packages()}

    def _document(self, walk: Walk) -> None:
        if not walk.in_object:
            walk.skip()
            walk.finish()
            self.problems.add("a lock file of npm is an object", 0)
            return
        sections: dict[str, tuple[int, int]] = {}
        for key, at in walk.members():
            if key in {"packages", "dependencies"}:
                sections[key] = (at, walk.at)
            if key == "packages" and walk.in_object:
                self._flat(walk)
            elif key in {"packages", "dependencies"}:
                walk.skip()
            else:
                self._header[key] = (walk.take(), at)
        walk.finish()
        self._name(self._header.get("name", ("", 0))[0])
        self._by_version(walk, sections)

    def _by_version(self, walk: Walk, sections: Mapping[str, tuple[int, int]]) -> None:
        """Make sure that the entries are where this version of the format has them."""
        version, at = self._header.get("lockfileVersion", (None, 0))
        if is_one_of(version, _FLAT):
            key_at, value_at = sections.get("packages", (at, -1))
            if value_at < 0 or not self.text.startswith("{", value_at):
                self.problems.add("a lock file of this version needs an object called packages", key_at, hint=_ANEW)
            elif "" not in self._entries:
                self.problems.add("the project itself is missing from packages", key_at, hint=_ANEW)
            return
        self._entries.clear()
        key_at, value_at = sections.get("dependencies", (at, -1))
        if is_one_of(version, (_NESTED,)) or (version is None and value_at >= 0):
            self._nested = True
            self._walk_nested(walk, key_at, value_at)
        elif version is None:
            self.problems.add("no lockfileVersion: this is not a lock file of npm", at)
        else:
            shown = f"{version:g}" if isinstance(version, float) else "that is no number"
            hint = "versions 1, 2 and 3 are read: npm install --package-lock-only --lockfile-version 3"
            self.problems.add(f"unknown lockfileVersion {shown}", at, hint=hint)

    def _flat(self, walk: Walk) -> None:
        for place, at in walk.members():
            fields = walk.take()
            if not isinstance(fields, dict):
                self.problems.add(f"{quoted(place)} must be an object", at, hint=_ANEW)
            elif len(place) > LONGEST_PLACE or not place.isprintable():
                self.problems.add(f"{quoted(place)} cannot be the path of a folder", at, hint=_ANEW)
            else:
                self._entries[place] = _Entry(place, fields, at, walk.at)

    def _walk_nested(self, walk: Walk, at: int, value_at: int) -> None:
        walk.at = value_at
        if value_at < 0:
            return
        if walk.in_object:
            found = sorted(self._nested_in(walk, ""), key=lambda entry: entry.at)
            self._entries.update((entry.place, entry) for entry in found)
        else:
            self.problems.add("dependencies must be an object", at, hint=_ANEW)

    def _nested_in(self, walk: Walk, owner: str) -> Iterator[_Entry]:
        """Yield the entries of a version 1 file below a folder."""
        for name, at in walk.members():
            place = f"{owner}{_FOLDER}{name}"
            if len(place) > LONGEST_PLACE or place.count(_FOLDER) > DEEPEST // 2:
                raise NotJsonError(f"nested more than {DEEPEST} levels deep", at)
            if not walk.in_object:
                walk.skip()
                self.problems.add(f"{quoted(name)} must be an object", at, hint=_ANEW)
                continue
            fields: dict[str, object] = {}
            for key, _ in walk.members():
                if key == "dependencies" and walk.in_object:
                    yield from self._nested_in(walk, f"{place}/")
                else:
                    fields[key] = walk.take()
            yield _Entry(place, _as_flat(fields), at, walk.at)

    def _name(self, name: object) -> None:
        if isinstance(name, str) and name.isprintable():
            self.own_name = name

    # --- From entries to packages

    def _settle(self, entry: _Entry) -> None:
        """Note under which name a folder is found by others, and what they get there."""
        target: _Entry | None = entry
        if entry.has("link"):
            target = self._entries.get(str(entry.fields.get("resolved", "")))
            if target is None or target.known_as or not target.place:
                self.problems.add(f"the link {quoted(entry.place)} leads to no entry", entry.at, hint=_ANEW)
                return
        if entry.known_as and target is not None:
            self._folders.put(entry.owner, entry.known_as, target.place, target.package)

    def _roots(self) -> tuple[Root, ...] | None:
        """Return the project and its members; None where the file does not tell what they ask for."""
        if self._nested or "" not in self._entries:
            return None
        return tuple(
            Root(
                path=entry.place,
                name=entry.package if entry.place else self.own_name or entry.package,
                needs=self._needs(entry, entry.fields),
            )
            for entry in self._entries.values()
            if not entry.known_as and entry.is_ours
        )

    def locked(self) -> Iterator[Locked]:
        """Go through the packages in the order of the file."""
        root = self._entries.get("")
        here = LOCAL if root is None or "workspaces" not in root.fields else WORKSPACE
        for entry in self._packages():
            one = self._locked(entry, here)
            if one is not None:
                yield one

    def _packages(self) -> Iterator[_Entry]:
        return (entry for entry in self._entries.values() if entry.place and not entry.has("link"))

    def _locked(self, entry: _Entry, here: str) -> Locked | None:
        version = entry.fields.get("version")
        origin = self._origin(entry, here)
        wrong = _wrong_with(entry, origin)
        if wrong:
            self.problems.add(wrong, entry.at, hint=_ANEW)
            return None
        return Locked(
            key=entry.place,
            ecosystem=NPM,
            name=entry.package,
            version=str(version or ""),
            location=Location(path=self.path, line=self.problems.lines.number(entry.at)),
            needs=self._edges[entry.place],
            groups=_groups(entry),
            optional=entry.has("optional") or entry.has("devOptional"),
            marker="bundled" if entry.has("inBundle") else "",
            alias=entry.known_as if entry.known_as != entry.package else "",
            skip=origin.skip,
            index=origin.index,
            hashed=bool(entry.fields.get("integrity")),
        )

    def _origin(self, entry: _Entry, here: str) -> Origin:
        if not entry.known_as:
            return Origin(skip=here if entry.is_ours else LOCAL)
        resolved = entry.fields.get("resolved")
        if not isinstance(resolved, str) or not resolved:
            return _UNSTATED
        version = entry.fields.get("version")
        as_asked = (self._nested and version is None) or entry.place in self._folders.from_elsewhere
        return came_from(resolved, entry.package, str(version or ""), as_asked=as_asked)

    def _edges_of(self, entry: _Entry) -> tuple[Need, ...] | None:
        """Return what a package needs when it is installed; None where the file never says so, as before npm 5."""
        if self._nested and "requires" not in self._header:
            return None
        fields = entry.fields
        needs = self._needs(entry, {**fields, "devDependencies": None} if "devDependencies" in fields else fields)
        if not self._nested or entry.has("optional"):
            return needs
        # Version 1 does not tell which edges are optional: those are that lead to what an installation may go without.
        optional = {need.to for need in needs if self._entries[need.to].has("optional")}
        return tuple(replace(need, group="optional") if need.to in optional else need for need in needs)

    def _needs(self, entry: _Entry, fields: Mapping[str, object]) -> tuple[Need, ...]:
        asked = sections(fields, lambda message: self.problems.add(message, entry.at, hint=_ANEW))
        needs, missing = self._folders.needs(entry.place, asked)
        for name in missing if _is_whole(entry) else ():
            if self._nested:
                self._unfound.setdefault(name, entry.known_as)
            else:
                message, hint = unfound(name)
                self.problems.add(message, self._place_of(name, entry), hint=hint)
        return needs

    def _place_of(self, name: str, entry: _Entry) -> int:
        found = re.compile(rf'"{re.escape(name)}"\s*:').search(self.text, entry.at, entry.end)
        return entry.at if found is None else found.start()

    def notes(self) -> Iterator[str]:
        """Say what a version 1 file lacks: it does not tell whether it may, as npm 6 left out optional packages."""
        if self._unfound:
            named = [f"{quoted(name)} (needed by {by})" for name, by in list(self._unfound.items())[:_NAMED]]
            more = f" and {len(self._unfound) - _NAMED} more" if len(self._unfound) > _NAMED else ""
            yield f"needed and not in this file, as npm 6 leaves out what is optional: {', '.join(named)}{more}"


def _split(place: str) -> tuple[str, str]:
    """Split the path of a folder into whose node_modules it lies in, and its name there; no name: it does not."""
    head, found, name = place.rpartition(_FOLDER)
    return (head.removesuffix("/"), name) if found and (not head or head.endswith("/")) else (place, "")


def _last_of(place: str) -> str:
    """Return the name of a folder, with its scope: what a package is called that does not say so."""
    above, _, name = place.rpartition("/")
    scope = above.rpartition("/")[2]
    return f"{scope}/{name}" if scope.startswith("@") else name


def _wrong_with(entry: _Entry, origin: Origin) -> str:
    """Return why this cannot be an entry; empty when it can."""
    wrong = wrong_with(entry.known_as) or wrong_with(entry.package) if entry.known_as else ""
    if wrong:
        return f"{quoted(entry.package)} is no package name: {wrong}"
    version = entry.fields.get("version")
    if is_version(version) or (version is None and origin.skip):
        return ""
    return f"{quoted(entry.package)} has {'no version' if version is None else 'no version that can be one'}"


def _is_whole(entry: _Entry) -> bool:
    """Whether everything an entry needs has to be in the file.

    It need not for a folder outside of the project, which is installed by itself; for what is bundled, whose author
    knew what to leave out; and for what nothing leads to any more.
    """
    return entry.is_ours and not entry.has("inBundle") and not entry.has("extraneous")


def _groups(entry: _Entry) -> tuple[str, ...]:
    """Return what a package is for. One that is marked as optional or peer as well is that for development alone."""
    if entry.has("extraneous") or not entry.known_as:
        return ()
    if entry.has("devOptional"):
        return ("dev", "optional")
    for group in ("dev", "optional", "peer"):
        if entry.has(group):
            return (group,)
    return ("main",)


def _as_flat(fields: Mapping[str, object]) -> dict[str, object]:
    """Return an entry of version 1 in the terms of version 3.

    Its ``version`` may be an alias (``npm:real@1.0.0``), or the address of what is not in the registry.
    """
    flat = {"dependencies": fields.get("requires"), "inBundle": fields.get("bundled")}
    flat |= {key: fields.get(key) for key in ("resolved", "integrity", "dev", "optional", "version")}
    version = fields.get("version")
    if isinstance(version, str) and version.startswith("npm:"):
        flat["name"], _, flat["version"] = version.removeprefix("npm:").rpartition("@")
    elif isinstance(version, str) and not is_version(version) and elsewhere("", version):
        flat["resolved"], flat["version"] = version, None
    return flat
