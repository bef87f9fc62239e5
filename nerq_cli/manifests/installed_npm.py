"""A ``node_modules`` directory: every package in it by its package.json, however npm, Yarn or pnpm laid it out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import NPM, Location, Locked, Manifest, Need, Root
from nerq_cli.manifests.npm_spec import wrong_with
from nerq_cli.manifests.opening import CannotReadError, contents
from nerq_cli.manifests.origins import LOCAL, WORKSPACE, of_url, without_credentials
from nerq_cli.manifests.package_json import GROUPS

#: Why a package that is marked private is not asked about: registries refuse such.
PRIVATE: Final = "marked private: on no registry"
#: Most packages read from one directory.
MOST: Final = 100_000

_FILE: Final = "package.json"
_FOLDER: Final = "node_modules"
_STORE: Final = ".pnpm"
_HIDDEN_LOCK: Final = ".package-lock.json"
_VERSION: Final = re.compile(r"[vV=]?\d[0-9A-Za-z.+-]{0,199}", re.ASCII)
#: pnpm's name for a package's directory: the registry's have a version after the name.
_STORED: Final = re.compile(r"@?[^@]+@\d[^/]*")
_TARBALL: Final = re.compile(r"(https?://.+?)/(?:@[^/]+(?:/|%2[fF]))?[^/]+/-/[^/]+\.tgz(?:[?#].*)?")
#: The groups whose edges may lead nowhere.
_LOOSE: Final = frozenset({"optional", "peer", "dev"})
_FEW: Final = 5


@dataclass(frozen=True, slots=True)
class _Installed:
    """One package: where it really lies, its place below the directory, and what its package.json says."""

    real: str
    key: str
    called: str
    document: Mapping[str, Any]
    skip: str


def read(path: Path, format_: str) -> Manifest:
    """Read the packages in a ``node_modules`` directory and in those below it."""
    reading = _Reading(path)
    reading.go_through()
    return reading.result(format_)


class _Reading:
    """One tree of packages while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.top = os.path.realpath(path)
        self.home = _above(self.top)
        self.found: dict[str, _Installed] = {}
        self.links: dict[str, dict[str, str]] = {}
        self.problems: list[Problem] = []
        self.locals: set[str] = set()
        self.lock = _hidden_lock(path)

    def go_through(self) -> None:
        """Read every package once, wherever links lead to it from."""
        waiting = [self.top]
        while waiting:
            folder = waiting.pop()
            at = os.path.realpath(folder)
            if at != self.top and not self._is_inside(at):
                continue
            listed = self.links.get(at)
            if listed is None:
                listed = self.links[at] = {}
                waiting.extend(self._read_folder(at, listed))
                waiting.extend(_stored(at))
            self.links[folder] = listed
            if len(self.found) >= MOST:
                self._report(folder, f"more than {MOST:,} packages: the rest is not read")
                return

    def _read_folder(self, folder: str, listed: dict[str, str]) -> Iterator[str]:
        """Read the packages in one directory; go through the directories where theirs may be."""
        for name, real in _entries(folder):
            listed[name] = real
            if real not in self.found:
                self._take(name, real, _in(folder, name))
                if self._is_inside(real):
                    yield _in(real, _FOLDER)

    def result(self, format_: str) -> Manifest:
        """Return what was read."""
        missing: dict[str, str] = {}
        listed = [one for one in self.found.values() if one.document]
        locked = tuple(self._locked(one, missing) for one in sorted(listed, key=lambda one: one.key))
        return Manifest(
            path=_shown(self.path.as_posix()),
            format=format_,
            locked=locked,
            roots=self._roots(),
            locals=tuple(sorted(self.locals)),
            problems=tuple(sorted(self.problems)),
            notes=tuple(_about_missing(missing)),
        )

    def _take(self, name: str, real: str, place: str) -> None:
        """Read one package. A link out of the directory leads to a member of the workspace, or away from it."""
        if not self._is_inside(real):
            member = real.startswith(self.home + os.sep)
            document, wrong = _document(Path(_in(real, _FILE))) if member else ({}, "")
            stated = document if not wrong and not self._wrong_with(document) else {"name": name, "version": ""}
            key = f"{_FOLDER}/{os.path.relpath(place, self.top)}".replace(os.sep, "/")
            self.locals |= {name, stated["name"]}
            self.found[real] = _Installed(real, key, name, stated, WORKSPACE if member else LOCAL)
            return
        key = f"{_FOLDER}/{os.path.relpath(real, self.top)}".replace(os.sep, "/")
        document, wrong = _document(Path(real) / _FILE)
        wrong = wrong or self._wrong_with(document)
        if wrong:
            self._report(_in(real, _FILE), wrong)
        self.found[real] = _Installed(real, key, name, {} if wrong else document, self._skip(key, document))

    def _wrong_with(self, document: Mapping[str, Any]) -> str:
        name, version = document.get("name"), document.get("version")
        if not isinstance(name, str) or wrong_with(name):
            return f"no package: its name is {str(name)[:60]!r}"
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            return f"no version: {str(version)[:60]!r}"
        return ""

    def _skip(self, key: str, document: Mapping[str, Any]) -> str:
        """Return why a package came from no registry."""
        resolved = self.lock.get(key, {}).get("resolved")
        if isinstance(resolved, str) and resolved and not _TARBALL.fullmatch(resolved):
            return of_url(resolved)
        parts = key.split("/")
        if _STORE in parts[1:-1]:
            stored = parts[parts.index(_STORE) + 1]
            if not _STORED.fullmatch(stored):
                return LOCAL if "file+" in stored else "not from the npm registry"
        return PRIVATE if document.get("private") is True else ""

    def _locked(self, one: _Installed, missing: dict[str, str]) -> Locked:
        name, version = one.document["name"], one.document["version"]
        entry = self.lock.get(one.key, {})
        resolved = entry.get("resolved")
        tarball = _TARBALL.fullmatch(resolved) if isinstance(resolved, str) else None
        file = one.key.removeprefix(f"{_FOLDER}/")
        return Locked(
            key=one.key,
            ecosystem=NPM,
            name=name,
            version=version.lstrip("vV="),
            location=Location(path=_shown((self.path / file / _FILE).as_posix()), line=1),
            needs=() if one.skip == WORKSPACE else tuple(self._needs(one.real, one.document, name, missing)),
            groups=("dev",) if entry.get("dev") is True else (),
            optional=entry.get("optional") is True,
            alias=one.called if one.called != name else "",
            skip=one.skip,
            index=without_credentials(tarball[1]) if tarball else "",
            hashed=isinstance(entry.get("integrity"), str),
        )

    def _needs(self, real: str, document: Mapping[str, Any], asking: str, missing: dict[str, str]) -> Iterator[Need]:
        """Go through what a package needs, each where Node would find it."""
        optional = _object(document, "optionalDependencies")
        for section in ("dependencies", "optionalDependencies", "peerDependencies"):
            group = GROUPS[section]
            for name, asked in _object(document, section).items():
                if group == "main" and name in optional:
                    continue
                need = self._need(real, name, asked, group)
                if need is not None:
                    yield need
                elif group not in _LOOSE:
                    missing.setdefault(name, asking)

    def _need(self, real: str, name: str, asked: object, group: str) -> Need | None:
        target = self._resolved(real, name)
        if target is None or not target.document:
            return None
        requirement = asked if isinstance(asked, str) and ":" not in asked and "/" not in asked else ""
        alias = name if target.document["name"] != name else ""
        return Need(to=target.key, group=group, requirement=requirement, alias=alias)

    def _resolved(self, real: str, name: str) -> _Installed | None:
        """Look a package up as Node does: beside the one that asks, then ever further up."""
        folder = real
        while len(folder) >= len(self.home):
            at = self.links.get(_in(folder, _FOLDER), {}).get(name)
            if at is not None:
                return self.found.get(at)
            if not folder:
                break
            folder = _above(folder)
        return None

    def _roots(self) -> tuple[Root, ...] | None:
        """Return what the project beside the directory and the members of its workspace ask for; None if unsaid."""
        document, wrong = _document(Path(_in(self.home, _FILE)))
        if wrong:
            return None
        project = self._root("", self.home, document)
        self.locals |= {project.name} - {""}
        members = sorted((one for one in self.found.values() if one.skip == WORKSPACE), key=lambda one: one.real)
        paths = [os.path.relpath(one.real, self.home).replace(os.sep, "/") for one in members]
        others = [self._root(path, one.real, one.document) for path, one in zip(paths, members, strict=True)]
        return (project, *others)

    def _root(self, path: str, real: str, document: Mapping[str, Any]) -> Root:
        asked = ((group, *item) for section, group in GROUPS.items() for item in _object(document, section).items())
        needs = [self._need(real, name, what, group) for group, name, what in asked]
        name = document.get("name")
        found = tuple(need for need in needs if need is not None)
        return Root(path=path, name=name if isinstance(name, str) else "", needs=found)

    def _is_inside(self, real: str) -> bool:
        return real.startswith(self.top + os.sep)

    def _report(self, file: str, message: str) -> None:
        shown = self.path / os.path.relpath(file, self.top)
        self.problems.append(Problem(path=_shown(shown.as_posix()), message=message, hint="install it again"))


