"""yarn.lock: every package of a project, as Yarn 1 ("classic") and Yarn 2 and later ("berry") write it.

Both list entries under the patterns they were asked for by (``lodash@^4.0.0``), so an edge is found by its pattern.
A pattern that ``resolutions`` in package.json overrule is not there any more: then the name decides, and where it has
several versions an edge leads to all of them. Berry also lists the members of the workspace, which are roots; classic
says nothing of the project.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import unquote

from nerq_cli.inventory import NPM, Location, Locked, Manifest, Need, Root
from nerq_cli.manifests.npm_entries import Keys, Mistakes, index_of, merged, own_names, quoted
from nerq_cli.manifests.npm_spec import ask, wrong_with
from nerq_cli.manifests.origins import LOCAL, WORKSPACE
from nerq_cli.manifests.yaml_document import SLOW, Node, NotYamlError, conflict, documents, has_libyaml
from nerq_cli.manifests.yarn_classic import blocks

NAME: Final = "yarn.lock"

#: Version of classic's format, the only one there was.
CLASSIC: Final = "1"
#: Versions of berry's format: Yarn 2 wrote 4, Yarn 3 wrote 5 and 6, Yarn 4 writes 7 to 10.
BERRY: Final = frozenset(map(str, range(4, 11)))

_HEADER = re.compile(r"^# yarn lockfile v(\S+)", re.MULTILINE)
_METADATA = re.compile(r"""^["']?__metadata["']?:""", re.MULTILINE)
_PATTERNS = re.compile(r"\s*,\s*")
_ARCHIVE = re.compile(r"(?:^|&)__archiveUrl=([^&]+)")
_LOCATOR = re.compile(r"(?:^|&)locator=([^&]+)")
_COMMIT = re.compile(r"#commit=")
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
#: How often one resolution may be wrapped in another (``patch:`` in ``patch:`` in ``virtual:``).
_WRAPPINGS: Final = 4
#: How many names a note gives as examples.
_EXAMPLES: Final = 3
_REMEDY: Final = "have Yarn write the file again: yarn install"

_Members = Mapping[str, Node]
_NOTHING: Final[_Members] = {}


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is Yarn's lock file."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - a lock file
    """Read what a yarn.lock holds. What is wrong with it is in ``problems``; nothing is raised.

    Args:
        text: the whole file.
        path: what it is called.
        constraint: means nothing here; all readers take it.
        group: means nothing here either.
    """
    text = text.removeprefix("\ufeff")
    lock = _Lock(text, path)
    berry = _METADATA.search(text) is not None
    try:
        entries = list(lock.berry(text) if berry else lock.classic(text))
    except NotYamlError as error:
        lock.mistakes.report(str(error), error.line, hint=error.hint)
        entries = []
    graph = _Graph(lock, entries)
    locked = merged(graph.locked())
    if berry or lock.mistakes.found or graph.ends_early():
        graph.report_missing()
    return Manifest(
        path=path,
        format=NAME,
        locked=locked,
        roots=tuple(graph.roots()) if berry else None,
        locks=("package.json",),
        locals=own_names((entry.name, entry.skip) for entry in entries),
        problems=lock.mistakes.found,
        notes=(SLOW,) if berry and not has_libyaml() else () if lock.mistakes.found else tuple(graph.missing_told()),
    )


class _Origin(NamedTuple):
    """What an entry stands for: a package, why it is not from a registry, from which one it is, and what tells it."""

    name: str
    skip: str = ""
    registry: str = ""
    exact: str = ""


class _Entry(NamedTuple):
    """One entry: the patterns it is for, and what it stands for. ``member`` is the directory of a workspace member."""

    patterns: tuple[str, ...]
    key: str
    name: str
    version: str
    skip: str
    registry: str
    line: int
    fields: _Members
    resolution: str = ""
    member: str | None = None


class _Lock:
    """One lock file while its entries are read."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.mistakes = Mistakes(text, path)
        self.keys = Keys()

    # --- Classic -----------------------------------------------------------------------------------------------------

    def classic(self, text: str) -> Iterator[_Entry]:
        """Go through the entries of a lock file of Yarn 1's."""
        line = conflict(text)
        if line:
            raise NotYamlError("this is a merge conflict marker", line, "choose one of the two versions")
        header = _HEADER.search(text)
        if header is not None and header[1] != CLASSIC:
            line = text.count("\n", 0, header.start()) + 1
            raise NotYamlError(f"unknown version of the lock file: {quoted(header[1])}", line, "known is version 1")
        if not text.strip():
            raise NotYamlError("the file is empty", 0, _REMEDY)
        for patterns, line, fields in blocks(text, partial(self.mistakes.report, hint=_REMEDY)):
            entry = self._classic(patterns, line, fields)
            if entry is not None:
                yield entry

    def _classic(self, patterns: tuple[str, ...], line: int, fields: _Members) -> _Entry | None:
        version, resolved = _text(fields.get("version")), _text(fields.get("resolved"))
        if not version:
            self.mistakes.report(f"{quoted(patterns[0])} has no version: the entry is damaged", line, hint=_REMEDY)
            return None
        origin = _classic_origin(patterns, resolved, _text(fields.get("name")))
        return self._checked(patterns, origin, version, line, fields)

    # --- Berry -------------------------------------------------------------------------------------------------------

    def berry(self, text: str) -> Iterator[_Entry]:
        """Go through the entries of a lock file of Yarn 2's or later."""
        root, *others = documents(text)
        if others:
            raise NotYamlError("a lock file is one document", others[0].line, _REMEDY)
        if not isinstance(root.data, dict):
            raise NotYamlError(f"a lock file is a mapping, not {root.kind}", root.line, _REMEDY)
        metadata = root.data.get("__metadata")
        inside = metadata.data if metadata is not None and isinstance(metadata.data, dict) else _NOTHING
        version = inside.get("version")
        if _text(version) not in BERRY:
            known = ", ".join(sorted(BERRY, key=int))
            line = (version or metadata or root).line
            message = f"unknown version of the lock file: {quoted(_text(version))}"
            raise NotYamlError(message, line, f"known are versions {known}")
        members = 0
        for key, node in root.data.items():
            entry = None if key == "__metadata" else self._berry(key, node)
            if entry is not None:
                members += entry.member is not None
                yield entry
        if not members:
            self.mistakes.report("the project itself is missing: the file is damaged", hint=_REMEDY)

    def _berry(self, key: str, node: Node) -> _Entry | None:
        if not isinstance(node.data, dict):
            self.mistakes.report(f"{quoted(key)} must be a mapping, not {node.kind}", node.line, hint=_REMEDY)
            return None
        resolution, version = _text(node.data.get("resolution")), _text(node.data.get("version"))
        if not resolution or not version:
            missing = "version" if resolution else "resolution"
            self.mistakes.report(f"{quoted(key)} has no {missing}: the entry is damaged", node.line, hint=_REMEDY)
            return None
        origin = _berry_origin(resolution)
        patterns = tuple(_PATTERNS.split(key.strip()))
        if origin.skip != WORKSPACE:
            return self._checked(patterns, origin, version, node.line, node.data, resolution)
        directory = origin.exact.removeprefix("workspace:")
        if _ABSOLUTE.match(directory):
            message = f"{quoted(directory)} is not a directory of this project"
            self.mistakes.report(message, node.line)
            return None
        member = posixpath.normpath(directory)
        member = "" if member == "." else member
        return self._checked(patterns, origin, "", node.line, node.data, resolution, member)

    def _checked(
        self,
        patterns: tuple[str, ...],
        origin: _Origin,
        version: str,
        line: int,
        fields: _Members,
        resolution: str = "",
        member: str | None = None,
    ) -> _Entry | None:
        """Return the entry, if what it is called can be the name of a package."""
        wrong = wrong_with(origin.name)
        if wrong:
            what = quoted(resolution or patterns[0])
            self.mistakes.report(f"{what} does not tell which package it is: {wrong}", line, hint=_REMEDY)
            return None
        key = self.keys.of(origin.name, origin.exact if origin.skip else version, origin.registry)
        version = "" if version == "0.0.0-use.local" else version
        return _Entry(
            patterns, key, origin.name, version, origin.skip, origin.registry, line, fields, resolution, member
        )


class _Graph:
    """The entries of one file, and where each of them leads."""

    def __init__(self, lock: _Lock, entries: list[_Entry]) -> None:
        self.path = lock.path
        self.report = lock.mistakes.report
        self.entries = entries
        self.missing: dict[tuple[str, str, int], None] = {}
        self.by_pattern: dict[str, _Entry] = {}
        self.by_name: dict[str, dict[str, _Entry]] = {}
        self.bound: dict[str, list[tuple[str, _Entry]]] = {}
        for entry in entries:
            for pattern in entry.patterns:
                self._file(pattern, entry)
        self.needs = [tuple(dict.fromkeys(self._needs(entry))) for entry in entries]
        self.asked_for = {need.to for needs in self.needs for need in needs}
        self.spared = self.asked_for - {need.to for needs in self.needs for need in needs if need.group != "optional"}

    def locked(self) -> Iterator[Locked]:
        """Go through all packages; members of the workspace are among them where something leads to them."""
        for entry, needs in zip(self.entries, self.needs, strict=True):
            if entry.member is not None and entry.key not in self.asked_for:
                continue
            conditions = _text(entry.fields.get("conditions"))
            names = [_parted(pattern)[0] for pattern in entry.patterns]
            berry = bool(entry.resolution)
            yield Locked(
                key=entry.key,
                ecosystem=NPM,
                name=entry.name,
                version=entry.version,
                location=Location(path=self.path, line=entry.line),
                needs=needs,
                optional=bool(conditions) or (berry and entry.key in self.spared),
                marker=conditions,
                alias="" if entry.name in names else names[0],
                skip=entry.skip,
                index=entry.registry,
                hashed=_is_hashed(entry.fields),
            )

    def roots(self) -> Iterator[Root]:
        """Go through the members of the workspace."""
        for entry, needs in zip(self.entries, self.needs, strict=True):
            if entry.member is not None:
                yield Root(path=entry.member, name=entry.name, needs=needs)

    def ends_early(self) -> bool:
        """Whether something is missing that would stand behind the last entry: entries are sorted by name."""
        last = max((entry.name for entry in self.entries), default="")
        return any(name > last for name, _, _ in self.missing)

    def report_missing(self) -> None:
        """Report each edge that leads to nothing in the file."""
        for name, asked, line in self.missing:
            what = quoted(f"{name}@{asked}")
            self.report(f"{what} is asked for here, but is not in this file", line, hint=_REMEDY)

    def missing_told(self) -> Iterator[str]:
        """Yield a note on what the file lacks: classic leaves out what a member of the workspace provides."""
        names = list(dict.fromkeys(name for name, _, _ in self.missing))
        if names:
            more = f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
            some = ", ".join(names[:_EXAMPLES])
            yield f"asked for but not in this file, as what members of a workspace provide: {some}{more}"

    def _file(self, pattern: str, entry: _Entry) -> None:
        known = self.by_pattern.setdefault(pattern, entry)
        if known is not entry:
            self.report(f"{quoted(pattern)} is here twice, first in line {known.line}", entry.line)
        name, _ = _parted(pattern)
        self.by_name.setdefault(name, {})[entry.key] = entry
        bare, separator, parameters = pattern.partition("::")
        if separator:
            locator = _LOCATOR.search(parameters)
            self.bound.setdefault(bare, []).append((unquote(locator[1]) if locator else "", entry))

    def _needs(self, entry: _Entry) -> Iterator[Need]:
        meta = self._members(entry, "dependenciesMeta")
        wanted = self._members(entry, "dependencies")
        for name, node in wanted.items():
            yield from self._edges(entry, name, node, "optional" if meta and _is_optional(meta.get(name)) else "main")
        for name, node in self._members(entry, "optionalDependencies").items():
            yield from self._edges(entry, name, node, "optional")
        peers = self._members(entry, "peerDependencies")
        peers_meta = self._members(entry, "peerDependenciesMeta") if peers else _NOTHING
        for name, node in peers.items():
            # Who provides a peer depends on who asks, which the file does not tell; with one candidate it is that one.
            found = self.by_name.get(name, {})
            if len(found) == 1 and name not in wanted and not _is_optional(peers_meta.get(name)):
                yield _need(next(iter(found.values())), name, _text(node), "peer")

    def _edges(self, entry: _Entry, name: str, node: Node, group: str) -> Iterator[Need]:
        asked = _text(node)
        found = self.by_pattern.get(f"{name}@{asked}") or self.by_pattern.get(f"{name}@npm:{asked}")
        if found is not None:
            yield _need(found, name, asked, group)
            return
        others = self._bound_to(entry, f"{name}@{asked}") or list(self.by_name.get(name, {}).values())
        if not others and group == "main":
            self.missing[name, asked, node.line] = None
        yield from (_need(other, name, asked, group) for other in others)

    def _bound_to(self, entry: _Entry, pattern: str) -> list[_Entry]:
        """Return what is meant by a pattern relative to whoever asks: ``file:``, ``link:``, ``portal:``, ``patch:``."""
        candidates = self.bound.get(pattern, [])
        meant = [found for locator, found in candidates if locator == entry.resolution]
        return meant or [found for _, found in candidates]

    def _members(self, entry: _Entry, key: str) -> _Members:
        node = entry.fields.get(key)
        if node is None:
            return _NOTHING
        if isinstance(node.data, dict):
            return node.data
        self.report(f"{key} must be a mapping, not {node.kind}", node.line, hint=_REMEDY)
        return _NOTHING


def _need(entry: _Entry, name: str, asked: str, group: str) -> Need:
    return Need(to=entry.key, group=group, requirement=_requirement(name, asked), alias=_alias(entry, name))


def _alias(entry: _Entry, name: str) -> str:
    return name if name != entry.name else ""


def _requirement(name: str, asked: str) -> str:
    """Return the range alone; empty where no range is asked for."""
    text = asked.removeprefix("npm:")
    return ask(name, asked, {}).requirement if ":" in text or "@" in text or "/" in text else text


def _classic_origin(patterns: tuple[str, ...], resolved: str, stated: str) -> _Origin:
    """Tell from the patterns of a classic entry, and from the address it was taken from, where it comes from."""
    name, asked = _parted(patterns[0])
    for pattern in patterns:
        found = ask(*_parted(pattern), {})
        name = found.name
        if not found.skip:  # one pattern for the registry is enough: they all mean the same artefact
            break
    name = stated or name
    if not found.skip:
        return _Origin(name, registry=index_of(resolved, name) if "://" in resolved else "")
    skip = found.skip if found.skip == LOCAL or not resolved else ask(name, resolved, {}).skip or found.skip
    return _Origin(name, skip=skip, exact=resolved or asked)


def _berry_origin(resolution: str) -> _Origin:
    """Tell from the resolution of a berry entry where it comes from."""
    name, rest = _parted(resolution)
    for _ in range(_WRAPPINGS):
        if rest.startswith("virtual:"):
            rest = rest.partition("#")[2]
        elif rest.startswith("patch:"):
            name, rest = _parted(unquote(rest.removeprefix("patch:").partition("#")[0]))
    reference, _, parameters = rest.partition("::")
    if reference.startswith("npm:"):
        archive = _ARCHIVE.search(parameters)
        return _Origin(name, registry=index_of(unquote(archive[1]), name) if archive else "")
    if reference.startswith("workspace:"):
        return _Origin(name, skip=WORKSPACE, exact=reference)
    skip = ask(name, _COMMIT.sub("#", reference), {}).skip or "not from the npm registry"
    locator = _LOCATOR.search(parameters)
    return _Origin(name, skip=skip, exact=f"{reference} of {unquote(locator[1])}" if locator else reference)


def _is_hashed(fields: _Members) -> bool:
    return "integrity" in fields or "checksum" in fields or "#" in _text(fields.get("resolved"))


def _is_optional(meta: Node | None) -> bool:
    return meta is not None and isinstance(meta.data, dict) and _text(meta.data.get("optional")) == "true"


def _text(node: Node | None) -> str:
    return node.data if node is not None and isinstance(node.data, str) else ""


def _parted(pattern: str) -> tuple[str, str]:
    """Split ``name@range``; the name may begin with an at sign itself."""
    at = pattern.find("@", 1)
    return (pattern, "") if at < 0 else (pattern[:at], pattern[at + 1 :])
