"""pnpm-lock.yaml: every package of a pnpm workspace, as lock file versions 5, 6 and 9 write it.

pnpm lists a package once for each set of peers it meets (``react-dom@18.3.1(react@18.3.1)``); here these are one
entry, leading wherever any of them leads. The documents that newer pnpm puts in front, for configuration and for pnpm
itself, are read like the project's own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from nerq_cli.inventory import NPM, Location, Locked, Manifest, Need, Root
from nerq_cli.manifests.npm_entries import Keys, Mistakes, index_of, merged, own_names, quoted
from nerq_cli.manifests.npm_spec import Catalogs, ask, wrong_with
from nerq_cli.manifests.origins import LOCAL, WORKSPACE, of_repository, of_url
from nerq_cli.manifests.yaml_document import SLOW, Node, NotYamlError, documents, has_libyaml

NAME: Final = "pnpm-lock.yaml"

#: Major versions of the format that exist: pnpm 3 to 7 write 5, pnpm 8 writes 6, pnpm 9 and later write 9.
VERSIONS: Final = (5, 6, 9)
_SPLIT: Final = 9  # from this one on, edges stand apart from packages, in snapshots

#: What an importer asks for, and the group each section stands for.
GROUPS: Final[Mapping[str, str]] = {
    "dependencies": "main",
    "devDependencies": "dev",
    "optionalDependencies": "optional",
    "configDependencies": "dev:config",
    "packageManagerDependencies": "dev:package-manager",
}
_EDGES: Final = (("dependencies", "main"), ("optionalDependencies", "optional"))
#: What the key of a package is made of, for each version: its name and what follows.
_KEYS: Final[Mapping[int, str]] = {5: "/{}/{}", 6: "/{}@{}", 9: "{}@{}"}

_LOCK_VERSION = re.compile(r"(\d+)(?:\.\d+)?(?:-inlineSpecifiers)?", re.ASCII)
_SEMVER = re.compile(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]*)?", re.ASCII)
#: A package from a registry, with the registry's host in front where it is not the default one.
_REGISTRY_KEY: Final[Mapping[int, re.Pattern[str]]] = {
    5: re.compile(r"([^/@]*)/((?:@[^/]+/)?[^/@]+)/([^/_]+)(?:_.*)?", re.DOTALL),
    6: re.compile(r"([^/@]*)/((?:@[^/]+/)?[^/@]+)@([^/]+)"),
}
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
_PLATFORM: Final = ("os", "cpu", "libc")
#: How many names a note gives as examples.
_EXAMPLES: Final = 3

_REMEDY: Final = "have pnpm write the file again: pnpm install --lockfile-only"
_Members = Mapping[str, Node]
_NOTHING: Final[_Members] = {}


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is pnpm's lock file."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - a lock file
    """Read what a pnpm-lock.yaml holds. What is wrong with it is in ``problems``; nothing is raised.

    Args:
        text: the whole file.
        path: what it is called.
        constraint: means nothing here; all readers take it.
        group: means nothing here either.
    """
    lock = _Lock(text, path)
    try:
        lock.read(documents(text))
    except NotYamlError as error:
        lock.mistakes.report(str(error), error.line, hint=error.hint)
    return lock.manifest()


class _Entry(NamedTuple):
    """One package as one key of the file stands for it: what is said of the package, and of where it leads."""

    key: str
    name: str
    version: str
    skip: str
    registry: str
    line: int
    package: _Members
    snapshot: _Members


class _Lock:
    """One lock file while it is read, document by document."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.mistakes = Mistakes(text, path)
        self.keys = Keys()
        self.locked: list[Locked] = []
        self.roots: dict[str, tuple[Need, ...]] = {}
        self.links: dict[str, tuple[str, int]] = {}
        self.injected: dict[str, str] = {}
        self.bundling: dict[str, None] = {}

    def read(self, found: list[Node]) -> None:
        """Read all documents; empty ones are left out, if not all are."""
        filled = [document for document in found if document.data]
        if not filled:
            self.mistakes.report("the file is empty", hint=_REMEDY)
        for document in filled:
            if isinstance(document.data, dict):
                self._document(document.data, document.line)
            else:
                self.mistakes.report(f"a lock file is a mapping, not {document.kind}", document.line)

    def manifest(self) -> Manifest:
        """Return everything that was read."""
        locked = (*merged(self.locked), *self._linked())
        names = {**self.injected, **{path: name for path, (name, _) in self.links.items()}}
        roots = tuple(Root(path=path, name=names.get(path, ""), needs=needs) for path, needs in self.roots.items())
        return Manifest(
            path=self.path,
            format=NAME,
            locked=locked,
            roots=roots,
            locks=("package.json",),
            locals=own_names((entry.name, entry.skip) for entry in locked),
            problems=self.mistakes.found,
            notes=tuple(self._notes()),
        )

    def _document(self, root: _Members, line: int) -> None:
        stated = root.get("lockfileVersion")
        version = _LOCK_VERSION.fullmatch(_text(stated))
        if stated is None:
            self.mistakes.report("this is not a lock file of pnpm's: it has no lockfileVersion", line)
        elif version is None or int(version[1]) not in VERSIONS:
            known = ", ".join(map(str, VERSIONS))
            hint = f"known are versions {known}"
            self.mistakes.report(f"unknown version of the lock file: {quoted(_text(stated))}", stated.line, hint=hint)
        else:
            document = _Document(self, root, int(version[1]))
            document.read()

    def _linked(self) -> Iterator[Locked]:
        """Go through the directories that are linked to; a member of the workspace leads to what it runs with."""
        for path, (name, line) in self.links.items():
            needs = self.roots.get(path)
            yield Locked(
                key=_link_key(path),
                ecosystem=NPM,
                name=name,
                version="",
                location=Location(path=self.path, line=line),
                needs=tuple(need for need in needs or () if need.group in {"main", "optional"}),
                skip=LOCAL if needs is None else WORKSPACE,
            )

    def _notes(self) -> Iterator[str]:
        if self.bundling:
            some = ", ".join(list(self.bundling)[:_EXAMPLES])
            more = f" and {len(self.bundling) - _EXAMPLES} more" if len(self.bundling) > _EXAMPLES else ""
            yield f"not listed in this file: what is bundled with {some}{more}"
        if not has_libyaml():
            yield SLOW