def _entries(folder: str) -> Iterator[tuple[str, str]]:
    """Go through the packages in a directory, scoped ones too: the name of each, and where it really lies."""
    for entry in _scan(folder):
        if entry.name.startswith("@"):
            inside = [] if entry.is_symlink() else _scan(entry.path)  # installers link packages, never scopes
            yield from ((f"{entry.name}/{one.name}", _real(one)) for one in inside if _is_package(one))
        elif _is_package(entry):
            yield entry.name, _real(entry)


def _stored(folder: str) -> Iterator[str]:
    """Go through the directories of pnpm's store, which holds what the links in ``node_modules`` lead to."""
    for entry in _scan(_in(folder, _STORE)):
        if entry.is_dir(follow_symlinks=False):
            yield entry.path if entry.name == _FOLDER else _in(entry.path, _FOLDER)


def _in(folder: str, name: str) -> str:
    return f"{folder}{os.sep}{name}"


def _above(path: str) -> str:
    return path.rpartition(os.sep)[0]


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # not there, or not to be read
        return []


def _is_package(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:  # a link to itself
        return False


def _real(entry: os.DirEntry[str]) -> str:
    return os.path.realpath(entry.path) if entry.is_symlink() else entry.path


def _document(file: Path) -> tuple[Mapping[str, Any], str]:
    """Return a package.json, and why there is none."""
    try:
        document = json.loads(contents(file).decode("utf-8-sig"))
    except CannotReadError as error:
        return {}, str(error)
    except (ValueError, RecursionError):
        return {}, "not valid JSON"
    return (document, "") if isinstance(document, dict) else ({}, "not a package.json")


def _hidden_lock(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return what npm noted of every package when it installed it."""
    document, _ = _document(path / _HIDDEN_LOCK)
    return {key: value for key, value in _object(document, "packages").items() if isinstance(value, dict)}


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _about_missing(missing: Mapping[str, str]) -> Iterator[str]:
    if missing:
        listed = [f"{name} for {asking}" for name, asking in sorted(missing.items())[:_FEW]]
        yield f"{len(missing)} needed but not installed: {', '.join(listed)}{', …' if len(missing) > _FEW else ''}"


def _shown(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")
