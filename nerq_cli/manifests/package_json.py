"""package.json: the dependencies of an npm project, as npm, Yarn, pnpm and Bun write them.

What comes from a repository, an address, a directory or the workspace itself keeps its place in the inventory and is
never asked about; everything else is a version, a range or a dist-tag of a package in the registry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import NPM, Declared, Include, Location, Manifest
from nerq_cli.manifests.json_document import Lines, Member, Node, NotJsonError, parse
from nerq_cli.manifests.npm_spec import Asked, Catalogs, ask, wrong_with
from nerq_cli.manifests.origins import LOCAL, WORKSPACE, masked

NAME: Final = "package.json"

#: The objects that declare dependencies, and the group each stands for (npm's documentation of package.json).
GROUPS: Final[Mapping[str, str]] = {
    "dependencies": "main",
    "devDependencies": "dev",
    "optionalDependencies": "optional",
    "peerDependencies": "peer",
}
#: Names of what is shipped inside the package; npm takes both spellings.
BUNDLED: Final = ("bundleDependencies", "bundledDependencies")

#: Lines longer than this are not repeated in a problem.
LONGEST_QUOTE: Final = 500
#: Longest piece of a value repeated in a message, in characters.
_SHOWN: Final = 60
#: One version and nothing else.
_EXACT = re.compile(r"[=v]?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?", re.ASCII)


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a package.json."""
    return path.name == NAME


def read(
    text: str, path: str, *, constraint: bool = False, group: str = "", around: Catalogs | None = None
) -> Manifest:
    """Read what a package.json declares. What is wrong with it is in ``problems``; nothing is raised.

    The globs in ``includes`` name the package.json files of the workspaces. They hold in their order: one that begins
    with ``!`` takes out again what those before it let in.

    Args:
        text: the whole file.
        path: what it is called.
        constraint: whether it only narrows versions.
        group: takes the place of ``main``, where the file that includes this one says so.
        around: the catalogs of the workspace, where the file that keeps them is another one.
    """
    reading = _Reading(text, path, around)
    declared = tuple(_regrouped(item, group, constraint=constraint) for item in reading.declared())
    includes = tuple(reading.includes())
    provided = {reading.own_name(), *(item.name for item in declared if item.skip in {LOCAL, WORKSPACE})}
    return Manifest(
        path=path,
        format=NAME,
        declared=declared,
        includes=includes,
        constraint=constraint,
        locals=tuple(sorted(provided - {""})),
        problems=tuple(sorted(reading.problems, key=lambda problem: (problem.line, problem.column))),
    )


def catalogs(text: str) -> Catalogs:
    """Return the catalogs that a package.json keeps; Bun has them there."""
    return _Reading(text, "").catalogs()


def _regrouped(item: Declared, group: str, *, constraint: bool) -> Declared:
    if constraint:
        return replace(item, group="constraint")
    return replace(item, group=group) if group and item.group == "main" else item