class _Document:
    """One document of a lock file."""

    def __init__(self, lock: _Lock, root: _Members, version: int) -> None:
        self.lock = lock
        self.report = lock.mistakes.report
        self.root = root
        self.version = version
        self.importers = self._importers()
        self.entries: dict[str, _Entry] = {}

    def read(self) -> None:
        """Read packages first, since anything may lead to any of them."""
        for raw, line, package, snapshot in self._packages():
            entry = self._entry(raw, line, package, snapshot)
            if entry is not None:
                self.entries[raw] = entry
        self.lock.locked += map(self._locked, self.entries.values())
        catalogs = self._catalogs()
        for path, importer in self.importers.items():
            needs = self._asked_for(path, importer, catalogs)
            self.lock.roots[path] = tuple(dict.fromkeys((*self.lock.roots.get(path, ()), *needs)))

    # --- Packages ----------------------------------------------------------------------------------------------------

    def _packages(self) -> Iterator[tuple[str, int, _Members, _Members]]:
        """Go through keys, with what is said of the package and of where it leads."""
        packages = self._members(self.root, "packages")
        if self.version < _SPLIT:
            for raw, node in packages.items():
                members = self._mapping(node, raw)
                yield raw, node.line, members, members
            return
        alone = dict(packages)
        for raw, node in self._members(self.root, "snapshots").items():
            bare = _without_peers(raw)
            alone.pop(bare, None)
            package = packages.get(bare)
            if package is None:
                self.report(f"{quoted(bare)} stands in snapshots, but not in packages", node.line, hint=_REMEDY)
                yield raw, node.line, _NOTHING, self._mapping(node, raw)
            else:
                yield raw, package.line, self._mapping(package, bare), self._mapping(node, raw)
        if packages and "snapshots" not in self.root:
            self.report("the snapshots are missing: the file is damaged", hint=_REMEDY)
        for raw, node in alone.items():
            if "snapshots" in self.root:
                self.report(f"{quoted(raw)} stands in packages, but not in snapshots", node.line, hint=_REMEDY)
            yield raw, node.line, self._mapping(node, raw), _NOTHING

    def _entry(self, raw: str, line: int, package: _Members, snapshot: _Members) -> _Entry | None:
        host, name, rest = self._split(raw)
        name = name or _text(package.get("name"))
        wrong = wrong_with(name)
        if wrong:
            self.report(f"{quoted(raw)} does not tell which package it is: {wrong}", line, hint=_REMEDY)
            return None
        resolution = self._members(package, "resolution")
        if not resolution and package is not _NOTHING:
            self.report(f"{quoted(raw)} has no resolution: the entry is damaged", line, hint=_REMEDY)
        skip = self._skip(name, rest, resolution)
        version = rest if _SEMVER.fullmatch(rest) else _text(package.get("version"))
        index = "" if skip else _index(resolution, name, host)
        if skip == WORKSPACE:
            self.lock.injected[_path(_text(resolution.get("directory")))] = name
        origin = _text(package.get("id")) or rest  # version 5 tells what its keys are without peers
        key = self.lock.keys.of(name, origin if skip else version, index)
        return _Entry(key, name, version, skip, index, line, package, snapshot)

    def _split(self, raw: str) -> tuple[str, str, str]:
        """Return the host of the registry, where one is named, the package's name, and its version or address."""
        if self.version >= _SPLIT:
            name, _, rest = _parted(_without_peers(raw))
            return "", name, rest
        found = _REGISTRY_KEY[self.version].fullmatch(_without_peers(raw))
        if found and _SEMVER.fullmatch(found[3]):
            return found[1], found[2], found[3]
        return "", "", _without_peers(raw)

    def _skip(self, name: str, rest: str, resolution: _Members) -> str:
        """Return why a package does not come from a registry; empty when it does."""
        kind, tarball = _text(resolution.get("type")), _text(resolution.get("tarball"))
        if kind == "git":
            return of_repository(_text(resolution.get("repo")), _text(resolution.get("commit")))
        if kind == "directory":
            return WORKSPACE if _path(_text(resolution.get("directory"))) in self.importers else LOCAL
        if tarball.startswith("file:"):
            return LOCAL
        if _SEMVER.fullmatch(rest):
            return f"{kind[:20]}: not from the npm registry" if kind else ""
        return of_url(tarball) if tarball else ask(name, rest, {}).skip or "not from the npm registry"

    def _locked(self, entry: _Entry) -> Locked:
        package, snapshot = entry.package, entry.snapshot
        bundled = package.get("bundledDependencies") or package.get("bundleDependencies")
        if bundled is not None and bundled.data and bundled.data != "false":
            self.lock.bundling[entry.key] = None
        dev = snapshot.get("dev")
        return Locked(
            key=entry.key,
            ecosystem=NPM,
            name=entry.name,
            version=entry.version,
            location=Location(path=self.lock.path, line=entry.line),
            needs=self._needs(entry),
            groups=() if dev is None else ("dev",) if dev.data == "true" else ("main",),
            optional=_text(snapshot.get("optional")) == "true",
            marker=_platform(package),
            skip=entry.skip,
            index=entry.registry,
            hashed="integrity" in self._members(package, "resolution"),
        )

    # --- Edges -------------------------------------------------------------------------------------------------------

    def _needs(self, entry: _Entry) -> tuple[Need, ...]:
        needs: dict[Need, None] = {}
        peers = self._members(entry.package, "peerDependencies")
        for section, group in _EDGES:
            for name, node in self._members(entry.snapshot, section).items():
                peer = peers.get(name)
                to = self._target(name, _text(node), "", node.line, optional=group == "optional" or peer is not None)
                if to is None:
                    continue
                if peer is None:
                    need = Need(to=to[0], group=group, alias=to[1])
                else:
                    need = Need(to=to[0], group="peer", requirement=_text(peer), alias=to[1])
                needs[need] = None
        return tuple(needs)

    def _asked_for(self, path: str, importer: _Members, catalogs: Catalogs) -> Iterator[Need]:
        specifiers = self._members(importer, "specifiers")
        if specifiers and importer.keys().isdisjoint(GROUPS):
            self.report(
                "nothing says which versions these specifiers led to", importer["specifiers"].line, hint=_REMEDY
            )
        for section, group in GROUPS.items():
            for name, node in self._members(importer, section).items():
                stated = node.data if isinstance(node.data, dict) else {"version": node}
                specifier = _text(stated.get("specifier") or specifiers.get(name))
                asked = ask(name, specifier, catalogs)
                linked = asked.name if asked.skip == WORKSPACE else name
                version = _text(stated.get("version"))
                to = self._target(name, version, path, node.line, optional=group == "optional", linked=linked)
                if to is not None:
                    yield Need(to=to[0], group=group, requirement=asked.requirement, alias=to[1])

    def _target(
        self, name: str, reference: str, base: str, line: int, *, optional: bool, linked: str = ""
    ) -> tuple[str, str] | None:
        """Return the key of what a reference leads to, and the alias it goes by; None where there is no such thing.

        ``base`` is the directory that links start from, ``linked`` the name of what is linked to.
        """
        if reference.startswith("link:"):
            path, real = _path(posixpath.join(base, reference.removeprefix("link:"))), linked or name
            self.lock.links.setdefault(path, (real, line))
            return _link_key(path), name if real != name else ""
        entry = self.entries.get(_KEYS[self.version].format(name, reference)) or self.entries.get(reference)
        if entry is not None:
            return entry.key, name if entry.name != name else ""
        if not reference:
            self.report(f"{quoted(name)} has no version here: the entry is damaged", line, hint=_REMEDY)
        elif not optional:
            self.report(f"{quoted(name)} leads to {quoted(reference)}, which is not in this file", line, hint=_REMEDY)
        return None

    # --- The document ------------------------------------------------------------------------------------------------

    def _importers(self) -> dict[str, _Members]:
        """Return the projects of the workspace by their directories. One that is alone may stand at the top."""
        stated = self.root.get("importers")
        if stated is None:
            if self.version >= _SPLIT:
                self.report("the importers are missing: the file is damaged", hint=_REMEDY)
                return {}
            return {"": self.root}
        importers: dict[str, _Members] = {}
        for path, node in self._mapping(stated, "importers").items():
            if _ABSOLUTE.match(path):
                self.report(f"{quoted(path)} is not a directory of this project", node.line)
            else:
                importers[_path(path)] = self._mapping(node, path)
        return importers

    def _catalogs(self) -> Catalogs:
        return {
            name: {
                package: _text(self._mapping(entry, package).get("specifier"))
                for package, entry in self._mapping(node, name).items()
            }
            for name, node in self._members(self.root, "catalogs").items()
        }

    def _members(self, holder: _Members, key: str) -> _Members:
        """Return the members of a mapping inside another one; none where there is no such mapping."""
        node = holder.get(key)
        return _NOTHING if node is None else self._mapping(node, key)

    def _mapping(self, node: Node, what: str) -> _Members:
        if isinstance(node.data, dict):
            return node.data
        self.report(f"{quoted(what)} must be a mapping, not {node.kind}", node.line, hint=_REMEDY)
        return _NOTHING


def _text(node: Node | None) -> str:
    return node.data if node is not None and isinstance(node.data, str) else ""


def _parted(key: str) -> tuple[str, str, str]:
    """Split ``name@rest``; the name may begin with an at sign itself."""
    at = key.find("@", 1)
    return (key, "", "") if at < 0 else (key[:at], "@", key[at + 1 :])


def _without_peers(key: str) -> str:
    """Return a key without the peers in brackets at its end; brackets elsewhere may be part of a path."""
    if not key.endswith(")"):
        return key
    end, depth = len(key), 0
    for found in reversed(list(re.finditer(r"[()]", key))):
        if depth == 0 and found.end() != end:
            break
        depth += 1 if found[0] == ")" else -1
        if depth == 0:
            end = found.start()
    return key[:end]


def _path(path: str) -> str:
    normal = posixpath.normpath(path)
    return "" if normal == "." else normal


def _link_key(path: str) -> str:
    return f"link:{path or '.'}"


def _index(resolution: _Members, name: str, host: str) -> str:
    """Return the registry that an entry names: by its tarball's address, in its own field, or in the key."""
    tarball, registry = _text(resolution.get("tarball")), _text(resolution.get("registry"))
    if "://" in tarball:
        return index_of(tarball, name)
    if registry:
        return index_of(f"{registry.rstrip('/')}/{name}/-/", name)
    return f"https://{host.replace('+', ':')}" if host else ""


def _platform(package: _Members) -> str:
    """Return the platforms a package is for, as it states them: ``os: darwin, linux; cpu: arm64``."""
    stated = []
    for key in _PLATFORM:
        node = package.get(key)
        if node is not None and isinstance(node.data, list):
            stated.append(f"{key}: {', '.join(map(_text, node.data))}")
        elif node is not None and isinstance(node.data, str):
            stated.append(f"{key}: {node.data}")
    return "; ".join(stated)