class _Reading:
    """One package.json, and what was found wrong with it so far."""

    def __init__(self, text: str, path: str, around: Catalogs | None = None) -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path
        self.around = around or {}
        self.problems: dict[Problem, None] = {}
        self._lines = Lines(self.text)
        self._root = self._document()

    def own_name(self) -> str:
        """Return the name of the package itself; empty when it has none."""
        name = self._root.get("name")
        return name.value.data if name is not None and isinstance(name.value.data, str) else ""

    def declared(self) -> Iterator[Declared]:
        """Go through everything that is declared, in the order of `GROUPS`, and what overrides settle."""
        catalogs = self.catalogs()
        marked = {"main": ("bundled", self._bundled()), "peer": ("optional peer", self._optional_peers())}
        for section, group in GROUPS.items():
            marker, names = marked.get(group, ("", ()))
            for name, member in self._members(self._root, section).items():
                asked = self._asked(name, member, catalogs)
                if asked is not None:
                    yield self._declared(name, asked, member, group, marker if name in names else "")
        yield from self._settled()

    def includes(self) -> Iterator[Include]:
        """Go through the globs of workspaces."""
        field = self._root.get("workspaces")
        if field is not None and isinstance(field.value.data, dict):
            field = field.value.data.get("packages")
        for glob, node in () if field is None else self._strings(field.value, "workspaces"):
            pattern = _workspace_pattern(glob)
            if pattern:
                yield Include(pattern=pattern, line=self._lines.number(node.at), format=NAME)

    def _asked(self, name: str, member: Member, catalogs: Catalogs) -> Asked | None:
        text = member.value.data
        if not isinstance(text, str):
            self._report(f"the version of {_quoted(name)} must be a string, not {member.value.kind}", member.value.at)
            return None
        wrong = wrong_with(name)
        if wrong:
            self._report(f"{_quoted(name)} is no package name: {wrong}", member.at)
            return None
        asked = ask(name, text, catalogs)
        wrong = asked.wrong or wrong_with(asked.name)
        if wrong:
            self._report(f"{_quoted(text)} cannot be installed: {wrong}", member.value.at)
            return None
        return asked

    def _declared(self, name: str, asked: Asked, member: Member, group: str, marker: str = "") -> Declared:
        return Declared(
            ecosystem=NPM,
            name=asked.name,
            requirement=asked.requirement,
            group=group,
            location=Location(path=self.path, line=self._lines.number(member.at)),
            marker=marker,
            alias=name if asked.name != name else "",
            skip=asked.skip,
        )

    def _settled(self) -> Iterator[Declared]:
        """Go through the exact versions that npm, Yarn and pnpm let a project settle wherever a package occurs."""
        holders = ((self._root, "overrides"), (self._root, "resolutions"), (_inside(self._root, "pnpm"), "overrides"))
        for holder, section in holders:
            for name, member in self._members(holder, section).items():
                own = _inside({name: member}, name).get(".", member)  # npm: {"name": {".": "1.2.3", "inner": …}}
                version = own.value.data.strip() if isinstance(own.value.data, str) else ""
                if _EXACT.fullmatch(version) and not wrong_with(name):
                    yield self._declared(name, Asked(name, version), member, "constraint")

    def catalogs(self) -> Catalogs:
        """Return the catalogs that hold: those around, and the file's own: Bun's, at the top or in ``workspaces``."""
        catalogs = {name: dict(catalog) for name, catalog in self.around.items()}
        for holder in (self._root, _inside(self._root, "workspaces")):
            named = _inside(holder, "catalogs")
            for name in named:
                catalogs.setdefault(name, {}).update(_texts(_inside(named, name)))
            catalogs.setdefault("default", {}).update(_texts(_inside(holder, "catalog")))
        return catalogs

    def _bundled(self) -> set[str]:
        """Return the names of what is shipped inside the package; true means everything."""
        names: set[str] = set()
        for spelling in BUNDLED:
            field = self._root.get(spelling)
            if field is not None and field.value.data is True:
                names.update(self._members(self._root, "dependencies"))
            elif field is not None and field.value.data is not False:
                names.update(name for name, _ in self._strings(field.value, spelling))
        return names

    def _optional_peers(self) -> set[str]:
        meta = self._members(self._root, "peerDependenciesMeta")
        flags = {name: self._members(meta, name).get("optional") for name in meta}
        return {name for name, flag in flags.items() if flag is not None and flag.value.data is True}

    def _document(self) -> Mapping[str, Member]:
        try:
            node = parse(self.text)
        except NotJsonError as error:
            self._report(f"not valid JSON: {error}", error.at, hint=error.hint)
            return {}
        return self._object(node, "the file")

    def _members(self, holder: Mapping[str, Member], key: str) -> Mapping[str, Member]:
        """Return the members of an object inside another one; none where there is no such object."""
        member = holder.get(key)
        return {} if member is None else self._object(member.value, key)

    def _object(self, node: Node, what: str) -> Mapping[str, Member]:
        if isinstance(node.data, dict):
            return node.data
        if node.data is not None or what == "the file":
            self._report(f"{what[:_SHOWN]} must be an object, not {node.kind}", node.at)
        return {}

    def _strings(self, node: Node, what: str) -> Iterator[tuple[str, Node]]:
        if not isinstance(node.data, list):
            if node.data is not None:
                self._report(f"{what} must be an array, not {node.kind}", node.at)
            return
        for item in node.data:
            if isinstance(item.data, str):
                yield item.data, item
            else:
                self._report(f"an item of {what} must be a string, not {item.kind}", item.at)

    def _report(self, message: str, at: int, *, hint: str = "") -> None:
        text = self._lines.text(at)
        problem = Problem(
            path=self.path,
            line=self._lines.number(at),
            column=self._lines.column(at),
            message=masked(message),
            text=masked(text) if len(text) <= LONGEST_QUOTE else "",
            hint=hint,
        )
        self.problems[problem] = None


def _inside(holder: Mapping[str, Member], key: str) -> Mapping[str, Member]:
    """Return the members of an object inside another one, where there happens to be one."""
    member = holder.get(key)
    return member.value.data if member is not None and isinstance(member.value.data, dict) else {}


def _texts(members: Mapping[str, Member]) -> dict[str, str]:
    return {name: data for name, member in members.items() if isinstance(data := member.value.data, str)}


def _quoted(text: str) -> str:
    text = masked(text)  # before it is cut: half an address hides what is secret in it
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'


def _workspace_pattern(glob: str) -> str:
    """Return the glob of the package.json files in the directories that a workspace glob names; empty for none."""
    bare = glob.lstrip("!")
    out = "!" * ((len(glob) - len(bare)) % 2)
    folder = re.sub(r"^\.?/+", "", bare.replace("\\", "/")).rstrip("/")
    return f"{out}{folder}/{NAME}" if folder not in {"", "."} else ""
